// The two passes of separable pooling inside a Highway target: they read, join and store vectors of channels.
#if defined(LINN_POOL_SEPARABLE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_POOL_SEPARABLE_INL_H
#undef LINN_POOL_SEPARABLE_INL_H
#else
#define LINN_POOL_SEPARABLE_INL_H
#endif

#include <cstdint>

#include "hwy/highway.h"
#include "kernels/pool/lanes-inl.h"
#include "kernels/pool/separable.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::pool {
namespace HWY_NAMESPACE {

/// A value for each lane and, with an argmax, the number of the cell that holds it.
template <class D>
struct Cell {
  hn::Vec<D> value;
  hn::Vec<hn::Rebind<std::int32_t, D>> index;
};

template <class D>
HWY_INLINE auto load_bytes(D, const std::uint8_t* bytes) {
  auto loaded = hn::LoadU(hn::Rebind<std::uint8_t, D>(), bytes);
  // GCC 12 fails ("could not split insn") if it folds a load of less than 16 bytes into a masked move. The asm keeps the two apart.
  if constexpr (hn::MaxLanes(D()) < 16) asm("" : "+x"(loaded.raw));
  return hn::PromoteTo(hn::Rebind<std::int32_t, D>(), loaded);
}

/// The low byte of each lane.
template <class D>
HWY_INLINE void store_bytes(D, hn::Vec<hn::Rebind<std::int32_t, D>> v, std::uint8_t* bytes) {
  const hn::Rebind<std::uint8_t, D> du;
  hn::StoreU(hn::TruncateTo(du, hn::BitCast(hn::Rebind<std::uint32_t, D>(), v)), du, bytes);
}

// ---- sources of inputs, destinations of outputs ----

/// Pixels of a row of the map. `first`: the number of input 0 (if numbered).
template <bool numbered>
struct PixelSource {
  const float* src;
  std::int64_t step;
  std::int32_t first;

  template <class D>
  HWY_INLINE Cell<D> at(D d, std::int64_t i, std::int64_t c) const {
    const hn::Rebind<std::int32_t, D> di;
    return {hn::LoadU(d, src + i * step + c), numbered ? hn::Set(di, first + static_cast<std::int32_t>(i)) : hn::Zero(di)};
  }
};

/// Rows of the ring from slot `first` on.
template <bool numbered>
struct RingSource {
  const float* values;
  const std::uint8_t* indices;
  std::int64_t row, slots, first;

  std::int64_t offset(std::int64_t i) const { return (first + i < slots ? first + i : first + i - slots) * row; }
  template <class D>
  HWY_INLINE Cell<D> at(D d, std::int64_t i, std::int64_t c) const {
    const std::int64_t at = offset(i) + c;
    if constexpr (numbered)
      return {hn::LoadU(d, values + at), load_bytes(d, indices + at)};
    else
      return {hn::LoadU(d, values + at), hn::Zero(hn::Rebind<std::int32_t, D>())};
  }
};

/// Pixels of a row of the ring. The index of output o is relative to input o * stride.
template <bool numbered>
struct RingSink {
  float* values;
  std::uint8_t* indices;
  std::int64_t step, stride;

  template <class D>
  HWY_INLINE void put(D d, std::int64_t o, const Cell<D>& cell, std::int64_t c) const {
    hn::StoreU(cell.value, d, values + o * step + c);
    if constexpr (numbered)
      store_bytes(d, hn::Sub(cell.index, hn::Set(hn::Rebind<std::int32_t, D>(), static_cast<std::int32_t>(o * stride))),
                  indices + o * step + c);
  }
};

// ---- one window, several windows ----

/// One window of any number of inputs, which Rule joins in order. Sets `doubtful` if an input may be NaN and the rule does not check for
/// it.
template <class Rule, class Source, class Sink>
struct Direct {
  Source in;
  std::int64_t count;
  Sink out;
  std::uint8_t* doubtful;

