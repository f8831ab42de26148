// ConvPoolInputGradient for 3x3 taps and 2x2 windows. The gradient of a window goes to a 4x4 patch of dsrc. The patch stays in registers
// while the live channels of each of the four cells add their nine taps to it.
//
// Loop nest:  for each image: for each window and cell, the channels that are live there, as bits
//               for each 16 input channels (a vector of AVX-512; 2 of AVX2), row of windows, window
//                 for each cell, each bit: 9 multiply-adds of the broadcast gradient with the packed kernel
//                 AVX-512: store the left half of the patch; the right half is the left half of the next window's patch
//                 else: each row of cells separately, on a patch of 3x4
// The packed kernel is [16 channels][out channel][tap][16]: a block of 32 output channels, 18 KiB, stays in the L1 cache.
// Registers:  16 of the patch + 1 broadcast of 32 (AVX-512); 12 + 1 of 16.
// Measured:   see docs/engine.md. Bound by loads: each multiply-add takes one.
#include "kernels/conv/cost.h"
#include "kernels/conv/fused.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/sparse_input_gradient.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/checked.h"
#include "kernels/conv/padding.h"
#include "kernels/conv/pooling-inl.h"

#ifndef LINN_KERNELS_CONV_SPARSE_INPUT_GRADIENT_ONCE
#define LINN_KERNELS_CONV_SPARSE_INPUT_GRADIENT_ONCE
namespace linn::detail::kernels::conv {
namespace {

constexpr std::int64_t block = 16;        // input channels
constexpr std::int64_t taps = 9;
constexpr std::int64_t bits_a_word = 64;  // output channels

struct CellBits {
  std::uint64_t of[4];
};

// Memory in which a block of 16 channels of dsrc is summed: dsrc, or a separate plane.
struct Plane {
  float* at;
  std::int64_t row, pixel;
  std::int64_t height, width;
};

}  // namespace
}  // namespace linn::detail::kernels::conv
#endif

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

using conv::CellBits;
using conv::Plane;

// For each window and cell the bits of the live output channels; `words` words for each window.
void find_live(const Geometry& pool, const float* ddst, const std::uint8_t* argmax, std::int64_t words, CellBits* bits) {
  const D d;
  const hn::RebindToSigned<D> di;
  const std::int64_t windows = pool.out_height * pool.out_width, channels = pool.channels;
  std::fill_n(bits, windows * words, CellBits{});
  for (std::int64_t w = 0; w < windows; ++w, ddst += channels, argmax += channels, bits += words)
    for (std::int64_t o = 0; o < channels; o += lanes) {
      const std::int64_t count = HWY_MIN(lanes, channels - o);
      const Cell cell = LoadCells(argmax + o, count);
      const V gradient = LoadCount(ddst + o, count);
      const auto dead = hn::Eq(gradient, hn::Zero(d));
      for (int c = 0; c < 4; ++c) {
        const auto lives = hn::AndNot(dead, hn::RebindMask(d, hn::Eq(cell, hn::Set(di, c))));
        std::uint8_t bytes[8] = {};
        hn::StoreMaskBits(d, lives, bytes);
        std::uint64_t word;
        std::memcpy(&word, bytes, sizeof(word));
        bits[o / 64].of[c] |= word << (o % 64);
      }
    }
}

// Adds the live channels of one cell. Its taps begin at row kRow and column kColumn of a patch with kWidth columns.
template <int kRow, int kColumn>
HWY_INLINE void AddCell(V* patch, std::uint64_t bits, const float* gradients, const float* kernel) {
  const D d;
  while (bits != 0) {
    const int o = std::countr_zero(bits);
    bits &= bits - 1;
    const V gradient = hn::Set(d, gradients[o]);
    const float* w = kernel + o * (conv::taps * conv::block);
#pragma GCC unroll 4
    for (int i = 0; i < 3; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < 3; ++j) {
        V& sum = patch[4 * (kRow + i) + kColumn + j];
        sum = hn::MulAdd(gradient, hn::LoadU(d, w + (3 * i + j) * conv::block), sum);
      }
  }
}

