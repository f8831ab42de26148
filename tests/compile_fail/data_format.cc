#include "linn/linn.h"

linn::MaxPooling2D make() {
#ifdef LINN_WRONG
  return linn::MaxPooling2D({2, 2}, {.strides = 2, .data_format = "channels_lsat"});
#else
  return linn::MaxPooling2D({2, 2}, {.strides = 2, .data_format = "channels_last"});
#endif
}
