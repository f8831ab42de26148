// Depthwise convolution, convolution in groups of 2, 4 or 8 channels, and their gradients: channels in lanes, no padded copy in the forward
// pass and the input gradient (see taps.h).
//
// Forward and input gradient
// Loop nest:  for each image, for each run of columns that share their taps, for each row
//               for each 8 (then 4, 2, 1) pixels of the run, for each vector of channels
//                 for each row of taps, for each source channel of a group
//                   the taps' weights stay in registers, a source pixel serves all outputs of the tile that see it
// Registers:  8 sums, up to 5 weights, 1 source vector; in groups 1 of lane numbers.
// Loads:      3x3, stride 1: 13 for 24 multiply-adds a row of taps. A window without a form of its own: 9 for 8.
//
// Kernel gradient
// Loop nest:  for each image (copied with its padding as zeros, where it has any), for each vector of channels, for each up to 9 taps, for
//             each source channel of a group
//               for each output pixel: one vector of ddst, one source vector for each tap
// Registers:  9 sums, 1 of ddst, 1 of the source. 10 loads for 9 multiply-adds.
//
// A depth multiplier above 1: the source is copied with each channel repeated, a strip of rows at a time, so that both maps have the same
// channels. That costs one store for each repeated source element, beside window_height * window_width multiply-adds.
//
// Groups of D channels in and out, D a divisor of the vector's lanes: a source vector is permuted, so that every lane of a group holds the
// group's source channel number 0, 1, ..., D - 1. A permuted pixel serves as many outputs as one of a depthwise convolution.
#include "kernels/conv/depthwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/depthwise.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "kernels/conv/padding.h"
#include "kernels/conv/taps.h"
#include "kernels/conv/walk.h"
#include "kernels/gemm/vector-inl.h"

#ifndef LINN_KERNELS_CONV_DEPTHWISE_ONCE
#define LINN_KERNELS_CONV_DEPTHWISE_ONCE
namespace linn::detail::kernels::conv {

/// A convolution, or an input gradient as a convolution over the output's map. Both maps have the same number of channels.
struct DepthwisePass {
  const float* src;
  float* dst;
  Pitches read, written;
  std::int64_t images, channels, window_width;
  std::int64_t depth;   // channels of a group
  const float* kernel;  // [taps][depth][channels]
  const float* bias;    // or null
  bool relu;
};

/// Neighbouring outputs of one row, and their windows. Steps are in elements and may be negative.
struct DepthwiseTile {
  const float* src;
  float* dst;
  std::int64_t src_step, dst_step;                              // from an output to the next
  std::int64_t rows, columns;                                   // taps
  std::int64_t depth;                                           // channels of a group
  std::int64_t src_row, src_column, kernel_row, kernel_column;  // pitches of the taps
  const float* kernel;
  const float* bias;  // or null
  std::int64_t channels;
  bool relu;
};

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

}  // namespace linn::detail::kernels::conv
#endif

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

using conv::DepthwisePass;
using conv::DepthwiseSums;
using conv::DepthwiseTile;

// Compile-time parameters of a window: kTaps columns of taps, and kStride taps between neighbouring outputs. kTaps 0: any window.
// kGrouped: more than one channel in a group.
template <int kTaps, int kStride, bool kGrouped>
struct Form {
  static constexpr int taps = kTaps, stride = kStride;
  static constexpr bool grouped = kGrouped;
};

// For each channel of a group: the lane from which each lane of a vector takes that channel.
class LaneTable {
 public:
  explicit LaneTable(std::int64_t depth) {
    for (std::int64_t channel = 0; channel < depth; ++channel)
      for (std::int64_t l = 0; l < lanes; ++l) lane_[channel * lanes + l] = static_cast<std::int32_t>(l / depth * depth + channel);
  }
  const std::int32_t* of(std::int64_t channel) const { return lane_ + channel * lanes; }

 private:
  alignas(64) std::int32_t lane_[lanes * lanes];
};

