#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <random>

#include "kernels/conv/rows.h"
#include "kernels/conv_check.h"

namespace linn::detail::kernels {
namespace {

using namespace testing;

Geometry geometry(const Window& window, std::int64_t height, std::int64_t width, std::int64_t channels, std::int64_t out_channels,
                  std::int64_t groups = 1) {
  return resolve(window, height, width, channels, out_channels, groups).value();
}

constexpr Window three{.height = 3, .width = 3};

TEST(Conv, EveryNumberOfChannels) {
  for (std::int64_t c = 1; c <= 70; ++c) {
    check_conv(geometry(three, 5, 7, c, 71 - c), 1, static_cast<std::uint32_t>(c));
    check_conv(geometry(three, 4, 6, 3, c), 2, static_cast<std::uint32_t>(c));
  }
}

TEST(Conv, EveryWidthOfMap) {
  for (std::int64_t w = 1; w <= 30; ++w) {
    check_conv(geometry({.height = 2, .width = 1}, 3, w, 2, 18), 1, static_cast<std::uint32_t>(w));
    check_conv(geometry({.height = 3, .width = 3, .border = Border::same}, 2, w, 5, 33), 1, static_cast<std::uint32_t>(w));
  }
}

// One channel on a map of one column: the terms inside the map are neighbours in the map, but not in the packed kernel.
TEST(Conv, OneColumnOfOneChannel) {
  for (const std::int64_t filters : {15, 16, 17, 31, 32, 33, 64, 100})
    for (const auto& [height, width, dilation] : {std::array<std::int64_t, 3>{3, 3, 1}, {11, 5, 1}, {3, 3, 2}, {2, 70, 1}})
      check_conv(geometry({.height = height, .width = width, .dilation_width = dilation, .border = Border::same}, 13, 1, 1, filters), 2,
                 static_cast<std::uint32_t>(filters));
}

TEST(Conv, WindowsAndBorders) {
  for (std::int64_t k = 1; k <= 7; ++k)
    for (std::int64_t l = 1; l <= 7; l += 2)
      for (const Border border : {Border::valid, Border::same})
        check_conv(geometry({.height = k, .width = l, .border = border}, 8, 9, 3, 17), 2, static_cast<std::uint32_t>(k * l));
}

// Winograd's forms are for many channels and maps of more than a tile or two.
bool has_winograd(const Geometry& g) {
  return conv::WinogradForward::supports({g, false, Activation::linear}) && conv::WinogradInputGradient::prepare(g, {}).has_value() &&
         conv::WinogradKernelGradient::supports(g);
}

constexpr Window three_same{.height = 3, .width = 3, .border = Border::same};

TEST(Conv, WinogradWithEveryNumberOfChannels) {
  for (std::int64_t c = 24; c <= 56; ++c) {
    const Geometry g = geometry(three_same, 6, 6, c, 80 - c);
    ASSERT_TRUE(has_winograd(g)) << text(g);
    check_conv(g, 1, static_cast<std::uint32_t>(c));
  }
}

TEST(Conv, WinogradOnMapsOfEverySize) {
  int forward = 0, input_gradient = 0, kernel_gradient = 0;
  for (std::int64_t height = 2; height <= 13; ++height)
    for (const std::int64_t width : {4, 7, 10})
      for (const Border border : {Border::valid, Border::same}) {
        const auto g = resolve({.height = 3, .width = 3, .border = border}, height, width, 32, 30);
        if (!g) continue;
        forward += conv::WinogradForward::supports({*g, false, Activation::linear});
        input_gradient += conv::WinogradInputGradient::prepare(*g, {}).has_value();
        kernel_gradient += conv::WinogradKernelGradient::supports(*g);
        check_conv(*g, 1, static_cast<std::uint32_t>(height * width));
      }
  EXPECT_GT(forward, 40);
  EXPECT_GT(input_gradient, 12);
  EXPECT_GT(kernel_gradient, 40);
}

TEST(Conv, WinogradOnViewsAndWithTrimmedMaps) {
  for (const Border border : {Border::valid, Border::same})
    for (const std::int64_t gap : {1, 3})
      check_conv(with_gaps(geometry({.height = 3, .width = 3, .border = border}, 11, 12, 36, 40), gap), 3);
  Geometry trimmed = geometry(three_same, 14, 14, 36, 40);
  keep_dst(trimmed, {12, 12});  // some pixels of the source are seen by no output
  ASSERT_TRUE(has_winograd(trimmed));
  check_conv(trimmed, 2);
}

bool has_bf16_winograd(const Geometry& g) {
  return conv::Bf16WinogradForward::supports({g, false, Activation::linear}) && conv::Bf16WinogradInputGradient::supports(g) &&
         conv::Bf16WinogradKernelGradient::supports(g);
}

// Whole numbers are bfloat16 before and behind the transforms, so that a missing term shows.
TEST(Conv, Bf16WinogradOfNumbersAndWholeNumbers) {
  for (const std::int64_t channels : {47, 64}) {  // an odd number, of tiles too, and two chunks of them
    const Geometry g = with_gaps(geometry(three_same, 13, 14, channels, 100 - channels), channels % 2 * 3);
    ASSERT_TRUE(has_bf16_winograd(g)) << text(g);
    for (const Values values : {Values::normal, Values::ties})
      check_conv(g, 2 - channels % 2, static_cast<std::uint32_t>(channels), values);
  }
}

TEST(Conv, Bf16WinogradKernelGradientInChunks) {
  const Geometry g = geometry(three_same, 27, 28, 40, 48);
  ASSERT_TRUE(has_bf16_winograd(g));
  for (const Values values : {Values::normal, Values::ties}) check_kernel_gradient(g, 2, 1, values);
  for (std::int64_t images = 1; images < 20; ++images)
    EXPECT_LE(conv::Bf16WinogradKernelGradient::scratch(g, images), conv::Bf16WinogradKernelGradient::scratch(g, images + 1));
}

TEST(Conv, WinogradInChunks) {
  for (const Window& window : {three, three_same}) {
    const Geometry g = geometry(window, 24, 24, 36, 60);
    ASSERT_TRUE(has_winograd(g));
    ASSERT_GT(2 * conv::tiles_of(g).count(), 2 * conv::WinogradLayout(g).tiles);
    ASSERT_GT(2 * conv::tiles_of(g).count(), conv::WinogradSumLayout(g, 2).tiles);
    check_conv(g, 2);
    for (std::int64_t images = 1; images < 20; ++images)
      EXPECT_LE(conv::WinogradKernelGradient::scratch(g, images), conv::WinogradKernelGradient::scratch(g, images + 1));
  }
}

bool has_winograd4(const Geometry& g) {
  return conv::Winograd4Forward::supports({g, false, Activation::linear}) && conv::Winograd4InputGradient::prepare(g, {}).has_value() &&
         conv::Winograd4KernelGradient::supports(g);
}

TEST(Conv, Winograd4WithEveryNumberOfChannels) {
  for (std::int64_t c = 48; c <= 100; c += 6) {
    const Geometry g = geometry(three_same, 8, 8, c, 148 - c), odd = geometry(three_same, 7, 8, 149 - c, c - 1);
    ASSERT_TRUE(has_winograd4(g)) << text(g);
    check_conv(g, 1, static_cast<std::uint32_t>(c));
    check_conv(odd, 1, static_cast<std::uint32_t>(c));
  }
}

TEST(Conv, Winograd4OnMapsOfEverySize) {
  int forward = 0, input_gradient = 0, kernel_gradient = 0;
  for (std::int64_t height = 3; height <= 13; ++height)
    for (const std::int64_t width : {4, 7, 10})
      for (const Border border : {Border::valid, Border::same}) {
        const Geometry g = geometry({.height = 3, .width = 3, .border = border}, height, width, 48, 51);
        forward += conv::Winograd4Forward::supports({g, false, Activation::linear});
        input_gradient += conv::Winograd4InputGradient::prepare(g, {}).has_value();
        kernel_gradient += conv::Winograd4KernelGradient::supports(g);
        check_conv(g, 1, static_cast<std::uint32_t>(height * width));
      }
  EXPECT_GT(forward, 30);
  EXPECT_GT(input_gradient, 20);
  EXPECT_GT(kernel_gradient, 15);
}

// Results are cut at 0 and at 6 in registers.
TEST(Conv, Relu6) {
  for (const Geometry& g : {geometry(three_same, 9, 10, 40, 35), geometry(three_same, 9, 10, 3, 19), geometry(three_same, 9, 10, 20, 20, 20),
                            geometry(three_same, 9, 10, 24, 24, 6), geometry({.height = 1, .width = 1}, 9, 8, 30, 70),
                            geometry({.height = 5, .width = 2, .stride_height = 2, .border = Border::same}, 9, 8, 24, 18)})
    for (const Values values : {Values::normal, Values::ties, Values::hostile})
      for (const bool bias : {false, true}) check_forward(g, 3, bias, Activation::relu6, 1, values);
}

// A map computed in parts that begin at multiples of row_step has the bits of the whole map.
TEST(Conv, PartsOfAMapHaveItsBits) {
  const Geometry geometries[] = {geometry(three_same, 14, 9, 20, 36),
                                 geometry(three_same, 30, 7, 32, 32),
                                 geometry(three, 11, 13, 17, 19),
                                 geometry({.height = 5, .width = 3, .stride_height = 2, .border = Border::same}, 21, 8, 6, 20),
                                 geometry({.height = 5, .width = 3, .stride_height = 2, .border = Border::same}, 21, 17, 3, 20),
                                 geometry({.height = 3, .width = 3, .dilation_height = 3, .border = Border::same}, 16, 8, 8, 8, 8),
                                 geometry({.height = 3, .width = 3, .border = Border::same}, 10, 8, 16, 16, 4)};
  for (const Geometry& g : geometries) {
    const ConvForward::Problem problem = {g, true, Activation::relu};
    const Buffer src(random_values(src_extent(g, 1), 1)), kernel(random_values(kernel_size(g), 2)), bias(random_values(g.out_channels, 3));
    for_each_implementation<ConvForward>(problem, [&](const Implementation<ConvForward>& f) {
      const Buffer packed = packed_for(f, problem, kernel);
      Buffer whole(dst_extent(g, 1), untouched), parts(dst_extent(g, 1), untouched), scratch(f.scratch(problem, 1), unwritten);
      f.run(problem, {1, src.data(), kernel.data(), packed.data(), bias.data(), whole.data(), scratch.data()});
      for (const std::int64_t steps : {1, 2, 3}) {
        const std::int64_t rows = steps * f.row_step;
        for (std::int64_t first = 0; first < g.out_height; first += rows)
          f.run(conv::rows_of(problem, {first, std::min(first + rows, g.out_height)}),
                {1, src.data(), kernel.data(), packed.data(), bias.data(), parts.data() + first * g.dst_row, scratch.data()});
        EXPECT_EQ(bits_that_differ(whole, parts), 0) << text(g) << ", rows " << rows;
      }
    });
  }
}

TEST(Conv, ChannelsComputedAloneHaveTheBitsOfAll) {
  const Geometry geometries[] = {geometry(three_same, 14, 9, 20, 100), geometry(three, 11, 13, 17, 70),
                                 geometry({.height = 5, .width = 3, .stride_height = 2, .border = Border::same}, 9, 8, 6, 77),
                                 geometry({.height = 1, .width = 1}, 7, 7, 33, 200)};
  std::set<std::string_view> names;
  for (const Geometry& g : geometries) {
    const ConvForward::Problem problem = {g, true, Activation::relu};
    const Buffer src(random_values(src_extent(g, 2), 1)), kernel(random_values(kernel_size(g), 2)), bias(random_values(g.out_channels, 3));
    for_each_implementation<ConvForward>(problem, [&](const Implementation<ConvForward>& f) {
      if (f.channel_step == 0) return;
      names.insert(f.name);
      const Buffer packed = packed_for(f, problem, kernel);
      Buffer whole(dst_extent(g, 2), untouched), parts(dst_extent(g, 2), untouched), scratch(f.scratch(problem, 2), unwritten);
      f.run(problem, {2, src.data(), kernel.data(), packed.data(), bias.data(), whole.data(), scratch.data()});
      for (std::int64_t first = 0; first < g.out_channels; first += f.channel_step) {
        const Channels channels = {first, std::min(first + f.channel_step, g.out_channels)};
        Buffer scratch_of_part(f.scratch(problem, 2), unwritten);
        f.run(problem, {2, src.data(), kernel.data(), packed.data(), bias.data(), parts.data(), scratch_of_part.data(), channels});
        for (std::int64_t i = 0; i < parts.size(); ++i)
          ASSERT_EQ(parts.data()[i] == untouched, i % g.out_channels >= channels.end) << text(g) << ", channels from " << first;
      }
      EXPECT_EQ(bits_that_differ(whole, parts), 0) << text(g);
    });
  }
  for (const std::string_view name : {"direct", "winograd", "winograd4"}) EXPECT_TRUE(names.contains(name)) << name;
}

TEST(Conv, PartsOfAnInputGradientHaveItsBits) {
  const Geometry geometries[] = {geometry(three_same, 14, 9, 20, 36),
                                 geometry(three, 30, 7, 32, 32),
                                 geometry({.height = 2, .width = 2, .stride_height = 2, .stride_width = 2}, 22, 8, 24, 17),
                                 geometry({.height = 5, .width = 3, .stride_height = 2, .border = Border::same}, 21, 8, 20, 6),
                                 geometry({.height = 2, .width = 3, .stride_height = 3, .border = Border::same}, 16, 7, 5, 7),
                                 geometry({.height = 3, .width = 3, .dilation_height = 3, .border = Border::same}, 16, 8, 8, 8, 8),
                                 geometry({.height = 3, .width = 3, .border = Border::same}, 10, 8, 16, 16, 4)};
  std::set<std::string_view> names;
  for (const Geometry& g : geometries) {
    const ConvInputGradient::Problem problem = {g, true, Activation::relu};
    const Buffer ddst(random_values(dst_extent(g, 1), 1)), kernel(random_values(kernel_size(g), 2)), bias(random_values(g.channels, 3));
    for_each_implementation<ConvInputGradient>(problem, [&](const Implementation<ConvInputGradient>& f) {
      names.insert(f.name);
      const Buffer packed = packed_for(f, problem, kernel);
      Buffer whole(src_extent(g, 1), untouched), parts(src_extent(g, 1), untouched), scratch(f.scratch(problem, 1), unwritten);
      f.run(problem, {1, ddst.data(), kernel.data(), packed.data(), bias.data(), whole.data(), scratch.data()});
      for (const std::int64_t steps : {1, 2, 3}) {
        const std::int64_t rows = steps * f.row_step;
        for (std::int64_t first = 0; first < g.height; first += rows)
          f.run(conv::rows_of(problem, {first, std::min(first + rows, g.height)}),
                {1, ddst.data(), kernel.data(), packed.data(), bias.data(), parts.data() + first * g.src_row, scratch.data()});
        EXPECT_EQ(bits_that_differ(whole, parts), 0) << text(g) << ", rows " << rows;
      }
    });
  }
  for (const std::string_view name : {"direct", "winograd", "winograd4", "depthwise", "grouped"}) EXPECT_TRUE(names.contains(name)) << name;
}

TEST(Conv, Winograd4OnViewsAndWithTrimmedMaps) {
  for (const Border border : {Border::valid, Border::same})
    for (const std::int64_t gap : {1, 3})
      check_conv(with_gaps(geometry({.height = 3, .width = 3, .border = border}, 12, 13, 49, 50), gap), 3);
  Geometry trimmed = geometry(three_same, 16, 16, 50, 52);
  keep_dst(trimmed, {14, 13});
  ASSERT_TRUE(has_winograd4(trimmed));
  check_conv(trimmed, 2);
}

// Of 512 channels on 7x7, F(4x4) reads 38 MB of transformed weights for 4 tiles an image.
TEST(Conv, AFewImagesAreNotWorthLargeTransformedWeights) {
  if (core::isa() == core::Isa::scalar) GTEST_SKIP() << "no vectors here";
  const ConvForward::Problem large = {geometry(three_same, 7, 7, 512, 512)}, small = {geometry(three_same, 28, 28, 64, 64)};
  EXPECT_EQ(choose<ConvForward>(large).name, "winograd4");
  EXPECT_NE(choose<ConvForward>(large, {.images = 1}).name, "winograd4");
  EXPECT_EQ(choose<ConvForward>(small, {.images = 1}).name, "winograd4");
}

TEST(Conv, Winograd4InChunks) {
  for (const Window& window : {three, three_same}) {
    const Geometry g = geometry(window, 28, 27, 52, 60);
    ASSERT_TRUE(has_winograd4(g));
    ASSERT_GT(3 * conv::tiles_of(g, 4).count(), 2 * conv::WinogradLayout(g, 4).tiles);
    ASSERT_GT(3 * conv::tiles_of(g, 4).count(), conv::WinogradSumLayout(g, 3, 4).tiles);
    check_conv(g, 3);
    for (std::int64_t images = 1; images < 20; ++images)
      EXPECT_LE(conv::Winograd4KernelGradient::scratch(g, images), conv::Winograd4KernelGradient::scratch(g, images + 1));
  }
}

// What is not finite reaches the outputs that see it and no others, though tiles of 4x4 are made of all their patch.
TEST(Conv, Winograd4SpreadsNothing) {
  const Geometry g = geometry(three_same, 8, 12, 50, 49);
  ASSERT_TRUE(has_winograd4(g));
  for (std::uint32_t seed = 1; seed <= 4; ++seed) check_forward(g, 2, seed % 2 == 0, Activation::linear, seed, Values::hostile);
  for (const double one : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), 3e38}) {
    auto src = random_values(src_extent(g, 1), 1), kernel = random_values(kernel_size(g), 2);
    src[static_cast<std::size_t>(5 * g.src_row + 6 * g.src_pixel + 17)] = one;
    const ConvForward::Problem problem = {g, false, Activation::linear};
    std::vector<double> expected(static_cast<std::size_t>(dst_extent(g, 1)));
    ConvForward::reference<double>(problem, {1, src.data(), kernel.data(), nullptr, nullptr, expected.data(), nullptr});
    const Buffer src32(src), kernel32(kernel);
    for_each_implementation<ConvForward>(problem, [&](const Implementation<ConvForward>& f) {
      if (f.name != conv::Winograd4Forward::name) return;
      Buffer dst(dst_extent(g, 1)), scratch(f.scratch(problem, 1), unwritten);
      f.run(problem, {1, src32.data(), kernel32.data(), packed_for(f, problem, kernel32).data(), nullptr, dst.data(), scratch.data()});
      for (std::int64_t i = 0; i < dst.size(); ++i) {
        const double value = expected[static_cast<std::size_t>(i)];
        ASSERT_EQ(std::isfinite(dst[i]), std::isfinite(value)) << one << " at output " << i;
      }
    });
  }
}

