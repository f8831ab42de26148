#include "linn/linn.h"

linn::TranslationInvariantPolyphaseSampling2D make() {
#ifdef LINN_WRONG
  return linn::TranslationInvariantPolyphaseSampling2D({.regions = "quadrant"});
#else
  return linn::TranslationInvariantPolyphaseSampling2D({.regions = "quadrants"});
#endif
}