// Gives each lane one channel of its group; in a group of one channel its own.
template <bool kGrouped>
class PickChannel {
 public:
  PickChannel(const LaneTable& table, std::int64_t channel) : lanes_(hn::SetTableIndices(D(), table.of(kGrouped ? channel : 0))) {}
  HWY_INLINE V operator()(V v) const {
    if constexpr (kGrouped) return hn::TableLookupLanes(v, lanes_);
    return v;
  }

 private:
  decltype(hn::SetTableIndices(D(), static_cast<const std::int32_t*>(nullptr))) lanes_;
};

template <class F, int kOutputs, bool kTail>
HWY_INLINE void Outputs(const DepthwiseTile& tile, const LaneTable& table, std::int64_t c, std::int64_t last) {
  const D d;
  V sum[kOutputs];
  const V start = tile.bias != nullptr ? LoadVector<kTail>(tile.bias + c, 0, 1, last) : hn::Zero(d);
#pragma GCC unroll 8
  for (int w = 0; w < kOutputs; ++w) sum[w] = start;
  for (std::int64_t k = 0; k < tile.rows * (F::grouped ? tile.depth : 1); ++k) {
    const std::int64_t i = F::grouped ? k / tile.depth : k, channel = F::grouped ? k % tile.depth : 0;
    const PickChannel<F::grouped> pick(table, channel);
    const float* src = tile.src + i * tile.src_row + c;
    const float* kernel = tile.kernel + i * tile.kernel_row + channel * tile.channels + c;
    if constexpr (F::taps > 0) {
      V tap[F::taps];
#pragma GCC unroll 8
      for (int j = 0; j < F::taps; ++j) tap[j] = LoadVector<kTail>(kernel + j * tile.kernel_column, 0, 1, last);
      constexpr int seen = (kOutputs - 1) * F::stride + F::taps;
#pragma GCC unroll 24
      for (int p = 0; p < seen; ++p) {
        const V pixel = pick(LoadVector<kTail>(src, 0, 1, last));
        src += tile.src_column;
#pragma GCC unroll 8
        for (int w = 0; w < kOutputs; ++w) {
          const int j = p - w * F::stride;
          if (j >= 0 && j < F::taps) sum[w] = hn::MulAdd(pixel, tap[j], sum[w]);
        }
      }
    } else {
      for (std::int64_t j = 0; j < tile.columns; ++j, src += tile.src_column, kernel += tile.kernel_column) {
        const V tap = LoadVector<kTail>(kernel, 0, 1, last);
#pragma GCC unroll 8
        for (int w = 0; w < kOutputs; ++w) sum[w] = hn::MulAdd(pick(LoadVector<kTail>(src + w * tile.src_step, 0, 1, last)), tap, sum[w]);
      }
    }
  }
  if (tile.relu) {
#pragma GCC unroll 8
    for (int w = 0; w < kOutputs; ++w) sum[w] = hn::Max(hn::Zero(d), sum[w]);  // in this order NaN stays
  }
#pragma GCC unroll 8
  for (int w = 0; w < kOutputs; ++w) StoreVector<kTail>(sum[w], tile.dst + w * tile.dst_step + c, 0, 1, last);
}

template <class F, int kOutputs>
HWY_NOINLINE void RunTile(const DepthwiseTile& tile, const LaneTable& table) {
  std::int64_t c = 0;
  for (; c + lanes <= tile.channels; c += lanes) Outputs<F, kOutputs, false>(tile, table, c, lanes);
  if (c < tile.channels) Outputs<F, kOutputs, true>(tile, table, c, tile.channels - c);
}

