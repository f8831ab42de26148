// Convolutions in bfloat16 for CPUs without vdpbf16ps (rounded.cc): round the operands, then run the cheapest implementation in float32.
// Bits may differ from the forms with vdpbf16ps, which add pairs in another order, take denormals as 0, and round the results of Winograd's
// transforms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kernels/conv/conv.h"
#include "kernels/conv/pooled.h"
#include "kernels/implementation.h"

namespace linn::detail::kernels::conv {

/// Kernel: ConvForward, ConvPoolForward or ConvInputGradient. Supports what an implementation with vdpbf16ps supports, so that the same ops
/// round on every CPU.
template <class Kernel>
struct Rounded : Implements<Kernel> {
  using Problem = typename Kernel::Problem;
  static constexpr std::string_view name = "rounded_to_bf16";
  static constexpr bool composition = true;
  struct State {
    Implementation<Kernel> inner;
  };
  static std::optional<State> prepare(const Problem& problem, const Policy& policy);
  static Numerics numerics(const Problem& problem, const State& state);
  static double cost(const Problem& problem, const State& state);
  static std::string label(const State& state) { return state.inner.full_name(); }
  static std::int64_t row_step(const State& state) { return state.inner.row_step; }
  static std::int64_t scratch(const Problem& problem, const State& state, std::int64_t images);
  static std::int64_t packed(const Problem& problem, const State& state);
  static void pack(const Problem& problem, const State& state, const float* kernel, float* packed);
  static void run(const Problem& problem, const State& state, const typename Kernel::template Args<float>& args);
};

/// The same for a gradient of the weights, which reads two maps.
struct RoundedKernelGradient : Implements<ConvKernelGradient> {
  static constexpr std::string_view name = "rounded_to_bf16";
  struct State {
    Implementation<ConvKernelGradient> inner;
  };
  static std::optional<State> prepare(const Geometry& geometry, const Policy& policy);
  static Numerics numerics(const Geometry& geometry, const State& state);
  static double cost(const Geometry& geometry, const State& state);
  static std::string label(const State& state) { return state.inner.full_name(); }
  static std::int64_t scratch(const Geometry& geometry, const State& state, std::int64_t images);
  static std::int64_t packed(const Geometry&, const State&) { return 0; }
  static void pack(const Geometry&, const State&, const float*, float*) {}
  static void run(const Geometry& geometry, const State& state, const ConvKernelGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::conv
