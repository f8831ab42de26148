// Resampling.
//
// Forward, 96 channels or more: output cell by output cell, channels in lanes. Copies one cell, or interpolates three times between
//     four cells.
// Forward, fewer channels: in strips of output columns whose rows stay in the L2 cache, from the first output row to the last.
//     Nearest: a row is written once and copied to the output rows that equal it. Bilinear: an input row is interpolated to the strip's
//     columns once and kept while it is in use; an output row is one interpolation of two such rows. Rows are widened cell by cell, those
//     of fewer than 8 channels element by element, with gathers.
// Gradient, nearest: an input cell is the sum of its output cells, which are read row by row.
// Gradient, bilinear: for each output row, for each input column: what the column takes from the row is added to two input rows.
// Prefetches ask for the next row in the order of memory, which neighbouring cells are not: they double the speed beyond the caches.
// Measured (Zen 5, AVX-512, one core), to twice the size, as a share of what memcpy moves in the same run, whose stores pass the caches by;
// before, with the loop over output cells alone, in brackets.
//
// |              | 14x14x16     | 14x14x64       | 8 of 56x56x16 | 8 of 56x56x64 | 8 of 56x56x256 |
// |--------------|--------------|----------------|---------------|---------------|----------------|
// | nearest      | 93 (36) GB/s | 162 (92) GB/s  | 0.89 (0.46)   | 0.88 (0.81)   | 0.90 (0.86)    |
// | its gradient | 78 (29) GB/s | 120 (56) GB/s  | 0.74 (0.41)   | 0.80 (0.77)   | 0.86 (0.77)    |
// | bilinear     | 45 (19) GB/s | 72 (34) GB/s   | 0.60 (0.39)   | 0.57 (0.51)   | 0.74 (0.76)    |
// | its gradient | 26 (12) GB/s | 41 (23) GB/s   | 0.28 (0.33)   | 0.80 (0.41)   | 0.84 (0.36)    |
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/resample/vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <hwy/cache_control.h>

#include <algorithm>

#include "kernels/eltwise/for_each-inl.h"
#include "kernels/resample/vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::resample {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using eltwise::HWY_NAMESPACE::Copy;
using eltwise::HWY_NAMESPACE::for_each;

/// a + (b - a) * weight, with each operation rounded (no fused multiply-add).
template <class V>
HWY_INLINE V between(V a, V b, V weight) {
  return hn::Add(a, hn::Mul(hn::Sub(b, a), weight));
}

/// One row from two. Asks for the memory of the output ahead of time, which is most of what this op moves.
struct Between {
  const float* a;
  const float* b;
  float weight;
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    hwy::Prefetch(dst + i + 1024);
    hn::StoreU(between(hn::LoadU(d, a + i), hn::LoadU(d, b + i), hn::Set(d, weight)), d, dst + i);
  }
};

// ---- forward, many channels: cell by cell ----

struct Interpolate {
  const float* cells[4];  // lower row: lower, upper column; upper row: the same
  float* dst;
  float down, right;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto top = between(hn::LoadU(d, cells[0] + i), hn::LoadU(d, cells[1] + i), hn::Set(d, right));
    const auto bottom = between(hn::LoadU(d, cells[2] + i), hn::LoadU(d, cells[3] + i), hn::Set(d, right));
    hn::StoreU(between(top, bottom, hn::Set(d, down)), d, dst + i);
  }
};

