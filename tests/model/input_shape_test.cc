// The same weights on images of another size.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/random.h"
#include "linn/linn.h"
#include "model/zoo.h"
#include "support/same_bits.h"

namespace linn {
namespace {

using tests::same_bits;

Tensor random_image(const Shape& shape) {
  Tensor tensor(shape);
  const detail::core::Random random(1, 2);
  std::uint64_t i = 0;
  for (float& value : tensor.values<float>()) value = static_cast<float>(random.uniform(i++));
  return tensor;
}

TEST(WithInputShape, KeepsLayersWeightsAndSettings) {
  Sequential model = detail::model::make("invariant", {28, 28, 1}, 10, {.seed = 5});
  model.compile({.optimizer = optimizers::Adam(), .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  model.metadata()["note"] = "kept";
  const Sequential larger = model.with_input_shape({44, 44, 1});
  EXPECT_EQ(larger.input_shape(), (Shape{44, 44, 1}));
  EXPECT_EQ(larger.layer_names(), model.layer_names());
  EXPECT_EQ(larger.metadata().at("note"), "kept");
  EXPECT_TRUE(larger.compiled());
  const auto before = model.named_weights(), after = larger.named_weights();
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i].first, after[i].first);
    EXPECT_EQ(std::vector<float>(before[i].second.values<float>().begin(), before[i].second.values<float>().end()),
              std::vector<float>(after[i].second.values<float>().begin(), after[i].second.values<float>().end()));
  }
}

// Valid windows see the same pixels whatever lies further out.
TEST(WithInputShape, ComputesTheSameWhereWindowsSeeTheSame) {
  Sequential model(ModelOptions{.seed = 3});
  model.add(Conv2D(4, 3, {.activation = "relu", .input_shape = {8, 8, 2}}));
  const Sequential wider = model.with_input_shape({8, 13, 2});
  const Tensor image = random_image({1, 8, 8, 2});
  Tensor wide({1, 8, 13, 2});
  for (std::int64_t y = 0; y < 8; ++y)
    for (std::int64_t x = 0; x < 16; ++x)
      wide.values<float>()[static_cast<std::size_t>(y * 26 + x)] = image.values<float>()[static_cast<std::size_t>(y * 16 + x)];
  const Tensor narrow_map = model.predict(image), wide_map = wider.predict(wide);
  for (std::int64_t y = 0; y < 6; ++y)
    for (std::int64_t x = 0; x < 24; ++x)
      EXPECT_EQ(wide_map.values<float>()[static_cast<std::size_t>(y * 44 + x)], narrow_map.values<float>()[static_cast<std::size_t>(y * 24 + x)]);
}

TEST(WithInputShape, WeightsThatDependOnTheSizeAreNamed) {
  const Sequential model = detail::model::make("notebook", {28, 28, 1}, 10);
  try {
    model.with_input_shape({32, 32, 1});
    FAIL();
  } catch (const ShapeError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("dense/kernel"), std::string::npos) << text;
    EXPECT_NE(text.find("(32, 32, 1)"), std::string::npos) << text;
  }
  EXPECT_THROW(model.with_input_shape({4, 4, 1}), ShapeError);
  EXPECT_THROW(Sequential().with_input_shape({4, 4, 1}), StateError);
}

Tensor halved(const Tensor& tensor) {
  Tensor result = tensor.clone();
  for (float& value : result.values<float>()) value /= 2;
  return result;
}

TEST(WithFirstLayer, OfAChain) {
  Sequential model = detail::model::make("lenet5", {28, 28, 1}, 10, {.seed = 5});
  model.compile({.optimizer = optimizers::Adam(), .loss = "sparse_categorical_crossentropy"});
  model.metadata()["note"] = "kept";
  const Sequential scaled = model.with_first_layer(Rescaling(0.5));
  EXPECT_EQ(scaled.layers()[0].class_name(), "Rescaling");
  EXPECT_EQ(scaled.layer_names()[0], "rescaling");
  EXPECT_EQ(scaled.layer_names()[1], model.layer_names()[0]);
  EXPECT_EQ(scaled.metadata().at("note"), "kept");
  EXPECT_TRUE(scaled.compiled());
  const Tensor images = random_image({5, 28, 28, 1});
  EXPECT_TRUE(same_bits(scaled.predict(images), model.predict(halved(images))));
  EXPECT_TRUE(same_bits(Sequential::from_json(scaled.to_json()).with_first_layer(Identity()).predict(images), Sequential::from_json(scaled.to_json()).predict(images)));
}

TEST(WithFirstLayer, OfBranchesFromTheInputAndSharedLayers) {
  const SymbolicTensor in = Input({6, 5, 2}, {.name = "image"});
  const Conv2D shared(2, 3, {.padding = "same"});
  const SymbolicTensor once = shared(in);
  Model model(in, Add()({in, shared(once), Rescaling(3)(in)}), {.name = "net", .seed = 4});
  const std::vector<std::string> before = model.layer_names();
  const Model scaled = model.with_first_layer(Rescaling(0.5));
  const Tensor images = random_image({3, 6, 5, 2});
  EXPECT_TRUE(same_bits(scaled.predict(images), model.predict(halved(images))));
  EXPECT_EQ(scaled.layers().size(), model.layers().size() + 1);
  EXPECT_EQ(scaled.layers()[1].class_name(), "Rescaling");
  EXPECT_NE(scaled.layer_names()[1], "rescaling") << "the network has one of this name";
  // The copy's weights are its own.
  std::vector<Tensor> zeros = model.get_weights();
  for (Tensor& weight : zeros) weight = Tensor(weight.shape());
  const Tensor prediction = scaled.predict(images);
  model.set_weights(zeros);
  EXPECT_TRUE(same_bits(scaled.predict(images), prediction));
}

TEST(WithFirstLayer, Refusals) {
  EXPECT_THROW(Sequential().with_first_layer(Rescaling(2)), StateError);
  const SymbolicTensor a = Input({3}), b = Input({3});
  EXPECT_THROW(Model({a, b}, {Add()({a, b})}).with_first_layer(Rescaling(2)), StateError);
  EXPECT_THROW((void)detail::model::make("lenet5", {28, 28, 1}, 10).with_first_layer(Flatten()), ShapeError);
}

}  // namespace
}  // namespace linn
