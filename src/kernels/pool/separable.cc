// Pooling with overlapping windows, NHWC, channels in lanes, in two passes. The gradient of an average uses the same passes.
//
// First pass:  ring[r,x,c] = max (or sum) over j of src[r, x*sw-pl+j, c]
// Second pass: dst[y,x,c]  = max (or sum / cells) over i of ring[y*sh-pt+i, x, c]
// Loop nest:   image | channels, as many as let the ring fit the L2 cache | four output rows | about 2 KiB of pixels |
//              first pass: new input rows | pixels, 4 (2) windows at a time | vectors of channels | inputs
//              second pass: output rows, 4 (2) at a time | vectors of channels | rows of the ring            (separable.h)
// Argmax: the first pass keeps the first maximum of a row of cells, the second pass the first of the rows, so that it is the first in
// row-major order. The ring holds it as a byte, row * window_width + column; the second pass subtracts the begin of its window.
// NaN: the first pass also sums its inputs, on ports that comparisons do not use. If the sum is NaN, the pass is repeated with checks for
// NaN, and so is the second pass for these rows.
// Order of a sum: along each row from left to right, then rows from top to bottom, the same for every output. In the gradient of an
// average, the inputs of a pixel are its windows instead of cells, and ddst is divided by the number of cells before.
// Registers: 4 windows of k inputs: k + 3 values (and indices), at most 20 of 32; AVX2 and SSE4 have 16 and keep the rest on the stack.
// Measured (Zen 5 at 4.4 GHz, AVX-512, one core, 32x112x112x64; a share of a copy's 52 GB/s): docs/engine.md, "Pooling alone".
// A core that only reads reaches 42 GB/s. The first pass reads 25 to 29 GB/s with any kind of prefetch; it takes 4 cycles for each vector.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool/separable.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "hwy/cache_control.h"
#include "kernels/pool/separable-inl.h"
#include "kernels/pool/separable.h"
#include "kernels/pool/vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::pool {
namespace HWY_NAMESPACE {
namespace {

enum class Mode { average, max, argmax };

/// Joins two cells; `a` is the first. `checked`: checks for NaN in each step; otherwise the sum of all inputs detects NaN.
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
    if constexpr (checked)
      return beats(b, a);
    else
      return hn::Gt(b, a);
  }
};

/// The rule of the second pass. Needs no check, because the ring's values were checked in the first pass.
template <class R>
struct Trusting : R {
  static constexpr bool minds_nan = false;
};

/// Outputs of one or several rows. `base`: number of the first cell of row 0's window; `base_step`: its step from row to row.
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

// ---- first pass ----

/// An input row and its row of the ring.
template <class R>
struct AlongRow {
  static constexpr bool numbered = R::numbered;
  const Sweep& s;
  std::int64_t row;
  const float* src;
  std::int64_t src_pixel;
  std::uint8_t* doubtful;

  AlongRow(const Sweep& sweep, std::int64_t r)
      : s(sweep),
        row(r),
        src(s.shares != nullptr ? s.shares + s.slot(r) * s.share_row : s.src + r * s.src_row),
        src_pixel(s.shares != nullptr ? s.channels : s.src_pixel),
        doubtful(s.doubtful + s.slot(r)) {}

  /// Inputs from `first` on, for output q; numbered row * window_width + column within q's window, modulo 256.
  HWY_INLINE PixelSource<numbered> source(std::int64_t q, std::int64_t first) const {
    const std::int64_t number = row * s.columns.axis.window + first - s.columns.axis.start(q);
    return {src + first * src_pixel, src_pixel, static_cast<std::int32_t>(number % 256)};
  }
  HWY_INLINE RingSink<numbered> sink(std::int64_t q) const {
    const std::int64_t at = s.slot(row) * s.ring_row + q * s.channels;
    return {s.values + at, numbered ? s.indices + at : nullptr, s.channels, s.columns.axis.stride};
  }
};

/// Outputs [q, q + run), whose inputs are neighbours too, computed one window at a time; channels from `first` on.
template <class R>
HWY_NOINLINE void join_each_column(const AlongRow<R>& a, std::int64_t q, std::int64_t run, std::int64_t first) {
  const Range inputs = a.s.columns.of(q);
  const Direct<R, PixelSource<R::numbered>, RingSink<R::numbered>> one{a.source(q, inputs.begin), inputs.size(), a.sink(q), a.doubtful};
  if (first > 0) return for_lanes(first, a.s.channels, one);
  for_blocks(run * a.s.channels, one);
}