void forward_by_cells(const ResampleForward::Problem& p, const float* src, float* dst) {
  const std::int64_t channels = p.channels, row_size = p.width * channels;
  for (std::int64_t y = 0; y < p.out_height; ++y) {
    if (p.interpolation == Interpolation::nearest) {
      const float* row = src + p.rows().nearest(y) * row_size;
      for (std::int64_t x = 0; x < p.out_width; ++x, dst += channels)
        for_each(channels, Copy{row + p.columns().nearest(x) * channels, dst});
      continue;
    }
    const ResampleAxis::Cells row = p.rows().bilinear(y);
    const float *lower = src + row.lower * row_size, *upper = src + row.upper * row_size;
    for (std::int64_t x = 0; x < p.out_width; ++x, dst += channels) {
      const ResampleAxis::Cells column = p.columns().bilinear(x);
      const std::int64_t a = column.lower * channels, b = column.upper * channels;
      for_each(channels, Interpolate{{lower + a, lower + b, upper + a, upper + b}, dst, row.weight, column.weight});
    }
  }
}

// ---- forward, fewer channels: row by row ----

constexpr std::int64_t many_channels = 96;

/// Output columns [first, first + columns).
class Strip {
 public:
  static constexpr std::int64_t most = 8192;         // elements of a row
  static constexpr std::int64_t most_places = 1024;  // columns, or elements if there are fewer channels than `few`
  static constexpr std::int64_t few = 8;

  Strip(const ResampleForward::Problem& p, std::int64_t first)
      : first_(first),
        channels_(p.channels),
        by_cell_(channels_ >= few),
        columns_(std::min((by_cell_ ? most : most_places) / channels_, p.out_width - first)) {
    const std::int64_t copies = by_cell_ ? 1 : channels_;
    std::int64_t at = 0;
    for (std::int64_t x = first; x < first + columns_; ++x) {
      const std::int64_t near = p.columns().nearest(x);
      const ResampleAxis::Cells cells =
          p.interpolation == Interpolation::nearest ? ResampleAxis::Cells{near, near, 0} : p.columns().bilinear(x);
      for (std::int64_t c = 0; c < copies; ++c, ++at) {
        lower_[at] = static_cast<std::int32_t>(cells.lower * channels_ + c);
        upper_[at] = static_cast<std::int32_t>(cells.upper * channels_ + c);
        weight_[at] = cells.weight;
      }
    }
  }

  std::int64_t columns() const { return columns_; }
  std::int64_t elements() const { return columns_ * channels_; }
  /// Of the strip's first element in a row of the output.
  std::int64_t offset() const { return first_ * channels_; }

  /// The strip's elements of an input row, copied or interpolated along the row.
  HWY_INLINE void nearest(const float* row, float* dst) const {
    if (by_cell_)
      for (std::int64_t x = 0; x < columns_; ++x) for_each(channels_, Copy{row + lower_[x], dst + x * channels_});
    else
      for_each(elements(), [&](auto d, std::int64_t i) { hn::StoreU(taken(d, row, lower_ + i), d, dst + i); });
  }
  HWY_INLINE void bilinear(const float* row, std::int64_t row_size, float* dst) const {
    if (by_cell_)
      for (std::int64_t x = 0; x < columns_; ++x) {
        // The next row in the order of memory, which pairs of cells are not.
        for (std::int64_t i = lower_[x]; x + 1 < columns_ && i < lower_[x + 1]; i += 16) hwy::Prefetch(row + row_size + i);
        for_each(channels_, Between{row + lower_[x], row + upper_[x], weight_[x], dst + x * channels_});
      }
    else
      for_each(elements(), [&](auto d, std::int64_t i) {
        hn::StoreU(between(taken(d, row, lower_ + i), taken(d, row, upper_ + i), hn::LoadU(d, weight_ + i)), d, dst + i);
      });
  }

 private:
  template <class D>
  HWY_INLINE static hn::Vec<D> taken(D d, const float* row, const std::int32_t* places) {
    return hn::GatherIndex(d, row, hn::LoadU(hn::Rebind<std::int32_t, D>(), places));
  }

  static_assert(most / few <= most_places);
  std::int64_t first_, channels_;
  bool by_cell_;
  std::int64_t columns_;
  // Of each column, or of each element.
  std::int32_t lower_[most_places], upper_[most_places];
  float weight_[most_places];
};