  template <int vectors, class D>
  HWY_INLINE void block(D d, std::int64_t c) const {
    constexpr std::int64_t lanes = hn::MaxLanes(d);
    Cell<D> cell[vectors];
    hn::Vec<D> sum[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      cell[v] = count > 0 ? in.at(d, 0, c + v * lanes) : Cell<D>{hn::Zero(d), hn::Zero(hn::Rebind<std::int32_t, D>())};
      sum[v] = cell[v].value;
    }
    for (std::int64_t i = 1; i < count; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) {
        const Cell<D> next = in.at(d, i, c + v * lanes);
        if constexpr (Rule::minds_nan) sum[v] = hn::Add(sum[v], next.value);
        cell[v] = Rule::join(cell[v], next);
      }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) out.put(d, 0, cell[v], c + v * lanes);
    if constexpr (Rule::minds_nan) {
      for (int v = 1; v < vectors; ++v) sum[0] = hn::Add(sum[0], sum[v]);
      if (HWY_UNLIKELY(!hn::AllTrue(d, hn::Eq(sum[0], sum[0])))) *doubtful = 1;
    }
  }
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    block<1>(d, c);
  }
};

/// n windows of k inputs, each `stride` inputs after the one before. Reads each input once. All windows share some inputs:
/// (n - 1) * stride < k. A maximum is computed from the shared inputs and those before and after them (van Herk, 1992), which for stride 1
/// takes k + n instead of n * (k - 1) comparisons. Sums are computed window by window in order, as by `Direct`, since their bits must not
/// depend on the place among the n windows.
template <class Rule, int n, int k, int stride, class Source, class Sink>
struct Shared {
  Source in;
  Sink out;
  std::uint8_t* doubtful;
  static constexpr int inputs = k + (n - 1) * stride;

  template <int from, int to, class D>
  static HWY_INLINE Cell<D> joined(const Cell<D>* cell) {
    Cell<D> result = cell[from];
#pragma GCC unroll 16
    for (int i = from + 1; i < to; ++i) result = Rule::join(result, cell[i]);
    return result;
  }

  /// Windows o, o + 1, ... < n. `prefix`: the joined inputs of window o behind those that all windows share.
  template <int o, class D>
  HWY_INLINE void finish(D d, const Cell<D>* cell, const Cell<D>* suffix, Cell<D> prefix, std::int64_t c) const {
    if constexpr (o < n) {
      constexpr int next = k + (o - 1) * stride;
      const Cell<D> more = joined<next, next + stride, D>(cell);
      prefix = o == 1 ? more : Rule::join(prefix, more);
      out.put(d, o, Rule::join(suffix[o], prefix), c);
      finish<o + 1>(d, cell, suffix, prefix, c);
    }
  }
  template <int o, class D>
  HWY_INLINE void suffixes(const Cell<D>* cell, Cell<D>* suffix) const {
    if constexpr (o >= 0) {
      suffix[o] = Rule::join(joined<o * stride, (o + 1) * stride, D>(cell), suffix[o + 1]);
      suffixes<o - 1, D>(cell, suffix);
    }
  }
  template <int o, class D>
  HWY_INLINE void one_by_one(D d, const Cell<D>* cell, std::int64_t c) const {
    if constexpr (o < n) {
      out.put(d, o, joined<o * stride, o * stride + k, D>(cell), c);
      one_by_one<o + 1>(d, cell, c);
    }
  }

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    Cell<D> cell[inputs], suffix[n];
#pragma GCC unroll 16
    for (int i = 0; i < inputs; ++i) cell[i] = in.at(d, i, c);
    if constexpr (Rule::minds_nan) {
      auto sum = cell[0].value;
#pragma GCC unroll 16
      for (int i = 1; i < inputs; ++i) sum = hn::Add(sum, cell[i].value);
      if (HWY_UNLIKELY(!hn::AllTrue(d, hn::Eq(sum, sum)))) *doubtful = 1;
    }
    if constexpr (Rule::any_grouping) {
      suffix[n - 1] = joined<(n - 1) * stride, k, D>(cell);
      suffixes<n - 2, D>(cell, suffix);
      out.put(d, 0, suffix[0], c);
      finish<1>(d, cell, suffix, suffix[0], c);
    } else {
      one_by_one<0>(d, cell, c);
    }
  }
};

/// Number of windows that `Shared` computes together.
template <int k, int stride>
inline constexpr int shared_windows = stride == 1 && k >= 4 ? 4 : 2;

/// Calls f(d, c) for full vectors of channels. Returns the first remaining channel.
template <class F>
HWY_INLINE std::int64_t for_whole_vectors(std::int64_t channels, const F& f) {
  const hn::ScalableTag<float> d;
  constexpr std::int64_t lanes = hn::MaxLanes(d);
  std::int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) f(d, c);
  return c;
}

}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::pool
HWY_AFTER_NAMESPACE();

#endif
