// ConvPoolForward in the direct form for 2x2 windows of a convolution without padding, in float32. Loop nest, registers and measurements:
// windows.inc.
#include "kernels/conv/fused.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/windows.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <utility>

#include "kernels/conv/pooling-inl.h"
#include "kernels/gemm/float-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

#include "kernels/conv/windows.inc"

void windows(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  const Geometry& g = problem.conv;
  const float* first = args.src - g.pad_top * g.src_row - g.pad_left * g.src_pixel;  // of rows in the middle of a map
  run_windows<FloatStep>(problem, {first, g.src_image, g.src_row, g.src_pixel, args.kernel, g.out_channels, lanes}, args.images,
                         args.bias, {args.dst, args.argmax});
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(windows);

namespace conv {

bool Windows::supports(const ConvPoolForward::Problem& problem) {
  const Geometry& g = problem.conv;
  const bool unpadded = g.pad_top <= 0 && g.pad_bottom <= 0 && g.pad_left <= 0 && g.pad_right <= 0;
  return unpadded && g.groups == 1 && is_two_by_two(problem.pool) && is_linear_or_relu(problem.activation);
}

// Multiply-adds, as the direct form. Measured: see windows.inc.
double Windows::cost(const ConvPoolForward::Problem& problem) {
  return (core::lanes() == 16 ? 1 : 1.05) * static_cast<double>(products(problem.conv, problem.pool));
}

void Windows::run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(windows)(problem, args);
}

}  // namespace conv
}  // namespace linn::detail::kernels
#endif
