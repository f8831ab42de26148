// room: optim
// Losses. Each class is its options, in Keras's order, and the function itself: `t` is the target, `p` the prediction.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace linn {

class LossDescription;

/// A loss: one of linn::losses with its options.
template <class F>
concept LossClass = requires(const F& loss) {
  { describe(loss) } -> std::same_as<std::shared_ptr<const LossDescription>>;
};

/// What training makes small: a handle to one of linn::losses, or Keras's name of one with its default options ("mse",
/// "mean_squared_error", "MeanSquaredError"). ValueError for an unknown name.
/// The value is the mean over all rows of loss * sample_weight, divided by their number, not by the sum of the weights
/// (Keras's "sum_over_batch_size"). A row is the last axis of the output.
class Loss {
 public:
  /// No loss: the model cannot be trained or evaluated.
  Loss() = default;
  Loss(const char* name) : Loss(std::string(name)) {}
  Loss(const std::string& name);
  template <LossClass F>
  Loss(const F& loss) : Loss(describe(loss)) {}
  explicit Loss(std::shared_ptr<const LossDescription> description) : description_(std::move(description)) {}

  bool defined() const { return description_ != nullptr; }
  /// Keras's names: "mean_squared_error" and "MeanSquaredError"; "none" without a loss.
  std::string name() const;
  std::string_view class_name() const;
  const LossDescription& description() const { return *description_; }

 private:
  std::shared_ptr<const LossDescription> description_;
};

