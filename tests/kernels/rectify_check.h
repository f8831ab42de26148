// Rectifiers with arguments, each form against the definition.
#pragma once

#include "kernels/elementwise_check.h"
#include "kernels/eltwise/rectify.h"

namespace linn::kernels::check {

using testing::untouched;

inline void check_rectify(const RectifyForward::Problem& p, std::int64_t count, Values values, unsigned seed) {
  SCOPED_TRACE("most " + std::to_string(p.most) + ", slope " + std::to_string(p.slope) + ", threshold " + std::to_string(p.threshold));
  const Buffer src(make(count, values, seed)), ddst(make(count, Values::normal, seed + 1));
  const auto most = static_cast<float>(p.most), slope = static_cast<float>(p.slope), threshold = static_cast<float>(p.threshold);
  Buffer dst(count), dsrc(count);
  for (std::int64_t i = 0; i < count; ++i) {
    const float x = src[i], d = ddst[i];
    if (std::isnan(x))
      dst[i] = x;
    else if (x > threshold)
      dst[i] = std::min(x, most), dsrc[i] = x > most ? 0 : d;
    else
      dst[i] = slope == 0 ? 0 : slope * (x - threshold), dsrc[i] = x < threshold || p.slope_at_kink ? d * slope : 0;
  }
  each_form<RectifyForward>(p, [&](const Implementation<RectifyForward>& form) {
    Buffer out(count, untouched), in_place(src);
    form.run(p, {count, src.data(), out.data(), nullptr});
    form.run(p, {count, in_place.data(), in_place.data(), nullptr});
    ASSERT_TRUE(all_same(out, dst));
    ASSERT_TRUE(all_same(in_place, dst));
  });
  each_form<RectifyGradient>(p, [&](const Implementation<RectifyGradient>& form) {
    Buffer out(count, untouched);
    form.run(p, {count, src.data(), ddst.data(), out.data(), nullptr});
    ASSERT_TRUE(all_same(out, dsrc));
  });
}

}  // namespace linn::kernels::check
