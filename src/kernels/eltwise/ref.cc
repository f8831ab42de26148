// References of element-wise kernels: activations, conversion, dropout, optimizer updates.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <type_traits>

#include "core/random.h"
#include "kernels/eltwise/activation.h"
#include "kernels/eltwise/eltwise.h"
#include "kernels/eltwise/update.h"

namespace linn::detail::kernels {
namespace {

// In the order of the enum.
constexpr Activation activations[] = {
    Activation::linear,      Activation::relu,           Activation::relu6,        Activation::leaky_relu, Activation::elu,
    Activation::selu,        Activation::softplus,       Activation::softsign,     Activation::sigmoid,    Activation::hard_sigmoid,
    Activation::silu,        Activation::hard_silu,      Activation::gelu,         Activation::tanh,       Activation::exponential,
    Activation::mish,        Activation::log_sigmoid,    Activation::clipped_relu, Activation::celu,       Activation::soft_shrink,
    Activation::hard_shrink, Activation::tanh_shrink,    Activation::hard_tanh,    Activation::threshold,  Activation::squareplus,
    Activation::sparse_plus, Activation::sparse_sigmoid, Activation::gelu_tanh,    Activation::power,      Activation::log};
constexpr std::array<std::string_view, 30> names{
    "linear",      "relu",         "relu6",          "leaky_relu",  "elu",         "selu",        "softplus",    "softsign",
    "sigmoid",     "hard_sigmoid", "silu",           "hard_silu",   "gelu",        "tanh",        "exponential", "mish",
    "log_sigmoid", "clipped_relu", "celu",           "soft_shrink", "hard_shrink", "tanh_shrink", "hard_tanh",   "threshold",
    "squareplus",  "sparse_plus",  "sparse_sigmoid", "gelu_tanh",   "power",       "log",
};
static_assert(names.size() == static_cast<std::size_t>(Activation::log) + 1 && std::size(activations) == names.size());

// Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017.
constexpr double selu_alpha = 1.6732632423543772848170429916717;
constexpr double selu_scale = 1.0507009873554804934193349852946;

// exp() gets only negative numbers here, so that nothing overflows.
template <class T>
T sigmoid(T x) {
  const T e = std::exp(-std::abs(x));
  return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

template <class T>
T softplus(T x) {
  return (x > 0 ? x : T{0}) + std::log1p(std::exp(-std::abs(x)));
}

template <class T>
T hard_sigmoid(T x) {
  return std::clamp(x / 6 + T(0.5), T{0}, T{1});
}

/// The cumulative normal distribution, by erfc, which keeps its precision for tiny results.
template <class T>
T normal_below(T x) {
  return T(0.5) * std::erfc(-x / std::numbers::sqrt2_v<T>);
}

template <class T>
T normal_density(T x) {
  return std::exp(-x * x / 2) * std::numbers::inv_sqrtpi_v<T> / std::numbers::sqrt2_v<T>;
}

// Hendrycks and Gimpel, "Gaussian error linear units", 2016: sqrt(2 / pi) (x + 0.044715 x^3), and its slope.
template <class T>
T gelu_angle(T x) {
  return T(0.79788456080286535588) * (x + T(0.044715) * x * x * x);
}
template <class T>
T gelu_angle_slope(T x) {
  return T(0.79788456080286535588) * (1 + 3 * T(0.044715) * x * x);
}

// Keras's relu with all its arguments.
template <class T>
T clipped_relu(T x, T slope, T most, T threshold) {
  if (std::isnan(x)) return x;
  if (x > threshold) return std::min(x, most);
  return slope == 0 ? T{0} : slope * (x - threshold);  // not 0 * -inf
}

// x^exponent, by the operation that rounds once where there is one.
template <class T>
T power(T x, T exponent) {
  if (exponent == 2) return x * x;
  if (exponent == T(0.5)) return std::sqrt(x);
  if (exponent == -1) return 1 / x;
  return std::isnan(x) ? x : std::pow(x, exponent);  // pow(NaN, 0) is 1
}
// Its slope, for exponent 0 too, where x may be 0.
template <class T>
T power_slope(T x, T exponent) {
  return exponent == 0 ? T{0} : exponent * power(x, exponent - 1);
}

}  // namespace

std::string_view name_of(Activation activation) { return names[static_cast<std::size_t>(activation)]; }

std::span<const Activation> all_activations() { return activations; }

// Comparisons are written such that NaN stays NaN.
template <class T>
T activate(const ActivationSpec& activation, T x) {
  const T a = static_cast<T>(activation.arguments[0]);
  switch (activation.kind) {
    case Activation::linear: return x;
    case Activation::relu: return x < 0 ? T{0} : x;
    case Activation::relu6: return std::clamp(x, T{0}, T{6});
    case Activation::leaky_relu: return x >= 0 ? x : a * x;
    case Activation::elu: return x > 0 ? x : a * std::expm1(x);
    case Activation::selu: return T(selu_scale) * (x > 0 ? x : T(selu_alpha) * std::expm1(x));
    case Activation::softplus: return softplus(x);
    case Activation::softsign: return x / (1 + std::abs(x));
    case Activation::sigmoid: return sigmoid(x);
    case Activation::hard_sigmoid: return hard_sigmoid(x);
    case Activation::silu: return x * sigmoid(x);
    case Activation::hard_silu: return x * hard_sigmoid(x);
    case Activation::gelu: return x * normal_below(x);
    case Activation::tanh: return std::tanh(x);
    case Activation::exponential: return std::exp(x);
    case Activation::mish: return x * std::tanh(softplus(x));
    case Activation::log_sigmoid: return -softplus(-x);
    case Activation::clipped_relu: return clipped_relu(x, a, static_cast<T>(activation.arguments[1]), static_cast<T>(activation.arguments[2]));
    case Activation::celu: return x > 0 ? x : a * std::expm1(x / a);
    case Activation::soft_shrink: return x > a ? x - a : x < -a ? x + a : x * 0;  // 0, and NaN stays NaN
    case Activation::hard_shrink: return x >= -a && x <= a ? T{0} : x;
    case Activation::tanh_shrink: return x - std::tanh(x);
    case Activation::hard_tanh: return std::clamp(x, T{-1}, T{1});
    case Activation::threshold: return x <= a ? static_cast<T>(activation.arguments[1]) : x;
    case Activation::squareplus: return (x + std::sqrt(x * x + a)) / 2;
    case Activation::sparse_plus: return x <= -1 ? T{0} : x < 1 ? (x + 1) * (x + 1) / 4 : x;
    case Activation::sparse_sigmoid: return std::clamp((x + 1) / 2, T{0}, T{1});
    case Activation::gelu_tanh: return x / 2 * (1 + std::tanh(gelu_angle(x)));
    case Activation::power: return power(x, a);
    case Activation::log: return std::log(x);
  }
  return x;
}

template <class T>
T activate_gradient(const ActivationSpec& activation, T x) {
  const T a = static_cast<T>(activation.arguments[0]);
  switch (activation.kind) {
    case Activation::linear: return 1;
    case Activation::relu: return x > 0 ? T{1} : T{0};
    case Activation::relu6: return x > 0 && x < 6 ? T{1} : T{0};
    case Activation::leaky_relu: return x > 0 ? T{1} : a;
    case Activation::elu: return x > 0 ? T{1} : a * std::exp(x);
    case Activation::selu: return T(selu_scale) * (x >= 0 ? T{1} : T(selu_alpha) * std::exp(x));
    case Activation::softplus: return sigmoid(x);
    case Activation::softsign: return 1 / ((1 + std::abs(x)) * (1 + std::abs(x)));
    case Activation::sigmoid: return sigmoid(x) * sigmoid(-x);
    case Activation::hard_sigmoid: return x > -3 && x < 3 ? T{1} / 6 : T{0};
    case Activation::silu: return sigmoid(x) * (1 + x * sigmoid(-x));
    case Activation::hard_silu: return hard_sigmoid(x) + (x > -3 && x < 3 ? x / 6 : T{0});
    case Activation::gelu: return normal_below(x) + x * normal_density(x);
    case Activation::tanh: return 1 - std::tanh(x) * std::tanh(x);
    case Activation::exponential: return std::exp(x);
    case Activation::mish: {
      const T t = std::tanh(softplus(x));
      return t + x * (1 - t * t) * sigmoid(x);
    }
    case Activation::log_sigmoid: return sigmoid(-x);
    case Activation::clipped_relu:
      if (x > static_cast<T>(activation.arguments[2])) return x <= static_cast<T>(activation.arguments[1]) ? T{1} : T{0};
      return x < static_cast<T>(activation.arguments[2]) ? a : T{0};
    case Activation::celu: return x > 0 ? T{1} : std::exp(x / a);
    case Activation::soft_shrink:
    case Activation::hard_shrink: return x > a || x < -a ? T{1} : T{0};
    case Activation::tanh_shrink: return std::tanh(x) * std::tanh(x);
    case Activation::hard_tanh: return x >= -1 && x <= 1 ? T{1} : T{0};
    case Activation::threshold: return x > a ? T{1} : T{0};
    case Activation::squareplus: return (1 + x / std::sqrt(x * x + a)) / 2;
    case Activation::sparse_plus: return x <= -1 ? T{0} : x < 1 ? (x + 1) / 2 : T{1};
    case Activation::sparse_sigmoid: return x > -1 && x < 1 ? T(0.5) : T{0};
    case Activation::gelu_tanh: {
      const T t = std::tanh(gelu_angle(x));
      return (1 + t + x * (1 - t * t) * gelu_angle_slope(x)) / 2;
    }
    case Activation::power: return power_slope(x, a);
    case Activation::log: return 1 / x;
  }
  return 1;
}

template float activate(const ActivationSpec&, float);
template double activate(const ActivationSpec&, double);
template float activate_gradient(const ActivationSpec&, float);
template double activate_gradient(const ActivationSpec&, double);

template <class T>
void ActivationForward::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t i = 0; i < args.count; ++i) args.dst[i] = activate(problem.activation, args.src[i]);
}

