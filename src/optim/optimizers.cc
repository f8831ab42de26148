#include "optim/optimizers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "core/did_you_mean.h"
#include "linn/error.h"
#include "plan/ops/update.h"

namespace linn {
namespace {

void check_range(std::string_view optimizer, std::string_view field, double value, double low, double high) {
  if (!(value >= low && value < high)) throw ValueError(fmt::format("{}: {} is {}; it must lie in [{}, {})", optimizer, field, value, low, high));
}

void check_positive(std::string_view optimizer, std::string_view field, double value) {
  if (!(value > 0) || !std::isfinite(value)) throw ValueError(fmt::format("{}: {} is {}; it must be above 0", optimizer, field, value));
}

io::Json rate_to_json(const LearningRate& rate) {
  if (!rate.is_schedule()) return static_cast<double>(static_cast<float>(rate.at(0, 1)));  // Keras keeps it as float32
  const OneCycleOptions& cycle = rate.cycle();
  return {{"module", "linn"},
          {"class_name", "OneCycle"},
          {"config",
           {{"max_learning_rate", cycle.max_learning_rate},
            {"total_steps", cycle.total_steps},
            {"warmup", cycle.warmup},
            {"div_factor", cycle.div_factor},
            {"final_div_factor", cycle.final_div_factor}}},
          {"registered_name", nullptr}};
}

LearningRate rate_from_json(const io::Json& config, std::string_view where, double otherwise) {
  const io::Json* found = io::find_field(config, "learning_rate", where);
  if (found == nullptr) return otherwise;
  if (found->is_number()) return found->get<double>();
  const std::string& name = io::string_field(*found, "class_name", where);
  if (name != "OneCycle") throw FormatError(fmt::format("{}: learning rate schedule \"{}\" is not supported; OneCycle and plain numbers are", where, name));
  const io::Json& cycle = io::object_field(*found, "config", where);
  const OneCycleOptions defaults;
  return LearningRate::one_cycle({.max_learning_rate = io::number_field_or(cycle, "max_learning_rate", where, defaults.max_learning_rate),
                                  .total_steps = io::integer_field_or(cycle, "total_steps", where, 0, 0),
                                  .warmup = io::number_field_or(cycle, "warmup", where, defaults.warmup),
                                  .div_factor = io::number_field_or(cycle, "div_factor", where, defaults.div_factor),
                                  .final_div_factor = io::number_field_or(cycle, "final_div_factor", where, defaults.final_div_factor)});
}

class SgdDescription final : public OptimizerDescription {
 public:
  explicit SgdDescription(SGDOptions options) : options_(options) { check_range("SGD", "momentum", options_.momentum, 0, 1); }

  std::string_view class_name() const override { return "SGD"; }
  const LearningRate& learning_rate() const override { return options_.learning_rate; }
  std::vector<std::string> slots() const override {
    if (options_.momentum == 0) return {};
    return {"momentum"};
  }
  void lower(plan::Lowering& to, plan::Value gradient, plan::Value variable, const std::vector<plan::Value>& slots) const override {
    plan::sgd_update(to, {.momentum = options_.momentum, .nesterov = options_.nesterov}, gradient, variable, slots);
  }
  io::Json config() const override {
    return {{"name", "SGD"}, {"learning_rate", rate_to_json(options_.learning_rate)}, {"momentum", options_.momentum}, {"nesterov", options_.nesterov}};
  }

 private:
  SGDOptions options_;
};

class AdamDescription final : public OptimizerDescription {
 public:
  explicit AdamDescription(AdamOptions options) : options_(options) {
    check_range("Adam", "beta_1", options_.beta_1, 0, 1);
    check_range("Adam", "beta_2", options_.beta_2, 0, 1);
    check_positive("Adam", "epsilon", options_.epsilon);
  }

  std::string_view class_name() const override { return "Adam"; }
  const LearningRate& learning_rate() const override { return options_.learning_rate; }
  std::vector<std::string> slots() const override {
    std::vector<std::string> names{"momentum", "velocity"};
    if (options_.amsgrad) names.emplace_back("velocity_hat");
    return names;
  }
  void lower(plan::Lowering& to, plan::Value gradient, plan::Value variable, const std::vector<plan::Value>& slots) const override {
    plan::adam_update(to, {.beta_1 = options_.beta_1, .beta_2 = options_.beta_2, .epsilon = options_.epsilon, .amsgrad = options_.amsgrad}, gradient,
                      variable, slots);
  }
  io::Json config() const override {
    return {{"name", "adam"},           {"learning_rate", rate_to_json(options_.learning_rate)},
            {"beta_1", options_.beta_1}, {"beta_2", options_.beta_2},
            {"epsilon", options_.epsilon}, {"amsgrad", options_.amsgrad}};
  }

 private:
  AdamOptions options_;
};

class RmspropDescription final : public OptimizerDescription {
 public:
  explicit RmspropDescription(RMSpropOptions options) : options_(options) {
    check_range("RMSprop", "rho", options_.rho, 0, 1);
    check_range("RMSprop", "momentum", options_.momentum, 0, 1);
    check_positive("RMSprop", "epsilon", options_.epsilon);
  }

  std::string_view class_name() const override { return "RMSprop"; }
  const LearningRate& learning_rate() const override { return options_.learning_rate; }
  std::vector<std::string> slots() const override {
    std::vector<std::string> names{"velocity"};
    if (options_.momentum != 0) names.emplace_back("momentum");
    if (options_.centered) names.emplace_back("average_gradient");
    return names;
  }
  void lower(plan::Lowering& to, plan::Value gradient, plan::Value variable, const std::vector<plan::Value>& slots) const override {
    plan::rmsprop_update(to, {.rho = options_.rho, .momentum = options_.momentum, .epsilon = options_.epsilon, .centered = options_.centered}, gradient,
                         variable, slots);
  }
  io::Json config() const override {
    return {{"name", "rmsprop"},       {"learning_rate", rate_to_json(options_.learning_rate)},
            {"rho", options_.rho},     {"momentum", options_.momentum},
            {"epsilon", options_.epsilon}, {"centered", options_.centered}};
  }

