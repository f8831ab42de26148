#include "linn/linn.h"

linn::FitOptions make() {
#ifdef LINN_WRONG
  return {.verbose = "atuo"};
#else
  return {.verbose = "auto"};
#endif
}
