// Kernel gradients of depthwise convolution and of convolution in groups of few channels: channels in lanes. Each sum runs over images,
// output rows and output columns, in this order.
//
// Windows of 3x3 and 5x5, strides 1 and 2 (`SumSegment` below)
// Loop nest:  for each image, for each segment of about 64 outputs (whole rows, or part of a row), for each vector of channels (16
//             registers: two), for each source channel of a group, for each group of tap rows (32 registers: all; 16: one, in groups of
//             channels 3 or 2)
//               for each row of the segment, for each 4 output columns whose windows lie inside the map (the others one by one)
//                 load 4 vectors of ddst; for each tap row: load each pixel of the row once, a multiply-add for each tap that reads it
// Registers:  a sum for each tap (3x3: 9 of 32 registers, 2 * 3 of 16; 5x5: 25, 2 * 5), 4 of ddst, 1 pixel.
// Loads:      3x3, stride 1: 22 (32 registers) or 30 (16) for 36 multiply-adds, and 9 loads and stores of sums a segment. Two vectors use a
//             whole cache line before another pixel pushes it out. Between segments the sums lie in scratch,
//             [vectors of channels][source channels of a group][taps][lanes], so that all channels of a pixel are read at about the same
//             time. Where channels fill no whole number of vectors, the last vector overlaps the one before it.
//
// Measured:   (Zen 3, one core, over oneDNN 2.6) 3x3: 96 on 14x14 0.50, 128 on 28x28, batch 32 0.45, 512 on 14x14 0.27, where oneDNN keeps a
//             vector's sums in registers over the whole map and these loads wait for the L2 cache; 5x5 16 and more, for which oneDNN has no
//             fast form.
//             (Zen 5, one core, rows one by one; share of the multiply-add loop on AVX-512) 3x3 128 on 28x28 in cache 38 %.
//
// Other windows, and vectors with empty lanes
// Loop nest:  for each image (copied with its padding as zeros, where it has any), for each vector of channels, for each up to 9 taps, for
//             each source channel of a group
//               for each output pixel: one vector of ddst, one source vector for each tap
// Registers:  9 sums, 1 of ddst, 1 of the source. 10 loads for 9 multiply-adds.
//
// A depth multiplier above 1: the source is copied with each channel repeated.
#include "kernels/conv/depthwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/depthwise_kernel_gradient.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/checked.h"
#include "core/cpu.h"
#include "kernels/conv/lane_table-inl.h"
#include "kernels/conv/padding.h"
#include "kernels/conv/repeat.h"
#include "kernels/gemm/vector-inl.h"

#ifndef LINN_KERNELS_CONV_DEPTHWISE_KG_ONCE
#define LINN_KERNELS_CONV_DEPTHWISE_KG_ONCE
namespace linn::detail::kernels::conv {

/// One image of the kernel gradient. The source includes its padding.
struct DepthwiseSums {
  const float* src;
  const float* ddst;
  float* dkernel;  // [taps][depth][channels]
  std::int64_t depth, channels, out_height, out_width;
  std::int64_t src_row, src_column, ddst_row, ddst_column;  // pitches of the outputs
  std::int64_t tap_row, tap_column;                         // from a tap to the next, in the source
  std::int64_t window_height, window_width;
  bool add;  // adds to dkernel instead of overwriting it
};

/// One image, for windows of 3x3 and 5x5.
struct DepthwiseRows {
  Geometry geometry;  // of a source with as many channels as the output
  const float* src;
  const float* ddst;
  float* sums;  // [vectors of channels][depth][taps][lanes]
  std::int64_t depth;
  bool streams;  // the maps of the call do not stay in the L2 cache
};

/// Output columns [begin, end) of rows [y, y_end); of more than one row only if these are all columns, so that sums keep their order.
/// Columns [inner, inner_end) of the map have all their taps inside.
struct DepthwiseSegment {
  std::int64_t y, y_end, begin, end, inner, inner_end;
};

}  // namespace linn::detail::kernels::conv
#endif

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

using conv::DepthwiseRows;
using conv::DepthwiseSegment;
using conv::DepthwiseSums;

constexpr bool many_registers = HWY_TARGET <= HWY_AVX3;
constexpr int most_taps = 9;

// The taps first, first + 1, ... of one source channel of each group.
struct Taps {
  std::int64_t first, channel;
};

