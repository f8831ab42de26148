// Products of bfloat16 numbers with float32 sums, for the `bf16` implementations, and rounding to bfloat16, also for the `rounded`
// implementations for CPUs without vdpbf16ps.
#pragma once

#include <cstdint>

#include "kernels/gemm/contract.h"

namespace linn::detail::kernels {

/// A bfloat16 number: the upper 16 bits of a float.
using Bf16 = std::uint16_t;

/// Columns in one packed vector.
inline constexpr std::int64_t bf16_columns = 16;

/// c[row][j] = epilogue(start + sum over pairs of terms in order of a[row, pair] * b[pair][j]) for 0 <= j < columns, where
///   row  = (r0, r1, r2) < rows:  a[row, pair] is two neighbours at a + row . a_row + pair . a_pair, c[row] = c + row . c_row;
///   pair = (p0, p1, p2) < pairs: b[pair] is, for each vector of 16 columns, [column][2] at b + pair . b_pair + vector * b_vector.
/// vdpbf16ps adds the second term of a pair first. Each output is one chain of sums in that order, in every tile and tail. Denormal
/// products and sums count as 0. Strides may be negative; with no pairs the result is `start`.
struct Bf16Contraction {
  Box rows = {1, 1, 1}, a_row = {}, c_row = {};
  Box pairs = {1, 1, 1}, a_pair = {}, b_pair = {};
  /// The last of the innermost pairs has no second term; a is not read behind its first term.
  bool odd = false;
  std::int64_t columns = 0;
  std::int64_t b_vector = 0;
  std::int64_t products = 1, a_product = 0, b_product = 0, c_product = 0;  // as Contraction's
  const Bf16* a = nullptr;
  const Bf16* b = nullptr;
  float* c = nullptr;
  /// The chain starts from c itself if `add`, else from bias[j], else (null) from 0.
  bool add = false;
  const float* bias = nullptr;
  bool relu = false;
  float largest = std::numeric_limits<float>::infinity();  // as Contraction's
};

/// contract_bf16, pack_bf16, interleave_bf16 and round_bf16 need Feature::bfloat16_products.
void contract_bf16(const Bf16Contraction& contraction);

/// Rows of floats for pack_bf16: `runs` runs of `length` neighbouring rows.
struct Bf16Rows {
  std::int64_t runs = 1, length = 0, columns = 0;
  std::int64_t run_step = 0, row_step = 0;  // pitches of runs and rows
};

/// Packs rows for `contract_bf16`: [vector of 16 columns][run][pair][column][2]. The partner of an odd last row and the columns beyond the
/// last are zero.
void pack_bf16(const float* b, const Bf16Rows& rows, Bf16* packed);
/// pack_bf16 for dense rows.
inline void pack_bf16(const float* b, std::int64_t runs, std::int64_t length, std::int64_t columns, Bf16* packed) {
  pack_bf16(b, {runs, length, columns, length * columns, columns}, packed);
}
/// Elements of a pair in a packed vector.
inline constexpr std::int64_t bf16_pair = 2 * bf16_columns;
/// Elements that pack_bf16 writes.
constexpr std::int64_t packed_bf16(std::int64_t runs, std::int64_t length, std::int64_t columns) {
  return (columns + bf16_columns - 1) / bf16_columns * runs * ((length + 1) / 2) * bf16_pair;
}

/// Rows of floats with pitch `row`.
struct FloatRows {
  std::int64_t count = 0, row = 0, columns = 0;
};

/// For each row: rounds the elements of `first` and `second` (null: zeros) and interleaves them as [column][2]. Vector v of 16 columns goes
/// to dst + row * dst_row + v * dst_vector. Whole vectors are written, in the order of the rows; columns beyond the last are zero.
void interleave_bf16(const float* first, const float* second, const FloatRows& rows, Bf16* dst, std::int64_t dst_row,
                     std::int64_t dst_vector);

/// Rounds to bfloat16, to nearest even; denormals become 0.
void round_bf16(const float* src, std::int64_t count, Bf16* dst);

/// Rounds to bfloat16 values, stored as float: to nearest even; NaN stays NaN, denormals stay. For every instruction set.
void round_to_bf16(const float* src, std::int64_t count, float* dst);

/// Number of floats whose memory holds `count` bfloat16 numbers.
constexpr std::int64_t floats_of_bf16(std::int64_t count) { return (count + 1) / 2; }

}  // namespace linn::detail::kernels
