#include "linn/layers/augment.h"

#ifdef LINN_WRONG
linn::RandomFlip layer("horizntal");
#else
linn::RandomFlip layer("horizontal");
#endif