// Pixels of which most are zero in all channels, as on a blank ground.
std::vector<double> sparse_pixels(const Geometry& g, std::int64_t images, std::uint32_t seed) {
  std::vector<double> values = random_values(src_extent(g, images), seed);
  std::mt19937 random(seed);
  for (std::size_t at = 0; at < values.size(); at += static_cast<std::size_t>(g.channels))
    if (random() % 8 != 0) std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(at), g.channels, random() % 2 == 0 ? 0.0 : -0.0);
  return values;
}

// What sees nothing but zeros is the bias, exactly, in every form: on that hang relu's gradient and ties. In both directions.
TEST(Conv, WhatSeesZerosIsTheBias) {
  const std::int64_t images = 3;
  int blank = 0;
  for (const auto& [window, size] : {std::pair(three_same, 12), std::pair(three_same, 15), std::pair(three, 14)}) {
    const Geometry g = geometry(window, size, 12, 36, 33);
    ASSERT_TRUE(has_winograd4(g));
    const std::vector<double> pixels = sparse_pixels(g, images, 1), taps = random_values(kernel_size(g), 2), offsets = random_values(g.out_channels, 3);
    const Buffer src(pixels), kernel(taps), bias(offsets);
    const ConvForward::Problem problem = {g, true, Activation::linear};
    std::vector<double> expected(static_cast<std::size_t>(dst_extent(g, images)));
    ConvForward::reference<double>({g, false, Activation::linear}, {images, pixels.data(), taps.data(), nullptr, nullptr, expected.data(), nullptr});
    for_each_implementation<ConvForward>(problem, [&](const Implementation<ConvForward>& f) {
      Buffer dst(dst_extent(g, images)), scratch(f.scratch(problem, images), unwritten);
      f.run(problem, {images, src.data(), kernel.data(), packed_for(f, problem, kernel).data(), bias.data(), dst.data(), scratch.data()});
      for (std::int64_t i = 0; i < dst.size(); ++i) {
        if (expected[static_cast<std::size_t>(i)] != 0) continue;
        ASSERT_EQ(dst[i], bias[i % g.out_channels]) << "output " << i;
        ++blank;
      }
    });
  }
  EXPECT_GT(blank, 10000);
}

