#include "linn/linn.h"

linn::callbacks::EarlyStopping make() {
#ifdef LINN_WRONG
  return linn::callbacks::EarlyStopping({.monitor = "val_accuracy", .mode = "mxa"});
#else
  return linn::callbacks::EarlyStopping({.monitor = "val_accuracy", .mode = "max"});
#endif
}
