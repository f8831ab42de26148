// Depthwise convolution, convolution in groups of few channels, and their input gradients: channels in lanes, no padded copy. Steps
// outside the map are left out (lattice.h), so that each output sums over the taps inside the map in their order, as the direct form does.
//
// Loop nest:  for each image, for each pair of lattices, for each R rows of outputs, for each W columns of outputs, for each N vectors of
//             channels
//               for each row of the map that the block reads, for each source channel of a group
//                 load the row's pixels; for each of the R rows of outputs that reads it: load each weight, W multiply-adds
// Registers:  32: R * W * N = 4 * 4 * 1 sums (stride 2: 2 * 4 * 1), the pixels of one row, 1 weight; in groups 1 of lane numbers. 16: 8 sums,
//             or 4, and the pixels of one row where registers are left. Which form is best depends on where the map lies:
//               2 * 4 * 1  in the cache: fewest loads.
//               2 * 2 * 2  in the cache, but pixels a multiple of 2 KiB apart, which fall into two of its sets: both vectors of a line are
//                          used before another pixel pushes it out. Also from beyond the L2 cache: 64 bytes of each pixel at once.
//               2 * 1 * 2  from beyond the L2 cache, wide pixels: reads along each row, which the processor's prefetching follows.
//               1 * 4 * 2  5x5 of stride 2, where rows of outputs share few rows of pixels.
// Loads:      3x3, stride 1, 32 registers: 36 pixels and 36 weights for 144 multiply-adds; 16 registers: 24 and 18 for 72.
// Borders:    a block's windows lie inside the map. At the left and right border the block's rows are taken column by column, at the top and
//             the bottom outputs row by row, and in the corners one by one: taps outside cost nothing there either, only their weights are
//             loaded for fewer outputs.
// Weights:    packed as [vectors of channels][taps][source channels of a group][lanes], so that a vector's weights lie side by side: in
//             Keras's layout of 512 channels they fall into two sets of the L1 cache, beside the pixels. Where channels fill no whole number
//             of vectors, the last vector overlaps the one before it; both write the same bits.
//
// Measured:   (Zen 3, one core, over oneDNN 2.6) 3x3, 512 on 14x14, one image 0.93; 128 on 28x28 0.91, batch 32 0.92; 96 on 112x112, stride 2
//             0.94; its input gradient of 128 on 28x28 1.3; 5x5, 240 on 14x14 0.76.
//             (Zen 5, one core, with tiles that tested each pixel at the border; share of the multiply-add loop on AVX-512) in cache: 3x3
//             128 on 28x28 56 %; 5x5 240 on 14x14 63 %. Batches beyond the L2 cache, share of memcpy's time: 3x3 128 on 28x28 50 %; 32 on
//             112x112 60 %. Groups of 4 of 128 on 56x56 56 %; of as many channels as lanes 74 %.
//
// A depth multiplier above 1: the source is copied with each channel repeated, a strip of rows at a time, so that both maps have the same
// channels. That costs one store for each repeated source element, beside window_height * window_width multiply-adds.
//
// Groups of D channels in and out, D at most the vector's lanes: a source vector is permuted, so that every lane of a group holds the
// group's source channel number 0, 1, ..., D - 1. A permuted pixel serves as many outputs as one of a depthwise convolution. If D does not
// divide the lanes, a vector holds whole groups and leaves the last lanes empty; its outputs are taken one by one, and load and store
// through masks.
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
  bool streams;   // the maps of the call do not stay in the L2 cache
};

/// One image of a pass, one lattice of rows and one of columns. Pitches are in elements and may be negative.
struct DepthwiseMap {
  Lattice rows, columns;
  const float* src;                  // read step 0 of both lattices, perhaps outside the map
  float* dst;                        // written position 0
  std::int64_t src_row, src_column;  // from a read step to the next
  std::int64_t dst_row, dst_column;  // from a written position to the next
  const float* kernel;               // first tap of the lattices
  std::int64_t kernel_row, kernel_column, kernel_vector;
  std::int64_t depth, channels;
  std::int64_t width;  // channels of a vector
  const float* bias;   // or null
  bool relu;
  float largest;  // as DepthwisePass's
  bool streams;   // the maps of the call do not stay in the L2 cache
};

}  // namespace linn::detail::kernels::conv
#endif

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

