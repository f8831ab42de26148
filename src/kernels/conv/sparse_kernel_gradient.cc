// ConvPoolKernelGradient: each living window of an output channel adds its gradient times the patch under its argmax.
//
// Loop nest:  for each image, for each few rows of windows (about 24 KiB of src)
//               for each window, output channel: where a gradient lives, note it with the patch's place in the channel's list
//               for each output channel, block of up to 3 tap rows x 8 vectors of their (column, channel)
//                 for each entry of the list: 18 multiply-adds or so with a memory operand, the gradient broadcast
// A tap row's columns and channels lie side by side in src, so even 3 channels fill most of a vector.
// Registers:  up to 24 sums + 1 broadcast of 32 (AVX-512); up to 12 + 1 of 16.
// Measured:   see docs/engine.md. Bound by loads: each multiply-add takes one.
#include "kernels/conv/fused.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/sparse_kernel_gradient.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>

#include "core/checked.h"
#include "kernels/conv/padding.h"
#include "kernels/gemm/vector-inl.h"

#ifndef LINN_KERNELS_CONV_SPARSE_KERNEL_GRADIENT_ONCE
#define LINN_KERNELS_CONV_SPARSE_KERNEL_GRADIENT_ONCE
namespace linn::kernels::conv {
namespace {

// A living window: its gradient, and where the patch under its argmax begins.
struct Entry {
  float gradient;
  std::int32_t at;
};

constexpr std::int64_t src_elements = 6144;

// Rows of windows that are listed at a time, so that what they see stays in the L1 cache.
std::int64_t listed_rows(const ConvPoolKernelGradient::Problem& problem) {
  const std::int64_t row = problem.pool.stride_height * problem.conv.stride_height * padded_row(problem.conv);
  return std::clamp<std::int64_t>(src_elements / std::max<std::int64_t>(row, 1), 1, problem.pool.out_height);
}

std::int64_t list_room(const ConvPoolKernelGradient::Problem& problem) { return listed_rows(problem) * problem.pool.out_width; }

}  // namespace
}  // namespace linn::kernels::conv
#endif

HWY_BEFORE_NAMESPACE();
namespace linn::kernels::HWY_NAMESPACE {
namespace {

using conv::Entry;

struct Block {
  const float* src;
  std::int64_t src_row;  // from a tap row to the next
  std::int64_t sum_row;
  std::int64_t last;     // floats in the last vector
};

template <int kRows, int kVectors, bool kTail>
HWY_NOINLINE void AddEntries(const Block& block, const Entry* list, std::int64_t count, float* sums) {
  const D d;
  V sum[kRows][kVectors];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sum[r][v] = LoadVector<kTail>(sums + r * block.sum_row, v, kVectors, block.last);
  const float* src = block.src;
  const std::int64_t src_row = block.src_row, last = block.last;
  for (std::int64_t i = 0; i < count; ++i) {
    const V gradient = hn::Set(d, list[i].gradient);
    const float* patch = src + list[i].at;
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(gradient, LoadVector<kTail>(patch + r * src_row, v, kVectors, last), sum[r][v]);
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) StoreVector<kTail>(sum[r][v], sums + r * block.sum_row, v, kVectors, last);
}

using AddFunction = void (*)(const Block&, const Entry*, std::int64_t, float*);

constexpr int most_rows = 3;
// Vectors of a tap row in registers at once, for so many tap rows.
constexpr int most_vectors(int rows) { return std::min(accumulators >= 24 ? 24 / rows : 12 / rows, 8); }

template <int kRows, bool kTail, int... kVectors>
AddFunction function_of(std::integer_sequence<int, kVectors...>, int vectors) {
  constexpr AddFunction table[] = {AddEntries<kRows, kVectors + 1, kTail>...};
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

// All output channels' lists against one block of tap rows and vectors after another.
void add_lists(const Geometry& g, const float* src, std::int64_t src_row, const Entry* lists, std::int64_t room, const std::int64_t* counts, float* dkernel) {
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
      for (std::int64_t o = 0; o < g.out_channels; ++o)
        if (counts[o] > 0) add(block, lists + o * room, counts[o], dkernel + o * g.window_height * width + i * width + v * lanes);
      v += taken;
    }
  }
}

}  // namespace
}  // namespace linn::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::kernels {
HWY_EXPORT(add_lists);