namespace losses {

/// A constant in the type of x.
constexpr auto like(auto x, double constant) { return static_cast<decltype(x)>(constant); }
/// Keras's epsilon.
constexpr auto epsilon(auto x) { return like(x, 1e-7); }
/// The derivative of |x|.
constexpr auto sign(auto x) { return like(x, x > 0 ? 1 : x < 0 ? -1 : 0); }
auto sigmoid(auto x) {
  const auto e = std::exp(-std::abs(x));
  return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

// ---- of numbers: the mean over the last axis ----

/// (p - t)^2
struct MeanSquaredError {
  auto value(auto t, auto p) const { return (p - t) * (p - t); }
  auto slope(auto t, auto p) const { return 2 * (p - t); }
};

/// |p - t|
struct MeanAbsoluteError {
  auto value(auto t, auto p) const { return std::abs(p - t); }
  auto slope(auto t, auto p) const { return sign(p - t); }
};

/// 100 |p - t| / max(|t|, 1e-7)
struct MeanAbsolutePercentageError {
  auto value(auto t, auto p) const { return 100 * std::abs(p - t) / std::max(std::abs(t), epsilon(t)); }
  auto slope(auto t, auto p) const { return 100 * sign(p - t) / std::max(std::abs(t), epsilon(t)); }
};

/// (log(1 + p) - log(1 + t))^2; numbers below 1e-7 count as 1e-7.
struct MeanSquaredLogarithmicError {
  auto difference(auto t, auto p) const { return std::log(1 + std::max(p, epsilon(p))) - std::log(1 + std::max(t, epsilon(t))); }
  auto value(auto t, auto p) const { return difference(t, p) * difference(t, p); }
  auto slope(auto t, auto p) const { return p < epsilon(p) ? like(p, 0) : 2 * difference(t, p) / (1 + p); }
};

/// x^2 / 2 where |x| <= delta, delta |x| - delta^2 / 2 beyond, with x = p - t (Huber, "Robust estimation of a location parameter", 1964).
struct Huber {
  double delta = 1.0;

  auto value(auto t, auto p) const {
    const auto x = std::abs(p - t), d = like(p, delta);
    return x <= d ? x * x / 2 : d * x - d * d / 2;
  }
  auto slope(auto t, auto p) const { return std::clamp(p - t, like(p, -delta), like(p, delta)); }
};

/// log(cosh(p - t))
struct LogCosh {
  auto value(auto t, auto p) const { return std::abs(p - t) + std::log1p(std::exp(-2 * std::abs(p - t))) - std::log(like(p, 2)); }
  auto slope(auto t, auto p) const { return std::tanh(p - t); }
};

/// p - t log(p + 1e-7)
struct Poisson {
  auto value(auto t, auto p) const { return p - t * std::log(p + epsilon(p)); }
  auto slope(auto t, auto p) const { return 1 - t / (p + epsilon(p)); }
};

/// The cosine of the angle between target and prediction, negated: -1 for the same direction. One number for the row.
struct CosineSimilarity {
  template <class T>
  T row(std::span<const T> t, std::span<const T> p, T* slopes) const {
    T tt = 0, pp = 0, tp = 0;
    for (std::size_t c = 0; c < p.size(); ++c) tt += t[c] * t[c], pp += p[c] * p[c], tp += t[c] * p[c];
    // The reciprocal of a norm is 1e7 at most.
    const T limit = 1 / epsilon(tt), of_t = std::min(1 / std::sqrt(tt), limit), of_p = std::min(1 / std::sqrt(pp), limit);
    const T along = of_p < limit ? tp / pp : T{0};
    for (std::size_t c = 0; slopes != nullptr && c < p.size(); ++c) slopes[c] = -of_t * of_p * (t[c] - along * p[c]);
    return -tp * of_t * of_p;
  }
};

// ---- of classes -1 and 1, where 0 counts as -1: the mean over the last axis ----

/// max(1 - t p, 0). Keras takes 0 for -1 only where a whole batch holds nothing but 0 and 1; here each element is looked at alone.
struct Hinge {
  auto margin(auto t, auto p) const { return 1 - (t == 0 ? -1 : t) * p; }
  auto value(auto t, auto p) const { return std::max(margin(t, p), like(p, 0)); }
  auto slope(auto t, auto p) const { return margin(t, p) < 0 ? like(t, 0) : t == 0 ? t + 1 : -t; }
};

/// max(1 - t p, 0)^2
struct SquaredHinge {
  auto value(auto t, auto p) const { return Hinge().value(t, p) * Hinge().value(t, p); }
  auto slope(auto t, auto p) const { return 2 * Hinge().value(t, p) * Hinge().slope(t, p); }
};

/// max(n - s + 1, 0) for one-hot targets, n the largest (1 - t) p, s the sum of t p. Equal largest ones share the gradient. One number for
/// the row.
struct CategoricalHinge {
  template <class T>
  T row(std::span<const T> t, std::span<const T> p, T* slopes) const {
    T largest = (1 - t[0]) * p[0], right = 0, ties = 0;
    for (std::size_t c = 0; c < p.size(); ++c) largest = std::max(largest, (1 - t[c]) * p[c]), right += t[c] * p[c];
    for (std::size_t c = 0; c < p.size(); ++c) ties += (1 - t[c]) * p[c] == largest ? T{1} : T{0};
    const T loss = largest - right + 1;
    for (std::size_t c = 0; slopes != nullptr && c < p.size(); ++c)
      slopes[c] = loss < 0 ? T{0} : ((1 - t[c]) * p[c] == largest ? (1 - t[c]) / ties : T{0}) - t[c];
    return std::max(loss, T{0});
  }
};

// ---- of probabilities ----

/// The sum over the last axis of t log(t / p), both clipped to [1e-7, 1].
struct KLDivergence {
  static constexpr bool sums = true;

  auto clipped(auto x) const { return std::clamp(x, epsilon(x), like(x, 1)); }
  auto value(auto t, auto p) const { return clipped(t) * std::log(clipped(t) / clipped(p)); }
  auto slope(auto t, auto p) const { return p < epsilon(p) || p > 1 ? like(p, 0) : -clipped(t) / p; }
};

/// -t log(p) - (1 - t) log(1 - p), p clipped to [1e-7, 1 - 1e-7]; the mean over the last axis. Behind a sigmoid it is computed from the
/// sigmoid's input, as Keras does on TensorFlow: nothing is clipped.
struct BinaryCrossentropy {
  /// Predictions are numbers of which the sigmoid is taken.
  bool from_logits = false;
  /// In [0, 1]: the target becomes t (1 - s) + s / 2.
  double label_smoothing = 0;

  auto smoothed(auto t) const { return t * like(t, 1 - label_smoothing) + like(t, label_smoothing / 2); }
  auto value(auto t, auto p) const {
    const auto target = smoothed(t), clipped = std::clamp(p, epsilon(p), 1 - epsilon(p));
    if (from_logits) return std::max(p, like(p, 0)) - p * target + std::log1p(std::exp(-std::abs(p)));
    return -(target * std::log(clipped) + (1 - target) * std::log(1 - clipped));
  }
  auto slope(auto t, auto p) const {
    if (from_logits) return sigmoid(p) - smoothed(t);
    return p < epsilon(p) || p > 1 - epsilon(p) ? like(p, 0) : (1 - smoothed(t)) / (1 - p) - smoothed(t) / p;
  }
};

/// BinaryCrossentropy * w^gamma, where w = t (1 - p) + (1 - t) p, the probability of the wrong class (Lin et al., "Focal loss", 2017).
struct BinaryFocalCrossentropy {
  /// Whether targets of 1 weigh alpha and those of 0 weigh 1 - alpha.
  bool apply_class_balancing = false;
  double alpha = 0.25;
  double gamma = 2.0;
  bool from_logits = false;
  double label_smoothing = 0;

  BinaryCrossentropy plain() const { return {.label_smoothing = label_smoothing}; }
  auto probability(auto p) const { return from_logits ? sigmoid(p) : p; }
  auto wrong(auto t, auto p) const { return t * (1 - p) + (1 - t) * p; }
  auto weight(auto t) const {
    const auto a = like(t, alpha);
    return apply_class_balancing ? t * a + (1 - t) * (1 - a) : like(t, 1);
  }
  auto value(auto target, auto prediction) const {
    const auto t = plain().smoothed(target), p = probability(prediction);
    return weight(t) * std::pow(wrong(t, p), like(p, gamma)) * plain().value(target, p);
  }
  auto slope(auto target, auto prediction) const {
    const auto t = plain().smoothed(target), p = probability(prediction), g = like(p, gamma);
    const auto of_factor = gamma == 0 ? like(p, 0) : g * std::pow(wrong(t, p), g - 1) * (1 - 2 * t);
    const auto by_p = weight(t) * (of_factor * plain().value(target, p) + std::pow(wrong(t, p), g) * plain().slope(target, p));
    return from_logits ? by_p * p * (1 - p) : by_p;
  }
};

/// -sum over the last axis of t log(p): targets are one-hot or any distribution. Predictions are divided by their sum, then clipped to
/// [1e-7, 1 - 1e-7]. Behind a softmax it is computed from the softmax's input, as Keras does on TensorFlow: nothing is clipped.
struct CategoricalCrossentropy {
  /// Predictions are numbers of which the softmax is taken.
  bool from_logits = false;
  /// In [0, 1]: the target becomes t (1 - s) + s / classes.
  double label_smoothing = 0;
};

/// -log of the probability given to the right class; targets are integer labels. Otherwise as CategoricalCrossentropy.
struct SparseCategoricalCrossentropy {
  bool from_logits = false;
  /// Rows with this label are left out: the mean is that of the other rows of the batch.
  std::optional<std::int64_t> ignore_class = {};
  /// As CategoricalCrossentropy's; linn's own: Keras has it for one-hot targets only.
  double label_smoothing = 0;
};

/// What the handle Loss keeps. Defined for the classes above.
template <class F>
std::shared_ptr<const LossDescription> describe(const F& loss);

}  // namespace losses
}  // namespace linn
