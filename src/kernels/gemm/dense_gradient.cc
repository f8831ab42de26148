// DenseKernelGradient: dkernel = src^T ddst, summed shard by shard, then along the sum tree (core/tree.h).
//
// Loop nest:  for each panel of outputs (2 vectors), laid out densely when many tiles share it
//               for each tile of inputs (up to 6, AVX-512; 3, AVX2 and SSE4; balanced)
//                 for each pair of shards: for each row of both: 6 x 2 multiply-adds a shard, neighbours of src broadcast
//                   add the two in registers, then finished siblings; keep the sum on the stack
// Registers:  24 accumulators + 4 of ddst + 1 or 2 broadcasts of 32 (AVX-512). Two shards at once halve the stores, which are
//             what the tree costs (a 512-bit store takes two cycles).
// Measured:   (Zen 4, one core, fraction of the multiply-add loop) 800x128, 128 rows: shards of 8 rows 89 %, of 16 94 %, of 128
//             (no tree) 97 %; one shard at a time gave 69, 80 and 95 %. AVX2 57 and 61 %: 12 accumulators are few for this.
#include "kernels/gemm/gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/dense_gradient.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <utility>

#include "core/tree.h"
#include "kernels/gemm/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

// Largest number of levels of the tree: for 2^24 shards.
constexpr int levels = 25;

struct Tile {
  std::int64_t rows, shard;
  std::int64_t src_row, b_row, dst_row;
  std::int64_t last;  // floats in the last vector
};

