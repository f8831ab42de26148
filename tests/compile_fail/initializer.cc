#include "linn/linn.h"

linn::Dense make() {
#ifdef LINN_WRONG
  return linn::Dense(3, {.kernel_initializer = linn::initializers::VarianceScaling{.mode = "fan_inn"}});
#else
  return linn::Dense(3, {.kernel_initializer = linn::initializers::VarianceScaling{.mode = "fan_in"}});
#endif
}
