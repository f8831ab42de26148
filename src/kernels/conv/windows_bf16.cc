// ConvPoolForward in the direct form for 2x2 windows in bfloat16. Unlike windows.cc, it takes padding: it rounds each image into scratch,
// with zeros around it, and runs the loops of windows.inc on this copy, in which all pixels are dense.
//
// Bound:      |error| <= (2^-7 + c eps) sum |a b|.
// Measured:   see docs/decisions/bfloat16.md.
#include "kernels/conv/fused.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/windows_bf16.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <utility>

#include "core/checked.h"
#include "kernels/conv/padding.h"
#include "kernels/conv/pooling-inl.h"
#include "kernels/conv/round_map.h"
#include "kernels/gemm/bf16-inl.h"

#ifndef LINN_KERNELS_CONV_WINDOWS_BF16_ONCE
#define LINN_KERNELS_CONV_WINDOWS_BF16_ONCE
namespace linn::detail::kernels::conv {
namespace {

// Terms of an output: `runs` runs of `length` elements that are neighbours both in the image and in the kernel.
std::int64_t length(const Geometry& g) { return g.dilation_width == 1 ? g.window_width * g.channels : g.channels; }
std::int64_t runs(const Geometry& g) { return g.window_height * (g.dilation_width == 1 ? 1 : g.window_width); }
std::int64_t pairs_of_terms(const Geometry& g) { return runs(g) * ((length(g) + 1) / 2); }

}  // namespace
}  // namespace linn::detail::kernels::conv
#endif

#if HWY_TARGET == HWY_AVX3
LINN_BEFORE_BF16();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

#include "kernels/conv/windows.inc"

// For each pair of terms its place in the image; ~place of an odd last term of a run.
void list_places(const Geometry& g, std::int64_t* places) {
  for (std::int64_t i = 0; i < g.window_height; ++i)
    for (std::int64_t j = 0; j < conv::runs(g) / g.window_height; ++j)
      for (std::int64_t e = 0; e < conv::length(g); e += 2) {
        const std::int64_t at = i * g.dilation_height * conv::padded_row(g) + j * g.dilation_width * g.channels + e;
        *places++ = e + 1 < conv::length(g) ? at : ~at;
      }
}

// A rounded copy of an image, dense and with its padding as zeros.
void round_image(const Geometry& g, const float* src, Bf16* dst) {
  const std::int64_t row = conv::padded_row(g);
  std::fill_n(dst, conv::padded_image(g), Bf16{0});
  for (std::int64_t y = 0; y < g.height; ++y) {
    Bf16* line = dst + (g.pad_top + y) * row + g.pad_left * g.channels;
    conv::round_rows(src + y * g.src_row, g.src_row, g.src_pixel, 1, g.width, g.channels, line);
  }
}

}  // namespace

void windows_bf16(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  const Geometry &g = problem.conv, &pool = problem.pool;
  const std::int64_t steps = conv::pairs_of_terms(g);
  auto* places = core::align_up<std::int64_t>(args.scratch, 64);
  auto* image = reinterpret_cast<Bf16*>(places + steps);
  list_places(g, places);
  const Factors<PairStep> factors = {.src = image,
                                     .image = 0,
                                     .row = conv::padded_row(g),
                                     .pixel = g.channels,
                                     .kernel = reinterpret_cast<const Bf16*>(args.packed),
                                     .kernel_step = bf16_pair,
                                     .kernel_vector = packed_bf16(conv::runs(g), conv::length(g), bf16_columns),
                                     .places = places,
                                     .steps = steps};
  const std::int64_t cells = pool.out_height * pool.out_width * g.out_channels;
  for (std::int64_t n = 0; n < args.images; ++n) {
    round_image(g, args.src + n * g.src_image, image);
    run_windows(problem, factors, 1, args.bias, {args.dst + n * pool.dst_image, problem.argmax ? args.argmax + n * cells : nullptr});
  }
}

}  // namespace linn::detail::kernels::HWY_NAMESPACE
LINN_AFTER_BF16();
#endif  // HWY_AVX3

#if HWY_ONCE
namespace linn::detail::kernels::conv {

bool Bf16Windows::supports(const ConvPoolForward::Problem& problem) {
  const Geometry& g = problem.conv;
  const bool inside = g.pad_top >= 0 && g.pad_bottom >= 0 && g.pad_left >= 0 && g.pad_right >= 0;
  return inside && g.groups == 1 && is_two_by_two(problem.pool) && is_linear_or_relu(problem.activation);
}

double Bf16Windows::cost(const ConvPoolForward::Problem& problem) { return static_cast<double>(products(problem.conv, problem.pool)) / 2; }

std::int64_t Bf16Windows::scratch(const ConvPoolForward::Problem& problem, std::int64_t) {
  const Geometry& g = problem.conv;
  return 2 * pairs_of_terms(g) + floats_of_bf16(padded_image(g)) + 16;
}

std::int64_t Bf16Windows::packed(const ConvPoolForward::Problem& problem) {
  const Geometry& g = problem.conv;
  return floats_of_bf16(packed_bf16(runs(g), length(g), g.out_channels));
}

void Bf16Windows::pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed) {
  const Geometry& g = problem.conv;
  pack_bf16(kernel, runs(g), length(g), g.out_channels, reinterpret_cast<Bf16*>(packed));
}

void Bf16Windows::run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  N_AVX3::windows_bf16(problem, args);
}

}  // namespace linn::detail::kernels::conv
#endif
