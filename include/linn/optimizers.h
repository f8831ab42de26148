// room: optim
// Optimizers. Each class is its options, in Keras's order.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace linn {

class ScheduleDescription;

/// Learning rates that follow from the step. `step` counts from 0 over the model's life, as Keras's `iterations`. Where a number of steps
/// is 0, the schedule takes all steps of each fit, counted from the fit's first step: Keras does not have this.
namespace optimizers::schedules {

/// Smith and Topin, "Super-convergence", 2018: linear up to max_learning_rate, then linear down.
struct OneCycle {
  double max_learning_rate = 0.01;
  /// Steps of the whole cycle; 0: all steps of each fit.
  std::int64_t total_steps = 0;
  /// Share of the steps in which the rate rises.
  double warmup = 0.3;
  /// First rate = max_learning_rate / div_factor; last rate = first / final_div_factor.
  double div_factor = 25;
  double final_div_factor = 1e4;

  double at(std::int64_t step, std::int64_t total_steps_of_fit) const;
};

/// initial_learning_rate * decay_rate ^ p, p = step / decay_steps; with staircase p is rounded down.
struct ExponentialDecay {
  double initial_learning_rate = 0;  ///< must be given
  std::int64_t decay_steps = 0;
  double decay_rate = 0;  ///< must be given
  bool staircase = false;

  double at(std::int64_t step, std::int64_t total_steps_of_fit) const;
};

/// values[0] up to step boundaries[0], values[1] up to step boundaries[1], ..., the last value behind the last boundary. There is one value
/// more than boundaries, which rise.
struct PiecewiseConstantDecay {
  std::vector<std::int64_t> boundaries = {};
  std::vector<double> values = {};

  double at(std::int64_t step, std::int64_t total_steps_of_fit) const;
};

/// (initial_learning_rate - end_learning_rate) * (1 - step / decay_steps) ^ power + end_learning_rate, which stays at the end. With cycle
/// decay_steps is the smallest multiple of it that is not below the step.
struct PolynomialDecay {
  double initial_learning_rate = 0;  ///< must be given
  std::int64_t decay_steps = 0;
  double end_learning_rate = 0.0001;
  double power = 1;
  bool cycle = false;

  double at(std::int64_t step, std::int64_t total_steps_of_fit) const;
};

/// initial_learning_rate / (1 + decay_rate * p), p = step / decay_steps; with staircase p is rounded down.
struct InverseTimeDecay {
  double initial_learning_rate = 0;  ///< must be given
  std::int64_t decay_steps = 0;
  double decay_rate = 0;  ///< must be given
  bool staircase = false;

  double at(std::int64_t step, std::int64_t total_steps_of_fit) const;
};

/// Loshchilov and Hutter, "SGDR", ICLR 2017, one half wave: rate * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha). With
/// warmup_target the rate first goes from initial_learning_rate to that target in warmup_steps steps, and falls from there.
struct CosineDecay {
  double initial_learning_rate = 0;  ///< above 0, or 0 with a warmup_target
  /// Steps of the fall; 0: all steps of each fit but for warmup_steps.
  std::int64_t decay_steps = 0;
  double alpha = 0;
  std::optional<double> warmup_target = {};
  std::int64_t warmup_steps = 0;

  double at(std::int64_t step, std::int64_t total_steps_of_fit) const;
};

/// The same paper with restarts: each period is t_mul times as long as the one before it, and begins at m_mul times its first rate.
struct CosineDecayRestarts {
  double initial_learning_rate = 0;  ///< must be given
  std::int64_t first_decay_steps = 0;
  double t_mul = 2;
  double m_mul = 1;
  double alpha = 0;

  double at(std::int64_t step, std::int64_t total_steps_of_fit) const;
};

/// What the handle LearningRate keeps. Defined for the classes above.
template <class T>
std::shared_ptr<const ScheduleDescription> describe(const T& schedule);

}  // namespace optimizers::schedules

/// A learning rate schedule: one of linn::optimizers::schedules with its options.
template <class T>
concept ScheduleClass = requires(const T& schedule) {
  { describe(schedule) } -> std::same_as<std::shared_ptr<const ScheduleDescription>>;
};

