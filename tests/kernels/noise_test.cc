// Spatial dropout and Gaussian noise.
#include "kernels/eltwise/noise.h"

#include <gtest/gtest.h>

#include "kernels/noise_check.h"

namespace linn::detail::kernels {
namespace {

TEST(SpatialDropout, EveryFormGivesTheReferencesBits) {
  for (const double rate : {0.0, 0.25, 0.5, 0.9})
    for (std::int64_t channels = 1; channels <= 40; ++channels) check::check_spatial_dropout({rate, 6, channels}, 3, 16, 7, 9);
}

TEST(GaussianNoise, HasTheMeanAndDeviationAskedFor) {
  constexpr std::int64_t count = 100000;
  const std::vector<double> src(count, 2.0);
  std::vector<double> dst(count);
  GaussianNoise::reference<double>({0.5}, {count, 1, 2, 0, src.data(), dst.data(), nullptr});
  double mean = 0, square = 0, fourth = 0, neighbours = 0;
  for (std::size_t i = 0; i < dst.size(); ++i) {
    const double z = (dst[i] - 2) / 0.5;
    mean += z / count, square += z * z / count, fourth += z * z * z * z / count;
    if (i > 0) neighbours += z * (dst[i - 1] - 2) / 0.5 / count;
  }
  EXPECT_NEAR(mean, 0, 0.01);
  EXPECT_NEAR(square, 1, 0.02);
  EXPECT_NEAR(fourth, 3, 0.1);
  EXPECT_NEAR(neighbours, 0, 0.01);
}

TEST(GaussianNoise, EveryFormIsBoxAndMullers) {
  for (const bool multiplies : {false, true})
    for (std::int64_t count = 1; count <= 70; ++count) check::check_gaussian_noise({0.7, multiplies}, count, static_cast<std::uint64_t>(count % 5), 7, 9);
  check::check_gaussian_noise({1.5, false}, 500000, 0, 1, 2);
  // Counters beyond 32 bits, and a vector of them that crosses 2^32.
  check::check_gaussian_noise({1.0, false}, 300, (std::uint64_t{1} << 33) - 57, 3, 4);
  check::check_gaussian_noise({1.0, true}, 300, std::uint64_t{1} << 40, std::uint64_t{1} << 63, ~std::uint64_t{0});
  check::check_gaussian_noise({0.0, false}, 40, 0, 1, 2);
}

// A number depends on its place alone: a call in two parts gives the same.
TEST(GaussianNoise, OfPartsIsThatOfTheWhole) {
  const std::vector<float> src(101, 1.0f);
  std::vector<float> whole(src.size()), parts(src.size());
  GaussianNoise::reference<float>({1.0}, {101, 3, 4, 7, src.data(), whole.data(), nullptr});
  for (const std::int64_t cut : {1, 2, 33}) {
    GaussianNoise::reference<float>({1.0}, {cut, 3, 4, 7, src.data(), parts.data(), nullptr});
    GaussianNoise::reference<float>({1.0}, {101 - cut, 3, 4, 7 + static_cast<std::uint64_t>(cut), src.data(), parts.data() + cut, nullptr});
    EXPECT_EQ(parts, whole) << cut;
  }
}

}  // namespace
}  // namespace linn::detail::kernels
