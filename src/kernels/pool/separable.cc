// TODO header
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool/separable.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "hwy/cache_control.h"
#include "kernels/pool/separable-inl.h"
#include "kernels/pool/separable.h"
#include "kernels/pool/vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::kernels::pool {
namespace HWY_NAMESPACE {
namespace {

enum class Mode { average, max, argmax };

/// How two cells become one; `a` comes first. `checked` keeps the rule of NaN, which otherwise the sum of all inputs watches over.
template <Mode mode_, bool checked>
struct Rule {
  static constexpr Mode mode = mode_;
  static constexpr bool numbered = mode == Mode::argmax;
  static constexpr bool any_grouping = mode != Mode::average;
  static constexpr bool minds_nan = mode != Mode::average && !checked;

  template <class D>
  static HWY_INLINE Cell<D> join(const Cell<D>& a, const Cell<D>& b) {
    if constexpr (mode == Mode::average) return {hn::Add(a.value, b.value), a.index};
    if constexpr (mode == Mode::max && !checked) return {hn::Max(b.value, a.value), a.index};
    const auto moves = larger(a.value, b.value);
    const auto value = checked ? hn::IfThenElse(moves, b.value, a.value) : hn::Max(b.value, a.value);
    if constexpr (!numbered) return {value, a.index};
    return {value, hn::IfThenElse(hn::RebindMask(hn::Rebind<std::int32_t, D>(), moves), b.index, a.index)};
  }

 private:
  template <class V>
  static HWY_INLINE auto larger(V a, V b) {
    if constexpr (checked) return beats(b, a);
    else return hn::Gt(b, a);
  }
};

/// The rule of the second pass: what comes from the ring has been looked at.
template <class R>
struct Trusting : R {
  static constexpr bool minds_nan = false;
};

/// Outputs of one or several rows. `base`: what row 0's window counts its cells from, `base_step` from row to row.
template <Mode mode>
struct MapSink {
  float* dst;
  std::int64_t row;
  std::uint8_t* argmax;
  std::int64_t argmax_row;
  std::int32_t base, base_step;
  Divisor cells;
  bool stream;

  template <class D>
  HWY_INLINE void put(D d, std::int64_t o, const Cell<D>& cell, std::int64_t c) const {
    const auto value = mode == Mode::average ? cells.divide(d, cell.value) : cell.value;
    store(d, value, dst + o * row + c, stream);
    if constexpr (mode == Mode::argmax) {
      const auto first = hn::Set(hn::Rebind<std::int32_t, D>(), base + static_cast<std::int32_t>(o) * base_step);
      store_bytes(d, hn::Sub(cell.index, first), argmax + o * argmax_row + c);
    }
  }
};

/// First pass: windows of columns on some pixels of an input row. k: windows of that width at stride 1; 0: any.
template <class R, int k>
HWY_NOINLINE void join_columns(const Sweep& s, std::int64_t row, Range x) {
  constexpr bool numbered = R::numbered;
  const float* src = s.src + row * s.src_row;
  const std::int64_t ring = s.slot(row) * s.ring_row;
  std::uint8_t* doubtful = s.doubtful + s.slot(row);
  const auto source = [&](std::int64_t q, std::int64_t first) {
    const std::int64_t number = row * s.columns.axis.window + first - s.columns.axis.start(q);
    return PixelSource<numbered>{src + first * s.src_pixel, s.src_pixel, static_cast<std::int32_t>(number % 256)};
  };
  const auto sink = [&](std::int64_t q) {
    return RingSink<numbered>{s.values + ring + q * s.channels, numbered ? s.indices + ring + q * s.channels : nullptr, s.channels};
  };
  const auto windows = [&](std::int64_t q, std::int64_t run) {
    const Range inputs = s.columns.of(q);
    using One = Direct<R, PixelSource<numbered>, RingSink<numbered>>;
    for_blocks(run * s.channels, One{source(q, inputs.begin), inputs.size(), sink(q), doubtful});
  };

  const Range steady = s.steady_columns.in(x);
  std::int64_t q = x.begin;
  for (; q < steady.begin; ++q) windows(q, 1);
  if constexpr (k > 1) {
    constexpr int n = shared_windows<k>;
    if (s.channels >= static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<float>())))
      for (; q + n <= steady.end; q += n) {
        const std::int64_t first = s.columns.axis.start(q);
        using Several = Shared<R, n, k, PixelSource<numbered>, RingSink<numbered>>;
        const std::int64_t left = for_whole_vectors(s.channels, Several{source(q, first), sink(q), doubtful});
        if (left == s.channels) continue;
        using One = Direct<R, PixelSource<numbered>, RingSink<numbered>>;
        for (int o = 0; o < n; ++o) for_lanes(left, s.channels, One{source(q + o, first + o), k, sink(q + o), doubtful});
      }
  }
  if (s.src_pixel == s.channels && q < steady.end) windows(q, steady.end - q), q = steady.end;
  for (; q < x.end; ++q) windows(q, 1);
}

