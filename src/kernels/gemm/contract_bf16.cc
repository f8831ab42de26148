// The product of bf16.h in bfloat16, and the rounding and packing of its factors. Loop nest and registers of the product: contract.inc.
// The other loops read each float once and write whole vectors.
// Measured:   see docs/decisions/bfloat16.md.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/contract_bf16.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/cache_control.h>
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

#include "kernels/gemm/contract.inc"

}  // namespace

void contract_pairs(const Bf16Contraction& x) { run_tiles<PairStep>(x, {x.pairs, x.a_pair, x.b_pair, x.odd ? 1 : 0, x.b_vector}, nullptr); }

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
