#include "linn/linn.h"

linn::ModelOptions make() {
#ifdef LINN_WRONG
  return {.name = "net", .dtype_policy = "mixed_bfloat61"};
#else
  return {.name = "net", .dtype_policy = "mixed_bfloat16"};
#endif
}