template <class T>
void ActivationGradient::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t i = 0; i < args.count; ++i) {
    const T slope = activate_gradient(problem.activation, args.src[i]);
    args.dsrc[i] = slope == 0 ? T{0} : args.ddst[i] * slope;  // where the slope is 0, the gradient is 0 even if ddst is NaN
  }
}

// ---- Gather, Rescale, Add, Dropout ----

namespace {

template <class From, class Args>
void gather_rows(std::int64_t row, const Args& args) {
  using To = std::remove_pointer_t<decltype(args.dst)>;
  for (std::int64_t r = 0; r < args.rows; ++r) {
    const std::int64_t from = args.index == nullptr ? args.first + r : args.index[args.first + r];
    const From* src = static_cast<const From*>(args.src) + from * row;
    for (std::int64_t i = 0; i < row; ++i) {
      if constexpr (std::is_same_v<From, bfloat16>)
        args.dst[r * row + i] = static_cast<To>(to_float(src[i]));
      else
        args.dst[r * row + i] = static_cast<To>(src[i]);
    }
  }
}

template <class Args>
void gather(DType from, std::int64_t row, const Args& args) {
  switch (from) {
    case DType::u8: return gather_rows<std::uint8_t>(row, args);
    case DType::i32: return gather_rows<std::int32_t>(row, args);
    case DType::i64: return gather_rows<std::int64_t>(row, args);
    case DType::f32: return gather_rows<float>(row, args);
    case DType::f64: return gather_rows<double>(row, args);
    case DType::bf16: return gather_rows<bfloat16>(row, args);
  }
}

}  // namespace

