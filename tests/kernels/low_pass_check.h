// Filters round a ring, filters that differ from pixel to pixel, and maxima of given regions, each form against the reference in double.
#pragma once

#include <string>
#include <vector>

#include "kernels/elementwise_check.h"
#include "kernels/pixel_filter/pixel_filter.h"
#include "kernels/region_pool/region_pool.h"
#include "kernels/ring_filter/ring_filter.h"

namespace linn::detail::kernels::check {

using testing::untouched;

// ---- round a ring ----------------------------------------------------------------------------------------------------

inline RingFilterForward::Problem with_magnitudes(RingFilterForward::Problem p) {
  for (RingAxis* axis : {&p.rows, &p.columns})
    for (double& weight : axis->weights) weight = std::abs(weight);
  return p;
}

inline void check_ring_filter(const RingFilterForward::Problem& p, std::int64_t images, Values values, unsigned seed) {
  SCOPED_TRACE(std::to_string(p.rows.size) + "x" + std::to_string(p.columns.size) + "x" + std::to_string(p.channels));
  const auto terms = static_cast<double>(p.rows.size + p.columns.size + 4);
  const RingFilterForward::Problem positive = with_magnitudes(p);
  std::vector<double> middle(static_cast<std::size_t>(p.middle_elements()));
  {
    const std::vector<float> src = make(images * p.src_elements(), values, seed);
    std::vector<double> dst(static_cast<std::size_t>(images * p.dst_elements())), bound(dst.size());
    RingFilterForward::reference<double>(p, {images, wide(src).data(), dst.data(), middle.data()});
    RingFilterForward::reference<double>(positive, {images, magnitudes(src).data(), bound.data(), middle.data()});
    const Buffer guarded(src);
    each_form<RingFilterForward>(p, [&](const Implementation<RingFilterForward>& form) {
      Buffer out(images * p.dst_elements(), untouched), scratch(form.scratch(p, images), testing::unwritten);
      form.run(p, {images, guarded.data(), out.data(), scratch.data()});
      ASSERT_TRUE(all_within(out, dst, bound, terms));
    });
  }
  const std::vector<float> ddst = make(images * p.dst_elements(), Values::normal, seed + 1);
  std::vector<double> dsrc(static_cast<std::size_t>(images * p.src_elements())), bound(dsrc.size());
  RingFilterInputGradient::reference<double>(p, {images, wide(ddst).data(), dsrc.data(), middle.data()});
  RingFilterInputGradient::reference<double>(positive, {images, magnitudes(ddst).data(), bound.data(), middle.data()});
  const Buffer guarded(ddst);
  each_form<RingFilterInputGradient>(p, [&](const Implementation<RingFilterInputGradient>& form) {
    Buffer out(images * p.src_elements(), untouched), scratch(form.scratch(p, images), testing::unwritten);
    form.run(p, {images, guarded.data(), out.data(), scratch.data()});
    ASSERT_TRUE(all_within(out, dsrc, bound, terms));
  });
}

// ---- from pixel to pixel ---------------------------------------------------------------------------------------------

/// A window over a map that includes its pads, with groups of channels.
inline PixelFilterForward::Problem pixel_filter_problem(const Window& window, std::int64_t height, std::int64_t width, std::int64_t groups,
                                                        std::int64_t group_channels) {
  const std::int64_t channels = groups * group_channels;
  Geometry g = resolve(window, height, width, channels, channels).value();
  g.groups = groups;
  return {g};
}

inline void check_pixel_filter(const PixelFilterForward::Problem& p, std::int64_t images, Values values, unsigned seed) {
  const Geometry& g = p.geometry;
  SCOPED_TRACE(std::to_string(g.height) + "x" + std::to_string(g.width) + "x" + std::to_string(g.channels) + ", groups " +
               std::to_string(g.groups));
  const std::int64_t src_size = images * p.src_elements(), weights_size = images * p.out_pixels() * p.weights(),
                     dst_size = images * p.out_pixels() * g.channels;
  const std::vector<float> src = make(src_size, values, seed), weights = make(weights_size, Values::normal, seed + 1),
                           ddst = make(dst_size, Values::normal, seed + 2);
  const auto terms = static_cast<double>(p.taps() + p.group_channels() + 3);
  std::vector<double> dst(static_cast<std::size_t>(dst_size)), bound(dst.size());
  PixelFilterForward::reference<double>(p, {images, wide(src).data(), wide(weights).data(), dst.data(), nullptr});
  PixelFilterForward::reference<double>(p, {images, magnitudes(src).data(), magnitudes(weights).data(), bound.data(), nullptr});
  const Buffer src_f(src), weights_f(weights), ddst_f(ddst);
  each_form<PixelFilterForward>(p, [&](const Implementation<PixelFilterForward>& form) {
    Buffer out(dst_size, untouched);
    form.run(p, {images, src_f.data(), weights_f.data(), out.data(), nullptr});
    ASSERT_TRUE(all_within(out, dst, bound, terms));
  });
  if (values == Values::hostile) return;  // 0 times infinity is added in other cells
  std::vector<double> dsrc(static_cast<std::size_t>(src_size)), dsrc_bound(dsrc.size()), dweights(static_cast<std::size_t>(weights_size)),
      dweights_bound(dweights.size());
  PixelFilterGradient::reference<double>(
      p, {images, wide(src).data(), wide(weights).data(), wide(ddst).data(), dsrc.data(), dweights.data(), nullptr});
  PixelFilterGradient::reference<double>(p, {images, magnitudes(src).data(), magnitudes(weights).data(), magnitudes(ddst).data(),
                                             dsrc_bound.data(), dweights_bound.data(), nullptr});
  each_form<PixelFilterGradient>(p, [&](const Implementation<PixelFilterGradient>& form) {
    Buffer out(src_size, untouched), of_weights(weights_size, untouched);
    form.run(p, {images, src_f.data(), weights_f.data(), ddst_f.data(), out.data(), of_weights.data(), nullptr});
    ASSERT_TRUE(all_within(out, dsrc, dsrc_bound, terms));
    ASSERT_TRUE(all_within(of_weights, dweights, dweights_bound, terms));
  });
}

// ---- regions ---------------------------------------------------------------------------------------------------------

/// Regions of an axis that overlap by `more` cells, with a last one of one cell.
struct TestRegions {
  std::vector<std::int32_t> first, last;

