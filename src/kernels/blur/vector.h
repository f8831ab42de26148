// The binomial blur in two passes (Highway).
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/blur/blur.h"
#include "kernels/implementation.h"

namespace linn::detail::kernels::blur {

/// Sums down the columns, then along the rows, in the same order at every pixel. The error is at most window_height + window_width
/// roundings of the sum of magnitudes.
struct Separable : Implements<BlurForward> {
  static constexpr std::string_view name = "separable";
  static std::int64_t scratch(const BlurForward::Problem& problem, std::int64_t images);
  static void run(const BlurForward::Problem& problem, const BlurForward::Args<float>& args);
};

struct SeparableGradient : Implements<BlurInputGradient> {
  static constexpr std::string_view name = "separable";
  static std::int64_t scratch(const BlurInputGradient::Problem& problem, std::int64_t images);
  static void run(const BlurInputGradient::Problem& problem, const BlurInputGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::blur
