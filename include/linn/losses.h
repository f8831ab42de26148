// room: optim
// Losses. Each class is its options, in Keras's order, and the function itself: `t` is the target, `p` the prediction.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "linn/axes.h"
#include "linn/choice.h"

namespace linn {

class LossDescription;

struct ReductionNames {
  enum Kind : std::uint8_t { sum_over_batch_size, sum, mean, mean_with_sample_weight };
  static constexpr std::string_view option = "reduction", names[] = {"sum_over_batch_size", "sum", "mean", "mean_with_sample_weight"};
  static consteval void check(bool known) {
    if (!known)
      throw "reduction must be \"sum_over_batch_size\", \"sum\", \"mean\" or \"mean_with_sample_weight\"; \"none\" gives no single number";
  }
};
/// How the losses l of the rows of a batch, with their weights w, become one number:
///
/// | "sum_over_batch_size", "mean" | sum of l w / rows          |
/// | "sum"                         | sum of l w                 |
/// | "mean_with_sample_weight"     | sum of l w / sum of w      |
///
/// Rows that a loss leaves out (`ignore_class`) count neither as rows nor as weights. What is logged for an epoch is the mean over its
/// batches. A misspelt literal does not compile; a std::string is checked when it runs (ValueError).
using Reduction = Choice<ReductionNames>;

/// A loss: one of linn::losses with its options.
template <class F>
concept LossClass = requires(const F& loss) {
  { describe(loss) } -> std::same_as<std::shared_ptr<const LossDescription>>;
};

/// A loss of one's own: any copyable class with
///   value(t, p) and slope(t, p)      of one element, its loss and the derivative by the prediction p; the loss of a row is the mean over its
///                                    elements, or their sum if the class says `static constexpr bool sums = true`;
/// or with
///   T row(std::span<const T> t, std::span<const T> p, T* slopes)     of a whole row, for T float and double: the loss; writes the derivatives
///                                    by each p to `slopes` unless that is null;
///   T row(std::int64_t label, std::span<const T> p, T* slopes)       the same of integer labels.
/// The functions are called from several threads at once. `linn::losses::Custom` gives it a name and a reduction.
template <class F>
concept OwnLossClass = requires(const F& loss, std::span<const float> row, float* slopes) { loss.row(row, row, slopes); } ||
                       requires(const F& loss, std::span<const float> row, float* slopes) { loss.row(std::int64_t{0}, row, slopes); } ||
                       requires(const F& loss) { loss.value(1.0, 1.0), loss.slope(1.0, 1.0); };

/// What training makes small: a handle to one of linn::losses, or Keras's name of one with its default options ("mse",
/// "mean_squared_error", "MeanSquaredError"). ValueError for an unknown name.
/// `reduction` says how the losses of rows become one number. A row is the last axis of the output.
class Loss {
 public:
  /// No loss: the model cannot be trained or evaluated.
  Loss() = default;
  Loss(const char* name) : Loss(std::string(name)) {}
  Loss(const std::string& name);
  template <LossClass F>
  Loss(const F& loss) : Loss(describe(loss)) {}
  template <OwnLossClass F>
    requires(!LossClass<F>)
  Loss(const F& loss);
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

/// What kind of predictions a loss wants, unless it takes logits: probabilities of each element alone, as a sigmoid gives them, or of
/// classes, which sum to 1 along the last axis, as a softmax gives them.
enum class Probabilities : std::uint8_t { none, each, distribution };

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
  Reduction reduction = "sum_over_batch_size";

  auto value(auto t, auto p) const { return (p - t) * (p - t); }
  auto slope(auto t, auto p) const { return 2 * (p - t); }
};

/// |p - t|
struct MeanAbsoluteError {
  Reduction reduction = "sum_over_batch_size";

  auto value(auto t, auto p) const { return std::abs(p - t); }
  auto slope(auto t, auto p) const { return sign(p - t); }
};

/// 100 |p - t| / max(|t|, 1e-7)
struct MeanAbsolutePercentageError {
  Reduction reduction = "sum_over_batch_size";

  auto value(auto t, auto p) const { return 100 * std::abs(p - t) / std::max(std::abs(t), epsilon(t)); }
  auto slope(auto t, auto p) const { return 100 * sign(p - t) / std::max(std::abs(t), epsilon(t)); }
};

/// (log(1 + p) - log(1 + t))^2; numbers below 1e-7 count as 1e-7.
struct MeanSquaredLogarithmicError {
  Reduction reduction = "sum_over_batch_size";

