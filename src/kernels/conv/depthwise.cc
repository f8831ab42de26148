// Depthwise convolution, convolution in groups of few channels, and their input gradients: channels in lanes, no padded copy. Steps
// outside the map are left out (lattice.h), so that each output sums over the taps inside the map in their order, as the direct form does.
//
// Loop nest:  for each image, for each pair of lattices, for each R rows of outputs, for each W columns of outputs, for each vector of channels
//               for each row of the map that the tile reads, for each source channel of a group
//                 load the row's pixels; for each of the R rows of outputs that reads it: load each weight, W multiply-adds
// Registers:  R * W = 4 * 4 sums (32 registers) or 2 * 4 (16), the pixels of one row where registers are left, 1 weight; in groups 1 of lane
//             numbers. Of 16 registers a window of 5 columns or stride 2 leaves none for pixels: each row of outputs loads them again.
// Loads:      3x3, stride 1, 32 registers: 36 pixels and 36 weights for 144 multiply-adds; 16 registers: 24 and 18 for 72.
// Borders:    tiles at the left and right border test each pixel; rows outside the map cost nothing.
// Weights:    packed as [vectors of channels][taps][source channels of a group][lanes], so that a vector's weights lie side by side: in Keras's
//             layout of 512 channels they fall into two sets of the L1 cache, beside the pixels. Where channels fill no whole number of
//             vectors, the last vector overlaps the one before it; both write the same bits.
//
// Measured:   (Zen 5, one core; share of the multiply-add loop on AVX-512, on AVX2) in cache: 3x3 128 on 28x28 56, 66 %; 5x5 240 on 14x14 63,
//             70 %. Batches beyond the L2 cache, share of memcpy's time: 3x3 128 on 28x28 50, 48 %; 32 on 112x112 60, 50 %; they move 25 to
//             34 GB/s of map, and a cached store reads each line that it writes, which memcpy of such sizes does not. Groups of 4 of 128 on
//             56x56 56, 69 %; of as many channels as lanes 74, 69 %.
//
// A depth multiplier above 1: the source is copied with each channel repeated, a strip of rows at a time, so that both maps have the same
// channels. That costs one store for each repeated source element, beside window_height * window_width multiply-adds.
//
// Groups of D channels in and out, D at most the vector's lanes: a source vector is permuted, so that every lane of a group holds the group's
// source channel number 0, 1, ..., D - 1. A permuted pixel serves as many outputs as one of a depthwise convolution. If D does not divide the
// lanes, a vector holds whole groups and leaves the last lanes empty; its tiles all test each pixel, and load and store through masks.
#include "kernels/conv/depthwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/depthwise.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>

#include "core/cpu.h"
#include "kernels/conv/lane_table-inl.h"
#include "kernels/conv/lattice.h"
#include "kernels/conv/repeat.h"
#include "kernels/conv/rows.h"
#include "kernels/gemm/vector-inl.h"

#ifndef LINN_KERNELS_CONV_DEPTHWISE_ONCE
#define LINN_KERNELS_CONV_DEPTHWISE_ONCE
namespace linn::detail::kernels::conv {

/// A convolution, or an input gradient as a convolution over the output's map. Both maps have the same number of channels.
struct DepthwisePass {
  const float* src;
  float* dst;
  Pitches read, written;
  std::int64_t images, channels, taps, window_width;
  std::int64_t depth;   // channels of a group
  const float* kernel;  // packed
  const float* bias;    // or null
  bool relu;
  float largest;  // result; infinity: any
  bool streams;  // the maps of the call do not stay in the L2 cache
};

/// One image of a pass, one lattice of rows and one of columns. Pitches are in elements and may be negative.
struct DepthwiseMap {
  Lattice rows, columns;
  const float* src;                      // read step 0 of both lattices, perhaps outside the map
  float* dst;                            // written position 0
  std::int64_t src_row, src_column;      // from a read step to the next
  std::int64_t dst_row, dst_column;      // from a written position to the next
  const float* kernel;                   // first tap of the lattices
  std::int64_t kernel_row, kernel_column, kernel_vector;
  std::int64_t depth, channels;
  std::int64_t width;  // channels of a vector
  const float* bias;   // or null
  bool relu;
  float largest;  // as DepthwisePass's
  bool streams;  // the maps of the call do not stay in the L2 cache
};

/// Positions [y, y + rows) x [x, x + columns) of the lattices.
struct DepthwiseTile {
  std::int64_t y, rows, x, columns;
};

}  // namespace linn::detail::kernels::conv
#endif

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

