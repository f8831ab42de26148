// ReplacementPlan: the layers that come out, the values that stay, the guarantee to the bit, and what is refused.
#include "linn/fix.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "linn/certificate.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "model/zoo.h"
#include "shift/network.h"
#include "support/message_of.h"
#include "support/shifts.h"

namespace linn::shift {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using tests::message_of;
using Layers = std::vector<std::string>;

std::string text(const detail::io::Json& size) { return size[0].dump() + "x" + size[1].dump(); }

// "Conv2D 3x3/1x1 circular relu": class, window/strides, and whatever else of the configuration is to be seen.
Layers outline(const Model& model) {
  Layers lines;
  for (const NetworkCall& layer : network_of(model).calls) {
    std::string line = layer.class_name;
    for (const char* key : {"kernel_size", "pool_size"})
      if (layer.config.contains(key)) line += " " + text(layer.config[key]);
    if (layer.config.contains("strides")) line += "/" + text(layer.config["strides"]);
    for (const char* key : {"padding", "border", "pads", "activation"})
      if (layer.config.contains(key) && layer.config[key].is_string() && layer.config[key] != "linear")
        line += " " + layer.config[key].get<std::string>();
    for (const char* key : {"filter_size", "anneal_steps", "units", "filters"})
      if (layer.config.contains(key)) line += " " + layer.config[key].dump();
    lines.push_back(line);
  }
  return lines;
}

Sequential notebook() { return detail::model::make("notebook", {28, 28, 1}, 10, {.seed = 5}); }

std::map<std::string, std::vector<float>> values_of(const Model& model) {
  std::map<std::string, std::vector<float>> values;
  for (const auto& [name, value] : model.named_weights()) values[name] = {value.values<float>().begin(), value.values<float>().end()};
  return values;
}

// Every kept variable holds the old values, in row-major order whatever its shape is now; kept and fresh are all there are.
void expect_kept(const Model& old, const FixResult& fixed) {
  const auto before = values_of(old), after = values_of(fixed.model);
  for (const std::string& name : fixed.kept_weights) EXPECT_EQ(after.at(name), before.at(name)) << name;
  EXPECT_EQ(fixed.kept_weights.size() + fixed.new_weights.size(), after.size());
}

// ---- the layers ------------------------------------------------------------------------------------------------------

TEST(Fix, NotebookWithAps) {
  const Sequential old = notebook();
  const FixResult fixed = fix(old);
  EXPECT_THAT(outline(fixed.model),
              ElementsAre("Conv2D 3x3/1x1 circular relu 32", "MaxPooling2D 2x2/1x1 circular", "AdaptivePolyphaseSampling2D/2x2",
                          "Conv2D 3x3/1x1 circular relu 32", "MaxPooling2D 2x2/1x1 circular", "AdaptivePolyphaseSampling2D/2x2",
                          "Conv2D 5x5/1x1 circular relu 128", "GlobalMaxPooling2D", "Dense softmax 10"));
  EXPECT_THAT(fixed.new_weights, IsEmpty());
  expect_kept(old, fixed);
  ASSERT_EQ(fixed.replacements.size(), 6U);
  EXPECT_EQ(fixed.replacements[1].layer, "max_pooling2d");
  EXPECT_EQ(fixed.replacements[1].before, "MaxPooling2D 2x2, stride 2x2, valid");
  EXPECT_EQ(fixed.replacements[1].after, "MaxPooling2D 2x2, circular + AdaptivePolyphaseSampling2D, stride 2x2");
  EXPECT_FALSE(fixed.model.compiled());
}

TEST(Fix, NotebookWithLps) {
  const Sequential old = notebook();
  const FixResult fixed = fix(old, {.with = "lps", .anneal_steps = 77});
  EXPECT_THAT(outline(fixed.model),
              ElementsAre("Conv2D 3x3/1x1 circular relu 32", "MaxPooling2D 2x2/1x1 circular", "LearnablePolyphaseSampling2D/2x2 77",
                          "Conv2D 3x3/1x1 circular relu 32", "MaxPooling2D 2x2/1x1 circular", "LearnablePolyphaseSampling2D/2x2 77",
                          "Conv2D 5x5/1x1 circular relu 128", "GlobalMaxPooling2D", "Dense softmax 10"));
  EXPECT_EQ(fixed.new_weights.size(), 6U) << "kernel_1, bias_1 and kernel_2 of two layers";
  expect_kept(old, fixed);
}

TEST(Fix, NotebookWithBlur) {
  const Sequential old = notebook();
  const FixResult fixed = fix(old, {.with = "blur", .filter_size = 5});
  EXPECT_THAT(outline(fixed.model), ElementsAre("Conv2D 3x3/1x1 circular relu 32", "MaxBlurPooling2D 2x2/2x2 circular circular zhang 5",
                                                "Conv2D 3x3/1x1 circular relu 32", "MaxBlurPooling2D 2x2/2x2 circular circular zhang 5",
                                                "Conv2D 5x5/1x1 circular relu 128", "GlobalMaxPooling2D", "Dense softmax 10"));
  EXPECT_EQ(fixed.model.output_shapes()[1], Shape({14, 14, 32})) << "the maximum keeps the ring's size";
  expect_kept(old, fixed);
}

// A dilated maximum stays, and a blur takes over its strides.
TEST(Fix, DilatedMaximaKeepTheirDilation) {
  const Sequential old({Conv2D(4, 3, {.padding = "same", .input_shape = {12, 12, 1}}),
                        MaxPooling2D(2, {.strides = 2, .padding = "same", .dilation_rate = 2}), GlobalMaxPooling2D(), Dense(3)});
  for (const char* with : {"blur", "aps"}) {
    const FixResult fixed = fix(old, {.with = std::string(with)});
    const std::string sampling = with == std::string("blur") ? "BlurPooling2D/2x2 circular zhang 3" : "AdaptivePolyphaseSampling2D/2x2";
    EXPECT_THAT(outline(fixed.model),
                ElementsAre("Conv2D 3x3/1x1 circular 4", "MaxPooling2D 2x2/1x1 circular", sampling, "GlobalMaxPooling2D", "Dense 3"));
    EXPECT_THAT(fixed.model.to_json(), HasSubstr("\"dilation_rate\":[2,2],\"")) << with;
    EXPECT_THAT(fixed.replacements.at(1).before, HasSubstr("dilation 2x2"));
  }
}

// The maximum stays at stride 1, and the low-pass filter takes over its stride.
TEST(Fix, NotebookWithEachLowPassFilter) {
  const Sequential old = notebook();
  const std::map<std::string, std::string> layers = {{"ddac", "AdaptiveBlurPooling2D/2x2 circular 5"},
                                                     {"flc", "FrequencyLowCutPooling2D/2x2"},
                                                     {"tips", "TranslationInvariantPolyphaseSampling2D/2x2"}};
  for (const auto& [with, sampling] : layers) {
    const FixResult fixed = fix(old, {.with = with, .filter_size = 5});
    EXPECT_THAT(outline(fixed.model), ElementsAre("Conv2D 3x3/1x1 circular relu 32", "MaxPooling2D 2x2/1x1 circular", sampling,
                                                  "Conv2D 3x3/1x1 circular relu 32", "MaxPooling2D 2x2/1x1 circular", sampling,
                                                  "Conv2D 5x5/1x1 circular relu 128", "GlobalMaxPooling2D", "Dense softmax 10"));
    EXPECT_EQ(fixed.new_weights.size(), with == "ddac" ? 10U : with == "tips" ? 4U : 0U);
    expect_kept(old, fixed);
    EXPECT_THAT(why_not_invariant(fixed.model).value_or(""), HasSubstr("subsamples with stride 2 behind a blur")) << with;
  }
}

// Before training the learned filters are the plain ones.
TEST(Fix, LearnedFiltersStartAsPlainOnes) {
  const Tensor images = tests::random_images(2, {28, 28, 1}, 3);
  const auto outputs = [&](const FixResult& fixed, const char* layer) {
    for (auto& [name, output] : fixed.model.layer_outputs(images))
      if (name == layer) return std::vector<float>(output.values<float>().begin(), output.values<float>().end());
    return std::vector<float>();
  };
  const auto expect_near = [](const std::vector<float>& a, const std::vector<float>& b) {
    ASSERT_EQ(a.size(), b.size());
    ASSERT_FALSE(a.empty());
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-5F);
  };
  for (const std::int64_t taps : {2, 3, 4})
    expect_near(outputs(fix(notebook(), {.with = "ddac", .filter_size = taps}), "max_pooling2d_sampling"),
                outputs(fix(notebook(), {.with = "blur", .filter_size = taps}), "max_pooling2d"));
  const FixResult mean = fix(notebook(), {.with = "tips"});
  const std::vector<float> before = outputs(mean, "max_pooling2d"), after = outputs(mean, "max_pooling2d_sampling");
  ASSERT_EQ(before.size(), 4 * after.size());
  const auto at = [&](std::size_t y, std::size_t x) { return before[(y * 28 + x) * 32]; };
  EXPECT_NEAR(after[0], (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4, 1e-5F);
}

TEST(Fix, MixturesOfPhasesNeedEvenMaps) {
  const Sequential odd = detail::model::make("notebook", {27, 30, 1}, 10);
  EXPECT_THAT(message_of<ShapeError>([&] { fix(odd, {.with = "tips"}); }), HasSubstr("a canvas of 28x32"));
  for (const char* with : {"flc", "ddac"}) EXPECT_EQ(fix(odd, {.with = std::string(with)}).model.input_shape(), Shape({27, 30, 1}));
}

Sequential strided() {
  return Sequential(
      {Conv2D(6, {3, 3}, {.strides = 2, .padding = "same", .activation = "relu", .input_shape = {16, 16, 2}}), BatchNormalization(),
       Conv2D(4, {1, 1}, {.strides = {2, 1}}), AveragePooling2D({3, 3}, {.strides = 2, .padding = "same"}),
       MaxPooling2D({2, 2}, {.strides = 1}), GlobalAveragePooling2D(), Dense(3)},
      {.seed = 2});
}

TEST(Fix, StridedConvolutionsAndAveragesWithEachDownsampling) {
  const Sequential old = strided();
  const std::string aps = "AdaptivePolyphaseSampling2D/", lps = "LearnablePolyphaseSampling2D/";
  EXPECT_THAT(outline(fix(old).model), ElementsAre("Conv2D 3x3/1x1 circular relu 6", aps + "2x2", "BatchNormalization",
                                                   "Conv2D 1x1/1x1 valid 4", aps + "2x1", "AveragePooling2D 3x3/1x1 circular", aps + "2x2",
                                                   "MaxPooling2D 2x2/1x1 circular", "GlobalAveragePooling2D", "Dense 3"));
  EXPECT_THAT(outline(fix(old, {.with = "lps"}).model),
              ElementsAre("Conv2D 3x3/1x1 circular relu 6", lps + "2x2 10000", "BatchNormalization", "Conv2D 1x1/1x1 valid 4",
                          lps + "2x1 10000", "AveragePooling2D 3x3/1x1 circular", lps + "2x2 10000", "MaxPooling2D 2x2/1x1 circular",
                          "GlobalAveragePooling2D", "Dense 3"));
  EXPECT_THAT(outline(fix(old, {.with = "blur"}).model),
              ElementsAre("Conv2D 3x3/1x1 circular relu 6", "BlurPooling2D/2x2 circular zhang 3", "BatchNormalization",
                          "Conv2D 1x1/1x1 valid 4", "BlurPooling2D/2x1 circular zhang 3", "AveragePooling2D 3x3/1x1 circular",
                          "BlurPooling2D/2x2 circular zhang 3", "MaxPooling2D 2x2/1x1 circular", "GlobalAveragePooling2D", "Dense 3"));
  for (const char* with : {"aps", "lps", "blur"}) expect_kept(old, fix(old, {.with = std::string(with)}));
}

// Poolings of other functions are windows as all others: their strides move to the sampling, their borders become circular.
TEST(Fix, PoolingsOfOtherFunctionsLoseTheirStrides) {
  const Sequential old({Conv2D(4, 3, {.padding = {Pads2(1), "reflect"}, .input_shape = {16, 16, 1}}), LpPooling2D(2, {.p = 2.5}),
                        MaxPooling2D(3, {.strides = 2, .ceil_mode = true}), GeneralizedMeanPooling2D(2, {.padding = "replicate"}),
                        GlobalGeneralizedMeanPooling2D(), Dense(3)},
                       {.seed = 2});
  const std::string aps = "AdaptivePolyphaseSampling2D/2x2";
  EXPECT_THAT(outline(fix(old).model),
              ElementsAre("Conv2D 3x3/1x1 circular 4", "LpPooling2D 2x2/1x1 circular", aps, "MaxPooling2D 3x3/1x1 circular", aps,
                          "GeneralizedMeanPooling2D 2x2/1x1 circular", aps, "GlobalGeneralizedMeanPooling2D", "Dense 3"));
  EXPECT_THAT(outline(fix(old, {.with = "blur"}).model),
              ElementsAre("Conv2D 3x3/1x1 circular 4", "LpPooling2D 2x2/1x1 circular", "BlurPooling2D/2x2 circular zhang 3",
                          "MaxBlurPooling2D 3x3/2x2 circular circular zhang 3", "GeneralizedMeanPooling2D 2x2/1x1 circular",
                          "BlurPooling2D/2x2 circular zhang 3", "GlobalGeneralizedMeanPooling2D", "Dense 3"));
  for (const char* with : {"aps", "blur"}) expect_kept(old, fix(old, {.with = std::string(with)}));
}

// Circular windows of every function, polyphase sampling and a global pooling of any function: no circular shift changes a bit.
TEST(Fix, PoolingsOfOtherFunctionsKeepTheGuarantee) {
  const Pooling2DOptions circular = {.strides = 1, .padding = "circular"};
  const std::vector<Layer> windows = {LpPooling2D(2, {.p = 2.5, .strides = 1, .padding = "circular"}),
                                      GeneralizedMeanPooling2D(2, {.strides = 1, .padding = "circular"}),
                                      SoftPooling2D(2, circular),
                                      StochasticPooling2D(2, {.strides = 1, .padding = "circular"}),
                                      MixedPooling2D(2, {.strides = 1, .padding = "circular"}),
                                      GatedPooling2D(2, {.gate_initializer = "he_normal", .strides = 1, .padding = "circular"})};
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const Layer head = i % 2 == 0 ? Layer(GlobalLpPooling2D({.p = 3})) : Layer(GlobalGeneralizedMeanPooling2D());
    const Sequential model({Conv2D(5, 3, {.padding = "circular", .activation = "relu", .input_shape = {8, 8, 1}}), windows[i],
                            AdaptivePolyphaseSampling2D(), head, Dense(3)},
                           {.seed = 3});
    EXPECT_EQ(why_not_invariant(model), std::nullopt) << i;
    EXPECT_EQ(tests::shifts_that_change(model, tests::random_images(1, {8, 8, 1}, 4)), 0) << i;
  }
}

