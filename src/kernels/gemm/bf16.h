// Products of bfloat16 numbers with float32 sums: the product under the `bf16` implementations, and the rounding under the `rounded`
// ones for CPUs without the instruction.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/gemm/contract.h"

namespace linn::kernels {

/// The upper half of a float's bits.
using Bf16 = std::uint16_t;

/// Columns of a packed vector.
inline constexpr std::int64_t bf16_columns = 16;

/// c[r][j] = epilogue(start + sum over terms in order of a[r, term] * b[term][j]) for rows r and 0 <= j < columns. Terms come in
/// runs of `length` neighbouring elements of a: term = (t0, t1, e), e < length, at t0 * a_run[0] + t1 * a_run[1] + e. vdpbf16ps takes
/// two of a run at a time, the second first; an odd last one alone. Each output is one chain in that order, whatever tile or tail it
/// falls in. Products and sums that are denormal count as 0.
struct Bf16Contraction {
  /// Rows in two nested indices, the last fastest.
  std::array<std::int64_t, 2> rows = {1, 1}, a_row = {}, c_row = {};
  std::array<std::int64_t, 2> runs = {1, 1}, a_run = {};
  std::int64_t length = 0;
  std::int64_t columns = 0;
  const Bf16* a = nullptr;
  const Bf16* b = nullptr;  // as pack_bf16 lays it out
  float* c = nullptr;
  const float* bias = nullptr;  // or null
  bool relu = false;
};

/// This, pack_bf16 and round_bf16 need Isa::avx512_bf16.
void contract_bf16(const Bf16Contraction& contraction);

/// Lays b, `runs * length` rows of `columns` floats, out for `contract_bf16`: [vector of 16 columns][run][pair][column][2]. What is not
/// there, the partner of an odd last row and columns beyond the last, is zero.
void pack_bf16(const float* b, std::int64_t runs, std::int64_t length, std::int64_t columns, Bf16* packed);
/// Of `packed`.
constexpr std::int64_t packed_bf16(std::int64_t runs, std::int64_t length, std::int64_t columns) {
  return (columns + bf16_columns - 1) / bf16_columns * runs * ((length + 1) / 2) * 2 * bf16_columns;
}

/// Rounds to nearest even; denormals become 0.
void round_bf16(const float* src, std::int64_t count, Bf16* dst);

/// Rounds to what bfloat16 holds and leaves a float: nearest even, NaN stays NaN, denormals stay. For every instruction set.
void round_to_bf16(const float* src, std::int64_t count, float* dst);

/// Floats that so many bfloat16 numbers take.
constexpr std::int64_t floats_of_bf16(std::int64_t count) { return (count + 1) / 2; }

}  // namespace linn::kernels