// Of a local form an output's bits depend on nothing that it does not see.
TEST(Conv, LocalForms) {
  const Geometry g = geometry(three_same, 12, 12, 32, 32);
  const ConvForward::Problem problem = {g, false, Activation::linear};
  Buffer src(random_values(src_extent(g, 1), 1));
  const Buffer kernel(random_values(kernel_size(g), 2));
  bool told_apart = false;
  for_each_implementation<ConvForward>(problem, [&](const Implementation<ConvForward>& f) {
    const Buffer packed = packed_for(f, problem, kernel);
    Buffer before(dst_extent(g, 1)), after(dst_extent(g, 1)), scratch(f.scratch(problem, 1), unwritten);
    float* pixel = src.data() + 6 * g.src_row + 5 * g.src_pixel;
    f.run(problem, {1, src.data(), kernel.data(), packed.data(), nullptr, before.data(), scratch.data()});
    for (std::int64_t c = 0; c < g.channels; ++c) pixel[c] += 1;
    f.run(problem, {1, src.data(), kernel.data(), packed.data(), nullptr, after.data(), scratch.data()});
    for (std::int64_t c = 0; c < g.channels; ++c) pixel[c] -= 1;
    std::int64_t changed = 0;
    for (std::int64_t y = 0; y < g.out_height; ++y)
      for (std::int64_t x = 0; x < g.out_width; ++x)
        for (std::int64_t k = 0; k < g.out_channels; ++k) {
          const std::int64_t at = y * g.dst_row + x * g.dst_pixel + k;
          changed += (y < 5 || y > 7 || x < 4 || x > 6) && before[at] != after[at];
        }
    EXPECT_EQ(changed == 0, f.numerics.local);
    told_apart = told_apart || !f.numerics.local;
  });
  EXPECT_TRUE(told_apart);
}