TEST(Fix, BordersAloneAreMendedToo) {
  const Sequential old({ZeroPadding2D(1, {.input_shape = {8, 8, 1}}), Conv2D(4, {3, 3}), Conv2D(4, {3, 3}, {.padding = "full"}),
                        GlobalMaxPooling2D(), Dense(2)});
  const FixResult fixed = fix(old);
  EXPECT_THAT(outline(fixed.model), ElementsAre("Conv2D 3x3/1x1 circular 4", "Conv2D 3x3/1x1 circular 4", "AdaptivePolyphaseSampling2D/1x1",
                                                "GlobalMaxPooling2D", "Dense 2"));
  EXPECT_EQ(fixed.model.output_shapes()[1], Shape({8, 8, 4}));
  EXPECT_EQ(fixed.replacements[0].after, "nothing: borders are circular");
  expect_kept(old, fixed);
  EXPECT_THAT(outline(fix(old, {.with = "blur"}).model),
              ElementsAre("Conv2D 3x3/1x1 circular 4", "Conv2D 3x3/1x1 circular 4", "GlobalMaxPooling2D", "Dense 2"));
}

// Zhang 2019: convolution, relu, blur; a normalization between them is the convolution's too.
TEST(Fix, ABlurComesBehindTheReluOfItsConvolution) {
  const Sequential old({Conv2D(4, {3, 3}, {.strides = 2, .input_shape = {8, 8, 1}}), BatchNormalization(), Activation("relu"), Dropout(0.2), GlobalMaxPooling2D(), Dense(3)});
  EXPECT_THAT(outline(fix(old, {.with = "blur"}).model), ElementsAre("Conv2D 3x3/1x1 circular 4", "BatchNormalization", "Activation relu", "BlurPooling2D/2x2 circular zhang 3",
                                                                     "Dropout", "GlobalMaxPooling2D", "Dense 3"));
  EXPECT_THAT(outline(fix(old).model), ElementsAre("Conv2D 3x3/1x1 circular 4", "AdaptivePolyphaseSampling2D/2x2", "BatchNormalization", "Activation relu", "Dropout",
                                                   "GlobalMaxPooling2D", "Dense 3"));
}

