// Blurred poolings: by hand, against the published formula, and in what they are for.
#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "layers/description.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "support/plan_run.h"

namespace linn::detail::layers {
namespace {

using namespace tests;

Values output_of(const Layer& layer, const Shape& image, const Values& input, Precision precision = Precision::float64) {
  const auto images = static_cast<std::int64_t>(input.size()) / image.elements();
  LayerRun run(linn::detail::description_of(layer), image, images, input, {}, {}, precision);
  run.run();
  EXPECT_EQ(run.output_shape(), layer.compute_output_shape(image));
  return run.output();
}

Values random_map(const Shape& shape, std::uint32_t seed) {
  std::mt19937 engine(seed);
  Values values(static_cast<std::size_t>(shape.elements()));
  for (double& value : values) value = static_cast<double>(static_cast<float>(static_cast<double>(engine()) * 0x1p-31 - 1));
  return values;
}

// [1 2 1] x [1 2 1] / 16 at every other pixel: only the border tells the four apart.
TEST(BlurPooling, EachBorderByHand) {
  const Values map = {16, 0, 0,  0,   //
                      0,  0, 32, 0,   //
                      0,  0, 0,  64,  //
                      4,  0, 0,  0};
  for (const Precision precision : {Precision::float64, Precision::float32}) {
    const auto blurred = [&](BlurBorder border) { return output_of(BlurPooling2D(3, {.border = border}), {4, 4, 1}, map, precision); };
    EXPECT_EQ(blurred("zero"), (Values{4, 4, 0.5, 12}));
    EXPECT_EQ(blurred("reflect"), (Values{4, 8, 0.5, 12}));
    EXPECT_EQ(blurred("replicate"), (Values{9, 4, 0.75, 12}));
    EXPECT_EQ(blurred("circular"), (Values{4.5, 4, 8.5, 12}));
  }
}

// What kornia documents of its blur_pool2d and max_blur_pool2d on the unit matrix.
TEST(BlurPooling, AsKorniaDocuments) {
  Values unit(25);
  for (std::size_t i = 0; i < 5; ++i) unit[6 * i] = 1;
  EXPECT_EQ(output_of(BlurPooling2D(3, {.border = "zero", .pads = "kornia"}), {5, 5, 1}, unit),
            (Values{0.3125, 0.0625, 0, 0.0625, 0.375, 0.0625, 0, 0.0625, 0.3125}));
  EXPECT_EQ(output_of(MaxBlurPooling2D(2, {.filter_size = 3, .border = "zero", .pads = "kornia"}), {5, 5, 1}, unit),
            (Values{0.5625, 0.3125, 0.3125, 0.875}));
}

/// The position in the map that stands for `at`, or -1 for zero: step by step back into it.
std::int64_t inside(std::int64_t at, std::int64_t size, std::string_view border) {
  while (at < 0 || at >= size) {
    if (border == "zero") return -1;
    if (border == "circular") at += at < 0 ? size : -size;
    if (border == "replicate") at = at < 0 ? 0 : size - 1;
    if (border == "reflect") at = at < 0 ? -at : 2 * (size - 1) - at;
  }
  return at;
}

struct Frame {
  std::int64_t taps, stride, before, out;
};

/// The rows of Pascal's triangle that Zhang lists.
const std::vector<double>& published(std::int64_t taps) {
  static const std::vector<double> filters[] = {
      {1, 1}, {1, 2, 1}, {1, 3, 3, 1}, {1, 4, 6, 4, 1}, {1, 5, 10, 10, 5, 1}, {1, 6, 15, 20, 15, 6, 1}};
  return filters[taps - 2];
}

Values blurred(const Values& map, const Shape& shape, const Frame& rows, const Frame& columns, std::string_view border) {
  const std::vector<double>& filter = published(rows.taps);
  double sum = 0;
  for (const double down : filter)
    for (const double along : filter) sum += down * along;
  Values result;
  for (std::int64_t y = 0; y < rows.out; ++y)
    for (std::int64_t x = 0; x < columns.out; ++x)
      for (std::int64_t c = 0; c < shape[2]; ++c) {
        double value = 0;
        for (std::int64_t i = 0; i < rows.taps; ++i)
          for (std::int64_t j = 0; j < columns.taps; ++j) {
            const std::int64_t row = inside(y * rows.stride + i - rows.before, shape[0], border);
            const std::int64_t column = inside(x * columns.stride + j - columns.before, shape[1], border);
            if (row >= 0 && column >= 0)
              value += filter[static_cast<std::size_t>(i)] * filter[static_cast<std::size_t>(j)] / sum *
                       map[static_cast<std::size_t>((row * shape[1] + column) * shape[2] + c)];
          }
        result.push_back(value);
      }
  return result;
}

TEST(BlurPooling, EveryFilterAsPublished) {
  const Shape shape = {9, 8, 3};
  const Values map = random_map(shape, 1);
  for (std::int64_t taps = 2; taps <= 7; ++taps)
    for (std::int64_t stride = 1; stride <= 3; ++stride)
      for (const std::string border : {"reflect", "replicate", "zero", "circular"})
        for (const std::string pads : {"zhang", "timm", "kornia"}) {
          const auto frame = [&](std::int64_t size) -> Frame {
            if (pads == "zhang") return {taps, stride, (taps - 1) / 2, (size + stride - 1) / stride};
            const std::int64_t pad = pads == "kornia" ? (taps - 1) / 2 : ((stride - 1) + (taps - 1)) / 2;
            return {taps, stride, pad, (size + 2 * pad - taps) / stride + 1};
          };
          const Frame rows = frame(shape[0]), columns = frame(shape[1]);
          const Layer layer = BlurPooling2D(taps, {.strides = stride, .border = border, .pads = pads});
          SCOPED_TRACE(layer.config());
          ASSERT_EQ(layer.compute_output_shape(shape), Shape({rows.out, columns.out, 3}));
          const Values expected = blurred(map, shape, rows, columns, border);
          const Shape out = {rows.out, columns.out, 3};
          EXPECT_TRUE(agrees("output", out, output_of(layer, shape, map), expected, {1e-12, 1e-15}));
          EXPECT_TRUE(agrees("output", out, output_of(layer, shape, map, Precision::float32), expected, {0, 1e-6}));
        }
}

TEST(BlurPooling, SizesOfTheThreeLibraries) {
  const auto size = [](std::int64_t filter_size, BlurPads pads, std::int64_t map) {
    return BlurPooling2D(filter_size, {.border = "zero", .pads = pads}).compute_output_shape({map, map, 1})[0];
  };
  for (const std::int64_t filter_size : {3, 5, 7})
    for (const std::int64_t map : {7, 8})
      for (const BlurPads pads : {BlurPads("zhang"), BlurPads("timm"), BlurPads("kornia")}) EXPECT_EQ(size(filter_size, pads, map), 4);
  for (const std::int64_t filter_size : {2, 4, 6}) {
    EXPECT_EQ(size(filter_size, "zhang", 8), 4);
    EXPECT_EQ(size(filter_size, "timm", 8), 5);
    EXPECT_EQ(size(filter_size, "kornia", 8), 4);
    EXPECT_EQ(size(filter_size, "zhang", 7), 4);
    EXPECT_EQ(size(filter_size, "timm", 7), 4);
    EXPECT_EQ(size(filter_size, "kornia", 7), 3);
  }
}

TEST(BlurPooling, MapsThatAreTooSmall) {
  const auto message = [](const Layer& layer, const Shape& shape) -> std::string {
    try {
      layer.compute_output_shape(shape);
    } catch (const ShapeError& error) {
      return error.what();
    }
    return "taken";
  };
  EXPECT_EQ(message(BlurPooling2D(4, {.name = "b"}), {5, 2, 1}),
            "[blur_pooling2d 'b'] border \"reflect\" puts ((1, 2), (1, 2)) around input (5, 2), each of which must be less than the map's "
            "size; use "
            "border=\"replicate\" or a smaller filter_size");
  EXPECT_EQ(message(BlurPooling2D(4), {3, 3, 1}), "taken");
  EXPECT_EQ(message(BlurPooling2D(4, {.border = "circular"}), {1, 2, 1}), "taken") << "goes round more than once";
  EXPECT_EQ(message(BlurPooling2D(2, {.border = "zero", .pads = "kornia", .name = "b"}), {1, 3, 1}),
            "[blur_pooling2d 'b'] filter_size 2 with pads ((0, 0), (0, 0)) does not fit input (1, 3); use pads=\"zhang\" or a smaller "
            "filter_size");
  EXPECT_THAT(message(MaxBlurPooling2D(4), {3, 5, 1}), ::testing::HasSubstr("pool_size (4, 4) does not fit input (3, 5)"));
  EXPECT_THAT(message(MaxBlurPooling2D(3), {5, 3, 1}), ::testing::HasSubstr("border \"reflect\""))
      << "what the maximum leaves is too small";
  EXPECT_THAT(message(BlurPooling2D(), {5, 3}), ::testing::HasSubstr("(height, width, channels)"));
}

// The maximum at stride 1, then the blur.
TEST(MaxBlurPooling, IsAMaximumAndABlur) {
  const Shape shape = {9, 7, 5};
  const Values map = random_map(shape, 2);
  for (const std::string padding : {"valid", "same", "circular"}) {
    const Layer max = MaxPooling2D({3, 2}, {.strides = 1, .padding = padding}),
                blur = BlurPooling2D(5, {.strides = {1, 2}, .border = "replicate"});
    const Layer both = MaxBlurPooling2D({3, 2}, {.filter_size = 5, .strides = {1, 2}, .padding = padding, .border = "replicate"});
    const Shape between = max.compute_output_shape(shape);
    EXPECT_EQ(both.compute_output_shape(shape), blur.compute_output_shape(between));
    for (const Precision precision : {Precision::float64, Precision::float32})
      EXPECT_EQ(output_of(both, shape, map, precision), output_of(blur, between, output_of(max, shape, map, precision), precision))
          << padding;
  }
  EXPECT_EQ(MaxBlurPooling2D().compute_output_shape({28, 28, 3}), Shape({14, 14, 3})) << "27 of 28, and half of it";
}

Values rolled(const Values& map, const Shape& shape, std::int64_t down, std::int64_t right) {
  Values result(map.size());
  for (std::int64_t y = 0; y < shape[0]; ++y)
    for (std::int64_t x = 0; x < shape[1]; ++x)
      for (std::int64_t c = 0; c < shape[2]; ++c)
        result[static_cast<std::size_t>(((y + down) % shape[0] * shape[1] + (x + right) % shape[1]) * shape[2] + c)] =
            map[static_cast<std::size_t>((y * shape[1] + x) * shape[2] + c)];
  return result;
}

// To the bit, as each pixel is summed in the same order.
TEST(BlurPooling, CircularShiftsByTheStrideAreShiftsOfTheOutput) {
  const Shape shape = {8, 12, 19};
  const Values map = random_map(shape, 3);
  const Layer layers[] = {BlurPooling2D(4, {.border = "circular"}), BlurPooling2D(7, {.strides = 1, .border = "circular"}),
                          MaxBlurPooling2D(3, {.filter_size = 5, .strides = 2, .padding = "circular", .border = "circular"})};
  for (const Layer& layer : layers) {
    const Shape out = layer.compute_output_shape(shape);
    const std::int64_t stride = shape[0] / out[0];
    const Values home = output_of(layer, shape, map, Precision::float32);
    for (std::int64_t down = 0; down < out[0]; ++down)
      for (std::int64_t right = 0; right < out[1]; ++right)
        ASSERT_EQ(output_of(layer, shape, rolled(map, shape, down * stride, right * stride), Precision::float32),
                  rolled(home, out, down, right))
            << layer.class_name() << " " << down << ", " << right;
  }
}

// What it is for: one pixel's shift of a fine pattern changes a maximum at stride 2 altogether, and a blurred one little.
TEST(MaxBlurPooling, ShiftsByOnePixelChangeLess) {
  const Shape shape = {16, 16, 1};
  const Values map = random_map(shape, 4);
  const auto change = [&](const Layer& layer) {
    const Values home = output_of(layer, shape, map), moved = output_of(layer, shape, rolled(map, shape, 0, 1));
    double sum = 0;
    for (std::size_t i = 0; i < home.size(); ++i) sum += std::abs(home[i] - moved[i]);
    return sum / static_cast<double>(home.size());
  };
  EXPECT_LT(change(MaxBlurPooling2D(2, {.padding = "circular", .border = "circular"})), change(MaxPooling2D(2)) / 2);
}

}  // namespace
}  // namespace linn::detail::layers
