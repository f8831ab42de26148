#include "linn/linn.h"

linn::Dense make() {
#ifdef LINN_WRONG
  return linn::Dense(3, {.kernel_regularizer = linn::regularizers::OrthogonalRegularizer{.mode = "row"}});
#else
  return linn::Dense(3, {.kernel_regularizer = linn::regularizers::OrthogonalRegularizer{.mode = "rows"}});
#endif
}
