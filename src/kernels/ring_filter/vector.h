// Filters round a ring in vectors (Highway).
#pragma once

#include "kernels/implementation.h"
#include "kernels/ring_filter/ring_filter.h"

namespace linn::detail::kernels::ring_filter {

struct Separable : Implements<RingFilterForward> {
  static constexpr std::string_view name = "separable";
  static std::int64_t scratch(const RingFilterForward::Problem& problem, std::int64_t) { return problem.middle_elements(); }
  static void run(const RingFilterForward::Problem& problem, const RingFilterForward::Args<float>& args);
};
struct SeparableGradient : Implements<RingFilterInputGradient> {
  static constexpr std::string_view name = "separable";
  static std::int64_t scratch(const RingFilterInputGradient::Problem& problem, std::int64_t) { return problem.middle_elements(); }
  static void run(const RingFilterInputGradient::Problem& problem, const RingFilterInputGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::ring_filter
