#include "linn/linn.h"

linn::PredictOptions make() {
#ifdef LINN_WRONG
  return {.accuracy = "exakt"};
#else
  return {.accuracy = "exact"};
#endif
}
