#include "linn/linn.h"

linn::Sequential make() {
#ifdef LINN_WRONG
  return linn::Sequential({.name = "net", .dtype_policy = "mixed_bfloat61"});
#else
  return linn::Sequential({.name = "net", .dtype_policy = "mixed_bfloat16"});
#endif
}