 private:
  RMSpropOptions options_;
};

constexpr std::array<std::string_view, 3> names{"sgd", "adam", "rmsprop"};

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

// What Keras's optimizers can do besides: refused when asked for, never dropped in silence.
void check_unsupported(const io::Json& config, std::string_view where) {
  for (const std::string_view key : {"weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "ema_overwrite_frequency", "loss_scale_factor",
                                     "gradient_accumulation_steps"})
    if (io::find_field(config, key, where) != nullptr) throw FormatError(fmt::format("{}: optimizer option \"{}\" is not supported; it must be null", where, key));
  if (io::bool_field_or(config, "use_ema", where, false)) throw FormatError(fmt::format("{}: optimizer option \"use_ema\" is not supported", where));
}

}  // namespace

LearningRate::LearningRate(double rate) : rate_(rate) { check_positive("optimizer", "learning_rate", rate); }

LearningRate LearningRate::one_cycle(const OneCycleOptions& options) {
  check_positive("OneCycle", "max_learning_rate", options.max_learning_rate);
  check_positive("OneCycle", "div_factor", options.div_factor);
  check_positive("OneCycle", "final_div_factor", options.final_div_factor);
  check_range("OneCycle", "warmup", options.warmup, 0, 1);
  if (options.total_steps < 0) throw ValueError(fmt::format("OneCycle: total_steps is {}; it must be 0 (all steps of the fit) or more", options.total_steps));
  LearningRate rate(options.max_learning_rate);
  rate.schedule_ = true;
  rate.cycle_ = options;
  return rate;
}

LearningRate OneCycle(const OneCycleOptions& options) { return LearningRate::one_cycle(options); }

double LearningRate::at(std::int64_t step, std::int64_t total_steps) const {
  if (!schedule_) return rate_;
  const auto steps = static_cast<double>(std::max<std::int64_t>(cycle_.total_steps > 0 ? cycle_.total_steps : total_steps, 1));
  const double first = cycle_.max_learning_rate / cycle_.div_factor;
  const double last = first / cycle_.final_div_factor;
  const double peak = cycle_.warmup * (steps - 1);
  const double position = std::min(static_cast<double>(step), steps - 1);
  if (position < peak) return std::lerp(first, cycle_.max_learning_rate, position / peak);
  const double fall = steps - 1 - peak;
  return fall <= 0 ? cycle_.max_learning_rate : std::lerp(cycle_.max_learning_rate, last, (position - peak) / fall);
}

Optimizer::Optimizer(const std::string& name) {
  const std::string lower = lower_case(name);
  if (lower == "sgd")
    description_ = std::make_shared<SgdDescription>(SGDOptions{});
  else if (lower == "adam")
    description_ = std::make_shared<AdamDescription>(AdamOptions{});
  else if (lower == "rmsprop")
    description_ = std::make_shared<RmspropDescription>(RMSpropOptions{});
  else
    throw ValueError(fmt::format("unknown optimizer \"{}\"{}; known are {}", name, core::did_you_mean(lower, names), fmt::join(names, ", ")));
}

std::string_view Optimizer::class_name() const { return description_->class_name(); }

SGD::SGD(SGDOptions options) : Optimizer(std::make_shared<SgdDescription>(options)) {}
Adam::Adam(AdamOptions options) : Optimizer(std::make_shared<AdamDescription>(options)) {}
RMSprop::RMSprop(RMSpropOptions options) : Optimizer(std::make_shared<RmspropDescription>(options)) {}

namespace optim {

io::Json to_json(const Optimizer& optimizer) {
  return {{"module", "keras.optimizers"}, {"class_name", optimizer.class_name()}, {"config", optimizer.description().config()}, {"registered_name", nullptr}};
}

Optimizer optimizer_from_json(const io::Json& json, std::string_view where) {
  if (json.is_string()) return Optimizer(json.get<std::string>());
  const std::string& name = io::string_field(json, "class_name", where);
  if (name != "SGD" && name != "Adam" && name != "RMSprop")
    throw FormatError(fmt::format("{}: optimizer \"{}\" is not supported; SGD, Adam and RMSprop are", where, name));
  const io::Json& config = io::object_field(json, "config", where);
  check_unsupported(config, where);
  if (name == "SGD")
    return SGD({.learning_rate = rate_from_json(config, where, 0.01),
                .momentum = io::number_field_or(config, "momentum", where, 0),
                .nesterov = io::bool_field_or(config, "nesterov", where, false)});
  if (name == "Adam")
    return Adam({.learning_rate = rate_from_json(config, where, 0.001),
                 .beta_1 = io::number_field_or(config, "beta_1", where, 0.9),
                 .beta_2 = io::number_field_or(config, "beta_2", where, 0.999),
                 .epsilon = io::number_field_or(config, "epsilon", where, 1e-7),
                 .amsgrad = io::bool_field_or(config, "amsgrad", where, false)});
  return RMSprop({.learning_rate = rate_from_json(config, where, 0.001),
                  .rho = io::number_field_or(config, "rho", where, 0.9),
                  .momentum = io::number_field_or(config, "momentum", where, 0),
                  .epsilon = io::number_field_or(config, "epsilon", where, 1e-7),
                  .centered = io::bool_field_or(config, "centered", where, false)});
}

}  // namespace optim
}  // namespace linn