// A number of neighbouring outputs, in tiles of 8, 4, 2 and 1.
template <class F>
void RunOutputs(DepthwiseTile tile, const LaneTable& table, std::int64_t count) {
  const auto take = [&](auto run, int outputs) {
    run(tile, table);
    tile.src += outputs * tile.src_step, tile.dst += outputs * tile.dst_step;
    count -= outputs;
  };
  while (count >= 8) take(RunTile<F, 8>, 8);
  if (count >= 4) take(RunTile<F, 4>, 4);
  if (count >= 2) take(RunTile<F, 2>, 2);
  if (count >= 1) take(RunTile<F, 1>, 1);
}

using RunFunction = void (*)(DepthwiseTile, const LaneTable&, std::int64_t);

template <bool kGrouped>
RunFunction function_for(std::int64_t taps, std::int64_t src_step, std::int64_t src_column) {
  if (src_step == src_column) {
    if (taps == 3) return RunOutputs<Form<3, 1, kGrouped>>;
    if (taps == 5) return RunOutputs<Form<5, 1, kGrouped>>;
  }
  if (src_step == 2 * src_column) {
    if (taps == 3) return RunOutputs<Form<3, 2, kGrouped>>;
    if (taps == 5) return RunOutputs<Form<5, 2, kGrouped>>;
  }
  return RunOutputs<Form<0, 0, kGrouped>>;
}

// If taps go backwards, visits the positions from the last to the first. Then both go the same way, as the forms with compile-time windows
// need.
conv::Run forwards(conv::Run run) {
  if (run.read_per_tap > 0) return run;
  run.first += (run.count - 1) * run.step, run.read += (run.count - 1) * run.read_per_position;
  run.step = -run.step, run.read_per_position = -run.read_per_position;
  return run;
}

// All rows of one run of columns in one image.
void run_columns(const DepthwisePass& pass, const LaneTable& table, const conv::Run& rows, const conv::Run& columns, std::int64_t image) {
  const std::int64_t tap_size = pass.depth * pass.channels;
  DepthwiseTile tile = {.src = nullptr,
                        .dst = nullptr,
                        .src_step = columns.read_per_position * pass.read.pixel,
                        .dst_step = columns.step * pass.written.pixel,
                        .rows = rows.taps,
                        .columns = columns.taps,
                        .depth = pass.depth,
                        .src_row = rows.read_per_tap * pass.read.row,
                        .src_column = columns.read_per_tap * pass.read.pixel,
                        .kernel_row = rows.tap_step * pass.window_width * tap_size,
                        .kernel_column = columns.tap_step * tap_size,
                        .kernel = pass.kernel + (rows.tap * pass.window_width + columns.tap) * tap_size,
                        .bias = pass.bias,
                        .channels = pass.channels,
                        .relu = pass.relu};
  const auto function = pass.depth > 1 ? function_for<true> : function_for<false>;
  const RunFunction run = function(columns.taps, tile.src_step, tile.src_column);
  const float* src = pass.src + image * pass.read.image + columns.read * pass.read.pixel;
  float* dst = pass.dst + image * pass.written.image + columns.first * pass.written.pixel;
  for (std::int64_t k = 0; k < rows.count; ++k) {
    tile.src = src + (rows.read + k * rows.read_per_position) * pass.read.row;
    tile.dst = dst + (rows.first + k * rows.step) * pass.written.row;
    run(tile, table, columns.count);
  }
}

void depthwise_forward(const DepthwisePass& pass, const Geometry& g) {
  const LaneTable table(pass.depth);
  for (std::int64_t n = 0; n < pass.images; ++n)
    conv::forward_runs(conv::columns_of(g), g.out_width, [&](const conv::Run& columns) {
      conv::forward_runs(conv::rows_of(g), g.out_height, [&](const conv::Run& rows) { run_columns(pass, table, rows, columns, n); });
    });
}

void depthwise_backward(const DepthwisePass& pass, const Geometry& g) {
  const LaneTable table(pass.depth);
  for (std::int64_t n = 0; n < pass.images; ++n)
    conv::backward_runs(conv::columns_of(g), g.width, [&](const conv::Run& columns) {
      conv::backward_runs(conv::rows_of(g), g.height, [&](const conv::Run& rows) { run_columns(pass, table, rows, forwards(columns), n); });
    });
}

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

