// Gradient of pooling for any window and any argmax, NHWC, channels in lanes. For overlapping windows separable_gradient.cc is faster.
//
// max: dsrc[cell argmax of each window] += ddst; average: dsrc[each cell in the map] += ddst / cells.
// Two loop nests:
//   windows that tile the map (stride = window): image, y, x | vectors of channels | i, j. Every cell is written once: ddst where the
//   argmax is its number, 0 elsewhere.
//   other windows: image, row, column | vectors of channels | the outputs whose windows contain the pixel, listed once for each pixel in
//   row-major order. Every pixel is written once, and its sum has the reference's order.
// An average with overlap first divides each ddst once, into scratch.
// Registers: one sum, one gradient, one argmax. Bound by stores (2x2: 1.25 floats read, 4 written), which bypass the caches for large maps.
// Measured (Zen 4, AVX-512; GB/s read and written; shared machine, 10-25 % noise; memcpy of the same run in brackets):
//   one core, in L2: max 2x2/2 51 (53), average 2x2/2 55 (99), max 3x3/2 12 (108), average 3x3/2 11 (111), max 2x2/1 19 (91)
// Alone on 32x112x112x64: docs/engine.md, "Pooling alone".
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool/vector_gradient.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "hwy/cache_control.h"
#include "kernels/pool/lanes-inl.h"
#include "kernels/pool/vector.h"
#include "kernels/pool/window.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::pool {
namespace HWY_NAMESPACE {
namespace {

/// The gradient of a vector of channels where their argmax is `cell`, 0 elsewhere.
template <class D>
HWY_INLINE hn::Vec<D> where_argmax(D d, hn::Vec<D> gradient, const std::uint8_t* argmax, std::int32_t cell) {
  const hn::Rebind<std::int32_t, D> di;
  const hn::Rebind<std::uint8_t, D> du;
  const auto index = hn::PromoteTo(di, hn::LoadU(du, argmax));
  return hn::IfThenElseZero(hn::RebindMask(d, hn::Eq(index, hn::Set(di, cell))), gradient);
}

struct Zeros {
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    hn::StoreU(hn::Zero(d), d, dst + c);
  }
};

// ---- windows that tile the map ----

/// One window. `origin`: offset of its cell (0, 0), which may lie outside the map. `rows`, `columns`: the cells inside the map.
struct Cells {
  std::int64_t origin;
  Range rows, columns;
  std::int64_t row_step, column_step, window_width;
};

/// As many channels of a window as D has lanes. kh, kw: size of a whole window at compile time; 0: any window.
template <PoolKind kind, int kh, int kw>
struct OneWindow {
  const float* ddst;
  const std::uint8_t* argmax;
  float* dsrc;
  const Cells& cells;
  Divisor divisor;
  bool stream;

  template <class D>
  HWY_INLINE void cell(D d, hn::Vec<D> gradient, std::int64_t i, std::int64_t j, std::int64_t width, std::int64_t c) const {
    if constexpr (kind == PoolKind::max) gradient = where_argmax(d, gradient, argmax + c, static_cast<std::int32_t>(i * width + j));
    store(d, gradient, dsrc + (cells.origin + i * cells.row_step + j * cells.column_step + c), stream);
  }

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    auto gradient = hn::LoadU(d, ddst + c);
    if constexpr (kind == PoolKind::average) gradient = divisor.divide(d, gradient);
    if constexpr (kh > 0) {
#pragma GCC unroll 4
      for (int i = 0; i < kh; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < kw; ++j) cell(d, gradient, i, j, kw, c);
    } else {
      for (std::int64_t i = cells.rows.begin; i < cells.rows.end; ++i)
        for (std::int64_t j = cells.columns.begin; j < cells.columns.end; ++j) cell(d, gradient, i, j, cells.window_width, c);
    }
  }
};

/// Windows from x.begin on of a row of whole 2x2 windows, with one channel, in full vectors. Returns the first remaining window.
template <PoolKind kind>
HWY_INLINE std::int64_t one_channel_2x2(const float* ddst, const std::uint8_t* argmax, float* above, float* below, Range x) {
  const hn::ScalableTag<float> d;
  constexpr std::int64_t lanes = hn::MaxLanes(d);
  for (; x.size() >= lanes; x.begin += lanes) {
    const auto gradient = hn::LoadU(d, ddst + x.begin);
    if constexpr (kind == PoolKind::max) {
      const std::uint8_t* where = argmax + x.begin;
      hn::StoreInterleaved2(where_argmax(d, gradient, where, 0), where_argmax(d, gradient, where, 1), d, above + 2 * x.begin);
      hn::StoreInterleaved2(where_argmax(d, gradient, where, 2), where_argmax(d, gradient, where, 3), d, below + 2 * x.begin);
    } else {
      const auto share = hn::Mul(gradient, hn::Set(d, 0.25f));
      hn::StoreInterleaved2(share, share, d, above + 2 * x.begin);
      hn::StoreInterleaved2(share, share, d, below + 2 * x.begin);
    }
  }
  return x.begin;
}

