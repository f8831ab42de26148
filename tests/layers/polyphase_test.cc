// Polyphase sampling as layers: what they make of a map, by hand and by loops over the papers' formulas, and what they refuse.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "core/random.h"
#include "layers/description.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "plan/ops/gumbel.h"
#include "plan/ops/polyphase.h"
#include "support/message_of.h"
#include "support/plan_run.h"

namespace linn::detail::layers {
namespace {

using namespace tests;
using ::testing::AllOf;
using ::testing::HasSubstr;

Values numbers(std::int64_t count, std::uint32_t seed) {
  std::mt19937 engine(seed);
  Values values(static_cast<std::size_t>(count));
  for (double& value : values) value = static_cast<double>(static_cast<int>(engine() % 1025) - 512) / 256;
  return values;
}

Values output_of(const Layer& layer, const Shape& image, std::int64_t images, const Values& input, const std::vector<Values>& weights,
                 Precision precision) {
  LayerRun run(linn::detail::description_of(layer), image, images, input, weights, {}, precision);
  run.run();
  EXPECT_EQ(run.output_shape(), layer.compute_output_shape(image));
  return run.output();
}

Values aps_of(AdaptivePolyphaseSampling2DOptions options, const Shape& image, const Values& input) {
  const std::int64_t images = static_cast<std::int64_t>(input.size()) / image.elements();
  const Values wide = output_of(AdaptivePolyphaseSampling2D(options), image, images, input, {}, Precision::float64);
  EXPECT_EQ(output_of(AdaptivePolyphaseSampling2D(options), image, images, input, {}, Precision::float32), wide);
  return wide;
}

// Phases of a 2x4 map, one channel: {1, 3} {2, -6} {5, 0} {4, 4}.
TEST(AdaptivePolyphaseSampling, TheLargestNormOfEachImage) {
  const Values one = {1, 2, 3, -6, 5, 4, 0, 4}, other = {9, 0, 0, 0, 0, 7, 0, 7};
  Values both = one;
  both.insert(both.end(), other.begin(), other.end());
  EXPECT_EQ(aps_of({.order = "l1"}, {2, 4, 1}, both), (Values{2, -6, 7, 7}));  // of 8, ties with {4, 4}: the smaller rotation by bytes
  EXPECT_EQ(aps_of({.order = "l2"}, {2, 4, 1}, both), (Values{2, -6, 7, 7}));
  EXPECT_EQ(aps_of({.order = "linf"}, {2, 4, 1}, both), (Values{2, -6, 9, 0}));
  EXPECT_EQ(aps_of({.strides = {1, 2}, .order = "l1"}, {2, 4, 1}, one), (Values{2, -6, 4, 4}));
  EXPECT_EQ(aps_of({.strides = {2, 1}, .order = "linf"}, {2, 4, 1}, one), (Values{1, 2, 3, -6}));
  EXPECT_EQ(aps_of({.strides = 1}, {2, 4, 1}, one), one);
  EXPECT_EQ(aps_of({.strides = {2, 4}}, {2, 4, 1}, one), (Values{-6}));
}

// All channels decide together: {1, 4} against {3, 0}.
TEST(AdaptivePolyphaseSampling, OneChoiceForAllChannels) {
  EXPECT_EQ(aps_of({.strides = {1, 2}}, {1, 2, 2}, {1, 4, 3, 0}), (Values{1, 4}));
  EXPECT_EQ(aps_of({.strides = {1, 2}}, {1, 2, 2}, {1, 2, 3, 0}), (Values{3, 0}));
}

TEST(AdaptivePolyphaseSampling, ANanIsSeen) {
  const double nan = std::nan("");
  const Values output =
      output_of(AdaptivePolyphaseSampling2D({.strides = {1, 2}}), {1, 4, 1}, 1, {nan, 100, 1, 100}, {}, Precision::float32);
  EXPECT_TRUE(std::isnan(output[0]));
  EXPECT_EQ(output[1], 1);
}

// The network's judgement by loops over one phase at a time, in double.
class Judge {
 public:
  Judge(const Shape& image, const Size2& strides, const std::vector<Values>& weights)
      : image_(image), strides_(strides), weights_(weights), hidden_(static_cast<std::int64_t>(weights[1].size())) {}

  std::int64_t rows() const { return image_[0] / strides_.height; }
  std::int64_t columns() const { return image_[1] / strides_.width; }
  std::int64_t phases() const { return strides_.height * strides_.width; }

  Values phase(const double* map, std::int64_t k) const {
    Values values;
    for (std::int64_t y = k / strides_.width; y < image_[0]; y += strides_.height)
      for (std::int64_t x = k % strides_.width; x < image_[1]; x += strides_.width)
        for (std::int64_t c = 0; c < image_[2]; ++c) values.push_back(map[(y * image_[1] + x) * image_[2] + c]);
    return values;
  }

