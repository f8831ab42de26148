// One convolution, for both sides of bench/peers' part `conv`: its sizes, its numbers, and how results are compared.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "child.h"

namespace rivals {

/// 3x3, padding "same", as many output channels as input channels, float32, without bias.
struct Convolution {
  enum class Mode : std::uint8_t {
    forward,
    input_gradient,
    kernel_gradient,
    pool_forward,   // and 2x2 max pooling behind it, which keeps what its gradient needs
    pool_backward,  // from the gradient of the pooled map to those of input and kernel
  };
  Mode mode = Mode::forward;
  int batch = 0;
  int height = 0, width = 0, channels = 0;

  bool pooled() const { return mode == Mode::pool_forward || mode == Mode::pool_backward; }
  bool backward() const { return mode != Mode::forward && mode != Mode::pool_forward; }
  bool gives_input_gradient() const { return mode == Mode::input_gradient || mode == Mode::pool_backward; }
  bool gives_kernel_gradient() const { return mode == Mode::kernel_gradient || mode == Mode::pool_backward; }

  std::size_t map() const { return static_cast<std::size_t>(batch) * height * width * channels; }
  std::size_t output() const { return pooled() ? map() / 4 : map(); }
  std::size_t kernel() const { return std::size_t{9} * channels * channels; }
};

inline Convolution read_convolution(const Task& task) {
  constexpr std::array names = {"forward", "input_gradient", "kernel_gradient", "pool_forward", "pool_backward"};
  Convolution c = {.batch = task.batch};
  if (std::sscanf(task.network.c_str(), "%dx%dx%d", &c.height, &c.width, &c.channels) != 3)
    throw std::invalid_argument("network " + task.network + ": HEIGHTxWIDTHxCHANNELS is wanted");
  for (std::size_t i = 0; i < names.size(); ++i)
    if (task.mode == names[i]) {
      c.mode = static_cast<Convolution::Mode>(i);
      return c;
    }
  throw std::invalid_argument("mode " + task.mode + ": forward, input_gradient, kernel_gradient, pool_forward, pool_backward are allowed");
}

// Numbers in [-1, 1), the same on both sides, in NHWC or Keras's layout of kernels.
inline constexpr unsigned input_seed = 1;
inline constexpr unsigned kernel_seed = 2;
inline constexpr unsigned output_gradient_seed = 3;

inline std::vector<float> numbers(std::size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(static_cast<std::int32_t>(engine())) / 2147483648.0F;
  return values;
}

/// A result in sixteen numbers: its sums under random signs, over the root of their count. Two results are about as far apart, as a
/// share of their length, as their sketches are.
inline std::vector<float> sketch(const float* values, std::size_t count) {
  constexpr int sums = 16;
  std::mt19937 engine(4);
  std::array<double, sums> sum{};
  for (std::size_t i = 0; i < count; ++i) {
    const auto signs = static_cast<std::uint32_t>(engine());
    for (int k = 0; k < sums; ++k) sum[k] += (signs >> k & 1U) != 0 ? values[i] : -values[i];
  }
  std::vector<float> result;
  for (const double value : sum) result.push_back(static_cast<float>(value / std::sqrt(static_cast<double>(count))));
  return result;
}

}  // namespace rivals