TEST(Fix, WithoutAConvolutionNothingWouldBeLeft) {
  const Sequential flat({Flatten({.input_shape = {28, 28, 1}}), Dense(128, {.activation = "relu"}), Dense(10)});
  EXPECT_THAT(message_of<ValueError>([&] { fix(flat); }), AllOf(HasSubstr("[Flatten 'flatten'] comes before any convolution"), HasSubstr("put a Conv2D first")));
}

// ---- the head --------------------------------------------------------------------------------------------------------

TEST(Fix, WhatLiesBetweenFlattenAndDenseStays) {
  const Sequential old({MaxPooling2D({2, 2}, {.input_shape = {8, 8, 3}}), Flatten(), Dropout(0.25), Activation("relu"),
                        Dense(5, {.activation = "tanh"}), Dense(2)});
  const FixResult fixed = fix(old);
  EXPECT_THAT(outline(fixed.model), ElementsAre("MaxPooling2D 2x2/1x1 circular", "AdaptivePolyphaseSampling2D/2x2", "Dropout",
                                                "Activation relu", "Conv2D 4x4/1x1 circular tanh 5", "GlobalMaxPooling2D", "Dense 2"));
  EXPECT_THAT(fixed.new_weights, IsEmpty());
  expect_kept(old, fixed);
}

