// What comes in at the border: the images' background, the value that the model maps to 0, or the value given.
#include <gmock/gmock.h>

#include <cstdint>
#include <vector>

#include "linn/certificate.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "linn/shift.h"
#include "support/shifts.h"

namespace linn::shift {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Ink in the middle, `background` around it.
Tensor inked(double background, double sign, DType dtype) {
  Tensor wide({4, 10, 10, 1}, DType::f64);
  std::uint32_t state = 7;
  for (std::int64_t i = 0; i < 400; ++i) {
    const std::int64_t y = i / 10 % 10, x = i % 10;
    state = state * 1664525U + 1013904223U;
    const bool ink = y >= 3 && y < 7 && x >= 2 && x < 8;
    wide.values<double>()[static_cast<std::size_t>(i)] = background + (ink ? sign * static_cast<double>(state >> 24U) : 0);
  }
  return wide.astype(dtype);
}

Sequential network(const Layer& scaling) {
  return Sequential({scaling, Conv2D(4, {3, 3}, {.activation = "relu"}), MaxPooling2D({2, 2}), Flatten(), Dense(5)}, {.seed = 3});
}

// One function, once of light ink on dark and once of the same images turned round: the same predictions at every shift.
TEST(Fill, DarkOnLightIsMeasuredAsLightOnDark) {
  const Sequential light = network(Rescaling(1.0 / 255, {.input_shape = {10, 10, 1}}));
  Sequential dark = network(Rescaling(-1.0 / 255, {.offset = 1, .input_shape = {10, 10, 1}}));
  dark.set_weights(light.get_weights());
  for (const char* border : {"zero", "circular"}) {
    const SweepOptions options{.radius = 4, .border = Border(std::string(border))};
    const Sweep a = sweep(light, inked(0, 1, DType::u8), {}, options), b = sweep(dark, inked(255, -1, DType::u8), {}, options);
    EXPECT_EQ(a.predictions().predicted, b.predictions().predicted) << border;
    EXPECT_EQ(a.predictions().room, b.predictions().room);
    EXPECT_EQ(a.predictions().room, std::vector<std::int64_t>(4, 2));
  }
  const Sweep zeros = sweep(dark, inked(255, -1, DType::u8), {}, {.radius = 4, .fill = {0}});
  EXPECT_THAT(zeros.predictions().fill_origin, HasSubstr("0, as given"));
  EXPECT_GT(zeros.measures(4).mean_change.value, sweep(dark, inked(255, -1, DType::u8), {}, {.radius = 4}).measures(4).mean_change.value);
}

TEST(Fill, IsTheBackgroundWhereThereIsOne) {
  const Sequential model = network(Rescaling(1, {.input_shape = {10, 10, 1}}));
  const Fill found = fill_for(model, inked(-1, 0.005, DType::f32));
  EXPECT_THAT(found.values, ElementsAre(-1.0));
  EXPECT_THAT(found.origin, HasSubstr("-1, the background of the images (100.0 % of their edge pixels)"));
}

TEST(Fill, IsTheValueThatTheModelMapsToZeroElsewhere) {
  const Tensor photographs = tests::random_images(3, {10, 10, 1}, 4);
  EXPECT_THAT(fill_for(network(Conv2D(2, {1, 1}, {.input_shape = {10, 10, 1}})), photographs).values, ElementsAre(0.0));
  const Fill centred = fill_for(network(Rescaling(2, {.offset = -1, .input_shape = {10, 10, 1}})), photographs);
  EXPECT_THAT(centred.values, ElementsAre(testing::DoubleNear(0.5, 1e-6)));
  EXPECT_THAT(centred.origin, HasSubstr("which rescaling maps to 0"));
}

TEST(Fill, ImagesWithoutPixelsAreRefused) {
  for (const Shape& shape : {Shape{2, 4, 4, 0}, Shape{2, 0, 4, 1}, Shape{2, 4, 0}}) EXPECT_THROW(rolled(Tensor(shape), 1, 1), ShapeError) << shape.to_string();
}

TEST(Fill, MovesImagesAndCanvases) {
  Tensor image({1, 2, 2, 2}, DType::u8);
  const Tensor moved = shifted(image, 1, 0, {7, 9}), framed = on_canvas(image, 2, 3, {5});
  EXPECT_THAT(moved.values<std::uint8_t>(), ElementsAre(7, 9, 7, 9, 0, 0, 0, 0));
  EXPECT_THAT(framed.values<std::uint8_t>(), ElementsAre(0, 0, 0, 0, 5, 5, 0, 0, 0, 0, 5, 5));
  EXPECT_THROW(shifted(image, 0, 0, {1, 2, 3}), ShapeError);
}

// The guarantee by construction holds on any background.
TEST(Fill, CertificatesHoldOnALightBackground) {
  Sequential model({Conv2D(4, {3, 3}, {.padding = "circular", .input_shape = {10, 10, 1}}), AdaptivePolyphaseSampling2D(), GlobalMaxPooling2D(), Dense(3)});
  tests::randomize(model, 5);
  const Tensor images = inked(255, -1, DType::u8);
  const Sweep found = sweep(model, images, {}, {.radius = 3});
  const Certificates radii = certify(model, images, found, "zero");
  EXPECT_EQ(radii.by_construction, std::vector<std::int64_t>(4, 2));
  EXPECT_EQ(found.measures(2).max_change.value, 0);
}

}  // namespace
}  // namespace linn::shift
