#include "linn/linn.h"

linn::callbacks::TensorBoard make() {
#ifdef LINN_WRONG
  return linn::callbacks::TensorBoard("logs", {.update_freq = "step"});
#else
  return linn::callbacks::TensorBoard("logs", {.update_freq = "batch"});
#endif
}
