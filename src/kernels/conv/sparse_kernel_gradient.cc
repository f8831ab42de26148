// ConvPoolKernelGradient as a sum over live windows: each live window of an output channel adds its gradient times the patch of its argmax
// cell.
//
// Loop nest:  for each chunk: a few images, or a few rows of windows of one image, so that their pixels stay in the L1 or L2 cache
//               for each vector of output channels, window: store a bit (live or not) and the offset of the patch
//               for each output channel, block of up to 3 tap rows x 8 vectors of their (column, channel)
//                 for each bit: 18 multiply-adds or so with a memory operand, the gradient broadcast
// The columns and channels of a tap row are neighbours in src, so that even 3 channels fill most of a vector.
// Registers:  up to 24 sums + 1 broadcast of 32 (AVX-512); up to 12 + 1 of 16.
// Measured:   see docs/engine.md. Bound by loads: each multiply-add takes one.
#include "kernels/conv/cost.h"
#include "kernels/conv/fused.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/sparse_kernel_gradient.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <bit>

#include "core/checked.h"
#include "kernels/conv/padding.h"
#include "kernels/conv/pooling-inl.h"

#ifndef LINN_KERNELS_CONV_SPARSE_KERNEL_GRADIENT_ONCE
#define LINN_KERNELS_CONV_SPARSE_KERNEL_GRADIENT_ONCE
namespace linn::detail::kernels::conv {
namespace {

constexpr std::int64_t bits_a_word = 32;  // one word for each lane
constexpr std::int64_t line = 16;         // lanes of the widest vector

// The windows of a chunk in row-major order, with a bit for each live one.
struct LiveWindows {
  const float* ddst;           // of the first window
  const std::uint8_t* argmax;  // of the first window
  std::int64_t windows;
  std::int64_t channels;
  const std::uint32_t* bits;    // [word][channel]: bit w of word i is window 32 i + w; an even number of words
  std::int64_t word;            // pitch of the words: channels rounded up to whole vectors
  const std::int32_t* patches;  // [window][channel]: of a live window the offset in src of the patch of its argmax cell
};

// Offsets of patches in src: origins[window] for the first cell of a window, plus cells[cell].
struct Patches {
  const std::int32_t* origins;
  const std::int32_t* cells;
  std::int64_t number;  // number of cells
};

std::int64_t words_for(std::int64_t windows) { return core::round_up(core::ceil_div(windows, bits_a_word), 2); }

}  // namespace
}  // namespace linn::detail::kernels::conv
#endif

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

using conv::bits_a_word;
using conv::LiveWindows;
using conv::Patches;

// For each lane the offset of its cell. kFew: the offsets of all cells fit one register.
template <bool kFew>
HWY_INLINE Cell OffsetOf(const Patches& patches, Cell few, Cell cell) {
  const hn::RebindToSigned<D> di;
  if constexpr (kFew) return hn::TableLookupLanes(few, hn::IndicesFromVec(di, hn::And(cell, hn::Set(di, lanes - 1))));
  return hn::GatherIndex(di, patches.cells, cell);
}