TEST(Fix, NormalizationBehindFlattenStartsAnew) {
  const Sequential old({Conv2D(3, {1, 1}, {.input_shape = {8, 8, 3}}), MaxPooling2D({2, 2}), Flatten(), BatchNormalization(), Dense(5)});
  const FixResult fixed = fix(old);
  EXPECT_THAT(outline(fixed.model), ElementsAre("Conv2D 1x1/1x1 valid 3", "MaxPooling2D 2x2/1x1 circular", "AdaptivePolyphaseSampling2D/2x2", "GlobalMaxPooling2D",
                                                "BatchNormalization", "Dense 5"));
  EXPECT_THAT(fixed.kept_weights, ElementsAre("conv2d/kernel", "conv2d/bias", "dense/bias"));
  EXPECT_EQ(fixed.new_weights.size(), 5U);
  expect_kept(old, fixed);
}

TEST(Fix, LargeMapsGetAGlobalPooling) {
  const Sequential old(
      {Conv2D(4, {3, 3}, {.padding = "same", .input_shape = {12, 12, 1}}), Flatten(), Dense(5, {.activation = "softmax"})});
  const FixResult fixed = fix(old);
  EXPECT_THAT(outline(fixed.model),
              ElementsAre("Conv2D 3x3/1x1 circular 4", "AdaptivePolyphaseSampling2D/1x1", "GlobalMaxPooling2D", "Dense softmax 5"));
  EXPECT_THAT(fixed.new_weights, ElementsAre("dense/kernel"));
  expect_kept(old, fixed);
}