  auto difference(auto t, auto p) const { return std::log(1 + std::max(p, epsilon(p))) - std::log(1 + std::max(t, epsilon(t))); }
  auto value(auto t, auto p) const { return difference(t, p) * difference(t, p); }
  auto slope(auto t, auto p) const { return p < epsilon(p) ? like(p, 0) : 2 * difference(t, p) / (1 + p); }
};

/// x^2 / 2 where |x| <= delta, delta |x| - delta^2 / 2 beyond, with x = p - t (Huber, "Robust estimation of a location parameter", 1964).
struct Huber {
  double delta = 1.0;
  Reduction reduction = "sum_over_batch_size";

  auto value(auto t, auto p) const {
    const auto x = std::abs(p - t), d = like(p, delta);
    return x <= d ? x * x / 2 : d * x - d * d / 2;
  }
  auto slope(auto t, auto p) const { return std::clamp(p - t, like(p, -delta), like(p, delta)); }
};

/// log(cosh(p - t))
struct LogCosh {
  Reduction reduction = "sum_over_batch_size";

  auto value(auto t, auto p) const { return std::abs(p - t) + std::log1p(std::exp(-2 * std::abs(p - t))) - std::log(like(p, 2)); }
  auto slope(auto t, auto p) const { return std::tanh(p - t); }
};

/// p - t log(p + 1e-7)
struct Poisson {
  Reduction reduction = "sum_over_batch_size";

  auto value(auto t, auto p) const { return p - t * std::log(p + epsilon(p)); }
  auto slope(auto t, auto p) const { return 1 - t / (p + epsilon(p)); }
};

/// The cosine of the angle between target and prediction, negated: -1 for the same direction. One number for the row.
struct CosineSimilarity {
  Reduction reduction = "sum_over_batch_size";

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
  Reduction reduction = "sum_over_batch_size";

  auto margin(auto t, auto p) const { return 1 - (t == 0 ? -1 : t) * p; }
  auto value(auto t, auto p) const { return std::max(margin(t, p), like(p, 0)); }
  auto slope(auto t, auto p) const { return margin(t, p) < 0 ? like(t, 0) : t == 0 ? t + 1 : -t; }
};

/// max(1 - t p, 0)^2
struct SquaredHinge {
  Reduction reduction = "sum_over_batch_size";

  auto value(auto t, auto p) const { return Hinge().value(t, p) * Hinge().value(t, p); }
  auto slope(auto t, auto p) const { return 2 * Hinge().value(t, p) * Hinge().slope(t, p); }
};

/// max(n - s + 1, 0) for one-hot targets, n the largest (1 - t) p, s the sum of t p. Equal largest ones share the gradient. One number for
/// the row.
struct CategoricalHinge {
  Reduction reduction = "sum_over_batch_size";

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
  static constexpr Probabilities probabilities = Probabilities::distribution;

  Reduction reduction = "sum_over_batch_size";

  auto clipped(auto x) const { return std::clamp(x, epsilon(x), like(x, 1)); }
  auto value(auto t, auto p) const { return clipped(t) * std::log(clipped(t) / clipped(p)); }
  auto slope(auto t, auto p) const { return p < epsilon(p) || p > 1 ? like(p, 0) : -clipped(t) / p; }
};

/// -t log(p) - (1 - t) log(1 - p), p clipped to [1e-7, 1 - 1e-7]; the mean over the last axis. Behind a sigmoid it is computed from the
/// sigmoid's input, as Keras does on TensorFlow: nothing is clipped.
struct BinaryCrossentropy {
  static constexpr Probabilities probabilities = Probabilities::each;

  /// Predictions are numbers of which the sigmoid is taken.
  bool from_logits = false;
  /// In [0, 1]: the target becomes t (1 - s) + s / 2.
  double label_smoothing = 0;
  Reduction reduction = "sum_over_batch_size";

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
  static constexpr Probabilities probabilities = Probabilities::each;

  /// Whether targets of 1 weigh alpha and those of 0 weigh 1 - alpha.
  bool apply_class_balancing = false;
  double alpha = 0.25;
  double gamma = 2.0;
  bool from_logits = false;
  double label_smoothing = 0;
  Reduction reduction = "sum_over_batch_size";

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
  static constexpr Probabilities probabilities = Probabilities::distribution;

