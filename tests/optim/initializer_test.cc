// First values: the statistics that Keras promises, seeds, JSON.
#include "optim/initializers.h"

#include <gmock/gmock.h>

#include <cmath>

#include "linn/error.h"
#include "linn/layers.h"
#include "layers/description.h"
#include "support/golden.h"

namespace linn::detail::optim {
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
  SCOPED_TRACE(initializer.class_name());
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
  uniform("random_uniform", 0.05 * 0.05 / 3);
  uniform(initializers::VarianceScaling{3, "fan_out", "uniform"}, 3 / fan_out);
  expect_moments(initializers::RandomUniform{-1, 3}, 1, 16.0 / 12, 2);
}

TEST(Initializer, TruncatedOnes) {
  const auto truncated = [](const Initializer& initializer, double variance) { expect_moments(initializer, 0, variance, 2 * std::sqrt(variance) / cut); };
  truncated("glorot_normal", 2 / (fan_in + fan_out));
  truncated("he_normal", 2 / fan_in);
  truncated("lecun_normal", 1 / fan_in);
  truncated("variance_scaling", 1 / fan_in);
  truncated(initializers::VarianceScaling{.distribution = "normal"}, 1 / fan_in);
  truncated(initializers::VarianceScaling{3, "fan_avg", "truncated_normal"}, 6 / (fan_in + fan_out));
  // Without the correction: the standard deviation is that of the normal before it is cut.
  expect_moments(initializers::TruncatedNormal{1, 0.5}, 1, 0.25 * cut * cut, 1);
}

TEST(Initializer, NormalOnes) {
  expect_moments(initializers::RandomNormal{2, 0.1}, 2, 0.01, HUGE_VAL);
  expect_moments(initializers::VarianceScaling{1, "fan_in", "untruncated_normal"}, 0, 1 / fan_in, HUGE_VAL);
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
  for (const double v : values_of(initialize(initializers::Constant{-2.5}, {7}, 0, 0))) EXPECT_EQ(v, -2.5);
}

TEST(Initializer, SeedsAndStreams) {
  const auto values = [](const Initializer& initializer, std::uint64_t seed, std::uint64_t stream) { return values_of(initialize(initializer, {1000}, seed, stream)); };
  for (const Initializer& initializer : std::vector<Initializer>{Initializer("glorot_uniform"), Initializer("he_normal"), initializers::RandomNormal{}}) {
    EXPECT_EQ(values(initializer, 1, 2), values(initializer, 1, 2));
    EXPECT_NE(values(initializer, 1, 2), values(initializer, 2, 2));
    EXPECT_NE(values(initializer, 1, 2), values(initializer, 1, 3));
  }
  // A seed of its own: the same values whatever the model's.
  const initializers::GlorotUniform own{.seed = 5};
  EXPECT_EQ(values(own, 1, 2), values(own, 8, 9));
}

TEST(Initializer, JsonRoundTrip) {
  const Initializer seeded = initializers::HeNormal{.seed = 12};
  for (const Initializer& initializer : std::vector<Initializer>{Initializer("zeros"), Initializer("GlorotUniform"), seeded, initializers::Constant{0.5}, initializers::RandomNormal{1, 2}, initializers::RandomUniform{-1, 2},
                                         initializers::TruncatedNormal{0, 3}, initializers::VarianceScaling{2, "fan_out", "uniform"}}) {
    const io::Json json = to_json(initializer);
    EXPECT_EQ(to_json(initializer_from_json(json, "test")), json);
  }
  EXPECT_EQ(initializer_from_json("he_normal", "test").class_name(), "HeNormal");
}

// Every row, as Keras 3 and Keras 2 write it.
TEST(Initializer, EveryRowReadsBackWhatItWrites) {
  for (const schema::RowOf<Initializer>& row : initializer_rows())
    for (const schema::Example& example : row.examples) {
      const io::Json config = io::parse_json(example.config, "example");
      const io::Json written = to_json(row.read(config, "test"));
      EXPECT_EQ(to_json(initializer_from_json(written, "test")), written);
      for (const auto& [key, value] : config.items()) EXPECT_EQ(written["config"][key], value) << row.info.name << '.' << key;
    }
  EXPECT_EQ(initializer_from_json({{"class_name", "Zeros"}, {"config", {{"dtype", "float32"}}}}, "test").class_name(), "Zeros");
  EXPECT_EQ(initializer_from_json({{"class_name", "Ones"}}, "test").class_name(), "Ones");
  EXPECT_EQ(initializer_from_json("IdentityInitializer", "test").class_name(), "Identity");
}

TEST(Initializer, InALayersOptions) {
  const auto kernel = [](const Initializer& initializer) {
    return linn::detail::description_of(Layer(Dense(3, {.kernel_initializer = initializer})))->config("d")["kernel_initializer"];
  };
  EXPECT_EQ(kernel("he_normal")["config"], io::Json({{"seed", nullptr}}));
  EXPECT_EQ(kernel(initializers::HeNormal{.seed = 3})["config"], io::Json({{"seed", 3}}));
  EXPECT_EQ(kernel(initializers::Orthogonal{.gain = 2})["config"], io::Json({{"gain", 2.0}, {"seed", nullptr}}));
}