// A window that would go round the ring more than once is none.
TEST(Fix, MapsLargerThanTheRingGetAGlobalPooling) {
  const Sequential old({Conv2D(2, {1, 1}, {.input_shape = {4, 4, 1}}), ZeroPadding2D(1), Flatten(), Dense(3)});
  EXPECT_THAT(outline(fix(old).model), ElementsAre("Conv2D 1x1/1x1 valid 2", "AdaptivePolyphaseSampling2D/1x1", "GlobalMaxPooling2D", "Dense 3"));
}

// Functions of all classes together go behind the best place, those of each class stay before it.
TEST(Fix, HeadsThatAreTheClassifier) {
  const auto head = [](const char* activation) {
    const Sequential old({MaxPooling2D({2, 2}, {.input_shape = {8, 8, 1}}), Flatten(), Dense(3, {.activation = std::string(activation)})});
    const FixResult fixed = fix(old);
    expect_kept(old, fixed);
    Layers all = outline(fixed.model);
    all.erase(all.begin(), all.begin() + 2);
    return all;
  };
  EXPECT_THAT(head("softmax"), ElementsAre("Conv2D 4x4/1x1 circular 3", "GlobalMaxPooling2D", "Activation softmax"));
  EXPECT_THAT(head("log_softmax"), ElementsAre("Conv2D 4x4/1x1 circular 3", "GlobalMaxPooling2D", "Activation log_softmax"));
  EXPECT_THAT(head("sigmoid"), ElementsAre("Conv2D 4x4/1x1 circular sigmoid 3", "GlobalMaxPooling2D"));
  EXPECT_THAT(head("linear"), ElementsAre("Conv2D 4x4/1x1 circular 3", "GlobalMaxPooling2D"));
}

TEST(Fix, LossesKnowWhatLeavesTheHead) {
  const auto head = [](const char* activation, bool fixed) {
    const Sequential old({MaxPooling2D({2, 2}, {.input_shape = {8, 8, 1}}), Flatten(), Dense(3, {.activation = std::string(activation)})});
    return fixed ? gives_probabilities(fix(old).model) : gives_probabilities(old);
  };
  for (const bool fixed : {false, true}) {
    EXPECT_TRUE(head("softmax", fixed));
    EXPECT_TRUE(head("sigmoid", fixed));
    EXPECT_FALSE(head("linear", fixed));
    EXPECT_FALSE(head("log_softmax", fixed)) << "its softmax is the softmax";
  }
  EXPECT_FALSE(gives_probabilities(Sequential({Conv2D(3, {1, 1}, {.activation = "softmax", .input_shape = {4, 4, 1}}), GlobalMaxPooling2D()}))) << "more than 1 in all";
  EXPECT_TRUE(gives_probabilities(Sequential({Conv2D(3, {1, 1}, {.activation = "softmax", .input_shape = {4, 4, 1}}), GlobalAveragePooling2D()})));
}

TEST(Fix, ConvolutionalHeadsKeepTheirTask) {
  const Sequential old({Conv2D(4, {3, 3}, {.input_shape = {4, 4, 1}}), Conv2D(3, {2, 2}), Flatten(), Activation("softmax")});
  EXPECT_THAT(outline(fix(old).model), ElementsAre("Conv2D 3x3/1x1 circular 4", "Conv2D 2x2/1x1 circular 3",
                                                   "AdaptivePolyphaseSampling2D/1x1", "GlobalMaxPooling2D", "Activation softmax"));
}

// ---- networks with downsampling layers already --------------------------------------------------------------------------------

Sequential blurred() {
  return Sequential({Conv2D(4, {3, 3}, {.padding = "same", .input_shape = {16, 16, 1}}),
                     MaxBlurPooling2D({2, 2}, {.filter_size = 4, .border = "zero", .pads = "kornia"}), BlurPooling2D(3, {.strides = 1}),
                     GlobalMaxPooling2D(), Dense(2)});
}