using conv::DepthwiseMap;
using conv::DepthwisePass;

constexpr std::int64_t wide_pixel = 96;  // channels of a wide pixel
constexpr std::int64_t few_sets = 512;   // channels of a multiple of 2 KiB

constexpr bool many_registers = HWY_TARGET <= HWY_AVX3;

// The outputs of a tile: rows, columns, and vectors of channels.
struct Size {
  int rows, columns, vectors;
};

// Compile-time parameters of a window: kTaps columns of taps, and kStride steps between neighbouring outputs. kTaps 0: any window.
// kGrouped: more than one channel in a group. kBlock: the size of blocks (Part).
template <int kTaps, int kStride, bool kGrouped, Size kBlock>
struct Form {
  static constexpr int taps = kTaps, stride = kStride;
  static constexpr bool grouped = kGrouped;
  static constexpr Size block = kBlock;
};

// The kinds of tiles. block: all windows lie inside the map. column: the rows of a block, one column, of whose windows some columns may lie
// outside. row: outputs of one row, of whose windows some rows may lie outside. pixel: one output, of whose window any part may lie
// outside.
enum class Part { block, column, row, pixel };

template <class F, Part kPart>
constexpr Size size_of() {
  if constexpr (kPart == Part::block) return F::block;
  if constexpr (kPart == Part::column) return {F::block.rows, 1, many_registers ? 4 : F::block.rows > 2 ? 2 : 4};
  if constexpr (kPart == Part::row) return {1, 4, many_registers ? 4 : 2};
  return {1, 1, 4};
}

// Position (y, x) of the lattices, the first of a tile.
struct DepthwiseAt {
  std::int64_t y, x;
};

// A row of outputs gains the products of one row of taps with one row of pixels.
template <class F, int kColumns, bool kKept, class Pixel>
HWY_INLINE void AddRow(V* sum, const DepthwiseMap& m, const float* tap, const Pixel& pixel_of) {
  if constexpr (F::taps == 0 || kKept) {
    const std::int64_t stride = kKept ? F::stride : m.columns.stride, taps = kKept ? F::taps : m.columns.taps;
#pragma GCC unroll 8
    for (std::int64_t j = 0; j < taps; ++j) {
      const V weight = hn::LoadU(D(), tap + j * m.kernel_column);
#pragma GCC unroll 4
      for (int w = 0; w < kColumns; ++w) sum[w] = hn::MulAdd(pixel_of(w * stride + j), weight, sum[w]);
    }
  } else {
    V weight[F::taps];
#pragma GCC unroll 8
    for (int j = 0; j < F::taps; ++j) weight[j] = hn::LoadU(D(), tap + j * m.kernel_column);
#pragma GCC unroll 24
    for (int p = 0; p < (kColumns - 1) * F::stride + F::taps; ++p) {
      const V pixel = pixel_of(p);
#pragma GCC unroll 4
      for (int w = 0; w < kColumns; ++w)
        if (const int j = p - w * F::stride; j >= 0 && j < F::taps) sum[w] = hn::MulAdd(pixel, weight[j], sum[w]);
    }
  }
}

// The same pointer to weights, of which the compiler knows nothing: it loads them again for each row of pixels in place of keeping all taps
// in registers, for which it would move sums and pixels to memory.
HWY_INLINE const float* Anew(const float* p) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  asm volatile("" : "+r"(p));
#endif
  return p;
}

