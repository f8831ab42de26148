// What is certain: each reason against it on a network that really changes, and radii against shifts that were run.
#include "linn/certificate.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "linn/error.h"
#include "linn/layers.h"
#include "model/zoo.h"
#include "support/shifts.h"
#include "support/source_tree.h"

namespace linn::shift {
namespace {

using testing::HasSubstr;

struct Case {
  std::string reason;
  std::vector<Layer> layers;
};

// Each breaks one thing in a network that else is invariant. Weights and image are random.
std::vector<Case> cases() {
  const Conv2D ring(4, {3, 3}, {.padding = "circular", .input_shape = {12, 12, 1}});
  const AdaptivePolyphaseSampling2D phases;
  const GlobalMaxPooling2D best;
  return {
      {"[MaxPooling2D 'max_pooling2d'] subsamples with stride 2",
       {ring, phases, MaxPooling2D({2, 2}), GlobalAveragePooling2D(), Dense(3)}},
      {"[AveragePooling2D 'average_pooling2d'] subsamples with stride 2:",
       {ring, phases, AveragePooling2D({2, 2}, {.padding = "circular"}), best}},
      {"[Conv2D 'conv2d_1'] subsamples with stride 2", {ring, phases, Conv2D(4, {3, 3}, {.strides = 2, .padding = "circular"}), best}},
      {"[Conv2D 'conv2d_1'] sees the border of the map (padding \"same\")", {ring, phases, Conv2D(4, {3, 3}, {.padding = "same"}), best}},
      {"[Conv2D 'conv2d_1'] sees the border of the map (padding \"valid\")", {ring, phases, Conv2D(4, {1, 2}), best}},
      {"[Conv2D 'conv2d_1'] sees the border of the map (padding \"full\")", {ring, phases, Conv2D(4, {3, 3}, {.padding = "full"}), best}},
      {"[MaxPooling2D 'max_pooling2d'] sees the border", {ring, phases, MaxPooling2D({3, 3}, {.strides = 1}), GlobalAveragePooling2D()}},
      {"[BlurPooling2D 'blur_pooling2d'] subsamples with stride 2 behind a blur", {ring, phases, BlurPooling2D(3, {.border = "circular"}), best}},
      {"[BlurPooling2D 'blur_pooling2d'] sees the border of the map (border \"reflect\")",
       {ring, phases, BlurPooling2D(3, {.strides = 1}), best}},
      {"[BlurPooling2D 'blur_pooling2d'] makes a map of 5 x 5 out of one of 6 x 6",
       {ring, phases, BlurPooling2D(4, {.strides = 1, .border = "circular", .pads = "kornia"}), best}},
      {"[MaxBlurPooling2D 'max_blur_pooling2d'] subsamples with stride 2 behind a blur",
       {ring, phases, MaxBlurPooling2D({2, 2}, {.padding = "circular", .border = "circular"}), best}},
      {"[MaxBlurPooling2D 'max_blur_pooling2d'] sees the border of the map (padding \"valid\")",
       {ring, phases, MaxBlurPooling2D({2, 2}, {.strides = 1, .border = "circular"}), best}},
      {"[MaxBlurPooling2D 'max_blur_pooling2d'] sees the border of the map (border \"zero\")",
       {ring, phases, MaxBlurPooling2D({2, 2}, {.strides = 1, .padding = "circular", .border = "zero"}), best}},
      {"[LpPooling2D 'lp_pooling2d'] subsamples with stride 2:", {ring, phases, LpPooling2D(2, {.padding = "circular"}), best}},
      {"[SoftPooling2D 'soft_pooling2d'] sees the border of the map (padding \"reflect\")",
       {ring, phases, SoftPooling2D(2, {.strides = 1, .padding = "reflect"}), best}},
      {"[Conv2D 'conv2d_1'] sees the border of the map (padding ((1, 1), (1, 1)) \"replicate\")",
       {ring, phases, Conv2D(4, {3, 3}, {.padding = {Pads2(1), "replicate"}}), best}},
      {"[ZeroPadding2D 'zero_padding2d'] changes the border of the map (padding with zeros)",
       {ring, phases, ZeroPadding2D(1), Conv2D(4, {3, 3}, {.padding = "circular"}), best}},
      {"[Flatten 'flatten'] depends on places", {ring, phases, Flatten(), Dense(3)}},
      {"no global pooling", {ring, phases}},
      {"rounding", {ring, Conv2D(8, {5, 5}, {.padding = "circular"}), GlobalAveragePooling2D(), Dense(3)}},
  };
}

TEST(WhyNotInvariant, EachReasonIsTrueOfANetworkThatChanges) {
  for (const Case& broken : cases()) {
    Sequential model(broken.layers);
    tests::randomize(model, 3);
    const auto reason = why_not_invariant(model);
    ASSERT_TRUE(reason) << broken.reason;
    EXPECT_THAT(*reason, HasSubstr(broken.reason));
    EXPECT_GT(tests::shifts_that_change(model, tests::random_images(1, {12, 12, 1}, 4)), 0) << broken.reason;
  }
}

std::vector<std::vector<Layer>> invariant_networks() {
  const Conv2D ring(4, {3, 3}, {.padding = "circular", .input_shape = {12, 12, 1}});
  return {
      {ring, AdaptivePolyphaseSampling2D(), GlobalMaxPooling2D(), Flatten(), Dense(3)},
      {ring, BatchNormalization(), MaxPooling2D({2, 3}, {.strides = 1, .padding = "circular"}),
       LearnablePolyphaseSampling2D({.strides = {3, 2}}), Dense(5), GlobalAveragePooling2D()},
      {ring, BlurPooling2D(4, {.strides = 1, .border = "circular"}), AdaptivePolyphaseSampling2D({.strides = 12}), Flatten(), Dense(3)},
      {ring, AdaptivePolyphaseSampling2D({.strides = 12}), Flatten()},
      {ring, AveragePooling2D({3, 3}, {.strides = 1, .padding = "circular"}), AdaptivePolyphaseSampling2D({.strides = 12})},
      {ring, MaxBlurPooling2D({2, 2}, {.strides = 1, .padding = "circular", .border = "circular"}), AdaptivePolyphaseSampling2D(),
       Conv2D(4, {1, 1}, {.activation = "softmax"}), GlobalAveragePooling2D()},
  };
}

TEST(WhyNotInvariant, NothingWhereNothingChanges) {
  for (const auto& layers : invariant_networks()) {
    Sequential model(layers);
    tests::randomize(model, 3);
    EXPECT_EQ(why_not_invariant(model), std::nullopt) << layers.size();
    EXPECT_EQ(tests::shifts_that_change(model, tests::random_images(1, {12, 12, 1}, 4)), 0) << layers.size();
  }
}

TEST(WhyNotInvariant, WantsImages) {
  EXPECT_THAT(*why_not_invariant(Sequential({Dense(3, {.input_shape = {8}})})), HasSubstr("images (height, width, channels)"));
}

// ---- by construction -------------------------------------------------------------------------------------------------

TEST(CertifiedByConstruction, IsTheRoomAndHoldsToTheBit) {
  Sequential model = detail::model::make("invariant", {12, 12, 1}, 3);
  tests::randomize(model, 8);
  Tensor images({3, 12, 12}, DType::u8);
  const auto ink = [&](std::int64_t image, std::int64_t y, std::int64_t x, std::uint8_t value) {
    images.values<std::uint8_t>()[static_cast<std::size_t>((image * 12 + y) * 12 + x)] = value;
  };
  for (std::int64_t i = 3; i < 8; ++i) ink(0, i, i, static_cast<std::uint8_t>(20 * i));
  ink(1, 0, 5, 9);  // image 2 stays empty
  const std::vector<std::int64_t> certified = certified_by_construction(model, images);
  EXPECT_EQ(certified, (std::vector<std::int64_t>{3, 0, 12}));
  const Tensor in_place = model.predict(images.rows(0, 1));
  for (std::int64_t dy = -3; dy <= 3; ++dy)
    for (std::int64_t dx = -3; dx <= 3; ++dx) {
      const Tensor moved = model.predict(shifted(images.rows(0, 1), dy, dx));
      EXPECT_EQ(std::memcmp(moved.raw(), in_place.raw(), 3 * sizeof(float)), 0) << dy << " " << dx;
    }
}

TEST(CertifiedByConstruction, NothingWithoutAGuarantee) {
  const Sequential model = detail::model::make("notebook", {12, 12, 1}, 3);
  EXPECT_EQ(certified_by_construction(model, Tensor({2, 12, 12, 1})), (std::vector<std::int64_t>{0, 0}));
}

TEST(CertifiedByConstruction, ImagesMustFillTheInput) {
  const Sequential model = detail::model::make("invariant", {12, 12, 1}, 3);
  EXPECT_THROW(certified_by_construction(model, Tensor({2, 8, 8})), ShapeError);
  EXPECT_THROW(certified_by_construction(model, Tensor({2, 12, 12, 3})), ShapeError);
  EXPECT_THROW(certified_by_construction(model, Tensor({12, 12})), ShapeError);
}

// ---- by enumeration --------------------------------------------------------------------------------------------------

TEST(CertifiedByEnumeration, IsTheLastRingWithoutAChange) {
  constexpr std::int64_t radius = 3, side = 2 * radius + 1;
  Predictions predictions{.radius = radius, .classes = 3};
  const auto image = [&](const std::vector<Shift>& changed) {
    std::vector<std::uint16_t> classes(side * side, 1);
    for (const Shift& step : changed) classes[static_cast<std::size_t>((step.dy + radius) * side + step.dx + radius)] = 2;
    predictions.predicted.insert(predictions.predicted.end(), classes.begin(), classes.end());
    predictions.room.push_back(radius);
  };
  image({});
  image({{-3, 1}});
  image({{2, -2}, {3, 3}});
  image({{0, 3}, {1, -1}});
  EXPECT_EQ(certified_by_enumeration(Sweep(predictions)), (std::vector<std::int64_t>{3, 2, 1, 0}));
}

TEST(CertifiedByEnumeration, ReachesWhatConstructionPromises) {
  Sequential model = detail::model::make("invariant", {12, 12, 1}, 3);
  tests::randomize(model, 8);
  Tensor images({1, 12, 12, 1});
  for (std::size_t i = 4; i < 8; ++i) images.values<float>()[i * 12 + i] = static_cast<float>(i);
  const Sweep found = sweep(model, images, Tensor(), {.radius = 4});
  EXPECT_EQ(certified_by_construction(model, images), std::vector<std::int64_t>{4});
  EXPECT_EQ(certified_by_enumeration(found), std::vector<std::int64_t>{4});
}

// ---- both, as a file -------------------------------------------------------------------------------------------------

TEST(Certificates, OfSmallerImagesOnTheInput) {
  Sequential model = detail::model::make("invariant", {12, 12, 1}, 3);
  tests::randomize(model, 8);
  const Tensor images = tests::random_images(2, {8, 6, 1}, 1);
  const Sweep found = sweep(model, images, Tensor::from(std::vector<std::int64_t>{2, 1}, {2}), {.radius = 2, .border = "canvas"});
  const Certificates both = certify(model, images, found, "canvas");
  EXPECT_EQ(both.why_not, std::nullopt);
  EXPECT_EQ(both.by_construction, (std::vector<std::int64_t>{2, 2})) << "two rows above and below";
  EXPECT_EQ(both.by_enumeration, (std::vector<std::int64_t>{2, 2}));

  const std::string path = testing::TempDir() + "linn_certificates.csv";
  write_certificates(path, found, "canvas", both);
  const std::string line =
      std::to_string(found.predicted(0, 0, 0)) + ",2,2\r\n1,1," + std::to_string(found.predicted(1, 0, 0)) + ",2,2\r\n";
  EXPECT_EQ(tests::text_of(path), "image,label,class,radius_by_enumeration_canvas,radius_by_construction\r\n0,2," + line);
  std::remove(path.c_str());
}

TEST(Certificates, PromiseNothingBeyondAWindow) {
  const Sequential model = detail::model::make("invariant", {12, 12, 1}, 3);
  const Tensor images = tests::random_images(2, {16, 16, 1}, 1);
  const Sweep found = sweep(model, images, Tensor(), {.radius = 1, .border = "crop"});
  const Certificates both = certify(model, images, found, "crop");
  EXPECT_THAT(both.why_not.value_or(""), HasSubstr("no background"));
  EXPECT_EQ(both.by_construction, (std::vector<std::int64_t>{0, 0}));
}

TEST(Certificates, SayWhyThereIsNone) {
  const Sequential model = detail::model::make("notebook", {12, 12, 1}, 3);
  const Tensor images = tests::random_images(1, {12, 12, 1}, 1);
  EXPECT_THAT(certify(model, images, sweep(model, images, Tensor(), {.radius = 0}), "zero").why_not.value_or(""),
              HasSubstr("sees the border"));
}

}  // namespace
}  // namespace linn::shift
