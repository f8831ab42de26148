// Polyphase components weighted channel by channel (kernels/polyphase/channel_phases.h).
#pragma once

#include "kernels/polyphase/channel_phases.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// The means [phases, channels] of each channel over each phase of src.
Value channel_phase_means(Lowering& to, Value src, const kernels::Phases& phases);
/// The sum of all phases of src, weighted channel by channel: weights [phases, channels].
Value mix_channel_phases(Lowering& to, Value src, Value weights, const kernels::Phases& phases);

}  // namespace linn::detail::plan