// All products of source step k of a block, one row of pixels. `row` holds the first pixel, `kernel` the first tap.
template <class F, int kVectors>
HWY_INLINE void AddToBlock(V* sum, const DepthwiseMap& m, const LaneTable& table, const float* kernel, const float* row, int k) {
  constexpr Size size = size_of<F, Part::block>();
  constexpr int seen = (size.columns - 1) * F::stride + F::taps;  // pixels of the row
  constexpr bool keeps = size.rows > 1 && size.rows * size.columns * kVectors + seen + 1 + F::grouped <= (many_registers ? 31 : 15);
  for (std::int64_t channel = 0; channel < (F::grouped ? m.depth : 1); ++channel) {
    const PickChannel<F::grouped> pick(table, channel);
    const auto load = [&](std::int64_t p) HWY_ATTR { return pick(hn::LoadU(D(), row + p * m.src_column)); };
    V pixels[keeps ? seen : 1];
    if constexpr (keeps) {
      if constexpr (!many_registers && F::taps == 5) kernel = Anew(kernel);
#pragma GCC unroll 24
      for (int p = 0; p < seen; ++p) pixels[p] = load(p);
    }
#pragma GCC unroll 4
    for (int r = 0; r < size.rows; ++r) {
      const int t = k - r * F::stride;
      if (t < 0 || t >= F::taps) continue;
      AddRow<F, size.columns, keeps>(sum + r * size.columns, m, kernel + t * m.kernel_row + channel * lanes, [&](std::int64_t p) HWY_ATTR {
        if constexpr (keeps)
          return pixels[p];
        else
          return load(p);
      });
    }
  }
}

// All products of source step k of a column, whose columns of taps [first, end) lie inside the map.
template <class F, int kVectors>
HWY_INLINE void AddToColumn(V* sum, const DepthwiseMap& m, const LaneTable& table, const float* kernel, const float* row, int k,
                            std::int64_t first, std::int64_t end) {
  constexpr int rows = F::block.rows;
  for (std::int64_t channel = 0; channel < (F::grouped ? m.depth : 1); ++channel, kernel += lanes) {
    const PickChannel<F::grouped> pick(table, channel);
#pragma GCC unroll 8
    for (std::int64_t j = 0; j < F::taps; ++j) {
      if (j < first || j >= end) continue;
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const V pixel = pick(hn::LoadU(D(), row + v * lanes + j * m.src_column));
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r)
          if (const int t = k - r * F::stride; t >= 0 && t < F::taps)
            sum[v * rows + r] =
                hn::MulAdd(pixel, hn::LoadU(D(), kernel + v * m.kernel_vector + t * m.kernel_row + j * m.kernel_column), sum[v * rows + r]);
      }
    }
  }
}

// All products of row t of the windows of a row or a pixel, whose columns [first, end) lie inside the map.
template <class F, Part kPart, int kVectors, bool kTail>
HWY_INLINE void AddToRow(V* sum, const DepthwiseMap& m, const LaneTable& table, const float* kernel, const float* row, std::int64_t first,
                         std::int64_t end, std::int64_t last) {
  constexpr int columns = size_of<F, kPart>().columns;
  for (std::int64_t channel = 0; channel < (F::grouped ? m.depth : 1); ++channel, kernel += lanes) {
    const PickChannel<F::grouped> pick(table, channel);
    const auto load = [&](const float* from) HWY_ATTR { return pick(LoadVector<kTail>(from, 0, 1, last)); };
    if constexpr (kPart == Part::row) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        AddRow<F, columns, false>(sum + v * columns, m, kernel + v * m.kernel_vector,
                                  [&](std::int64_t p) HWY_ATTR { return load(row + v * lanes + p * m.src_column); });
    } else {
      for (std::int64_t j = first; j < end; ++j)
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v)
          sum[v] = hn::MulAdd(load(row + v * lanes + j * m.src_column), hn::LoadU(D(), kernel + v * m.kernel_vector + j * m.kernel_column),
                              sum[v]);
    }
  }
}

