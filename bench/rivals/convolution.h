// One convolution, for all sides of bench/peers' parts `conv` and `sweep`: its sizes, its numbers, and how results are compared.
// convolution.py is the same for rivals in Python.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "child.h"

namespace rivals {

/// One axis of a convolution: cells of its output, and padding before and behind its input.
struct Axis {
  int out = 0, before = 0, after = 0;
};

/// A convolution in float32, and the pooling that follows it, if any. As text, for example:
///   56x56x64->128 3x3/2 same dilation 2 groups 4 maxpool 3x3/2
/// Height, width and channels of the input, "->", filters; window, "/" and stride where it is not 1; padding as in Keras. Then, as
/// needed, "dilation N", "groups N", "transposed", and one of "maxpool HxW/S", "averagepool HxW/S" (both without padding),
/// "globalmaxpool", "globalaveragepool".
struct Convolution {
  enum class Mode : std::uint8_t {
    infer,    // with bias and relu; nothing is kept for gradients
    forward,  // without bias and activation; keeps what the gradient of a pooling needs
    input_gradient,
    kernel_gradient,
    gradients,  // of input and kernel
  };
  enum class Pool : std::uint8_t { none, max, average, global_max, global_average };

  Mode mode = Mode::forward;
  int batch = 0;
  int height = 0, width = 0, channels = 0, filters = 0;
  int window_height = 1, window_width = 1, stride = 1, dilation = 1, groups = 1;
  bool same = false, transposed = false;
  Pool pool = Pool::none;
  int pool_height = 1, pool_width = 1, pool_stride = 1;

  bool infers() const { return mode == Mode::infer; }
  bool pooled() const { return pool != Pool::none; }
  bool pools_globally() const { return pool == Pool::global_max || pool == Pool::global_average; }
  bool pools_max() const { return pool == Pool::max || pool == Pool::global_max; }
  bool depthwise() const { return groups == channels && groups > 1; }
  bool gives_input_gradient() const { return mode == Mode::input_gradient || mode == Mode::gradients; }
  bool gives_kernel_gradient() const { return mode == Mode::kernel_gradient || mode == Mode::gradients; }
  bool backward() const { return gives_input_gradient() || gives_kernel_gradient(); }

  /// Of the convolution, before the pooling.
  Axis rows() const { return axis(height, window_height); }
  Axis columns() const { return axis(width, window_width); }
  /// Of the result.
  int out_height() const { return pooled_size(rows().out, pool_height); }
  int out_width() const { return pooled_size(columns().out, pool_width); }

  std::size_t map() const { return count({batch, height, width, channels}); }
  std::size_t output() const { return count({batch, out_height(), out_width(), filters}); }
  std::size_t kernel() const { return count({window_height, window_width, channels / groups, filters}); }

 private:
  static std::size_t count(const std::array<int, 4>& sizes) {
    std::size_t product = 1;
    for (const int size : sizes) product *= static_cast<std::size_t>(size);
    return product;
  }
  // A transposed convolution has the padding of the convolution, from its output to its input, whose gradient it is.
  Axis axis(int size, int window) const {
    const int reach = (window - 1) * dilation + 1;
    if (!same) return {.out = (size - reach) / stride + 1};
    const int out = transposed ? size * stride : (size + stride - 1) / stride;
    const int padding = std::max(transposed ? reach - stride : (out - 1) * stride + reach - size, 0);
    return {.out = out, .before = padding / 2, .after = padding - padding / 2};
  }
  int pooled_size(int size, int window) const { return pools_globally() ? 1 : (size - window) / pool_stride + 1; }
};

/// Reads a text as Convolution describes it; throws std::invalid_argument that names the word it does not understand.
inline Convolution parse_convolution(const std::string& text) {
  Convolution c;
  std::istringstream words(text);
  std::string word;
  const auto expect = [&](bool understood) {
    if (!understood) throw std::invalid_argument("convolution '" + text + "': '" + word + "' is not understood");
  };
  const auto number = [&](int& to) { expect((words >> word) && std::sscanf(word.c_str(), "%d", &to) == 1 && to > 0); };
  const auto window = [&](int& height, int& width, int& stride) {
    expect((words >> word) && std::sscanf(word.c_str(), "%dx%d/%d", &height, &width, &stride) >= 2);
  };
  words >> word;
  expect(std::sscanf(word.c_str(), "%dx%dx%d->%d", &c.height, &c.width, &c.channels, &c.filters) == 4);
  window(c.window_height, c.window_width, c.stride);
  words >> word;
  expect(word == "same" || word == "valid");
  c.same = word == "same";
  while (words >> word) {
    if (word == "dilation")
      number(c.dilation);
    else if (word == "groups")
      number(c.groups);
    else if (word == "transposed")
      c.transposed = true;
    else if (word == "globalmaxpool" || word == "globalaveragepool")
      c.pool = word == "globalmaxpool" ? Convolution::Pool::global_max : Convolution::Pool::global_average;
    else {
      expect(word == "maxpool" || word == "averagepool");
      c.pool = word == "maxpool" ? Convolution::Pool::max : Convolution::Pool::average;
      window(c.pool_height, c.pool_width, c.pool_stride);
    }
  }
  if (c.transposed && (!c.same || c.groups > 1))
    throw std::invalid_argument("convolution '" + text + "': a transposed one must have padding \"same\" and one group here");
  return c;
}

inline Convolution read_convolution(const Task& task) {
  constexpr std::array names = {"infer", "forward", "input_gradient", "kernel_gradient", "gradients"};
  Convolution c = parse_convolution(task.network);
  c.batch = task.batch;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (task.mode == names[i]) {
      c.mode = static_cast<Convolution::Mode>(i);
      return c;
    }
  throw std::invalid_argument("mode " + task.mode + ": infer, forward, input_gradient, kernel_gradient, gradients are allowed");
}

// Numbers in [-1, 1), the same on all sides, in NHWC or Keras's layout of kernels.
inline constexpr unsigned input_seed = 1;
inline constexpr unsigned kernel_seed = 2;
inline constexpr unsigned output_gradient_seed = 3;
inline constexpr unsigned sketch_seed = 4;
inline constexpr unsigned bias_seed = 5;

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
  std::mt19937 engine(sketch_seed);
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
