// Polyphase sampling with a row's elements in lanes (Highway).
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/implementation.h"
#include "kernels/polyphase/polyphase.h"

namespace linn::detail::kernels::polyphase {

/// Gives the bits of the reference on every instruction set.
struct VectorScores : Implements<PhaseScores> {
  static std::int64_t scratch(const PhaseScores::Problem& problem, std::int64_t images);
  static void run(const PhaseScores::Problem& problem, const PhaseScores::Args<float>& args);
};

/// Channels in lanes. The same bits on every instruction set, but not the reference's, because it sums over pixels first (mix_gradient.cc).
struct VectorMixGradient : Implements<PhaseMixGradient> {
  static constexpr bool position_invariant = false;  // the order of the sum depends on places, as in the reference
  static std::int64_t scratch(const Phases& p, std::int64_t images);
  static void run(const Phases& p, const PhaseMixGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::polyphase
