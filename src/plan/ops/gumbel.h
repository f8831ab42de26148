// Gumbel softmax: random weights of phases while learnable polyphase sampling is trained.
#pragma once

#include <cstdint>

#include "plan/lowering.h"

namespace linn::detail::plan {

/// A temperature that falls from `first` by a constant factor in each step and stays at `last` after `steps` steps.
struct Annealing {
  double first = 1, last = 1;
  std::int64_t steps = 1;
  double at(std::int64_t step) const;
};

/// Weights of the phases from logits by Gumbel softmax. Its random numbers are a function of (seed, step, op, image). Only for training
/// plans.
Value gumbel_softmax(Lowering& to, Value logits, const Annealing& temperature, std::uint64_t seed);

}  // namespace linn::detail::plan