TEST(Fix, BlursKeepTheirFilters) {
  const Sequential old = blurred();
  EXPECT_THAT(outline(fix(old).model),
              ElementsAre("Conv2D 3x3/1x1 circular 4", "MaxBlurPooling2D 2x2/1x1 circular circular zhang 4",
                          "AdaptivePolyphaseSampling2D/2x2", "BlurPooling2D/1x1 circular zhang 3", "GlobalMaxPooling2D", "Dense 2"));
  EXPECT_THAT(outline(fix(old, {.with = "blur", .filter_size = 7}).model),
              ElementsAre("Conv2D 3x3/1x1 circular 4", "MaxBlurPooling2D 2x2/2x2 circular circular zhang 4",
                          "BlurPooling2D/1x1 circular zhang 3", "GlobalMaxPooling2D", "Dense 2"));
}

TEST(Fix, PolyphaseLayersStayAndTheirStridesCount) {
  const auto with_size = [](std::int64_t size) {
    return Sequential({AdaptivePolyphaseSampling2D({.order = "l1", .input_shape = {size, size, 1}}), MaxPooling2D({2, 2}),
                       GlobalMaxPooling2D(), Dense(2)});
  };
  EXPECT_THAT(outline(fix(with_size(8)).model), ElementsAre("AdaptivePolyphaseSampling2D/2x2", "MaxPooling2D 2x2/1x1 circular",
                                                            "AdaptivePolyphaseSampling2D/2x2", "GlobalMaxPooling2D", "Dense 2"));
  EXPECT_THAT(message_of<ShapeError>([&] { fix(with_size(30)); }), HasSubstr("a canvas of 32x32"));
}

TEST(Fix, TwiceFindsNothingMore) {
  for (const char* with : {"aps", "lps"}) {
    const FixResult once = fix(notebook(), {.with = std::string(with)});
    EXPECT_THAT(message_of<ValueError>([&] { fix(once.model); }), HasSubstr("nothing in this model depends on where the image lies"));
  }
  const FixResult blurred = fix(notebook(), {.with = "blur"});
  EXPECT_THAT(message_of<ValueError>([&] { fix(blurred.model, {.with = "blur"}); }),
              AllOf(HasSubstr("nothing left to replace with blur"), HasSubstr("[MaxBlurPooling2D 'max_pooling2d']")));
  const FixResult both = fix(blurred.model);
  EXPECT_EQ(why_not_invariant(both.model), std::nullopt);
  expect_kept(blurred.model, both);
}

TEST(Fix, NamesThatAreTaken) {
  const Sequential old({MaxPooling2D({2, 2}, {.name = "pool", .input_shape = {8, 8, 1}}), Activation("relu", {.name = "pool_sampling"}),
                        GlobalMaxPooling2D(), Dense(2)});
  EXPECT_EQ(fix(old).model.layer_names(), (Layers{"pool", "pool_sampling_1", "pool_sampling", "global_max_pooling2d", "dense"}));
}

TEST(Fix, NotesAndSeed) {
  Sequential old({MaxPooling2D({2, 2}, {.input_shape = {8, 8, 1}}), GlobalMaxPooling2D(), Dense(2)});
  old.metadata()["input_scale"] = "0.5";
  const FixResult one = fix(old, {.with = "lps", .seed = 1}), same = fix(old, {.with = "lps", .seed = 1}),
              other = fix(old, {.with = "lps", .seed = 2});
  EXPECT_EQ(one.model.metadata().at("input_scale"), "0.5");
  EXPECT_EQ(values_of(one.model), values_of(same.model));
  EXPECT_NE(values_of(one.model), values_of(other.model));
}

TEST(Fix, CanvasIsTheNewInput) {
  const FixResult fixed = fix(notebook(), {.canvas = {44, 36}});
  EXPECT_EQ(fixed.model.input_shape(), Shape({44, 36, 1}));
  EXPECT_THAT(fixed.new_weights, IsEmpty());
}

// ---- what the convolution in the Dense's place computes --------------------------------------------------------------

// One Dense's sums for the window of `size` whose upper left corner is at (top, left) of a ring, in double.
std::vector<double> dense_at(const Tensor& map, std::int64_t top, std::int64_t left, const Shape& window, const Tensor& kernel,
                             const Tensor& bias) {
  const std::int64_t height = map.shape()[1], width = map.shape()[2], channels = map.shape()[3], units = kernel.shape()[-1];
  std::vector<double> sums(static_cast<std::size_t>(units));
  for (std::int64_t u = 0; u < units; ++u) {
    double sum = bias.values<float>()[static_cast<std::size_t>(u)];
    for (std::int64_t i = 0; i < window[0]; ++i)
      for (std::int64_t j = 0; j < window[1]; ++j)
        for (std::int64_t c = 0; c < channels; ++c) {
          const auto at = static_cast<std::size_t>(
              (((top + i) % height + height) % height * width + ((left + j) % width + width) % width) * channels + c);
          const auto weight = static_cast<std::size_t>(((i * window[1] + j) * channels + c) * units + u);
          sum += static_cast<double>(map.values<float>()[at]) * static_cast<double>(kernel.values<float>()[weight]);
        }
    sums[static_cast<std::size_t>(u)] = sum;
  }
  return sums;
}

