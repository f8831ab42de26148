#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "linn/error.h"
#include "linn/layers.h"
#include "linn/shift.h"
#include "shift/geometry.h"
#include "shift/tables.h"
#include "shift/text.h"

namespace linn::shift {
namespace {

// A sweep in which `changes` says where the class is another than in place.
template <class Changes>
Sweep made_up(std::int64_t images, std::int64_t radius, Changes changes) {
  Predictions predictions{.radius = radius, .classes = 2, .room = std::vector<std::int64_t>(static_cast<std::size_t>(images), radius)};
  for (std::int64_t i = 0; i < images; ++i)
    for (std::int64_t dy = -radius; dy <= radius; ++dy)
      for (std::int64_t dx = -radius; dx <= radius; ++dx) predictions.predicted.push_back(changes(i, dy, dx) ? 1 : 0);
  return Sweep(predictions);
}

Sweep steady(std::int64_t images, std::int64_t radius) {
  return made_up(images, radius, [](auto...) { return false; });
}

// Random ink in the middle of an image that is empty at its margin.
Tensor inked(std::int64_t images, std::int64_t size, std::int64_t margin) {
  Tensor all({images, size, size, 1});
  std::uint32_t state = 99;
  for (std::int64_t i = 0; i < images; ++i)
    for (std::int64_t y = margin; y < size - margin; ++y)
      for (std::int64_t x = margin; x < size - margin; ++x) {
        state = state * 1664525U + 1013904223U;
        all.values<float>()[static_cast<std::size_t>((i * size + y) * size + x)] = static_cast<float>(state >> 8U) * 0x1p-24f;
      }
  return all;
}

double at(const Tensor& map, std::int64_t dy, std::int64_t dx) {
  const std::int64_t side = map.shape()[0];
  return map.values<double>()[static_cast<std::size_t>((dy + side / 2) * side + dx + side / 2)];
}

Sequential with_head(std::vector<Layer> layers) {
  layers.push_back(Dense(2));
  return Sequential(layers, {.seed = 5});
}

// The row 1 2 4 0 3 5 behind a maximum of two cells is 2 4 5. Moved right by one it is 0 1 2 4 0 3, so 1 4 3: of the last two cells, which
// 2 4 5 covers where it stands and one cell on, 4 5 is off by (0, 2) and 2 4 by (2, 1), of (4, 3). Moved left, 2 4 0 3 5 0, so 4 3 5: of
// the first two 2 4 is off by (2, 1), and 4 5 by (0, 2).
TEST(ErrorSources, IsTheFormulaWorkedOutByHand) {
  Tensor image({1, 6, 6, 1});
  const std::vector<float> row = {1, 2, 4, 0, 3, 5};
  std::copy(row.begin(), row.end(), image.values<float>().begin());
  const Sequential model = with_head({MaxPooling2D({2, 2}, {.input_shape = {6, 6, 1}}), Flatten()});
  const ErrorSources found = find_error_sources(model, image, steady(1, 2), {.radius = 2});
  ASSERT_EQ(found.layers.size(), 3U);
  const LayerError& pool = found.layers[0];
  EXPECT_EQ(pool.stride, Size2(2, 2));
  EXPECT_EQ(pool.size, Size2(3, 3));
  EXPECT_EQ(at(pool.error, 0, 0), 0);
  EXPECT_DOUBLE_EQ(at(pool.error, 0, 1), 2.0 / 5);
  EXPECT_DOUBLE_EQ(at(pool.error, 0, -1), 2.0 / 5);
  EXPECT_EQ(at(pool.error, 0, 2), 0);
  EXPECT_EQ(at(pool.error, 0, -2), 0);
  EXPECT_TRUE(std::isnan(at(pool.error, -2, 0))) << "the row has left";
  // Flattened, a moved map is compared cell by cell with the unmoved one: 2 4 5 with 1 4 3, and with 0 2 4 two pixels on.
  EXPECT_DOUBLE_EQ(at(found.layers[1].error, 0, 1), std::sqrt(5.0 / 26));
  EXPECT_DOUBLE_EQ(at(found.layers[1].error, 0, 2), std::sqrt(9.0 / 20));
  EXPECT_EQ(found.layers[1].stride, Size2(0, 0));
  EXPECT_EQ(found.trunk, 0U);
  EXPECT_EQ(found.stride, Size2(2, 2));
}

TEST(ErrorSources, MeansAreThoseOfTheMap) {
  const Sequential model = with_head({Conv2D(3, {3, 3}, {.padding = "same", .input_shape = {12, 12, 1}}), MaxPooling2D({2, 2}), Flatten()});
  const ErrorSources found = find_error_sources(model, inked(3, 12, 0), steady(3, 2));
  EXPECT_EQ(found.radius, 2) << "as far as the strides";
  for (const LayerError& layer : found.layers) {
    const std::int64_t stride = layer.stride.height > 0 ? layer.stride.height : 2;
    double sums[2] = {0, 0};
    int counts[2] = {0, 0};
    for (std::int64_t dy = -2; dy <= 2; ++dy)
      for (std::int64_t dx = -2; dx <= 2; ++dx) {
        if (dy == 0 && dx == 0) continue;
        const int which = dy % stride == 0 && dx % stride == 0 ? 0 : 1;
        sums[which] += at(layer.error, dy, dx);
        ++counts[which];
      }
    EXPECT_NEAR(layer.aligned, sums[0] / counts[0], 1e-12) << layer.name;
    if (counts[1] > 0) {
      EXPECT_NEAR(layer.misaligned, sums[1] / counts[1], 1e-12) << layer.name;
    } else {
      EXPECT_TRUE(std::isnan(layer.misaligned)) << layer.name;
    }
  }
}

TEST(ErrorSources, FindsBorderAndSubsamplingWhereTheyAre) {
  const Tensor images = inked(4, 16, 0);  // ink up to the edges
  const Sequential padded = with_head({Conv2D(4, {3, 3}, {.padding = "same", .activation = "relu", .input_shape = {16, 16, 1}}),
                                       MaxPooling2D({2, 2}), Conv2D(4, {3, 3}, {.padding = "same", .input_shape = {}}), Flatten()});
  const ErrorSources found = find_error_sources(padded, images, steady(4, 2));
  for (const std::size_t layer : {0U, 1U, 2U}) {
    EXPECT_LT(found.layers[layer].aligned_inside, 1e-5) << "away from the border a trunk is equivariant: " << layer;
    EXPECT_GT(found.layers[layer].aligned, 1e-2) << "the padding is not: " << layer;
  }
  EXPECT_TRUE(std::isnan(found.layers[0].misaligned)) << "no subsampling yet";
  EXPECT_GT(found.layers[1].misaligned, 0.1);
  EXPECT_TRUE(std::isnan(found.layers[3].aligned_inside)) << "no map";

  const Sequential valid = with_head({Conv2D(4, {3, 3}, {.input_shape = {16, 16, 1}}), GlobalMaxPooling2D()});
  const ErrorSources nothing = find_error_sources(valid, inked(4, 16, 5), steady(4, 2), {.radius = 2});
  EXPECT_EQ(nothing.stride, Size2(1, 1));
  for (const LayerError& layer : nothing.layers) EXPECT_LT(layer.aligned, 1e-5) << layer.name;
}

TEST(ErrorSources, SplitsClassesBySweep) {
  const Sequential model = with_head({MaxPooling2D({2, 2}, {.input_shape = {8, 8, 1}}), Flatten()});
  const Tensor images = inked(3, 8, 2);
  const auto multiple = [](std::int64_t dy, std::int64_t dx) { return dy % 2 == 0 && dx % 2 == 0; };
  const auto in_place = [](std::int64_t dy, std::int64_t dx) { return dy == 0 && dx == 0; };

  const ErrorSources subsampling = find_error_sources(model, images, made_up(3, 3, [&](auto, auto dy, auto dx) { return !multiple(dy, dx); }));
  EXPECT_EQ(subsampling.changed_aligned.value, 0);
  EXPECT_EQ(subsampling.changed_misaligned.value, 1);
  EXPECT_EQ(subsampling.excess.value, 1);
  EXPECT_NE(subsampling.text[2].find("Subsampling does that"), std::string::npos) << subsampling.text[2];

  const ErrorSources head = find_error_sources(model, images, made_up(3, 3, [&](auto, auto dy, auto dx) { return !in_place(dy, dx) && multiple(dy, dx); }));
  EXPECT_EQ(head.changed_aligned.value, 1);
  EXPECT_EQ(head.changed_misaligned.value, 0);
  EXPECT_TRUE(std::isnan(head.excess.value)) << "never a number that the method cannot support";
  EXPECT_NE(head.text[2].find("does not say how much"), std::string::npos) << head.text[2];

  // One of three images changes wherever subsampling can do it.
  const ErrorSources some = find_error_sources(model, images, made_up(3, 2, [&](auto i, auto dy, auto dx) { return i < 1 && !multiple(dy, dx); }));
  EXPECT_DOUBLE_EQ(some.changed_misaligned.value, 1.0 / 3);
  EXPECT_TRUE(std::isnan(some.excess.value)) << "the interval of three images reaches 0";

  const std::string still = find_error_sources(model, images, steady(3, 3)).text[2];
  EXPECT_EQ(still, "Over 3 images the class changes at no shift.");
  ErrorSources harmless = head;
  harmless.layers[0].aligned = harmless.layers[0].misaligned = 0;
  EXPECT_NE(error_source_text(harmless, steady(3, 3))[1].find("subsampling does no harm"), std::string::npos);

  const ErrorSources near = find_error_sources(model, images, steady(3, 1));
  EXPECT_TRUE(std::isnan(near.changed_aligned.value));
  EXPECT_NE(near.text[2].find("up to 1 pixel there is no multiple of S = 2"), std::string::npos) << near.text[2];
}

TEST(ErrorSources, SaysThatThereAreNoMaps) {
  const Sequential model = with_head({Flatten({.input_shape = {8, 8, 1}}), Dense(4)});
  const ErrorSources found = find_error_sources(model, inked(2, 8, 2), steady(2, 1));
  EXPECT_FALSE(found.trunk.has_value());
  EXPECT_TRUE(std::isnan(found.changed_aligned.value));
  ASSERT_EQ(found.text.size(), 1U);
  EXPECT_NE(found.text[0].find("has no map that moves"), std::string::npos);
  EXPECT_GT(found.layers[0].misaligned, 0);
  EXPECT_TRUE(to_json(found)["trunk"].is_null());
}

TEST(ErrorSources, TakesEveryBorderAndFewImages) {
  const Sequential model = with_head({MaxPooling2D({2, 2}, {.input_shape = {8, 8, 1}}), Flatten()});
  EXPECT_EQ(find_error_sources(model, inked(40, 8, 1), steady(40, 2)).images, 32);
  EXPECT_EQ(find_error_sources(model, inked(2, 8, 1), steady(2, 2), {.images = 1}).images, 1);
  EXPECT_EQ(find_error_sources(model, inked(2, 8, 1), steady(2, 2), {.border = "circular"}).radius, 2);
  EXPECT_EQ(find_error_sources(model, inked(2, 6, 1), steady(2, 2), {.border = "canvas"}).radius, 2);
  EXPECT_EQ(find_error_sources(model, inked(2, 10, 1), steady(2, 1), {.border = "crop"}).radius, 1) << "no more fits";
  EXPECT_THROW(find_error_sources(model, inked(2, 8, 1), steady(3, 2)), ShapeError);
  EXPECT_THROW(find_error_sources(model, inked(2, 8, 1), steady(2, 2), {.images = 0}), ValueError);
  EXPECT_THROW(find_error_sources(model, inked(2, 8, 1), steady(2, 2), {.radius = 8}), ValueError);
}

TEST(ErrorSources, AMapOfOneCellCannotMove) {
  const Sequential model = with_head({MaxPooling2D({4, 4}, {.input_shape = {4, 4, 1}}), Flatten()});
  const ErrorSources found = find_error_sources(model, inked(2, 4, 0), steady(2, 3));
  EXPECT_EQ(found.radius, 3);
  EXPECT_NE(found.text[1].find("too small to move"), std::string::npos) << found.text[1];
}

TEST(ErrorSources, BlackImagesGiveNothingToCompare) {
  const Sequential model = with_head({MaxPooling2D({2, 2}, {.input_shape = {8, 8, 1}}), Flatten()});
  const ErrorSources found = find_error_sources(model, Tensor({2, 8, 8, 1}), steady(2, 2));
  EXPECT_TRUE(std::isnan(found.layers[0].aligned));
  EXPECT_TRUE(to_json(found)["layers"][0]["aligned"].is_null());
  EXPECT_FALSE(table_of_layers(found).empty());
}

// Cells inside are those that windows of ones fill from an image of ones: any padding they saw makes their sum smaller.
TEST(Geometry, InsideIsWhereNoWindowSawPadding) {
  const auto conv = [](std::int64_t size, std::int64_t stride, const char* padding, std::int64_t dilation = 1, Shape input = {}) {
    return Conv2D(1, {size, size},
                  {.strides = stride,
                   .padding = Padding(std::string(padding)),
                   .dilation_rate = dilation,
                   .kernel_initializer = "ones",
                   .input_shape = std::move(input)});
  };
  const std::vector<std::vector<Layer>> nets = {
      {conv(3, 1, "same", 1, {11, 11, 1}), conv(2, 2, "valid"), conv(3, 1, "same")},
      {conv(4, 1, "same", 1, {12, 12, 1}), conv(3, 2, "same"), conv(2, 1, "same")},
      {conv(3, 1, "same", 2, {13, 13, 1}), conv(5, 3, "same")},
      {conv(5, 4, "same", 1, {9, 9, 1}), conv(3, 1, "same")},
      {conv(3, 1, "same", 1, {5, 5, 1}), conv(3, 1, "same"), conv(3, 1, "same")},
  };
  for (const std::vector<Layer>& layers : nets) {
    const Sequential model(layers);
    const Shape input = model.input_shape();
    Tensor ones(input.with_first(1));
    for (float& pixel : ones.values<float>()) pixel = 1;
    const auto outputs = model.layer_outputs(ones);
    const auto geometry = geometry_of(network_of(model));
    float full = 1;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const Tensor& map = outputs[i].second;
      const std::int64_t kernel = model.get_weights()[2 * i].shape()[0];
      full *= static_cast<float>(kernel * kernel);
      ASSERT_TRUE(geometry[i].map && geometry[i].inside);
      const AxisGeometry& axis = geometry[i].x;
      EXPECT_EQ(axis.size, map.shape()[2]);
      const std::int64_t middle = map.shape()[1] / 2;
      const bool row_inside = middle >= geometry[i].y.first_inside && middle <= geometry[i].y.last_inside;
      for (std::int64_t x = 0; x < axis.size; ++x) {
        const bool whole = map.values<float>()[static_cast<std::size_t>(middle * axis.size + x)] == full;
        EXPECT_EQ(whole, row_inside && x >= axis.first_inside && x <= axis.last_inside) << "layer " << i << ", cell " << x;
      }
    }
  }
}

}  // namespace
}  // namespace linn::shift
