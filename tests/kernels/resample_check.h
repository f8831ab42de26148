// Resampling, each form against interpolation in double.
#pragma once

#include "kernels/elementwise_check.h"
#include "kernels/resample/resample.h"

namespace linn::detail::kernels::check {

using testing::untouched;

inline std::string describe(const ResampleForward::Problem& p) {
  return std::to_string(p.height) + "x" + std::to_string(p.width) + "x" + std::to_string(p.channels) + " to " + std::to_string(p.out_height) + "x" +
         std::to_string(p.out_width) + (p.interpolation == Interpolation::nearest ? " nearest" : " bilinear");
}

/// How much of each input cell an output cell takes along one axis, in double.
inline std::vector<double> weights_of(std::int64_t size, std::int64_t out, std::int64_t at, Interpolation interpolation) {
  std::vector<double> weights(static_cast<std::size_t>(size));
  const double center = (static_cast<double>(at) + 0.5) * static_cast<double>(size) / static_cast<double>(out);
  if (interpolation == Interpolation::nearest) {
    weights[static_cast<std::size_t>(ResampleAxis{size, out}.nearest(at))] = 1;
    return weights;
  }
  const double position = std::clamp(center - 0.5, 0.0, static_cast<double>(size - 1));
  const double below = std::floor(position);
  const auto lower = static_cast<std::size_t>(below);
  weights[lower] = 1 - (position - below);
  if (lower + 1 < weights.size()) weights[lower + 1] = position - below;
  return weights;
}

inline void check_resample(const ResampleForward::Problem& p, std::int64_t images, unsigned seed) {
  SCOPED_TRACE(describe(p));
  const std::int64_t src_image = p.height * p.width * p.channels, dst_image = p.out_height * p.out_width * p.channels;
  const Buffer src(make(images * src_image, Values::normal, seed)), ddst(make(images * dst_image, Values::normal, seed + 1));
  std::vector<double> dst(static_cast<std::size_t>(ddst.size())), dst_size(dst.size());
  std::vector<double> dsrc(static_cast<std::size_t>(src.size())), dsrc_size(dsrc.size());
  for (std::int64_t y = 0; y < p.out_height; ++y)
    for (std::int64_t x = 0; x < p.out_width; ++x) {
      const std::vector<double> rows = weights_of(p.height, p.out_height, y, p.interpolation);
      const std::vector<double> columns = weights_of(p.width, p.out_width, x, p.interpolation);
      for (std::int64_t from = 0; from < p.height * p.width; ++from) {
        const double weight = rows[static_cast<std::size_t>(from / p.width)] * columns[static_cast<std::size_t>(from % p.width)];
        for (std::int64_t i = 0; i < images * p.channels; ++i) {
          const std::int64_t image = i / p.channels, c = i % p.channels;
          const auto s = static_cast<std::size_t>(image * src_image + from * p.channels + c);
          const auto d = static_cast<std::size_t>(image * dst_image + (y * p.out_width + x) * p.channels + c);
          dst[d] += weight * static_cast<double>(src.data()[s]);
          // Positions are floats: a weight is off by the rounding of a position.
          dst_size[d] = std::max(dst_size[d], 4 * static_cast<double>(p.height + p.width));
          dsrc[s] += weight * static_cast<double>(ddst.data()[d]);
          dsrc_size[s] += std::abs(static_cast<double>(ddst.data()[d])) * (weight > 0 ? 1 : 1e-3) * static_cast<double>(p.height + p.width);
        }
      }
    }
  Buffer reference(ddst.size()), reference_gradient(src.size());
  ResampleForward::reference<float>(p, {images, src.data(), reference.data(), nullptr});
  ResampleInputGradient::reference<float>(p, {images, ddst.data(), reference_gradient.data(), nullptr});
  ASSERT_TRUE(all_within(reference, dst, dst_size, 2));
  ASSERT_TRUE(all_within(reference_gradient, dsrc, dsrc_size, 4));
  each_form<ResampleForward>(p, [&](const Implementation<ResampleForward>& form) {
    Buffer out(ddst.size(), untouched);
    form.run(p, {images, src.data(), out.data(), nullptr});
    ASSERT_EQ(testing::bits_that_differ(out, reference), 0);
  });
  each_form<ResampleInputGradient>(p, [&](const Implementation<ResampleInputGradient>& form) {
    Buffer out(src.size(), untouched);
    form.run(p, {images, ddst.data(), out.data(), nullptr});
    ASSERT_EQ(testing::bits_that_differ(out, reference_gradient), 0);
  });
}

}  // namespace linn::detail::kernels::check
