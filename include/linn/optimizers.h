// room: optim
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace linn {

struct OneCycleOptions {
  double max_learning_rate = 0.01;
  /// Steps of the whole cycle; 0: all steps of the fit.
  std::int64_t total_steps = 0;
  /// Share of the steps in which the rate rises.
  double warmup = 0.3;
  /// First rate = max_learning_rate / div_factor; last rate = first / final_div_factor.
  double div_factor = 25;
  double final_div_factor = 1e4;
};

/// A learning rate, or a rule for one.
class LearningRate {
 public:
  LearningRate(double rate);
  /// Smith and Topin, "Super-convergence", 2018: linear up to max_learning_rate, then linear down.
  static LearningRate one_cycle(const OneCycleOptions& options);

  bool is_schedule() const { return schedule_; }
  const OneCycleOptions& cycle() const { return cycle_; }
  /// The rate of step `step` (0 is the first) of a fit of `total_steps` steps.
  double at(std::int64_t step, std::int64_t total_steps) const;

 private:
  double rate_ = 0;
  bool schedule_ = false;
  OneCycleOptions cycle_;
};

/// The one-cycle schedule as a learning rate: `Adam({.learning_rate = OneCycle({.max_learning_rate = 0.01})})`.
LearningRate OneCycle(const OneCycleOptions& options = {});

class OptimizerDescription;

/// How gradients change the variables. From Keras's name ("adam", "sgd", "rmsprop"; ValueError for others) or a class below.
class Optimizer {
 public:
  Optimizer(const char* name) : Optimizer(std::string(name)) {}
  Optimizer(const std::string& name);
  explicit Optimizer(std::shared_ptr<const OptimizerDescription> description) : description_(std::move(description)) {}

  /// Keras's class name: "Adam".
  std::string_view class_name() const;
  const OptimizerDescription& description() const { return *description_; }

 private:
  std::shared_ptr<const OptimizerDescription> description_;
};

struct SGDOptions {
  LearningRate learning_rate = 0.01;
  double momentum = 0;
  bool nesterov = false;
};

/// Gradient descent, with momentum if it is above 0.
class SGD : public Optimizer {
 public:
  explicit SGD(SGDOptions options = {});
};

struct AdamOptions {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  bool amsgrad = false;
};

/// Kingma and Ba, "Adam", ICLR 2015, with epsilon outside the bias correction, as in Keras.
class Adam : public Optimizer {
 public:
  explicit Adam(AdamOptions options = {});
};

struct RMSpropOptions {
  LearningRate learning_rate = 0.001;
  double rho = 0.9;
  double momentum = 0;
  double epsilon = 1e-7;
  bool centered = false;
};

/// Tieleman and Hinton, lecture 6.5 of "Neural networks for machine learning", 2012. Keras's default in `compile`.
class RMSprop : public Optimizer {
 public:
  explicit RMSprop(RMSpropOptions options = {});
};

}  // namespace linn