template <PoolKind kind, int kh, int kw>
HWY_NOINLINE void tiled(const Geometry& g, const PoolInputGradient::Args<float>& args) {
  const Axis rows = rows_of(g);
  const Axis columns = columns_of(g);
  const bool apart = g.src_pixel == 1 && g.dst_pixel == 1 && g.channels == 1 && kh == 2 && kw == 2 && g.pad_left == 0;
  const Range whole_columns = columns.interior();
  const bool stream = streams(args.dsrc, args.images * g.height * g.width * g.channels, g.src_pixel, g.src_row, g.src_image, g.channels);
  // Pixels that no window covers, at the end of both axes.
  const std::int64_t covered_rows = std::min(g.height, rows.start(g.out_height));
  const std::int64_t covered_columns = std::min(g.width, columns.start(g.out_width));

  for (std::int64_t image = 0; image < args.images; ++image) {
    for (std::int64_t y = 0; y < g.out_height; ++y) {
      const Range cell_rows = rows.cells(y);
      const float* ddst = args.ddst + image * g.dst_image + y * g.dst_row;
      const std::uint8_t* argmax =
          kind == PoolKind::max ? args.argmax + (image * g.out_height + y) * g.out_width * g.channels : nullptr;
      const std::int64_t origin = image * g.src_image + rows.start(y) * g.src_row - g.pad_left * g.src_pixel;
      std::int64_t x = 0;
      if (apart && cell_rows.size() == 2) {
        float* above = args.dsrc + origin;
        x = one_channel_2x2<kind>(ddst, argmax, above, above + g.src_row, {0, whole_columns.end});
      }
      for (; x < g.out_width; ++x) {
        const bool whole = x >= whole_columns.begin && x < whole_columns.end;
        const Range cell_columns = whole ? Range{0, g.window_width} : columns.cells(x);
        const Cells cells{origin + x * g.stride_width * g.src_pixel, cell_rows, cell_columns, g.src_row, g.src_pixel, g.window_width};
        const std::int64_t count = cells.rows.size() * cells.columns.size();
        const float* gradient = ddst + x * g.dst_pixel;
        const std::uint8_t* where = kind == PoolKind::max ? argmax + x * g.channels : nullptr;
        if (kh > 0 && count == g.window_height * g.window_width)
          for_lanes(0, g.channels, OneWindow<kind, kh, kw>{gradient, where, args.dsrc, cells, Divisor(count), stream});
        else
          for_lanes(0, g.channels, OneWindow<kind, 0, 0>{gradient, where, args.dsrc, cells, Divisor(count), stream});
      }
    }
    float* dsrc = args.dsrc + image * g.src_image;
    for (std::int64_t row = 0; row < g.height; ++row)
      for (std::int64_t column = row < covered_rows ? covered_columns : 0; column < g.width; ++column)
        for_lanes(0, g.channels, Zeros{dsrc + row * g.src_row + column * g.src_pixel});
  }
  if (stream) hwy::FlushStream();
}

// ---- other windows: for each pixel the outputs whose windows contain it ----

/// An output whose window contains the present pixel: offset of its gradient and argmax, and the cell of its window that the pixel is.
struct Seer {
  std::int64_t ddst, argmax;
  std::int32_t cell;
};

/// As many channels of a pixel (or of a run of them) as D has lanes.
template <PoolKind kind>
struct OnePixel {
  const float* ddst;
  const std::uint8_t* argmax;
  float* dsrc;
  const Seer* seers;
  int count;
  bool go_on;  // adds to the sum of the outputs before

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    auto sum = go_on ? hn::LoadU(d, dsrc + c) : hn::Zero(d);
    for (int s = 0; s < count; ++s) {
      auto gradient = hn::LoadU(d, ddst + seers[s].ddst + c);
      if constexpr (kind == PoolKind::max) gradient = where_argmax(d, gradient, argmax + seers[s].argmax + c, seers[s].cell);
      sum = hn::Add(sum, gradient);
    }
    hn::StoreU(sum, d, dsrc + c);
  }
};

/// Sums the gradients of a pixel, or of a run of neighbours, over the outputs whose windows contain it, in row-major order. `row` and
/// `column` count from the edge of the padding. ddst and argmax are those of the image.
template <PoolKind kind>
HWY_INLINE void sum_pixel(const Geometry& g, const float* ddst, const std::uint8_t* argmax, std::int64_t ddst_row, std::int64_t ddst_pixel,
                          Range ys, Range xs, std::int64_t row, std::int64_t column, std::int64_t channels, float* dsrc) {
  constexpr int most = 64;
  Seer seers[most];
  int count = 0;
  bool go_on = false;
  for (std::int64_t y = ys.begin; y < ys.end; ++y) {
    std::int64_t i = row - y * g.stride_height;
    if (g.dilation_height > 1) {
      if (i % g.dilation_height != 0) continue;
      i /= g.dilation_height;
    }
    for (std::int64_t x = xs.begin; x < xs.end; ++x) {
      std::int64_t j = column - x * g.stride_width;
      if (g.dilation_width > 1) {
        if (j % g.dilation_width != 0) continue;
        j /= g.dilation_width;
      }
      if (count == most) {
        for_lanes(0, channels, OnePixel<kind>{ddst, argmax, dsrc, seers, count, go_on});
        go_on = true;
        count = 0;
      }
      const auto cell = static_cast<std::int32_t>(i * g.window_width + j);
      seers[count++] = {y * ddst_row + x * ddst_pixel, (y * g.out_width + x) * g.channels, cell};
    }
  }
  for_lanes(0, channels, OnePixel<kind>{ddst, argmax, dsrc, seers, count, go_on});
}

