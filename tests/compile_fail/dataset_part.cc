#include "linn/linn.h"

linn::ImageDatasetOptions make() {
#ifdef LINN_WRONG
  return {.part = "validation"};
#else
  return {.part = "test"};
#endif
}
