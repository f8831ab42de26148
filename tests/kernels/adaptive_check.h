// Adaptive pooling, each form against the definition.
#pragma once

#include "kernels/elementwise_check.h"
#include "kernels/pool/adaptive.h"

namespace linn::detail::kernels::check {

using testing::untouched;

inline std::string describe(const AdaptivePoolForward::Problem& p) {
  return std::to_string(p.height) + "x" + std::to_string(p.width) + "x" + std::to_string(p.channels) + " to " + std::to_string(p.out_height) + "x" +
         std::to_string(p.out_width) + (p.kind == PoolKind::max ? " max" : " average");
}

/// The pixels that output cell (y, x) sees: those whose share of the axis it overlaps, column by column.
inline std::vector<std::int64_t> adaptive_window(const AdaptivePoolForward::Problem& p, std::int64_t y, std::int64_t x) {
  const auto overlaps = [](std::int64_t cell, std::int64_t size, std::int64_t at, std::int64_t out) {
    return cell * out < (at + 1) * size && (cell + 1) * out > at * size;
  };
  std::vector<std::int64_t> pixels;
  for (std::int64_t column = 0; column < p.width; ++column)
    for (std::int64_t row = 0; row < p.height; ++row)
      if (overlaps(row, p.height, y, p.out_height) && overlaps(column, p.width, x, p.out_width)) pixels.push_back(row * p.width + column);
  return pixels;
}

inline void check_adaptive_pool(const AdaptivePoolForward::Problem& p, std::int64_t images, Values values, unsigned seed) {
  SCOPED_TRACE(describe(p));
  const bool max = p.kind == PoolKind::max;
  const std::int64_t src_size = images * p.height * p.width * p.channels, dst_size = images * p.out_height * p.out_width * p.channels;
  const Buffer src(make(src_size, values, seed)), ddst(make(dst_size, Values::normal, seed + 1));
  std::vector<double> dst, dst_bound, dsrc(static_cast<std::size_t>(src_size)), dsrc_bound(dsrc.size());
  std::vector<std::int32_t> argmax;
  for (std::int64_t i = 0; i < dst_size; ++i) {
    const std::int64_t c = i % p.channels, cell = i / p.channels, image = cell / (p.out_height * p.out_width);
    const std::vector<std::int64_t> pixels = adaptive_window(p, cell / p.out_width % p.out_height, cell % p.out_width);
    const auto at = [&](std::int64_t pixel) { return (image * p.height * p.width + pixel) * p.channels + c; };
    double sum = 0, sizes = 0;
    std::int64_t best = pixels[0];
    for (const std::int64_t pixel : pixels) {
      const double value = static_cast<double>(src[at(pixel)]), most = static_cast<double>(src[at(best)]);
      sum += value, sizes += std::abs(value);
      if (value > most || (std::isnan(value) && !std::isnan(most))) best = pixel;
    }
    const auto count = static_cast<double>(pixels.size());
    dst.push_back(max ? static_cast<double>(src[at(best)]) : sum / count);
    dst_bound.push_back(max ? 0 : sizes);
    argmax.push_back(static_cast<std::int32_t>(best));
    const auto d = static_cast<double>(ddst[i]);
    for (const std::int64_t pixel : pixels) {
      if (max && pixel != best) continue;
      dsrc[static_cast<std::size_t>(at(pixel))] += max ? d : d / count;
      dsrc_bound[static_cast<std::size_t>(at(pixel))] += std::abs(d);
    }
  }
  each_form<AdaptivePoolForward>(p, [&](const Implementation<AdaptivePoolForward>& form) {
    Buffer out(dst_size, untouched), plain(dst_size, untouched);
    testing::Guarded<std::int32_t> winners(dst_size);
    form.run(p, {images, src.data(), out.data(), max ? winners.data() : nullptr, nullptr});
    form.run(p, {images, src.data(), plain.data(), nullptr, nullptr});
    ASSERT_TRUE(all_within(out, dst, dst_bound, 3));
    ASSERT_TRUE(all_within(plain, dst, dst_bound, 3));
    if (max) {
      ASSERT_TRUE(all_same(winners, argmax));
    }
  });
  testing::Guarded<std::int32_t> winners(argmax);
  each_form<AdaptivePoolInputGradient>(p, [&](const Implementation<AdaptivePoolInputGradient>& form) {
    Buffer out(src_size, untouched);
    form.run(p, {images, ddst.data(), max ? winners.data() : nullptr, out.data(), nullptr});
    ASSERT_TRUE(all_within(out, dsrc, dsrc_bound, static_cast<double>(p.out_height * p.out_width) + 3));
  });
}

}  // namespace linn::detail::kernels::check
