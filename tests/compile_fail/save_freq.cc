#include "linn/linn.h"

linn::callbacks::ModelCheckpoint make() {
#ifdef LINN_WRONG
  return linn::callbacks::ModelCheckpoint("model", {.save_freq = "epohc"});
#else
  return linn::callbacks::ModelCheckpoint("model", {.save_freq = "epoch"});
#endif
}