void depthwise_sums(const DepthwiseSums& x) {
  const LaneTable table(x.depth);
  std::int64_t c = 0;
  for (; c + lanes <= x.channels; c += lanes) sum_taps<false>(x, table, c, lanes);
  if (c < x.channels) sum_taps<true>(x, table, c, x.channels - c);
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(depthwise_forward);
HWY_EXPORT(depthwise_backward);
HWY_EXPORT(depthwise_sums);

namespace conv {
namespace {

// Elements of a strip of a map with repeated channels: 64 KiB, at least one row.
constexpr std::int64_t strip_elements = 16384;

// Repeats each of `channels` elements `times` times, for all pixels of a row.
void repeat_channels(const float* src, std::int64_t pixel, std::int64_t pixels, std::int64_t channels, std::int64_t times, float* dst) {
  for (std::int64_t x = 0; x < pixels; ++x)
    for (std::int64_t c = 0; c < channels; ++c, dst += times) std::fill_n(dst, times, src[x * pixel + c]);
}

// Adds each `times` neighbouring elements to one.
void add_repeated(const float* src, std::int64_t pixels, std::int64_t channels, std::int64_t times, float* dst, std::int64_t pixel) {
  for (std::int64_t x = 0; x < pixels; ++x)
    for (std::int64_t c = 0; c < channels; ++c, src += times) {
      float sum = src[0];
      for (std::int64_t k = 1; k < times; ++k) sum += src[k];
      dst[x * pixel + c] = sum;
    }
}

// The same convolution on a dense map with repeated channels.
Geometry repeated(Geometry g) {
  g.channels = g.groups = g.out_channels;
  set_dense_src(g);
  return g;
}

// Number of rows in a strip: of the output (forward) or of the source (backward).
std::int64_t forward_strip(const Geometry& g) {
  const std::int64_t reach = (g.window_height - 1) * g.dilation_height + 1;
  const std::int64_t rows = strip_elements / (g.width * g.out_channels);
  return std::clamp<std::int64_t>((rows - reach) / g.stride_height + 1, 1, g.out_height);
}
std::int64_t backward_strip(const Geometry& g) {
  return std::clamp<std::int64_t>(strip_elements / (g.width * g.out_channels), 1, g.height);
}

// Largest number of source rows in the windows of a strip of output rows.
std::int64_t rows_seen(const Geometry& g) {
  return std::min(g.height, (forward_strip(g) - 1) * g.stride_height + (g.window_height - 1) * g.dilation_height + 1);
}

void forward(const Geometry& g, const ConvForward::Problem& problem, const ConvForward::Args<float>& args) {
  const DepthwisePass pass = {.src = args.src,
                              .dst = args.dst,
                              .read = {g.src_pixel, g.src_row, g.src_image},
                              .written = {g.dst_pixel, g.dst_row, g.dst_image},
                              .images = args.images,
                              .channels = g.out_channels,
                              .window_width = g.window_width,
                              .depth = g.channels / g.groups,
                              .kernel = args.kernel,
                              .bias = problem.bias ? args.bias : nullptr,
                              .relu = problem.activation == Activation::relu};
  HWY_DYNAMIC_DISPATCH(depthwise_forward)(pass, g);
}

// `kernel` is [taps][out_channels / groups][channels]; with a multiplier above 1 that is [taps][1][out_channels].
void backward(const Geometry& g, const float* kernel, const ConvInputGradient::Args<float>& args) {
  const DepthwisePass pass = {.src = args.ddst,
                              .dst = args.dsrc,
                              .read = {g.dst_pixel, g.dst_row, g.dst_image},
                              .written = {g.src_pixel, g.src_row, g.src_image},
                              .images = args.images,
                              .channels = g.out_channels,
                              .window_width = g.window_width,
                              .depth = g.channels / g.groups,
                              .kernel = kernel,
                              .bias = nullptr,
                              .relu = false};
  HWY_DYNAMIC_DISPATCH(depthwise_backward)(pass, g);
}

// Output rows [first, first + rows) of an image, from source rows with repeated channels in scratch.
void forward_rows(const ConvForward::Problem& problem, const ConvForward::Args<float>& args, std::int64_t n, std::int64_t first,
                  std::int64_t rows) {
  const Geometry& g = problem.geometry;
  const std::int64_t start = first * g.stride_height - g.pad_top;
  const std::int64_t reach = (rows - 1) * g.stride_height + (g.window_height - 1) * g.dilation_height + 1;
  const std::int64_t begin = std::clamp<std::int64_t>(start, 0, g.height), end = std::clamp<std::int64_t>(start + reach, begin, g.height);
  const std::int64_t row = g.width * g.out_channels;
  for (std::int64_t y = begin; y < end; ++y)
    repeat_channels(args.src + n * g.src_image + y * g.src_row, g.src_pixel, g.width, g.channels, multiplier_of(g),
                    args.scratch + (y - begin) * row);
  Geometry strip = repeated(g);
  strip.height = end - begin, strip.pad_top = begin - start, strip.out_height = rows;
  forward(strip, problem, {1, args.scratch, args.kernel, nullptr, args.bias, args.dst + n * g.dst_image + first * g.dst_row, nullptr});
}

// Gradient of source rows [first, first + rows) of an image: first for each output channel, in scratch, then added for each source channel.
void backward_rows(const Geometry& g, const ConvInputGradient::Args<float>& args, std::int64_t n, std::int64_t first, std::int64_t rows) {
  Geometry strip = repeated(g);
  strip.height = rows, strip.pad_top = g.pad_top + first;
  backward(strip, args.transposed_kernel, {1, args.ddst + n * g.dst_image, args.transposed_kernel, nullptr, args.scratch, nullptr});
  for (std::int64_t y = 0; y < rows; ++y)
    add_repeated(args.scratch + y * strip.src_row, g.width, g.channels, multiplier_of(g),
                 args.dsrc + n * g.src_image + (first + y) * g.src_row, g.src_pixel);
}

// The source that the kernel gradient reads for an image: the image itself, or a copy in scratch with padding and repeated channels.
bool laid_out(const Geometry& g) { return padded(g) || multiplier_of(g) > 1; }

Geometry layout_of(const Geometry& g) {
  Geometry layout = g;
  if (!laid_out(g)) return layout;
  layout.width = g.width + g.pad_left + g.pad_right, layout.height = g.height + g.pad_top + g.pad_bottom;
  layout.channels = g.out_channels;
  set_dense_src(layout);
  return layout;
}

void lay_out(const Geometry& g, const float* src, float* dst) {
  if (multiplier_of(g) == 1) return pad(g, 1, src, dst);
  const Geometry layout = layout_of(g);
  const std::int64_t left = g.pad_left * g.out_channels, right = g.pad_right * g.out_channels;
  std::fill_n(dst, g.pad_top * layout.src_row, 0.0f);
  for (std::int64_t y = 0; y < g.height; ++y) {
    float* row = dst + (g.pad_top + y) * layout.src_row;
    std::fill_n(row, left, 0.0f);
    repeat_channels(src + y * g.src_row, g.src_pixel, g.width, g.channels, multiplier_of(g), row + left);
    std::fill_n(row + layout.src_row - right, right, 0.0f);
  }
  std::fill_n(dst + (g.pad_top + g.height) * layout.src_row, g.pad_bottom * layout.src_row, 0.0f);
}

void kernel_gradient(const Geometry& g, const ConvKernelGradient::Args<float>& args) {
  const Geometry layout = layout_of(g);
  for (std::int64_t n = 0; n < args.images; ++n) {
    const float* src = args.src + n * g.src_image;
    if (laid_out(g)) {
      lay_out(g, src, args.scratch);
      src = args.scratch;
    }
    const DepthwiseSums sums = {.src = src,
                                .ddst = args.ddst + n * g.dst_image,
                                .dkernel = args.dkernel,
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
                                .add = n > 0};
    HWY_DYNAMIC_DISPATCH(depthwise_sums)(sums);
  }
  if (args.images == 0) std::fill_n(args.dkernel, g.window_height * g.window_width * (g.channels / g.groups) * g.out_channels, 0.0f);
}

}  // namespace

bool DepthwiseForward::supports(const ConvForward::Problem& problem) {
  return is_linear_or_relu(problem.activation) && is_depthwise(problem.geometry);
}

std::int64_t DepthwiseForward::scratch(const ConvForward::Problem& problem, std::int64_t) {
  const Geometry& g = problem.geometry;
  return multiplier_of(g) > 1 ? rows_seen(g) * g.width * g.out_channels : 0;
}

void DepthwiseForward::run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args) {
  const Geometry& g = problem.geometry;
  if (multiplier_of(g) == 1) return forward(g, problem, args);
  const std::int64_t strip = forward_strip(g);
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t y = 0; y < g.out_height; y += strip) forward_rows(problem, args, n, y, std::min(strip, g.out_height - y));
}

