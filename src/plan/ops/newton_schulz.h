// Muon's orthogonalization of a matrix (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024).
#pragma once

#include <cstdint>

#include "plan/lowering.h"

namespace linn::detail::plan {

struct NewtonSchulz {
  double a = 3.4445, b = -4.775, c = 2.0315;
  std::int64_t steps = 5;
};

/// A matrix near the orthogonal factor of `matrix`, which is a fixed value of two axes: x = matrix / (its norm + 1e-7), then `steps` times
/// x = a x + (b s + c s s) x with s = x x', where x has fewer rows than columns, or its transpose has. The same bits on any number of
/// threads.
Value newton_schulz(Lowering& to, Value matrix, const NewtonSchulz& options);

}  // namespace linn::detail::plan