// Bits depend neither on how many images a call has nor on their order.
TEST(Conv, WinogradOfImagesOneByOne) {
  const Geometry g = geometry(three_same, 11, 12, 50, 50);
  ASSERT_TRUE(has_winograd4(g));
  const ConvForward::Problem problem = {g, true, Activation::relu};
  const std::int64_t images = 5;
  const Buffer src(random_values(src_extent(g, images), 1)), kernel(random_values(kernel_size(g), 2)), bias(random_values(50, 3));
  for_each_implementation<ConvForward>(problem, [&](const Implementation<ConvForward>& f) {
    const Buffer packed = packed_for(f, problem, kernel);
    Buffer all(dst_extent(g, images)), single(dst_extent(g, images)), scratch(f.scratch(problem, images), unwritten);
    f.run(problem, {images, src.data(), kernel.data(), packed.data(), bias.data(), all.data(), scratch.data()});
    for (std::int64_t n = images - 1; n >= 0; --n)
      f.run(problem,
            {1, src.data() + n * g.src_image, kernel.data(), packed.data(), bias.data(), single.data() + n * g.dst_image, scratch.data()});
    EXPECT_EQ(bits_that_differ(all, single), 0);
  });
}

// bfloat16's forms are for more than a channel or two.
bool has_bf16(const Geometry& g) {
  return conv::Bf16Forward::supports({g, false, Activation::linear}) && conv::Bf16InputGradient::supports(g);
}

TEST(Conv, Bf16WithOddChannelsStridesAndGroups) {
  for (const std::int64_t stride : {1, 2, 3})
    for (const std::int64_t dilation : {1, 2})
      for (const std::int64_t groups : {1, 2})
        for (const Border border : {Border::valid, Border::same}) {
          const Geometry g = geometry({.height = 4,
                                       .width = 3,
                                       .stride_height = stride,
                                       .stride_width = 3 - stride / 2,
                                       .dilation_height = dilation,
                                       .dilation_width = dilation,
                                       .border = border},
                                      13, 14, 26, 44, groups);
          ASSERT_TRUE(has_bf16(g)) << text(g);
          check_conv(g, 2, static_cast<std::uint32_t>(stride + dilation));
          check_conv(with_gaps(g, 3), 1, static_cast<std::uint32_t>(stride + dilation));
        }
  // Terms of a tap that leave one alone.
  for (const std::int64_t channels : {5, 7, 9, 31}) {
    const Geometry g = geometry(three_same, 8, 7, channels, 40 - channels);
    ASSERT_TRUE(has_bf16(g)) << text(g);
    check_conv(g, 3);
  }
}

// More rows than are rounded at once, in both directions, and more images.
TEST(Conv, Bf16InBands) {
  const Geometry large = geometry({.height = 2, .width = 2, .dilation_height = 2, .border = Border::same}, 37, 30, 40, 36);
  ASSERT_TRUE(has_bf16(large));
  ASSERT_LT(conv::ForwardWalk(large).most_rows_read, 37);
  ASSERT_LT(conv::BackwardWalk(large).most_rows_read, 37);
  check_conv(large, 1);
  const Geometry strided =
      geometry({.height = 5, .width = 3, .stride_height = 3, .stride_width = 2, .border = Border::same}, 75, 60, 24, 20);
  ASSERT_TRUE(has_bf16(strided));
  ASSERT_LT(conv::ForwardWalk(strided).most_rows_read, 75);
  check_conv(strided, 1);
  const Geometry small = geometry(three, 13, 13, 32, 32);
  ASSERT_LT(conv::ForwardWalk(small).images_of_chunk(9), 9);
  check_conv(small, 9);
}

// Rows of a pair of images at a time, several pairs, an image alone, a stride beyond the window; some channels fill no plane of 16.
TEST(Conv, Bf16KernelGradientInChunks) {
  const Geometry geometries[] = {geometry({.height = 2, .width = 2, .border = Border::same}, 60, 60, 16, 24),
                                 geometry(three_same, 9, 8, 37, 70),
                                 geometry({.height = 2, .width = 4, .stride_height = 3, .stride_width = 3}, 15, 16, 36, 65),
                                 geometry({.height = 5, .width = 4, .dilation_height = 3, .border = Border::same}, 7, 9, 19, 18)};
  for (const Geometry& g : geometries) {
    ASSERT_TRUE(conv::Bf16KernelGradient::supports(g)) << text(g);
    for (const std::int64_t images : {1, 3, 8}) {
      if (images * products(g) < 20'000'000) check_kernel_gradient(g, images);
      EXPECT_LE(conv::Bf16KernelGradient::scratch(g, images), conv::Bf16KernelGradient::scratch(g, images + 1));
    }
  }
}

TEST(Conv, StridesAndDilations) {
  for (std::int64_t s = 1; s <= 4; ++s)
    for (std::int64_t d = 1; d <= 4; ++d)
      for (const Border border : {Border::valid, Border::same})
        check_conv(geometry({.height = 3, .width = 2, .stride_height = s, .stride_width = 5 - s, .dilation_height = d, .dilation_width = 1 + d % 3,
                             .border = border},
                            11, 10, 4, 9),
                   2, static_cast<std::uint32_t>(10 * s + d));
}

TEST(Conv, Groups) {
  for (const std::int64_t groups : {2, 3, 6})
    for (const Border border : {Border::valid, Border::same})
      check_conv(geometry({.height = 3, .width = 3, .border = border}, 6, 5, 12, 18, groups), 2, static_cast<std::uint32_t>(groups));
  check_conv(geometry({.height = 3, .width = 3, .border = Border::same}, 6, 5, 7, 7, 7), 2);
  check_conv(geometry(three, 6, 5, 7, 14, 7), 2);
}

