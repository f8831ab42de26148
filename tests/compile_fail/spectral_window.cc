#include "linn/linn.h"

linn::FrequencyLowCutPooling2D make() {
#ifdef LINN_WRONG
  return linn::FrequencyLowCutPooling2D({.window = "haming"});
#else
  return linn::FrequencyLowCutPooling2D({.window = "hamming"});
#endif
}
