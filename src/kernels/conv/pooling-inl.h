// The end of a fused kernel: four cells of a 2x2 window become one value. Included once a target.
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
namespace linn::kernels::HWY_NAMESPACE {

enum class Pooled { average, max, argmax };

using Cell = hn::Vec<hn::Rebind<std::int32_t, D>>;

HWY_INLINE V Relu(V v) { return hn::Max(hn::Zero(D()), v); }  // in this order NaN stays

HWY_INLINE bool AnyNan(V v) { return !hn::AllTrue(D(), hn::Eq(v, v)); }

/// The maximum and its cell, the first NaN if there is one: one comparison a cell more than CellsMax.
inline HWY_NOINLINE void CellsMaxChecked(const V* cells, V& value, Cell& cell) {
  const hn::RebindToSigned<D> di;
  value = cells[0];
  cell = hn::Zero(di);
  for (int i = 1; i < 4; ++i) {
    const auto moves = hn::AndNot(hn::Le(cells[i], value), hn::Eq(value, value));
    value = hn::IfThenElse(moves, cells[i], value);
    cell = hn::IfThenElse(hn::RebindMask(di, moves), hn::Set(di, i), cell);
  }
}

/// The cells of `count` channels (zeros above, if fewer than lanes).
HWY_INLINE Cell LoadCells(const std::uint8_t* argmax, std::int64_t count) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<std::uint8_t, D> du;
  if (HWY_LIKELY(count >= lanes)) return hn::PromoteTo(di, hn::LoadU(du, argmax));
  alignas(16) std::uint8_t part[lanes] = {};
  std::memcpy(part, argmax, static_cast<std::size_t>(count));
  return hn::PromoteTo(di, hn::Load(du, part));
}

HWY_INLINE void StoreCells(Cell cell, std::uint8_t* argmax, std::int64_t count) {
  const hn::Rebind<std::uint8_t, D> du;
  const auto bytes = hn::DemoteTo(du, cell);
  if (count == lanes) {
    hn::StoreU(bytes, du, argmax);
  } else {
    alignas(16) std::uint8_t all[lanes];
    hn::Store(bytes, du, all);
    for (std::int64_t i = 0; i < count; ++i) argmax[i] = all[i];
  }
}

/// dst[0..count) = pooled cells, argmax with them if asked for. Ties go to the first cell; NaN wins; relu may leave no cell.
template <Pooled kPooled>
HWY_INLINE void PoolCells(V v0, V v1, V v2, V v3, bool relu, float* dst, std::uint8_t* argmax, std::int64_t count) {
  const D d;
  const hn::RebindToSigned<D> di;
  V value;
  Cell cell = hn::Zero(di);
  if constexpr (kPooled == Pooled::average) {
    if (relu) v0 = Relu(v0), v1 = Relu(v1), v2 = Relu(v2), v3 = Relu(v3);
    value = hn::Mul(hn::Add(hn::Add(hn::Add(v0, v1), v2), v3), hn::Set(d, 0.25f));
  } else {
    value = hn::Max(hn::Max(v0, v1), hn::Max(v2, v3));
    // The sum is NaN if a cell is (or if infinities meet, which costs only time), and is made where comparisons are not.
    if (HWY_UNLIKELY(AnyNan(hn::Add(hn::Add(v0, v1), hn::Add(v2, v3))))) {
      const V cells[4] = {v0, v1, v2, v3};
      CellsMaxChecked(cells, value, cell);
    } else if constexpr (kPooled == Pooled::argmax) {
      cell = hn::Set(di, 3);
      cell = hn::IfThenElse(hn::RebindMask(di, hn::Eq(v2, value)), hn::Set(di, 2), cell);
      cell = hn::IfThenElse(hn::RebindMask(di, hn::Eq(v1, value)), hn::Set(di, 1), cell);
      cell = hn::IfThenElse(hn::RebindMask(di, hn::Eq(v0, value)), hn::Zero(di), cell);
    }
    if (relu) {
      value = Relu(value);
      if constexpr (kPooled == Pooled::argmax)
        cell = hn::IfThenElse(hn::RebindMask(di, hn::Gt(value, hn::Zero(d))), cell, hn::Set(di, no_cell));
    }
  }
  if (count == lanes)
    hn::StoreU(value, d, dst);
  else
    StorePart(value, dst, count);
  if constexpr (kPooled == Pooled::argmax) StoreCells(cell, argmax, count);
}

}  // namespace linn::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
