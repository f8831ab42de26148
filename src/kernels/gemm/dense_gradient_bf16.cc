// DenseKernelGradient in bfloat16: dkernel = src^T ddst, two rows of a shard at a time; shard sums are added along the sum tree
// (core/tree.h).
//
// Loop nest:  src and ddst are rounded, and neighbouring rows of a shard interleaved, into scratch
//               for each panel of outputs (2 vectors; 1 at the end), for each tile of inputs (up to 6, balanced)
//                 for each pair of shards: for each pair of rows of both: 6 x 2 vdpbf16ps a shard
//                   add the two in registers, then finished siblings; keep the sum on the stack, as in dense_gradient.cc
// Registers:  24 accumulators + 4 of ddst + 1 or 2 broadcasts of 32.
// Measured:   see docs/decisions/bfloat16.md.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/dense_gradient_bf16.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <utility>

#include "core/checked.h"
#include "kernels/gemm/bf16-inl.h"
#include "kernels/gemm/bf16.h"
#include "kernels/gemm/gemm.h"

#ifndef LINN_KERNELS_GEMM_DENSE_GRADIENT_BF16_ONCE
#define LINN_KERNELS_GEMM_DENSE_GRADIENT_BF16_ONCE
namespace linn::detail::kernels::gemm {
namespace {

// Pairs of rows; the partner of an odd last row of a shard is zero.
std::int64_t pairs_of(std::int64_t rows, std::int64_t shard) { return rows / shard * ((shard + 1) / 2) + (rows % shard + 1) / 2; }

}  // namespace
}  // namespace linn::detail::kernels::gemm
#endif

#if HWY_TARGET == HWY_AVX3
LINN_BEFORE_BF16();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

// Largest number of levels of the tree: for 2^24 shards.
constexpr int tree_levels = 25;

struct PairTile {
  std::int64_t pairs, shard;                // pairs of rows in all, in a whole shard
  std::int64_t src_pair, b_pair, b_vector;  // elements from a pair to the next, from a vector of outputs to the next
  std::int64_t dst_row;
  std::int64_t last;  // floats in the last vector
};

template <int kInputs, int kVectors>
HWY_INLINE void AddPair(V (&sum)[kInputs][kVectors], const Bf16* src, const Bf16* b, std::int64_t b_vector) {
  __m512i bv[kVectors];
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) bv[v] = _mm512_loadu_si512(b + v * b_vector);
#pragma GCC unroll 8
  for (int i = 0; i < kInputs; ++i) {
    const __m512i av = BroadcastPair(src + 2 * i);
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) sum[i][v] = DotPairs(sum[i][v], av, bv[v]);
  }
}

template <int kInputs, int kVectors, bool kTail>
HWY_NOINLINE void RunPairTile(const PairTile& tile, const Bf16* src, const Bf16* b, float* dst) {
  const D d;
  alignas(64) float slots[tree_levels][kInputs][kVectors][lanes];
  V sum[kInputs][kVectors], other[kInputs][kVectors];
  int depth = 0;
  std::int64_t count = 0;
  const std::int64_t src_pair = tile.src_pair, b_pair = tile.b_pair, b_vector = tile.b_vector;
  for (std::int64_t first = 0; first < tile.pairs; first += 2 * tile.shard) {
#pragma GCC unroll 8
    for (int i = 0; i < kInputs; ++i)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sum[i][v] = other[i][v] = hn::Zero(d);
    const std::int64_t pairs = HWY_MIN(tile.shard, tile.pairs - first), other_pairs = HWY_MIN(tile.shard, tile.pairs - first - pairs);
    const std::int64_t to_other = pairs * src_pair, b_to_other = pairs * b_pair;
    std::int64_t p = 0;
    for (; p < other_pairs; ++p, src += src_pair, b += b_pair) {
      AddPair<kInputs, kVectors>(sum, src, b, b_vector);
      AddPair<kInputs, kVectors>(other, src + to_other, b + b_to_other, b_vector);
    }
    for (; p < pairs; ++p, src += src_pair, b += b_pair)
      AddPair<kInputs, kVectors>(sum, src, b, b_vector);  // the last shard has fewer rows, or no neighbour
    src += to_other, b += b_to_other;
    if (other_pairs > 0) {
#pragma GCC unroll 8
      for (int i = 0; i < kInputs; ++i)
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) sum[i][v] = hn::Add(sum[i][v], other[i][v]);
    }
    // As core::TreeSum, with the new sum in registers. The last sum is joined with all remaining ones.
    const bool is_last = first + 2 * tile.shard >= tile.pairs;
    for (std::int64_t carry = count; is_last ? depth > 0 : (carry & 1) != 0; carry >>= 1) {
      --depth;
#pragma GCC unroll 8
      for (int i = 0; i < kInputs; ++i)
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) sum[i][v] = hn::Add(hn::Load(d, slots[depth][i][v]), sum[i][v]);
    }
    if (is_last) break;
#pragma GCC unroll 8
    for (int i = 0; i < kInputs; ++i)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) hn::Store(sum[i][v], d, slots[depth][i][v]);
    ++depth;
    ++count;
  }
#pragma GCC unroll 8
  for (int i = 0; i < kInputs; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) StoreVector<kTail>(sum[i][v], dst + i * tile.dst_row, v, kVectors, tile.last);
}

using RunPairTileFunction = void (*)(const PairTile&, const Bf16*, const Bf16*, float*);

constexpr int most_inputs = 6;