// kVectors vectors of channels of a tile. Of `last` channels with kTail.
template <class F, Part kPart, int kVectors, bool kTail>
HWY_INLINE void SumTile(const DepthwiseMap& m, const LaneTable& table, const DepthwiseAt& at, const float* kernel, std::int64_t c,
                        std::int64_t last) {
  constexpr Size size = size_of<F, kPart>();
  constexpr int outputs = size.rows * size.columns;
  const D d;
  V sum[kVectors * outputs];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const V start = m.bias != nullptr ? LoadVector<kTail>(m.bias + c + v * lanes, 0, 1, last) : hn::Zero(d);
#pragma GCC unroll 16
    for (int k = 0; k < outputs; ++k) sum[v * outputs + k] = start;
  }
  const std::int64_t y = at.y * (F::taps > 0 ? F::stride : m.rows.stride), x = at.x * (F::taps > 0 ? F::stride : m.columns.stride);
  [[maybe_unused]] const std::int64_t first = std::max<std::int64_t>(m.columns.begin - x, 0), end = std::min(m.columns.end - x, m.columns.taps);
  const float* row = m.src + y * m.src_row + x * m.src_column + c;
  if constexpr (kPart == Part::block) {
#pragma GCC unroll 16
    for (int k = 0; k < (size.rows - 1) * F::stride + F::taps; ++k, row += m.src_row)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        AddToBlock<F, kVectors>(sum + v * outputs, m, table, kernel + v * m.kernel_vector, row + v * lanes, k);
  } else if constexpr (kPart == Part::column) {
#pragma GCC unroll 16
    for (int k = 0; k < (size.rows - 1) * F::stride + F::taps; ++k, row += m.src_row)
      AddToColumn<F, kVectors>(sum, m, table, kernel, row, k, first, end);
  } else {
    for (std::int64_t t = std::max<std::int64_t>(m.rows.begin - y, 0); t < std::min(m.rows.end - y, m.rows.taps); ++t)
      AddToRow<F, kPart, kVectors, kTail>(sum, m, table, kernel + t * m.kernel_row, row + t * m.src_row, first, end, last);
  }
  if (m.relu) {
#pragma GCC unroll 16
    for (int k = 0; k < kVectors * outputs; ++k)
      sum[k] = hn::Min(hn::Set(d, m.largest), hn::Max(hn::Zero(d), sum[k]));  // in this order NaN stays
  }
  const std::int64_t dst_row = m.dst_row, dst_column = m.dst_column;  // stores cannot change these
  float* dst = m.dst + at.y * dst_row + at.x * dst_column + c;
#pragma GCC unroll 4
  for (int r = 0; r < size.rows; ++r)
#pragma GCC unroll 4
    for (int w = 0; w < size.columns; ++w)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        StoreVector<kTail>(sum[v * outputs + r * size.columns + w], dst + r * dst_row + w * dst_column + v * lanes, 0, 1, last);
}

// Fetches `rows` rows of `columns` pixels into the L2 cache, for 16 channels.
template <int kRows, int kColumns>
HWY_INLINE void Fetch(const float* p, std::int64_t row, std::int64_t column) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int w = 0; w < kColumns; ++w) __builtin_prefetch(p + r * row + w * column, 0, 2);
}

// What tiles of the next rows read and write in place of this one. They may belong to the next image, or lie behind the last.
template <class F, Part kPart>
HWY_INLINE void FetchNext(const DepthwiseMap& m, const DepthwiseAt& at, std::int64_t c) {
  constexpr int stride = std::max(F::stride, 1), rows = size_of<F, kPart>().rows, columns = size_of<F, kPart>().columns;
  const bool down = m.src_row > 0;
  const std::int64_t read = down ? (at.y + rows - 1) * stride + m.rows.taps : (at.y - rows) * stride;
  const std::int64_t write = down ? at.y + rows : at.y - rows;
  Fetch<rows * stride, columns * stride>(m.src + read * m.src_row + at.x * stride * m.src_column + c, m.src_row, m.src_column);
  Fetch<rows, columns>(m.dst + write * m.dst_row + at.x * m.dst_column + c, m.dst_row, m.dst_column);
}

