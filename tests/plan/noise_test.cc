// Noise of training: masks and numbers that differ between shards, images, steps and layers, and never between numbers of threads.
#include <gtest/gtest.h>

#include <set>

#include "core/worker_pool.h"
#include "linn/layers.h"
#include "support/layer_call.h"

namespace linn::detail::plan {
namespace {

using tests::LayerCall;
using tests::Values;

constexpr std::int64_t images = 19, channels = 24;  // three shards

// The output of ones, image by image; `upstream` becomes the gradient.
std::vector<Values> outputs_of(const Layer& layer, std::int64_t step, std::uint64_t seed = 3) {
  const Shape image = {2, 3, channels};
  const std::int64_t size = image.elements();
  const Values ones(static_cast<std::size_t>(images * size), 1.0);
  LayerCall call(detail::description_of(layer), images, {{image, ones}}, {}, ones, Precision::float64);
  call.run({.seed = seed, .step = step, .learning_rate = 0});
  const Values output = call.output(), gradient = call.input_gradient(0);
  if (layer.class_name() == "SpatialDropout2D") {
    EXPECT_EQ(gradient, output) << "of ones, forward and backward are the mask";
  } else {
    EXPECT_EQ(gradient, ones) << "noise is added, so the gradient passes";
  }
  std::vector<Values> result;
  for (std::int64_t n = 0; n < images; ++n) result.emplace_back(output.begin() + n * size, output.begin() + (n + 1) * size);
  return result;
}

void check_noise(const Layer& layer, const Layer& other_seed) {
  SCOPED_TRACE(std::string(layer.class_name()));
  std::set<Values> different;
  for (const std::int64_t step : {0, 1, 2})
    for (const Values& image : outputs_of(layer, step)) different.insert(image);
  EXPECT_EQ(different.size(), 3U * images) << "two images or steps with the same noise";
  EXPECT_NE(outputs_of(layer, 0), outputs_of(layer, 0, 4)) << "the model's seed";
  EXPECT_NE(outputs_of(layer, 0), outputs_of(other_seed, 0)) << "the layer's seed";
  const std::vector<Values> first = outputs_of(layer, 5);
  for (const int threads : {1, 2, 3, 8}) {
    core::set_threads(threads);
    EXPECT_EQ(outputs_of(layer, 5), first) << threads << " threads";
  }
  core::set_threads(2);
}

TEST(Noise, DiffersBetweenImagesShardsStepsAndSeeds) {
  check_noise(SpatialDropout2D(0.5), SpatialDropout2D(0.5, {.seed = 1}));
  check_noise(GaussianNoise(0.5), GaussianNoise(0.5, {.seed = 1}));
}

TEST(Noise, SpatialDropoutDropsWholeChannels) {
  std::int64_t dropped = 0;
  for (const Values& image : outputs_of(SpatialDropout2D(0.25), 0))
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t pixel = 1; pixel < 6; ++pixel) EXPECT_EQ(image[pixel * channels + c], image[c]);
      EXPECT_TRUE(image[c] == 0 || image[c] == 1 / 0.75) << image[c];
      dropped += image[c] == 0;
    }
  EXPECT_NEAR(static_cast<double>(dropped) / (images * channels), 0.25, 0.06);
}

}  // namespace
}  // namespace linn::detail::plan