template <class T>
void Gather::reference(const Problem& problem, const Args<T>& args) {
  gather(problem.from, problem.row, args);
}

template <class T>
void GatherLabels::reference(const Problem& problem, const Args<T>& args) {
  gather(problem.from, problem.row, args);
}

template <class T>
void Constants::reference(const Problem&, const Args<T>& args) {
  for (std::int64_t i = 0; i < args.count; ++i) args.dst[i] = static_cast<T>(args.src[i]);
}

template <class T>
void Rescale::reference(const Problem& problem, const Args<T>& args) {
  const T scale = static_cast<T>(problem.scale);
  const T offset = static_cast<T>(problem.offset);
  for (std::int64_t i = 0; i < args.count; ++i) args.dst[i] = args.src[i] * scale + offset;
}

template <class T>
void Add::reference(const Problem&, const Args<T>& args) {
  for (std::int64_t i = 0; i < args.count; ++i) args.dst[i] = args.a[i] + args.b[i];
}

template <class T>
void Dropout::reference(const Problem& problem, const Args<T>& args) {
  const core::Random random(args.seed, args.stream);
  const T keep = static_cast<T>(1 - problem.rate);
  for (std::int64_t i = 0; i < args.count; ++i) {
    const bool drop = random.uniform(args.first + static_cast<std::uint64_t>(i)) < problem.rate;
    args.dst[i] = drop ? T{0} : args.src[i] / keep;
  }
}

