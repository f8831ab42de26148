// Gradients of a convolution before a global max pooling. In a map of hundreds of pixels only one pixel of each channel, seldom more, has a
// gradient.
//
// Loop nest:  for each image: each word of `winners` that is not zero: count them by channel
//               once more: for each winner, tap row: a run of channels (of all taps of the row where pixels are dense)
//                 kernel gradient: dkernel[o] += share * src;  input gradient: dsrc += share * kernel[o]
// Registers:  1 broadcast + 2. Bound by loads and stores of the sums, which are few.
// Measured:   see docs/engine.md.
#include "kernels/conv/global.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/global_gradients.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/vector-inl.h"

#ifndef LINN_KERNELS_CONV_GLOBAL_GRADIENTS_ONCE
#define LINN_KERNELS_CONV_GLOBAL_GRADIENTS_ONCE
namespace linn::detail::kernels::conv {
namespace {

// Calls visit(pixel, channel) for each bit of an image's winners, in their order.
template <class Visit>
void each_winner(const Geometry& g, const std::uint8_t* winners, const Visit& visit) {
  const std::int64_t size = winners_size(g), row = 8 * winner_bytes(g);
  for (std::int64_t at = 0; at < size; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, winners + at, static_cast<std::size_t>(std::min<std::int64_t>(8, size - at)));
    for (; word != 0; word &= word - 1) {
      const std::int64_t bit = 8 * at + std::countr_zero(word);
      visit(bit / row, bit % row);
    }
  }
}

// share[o] = ddst[o] / number of winners of channel o, 0 without a winner. `ties` is scratch.
void find_shares(const Geometry& g, const float* ddst, const std::uint8_t* winners, float* ties, float* share) {
  std::fill_n(ties, g.out_channels, 0.0f);  // exact up to 2^24 pixels, and rounded as the divisor would be beyond
  each_winner(g, winners, [&](std::int64_t, std::int64_t o) { ties[o] += 1; });
  for (std::int64_t o = 0; o < g.out_channels; ++o) share[o] = ties[o] > 0 ? ddst[o] / ties[o] : 0.0f;
}

// Calls visit(offset into the taps of a kernel, offset in src, elements) for the runs of src in the window of output `pixel`.
template <class Visit>
void each_run(const Geometry& g, std::int64_t pixel, const Visit& visit) {
  const std::int64_t top = pixel / g.out_width * g.stride_height - g.pad_top, left = pixel % g.out_width * g.stride_width - g.pad_left;
  const bool dense = g.src_pixel == g.channels && g.dilation_width == 1;
  for (std::int64_t i = 0; i < g.window_height; ++i) {
    const std::int64_t h = top + i * g.dilation_height;
    if (h < 0 || h >= g.height) continue;
    const std::int64_t tap = i * g.window_width;
    if (dense) {
      const std::int64_t first = std::max<std::int64_t>(0, -left), last = std::min(g.window_width, g.width - left);
      if (first < last) visit((tap + first) * g.channels, h * g.src_row + (left + first) * g.channels, (last - first) * g.channels);
      continue;
    }
    for (std::int64_t j = 0; j < g.window_width; ++j) {
      const std::int64_t w = left + j * g.dilation_width;
      if (w >= 0 && w < g.width) visit((tap + j) * g.channels, h * g.src_row + w * g.src_pixel, g.channels);
    }
  }
}

std::int64_t terms(const Geometry& g) { return g.window_height * g.window_width * g.channels; }

}  // namespace
}  // namespace linn::detail::kernels::conv
#endif

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

using conv::each_run;
using conv::each_winner;

// to += scale * from.
HWY_INLINE void AddScaled(float scale, const float* from, std::int64_t count, float* to) {
  const V by = hn::Set(D(), scale);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(hn::MulAdd(by, hn::LoadU(D(), from + i), hn::LoadU(D(), to + i)), D(), to + i);
  if (i < count) StorePart(hn::MulAdd(by, LoadPart(from + i, count - i), LoadPart(to + i, count - i)), to + i, count - i);
}

void kernel_gradient_of_image(const Geometry& g, const float* src, const float* share, const std::uint8_t* winners, float* dkernel) {
  const std::int64_t size = conv::terms(g);
  each_winner(g, winners, [&](std::int64_t pixel, std::int64_t o) {
    if (share[o] == 0) return;
    each_run(g, pixel, [&](std::int64_t tap, std::int64_t at, std::int64_t count) { AddScaled(share[o], src + at, count, dkernel + o * size + tap); });
  });
}

void input_gradient_of_image(const Geometry& g, const float* share, const std::uint8_t* winners, const float* packed, float* dsrc) {
  const std::int64_t size = conv::terms(g);
  each_winner(g, winners, [&](std::int64_t pixel, std::int64_t o) {
    if (share[o] == 0) return;
    each_run(g, pixel, [&](std::int64_t tap, std::int64_t at, std::int64_t count) { AddScaled(share[o], packed + o * size + tap, count, dsrc + at); });
  });
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(kernel_gradient_of_image);
HWY_EXPORT(input_gradient_of_image);

namespace conv {

void GlobalKernelGradient::run(const Geometry& g, const ConvGlobalPoolKernelGradient::Args<float>& args) {
  float* share = args.scratch;
  float* ties = share + g.out_channels;
  std::fill_n(args.dkernel, g.out_channels * terms(g), 0.0f);
  if (args.dbias != nullptr) std::fill_n(args.dbias, g.out_channels, 0.0f);
  for (std::int64_t n = 0; n < args.images; ++n) {
    const float* ddst = args.ddst + n * g.out_channels;
    const std::uint8_t* winners = args.winners + n * winners_size(g);
    find_shares(g, ddst, winners, ties, share);
    HWY_DYNAMIC_DISPATCH(kernel_gradient_of_image)(g, args.src + n * g.src_image, share, winners, args.dkernel);
    for (std::int64_t o = 0; args.dbias != nullptr && o < g.out_channels; ++o)
      if (ties[o] > 0) args.dbias[o] += ddst[o];
  }
}

std::int64_t GlobalInputGradient::packed(const Geometry& g) { return terms(g) * g.out_channels; }

void GlobalInputGradient::pack(const Geometry& g, const float* kernel, float* packed) {
  gemm::Transpose::run({.batches = 1, .rows = terms(g), .columns = g.out_channels}, {kernel, packed, nullptr});
}

void GlobalInputGradient::run(const Geometry& g, const ConvGlobalPoolInputGradient::Args<float>& args) {
  float* share = args.scratch;
  float* ties = share + g.out_channels;
  for (std::int64_t n = 0; n < args.images; ++n) {
    const std::uint8_t* winners = args.winners + n * winners_size(g);
    float* dsrc = args.dsrc + n * g.src_image;
    for (std::int64_t h = 0; h < g.height; ++h)
      for (std::int64_t w = 0; w < g.width; ++w) std::fill_n(dsrc + h * g.src_row + w * g.src_pixel, g.channels, 0.0f);
    find_shares(g, args.ddst + n * g.out_channels, winners, ties, share);
    HWY_DYNAMIC_DISPATCH(input_gradient_of_image)(g, share, winners, args.packed, dsrc);
  }
}

}  // namespace conv
}  // namespace linn::detail::kernels
#endif
