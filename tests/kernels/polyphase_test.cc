#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <chrono>

#include "kernels/kernels.h"
#include "kernels/polyphase_check.h"

namespace linn::detail::kernels {
namespace {

using check::Values;

constexpr PhaseScore scores[] = {PhaseScore::l1, PhaseScore::l2, PhaseScore::linf, PhaseScore::mean};

TEST(PhaseScores, AllTails) {
  unsigned seed = 1;
  for (std::int64_t channels = 1; channels <= 37; ++channels)
    for (const PhaseScore score : scores)
      for (const Values values : {Values::normal, Values::ties, Values::hostile})
        for (const Phases& p : {Phases{4, 6, channels, 2, 2}, Phases{6, 5, channels, 3, 1}, Phases{1, 3, channels, 1, 3}}) {
          check::check_phase_scores(p, score, 2, check::make(2 * p.map(), values, ++seed));
          if (HasFatalFailure()) return;
        }
}

// More elements a phase than 51 bits each leave room for, and magnitudes far apart, huge and tiny.
TEST(PhaseScores, ManyElementsOfAllMagnitudes) {
  const Phases p = {80, 96, 3, 2, 2};
  for (const PhaseScore score : scores)
    for (const int top : {0, 127, -130})
      for (const int span : {2, 30}) {
        std::vector<float> src = check::make(p.map(), Values::normal, 5);
        for (std::size_t i = 0; i < src.size(); ++i)
          src[i] = std::ldexp(src[i] / 8, top - static_cast<int>(i % static_cast<std::size_t>(span)));
        check::check_phase_scores(p, score, 1, src);
        if (HasFatalFailure()) return;
      }
}

// [1 2; 3 4] in every 2x2 block but for one -5: norms by hand.
TEST(PhaseScores, ByHand) {
  const std::vector<float> src = {1, 2, 1, 2, 3, 4, -5, 4};
  const Phases p = {2, 4, 1, 2, 2};
  EXPECT_EQ(check::scores_of({p, PhaseScore::l1}, src), (std::vector<float>{1, 2, 4, 4}));
  EXPECT_EQ(check::scores_of({p, PhaseScore::l2}, src), (std::vector<float>{1, 2, std::sqrt(17.0f), 4}));
  EXPECT_EQ(check::scores_of({p, PhaseScore::linf}, src), (std::vector<float>{1, 2, 5, 4}));
  EXPECT_EQ(check::scores_of({p, PhaseScore::mean}, src), (std::vector<float>{1, 2, -1, 4}));
}

TEST(PhaseChoice, LargestThenNan) {
  const Phases p = {2, 2, 1, 2, 2};
  const std::vector<float> src = {1, 2, 3, 4};
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(check::choice_of(p, src, {1, 5, 3, 2}), 1);
  EXPECT_EQ(check::choice_of(p, src, {1, infinity, nan, 2}), 2);
  EXPECT_EQ(check::choice_of(p, src, {-4, -3, -2, -3}), 2);
}

// The choice of the reference, which takes the first of those with one smallest rotation, by hand: {1 2 | 2 1} is {2 1 | 1 2} rotated, and
// {1 1 | 2 2} holds the smaller rotation.
TEST(PhaseChoice, TheSmallestRotation) {
  const Phases p = {2, 4, 1, 1, 2};
  EXPECT_EQ(check::choice_of(p, {2, 1, 1, 2, 1, 2, 2, 1}, {7, 7}), 0);  // the same but for a rotation
  // Phase 0 is {1 2 | 2 1}, phase 1 {1 1 | 2 2}.
  EXPECT_EQ(check::choice_of(p, {1, 1, 2, 1, 2, 2, 1, 2}, {7, 7}), 1);
}

TEST(PhaseChoice, EveryBinaryPatternOfFourByFour) {
  const Phases p = {4, 4, 1, 2, 2};
  std::vector<float> map(16);
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    for (std::size_t i = 0; i < map.size(); ++i) map[i] = static_cast<float>(bits >> i & 1);
    check::check_phase_choice(p, PhaseScore::l2, map);
    if (HasFatalFailure()) return;
  }
}

RC_GTEST_PROP(PhaseChoice, AShiftOfTheMapIsAShiftOfWhatIsChosen, ()) {
  const Phases p = [&] {
    const auto stride_height = *rc::gen::inRange<std::int64_t>(1, 4), stride_width = *rc::gen::inRange<std::int64_t>(1, 4);
    return Phases{stride_height * *rc::gen::inRange<std::int64_t>(1, 6), stride_width * *rc::gen::inRange<std::int64_t>(1, 6),
                  *rc::gen::inRange<std::int64_t>(1, 4), stride_height, stride_width};
  }();
  const auto score = *rc::gen::elementOf(std::vector<PhaseScore>(std::begin(scores), std::end(scores)));
  // Of two values, zeros of both signs, NaN and infinities: many ties.
  const auto values = *rc::gen::elementOf(
      std::vector<std::vector<float>>{{0, 1},
                                      {-1, 1},
                                      {0, -0.0f},
                                      {0.5f},
                                      {0, 1, 2, 3},
                                      {1, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()},
                                      {0, std::numeric_limits<float>::quiet_NaN()}});
  std::mt19937 engine(*rc::gen::arbitrary<std::uint32_t>());
  std::vector<float> map(static_cast<std::size_t>(p.map()));
  for (float& value : map) value = values[engine() % values.size()];
  check::check_phase_choice(p, score, map);
  RC_ASSERT(!::testing::Test::HasFailure());
}

// Patterns that repeat themselves within a phase are the worst case of sorting rotations; a map of one colour is none.
TEST(PhaseChoice, PatternsAndOneColour) {
  for (const PhaseScore score : scores)
    for (const std::int64_t period : {1, 2, 3, 4, 6, 8}) {
      const Phases p = {24, 24, 2, 2, 2};
      std::vector<float> map(static_cast<std::size_t>(p.map()));
      for (std::int64_t i = 0; i < p.map(); ++i) {
        const std::int64_t y = i / 2 / p.width, x = i / 2 % p.width;
        map[static_cast<std::size_t>(i)] = static_cast<float>((y / period + x / period) % 2);
      }
      check::check_phase_choice(p, score, map);
      std::fill(map.begin(), map.end(), static_cast<float>(period) - 2);
      check::check_phase_choice(p, score, map);
      if (HasFatalFailure()) return;
    }
}

TEST(PhaseKernels, TakeAndPutBackByHand) {
  const Phases p = {2, 4, 1, 2, 2};
  const std::vector<double> src = {1, 2, 3, 4, 5, 6, 7, 8};
  for (std::int32_t phase = 0; phase < 4; ++phase) {
    const double first = 1 + phase % 2 + 4 * (phase / 2);
    std::vector<double> dst(2), dsrc(8, -1), expected(8);
    PhaseForward::reference<double>(p, {1, src.data(), &phase, dst.data(), nullptr});
    EXPECT_EQ(dst, (std::vector<double>{first, first + 2}));
    PhaseInputGradient::reference<double>(p, {1, dst.data(), &phase, dsrc.data(), nullptr});
    expected[static_cast<std::size_t>(first) - 1] = first, expected[static_cast<std::size_t>(first) + 1] = first + 2;
    EXPECT_EQ(dsrc, expected);
  }
}

TEST(PhaseKernels, MixByHand) {
  const Phases p = {2, 4, 1, 2, 2};
  const std::vector<double> src = {1, 2, 3, 4, 5, 6, 7, 8}, weights = {0.5, 0.25, 0.25, 0}, ddst = {1, 10};
  std::vector<double> dst(2), dsrc(8), dweights(4);
  PhaseMixForward::reference<double>(p, {1, src.data(), weights.data(), dst.data(), nullptr});
  EXPECT_EQ(dst, (std::vector<double>{0.5 + 0.5 + 1.25, 1.5 + 1 + 1.75}));
  PhaseMixGradient::reference<double>(p, {1, src.data(), weights.data(), ddst.data(), dsrc.data(), dweights.data(), nullptr});
  EXPECT_EQ(dsrc, (std::vector<double>{0.5, 0.25, 5, 2.5, 0.25, 0, 2.5, 0}));
  EXPECT_EQ(dweights, (std::vector<double>{31, 42, 75, 86}));
}

TEST(PhaseKernels, MixGradientOfEveryTail) {
  unsigned seed = 1;
  for (std::int64_t channels = 1; channels <= 37; ++channels)
    for (const Values values : {Values::normal, Values::ties})
      for (const Phases& p : {Phases{4, 6, channels, 2, 2}, Phases{6, 5, channels, 3, 1}, Phases{2, 2, channels, 1, 1}}) {
        check::check_phase_mix_gradient(p, 3, values, ++seed);
        if (HasFatalFailure()) return;
      }
}

TEST(PhaseKernels, APoolingOfOnePhase) {
  unsigned seed = 1;
  for (const std::int64_t channels : {1, 3, 8, 17, 33})
    for (const Values values : {Values::normal, Values::ties})
      for (const auto& [height, width] : {std::pair{2, 2}, std::pair{3, 3}, std::pair{1, 4}})
        for (const Phases& p : {Phases{6, 8, channels, 2, 2}, Phases{6, 5, channels, 3, 1}}) {
          check::check_phase_pool(height, width, p, 5, values, ++seed);
          if (HasFatalFailure()) return;
        }
}

// P(argmax of logits + noise = k) is softmax(logits)[k], whatever the temperature (Gumbel's maximum).
TEST(GumbelSoftmax, ArgmaxFollowsTheSoftmaxOfTheLogits) {
  constexpr std::int64_t rows = 40000;
  const double probabilities[] = {0.1, 0.2, 0.3, 0.4};
  std::vector<double> logits, weights(4 * rows);
  for (std::int64_t r = 0; r < rows; ++r)
    for (const double probability : probabilities) logits.push_back(std::log(probability) + 3);
  GumbelSoftmaxForward::reference<double>({4}, {rows, 1, 2, 0, 0.5, logits.data(), weights.data(), nullptr});
  std::vector<double> seen(4);
  for (std::int64_t r = 0; r < rows; ++r) {
    const double* row = weights.data() + 4 * r;
    EXPECT_NEAR(row[0] + row[1] + row[2] + row[3], 1, 1e-12);
    seen[static_cast<std::size_t>(std::max_element(row, row + 4) - row)] += 1.0 / rows;
  }
  for (std::size_t k = 0; k < 4; ++k) EXPECT_NEAR(seen[k], probabilities[k], 0.0125);  // five standard deviations
}

// A row's noise is its own, wherever the call that makes it begins.
TEST(GumbelSoftmax, NoiseBelongsToTheRow) {
  const std::vector<float> logits(24, 0.5f);
  std::vector<float> all(24), last(8), other(24);
  GumbelSoftmaxForward::reference<float>({4}, {6, 7, 8, 0, 1, logits.data(), all.data(), nullptr});
  GumbelSoftmaxForward::reference<float>({4}, {2, 7, 8, 16, 1, logits.data(), last.data(), nullptr});
  GumbelSoftmaxForward::reference<float>({4}, {6, 7, 9, 0, 1, logits.data(), other.data(), nullptr});
  EXPECT_TRUE(std::equal(last.begin(), last.end(), all.begin() + 16));
  EXPECT_NE(all, other);
}

}  // namespace
}  // namespace linn::detail::kernels