using conv::DepthwiseMap;
using conv::DepthwisePass;
using conv::DepthwiseTile;

constexpr bool many_registers = HWY_TARGET <= HWY_AVX3;

// Compile-time parameters of a window: kTaps columns of taps, and kStride steps between neighbouring outputs. kTaps 0: any window.
// kGrouped: more than one channel in a group.
template <int kTaps, int kStride, bool kGrouped>
struct Form {
  static constexpr int taps = kTaps, stride = kStride;
  static constexpr bool grouped = kGrouped;
  static constexpr int rows = many_registers && kStride != 2 ? 4 : 2, columns = 4;  // of a tile
  static constexpr int seen = (columns - 1) * kStride + kTaps;      // pixels of a row that a tile reads
  static constexpr bool keeps_pixels = taps > 0 && rows * columns + seen + 1 + grouped <= (many_registers ? 31 : 15);
};

// A row of outputs gains the products of one row of taps with one row of pixels, of which those numbered [first, end) lie inside the map.
template <class F, bool kEdge, class Pixel>
HWY_INLINE void AddRow(V* sum, const DepthwiseMap& m, const float* tap, std::int64_t first, std::int64_t end, const Pixel& pixel_of) {
  if constexpr (F::taps > 0) {
    V weight[F::taps];
#pragma GCC unroll 8
    for (int j = 0; j < F::taps; ++j) weight[j] = hn::LoadU(D(), tap + j * m.kernel_column);
#pragma GCC unroll 24
    for (int p = 0; p < F::seen; ++p) {
      if (kEdge && (p < first || p >= end)) continue;
      const V pixel = pixel_of(p);
#pragma GCC unroll 4
      for (int w = 0; w < F::columns; ++w)
        if (const int j = p - w * F::stride; j >= 0 && j < F::taps) sum[w] = hn::MulAdd(pixel, weight[j], sum[w]);
    }
  } else {
    for (std::int64_t j = 0; j < m.columns.taps; ++j, tap += m.kernel_column) {
      const V weight = hn::LoadU(D(), tap);
#pragma GCC unroll 4
      for (int w = 0; w < F::columns; ++w)
        if (const std::int64_t p = w * m.columns.stride + j; !kEdge || (p >= first && p < end)) sum[w] = hn::MulAdd(pixel_of(p), weight, sum[w]);
    }
  }
}

// How much of a tile's windows lies inside the map. whole: everything, and the tile has all its rows. columns: all columns of taps, and all
// columns of the tile. edge: any part.
enum class Inside { whole, columns, edge };

// All products of source step `step` of the tile, one row of pixels. `row` holds the first pixel, `kernel` the first tap.
template <class F, Inside kInside, bool kTail>
HWY_INLINE void AddPixels(V* sum, const DepthwiseMap& m, const LaneTable& table, const DepthwiseTile& tile, const float* kernel,
                          const float* row, std::int64_t step, std::int64_t first, std::int64_t end, std::int64_t last) {
  constexpr bool edge = kInside == Inside::edge, whole = kInside == Inside::whole;
  const std::int64_t stride = F::taps > 0 ? F::stride : m.rows.stride, taps = whole ? F::taps : m.rows.taps;
  for (std::int64_t channel = 0; channel < (F::grouped ? m.depth : 1); ++channel) {
    const PickChannel<F::grouped> pick(table, channel);
    const auto load = [&](std::int64_t p) HWY_ATTR { return pick(LoadVector<kTail>(row + p * m.src_column, 0, 1, last)); };
    V pixels[F::keeps_pixels ? F::seen : 1];
    if constexpr (F::keeps_pixels) {
#pragma GCC unroll 24
      for (int p = 0; p < F::seen; ++p)
        if (!edge || (p >= first && p < end)) pixels[p] = load(p);
    }
#pragma GCC unroll 4
    for (int r = 0; r < F::rows; ++r) {
      const std::int64_t t = step - r * stride;
      if (t < 0 || t >= taps || (!whole && r >= tile.rows)) continue;
      AddRow<F, edge>(sum + r * F::columns, m, kernel + t * m.kernel_row + channel * lanes, first, end, [&](std::int64_t p) HWY_ATTR {
        if constexpr (F::keeps_pixels)
          return pixels[p];
        else
          return load(p);
      });
    }
  }
}

