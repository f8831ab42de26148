// Poolings that Keras lacks against the papers' formulas in PyTorch (tests/golden/make_cures_golden.py), forward and backward, in both
// precisions; and what each promises of shifts.
#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "layers/description.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "plan/ops/region_pool.h"
#include "support/finite_differences.h"
#include "support/golden.h"
#include "support/layer_call.h"
#include "support/message_of.h"

namespace linn::detail::layers {
namespace {

using namespace tests;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const GoldenTensors& cures() {
  static const GoldenTensors tensors("cures.safetensors");
  return tensors;
}

struct CureCase {
  std::string name;
  DescriptionPtr layer;
  std::vector<LayerInput> inputs;
  std::vector<Shape> shapes;
  std::vector<VariableSpec> specs;
  std::vector<Values> weights;
  std::int64_t images = 0;

  explicit CureCase(const io::Json& test)
      : name(test["name"].get<std::string>()), layer(layer_from_config(test["class_name"].get<std::string>(), test["config"], name)) {
    for (std::size_t i = 0; i < test["input_shapes"].size(); ++i) {
      const Tensor& input = cures()[name + "/input_" + std::to_string(i)];
      images = input.shape()[0];
      shapes.push_back(input.shape().without_first());
      inputs.push_back({shapes.back(), values_of(input)});
    }
    specs = layer->declare_variables(shapes);
    for (const VariableSpec& spec : specs) {
      EXPECT_EQ(cures()[name + "/" + spec.name].shape(), spec.shape) << spec.name;
      weights.push_back(cures().values(name + "/" + spec.name));
    }
  }
  bool has(const std::string& key) const { return cures().has(name + "/" + key); }
  const Tensor& tensor(const std::string& key) const { return cures()[name + "/" + key]; }
};

void check_gradients(const CureCase& c, LayerCall& call, const Tolerance& tolerance) {
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    const Tensor& expected = c.tensor("grad/input_" + std::to_string(i));
    EXPECT_TRUE(agrees("grad/input", expected.shape(), call.input_gradient(i), values_of(expected), tolerance));
  }
  for (std::size_t i = 0; i < c.weights.size(); ++i)
    if (c.specs[i].trainable) {
      EXPECT_TRUE(
          agrees(c.specs[i].name, c.specs[i].shape, call.weight_gradient(i), values_of(c.tensor("grad/" + c.specs[i].name)), tolerance));
    }
}

TEST(CuresGolden, AsTheFormulasInPyTorch) {
  const io::Json index = golden_json("cures.json");
  EXPECT_EQ(index["cases"].size(), 33U);
  for (const io::Json& test : index["cases"])
    for (const Level& level : levels) {
      SCOPED_TRACE(test["name"].get<std::string>() + " in " + level.name);
      const CureCase c(test);
      const bool training = test["training"].get<bool>();
      LayerCall call(c.layer, c.images, c.inputs, c.weights, training ? cures().values(c.name + "/upstream") : Values{}, level.precision);
      call.run();
      const Tensor& output = c.tensor("output_0");
      EXPECT_EQ(c.layer->infer_shapes(c.shapes, c.name).front(), output.shape().without_first());
      EXPECT_TRUE(agrees("output", output.shape(), call.output(), values_of(output), level.tolerance));
      if (training) check_gradients(c, call, level.tolerance);
    }
}

TEST(CuresGolden, EveryLayerHasACase) {
  std::set<std::string> seen;
  const io::Json index = golden_json("cures.json");
  for (const io::Json& test : index["cases"]) seen.insert(test["class_name"].get<std::string>());
  EXPECT_THAT(seen, ElementsAre("AdaptiveBlurPooling2D", "AttentionPooling2D", "FrequencyLowCutPooling2D", "MaxPoolingWithArgmax2D",
                                "MaxUnpooling2D", "SpatialPyramidPooling2D", "StripPooling2D", "TranslationInvariantPolyphaseSampling2D"));
}

// ---- shifts ----------------------------------------------------------------------------------------------------------

Values rolled_map(const Values& values, const Shape& map, std::int64_t down, std::int64_t right) {
  Values moved(values.size());
  const std::int64_t h = map[0], w = map[1], c = map[2];
  for (std::int64_t y = 0; y < h; ++y)
    for (std::int64_t x = 0; x < w; ++x)
      for (std::int64_t k = 0; k < c; ++k)
        moved[static_cast<std::size_t>((((y + down) % h) * w + (x + right) % w) * c + k)] =
            values[static_cast<std::size_t>((y * w + x) * c + k)];
  return moved;
}

Values inference_of(const Layer& layer, const Shape& map, const Values& input, Precision precision) {
  const DescriptionPtr description = linn::detail::description_of(layer);
  std::vector<Values> weights;
  std::uint32_t seed = 7;
  for (const VariableSpec& spec : description->declare_variables({{map}}))
    weights.push_back(random_values(spec.shape.elements(), seed++, spec.name.ends_with("variance") ? 0.5 : -1));
  LayerCall call(description, 1, {{map, input}}, weights, {}, precision);
  call.run();
  return call.output();
}

double largest_gap(const Values& a, const Values& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

// The largest difference, over all circular shifts by multiples of `step`, between the output of a moved map and the moved output.
double error_of_shifts(const Layer& layer, const Shape& map, std::int64_t step) {
  const Values input = random_values(map.elements(), 3);
  const Shape out = layer.compute_output_shape(map);
  const Values in_place = inference_of(layer, map, input, Precision::float32);
  double most = 0;
  for (std::int64_t down = 0; down < map[0]; down += step)
    for (std::int64_t right = 0; right < map[1]; right += step) {
      const Values moved = inference_of(layer, map, rolled_map(input, map, down, right), Precision::float32);
      most = std::max(most, largest_gap(moved, rolled_map(in_place, out, down / step, right / step)));
    }
  return most;
}

TEST(CureShifts, LowFrequenciesFollowTheStridesToTheBit) {
  for (const std::int64_t channels : {1, 5, 16, 37}) {
    EXPECT_EQ(error_of_shifts(FrequencyLowCutPooling2D(), {8, 12, channels}, 2), 0);
    EXPECT_EQ(error_of_shifts(FrequencyLowCutPooling2D({.strides = 3, .window = "hamming"}), {9, 6, channels}, 3), 0);
  }
}

TEST(CureShifts, AdaptiveBlursFollowTheStridesToTheBit) {
  for (const std::int64_t channels : {2, 16, 34}) {
    EXPECT_EQ(error_of_shifts(AdaptiveBlurPooling2D(3, {.groups = 2, .border = "circular"}), {8, 6, channels}, 2), 0);
    EXPECT_EQ(error_of_shifts(AdaptiveBlurPooling2D(4, {.strides = 3, .groups = 1, .border = "circular"}), {6, 9, channels}, 3), 0);
  }
}

TEST(CureShifts, MixturesOfPhasesFollowTheStridesUpToRounding) {
  EXPECT_LT(error_of_shifts(TranslationInvariantPolyphaseSampling2D(), {8, 6, 5}, 2), 1e-6);
  // The paper's program takes quadrants, which do not move with the map.
  EXPECT_GT(error_of_shifts(TranslationInvariantPolyphaseSampling2D({.regions = "quadrants"}), {8, 6, 5}, 2), 1e-3);
}

// A shift by one pixel leaves the low frequencies but the edge as they are: moved back by half a cell, the outputs are the same. The energy
// of the output stays, where that of a subsampled map does not.
TEST(CureShifts, LowFrequenciesKeepTheirEnergyAtEveryShift) {
  const Shape map{14, 10, 3};  // of size / 4 no frequency is on the edge
  const Values input = random_values(map.elements(), 5);
  const auto energy = [&](std::int64_t down, std::int64_t right) {
    double sum = 0;
    for (const double value : inference_of(FrequencyLowCutPooling2D(), map, rolled_map(input, map, down, right), Precision::float64))
      sum += value * value;
    return sum;
  };
  const double in_place = energy(0, 0);
  for (std::int64_t down = 0; down < 3; ++down)
    for (std::int64_t right = 0; right < 3; ++right) EXPECT_NEAR(energy(down, right), in_place, 1e-12) << down << ", " << right;
}

// ---- what layers start as, and what they refuse ----------------------------------------------------------------------

TEST(Cures, FirstWeightsMakeThemPlain) {
  const Shape map{6, 4, 4};
  const Values input = random_values(map.elements(), 9);
  const auto with_weights = [&](const Layer& layer, const std::function<double(const VariableSpec&, std::int64_t)>& of) {
    const DescriptionPtr description = linn::detail::description_of(layer);
    std::vector<Values> weights;
    for (const VariableSpec& spec : description->declare_variables({{map}})) {
      Values& values = weights.emplace_back();
      for (std::int64_t i = 0; i < spec.shape.elements(); ++i) values.push_back(of(spec, i));
    }
    LayerCall call(description, 1, {{map, input}}, weights, {}, Precision::float64);
    call.run();
    return call.output();
  };
  const double log_of_tap[] = {std::log(0.25), std::log(0.5), std::log(0.25)};
  const Values blurred = with_weights(BlurPooling2D(3), [](const VariableSpec&, std::int64_t) { return 0.0; });
  const Values adaptive = with_weights(AdaptiveBlurPooling2D(3, {.groups = 2}), [&](const VariableSpec& spec, std::int64_t i) {
    if (spec.name == "gamma" || spec.name == "moving_mean") return 0.0;
    return spec.name == "beta" ? log_of_tap[i % 9 / 3] + log_of_tap[i % 3] : 0.7;
  });
  EXPECT_LT(largest_gap(adaptive, blurred), 1e-12);
  const Values mean = with_weights(AveragePooling2D(2), [](const VariableSpec&, std::int64_t) { return 0.0; });
  const Values mixed = with_weights(TranslationInvariantPolyphaseSampling2D(), [](const VariableSpec& spec, std::int64_t i) {
    return spec.name == "scale" ? 0.0 : static_cast<double>(i % 3);
  });
  EXPECT_LT(largest_gap(mixed, mean), 1e-12);
}

TEST(FractionalPooling, RegionsAreDrawnAnewEachStepAndFixedAtInference) {
  const DescriptionPtr layer = linn::detail::description_of(Layer(FractionalMaxPooling2D({.pseudo_random = false})));
  const Shape map{11, 13, 2};
  const Values input = random_values(2 * map.elements(), 4);
  const std::int64_t outputs = layer->infer_shapes({{map}}, "here").front().elements();
  LayerCall training(layer, 2, {{map, input}}, {}, random_values(2 * outputs, 5), Precision::float32);
  const auto at_step = [&](std::uint64_t seed, std::int64_t step) {
    training.run({.seed = seed, .step = step, .learning_rate = 0});
    return training.output();
  };
  const Values first = at_step(1, 0);
  EXPECT_NE(at_step(1, 1), first);
  EXPECT_NE(at_step(2, 0), first);
  EXPECT_EQ(at_step(1, 0), first);
  LayerCall inference(layer, 2, {{map, input}}, {}, {}, Precision::float32);
  inference.run({.seed = 1, .step = 0, .learning_rate = 0});
  const Values fixed = inference.output();
  inference.run({.seed = 2, .step = 5, .learning_rate = 0});
  EXPECT_EQ(inference.output(), fixed);
}

// What the class of python/keras_layers.py draws, which has random numbers of its own.
TEST(FractionalPooling, RegionsOfInferenceAreThoseOfTheKerasClass) {
  const auto borders = [](const plan::FractionalRegions& how) {
    const plan::FixedRegions r = plan::fractional_regions_of_inference({11, 9, 1, 7, 4}, how);
    return std::vector<std::vector<std::int32_t>>{r.first_row, r.last_row, r.first_column, r.last_column};
  };
  EXPECT_THAT(borders({}), ElementsAre(std::vector{0, 1, 3, 4, 6, 8, 9}, std::vector{1, 3, 4, 6, 8, 9, 11}, std::vector{0, 2, 4, 7},
                                       std::vector{2, 4, 7, 9}));
  EXPECT_THAT(
      borders({.pseudo_random = false, .overlapping = true, .seed = 4}),
      ElementsAre(std::vector{0, 2, 3, 5, 6, 7, 9}, std::vector{3, 4, 6, 7, 8, 10, 11}, std::vector{0, 2, 5, 7}, std::vector{3, 6, 8, 9}));
  EXPECT_THAT(borders({.pool_size = {2, 3}, .seed = 1}), ElementsAre(std::vector{0, 2, 3, 5, 6, 8, 9}, std::vector{2, 4, 5, 7, 8, 10, 11},
                                                                     std::vector{0, 2, 4, 6}, std::vector{3, 5, 7, 9}));
}

TEST(Cures, RefuseWhatCannotBe) {
  const auto shape_of = [](const Layer& layer, const Shape& input) {
    return message_of<ShapeError>([&] { layer.compute_output_shape(input); });
  };
  EXPECT_THAT(shape_of(AdaptiveBlurPooling2D(3, {.groups = 4}), {8, 8, 6}), AllOf(HasSubstr("groups 4"), HasSubstr("6 channels")));
  EXPECT_THAT(shape_of(AdaptiveBlurPooling2D(7, {.groups = 1}), {3, 8, 6}), HasSubstr("reflect"));
  EXPECT_THAT(shape_of(TranslationInvariantPolyphaseSampling2D(), {7, 8, 6}), HasSubstr("do not divide"));
  EXPECT_THAT(shape_of(FractionalMaxPooling2D({.output_size = 9}), {8, 8, 1}), HasSubstr("1 to 8"));
  EXPECT_THAT(shape_of(FractionalMaxPooling2D({.output_size = 2, .pool_size = 9}), {8, 8, 1}), HasSubstr("pool_size"));
  EXPECT_THAT(shape_of(SpatialPyramidPooling2D(), {8, 8}), HasSubstr("(height, width, channels)"));
  EXPECT_THROW(SpatialPyramidPooling2D(Axes({1, 0})), ValueError);
  EXPECT_THROW(SpatialPyramidPooling2D(Axes{std::vector<std::int64_t>()}), ValueError);
  EXPECT_THROW(FractionalMaxPooling2D({.pooling_ratio = 0.5}), ValueError);
  EXPECT_THROW(FractionalMaxPooling2D({.pool_size = 2, .overlapping = true}), ValueError);
  EXPECT_THROW(MaxPoolingWithArgmax2D(2, {.padding = "circular"}), ValueError);
  EXPECT_THROW(MaxPoolingWithArgmax2D(2, {.padding = "reflect"}), ValueError);
  EXPECT_THROW(MaxPoolingWithArgmax2D(2, {.padding = "replicate"}), ValueError);
  EXPECT_THROW(MaxPoolingWithArgmax2D(2, {.padding = {Pads2(1), "reflect"}}), ValueError);
  EXPECT_NO_THROW(MaxPoolingWithArgmax2D(2, {.padding = Pads2(1)}));
  EXPECT_THROW(MaxPoolingWithArgmax2D(0), ValueError);
  EXPECT_THROW(AttentionPooling2D(0), ValueError);
  EXPECT_THROW(StripPooling2D(0), ValueError);
  EXPECT_THROW(FrequencyLowCutPooling2D({.strides = 0}), ValueError);
  EXPECT_THROW(AdaptiveBlurPooling2D(8), ValueError);
}

// The places of one layer are what the other one needs.
TEST(Unpooling, PutsMaximaBack) {
  const SymbolicTensor map = Input({4, 4, 1});
  const std::vector<SymbolicTensor> pooled = MaxPoolingWithArgmax2D(2).call({map});
  ASSERT_EQ(pooled.size(), 2U);
  const SymbolicTensor back = MaxUnpooling2D(2).call({pooled[0], pooled[1]}).front();
  EXPECT_EQ(back.shape(), map.shape());
  EXPECT_THROW(MaxUnpooling2D(2).call({pooled[0]}), ShapeError);
  EXPECT_THROW(MaxUnpooling2D(2).call({pooled[0], map}), ShapeError);
}

}  // namespace
}  // namespace linn::detail::layers