// Writes the bits and patch offsets of a chunk's windows, and adds the gradients of live windows to dbias (may be null).
template <bool kFew>
void MarkLiveWindows(const LiveWindows& live, const Patches& where, std::uint32_t* bits, std::int32_t* patches, float* dbias) {
  const D d;
  const hn::RebindToSigned<D> di;
  const Cell few = hn::LoadU(di, where.cells);
  const std::int64_t words = conv::words_for(live.windows);
  for (std::int64_t o = 0; o < live.channels; o += lanes) {
    const std::int64_t part = HWY_MIN(lanes, live.channels - o);
    V sum = dbias != nullptr ? LoadCount(dbias + o, part) : hn::Zero(d);
    const float* ddst = live.ddst + o;
    const std::uint8_t* argmax = live.argmax + o;
    std::int32_t* patch = patches + o;
    for (std::int64_t i = 0; i < words; ++i) {
      auto word = hn::Zero(di);
      const std::int64_t count = HWY_MIN(bits_a_word, live.windows - i * bits_a_word);
      for (std::int64_t w = 0; w < count; ++w, ddst += live.channels, argmax += live.channels, patch += live.channels) {
        const V gradient = LoadCount(ddst, part);
        const Cell cell = LoadCells(argmax, part);
        const Cell begins = hn::Add(OffsetOf<kFew>(where, few, cell), hn::Set(di, where.origins[i * bits_a_word + w]));
        StoreCount(hn::BitCast(d, begins), reinterpret_cast<float*>(patch), part);
        const auto no_cell_here = hn::RebindMask(d, hn::Eq(cell, hn::Set(di, no_cell)));
        const auto dead = hn::Or(hn::Eq(gradient, hn::Zero(d)), no_cell_here);
        word = hn::Or(word, hn::IfThenZeroElse(hn::RebindMask(di, dead), hn::Set(di, static_cast<std::int32_t>(std::uint32_t{1} << w))));
        sum = hn::Add(sum, hn::IfThenZeroElse(dead, gradient));
      }
      hn::StoreU(word, di, reinterpret_cast<std::int32_t*>(bits + i * live.word + o));
    }
    if (dbias == nullptr) continue;
    if (part == lanes)
      hn::StoreU(sum, d, dbias + o);
    else
      StorePart(sum, dbias + o, part);
  }
}

void mark_live_windows(const LiveWindows& live, const Patches& where, std::uint32_t* bits, std::int32_t* patches, float* dbias) {
  (where.number <= lanes ? MarkLiveWindows<true> : MarkLiveWindows<false>)(live, where, bits, patches, dbias);
}

struct Block {
  const float* src;
  std::int64_t src_row;  // pitch of the tap rows
  std::int64_t sum_row;
  std::int64_t last;  // floats in the last vector
};