namespace conv {
namespace {

// Appends the living windows of rows [first, last) of an image to the channels' lists.
void list_living(const ConvPoolKernelGradient::Problem& problem, const float* ddst, const std::uint8_t* argmax, std::int64_t first, std::int64_t last,
                 const std::int32_t* cells, std::int64_t src_row, std::int64_t src_pixel, Entry* lists, std::int64_t room, std::int64_t* counts) {
  const Geometry &g = problem.conv, &pool = problem.pool;
  std::fill_n(counts, g.out_channels, 0);
  for (std::int64_t y = first; y < last; ++y)
    for (std::int64_t x = 0; x < pool.out_width; ++x) {
      const std::int64_t at = (y * pool.out_width + x) * pool.channels;
      const auto origin = static_cast<std::int32_t>((y * pool.stride_height - pool.pad_top) * g.stride_height * src_row +
                                                    (x * pool.stride_width - pool.pad_left) * g.stride_width * src_pixel);
      const float* gradients = ddst + at;
      const std::uint8_t* cell = argmax + at;
      for (std::int64_t o = 0; o < pool.channels; ++o) {
        // Without a branch, which would be mispredicted every third time: what is dead is overwritten by the next.
        lists[o * room + counts[o]] = {gradients[o], origin + cells[cell[o]]};
        counts[o] += gradients[o] != 0;
      }
    }
}

}  // namespace

bool SparseKernelGradient::accepts(const ConvPoolKernelGradient::Problem& problem) {
  const Geometry &g = problem.conv, &pool = problem.pool;
  // Every window has its argmax in the map, and a patch is at least half a vector wide.
  const bool whole = pool.dilation_height == 1 && pool.dilation_width == 1 && pool.window_height * pool.window_width <= 256;
  return whole && g.groups == 1 && g.dilation_width == 1 && (padded(g) || g.src_pixel == g.channels) && g.window_width * g.channels >= 8 &&
         padded_image(g) < (std::int64_t{1} << 30);
}

std::int64_t SparseKernelGradient::scratch(const ConvPoolKernelGradient::Problem& problem, std::int64_t) {
  const Geometry& g = problem.conv;
  // Lists with one entry of room for what is overwritten, counts, offsets of cells, one padded image.
  return 2 * (g.out_channels * (list_room(problem) + 1) + g.out_channels) + 256 + (padded(g) ? padded_image(g) : 0);
}

void SparseKernelGradient::run(const ConvPoolKernelGradient::Problem& problem, const ConvPoolKernelGradient::Args<float>& args) {
  const Geometry &g = problem.conv, &pool = problem.pool;
  const std::int64_t room = list_room(problem) + 1, rows = listed_rows(problem), outputs = pool.out_height * pool.out_width * pool.channels;
  auto* counts = core::align_up<std::int64_t>(args.scratch, alignof(std::int64_t));
  auto* lists = reinterpret_cast<Entry*>(counts + g.out_channels);
  auto* cells = reinterpret_cast<std::int32_t*>(lists + g.out_channels * room);
  auto* image = reinterpret_cast<float*>(cells + pool.window_height * pool.window_width);
  const bool copy = padded(g);
  const std::int64_t src_row = copy ? padded_row(g) : g.src_row;
  for (std::int64_t cell = 0; cell < pool.window_height * pool.window_width; ++cell)
    cells[cell] = static_cast<std::int32_t>(cell / pool.window_width * g.stride_height * src_row + cell % pool.window_width * g.stride_width * g.channels);
  std::fill_n(args.dkernel, g.out_channels * g.window_height * g.window_width * g.channels, 0.0f);
  const auto add_lists = HWY_DYNAMIC_DISPATCH(add_lists);
  for (std::int64_t n = 0; n < args.images; ++n) {
    const float* src = args.src + n * g.src_image;
    if (copy) {
      pad(g, 1, src, image);
      src = image;
    }
    for (std::int64_t y = 0; y < pool.out_height; y += rows) {
      list_living(problem, args.ddst + n * outputs, args.argmax + n * outputs, y, std::min(y + rows, pool.out_height), cells, src_row, g.channels, lists, room, counts);
      add_lists(g, src, src_row, lists, room, counts, args.dkernel);
    }
  }
}

}  // namespace conv
}  // namespace linn::kernels
#endif