std::int64_t DepthwiseInputGradient::scratch(const Geometry& g, std::int64_t) {
  return multiplier_of(g) > 1 ? backward_strip(g) * g.width * g.out_channels : 0;
}

void DepthwiseInputGradient::run(const Geometry& g, const ConvInputGradient::Args<float>& args) {
  if (multiplier_of(g) == 1) return backward(g, args.transposed_kernel, args);
  const std::int64_t strip = backward_strip(g);
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t h = 0; h < g.height; h += strip) backward_rows(g, args, n, h, std::min(strip, g.height - h));
}

std::int64_t DepthwiseKernelGradient::scratch(const Geometry& g, std::int64_t) { return laid_out(g) ? layout_of(g).src_image : 0; }

void DepthwiseKernelGradient::run(const Geometry& g, const ConvKernelGradient::Args<float>& args) { kernel_gradient(g, args); }

bool is_grouped(const Geometry& g) {
  const std::int64_t depth = g.channels / g.groups, most = core::isa() >= core::Isa::avx512 ? 8 : core::isa() >= core::Isa::avx2 ? 4 : 2;
  return g.groups > 1 && g.channels == g.out_channels && std::has_single_bit(static_cast<std::uint64_t>(depth)) && depth > 1 &&
         depth <= most;
}

