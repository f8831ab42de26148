#include "linn/linn.h"

linn::SpatialPyramidPooling2D make() {
#ifdef LINN_WRONG
  return linn::SpatialPyramidPooling2D({1, 2}, {.pooling = "mean"});
#else
  return linn::SpatialPyramidPooling2D({1, 2}, {.pooling = "average"});
#endif
}
