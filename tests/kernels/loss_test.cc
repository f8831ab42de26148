#include "kernels/reduce/loss.h"

#include <gtest/gtest.h>

#include "kernels/reduce_check.h"

namespace linn::detail::kernels {
namespace {

double dot(const std::vector<double>& loss, const std::vector<double>& upstream) {
  double sum = 0;
  for (std::size_t r = 0; r < loss.size(); ++r) sum += loss[r] * upstream[r];
  return sum;
}

TEST(CrossentropyReference, FiniteDifferences) {
  constexpr std::int64_t rows = 4, classes = 6;
  const std::vector<std::int64_t> labels{0, 5, 2, 2};
  const auto targets = check::random_doubles(rows * classes, 3, 0, 1);
  for (const Prediction prediction : {Prediction::probabilities, Prediction::logits})
    for (const double smoothing : {0.0, 0.1})
      for (const bool dense : {false, true})
        for (const bool ignores : {false, true}) {
          Crossentropy::Problem problem{classes, prediction, smoothing};
          if (ignores) problem.ignored = 2;
          const bool logits = prediction == Prediction::logits;
          const auto x = check::random_doubles(rows * classes, 4, logits ? -2 : 0.1, logits ? 2 : 1);
          const std::vector<double> upstream{0.125, 0.5, 0, -0.375};
          std::vector<double> loss(rows), gradient(x.size());
          const auto run = [&](const std::vector<double>& at, double* dprediction) {
            Crossentropy::reference<double>(problem, {rows, at.data(), dense ? nullptr : labels.data(), dense ? targets.data() : nullptr,
                                                      upstream.data(), loss.data(), dprediction, nullptr});
            return dot(loss, upstream);
          };
          run(x, gradient.data());
          check::expect_gradient(x, gradient, [&](const std::vector<double>& at) { return run(at, nullptr); });
        }
}

TEST(CrossentropyReference, AsKeras) {
  const std::vector<std::int64_t> labels{0, 1};
  const std::vector<float> p{0, 1, 0, 1};  // all wrong, all right
  const std::vector<float> ones{1, 1};
  std::vector<float> loss(2), gradient(4);
  Crossentropy::reference<float>({2, Prediction::probabilities, 0}, {2, p.data(), labels.data(), nullptr, ones.data(), loss.data(), gradient.data(), nullptr});
  EXPECT_NEAR(loss[0], 16.118, 1e-3);
  EXPECT_NEAR(loss[1], 1.192e-7, 1e-9);
  EXPECT_EQ(gradient, (std::vector<float>{0, 0, 0, 0}));  // clipped

  const std::vector<float> unnormalised{2, 6};
  Crossentropy::reference<float>({2, Prediction::probabilities, 0}, {1, unnormalised.data(), labels.data(), nullptr, nullptr, loss.data(), nullptr, nullptr});
  EXPECT_NEAR(loss[0], -std::log(0.25), 1e-6);

  const std::vector<float> far{-1000, 1000};
  Crossentropy::reference<float>({2, Prediction::logits, 0}, {1, far.data(), labels.data(), nullptr, ones.data(), loss.data(), gradient.data(), nullptr});
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
  Crossentropy::reference<double>({4, Prediction::probabilities, 0.1}, {1, p.data(), &label, nullptr, nullptr, from_p.data(), nullptr, nullptr});
  Crossentropy::reference<double>({4, Prediction::logits, 0.1}, {1, z.data(), &label, nullptr, nullptr, from_z.data(), nullptr, nullptr});
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
  const std::vector<float> ones{1, 1, 1};
  check::each_form<Crossentropy>({2, Prediction::logits, 0}, [&](const Implementation<Crossentropy>& form) {
    std::vector<float> loss(3), dx(6);
    form.run({2, Prediction::logits, 0}, {3, x.data(), labels.data(), nullptr, ones.data(), loss.data(), dx.data(), nullptr});
    EXPECT_EQ(loss[0], 2000);
    EXPECT_EQ(dx[0], -1);
    EXPECT_EQ(dx[1], 1);
    EXPECT_TRUE(std::isnan(loss[1]) && std::isnan(dx[2]) && std::isnan(dx[3]));
    EXPECT_NEAR(loss[2], std::log(2.0), 1e-6);
  });
}

TEST(Crossentropy, IgnoredRowsAreZero) {
  const std::vector<float> x{1, 2, 3, 4, 5, std::numeric_limits<float>::quiet_NaN()}, upstream{1, 1, 1};
  const std::vector<std::int64_t> labels{0, 255, -1};
  for (const Prediction prediction : {Prediction::probabilities, Prediction::logits})
    for (const std::int64_t ignored : {255, -1})
      check::each_form<Crossentropy>({2, prediction, 0, ignored}, [&](const Implementation<Crossentropy>& form) {
        std::vector<float> loss(3, 7), dx(6, 7);
        const std::int64_t rows[] = {0, ignored == 255 ? 1 : 2};
        for (const std::int64_t r : rows)
          form.run({2, prediction, 0, ignored}, {1, x.data() + 2 * r, labels.data() + r, nullptr, upstream.data(), loss.data() + r, dx.data() + 2 * r, nullptr});
        EXPECT_GT(loss[0], 0);
        EXPECT_EQ(loss[static_cast<std::size_t>(rows[1])], 0);
        EXPECT_EQ(dx[static_cast<std::size_t>(2 * rows[1])], 0);
        EXPECT_EQ(dx[static_cast<std::size_t>(2 * rows[1] + 1)], 0);
      });
}

struct Squares {
  template <class T>
  T value(T t, T p) const {
    return (p - t) * (p - t);
  }
  template <class T>
  T slope(T t, T p) const {
    return 2 * (p - t);
  }
};

struct SquaresOfRow {
  template <class T>
  T row(std::span<const T> t, std::span<const T> p, T* slopes) const {
    T sum = 0;
    for (std::size_t c = 0; c < p.size(); ++c) sum += Squares().value(t[c], p[c]);
    for (std::size_t c = 0; slopes != nullptr && c < p.size(); ++c) slopes[c] = Squares().slope(t[c], p[c]);
    return sum;
  }
};

struct SumOfSquares : Squares {
  static constexpr bool sums = true;
};

// The mean, the sum, and the sum by a function of the whole row; loss and gradient together and each alone.
TEST(RowLoss, MeansSumsAndRows) {
  const std::vector<double> p{1, 3, 0, 1}, t{0, 1, 2, 0}, upstream{1, 0.5};
  const auto check = [&](const LossFunction& function, const std::vector<double>& losses, const std::vector<double>& slopes) {
    std::vector<double> loss(2), gradient(4), alone(2), gradient_alone(4);
    const RowLoss::Problem problem{2, function};
    RowLoss::reference<double>(problem, {2, p.data(), nullptr, t.data(), upstream.data(), loss.data(), gradient.data(), nullptr});
    RowLoss::reference<double>(problem, {2, p.data(), nullptr, t.data(), nullptr, alone.data(), nullptr, nullptr});
    RowLoss::reference<double>(problem, {2, p.data(), nullptr, t.data(), upstream.data(), nullptr, gradient_alone.data(), nullptr});
    EXPECT_EQ(loss, losses);
    EXPECT_EQ(alone, losses);
    EXPECT_EQ(gradient, slopes);
    EXPECT_EQ(gradient_alone, slopes);
  };
  check(LossFunction::of(Squares{}), {2.5, 2.5}, {1, 2, -1, 0.5});
  check(LossFunction::of(SumOfSquares{}), {5, 5}, {2, 4, -2, 1});
  check(LossFunction::of(SquaresOfRow{}), {5, 5}, {2, 4, -2, 1});
}

struct LabelAt {
  template <class T>
  T row(std::int64_t label, std::span<const T> p) const {
    return p[static_cast<std::size_t>(label)];
  }
};

struct LargestAndSmallest {
  template <class T>
  void add(std::span<const T> t, std::span<const T> p, double weight, double* totals) const {
    totals[0] += weight * static_cast<double>(*std::max_element(p.begin(), p.end()) + t[0]);
    totals[1] += weight * static_cast<double>(*std::min_element(p.begin(), p.end()) + t[1]);
  }
};

TEST(RowMetric, OfLabels) {
  const std::vector<float> p{1, 3, 5, 7};
  const std::vector<std::int64_t> labels{1, 0};
  std::vector<float> values(2);
  RowMetric::reference<float>({2, MetricFunction::of(LabelAt{})}, {2, p.data(), labels.data(), nullptr, values.data(), nullptr});
  EXPECT_EQ(values, (std::vector<float>{3, 5}));
}

TEST(RowTotals, WeightsOfImagesGoOnFromTotalsBefore) {
  const std::vector<float> p{1, 3, 5, 7}, t{10, 20, 30, 40}, weight{0.5F, 2};
  std::vector<double> totals{1000, 2000};
  RowTotals::reference<float>({2, TotalsFunction::of(LargestAndSmallest{})}, {1, 2, p.data(), nullptr, t.data(), nullptr, totals.data(), nullptr});
  EXPECT_EQ(totals, (std::vector<double>{1000 + 13 + 37, 2000 + 21 + 45}));
  RowTotals::reference<float>({2, TotalsFunction::of(LargestAndSmallest{})}, {2, 1, p.data(), nullptr, t.data(), weight.data(), totals.data(), nullptr});
  EXPECT_EQ(totals, (std::vector<double>{1050 + 0.5 * 13 + 2 * 37, 2066 + 0.5 * 21 + 2 * 45}));
}

}  // namespace
}  // namespace linn::detail::kernels
