// One phase of a pooling with stride 1, image by image with any implementation of the pooling.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "kernels/implementation.h"
#include "kernels/polyphase/pooled.h"

namespace linn::detail::kernels::polyphase {

template <class Kernel, class Pool>
struct EachImage : Implements<Kernel> {
  using State = Implementation<Pool>;

  static constexpr std::string_view name = "each_image";
  static constexpr core::Feature needs = core::Feature::none;
  static constexpr bool composition = true;
  static std::optional<State> prepare(const PhasePool& problem, const Policy& policy) { return choose<Pool>(problem.pool, policy); }
  static std::string label(const State& pooling) { return pooling.full_name(); }
  static Numerics numerics(const PhasePool&, const State& pooling) { return pooling.numerics; }
  static double cost(const PhasePool&, const State& pooling) { return pooling.cost; }
  static std::int64_t scratch(const PhasePool& problem, const State& pooling, std::int64_t) { return pooling.scratch(problem.pool, 1); }
  static std::int64_t packed(const PhasePool&, const State&) { return 0; }
  static void pack(const PhasePool&, const State&, const float*, float*) {}
};

struct EachImageForward : EachImage<PhasePoolForward, PoolForward> {
  static void run(const PhasePool& problem, const State& pooling, const PhasePoolForward::Args<float>& args);
};

struct EachImageInputGradient : EachImage<PhasePoolInputGradient, PoolInputGradient> {
  static void run(const PhasePool& problem, const State& pooling, const PhasePoolInputGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::polyphase