  TestRegions(std::int64_t size, std::int64_t out, std::int64_t more) {
    for (std::int64_t i = 0; i < out; ++i) {
      first.push_back(static_cast<std::int32_t>(i * (size - 1) / out));
      last.push_back(static_cast<std::int32_t>(i + 1 == out ? first.back() + 1 : std::min(size, (i + 1) * (size - 1) / out + more)));
      last.back() = std::max(last.back(), first.back() + 1);
    }
  }
  Regions regions() const { return {first.data(), last.data()}; }
};

inline void check_region_max(const RegionMaxForward::Problem& p, std::int64_t more, std::int64_t images, Values values, unsigned seed) {
  SCOPED_TRACE(std::to_string(p.height) + "x" + std::to_string(p.width) + "x" + std::to_string(p.channels));
  const TestRegions rows(p.height, p.out_height, more), columns(p.width, p.out_width, more);
  const Buffer src(make(images * p.src_elements(), values, seed));
  std::vector<double> dst;
  std::vector<std::int32_t> places;
  for (std::int64_t i = 0; i < images * p.dst_elements(); ++i) {
    const std::int64_t c = i % p.channels, cell = i / p.channels % (p.out_height * p.out_width), image = i / p.dst_elements();
    const auto y = static_cast<std::size_t>(cell / p.out_width), x = static_cast<std::size_t>(cell % p.out_width);
    const auto at = [&](std::int64_t pixel) { return src[image * p.src_elements() + pixel * p.channels + c]; };
    std::int64_t best = -1;
    for (std::int64_t row = rows.first[y]; row < rows.last[y]; ++row)
      for (std::int64_t column = columns.first[x]; column < columns.last[x]; ++column) {
        const std::int64_t pixel = row * p.width + column;
        if (best < 0 || at(pixel) > at(best) || (std::isnan(at(pixel)) && !std::isnan(at(best)))) best = pixel;
      }
    dst.push_back(static_cast<double>(at(best)));
    places.push_back(static_cast<std::int32_t>(best));
  }
  const std::vector<double> exact(dst.size());
  each_form<RegionMaxForward>(p, [&](const Implementation<RegionMaxForward>& form) {
    Buffer out(images * p.dst_elements(), untouched), plain(images * p.dst_elements(), untouched);
    testing::Guarded<std::int32_t> winners(images * p.dst_elements());
    form.run(p, {images, rows.regions(), columns.regions(), src.data(), out.data(), winners.data(), nullptr});
    form.run(p, {images, rows.regions(), columns.regions(), src.data(), plain.data(), nullptr, nullptr});
    ASSERT_TRUE(all_within(out, dst, exact, 0));
    ASSERT_TRUE(all_within(plain, dst, exact, 0));
    ASSERT_TRUE(all_same(winners, places));
  });
}

}  // namespace linn::detail::kernels::check
