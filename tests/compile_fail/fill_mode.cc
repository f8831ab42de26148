#include "linn/layers/augment.h"

#ifdef LINN_WRONG
linn::RandomTranslation layer(0.1, 0.1, {.fill_mode = "reflct"});
#else
linn::RandomTranslation layer(0.1, 0.1, {.fill_mode = "reflect"});
#endif
