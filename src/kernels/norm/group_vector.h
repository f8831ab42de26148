// Layer and group normalization in vectors (Highway).
#pragma once

#include "kernels/implementation.h"
#include "kernels/norm/group.h"

namespace linn::detail::kernels::norm {

/// Images of one pixel. The elements of a group are in lanes.
struct GroupRows : Implements<GroupNormForward> {
  static constexpr std::string_view name = "rows";
  static bool supports(const GroupNormForward::Problem& problem) { return problem.pixels == 1; }
  static void run(const GroupNormForward::Problem& problem, const GroupNormForward::Args<float>& args);
};
struct GroupRowsGradient : Implements<GroupNormGradient> {
  static constexpr std::string_view name = "rows";
  static bool supports(const GroupNormGradient::Problem& problem) { return problem.pixels == 1; }
  /// Partial sums of the gradients of gamma and beta over some rows.
  static std::int64_t scratch(const GroupNormGradient::Problem& problem, std::int64_t /*images*/) { return 2 * problem.channels; }
  static void run(const GroupNormGradient::Problem& problem, const GroupNormGradient::Args<float>& args);
};

/// Images of several pixels. Channels are in lanes; runs the kernels of batch normalization on each image. Sums over pixels depend on their
/// order.
struct GroupMaps : Implements<GroupNormForward> {
  static constexpr std::string_view name = "maps";
  static constexpr Numerics numerics = {.position_invariant = false};
  static bool supports(const GroupNormForward::Problem& problem) { return problem.pixels > 1 && problem.is_centered(); }
  static std::int64_t scratch(const GroupNormForward::Problem& problem, std::int64_t images);
  static void run(const GroupNormForward::Problem& problem, const GroupNormForward::Args<float>& args);
};
struct GroupMapsGradient : Implements<GroupNormGradient> {
  static constexpr std::string_view name = "maps";
  static constexpr Numerics numerics = {.position_invariant = false};
  static bool supports(const GroupNormGradient::Problem& problem) { return problem.pixels > 1 && problem.is_centered(); }
  static std::int64_t scratch(const GroupNormGradient::Problem& problem, std::int64_t images);
  static void run(const GroupNormGradient::Problem& problem, const GroupNormGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::norm
