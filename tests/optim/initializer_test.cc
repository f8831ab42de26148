// First values: the statistics that Keras promises, seeds, JSON.
#include "optim/initializers.h"

#include <gmock/gmock.h>

#include <cmath>

#include "linn/error.h"
#include "support/golden.h"

namespace linn::optim {
namespace {

using tests::Values;
using tests::values_of;

// fan_in 9 * 20, fan_out 9 * 300: 54000 values.
const Shape kernel{3, 3, 20, 300};
constexpr double fan_in = 180, fan_out = 2700;

struct Statistics {
  double mean = 0, variance = 0, least = 0, most = 0;
};

Statistics of(const Values& values) {
  Statistics s{.mean = 0, .variance = 0, .least = values[0], .most = values[0]};
  for (const double v : values) {
    s.mean += v / static_cast<double>(values.size());
    s.least = std::min(s.least, v);
    s.most = std::max(s.most, v);
  }
  for (const double v : values) s.variance += (v - s.mean) * (v - s.mean) / static_cast<double>(values.size());
  return s;
}

// Five standard errors of the mean; the variance within 3 %, more than six of its standard errors.
void expect_moments(const Initializer& initializer, double mean, double variance, double limit) {
  SCOPED_TRACE(initializer.class_name);
  const Values values = values_of(initialize(initializer, kernel, 7, 3));
  const Statistics s = of(values);
  EXPECT_NEAR(s.mean, mean, 5 * std::sqrt(variance / static_cast<double>(values.size())));
  EXPECT_NEAR(s.variance, variance, 0.03 * variance);
  EXPECT_GE(s.least, mean - limit * 1.0000001);
  EXPECT_LE(s.most, mean + limit * 1.0000001);
  if (std::isfinite(limit)) {
    EXPECT_GT(s.most, mean + limit * 0.99);
    EXPECT_LT(s.least, mean - limit * 0.99);
  }
}

// Keras's correction of a normal that is cut at two standard deviations.
constexpr double cut = 0.87962566103423978;

TEST(Initializer, UniformOnes) {
  const auto uniform = [](const Initializer& initializer, double variance) { expect_moments(initializer, 0, variance, std::sqrt(3 * variance)); };
  uniform("glorot_uniform", 2 / (fan_in + fan_out));
  uniform("he_uniform", 2 / fan_in);
  uniform("lecun_uniform", 1 / fan_in);
  uniform(VarianceScaling(3, "fan_out", "uniform"), 3 / fan_out);
  expect_moments(RandomUniform(-1, 3), 1, 16.0 / 12, 2);
}

TEST(Initializer, TruncatedOnes) {
  const auto truncated = [](const Initializer& initializer, double variance) { expect_moments(initializer, 0, variance, 2 * std::sqrt(variance) / cut); };
  truncated("glorot_normal", 2 / (fan_in + fan_out));
  truncated("he_normal", 2 / fan_in);
  truncated("lecun_normal", 1 / fan_in);
  truncated(VarianceScaling(3, "fan_avg", "truncated_normal"), 6 / (fan_in + fan_out));
  // Without the correction: the standard deviation is that of the normal before it is cut.
  expect_moments(TruncatedNormal(1, 0.5), 1, 0.25 * cut * cut, 1);
}

TEST(Initializer, NormalOnes) {
  expect_moments(RandomNormal(2, 0.1), 2, 0.01, HUGE_VAL);
  expect_moments(VarianceScaling(1, "fan_in", "untruncated_normal"), 0, 1 / fan_in, HUGE_VAL);
}

TEST(Initializer, FansOfDenseKernelsAndVectors) {
  const double dense = of(values_of(initialize("he_uniform", {50, 400}, 1, 0))).variance;
  EXPECT_NEAR(dense, 2.0 / 50, 0.03 * 2 / 50);
  const double vector = of(values_of(initialize("glorot_uniform", {20000}, 1, 0))).most;
  EXPECT_NEAR(vector, std::sqrt(6.0 / 40000), 1e-4);
  EXPECT_EQ(initialize("glorot_uniform", {}, 1, 0).elements(), 1);
}

TEST(Initializer, Constants) {
  for (const double v : values_of(initialize("zeros", {7}, 0, 0))) EXPECT_EQ(v, 0);
  for (const double v : values_of(initialize("ones", {7}, 0, 0))) EXPECT_EQ(v, 1);
  for (const double v : values_of(initialize(Constant(-2.5), {7}, 0, 0))) EXPECT_EQ(v, -2.5);
}

TEST(Initializer, SeedsAndStreams) {
  const auto values = [](const Initializer& initializer, std::uint64_t seed, std::uint64_t stream) { return values_of(initialize(initializer, {1000}, seed, stream)); };
  for (const Initializer& initializer : {Initializer("glorot_uniform"), Initializer("he_normal"), RandomNormal()}) {
    EXPECT_EQ(values(initializer, 1, 2), values(initializer, 1, 2));
    EXPECT_NE(values(initializer, 1, 2), values(initializer, 2, 2));
    EXPECT_NE(values(initializer, 1, 2), values(initializer, 1, 3));
  }
  // A seed of its own: the same values whatever the model's.
  Initializer own = "glorot_uniform";
  own.seed = 5;
  EXPECT_EQ(values(own, 1, 2), values(own, 8, 9));
}

TEST(Initializer, JsonRoundTrip) {
  Initializer seeded = "he_normal";
  seeded.seed = 12;
  for (const Initializer& initializer : {Initializer("zeros"), Initializer("GlorotUniform"), seeded, Constant(0.5), RandomNormal(1, 2), RandomUniform(-1, 2),
                                         TruncatedNormal(0, 3), VarianceScaling(2, "fan_out", "uniform")}) {
    const io::Json json = to_json(initializer);
    EXPECT_EQ(to_json(initializer_from_json(json, "test")), json);
  }
  EXPECT_EQ(initializer_from_json("he_normal", "test").class_name, "HeNormal");
}

TEST(Initializer, Refusals) {
  EXPECT_THROW(Initializer("glorot"), ValueError);
  EXPECT_THROW(VarianceScaling(0), ValueError);
  EXPECT_THROW(VarianceScaling(std::nan("")), ValueError);
  EXPECT_THROW(VarianceScaling(1, "fan"), ValueError);
  EXPECT_THROW(VarianceScaling(1, "fan_in", "gauss"), ValueError);
  EXPECT_THROW(initializer_from_json(3, "test"), FormatError);
  EXPECT_THROW(initializer_from_json({{"class_name", "Zeros"}, {"config", 3}}, "test"), FormatError);
  EXPECT_THROW(initializer_from_json({{"class_name", "HeNormal"}, {"config", {{"seed", "x"}}}}, "test"), FormatError);
}

}  // namespace
}  // namespace linn::optim
