#include "linn/linn.h"

linn::Loss make() {
#ifdef LINN_WRONG
  return linn::losses::Huber{.reduction = "none"};
#else
  return linn::losses::Huber{.reduction = "sum"};
#endif
}