/// First pass over some pixels of an input row. k: width of the windows (with this stride) at compile time; 0: any.
template <class R, int k, int stride>
HWY_NOINLINE void join_columns(const Sweep& s, std::int64_t row, Range x) {
  const AlongRow<R> a(s, row);
  const Range steady = s.steady_columns.in(x);
  std::int64_t q = x.begin;
  for (; q < steady.begin; ++q) join_each_column(a, q, 1, 0);
  if constexpr (k > 1) {
    constexpr int n = shared_windows<k, stride>;
    using Several = Shared<R, n, k, stride, PixelSource<R::numbered>, RingSink<R::numbered>>;
    if (s.channels >= static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<float>())))
      for (; q + n <= steady.end; q += n) {
        const std::int64_t left = for_whole_vectors(s.channels, Several{a.source(q, s.columns.of(q).begin), a.sink(q), a.doubtful});
        for (int o = 0; left < s.channels && o < n; ++o) join_each_column(a, q + o, 1, left);
      }
  }
  if (s.columns.axis.stride == 1 && a.src_pixel == s.channels && q < steady.end) join_each_column(a, q, steady.end - q, 0), q = steady.end;
  for (; q < x.end; ++q) join_each_column(a, q, 1, 0);
}

// ---- second pass ----

/// Pixels [q, q + run) of all rows.
template <class R>
struct DownColumns {
  static constexpr bool numbered = R::numbered;
  const Sweep& s;
  std::int64_t q, channels;

  HWY_INLINE RingSource<numbered> source(std::int64_t row) const {
    const std::int64_t at = q * s.channels;
    return {s.values + at, numbered ? s.indices + at : nullptr, s.ring_row, s.slots, s.slot(s.rows.of(row).begin)};
  }
  HWY_INLINE MapSink<R::mode> sink(std::int64_t row) const {
    const std::int64_t base = s.rows.axis.start(row) * s.columns.axis.window;
    const std::int64_t cells = s.rows.gradient ? 1 : s.rows.of(row).size() * s.columns.of(q).size();
    return {s.dst + row * s.dst_row + q * s.dst_pixel,
            s.dst_row,
            numbered ? s.argmax + row * s.argmax_row + q * s.argmax_pixel : nullptr,
            s.argmax_row,
            static_cast<std::int32_t>(base % 256),
            static_cast<std::int32_t>(s.rows.axis.stride * s.columns.axis.window),
            Divisor(cells),
            s.stream};
  }
};

/// One output row alone; channels from `first` on.
template <class R>
HWY_NOINLINE void join_each_row(const DownColumns<R>& a, std::int64_t row, std::int64_t first) {
  const Direct<R, RingSource<R::numbered>, MapSink<R::mode>> one{a.source(row), a.s.rows.of(row).size(), a.sink(row), nullptr};
  if (first > 0) return for_lanes(first, a.channels, one);
  for_blocks(a.channels, one);
}

template <class R, int k, int stride>
HWY_INLINE void join_rows_of(const Sweep& s, Range y, std::int64_t q, std::int64_t run) {
  const DownColumns<R> a{s, q, run * s.channels};
  while (y.size() > 0) {
    if constexpr (k > 1) {
      constexpr int n = shared_windows<k, stride>;
      if (y.size() >= n && y.begin >= s.steady_rows.begin && y.begin + n <= s.steady_rows.end) {
        using Several = Shared<R, n, k, stride, RingSource<R::numbered>, MapSink<R::mode>>;
        const std::int64_t left = for_whole_vectors(a.channels, Several{a.source(y.begin), a.sink(y.begin), nullptr});
        for (int o = 0; left < a.channels && o < n; ++o) join_each_row(a, y.begin + o, left);
        y.begin += n;
        continue;
      }
    }
    join_each_row(a, y.begin, 0);
    ++y.begin;
  }
}