/// Second pass: windows of rows, from the ring, on pixels [q, q + run) of output rows y. k as above.
template <class R, int k>
HWY_INLINE void join_rows_of(const Sweep& s, Range y, std::int64_t q, std::int64_t run) {
  constexpr bool numbered = R::numbered;
  const std::int64_t channels = run * s.channels, columns = s.columns.of(q).size();
  const auto source = [&](std::int64_t first) {
    const std::int64_t at = q * s.channels;
    return RingSource<numbered>{s.values + at, numbered ? s.indices + at : nullptr, s.ring_row, s.slots, s.slot(first)};
  };
  const auto sink = [&](std::int64_t row, std::int64_t count) {
    const std::int64_t base = s.rows.axis.start(row) * s.columns.axis.window;
    return MapSink<R::mode>{s.dst + row * s.dst_row + q * s.dst_pixel, s.dst_row,
                            numbered ? s.argmax + row * s.argmax_row + q * s.argmax_pixel : nullptr, s.argmax_row,
                            static_cast<std::int32_t>(base % 256), static_cast<std::int32_t>(s.columns.axis.window), Divisor(count * columns), s.stream};
  };
  using One = Direct<R, RingSource<numbered>, MapSink<R::mode>>;
  while (y.size() > 0) {
    const Range inputs = s.rows.of(y.begin);
    if constexpr (k > 1) {
      constexpr int n = shared_windows<k>;
      if (y.size() >= n && y.begin >= s.steady_rows.begin && y.begin + n <= s.steady_rows.end) {
        using Several = Shared<R, n, k, RingSource<numbered>, MapSink<R::mode>>;
        const std::int64_t left = for_whole_vectors(channels, Several{source(inputs.begin), sink(y.begin, k), nullptr});
        for (int o = 0; left < channels && o < n; ++o)
          for_lanes(left, channels, One{source(inputs.begin + o), k, sink(y.begin + o, k), nullptr});
        y.begin += n;
        continue;
      }
    }
    for_blocks(channels, One{source(inputs.begin), inputs.size(), sink(y.begin, inputs.size()), nullptr});
    ++y.begin;
  }
}

template <class R, int k>
HWY_NOINLINE void join_rows(const Sweep& s, Range y, Range x) {
  const bool dense = s.dst_pixel == s.channels && (!R::numbered || s.argmax_pixel == s.channels);
  // Pixels of one run must have as many cells: an average divides by them.
  const Range alike = R::mode == Mode::average ? s.columns.axis.interior().in(x) : x;
  for (std::int64_t q = x.begin; q < x.end;) {
    const std::int64_t run = dense && q == alike.begin && alike.size() > 0 ? alike.size() : 1;
    join_rows_of<R, k>(s, y, q, run);
    q += run;
  }
}

template <Mode mode>
bool any_doubtful(const Sweep& s, Range y) {
  if constexpr (mode == Mode::average) return false;
  for (std::int64_t row = s.rows.of(y.begin).begin; row < s.rows.of(y.end - 1).end; ++row)
    if (s.doubtful[s.slot(row)] != 0) return true;
  return false;
}

template <Mode mode, int k>
void along_row(const Sweep& s, std::int64_t row, Range x) {
  join_columns<Rule<mode, false>, k>(s, row, x);
  if (mode != Mode::average && HWY_UNLIKELY(s.doubtful[s.slot(row)] != 0)) join_columns<Rule<mode, mode != Mode::average>, 0>(s, row, x);
}

template <Mode mode, int k>
void down_columns(const Sweep& s, Range y, Range x) {
  if (HWY_UNLIKELY(any_doubtful<mode>(s, y))) return join_rows<Rule<mode, mode != Mode::average>, 0>(s, y, x);
  join_rows<Trusting<Rule<mode, false>>, k>(s, y, x);
}

