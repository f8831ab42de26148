// room: optim
// Optimizers. Each class is its options, in Keras's order.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace linn {

namespace optimizers::schedules {

/// Smith and Topin, "Super-convergence", 2018: linear up to max_learning_rate, then linear down.
struct OneCycle {
  double max_learning_rate = 0.01;
  /// Steps of the whole cycle, counted from the model's first step; 0: all steps of each fit.
  std::int64_t total_steps = 0;
  /// Share of the steps in which the rate rises.
  double warmup = 0.3;
  /// First rate = max_learning_rate / div_factor; last rate = first / final_div_factor.
  double div_factor = 25;
  double final_div_factor = 1e4;
};

}  // namespace optimizers::schedules

/// A learning rate, or a rule for one: `Adam({.learning_rate = schedules::OneCycle{.max_learning_rate = 0.01}})`.
class LearningRate {
 public:
  LearningRate(double rate);
  LearningRate(const optimizers::schedules::OneCycle& cycle);

  bool is_schedule() const { return schedule_; }
  const optimizers::schedules::OneCycle& cycle() const { return cycle_; }
  /// The rate of step `step` (0 is the first) of a fit of `total_steps` steps.
  double at(std::int64_t step, std::int64_t total_steps) const;

 private:
  double rate_ = 0;
  bool schedule_ = false;
  optimizers::schedules::OneCycle cycle_;
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
/// 1. Clipping, one of three at most: `clipnorm`, each variable's gradient is scaled down to this norm; `clipvalue`, each element is
///    clamped to [-clipvalue, clipvalue]; `global_clipnorm`, all gradients are scaled by one factor, so that their common norm is at most this.
/// 2. `weight_decay`: each variable loses weight_decay * learning_rate of itself, biases and normalizations too (Loshchilov and Hutter,
///    "Decoupled weight decay regularization", ICLR 2019).
/// 3. The update.
namespace optimizers {

/// What an optimizer keeps for each element of each variable, and its first value.
struct Slot {
  std::string name;
  double first = 0;
  bool beside_last = false;  ///< Keras makes it together with the slot before it, which is the order of its files
};

/// w -= learning_rate * g, or, with momentum, m = momentum * m - learning_rate * g; w += m.
struct SGD {
  LearningRate learning_rate = 0.01;
  double momentum = 0;
  bool nesterov = false;
  std::optional<double> weight_decay = {}, clipnorm = {}, clipvalue = {}, global_clipnorm = {};
};

/// Kingma and Ba, "Adam", ICLR 2015, with epsilon outside the bias correction, as in Keras.
struct Adam {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  bool amsgrad = false;
  std::optional<double> weight_decay = {}, clipnorm = {}, clipvalue = {}, global_clipnorm = {};
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
};

/// Tieleman and Hinton, lecture 6.5 of "Neural networks for machine learning", 2012. Keras's default in `compile`.
struct RMSprop {
  LearningRate learning_rate = 0.001;
  double rho = 0.9;
  double momentum = 0;
  double epsilon = 1e-7;
  bool centered = false;
  std::optional<double> weight_decay = {}, clipnorm = {}, clipvalue = {}, global_clipnorm = {};
};

/// Duchi, Hazan and Singer, "Adaptive subgradient methods", JMLR 2011: a += g^2; w -= learning_rate * g / sqrt(a + epsilon).
struct Adagrad {
  LearningRate learning_rate = 0.001;
  double initial_accumulator_value = 0.1;
  double epsilon = 1e-7;
  std::optional<double> weight_decay = {}, clipnorm = {}, clipvalue = {}, global_clipnorm = {};

  std::vector<Slot> slots() const { return {{"accumulator", initial_accumulator_value}}; }
  void step(auto rate, std::int64_t /*step*/, auto g, auto& w, auto& accumulator) const {
    accumulator += g * g;
    w -= rate * g / std::sqrt(accumulator + static_cast<decltype(g)>(epsilon));
  }
};

/// What the handle Optimizer keeps. Defined for the classes above.
template <class T>
std::shared_ptr<const OptimizerDescription> describe(const T& optimizer);

}  // namespace optimizers
}  // namespace linn
