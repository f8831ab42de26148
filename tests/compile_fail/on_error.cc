#include "linn/linn.h"

linn::ImageDatasetOptions make() {
#ifdef LINN_WRONG
  return {.on_error = "ignore"};
#else
  return {.on_error = "skip"};
#endif
}
