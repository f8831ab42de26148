// The scalar arithmetic between a network's kernels, by hand: normalizations once a channel, penalties and limits, sums over a batch.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/kernels.h"

namespace linn::detail::kernels {
namespace {

using Numbers = std::vector<double>;

TEST(NormCoefficients, OfStatisticsAndOfMovingOnes) {
  const Numbers gamma{3, 5}, beta{-1, 7};
  Numbers statistics{10, 20, 4 - 0.25, 9 - 0.25}, coefficients(6);
  const NormCoefficients::Problem problem{.channels = 2, .epsilon = 0.25};
  NormCoefficients::reference<double>(problem, {statistics.data(), nullptr, nullptr, gamma.data(), beta.data(), coefficients.data(), 0, 2, nullptr});
  EXPECT_EQ(coefficients, (Numbers{10, 20, 3 * 0.5, 5 * (1.0 / 3), -1, 7}));

  const Numbers mean{1, 2}, variance{1 - 0.25, 16 - 0.25};
  NormCoefficients::reference<double>(problem, {statistics.data(), mean.data(), variance.data(), nullptr, nullptr, coefficients.data(), 1, 2, nullptr});
  EXPECT_EQ(statistics, (Numbers{10, 2, 4 - 0.25, 16 - 0.25})) << "the first channel is not of this call";
  EXPECT_EQ(coefficients, (Numbers{10, 2, 3 * 0.5, 0.25, -1, 0}));
}

// 2^24 + 1 is no float: what the mean loses is in the shift.
TEST(NormCoefficients, TheRestOfTheMeanIsInTheShift) {
  Numbers statistics{16777217, 0.25};
  std::vector<float> coefficients(3);
  NormCoefficients::reference<float>({.channels = 1, .epsilon = 0}, {statistics.data(), nullptr, nullptr, nullptr, nullptr, coefficients.data(), 0, 1, nullptr});
  EXPECT_EQ(coefficients, (std::vector<float>{16777216, 2, -2}));
}

TEST(MovingStatistics, MoveTowardsTheBatch) {
  const Numbers batch{10, 20, 30, 40};
  Numbers mean{2, 4}, variance{6, 8};
  MovingStatistics::reference<double>({.channels = 2, .momentum = 0.75}, {batch.data(), mean.data(), variance.data(), nullptr});
  EXPECT_EQ(mean, (Numbers{4, 8}));
  EXPECT_EQ(variance, (Numbers{12, 16}));
}

TEST(NormGradientCoefficients, ByHand) {
  const Numbers sums{6, 10}, statistics{3, 4}, coefficients{3, 1.5, 0};  // deviation 2, gamma 3
  Numbers lines(2), dgamma(1), dbeta(1);
  const NormGradientCoefficients::Problem problem{.channels = 1, .epsilon = 0};
  NormGradientCoefficients::reference<double>(
      problem, {4, sums.data(), statistics.data(), coefficients.data(), lines.data(), dgamma.data(), dbeta.data(), nullptr});
  EXPECT_EQ(dgamma[0], 10 / 2.0);
  EXPECT_EQ(dbeta[0], 6);
  EXPECT_EQ(lines, (Numbers{-1.5 * 0.5 * 5 / 4, -1.5 * 6 / 4}));
  NormGradientCoefficients::reference<double>(problem, {4, sums.data(), statistics.data(), coefficients.data(), nullptr, nullptr, nullptr, nullptr});
}

TEST(StandardCoefficients, ThereAndBack) {
  const Numbers mean{5, 6}, variance{4, 0};
  Numbers there(6), back(6);
  StandardCoefficients::reference<double>({.channels = 2, .invert = false}, {mean.data(), variance.data(), there.data(), nullptr});
  StandardCoefficients::reference<double>({.channels = 2, .invert = true}, {mean.data(), variance.data(), back.data(), nullptr});
  EXPECT_EQ(there, (Numbers{5, 6, 0.5, 1 / 1e-7, 0, 0}));
  EXPECT_EQ(back, (Numbers{0, 0, 2, 1e-7, 5, 6}));
}

TEST(FoldNorm, KernelAndBias) {
  const Numbers kernel{1, 2, 3, 4, 5, 6}, bias{10, 20}, coefficients{1, 2, 3, 4, 5, 6};
  Numbers folded(6), folded_bias(2), unchanged{-1, -1};
  FoldNorm::reference<double>({2}, {3, kernel.data(), bias.data(), coefficients.data(), folded.data(), folded_bias.data(), nullptr});
  EXPECT_EQ(folded, (Numbers{3, 8, 9, 16, 15, 24}));
  EXPECT_EQ(folded_bias, (Numbers{(10 - 1) * 3 + 5, (20 - 2) * 4 + 6}));
  FoldNorm::reference<double>({2}, {3, kernel.data(), nullptr, coefficients.data(), folded.data(), folded_bias.data(), nullptr});
  EXPECT_EQ(folded_bias, (Numbers{-1 * 3 + 5, -2 * 4 + 6}));
}

TEST(Penalty, AFactorOfZeroLeavesOutItsSum) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Numbers weights{-3, 0, 2}, huge{1e200, 1};
  double penalty = 0;
  Penalty::reference<double>({.l1 = 0.5, .l2 = 10}, {3, weights.data(), &penalty, nullptr});
  EXPECT_EQ(penalty, 0.5 * 5 + 10 * 13);
  Penalty::reference<double>({.l1 = 1, .l2 = 0}, {2, huge.data(), &penalty, nullptr});
  EXPECT_EQ(penalty, 1e200) << "the sum of squares is infinite";
  Penalty::reference<double>({.l1 = 0, .l2 = 1}, {2, huge.data(), &penalty, nullptr});
  EXPECT_EQ(penalty, infinity);
  Numbers gradient(3);
  PenaltyGradient::reference<double>({.l1 = 0.5, .l2 = 10}, {3, weights.data(), gradient.data(), nullptr});
  EXPECT_EQ(gradient, (Numbers{-0.5 - 60, 0, 0.5 + 40}));
}

TEST(Total, OfSeveralLists) {
  const Numbers a{1, 2}, b{3};
  double total = 100;
  Total::reference<double>({}, {2, a.data(), &total, false, nullptr});
  EXPECT_EQ(total, 3);
  Total::reference<double>({}, {1, b.data(), &total, true, nullptr});
  EXPECT_EQ(total, 6);
}

TEST(Clip, ByNormAndByValue) {
  const Numbers gradient{3, -4};
  Numbers clipped(2);
  double squared = 25;
  ClipNorm::reference<double>({.norm = 1}, {2, gradient.data(), &squared, clipped.data(), nullptr});
  EXPECT_EQ(clipped, (Numbers{3 * 0.2, -4 * 0.2}));
  ClipNorm::reference<double>({.norm = 5}, {2, gradient.data(), &squared, clipped.data(), nullptr});
  EXPECT_EQ(clipped, gradient) << "a norm of just as much";
  squared = std::numeric_limits<double>::infinity();
  ClipNorm::reference<double>({.norm = 1}, {2, gradient.data(), &squared, clipped.data(), nullptr});
  EXPECT_EQ(clipped, (Numbers{0, 0}));
  squared = std::numeric_limits<double>::quiet_NaN();
  ClipNorm::reference<double>({.norm = 1}, {2, gradient.data(), &squared, clipped.data(), nullptr});
  EXPECT_TRUE(std::isnan(clipped[0]) && std::isnan(clipped[1]));
  ClipValue::reference<double>({.limit = 3.5}, {2, gradient.data(), clipped.data(), nullptr});
  EXPECT_EQ(clipped, (Numbers{3, -3.5}));
}

TEST(RowSum, WeightsAndShare) {
  const Numbers values{1, 2, 3, 4}, weight{2, 0.5};
  double sum = 0;
  const double share = 3;
  RowSum::reference<double>({.rows = 2}, {2, values.data(), nullptr, nullptr, &sum, nullptr});
  EXPECT_EQ(sum, 10);
  RowSum::reference<double>({.rows = 2}, {2, values.data(), weight.data(), &share, &sum, nullptr});
  EXPECT_EQ(sum, 3 * (2 * 3 + 0.5 * 7));

  Numbers gradient(4);
  RowSumGradient::reference<double>({.rows = 2, .factor = 8}, {2, 4, weight.data(), &share, gradient.data(), nullptr});
  EXPECT_EQ(gradient, (Numbers{6, 6, 1.5, 1.5}));
  RowSumGradient::reference<double>({.rows = 2, .factor = 8}, {2, 4, nullptr, nullptr, gradient.data(), nullptr});
  EXPECT_EQ(gradient, (Numbers{1, 1, 1, 1}));
}

TEST(MeanTotals, GoOnFromThoseBefore) {
  const Numbers values{1, 2, 3, 4}, weight{2, 0.5};
  Numbers totals{100, 1000};
  MeanTotals::reference<double>({.rows = 2}, {2, values.data(), nullptr, totals.data(), nullptr});
  EXPECT_EQ(totals, (Numbers{110, 1004}));
  MeanTotals::reference<double>({.rows = 2}, {2, values.data(), weight.data(), totals.data(), nullptr});
  EXPECT_EQ(totals, (Numbers{110 + 2 * 3 + 0.5 * 7, 1004 + 5}));
}

TEST(LossShare, OfEachReduction) {
  const std::vector<std::int64_t> labels{7, 1, 7, 2};
  const Numbers losses{0, 3, 0, 0}, weight{2, 0.5, 4, 1};
  const auto share = [&](const LossShare::Problem& problem, const double* weights) {
    double result = -1;
    LossShare::reference<double>(problem, {4 / problem.rows, labels.data(), losses.data(), weights, &result, nullptr});
    return result;
  };
  EXPECT_EQ(share({.ignored = 7}, nullptr), 2);
  EXPECT_EQ(share({.ignored = 5}, nullptr), 1);
  EXPECT_EQ(share({.leaves_out_zeros = true}, weight.data()), 4);
  EXPECT_EQ(share({.reduction = LossReduction::sum, .ignored = 7}, weight.data()), 4);
  EXPECT_EQ(share({.reduction = LossReduction::sum, .rows = 2, .once = true}, nullptr), 2);
  EXPECT_EQ(share({.reduction = LossReduction::sum, .rows = 2, .once = true}, weight.data()), 4);
  EXPECT_EQ(share({.reduction = LossReduction::weighted_mean}, weight.data()), 4 / 7.5);
  EXPECT_EQ(share({.reduction = LossReduction::weighted_mean, .rows = 2}, weight.data()), 4 / (2 * 2.5));
  EXPECT_EQ(share({.reduction = LossReduction::weighted_mean, .ignored = 7}, weight.data()), 4 / 1.5);
  const std::vector<std::int64_t> all{7};
  double none = -1;
  LossShare::reference<double>({.ignored = 7}, {1, all.data(), nullptr, nullptr, &none, nullptr});
  EXPECT_EQ(none, 0);
}

template <class From>
void check_gather_labels(DType from) {
  const std::vector<From> labels{0, 1, 2, 3, 100, 5};
  const std::vector<std::int64_t> index{9, 2, 0};
  std::vector<std::int64_t> gathered(4);
  GatherLabels::reference<float>({.row = 2, .from = from}, {2, labels.data(), index.data(), 1, gathered.data(), nullptr});
  EXPECT_EQ(gathered, (std::vector<std::int64_t>{100, 5, 0, 1}));
  GatherLabels::reference<float>({.row = 2, .from = from}, {2, labels.data(), nullptr, 1, gathered.data(), nullptr});
  EXPECT_EQ(gathered, (std::vector<std::int64_t>{2, 3, 100, 5}));
}

TEST(GatherLabels, OfEveryTypeWithAndWithoutAnIndex) {
  check_gather_labels<std::uint8_t>(DType::u8);
  check_gather_labels<std::int32_t>(DType::i32);
  check_gather_labels<std::int64_t>(DType::i64);
  check_gather_labels<float>(DType::f32);
  check_gather_labels<double>(DType::f64);
}

TEST(Constants, AreRounded) {
  const Numbers numbers{0.5, 1 + 0x1p-30};
  std::vector<float> rounded(2);
  Constants::reference<float>({}, {2, numbers.data(), rounded.data(), nullptr});
  EXPECT_EQ(rounded, (std::vector<float>{0.5, 1}));
}

}  // namespace
}  // namespace linn::detail::kernels
