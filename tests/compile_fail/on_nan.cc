#include "linn/linn.h"

linn::FitOptions make() {
#ifdef LINN_WRONG
  return {.on_nan = "stop"};
#else
  return {.on_nan = "ignore"};
#endif
}
