// Convolution and both gradients of one geometry against the references in double.
#pragma once

#include "kernels/conv/conv.h"
#include "kernels/gemm/dense.h"
#include "kernels/kernel_test.h"

namespace linn::kernels::testing {

inline std::string text(const Geometry& g) {
  const auto pair = [](std::int64_t a, std::int64_t b) { return std::to_string(a) + "x" + std::to_string(b); };
  return "map " + pair(g.height, g.width) + "x" + std::to_string(g.channels) + " -> " + pair(g.out_height, g.out_width) + "x" +
         std::to_string(g.out_channels) + ", window " + pair(g.window_height, g.window_width) + ", stride " +
         pair(g.stride_height, g.stride_width) + ", dilation " + pair(g.dilation_height, g.dilation_width) + ", pad " +
         pair(g.pad_top, g.pad_bottom) + " " + pair(g.pad_left, g.pad_right) + ", groups " + std::to_string(g.groups) + ", pitches " +
         pair(g.src_pixel, g.src_row) + " " + pair(g.dst_pixel, g.dst_row);
}

/// Views into larger maps: each pitch a little more than it needs to be.
inline Geometry with_gaps(Geometry g, std::int64_t gap) {
  g.src_pixel += gap, g.src_row = g.src_pixel * g.width + 2 * gap, g.src_image = g.src_row * g.height + gap;
  g.dst_pixel += gap + 1, g.dst_row = g.dst_pixel * g.out_width + gap, g.dst_image = g.dst_row * g.out_height + 3 * gap;
  return g;
}

/// Elements from the first to the last of a map.
inline std::int64_t src_extent(const Geometry& g, std::int64_t images) {
  return (images - 1) * g.src_image + (g.height - 1) * g.src_row + (g.width - 1) * g.src_pixel + g.channels;
}
inline std::int64_t dst_extent(const Geometry& g, std::int64_t images) {
  return (images - 1) * g.dst_image + (g.out_height - 1) * g.dst_row + (g.out_width - 1) * g.dst_pixel + g.out_channels;
}
inline std::int64_t kernel_size(const Geometry& g) { return g.window_height * g.window_width * (g.channels / g.groups) * g.out_channels; }

inline std::vector<double> transposed(const Geometry& g, const std::vector<double>& kernel) {
  std::vector<double> result(kernel.size());
  TransposeKernel::reference<double>({g.window_height * g.window_width, g.channels / g.groups, g.out_channels}, {kernel.data(), result.data(), nullptr});
  return result;
}

inline void check_forward(const Geometry& g, std::int64_t images, bool bias, Activation activation, std::uint32_t seed = 1, Values values = Values::normal) {
  const auto src = random_values(values, src_extent(g, images), seed), kernel = random_values(values, kernel_size(g), seed + 1);
  const auto biases = random_values(values, g.out_channels, seed + 2);
  const auto src_size = magnitudes(src), kernel_size = magnitudes(kernel), bias_size = magnitudes(biases);
  const auto count = static_cast<std::size_t>(dst_extent(g, images));
  std::vector<double> expected(count, static_cast<double>(untouched)), magnitude(count, 0);
  const ConvForward::Problem problem = {g, bias, activation};
  ConvForward::reference<double>(problem, {images, src.data(), kernel.data(), nullptr, biases.data(), expected.data(), nullptr});
  ConvForward::reference<double>({g, bias, Activation::linear}, {images, src_size.data(), kernel_size.data(), nullptr, bias_size.data(), magnitude.data(), nullptr});
  const Buffer src32(src), kernel32(kernel), bias32(biases);
  for_each_implementation<ConvForward>(problem, [&](const Implementation<ConvForward>& f) {
    Buffer dst(static_cast<std::int64_t>(count), untouched), scratch(f.scratch(problem, images), unwritten);
    const Buffer packed = packed_for(f, problem, kernel32);
    f.run(problem, {images, src32.data(), kernel32.data(), packed.data(), bias ? bias32.data() : nullptr, dst.data(), scratch.data()});
    EXPECT_TRUE(all_near(dst, expected, magnitude)) << text(g) << ", images " << images;
  });
}

inline void check_input_gradient(const Geometry& g, std::int64_t images, std::uint32_t seed = 1, Values values = Values::normal) {
  const auto ddst = random_values(values, dst_extent(g, images), seed), kernel = transposed(g, random_values(values, kernel_size(g), seed + 1));
  const auto ddst_size = magnitudes(ddst), kernel_size = magnitudes(kernel);
  const auto count = static_cast<std::size_t>(src_extent(g, images));
  std::vector<double> expected(count, static_cast<double>(untouched)), magnitude(count, 0);
  ConvInputGradient::reference<double>(g, {images, ddst.data(), kernel.data(), nullptr, expected.data(), nullptr});
  ConvInputGradient::reference<double>(g, {images, ddst_size.data(), kernel_size.data(), nullptr, magnitude.data(), nullptr});
  const Buffer ddst32(ddst), kernel32(kernel);
  for_each_implementation<ConvInputGradient>(g, [&](const Implementation<ConvInputGradient>& f) {
    Buffer dsrc(static_cast<std::int64_t>(count), untouched), scratch(f.scratch(g, images), unwritten);
    const Buffer packed = packed_for(f, g, kernel32);
    f.run(g, {images, ddst32.data(), kernel32.data(), packed.data(), dsrc.data(), scratch.data()});
    EXPECT_TRUE(all_near(dsrc, expected, magnitude)) << text(g) << ", images " << images;
  });
}

inline void check_kernel_gradient(const Geometry& g, std::int64_t images, std::uint32_t seed = 1, Values values = Values::normal) {
  const auto src = random_values(values, src_extent(g, images), seed), ddst = random_values(values, dst_extent(g, images), seed + 1);
  const auto src_size = magnitudes(src), ddst_size = magnitudes(ddst);
  const auto count = static_cast<std::size_t>(kernel_size(g));
  std::vector<double> expected(count), magnitude(count);
  ConvKernelGradient::reference<double>(g, {images, src.data(), ddst.data(), expected.data(), nullptr});
  ConvKernelGradient::reference<double>(g, {images, src_size.data(), ddst_size.data(), magnitude.data(), nullptr});
  const Buffer src32(src), ddst32(ddst);
  for_each_implementation<ConvKernelGradient>(g, [&](const Implementation<ConvKernelGradient>& f) {
    Buffer dkernel(static_cast<std::int64_t>(count), untouched), scratch(f.scratch(g, images), unwritten);
    f.run(g, {images, src32.data(), ddst32.data(), dkernel.data(), scratch.data()});
    EXPECT_TRUE(all_near(dkernel, expected, magnitude)) << text(g) << ", images " << images;
  });
}

/// All three.
inline void check_conv(const Geometry& g, std::int64_t images, std::uint32_t seed = 1) {
  check_forward(g, images, seed % 2 == 0, seed % 3 == 0 ? Activation::relu : Activation::linear, seed);
  check_input_gradient(g, images, seed);
  check_kernel_gradient(g, images, seed);
}

}  // namespace linn::kernels::testing
