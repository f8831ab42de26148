// The binomial blur: every form against the reference in double; the reference by hand and against finite differences.
#include "kernels/blur/blur.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "kernels/blur_check.h"

namespace linn::detail::kernels {
namespace {

using check::Values;

Geometry geometry_of(const Window& window, std::int64_t height, std::int64_t width, std::int64_t channels) {
  return resolve(window, height, width, channels, channels).value();
}

// Zhang 2019: the rows of Pascal's triangle, each divided by its sum.
TEST(Blur, WeightsArePascalsTriangle) {
  const std::vector<std::vector<float>> published = {
      {1}, {1, 1}, {1, 2, 1}, {1, 3, 3, 1}, {1, 4, 6, 4, 1}, {1, 5, 10, 10, 5, 1}, {1, 6, 15, 20, 15, 6, 1}};
  for (std::int64_t taps = 1; taps <= most_blur_taps; ++taps) {
    const auto weights = blur_weights(taps);
    const std::vector<float>& row = published[static_cast<std::size_t>(taps - 1)];
    float sum = 0;
    for (const float number : row) sum += number;
    for (std::size_t i = 0; i < weights.size(); ++i) EXPECT_EQ(weights[i], i < row.size() ? row[i] / sum : 0.0f) << taps << " taps, " << i;
  }
}

// A single 1 shows the filter, turned round: its outer product.
TEST(Blur, OfASinglePixelIsTheFilter) {
  for (std::int64_t taps = 2; taps <= most_blur_taps; ++taps) {
    const std::int64_t size = 2 * taps - 1;
    const Geometry g = geometry_of({.height = taps, .width = taps}, size, size, 1);
    std::vector<double> src(static_cast<std::size_t>(size * size)), dst(static_cast<std::size_t>(taps * taps));
    src[static_cast<std::size_t>((taps - 1) * size + taps - 1)] = 1;
    BlurForward::reference<double>({g}, {1, src.data(), dst.data(), nullptr});
    const auto choose_of = [&](std::int64_t k) {  // binomial coefficient
      double value = 1;
      for (std::int64_t i = 1; i <= k; ++i) value = value * static_cast<double>(taps - i) / static_cast<double>(i);
      return value;
    };
    for (std::int64_t y = 0; y < taps; ++y)
      for (std::int64_t x = 0; x < taps; ++x)
        EXPECT_DOUBLE_EQ(dst[static_cast<std::size_t>(y * taps + x)],
                         choose_of(y) * choose_of(x) / std::exp2(2.0 * static_cast<double>(taps - 1)))
            << taps << " taps, " << y << ", " << x;
  }
}

TEST(Blur, MapByHand) {
  const std::vector<double> map{16, 0, 0,  0,   //
                                0,  0, 32, 0,   //
                                0,  0, 0,  64,  //
                                4,  0, 0,  0};
  const Geometry g = geometry_of({.height = 3, .width = 3}, 4, 4, 1);
  std::vector<double> dst(4);
  BlurForward::reference<double>({g}, {1, map.data(), dst.data(), nullptr});
  EXPECT_EQ(dst, (std::vector<double>{5, 12, 2.25, 12}));
  const Geometry strided = geometry_of({.height = 3, .width = 2, .stride_width = 2}, 4, 4, 1);
  BlurForward::reference<double>({strided}, {1, map.data(), dst.data(), nullptr});
  EXPECT_EQ(dst, (std::vector<double>{2, 16, 0.5, 20}));
}

TEST(Blur, TapsStridesTails) {
  unsigned seed = 1;
  for (std::int64_t taps = 1; taps <= most_blur_taps; ++taps)
    for (std::int64_t stride = 1; stride <= 4; ++stride)
      for (const std::int64_t channels : {1, 3, 4, 17, 40})
        for (const Values values : {Values::normal, Values::hostile}) {
          check::check_blur(geometry_of({taps, taps, stride, stride}, taps + 5, taps + 6, channels), 2, values, ++seed);
          if (HasFatalFailure()) return;
        }
}

TEST(Blur, UnevenTapsAndStrides) {
  unsigned seed = 1000;
  for (const Window& window :
       {Window{2, 7, 1, 3}, Window{7, 1, 2, 1}, Window{1, 4, 5, 1}, Window{3, 5, 2, 2}, Window{2, 2, 3, 4}, Window{6, 6, 1, 1}})
    for (const auto& [height, width] : {std::pair{7, 7}, {8, 13}, {15, 70}, {31, 8}}) {
      check::check_blur(geometry_of(window, height, width, 5), 3, Values::normal, ++seed);
      if (HasFatalFailure()) return;
    }
}

RC_GTEST_PROP(Blur, RandomProblems, ()) {
  const auto size = [](int low, int high) { return std::int64_t{*rc::gen::inRange(low, high + 1)}; };
  const Window window = {size(1, 7), size(1, 7), size(1, 4), size(1, 4)};
  const Geometry g = geometry_of(window, window.height + size(0, 12), window.width + size(0, 12), size(1, 70));
  check::check_blur(g, size(1, 4), *rc::gen::element(Values::normal, Values::hostile), static_cast<unsigned>(size(0, 1 << 20)));
  RC_ASSERT(!::testing::Test::HasFailure());
}

TEST(BlurReference, FiniteDifferences) {
  for (const Window& window : {Window{3, 3, 2, 2}, Window{2, 4, 1, 1}, Window{7, 6, 3, 2}, Window{5, 5, 1, 4}}) {
    const Geometry g = geometry_of(window, 8, 9, 2);
    const auto src = check::random_doubles(static_cast<std::size_t>(2 * g.src_image), 7),
               ddst = check::random_doubles(static_cast<std::size_t>(2 * g.dst_image), 8);
    std::vector<double> dst(ddst.size()), dsrc(src.size());
    BlurInputGradient::reference<double>({g}, {2, ddst.data(), dsrc.data(), nullptr});
    check::expect_gradient(src, dsrc, [&](const std::vector<double>& x) {
      BlurForward::reference<double>({g}, {2, x.data(), dst.data(), nullptr});
      return check::dot(dst, ddst);
    });
  }
}

}  // namespace
}  // namespace linn::detail::kernels
