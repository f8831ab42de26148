// What every row of the registries brings: examples that read and write back, gradients that agree with finite differences, and a case
// that Keras computed.
#include <gmock/gmock.h>

#include <cstdio>
#include <set>

#include "core/worker_pool.h"
#include "layers/activations.h"
#include "layers/registry.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "support/augmentation.h"
#include "support/finite_differences.h"
#include "support/golden.h"
#include "support/layer_call.h"
#include "support/shapes_in.h"

namespace linn::detail::layers {
namespace {

using tests::expect_slopes;
using tests::LayerCall;
using tests::LayerInput;
using tests::random_values;
using tests::Values;

/// A layer to test, made of an example of a row.
struct RowExample {
  std::string name;  // of the test
  std::string class_name;
  std::string config;
  std::string inputs;
};

std::vector<RowExample> all_examples() {
  std::vector<RowExample> all;
  for (const LayerRow& row : layer_rows())
    for (std::size_t i = 0; i < row.examples.size(); ++i)
      all.push_back({std::string(row.info.name) + "_" + std::to_string(i), std::string(row.info.name), std::string(row.examples[i].config),
                     std::string(row.examples[i].inputs)});
  for (const ActivationRow& row : activation_rows())
    for (std::size_t i = 0; i < row.examples.size(); ++i) {
      const io::Json node = {{"class_name", std::string(row.info.name)}, {"config", io::parse_json(row.examples[i].config, "example")}};
      all.push_back({"Activation_" + std::string(row.info.name) + "_" + std::to_string(i), "Activation",
                     io::dump_json({{"name", "a"}, {"activation", node}}), "(6, 4)"});
    }
  return all;
}

class RowTest : public ::testing::TestWithParam<RowExample> {
 protected:
  void check_augmentation() const;
  DescriptionPtr layer() const {
    return layer_from_config(GetParam().class_name, io::parse_json(GetParam().config, "example"), GetParam().name);
  }
};

TEST_P(RowTest, ReadsBackWhatItWrites) {
  const DescriptionPtr first = layer();
  const io::Json written = first->config(first->name());
  const DescriptionPtr again = layer_from_config(GetParam().class_name, written, "again");
  EXPECT_EQ(again->config(again->name()), written);
}

TEST_P(RowTest, GradientsAsFiniteDifferences) {
  constexpr std::int64_t images = 3;
  const DescriptionPtr tested = layer();
  const std::vector<Shape> shapes = tests::shapes_in(GetParam().inputs);
  ASSERT_FALSE(shapes.empty()) << "an example says which inputs it is for";
  // Wide for activations, so that both sides of their kinks are seen; positive elsewhere, where relus would hide most of the gradient.
  const bool wide = GetParam().class_name == "Activation";
  std::uint32_t seed = 50;
  std::vector<LayerInput> inputs;
  for (const Shape& shape : shapes)
    inputs.push_back(
        {shape, random_values(images * shape.elements(), seed++, wide ? tests::least_for(GetParam().config, -3) : 0.1, wide ? 3 : 2)});
  std::vector<Values> weights;
  const std::vector<VariableSpec> specs = tested->declare_variables(shapes);
  for (const VariableSpec& spec : specs)
    weights.push_back(random_values(spec.shape.elements(), seed++, spec.name.ends_with("variance") ? 0.1 : -1));
  const Values upstream = random_values(images * tested->infer_shapes(shapes, "here").front().elements(), seed);

  if (tests::refuses_gradient(GetParam().class_name)) {
    EXPECT_THROW(LayerCall(tested, images, inputs, weights, upstream, plan::Precision::float64), ValueError);
    return;
  }
  LayerCall call(tested, images, inputs, weights, upstream, plan::Precision::float64);
  call.run({.seed = 3, .step = 0, .learning_rate = 0});
  std::vector<Values> dinputs, dweights;
  for (std::size_t i = 0; i < inputs.size(); ++i) dinputs.push_back(call.input_gradient(i));
  for (std::size_t i = 0; i < weights.size(); ++i) {
    EXPECT_EQ(call.has_gradient(i), specs[i].trainable) << specs[i].name;
    dweights.push_back(call.weight_gradient(i));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i)
    expect_slopes("input " + std::to_string(i), inputs[i].numbers, dinputs[i],
                  [&](const Values& values) { return call.objective_with_input(i, values); });
  for (std::size_t i = 0; i < weights.size(); ++i)
    if (specs[i].trainable)
      expect_slopes(specs[i].name, weights[i], dweights[i], [&](const Values& values) { return call.objective_with_weight(i, values); });
}

TEST_P(RowTest, SameBitsOnAnyNumberOfThreads) {
  if (tests::refuses_gradient(GetParam().class_name)) return check_augmentation();
  constexpr std::int64_t images = 11;  // more than one shard
  const DescriptionPtr tested = layer();
  const std::vector<Shape> shapes = tests::shapes_in(GetParam().inputs);
  std::uint32_t seed = 80;
  std::vector<LayerInput> inputs;
  const double least = tests::least_for(GetParam().config, -1);
  for (const Shape& shape : shapes) inputs.push_back({shape, random_values(images * shape.elements(), seed++, least)});
  std::vector<Values> weights, first;
  for (const VariableSpec& spec : tested->declare_variables(shapes))
    weights.push_back(random_values(spec.shape.elements(), seed++, spec.name.ends_with("variance") ? 0.1 : -1));
  const Values upstream = random_values(images * tested->infer_shapes(shapes, "here").front().elements(), seed);
  for (const int threads : {1, 2, 3, 8}) {
    core::set_threads(threads);
    LayerCall call(tested, images, inputs, weights, upstream, plan::Precision::float32);
    call.run({.seed = 3, .step = 0, .learning_rate = 0});
    std::vector<Values> all{call.output()};
    for (std::size_t i = 0; i < inputs.size(); ++i) all.push_back(call.input_gradient(i));
    for (std::size_t i = 0; i < weights.size(); ++i) all.push_back(call.weight_gradient(i));
    if (first.empty()) first = all;
    EXPECT_EQ(all, first) << threads << " threads";
  }
  core::set_threads(2);
}

// Of a layer that cannot be differentiated: a training plan without gradients, its images one by one, in other numbers and on other threads.
void RowTest::check_augmentation() const {
  constexpr std::int64_t images = 11;
  const Shape image = tests::shapes_in(GetParam().inputs).front();
  const Values numbers = random_values(images * image.elements(), 80, 0.1, 2);
  const auto outputs = [&](std::int64_t first, std::int64_t count) {
    tests::PlanRun run(plan::Purpose::training);
    const auto begin = numbers.begin() + first * image.elements();
    const plan::Value in = run.bind("input", image, plan::Extent::batch, Values(begin, begin + count * image.elements()));
    const plan::Value out = layer()->lower_call(run.lowering(), {&in, 1}, {}).front();
    run.keep(out);
    run.compile(count, plan::Precision::float32);
    run.run(count, {.seed = 3, .first_sample = first});
    return run.get(out);
  };
  const bool mixes = GetParam().class_name == "MixUp" || GetParam().class_name == "CutMix";
  const Values all = outputs(0, images);
  for (const int threads : {1, 3, 8}) {
    core::set_threads(threads);
    EXPECT_EQ(outputs(0, images), all) << threads << " threads";
    Values parts = outputs(0, 1);
    for (const auto& [first, count] : {std::pair{1, 3}, std::pair{4, 7}}) {
      const Values part = outputs(first, count);
      parts.insert(parts.end(), part.begin(), part.end());
    }
    if (!mixes) {
      EXPECT_EQ(parts, all) << "in batches of 1, 3 and 7, " << threads << " threads";
    }
  }
  core::set_threads(2);
}

INSTANTIATE_TEST_SUITE_P(Examples, RowTest, ::testing::ValuesIn(all_examples()),
                         [](const ::testing::TestParamInfo<RowExample>& info) { return info.param.name; });

const char* const golden_files[] = {"layers.json", "graph_layers.json", "convolutions.json", "steps.json", "core_layers.json", "augment.json"};

// Printed when the program ends: how many rows and examples the tests above walk through, and how many cases Keras computed.
class Coverage final : public ::testing::Environment {
 public:
  void TearDown() override {
    const auto line = [](const char* what, std::size_t rows, std::size_t cases) { std::printf("%-34s %6zu %6zu\n", what, rows, cases); };
    std::printf("%-34s %6s %6s\n", "covered", "rows", "cases");
    std::size_t of_keras = 0, layer_examples = 0, function_examples = 0;
    for (const LayerRow& row : layer_rows()) layer_examples += row.examples.size(), of_keras += row.info.module == "keras.layers" ? 1 : 0;
    for (const ActivationRow& row : activation_rows()) function_examples += row.examples.size();
    line("layers, by their examples", layer_rows().size(), layer_examples);
    line("activations, by their examples", activation_rows().size(), function_examples);
    line("of the layers, classes of Keras", of_keras, 0);
    for (const char* file : golden_files) {
      std::set<std::string> classes;
      const io::Json golden = tests::golden_json(file);
      for (const io::Json& test : golden["cases"]) classes.insert(test["class_name"].get<std::string>());
      line(file, classes.size(), golden["cases"].size());
    }
  }
};
const ::testing::Environment* const coverage = ::testing::AddGlobalTestEnvironment(new Coverage);

// Classes of linn's own are tested by hand, and so is ZeroPadding2D (pad_test.cc); an input layer computes nothing; BatchNormalization and
// SpectralNormalization have files of their own.
TEST(Rows, EveryLayerOfKerasHasAGoldenCase) {
  std::set<std::string> seen{"InputLayer", "BatchNormalization", "SpectralNormalization", "ZeroPadding2D"};
  for (const char* file : golden_files) {
    const io::Json golden = tests::golden_json(file);
    for (const io::Json& test : golden["cases"]) seen.insert(test["class_name"].get<std::string>());
  }
  for (const LayerRow& row : layer_rows())
    if (row.info.module == "keras.layers") {
      EXPECT_TRUE(seen.contains(std::string(row.info.name))) << row.info.name << " needs a case in tests/golden/";
    }
}

TEST(Rows, EveryActivationHasAGoldenCase) {
  std::set<std::string> seen;
  const io::Json golden = tests::golden_json("activations.json");
  for (const io::Json& test : golden["cases"]) {
    const io::Json& function = test["config"]["activation"];
    seen.insert(function.is_string() ? function.get<std::string>() : function["class_name"].get<std::string>());
  }
  for (const ActivationRow& row : activation_rows())
    EXPECT_TRUE(seen.contains(std::string(row.info.name))) << row.info.name << " needs a case in tests/golden/make_activations_golden.py";
}

TEST(ActivationFunctions, FromCppAsFromAFile) {
  const auto written = [](const ActivationFunction& function) { return schema::Type<ActivationFunction>::write(function); };
  EXPECT_EQ(written("relu"), "relu");
  EXPECT_EQ(written("swish"), "silu");
  EXPECT_EQ(written(activations::leaky_relu({.negative_slope = 0.2})), "leaky_relu") << "Keras's default";
  const io::Json leaky = written(activations::leaky_relu({.negative_slope = 0.125}));
  EXPECT_EQ(leaky["class_name"], "LeakyReLU");
  EXPECT_EQ(leaky["config"]["negative_slope"], 0.125);
  EXPECT_EQ(written(activations::gelu({.approximate = true}))["config"]["approximate"], true);
  EXPECT_EQ(written(activations::threshold({.threshold = 1, .default_value = 2}))["config"]["default_value"], 2.0);
  // Keras finds neither by its name alone.
  EXPECT_EQ(written(activations::power({}))["registered_name"], "linn>power");
  EXPECT_EQ(written(activations::power({.exponent = 0.5}))["config"]["exponent"], 0.5);
  EXPECT_EQ(written("log")["registered_name"], "linn>log");
  EXPECT_THROW(activations::leaky_relu({.negative_slope = -1}), ValueError);
  EXPECT_THROW(activations::celu({.alpha = 0}), ValueError);
  EXPECT_EQ(written(activations::softmax({.axis = 1}))["class_name"], "Softmax");
  EXPECT_EQ(written(activations::sparsemax({.axis = 1}))["config"]["axis"], 1);
  EXPECT_EQ(written(activations::glu({})), "glu");
  EXPECT_THROW(activations::glu({.axis = {1, 2}}), ValueError);
  EXPECT_THROW(activations::softmax({.axis = Axes()}), ValueError);
  EXPECT_THROW(ActivationFunction("threshold"), ValueError) << "it has no defaults";
  EXPECT_THROW(ActivationFunction("rellu"), ValueError);
}

TEST(ActivationFunctions, NodesOfKeras) {
  const auto read = [](const std::string& text) {
    const io::Json node = io::parse_json(text, "test");
    return schema::Type<ActivationFunction>::write(schema::Type<ActivationFunction>::read(node, {"file", "activation"}));
  };
  // Keras 2 called the slope alpha; the layer's default is not the function's.
  EXPECT_EQ(read(R"({"class_name": "LeakyReLU", "config": {"name": "l", "trainable": true, "dtype": "float32", "alpha": 0.125}})")["config"]["negative_slope"],
            0.125);
  EXPECT_EQ(read(R"({"class_name": "LeakyReLU", "config": {}})")["config"]["negative_slope"], 0.3);
  EXPECT_EQ(read(R"({"class_name": "Softmax", "config": {"axis": -1}})"), "softmax");
  EXPECT_EQ(read(R"({"module": "builtins", "class_name": "function", "config": "gelu", "registered_name": "gelu"})"), "gelu");
  EXPECT_EQ(read(R"({"class_name": "Softmax", "config": {"axis": [1, 2]}})")["config"]["axis"], io::Json::array({1, 2}));
  for (const char* wrong : {R"({"class_name": "sparsemax", "config": {"axis": [1, 2]}})", R"({"class_name": "ReLU", "config": {"max_value": -1}})",
                            R"({"class_name": "gelu", "config": {"aproximate": true}})", R"({"class_name": "Lambda", "config": {}})", "3", "[]",
                            R"({"class_name": "threshold", "config": {}})"})
    EXPECT_THROW(read(wrong), FormatError) << wrong;
}

// A function along another axis than the channels mixes cells, and so does the layer that it belongs to.
TEST(ActivationFunctions, WhatIsKnownOfAMap) {
  const auto kind_of = [](const Layer& layer, const Shape& image) { return detail::description_of(layer)->on_map({&image, 1}).kind; };
  const ActivationFunction rows = activations::softmax({.axis = 1}), channels = activations::softmax({.axis = 3});
  EXPECT_EQ(kind_of(Softmax(), {4, 5, 6}), OnMap::pointwise);
  EXPECT_EQ(kind_of(Softmax({.axis = 3}), {4, 5, 6}), OnMap::pointwise);
  EXPECT_EQ(kind_of(Softmax({.axis = {2, 3}}), {4, 5, 6}), OnMap::opaque);
  EXPECT_EQ(kind_of(Conv2D(6, 3, {.activation = channels}), {4, 5, 6}), OnMap::window);
  EXPECT_EQ(kind_of(Conv2D(6, 3, {.activation = rows}), {4, 5, 6}), OnMap::opaque);
  EXPECT_EQ(kind_of(DepthwiseConv2D(3, {.activation = rows}), {4, 5, 6}), OnMap::opaque);
  EXPECT_EQ(kind_of(SeparableConv2D(6, 3, {.activation = rows}), {4, 5, 6}), OnMap::opaque);
  EXPECT_EQ(kind_of(Dense(6, {.activation = channels}), {4, 5, 6}), OnMap::pointwise);
  EXPECT_EQ(kind_of(Dense(6, {.activation = rows}), {4, 5, 6}), OnMap::opaque);
  EXPECT_TRUE(detail::description_of(Layer(Dense(6, {.activation = rows})))->as_window({2, 2}, "window").is_null());
}

TEST(ActivationFunctions, GluHalvesTheLastAxis) {
  const Layer layer = Activation("glu");
  EXPECT_EQ(layer.compute_output_shape({3, 4}), Shape({3, 2}));
  EXPECT_EQ(Dense(6, {.activation = "glu"}).compute_output_shape({4}), Shape({3}));
  EXPECT_THROW(layer.compute_output_shape({3, 5}), ShapeError);
  EXPECT_EQ(Activation(activations::glu({.axis = 1})).compute_output_shape({4, 5}), Shape({2, 5}));
  EXPECT_THROW(Activation(activations::glu({.axis = 3})).compute_output_shape({4, 5}), ShapeError);
}

}  // namespace
}  // namespace linn::detail::layers
