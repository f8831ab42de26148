#include "linn/linn.h"

linn::AdaptivePolyphaseSampling2D make() {
#ifdef LINN_WRONG
  return linn::AdaptivePolyphaseSampling2D({.order = "l3"});
#else
  return linn::AdaptivePolyphaseSampling2D({.order = "l1"});
#endif
}
