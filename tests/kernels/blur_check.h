// The binomial blur and its gradient, each form against the reference in double.
#pragma once

#include "kernels/blur/blur.h"
#include "kernels/elementwise_check.h"

namespace linn::detail::kernels::check {

using testing::untouched;

inline std::string describe_blur(const Geometry& g) {
  const auto by = [](std::int64_t a, std::int64_t b) { return std::to_string(a) + "x" + std::to_string(b); };
  return by(g.height, g.width) + " of " + std::to_string(g.channels) + " channels, taps " + by(g.window_height, g.window_width) +
         " stride " + by(g.stride_height, g.stride_width);
}

inline void check_blur(const Geometry& g, std::int64_t images, Values values, unsigned seed) {
  SCOPED_TRACE(describe_blur(g));
  const BlurForward::Problem problem{g};
  const auto taps = static_cast<double>(g.window_height + g.window_width);
  const auto dst_size = static_cast<std::size_t>(images * g.dst_image), src_size = static_cast<std::size_t>(images * g.src_image);
  {
    const std::vector<float> src = make(images * g.src_image, values, seed);
    const std::vector<double> src_d = wide(src), size = magnitudes(src);
    std::vector<double> dst_d(dst_size), bound(dst_size);
    BlurForward::reference<double>(problem, {images, src_d.data(), dst_d.data(), nullptr});
    BlurForward::reference<double>(problem, {images, size.data(), bound.data(), nullptr});
    const Buffer guarded(src);
    each_form<BlurForward>(problem, [&](const Implementation<BlurForward>& form) {
      Buffer dst(images * g.dst_image, untouched), scratch(form.scratch(problem, images), testing::unwritten);
      form.run(problem, {images, guarded.data(), dst.data(), scratch.data()});
      ASSERT_TRUE(all_within(dst, dst_d, bound, form.name == "reference" ? static_cast<double>(g.window_height * g.window_width) : taps));
    });
  }
  const std::vector<float> ddst = make(images * g.dst_image, Values::normal, seed + 1);
  const std::vector<double> ddst_d = wide(ddst), size = magnitudes(ddst);
  std::vector<double> dsrc_d(src_size), bound(src_size);
  BlurInputGradient::reference<double>(problem, {images, ddst_d.data(), dsrc_d.data(), nullptr});
  BlurInputGradient::reference<double>(problem, {images, size.data(), bound.data(), nullptr});
  const Buffer guarded(ddst);
  each_form<BlurInputGradient>(problem, [&](const Implementation<BlurInputGradient>& form) {
    Buffer dsrc(images * g.src_image, untouched), scratch(form.scratch(problem, images), testing::unwritten);
    form.run(problem, {images, guarded.data(), dsrc.data(), scratch.data()});
    ASSERT_TRUE(all_within(dsrc, dsrc_d, bound, form.name == "reference" ? static_cast<double>(g.window_height * g.window_width) : taps));
  });
}

}  // namespace linn::detail::kernels::check
