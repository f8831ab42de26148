// Pooling with channels in lanes (Highway): what runs on every x86-64 CPU.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/cpu.h"
#include "kernels/pool/pool.h"

namespace linn::kernels::pool {

/// Any window, stride, dilation, padding and channels. Same bits as the reference (but for the sign of zero in a gradient).
/// Takes no argmax of windows above 256 cells.
struct Vector {
  static constexpr std::string_view name = "vector";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const PoolForward::Problem& problem);
  static std::int64_t scratch(const PoolForward::Problem&, std::int64_t) { return 0; }
  static void run(const PoolForward::Problem& problem, const PoolForward::Args<float>& args);
};

/// Overlapping windows of more than four cells, not dilated, in two passes (separable.cc). A maximum, its argmax and NaN are the
/// reference's. An average is the sum over rows of the sums along them: within (window_height + window_width) / 2 + 1 roundings of the
/// sum of magnitudes.
struct Separable {
  static constexpr std::string_view name = "separable";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const PoolForward::Problem& problem);
  static std::int64_t scratch(const PoolForward::Problem& problem, std::int64_t images);
  static void run(const PoolForward::Problem& problem, const PoolForward::Args<float>& args);
};

struct VectorGradient {
  static constexpr std::string_view name = "vector";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const PoolInputGradient::Problem& problem);
  static std::int64_t scratch(const PoolInputGradient::Problem& problem, std::int64_t images);
  static void run(const PoolInputGradient::Problem& problem, const PoolInputGradient::Args<float>& args);
};

/// Windows that overlap from row to row, not dilated, in two passes (separable_gradient.cc): the sum over rows of the sums along them,
/// within (window_height + window_width) / 2 + 1 roundings of the sum of magnitudes. For a maximum it counts on an argmax that a forward
/// kernel wrote: windows beside each other whose maxima lie in one column name the same cell of it.
struct SeparableGradient {
  static constexpr std::string_view name = "separable";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const PoolInputGradient::Problem& problem);
  static std::int64_t scratch(const PoolInputGradient::Problem& problem, std::int64_t images);
  static void run(const PoolInputGradient::Problem& problem, const PoolInputGradient::Args<float>& args);
};

/// Sums run in pixel order, so the bits are the reference's, and a mean's depend on that order.
struct GlobalVector {
  static constexpr std::string_view name = "vector";
  static constexpr core::Isa needs = core::Isa::sse4;
  static bool position_invariant(const GlobalPoolForward::Problem& problem) { return problem.kind == PoolKind::max; }
  static bool accepts(const GlobalPoolForward::Problem&) { return true; }
  static std::int64_t scratch(const GlobalPoolForward::Problem&, std::int64_t) { return 0; }
  static void run(const GlobalPoolForward::Problem& problem, const GlobalPoolForward::Args<float>& args);
};

/// The mean by sums that do not depend on the order of pixels (core/order_free.h): within half a unit of 2^-51 of the largest magnitude for
/// maps of up to 2047 pixels, and the rounding to float. The same bits on every instruction set.
struct OrderFree {
  static constexpr std::string_view name = "order_free";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const GlobalPoolForward::Problem& problem) { return problem.kind == PoolKind::average; }
  static std::int64_t scratch(const GlobalPoolForward::Problem&, std::int64_t) { return 0; }
  static void run(const GlobalPoolForward::Problem& problem, const GlobalPoolForward::Args<float>& args);
};

/// The same without vectors.
struct OrderFreeScalar {
  static constexpr std::string_view name = "order_free_scalar";
  static constexpr core::Isa needs = core::Isa::scalar;
  static constexpr bool position_invariant = true;
  static bool accepts(const GlobalPoolForward::Problem& problem) { return problem.kind == PoolKind::average; }
  static std::int64_t scratch(const GlobalPoolForward::Problem&, std::int64_t) { return 0; }
  static void run(const GlobalPoolForward::Problem& problem, const GlobalPoolForward::Args<float>& args);
};

struct GlobalVectorGradient {
  static constexpr std::string_view name = "vector";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const GlobalPoolInputGradient::Problem&) { return true; }
  static std::int64_t scratch(const GlobalPoolInputGradient::Problem&, std::int64_t) { return 0; }
  static void run(const GlobalPoolInputGradient::Problem& problem, const GlobalPoolInputGradient::Args<float>& args);
};

}  // namespace linn::kernels::pool