struct Share {
  const float* ddst;
  float* share;
  Divisor divisor;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    hn::StoreU(divisor.divide(d, hn::LoadU(d, ddst + c)), d, share + c);
  }
};

/// share[y,x,c] = ddst[y,x,c] / cells in the map, for one image.
HWY_INLINE void divide_by_cells(const Geometry& g, const Axis& rows, const Axis& columns, const float* ddst, float* share) {
  for (std::int64_t y = 0; y < g.out_height; ++y) {
    const std::int64_t cells = rows.cells(y).size();
    for (std::int64_t x = 0; x < g.out_width; ++x) {
      const std::int64_t count = std::max<std::int64_t>(cells * columns.cells(x).size(), 1);
      for_lanes(0, g.channels, Share{ddst + y * g.dst_row + x * g.dst_pixel, share + (y * g.out_width + x) * g.channels, Divisor(count)});
    }
  }
}

template <PoolKind kind>
HWY_NOINLINE void gathered(const Geometry& g, const PoolInputGradient::Args<float>& args) {
  const Axis rows = rows_of(g);
  const Axis columns = columns_of(g);
  constexpr bool average = kind == PoolKind::average;
  const std::int64_t ddst_pixel = average ? g.channels : g.dst_pixel;
  const std::int64_t ddst_row = average ? g.channels * g.out_width : g.dst_row;
  // With stride 1 and dense pixels, the columns that lie in all window columns are computed as one long pixel.
  const Range joined{std::min(g.width, columns.reach() - 1 - g.pad_left), std::min(g.width, g.out_width - g.pad_left)};
  const bool join = g.stride_width == 1 && g.src_pixel == g.channels && ddst_pixel == g.channels && joined.begin >= 0 && joined.size() > 1;

  for (std::int64_t image = 0; image < args.images; ++image) {
    const float* ddst = args.ddst + image * g.dst_image;
    if constexpr (average) {
      divide_by_cells(g, rows, columns, ddst, args.scratch);
      ddst = args.scratch;
    }
    const std::uint8_t* argmax = average ? nullptr : args.argmax + image * g.out_height * g.out_width * g.channels;
    for (std::int64_t row = 0; row < g.height; ++row) {
      const Range ys = rows.seen_by(row);
      float* dsrc = args.dsrc + image * g.src_image + row * g.src_row;
      for (std::int64_t column = 0; column < g.width;) {
        const std::int64_t run = join && column == joined.begin ? joined.size() : 1;
        sum_pixel<kind>(g, ddst, argmax, ddst_row, ddst_pixel, ys, columns.seen_by(column), row + g.pad_top, column + g.pad_left,
                        run * g.channels, dsrc + column * g.src_pixel);
        column += run;
      }
    }
  }
}

template <PoolKind kind>
void gradient_of(const Geometry& g, const PoolInputGradient::Args<float>& args) {
  if (!rows_of(g).tiling() || !columns_of(g).tiling()) return gathered<kind>(g, args);
  if (g.window_height == 2 && g.window_width == 2) return tiled<kind, 2, 2>(g, args);
  if (g.window_height == 3 && g.window_width == 3) return tiled<kind, 3, 3>(g, args);
  tiled<kind, 0, 0>(g, args);
}

void gradient(const PoolInputGradient::Problem& problem, const PoolInputGradient::Args<float>& args) {
  if (problem.kind == PoolKind::max) return gradient_of<PoolKind::max>(problem.geometry, args);
  gradient_of<PoolKind::average>(problem.geometry, args);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::pool
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::pool {

HWY_EXPORT(gradient);

bool VectorGradient::supports(const PoolInputGradient::Problem& problem) {
  return problem.kind == PoolKind::average || problem.geometry.window_height * problem.geometry.window_width <= 256;
}

std::int64_t VectorGradient::scratch(const PoolInputGradient::Problem& problem, std::int64_t) {
  const Geometry& g = problem.geometry;
  const bool tiled = rows_of(g).tiling() && columns_of(g).tiling();
  return problem.kind == PoolKind::average && !tiled ? g.out_height * g.out_width * g.channels : 0;
}

void VectorGradient::run(const PoolInputGradient::Problem& problem, const PoolInputGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(gradient)(problem, args);
}

}  // namespace linn::detail::kernels::pool
#endif