  Values logits(const double* map) const {
    Values all;
    for (std::int64_t k = 0; k < phases(); ++k) {
      Values hidden = convolved(phase(map, k), image_[2], weights_[0], weights_[1]);
      for (double& value : hidden) value = std::max(value, 0.0);
      const Values judged = convolved(hidden, hidden_, weights_[2], Values(static_cast<std::size_t>(hidden_)));
      double sum = 0;
      for (const double value : judged) sum += value;
      all.push_back(sum / static_cast<double>(judged.size()));
    }
    return all;
  }

 private:
  Values convolved(const Values& map, std::int64_t channels, const Values& kernel, const Values& bias) const {
    Values result;
    for (std::int64_t y = 0; y < rows(); ++y)
      for (std::int64_t x = 0; x < columns(); ++x)
        for (std::int64_t o = 0; o < hidden_; ++o) {
          double sum = bias[static_cast<std::size_t>(o)];
          for (std::int64_t i = 0; i < 3; ++i)
            for (std::int64_t j = 0; j < 3; ++j)
              for (std::int64_t c = 0; c < channels; ++c) {
                const std::int64_t row = (y + i + rows() - 1) % rows(), column = (x + j + columns() - 1) % columns();
                sum += map[static_cast<std::size_t>((row * columns() + column) * channels + c)] *
                       kernel[static_cast<std::size_t>(((i * 3 + j) * channels + c) * hidden_ + o)];
              }
          result.push_back(sum);
        }
    return result;
  }

