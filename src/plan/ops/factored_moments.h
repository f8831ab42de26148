// Adafactor's second moments of a variable of 2 axes or more (Shazeer and Stern, "Adafactor", ICML 2018, algorithm 4).
#pragma once

#include "plan/lowering.h"

namespace linn::detail::plan {

/// Values of one variable. With rows and columns its last two axes: `rows` has the variable's shape without its last axis, `columns`
/// without the one before it, `velocity` and `direction` have all of it.
struct FactoredValues {
  Value gradient;
  Value rows, columns, velocity;
  Value direction;
};

/// b = 1 - t^beta_2_decay; s = gradient^2 + epsilon; rows = b * rows + (1 - b) * mean of s along a row; columns likewise;
/// velocity = rows / mean(rows) * columns; direction = gradient / sqrt(velocity).
void factored_moments(Lowering& to, const FactoredValues& values, double beta_2_decay, double epsilon);

}  // namespace linn::detail::plan
