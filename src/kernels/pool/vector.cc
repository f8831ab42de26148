// Pooling for any window, NHWC, channels in lanes, one window at a time. For overlapping windows separable.cc is faster.
//
// dst[n,y,x,c] = max (or mean) over cells (i,j) in the map of src[n, y*sh-pt+i*dh, x*sw-pl+j*dw, c]; argmax[n,y,x,c] = first i*kw+j.
// Loop nest: image, y, x | vectors of channels | i, j (unrolled for whole 2x2 and 3x3 windows).
// With stride 1 and dense pixels, neighbouring windows read neighbouring channels; all whole windows of a row are then computed as one long
// pixel. One channel with 2x2 windows at stride 2 separates the even and odd columns (LoadInterleaved2).
// Registers: the maximum, its cell, a sum, one value, a mask. The next vector of channels hides the latency.
// Bound by memory: 2x2/2 reads 4 floats and writes 1.25 for 3 comparisons. For maps larger than the caches, stores bypass the caches and
// inputs are prefetched 4 KiB ahead: 2x2/2 alone on 32x112x112x64 then takes a third less time (docs/engine.md, "Pooling alone").
// Measured (Zen 4, AVX-512; GB/s read and written; shared machine, 10-25 % noise; memcpy of the same run in brackets):
//   one core, in L2: 2x2/2 with argmax 50 (53), without 56 (97), average 51 (99); one channel 2x2/2 35 (112)
// With checks for NaN in each step (two comparisons for each cell) it took 1.6 to 2 times as long. 3 channels, which fill no vector: 4
// GB/s.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool/vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <limits>

#include "hwy/cache_control.h"
#include "kernels/pool/lanes-inl.h"
#include "kernels/pool/vector.h"
#include "kernels/pool/window.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::pool {
namespace HWY_NAMESPACE {
namespace {

/// The kind of pooling, as template arguments.
enum class Mode { average, max, argmax };

/// One window. `origin`: offset of its cell (0, 0), which may lie outside the map. `rows`, `columns`: the cells inside the map.
struct Cells {
  std::int64_t origin;
  Range rows, columns;
  std::int64_t row_step, column_step, window_width;

  std::int64_t at(std::int64_t i, std::int64_t j) const { return origin + i * row_step + j * column_step; }
};

/// The running result of one vector of channels. `checked`: checks for NaN in each step. Without it a maximum takes one comparison for each
/// cell, and a sum of all cells, on ports that comparisons do not use, detects NaN.
template <Mode mode, bool checked, class D>
struct Result {
  using Index = hn::Rebind<std::int32_t, D>;
  D d;
  Index di;
  hn::Vec<D> value, sum;
  hn::Vec<Index> cell;

  HWY_INLINE void start(std::int32_t first_cell) {
    sum = hn::Zero(d);
    value = hn::Set(d, -std::numeric_limits<float>::infinity());
    cell = hn::Set(di, first_cell);
  }
  HWY_INLINE void take(hn::Vec<D> v, std::int32_t which) {
    if constexpr (mode == Mode::average || !checked) sum = hn::Add(sum, v);
    if constexpr (mode == Mode::max && !checked) value = hn::Max(v, value);
    if constexpr (mode == Mode::argmax || (mode == Mode::max && checked)) {
      const auto moves = larger(v);
      value = hn::IfThenElse(moves, v, value);
      if constexpr (mode == Mode::argmax) cell = hn::IfThenElse(hn::RebindMask(di, moves), hn::Set(di, which), cell);
    }
  }
  HWY_INLINE auto larger(hn::Vec<D> v) const {
    if constexpr (checked) return beats(v, value);
    else return hn::Gt(v, value);
  }
  /// Whether a cell may have been NaN: the sum is NaN for NaN and for infinities of both signs. Then the result must be computed again with
  /// checks.
  HWY_INLINE bool doubtful() const {
    if constexpr (mode == Mode::average || checked) return false;
    return !hn::AllTrue(d, hn::Eq(sum, sum));
  }
  HWY_INLINE void put(const Divisor& cells, float* dst, std::uint8_t* argmax, bool stream) const {
    if constexpr (mode == Mode::average) {
      store(d, cells.divide(d, sum), dst, stream);
    } else {
      store(d, value, dst, stream);
      if constexpr (mode == Mode::argmax) {
        const hn::Rebind<std::uint8_t, D> du;
        hn::StoreU(hn::DemoteTo(du, cell), du, argmax);
      }
    }
  }
};

/// One output pixel (or a run of them), as many channels as D has lanes. kh, kw: size of a whole window at compile time; 0: any window.
template <Mode mode, int kh, int kw>
struct OnePixel {
  const float* src;
  float* dst;
  std::uint8_t* argmax;
  Cells cells;
  Divisor divisor;
  bool stream;