// One vector of channels of a tile. Of `last` channels with kTail.
template <class F, Inside kInside, bool kTail>
HWY_INLINE void SumTile(const DepthwiseMap& m, const LaneTable& table, const DepthwiseTile& tile, const float* kernel, std::int64_t c,
                        std::int64_t last) {
  constexpr bool edge = kInside == Inside::edge, whole = kInside == Inside::whole;
  const D d;
  const std::int64_t row_stride = F::taps > 0 ? F::stride : m.rows.stride, column_stride = F::taps > 0 ? F::stride : m.columns.stride;
  V sum[F::rows * F::columns];
  const V start = m.bias != nullptr ? LoadVector<kTail>(m.bias + c, 0, 1, last) : hn::Zero(d);
#pragma GCC unroll 16
  for (int k = 0; k < F::rows * F::columns; ++k) sum[k] = start;
  const std::int64_t y = tile.y * row_stride, x = tile.x * column_stride, first = m.columns.begin - x, end = m.columns.end - x;
  const float* row = m.src + y * m.src_row + x * m.src_column + c;
  if constexpr (whole) {
#pragma GCC unroll 16
    for (int k = 0; k < (F::rows - 1) * F::stride + F::taps; ++k, row += m.src_row)
      AddPixels<F, kInside, kTail>(sum, m, table, tile, kernel, row, k, first, end, last);
  } else {
    const std::int64_t end_row = std::min(m.rows.end - y, (tile.rows - 1) * row_stride + m.rows.taps);
    for (std::int64_t k = std::max<std::int64_t>(m.rows.begin - y, 0); k < end_row; ++k)
      AddPixels<F, kInside, kTail>(sum, m, table, tile, kernel, row + k * m.src_row, k, first, end, last);
  }
  if (m.relu) {
#pragma GCC unroll 16
    for (int k = 0; k < F::rows * F::columns; ++k) sum[k] = hn::Min(hn::Set(d, m.largest), hn::Max(hn::Zero(d), sum[k]));  // in this order NaN stays
  }
  const std::int64_t dst_row = m.dst_row, dst_column = m.dst_column;  // stores cannot change these
  float* dst = m.dst + tile.y * dst_row + tile.x * dst_column + c;
#pragma GCC unroll 4
  for (int r = 0; r < F::rows; ++r) {
    if (!whole && r >= tile.rows) break;
#pragma GCC unroll 4
    for (int w = 0; w < F::columns; ++w)
      if (!edge || w < tile.columns) StoreVector<kTail>(sum[r * F::columns + w], dst + r * dst_row + w * dst_column, 0, 1, last);
  }
}

// Fetches `rows` rows of `columns` pixels into the L2 cache, for 16 channels.
template <int kRows, int kColumns>
HWY_INLINE void Fetch(const float* p, std::int64_t row, std::int64_t column) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int w = 0; w < kColumns; ++w) __builtin_prefetch(p + r * row + w * column, 0, 2);
}

// What the next rows of tiles read and write in place of this one. They may belong to the next image, or lie behind the last.
template <class F>
HWY_INLINE void FetchNext(const DepthwiseMap& m, const DepthwiseTile& tile, std::int64_t c) {
  constexpr int stride = std::max(F::stride, 1);
  const bool down = m.src_row > 0;
  const std::int64_t read = down ? (tile.y + tile.rows - 1) * stride + m.rows.taps : tile.y * stride - F::rows * stride;
  const std::int64_t write = down ? tile.y + tile.rows : tile.y - F::rows;
  Fetch<F::rows * stride, F::columns * stride>(m.src + read * m.src_row + tile.x * stride * m.src_column + c, m.src_row, m.src_column);
  Fetch<F::rows, F::columns>(m.dst + write * m.dst_row + tile.x * m.dst_column + c, m.dst_row, m.dst_column);
}

template <class F, Inside kInside>
HWY_NOINLINE void RunTile(const DepthwiseMap& m, const LaneTable& table, const DepthwiseTile& tile) {
  constexpr std::int64_t line = 16;
  const float* kernel = m.kernel;
  for (std::int64_t v = 0; v < m.channels; v += lanes, kernel += m.kernel_vector) {
    if (m.streams && v % line == 0) FetchNext<F>(m, tile, v);
    SumTile<F, kInside, false>(m, table, tile, kernel, std::min(v, m.channels - lanes), lanes);
  }
}