TEST(Fix, TheConvolutionIsTheDenseAtEveryPlace) {
  Sequential old({Flatten({.input_shape = {3, 4, 2}}), Dense(5)}, {.seed = 4});
  tests::randomize(old, 3);
  const auto weights = old.get_weights();
  const FixResult fixed = fix(old, {.canvas = {6, 5}});
  const Tensor image = tests::random_images(1, {6, 5, 2}, 8);
  const Tensor map = fixed.model.layer_outputs(image)[0].second;
  ASSERT_EQ(map.shape(), Shape({1, 6, 5, 5}));
  std::vector<double> best(5, -1e9);
  for (std::int64_t y = 0; y < 6; ++y)
    for (std::int64_t x = 0; x < 5; ++x) {
      // A circular window of n cells begins (n - 1) / 2 before its place.
      const std::vector<double> want = dense_at(image, y - 1, x - 1, {3, 4}, weights[0], weights[1]);
      for (std::size_t u = 0; u < 5; ++u) {
        EXPECT_NEAR(map.values<float>()[static_cast<std::size_t>(y * 5 + x) * 5 + u], want[u], 1e-5);
        best[u] = std::max(best[u], want[u]);
      }
    }
  const Tensor output = fixed.model.predict(image);
  for (std::size_t u = 0; u < 5; ++u) EXPECT_NEAR(output.values<float>()[u], best[u], 1e-5);
}

// The old network at its old place: a valid convolution's cell i is a circular one's cell i + 1, so the 6 x 6 window of the head that began
// at cell 0 begins at 1, which is place 3; no window wraps there.
TEST(Fix, TheOldNetworkIsOneOfThePlaces) {
  Sequential old({Conv2D(3, {3, 3}, {.activation = "relu", .input_shape = {8, 8, 1}}), Flatten(), Dense(4)}, {.seed = 6});
  tests::randomize(old, 5);
  const FixResult fixed = fix(old);
  const Tensor image = tests::random_images(1, {8, 8, 1}, 2);
  const Tensor want = old.predict(image);
  const auto outputs = fixed.model.layer_outputs(image);
  const Tensor& map = outputs[1].second;
  ASSERT_EQ(map.shape(), Shape({1, 8, 8, 4}));
  for (std::size_t u = 0; u < 4; ++u) EXPECT_NEAR(map.values<float>()[(3 * 8 + 3) * 4 + u], want.values<float>()[u], 1e-5);
}

// ---- the guarantee ---------------------------------------------------------------------------------------------------

std::vector<Model> networks() {
  std::vector<Model> all;
  all.push_back(strided());
  all.push_back(blurred());
  all.push_back(detail::model::make("notebook", {16, 16, 1}, 10));
  all.push_back(detail::model::make("average-pooling", {16, 16, 1}, 10));
  all.push_back(detail::model::make("no-pooling", {16, 16, 1}, 10));
  all.push_back(detail::model::make("global-max", {16, 16, 1}, 10));
  all.push_back(
      Sequential({Rescaling(0.5, {.offset = 0.25, .input_shape = {16, 16, 3}}), Conv2D(5, {5, 4}, {.strides = 4, .padding = "same"}),
                  Dense(6, {.activation = "softmax"}), Dropout(0.5), Flatten(), Dense(7, {.activation = "sigmoid"})}));
  all.push_back(Sequential({Conv2D(8, {3, 3}, {.dilation_rate = 2, .groups = 2, .input_shape = {16, 16, 4}}), BatchNormalization(),
                            Activation("gelu"), MaxPooling2D({3, 2}), GlobalAveragePooling2D({.keepdims = true}), Flatten(), Dense(3)}));
  all.push_back(fix(detail::model::make("notebook", {16, 16, 1}, 10), {.with = "blur"}).model);
  return all;
}

TEST(Fix, HoldsToTheBitForEveryShift) {
  for (Model& old : networks()) {
    tests::randomize(old, 7);
    for (const char* with : {"aps", "lps"}) {
      const std::string name = outline(old)[0] + " of " + std::to_string(outline(old).size()) + " layers with " + with;
      const Size2 canvas = testing::Value(outline(old), testing::Contains("MaxPooling2D 3x2/3x2 valid")) ? Size2(18, 16) : Size2();
      FixResult fixed = fix(old, {.with = std::string(with), .canvas = canvas});
      tests::randomize(fixed.model, 9);
      EXPECT_EQ(why_not_invariant(fixed.model), std::nullopt) << name;
      for (const int count : {1, 2}) {
        set_threads(count);
        for (const DTypePolicy policy : {DTypePolicy("float32"), DTypePolicy("mixed_bfloat16")}) {
          fixed.model.set_dtype_policy(policy);
          EXPECT_EQ(tests::shifts_that_change(fixed.model, tests::random_images(1, fixed.model.input_shape(), 1)), 0)
              << name << ", threads " << count << ", " << policy.name();
        }
      }
    }
  }
}