// One row of windows, with overlapping patches in registers. `fresh`: the first row of the plane, where there are no earlier sums.
[[maybe_unused]] HWY_NOINLINE void SlideRow(const Plane& plane, float* at, std::int64_t windows, bool fresh, const CellBits* bits, std::int64_t words, const float* ddst,
                           std::int64_t channels, const float* kernel) {
  const D d;
  V patch[16];
  const auto load = [&](int i, const float* from) { return fresh || i > 1 ? hn::Zero(d) : hn::LoadU(d, from + i * plane.row); };
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) patch[4 * i] = load(i, at), patch[4 * i + 1] = load(i, at + plane.pixel);
  for (std::int64_t x = 0; x < windows; ++x, at += 2 * plane.pixel, bits += words, ddst += channels) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) patch[4 * i + 2] = load(i, at + 2 * plane.pixel), patch[4 * i + 3] = load(i, at + 3 * plane.pixel);
    for (std::int64_t word = 0; word < words; ++word) {
      const float* gradients = ddst + word * conv::bits_a_word;
      const float* w = kernel + word * conv::bits_a_word * conv::taps * conv::block;
      AddCell<0, 0>(patch, bits[word].of[0], gradients, w);
      AddCell<0, 1>(patch, bits[word].of[1], gradients, w);
      AddCell<1, 0>(patch, bits[word].of[2], gradients, w);
      AddCell<1, 1>(patch, bits[word].of[3], gradients, w);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      hn::StoreU(patch[4 * i], d, at + i * plane.row);
      hn::StoreU(patch[4 * i + 1], d, at + i * plane.row + plane.pixel);
      patch[4 * i] = patch[4 * i + 2];
      patch[4 * i + 1] = patch[4 * i + 3];
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    hn::StoreU(patch[4 * i], d, at + i * plane.row);
    hn::StoreU(patch[4 * i + 1], d, at + i * plane.row + plane.pixel);
  }
}

// Both cells of one row of a window, with their patch of 3x4.
[[maybe_unused]] HWY_NOINLINE void AddHalf(const Plane& plane, float* at, const CellBits* bits, std::int64_t words, int top, const float* ddst, const float* kernel) {
  const D d;
  V patch[12];
#pragma GCC unroll 16
  for (int p = 0; p < 12; ++p) patch[p] = hn::LoadU(d, at + p / 4 * plane.row + p % 4 * plane.pixel);
  for (std::int64_t word = 0; word < words; ++word) {
    const float* gradients = ddst + word * conv::bits_a_word;
    const float* w = kernel + word * conv::bits_a_word * conv::taps * conv::block;
    AddCell<0, 0>(patch, bits[word].of[2 * top], gradients, w);
    AddCell<0, 1>(patch, bits[word].of[2 * top + 1], gradients, w);
  }
#pragma GCC unroll 16
  for (int p = 0; p < 12; ++p) hn::StoreU(patch[p], d, at + p / 4 * plane.row + p % 4 * plane.pixel);
}

// One vector of channels of one image.
void AddLanes(const Plane& plane, const Geometry& pool, const CellBits* bits, std::int64_t words, const float* ddst, const float* kernel) {
  const std::int64_t channels = pool.channels;
  for (std::int64_t y = 0; y < pool.out_height; ++y) {
    float* at = plane.at + 2 * y * plane.row;
    if constexpr (accumulators >= 24) {
      SlideRow(plane, at, pool.out_width, y == 0, bits, words, ddst, channels, kernel);
    } else {
      for (std::int64_t x = 0; x < pool.out_width; ++x)
        for (int top = 0; top < 2; ++top)
          AddHalf(plane, at + top * plane.row + 2 * x * plane.pixel, bits + x * words, words, top, ddst + x * channels, kernel);
    }
    bits += pool.out_width * words;
    ddst += pool.out_width * channels;
  }
}

void zero(const Plane& plane, std::int64_t first_row, std::int64_t first_column) {
  const D d;
  for (std::int64_t y = 0; y < plane.height; ++y)
    for (std::int64_t x = y < first_row ? first_column : 0; x < plane.width; ++x)
      for (std::int64_t c = 0; c < conv::block; c += lanes) hn::StoreU(hn::Zero(d), d, plane.at + y * plane.row + x * plane.pixel + c);
}

