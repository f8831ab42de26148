#include "linn/linn.h"

linn::shift::SweepOptions make() {
#ifdef LINN_WRONG
  return {.radius = 2, .border = "zreo"};
#else
  return {.radius = 2, .border = "zero"};
#endif
}
