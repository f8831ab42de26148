// Implementations of pooling with channels in lanes (Highway), for every x86-64 CPU.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/cpu.h"
#include "kernels/implementation.h"
#include "kernels/pool/pool.h"

namespace linn::detail::kernels::pool {

/// Any window, stride, dilation, padding and number of channels, but no argmax for windows above 256 cells. Same bits as the reference,
/// except for the sign of zeros in a gradient.
struct Vector : Implements<PoolForward> {
  static bool supports(const PoolForward::Problem& problem);
  static void run(const PoolForward::Problem& problem, const PoolForward::Args<float>& args);
};

/// Overlapping windows of more than four cells without dilation, in two passes (separable.cc). A maximum, its argmax and NaN are the
/// reference's. An average adds the sums of the rows; its error is at most (window_height + window_width) / 2 + 1 roundings of the sum of
/// magnitudes.
struct Separable : Implements<PoolForward> {
  static constexpr std::string_view name = "separable";
  static bool supports(const PoolForward::Problem& problem);
  static std::int64_t scratch(const PoolForward::Problem& problem, std::int64_t images);
  static void run(const PoolForward::Problem& problem, const PoolForward::Args<float>& args);
};

struct VectorGradient : Implements<PoolInputGradient> {
  static bool supports(const PoolInputGradient::Problem& problem);
  static std::int64_t scratch(const PoolInputGradient::Problem& problem, std::int64_t images);
  static void run(const PoolInputGradient::Problem& problem, const PoolInputGradient::Args<float>& args);
};

/// Windows that overlap from row to row without dilation, in two passes (separable_gradient.cc): adds the sums of the rows, with an error
/// of at most (window_height + window_width) / 2 + 1 roundings of the sum of magnitudes. For a maximum, argmax must come from a forward
/// kernel: then neighbouring windows whose maxima lie in one column name the same cell of that column.
struct SeparableGradient : Implements<PoolInputGradient> {
  static constexpr std::string_view name = "separable";
  static bool supports(const PoolInputGradient::Problem& problem);
  static std::int64_t scratch(const PoolInputGradient::Problem& problem, std::int64_t images);
  static void run(const PoolInputGradient::Problem& problem, const PoolInputGradient::Args<float>& args);
};

/// Sums run in the order of pixels. The bits are the reference's; those of a mean depend on the order of pixels.
struct GlobalVector : Implements<GlobalPoolForward> {
  static Numerics numerics(const GlobalPoolForward::Problem& problem) { return {.position_invariant = problem.kind == PoolKind::max}; }
  static void run(const GlobalPoolForward::Problem& problem, const GlobalPoolForward::Args<float>& args);
};

/// The mean by order-free sums (core/order_free.h). For maps of up to 2047 pixels the error is at most half a unit of 2^-51 of the largest
/// magnitude, plus the rounding to float. The same bits on every instruction set.
struct OrderFree : Implements<GlobalPoolForward> {
  static constexpr std::string_view name = "order_free";
  static bool supports(const GlobalPoolForward::Problem& problem) { return problem.kind == PoolKind::average; }
  static void run(const GlobalPoolForward::Problem& problem, const GlobalPoolForward::Args<float>& args);
};

/// OrderFree without vectors.
struct OrderFreeScalar : Implements<GlobalPoolForward> {
  static constexpr std::string_view name = "order_free_scalar";
  static constexpr core::Feature needs = core::Feature::none;
  static bool supports(const GlobalPoolForward::Problem& problem) { return problem.kind == PoolKind::average; }
  static void run(const GlobalPoolForward::Problem& problem, const GlobalPoolForward::Args<float>& args);
};

struct GlobalVectorGradient : Implements<GlobalPoolInputGradient> {
  static void run(const GlobalPoolInputGradient::Problem& problem, const GlobalPoolInputGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::pool
