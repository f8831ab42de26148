// Resampling, output cell by output cell, channels in lanes.
//
// Forward: copies one cell, or interpolates three times between four cells. Gradient: dsrc starts at 0; each output cell adds to one cell
// or to four, in the order of the reference. Fast for many channels; with one or three the loop over cells costs more than the arithmetic.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/resample/vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>

#include "kernels/eltwise/for_each-inl.h"
#include "kernels/resample/vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::resample {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using eltwise::HWY_NAMESPACE::for_each;

struct Copy {
  const float* src;
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    hn::StoreU(hn::LoadU(d, src + i), d, dst + i);
  }
};

/// a + (b - a) * weight, with each operation rounded (no fused multiply-add).
template <class D, class V>
HWY_INLINE V between(D d, V a, V b, float weight) {
  return hn::Add(a, hn::Mul(hn::Sub(b, a), hn::Set(d, weight)));
}

struct Interpolate {
  const float* cells[4];  // lower row: lower, upper column; upper row: the same
  float* dst;
  float down, right;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto top = between(d, hn::LoadU(d, cells[0] + i), hn::LoadU(d, cells[1] + i), right);
    const auto bottom = between(d, hn::LoadU(d, cells[2] + i), hn::LoadU(d, cells[3] + i), right);
    hn::StoreU(between(d, top, bottom, down), d, dst + i);
  }
};

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

void forward(const ResampleForward::Problem& p, const ResampleForward::Args<float>& args) {
  const ResampleAxis rows = p.rows(), columns = p.columns();
  const std::int64_t channels = p.channels, row_size = p.width * channels;
  float* dst = args.dst;
  for (std::int64_t image = 0; image < args.images; ++image) {
    const float* src = args.src + image * p.height * row_size;
    for (std::int64_t y = 0; y < p.out_height; ++y) {
      if (p.interpolation == Interpolation::nearest) {
        const float* row = src + rows.nearest(y) * row_size;
        for (std::int64_t x = 0; x < p.out_width; ++x, dst += channels) for_each(channels, Copy{row + columns.nearest(x) * channels, dst});
        continue;
      }
      const ResampleAxis::Cells row = rows.bilinear(y);
      const float *lower = src + row.lower * row_size, *upper = src + row.upper * row_size;
      for (std::int64_t x = 0; x < p.out_width; ++x, dst += channels) {
        const ResampleAxis::Cells column = columns.bilinear(x);
        const std::int64_t a = column.lower * channels, b = column.upper * channels;
        for_each(channels, Interpolate{{lower + a, lower + b, upper + a, upper + b}, dst, row.weight, column.weight});
      }
    }
  }
}

void gradient(const ResampleInputGradient::Problem& p, const ResampleInputGradient::Args<float>& args) {
  const ResampleAxis rows = p.rows(), columns = p.columns();
  const std::int64_t channels = p.channels, row_size = p.width * channels;
  std::fill_n(args.dsrc, args.images * p.height * row_size, 0.0f);
  const float* ddst = args.ddst;
  for (std::int64_t image = 0; image < args.images; ++image) {
    float* dsrc = args.dsrc + image * p.height * row_size;
    for (std::int64_t y = 0; y < p.out_height; ++y) {
      if (p.interpolation == Interpolation::nearest) {
        float* row = dsrc + rows.nearest(y) * row_size;
        for (std::int64_t x = 0; x < p.out_width; ++x, ddst += channels)
          for_each(channels, AddWeighted{ddst, row + columns.nearest(x) * channels, 1.0f});
        continue;
      }
      const ResampleAxis::Cells row = rows.bilinear(y);
      float *lower = dsrc + row.lower * row_size, *upper = dsrc + row.upper * row_size;
      const float down = row.weight;
      for (std::int64_t x = 0; x < p.out_width; ++x, ddst += channels) {
        const ResampleAxis::Cells column = columns.bilinear(x);
        const std::int64_t a = column.lower * channels, b = column.upper * channels;
        const float right = column.weight;
        for_each(channels, AddWeighted{ddst, lower + a, (1 - down) * (1 - right)});
        for_each(channels, AddWeighted{ddst, lower + b, (1 - down) * right});
        for_each(channels, AddWeighted{ddst, upper + a, down * (1 - right)});
        for_each(channels, AddWeighted{ddst, upper + b, down * right});
      }
    }
  }
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
