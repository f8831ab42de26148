#include "linn/linn.h"

linn::Metric make() {
#ifdef LINN_WRONG
  return linn::metrics::F1Score{.average = "makro"};
#else
  return linn::metrics::F1Score{.average = "macro"};
#endif
}
