// Filters that differ from pixel to pixel, in vectors (Highway): the channels of a group in lanes.
#pragma once

#include "kernels/implementation.h"
#include "kernels/pixel_filter/pixel_filter.h"

namespace linn::detail::kernels::pixel_filter {

struct Lanes : Implements<PixelFilterForward> {
  static void run(const PixelFilterForward::Problem& problem, const PixelFilterForward::Args<float>& args);
};
struct LanesGradient : Implements<PixelFilterGradient> {
  static void run(const PixelFilterGradient::Problem& problem, const PixelFilterGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::pixel_filter