void forward_nearest(const ResampleForward::Problem& p, const Strip& strip, const float* src, float* dst) {
  const std::int64_t src_row = p.width * p.channels, dst_row = p.out_width * p.channels;
  for (std::int64_t y = 0, before = -1; y < p.out_height; ++y, dst += dst_row) {
    const std::int64_t row = p.rows().nearest(y);
    if (row == before)
      for_each(strip.elements(), Copy{dst - dst_row, dst});
    else
      strip.nearest(src + row * src_row, dst);
    before = row;
  }
}

void forward_bilinear(const ResampleForward::Problem& p, const Strip& strip, const float* src, float* dst) {
  alignas(64) float widened[2][Strip::most];
  std::int64_t held[2] = {-1, -1};  // the input rows that they are made of
  const std::int64_t row_size = p.width * p.channels;
  const auto row_of = [&](std::int64_t row, std::int64_t other) -> const float* {
    const int at = held[0] == row || (held[1] != row && held[0] != other) ? 0 : 1;
    if (held[at] != row) strip.bilinear(src + row * row_size, row_size, widened[at]);
    held[at] = row;
    return widened[at];
  };
  for (std::int64_t y = 0; y < p.out_height; ++y, dst += p.out_width * p.channels) {
    const ResampleAxis::Cells row = p.rows().bilinear(y);
    const float* lower = row_of(row.lower, row.upper);
    for_each(strip.elements(), Between{lower, row_of(row.upper, row.lower), row.weight, dst});
  }
}

void forward(const ResampleForward::Problem& p, const ResampleForward::Args<float>& args) {
  const std::int64_t src_image = p.height * p.width * p.channels, dst_image = p.out_height * p.out_width * p.channels;
  if (p.channels >= many_channels) {
    for (std::int64_t image = 0; image < args.images; ++image)
      forward_by_cells(p, args.src + image * src_image, args.dst + image * dst_image);
    return;
  }
  for (std::int64_t first = 0; first < p.out_width;) {
    const Strip strip(p, first);
    for (std::int64_t image = 0; image < args.images; ++image) {
      const float* src = args.src + image * src_image;
      float* dst = args.dst + image * dst_image + strip.offset();
      p.interpolation == Interpolation::nearest ? forward_nearest(p, strip, src, dst) : forward_bilinear(p, strip, src, dst);
    }
    first += strip.columns();
  }
}

// ---- gradient ----

/// Sets dsrc to the sum of neighbouring output cells, or adds them to it one by one.
struct SumOfCells {
  const float* ddst;
  std::int64_t cells, channels;
  float* dsrc;
  bool add;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    auto sum = add ? hn::LoadU(d, dsrc + i) : hn::Zero(d);
    for (std::int64_t x = 0; x < cells; ++x) sum = hn::Add(sum, hn::LoadU(d, ddst + x * channels + i));
    hn::StoreU(sum, d, dsrc + i);
  }
};

/// The first output from `at` on whose nearest cell is not `cell`.
HWY_INLINE std::int64_t end_of(const ResampleAxis& axis, std::int64_t cell, std::int64_t at) {
  while (at < axis.out && axis.nearest(at) == cell) ++at;
  return at;
}