// Each output channel reads one source channel. Channels fill vectors of every instruction set, and leave tails.
bool has_depthwise(const Geometry& g) {
  return conv::DepthwiseForward::supports({g, false, Activation::linear}) && conv::DepthwiseInputGradient::supports(g) &&
         conv::DepthwiseKernelGradient::supports(g);
}

void check_depthwise(const Window& window, std::int64_t height, std::int64_t width, std::int64_t channels, std::int64_t multiplier,
                     std::int64_t images, std::int64_t gap = 0) {
  Geometry g = geometry(window, height, width, channels, channels * multiplier, channels);
  ASSERT_TRUE(has_depthwise(g)) << text(g);
  if (gap > 0) g = with_gaps(g, gap);
  check_conv(g, images, static_cast<std::uint32_t>(31 * channels + 7 * height + width + multiplier));
}

TEST(Conv, DepthwiseOfEveryNumberOfChannels) {
  for (std::int64_t channels = 2; channels <= 50; ++channels) {
    check_depthwise(three_same, 7, 11, channels, 1, 1);
    check_depthwise({.height = 3, .width = 3, .stride_height = 2, .stride_width = 2, .border = Border::same}, 8, 13, channels, 1, 2);
  }
}

TEST(Conv, DepthwiseOfEveryWindow) {
  for (std::int64_t height = 1; height <= 7; ++height)
    for (std::int64_t width = 1; width <= 7; ++width)
      for (const Border border : {Border::valid, Border::same})
        for (const std::int64_t channels : {3, 17}) check_depthwise({.height = height, .width = width, .border = border}, 9, 12, channels, 1, 2);
}

TEST(Conv, DepthwiseStridesAndDilations) {
  for (std::int64_t stride = 1; stride <= 3; ++stride)
    for (std::int64_t dilation = 1; dilation <= 3; ++dilation)
      for (const std::int64_t size : {2, 3, 5})
        for (const Border border : {Border::valid, Border::same})
          for (const std::int64_t channels : {5, 33})
            check_depthwise({.height = size, .width = size, .stride_height = stride, .stride_width = 1 + stride % 3,
                             .dilation_height = 1 + dilation % 3, .dilation_width = dilation, .border = border},
                            15, 14, channels, 1, 1);
}

TEST(Conv, DepthwiseOfEveryWidthOfMap) {
  for (std::int64_t width = 1; width <= 25; ++width)
    for (const std::int64_t stride : {1, 2})
      for (const std::int64_t taps : {3, 5})
        for (const std::int64_t height : {std::int64_t{2}, taps})  // square windows have forms of their own
          check_depthwise({.height = height, .width = taps, .stride_width = stride, .border = Border::same}, 4, width, 19, 1, 1);
}

// Pixels some KiB apart.
TEST(Conv, DepthwiseOfPixelsFarApart) {
  for (const std::int64_t channels : {256, 512, 1024, 1040})
    for (const std::int64_t stride : {1, 2})
      check_depthwise({.height = 3, .width = 3, .stride_height = stride, .stride_width = stride, .border = Border::same}, 7, 9, channels, 1, 2);
  check_depthwise({.height = 5, .width = 5, .border = Border::same}, 40, 31, 512, 1, 1);
}

TEST(Conv, DepthwiseMultipliers) {
  for (std::int64_t multiplier = 2; multiplier <= 9; ++multiplier)
    for (const std::int64_t channels : {2, 3, 5, 17})
      for (std::int64_t stride = 1; stride <= 3; ++stride) {
        check_depthwise({.height = 3, .width = 3, .stride_height = stride, .stride_width = stride, .border = Border::same}, 9, 8, channels,
                        multiplier, 2);
        check_depthwise({.height = 2, .width = 3, .dilation_height = stride}, 9, 8, channels, multiplier, 1, multiplier % 3);
      }
  check_depthwise(three_same, 60, 50, 8, 3, 1);  // strips of some rows
  check_depthwise({.height = 5, .width = 5, .stride_height = 3, .stride_width = 3, .border = Border::same}, 61, 50, 8, 3, 1);
}

// Pads of 3 and more, windows that see nothing but padding, windows larger than the map.
TEST(Conv, DepthwiseWithLargePads) {
  for (const std::int64_t channels : {3, 17}) {
    for (const std::int64_t size : {7, 8, 11, 15})
      for (const std::int64_t map : {1, 2, 5, 9}) check_depthwise({.height = size, .width = size, .border = Border::same}, map, map + 1, channels, 1, 2);
    check_depthwise({.height = 3, .width = 3, .dilation_height = 6, .dilation_width = 7, .border = Border::same}, 4, 5, channels, 1, 2);
    check_depthwise({.height = 3, .width = 3, .dilation_height = 4, .dilation_width = 5, .border = Border::same}, 4, 5, channels, 2, 2);
  }
}

TEST(Conv, DepthwiseOnViewsAndWithTrimmedMaps) {
  for (const Border border : {Border::valid, Border::same})
    for (const std::int64_t gap : {1, 3})
      for (const std::int64_t multiplier : {1, 2})
        check_depthwise({.height = 3, .width = 3, .stride_width = 2, .border = border}, 9, 10, 18, multiplier, 3, gap);
  Geometry trimmed = geometry(three_same, 14, 13, 20, 20, 20);
  keep_dst(trimmed, {11, 8});  // some pixels of the source are seen by no output
  check_conv(trimmed, 2);
}

// Maps beyond the L2 cache, whose next rows are fetched ahead; kernel gradients in several blocks of rows, also of 5x5 in groups of tap rows.
TEST(Conv, DepthwiseOfLargeMaps) {
  check_depthwise(three_same, 90, 151, 24, 1, 1);
  check_depthwise({.height = 5, .width = 5, .stride_height = 2, .stride_width = 2, .border = Border::same}, 113, 150, 21, 1, 1);
  for (const std::int64_t dilation : {1, 2})
    check_depthwise({.height = 5, .width = 5, .dilation_height = dilation, .border = Border::same}, 41, 40, 40, 1, 2);
}

// The form that strips use may not change an output's bits.
TEST(Conv, DepthwiseHasTheBitsOfTheDirectForm) {
  const IsaGuard guard;
  for (const auto& [window, multiplier] : {std::pair(Window{.height = 3, .width = 5, .stride_height = 2, .border = Border::same}, 1),
                                           std::pair(Window{.height = 3, .width = 5, .stride_height = 2, .border = Border::same}, 3),
                                           std::pair(Window{.height = 5, .width = 5, .stride_height = 2, .stride_width = 2, .border = Border::same}, 1),
                                           std::pair(three_same, 1)}) {
    const Geometry g = geometry(window, 12, 23, 21, 21 * multiplier, 21);
    const ConvForward::Problem problem = {g, true, Activation::relu};
    const Buffer src(random_values(src_extent(g, 2), 1)), kernel(random_values(kernel_size(g), 2)), bias(random_values(g.out_channels, 3));
    for (const core::Isa isa : core::available_isas()) {
      core::set_isa(isa);
      if (!core::has(conv::DepthwiseForward::needs)) continue;
      Buffer one(dst_extent(g, 2)), other(dst_extent(g, 2)), scratch(conv::DepthwiseForward::scratch(problem, 2), unwritten),
          other_scratch(conv::Forward::scratch(problem, 2), unwritten);
      Buffer packed(conv::DepthwiseForward::packed(problem), unwritten);
      conv::DepthwiseForward::pack(problem, kernel.data(), packed.data());
      conv::DepthwiseForward::run(problem, {2, src.data(), kernel.data(), packed.data(), bias.data(), one.data(), scratch.data()});
      conv::Forward::run(problem, {2, src.data(), kernel.data(), nullptr, bias.data(), other.data(), other_scratch.data()});
      EXPECT_EQ(bits_that_differ(one, other), 0) << core::name_of(isa) << ", multiplier " << multiplier;
    }
  }
}