/// The passes for windows of this height and width, where neighbours may share their work.
template <Mode mode>
Passes passes_for(std::int64_t height, std::int64_t width) {
  constexpr decltype(Passes::along_row) rows[] = {along_row<mode, 0>, along_row<mode, 0>, along_row<mode, 2>, along_row<mode, 3>,
                                                  along_row<mode, 4>, along_row<mode, 5>, along_row<mode, 6>, along_row<mode, 7>};
  constexpr decltype(Passes::down_columns) columns[] = {down_columns<mode, 0>, down_columns<mode, 0>, down_columns<mode, 2>, down_columns<mode, 3>,
                                                        down_columns<mode, 4>, down_columns<mode, 5>, down_columns<mode, 6>, down_columns<mode, 7>};
  return {rows[width < 8 ? width : 0], columns[height < 8 ? height : 0]};
}

void separable(const Sweep& sweep, PoolKind kind, bool argmax) {
  const std::int64_t height = sweep.rows.axis.stride == 1 ? sweep.rows.axis.window : 0;
  const std::int64_t width = sweep.columns.axis.stride == 1 ? sweep.columns.axis.window : 0;
  if (kind == PoolKind::average)
    sweep_image(sweep, passes_for<Mode::average>(height, width));
  else if (argmax)
    sweep_image(sweep, passes_for<Mode::argmax>(height, width));
  else
    sweep_image(sweep, passes_for<Mode::max>(height, width));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::kernels::pool
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::kernels::pool {

HWY_EXPORT(separable);

namespace {

Parts parts_of(const PoolForward::Problem& problem) {
  const Geometry& g = problem.geometry;
  const Line rows{rows_of(g)}, columns{columns_of(g)};
  const std::int64_t slots = ring_slots(rows), elements = slots * ring_row(columns, channels_at_once(rows, columns, g.channels));
  return {core::round_up(elements, 16), problem.argmax ? core::round_up(core::ceil_div(elements, 4), 16) : 0, core::round_up(core::ceil_div(slots, 4), 16), 0, 0};
}

}  // namespace

bool Separable::accepts(const PoolForward::Problem& problem) {
  const Geometry& g = problem.geometry;
  const bool overlap = g.stride_height < g.window_height && g.dilation_height == 1 && g.dilation_width == 1;
  const std::int64_t cells = g.window_height * g.window_width;
  return overlap && cells > 4 && (problem.kind == PoolKind::average || !problem.argmax || cells <= 256);
}

std::int64_t Separable::scratch(const PoolForward::Problem& problem, std::int64_t) { return parts_of(problem).total(); }

void Separable::run(const PoolForward::Problem& problem, const PoolForward::Args<float>& args) {
  const Geometry& g = problem.geometry;
  const bool numbered = problem.argmax && problem.kind == PoolKind::max;
  Sweep sweep{};
  sweep.rows = {rows_of(g)}, sweep.columns = {columns_of(g)};
  sweep.steady_rows = sweep.rows.steady(), sweep.steady_columns = sweep.columns.steady();
  sweep.src_pixel = g.src_pixel, sweep.src_row = g.src_row, sweep.dst_pixel = g.dst_pixel, sweep.dst_row = g.dst_row;
  sweep.argmax_pixel = g.channels, sweep.argmax_row = g.channels * g.out_width;
  sweep.stream = streams(args.dst, args.images * g.out_height * g.out_width * g.channels, g.dst_pixel, g.dst_row, g.dst_image, g.channels);
  const Parts parts = parts_of(problem);
  sweep.slots = ring_slots(sweep.rows);
  sweep.ring_row = ring_row(sweep.columns, channels_at_once(sweep.rows, sweep.columns, g.channels));
  sweep.values = args.scratch;
  sweep.indices = reinterpret_cast<std::uint8_t*>(args.scratch + parts.values);
  sweep.doubtful = reinterpret_cast<std::uint8_t*>(args.scratch + parts.values + parts.indices);
  const std::int64_t step = channels_at_once(sweep.rows, sweep.columns, g.channels);
  for (std::int64_t image = 0; image < args.images; ++image)
    for (std::int64_t c = 0; c < g.channels; c += step) {
      sweep.channels = std::min(step, g.channels - c);
      sweep.src = args.src + image * g.src_image + c;
      sweep.dst = args.dst + image * g.dst_image + c;
      sweep.argmax = numbered ? args.argmax + image * g.out_height * sweep.argmax_row + c : nullptr;
      HWY_DYNAMIC_DISPATCH(separable)(sweep, problem.kind, numbered);
    }
  if (sweep.stream) hwy::FlushStream();
}

}  // namespace linn::kernels::pool
#endif