void gradient_nearest(const ResampleInputGradient::Problem& p, std::int64_t images, const float* ddst, float* dsrc) {
  constexpr std::int64_t most = 2048;  // columns at a time
  const std::int64_t channels = p.channels, row_size = p.out_width * channels;
  std::int32_t ends[most];
  for (std::int64_t first = 0, begin = 0; first < p.width; first += most) {
    const std::int64_t columns = std::min(most, p.width - first);
    for (std::int64_t c = 0, x = begin; c < columns; ++c) ends[c] = static_cast<std::int32_t>(x = end_of(p.columns(), first + c, x));
    for (std::int64_t image = 0; image < images; ++image)
      for (std::int64_t row = 0, y = 0; row < p.height; ++row) {
        float* to = dsrc + ((image * p.height + row) * p.width + first) * channels;
        const std::int64_t end = end_of(p.rows(), row, y);
        if (y == end) std::fill_n(to, columns * channels, 0.0f);
        for (const std::int64_t start = y; y < end; ++y) {
          const float* from = ddst + (image * p.out_height + y) * row_size;
          for (std::int64_t c = 0, x = begin; c < columns; ++c) {
            bool add = y != start;
            do {
              // Many channels one cell at a time, so that memory is read in its order.
              const std::int64_t cells = std::min(ends[c] - x, channels >= many_channels ? std::int64_t{1} : p.out_width);
              for_each(channels, SumOfCells{from + x * channels, cells, channels, to + c * channels, add});
              x += cells, add = true;
            } while (x < ends[c]);
          }
        }
      }
    begin = ends[columns - 1];
  }
}

struct AddWeighted {
  const float* ddst;
  float* dsrc;
  float weight;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto term = hn::Mul(hn::LoadU(d, ddst + i), hn::Set(d, weight));
    hn::StoreU(hn::Add(hn::LoadU(d, dsrc + i), term), d, dsrc + i);
  }
};

/// The output columns that read each input column, with its share of them: (1 - weight) as the lower cell, weight as the upper one. A
/// column that is both has two entries.
struct Readers {
  static constexpr std::int64_t most = 2048;  // columns of input and output

  explicit Readers(const ResampleAxis& columns) {
    std::int32_t count = 0;
    for (std::int64_t column = 0, first = 0; column < columns.size; ++column) {
      while (first < columns.out && columns.bilinear(first).upper < column) ++first;
      for (std::int64_t at = first; at < columns.out; ++at) {
        const ResampleAxis::Cells cells = columns.bilinear(at);
        if (cells.lower > column) break;
        if (cells.lower == column) x[count] = static_cast<std::int32_t>(at), share[count++] = 1 - cells.weight;
        if (cells.upper == column) x[count] = static_cast<std::int32_t>(at), share[count++] = cells.weight;
      }
      ends[column] = count;
    }
  }

  std::int32_t ends[most];  // of the entries of each input column
  std::int32_t x[2 * most];
  float share[2 * most];
};

/// Adds what an input column takes from a row of the output to two input rows, or to one that is both.
template <bool one_row>
struct AddColumn {
  const Readers& readers;
  const float* lower_share;  // of each entry
  const float* upper_share;
  std::int32_t begin, end;
  const float* ddst;
  std::int64_t channels;
  float* lower;
  float* upper;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    auto a = hn::LoadU(d, lower + i), b = hn::LoadU(d, upper + i);
    for (std::int32_t e = begin; e < end; ++e) {
      const auto value = hn::LoadU(d, ddst + readers.x[e] * channels + i);
      const auto taken = [&](const float* share) { return hn::Mul(value, hn::Set(d, *share)); };
      a = hn::Add(a, taken(lower_share + e));
      if constexpr (one_row) {
        const bool both = e + 1 < end && readers.x[e + 1] == readers.x[e];
        if (both) a = hn::Add(a, taken(lower_share + e + 1));
        a = hn::Add(a, taken(upper_share + e));
        if (both) a = hn::Add(a, taken(upper_share + ++e));
      } else {
        b = hn::Add(b, taken(upper_share + e));
      }
    }
    hn::StoreU(a, d, lower + i);
    if constexpr (!one_row) hn::StoreU(b, d, upper + i);
  }
};

struct Times {
  const float* src;
  float factor;
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    hn::StoreU(hn::Mul(hn::LoadU(d, src + i), hn::Set(d, factor)), d, dst + i);
  }
};