// The numbers that models begin with: a change here changes every example and picture.
TEST(Initializer, TheStreamsAreThoseOfEveryVersion) {
  const auto first = [](const Initializer& initializer) { return values_of(initialize(initializer, {4, 5}, 7, 3)).front(); };
  EXPECT_EQ(first("glorot_uniform"), -0.70202851295471191);
  EXPECT_EQ(first("he_normal"), 1.4447788000106812);
  EXPECT_EQ(first("random_normal"), -0.10969570279121399);
  EXPECT_EQ(first("random_uniform"), -0.042990289628505707);
  EXPECT_EQ(first(initializers::TruncatedNormal{.seed = 5}), -0.098533406853675842);
}

// Q^T Q = gain^2 I for the shorter side.
TEST(Initializer, OrthogonalColumnsOrRows) {
  for (const Shape& shape : {Shape{5, 5}, Shape{7, 3}, Shape{3, 7}, Shape{3, 3, 4, 8}, Shape{2, 2, 2, 40}, Shape{1, 6}, Shape{64, 64}}) {
    const Values q = values_of(initialize(initializers::Orthogonal{.gain = 1.5}, shape, 7, 3));
    const auto columns = static_cast<std::size_t>(shape[-1]), rows = q.size() / columns;
    const bool wide = columns > rows;
    const std::size_t count = wide ? rows : columns, size = wide ? columns : rows;
    const auto at = [&](std::size_t vector, std::size_t i) { return wide ? q[vector * columns + i] : q[i * columns + vector]; };
    for (std::size_t a = 0; a < count; ++a)
      for (std::size_t b = 0; b < count; ++b) {
        double product = 0;
        for (std::size_t i = 0; i < size; ++i) product += at(a, i) * at(b, i);
        EXPECT_NEAR(product, a == b ? 2.25 : 0, 1e-6) << shape.to_string();
      }
  }
}

// The direction of a vector of a random rotation is uniform: each entry has mean 0 and variance 1 / size, whatever its place.
TEST(Initializer, OrthogonalPrefersNoDirection) {
  constexpr std::size_t size = 4, matrices = 4000;
  std::vector<double> sums(size * size), squares(size * size);
  for (std::size_t m = 0; m < matrices; ++m) {
    const Values q = values_of(initialize("orthogonal", {4, 4}, 11, m));
    for (std::size_t i = 0; i < q.size(); ++i) sums[i] += q[i], squares[i] += q[i] * q[i];
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    EXPECT_NEAR(sums[i] / matrices, 0, 5 * std::sqrt(0.25 / matrices)) << i;
    EXPECT_NEAR(squares[i] / matrices, 0.25, 0.025) << i;
  }
}

TEST(Initializer, IdentityMatrices) {
  EXPECT_EQ(values_of(initialize(initializers::Identity{.gain = 2}, {2, 3}, 0, 0)), (Values{2, 0, 0, 0, 2, 0}));
  EXPECT_EQ(values_of(initialize("identity", {3, 2}, 0, 0)), (Values{1, 0, 0, 1, 0, 0}));
}

TEST(Initializer, Refusals) {
  EXPECT_THROW(Initializer("glorot"), ValueError);
  EXPECT_THROW(Initializer(initializers::VarianceScaling{.scale = 0}), ValueError);
  EXPECT_THROW(Initializer(initializers::VarianceScaling{.scale = std::nan("")}), ValueError);
  EXPECT_THROW(Initializer(initializers::RandomNormal{.stddev = -1}), ValueError);
  EXPECT_THROW(initializers::Fan(std::string("fan")), ValueError);
  EXPECT_THROW(initializers::Distribution(std::string("gauss")), ValueError);
  EXPECT_THROW(initialize("identity", {3, 3, 2}, 0, 0), ValueError);
  EXPECT_THROW(initialize("orthogonal", {3}, 0, 0), ValueError);
  EXPECT_THROW(initializer_from_json(3, "test"), FormatError);
  EXPECT_THROW(initializer_from_json({{"class_name", "Zeros"}, {"config", 3}}, "test"), FormatError);
  EXPECT_THROW(initializer_from_json({{"class_name", "HeNormal"}, {"config", {{"seed", "x"}}}}, "test"), FormatError);
  EXPECT_THROW(initializer_from_json({{"class_name", "HeNormal"}, {"config", {{"sead", 3}}}}, "test"), FormatError);
  EXPECT_THROW(initializer_from_json({{"class_name", "HeNormal"}, {"config", {{"input_axes", {0}}}}}, "test"), FormatError);
  EXPECT_THROW(initializer_from_json({{"class_name", "VarianceScaling"}, {"config", {{"mode", "fan"}}}}, "test"), FormatError);
}

}  // namespace
}  // namespace linn::detail::optim
