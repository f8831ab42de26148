// Activation functions of one value, and their derivatives.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

namespace linn::detail::kernels {

/// Keras's functions of one value. (Softmax and other functions of a whole row are in kernels/reduce.) Functions with arguments:
///
/// | function      | argument 0     | 1             | 2         | f(x)                                                              |
/// |---------------|----------------|---------------|-----------|-------------------------------------------------------------------|
/// | leaky_relu    | negative_slope |               |           | x where x >= 0, else negative_slope * x                           |
/// | clipped_relu  | negative_slope | max_value     | threshold | min(x, max_value) above the threshold, else                       |
/// |               |                |               |           | negative_slope * (x - threshold): Keras's relu with its arguments |
/// | elu           | alpha          |               |           | x where x > 0, else alpha * (exp(x) - 1)                          |
/// | celu          | alpha          |               |           | x where x > 0, else alpha * (exp(x / alpha) - 1)                  |
/// | soft_shrink   | threshold      |               |           | x moved towards 0 by the threshold, which stops at 0              |
/// | hard_shrink   | threshold      |               |           | x where |x| is above the threshold, else 0                        |
/// | threshold     | threshold      | default_value |           | x above the threshold, else default_value                         |
/// | squareplus    | b              |               |           | (x + sqrt(x^2 + b)) / 2                                           |
/// | gelu_tanh     |                |               |           | gelu by tanh: Keras's gelu(approximate=True)                      |
/// | power         | exponent       |               |           | x^exponent, which Keras lacks; NaN for x < 0 unless it is whole   |
///
/// Keras lacks log too, the natural logarithm: NaN for x < 0.
enum class Activation : std::uint8_t {
  linear, relu, relu6, leaky_relu, elu, selu, softplus, softsign, sigmoid, hard_sigmoid, silu, hard_silu, gelu, tanh, exponential,
  mish, log_sigmoid, clipped_relu, celu, soft_shrink, hard_shrink, tanh_shrink, hard_tanh, threshold, squareplus, sparse_plus,
  sparse_sigmoid, gelu_tanh, power, log,
};

/// A function with its arguments; by default Keras's.
struct ActivationSpec {
  Activation kind = Activation::linear;
  std::array<double, 3> arguments = {};

  constexpr ActivationSpec(Activation activation = Activation::linear) : kind(activation), arguments(defaults(activation)) {}
  constexpr ActivationSpec(Activation activation, double first, double second = 0, double third = 0)
      : kind(activation), arguments{first, second, third} {}
  friend constexpr bool operator==(const ActivationSpec&, const ActivationSpec&) = default;

 private:
  static constexpr std::array<double, 3> defaults(Activation activation) {
    switch (activation) {
      case Activation::leaky_relu: return {0.2};
      case Activation::clipped_relu: return {0, std::numeric_limits<double>::infinity(), 0};
      case Activation::elu:
      case Activation::celu: return {1};
      case Activation::soft_shrink:
      case Activation::hard_shrink: return {0.5};
      case Activation::squareplus: return {4};
      case Activation::power: return {2};
      default: return {};
    }
  }
};

/// Activations that convolutions and Dense compute in registers. All others are a pass over the result.
inline bool is_in_registers(Activation activation) {
  return activation == Activation::linear || activation == Activation::relu || activation == Activation::relu6;
}
/// Of these, whether results below 0 become 0, and the largest result.
inline bool cuts_below_zero(Activation activation) { return activation != Activation::linear; }
inline float largest_result(Activation activation) {
  return activation == Activation::relu6 ? 6.0F : std::numeric_limits<float>::infinity();
}

/// Activations that a convolution with a pooling of its own, and normalization, compute in registers.
inline bool is_linear_or_relu(Activation activation) { return activation == Activation::linear || activation == Activation::relu; }

std::string_view name_of(Activation activation);
std::span<const Activation> all_activations();

/// f(x), for T = float or double; also used by the references of fused kernels. NaN stays NaN; relu(-0) = -0.
template <class T>
T activate(const ActivationSpec& activation, T x);
/// f'(x), for T = float or double. At a kink it is the slope of Keras on TensorFlow: 0 for relu, relu6, hard_sigmoid and at clipped_relu's
/// threshold, 1 for hard_tanh and at clipped_relu's max_value, the left slope for leaky_relu, the right slope for elu and selu.
template <class T>
T activate_gradient(const ActivationSpec& activation, T x);

/// dst[i] = f(src[i]). src and dst may be the same.
struct ActivationForward {
  static constexpr std::string_view name = "activation_forward";
  struct Problem {
    ActivationSpec activation = {};
  };
  template <class T>
  struct Args {
    std::int64_t count;
    const T* src;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dsrc[i] = ddst[i] * f'(src[i]), and 0 where f' is 0, even if ddst is not finite. relu'(0) = 0. For relu, `src` may be the output
/// of the forward kernel, since it is positive in the same places. ddst and dsrc may be the same.
struct ActivationGradient {
  static constexpr std::string_view name = "activation_gradient";
  using Problem = ActivationForward::Problem;
  template <class T>
  struct Args {
    std::int64_t count;
    const T* src;
    const T* ddst;
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
