// Augmentation of data, in fit and from texts.
#include "linn/augment.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/worker_pool.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "linn/losses.h"
#include "linn/metrics.h"
#include "linn/model.h"
#include "linn/optimizers.h"
#include "support/message_of.h"

namespace linn {
namespace {

using ::testing::HasSubstr;
using tests::message_of;

constexpr std::int64_t augment_images = 23, augment_classes = 4;

Tensor augment_data(std::int64_t channels = 1) {
  Tensor images({augment_images, 9, 8, channels});
  float value = 0.1F;
  for (float& pixel : images.values<float>()) pixel = value = value * 3.7F * (1 - value);  // chaos
  return images;
}

Tensor augment_labels() {
  Tensor labels({augment_images}, DType::i64);
  std::int64_t i = 0;
  for (std::int64_t& label : labels.values<std::int64_t>()) label = i++ % augment_classes;
  return labels;
}

Tensor augment_one_hot() {
  Tensor targets({augment_images, augment_classes});
  auto values = targets.values<float>();
  for (std::size_t i = 0; i < static_cast<std::size_t>(augment_images); ++i) values[i * augment_classes + i % augment_classes] = 1;
  return targets;
}

std::vector<float> numbers(const Tensor& tensor) { return {tensor.values<float>().begin(), tensor.values<float>().end()}; }

Layer moves() {
  return Pipeline(
      {RandomFlip("horizontal"), RandomTranslation(0.2, 0.2), RandomRotation(0.1), RandomContrast(0.5, {.value_range = {0, 1}})});
}

std::vector<float> augment_weights(const Model& model) {
  std::vector<float> all;
  for (const Tensor& weight : model.get_weights()) {
    const std::vector<float> part = numbers(weight);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

Sequential augment_model(const std::vector<Layer>& first, bool one_hot = false) {
  std::vector<Layer> layers = first;
  layers.push_back(Flatten());
  layers.push_back(Dense(augment_classes, {.activation = "softmax", .name = "head"}));
  Sequential model(layers, {.seed = 5});
  model.build({9, 8, 1});
  if (one_hot)
    model.compile({.optimizer = optimizers::SGD({.learning_rate = 0.1}), .loss = losses::CategoricalCrossentropy()});
  else
    model.compile({.optimizer = optimizers::SGD({.learning_rate = 0.1}), .loss = losses::SparseCategoricalCrossentropy()});
  return model;
}

// ---- of data -----------------------------------------------------------------------------------------------------

TEST(Augment, OnAnyThreadsAndInAnyParts) {
  const Tensor images = augment_data();
  const std::vector<float> all = numbers(augment(moves(), images, {.seed = 3, .epoch = 2, .first_image = 100}));
  EXPECT_NE(all, numbers(images));
  EXPECT_NE(all, numbers(augment(moves(), images, {.seed = 4, .epoch = 2, .first_image = 100})));
  EXPECT_NE(all, numbers(augment(moves(), images, {.seed = 3, .epoch = 3, .first_image = 100})));
  EXPECT_NE(all, numbers(augment(moves(), images, {.seed = 3, .epoch = 2, .first_image = 101})));
  for (const int threads : {1, 3, 8}) {
    detail::core::set_threads(threads);
    std::vector<float> parts;
    for (const auto& [first, last] : {std::pair{0, 1}, std::pair{1, 12}, std::pair{12, 23}}) {
      const std::vector<float> part =
          numbers(augment(moves(), images.rows(first, last), {.seed = 3, .epoch = 2, .first_image = 100 + first}));
      parts.insert(parts.end(), part.begin(), part.end());
    }
    EXPECT_EQ(parts, all) << threads << " threads";
  }
  detail::core::set_threads(2);
}

TEST(Augment, ShapesAndTypes) {
  EXPECT_EQ(augment(CenterCrop(4, 5), augment_data(3)).shape(), Shape({augment_images, 4, 5, 3}));
  const Tensor gray = augment_data().reshape({augment_images, 9, 8});
  EXPECT_EQ(augment(RandomFlip(), gray).shape(), Shape({augment_images, 9, 8, 1}));
  const Tensor bytes = augment_data().astype(DType::u8);
  EXPECT_EQ(augment(RandomInvert({.factor = {1, 1}}), bytes).values<float>()[0], 255.0F);
  EXPECT_THROW(augment(RandomFlip(), augment_labels()), ShapeError);
  EXPECT_THROW(augment(RandomHue(0.1), augment_data(2)), ShapeError);
  EXPECT_THAT(message_of([] { augment(Conv2D(2, 3), augment_data()); }), HasSubstr("has variables"));
  EXPECT_THROW(augment(RandomFlip(), augment_data(), Tensor({3, 2})), DataError);
}

// One-hot rows of as many classes as images show weights and partners.
TEST(Augment, MixUpAndCutMixPairImagesAndTargets) {
  const Tensor images = augment_data();
  Tensor one_hot({augment_images, augment_images});
  for (std::int64_t i = 0; i < augment_images; ++i) one_hot.values<float>()[static_cast<std::size_t>(i * augment_images + i)] = 1;
  const auto pixel = [](const Tensor& of, std::int64_t image, std::int64_t k) {
    return of.values<float>()[static_cast<std::size_t>(image * 72 + k)];
  };
  std::vector<bool> is_partner(augment_images);
  const AugmentedBatch blended = augment(MixUp({.alpha = 0.7}), images, one_hot, {.seed = 8});
  for (std::int64_t i = 0; i < augment_images; ++i) {
    const auto row = blended.targets.rows(i, i + 1);
    std::int64_t partner = i;
    float weight = 1;
    for (std::int64_t k = 0; k < augment_images; ++k)
      if (k != i && row.values<float>()[static_cast<std::size_t>(k)] > 0)
        partner = k, weight = row.values<float>()[static_cast<std::size_t>(i)];
    EXPECT_FALSE(is_partner[static_cast<std::size_t>(partner)]) << "a permutation";
    is_partner[static_cast<std::size_t>(partner)] = true;
    for (std::int64_t k = 0; k < 72; ++k)
      EXPECT_NEAR(pixel(blended.images, i, k), weight * pixel(images, i, k) + (1 - weight) * pixel(images, partner, k), 1e-6);
  }
  const AugmentedBatch patched = augment(CutMix(), images, one_hot, {.seed = 8});
  for (std::int64_t i = 0; i < augment_images; ++i) {
    const float own = patched.targets.values<float>()[static_cast<std::size_t>(i * augment_images + i)];
    std::int64_t kept = 0;
    for (std::int64_t k = 0; k < 72; ++k) kept += pixel(patched.images, i, k) == pixel(images, i, k) ? 1 : 0;
    if (own < 1) {
      EXPECT_NEAR(static_cast<double>(kept) / 72, own, 0.3) << "the share of the area, up to whole pixels";
    }
  }
}

// ---- in fit ------------------------------------------------------------------------------------------------------

// The layers before the model, inside it, and batches from a function give the same weights, bit for bit.
TEST(Augment, InFitAsInsideTheModel) {
  const Tensor x = augment_data(), y = augment_labels();
  Sequential inside = augment_model({moves()}), before = augment_model({}), plain = augment_model({}), threads = augment_model({});
  inside.fit(x, y, {.batch_size = 7, .epochs = 3, .verbose = 0});
  before.fit(x, y, {.batch_size = 7, .epochs = 3, .verbose = 0, .augment = moves()});
  plain.fit(x, y, {.batch_size = 7, .epochs = 3, .verbose = 0});
  detail::core::set_threads(5);
  threads.fit(x, y, {.batch_size = 7, .epochs = 3, .verbose = 0, .augment = moves()});
  detail::core::set_threads(2);
  EXPECT_EQ(augment_weights(before), augment_weights(inside));
  EXPECT_EQ(augment_weights(threads), augment_weights(inside));
  EXPECT_NE(augment_weights(plain), augment_weights(inside));
  // Inference sees the images as they are.
  EXPECT_EQ(numbers(inside.predict(x)), numbers(before.predict(x)));
}

// What fit trains on is what `augment` makes of the data: without shuffling, epoch after epoch.
TEST(Augment, InFitAsOfData) {
  const Tensor x = augment_data(), y = augment_labels();
  Sequential fit = augment_model({}), by_hand = augment_model({});
  fit.fit(x, y, {.batch_size = 7, .epochs = 2, .verbose = 0, .shuffle = false, .augment = moves()});
  for (std::int64_t epoch = 0; epoch < 2; ++epoch)
    by_hand.fit(augment(moves(), x, {.seed = 5, .epoch = epoch}), y, {.batch_size = 7, .verbose = 0, .shuffle = false});
  EXPECT_EQ(augment_weights(fit), augment_weights(by_hand));

  Sequential from_source = augment_model({});
  std::int64_t next = 0;
  const auto source = Dataset::from_generator([&](Batch& batch) {
    if (next >= augment_images) return next = 0, false;
    const std::int64_t last = std::min<std::int64_t>(next + 7, augment_images);
    batch = {.x = x.rows(next, last), .y = y.rows(next, last)};
    next = last;
    return true;
  });
  from_source.fit(source, {.epochs = 2, .verbose = 0, .augment = moves()});
  EXPECT_EQ(augment_weights(from_source), augment_weights(fit));
}

TEST(Augment, MixUpInFit) {
  const Tensor x = augment_data(), y = augment_one_hot();
  Sequential fit = augment_model({}, true), by_hand = augment_model({}, true), labels = augment_model({});
  fit.fit(x, y, {.batch_size = 32, .verbose = 0, .shuffle = false, .augment = MixUp()});
  const AugmentedBatch batch = augment(MixUp(), x, y, {.seed = 5});
  by_hand.fit(batch.images, batch.targets, {.batch_size = 32, .verbose = 0, .shuffle = false});
  EXPECT_EQ(augment_weights(fit), augment_weights(by_hand));
  EXPECT_THAT(message_of([&] { labels.fit(x, augment_labels(), {.verbose = 0, .augment = MixUp()}); }), HasSubstr("one-hot"));
}

TEST(Augment, FitRefusesWhatItCannotDo) {
  const Tensor x = augment_data(), y = augment_labels();
  Sequential model = augment_model({});
  EXPECT_THAT(message_of([&] { model.fit(x, y, {.verbose = 0, .augment = CenterCrop(4, 4)}); }), HasSubstr("must keep their shape"));
  EXPECT_THAT(message_of([&] { model.fit(x, y, {.verbose = 0, .augment = BatchNormalization()}); }), HasSubstr("variables"));
  Sequential behind({Conv2D(2, 3, {.padding = "same"}), RandomContrast(0.2), Flatten(), Dense(augment_classes, {.activation = "softmax"})});
  behind.build({9, 8, 1});
  behind.compile({.optimizer = "sgd", .loss = losses::SparseCategoricalCrossentropy()});
  EXPECT_THAT(message_of([&] { behind.fit(x, y, {.verbose = 0}); }), HasSubstr("put it first"));
}

// ---- from texts --------------------------------------------------------------------------------------------------

std::string of_text(const std::string& text) { return parse_augmentation(text, {0, 1}).config(); }

TEST(AugmentText, NamesAndArguments) {
  const std::string config = of_text(" translation:0.1 , zoom:0.2:0.3,flip,contrast:0.25");
  EXPECT_THAT(config, HasSubstr("RandomTranslation"));
  EXPECT_THAT(config, HasSubstr("\"height_factor\":0.1"));
  EXPECT_THAT(config, HasSubstr("\"width_factor\":0.3"));
  EXPECT_THAT(config, HasSubstr("\"mode\":\"horizontal\""));
  EXPECT_THAT(config, HasSubstr("\"value_range\":[0,1]"));
  EXPECT_LT(config.find("RandomTranslation"), config.find("RandomZoom"));
  EXPECT_LT(config.find("RandomZoom"), config.find("RandomFlip"));
  EXPECT_THAT(of_text("flip:both"), HasSubstr("horizontal_and_vertical"));
  for (const std::string& line : augmentation_names()) {
    const std::string name = line.substr(0, line.find_first_of("[: "));
    const bool has_default = line.find("[:") == name.size() || line[name.size()] == ' ';
    EXPECT_NO_THROW(parse_augmentation(has_default ? name : name + (name == "posterization" ? ":3" : ":0.5"))) << line;
  }
}

TEST(AugmentText, ImagesOfOtherShapes) {
  for (const Shape& shape : {Shape{4, 5}, Shape{2, 3, 4, 5, 1}})
    EXPECT_THAT(message_of<ShapeError>([&] { augment(RandomFlip(), Tensor(shape)); }), HasSubstr("(n, height, width, channels) is wanted")) << shape.to_string();
}

TEST(AugmentText, ArgumentsReachTheLayers) {
  const std::pair<std::string, std::string> cases[] = {{"perspective:0.25", R"("scale":0.25)"},
                                                       {"elastic:0.25", R"("scale":[0,0.25])"},
                                                       {"rotation:0.25", R"("factor":[-0.25,0.25])"},
                                                       {"shear:0.25", R"("x_factor":0.25,"y_factor":0.25)"},
                                                       {"shear:0.25:0.5", R"("x_factor":0.25,"y_factor":0.5)"},
                                                       {"translation:0.25", R"("width_factor":0.25)"},
                                                       {"zoom:0.25", R"("height_factor":0.25)"},
                                                       {"contrast:0.25", R"("factor":[0.25,0.25])"},
                                                       {"brightness:0.25", R"("factor":[-0.25,0.25])"},
                                                       {"saturation:0.5", R"("factor":[0.25,0.75])"},
                                                       {"sharpness:0.5", R"("factor":[0.25,0.75])"},
                                                       {"hue:0.25", R"("factor":[0,0.25])"},
                                                       {"blur:0.25", R"("sigma":[0,0.25])"},
                                                       {"posterization:3", R"("factor":[3,3])"},
                                                       {"solarization:0.25", R"("threshold_factor":[0,0.25])"},
                                                       {"grayscale:0.25", R"("factor":0.25)"},
                                                       {"invert:0.25", R"("factor":[0.25,0.25])"},
                                                       {"erasing:0.25", R"("factor":[0.25,0.25])"},
                                                       {"mixup:0.25", R"("alpha":0.25)"},
                                                       {"cutmix:0.25", R"("factor":[0,0.25])"},
                                                       {"randaugment:0.25", R"("factor":[0,0.25])"},
                                                       {"augmix:0.25", R"("factor":[0,0.25])"}};
  for (const auto& [text, expected] : cases) EXPECT_THAT(of_text(text), HasSubstr(expected)) << text;
  // One more than there may be.
  for (const char* text : {"perspective:1.01", "elastic:1.01", "rotation:1.01", "shear:1.01", "shear:0.1:1.01", "zoom:0.995", "zoom:0.1:0.995", "contrast:1.01", "brightness:1.01",
                           "saturation:1.01", "sharpness:1.01", "hue:1.01", "blur:1.01", "posterization:0.9", "posterization:8.1", "solarization:1.01", "grayscale:1.01",
                           "invert:1.01", "erasing:1.01", "cutmix:1.01", "randaugment:1.01", "augmix:1.01", "hue:0.1:0.1", "autocontrast:0.1"})
    EXPECT_THROW(parse_augmentation(text), ValueError) << text;
}

TEST(AugmentText, Errors) {
  const auto error = [](const std::string& text) { return message_of([&] { parse_augmentation(text); }); };
  EXPECT_THAT(error("rotaton:0.1"), HasSubstr("did you mean \"rotation\"?"));
  EXPECT_THAT(error("flip:horizntal"), HasSubstr("did you mean \"horizontal\"?"));
  EXPECT_THAT(error("rotation"), HasSubstr("an argument is missing; it is written rotation:F"));
  EXPECT_THAT(error("rotation:x"), HasSubstr("\"x\" is not a number"));
  EXPECT_THAT(error("rotation:1.5"), HasSubstr("1.5 must be 0 to 1"));
  EXPECT_THAT(error("rotation:0.1:0.2"), HasSubstr("2 arguments came, 1 at most"));
  EXPECT_THAT(error("flip,,zoom:0.1"), HasSubstr("a name is missing"));
  EXPECT_THAT(error(""), HasSubstr("a name is missing"));
  EXPECT_THAT(error("zoom:nan"), HasSubstr("must be"));
}

// ---- layers ------------------------------------------------------------------------------------------------------

TEST(AugmentLayers, CheckTheirArguments) {
  EXPECT_THAT(message_of([] { RandomRotation(1.5); }), HasSubstr("factor is 1.5; it must be -1 to 1"));
  EXPECT_THAT(message_of([] { RandomZoom({-1, 0.5}); }), HasSubstr("height_factor is (-1, 0.5); both numbers must be"));
  EXPECT_THAT(message_of([] { RandomContrast(0.5, {.value_range = {1, 0}}); }), HasSubstr("value_range is (1, 0)"));
  EXPECT_THAT(message_of([] { RandomGaussianBlur({.kernel_size = 4}); }), HasSubstr("must be odd"));
  EXPECT_THROW(RandomCrop(0, 3), ValueError);
  EXPECT_THROW(MixUp({.alpha = 0}), ValueError);
  EXPECT_THROW(FillMode(std::string("mirror")), ValueError);
  EXPECT_THROW(Layer(RandomErasing({.fill_value = FillValue(1, 2, 3)})).compute_output_shape({4, 4, 1}), ShapeError);
  EXPECT_THROW(Layer(Pipeline({RandomFlip(), Dense(3)})).compute_output_shape({4, 4, 1}), ValueError);
}

// The middle of a larger map; of a smaller one, and in inference of a random crop, the largest part of these proportions.
TEST(AugmentLayers, CropsInInference) {
  Sequential model({RandomCrop(3, 3)});
  model.build({9, 9, 1});
  Tensor square({1, 9, 9, 1});
  std::iota(square.values<float>().begin(), square.values<float>().end(), 0.0F);
  const Tensor out = model.predict(square);
  EXPECT_EQ(numbers(out), (std::vector<float>{10, 13, 16, 37, 40, 43, 64, 67, 70})) << "every third pixel of every third row";
  Sequential middle({CenterCrop(3, 3)});
  middle.build({9, 9, 1});
  EXPECT_EQ(numbers(middle.predict(square)), (std::vector<float>{30, 31, 32, 39, 40, 41, 48, 49, 50}));
}

TEST(AugmentLayers, NoiseOfErasing) {
  const Tensor images({40, 12, 12, 1});
  const Tensor erased = augment(RandomErasing({.factor = {1, 1}, .value_range = {-50, 50}}), images, {.seed = 2});
  std::int64_t changed = 0;
  double mean = 0, square = 0;
  for (const float value : erased.values<float>())
    if (value != 0) ++changed, mean += static_cast<double>(value), square += static_cast<double>(value) * static_cast<double>(value);
  const auto count = static_cast<double>(changed);
  EXPECT_NEAR(count / static_cast<double>(erased.elements()), 0.16, 0.06);
  EXPECT_NEAR(mean / count, 0, 6);
  EXPECT_NEAR(std::sqrt(square / count), 36, 4) << "normal noise of deviation 50, cut at one deviation";
}

}  // namespace
}  // namespace linn