template <int kTaps, bool kGrouped, bool kTail>
HWY_NOINLINE void SumTaps(const DepthwiseSums& x, const LaneTable& table, const Taps& taps, std::int64_t c, std::int64_t last) {
  const PickChannel<kGrouped> pick(table, taps.channel);
  const auto sums_of = [&](int t) { return x.dkernel + ((taps.first + t) * x.depth + taps.channel) * x.channels + c; };
  const D d;
  V sum[kTaps];
  const float* tap[kTaps];
#pragma GCC unroll 9
  for (int t = 0; t < kTaps; ++t) {
    const std::int64_t number = taps.first + t;
    tap[t] = x.src + number / x.window_width * x.tap_row + number % x.window_width * x.tap_column + c;
    sum[t] = x.add ? LoadVector<kTail>(sums_of(t), 0, 1, last) : hn::Zero(d);
  }
  for (std::int64_t y = 0; y < x.out_height; ++y) {
    const float* ddst = x.ddst + y * x.ddst_row + c;
    std::int64_t at = y * x.src_row;
    for (std::int64_t column = 0; column < x.out_width; ++column, at += x.src_column, ddst += x.ddst_column) {
      const V gradient = LoadVector<kTail>(ddst, 0, 1, last);
#pragma GCC unroll 9
      for (int t = 0; t < kTaps; ++t) sum[t] = hn::MulAdd(pick(LoadVector<kTail>(tap[t] + at, 0, 1, last)), gradient, sum[t]);
    }
  }
#pragma GCC unroll 9
  for (int t = 0; t < kTaps; ++t) StoreVector<kTail>(sum[t], sums_of(t), 0, 1, last);
}

using SumFunction = void (*)(const DepthwiseSums&, const LaneTable&, const Taps&, std::int64_t, std::int64_t);

template <bool kGrouped, bool kTail, int... kTaps>
constexpr SumFunction sum_function(std::integer_sequence<int, kTaps...>, std::int64_t taps) {
  constexpr SumFunction table[] = {SumTaps<kTaps + 1, kGrouped, kTail>...};
  return table[taps - 1];
}

template <bool kTail>
void sum_taps(const DepthwiseSums& x, const LaneTable& table, std::int64_t c, std::int64_t last) {
  const std::int64_t taps = x.window_height * x.window_width, calls = (taps + most_taps - 1) / most_taps;
  for (std::int64_t call = 0, first = 0; call < calls; ++call) {
    const std::int64_t count = taps / calls + (call < taps % calls);  // balanced: 25 = 9 + 8 + 8
    constexpr auto all = std::make_integer_sequence<int, most_taps>();
    const SumFunction sum = x.depth > 1 ? sum_function<true, kTail>(all, count) : sum_function<false, kTail>(all, count);
    for (std::int64_t channel = 0; channel < x.depth; ++channel) sum(x, table, {first, channel}, c, last);
    first += count;
  }
}

// The tap rows [tap_row, tap_row + rows) of a window with `taps` columns and neighbouring outputs `stride` columns apart, for `vectors`
// vectors of channels.
template <int kTaps, int kStride, int kRows, int kVectors, bool kGrouped>
struct RowsForm {
  static constexpr int taps = kTaps, stride = kStride, rows = kRows, vectors = kVectors;
  static constexpr bool grouped = kGrouped;
};

// Products of kOutputs neighbouring outputs, for the vector c channels further. `row` holds the first pixel of each tap row, or null if the
// row lies outside the map; of the pixels those numbered [first, end) lie inside the map.
template <class F, int kOutputs, bool kEdge>
HWY_INLINE void AddOutputs(V* sum, const float* const* row, std::int64_t c, const float* ddst, std::int64_t src_pixel,
                           std::int64_t ddst_pixel, const PickChannel<F::grouped>& pick, std::int64_t first, std::int64_t end) {
  V gradient[kOutputs];
#pragma GCC unroll 4
  for (int w = 0; w < kOutputs; ++w) gradient[w] = hn::LoadU(D(), ddst + c + w * ddst_pixel);
#pragma GCC unroll 5
  for (int i = 0; i < F::rows; ++i) {
    if (row[i] == nullptr) continue;
#pragma GCC unroll 12
    for (int p = 0; p < (kOutputs - 1) * F::stride + F::taps; ++p) {
      if (kEdge && (p < first || p >= end)) continue;
      const V pixel = pick(hn::LoadU(D(), row[i] + c + p * src_pixel));
#pragma GCC unroll 4
      for (int w = 0; w < kOutputs; ++w)
        if (const int j = p - w * F::stride; j >= 0 && j < F::taps)
          sum[i * F::taps + j] = hn::MulAdd(pixel, gradient[w], sum[i * F::taps + j]);
    }
  }
}

