// Downsampling by phases (kernels/polyphase/polyphase.h).
#pragma once

#include <cstdint>

#include "kernels/polyphase/polyphase.h"
#include "plan/lowering.h"

namespace linn::plan {

/// A map of a phase, and of each image which: an ordinary value, from which a branch beside this one takes the same phase.
struct Sampled {
  Value map;
  Value phase;  // i32, one an image
};

/// [phases]: one real number a phase. Only the mean has a gradient.
Value phase_scores(Lowering& to, Value src, const kernels::Phases& phases, kernels::PhaseScore score);
/// Of each image the phase of src with the largest score. An inference plan with this op admits only kernels whose bits do not depend on
/// positions: without them scores would not be the same for a shifted map.
Value phase_choice(Lowering& to, Value src, Value scores, const kernels::Phases& phases);
/// The chosen phase of src.
Value take_phase(Lowering& to, Value src, Value phase, const kernels::Phases& phases);
/// All of that.
Sampled sample_largest(Lowering& to, Value src, Value scores, const kernels::Phases& phases);

/// From `first` on, by the same factor each step, to `last` after so many steps.
struct Annealing {
  double first = 1, last = 1;
  std::int64_t steps = 1;
  double at(std::int64_t step) const;
};

/// Weights of phases from logits and random numbers that are a function of (seed, step, op, image). Only for training plans.
Value gumbel_softmax(Lowering& to, Value logits, const Annealing& temperature, std::uint64_t seed);
/// The sum of all phases of src, each times its weight.
Value mix_phases(Lowering& to, Value src, Value weights, const kernels::Phases& phases);

}  // namespace linn::plan
