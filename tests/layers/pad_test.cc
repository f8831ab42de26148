// Layers that pad by an op of their own, against loops over the definition.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "io/test_files.h"
#include "layers/description.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "support/plan_run.h"

namespace linn::detail::layers {
namespace {

using namespace tests;

constexpr std::int64_t images = 3;

Values numbers(std::int64_t count, std::uint32_t seed) {
  std::mt19937 engine(seed);
  Values values(static_cast<std::size_t>(count));
  for (double& value : values) value = static_cast<double>(static_cast<int>(engine() % 17) - 8) / 4;
  return values;
}

Values output_of(const Layer& layer, const Shape& image, const Values& input, const std::vector<Values>& weights,
                 Precision precision = Precision::float64) {
  LayerRun run(linn::detail::description_of(layer), image, images, input, weights, {}, precision);
  run.run();
  EXPECT_EQ(run.output_shape(), layer.compute_output_shape(image));
  return run.output();
}

/// A map of one image, asked anywhere: round it goes, or zero.
struct Map {
  const double* values;
  Shape shape;
  bool circular;

  double at(std::int64_t y, std::int64_t x, std::int64_t c) const {
    const std::int64_t height = shape[0], width = shape[1];
    if (!circular && (y < 0 || y >= height || x < 0 || x >= width)) return 0;
    while (y < 0) y += height;
    while (x < 0) x += width;
    return values[((y % height) * width + x % width) * shape[2] + c];
  }
};

struct Slide {
  std::int64_t window, stride, pad, out_height, out_width;
};

Values convolved(const Shape& image, const Values& input, const Slide& s, const Values& kernel, const Values& bias, bool circular) {
  const auto filters = static_cast<std::int64_t>(bias.size()), channels = image[2];
  Values result;
  for (std::int64_t n = 0; n < images; ++n) {
    const Map map{input.data() + n * image.elements(), image, circular};
    for (std::int64_t y = 0; y < s.out_height; ++y)
      for (std::int64_t x = 0; x < s.out_width; ++x)
        for (std::int64_t f = 0; f < filters; ++f) {
          double sum = bias[static_cast<std::size_t>(f)];
          for (std::int64_t i = 0; i < s.window; ++i)
            for (std::int64_t j = 0; j < s.window; ++j)
              for (std::int64_t c = 0; c < channels; ++c)
                sum += kernel[static_cast<std::size_t>(((i * s.window + j) * channels + c) * filters + f)] *
                       map.at(y * s.stride - s.pad + i, x * s.stride - s.pad + j, c);
          result.push_back(sum);
        }
  }
  return result;
}

// In both precisions: sums of a few quarters times quarters are exact in either.
void check_conv(const Conv2DOptions& options, const Shape& image, const Slide& s, bool circular) {
  const Values input = numbers(images * image.elements(), 1), kernel = numbers(s.window * s.window * image[2] * 5, 2), bias = numbers(5, 3);
  const Values expected = convolved(image, input, s, kernel, bias, circular);
  for (const Precision precision : {Precision::float64, Precision::float32})
    EXPECT_EQ(output_of(Conv2D(5, s.window, options), image, input, {kernel, bias}, precision), expected)
        << image.to_string() << " window " << s.window;
}

TEST(CircularPadding, ConvolutionGoesRound) {
  check_conv({.padding = "circular"}, {6, 5, 3}, {3, 1, 1, 6, 5}, true);
  check_conv({.padding = "circular"}, {6, 8, 9}, {4, 1, 1, 6, 8}, true);
  check_conv({.strides = 2, .padding = "circular"}, {6, 8, 2}, {3, 2, 0, 3, 4}, true);
  check_conv({.strides = 2, .padding = "circular"}, {6, 4, 2}, {5, 2, 1, 3, 2}, true);
  check_conv({.strides = 3, .padding = "circular"}, {6, 9, 1}, {2, 3, 0, 2, 3}, true);
  check_conv({.padding = "circular"}, {2, 1, 2}, {7, 1, 3, 2, 1}, true);
}

TEST(FullPadding, EveryPixelHasAllTaps) {
  check_conv({.padding = "full"}, {4, 5, 3}, {3, 1, 2, 6, 7}, false);
  check_conv({.strides = 2, .padding = "full"}, {4, 5, 2}, {4, 2, 3, 4, 4}, false);
  // The sum over the output is the sum of the map times that of the kernel, wherever in the map its values lie.
  const Values kernel = numbers(9, 4), corner = {1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
  const double sum = std::accumulate(kernel.begin(), kernel.end(), 0.0);
  const Values output = output_of(Conv2D(1, 3, {.padding = "full", .use_bias = false}), {3, 3, 1}, corner, {kernel});
  EXPECT_EQ(std::accumulate(output.begin(), output.end(), 0.0), 3 * sum);
}

template <class Pool>
void check_pool(bool max, const Shape& image, const Slide& s) {
  const Values input = numbers(images * image.elements(), 5);
  Values expected;
  for (std::int64_t n = 0; n < images; ++n) {
    const Map map{input.data() + n * image.elements(), image, true};
    for (std::int64_t y = 0; y < s.out_height; ++y)
      for (std::int64_t x = 0; x < s.out_width; ++x)
        for (std::int64_t c = 0; c < image[2]; ++c) {
          double best = -1e9, sum = 0;
          for (std::int64_t i = 0; i < s.window; ++i)
            for (std::int64_t j = 0; j < s.window; ++j) {
              const double value = map.at(y * s.stride - s.pad + i, x * s.stride - s.pad + j, c);
              best = std::max(best, value), sum += value;
            }
          expected.push_back(max ? best : sum / static_cast<double>(s.window * s.window));
        }
  }
  EXPECT_TRUE(agrees("output", {static_cast<std::int64_t>(expected.size())},
                     output_of(Pool(s.window, {.strides = s.stride, .padding = "circular"}), image, input, {}), expected, {1e-12, 0}));
}

TEST(CircularPadding, PoolingGoesRound) {
  for (const bool max : {true, false}) {
    const auto check = max ? &check_pool<MaxPooling2D> : &check_pool<AveragePooling2D>;
    check(max, {4, 5, 3}, {2, 1, 0, 4, 5});
    check(max, {6, 8, 2}, {3, 2, 0, 3, 4});
    check(max, {5, 5, 1}, {3, 1, 1, 5, 5});
    check(max, {4, 4, 2}, {2, 2, 0, 2, 2});
  }
}

// Pads in numbers against a ZeroPadding2D before the same layer; the fast kernels too.
TEST(ExplicitPadding, ConvolutionsSeeZeros) {
  for (const std::int64_t window : {2, 3, 5})
    for (const std::int64_t stride : {1, 2, 3})
      for (const std::int64_t before : {0, 1, 4})
        for (const std::int64_t after : {0, 1, 4})
          for (const std::int64_t channels : {3, 16}) {
            if (std::max(before, after) >= window) continue;
            const Pads2 pads = {{before, after}, {after, before}};
            const Shape image{7, 9, channels}, padded = ZeroPadding2D(pads).compute_output_shape(image);
            const Values input = numbers(images * image.elements(), 9), zeros = output_of(ZeroPadding2D(pads), image, input, {});
            const Values kernel = numbers(window * window * channels * 8, 10), bias = numbers(8, 11), depthwise = numbers(window * window * channels, 12);
            const auto what = fmt::format("window {} stride {} pads {} {} channels {}", window, stride, before, after, channels);
            for (const Precision precision : {Precision::float64, Precision::float32}) {
              EXPECT_EQ(output_of(Conv2D(8, window, {.strides = stride, .padding = pads}), image, input, {kernel, bias}, precision),
                        output_of(Conv2D(8, window, {.strides = stride}), padded, zeros, {kernel, bias}, Precision::float64))
                  << what;
              EXPECT_EQ(output_of(DepthwiseConv2D(window, {.strides = stride, .padding = pads, .use_bias = false}), image, input, {depthwise}, precision),
                        output_of(DepthwiseConv2D(window, {.strides = stride, .use_bias = false}), padded, zeros, {depthwise}, Precision::float64))
                  << what;
            }
          }
}

// Of every window; cells outside the map are left out.
struct Pooled {
  Values maxima, means;
};

Pooled pooled(const Values& input, const Shape& image, const Size2& window, std::int64_t stride, const Size2& dilation, const Pads2& pads) {
  const std::int64_t height = image[0], width = image[1], channels = image[2];
  const std::int64_t rows = (height + pads.height.before + pads.height.after - (window.height - 1) * dilation.height - 1) / stride + 1;
  const std::int64_t columns = (width + pads.width.before + pads.width.after - (window.width - 1) * dilation.width - 1) / stride + 1;
  Pooled result;
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t y = 0; y < rows; ++y)
      for (std::int64_t x = 0; x < columns; ++x)
        for (std::int64_t c = 0; c < channels; ++c) {
          double best = -1e9, sum = 0, count = 0;
          for (std::int64_t a = 0; a < window.height; ++a)
            for (std::int64_t b = 0; b < window.width; ++b) {
              const std::int64_t i = y * stride - pads.height.before + a * dilation.height, j = x * stride - pads.width.before + b * dilation.width;
              if (i < 0 || i >= height || j < 0 || j >= width) continue;
              const double value = input[static_cast<std::size_t>(((n * height + i) * width + j) * channels + c)];
              best = std::max(best, value), sum += value, ++count;
            }
          result.maxima.push_back(best), result.means.push_back(sum / count);
        }
  return result;
}

// Cells outside the map are left out of the maximum and of the mean.
TEST(ExplicitPadding, PoolingsLeaveThePadsOut) {
  for (const std::int64_t window : {2, 3, 4})
    for (const std::int64_t stride : {1, 2, 3})
      for (const std::int64_t before : {0, 1, 3})
        for (const std::int64_t after : {0, 1, 3}) {
          if (std::max(before, after) >= window) continue;
          const Shape image{6, 7, 3};
          const Values input = numbers(images * image.elements(), 13);
          const Pads2 pads{{before, after}, {after, before}};
          const auto [maxima, means] = pooled(input, image, window, stride, 1, pads);
          const Padding padding = pads;
          const Shape all{static_cast<std::int64_t>(maxima.size())};
          for (const Precision precision : {Precision::float64, Precision::float32}) {
            EXPECT_EQ(output_of(MaxPooling2D(window, {.strides = stride, .padding = padding}), image, input, {}, precision), maxima) << window << stride << before << after;
            EXPECT_TRUE(agrees("mean", all, output_of(AveragePooling2D(window, {.strides = stride, .padding = padding}), image, input, {}, precision), means, {1e-6, 0}));
          }
        }
}

// Every second or third pixel; cells outside the map are left out of the maximum and of the mean.
TEST(DilatedPooling, SeesEverySoManyPixels) {
  for (const Size2 window : {Size2(2, 3), Size2(3, 1), Size2(3, 3)})
    for (const Size2 dilation : {Size2(2, 1), Size2(1, 3), Size2(3, 2)})
      for (const std::int64_t stride : {1, 2, 3})
        for (const std::int64_t pad : {0, 1, 2}) {
          const std::int64_t reach_rows = (window.height - 1) * dilation.height, reach_columns = (window.width - 1) * dilation.width;
          if (pad > std::min(reach_rows, reach_columns)) continue;
          const Shape image{9, 8, 3};
          const Values input = numbers(images * image.elements(), 13);
          const auto [maxima, means] = pooled(input, image, window, stride, dilation, pad);
          const Pooling2DOptions options{.strides = stride, .padding = Pads2(pad), .dilation_rate = dilation};
          const Shape all{static_cast<std::int64_t>(maxima.size())};
          const std::string what = fmt::format("window {}x{} dilation {}x{} stride {} pad {}", window.height, window.width, dilation.height,
                                               dilation.width, stride, pad);
          for (const Precision precision : {Precision::float64, Precision::float32}) {
            EXPECT_EQ(output_of(MaxPooling2D(window, options), image, input, {}, precision), maxima) << what;
            EXPECT_TRUE(agrees(what, all, output_of(AveragePooling2D(window, options), image, input, {}, precision), means, {1e-6, 0}));
          }
        }
}

TEST(DilatedPooling, IsWrittenOnlyWhereItIsDilated) {
  EXPECT_THAT(MaxPooling2D(2).config(), ::testing::Not(::testing::HasSubstr("dilation_rate")));
  EXPECT_THAT(MaxPooling2D(2, {.dilation_rate = {1, 2}}).config(), ::testing::HasSubstr("\"dilation_rate\":[1,2]"));
  EXPECT_EQ(MaxPooling2D(2, {.strides = 1, .dilation_rate = 3}).compute_output_shape({8, 9, 1}), (Shape{5, 6, 1}));
  EXPECT_EQ(AveragePooling2D(2, {.padding = "same", .dilation_rate = 3}).compute_output_shape({8, 9, 1}), (Shape{4, 5, 1}));
  test::expect_error<ValueError>([] { MaxPooling2D(2, {.dilation_rate = 0}); }, {"dilation_rate", "1 or more"});
  test::expect_error<ShapeError>(
      [] {
        MaxPooling2D(3, {.dilation_rate = 3}).compute_output_shape({6, 9, 1});
      },
      {"pool_size (3, 3)", "does not fit"});
}

TEST(ExplicitPadding, IsCheckedAndComesBack) {
  const Layer pool = MaxPooling2D(3, {.strides = 2, .padding = {{1, 2}, {0, 1}}});
  EXPECT_THAT(pool.config(), ::testing::HasSubstr("[[1,2],[0,1]]"));
  EXPECT_EQ(pool.compute_output_shape({6, 6, 1}), (Shape{4, 3, 1}));
  test::expect_error<ValueError>([] { MaxPooling2D(3, {.padding = Pads2(-1)}); }, {"padding", "0 or more"});
  test::expect_error<ShapeError>([] { MaxPooling2D(3, {.padding = Pads2(3)}).compute_output_shape({6, 6, 1}); }, {"padding ((3, 3), (3, 3))", "smaller numbers"});
  test::expect_error<ValueError>([] { Conv2DTranspose(3, 3, {.padding = Pads2(1)}); }, {"padding is ((1, 1), (1, 1))"});
}

// By a multiple of the stride: then the windows see the same pixels, elsewhere.
TEST(CircularPadding, ShiftsOfTheInputAreShiftsOfTheOutput) {
  const Shape image{6, 8, 2};
  const auto rolled = [](const Values& from, const Shape& map, std::int64_t down, std::int64_t right) {
    Values to(from.size());
    for (std::int64_t n = 0; n < images; ++n)
      for (std::int64_t y = 0; y < map[0]; ++y)
        for (std::int64_t x = 0; x < map[1]; ++x)
          for (std::int64_t c = 0; c < map[2]; ++c)
            to[static_cast<std::size_t>(((n * map[0] + (y + down) % map[0]) * map[1] + (x + right) % map[1]) * map[2] + c)] =
                from[static_cast<std::size_t>(((n * map[0] + y) * map[1] + x) * map[2] + c)];
    return to;
  };
  const Values input = numbers(images * image.elements(), 6), kernel = numbers(3 * 3 * 2 * 4, 7), bias = numbers(4, 8);
  const std::pair<Layer, std::vector<Values>> layers[] = {{Conv2D(4, 3, {.strides = 2, .padding = "circular"}), {kernel, bias}},
                                                          {MaxPooling2D(3, {.strides = 2, .padding = "circular"}), {}},
                                                          {AveragePooling2D(2, {.strides = 2, .padding = "circular"}), {}}};
  for (const auto& [layer, weights] : layers) {
    const Values output = output_of(layer, image, input, weights, Precision::float32);
    for (std::int64_t down = 0; down < 3; ++down)
      for (std::int64_t right = 0; right < 4; ++right)
        EXPECT_EQ(output_of(layer, image, rolled(input, image, 2 * down, 2 * right), weights, Precision::float32),
                  rolled(output, layer.compute_output_shape(image), down, right))
            << layer.class_name() << " " << down << ", " << right;
  }
}

TEST(PaddedShapes, AsSameOrGrowing) {
  for (const std::int64_t size : {4, 6, 12})
    for (const std::int64_t window : {1, 2, 3, 5, 9})
      for (const std::int64_t stride : {1, 2}) {
        const Shape out = {size / stride, size / stride, 1};
        EXPECT_EQ(Conv2D(1, window, {.strides = stride, .padding = "circular"}).compute_output_shape({size, size, 2}), out);
        EXPECT_EQ(MaxPooling2D(window, {.strides = stride, .padding = "circular"}).compute_output_shape({size, size, 1}), out);
      }
  EXPECT_EQ(Conv2D(1, 3, {.strides = 2, .padding = "circular"}).compute_output_shape({5, 7, 2}), Shape({3, 4, 1}));
  EXPECT_EQ(Conv2D(7, {3, 2}, {.padding = "full", .dilation_rate = 2}).compute_output_shape({5, 4, 2}), Shape({9, 6, 7}));
  EXPECT_EQ(Conv2D(7, 9, {.padding = "full"}).compute_output_shape({2, 1, 2}), Shape({10, 9, 7}));
  EXPECT_EQ(ZeroPadding2D().compute_output_shape({5, 4, 2}), Shape({7, 6, 2}));
  EXPECT_EQ(ZeroPadding2D({{1, 2}, {30, 0}}).compute_output_shape({5, 4, 2}), Shape({8, 34, 2}));
  EXPECT_THROW(Conv2D(1, 3, {.padding = "circular"}).compute_output_shape({5, 4}), ShapeError);
}

TEST(ZeroPadding, MapByHand) {
  const Values input = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};  // three images of one row of two pixels of two channels
  const Layer layer = ZeroPadding2D({{0, 1}, {2, 0}});
  const Values expected = {0, 0, 0, 0, 1, 2,  3,  4,  0, 0, 0, 0, 0, 0, 0, 0,  //
                           0, 0, 0, 0, 5, 6,  7,  8,  0, 0, 0, 0, 0, 0, 0, 0,  //
                           0, 0, 0, 0, 9, 10, 11, 12, 0, 0, 0, 0, 0, 0, 0, 0};
  for (const Precision precision : {Precision::float64, Precision::float32})
    EXPECT_EQ(output_of(layer, {1, 2, 2}, input, {}, precision), expected);
  EXPECT_EQ(output_of(ZeroPadding2D(0), {1, 2, 2}, input, {}), input);
}

}  // namespace
}  // namespace linn::detail::layers
