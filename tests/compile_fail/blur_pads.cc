#include "linn/linn.h"

linn::BlurPooling2D make() {
#ifdef LINN_WRONG
  return linn::BlurPooling2D(4, {.border = "reflect", .pads = "zahng"});
#else
  return linn::BlurPooling2D(4, {.border = "reflect", .pads = "zhang"});
#endif
}