/// Second pass over some pixels of some output rows, from the ring. k and stride as in the first pass.
template <class R, int k, int stride>
HWY_NOINLINE void join_rows(const Sweep& s, Range y, Range x) {
  const bool dense = s.dst_pixel == s.channels && (!R::numbered || s.argmax_pixel == s.channels);
  // All pixels of a run must have the same number of cells, because an average divides by it.
  const Range alike = R::mode == Mode::average && !s.rows.gradient ? s.columns.axis.interior().in(x) : x;
  for (std::int64_t q = x.begin; q < x.end;) {
    const std::int64_t run = dense && q == alike.begin && alike.size() > 0 ? alike.size() : 1;
    join_rows_of<R, k, stride>(s, y, q, run);
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

struct Share {
  const float* ddst;
  float* share;
  Divisor cells;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    hn::StoreU(cells.divide(d, hn::LoadU(d, ddst + c)), d, share + c);
  }
};

/// The share of each cell of some windows: their gradient divided by their number of cells.
HWY_NOINLINE void divide_by_cells(const Sweep& s, std::int64_t row, Range x) {
  const std::int64_t cells = s.rows.axis.cells(row).size();
  const Range whole = s.columns.axis.interior();
  for (std::int64_t q = x.begin; q < x.end; ++q) {
    const std::int64_t columns = q >= whole.begin && q < whole.end ? s.columns.axis.window : s.columns.axis.cells(q).size();
    for_lanes(
        0, s.channels,
        Share{s.src + row * s.src_row + q * s.src_pixel, s.shares + s.slot(row) * s.share_row + q * s.channels, Divisor(cells * columns)});
  }
}

template <Mode mode, int k, int stride>
void along_row(const Sweep& s, std::int64_t row, Range x) {
  if (s.shares != nullptr) divide_by_cells(s, row, new_inputs(s.columns, x));
  join_columns<Rule<mode, false>, k, stride>(s, row, x);
  if (mode != Mode::average && HWY_UNLIKELY(s.doubtful[s.slot(row)] != 0)) join_columns<Rule<mode, mode != Mode::average>, 0, 1>(s, row, x);
}

template <Mode mode, int k, int stride>
void down_columns(const Sweep& s, Range y, Range x) {
  if (HWY_UNLIKELY(any_doubtful<mode>(s, y))) return join_rows<Rule<mode, mode != Mode::average>, 0, 1>(s, y, x);
  join_rows<Trusting<Rule<mode, false>>, k, stride>(s, y, x);
}

/// The passes for windows of this height and width, with code that shares work between neighbours if there is one.
template <Mode mode>
Passes passes_for(const Axis& rows, const Axis& columns) {
  constexpr decltype(Passes::along_row) along[2][6] = {{along_row<mode, 2, 1>, along_row<mode, 3, 1>, along_row<mode, 4, 1>,
                                                        along_row<mode, 5, 1>, along_row<mode, 6, 1>, along_row<mode, 7, 1>},
                                                       {along_row<mode, 0, 1>, along_row<mode, 3, 2>, along_row<mode, 4, 2>,
                                                        along_row<mode, 5, 2>, along_row<mode, 6, 2>, along_row<mode, 7, 2>}};
  constexpr decltype(Passes::down_columns) down[2][6] = {{down_columns<mode, 2, 1>, down_columns<mode, 3, 1>, down_columns<mode, 4, 1>,
                                                          down_columns<mode, 5, 1>, down_columns<mode, 6, 1>, down_columns<mode, 7, 1>},
                                                         {down_columns<mode, 0, 1>, down_columns<mode, 3, 2>, down_columns<mode, 4, 2>,
                                                          down_columns<mode, 5, 2>, down_columns<mode, 6, 2>, down_columns<mode, 7, 2>}};
  const auto known = [](const Axis& axis) { return axis.window >= 2 && axis.window <= 7 && axis.stride <= 2; };
  return {known(columns) ? along[columns.stride - 1][columns.window - 2] : along_row<mode, 0, 1>,
          known(rows) ? down[rows.stride - 1][rows.window - 2] : down_columns<mode, 0, 1>};
}

void separable(const Sweep& sweep, PoolKind kind, bool argmax) {
  const Axis &rows = sweep.rows.axis, &columns = sweep.columns.axis;
  if (kind == PoolKind::average)
    sweep_image(sweep, passes_for<Mode::average>(rows, columns));
  else if (argmax)
    sweep_image(sweep, passes_for<Mode::argmax>(rows, columns));
  else
    sweep_image(sweep, passes_for<Mode::max>(rows, columns));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::pool
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::pool {

HWY_EXPORT(separable);

bool Separable::supports(const PoolForward::Problem& problem) {
  const std::int64_t cells = problem.geometry.window_height * problem.geometry.window_width;
  return rows_overlap(problem.geometry) && cells > 4 && (problem.kind == PoolKind::average || !problem.argmax || cells <= 256);
}

std::int64_t Separable::scratch(const PoolForward::Problem& problem, std::int64_t) {
  return parts_of(problem.geometry, false, problem.kind, problem.argmax).total();
}

void Separable::run(const PoolForward::Problem& problem, const PoolForward::Args<float>& args) {
  const Geometry& g = problem.geometry;
  const bool numbered = problem.argmax && problem.kind == PoolKind::max;
  Sweep sweep = sweep_of(g, false, parts_of(g, false, problem.kind, problem.argmax), args.scratch);
  sweep.stream = streams(args.dst, args.images * g.out_height * g.out_width * g.channels, g.dst_pixel, g.dst_row, g.dst_image, g.channels);
  const std::int64_t step = sweep.channels;
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

void average_gradient(const Sweep& sweep) { HWY_DYNAMIC_DISPATCH(separable)(sweep, PoolKind::average, false); }

}  // namespace linn::detail::kernels::pool
#endif