  /// All cells of a whole window. Returns false if a cell may be NaN.
  template <bool checked, class D>
  HWY_INLINE bool whole(D d, std::int64_t c) const {
    Result<mode, checked, D> result;
    result.start(0);
#pragma GCC unroll 4
    for (int i = 0; i < kh; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < kw; ++j) result.take(hn::LoadU(d, src + cells.at(i, j) + c), i * kw + j);
    if (HWY_UNLIKELY(result.doubtful())) return false;
    result.put(divisor, dst + c, argmax + (mode == Mode::argmax ? c : 0), stream);
    return true;
  }

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    if constexpr (kh > 0) {
      if (!whole<false>(d, c)) whole<true>(d, c);
    } else {
      Result<mode, true, D> result;
      const bool any = cells.rows.size() > 0 && cells.columns.size() > 0;
      result.start(static_cast<std::int32_t>(any ? cells.rows.begin * cells.window_width + cells.columns.begin : 0));
      for (std::int64_t i = cells.rows.begin; i < cells.rows.end; ++i)
        for (std::int64_t j = cells.columns.begin; j < cells.columns.end; ++j)
          result.take(hn::LoadU(d, src + cells.at(i, j) + c), static_cast<std::int32_t>(i * cells.window_width + j));
      result.put(divisor, dst + c, argmax + (mode == Mode::argmax ? c : 0), stream);
    }
  }
};

/// Outputs from x.begin on of a row of whole 2x2 windows at stride 2, with one channel, in full vectors. Returns the first remaining
/// output.
template <Mode mode>
HWY_INLINE std::int64_t one_channel_2x2(const float* above, const float* below, float* dst, std::uint8_t* argmax, Range x) {
  const hn::ScalableTag<float> d;
  constexpr std::int64_t lanes = hn::MaxLanes(d);
  const Divisor four(4);
  for (; x.size() >= lanes; x.begin += lanes) {
    hn::Vec<decltype(d)> cell[4];
    hn::LoadInterleaved2(d, above + 2 * x.begin, cell[0], cell[1]);
    hn::LoadInterleaved2(d, below + 2 * x.begin, cell[2], cell[3]);
    std::uint8_t* where = argmax + (mode == Mode::argmax ? x.begin : 0);
    Result<mode, false, hn::ScalableTag<float>> result;
    result.start(0);
    for (int i = 0; i < 4; ++i) result.take(cell[i], i);
    if (HWY_LIKELY(!result.doubtful())) {
      result.put(four, dst + x.begin, where, false);
      continue;
    }
    Result<mode, true, hn::ScalableTag<float>> checked;
    checked.start(0);
    for (int i = 0; i < 4; ++i) checked.take(cell[i], i);
    checked.put(four, dst + x.begin, where, false);
  }
  return x.begin;
}

template <Mode mode, int kh, int kw>
HWY_NOINLINE void pool(const PoolForward::Problem& problem, const PoolForward::Args<float>& args) {
  const Geometry& g = problem.geometry;
  const Axis rows = rows_of(g);
  const Axis columns = columns_of(g);
  const Range whole_columns = columns.interior();
  const bool dense = g.src_pixel == g.channels && g.dst_pixel == g.channels;
  const bool joined = dense && g.stride_width == 1;
  const bool apart = dense && g.channels == 1 && kw == 2 && g.stride_width == 2 && g.dilation_width == 1 && g.pad_left == 0;
  const Divisor whole_window(g.window_height * g.window_width);
  const bool stream = streams(args.dst, args.images * g.out_height * g.out_width * g.channels, g.dst_pixel, g.dst_row, g.dst_image, g.channels);
  // Prefetch distance for maps larger than the caches: a core does not look ahead over the work between two cache lines.
  const std::int64_t ahead = stream ? 4096 / static_cast<std::int64_t>(sizeof(float)) : 0, prefetched = ahead > 0 && !joined ? g.stride_width * g.src_pixel : 0;

  for (std::int64_t image = 0; image < args.images; ++image)
    for (std::int64_t y = 0; y < g.out_height; ++y) {
      const Range cell_rows = rows.cells(y);
      const bool whole_rows = cell_rows.size() == g.window_height;
      const std::int64_t src_row = image * g.src_image + rows.start(y) * g.src_row - g.pad_left * g.src_pixel;
      float* dst = args.dst + image * g.dst_image + y * g.dst_row;
      std::uint8_t* argmax = mode == Mode::argmax ? args.argmax + (image * g.out_height + y) * g.out_width * g.channels : nullptr;
      for (std::int64_t x = 0; x < g.out_width;) {
        const bool whole = whole_rows && x >= whole_columns.begin && x < whole_columns.end;
        if (apart && whole) {
          const float* above = args.src + src_row;
          const float* below = above + g.dilation_height * g.src_row;
          const std::int64_t next = one_channel_2x2<mode>(above, below, dst, argmax, {x, whole_columns.end});
          if (next > x) {
            x = next;
            continue;
          }
        }
        const std::int64_t run = joined && x == whole_columns.begin && whole_columns.size() > 0 ? whole_columns.size() : 1;
        const std::int64_t channels = run * g.channels;
        const Range cell_columns = whole ? Range{0, g.window_width} : columns.cells(x);
        const Cells cells{src_row + x * g.stride_width * g.src_pixel, cell_rows, cell_columns, g.dilation_height * g.src_row,
                          g.dilation_width * g.src_pixel, g.window_width};
        for (std::int64_t i = cell_rows.begin; i < cell_rows.end; ++i)
          for (std::int64_t c = 0; c < prefetched; c += 16) __builtin_prefetch(args.src + cells.at(i, 0) + ahead + c);
        float* pixel = dst + x * g.dst_pixel;
        std::uint8_t* where = mode == Mode::argmax ? argmax + x * g.channels : nullptr;
        if (whole && kh > 0) {
          for_lanes(0, channels, OnePixel<mode, kh, kw>{args.src, pixel, where, cells, whole_window, stream});
        } else {
          const std::int64_t count = cells.rows.size() * cells.columns.size();
          for_lanes(0, channels, OnePixel<mode, 0, 0>{args.src, pixel, where, cells, Divisor(count > 0 ? count : 1), stream});
        }
        x += run;
      }
    }
  if (stream) hwy::FlushStream();
}

template <Mode mode>
void pool_any(const PoolForward::Problem& problem, const PoolForward::Args<float>& args) {
  const Geometry& g = problem.geometry;
  if (g.window_height == 2 && g.window_width == 2) return pool<mode, 2, 2>(problem, args);
  if (g.window_height == 3 && g.window_width == 3) return pool<mode, 3, 3>(problem, args);
  pool<mode, 0, 0>(problem, args);
}

void forward(const PoolForward::Problem& problem, const PoolForward::Args<float>& args) {
  if (problem.kind == PoolKind::average) return pool_any<Mode::average>(problem, args);
  if (problem.argmax) return pool_any<Mode::argmax>(problem, args);
  pool_any<Mode::max>(problem, args);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::pool
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::pool {

HWY_EXPORT(forward);

bool Vector::supports(const PoolForward::Problem& problem) {
  return problem.kind == PoolKind::average || !problem.argmax || problem.geometry.window_height * problem.geometry.window_width <= 256;
}

void Vector::run(const PoolForward::Problem& problem, const PoolForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(forward)(problem, args);
}

}  // namespace linn::detail::kernels::pool
#endif
