// Batch-reduce matrix product (see contract.h), in tiles of up to 13 rows x 2 vectors (AVX-512) or 6 x 2 (AVX2, SSE4).
//
// Loop nest:  for each panel of columns (2 vectors wide; 1 for a short tail; 4 when rows are few)
//               [copy the panel of b densely, if its rows are far apart]
//               for each tile of rows (their number balanced: 26 = 13 + 13, 14 = 7 + 7)
//                 for each term (three nested loops, contiguous levels joined)
//                   rows x vectors multiply-adds: vectors of b loaded, elements of a broadcast
// Registers:  26 accumulators + 2 of b + 1 broadcast of 32 (AVX-512); 12 + 2 + 1 of 16 (AVX2, SSE4). Row addresses beyond the general
//             registers are loaded from the stack; there is time for it, as on Zen 4 a 512-bit multiply-add takes a whole cycle.
// Measured:   see the files that call it; `kernels_bench` counts against a loop of nothing but multiply-adds.
#include "kernels/gemm/contract.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/contract.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <utility>

#include "kernels/gemm/row_walk.h"
#include "kernels/gemm/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

struct Tile {
  Box terms, a_term, b_term;
  const float* b;
  const float* bias;
  std::int64_t last;  // floats in the last vector
  bool add, relu;
};

template <int kRows, int kVectors, bool kTail>
HWY_NOINLINE void RunTile(const Tile& tile, const float* const* a_rows, float* const* c_rows) {
  const D d;
  V sum[kRows][kVectors];
  const float* a[kRows];
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
  const std::int64_t last = tile.last, inner = tile.terms[2], a_step = tile.a_term[2], b_step = tile.b_term[2];
  for (std::int64_t i = 0; i < tile.terms[0]; ++i)
    for (std::int64_t j = 0; j < tile.terms[1]; ++j) {
      std::int64_t at = i * tile.a_term[0] + j * tile.a_term[1];
      const float* b = tile.b + i * tile.b_term[0] + j * tile.b_term[1];
      for (std::int64_t k = 0; k < inner; ++k, at += a_step, b += b_step) {
        V bv[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) bv[v] = LoadVector<kTail>(b, v, kVectors, last);
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r) {
          const V av = hn::Set(d, a[r][at]);
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(av, bv[v], sum[r][v]);
        }
      }
    }
  if (tile.relu) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Max(hn::Zero(d), sum[r][v]);  // in this order NaN stays
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) StoreVector<kTail>(sum[r][v], c_rows[r], v, kVectors, last);
}

using RunTileFunction = void (*)(const Tile&, const float* const*, float* const*);

// Largest number of rows of a tile with this number of vectors. 13 for one vector too: more rows would only save loads.
constexpr int max_rows(int vectors) { return std::min(accumulators / vectors, 13); }

template <int kVectors, bool kTail, int... kRows>
constexpr RunTileFunction tiles_of(std::integer_sequence<int, kRows...>, int rows) {
  constexpr RunTileFunction table[] = {RunTile<kRows + 1, kVectors, kTail>...};
  return table[rows - 1];
}

template <int kVectors>
RunTileFunction tile_for(int rows, bool tail) {
  using Rows = std::make_integer_sequence<int, max_rows(kVectors)>;
  return tail ? tiles_of<kVectors, true>(Rows(), rows) : tiles_of<kVectors, false>(Rows(), rows);
}

RunTileFunction tile_for(int rows, int vectors, bool tail) {
  switch (vectors) {
    case 1: return tile_for<1>(rows, tail);
    case 2: return tile_for<2>(rows, tail);
    default: return tile_for<4>(rows, tail);
  }
}

// Copies a panel of b to [terms][width], with zeros in the tail.
void pack_panel(const Contraction& x, const Tile& tile, int vectors, bool tail) {
  float* out = x.pack;
  const D d;
  for (std::int64_t i = 0; i < x.terms[0]; ++i)
    for (std::int64_t j = 0; j < x.terms[1]; ++j) {
      const float* b = tile.b + i * x.b_term[0] + j * x.b_term[1];
      for (std::int64_t k = 0; k < x.terms[2]; ++k, b += x.b_term[2], out += vectors * lanes)
        for (int v = 0; v < vectors; ++v) {
          const bool part = tail && v == vectors - 1;
          hn::StoreU(part ? LoadPart(b + v * lanes, tile.last) : hn::LoadU(d, b + v * lanes), d, out + v * lanes);
        }
    }
}

// Least distance of b's rows from which a panel is copied: 4 KiB. Such rows fall into the same sets of the L1 cache, and each is on another
// page. With AVX2 a Dense layer 4096x1024 reaches 82 % of the peak with the copy and 65 % without. Closer rows do not pay: 128 columns lose
// 2 to 5 %.
constexpr std::int64_t far_apart = 1024;

void contract(const Contraction& given) {
  Contraction x = given;
  join_levels(x.terms, x.a_term, x.b_term);
  const std::int64_t rows = x.rows[0] * x.rows[1] * x.rows[2];
  if (rows == 0) return;
  const std::int64_t all_vectors = (x.columns + lanes - 1) / lanes;
  for (std::int64_t first = 0; first < all_vectors;) {
    const std::int64_t left = all_vectors - first;
    const int vectors = rows <= max_rows(4) && left > 2 ? 4 : left > 1 ? 2 : 1;
    const int used = static_cast<int>(std::min<std::int64_t>(vectors, left));  // 3 vectors: 2 and then 1
    const int width = used == 3 ? 2 : used;
    const std::int64_t columns_left = x.columns - first * lanes;
    const bool tail = columns_left < width * lanes;
    Tile tile = {x.terms, x.a_term, x.b_term, x.b + first * lanes, x.bias == nullptr ? nullptr : x.bias + first * lanes,
                 tail ? columns_left - (width - 1) * lanes : lanes, x.add, x.relu};
    if (x.pack != nullptr && rows >= 8 * max_rows(2) && x.terms[2] > 1 && x.b_term[2] >= far_apart) {
      pack_panel(x, tile, width, tail);
      tile.b = x.pack;
      const std::int64_t step = width * lanes;
      tile.b_term = {x.terms[1] * x.terms[2] * step, x.terms[2] * step, step};
    }
    const std::int64_t tiles = (rows + max_rows(width) - 1) / max_rows(width);
    const int small = static_cast<int>(rows / tiles);
    const std::int64_t larger = rows % tiles;
    const RunTileFunction run_small = tile_for(small, width, tail);
    const RunTileFunction run_larger = larger > 0 ? tile_for(small + 1, width, tail) : run_small;
    RowWalk<float> walk(x.rows, x.a, x.a_row, x.c + first * lanes, x.c_row);
    const float* a_rows[RowWalk<float>::most];
    float* c_rows[RowWalk<float>::most];
    for (std::int64_t t = 0; t < tiles; ++t) {
      walk.take(a_rows, c_rows, t < larger ? small + 1 : small);
      (t < larger ? run_larger : run_small)(tile, a_rows, c_rows);
    }
    first += width;
  }
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(contract);
Contract contract_for_cpu() { return HWY_DYNAMIC_DISPATCH(contract); }
}  // namespace linn::detail::kernels
#endif
