#include "linn/linn.h"

linn::Conv2D make() {
#ifdef LINN_WRONG
  return linn::Conv2D(32, {3, 3}, {.padding = "vaild", .activation = "relu"});
#else
  return linn::Conv2D(32, {3, 3}, {.padding = "valid", .activation = "relu"});
#endif
}
