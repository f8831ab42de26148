#include "linn/linn.h"

linn::ModelCheckpoint make() {
#ifdef LINN_WRONG
  return linn::ModelCheckpoint("model", {.save_freq = "epohc"});
#else
  return linn::ModelCheckpoint("model", {.save_freq = "epoch"});
#endif
}