/// A learning rate, or a rule for one: `Adam({.learning_rate = optimizers::schedules::CosineDecay{.initial_learning_rate = 0.01}})`. A function from
/// the step to the rate is one too: `[](std::int64_t step) { return 0.1 / double(1 + step); }`. It must give numbers that are 0 or more
/// (ValueError in the step). A model that was compiled with it cannot be saved (ValueError), as a file holds no function.
class LearningRate {
 public:
  LearningRate(double rate);
  template <ScheduleClass T>
  LearningRate(const T& schedule) : LearningRate(describe(schedule)) {}
  template <std::invocable<std::int64_t> F>
    requires(!ScheduleClass<F>)
  LearningRate(F function) : LearningRate(from_function(std::move(function))) {}
  explicit LearningRate(std::shared_ptr<const ScheduleDescription> schedule) : schedule_(std::move(schedule)) {}

  bool is_schedule() const { return schedule_ != nullptr; }
  /// Whether it is a schedule that takes all steps of each fit.
  bool spans_fit() const;
  /// The rate of step `step` (0 is the first) of a fit of `total_steps` steps.
  double at(std::int64_t step, std::int64_t total_steps) const;
  /// Null for a number.
  const ScheduleDescription* schedule() const { return schedule_.get(); }

 private:
  static std::shared_ptr<const ScheduleDescription> from_function(std::function<double(std::int64_t)> function);

  double rate_ = 0;
  std::shared_ptr<const ScheduleDescription> schedule_;
};

class OptimizerDescription;

/// An optimizer: one of linn::optimizers with its options.
template <class T>
concept OptimizerClass = requires(const T& optimizer) {
  { describe(optimizer) } -> std::same_as<std::shared_ptr<const OptimizerDescription>>;
};

/// How gradients change the variables: a handle to one of linn::optimizers, or Keras's name of one with its default options ("adam";
/// upper and lower case count as the same). ValueError for an unknown name.
class Optimizer {
 public:
  Optimizer(const char* name) : Optimizer(std::string(name)) {}
  Optimizer(const std::string& name);
  template <OptimizerClass T>
  Optimizer(const T& optimizer) : Optimizer(describe(optimizer)) {}
  explicit Optimizer(std::shared_ptr<const OptimizerDescription> description) : description_(std::move(description)) {}

  /// Keras's class name: "Adam".
  std::string_view class_name() const;
  const OptimizerDescription& description() const { return *description_; }

 private:
  std::shared_ptr<const OptimizerDescription> description_;
};