TEST(Fix, BlurPromisesNothing) {
  FixResult fixed = fix(detail::model::make("notebook", {16, 16, 1}, 10), {.with = "blur"});
  tests::randomize(fixed.model, 9);
  EXPECT_NE(why_not_invariant(fixed.model), std::nullopt);
  EXPECT_GT(tests::shifts_that_change(fixed.model, tests::random_images(1, {16, 16, 1}, 1)), 0);
}

// ---- what is refused -------------------------------------------------------------------------------------------------

TEST(Fix, OddSizesAreToldTheirCanvas) {
  const Sequential odd = detail::model::make("notebook", {27, 30, 1}, 10);
  for (const char* with : {"aps", "lps"})
    EXPECT_THAT(message_of<ShapeError>([&] { fix(odd, {.with = std::string(with)}); }),
                AllOf(HasSubstr("inputs of 27x30"), HasSubstr("4x4"), HasSubstr("a canvas of 28x32")));
  EXPECT_EQ(fix(odd, {.canvas = {28, 32}}).model.input_shape(), Shape({28, 32, 1}));
  EXPECT_EQ(fix(odd, {.with = "blur"}).model.input_shape(), Shape({27, 30, 1})) << "nothing is guaranteed there anyway";
  const Sequential three({Conv2D(4, {3, 3}, {.strides = 3, .input_shape = {28, 28, 1}}), GlobalMaxPooling2D(), Dense(2)});
  EXPECT_THAT(message_of<ShapeError>([&] { fix(three); }), HasSubstr("a canvas of 30x30"));
}

TEST(Fix, RefusesWhatItCannotMend) {
  EXPECT_THAT(message_of<ShapeError>([] {
                fix(notebook(), {.canvas = {27, 44}});
              }),
              HasSubstr("a canvas of 27x44 came; the model takes (28, 28, 1)"));
  EXPECT_THAT(message_of<ValueError>([] { fix(notebook(), {.filter_size = 8}); }), HasSubstr("filter_size 8"));
  EXPECT_THAT(message_of<ShapeError>([] { fix(Sequential({Conv2D(4, {3, 3}, {.input_shape = {8, 8, 1}})})); }), HasSubstr("no classifier"));
  EXPECT_EQ(fix(Sequential({Flatten({.input_shape = {8, 8, 1}}), Dense(1)})).model.output_shape(), (Shape{1})) << "one output tells two classes apart";
  EXPECT_THAT(message_of<ShapeError>([] { fix(Sequential({Dense(3, {.input_shape = {8}})})); }),
              HasSubstr("images (height, width, channels)"));
  EXPECT_THAT(message_of<ValueError>([] {
                fix(Sequential({Conv2D(2, {3, 3}, {.input_shape = {6, 6, 1}}), Flatten()}));
              }),
              AllOf(HasSubstr("32 values"), HasSubstr("2 would be left")));
  EXPECT_THROW(fix(Sequential({Conv2D(4, {3, 3}), Flatten(), Dense(2)})), StateError);
}

TEST(Downsampling, NamesAreAClosedSet) {
  EXPECT_EQ(Downsampling(std::string("lps")).kind(), Downsampling::lps);
  EXPECT_EQ(Downsampling("blur").name(), "blur");
  EXPECT_THAT(message_of<ValueError>([] { Downsampling(std::string("apss")); }), HasSubstr("did you mean \"aps\"?"));
}

// ---- before and after ------------------------------------------------------------------------------------------------

TEST(NetworkTraits, TableLinesUp) {
  const Sequential old({Conv2D(2, {3, 3}, {.input_shape = {8, 8, 1}}), MaxPooling2D({2, 2}), Flatten(), Dense(3)});
  const Tensor images = tests::random_images(5, {8, 8, 1}, 3);
  const Tensor labels = Tensor::from(std::vector<std::int64_t>{0, 1, 2, 0, 1}, {5});
  const NetworkTraits before = measure_traits(old, images, labels, {.radius = 1}), after = measure_traits(fix(old).model, images, labels, {.radius = 1});
  EXPECT_EQ(before.parameters, old.count_params());
  EXPECT_EQ(before.sweep.radius(), 1);
  EXPECT_GT(before.flops, 2 * 9 * 2 * 36) << "a multiplication and an addition for each weight and place";
  EXPECT_GT(after.flops, before.flops);
  EXPECT_GT(before.seconds_an_image, 0);
  const std::string table = table_of(before, after);
  std::vector<std::size_t> widths;
  for (std::size_t at = 0; at < table.size(); at = table.find('\n', at) + 1) widths.push_back(table.find('\n', at) - at);
  EXPECT_EQ(widths, std::vector<std::size_t>(8, widths[0])) << table;
  EXPECT_THAT(table, AllOf(HasSubstr("right at every shift within 1"), HasSubstr("before       after")));
}

}  // namespace
}  // namespace linn::shift
