// Pooling of the four cells of a 2x2 window, the last step of a fused kernel. Included once for each target.
#if defined(LINN_KERNELS_CONV_POOLING_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_KERNELS_CONV_POOLING_INL_H
#undef LINN_KERNELS_CONV_POOLING_INL_H
#else
#define LINN_KERNELS_CONV_POOLING_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <cstring>

#include "kernels/conv/pooled.h"
#include "kernels/gemm/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {

enum class Pooled { average, max, argmax };

using Cell = hn::Vec<hn::Rebind<std::int32_t, D>>;

HWY_INLINE V Relu(V v) { return hn::Max(hn::Zero(D()), v); }  // in this order NaN stays

HWY_INLINE bool AnyNan(V v) { return !hn::AllTrue(D(), hn::Eq(v, v)); }

/// For each lane the number of the chosen cell. With mask registers one byte for each lane, the form in which it is stored.
#if HWY_TARGET <= HWY_AVX3
using Choice = hn::Vec<hn::Rebind<std::uint8_t, D>>;

HWY_INLINE Choice Everywhere(std::uint8_t cell) { return hn::Set(hn::Rebind<std::uint8_t, D>(), cell); }
HWY_INLINE Choice Choose(hn::Mask<D> where, Choice yes, Choice no) {
  return hn::IfThenElse(hn::Mask<hn::Rebind<std::uint8_t, D>>::FromBits(where.raw), yes, no);
}
HWY_INLINE Choice AsBytes(Choice choice) { return choice; }
#else
using Choice = Cell;

HWY_INLINE Choice Everywhere(std::uint8_t cell) { return hn::Set(hn::RebindToSigned<D>(), cell); }
HWY_INLINE Choice Choose(hn::Mask<D> where, Choice yes, Choice no) { return hn::IfThenElse(hn::RebindMask(hn::RebindToSigned<D>(), where), yes, no); }
HWY_INLINE auto AsBytes(Choice choice) { return hn::DemoteTo(hn::Rebind<std::uint8_t, D>(), choice); }
#endif

struct Maximum {
  V value;
  Choice cell;
};

/// The maximum and its cell; with NaN among the cells, the first NaN. Takes one comparison for each cell more than PoolCells without NaN.
inline HWY_NOINLINE Maximum MaximumChecked(V v0, V v1, V v2, V v3) {
  const V cells[4] = {v0, v1, v2, v3};
  Maximum m = {v0, Everywhere(0)};
  for (std::uint8_t i = 1; i < 4; ++i) {
    const auto moves = hn::AndNot(hn::Le(cells[i], m.value), hn::Eq(m.value, m.value));
    m = {hn::IfThenElse(moves, cells[i], m.value), Choose(moves, Everywhere(i), m.cell)};
  }
  return m;
}

/// The argmax of `count` channels; zeros in the other lanes.
HWY_INLINE Cell LoadCells(const std::uint8_t* argmax, std::int64_t count) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<std::uint8_t, D> du;
  if (HWY_LIKELY(count >= lanes)) return hn::PromoteTo(di, hn::LoadU(du, argmax));
  alignas(16) std::uint8_t part[lanes] = {};
  std::memcpy(part, argmax, static_cast<std::size_t>(count));
  return hn::PromoteTo(di, hn::Load(du, part));
}

HWY_INLINE void StoreChoice(Choice choice, std::uint8_t* argmax, std::int64_t count) {
  const hn::Rebind<std::uint8_t, D> du;
  if (HWY_LIKELY(count == lanes)) {
    hn::StoreU(AsBytes(choice), du, argmax);
  } else {
    alignas(16) std::uint8_t all[lanes];
    hn::Store(AsBytes(choice), du, all);
    std::memcpy(argmax, all, static_cast<std::size_t>(count));
  }
}

/// dst[0..count) = the four cells pooled; with Pooled::argmax also their argmax. Of equal cells the first wins; NaN wins over numbers;
/// after relu argmax is `no_cell` where the value is not above 0.
template <Pooled kPooled>
HWY_INLINE void PoolCells(V v0, V v1, V v2, V v3, bool relu, float* dst, std::uint8_t* argmax, std::int64_t count) {
  const D d;
  Maximum m;
  if constexpr (kPooled == Pooled::average) {
    if (relu) v0 = Relu(v0), v1 = Relu(v1), v2 = Relu(v2), v3 = Relu(v3);
    m.value = hn::Mul(hn::Add(hn::Add(hn::Add(v0, v1), v2), v3), hn::Set(d, 0.25f));
  } else {
    m.value = hn::Max(hn::Max(v0, v1), hn::Max(v2, v3));
    // The sum is NaN if a cell is NaN. It is also NaN for infinities of both signs, which only costs time. Additions and comparisons run on
    // different ports, so the check is nearly free.
    if (HWY_UNLIKELY(AnyNan(hn::Add(hn::Add(v0, v1), hn::Add(v2, v3))))) {
      m = MaximumChecked(v0, v1, v2, v3);
    } else if constexpr (kPooled == Pooled::argmax) {
      m.cell = Choose(hn::Eq(v2, m.value), Everywhere(2), Everywhere(3));
      m.cell = Choose(hn::Eq(v1, m.value), Everywhere(1), m.cell);
      m.cell = Choose(hn::Eq(v0, m.value), Everywhere(0), m.cell);
    }
    if (relu) {
      m.value = Relu(m.value);
      if constexpr (kPooled == Pooled::argmax) m.cell = Choose(hn::Gt(m.value, hn::Zero(d)), m.cell, Everywhere(no_cell));
    }
  }
  StoreCount(m.value, dst, count);
  if constexpr (kPooled == Pooled::argmax) StoreChoice(m.cell, argmax, count);
}

}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