void gradient_of_columns(const ResampleInputGradient::Problem& p, std::int64_t images, const float* ddst, float* dsrc) {
  const Readers readers(p.columns());
  const std::int32_t entries = readers.ends[p.width - 1];
  float lower_share[2 * Readers::most], upper_share[2 * Readers::most];
  const std::int64_t row_size = p.width * p.channels, out_row = p.out_width * p.channels;
  for (std::int64_t image = 0; image < images; ++image, dsrc += p.height * row_size) {
    std::fill_n(dsrc, p.height * row_size, 0.0f);
    for (std::int64_t y = 0; y < p.out_height; ++y, ddst += out_row) {
      const ResampleAxis::Cells row = p.rows().bilinear(y);
      for_each(entries, Times{readers.share, 1 - row.weight, lower_share});
      for_each(entries, Times{readers.share, row.weight, upper_share});
      float *lower = dsrc + row.lower * row_size, *upper = dsrc + row.upper * row_size;
      for (std::int64_t column = 0; column < p.width; ++column, lower += p.channels, upper += p.channels) {
        const std::int32_t begin = column == 0 ? 0 : readers.ends[column - 1], end = readers.ends[column];
        // The next row of the output in the order of memory, which the cells of a column are not.
        for (std::int64_t i = column * out_row / p.width; i < (column + 1) * out_row / p.width; i += 16) hwy::Prefetch(ddst + out_row + i);
        if (lower == upper)
          for_each(p.channels, AddColumn<true>{readers, lower_share, upper_share, begin, end, ddst, p.channels, lower, upper});
        else
          for_each(p.channels, AddColumn<false>{readers, lower_share, upper_share, begin, end, ddst, p.channels, lower, upper});
      }
    }
  }
}

/// Rows too long for Readers: adds each output cell to its four cells.
void gradient_of_cells(const ResampleInputGradient::Problem& p, std::int64_t images, const float* ddst, float* dsrc) {
  const std::int64_t channels = p.channels, row_size = p.width * channels;
  std::fill_n(dsrc, images * p.height * row_size, 0.0f);
  for (std::int64_t image = 0; image < images; ++image, dsrc += p.height * row_size)
    for (std::int64_t y = 0; y < p.out_height; ++y) {
      const ResampleAxis::Cells row = p.rows().bilinear(y);
      float *lower = dsrc + row.lower * row_size, *upper = dsrc + row.upper * row_size;
      const float down = row.weight;
      for (std::int64_t x = 0; x < p.out_width; ++x, ddst += channels) {
        const ResampleAxis::Cells column = p.columns().bilinear(x);
        const std::int64_t a = column.lower * channels, b = column.upper * channels;
        const float right = column.weight;
        for_each(channels, AddWeighted{ddst, lower + a, (1 - down) * (1 - right)});
        for_each(channels, AddWeighted{ddst, lower + b, (1 - down) * right});
        for_each(channels, AddWeighted{ddst, upper + a, down * (1 - right)});
        for_each(channels, AddWeighted{ddst, upper + b, down * right});
      }
    }
}

void gradient_bilinear(const ResampleInputGradient::Problem& p, std::int64_t images, const float* ddst, float* dsrc) {
  const bool fits = std::max(p.width, p.out_width) <= Readers::most;
  fits ? gradient_of_columns(p, images, ddst, dsrc) : gradient_of_cells(p, images, ddst, dsrc);
}

void gradient(const ResampleInputGradient::Problem& p, const ResampleInputGradient::Args<float>& args) {
  if (p.interpolation == Interpolation::nearest) return gradient_nearest(p, args.images, args.ddst, args.dsrc);
  gradient_bilinear(p, args.images, args.ddst, args.dsrc);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::resample
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::resample {

HWY_EXPORT(forward);
HWY_EXPORT(gradient);

void Cellwise::run(const ResampleForward::Problem& problem, const ResampleForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(forward)(problem, args);
}
void CellwiseGradient::run(const ResampleInputGradient::Problem& problem, const ResampleInputGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(gradient)(problem, args);
}

}  // namespace linn::detail::kernels::resample
#endif