// The sums of some tap rows over a segment, for the vectors of channels that begin with c. From a vector's sums to the next one's are
// `next` floats.
template <class F>
HWY_NOINLINE void SumRows(const DepthwiseRows& x, const DepthwiseSegment& at, const PickChannel<F::grouped>& pick, std::int64_t tap_row,
                          std::int64_t c, float* sums, std::int64_t next) {
  const Geometry& g = x.geometry;
  constexpr int taps = F::rows * F::taps;
  constexpr int outputs = 4;
  const std::int64_t src_step = F::stride * g.src_pixel, start = at.begin * F::stride - g.pad_left;
  V sum[F::vectors * taps];
#pragma GCC unroll 2
  for (int v = 0; v < F::vectors; ++v)
#pragma GCC unroll 25
    for (int t = 0; t < taps; ++t) sum[v * taps + t] = hn::LoadU(D(), sums + v * next + t * lanes);
  for (std::int64_t y = at.y; y < at.y_end; ++y) {
    const float* row[F::rows];
#pragma GCC unroll 5
    for (int i = 0; i < F::rows; ++i) {
      const std::int64_t h = y * g.stride_height - g.pad_top + (tap_row + i) * g.dilation_height;
      row[i] = h >= 0 && h < g.height ? x.src + h * g.src_row + start * g.src_pixel + c : nullptr;
    }
    const float* ddst = x.ddst + y * g.dst_row + at.begin * g.dst_pixel + c;
    const auto advance = [&](std::int64_t count) HWY_ATTR {
#pragma GCC unroll 5
      for (int i = 0; i < F::rows; ++i)
        if (row[i] != nullptr) row[i] += count * src_step;
      ddst += count * g.dst_pixel;
    };
    for (std::int64_t column = at.begin; column < at.end;) {
      if (column >= at.inner && column + outputs <= std::min(at.end, at.inner_end)) {
#pragma GCC unroll 2
        for (int v = 0; v < F::vectors; ++v)
          AddOutputs<F, outputs, false>(sum + v * taps, row, v * lanes, ddst, g.src_pixel, g.dst_pixel, pick, 0, 0);
        advance(outputs), column += outputs;
      } else {
        const std::int64_t from = column * F::stride - g.pad_left;
#pragma GCC unroll 2
        for (int v = 0; v < F::vectors; ++v)
          AddOutputs<F, 1, true>(sum + v * taps, row, v * lanes, ddst, g.src_pixel, g.dst_pixel, pick, -from, g.width - from);
        advance(1), ++column;
      }
    }
  }
#pragma GCC unroll 2
  for (int v = 0; v < F::vectors; ++v)
#pragma GCC unroll 25
    for (int t = 0; t < taps; ++t) hn::StoreU(sum[v * taps + t], D(), sums + v * next + t * lanes);
}

// Reads a float of each cache line of `rows` rows.
HWY_INLINE void Read(const float* p, std::int64_t rows, std::int64_t row, std::int64_t length) {
  constexpr std::int64_t line = 16;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t k = 0; k < length; k += line) static_cast<void>(*static_cast<const volatile float*>(p + r * row + k));
}

// Reads what the output rows [y, y_end) are the first to read, row by row: unlike the segments' steps from pixel to pixel, that is an order
// which the processor sees through, so that its own prefetching helps.
void ReadAhead(const DepthwiseRows& x, std::int64_t y, std::int64_t y_end) {
  const Geometry& g = x.geometry;
  y_end = std::min(y_end, g.out_height);
  const auto seen = [&](std::int64_t row) {
    return std::clamp<std::int64_t>((row - 1) * g.stride_height - g.pad_top + (g.window_height - 1) * g.dilation_height + 1, 0, g.height);
  };
  const std::int64_t first = seen(y);
  Read(x.ddst + y * g.dst_row, y_end - y, g.dst_row, (g.out_width - 1) * g.dst_pixel + g.out_channels);
  Read(x.src + first * g.src_row, seen(y_end) - first, g.src_row, (g.width - 1) * g.src_pixel + g.out_channels);
}