// The live windows of output channel o.
template <int kRows, int kVectors, bool kTail>
HWY_NOINLINE void AddLiveWindows(const Block& block, const LiveWindows& live, std::int64_t o, float* sums) {
  const D d;
  V sum[kRows][kVectors];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sum[r][v] = LoadVector<kTail>(sums + r * block.sum_row, v, kVectors, block.last);
  const float *src = block.src, *ddst = live.ddst + o;
  const std::uint32_t* words = live.bits + o;
  const std::int32_t* patches = live.patches + o;
  const std::int64_t src_row = block.src_row, last = block.last, channels = live.channels;
  for (std::int64_t first = 0; first < live.windows; first += 2 * bits_a_word, words += 2 * live.word) {
    std::uint64_t bits = words[0] | std::uint64_t{words[live.word]} << bits_a_word;
    if (bits == 0) continue;
    // Computes the address one window ahead, so that it is known when the loads of the patch start.
    std::int64_t w = first + std::countr_zero(bits);
    const float* next = Direct(src + patches[w * channels]);
    while (bits != 0) {
      const V gradient = hn::Set(d, ddst[w * channels]);
      const float* patch = next;
      bits &= bits - 1;
      w = bits != 0 ? first + std::countr_zero(bits) : w;
      next = Direct(src + patches[w * channels]);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r, patch = Direct(patch + src_row))
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(gradient, LoadVector<kTail>(patch, v, kVectors, last), sum[r][v]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) StoreVector<kTail>(sum[r][v], sums + r * block.sum_row, v, kVectors, last);
}

using AddFunction = void (*)(const Block&, const LiveWindows&, std::int64_t, float*);

constexpr int most_rows = 3;
// Number of vectors of a tap row that stay in registers, for a number of tap rows.
constexpr int most_vectors(int rows) { return std::min(accumulators >= 24 ? 24 / rows : 12 / rows, 8); }

template <int kRows, bool kTail, int... kVectors>
AddFunction function_of(std::integer_sequence<int, kVectors...>, int vectors) {
  constexpr AddFunction table[] = {AddLiveWindows<kRows, kVectors + 1, kTail>...};
  return table[vectors - 1];
}

template <int kRows>
AddFunction function_for(int vectors, bool tail) {
  using Vectors = std::make_integer_sequence<int, most_vectors(kRows)>;
  return tail ? function_of<kRows, true>(Vectors(), vectors) : function_of<kRows, false>(Vectors(), vectors);
}

AddFunction function_for(int rows, int vectors, bool tail) {
  switch (rows) {
    case 1: return function_for<1>(vectors, tail);
    case 2: return function_for<2>(vectors, tail);
    default: return function_for<3>(vectors, tail);
  }
}

// All output channels, for each block of tap rows and vectors.
void add_live_windows(const Geometry& g, const float* src, std::int64_t src_row, const LiveWindows& live, float* dkernel) {
  const std::int64_t width = g.window_width * g.channels, vectors = (width + lanes - 1) / lanes;
  for (std::int64_t i = 0; i < g.window_height; i += most_rows) {
    const int rows = static_cast<int>(HWY_MIN(most_rows, g.window_height - i));
    const std::int64_t blocks = (vectors + most_vectors(rows) - 1) / most_vectors(rows);
    for (std::int64_t b = 0, v = 0; b < blocks; ++b) {
      const int taken = static_cast<int>(vectors / blocks + (b < vectors % blocks ? 1 : 0));
      const bool tail = (v + taken) * lanes > width;
      const Block block = {src + i * g.dilation_height * src_row + v * lanes, g.dilation_height * src_row, width,
                           tail ? width - (v + taken - 1) * lanes : lanes};
      const AddFunction add = function_for(rows, taken, tail);
      for (std::int64_t o = 0; o < g.out_channels; ++o) add(block, live, o, dkernel + o * g.window_height * width + i * width + v * lanes);
      v += taken;
    }
  }
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(mark_live_windows);
HWY_EXPORT(add_live_windows);

namespace conv {
namespace {

constexpr std::int64_t near_elements = 12288;  // of src in a chunk that is a part of an image: 48 KiB, about the L1 cache
constexpr std::int64_t least_windows = 50;     // of a chunk of small images, so that loading and storing the sums pays
constexpr std::int64_t most_elements = 65536;  // of src in a chunk of several images: 256 KiB, for the L2 cache

// Images and rows of windows in a chunk: several whole images, or some rows of one.
struct Chunk {
  explicit Chunk(const ConvPoolKernelGradient::Problem& problem) {
    const Geometry& pool = problem.pool;
    const std::int64_t row = std::max<std::int64_t>(pool.stride_height * problem.conv.stride_height * padded_row(problem.conv), 1);
    const std::int64_t image = padded_image(problem.conv), windows = pool.out_height * pool.out_width;
    rows = std::clamp<std::int64_t>(near_elements / row, 1, pool.out_height);
    if (windows >= least_windows || 2 * image > most_elements) return;
    rows = pool.out_height;
    images = std::min(core::ceil_div(least_windows, windows), most_elements / image);
  }
  std::int64_t windows(const Geometry& pool) const { return images * rows * pool.out_width; }
  std::int64_t images = 1, rows = 1;
};

std::int64_t word_of(const Geometry& g) { return core::round_up(g.out_channels, line); }

}  // namespace

bool SparseKernelGradient::supports(const ConvPoolKernelGradient::Problem& problem) {
  const Geometry &g = problem.conv, &pool = problem.pool;
  // Requires that every argmax lies inside the map, and that a patch is at least half a vector wide.
  const bool whole = pool.dilation_height == 1 && pool.dilation_width == 1 && pool.window_height * pool.window_width <= no_cell;
  return whole && g.groups == 1 && g.dilation_width == 1 && (padded(g) || g.src_pixel == g.channels) && g.window_width * g.channels >= 8 &&
         padded_image(g) < (std::int64_t{1} << 30);
}

// Sums beyond the L1 cache halve the rate; sums beyond a quarter of the L2 cache take 2.8 times as long. (With relu about half of the windows
// are live, and the rest costs as much as it saves.)
double SparseKernelGradient::cost(const ConvPoolKernelGradient::Problem& problem) {
  const std::int64_t size = kernel_size(problem.conv), bytes = size * static_cast<std::int64_t>(sizeof(float));
  const double rate = !problem.all_live || bytes <= core::cpu().l1_bytes ? 1 : 4 * bytes <= core::cpu().l2_bytes ? 2 : 2.8;
  return rate * static_cast<double>(problem.pool.out_height * problem.pool.out_width * size);
}

std::int64_t SparseKernelGradient::scratch(const ConvPoolKernelGradient::Problem& problem, std::int64_t) {
  const Geometry& g = problem.conv;
  const Chunk chunk(problem);
  const std::int64_t windows = chunk.windows(problem.pool);
  const std::int64_t live = words_for(windows) * word_of(g) + windows + no_cell + 1 + windows * g.out_channels;
  return live + (padded(g) ? line + chunk.images * padded_image(g) : 0);
}

void SparseKernelGradient::run(const ConvPoolKernelGradient::Problem& problem, const ConvPoolKernelGradient::Args<float>& args) {
  const Geometry &g = problem.conv, &pool = problem.pool;
  const Chunk chunk(problem);
  const std::int64_t windows = chunk.windows(pool), outputs = pool.out_height * pool.out_width * pool.channels;
  const bool copy = padded(g);
  const std::int64_t src_row = copy ? padded_row(g) : g.src_row, src_image = copy ? padded_image(g) : g.src_image;
  auto* bits = reinterpret_cast<std::uint32_t*>(args.scratch);
  auto* origins = reinterpret_cast<std::int32_t*>(bits + words_for(windows) * word_of(g));
  std::int32_t* cells = origins + windows;
  std::int32_t* patches = cells + no_cell + 1;
  auto* images = core::align_up<float>(patches + windows * g.out_channels, 64);

  const std::int64_t window_row = pool.stride_height * g.stride_height * src_row, window = pool.stride_width * g.stride_width * g.channels;
  for (std::int64_t w = 0; w < windows; ++w) {
    const std::int64_t x = w % pool.out_width, y = w / pool.out_width % chunk.rows, n = w / pool.out_width / chunk.rows;
    origins[w] = static_cast<std::int32_t>(n * src_image + y * window_row + x * window - pool.pad_top * g.stride_height * src_row -
                                           pool.pad_left * g.stride_width * g.channels);
  }
  for (std::int64_t cell = 0; cell < pool.window_height * pool.window_width; ++cell)
    cells[cell] = static_cast<std::int32_t>(cell / pool.window_width * g.stride_height * src_row +
                                            cell % pool.window_width * g.stride_width * g.channels);
  std::fill_n(args.dkernel, g.out_channels * g.window_height * g.window_width * g.channels, 0.0f);
  if (args.dbias != nullptr) std::fill_n(args.dbias, g.out_channels, 0.0f);

  const auto mark_live_windows = HWY_DYNAMIC_DISPATCH(mark_live_windows);
  const auto add_live_windows = HWY_DYNAMIC_DISPATCH(add_live_windows);
  for (std::int64_t n = 0; n < args.images; n += chunk.images) {
    const std::int64_t count = std::min(chunk.images, args.images - n);
    const float* src = args.src + n * g.src_image;
    if (copy) {
      pad(g, count, src, images);
      src = images;
    }
    for (std::int64_t y = 0; y < pool.out_height; y += chunk.rows) {
      const std::int64_t at = n * outputs + y * pool.out_width * pool.channels, rows = std::min(chunk.rows, pool.out_height - y);
      const LiveWindows live = {.ddst = args.ddst + at,
                                .argmax = args.argmax + at,
                                .windows = count * rows * pool.out_width,
                                .channels = g.out_channels,
                                .bits = bits,
                                .word = word_of(g),
                                .patches = patches};
      mark_live_windows(live, {origins, cells, pool.window_height * pool.window_width}, bits, patches, args.dbias);
      add_live_windows(g, src + y * window_row, src_row, live, args.dkernel);
    }
  }
}

}  // namespace conv
}  // namespace linn::detail::kernels
#endif