// ---- updates: every operation rounds to T, in the order of the formula ----

namespace {

template <class Args>
void apply_decay(const Args& args, std::int64_t i) {
  if (args.decay != 0) args.variable[i] -= args.variable[i] * static_cast<std::remove_cvref_t<decltype(args.variable[i])>>(args.decay);
}

}  // namespace

template <class T>
void AdamUpdate::reference(const Problem& problem, const Args<T>& args) {
  const T rest_1 = static_cast<T>(1 - problem.beta_1);
  const T rest_2 = static_cast<T>(1 - problem.beta_2);
  const T epsilon = static_cast<T>(problem.epsilon);
  const T alpha = static_cast<T>(args.alpha);
  for (std::int64_t i = 0; i < args.count; ++i) {
    apply_decay(args, i);
    const T g = args.gradient[i];
    const T m = args.momentum[i] + (g - args.momentum[i]) * rest_1;
    T v = args.velocity[i] + (g * g - args.velocity[i]) * rest_2;
    args.momentum[i] = m;
    args.velocity[i] = v;
    if (problem.amsgrad) v = args.velocity_hat[i] = v > args.velocity_hat[i] ? v : args.velocity_hat[i];
    args.variable[i] -= alpha * m / (std::sqrt(v) + epsilon);
  }
}

template <class T>
void SgdUpdate::reference(const Problem& problem, const Args<T>& args) {
  const T rate = static_cast<T>(args.learning_rate);
  const T mu = static_cast<T>(problem.momentum);
  for (std::int64_t i = 0; i < args.count; ++i) {
    apply_decay(args, i);
    const T step = rate * args.gradient[i];
    if (problem.momentum == 0) {
      args.variable[i] -= step;
      continue;
    }
    const T m = mu * args.momentum[i] - step;
    args.momentum[i] = m;
    args.variable[i] += problem.nesterov ? mu * m - step : m;
  }
}

template <class T>
void RmspropUpdate::reference(const Problem& problem, const Args<T>& args) {
  const T rate = static_cast<T>(args.learning_rate);
  const T rho = static_cast<T>(problem.rho);
  const T rest = static_cast<T>(1 - problem.rho);
  const T mu = static_cast<T>(problem.momentum);
  const T epsilon = static_cast<T>(problem.epsilon);
  for (std::int64_t i = 0; i < args.count; ++i) {
    apply_decay(args, i);
    const T g = args.gradient[i];
    const T v = rho * args.velocity[i] + rest * (g * g);
    args.velocity[i] = v;
    T d = v;
    if (problem.centered) {
      const T a = rho * args.average_gradient[i] + rest * g;
      args.average_gradient[i] = a;
      d = v - a * a;
    }
    T step = rate * g / std::sqrt(d + epsilon);
    if (problem.momentum != 0) step = args.momentum[i] = mu * args.momentum[i] + step;
    args.variable[i] -= step;
  }
}

#define LINN_INSTANTIATE(kernel)                                             \
  template void kernel::reference(const Problem&, const Args<float>&);       \
  template void kernel::reference(const Problem&, const Args<double>&);
LINN_INSTANTIATE(ActivationForward)
LINN_INSTANTIATE(ActivationGradient)
LINN_INSTANTIATE(Gather)
LINN_INSTANTIATE(GatherLabels)
LINN_INSTANTIATE(Constants)
LINN_INSTANTIATE(Rescale)
LINN_INSTANTIATE(Add)
LINN_INSTANTIATE(Dropout)
LINN_INSTANTIATE(AdamUpdate)
LINN_INSTANTIATE(SgdUpdate)
LINN_INSTANTIATE(RmspropUpdate)
#undef LINN_INSTANTIATE

}  // namespace linn::detail::kernels