bool GroupedForward::supports(const ConvForward::Problem& problem) {
  return is_linear_or_relu(problem.activation) && is_grouped(problem.geometry);
}

void GroupedForward::run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args) {
  forward(problem.geometry, problem, args);
}

std::int64_t GroupedInputGradient::packed(const Geometry& g) {
  return g.window_height * g.window_width * (g.out_channels / g.groups) * g.channels;
}

void GroupedInputGradient::pack(const Geometry& g, const float* transposed_kernel, float* packed) {
  const std::int64_t depth = g.channels / g.groups;
  for (std::int64_t tap = 0; tap < g.window_height * g.window_width; ++tap)
    for (std::int64_t o = 0; o < depth; ++o)
      for (std::int64_t group = 0; group < g.groups; ++group, packed += depth)
        std::copy_n(transposed_kernel + ((tap * g.groups + group) * depth + o) * depth, depth, packed);
}

void GroupedInputGradient::run(const Geometry& g, const ConvInputGradient::Args<float>& args) { backward(g, args.packed, args); }

std::int64_t GroupedKernelGradient::scratch(const Geometry& g, std::int64_t) { return laid_out(g) ? layout_of(g).src_image : 0; }

void GroupedKernelGradient::run(const Geometry& g, const ConvKernelGradient::Args<float>& args) { kernel_gradient(g, args); }

}  // namespace conv
}  // namespace linn::detail::kernels
#endif
