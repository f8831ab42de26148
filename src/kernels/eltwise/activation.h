// Activation functions of one value, and their derivatives.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace linn::kernels {

/// Keras's functions of one value (softmax and log_softmax, which see a whole row, are kernels/reduce).
enum class Activation : std::uint8_t {
  linear, relu, relu6, leaky_relu, elu, selu, softplus, softsign, sigmoid, hard_sigmoid, silu, hard_silu, gelu, tanh, exponential,
  mish, log_sigmoid,
};

/// What the kernels with an epilogue apply to a sum in its register; the others are an op of their own.
inline bool is_linear_or_relu(Activation activation) { return activation == Activation::linear || activation == Activation::relu; }

/// Keras's name ("relu"). The aliases swish and hard_swish are resolved by `activation_named`.
std::string_view name_of(Activation activation);
std::optional<Activation> activation_named(std::string_view name);
std::span<const std::string_view> activation_names();

/// f(x) and f'(x), T = float or double: what a fused reference composes with. NaN stays NaN; relu(-0) = -0.
template <class T>
T activate(Activation activation, T x);
/// At a kink: 0 for relu, relu6 and the hard ones, the left slope for leaky_relu, the right one for elu and selu, as Keras on TensorFlow has it.
template <class T>
T activate_gradient(Activation activation, T x);

/// dst[i] = f(src[i]). src and dst may be the same.
struct ActivationForward {
  static constexpr std::string_view name = "activation_forward";
  struct Problem {
    Activation activation = Activation::linear;
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

/// dsrc[i] = ddst[i] * f'(src[i]), and 0 where f' is 0, whatever ddst is. relu'(0) = 0. For relu alone, `src` may be the
/// output instead: it has the same sign. ddst and dsrc may be the same.
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

}  // namespace linn::kernels
