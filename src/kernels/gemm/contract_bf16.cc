// Batch-reduce matrix product of bfloat16 pairs (see bf16.h), in tiles of up to 13 rows x 2 vectors.
//
// Loop nest:  for each panel of columns (2 vectors wide; 1 at the end; 4 when rows are few)
//               for each tile of rows (their number balanced: 26 = 13 + 13, 14 = 7 + 7)
//                 for each pair of terms (three nested loops, contiguous levels joined)
//                   rows x vectors vdpbf16ps: vectors of b loaded, pairs of a broadcast
// Registers:  26 accumulators + 2 of b + 1 broadcast of 32. The latency of 6 cycles wants 6 accumulators at least.
// Measured:   see docs/decisions/bfloat16.md.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/contract_bf16.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <utility>

#include "kernels/gemm/bf16-inl.h"
#include "kernels/gemm/bf16.h"
#include "kernels/gemm/row_walk.h"

#if HWY_TARGET == HWY_AVX3
LINN_BEFORE_BF16();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

struct Bf16Tile {
  Box pairs, a_pair, b_pair;
  bool odd;
  const Bf16* b;
  std::int64_t b_vector;
  const float* bias;  // or null
  std::int64_t last;  // floats in the last vector
  bool add, relu;
};

template <int kRows, int kVectors, bool kTail>
HWY_NOINLINE void RunBf16Tile(const Bf16Tile& tile, const Bf16* const* a_rows, float* const* c_rows) {
  const D d;
  V sum[kRows][kVectors];
  const Bf16* a[kRows];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    a[r] = a_rows[r];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      if (tile.add)
        sum[r][v] = LoadVector<kTail>(c_rows[r], v, kVectors, tile.last);
      else
        sum[r][v] = tile.bias != nullptr ? LoadVector<kTail>(tile.bias, v, kVectors, tile.last) : hn::Zero(d);
    }
  }
  const std::int64_t whole = tile.pairs[2] - (tile.odd ? 1 : 0), a_step = tile.a_pair[2], b_step = tile.b_pair[2], b_vector = tile.b_vector;
  for (std::int64_t i = 0; i < tile.pairs[0]; ++i)
    for (std::int64_t j = 0; j < tile.pairs[1]; ++j) {
      std::int64_t at = i * tile.a_pair[0] + j * tile.a_pair[1];
      const Bf16* b = tile.b + i * tile.b_pair[0] + j * tile.b_pair[1];
      for (std::int64_t k = 0; k < whole; ++k, at += a_step, b += b_step) DotTerm<kRows, kVectors>(sum, a, at, false, b, b_vector);
      if (tile.odd) DotTerm<kRows, kVectors>(sum, a, at, true, b, b_vector);
    }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const V value = tile.relu ? hn::Max(hn::Zero(d), sum[r][v]) : sum[r][v];  // in this order NaN stays
      StoreVector<kTail>(value, c_rows[r], v, kVectors, tile.last);
    }
}

using RunBf16Function = void (*)(const Bf16Tile&, const Bf16* const*, float* const*);

constexpr int most_rows(int vectors) { return std::min(accumulators / vectors, 13); }

template <int kVectors, bool kTail, int... kRows>
constexpr RunBf16Function bf16_tiles_of(std::integer_sequence<int, kRows...>, int rows) {
  constexpr RunBf16Function table[] = {RunBf16Tile<kRows + 1, kVectors, kTail>...};
  return table[rows - 1];
}

template <int kVectors>
RunBf16Function bf16_tile_for(int rows, bool tail) {
  using Rows = std::make_integer_sequence<int, most_rows(kVectors)>;
  return tail ? bf16_tiles_of<kVectors, true>(Rows(), rows) : bf16_tiles_of<kVectors, false>(Rows(), rows);
}

RunBf16Function bf16_tile_for(int rows, int vectors, bool tail) {
  switch (vectors) {
    case 1: return bf16_tile_for<1>(rows, tail);
    case 2: return bf16_tile_for<2>(rows, tail);
    default: return bf16_tile_for<4>(rows, tail);
  }
}

}  // namespace

