// Products of bfloat16 numbers with float32 sums: the product under the `bf16` implementations, and the rounding under the `rounded`
// ones for CPUs without the instruction.
#pragma once

#include <cstdint>

#include "kernels/gemm/contract.h"

namespace linn::kernels {

/// The upper half of a float's bits.
using Bf16 = std::uint16_t;

/// Columns of a packed vector.
inline constexpr std::int64_t bf16_columns = 16;

/// c[row][j] = epilogue(start + sum over pairs of terms in order of a[row, pair] * b[pair][j]) for 0 <= j < columns, where
///   row  = (r0, r1, r2) < rows:  a[row, pair] is two neighbours at a + row . a_row + pair . a_pair, c[row] = c + row . c_row;
///   pair = (p0, p1, p2) < pairs: b[pair] is, for each vector of 16 columns, [column][2] at b + pair . b_pair + vector * b_vector.
/// vdpbf16ps takes the second of a pair first. Each output is one chain in that order, whatever tile or tail it falls in. Products and
/// sums that are denormal count as 0. Strides may be negative; no pairs give `start`.
struct Bf16Contraction {
  Box rows = {1, 1, 1}, a_row = {}, c_row = {};
  Box pairs = {1, 1, 1}, a_pair = {}, b_pair = {};
  /// The last of the innermost pairs has no second term: nothing behind its first is read of a.
  bool odd = false;
  std::int64_t columns = 0;
  std::int64_t b_vector = 0;
  const Bf16* a = nullptr;
  const Bf16* b = nullptr;
  float* c = nullptr;
  /// The chain starts from c itself if `add`, else from bias[j], else (null) from 0.
  bool add = false;
  const float* bias = nullptr;
  bool relu = false;
};

/// This, pack_bf16, interleave_bf16 and round_bf16 need Isa::avx512_bf16.
void contract_bf16(const Bf16Contraction& contraction);

/// Rows of floats to be packed: `runs` times `length` neighbours.
struct Bf16Rows {
  std::int64_t runs = 1, length = 0, columns = 0;
  std::int64_t run_step = 0, row_step = 0;  // from a run, a row to the next
};

/// Lays rows out for `contract_bf16`: [vector of 16 columns][run][pair][column][2]. What is not there, the partner of an odd last row and
/// columns beyond the last, is zero.
void pack_bf16(const float* b, const Bf16Rows& rows, Bf16* packed);
/// The same of rows without gaps.
inline void pack_bf16(const float* b, std::int64_t runs, std::int64_t length, std::int64_t columns, Bf16* packed) {
  pack_bf16(b, {runs, length, columns, length * columns, columns}, packed);
}
/// Elements of a pair in a packed vector.
inline constexpr std::int64_t bf16_pair = 2 * bf16_columns;
/// Of `packed`.
constexpr std::int64_t packed_bf16(std::int64_t runs, std::int64_t length, std::int64_t columns) {
  return (columns + bf16_columns - 1) / bf16_columns * runs * ((length + 1) / 2) * bf16_pair;
}

/// Rows of floats, `row` from one to the next.
struct FloatRows {
  std::int64_t count = 0, row = 0, columns = 0;
};

/// Lays the rounded elements of two rows side by side, [column][2], for each row of `first` and of `second` (null: zeros): vector v of 16
/// columns at dst + row * dst_row + v * dst_vector. Vectors are written whole, zeros beyond the last column, in the order of the rows.
void interleave_bf16(const float* first, const float* second, const FloatRows& rows, Bf16* dst, std::int64_t dst_row,
                     std::int64_t dst_vector);

/// Rounds to nearest even; denormals become 0.
void round_bf16(const float* src, std::int64_t count, Bf16* dst);

/// Rounds to what bfloat16 holds and leaves a float: nearest even, NaN stays NaN, denormals stay. For every instruction set.
void round_to_bf16(const float* src, std::int64_t count, float* dst);

/// Floats that so many bfloat16 numbers take.
constexpr std::int64_t floats_of_bf16(std::int64_t count) { return (count + 1) / 2; }

}  // namespace linn::kernels
