// Random numbers of images, and transformations of one image.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "core/random.h"
#include "kernels/augment/color.h"
#include "kernels/augment/draws.h"
#include "kernels/augment/transform.h"

namespace linn::detail::kernels {
namespace {

constexpr Fill fills[] = {Fill::reflect, Fill::wrap, Fill::constant, Fill::nearest};

std::vector<float> random_image(const ImageSize& size, std::uint64_t seed) {
  std::vector<float> image;
  for (std::int64_t i = 0; i < size.elements(); ++i) image.push_back(core::Random(seed, 1).uniform(static_cast<std::uint64_t>(i)));
  return image;
}

std::vector<float> transformed(const ImageSize& size, const TransformRules& rules, const Projection& projection,
                               const std::vector<float>& src) {
  std::vector<float> dst(src.size(), -9);
  transform(size, rules, projection, src.data(), dst.data());
  return dst;
}

// ---- draws -------------------------------------------------------------------------------------------------------

TEST(Draws, AreAFunctionOfSeedOpEpochAndImage) {
  const DrawKey key{.seed = 3, .stream = 5, .epoch = 7};
  const auto first = [](const DrawKey& k, std::uint64_t image) { return Draws(k, image).uniform(); };
  const double number = first(key, 11);
  EXPECT_EQ(first(key, 11), number);
  EXPECT_NE(first({.seed = 4, .stream = 5, .epoch = 7}, 11), number);
  EXPECT_NE(first({.seed = 3, .stream = 6, .epoch = 7}, 11), number);
  EXPECT_NE(first({.seed = 3, .stream = 5, .epoch = 8}, 11), number);
  EXPECT_NE(first(key, 12), number);
  Draws a(key, 11), b(key, 11);
  b.uniform();
  EXPECT_EQ(a.branch(2).uniform(), b.branch(2).uniform()) << "whatever was drawn before";
  EXPECT_NE(a.branch(2).uniform(), a.branch(3).uniform());
}

// Mean, variance and Kolmogorov-Smirnov distance over images, for several positions in an image's sequence.
TEST(Draws, UniformAndIndependentBetweenImages) {
  constexpr int images = 20000;
  std::vector<std::vector<double>> columns(3);
  for (std::uint64_t image = 0; image < images; ++image) {
    Draws draws({.seed = 1, .stream = 2, .epoch = 3}, image);
    for (auto& column : columns) column.push_back(draws.uniform(-2, 3));
  }
  for (const auto& column : columns) {
    double mean = 0, square = 0, neighbours = 0;
    for (const double u : column) {
      ASSERT_GE(u, -2);
      ASSERT_LT(u, 3);
      mean += u / images;
      square += (u - 0.5) * (u - 0.5) / images;
    }
    for (std::size_t i = 1; i < column.size(); ++i) neighbours += (column[i] - 0.5) * (column[i - 1] - 0.5) / images;
    EXPECT_NEAR(mean, 0.5, 4 * 5 / std::sqrt(12.0 * images));
    EXPECT_NEAR(square, 25.0 / 12, 0.05);
    EXPECT_NEAR(neighbours / square, 0, 4 / std::sqrt(images)) << "correlation of neighbouring images";
    std::vector<double> sorted = column;
    std::sort(sorted.begin(), sorted.end());
    double distance = 0;
    for (std::size_t i = 0; i < sorted.size(); ++i)
      distance = std::max(distance, std::abs((sorted[i] + 2) / 5 - (static_cast<double>(i) + 0.5) / images));
    EXPECT_LT(distance, 1.95 / std::sqrt(images)) << "0.1 % of all seeds are beyond";
  }
  double between = 0;
  for (std::size_t i = 0; i < images; ++i) between += (columns[0][i] - 0.5) * (columns[1][i] - 0.5) / images;
  EXPECT_NEAR(between / (25.0 / 12), 0, 4 / std::sqrt(images)) << "correlation of two numbers of an image";
}

TEST(Draws, OtherDistributions) {
  constexpr int count = 20000;
  Draws draws({.seed = 9, .stream = 1, .epoch = 0}, 0);
  std::vector<int> cells(5);
  double normal = 0, normal_square = 0, gamma = 0, gamma_square = 0, beta = 0, beta_square = 0;
  for (int i = 0; i < count; ++i) {
    ++cells.at(static_cast<std::size_t>(draws.integer(3, 8) - 3));
    const double z = draws.normal(), g = draws.gamma(0.3), b = draws.beta(0.2);
    ASSERT_TRUE(g >= 0 && b >= 0 && b <= 1);
    normal += z / count, normal_square += z * z / count;
    gamma += g / count, gamma_square += g * g / count;
    beta += b / count, beta_square += (b - 0.5) * (b - 0.5) / count;
  }
  for (const int cell : cells) EXPECT_NEAR(cell, count / 5, 4 * std::sqrt(count * 0.16));
  EXPECT_EQ(draws.integer(4, 4), 4);
  EXPECT_NEAR(normal, 0, 4 / std::sqrt(count));
  EXPECT_NEAR(normal_square, 1, 0.05);
  EXPECT_NEAR(gamma, 0.3, 4 * std::sqrt(0.3 / count));
  EXPECT_NEAR(gamma_square - gamma * gamma, 0.3, 0.04);
  EXPECT_NEAR(beta, 0.5, 0.02);
  EXPECT_NEAR(beta_square, 1 / (4 * (2 * 0.2 + 1)), 0.01) << "variance of Beta(a, a)";
  for (int i = 0; i < 100; ++i) {
    const double b = draws.beta(1e-6);
    EXPECT_TRUE(b < 1e-3 || b > 0.999) << b << ": nearly all or nothing, and never NaN";
  }
}

// ---- transformations ---------------------------------------------------------------------------------------------

TEST(Transform, WholePixelsAreExact) {
  const ImageSize size{5, 7, 3};
  const std::vector<float> src = random_image(size, 1);
  for (const bool bilinear : {true, false})
    for (const Fill fill : fills) {
      const TransformRules rules{.fill = fill, .fill_value = 4, .bilinear = bilinear};
      EXPECT_EQ(transformed(size, rules, {}, src), src);
      const std::vector<float> moved = transformed(size, rules, {.a2 = -2, .b2 = 1}, src);
      for (std::int64_t y = 0; y < 4; ++y)
        for (std::int64_t x = 2; x < 7; ++x)
          for (std::int64_t c = 0; c < 3; ++c)
            EXPECT_EQ(moved[static_cast<std::size_t>((y * 7 + x) * 3 + c)], src[static_cast<std::size_t>(((y + 1) * 7 + x - 2) * 3 + c)]);
      const float expected = fill == Fill::reflect    ? src[7 * 3 + 3]
                             : fill == Fill::wrap     ? src[(7 + 5) * 3]
                             : fill == Fill::constant ? 4
                                                      : src[7 * 3];
      EXPECT_EQ(moved[0], expected) << "two columns left of the border";
      // A half turn.
      const std::vector<float> turned = transformed(size, rules, {.a0 = -1, .a2 = 6, .b1 = -1, .b2 = 4}, src);
      for (std::size_t pixel = 0; pixel < 35; ++pixel) EXPECT_EQ(turned[pixel * 3], src[(34 - pixel) * 3]);
    }
}

// The loop without tests beside the definition in double, for random matrices of all sorts, and sizes from a single pixel on.
TEST(Transform, AsTheDefinition) {
  std::uint64_t n = 0;
  const core::Random random(5, 6);
  const auto number = [&](double scale) { return scale * (2.0 * static_cast<double>(random.uniform(n++)) - 1); };
  for (const ImageSize size :
       {ImageSize{1, 1, 1}, ImageSize{1, 6, 2}, ImageSize{7, 1, 1}, ImageSize{9, 11, 1}, ImageSize{8, 8, 3}, ImageSize{6, 5, 4}})
    for (int round = 0; round < 60; ++round) {
      const TransformRules rules{.fill = fills[round % 4], .fill_value = 0.25, .bilinear = true};
      const double scale = round % 3 == 0 ? 0 : 1;
      const Projection p{1 + number(1.5) * scale, number(1) * scale, number(20), number(1) * scale,
                         1 + number(1.5) * scale, number(20),        0,          0};
      const std::vector<float> src = random_image(size, static_cast<std::uint64_t>(round));
      const std::vector<double> wide(src.begin(), src.end());
      std::vector<double> expected(wide.size());
      transform_reference(size, rules, p, wide.data(), expected.data());
      const std::vector<float> got = transformed(size, rules, p, src);
      std::size_t far = 0;
      for (std::size_t i = 0; i < got.size(); ++i) far += std::abs(static_cast<double>(got[i]) - expected[i]) > 1e-4 ? 1 : 0;
      // Where a point is moved beyond the border its place has a jump, which rounding may cross.
      EXPECT_LE(far, rules.fill == Fill::wrap ? got.size() / 20 + 1 : 0U)
          << "size " << size.height << "x" << size.width << ", round " << round;
    }
}

// What lies beyond all bounds gives numbers, and reads nothing outside of the image (the address sanitizer looks at that).
TEST(Transform, ExtremeMatrices) {
  const ImageSize size{4, 4, 1};
  const std::vector<float> src = random_image(size, 2);
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Fill fill : fills)
    for (const bool bilinear : {true, false})
      for (const Projection& p :
           {Projection{.a0 = 1e30}, Projection{.a2 = -1e30}, Projection{.a0 = nan}, Projection{.b2 = nan}, Projection{.a0 = 0, .b1 = 0},
            Projection{.c0 = -1}, Projection{.a0 = 1e-30, .b0 = -1e15}, Projection{.a2 = HUGE_VAL}, Projection{.c0 = nan}})
        for (const float value : transformed(size, {.fill = fill, .fill_value = 0.5, .bilinear = bilinear}, p, src)) {
          EXPECT_GE(value, 0);
          EXPECT_LE(value, 1);
        }
}

// <A x, y> = <x, A' y> for the linear part.
TEST(Transform, TransposeIsTheGradient) {
  const ImageSize size{6, 7, 2};
  const std::vector<float> x = random_image(size, 3), y = random_image(size, 4);
  const std::vector<double> wide_x(x.begin(), x.end()), wide_y(y.begin(), y.end());
  const double c = std::cos(0.7), s = std::sin(0.7);
  for (const Fill fill : fills)
    for (const bool bilinear : {true, false})
      for (const Projection& p : {Projection{c, -s, 2, s, c, -1, 0, 0}, Projection{1.3, 0.2, -1, 0.1, 0.8, 2, 0.02, -0.03}}) {
        const TransformRules rules{.fill = fill, .fill_value = 0, .bilinear = bilinear};
        std::vector<double> ax(x.size()), aty(x.size());
        transform_reference(size, rules, p, wide_x.data(), ax.data());
        transform_transpose(size, rules, p, wide_y.data(), aty.data());
        double forward = 0, backward = 0;
        for (std::size_t i = 0; i < x.size(); ++i) forward += ax[i] * wide_y[i], backward += wide_x[i] * aty[i];
        EXPECT_NEAR(forward, backward, 1e-9 * forward);
      }
}

TEST(Transform, ProjectionThroughFourPoints) {
  const std::array<std::array<double, 2>, 4> start{{{0, 0}, {10, 0}, {0, 6}, {10, 6}}}, end{{{1, 1}, {9, -2}, {-1, 7}, {12, 5}}};
  const Projection p = projection_between(start, end);
  for (std::size_t i = 0; i < 4; ++i) {
    const auto [x, y] = end[i];
    const double k = p.c0 * x + p.c1 * y + 1;
    EXPECT_NEAR((p.a0 * x + p.a1 * y + p.a2) / k, start[i][0], 1e-9);
    EXPECT_NEAR((p.b0 * x + p.b1 * y + p.b2) / k, start[i][1], 1e-9);
  }
  const std::array<std::array<double, 2>, 4> line{{{0, 0}, {1, 1}, {2, 2}, {3, 3}}};
  EXPECT_TRUE(std::isnan(projection_between(start, line).a0));
}

// ---- colours -----------------------------------------------------------------------------------------------------

TEST(Colors, NothingChangesWhereTheParameterSaysSo) {
  const ImageSize size{4, 5, 3};
  const Levels unit{0, 1};
  const std::vector<float> src = random_image(size, 7);
  std::vector<float> dst(src.size());
  const auto expect_same = [&](const char* what) {
    for (std::size_t i = 0; i < src.size(); ++i) EXPECT_NEAR(dst[i], src[i], 1e-6) << what;
  };
  contrast(size, unit, 1, src.data(), dst.data());
  expect_same("contrast");
  brightness(size, unit, 0, src.data(), dst.data());
  expect_same("brightness");
  desaturate(size, unit, 0, src.data(), dst.data());
  expect_same("desaturate");
  sharpen(size, unit, 1, src.data(), dst.data());
  expect_same("sharpen");
  turn_hue(size, unit, 0, src.data(), dst.data());
  expect_same("turn_hue");
  turn_hue(size, unit, 1, src.data(), dst.data());
  expect_same("a whole turn");
  scale_saturation(size, unit, 1, src.data(), dst.data());
  expect_same("scale_saturation");
}

// A histogram that is flat already stays, and a channel of one value does.
TEST(Colors, HistogramsOfFlatImages) {
  const ImageSize size{16, 16, 1};
  std::vector<float> src(256), dst(256), scratch(64 * 256);
  for (std::size_t i = 0; i < 256; ++i) src[i] = static_cast<float>(i);
  equalize(size, {}, 256, src.data(), dst.data(), scratch.data());
  EXPECT_EQ(dst, src);
  auto_contrast(size, {}, src.data(), dst.data());
  EXPECT_EQ(dst, src);
  std::fill(src.begin(), src.end(), 77.0F);
  equalize(size, {}, 256, src.data(), dst.data(), scratch.data());
  EXPECT_EQ(dst, src);
  auto_contrast(size, {}, src.data(), dst.data());
  EXPECT_EQ(dst, src);
}

}  // namespace
}  // namespace linn::detail::kernels