template <int kInputs, int kVectors, bool kTail>
HWY_NOINLINE void RunTile(const Tile& tile, const float* src, const float* b, float* dst) {
  const D d;
  alignas(64) float slots[levels][kInputs][kVectors][lanes];
  V sum[kInputs][kVectors], other[kInputs][kVectors];
  int depth = 0;
  std::int64_t count = 0;
  const std::int64_t src_row = tile.src_row, b_row = tile.b_row, last = tile.last;
  for (std::int64_t first = 0; first < tile.rows; first += 2 * tile.shard) {
#pragma GCC unroll 16
    for (int i = 0; i < kInputs; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[i][v] = other[i][v] = hn::Zero(d);
    const std::int64_t rows = HWY_MIN(tile.shard, tile.rows - first), other_rows = HWY_MIN(tile.shard, tile.rows - first - rows);
    const std::int64_t to_other = rows * src_row, b_to_other = rows * b_row;
    std::int64_t r = 0;
    for (; r < other_rows; ++r, src += src_row, b += b_row) {
      V bv[kVectors], other_bv[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        bv[v] = LoadVector<kTail>(b, v, kVectors, last);
        other_bv[v] = LoadVector<kTail>(b + b_to_other, v, kVectors, last);
      }
#pragma GCC unroll 16
      for (int i = 0; i < kInputs; ++i) {
        const V av = hn::Set(d, src[i]), other_av = hn::Set(d, src[to_other + i]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          sum[i][v] = hn::MulAdd(av, bv[v], sum[i][v]);
          other[i][v] = hn::MulAdd(other_av, other_bv[v], other[i][v]);
        }
      }
    }
    for (; r < rows; ++r, src += src_row, b += b_row) {  // the last shard has fewer rows, or no neighbour
      V bv[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) bv[v] = LoadVector<kTail>(b, v, kVectors, last);
#pragma GCC unroll 16
      for (int i = 0; i < kInputs; ++i) {
        const V av = hn::Set(d, src[i]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[i][v] = hn::MulAdd(av, bv[v], sum[i][v]);
      }
    }
    src += to_other, b += b_to_other;
    if (other_rows > 0) {
#pragma GCC unroll 16
      for (int i = 0; i < kInputs; ++i)
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[i][v] = hn::Add(sum[i][v], other[i][v]);
    }
    // As core::TreeSum, with the new sum in registers. The last sum is joined with all remaining ones.
    const bool is_last = first + 2 * tile.shard >= tile.rows;
    for (std::int64_t carry = count; is_last ? depth > 0 : (carry & 1) != 0; carry >>= 1) {
      --depth;
#pragma GCC unroll 16
      for (int i = 0; i < kInputs; ++i)
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[i][v] = hn::Add(hn::Load(d, slots[depth][i][v]), sum[i][v]);
    }
    if (is_last) break;
#pragma GCC unroll 16
    for (int i = 0; i < kInputs; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) hn::Store(sum[i][v], d, slots[depth][i][v]);
    ++depth;
    ++count;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kInputs; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) StoreVector<kTail>(sum[i][v], dst + i * tile.dst_row, v, kVectors, last);
}

using RunTileFunction = void (*)(const Tile&, const float*, const float*, float*);

constexpr int max_inputs(int vectors) { return std::min(accumulators / vectors / 2, 12); }

template <int kVectors, bool kTail, int... kInputs>
RunTileFunction tiles_of(std::integer_sequence<int, kInputs...>, int inputs) {
  constexpr RunTileFunction table[] = {RunTile<kInputs + 1, kVectors, kTail>...};
  return table[inputs - 1];
}

RunTileFunction tile_for(int inputs, int vectors, bool tail) {
  using One = std::make_integer_sequence<int, max_inputs(1)>;
  using Two = std::make_integer_sequence<int, max_inputs(2)>;
  if (vectors == 1) return tail ? tiles_of<1, true>(One(), inputs) : tiles_of<1, false>(One(), inputs);
  return tail ? tiles_of<2, true>(Two(), inputs) : tiles_of<2, false>(Two(), inputs);
}

void dense_gradient(const DenseKernelGradient::Problem& problem, const DenseKernelGradient::Args<float>& args) {
  const D d;
  const std::int64_t outputs = problem.outputs, inputs = args.last - args.first;
  if (inputs <= 0) return;
  if (args.rows == 0) {
    std::fill_n(args.dkernel + args.first * outputs, inputs * outputs, 0.0f);
    return;
  }
  for (std::int64_t first = 0; first < outputs;) {
    const std::int64_t left = outputs - first;
    const int vectors = left > lanes ? 2 : 1;
    const std::int64_t width = vectors * lanes, columns = std::min(width, left);
    const bool tail = columns < width;
    Tile tile = {args.rows, problem.shard, problem.inputs, outputs, outputs, columns - (vectors - 1) * lanes};
    const float* b = args.ddst + first;
    const std::int64_t tiles = (inputs + max_inputs(vectors) - 1) / max_inputs(vectors);
    if (tiles >= 8 && outputs > width) {
      for (std::int64_t r = 0; r < args.rows; ++r)
        for (int v = 0; v < vectors; ++v) {
          const float* from = b + r * outputs + v * lanes;
          const bool part = tail && v == vectors - 1;
          hn::StoreU(part ? LoadPart(from, tile.last) : hn::LoadU(d, from), d, args.scratch + r * width + v * lanes);
        }
      b = args.scratch;
      tile.b_row = width;
    }
    const int small = static_cast<int>(inputs / tiles);
    const std::int64_t larger = inputs % tiles;
    const RunTileFunction run_small = tile_for(small, vectors, tail);
    const RunTileFunction run_larger = larger > 0 ? tile_for(small + 1, vectors, tail) : run_small;
    const float* src = args.src + args.first;
    float* dst = args.dkernel + args.first * outputs + first;
    for (std::int64_t t = 0; t < tiles; ++t) {
      (t < larger ? run_larger : run_small)(tile, src, b, dst);
      const int taken = t < larger ? small + 1 : small;
      src += taken;
      dst += taken * outputs;
    }
    first += width;
  }
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cassert>

#include "core/checked.h"

namespace linn::detail::kernels {
HWY_EXPORT(dense_gradient);
namespace gemm {

bool KernelGradient::supports(const DenseKernelGradient::Problem&) { return true; }

std::int64_t KernelGradient::scratch(const DenseKernelGradient::Problem&, std::int64_t rows) { return rows * 32; }

void KernelGradient::run(const DenseKernelGradient::Problem& problem, const DenseKernelGradient::Args<float>& args) {
  assert(core::ceil_div(args.rows, problem.shard) <= std::int64_t{1} << 24);
  HWY_DYNAMIC_DISPATCH(dense_gradient)(problem, args);
}

}  // namespace gemm
}  // namespace linn::detail::kernels
#endif
