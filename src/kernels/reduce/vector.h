// Softmax and cross-entropy in vectors (Highway), a row at a time, classes in lanes.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/cpu.h"
#include "kernels/reduce/loss.h"
#include "kernels/reduce/softmax.h"

namespace linn::kernels::reduce {

/// What both declare alike.
template <class Kernel>
struct VectorTraits {
  static constexpr std::string_view name = "vector";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const typename Kernel::Problem&) { return true; }
  static std::int64_t scratch(const typename Kernel::Problem&, std::int64_t) { return 0; }
};

struct VectorSoftmax : VectorTraits<SoftmaxForward> {
  static void run(const SoftmaxForward::Problem& problem, const SoftmaxForward::Args<float>& args);
};

/// Of logits.
struct VectorCrossentropy : VectorTraits<Crossentropy> {
  static bool accepts(const Crossentropy::Problem& problem) { return problem.prediction == Prediction::logits; }
  static void run(const Crossentropy::Problem& problem, const Crossentropy::Args<float>& args);
};

}  // namespace linn::kernels::reduce