template <int kVectors, bool kTail, int... kInputs>
constexpr RunPairTileFunction pair_tiles_of(std::integer_sequence<int, kInputs...>, std::int64_t inputs) {
  constexpr RunPairTileFunction table[] = {RunPairTile<kInputs + 1, kVectors, kTail>...};
  return table[inputs - 1];
}

RunPairTileFunction pair_tile_for(std::int64_t inputs, int vectors, bool tail) {
  using Inputs = std::make_integer_sequence<int, most_inputs>;
  if (vectors == 1) return tail ? pair_tiles_of<1, true>(Inputs(), inputs) : pair_tiles_of<1, false>(Inputs(), inputs);
  return tail ? pair_tiles_of<2, true>(Inputs(), inputs) : pair_tiles_of<2, false>(Inputs(), inputs);
}

// Interleaves columns [0, columns) of neighbouring rows of a shard; the pairs have the pitch `dst_pair`.
void interleave_shards(const float* src, std::int64_t rows, std::int64_t shard, std::int64_t src_row, std::int64_t columns, Bf16* dst,
                       std::int64_t dst_pair) {
  for (std::int64_t first = 0; first < rows; first += shard) {
    const std::int64_t count = HWY_MIN(shard, rows - first);
    interleave_bf16(src, src + src_row, {count / 2, 2 * src_row, columns}, dst, dst_pair, bf16_pair);
    if (count % 2 != 0)
      interleave_bf16(src + (count - 1) * src_row, nullptr, {1, src_row, columns}, dst + count / 2 * dst_pair, dst_pair, bf16_pair);
    src += count * src_row;
    dst += (count + 1) / 2 * dst_pair;
  }
}

}  // namespace

void dense_gradient_pairs(const DenseKernelGradient::Problem& problem, const DenseKernelGradient::Args<float>& args) {
  const std::int64_t outputs = problem.outputs, inputs = args.last - args.first, pairs = gemm::pairs_of(args.rows, problem.shard);
  const std::int64_t src_pair = 2 * core::round_up(inputs, bf16_columns), b_pair = 2 * core::round_up(outputs, bf16_columns);
  auto* src = reinterpret_cast<Bf16*>(args.scratch);
  Bf16* b = src + pairs * src_pair;
  interleave_shards(args.src + args.first, args.rows, problem.shard, problem.inputs, inputs, src, src_pair);
  interleave_shards(args.ddst, args.rows, problem.shard, outputs, outputs, b, b_pair);
  const std::int64_t tiles = core::ceil_div(inputs, most_inputs), small = inputs / tiles, larger = inputs % tiles;
  for (std::int64_t first = 0; first < outputs;) {
    const std::int64_t left = outputs - first;
    const int vectors = left > lanes ? 2 : 1;
    const bool tail = left < vectors * lanes;
    const PairTile tile = {
        pairs, (problem.shard + 1) / 2, src_pair, b_pair, 2 * bf16_columns, outputs, tail ? left - (vectors - 1) * lanes : lanes};
    const RunPairTileFunction run_small = pair_tile_for(small, vectors, tail);
    const RunPairTileFunction run_larger = larger > 0 ? pair_tile_for(small + 1, vectors, tail) : run_small;
    std::int64_t input = 0;
    for (std::int64_t t = 0; t < tiles; ++t) {
      (t < larger ? run_larger : run_small)(tile, src + 2 * input, b + 2 * first, args.dkernel + (args.first + input) * outputs + first);
      input += t < larger ? small + 1 : small;
    }
    first += vectors * lanes;
  }
}

}  // namespace linn::detail::kernels::HWY_NAMESPACE
LINN_AFTER_BF16();
#endif  // HWY_AVX3

#if HWY_ONCE
namespace linn::detail::kernels::gemm {

std::int64_t Bf16KernelGradient::scratch(const DenseKernelGradient::Problem& problem, std::int64_t rows) {
  return pairs_of(rows, problem.shard) * (core::round_up(problem.inputs, bf16_columns) + core::round_up(problem.outputs, bf16_columns));
}

void Bf16KernelGradient::run(const DenseKernelGradient::Problem& problem, const DenseKernelGradient::Args<float>& args) {
  if (args.last <= args.first) return;
  if (args.rows == 0)
    std::fill_n(args.dkernel + args.first * problem.outputs, (args.last - args.first) * problem.outputs, 0.0f);
  else
    N_AVX3::dense_gradient_pairs(problem, args);
}

std::int64_t RoundedKernelGradient::scratch(const DenseKernelGradient::Problem& problem, std::int64_t rows) {
  return rows * (problem.inputs + problem.outputs) + KernelGradient::scratch(problem, rows);
}

void RoundedKernelGradient::run(const DenseKernelGradient::Problem& problem, const DenseKernelGradient::Args<float>& args) {
  const std::int64_t inputs = args.last - args.first;
  if (inputs <= 0) return;
  float* src = args.scratch;
  float* ddst = src + args.rows * inputs;
  for (std::int64_t r = 0; r < args.rows; ++r) round_to_bf16(args.src + r * problem.inputs + args.first, inputs, src + r * inputs);
  round_to_bf16(args.ddst, args.rows * problem.outputs, ddst);
  KernelGradient::run({inputs, problem.outputs, problem.shard},
                      {args.rows, src, ddst, args.dkernel + args.first * problem.outputs, 0, inputs, ddst + args.rows * problem.outputs});
}

}  // namespace linn::detail::kernels::gemm
#endif
