#include "linn/linn.h"

linn::EarlyStopping make() {
#ifdef LINN_WRONG
  return linn::EarlyStopping({.monitor = "val_accuracy", .mode = "mxa"});
#else
  return linn::EarlyStopping({.monitor = "val_accuracy", .mode = "max"});
#endif
}