// A block of 16 channels of one image.
void sum_block(const Plane& plane, const Geometry& pool, const CellBits* bits, std::int64_t words, const float* ddst, const float* kernel) {
  const bool slides = accumulators >= 24;  // stores all pixels of the windows' patches without reading them first
  zero(plane, slides ? 2 * pool.out_height + 2 : 0, slides ? 2 * pool.out_width + 2 : 0);
  for (std::int64_t c = 0; c < conv::block; c += lanes) {
    Plane part = plane;
    part.at += c;
    AddLanes(part, pool, bits, words, ddst, kernel + c);
  }
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(find_live);
HWY_EXPORT(sum_block);

namespace conv {
namespace {

using Problem = ConvPoolInputGradient::Problem;

std::int64_t blocks_of(const Geometry& g) { return core::ceil_div(g.channels, block); }
std::int64_t words_of(const Geometry& g) { return core::ceil_div(g.out_channels, bits_a_word); }
std::int64_t windows_of(const Geometry& pool) { return pool.out_height * pool.out_width; }

// A plane of 16 channels that includes the padding.
Plane own_plane(const Geometry& g, float* at) {
  const std::int64_t width = g.width + g.pad_left + g.pad_right;
  return {at, width * block, block, g.height + g.pad_top + g.pad_bottom, width};
}
std::int64_t plane_size(const Geometry& g) { return (g.height + g.pad_top + g.pad_bottom) * (g.width + g.pad_left + g.pad_right) * block; }

// Copies `count` channels of a plane, without its padding, to dsrc.
void copy_out(const Geometry& g, const Plane& plane, std::int64_t count, float* dsrc) {
  for (std::int64_t y = 0; y < g.height; ++y)
    for (std::int64_t x = 0; x < g.width; ++x)
      std::copy_n(plane.at + (y + g.pad_top) * plane.row + (x + g.pad_left) * plane.pixel, count, dsrc + y * g.src_row + x * g.src_pixel);
}

}  // namespace

bool SparseInputGradient::supports(const Problem& problem) {
  const Geometry& g = problem.conv;
  return is_three_by_three(g) && g.groups == 1 && g.channels >= 4 && is_two_by_two(problem.pool);
}

// The weights are read again for each window: from the L1 cache at first, from the L2 cache the larger they are.
double SparseInputGradient::cost(const Problem& problem) {
  const std::int64_t size = kernel_size(problem.conv), bytes = size * static_cast<std::int64_t>(sizeof(float));
  const double rate = problem.all_live ? std::min(1 + 2.5 * static_cast<double>(bytes) / static_cast<double>(core::cpu().l2_bytes), 2.2) : 1;
  return rate * static_cast<double>(problem.pool.out_height * problem.pool.out_width * size);
}

std::int64_t SparseInputGradient::scratch(const Problem& problem, std::int64_t) {
  const auto bits = static_cast<std::int64_t>(sizeof(CellBits) / sizeof(float)) * windows_of(problem.pool) * words_of(problem.conv);
  return bits + 2 + plane_size(problem.conv);
}

std::int64_t SparseInputGradient::packed(const Problem& problem) { return blocks_of(problem.conv) * problem.conv.out_channels * taps * block; }

void SparseInputGradient::pack(const Problem& problem, const float* kernel, float* packed) {
  const Geometry& g = problem.conv;
  for (std::int64_t b = 0; b < blocks_of(g); ++b)
    for (std::int64_t o = 0; o < g.out_channels; ++o)
      for (std::int64_t tap = 0; tap < taps; ++tap)
        for (std::int64_t c = 0; c < block; ++c) {
          const std::int64_t channel = b * block + c;
          *packed++ = channel < g.channels ? kernel[(tap * g.channels + channel) * g.out_channels + o] : 0.0f;
        }
}

void SparseInputGradient::run(const Problem& problem, const ConvPoolInputGradient::Args<float>& args) {
  const Geometry &g = problem.conv, &pool = problem.pool;
  const std::int64_t words = words_of(g), outputs = windows_of(pool) * pool.channels, block_kernel = g.out_channels * taps * block;
  auto* bits = core::align_up<CellBits>(args.scratch, alignof(CellBits));
  auto* own = reinterpret_cast<float*>(bits + windows_of(pool) * words);
  const auto find_live = HWY_DYNAMIC_DISPATCH(find_live);
  const auto sum_block = HWY_DYNAMIC_DISPATCH(sum_block);
  for (std::int64_t n = 0; n < args.images; ++n) {
    const float* ddst = args.ddst + n * outputs;
    float* dsrc = args.dsrc + n * g.src_image;
    find_live(pool, ddst, args.argmax + n * outputs, words, bits);
    for (std::int64_t b = 0; b < blocks_of(g); ++b) {
      const std::int64_t count = std::min(block, g.channels - b * block);
      const float* kernel = args.packed + b * block_kernel;
      if (!padded(g) && count == block) {
        sum_block({dsrc + b * block, g.src_row, g.src_pixel, g.height, g.width}, pool, bits, words, ddst, kernel);
      } else {
        const Plane plane = own_plane(g, own);
        sum_block(plane, pool, bits, words, ddst, kernel);
        copy_out(g, plane, count, dsrc + b * block);
      }
    }
  }
}

}  // namespace conv
}  // namespace linn::detail::kernels
#endif
