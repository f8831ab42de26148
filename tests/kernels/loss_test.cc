#include "kernels/reduce/loss.h"

#include <gtest/gtest.h>

#include "kernels/reduce_check.h"

namespace linn::kernels {
namespace {

double total(const std::vector<double>& loss, const std::vector<double>& weights, double scale) {
  double sum = 0;
  for (std::size_t r = 0; r < loss.size(); ++r) sum += loss[r] * (weights.empty() ? 1 : weights[r]) * scale;
  return sum;
}

TEST(CrossentropyReference, FiniteDifferences) {
  constexpr std::int64_t rows = 4, classes = 6;
  const std::vector<std::int64_t> labels{0, 5, 2, 2};
  const auto targets = check::random_doubles(rows * classes, 3, 0, 1);
  for (const Prediction prediction : {Prediction::probabilities, Prediction::logits})
    for (const double smoothing : {0.0, 0.1})
      for (const bool dense : {false, true})
        for (const bool weighted : {false, true}) {
          const Crossentropy::Problem problem{classes, prediction, smoothing};
          const bool logits = prediction == Prediction::logits;
          const auto x = check::random_doubles(rows * classes, 4, logits ? -2 : 0.1, logits ? 2 : 1);
          const std::vector<double> weights = weighted ? std::vector<double>{0.5, 2, 0, 1.5} : std::vector<double>{};
          std::vector<double> loss(rows), gradient(x.size());
          const auto run = [&](const std::vector<double>& at, double* dprediction) {
            Crossentropy::reference<double>(problem, {rows, at.data(), dense ? nullptr : labels.data(), dense ? targets.data() : nullptr,
                                                      weighted ? weights.data() : nullptr, 0.25, loss.data(), dprediction, nullptr});
            return total(loss, weights, 0.25);
          };
          run(x, gradient.data());
          check::expect_gradient(x, gradient, [&](const std::vector<double>& at) { return run(at, nullptr); });
        }
}

TEST(CrossentropyReference, AsKeras) {
  const std::vector<std::int64_t> labels{0, 1};
  const std::vector<float> p{0, 1, 0, 1};  // all wrong, all right
  std::vector<float> loss(2), gradient(4);
  Crossentropy::reference<float>({2, Prediction::probabilities, 0}, {2, p.data(), labels.data(), nullptr, nullptr, 1, loss.data(), gradient.data(), nullptr});
  EXPECT_NEAR(loss[0], 16.118, 1e-3);
  EXPECT_NEAR(loss[1], 1.192e-7, 1e-9);
  EXPECT_EQ(gradient, (std::vector<float>{0, 0, 0, 0}));  // clipped

  const std::vector<float> unnormalised{2, 6};
  Crossentropy::reference<float>({2, Prediction::probabilities, 0}, {1, unnormalised.data(), labels.data(), nullptr, nullptr, 1, loss.data(), nullptr, nullptr});
  EXPECT_NEAR(loss[0], -std::log(0.25), 1e-6);

  const std::vector<float> far{-1000, 1000};
  Crossentropy::reference<float>({2, Prediction::logits, 0}, {1, far.data(), labels.data(), nullptr, nullptr, 1, loss.data(), gradient.data(), nullptr});
  EXPECT_EQ(loss[0], 2000);
  EXPECT_EQ(gradient[0], -1);
  EXPECT_EQ(gradient[1], 1);
}

TEST(CrossentropyReference, LogitsGiveWhatSoftmaxGives) {
  const std::vector<double> z{0.5, -1, 2, 0.25};
  double sum = 0;
  for (const double v : z) sum += std::exp(v);
  std::vector<double> p, from_p(1), from_z(1);
  for (const double v : z) p.push_back(std::exp(v) / sum);
  const std::int64_t label = 2;
  Crossentropy::reference<double>({4, Prediction::probabilities, 0.1}, {1, p.data(), &label, nullptr, nullptr, 1, from_p.data(), nullptr, nullptr});
  Crossentropy::reference<double>({4, Prediction::logits, 0.1}, {1, z.data(), &label, nullptr, nullptr, 1, from_z.data(), nullptr, nullptr});
  EXPECT_NEAR(from_p[0], from_z[0], 1e-12);
}

TEST(Crossentropy, EveryFormNearTheDoubleReference) {
  for (const Prediction prediction : {Prediction::probabilities, Prediction::logits})
    for (const double smoothing : {0.0, 0.1})
      for (const bool dense : {false, true})
        for (std::int64_t classes = 2; classes <= 70; ++classes) check::check_crossentropy({classes, prediction, smoothing}, 3, dense, static_cast<unsigned>(classes));
}

TEST(Crossentropy, FarLogitsAndNan) {
  const std::vector<float> x{-1000, 1000, 3, std::numeric_limits<float>::quiet_NaN(), 1, 1};
  const std::vector<std::int64_t> labels{0, 0, 1};
  check::each_form<Crossentropy>({2, Prediction::logits, 0}, [&](const Implementation<Crossentropy>& form) {
    std::vector<float> loss(3), dx(6);
    form.run({2, Prediction::logits, 0}, {3, x.data(), labels.data(), nullptr, nullptr, 1, loss.data(), dx.data(), nullptr});
    EXPECT_EQ(loss[0], 2000);
    EXPECT_EQ(dx[0], -1);
    EXPECT_EQ(dx[1], 1);
    EXPECT_TRUE(std::isnan(loss[1]) && std::isnan(dx[2]) && std::isnan(dx[3]));
    EXPECT_NEAR(loss[2], std::log(2.0), 1e-6);
  });
}

TEST(SquaredErrorReference, ValueAndFiniteDifferences) {
  const std::vector<double> two{1, 3}, zero{0, 1};
  std::vector<double> one(1);
  SquaredError::reference<double>({2}, {1, two.data(), zero.data(), nullptr, 1, one.data(), nullptr, nullptr});
  EXPECT_EQ(one[0], 2.5);

  const auto x = check::random_doubles(3 * 5, 1), targets = check::random_doubles(3 * 5, 2);
  const std::vector<double> weights{1, 0.5, 3};
  std::vector<double> loss(3), gradient(x.size());
  const auto run = [&](const std::vector<double>& at, double* dprediction) {
    SquaredError::reference<double>({5}, {3, at.data(), targets.data(), weights.data(), 0.5, loss.data(), dprediction, nullptr});
    return total(loss, weights, 0.5);
  };
  run(x, gradient.data());
  check::expect_gradient(x, gradient, [&](const std::vector<double>& at) { return run(at, nullptr); });
}

TEST(AccuracyReference, FirstLargestAndBinary) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> p{1, 3, 3, 3, 3, 1, 0, 1, 0, 5, nan, 7};
  const std::vector<std::int64_t> labels{1, 1, 1, 1};
  std::vector<float> right(4);
  Accuracy::reference<float>({3}, {4, p.data(), labels.data(), nullptr, right.data(), nullptr});
  EXPECT_EQ(right, (std::vector<float>{1, 0, 1, 1}));
  const std::vector<float> targets{0, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0, 1};
  Accuracy::reference<float>({3}, {4, p.data(), nullptr, targets.data(), right.data(), nullptr});
  EXPECT_EQ(right, (std::vector<float>{1, 1, 0, 0}));
  const std::vector<float> binary{0.5f, 0.6f, 0.4f, nan}, wanted{0, 1, 1, 1};
  Accuracy::reference<float>({1}, {4, binary.data(), nullptr, wanted.data(), right.data(), nullptr});
  EXPECT_EQ(right, (std::vector<float>{1, 1, 0, 0}));
}

}  // namespace
}  // namespace linn::kernels