  Shape image_;
  Size2 strides_;
  std::vector<Values> weights_;
  std::int64_t hidden_;
};

struct LpsCase {
  Shape image;
  LearnablePolyphaseSampling2DOptions options;
};

const std::vector<LpsCase>& lps_cases() {
  static const std::vector<LpsCase> cases = {
      {{4, 6, 2}, {.hidden_filters = 3, .seed = 5}},
      {{6, 4, 1}, {.strides = {3, 1}, .hidden_filters = 5, .temperature = 2, .final_temperature = 0.5, .anneal_steps = 4}},
      {{2, 2, 3}, {.hidden_filters = 2}}};  // phases of one pixel: the window sees it nine times
  return cases;
}

std::vector<Values> weights_of(const LpsCase& c) {
  std::vector<Values> weights;
  for (const VariableSpec& spec : linn::detail::description_of(LearnablePolyphaseSampling2D(c.options))->declare_variables({&c.image, 1}))
    weights.push_back(numbers(spec.shape.elements(), 3 + static_cast<std::uint32_t>(weights.size())));
  return weights;
}

constexpr std::int64_t images = 11;  // more than one shard

TEST(LearnablePolyphaseSampling, InferenceTakesThePhaseOfTheLargestLogit) {
  for (const LpsCase& c : lps_cases()) {
    const std::vector<Values> weights = weights_of(c);
    const Values input = numbers(images * c.image.elements(), 1);
    const Judge judge(c.image, c.options.strides, weights);
    Values expected;
    for (std::int64_t n = 0; n < images; ++n) {
      const double* map = input.data() + n * c.image.elements();
      const Values logits = judge.logits(map);
      const Values taken = judge.phase(map, std::max_element(logits.begin(), logits.end()) - logits.begin());
      expected.insert(expected.end(), taken.begin(), taken.end());
    }
    for (const Precision precision : {Precision::float64, Precision::float32})
      EXPECT_EQ(output_of(LearnablePolyphaseSampling2D(c.options), c.image, images, input, weights, precision), expected)
          << c.image.to_string();
  }
}

TEST(LearnablePolyphaseSampling, TrainingMixesByTheGumbelSoftmax) {
  for (const LpsCase& c : lps_cases())
    for (const std::int64_t step : {0, 3, 100}) {
      const std::vector<Values> weights = weights_of(c);
      const Values input = numbers(images * c.image.elements(), 1);
      const Judge judge(c.image, c.options.strides, weights);
      const auto& o = c.options;
      const double progress = std::min(1.0, static_cast<double>(step) / static_cast<double>(o.anneal_steps));
      const double temperature = o.temperature * std::pow(o.final_temperature / o.temperature, progress);
      const core::Random random(77 ^ o.seed.value_or(0), core::stream_of("gumbel", static_cast<std::uint64_t>(step)));
      Values expected;
      for (std::int64_t n = 0; n < images; ++n) {
        const double* map = input.data() + n * c.image.elements();
        Values p = judge.logits(map);
        double sum = 0;
        for (std::size_t k = 0; k < p.size(); ++k) {
          const double u = random.uniform53(static_cast<std::uint64_t>(n) * p.size() + k);
          p[k] = std::exp((p[k] - std::log(-std::log(u))) / temperature);
          sum += p[k];
        }
        Values mixed(static_cast<std::size_t>(c.image.elements() / judge.phases()));
        for (std::size_t k = 0; k < p.size(); ++k) {
          const Values phase = judge.phase(map, static_cast<std::int64_t>(k));
          for (std::size_t i = 0; i < mixed.size(); ++i) mixed[i] += p[k] / sum * phase[i];
        }
        expected.insert(expected.end(), mixed.begin(), mixed.end());
      }
      LayerRun run(linn::detail::description_of(LearnablePolyphaseSampling2D(o)), c.image, images, input, weights, Values(expected.size(), 1.0),
                   Precision::float64);
      run.run({.seed = 77, .step = step, .learning_rate = 0});
      const Values output = run.output();
      for (std::size_t i = 0; i < expected.size(); ++i)
        EXPECT_NEAR(output[i], expected[i], 1e-12) << c.image.to_string() << " step " << step;
    }
}

TEST(LearnablePolyphaseSampling, TemperatureFallsByTheSameFactorAndStops) {
  const plan::Annealing annealing{.first = 1, .last = 0.01, .steps = 100};
  EXPECT_EQ(annealing.at(0), 1);
  EXPECT_NEAR(annealing.at(50), 0.1, 1e-15);
  EXPECT_EQ(annealing.at(100), 0.01);
  EXPECT_EQ(annealing.at(1000000), 0.01);
}

TEST(Polyphase, RefusesWhatItCannotGuarantee) {
  EXPECT_THAT(message_of<ShapeError>([] {
                AdaptivePolyphaseSampling2D({.name = "aps"}).compute_output_shape({13, 12, 4});
              }),
              AllOf(HasSubstr("[adaptive_polyphase_sampling2d 'aps'] strides (2, 2) do not divide input (13, 12)"),
                    HasSubstr("ZeroPadding2D({{0, 1}, {0, 0}})")));
  EXPECT_THAT(message_of<ShapeError>([] {
                LearnablePolyphaseSampling2D({.strides = 3}).compute_output_shape({13, 12, 4});
              }),
              HasSubstr("ZeroPadding2D({{0, 2}, {0, 0}})"));
  EXPECT_THROW(AdaptivePolyphaseSampling2D().compute_output_shape({13}), ShapeError);
  EXPECT_EQ(AdaptivePolyphaseSampling2D().compute_output_shape({14, 12, 4}), (Shape{7, 6, 4}));
  EXPECT_THAT(message_of<ValueError>([] { AdaptivePolyphaseSampling2D({.strides = {0, 2}}); }), HasSubstr("strides"));
  EXPECT_THAT(message_of<ValueError>([] { LearnablePolyphaseSampling2D({.hidden_filters = 0}); }), HasSubstr("hidden_filters is 0"));
  EXPECT_THAT(message_of<ValueError>([] { LearnablePolyphaseSampling2D({.final_temperature = 0}); }), HasSubstr("must be 1e-06 or more"));
  EXPECT_THAT(message_of<ValueError>([] { LearnablePolyphaseSampling2D({.temperature = std::nan("")}); }), HasSubstr("must be 1e-06 or more"));
  EXPECT_THAT(message_of<ValueError>([] { LearnablePolyphaseSampling2D({.anneal_steps = 0}); }), HasSubstr("anneal_steps is 0"));
  EXPECT_THAT(message_of<ValueError>([] { static_cast<void>(NormOrder(std::string("l3"))); }),
              HasSubstr("it may be \"l1\", \"l2\" or \"linf\""));
}

// A branch beside the main one takes the phase that the main one chose.
TEST(Polyphase, APhaseIsAValueThatAnotherBranchTakes) {
  PlanRun run(plan::Purpose::inference);
  plan::Lowering& to = run.lowering();
  const kernels::Phases main{2, 4, 1, 2, 2}, beside{2, 4, 2, 2, 2};
  const plan::Value src = run.bind("main", {2, 4, 1}, plan::Extent::batch, {0, 0, 0, 0, 0, 5, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0});
  const plan::Value shortcut = run.bind("shortcut", {2, 4, 2}, plan::Extent::batch, [] {
    Values values(32);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
    return values;
  }());
  const plan::Sampled sampled = plan::sample_largest(to, src, plan::phase_scores(to, src, main, kernels::PhaseScore::l2), main);
  const plan::Value taken = plan::take_phase(to, shortcut, sampled.phase, beside);
  run.keep(sampled.map);
  run.keep(taken);
  run.build(2, Precision::float32);
  run.run(2);
  EXPECT_EQ(run.get(sampled.map), (Values{5, 0, 3, 0}));
  EXPECT_EQ(run.get(taken), (Values{10, 11, 14, 15, 16, 17, 20, 21}));
  EXPECT_TRUE(run.plan().options().policy.position_invariant);
}

}  // namespace
}  // namespace linn::detail::layers
