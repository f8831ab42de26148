// Gradients of layers of several inputs against finite differences in float64; the same bits on any number of threads.
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "core/worker_pool.h"
#include "linn/layers.h"
#include "support/layer_call.h"

namespace linn::detail::plan {
namespace {

using tests::LayerCall;
using tests::LayerInput;
using tests::Values;

Values random_values(std::int64_t count, std::uint32_t seed, double least = -1, double most = 1) {
  std::mt19937 engine(seed);
  Values values(static_cast<std::size_t>(count));
  for (double& value : values) value = least + (most - least) * static_cast<double>(engine()) / 4294967296.0;
  return values;
}

// Central differences of a function of some numbers, at 60 of them about.
void expect_slopes(const std::string& what, const Values& at, const Values& gradient, const std::function<double(const Values&)>& f) {
  ASSERT_EQ(gradient.size(), at.size()) << what;
  constexpr double h = 1e-6;
  const std::size_t step = std::max<std::size_t>(1, at.size() / 60);
  for (std::size_t i = 0; i < at.size(); i += step) {
    Values moved = at;
    moved[i] = at[i] + h;
    const double above = f(moved);
    moved[i] = at[i] - h;
    const double slope = (above - f(moved)) / (2 * h);
    EXPECT_NEAR(gradient[i], slope, 1e-6 * (1 + std::abs(slope))) << what << " [" << i << "]";
  }
  f(at);
}

struct Case {
  Layer layer;
  std::vector<Shape> images;
};

struct Numbers {
  std::vector<LayerInput> inputs;
  std::vector<Values> weights;
  Values upstream;
};

Numbers numbers_for(const Case& c, std::int64_t images) {
  Numbers numbers;
  std::uint32_t seed = 1;
  for (const Shape& image : c.images) numbers.inputs.push_back({image, random_values(images * image.elements(), ++seed)});
  for (const VariableSpec& spec : linn::detail::description_of(c.layer)->declare_variables(c.images))
    numbers.weights.push_back(random_values(spec.shape.elements(), ++seed));
  numbers.upstream = random_values(images * linn::detail::description_of(c.layer)->infer_shapes(c.images, "here").front().elements(), ++seed);
  return numbers;
}

void check_differences(const Case& c) {
  SCOPED_TRACE(std::string(c.layer.class_name()) + " on " + c.images.front().to_string());
  constexpr std::int64_t images = 3;
  const Numbers numbers = numbers_for(c, images);
  LayerCall call(linn::detail::description_of(c.layer), images, numbers.inputs, numbers.weights, numbers.upstream, Precision::float64);
  call.run({.seed = 3, .step = 0, .learning_rate = 0});
  std::vector<Values> dinputs, dweights;
  for (std::size_t i = 0; i < numbers.inputs.size(); ++i) dinputs.push_back(call.input_gradient(i));
  for (std::size_t i = 0; i < numbers.weights.size(); ++i) dweights.push_back(call.weight_gradient(i));
  for (std::size_t i = 0; i < numbers.inputs.size(); ++i)
    expect_slopes("input " + std::to_string(i), numbers.inputs[i].numbers, dinputs[i],
                  [&](const Values& values) { return call.objective_with_input(i, values); });
  for (std::size_t i = 0; i < numbers.weights.size(); ++i)
    expect_slopes(call.specs()[i].name, numbers.weights[i], dweights[i],
                  [&](const Values& values) { return call.objective_with_weight(i, values); });
}

// Eleven images leave the second shard three, 64 are eight shards.
void check_threads(const Case& c) {
  SCOPED_TRACE(std::string(c.layer.class_name()) + " on " + c.images.front().to_string());
  for (const std::int64_t images : {11, 64}) {
    const Numbers numbers = numbers_for(c, images);
    std::vector<Values> first;
    for (const int threads : {1, 2, 3, 8}) {
      core::set_threads(threads);
      LayerCall call(linn::detail::description_of(c.layer), images, numbers.inputs, numbers.weights, numbers.upstream, Precision::float32);
      call.run({.seed = 3, .step = 5, .learning_rate = 0});
      std::vector<Values> all = {call.output()};
      for (std::size_t i = 0; i < numbers.inputs.size(); ++i) all.push_back(call.input_gradient(i));
      for (std::size_t i = 0; i < numbers.weights.size(); ++i) all.push_back(call.weight_gradient(i));
      if (first.empty()) first = all;
      EXPECT_EQ(all, first) << images << " images, " << threads << " threads";
    }
  }
  core::set_threads(2);
}

std::vector<Case> cases() {
  const std::vector<Shape> two = {{3, 4, 5}, {3, 4, 5}}, channels = {{3, 4, 5}, {1, 1, 5}}, mixed = {{3, 1, 5}, {4, 1}, {5}};
  return {{Add(), two},
          {Add(), mixed},
          {Subtract(), two},
          {Subtract(), channels},
          {Multiply(), two},
          {Multiply(), channels},
          {Multiply(), mixed},
          {Average(), two},
          {Average(), mixed},
          {Maximum(), two},
          {Maximum(), mixed},
          {Minimum(), channels},
          {Minimum(), mixed},
          {Multiply(), {{7}}},
          {Concatenate(), {{3, 4, 1}, {3, 4, 5}, {3, 4, 2}}},
          {Concatenate({.axis = 1}), {{1, 4, 2}, {5, 4, 2}}},
          {Concatenate({.axis = -2}), {{1, 4}, {3, 4}}},
          {Reshape({6, -1}), {{3, 4, 2}}},
          {Permute({2, 3, 1}), {{3, 4, 2}}},
          {Permute({2, 1, 3}), {{3, 4, 2}}},
          {Cropping2D({{1, 0}, {2, 1}}), {{4, 5, 2}}},
          {Identity(), {{4, 3}}},
          {ReLU({.max_value = 0.5, .negative_slope = 0.25, .threshold = 0.1}), {{4, 5}}},
          {LeakyReLU(), {{4, 5}}},
          {ELU({.alpha = 0.5}), {{4, 5}}},
          {PReLU(), {{3, 4}}},
          {PReLU({.shared_axes = {1, 2}}), {{3, 4, 5}}},
          {PReLU({.shared_axes = {3}}), {{3, 4, 5}}},
          {Softmax({.axis = {1, 3}}), {{3, 2, 4}}},
          {LayerNormalization(), {{3, 4, 5}}},
          {LayerNormalization({.axis = {1, 2, 3}}), {{3, 2, 4}}},
          {LayerNormalization({.axis = 1, .center = false}), {{5, 3}}},
          {GroupNormalization({.groups = 2}), {{3, 4, 6}}},
          {GroupNormalization({.groups = -1}), {{3, 4, 3}}},
          {GroupNormalization({.groups = 2, .axis = 1, .scale = false}), {{4, 3, 5}}},
          {UpSampling2D({2, 3}), {{3, 4, 2}}},
          {UpSampling2D({3, 2}, {.interpolation = "bilinear"}), {{3, 4, 2}}},
          {Resizing(5, 3), {{3, 4, 2}}},
          {Resizing(4, 4, {.pad_to_aspect_ratio = true, .fill_value = 0.5}), {{3, 7, 2}}},
          {AdaptiveMaxPooling2D({2, 3}), {{5, 7, 2}}},
          {AdaptiveAveragePooling2D({3, 2}), {{5, 7, 2}}},
          {SpatialDropout2D(0.4), {{3, 2, 9}}},
          {GaussianNoise(0.5), {{3, 4}}},
          {Normalization({.mean = {0.5, -1}, .variance = {4, 0.5}}), {{3, 4, 2}}},
          {Normalization({.axis = {}, .mean = {0.5}, .variance = {2}, .invert = true}), {{3, 4}}}};
}

TEST(GraphLayersGradients, AgainstFiniteDifferences) {
  for (const Case& c : cases()) check_differences(c);
}

TEST(GraphLayersGradients, SameBitsOnAnyNumberOfThreads) {
  for (const Case& c : cases()) check_threads(c);
}

}  // namespace
}  // namespace linn::detail::plan
