// The built-in networks against the counts of Keras Applications and of the papers.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "linn/linn.h"
#include "model/zoo.h"

namespace linn {
namespace {

using testing::HasSubstr;

// Counted with Keras 3 where a network is one of Keras Applications, else by hand from the paper's table.
TEST(Networks, FullHaveTheirParameters) {
  EXPECT_EQ(models::lenet5().count_params(), 61'706) << "156 + 2,416 + 48,120 + 10,164 + 850";
  EXPECT_EQ(models::all_cnn().count_params(), 1'369'738);
  EXPECT_EQ(models::vgg_small().count_trainable_params(), 4'574'592 + 2 * 2 * (128 + 256 + 512) + 81'930);
  EXPECT_EQ(models::vgg_small().count_params(), 4'663'690);
  EXPECT_EQ(models::resnet50().count_params(), 25'636'712);
  EXPECT_EQ(models::resnet50({.include_top = false}).count_params(), 23'587'712);
  EXPECT_EQ(models::resnet50().count_trainable_params(), 25'583'592);
  EXPECT_EQ(models::mobilenet_v2().count_params(), 3'538'984);
  EXPECT_EQ(models::mobilenet_v2().count_trainable_params(), 3'504'872);
  EXPECT_EQ(models::mobilenet_v2({.input_shape = {32, 32, 3}, .alpha = 0.35, .classes = 10}).count_params(), 423'018);
  EXPECT_EQ(models::mobilenet_v2({.input_shape = {33, 47, 3}, .alpha = 1.4, .classes = 10}).count_params(), 4'381'642);
  EXPECT_EQ(models::mobilenet_v2({.include_top = false}).count_params(), 2'257'984);
}

TEST(Networks, ResNetsOfCifarHaveTheParametersOfBothShortcuts) {
  EXPECT_EQ(models::resnet20().count_trainable_params(), 272'474);
  EXPECT_EQ(models::resnet32().count_trainable_params(), 466'906);
  EXPECT_EQ(models::resnet56().count_trainable_params(), 855'770);
  EXPECT_EQ(models::resnet20({.projection_shortcuts = false}).count_trainable_params(), 269'722);
  EXPECT_EQ(models::resnet32({.projection_shortcuts = false}).count_trainable_params(), 464'154);
  EXPECT_EQ(models::resnet56({.projection_shortcuts = false}).count_trainable_params(), 853'018);
}

// As many layers with weights as the name says: convolutions on the main path and Dense.
TEST(Networks, ResNetsAreAsDeepAsTheyAreCalled) {
  const auto depth = [](const Model& model) {
    const std::vector<std::string> names = model.layer_names();
    return std::count_if(names.begin(), names.end(), [&](const std::string& name) {
      return name.find("shortcut") == std::string::npos && name.find("_0_conv") == std::string::npos &&
             (name.find("conv") != std::string::npos || name == "predictions") && model.get_layer(name).class_name() != "Activation" &&
             model.get_layer(name).class_name() != "BatchNormalization" && model.get_layer(name).class_name() != "Add" &&
             model.get_layer(name).class_name() != "ZeroPadding2D";
    });
  };
  EXPECT_EQ(depth(models::resnet20()), 20);
  EXPECT_EQ(depth(models::resnet32()), 32);
  EXPECT_EQ(depth(models::resnet56()), 56);
  EXPECT_EQ(depth(models::resnet50()), 50);
}

TEST(Networks, HaveTheShapesOfThePapers) {
  EXPECT_EQ(models::all_cnn().get_layer("global_average_pooling2d").input().shape(), Shape({6, 6, 10}));
  EXPECT_EQ(models::resnet20().get_layer("avg_pool").input().shape(), Shape({8, 8, 64}));
  EXPECT_EQ(models::resnet20({.projection_shortcuts = false}).get_layer("stage2_block1_shortcut_concat").output().shape(), Shape({16, 16, 32}));
  EXPECT_EQ(models::resnet50().get_layer("avg_pool").input().shape(), Shape({7, 7, 2048}));
  EXPECT_EQ(models::vgg_small().get_layer("flatten").output().shape(), Shape({8192}));
  EXPECT_EQ(models::lenet5().get_layer("flatten").output().shape(), Shape({400}));
}

// Option A: the values of every second row and column, then as many channels of zeros.
TEST(Networks, IdentityShortcutsSubsampleAndPadWithZeros) {
  Model model = models::resnet20({.input_shape = {6, 5, 2}, .classes = 3, .projection_shortcuts = false});
  Tensor x({2, 6, 5, 2});
  for (std::size_t i = 0; i < x.values<float>().size(); ++i) x.values<float>()[i] = static_cast<float>(i % 7) - 3;
  Tensor before, after;
  for (auto& [name, value] : model.layer_outputs(x)) {
    if (name == "stage1_block3_out") before = value;
    if (name == "stage2_block1_shortcut_concat") after = value;
  }
  ASSERT_EQ(after.shape(), Shape({2, 3, 3, 32}));
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t row = 0; row < 3; ++row)
      for (std::int64_t column = 0; column < 3; ++column)
        for (std::int64_t c = 0; c < 32; ++c) {
          const float got = after.values<float>()[static_cast<std::size_t>(((n * 3 + row) * 3 + column) * 32 + c)];
          const float want = c < 16 ? before.values<float>()[static_cast<std::size_t>(((n * 6 + 2 * row) * 5 + 2 * column) * 16 + c)] : 0;
          EXPECT_EQ(got, want);
        }
}

TEST(Networks, FullTakeOtherImagesAndClasses) {
  EXPECT_EQ(models::resnet20({.input_shape = {17, 20, 1}, .classes = 7}).output_shape(), Shape({7}));
  EXPECT_EQ(models::resnet50({.input_shape = {32, 40, 4}, .classes = 5}).output_shape(), Shape({5}));
  EXPECT_EQ(models::resnet50({.include_top = false, .pooling = "max"}).output_shape(), Shape({2048}));
  EXPECT_EQ(models::resnet50({.include_top = false}).output_shape(), Shape({7, 7, 2048}));
  EXPECT_EQ(models::lenet5({.input_shape = {32, 30, 3}, .classes = 4}).output_shape(), Shape({4}));
  EXPECT_EQ(models::vgg_small({.input_shape = {8, 9, 3}}).output_shape(), Shape({10}));
  EXPECT_EQ(models::all_cnn({.input_shape = {9, 11, 3}, .classes = 100}).output_shape(), Shape({100}));
  const Model open = models::resnet20({.input_shape = {Shape::none, Shape::none, 3}});
  EXPECT_EQ(open.predict(Tensor({2, 12, 9, 3})).shape(), Shape({2, 10}));
  EXPECT_EQ(models::all_cnn({.input_shape = {Shape::none, Shape::none, 3}}).predict(Tensor({1, 10, 13, 3})).shape(), Shape({1, 10}));
}

TEST(Networks, RefuseWhatDoesNotFit) {
  EXPECT_THROW(models::resnet20({.classes = 1}), ValueError);
  EXPECT_THROW(models::resnet50({.classes = 1}), ValueError);
  EXPECT_NO_THROW(models::resnet50({.include_top = false, .classes = 1})) << "Classes do not count without the classifier.";
  EXPECT_THROW(models::resnet50({.pooling = "mean"}), ValueError);
  EXPECT_THROW(models::resnet50({.input_shape = {31, 32, 3}}), ShapeError);
  EXPECT_THROW(models::lenet5({.input_shape = {28, 28}}), ShapeError);
  EXPECT_THROW(models::vgg_small({.input_shape = {7, 32, 3}}), ShapeError);
  EXPECT_THROW(models::lenet5({.input_shape = {11, 12, 1}}), ShapeError);
  EXPECT_THROW(models::all_cnn({.input_shape = {8, 9, 3}}), ShapeError);
  EXPECT_THROW(models::resnet20({.input_shape = {32, 32, Shape::none}}), ShapeError);
  try {
    models::vgg_small({.input_shape = {Shape::none, 32, 3}});
    FAIL();
  } catch (const ShapeError& error) {
    EXPECT_THAT(error.what(), HasSubstr("vgg_small: images of shape (None, 32, 3) came"));
  }
}

TEST(Networks, FollowTheirSeed) {
  const auto weights = [](std::uint64_t seed) { return models::resnet20({.seed = seed}).get_weights()[0]; };
  const Tensor a = weights(1), b = weights(1), c = weights(2);
  EXPECT_TRUE(std::equal(a.values<float>().begin(), a.values<float>().end(), b.values<float>().begin()));
  EXPECT_FALSE(std::equal(a.values<float>().begin(), a.values<float>().end(), c.values<float>().begin()));
}

// The table behind --model: each name makes a network of that name that takes a step and comes back from its configuration.
TEST(Networks, OfTheTableTrain) {
  const std::vector<std::string> want = {"lenet5", "all_cnn", "vgg_small", "resnet20", "resnet32", "resnet56", "resnet50", "mobilenet_v2"};
  for (const std::string& name : want) {
    const detail::model::ZooEntry& entry = detail::model::zoo_entry(name);
    const bool is_large = entry.size > 32;
    const std::int64_t size = is_large ? 32 : entry.size;
    Model made = detail::model::make_model(name, {size, size, entry.channels}, 3, {.seed = 5});
    EXPECT_EQ(made.name(), name == "mobilenet_v2" ? "mobilenetv2_1.00_32" : name);
    EXPECT_EQ(Model::from_json(made.to_json()).to_json(), made.to_json()) << name;
    made.compile({.optimizer = optimizers::SGD(), .loss = "sparse_categorical_crossentropy"});
    Tensor x({2, size, size, entry.channels});
    for (std::size_t i = 0; i < x.values<float>().size(); ++i) x.values<float>()[i] = static_cast<float>(i % 11) / 11;
    Tensor y({2}, DType::i32);
    y.values<std::int32_t>()[1] = 2;
    const double loss = made.train_on_batch(x, y).at("loss");
    EXPECT_GT(loss, 0) << name;
    EXPECT_LT(loss, 20) << name;
  }
}

}  // namespace
}  // namespace linn