// The vectors [v, m.channels) of a tile, kVectors at a time while there are as many. Returns the first that is left.
template <class F, Part kPart, int kVectors>
HWY_INLINE std::int64_t RunVectors(const DepthwiseMap& m, const LaneTable& table, const DepthwiseAt& at, std::int64_t v) {
  constexpr std::int64_t line = std::max<std::int64_t>(16, lanes), step = kVectors * lanes;
  const float* kernel = m.kernel + v / lanes * m.kernel_vector;
  for (; kVectors == 1 ? v < m.channels : v + step <= m.channels; v += step, kernel += kVectors * m.kernel_vector) {
    if (m.streams)
      for (std::int64_t c = core::round_up(v, line); c < std::min(v + step, m.channels); c += line) FetchNext<F, kPart>(m, at, c);
    SumTile<F, kPart, kVectors, false>(m, table, at, kernel, kVectors == 1 ? std::min(v, m.channels - lanes) : v, lanes);
  }
  return v;
}

template <class F, Part kPart>
HWY_NOINLINE void RunTile(const DepthwiseMap& m, const LaneTable& table, const DepthwiseAt& at) {
  constexpr int vectors = size_of<F, kPart>().vectors;
  std::int64_t v = 0;
  if constexpr (vectors > 1) v = RunVectors<F, kPart, vectors>(m, table, at, v);
  RunVectors<F, kPart, 1>(m, table, at, v);
}

// Vectors of m.width channels, fewer than lanes.
template <class F>
HWY_NOINLINE void RunPart(const DepthwiseMap& m, const LaneTable& table, const DepthwiseAt& at) {
  const float* kernel = m.kernel;
  for (std::int64_t c = 0; c < m.channels; c += m.width, kernel += m.kernel_vector)
    SumTile<F, Part::pixel, 1, true>(m, table, at, kernel, c, std::min(m.width, m.channels - c));
}

// Positions [begin, end) of a lattice have all their taps inside the map.
struct Inside {
  explicit Inside(const conv::Lattice& a)
      : begin(std::min(core::ceil_div(a.begin, a.stride), a.count)),
        end(std::max(begin, a.end >= a.taps ? std::min((a.end - a.taps) / a.stride + 1, a.count) : 0)) {}
  std::int64_t begin, end;
};

// Visits the positions of a lattice in the order of the map that is read: those inside in blocks of `size` while as many are left, all
// others alone.
template <class Visit>
HWY_INLINE void EachBlock(const conv::Lattice& lattice, const Inside& inside, std::int64_t size, const Visit& visit) {
  const bool up = lattice.read_step > 0;
  for (std::int64_t done = 0; done < lattice.count;) {
    const std::int64_t first = up ? done : lattice.count - done - size;
    const bool block = size > 0 && first >= inside.begin && first + size <= inside.end;
    visit(block ? first : up ? done : lattice.count - done - 1, block);
    done += block ? size : 1;
  }
}

// Visits all columns. Those inside in tiles of `size`, of which the last overlaps the one before it, the others alone.
template <class Visit, class VisitPixel>
HWY_INLINE void EachColumn(const conv::Lattice& columns, const Inside& inside, std::int64_t size, const Visit& visit,
                           const VisitPixel& visit_pixel) {
  const bool tiles = inside.end - inside.begin >= size;
  const std::int64_t begin = tiles ? inside.begin : columns.count, end = tiles ? inside.end : columns.count;
  if (columns.read_step > 0) {
    for (std::int64_t x = 0; x < begin; ++x) visit_pixel(x);
    for (std::int64_t x = begin; x < end; x += size) visit(std::min(x, end - size));
    for (std::int64_t x = end; x < columns.count; ++x) visit_pixel(x);
  } else {
    for (std::int64_t x = columns.count; x > end; --x) visit_pixel(x - 1);
    for (std::int64_t x = end; x > begin; x -= size) visit(std::max(x - size, begin));
    for (std::int64_t x = begin; x > 0; --x) visit_pixel(x - 1);
  }
}