// Groups of as many channels in as out, several to a vector.
void check_grouped(const Window& window, std::int64_t height, std::int64_t width, std::int64_t groups, std::int64_t depth, std::int64_t images,
                   std::int64_t gap = 0) {
  Geometry g = geometry(window, height, width, groups * depth, groups * depth, groups);
  ASSERT_EQ(conv::is_grouped(g), 2 * depth <= core::lanes() || depth == core::lanes()) << text(g);
  if (gap > 0) g = with_gaps(g, gap);
  check_conv(g, images, static_cast<std::uint32_t>(31 * groups + 7 * height + width + depth));
}

TEST(Conv, GroupsOfFewChannels) {
  for (const std::int64_t depth : {2, 3, 4, 5, 6, 7, 8, 9, 16})
    for (std::int64_t groups = 2; groups <= 11; ++groups) {
      check_grouped(three_same, 7, 12, groups, depth, 1);
      check_grouped({.height = 3, .width = 3, .stride_height = 2, .stride_width = 2, .border = Border::same}, 8, 13, groups, depth, 2);
    }
}

TEST(Conv, GroupsOfFewChannelsWithEveryWindow) {
  for (const std::int64_t depth : {2, 3, 4, 6, 8, 16}) {
    for (std::int64_t height = 1; height <= 5; ++height)
      for (std::int64_t width = 1; width <= 6; ++width)
        for (const Border border : {Border::valid, Border::same})
          check_grouped({.height = height, .width = width, .border = border}, 7, 11, 3, depth, 2);
    for (std::int64_t stride = 1; stride <= 3; ++stride)
      for (std::int64_t dilation = 1; dilation <= 3; ++dilation)
        check_grouped({.height = 3, .width = 3, .stride_height = stride, .stride_width = 1 + stride % 3, .dilation_height = 1 + dilation % 3,
                       .dilation_width = dilation, .border = Border::same},
                      11, 12, 5, depth, 2, dilation - 1);
  }
}

// Windows, strides and maps of every width, with whole vectors of output channels and tails.
TEST(Conv, FewChannels) {
  for (std::int64_t channels = 1; channels <= 4; ++channels) {
    for (std::int64_t width = 1; width <= 46; ++width) {
      const std::int64_t stride = 1 + width % 4, window = 1 + width % 4;
      const Geometry g = geometry({.height = window, .width = 1 + width % 3, .stride_width = stride, .border = Border::same}, 3, width, channels,
                                  5 + 3 * (width % 14));
      check_forward(g, 2, width % 2 == 0, width % 3 == 0 ? Activation::linear : Activation::relu, static_cast<std::uint32_t>(width));
    }
    for (std::int64_t stride = 1; stride <= 5; ++stride)
      for (const std::int64_t out_channels : {7, 16, 24, 32, 40, 48, 67})
        for (const Border border : {Border::valid, Border::same}) {
          const Geometry g = geometry({.height = 4, .width = 3, .stride_height = stride, .stride_width = stride, .border = border}, 11, 15 * stride,
                                      channels, out_channels);
          ASSERT_TRUE(conv::FewChannelsForward::supports({g, false, Activation::linear})) << text(g);
          check_forward(g, 2, true, Activation::relu, static_cast<std::uint32_t>(stride + out_channels));
        }
  }
}

TEST(Conv, FewChannelsOnViewsAndWithTrimmedMaps) {
  for (const Border border : {Border::valid, Border::same})
    for (const std::int64_t gap : {1, 3})
      check_conv(with_gaps(geometry({.height = 3, .width = 3, .stride_width = 2, .border = border}, 9, 31, 3, 20), gap), 3);
  Geometry trimmed = geometry(three_same, 14, 33, 2, 20);
  keep_dst(trimmed, {11, 24});  // some pixels of the source are seen by no output
  ASSERT_TRUE(conv::FewChannelsForward::supports({trimmed, true, Activation::relu}));
  check_conv(trimmed, 2);
  check_forward(geometry({.height = 5, .width = 5, .border = Border::same}, 1, 16, 2, 20), 2, true, Activation::relu);  // large pads
  check_forward(geometry({.height = 16, .width = 3, .border = Border::same}, 4, 2, 1, 20), 2, true, Activation::relu);
}

TEST(Conv, FewChannelsHasTheBitsOfTheDirectForm) {
  const IsaGuard guard;
  const Geometry g = geometry({.height = 3, .width = 5, .stride_height = 2, .stride_width = 2, .border = Border::same}, 13, 47, 3, 39);
  const ConvForward::Problem problem = {g, true, Activation::relu};
  const Buffer src(random_values(src_extent(g, 2), 1)), kernel(random_values(kernel_size(g), 2)), bias(random_values(g.out_channels, 3));
  for (const core::Isa isa : core::available_isas()) {
    core::set_isa(isa);
    if (!core::has(conv::FewChannelsForward::needs)) continue;
    const auto run = [&](std::string_view name) {
      const Implementation<ConvForward> f = convolution(problem, name);
      const Buffer packed = packed_for(f, problem, kernel);
      Buffer dst(dst_extent(g, 2)), scratch(f.scratch(problem, 2), unwritten);
      f.run(problem, {2, src.data(), kernel.data(), packed.data(), bias.data(), dst.data(), scratch.data()});
      return dst;
    };
    EXPECT_EQ(bits_that_differ(run(conv::FewChannelsForward::name), run(conv::Forward::name)), 0) << core::name_of(isa);
  }
}