  /// Predictions are numbers of which the softmax is taken.
  bool from_logits = false;
  /// In [0, 1]: the target becomes t (1 - s) + s / classes.
  double label_smoothing = 0;
  Reduction reduction = "sum_over_batch_size";
};

/// CategoricalCrossentropy whose term of each class weighs alpha (1 - p)^gamma: -alpha sum of t (1 - p)^gamma log(p) (Lin et al., "Focal
/// loss for dense object detection", 2017, equation 5, for several classes). p is divided by the row's sum and clipped to [1e-7, 1 - 1e-7].
/// One number for the row.
struct CategoricalFocalCrossentropy {
  static constexpr Probabilities probabilities = Probabilities::distribution;

  double alpha = 0.25;
  double gamma = 2.0;
  bool from_logits = false;
  double label_smoothing = 0;
  Reduction reduction = "sum_over_batch_size";

  template <class T>
  T row(std::span<const T> t, std::span<const T> p, T* slopes) const {
    const auto classes = static_cast<T>(p.size());
    const T largest = *std::max_element(p.begin(), p.end()), shift = from_logits ? largest : T{0};
    const auto unscaled = [&](std::size_t c) { return from_logits ? std::exp(p[c] - shift) : p[c]; };
    T total = 0, loss = 0, along = 0;  // along: the sum over classes of d loss / d y times y
    for (std::size_t c = 0; c < p.size(); ++c) total += unscaled(c);
    const T a = like(total, alpha), g = like(total, gamma), low = epsilon(total), high = 1 - low;
    const auto target = [&](std::size_t c) { return t[c] * like(total, 1 - label_smoothing) + like(total, label_smoothing) / classes; };
    const auto slope = [&](std::size_t c) {  // by y, the scaled probability
      const T y = unscaled(c) / total;
      if (y < low || y > high) return T{0};
      const T rest = 1 - y, fading = gamma == 0 ? T{0} : g * std::pow(rest, g - 1) * std::log(y);
      return target(c) * a * (fading - std::pow(rest, g) / y);
    };
    for (std::size_t c = 0; c < p.size(); ++c) {
      const T y = std::clamp(unscaled(c) / total, low, high);
      loss -= target(c) * a * std::pow(1 - y, g) * std::log(y);
      if (slopes != nullptr) along += slope(c) * unscaled(c) / total;
    }
    for (std::size_t c = 0; slopes != nullptr && c < p.size(); ++c) slopes[c] = (slope(c) - along) * (from_logits ? unscaled(c) / total : 1 / total);
    return loss;
  }
};

/// -log of the probability given to the right class; targets are integer labels. Otherwise as CategoricalCrossentropy.
struct SparseCategoricalCrossentropy {
  static constexpr Probabilities probabilities = Probabilities::distribution;

  bool from_logits = false;
  /// Rows with this label are left out: the mean is that of the other rows of the batch.
  std::optional<std::int64_t> ignore_class = {};
  Reduction reduction = "sum_over_batch_size";
  /// As CategoricalCrossentropy's; linn's own: Keras has it for one-hot targets only.
  double label_smoothing = 0;
};

/// (1 - p^q) / q, p the probability given to the right class; targets are integer labels. Near q = 0 it is the crossentropy, at q = 1 the
/// absolute error, which wrong labels disturb less (Zhang and Sabuncu, "Generalized cross entropy loss for training deep neural networks with
/// noisy labels", 2018, equation 6). One number for the row.
struct CategoricalGeneralizedCrossEntropy {
  static constexpr Probabilities probabilities = Probabilities::distribution;

  /// In (0, 1).
  double q = 0.5;
  Reduction reduction = "sum_over_batch_size";

  template <class T>
  T row(std::int64_t label, std::span<const T> p, T* slopes) const {
    const auto at = static_cast<std::size_t>(label);
    const T exponent = like(p[at], q);
    if (slopes != nullptr) std::fill_n(slopes, p.size(), T{0}), slopes[at] = -std::pow(p[at], exponent - 1);
    return (1 - std::pow(p[at], exponent)) / exponent;
  }
};

// ---- of the whole batch ----

/// 1 - 2 sum(t p) / (sum(t) + sum(p) + 1e-7), over the axes of `axis`; the mean over the other axes. Without `axis` the sums are those of the
/// whole batch, and so the loss depends on how the data are cut into batches (Sudre et al., "Generalised Dice overlap as a deep learning loss
/// function", 2017, equation 2, of one class).
struct Dice {
  static constexpr Probabilities probabilities = Probabilities::each;