// Vectors of m.width channels, fewer than lanes.
template <class F>
HWY_NOINLINE void RunPart(const DepthwiseMap& m, const LaneTable& table, const DepthwiseTile& tile) {
  const float* kernel = m.kernel;
  for (std::int64_t c = 0; c < m.channels; c += m.width, kernel += m.kernel_vector)
    SumTile<F, Inside::edge, true>(m, table, tile, kernel, c, std::min(m.width, m.channels - c));
}

// The positions of a lattice in tiles, in the order of the map that is read.
template <class Visit>
HWY_INLINE void EachPart(const conv::Lattice& lattice, std::int64_t most, const Visit& visit) {
  const std::int64_t parts = core::ceil_div(lattice.count, most);
  for (std::int64_t k = 0; k < parts; ++k) {
    const std::int64_t first = (lattice.read_step > 0 ? k : parts - 1 - k) * most;
    visit(first, std::min(most, lattice.count - first));
  }
}

template <class F>
void RunMap(const DepthwiseMap& m, const LaneTable& table) {
  const auto inside = [](const conv::Lattice& a, std::int64_t first, std::int64_t count, std::int64_t all) {
    return count == all && first * a.stride >= a.begin && (first + all - 1) * a.stride + a.taps <= a.end;
  };
  EachPart(m.rows, F::rows, [&](std::int64_t y, std::int64_t rows) {
    const bool all_rows = F::taps > 0 && m.rows.taps == F::taps && inside(m.rows, y, rows, F::rows);
    EachPart(m.columns, F::columns, [&](std::int64_t x, std::int64_t columns) {
      const bool all_columns = inside(m.columns, x, columns, F::columns);
      auto run = all_columns ? RunTile<F, Inside::columns> : RunTile<F, Inside::edge>;
      if constexpr (F::taps > 0)
        if (all_rows && all_columns) run = RunTile<F, Inside::whole>;
      if (m.width < lanes) run = RunPart<F>;
      run(m, table, {y, rows, x, columns});
    });
  });
}

using MapFunction = void (*)(const DepthwiseMap&, const LaneTable&);

template <bool kGrouped>
MapFunction function_for(const conv::Lattice& rows, const conv::Lattice& columns) {
  const std::int64_t taps = columns.taps, stride = columns.stride;
  if (rows.stride == stride && stride == 1) {
    if (taps == 1) return RunMap<Form<1, 1, kGrouped>>;
    if (taps == 2) return RunMap<Form<2, 1, kGrouped>>;
    if (taps == 3) return RunMap<Form<3, 1, kGrouped>>;
    if (taps == 5) return RunMap<Form<5, 1, kGrouped>>;
    if (taps == 7) return RunMap<Form<7, 1, kGrouped>>;
  }
  if (rows.stride == stride && stride == 2) {
    if (taps == 3) return RunMap<Form<3, 2, kGrouped>>;
    if (taps == 5) return RunMap<Form<5, 2, kGrouped>>;
  }
  return RunMap<Form<0, 0, kGrouped>>;
}

void run_lattices(const DepthwisePass& pass, const LaneTable& table, const conv::Lattice& rows, const conv::Lattice& columns) {
  const std::int64_t tap_size = pass.depth * lanes;
  DepthwiseMap map = {.rows = rows,
                      .columns = columns,
                      .src = nullptr,
                      .dst = nullptr,
                      .src_row = rows.read_step * pass.read.row,
                      .src_column = columns.read_step * pass.read.pixel,
                      .dst_row = rows.step * pass.written.row,
                      .dst_column = columns.step * pass.written.pixel,
                      .kernel = pass.kernel + (rows.tap * pass.window_width + columns.tap) * tap_size,
                      .kernel_row = rows.tap_step * pass.window_width * tap_size,
                      .kernel_column = columns.tap_step * tap_size,
                      .kernel_vector = pass.taps * tap_size,
                      .depth = pass.depth,
                      .channels = pass.channels,
                      .width = conv::channels_of_vector(pass.channels, pass.depth),
                      .bias = pass.bias,
                      .relu = pass.relu,
                      .largest = pass.largest,
                      .streams = pass.streams};
  const MapFunction run = (pass.depth > 1 ? function_for<true> : function_for<false>)(rows, columns);
  for (std::int64_t n = 0; n < pass.images; ++n) {
    map.src = pass.src + n * pass.read.image + rows.read * pass.read.row + columns.read * pass.read.pixel;
    map.dst = pass.dst + n * pass.written.image + rows.first * pass.written.row + columns.first * pass.written.pixel;
    run(map, table);
  }
}