template <int kTaps, int kStride, bool kGrouped>
HWY_NOINLINE void SumSegment(const DepthwiseRows& x, const LaneTable& table, const DepthwiseSegment& at) {
  constexpr int rows = many_registers ? kTaps : kGrouped ? kTaps == 3 ? 3 : 2 : 1;  // of taps at a time
  constexpr int pair = many_registers || kGrouped ? 1 : 2;
  const std::int64_t channels = x.geometry.out_channels, next = kTaps * kTaps * x.depth * lanes;
  const auto run = [&]<int kVectors>(std::int64_t c, float* sums) HWY_ATTR {
    for (std::int64_t channel = 0; channel < x.depth; ++channel) {
      const PickChannel<kGrouped> pick(table, channel);
      std::int64_t tap_row = 0;
      for (; tap_row + rows <= kTaps; tap_row += rows, sums += rows * kTaps * lanes)
        SumRows<RowsForm<kTaps, kStride, rows, kVectors, kGrouped>>(x, at, pick, tap_row, c, sums, next);
      if constexpr (constexpr int rest = kTaps % rows; rest > 0) {
        SumRows<RowsForm<kTaps, kStride, rest, kVectors, kGrouped>>(x, at, pick, tap_row, c, sums, next);
        sums += rest * kTaps * lanes;
      }
    }
  };
  float* sums = x.sums;
  for (std::int64_t v = 0; v < channels;) {
    const int vectors = v + pair * lanes <= channels ? pair : 1;
    if (vectors == pair)
      run.template operator()<pair>(std::min(v, channels - lanes), sums);
    else
      run.template operator()<1>(std::min(v, channels - lanes), sums);
    v += vectors * lanes, sums += vectors * next;
  }
}

template <int kTaps, int kStride, bool kGrouped>
void sum_image(const DepthwiseRows& x) {
  constexpr std::int64_t columns = many_registers ? 16 : 32, least = columns / 2, outputs = 64;  // of a segment
  const Geometry& g = x.geometry;
  const LaneTable table(x.depth);
  DepthwiseSegment at = {};
  at.inner = std::min(core::ceil_div(g.pad_left, kStride), g.out_width);
  at.inner_end = g.width + g.pad_left >= kTaps ? std::min((g.width + g.pad_left - kTaps) / kStride + 1, g.out_width) : 0;
  const std::int64_t rows = g.out_width < columns + least ? std::max<std::int64_t>(outputs / g.out_width, 1) : 1;
  for (at.y = 0; at.y < g.out_height; at.y = at.y_end) {
    at.y_end = std::min(at.y + rows, g.out_height);
    if (x.streams) ReadAhead(x, at.y_end, at.y_end + rows);
    for (at.begin = 0; at.begin < g.out_width; at.begin = at.end) {
      at.end = std::max(at.begin, at.inner) + columns;
      if (at.end + least > g.out_width) at.end = g.out_width;
      SumSegment<kTaps, kStride, kGrouped>(x, table, at);
    }
  }
}

void depthwise_rows(const DepthwiseRows& x) {
  const Geometry& g = x.geometry;
  const auto run = [&]<bool kGrouped>() {
    if (g.window_width == 3) return g.stride_width == 1 ? sum_image<3, 1, kGrouped>(x) : sum_image<3, 2, kGrouped>(x);
    return g.stride_width == 1 ? sum_image<5, 1, kGrouped>(x) : sum_image<5, 2, kGrouped>(x);
  };
  return x.depth > 1 ? run.template operator()<true>() : run.template operator()<false>();
}

