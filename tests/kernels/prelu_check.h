// PReLU, each form against the definition.
#pragma once

#include "kernels/elementwise_check.h"
#include "kernels/merge/prelu.h"
#include "kernels/merge_check.h"

namespace linn::detail::kernels::check {

inline void check_prelu(const Shape& image, const Shape& slopes, std::int64_t images, Values values, unsigned seed) {
  SCOPED_TRACE(image.to_string() + " slopes " + slopes.to_string());
  const std::vector<Shape> shapes = {image, slopes};
  const PReluForward::Problem problem{resolve_broadcast(shapes)};
  const std::int64_t size = images * image.elements(), count = slopes.elements();
  const Buffer src(make(size, values, seed)), alpha(make(count, Values::normal, seed + 1)), ddst(make(size, Values::normal, seed + 2));
  Buffer expected(size), gradient(size);
  std::vector<double> dalpha(static_cast<std::size_t>(count)), sizes(dalpha.size());
  for (std::int64_t at = 0; at < size; ++at) {
    const std::int64_t slope = met(image, slopes, at % image.elements());
    const float x = src[at], d = ddst[at];
    expected[at] = x > 0 ? x : alpha[slope] * x;
    gradient[at] = x > 0 ? d : x < 0 ? d * alpha[slope] : 0.0f;
    if (!(x < 0)) continue;
    dalpha[static_cast<std::size_t>(slope)] += static_cast<double>(d) * static_cast<double>(x);
    sizes[static_cast<std::size_t>(slope)] += std::abs(static_cast<double>(d) * static_cast<double>(x));
  }
  each_form<PReluForward>(problem, [&](const Implementation<PReluForward>& form) {
    Buffer dst(size, untouched);
    form.run(problem, {images, src.data(), alpha.data(), dst.data(), nullptr});
    ASSERT_TRUE(all_same(dst, expected));
  });
  if (values == Values::hostile) return;
  each_form<PReluGradient>(problem, [&](const Implementation<PReluGradient>& form) {
    Buffer dsrc(size, untouched), slope(count, untouched), alone(size, untouched);
    form.run(problem, {images, src.data(), alpha.data(), ddst.data(), dsrc.data(), slope.data(), nullptr});
    form.run(problem, {images, src.data(), alpha.data(), ddst.data(), alone.data(), nullptr, nullptr});
    ASSERT_TRUE(all_same(dsrc, gradient));
    ASSERT_TRUE(all_same(alone, gradient));
    ASSERT_TRUE(all_within(slope, dalpha, sizes, static_cast<double>(size / count) + 2));
  });
}

}  // namespace linn::detail::kernels::check