// Its copies of rows have zeros for padding, which an infinite weight may not meet.
TEST(Conv, FewChannelsWithWeightsThatAreNotFinite) {
  const Geometry g = geometry({.height = 3, .width = 3, .border = Border::same}, 6, 30, 2, 35);
  const ConvForward::Problem problem = {g, false, Activation::linear};
  ASSERT_TRUE(conv::FewChannelsForward::supports(problem));
  const auto src = random_values(src_extent(g, 1), 1);
  for (const double value : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
    for (const std::size_t at : {0U, 3U * 70U + 20U, 9U * 70U - 1U}) {
      auto kernel = random_values(kernel_size(g), 2);
      kernel[at] = value;
      std::vector<double> expected(static_cast<std::size_t>(dst_extent(g, 1)));
      ConvForward::reference<double>(problem, {1, src.data(), kernel.data(), nullptr, nullptr, expected.data(), nullptr});
      const Buffer src32(src), kernel32(kernel);
      for_each_implementation<ConvForward>(problem, [&](const Implementation<ConvForward>& f) {
        if (f.name != conv::FewChannelsForward::name) return;
        Buffer dst(dst_extent(g, 1)), scratch(f.scratch(problem, 1), unwritten);
        const Buffer packed = packed_for(f, problem, kernel32);
        f.run(problem, {1, src32.data(), kernel32.data(), packed.data(), nullptr, dst.data(), scratch.data()});
        for (std::int64_t i = 0; i < dst.size(); ++i)
          ASSERT_EQ(std::isfinite(dst[i]), std::isfinite(expected[static_cast<std::size_t>(i)])) << i << ", weight " << at;
      });
    }
}

TEST(Conv, ViewsLeaveGapsAlone) {
  for (const std::int64_t gap : {1, 3})
    for (const Border border : {Border::valid, Border::same})
      for (const std::int64_t groups : {1, 2})
        check_conv(with_gaps(geometry({.height = 3, .width = 2, .stride_width = 2, .border = border}, 7, 9, 4, 22, groups), gap), 3);
}

TEST(Conv, MapsSmallerThanTheWindow) {
  for (std::int64_t size = 1; size <= 4; ++size) {
    check_conv(geometry({.height = 5, .width = 5, .border = Border::same}, size, size, 3, 20), 3);
    check_conv(geometry({.height = 3, .width = 3, .dilation_height = 6, .dilation_width = 2, .border = Border::same}, size, size, 3, 20), 3);
    check_conv(geometry({.height = 2, .width = 3, .stride_height = 3, .stride_width = 7, .border = Border::same}, size, 5, 3, 20), 3);
  }
}

TEST(Conv, BatchesAndTheNotebooksLayers) {
  for (std::int64_t n = 1; n <= 5; ++n) check_conv(geometry(three, 13, 13, 32, 32), n, static_cast<std::uint32_t>(n));
  check_conv(geometry(three, 28, 28, 1, 32), 9);
}

TEST(Conv, NanAndInfReachTheSameOutputs) {
  const Geometry g = geometry({.height = 3, .width = 3, .border = Border::same}, 6, 7, 3, 19);
  auto src = random_values(src_extent(g, 1), 1), kernel = random_values(kernel_size(g), 2);
  src[20] = std::numeric_limits<double>::quiet_NaN();
  kernel[5] = std::numeric_limits<double>::infinity();  // a border tap: meets no padding
  const ConvForward::Problem problem = {g, false, Activation::relu};
  std::vector<double> expected(static_cast<std::size_t>(dst_extent(g, 1)));
  ConvForward::reference<double>(problem, {1, src.data(), kernel.data(), nullptr, nullptr, expected.data(), nullptr});
  const Buffer src32(src), kernel32(kernel);
  for_each_implementation<ConvForward>(problem, [&](const Implementation<ConvForward>& f) {
    if (!f.numerics.direct_form) return;  // tiles of 2x2 spread an infinite tap, as winograd_map.cc says
    Buffer dst(dst_extent(g, 1)), scratch(f.scratch(problem, 1));
    const Buffer packed = packed_for(f, problem, kernel32);
    f.run(problem, {1, src32.data(), kernel32.data(), packed.data(), nullptr, dst.data(), scratch.data()});
    for (std::int64_t i = 0; i < dst.size(); ++i) {
      const double value = expected[static_cast<std::size_t>(i)];
      EXPECT_EQ(std::isnan(dst[i]), std::isnan(value)) << i;
      EXPECT_EQ(std::isinf(dst[i]), std::isinf(value)) << i;
    }
  });
}

// A pixel that is NaN makes NaN of the outputs that see it and of no others, in Winograd's form too.
TEST(Conv, NanInTheMapReachesTheSameOutputs) {
  const Geometry g = geometry({.height = 3, .width = 3, .border = Border::same}, 7, 8, 40, 35);
  const ConvForward::Problem problem = {g, true, Activation::relu};
  const auto kernel = random_values(kernel_size(g), 2), bias = random_values(35, 3);
  for (std::int64_t pixel = 0; pixel < g.height * g.width; ++pixel) {
    auto src = random_values(src_extent(g, 1), 1);
    src[static_cast<std::size_t>(pixel * 40 + pixel % 40)] = std::numeric_limits<double>::quiet_NaN();
    std::vector<double> expected(static_cast<std::size_t>(dst_extent(g, 1)));
    ConvForward::reference<double>(problem, {1, src.data(), kernel.data(), nullptr, bias.data(), expected.data(), nullptr});
    const Buffer src32(src), kernel32(kernel), bias32(bias);
    for_each_implementation<ConvForward>(problem, [&](const Implementation<ConvForward>& f) {
      Buffer dst(dst_extent(g, 1)), scratch(f.scratch(problem, 1));
      const Buffer packed = packed_for(f, problem, kernel32);
      f.run(problem, {1, src32.data(), kernel32.data(), packed.data(), bias32.data(), dst.data(), scratch.data()});
      std::int64_t differ = 0;
      for (std::int64_t i = 0; i < dst.size(); ++i) differ += std::isnan(dst[i]) != std::isnan(expected[static_cast<std::size_t>(i)]);
      EXPECT_EQ(differ, 0) << "NaN in pixel " << pixel;
    });
  }
}

// A pattern moved inside a margin of zeros moves the output, bit for bit.
TEST(Conv, PositionInvariance) {
  for (const std::int64_t channels : {1, 3, 20})
    for (const std::int64_t window : {2, 3, 5}) {
      const std::int64_t size = 21, pattern = 9;
      const Geometry g = geometry({.height = window, .width = window, .border = Border::same}, size, size, channels, 35);
      const Buffer values(random_values(pattern * pattern * channels, 3)), kernel(random_values(kernel_size(g), 4)), bias(random_values(35, 5));
      const ConvForward::Problem problem = {g, true, Activation::relu};
      for_each_implementation<ConvForward>(problem, [&](const Implementation<ConvForward>& f) {
        if (!f.numerics.position_invariant) return;
        const auto run_at = [&](std::int64_t top, std::int64_t left) {
          Buffer src(src_extent(g, 1)), dst(dst_extent(g, 1)), scratch(f.scratch(problem, 1));
          for (std::int64_t y = 0; y < pattern; ++y)
            for (std::int64_t i = 0; i < pattern * channels; ++i)
              src[(top + y) * g.src_row + left * channels + i] = values[y * pattern * channels + i];
          const Buffer packed = packed_for(f, problem, kernel);
          f.run(problem, {1, src.data(), kernel.data(), packed.data(), bias.data(), dst.data(), scratch.data()});
          return dst;
        };
        const std::int64_t most = size - pattern, middle = most / 2;
        const Buffer base = run_at(middle, middle);
        // All columns at some rows, all rows at one column; at the rim the output's own rim is cut off.
        const auto compare = [&](std::int64_t top, std::int64_t left) {
          const Buffer moved = run_at(top, left);
          std::int64_t differ = 0;
          for (std::int64_t y = 0; y < size; ++y)
            for (std::int64_t x = 0; x < size; ++x) {
              const std::int64_t from_y = y - top + middle, from_x = x - left + middle;
              if (from_y < 0 || from_y >= size || from_x < 0 || from_x >= size) continue;
              for (std::int64_t o = 0; o < 35; ++o)
                differ += std::memcmp(&moved.data()[y * g.dst_row + x * 35 + o], &base.data()[from_y * g.dst_row + from_x * 35 + o], sizeof(float)) != 0;
            }
          EXPECT_EQ(differ, 0) << text(g) << " at " << top << ", " << left;
        };
        for (std::int64_t at = 0; at <= most; ++at) {
          compare(middle, at);
          compare(at, at);
          compare(at, 1);
        }
      });
    }
}

// Convolution is linear in each argument, so central differences of any step are exact.
TEST(Conv, ReferenceGradientsAreFiniteDifferences) {
  for (const Window& window : {Window{.height = 3, .width = 2, .stride_height = 2, .border = Border::same},
                               Window{.height = 2, .width = 3, .dilation_width = 2}, Window{.height = 4, .width = 1, .border = Border::same}}) {
    const Geometry g = geometry(window, 5, 6, 4, 6, 2);
    const std::int64_t images = 2;
    auto src = random_values(src_extent(g, images), 1), kernel = random_values(kernel_size(g), 2);
    const auto ddst = random_values(dst_extent(g, images), 3);
    const auto loss = [&] {
      std::vector<double> dst(ddst.size());
      ConvForward::reference<double>({g}, {images, src.data(), kernel.data(), nullptr, nullptr, dst.data(), nullptr});
      double sum = 0;
      for (std::size_t i = 0; i < dst.size(); ++i) sum += dst[i] * ddst[i];
      return sum;
    };
    const auto check = [&](std::vector<double>& values, const std::vector<double>& gradient) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double value = values[i];
        values[i] = value + 0.5;
        const double above = loss();
        values[i] = value - 0.5;
        const double below = loss();
        values[i] = value;
        EXPECT_NEAR(above - below, gradient[i], 1e-12) << text(g) << " at " << i;
      }
    };
    std::vector<double> dsrc(src.size()), dkernel(kernel.size());
    const auto turned = transposed(g, kernel);
    ConvInputGradient::reference<double>(g, {images, ddst.data(), turned.data(), nullptr, nullptr, dsrc.data(), nullptr});
    ConvKernelGradient::reference<double>(g, {images, src.data(), ddst.data(), dkernel.data(), nullptr});
    check(src, dsrc);
    check(kernel, dkernel);
  }
}