void depthwise_sums(const DepthwiseSums& x) {
  const LaneTable table(x.depth);
  const std::int64_t width = conv::channels_of_vector(x.channels, x.depth);
  for (std::int64_t c = 0; c < x.channels; c += width) {
    const std::int64_t last = std::min(width, x.channels - c);
    last == lanes ? sum_taps<false>(x, table, c, last) : sum_taps<true>(x, table, c, last);
  }
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(depthwise_rows);
HWY_EXPORT(depthwise_sums);

namespace conv {
namespace {

// Whether the form for whole windows computes the problem.
bool by_rows(const Geometry& g) {
  return g.window_height == g.window_width && (g.window_width == 3 || g.window_width == 5) && g.stride_width <= 2 &&
         g.dilation_width == 1 && channels_of_vector(g.out_channels, g.channels / g.groups) == core::lanes();
}

// Whether the kernel gradient reads a copy of each image in scratch, with padding and repeated channels.
bool laid_out(const Geometry& g) { return multiplier_of(g) > 1 || (padded(g) && !by_rows(g)); }

Geometry layout_of(const Geometry& g) {
  Geometry layout = g;
  if (!laid_out(g)) return layout;
  layout.width = g.width + g.pad_left + g.pad_right, layout.height = g.height + g.pad_top + g.pad_bottom;
  layout.channels = g.out_channels;
  if (multiplier_of(g) > 1) layout.groups = g.out_channels;
  layout.pad_top = layout.pad_bottom = layout.pad_left = layout.pad_right = 0;
  set_dense_src(layout);
  return layout;
}

void lay_out(const Geometry& g, const float* src, float* dst) {
  if (multiplier_of(g) == 1) return pad(g, 1, src, dst);
  const Geometry layout = layout_of(g);
  const std::int64_t left = g.pad_left * g.out_channels, right = g.pad_right * g.out_channels;
  std::fill_n(dst, g.pad_top * layout.src_row, 0.0F);
  for (std::int64_t y = 0; y < g.height; ++y) {
    float* row = dst + (g.pad_top + y) * layout.src_row;
    std::fill_n(row, left, 0.0F);
    repeat_channels(src + y * g.src_row, g.src_pixel, g.width, g.channels, multiplier_of(g), row + left);
    std::fill_n(row + layout.src_row - right, right, 0.0F);
  }
  std::fill_n(dst + (g.pad_top + g.height) * layout.src_row, g.pad_bottom * layout.src_row, 0.0F);
}

std::int64_t layout_size(const Geometry& g) { return laid_out(g) ? layout_of(g).src_image : 0; }
std::int64_t sums_size(const Geometry& g) {
  return by_rows(g) ? g.window_height * g.window_width * (g.channels / g.groups) * core::round_up(g.out_channels, core::lanes()) : 0;
}
std::int64_t scratch_size(const Geometry& g) { return layout_size(g) + sums_size(g); }

void add_sums(const Geometry& g, const Geometry& layout, const float* src, const float* ddst, bool add, float* dkernel) {
  const DepthwiseSums sums = {.src = src,
                              .ddst = ddst,
                              .dkernel = dkernel,
                              .depth = g.channels / g.groups,
                              .channels = g.out_channels,
                              .out_height = g.out_height,
                              .out_width = g.out_width,
                              .src_row = g.stride_height * layout.src_row,
                              .src_column = g.stride_width * layout.src_pixel,
                              .ddst_row = g.dst_row,
                              .ddst_column = g.dst_pixel,
                              .tap_row = g.dilation_height * layout.src_row,
                              .tap_column = g.dilation_width * layout.src_pixel,
                              .window_height = g.window_height,
                              .window_width = g.window_width,
                              .add = add};
  HWY_DYNAMIC_DISPATCH(depthwise_sums)(sums);
}

// From [vectors of channels][depth][taps][lanes] to Keras's layout.
void unpack_sums(const Geometry& g, const float* sums, float* dkernel) {
  const std::int64_t lanes = core::lanes(), depth = g.channels / g.groups, taps = g.window_height * g.window_width;
  for (std::int64_t v = 0; v < g.out_channels; v += lanes)
    for (std::int64_t d = 0; d < depth; ++d)
      for (std::int64_t t = 0; t < taps; ++t, sums += lanes)
        std::copy_n(sums, lanes, dkernel + (t * depth + d) * g.out_channels + std::min(v, g.out_channels - lanes));
}

void kernel_gradient(const Geometry& g, const ConvKernelGradient::Args<float>& args) {
  const Geometry layout = layout_of(g);
  float* sums = args.scratch + layout_size(g);
  std::fill_n(sums, sums_size(g), 0.0F);
  for (std::int64_t n = 0; n < args.images; ++n) {
    const float* src = args.src + n * g.src_image;
    const float* ddst = args.ddst + n * g.dst_image;
    if (laid_out(g)) {
      lay_out(g, src, args.scratch);
      src = args.scratch;
    }
    if (by_rows(g))
      HWY_DYNAMIC_DISPATCH(depthwise_rows)
      ({.geometry = layout, .src = src, .ddst = ddst, .sums = sums, .depth = g.channels / g.groups, .streams = streams(g, args.images)});
    else
      add_sums(g, layout, src, ddst, n > 0, args.dkernel);
  }
  if (by_rows(g)) return unpack_sums(g, sums, args.dkernel);
  if (args.images == 0) std::fill_n(args.dkernel, g.window_height * g.window_width * (g.channels / g.groups) * g.out_channels, 0.0F);
}

}  // namespace

std::int64_t DepthwiseKernelGradient::scratch(const Geometry& g, std::int64_t) { return scratch_size(g); }

void DepthwiseKernelGradient::run(const Geometry& g, const ConvKernelGradient::Args<float>& args) { kernel_gradient(g, args); }

std::int64_t GroupedKernelGradient::scratch(const Geometry& g, std::int64_t) { return scratch_size(g); }

void GroupedKernelGradient::run(const Geometry& g, const ConvKernelGradient::Args<float>& args) { kernel_gradient(g, args); }

}  // namespace conv
}  // namespace linn::detail::kernels
#endif