  Reduction reduction = "sum_over_batch_size";
  /// Axis 0 is the batch axis: {1, 2, 3} gives one number for each image of a model whose outputs are maps.
  std::optional<Axes> axis = {};
};

/// 1 - a / (a + alpha sum(t (1 - p)) + beta sum((1 - t) p) + 1e-7) with a = sum(t p), over the axes of `axis`, as Dice; 0.5 and 0.5 are Dice
/// (Salehi et al., "Tversky loss function for image segmentation using 3D fully convolutional deep networks", 2017, equation 4; Keras calls the
/// two the other way round).
struct Tversky {
  static constexpr Probabilities probabilities = Probabilities::each;

  /// Weight of positives that were missed.
  double alpha = 0.5;
  /// Weight of false alarms.
  double beta = 0.5;
  Reduction reduction = "sum_over_batch_size";
  std::optional<Axes> axis = {};
};

/// For outputs that are vectors of length 1; targets are labels, any whole numbers. With d_ij = max(1 - p_i . p_j, 0), the loss of image i is
///   softplus(log sum over j of the same label of exp(-gamma (margin + d_ij) (margin - d_ij))
///            + log sum over j of another label of exp(gamma (1 + margin - d_ij) (1 - margin - d_ij)))
/// (Sun et al., "Circle loss", 2020, equation 6). The mean is that of the images of a batch that have both a partner and an opponent.
struct Circle {
  double gamma = 80.0;
  double margin = 0.4;
  /// Whether an image is no partner of itself.
  bool remove_diagonal = true;
  Reduction reduction = "sum_over_batch_size";
};

// ---- of one's own ----

struct CustomOptions {
  /// In messages and files. A file keeps the name alone: load_model gives such a model back uncompiled, and says so.
  std::string name = "custom_loss";
  Reduction reduction = "sum_over_batch_size";
};

/// A loss of one's own (OwnLossClass) with a name and a reduction: `losses::Custom(Quantile{0.9}, {.name = "quantile"})`.
class Custom {
 public:
  template <class T>
  using Row = std::function<T(std::span<const T> t, std::int64_t label, std::span<const T> p, T* slopes)>;

  template <OwnLossClass F>
  explicit Custom(const F& loss, CustomOptions options = {})
      : options_(std::move(options)), of_float_(row_of<float>(loss)), of_double_(row_of<double>(loss)), takes_labels_(of_labels<F>) {}

  const CustomOptions& options() const { return options_; }
  bool takes_labels() const { return takes_labels_; }
  /// The loss of a row; `label` counts where the class takes labels, else `t`.
  float row(std::span<const float> t, std::int64_t label, std::span<const float> p, float* slopes) const { return of_float_(t, label, p, slopes); }
  double row(std::span<const double> t, std::int64_t label, std::span<const double> p, double* slopes) const {
    return of_double_(t, label, p, slopes);
  }

 private:
  template <class F>
  static constexpr bool of_labels = requires(const F& f, std::span<const float> p, float* slopes) { f.row(std::int64_t{0}, p, slopes); };

  template <class T, class F>
  static Row<T> row_of(const F& f) {
    if constexpr (of_labels<F>)
      return [f](std::span<const T>, std::int64_t label, std::span<const T> p, T* slopes) { return f.row(label, p, slopes); };
    else if constexpr (requires(std::span<const T> p, T* slopes) { f.row(p, p, slopes); })
      return [f](std::span<const T> t, std::int64_t, std::span<const T> p, T* slopes) { return f.row(t, p, slopes); };
    else
      return [f](std::span<const T> t, std::int64_t, std::span<const T> p, T* slopes) { return by_element(f, t, p, slopes); };
  }
  template <class T, class F>
  static T by_element(const F& f, std::span<const T> t, std::span<const T> p, T* slopes) {
    T share = static_cast<T>(p.size()), sum = 0;
    if constexpr (requires { F::sums; }) share = F::sums ? T{1} : share;
    for (std::size_t c = 0; c < p.size(); ++c) sum += static_cast<T>(f.value(t[c], p[c]));
    for (std::size_t c = 0; slopes != nullptr && c < p.size(); ++c) slopes[c] = static_cast<T>(f.slope(t[c], p[c])) / share;
    return sum / share;
  }

  CustomOptions options_;
  Row<float> of_float_;
  Row<double> of_double_;
  bool takes_labels_;
};

/// What the handle Loss keeps. Defined for the classes above.
template <class F>
std::shared_ptr<const LossDescription> describe(const F& loss);

}  // namespace losses

template <OwnLossClass F>
  requires(!LossClass<F>)
Loss::Loss(const F& loss) : Loss(losses::Custom(loss)) {}

}  // namespace linn
