// Polyphase sampling (kernels/polyphase/polyphase.h).
#pragma once

#include "kernels/polyphase/polyphase.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// A sampled map, and the phase that was chosen for each image. Other branches can use the same phase.
struct Sampled {
  Value map;
  Value phase;  // i32, one for each image
};

/// The scores [phases] of each image. Only PhaseScore::mean has a gradient.
Value phase_scores(Lowering& to, Value src, const kernels::Phases& phases, kernels::PhaseScore score);
/// For each image the phase of src with the largest score. Restricts an inference plan to position invariant kernels: with others the
/// scores of a shifted map would differ.
Value phase_choice(Lowering& to, Value src, Value scores, const kernels::Phases& phases);
/// The chosen phase of src.
Value take_phase(Lowering& to, Value src, Value phase, const kernels::Phases& phases);
/// Scores, choice and sampling.
Sampled sample_largest(Lowering& to, Value src, Value scores, const kernels::Phases& phases);

/// The weighted sum of all phases of src.
Value mix_phases(Lowering& to, Value src, Value weights, const kernels::Phases& phases);

}  // namespace linn::detail::plan