template <class F>
void RunMap(const DepthwiseMap& m, const LaneTable& table) {
  const bool whole_vectors = m.width >= lanes;
  const Inside rows(m.rows), columns(m.columns);
  const auto pixel = whole_vectors ? RunTile<F, Part::pixel> : RunPart<F>;
  const auto row = [&](std::int64_t y) {
    EachColumn(
        m.columns, whole_vectors ? columns : Inside({}), size_of<F, Part::row>().columns,
        [&](std::int64_t x) {
          RunTile<F, Part::row>(m, table, {y, x});
        },
        [&](std::int64_t x) {
          pixel(m, table, {y, x});
        });
  };
  const std::int64_t block = F::taps > 0 && F::taps == m.rows.taps && whole_vectors ? F::block.rows : 0;
  EachBlock(m.rows, rows, block, [&](std::int64_t y, bool is_block) {
    if (!is_block) return row(y);
    if constexpr (F::taps > 0)
      EachColumn(
          m.columns, columns, F::block.columns,
          [&](std::int64_t x) {
            RunTile<F, Part::block>(m, table, {y, x});
          },
          [&](std::int64_t x) {
            RunTile<F, Part::column>(m, table, {y, x});
          });
  });
}

using MapFunction = void (*)(const DepthwiseMap&, const LaneTable&);

// The block for a pass: see "Registers".
template <int kTaps, int kStride, bool kGrouped>
MapFunction function_of_size(const DepthwisePass& pass) {
  if constexpr (many_registers) return RunMap<Form<kTaps, kStride, kGrouped, Size{kStride == 2 ? 2 : 4, 4, 1}>>;
  if constexpr (!many_registers && !kGrouped && (kTaps == 3 || kTaps == 5)) {
    if (kTaps == 5 && kStride == 2) return RunMap<Form<kTaps, kStride, kGrouped, Size{1, 4, 2}>>;
    if (kTaps == 3 && pass.streams && pass.channels >= wide_pixel) return RunMap<Form<kTaps, kStride, kGrouped, Size{2, 1, 2}>>;
    if (pass.streams || pass.channels % few_sets == 0) return RunMap<Form<kTaps, kStride, kGrouped, Size{2, 2, 2}>>;
  }
  return RunMap<Form<kTaps, kStride, kGrouped, Size{2, 4, 1}>>;
}

template <bool kGrouped>
MapFunction function_for(const DepthwisePass& pass, const conv::Lattice& rows, const conv::Lattice& columns) {
  const std::int64_t taps = columns.taps, stride = columns.stride;
  if (rows.stride == stride && stride == 1) {
    if (taps == 1) return function_of_size<1, 1, kGrouped>(pass);
    if (taps == 2) return function_of_size<2, 1, kGrouped>(pass);
    if (taps == 3) return function_of_size<3, 1, kGrouped>(pass);
    if (taps == 5) return function_of_size<5, 1, kGrouped>(pass);
    if (taps == 7) return function_of_size<7, 1, kGrouped>(pass);
  }
  if (rows.stride == stride && stride == 2) {
    if (taps == 3) return function_of_size<3, 2, kGrouped>(pass);
    if (taps == 5) return function_of_size<5, 2, kGrouped>(pass);
  }
  return function_of_size<0, 0, kGrouped>(pass);
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
  const MapFunction run = (pass.depth > 1 ? function_for<true> : function_for<false>)(pass, rows, columns);
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
          const std::int64_t at =
              transposed ? (tap * channels + c / depth * depth + d) * depth + c % depth : (tap * depth + d) * channels + c;
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
  forward(part_of(repeated(g), seen, {first, first + rows}), problem,
          {1, args.scratch, args.kernel, args.packed, args.bias, args.dst + n * g.dst_image + first * g.dst_row, nullptr});
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
  return multiplier_of(problem.geometry) == 1 ? is_in_registers(problem.activation)
                                              : !problem.bias && problem.activation == Activation::linear;
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

void GroupedInputGradient::run(const Problem& problem, const ConvInputGradient::Args<float>& args) {
  backward(problem.geometry, problem, args);
}

}  // namespace conv
}  // namespace linn::detail::kernels
#endif