/// The step of an optimizer, in this order, for every class below:
/// 1. `gradient_accumulation_steps` n: only every n-th step changes the variables, by the mean of the last n gradients. Bias corrections
///    count these updates; a learning rate schedule counts all steps.
/// 2. Clipping, one of three at most: `clipnorm`, each variable's gradient is scaled down to this norm; `clipvalue`, each element is
///    clamped to [-clipvalue, clipvalue]; `global_clipnorm`, all gradients are scaled by one factor, so that their common norm is at most
///    this.
/// 3. `weight_decay`: each variable loses weight_decay * learning_rate of itself, biases and normalizations too (Loshchilov and Hutter,
///    "Decoupled weight decay regularization", ICLR 2019).
/// 4. The update.
/// 5. `use_ema`: average = ema_momentum * average + (1 - ema_momentum) * variable; the first update sets it to the variable. After every
///    `ema_overwrite_frequency` updates, and at the end of `fit`, the variables become their averages.
/// 6. The variable's constraint.
///
/// Keras's `loss_scale_factor` is absent: linn computes in float32 and bfloat16, whose exponents have the same range, so that gradients do
/// not underflow as in float16.
/// g is the gradient, w the variable, t the number of the update, from 1.
namespace optimizers {

/// w -= learning_rate * g, or, with momentum, m = momentum * m - learning_rate * g; w += m.
struct SGD {
  LearningRate learning_rate = 0.01;
  double momentum = 0;
  bool nesterov = false;
  std::optional<double> weight_decay = {}, clipnorm = {}, clipvalue = {}, global_clipnorm = {};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency = {}, gradient_accumulation_steps = {};
};

/// Kingma and Ba, "Adam", ICLR 2015, with epsilon outside the bias correction, as in Keras.
struct Adam {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  bool amsgrad = false;
  std::optional<double> weight_decay = {}, clipnorm = {}, clipvalue = {}, global_clipnorm = {};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency = {}, gradient_accumulation_steps = {};
};

/// Adam with weight decay.
struct AdamW {
  LearningRate learning_rate = 0.001;
  double weight_decay = 0.004;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  bool amsgrad = false;
  std::optional<double> clipnorm = {}, clipvalue = {}, global_clipnorm = {};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency = {}, gradient_accumulation_steps = {};
};

/// Kingma and Ba, "Adam", ICLR 2015, section 7.1: m += (1 - beta_1) * (g - m); u = max(beta_2 * u, |g|);
/// w -= learning_rate * m / ((1 - beta_1^t) * (u + epsilon)).
struct Adamax {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  std::optional<double> weight_decay = {}, clipnorm = {}, clipvalue = {}, global_clipnorm = {};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency = {}, gradient_accumulation_steps = {};
};

/// Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016. With mu(t) = beta_1 * (1 - 0.96^t / 2) and P(t) the product of
/// mu(1) to mu(t): h = mu(t + 1) * m / (1 - P(t + 1)) + (1 - mu(t)) * g / (1 - P(t));
/// w -= learning_rate * h / (sqrt(v / (1 - beta_2^t)) + epsilon).
struct Nadam {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  std::optional<double> weight_decay = {}, clipnorm = {}, clipvalue = {}, global_clipnorm = {};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency = {}, gradient_accumulation_steps = {};
};

/// Tieleman and Hinton, lecture 6.5 of "Neural networks for machine learning", 2012. Keras's default in `compile`.
struct RMSprop {
  LearningRate learning_rate = 0.001;
  double rho = 0.9;
  double momentum = 0;
  double epsilon = 1e-7;
  bool centered = false;
  std::optional<double> weight_decay = {}, clipnorm = {}, clipvalue = {}, global_clipnorm = {};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency = {}, gradient_accumulation_steps = {};
};

/// Duchi, Hazan and Singer, "Adaptive subgradient methods", JMLR 2011: a += g^2; w -= learning_rate * g / sqrt(a + epsilon).
struct Adagrad {
  LearningRate learning_rate = 0.001;
  double initial_accumulator_value = 0.1;
  double epsilon = 1e-7;
  std::optional<double> weight_decay = {}, clipnorm = {}, clipvalue = {}, global_clipnorm = {};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency = {}, gradient_accumulation_steps = {};
};

/// Zeiler, "Adadelta", 2012: a = rho * a + (1 - rho) * g^2; step = g * sqrt(d + epsilon) / sqrt(a + epsilon);
/// d = rho * d + (1 - rho) * step^2; w -= learning_rate * step.
struct Adadelta {
  LearningRate learning_rate = 0.001;
  double rho = 0.95;
  double epsilon = 1e-7;
  std::optional<double> weight_decay = {}, clipnorm = {}, clipvalue = {}, global_clipnorm = {};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency = {}, gradient_accumulation_steps = {};
};

/// McMahan et al., "Ad click prediction", KDD 2013, algorithm 1, with the shrinkage of Keras: s = g + 2 * l2_shrinkage * w;
/// z += s - ((a + g^2)^p - a^p) / learning_rate * w, p = -learning_rate_power; a += g^2;
/// w = (clamp(z, -l1, l1) - z) / (a^p / learning_rate + 2 * l2 + beta / learning_rate).
struct Ftrl {
  LearningRate learning_rate = 0.001;
  double learning_rate_power = -0.5;
  double initial_accumulator_value = 0.1;
  double l1_regularization_strength = 0;
  double l2_regularization_strength = 0;
  double l2_shrinkage_regularization_strength = 0;
  double beta = 0;
  std::optional<double> weight_decay = {}, clipnorm = {}, clipvalue = {}, global_clipnorm = {};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency = {}, gradient_accumulation_steps = {};
};

/// Chen et al., "Symbolic discovery of optimization algorithms", 2023: w -= learning_rate * sign(beta_1 * m + (1 - beta_1) * g);
/// m = beta_2 * m + (1 - beta_2) * g.
struct Lion {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.99;
  std::optional<double> weight_decay = {}, clipnorm = {}, clipvalue = {}, global_clipnorm = {};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency = {}, gradient_accumulation_steps = {};
};

/// You et al., "Large batch optimization for deep learning", ICLR 2020: u = m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon) with
/// Adam's m and v; w -= learning_rate * |w| / |u| * u, where |.| is the norm of a whole variable; the quotient is 1 if one of them is 0.
struct Lamb {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  std::optional<double> weight_decay = {}, clipnorm = {}, clipvalue = {}, global_clipnorm = {};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency = {}, gradient_accumulation_steps = {};
};

/// Shazeer and Stern, "Adafactor", ICML 2018, algorithms 4 and 5: of a variable of 2 axes or more, the second moments are the outer product
/// of running means of g^2 along the last axis and the one before it. u = g / sqrt(v); w -= rate * u / max(1, rms(u) / clip_threshold),
/// rate = max(epsilon_2, rms(w)) * min(learning_rate, 1 / sqrt(t)). Keras takes this minimum with relative_step false too.
struct Adafactor {
  LearningRate learning_rate = 0.001;
  double beta_2_decay = -0.8;
  double epsilon_1 = 1e-30;
  double epsilon_2 = 1e-3;
  double clip_threshold = 1;
  bool relative_step = true;
  std::optional<double> weight_decay = {}, clipnorm = {}, clipvalue = {}, global_clipnorm = {};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency = {}, gradient_accumulation_steps = {};
};

/// Jordan et al., "Muon", 2024: the momentum of a matrix, made nearly orthogonal by `ns_steps` Newton-Schulz iterations
/// x = muon_a * x + (muon_b * x x' + muon_c * (x x')^2) x, times learning_rate * rms_rate * sqrt(its larger size) (Liu et al., "Muon is
/// scalable for LLM training", 2025). AdamW, with learning_rate * adam_lr_ratio and adam_weight_decay, trains variables that are no matrix,
/// embeddings unless exclude_embeddings is false, and those in whose name ("dense/kernel") a regular expression of exclude_layers is found.
struct Muon {
  LearningRate learning_rate = 0.001;
  double adam_beta_1 = 0.9;
  double adam_beta_2 = 0.999;
  std::optional<double> adam_weight_decay = 0.004;
  double epsilon = 1e-7;
  std::optional<double> weight_decay = 0.004;
  std::optional<double> clipnorm = {}, clipvalue = {}, global_clipnorm = {};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency = {}, gradient_accumulation_steps = {};
  std::vector<std::string> exclude_layers = {};
  bool exclude_embeddings = true;
  double muon_a = 3.4445;
  double muon_b = -4.775;
  double muon_c = 2.0315;
  double adam_lr_ratio = 1;
  double momentum = 0.95;
  std::int64_t ns_steps = 5;
  bool nesterov = true;
  std::optional<double> rms_rate = 0.2;
};

/// Defazio et al., "The road less scheduled", NeurIPS 2024, with Adam's scaling:
/// z -= learning_rate * g / (sqrt(v / (1 - beta_2^t)) + epsilon); x = (1 - 1/t) * x + z / t; w = (1 - beta_1) * z + beta_1 * x.
/// x is worked out from w and the z of the step before, as in the paper and in Keras on JAX; Keras on TensorFlow takes the new z.
/// The rate rises over warmup_steps.
struct ScheduleFreeAdamW {
  LearningRate learning_rate = 0.0025;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-8;
  std::int64_t warmup_steps = 0;
  std::optional<double> weight_decay = {}, clipnorm = {}, clipvalue = {}, global_clipnorm = {};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency = {}, gradient_accumulation_steps = {};
};

/// What the handle Optimizer keeps. Defined for the classes above.
template <class T>
std::shared_ptr<const OptimizerDescription> describe(const T& optimizer);

}  // namespace optimizers
}  // namespace linn