void depthwise_forward(const DepthwisePass& pass, const Geometry& g) {
  const LaneTable table(pass.depth);
  conv::forward_lattices(conv::rows_of(g), [&](const conv::Lattice& rows) {
    conv::forward_lattices(conv::columns_of(g), [&](const conv::Lattice& columns) { run_lattices(pass, table, rows, columns); });
  });
}

void depthwise_backward(const DepthwisePass& pass, const Geometry& g) {
  const LaneTable table(pass.depth);
  conv::backward_lattices(conv::rows_of(g), [&](const conv::Lattice& rows) {
    conv::backward_lattices(conv::columns_of(g), [&](const conv::Lattice& columns) { run_lattices(pass, table, rows, columns); });
  });
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(depthwise_forward);
HWY_EXPORT(depthwise_backward);

namespace conv {
namespace {

// Elements of a strip of a map with repeated channels: 64 KiB, at least one row.
constexpr std::int64_t strip_elements = 16384;

// Adds each `times` neighbouring elements to one.
void add_repeated(const float* src, std::int64_t pixels, std::int64_t channels, std::int64_t times, float* dst, std::int64_t pixel) {
  for (std::int64_t x = 0; x < pixels; ++x)
    for (std::int64_t c = 0; c < channels; ++c, src += times) {
      float sum = src[0];
      for (std::int64_t k = 1; k < times; ++k) sum += src[k];
      dst[x * pixel + c] = sum;
    }
}

std::int64_t packed_size(const Geometry& g) {
  const std::int64_t depth = g.channels / g.groups, vectors = core::ceil_div(g.out_channels, channels_of_vector(g.out_channels, depth));
  return g.window_height * g.window_width * depth * vectors * core::lanes();
}

// Writes the packed weights. `kernel` is [taps][source channels of a group][out_channels], or transposed
// [taps][groups][out channels of a group][source channels of a group].
void pack_vectors(const Geometry& g, const float* kernel, float* packed, bool transposed = false) {
  const std::int64_t lanes = core::lanes(), depth = g.channels / g.groups, channels = g.out_channels;
  const std::int64_t width = channels_of_vector(channels, depth);
  for (std::int64_t v = 0; v < channels; v += width) {
    const std::int64_t first = width == lanes ? std::min(v, channels - lanes) : v, end = std::min(first + width, channels);
    for (std::int64_t tap = 0; tap < g.window_height * g.window_width; ++tap)
      for (std::int64_t d = 0; d < depth; ++d)
        for (std::int64_t c = first; c < first + lanes; ++c, ++packed) {
          const std::int64_t at = transposed ? (tap * channels + c / depth * depth + d) * depth + c % depth : (tap * depth + d) * channels + c;
          *packed = c < end ? kernel[at] : 0.0F;
        }
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
                              .taps = g.window_height * g.window_width,
                              .window_width = g.window_width,
                              .depth = g.channels / g.groups,
                              .kernel = args.packed,
                              .bias = problem.bias ? args.bias : nullptr,
                              .relu = cuts_below_zero(problem.activation),
                              .largest = largest_result(problem.activation),
                              .streams = streams(g, args.images)};
  HWY_DYNAMIC_DISPATCH(depthwise_forward)(pass, g);
}

void backward(const Geometry& g, const ConvInputGradient::Problem& problem, const ConvInputGradient::Args<float>& args) {
  const DepthwisePass pass = {.src = args.ddst,
                              .dst = args.dsrc,
                              .read = {g.dst_pixel, g.dst_row, g.dst_image},
                              .written = {g.src_pixel, g.src_row, g.src_image},
                              .images = args.images,
                              .channels = g.out_channels,
                              .taps = g.window_height * g.window_width,
                              .window_width = g.window_width,
                              .depth = g.channels / g.groups,
                              .kernel = args.packed,
                              .bias = problem.bias ? args.bias : nullptr,
                              .relu = cuts_below_zero(problem.activation),
                              .largest = largest_result(problem.activation),
                              .streams = streams(g, args.images)};
  HWY_DYNAMIC_DISPATCH(depthwise_backward)(pass, g);
}

// Output rows [first, first + rows) of an image, from source rows with repeated channels in scratch.
void forward_rows(const ConvForward::Problem& problem, const ConvForward::Args<float>& args, std::int64_t n, std::int64_t first,
                  std::int64_t rows) {
  const Geometry& g = problem.geometry;
  const Rows seen = rows_in_windows(g, first, first + rows);
  const std::int64_t row = g.width * g.out_channels;
  for (std::int64_t y = seen.begin; y < seen.end; ++y)
    repeat_channels(args.src + n * g.src_image + y * g.src_row, g.src_pixel, g.width, g.channels, multiplier_of(g),
                    args.scratch + (y - seen.begin) * row);
  forward(part_of(repeated(g), seen, {first, first + rows}), problem, {1, args.scratch, args.kernel, args.packed, args.bias, args.dst + n * g.dst_image + first * g.dst_row, nullptr});
}

// Gradient of source rows [first, first + rows) of an image: first for each output channel, in scratch, then added for each source channel.
void backward_rows(const Geometry& g, const ConvInputGradient::Args<float>& args, std::int64_t n, std::int64_t first, std::int64_t rows) {
  Geometry strip = repeated(g);
  strip.height = rows, strip.pad_top = g.pad_top + first;
  backward(strip, strip, {1, args.ddst + n * g.dst_image, args.transposed_kernel, args.packed, nullptr, args.scratch, nullptr});
  for (std::int64_t y = 0; y < rows; ++y)
    add_repeated(args.scratch + y * strip.src_row, g.width, g.channels, multiplier_of(g),
                 args.dsrc + n * g.src_image + (first + y) * g.src_row, g.src_pixel);
}

}  // namespace

bool DepthwiseForward::supports(const ConvForward::Problem& problem) {
  return is_in_registers(problem.activation) && is_depthwise(problem.geometry);
}

std::int64_t DepthwiseForward::packed(const ConvForward::Problem& problem) { return packed_size(problem.geometry); }

void DepthwiseForward::pack(const ConvForward::Problem& problem, const float* kernel, float* packed) {
  pack_vectors(problem.geometry, kernel, packed);
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

// The sums of several output channels are added outside of registers.
bool DepthwiseInputGradient::supports(const Problem& problem) {
  if (!is_depthwise(problem.geometry)) return false;
  return multiplier_of(problem.geometry) == 1 ? is_in_registers(problem.activation) : !problem.bias && problem.activation == Activation::linear;
}

std::int64_t DepthwiseInputGradient::packed(const Problem& problem) { return packed_size(problem.geometry); }

// The last two axes of the kernel are swapped, and one of them has one element: the layout is that of the forward pass.
void DepthwiseInputGradient::pack(const Problem& problem, const float* transposed_kernel, float* packed) {
  pack_vectors(problem.geometry, transposed_kernel, packed);
}

std::int64_t DepthwiseInputGradient::scratch(const Problem& problem, std::int64_t) {
  const Geometry& g = problem.geometry;
  return multiplier_of(g) > 1 ? backward_strip(g) * g.width * g.out_channels : 0;
}

void DepthwiseInputGradient::run(const Problem& problem, const ConvInputGradient::Args<float>& args) {
  const Geometry& g = problem.geometry;
  if (multiplier_of(g) == 1) return backward(g, problem, args);
  const std::int64_t strip = backward_strip(g);
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t h = 0; h < g.height; h += strip) backward_rows(g, args, n, h, std::min(strip, g.height - h));
}

bool is_grouped(const Geometry& g) {
  const std::int64_t depth = g.channels / g.groups;
  return g.groups > 1 && g.channels == g.out_channels && depth > 1 && (2 * depth <= core::lanes() || depth == core::lanes());
}

bool GroupedForward::supports(const ConvForward::Problem& problem) {
  return is_in_registers(problem.activation) && is_grouped(problem.geometry);
}

void GroupedForward::run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args) {
  forward(problem.geometry, problem, args);
}

std::int64_t GroupedForward::packed(const ConvForward::Problem& problem) { return packed_size(problem.geometry); }

void GroupedForward::pack(const ConvForward::Problem& problem, const float* kernel, float* packed) {
  pack_vectors(problem.geometry, kernel, packed);
}

std::int64_t GroupedInputGradient::packed(const Problem& problem) { return packed_size(problem.geometry); }

void GroupedInputGradient::pack(const Problem& problem, const float* transposed_kernel, float* packed) {
  pack_vectors(problem.geometry, transposed_kernel, packed, true);
}

void GroupedInputGradient::run(const Problem& problem, const ConvInputGradient::Args<float>& args) { backward(problem.geometry, problem, args); }

}  // namespace conv
}  // namespace linn::detail::kernels
#endif