Window any_window() {
  Window window;
  window.height = *rc::gen::inRange(1, 6), window.width = *rc::gen::inRange(1, 6);
  window.stride_height = *rc::gen::inRange(1, 5), window.stride_width = *rc::gen::inRange(1, 5);
  window.dilation_height = *rc::gen::inRange(1, 5), window.dilation_width = *rc::gen::inRange(1, 5);
  window.border = *rc::gen::element(Border::valid, Border::same);
  return window;
}

RC_GTEST_PROP(Conv, AnyGeometry, ()) {
  const std::int64_t groups = *rc::gen::inRange(1, 4);
  const auto resolved = resolve(any_window(), *rc::gen::inRange(1, 14), *rc::gen::inRange(1, 20), groups * *rc::gen::inRange(1, 8),
                                groups * *rc::gen::inRange(1, 40), groups);
  RC_PRE(resolved.has_value());
  const std::int64_t gap = *rc::gen::element(0, 0, 2);
  const Geometry g = gap > 0 ? with_gaps(*resolved, gap) : *resolved;
  check_conv(g, *rc::gen::inRange(1, 4), *rc::gen::inRange(0u, 1000u));
  RC_ASSERT(!::testing::Test::HasFailure());
}

// Where a window may stand, counted one by one.
RC_GTEST_PROP(Geometry, ResolveAgreesWithCounting, ()) {
  const Window window = any_window();
  const std::int64_t height = *rc::gen::inRange(1, 30), width = *rc::gen::inRange(1, 30);
  const auto g = resolve(window, height, width, 3, 5);
  const auto positions = [&](std::int64_t size, std::int64_t taps, std::int64_t stride, std::int64_t dilation) {
    std::int64_t count = 0;
    for (std::int64_t at = 0; at < size; at += stride) count += window.border == Border::same || at + (taps - 1) * dilation < size;
    return count;
  };
  const std::int64_t rows = positions(height, window.height, window.stride_height, window.dilation_height);
  const std::int64_t columns = positions(width, window.width, window.stride_width, window.dilation_width);
  RC_ASSERT(g.has_value() == (rows > 0 && columns > 0));
  if (!g) return;
  RC_ASSERT(g->out_height == rows);
  RC_ASSERT(g->out_width == columns);
  RC_ASSERT(g->dst_image == rows * columns * 5);
  // Pads are the least that lets every window stand, the odd one at the end.
  const auto pads = [&](std::int64_t size, std::int64_t out, std::int64_t stride, std::int64_t reach, std::int64_t before, std::int64_t after) {
    std::int64_t needed = 0;
    if (window.border == Border::same)
      while ((out - 1) * stride + reach > size + needed) ++needed;
    RC_ASSERT(before + after == needed);
    RC_ASSERT(after - before == needed % 2);
  };
  pads(height, rows, window.stride_height, (window.height - 1) * window.dilation_height + 1, g->pad_top, g->pad_bottom);
  pads(width, columns, window.stride_width, (window.width - 1) * window.dilation_width + 1, g->pad_left, g->pad_right);
}

TEST(ConvFull, ChannelsTimesChannels) {
  for (std::int64_t c = 1; c <= 40; ++c)
    for (std::int64_t o = 1; o <= 40; ++o) check_conv(geometry(three, 4, 5, c, o), 1, static_cast<std::uint32_t>(c * 41 + o));
}

TEST(ConvFull, EverySmallGeometry) {
  for (std::int64_t k = 1; k <= 7; ++k)
    for (std::int64_t s = 1; s <= 3; ++s)
      for (std::int64_t d = 1; d <= 3; ++d)
        for (const Border border : {Border::valid, Border::same})
          for (std::int64_t n = 1; n <= 5; n += 2)
            for (const std::int64_t size : {5, 8, 13, 19}) {
              const auto g = resolve({.height = k, .width = 8 - k, .stride_height = s, .stride_width = 1 + s % 2, .dilation_height = d,
                                      .dilation_width = 4 - d, .border = border},
                                     size, size + 1, 6, 20, 2);
              if (g) check_conv(*g, n, static_cast<std::uint32_t>(100 * k + 10 * s + d));
            }
}

TEST(ConvFull, WideLayersAndLargeMaps) {
  check_conv(geometry(three, 6, 6, 130, 200), 2);
  check_conv(geometry({.height = 3, .width = 3, .border = Border::same}, 8, 8, 256, 256), 1);
  check_conv(geometry({.height = 3, .width = 3, .border = Border::same}, 60, 70, 12, 40), 2);
  check_conv(geometry({.height = 7, .width = 7, .stride_height = 2, .stride_width = 2, .border = Border::same}, 64, 64, 3, 64), 2);
  check_conv(geometry({.height = 20, .width = 20}, 20, 20, 4, 50), 3);
  check_conv(geometry({.height = 15, .width = 15, .border = Border::same}, 15, 15, 2, 10), 2);
}

}  // namespace
}  // namespace linn::detail::kernels