void contract_pairs(const Bf16Contraction& given) {
  Bf16Contraction x = given;
  if (!x.odd) join_levels(x.pairs, x.a_pair, x.b_pair);
  const std::int64_t rows = x.rows[0] * x.rows[1] * x.rows[2];
  if (rows == 0) return;
  const std::int64_t all_vectors = (x.columns + lanes - 1) / lanes;
  for (std::int64_t first = 0; first < all_vectors;) {
    const std::int64_t left = all_vectors - first;
    const int vectors = rows <= most_rows(4) && left > 3 ? 4 : left > 1 ? 2 : 1;
    const std::int64_t columns_left = x.columns - first * lanes;
    const bool tail = columns_left < vectors * lanes;
    const Bf16Tile tile = {x.pairs,
                           x.a_pair,
                           x.b_pair,
                           x.odd,
                           x.b + first * x.b_vector,
                           x.b_vector,
                           x.bias == nullptr ? nullptr : x.bias + first * lanes,
                           tail ? columns_left - (vectors - 1) * lanes : lanes,
                           x.add,
                           x.relu};
    const std::int64_t tiles = (rows + most_rows(vectors) - 1) / most_rows(vectors);
    const std::int64_t small = rows / tiles, larger = rows % tiles;
    const RunBf16Function run_small = bf16_tile_for(static_cast<int>(small), vectors, tail);
    const RunBf16Function run_larger = larger > 0 ? bf16_tile_for(static_cast<int>(small) + 1, vectors, tail) : run_small;
    RowWalk<Bf16> walk(x.rows, x.a, x.a_row, x.c + first * lanes, x.c_row);
    const Bf16* a_rows[RowWalk<Bf16>::most];
    float* c_rows[RowWalk<Bf16>::most];
    for (std::int64_t t = 0; t < tiles; ++t) {
      walk.take(a_rows, c_rows, t < larger ? small + 1 : small);
      (t < larger ? run_larger : run_small)(tile, a_rows, c_rows);
    }
    first += vectors;
  }
}

void pack_pairs(const float* b, const Bf16Rows& rows, Bf16* packed) {
  for (std::int64_t first = 0; first < rows.columns; first += bf16_columns)
    for (std::int64_t run = 0; run < rows.runs; ++run)
      for (std::int64_t e = 0; e < rows.length; e += 2, packed += bf16_pair) {
        const float* row = b + run * rows.run_step + e * rows.row_step + first;
        const V second = e + 1 < rows.length ? LoadCount(row + rows.row_step, rows.columns - first) : hn::Zero(D());
        _mm512_storeu_si512(packed, InterleaveRounded(LoadCount(row, rows.columns - first), second));
      }
}

void interleave_rows(const float* first, const float* second, const FloatRows& rows, Bf16* dst, std::int64_t dst_row,
                     std::int64_t dst_vector) {
  for (std::int64_t r = 0; r < rows.count; ++r, first += rows.row, dst += dst_row) {
    for (std::int64_t c = 0; c < rows.columns; c += lanes) {
      const V other = second != nullptr ? LoadCount(second + c, rows.columns - c) : hn::Zero(D());
      _mm512_storeu_si512(dst + c / lanes * dst_vector, InterleaveRounded(LoadCount(first + c, rows.columns - c), other));
    }
    if (second != nullptr) second += rows.row;
  }
}

void round_elements(const float* src, std::int64_t count, Bf16* dst) {
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst + i), RoundVector(hn::LoadU(D(), src + i)));
  if (i == count) return;
  const auto part = static_cast<__mmask16>((1u << (count - i)) - 1);
  _mm256_mask_storeu_epi16(dst + i, part, RoundVector(LoadPart(src + i, count - i)));
}

}  // namespace linn::detail::kernels::HWY_NAMESPACE
LINN_AFTER_BF16();
#endif  // HWY_AVX3

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

// Rounds to nearest even: adds half of the last remaining bit, minus one if that bit is 0, and cuts off the lower bits.
HWY_INLINE V RoundToBf16(V v) {
  const D d;
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, v);
  const auto even = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto sum = hn::Add(bits, hn::Add(even, hn::Set(du, 0x7FFF)));
  const auto rounded = hn::BitCast(d, hn::And(sum, hn::Set(du, 0xFFFF0000u)));
  return hn::IfThenElse(hn::Eq(v, v), rounded, v);
}

void round_floats(const float* src, std::int64_t count, float* dst) {
  const D d;
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(RoundToBf16(hn::LoadU(d, src + i)), d, dst + i);
  if (i < count) StorePart(RoundToBf16(LoadPart(src + i, count - i)), dst + i, count - i);
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(round_floats);

void contract_bf16(const Bf16Contraction& contraction) { N_AVX3::contract_pairs(contraction); }
void pack_bf16(const float* b, const Bf16Rows& rows, Bf16* packed) { N_AVX3::pack_pairs(b, rows, packed); }
void interleave_bf16(const float* first, const float* second, const FloatRows& rows, Bf16* dst, std::int64_t dst_row,
                     std::int64_t dst_vector) {
  N_AVX3::interleave_rows(first, second, rows, dst, dst_row, dst_vector);
}
void round_bf16(const float* src, std::int64_t count, Bf16* dst) { N_AVX3::round_elements(src, count, dst); }
void round_to_bf16(const float* src, std::int64_t count, float* dst) { HWY_DYNAMIC_DISPATCH(round_floats)(src, count, dst); }

}  // namespace linn::detail::kernels
#endif
