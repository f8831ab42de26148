#include "linn/linn.h"

linn::ImageFolderOptions make() {
#ifdef LINN_WRONG
  return {.color_mode = "gray"};
#else
  return {.color_mode = "grayscale"};
#endif
}
