#include "optim/optimizers.h"

#include <algorithm>
#include <cmath>
#include <regex>
#include <utility>

#include "io/text.h"
#include "optim/constraints.h"
#include "optim/described.h"
#include "optim/element_steps.h"
#include "optim/schedules.h"
#include "plan/ops/clip.h"
#include "plan/ops/factored_moments.h"
#include "plan/ops/newton_schulz.h"
#include "plan/ops/update.h"

namespace linn {
namespace detail::schema {

// ---- the table of each optimizer: Keras's names, the options ----

template <class O>
constexpr auto rate() {
  return field("learning_rate", &O::learning_rate, "A number or a schedule.");
}
constexpr auto decay(auto member) { return field("weight_decay", member, at_least(0), "Share of itself that a variable loses, times the rate."); }
// What is done around the update of every optimizer.
template <class O>
constexpr auto around() {
  return all(
      field("clipnorm", &O::clipnorm, above(0), "Largest norm of each gradient."),
      field("clipvalue", &O::clipvalue, above(0), "Largest magnitude of each element of a gradient."),
      field("global_clipnorm", &O::global_clipnorm, above(0), "Largest norm of all gradients together."),
      field("use_ema", &O::use_ema, "Whether moving averages of the variables are kept, which they become after fit."),
      field("ema_momentum", &O::ema_momentum, between(0, 1), "Share of the old moving average."),
      field("ema_overwrite_frequency", &O::ema_overwrite_frequency, at_least(1), "Updates after which variables become their averages."),
      field("gradient_accumulation_steps", &O::gradient_accumulation_steps, at_least(2), "Steps whose mean gradient makes one update."));
}

constexpr Absent optimizer_absent[] = {{"name", ""}, {"jit_compile", ""}, {"loss_scale_factor", "null"}, {"is_legacy_optimizer", "false"}};

template <class O>
struct OptimizerSchema {
  static constexpr std::span<const Absent> absent = optimizer_absent;
  static std::string fault(const O& o) {
    if (o.clipnorm.has_value() + o.clipvalue.has_value() + o.global_clipnorm.has_value() < 2) return {};
    return "has more than one of clipnorm, clipvalue and global_clipnorm; give one of them";
  }
};

template <>
struct Schema<optimizers::SGD> : OptimizerSchema<optimizers::SGD> {
  using O = optimizers::SGD;
  static constexpr Info info{"keras.optimizers", "SGD", {"sgd"}, "Gradient descent, with momentum if it is above 0."};
  static constexpr auto fields = all(
      rate<O>(), field("momentum", &O::momentum, from_to_below(0, 1), "Share of the last step that is taken again."),
      field("nesterov", &O::nesterov, "Whether the gradient is that of the place behind the step."), decay(&O::weight_decay), around<O>());
  static constexpr Example examples[] = {{R"({"momentum": 0.9, "nesterov": true})"}, {R"({"clipnorm": 1.0})"}, {R"({"weight_decay": 0.01})"}};
};

template <class O>
constexpr auto beta_fields() {
  return all(field("beta_1", &O::beta_1, from_to_below(0, 1), "Share of the old mean of gradients."),
             field("beta_2", &O::beta_2, from_to_below(0, 1), "Share of the old mean of squared gradients."),
             field("epsilon", &O::epsilon, above(0), "Added to the root, so that nothing is divided by 0."));
}

template <class O>
constexpr auto adam_fields() {
  return all(beta_fields<O>(), field("amsgrad", &O::amsgrad, "Whether the largest mean of squares so far counts."));
}

template <>
struct Schema<optimizers::Adam> : OptimizerSchema<optimizers::Adam> {
  using O = optimizers::Adam;
  static constexpr Info info{"keras.optimizers", "Adam", {"adam"}, "Steps scaled by running means of gradients and of their squares."};
  static constexpr auto fields = all(rate<O>(), adam_fields<O>(), decay(&O::weight_decay), around<O>());
  static constexpr Example examples[] = {{R"({"beta_1": 0.8, "epsilon": 0.001, "amsgrad": true})"}, {R"({"global_clipnorm": 2.0})"}};
};

template <>
struct Schema<optimizers::AdamW> : OptimizerSchema<optimizers::AdamW> {
  using O = optimizers::AdamW;
  static constexpr Info info{"keras.optimizers", "AdamW", {"adamw"}, "Adam with weight decay."};
  static constexpr auto fields = all(rate<O>(), decay(&O::weight_decay), adam_fields<O>(), around<O>());
  static constexpr Example examples[] = {{"{}"}, {R"({"weight_decay": 0.1, "clipvalue": 0.5})"}};
};

template <>
struct Schema<optimizers::RMSprop> : OptimizerSchema<optimizers::RMSprop> {
  using O = optimizers::RMSprop;
  static constexpr Info info{"keras.optimizers", "RMSprop", {"rmsprop"}, "Steps scaled by a running mean of squared gradients."};
  static constexpr auto fields = all(rate<O>(), field("rho", &O::rho, from_to_below(0, 1), "Share of the old mean of squared gradients."),
                                     field("momentum", &O::momentum, from_to_below(0, 1), "Share of the last step that is taken again."),
                                     field("epsilon", &O::epsilon, above(0), "Added to the mean, so that nothing is divided by 0."),
                                     field("centered", &O::centered, "Whether the variance takes the place of the mean of squares."),
                                     decay(&O::weight_decay), around<O>());
  static constexpr Example examples[] = {{"{}"}, {R"({"rho": 0.7, "momentum": 0.1, "centered": true})"}};
};

template <>
struct Schema<optimizers::Adagrad> : OptimizerSchema<optimizers::Adagrad> {
  using O = optimizers::Adagrad;
  static constexpr Info info{"keras.optimizers", "Adagrad", {"adagrad"}, "Steps scaled by the sum of all squared gradients."};
  static constexpr auto fields = all(
      rate<O>(), field("initial_accumulator_value", &O::initial_accumulator_value, at_least(0), "What each sum of squares begins with."),
      field("epsilon", &O::epsilon, above(0), "Added to the sum, so that nothing is divided by 0."), decay(&O::weight_decay), around<O>());
  static constexpr Example examples[] = {{R"({"initial_accumulator_value": 0.5})"}};
};

template <>
struct Schema<optimizers::Adamax> : OptimizerSchema<optimizers::Adamax> {
  using O = optimizers::Adamax;
  static constexpr Info info{"keras.optimizers", "Adamax", {"adamax"}, "Adam with the largest gradient in place of the mean of squares."};
  static constexpr auto fields =
      all(rate<O>(), field("beta_1", &O::beta_1, from_to_below(0, 1), "Share of the old mean of gradients."),
          field("beta_2", &O::beta_2, from_to_below(0, 1), "Share of itself that the largest gradient keeps."),
          field("epsilon", &O::epsilon, above(0), "Added to the divisor."), decay(&O::weight_decay), around<O>());
  static constexpr Example examples[] = {{"{}"}, {R"({"beta_1": 0.8, "beta_2": 0.9, "clipnorm": 1.0})"}};
};

template <>
struct Schema<optimizers::Nadam> : OptimizerSchema<optimizers::Nadam> {
  using O = optimizers::Nadam;
  static constexpr Info info{"keras.optimizers", "Nadam", {"nadam"}, "Adam with Nesterov's momentum."};
  static constexpr auto fields = all(rate<O>(), beta_fields<O>(), decay(&O::weight_decay), around<O>());
  static constexpr Example examples[] = {{"{}"}, {R"({"beta_1": 0.8, "gradient_accumulation_steps": 2})"}};
};

template <>
struct Schema<optimizers::Adadelta> : OptimizerSchema<optimizers::Adadelta> {
  using O = optimizers::Adadelta;
  static constexpr Info info{
      "keras.optimizers", "Adadelta", {"adadelta"}, "Steps scaled by running means of squared gradients and of squared steps."};
  static constexpr auto fields =
      all(rate<O>(), field("rho", &O::rho, from_to_below(0, 1), "Share of the old means."),
          field("epsilon", &O::epsilon, above(0), "Added under the roots."), decay(&O::weight_decay), around<O>());
  static constexpr Example examples[] = {{"{}"}, {R"({"learning_rate": 1.0, "rho": 0.9, "weight_decay": 0.01})"}};
};

template <>
struct Schema<optimizers::Ftrl> : OptimizerSchema<optimizers::Ftrl> {
  using O = optimizers::Ftrl;
  static constexpr Info info{"keras.optimizers", "Ftrl", {"ftrl"}, "Follow the regularized leader: many weights become exactly 0."};
  static constexpr auto fields =
      all(rate<O>(), field("learning_rate_power", &O::learning_rate_power, Range{.most = 0}, "Exponent of the sum of squared gradients."),
          field("initial_accumulator_value", &O::initial_accumulator_value, at_least(0), "First value of the sum of squared gradients."),
          field("l1_regularization_strength", &O::l1_regularization_strength, at_least(0), "Factor of the sum of absolute values."),
          field("l2_regularization_strength", &O::l2_regularization_strength, at_least(0), "Factor of the sum of squares."),
          field("l2_shrinkage_regularization_strength", &O::l2_shrinkage_regularization_strength, at_least(0),
                "Factor of the sum of squares that only the gradient sees."),
          field("beta", &O::beta, at_least(0), "Added to the root of the sum of squared gradients."), decay(&O::weight_decay), around<O>());
  static constexpr Example examples[] = {{"{}"},
                                         {R"({"l1_regularization_strength": 0.01, "l2_regularization_strength": 0.1, "beta": 0.5})"}};
};

template <>
struct Schema<optimizers::Lion> : OptimizerSchema<optimizers::Lion> {
  using O = optimizers::Lion;
  static constexpr Info info{"keras.optimizers", "Lion", {"lion"}, "Steps of one size: the sign of a mean of gradients."};
  static constexpr auto fields = all(
      rate<O>(), field("beta_1", &O::beta_1, Range{.least = 0, .most = 1, .least_open = true}, "Share of the momentum in the direction."),
      field("beta_2", &O::beta_2, between(0, 1), "Share of the old momentum."), decay(&O::weight_decay), around<O>());
  static constexpr Example examples[] = {{"{}"}, {R"({"beta_1": 0.8, "weight_decay": 0.1})"}};
};

template <>
struct Schema<optimizers::Lamb> : OptimizerSchema<optimizers::Lamb> {
  using O = optimizers::Lamb;
  static constexpr Info info{"keras.optimizers", "Lamb", {"lamb"}, "Adam whose steps are scaled by the norm of the variable."};
  static constexpr auto fields = all(rate<O>(), beta_fields<O>(), decay(&O::weight_decay), around<O>());
  static constexpr Example examples[] = {{"{}"}, {R"({"beta_2": 0.99, "weight_decay": 0.01, "use_ema": true})"}};
};

template <>
struct Schema<optimizers::Adafactor> : OptimizerSchema<optimizers::Adafactor> {
  using O = optimizers::Adafactor;
  static constexpr Info info{
      "keras.optimizers", "Adafactor", {"adafactor"}, "Steps scaled by means of squared gradients of rows and columns."};
  static constexpr auto fields =
      all(rate<O>(), field("beta_2_decay", &O::beta_2_decay, "The share of old means is 1 - t ^ beta_2_decay."),
          field("epsilon_1", &O::epsilon_1, at_least(0), "Added to squared gradients."),
          field("epsilon_2", &O::epsilon_2, at_least(0), "The smallest root mean square of a variable that counts."),
          field("clip_threshold", &O::clip_threshold, above(0), "The largest root mean square of a step, before the rate."),
          field("relative_step", &O::relative_step, "Whether the rate is at most 1 / sqrt(t); as in Keras it always is."),
          decay(&O::weight_decay), around<O>());
  static constexpr Example examples[] = {{"{}"}, {R"({"learning_rate": 0.1, "beta_2_decay": -0.5, "clip_threshold": 0.5})"}};
};

template <>
struct Schema<optimizers::Muon> : OptimizerSchema<optimizers::Muon> {
  using O = optimizers::Muon;
  static constexpr Info info{"keras.optimizers", "Muon", {"muon"}, "Orthogonal steps for matrices, AdamW for all other variables."};
  static constexpr auto fields = all(
      rate<O>(), field("adam_beta_1", &O::adam_beta_1, from_to_below(0, 1), "AdamW's share of the old mean of gradients."),
      field("adam_beta_2", &O::adam_beta_2, from_to_below(0, 1), "AdamW's share of the old mean of squared gradients."),
      field("adam_weight_decay", &O::adam_weight_decay, at_least(0), "Weight decay of the variables that AdamW trains."),
      field("epsilon", &O::epsilon, above(0), "Added to AdamW's root."), decay(&O::weight_decay), around<O>(),
      field("exclude_layers", &O::exclude_layers, "Regular expressions; AdamW trains variables in whose name one is found."),
      field("exclude_embeddings", &O::exclude_embeddings, "Whether AdamW trains variables with \"embedding\" in their name."),
      field("muon_a", &O::muon_a, "Factor of x in the Newton-Schulz iteration."), field("muon_b", &O::muon_b, "Factor of its third power."),
      field("muon_c", &O::muon_c, "Factor of its fifth power."),
      field("adam_lr_ratio", &O::adam_lr_ratio, above(0), "AdamW's rate / that of Muon."),
      field("momentum", &O::momentum, from_to_below(0, 1), "Share of the old momentum."),
      field("ns_steps", &O::ns_steps, at_least(1), "Newton-Schulz iterations."),
      field("nesterov", &O::nesterov, "Whether the gradient is added to the momentum once more."),
      field("rms_rate", &O::rms_rate, above(0), "Root mean square of a step, before the rate; none: steps are not scaled by the size."));
  static constexpr Example examples[] = {{"{}"},
                                         {R"({"weight_decay": null, "exclude_layers": ["^head/"], "nesterov": false, "rms_rate": null})"}};
  static std::string fault(const O& o) {
    for (const std::string& expression : o.exclude_layers) try {
        const std::regex checked(expression);
      } catch (const std::regex_error& error) {
        return fmt::format("exclude_layers has \"{}\", which is no regular expression: {}", expression, error.what());
      }
    return OptimizerSchema<O>::fault(o);
  }
};

template <>
struct Schema<optimizers::ScheduleFreeAdamW> : OptimizerSchema<optimizers::ScheduleFreeAdamW> {
  using O = optimizers::ScheduleFreeAdamW;
  static constexpr Info info{"keras.optimizers",
                             "ScheduleFreeAdamW",
                             {"schedulefreeadamw", "schedule_free_adam_w"},
                             "Adam with a mean of all steps in place of a schedule."};
  static constexpr auto fields =
      all(rate<O>(), field("beta_1", &O::beta_1, Range{.least = 0, .most = 1, .least_open = true}, "Share of the mean in the variable."),
          field("beta_2", &O::beta_2, from_to_below(0, 1), "Share of the old mean of squared gradients."),
          field("epsilon", &O::epsilon, above(0), "Added to the root, so that nothing is divided by 0."),
          field("warmup_steps", &O::warmup_steps, at_least(0), "Updates in which the rate rises from 0."), decay(&O::weight_decay),
          around<O>());
  static constexpr Example examples[] = {{"{}"}, {R"({"beta_1": 0.8, "warmup_steps": 4, "weight_decay": 0.01})"}};
};

}  // namespace detail::schema

namespace {

using detail::optim::optimizer_rows;
using detail::optim::step_of;
using detail::plan::UpdateValues;
using detail::schema::Kind;
namespace plan = detail::plan;

// A slot of a variable, whose shape is the variable's unless it says another.
struct Slot {
  std::string name;
  std::optional<Shape> shape = {};
  double first = 0;
  bool beside_last = false, is_copy = false, is_unused = false;  // OptimizerSlot
};

// ---- optimizers with kernels in vectors ----

std::vector<Slot> slots_of(const optimizers::SGD& o, const TrainedVariable&) {
  if (o.momentum == 0) return {};
  return {{"momentum"}};
}
void update(plan::Lowering& to, const optimizers::SGD& o, const UpdateValues& values) {
  plan::sgd_update(to, {.momentum = o.momentum, .nesterov = o.nesterov}, values);
}

template <class A>
std::vector<Slot> adam_slots(const A& o) {
  std::vector<Slot> slots{{"momentum"}, {.name = "velocity", .beside_last = true}};
  if (o.amsgrad) slots.push_back({"velocity_hat"});
  return slots;
}
template <class A>
void adam_update(plan::Lowering& to, const A& o, const UpdateValues& values) {
  plan::adam_update(to, {.beta_1 = o.beta_1, .beta_2 = o.beta_2, .epsilon = o.epsilon, .amsgrad = o.amsgrad}, values);
}
std::vector<Slot> slots_of(const optimizers::Adam& o, const TrainedVariable&) { return adam_slots(o); }
void update(plan::Lowering& to, const optimizers::Adam& o, const UpdateValues& values) { adam_update(to, o, values); }
std::vector<Slot> slots_of(const optimizers::AdamW& o, const TrainedVariable&) { return adam_slots(o); }
void update(plan::Lowering& to, const optimizers::AdamW& o, const UpdateValues& values) { adam_update(to, o, values); }

std::vector<Slot> slots_of(const optimizers::RMSprop& o, const TrainedVariable&) {
  std::vector<Slot> slots{{"velocity"}};
  if (o.momentum != 0) slots.push_back({"momentum"});
  if (o.centered) slots.push_back({"average_gradient"});
  return slots;
}
void update(plan::Lowering& to, const optimizers::RMSprop& o, const UpdateValues& values) {
  plan::rmsprop_update(to, {.rho = o.rho, .momentum = o.momentum, .epsilon = o.epsilon, .centered = o.centered}, values);
}

// ---- optimizers that are a step of each element (element_steps.h) ----

std::vector<Slot> slots_of(const optimizers::Adamax&, const TrainedVariable&) {
  return {{"momentum"}, {.name = "norm", .beside_last = true}};
}
std::vector<Slot> slots_of(const optimizers::Nadam&, const TrainedVariable&) {
  return {{"momentum"}, {.name = "velocity", .beside_last = true}};
}
std::vector<Slot> slots_of(const optimizers::Adagrad& o, const TrainedVariable&) {
  return {{.name = "accumulator", .first = o.initial_accumulator_value}};
}
std::vector<Slot> slots_of(const optimizers::Adadelta&, const TrainedVariable&) {
  return {{"accumulated_grad"}, {.name = "accumulated_delta_var", .beside_last = true}};
}
std::vector<Slot> slots_of(const optimizers::Ftrl& o, const TrainedVariable&) {
  return {{.name = "accumulator", .first = o.initial_accumulator_value}, {.name = "linear", .beside_last = true}};
}
std::vector<Slot> slots_of(const optimizers::Lion&, const TrainedVariable&) { return {{"momentum"}}; }
std::vector<Slot> slots_of(const optimizers::ScheduleFreeAdamW&, const TrainedVariable&) {
  return {{.name = "momentum", .is_copy = true}, {.name = "velocity", .beside_last = true}};
}

template <class O>
struct Steps {
  O options;
  template <class T>
  auto at(T rate, std::int64_t step) const {
    return step_of(options, rate, step);
  }
};
template <class O>
void update(plan::Lowering& to, const O& o, const UpdateValues& values) {
  plan::element_update(to, detail::kernels::StepFunction::of(Steps<O>{o}), values);
}

// ---- optimizers that look at a whole variable ----

plan::Value direction_of(plan::Lowering& to, plan::Value variable) {
  return to.value("step of " + to.info(variable).name, variable.shape, plan::Extent::fixed);
}

// The direction by the step of each element, in a value of its own behind the slots.
template <class O>
plan::Value element_direction(plan::Lowering& to, const O& o, UpdateValues values) {
  values.slots.push_back(direction_of(to, values.variable));
  plan::element_update(to, detail::kernels::StepFunction::of(Steps<O>{o}), values);
  return values.slots.back();
}

struct NoStep {
  template <class T>
  auto at(T /*rate*/, std::int64_t /*step*/) const {
    return [](T, T&) {};
  }
};

std::vector<Slot> slots_of(const optimizers::Lamb&, const TrainedVariable&) {
  return {{"momentum"}, {.name = "velocity", .beside_last = true}};
}
void update(plan::Lowering& to, const optimizers::Lamb& o, const UpdateValues& values) {
  const plan::Value direction = element_direction(to, o, values);
  const std::vector<plan::Value> sums{plan::squared_norm(to, {values.variable}), plan::squared_norm(to, {direction})};
  plan::directed_update(to, direction, values.variable, sums, [](double rate, std::int64_t /*update*/, std::span<const double> squares) {
    return squares[0] > 0 && squares[1] > 0 ? rate * std::sqrt(squares[0]) / std::sqrt(squares[1]) : rate;
  });
}

// Of a variable of less than 2 axes Keras keeps numbers in place of the means, which are never used.
std::vector<Slot> slots_of(const optimizers::Adafactor&, const TrainedVariable& variable) {
  const std::size_t rank = variable.shape.rank();
  const Slot velocity{.name = "velocity", .beside_last = true};
  if (rank < 2)
    return {{.name = "row_means", .shape = Shape{}, .is_unused = true},
            {.name = "column_means", .shape = Shape{}, .beside_last = true, .is_unused = true},
            velocity};
  std::vector<std::int64_t> rows(variable.shape.begin(), variable.shape.end()), columns = rows;
  rows.pop_back();
  columns.erase(columns.end() - 2);
  return {{.name = "row_means", .shape = Shape(std::span<const std::int64_t>(rows))},
          {.name = "column_means", .shape = Shape(std::span<const std::int64_t>(columns)), .beside_last = true},
          velocity};
}
plan::Value adafactor_direction(plan::Lowering& to, const optimizers::Adafactor& o, UpdateValues values) {
  if (values.variable.shape.rank() < 2) {
    values.slots = {values.slots[2]};
    return element_direction(to, o, values);
  }
  if (values.decay != 0)
    plan::element_update(to, detail::kernels::StepFunction::of(NoStep{}),
                         {.gradient = values.gradient, .variable = values.variable, .decay = values.decay});
  const plan::Value direction = direction_of(to, values.variable);
  plan::factored_moments(to,
                         {.gradient = values.gradient,
                          .rows = values.slots[0],
                          .columns = values.slots[1],
                          .velocity = values.slots[2],
                          .direction = direction},
                         o.beta_2_decay, o.epsilon_1);
  return direction;
}
void update(plan::Lowering& to, const optimizers::Adafactor& o, const UpdateValues& values) {
  const plan::Value direction = adafactor_direction(to, o, values);
  const std::vector<plan::Value> sums{plan::squared_norm(to, {values.variable}), plan::squared_norm(to, {direction})};
  const auto elements = static_cast<double>(values.variable.shape.elements());
  plan::directed_update(to, direction, values.variable, sums, [o, elements](double rate, std::int64_t t, std::span<const double> squares) {
    const double relative = std::min(rate, 1 / std::sqrt(static_cast<double>(t)));
    const double alpha = std::max(o.epsilon_2, std::sqrt(squares[0] / elements)) * relative;
    return alpha / std::max(1.0, std::sqrt(squares[1] / elements) / o.clip_threshold);
  });
}

bool is_for_adam(const optimizers::Muon& o, const TrainedVariable& variable) {
  if (variable.shape.rank() != 2) return true;
  if (o.exclude_embeddings && detail::io::lower_case(variable.name).find("embedding") != std::string::npos) return true;
  return std::ranges::any_of(o.exclude_layers,
                             [&](const std::string& expression) { return std::regex_search(variable.name, std::regex(expression)); });
}
std::vector<Slot> slots_of(const optimizers::Muon& o, const TrainedVariable& variable) {
  if (is_for_adam(o, variable)) return {{"momentum"}, {.name = "velocity", .beside_last = true}};
  return {{"momentum"}};
}
void update(plan::Lowering& to, const optimizers::Muon& o, UpdateValues values) {
  const Shape& shape = values.variable.shape;
  if (is_for_adam(o, {shape, to.info(values.variable).name})) {
    values.decay = o.adam_weight_decay.value_or(0);
    values.rate_factor = o.adam_lr_ratio;
    return plan::adam_update(to, {.beta_1 = o.adam_beta_1, .beta_2 = o.adam_beta_2, .epsilon = o.epsilon, .amsgrad = false}, values);
  }
  const plan::Value momentum = element_direction(to, o, values);
  const plan::Value direction = plan::newton_schulz(to, momentum, {.a = o.muon_a, .b = o.muon_b, .c = o.muon_c, .steps = o.ns_steps});
  const double scale = o.rms_rate ? *o.rms_rate * std::sqrt(static_cast<double>(std::max(shape[0], shape[1]))) : 1;
  plan::directed_update(to, direction, values.variable, {},
                        [scale](double rate, std::int64_t, std::span<const double>) { return rate * scale; });
}

// ---- what is common ----

template <class O>
std::vector<double> common_state_of(const O&, std::int64_t) {
  return {};
}
std::vector<double> common_state_of(const optimizers::Nadam& o, std::int64_t updates) {
  return {detail::optim::nadam_product(o.beta_1, updates)};
}

double decay_of(const std::optional<double>& weight_decay) { return weight_decay.value_or(0); }
double decay_of(double weight_decay) { return weight_decay; }

template <class O>
class Described final : public OptimizerDescription {
 public:
  explicit Described(const O& optimizer)
      : optimizer_(detail::schema::checked(optimizer, fmt::format("{}:", detail::schema::Schema<O>::info.name))) {}

  std::string_view class_name() const override { return detail::schema::Schema<O>::info.name; }
  const LearningRate& learning_rate() const override { return optimizer_.learning_rate; }
  AroundUpdate around_update() const override {
    const O& o = optimizer_;
    return {
        o.clipnorm, o.clipvalue, o.global_clipnorm, o.use_ema, o.ema_momentum, o.ema_overwrite_frequency, o.gradient_accumulation_steps};
  }
  std::vector<OptimizerSlot> slots(const TrainedVariable& variable) const override {
    std::vector<OptimizerSlot> result;
    if (optimizer_.use_ema) result.push_back({.name = "average", .shape = variable.shape});
    if (optimizer_.gradient_accumulation_steps) result.push_back({.name = "gradient_accumulator", .shape = variable.shape});
    for (const Slot& slot : slots_of(optimizer_, variable))
      result.push_back({slot.name, slot.shape.value_or(variable.shape), slot.first, slot.beside_last, slot.is_copy, slot.is_unused});
    return result;
  }
  std::vector<double> common_state(std::int64_t updates) const override { return common_state_of(optimizer_, updates); }
  void lower_update(plan::Lowering& to, plan::Value gradient, plan::Value variable, const std::vector<plan::Value>& slots) const override {
    update(to, optimizer_,
           UpdateValues{.gradient = gradient, .variable = variable, .slots = slots, .decay = decay_of(optimizer_.weight_decay)});
  }
  detail::io::Json config() const override {
    detail::io::Json config = {{"name", detail::schema::Schema<O>::info.aliases[0]}};
    config.update(detail::schema::write(optimizer_));
    return config;
  }

 private:
  O optimizer_;
};

template <class O>
Optimizer read(const detail::io::Json& config, const std::string& where) {
  return Optimizer(detail::schema::read<O>(config, where));
}

}  // namespace

namespace optimizers {
template <class T>
std::shared_ptr<const OptimizerDescription> describe(const T& optimizer) {
  return std::make_shared<Described<T>>(optimizer);
}
#define LINN_OPTIMIZER(name) template std::shared_ptr<const OptimizerDescription> describe(const name&);
#include "optim/optimizers.inc"
#undef LINN_OPTIMIZER
}  // namespace optimizers

Optimizer::Optimizer(const std::string& name)
    : Optimizer(detail::optim::row_named(Kind::optimizer, optimizer_rows(), detail::io::lower_case(name))
                    .read(detail::io::Json::object(), name)) {}

std::string_view Optimizer::class_name() const { return description_->class_name(); }

namespace detail::optim {

std::vector<std::pair<std::size_t, std::size_t>> slot_order(const OptimizerDescription& optimizer,
                                                            std::span<const TrainedVariable> variables) {
  struct Slot {
    std::size_t group, variable, slot;
  };
  std::vector<Slot> all;
  for (std::size_t variable = 0; variable < variables.size(); ++variable) {
    const std::vector<OptimizerSlot> slots = optimizer.slots(variables[variable]);
    for (std::size_t slot = 0, group = 0; slot < slots.size(); ++slot)
      all.push_back({slots[slot].beside_last ? group : ++group, variable, slot});
  }
  std::ranges::stable_sort(all, std::ranges::less{}, &Slot::group);
  std::vector<std::pair<std::size_t, std::size_t>> order;
  for (const Slot& slot : all) order.emplace_back(slot.variable, slot.slot);
  return order;
}

std::optional<std::size_t> average_slot(const OptimizerDescription& optimizer) {
  return optimizer.around_update().use_ema ? std::optional<std::size_t>(0) : std::nullopt;
}

std::span<const schema::RowOf<Optimizer>> optimizer_rows() {
  static const schema::RowOf<Optimizer> rows[] = {
#define LINN_OPTIMIZER(name) schema::make_row<optimizers::name>(Kind::optimizer, &read<optimizers::name>),
#include "optim/optimizers.inc"
#undef LINN_OPTIMIZER
  };
  return rows;
}

namespace {

// acc += g; in the last of `every` steps the mean is (acc + g) / every, and acc becomes 0.
struct Accumulate {
  std::int64_t every;
  template <class T>
  auto at(T /*rate*/, std::int64_t step) const {
    return [is_last = step % every == 0, steps = static_cast<T>(every)](T g, T& accumulated, T& mean) {
      accumulated = g + accumulated;
      if (!is_last) return;
      mean = accumulated / steps;
      accumulated = 0;
    };
  }
};

// The moving average of the variable g, which is w.
struct Average {
  AroundUpdate options;
  template <class T>
  auto at(T /*rate*/, std::int64_t step) const {
    const std::int64_t updates = (step - 1) / options.every();
    const T keep = static_cast<T>(updates == 0 ? 0 : options.ema_momentum);
    const bool overwrites = options.ema_overwrite_frequency && (updates + 1) % *options.ema_overwrite_frequency == 0;
    return [=](T g, T& average, T& w) {
      average = keep * average + (T{1} - keep) * g;
      if (overwrites) w = average;
    };
  }
};

plan::Value mean_gradient(plan::Lowering& to, const AroundUpdate& around, const Trained& trained) {
  const plan::Value mean = to.value("mean d " + to.info(trained.variable).name, trained.variable.shape, plan::Extent::fixed);
  const plan::Value accumulator = trained.slots[around.use_ema ? 1 : 0];
  plan::element_update(to, kernels::StepFunction::of(Accumulate{around.every()}),
                       {.gradient = trained.gradient, .variable = accumulator, .slots = {mean}});
  return mean;
}

// The gradients as the update sees them; of several variables because of global_clipnorm.
std::vector<plan::Value> clipped(plan::Lowering& to, const AroundUpdate& around, std::span<const Trained> variables) {
  std::vector<plan::Value> gradients;
  for (const Trained& trained : variables) gradients.push_back(trained.gradient);
  const auto name_after = [&](std::size_t i) { to.set_layer(to.info(variables[i].variable).name); };
  if (around.global_clipnorm) {
    to.set_layer("optimizer");
    const plan::Value total = plan::squared_norm(to, gradients);
    for (std::size_t i = 0; i < gradients.size(); ++i)
      name_after(i), gradients[i] = plan::clip_norm(to, gradients[i], total, *around.global_clipnorm);
  }
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    name_after(i);
    if (around.clipnorm) gradients[i] = plan::clip_norm(to, gradients[i], plan::squared_norm(to, {gradients[i]}), *around.clipnorm);
    if (around.clipvalue) gradients[i] = plan::clip_value(to, gradients[i], *around.clipvalue);
  }
  return gradients;
}

// Clipping and update, in the steps that end an accumulation.
void lower_updates(plan::Lowering& to, const OptimizerDescription& optimizer, const AroundUpdate& around, std::vector<Trained>& changed) {
  if (around.gradient_accumulation_steps)
    for (Trained& trained : changed) trained.gradient = mean_gradient(to, around, trained);
  to.set_every(around.every());
  const std::vector<plan::Value> gradients = clipped(to, around, changed);
  const std::ptrdiff_t common_slots = (around.use_ema ? 1 : 0) + (around.gradient_accumulation_steps ? 1 : 0);
  for (std::size_t i = 0; i < changed.size(); ++i) {
    to.set_layer(to.info(changed[i].variable).name);
    optimizer.lower_update(to, gradients[i], changed[i].variable, {changed[i].slots.begin() + common_slots, changed[i].slots.end()});
  }
  to.set_every(1);
}

}  // namespace

void lower_step(plan::Lowering& to, const OptimizerDescription& optimizer, std::span<const Trained> variables) {
  const AroundUpdate around = optimizer.around_update();
  std::vector<Trained> changed;
  for (const Trained& trained : variables)
    if (trained.gradient.defined()) changed.push_back(trained);
  if (changed.empty()) return;
  lower_updates(to, optimizer, around, changed);
  if (around.use_ema)
    for (const Trained& trained : variables)
      plan::element_update(to, kernels::StepFunction::of(Average{around}),
                           {.gradient = trained.variable, .variable = trained.slots[0], .slots = {trained.variable}});
  for (const Trained& trained : changed)
    if (trained.constraint.defined()) trained.constraint.description().lower(to, trained.variable);
}

io::Json to_json(const Optimizer& optimizer) {
  io::Json config = optimizer.description().config();
  if (config["learning_rate"].is_null())
    throw ValueError(fmt::format(
        "{}: learning_rate is a function, which a file cannot hold; compile the model with a number or one of optimizers::schedules to save it",
        optimizer.class_name()));
  return node("keras.optimizers", optimizer.class_name(), std::move(config));
}

Optimizer optimizer_from_json(const io::Json& json, std::string_view where) {
  const Named optimizer = named(json, where);
  const schema::RowOf<Optimizer>& row = row_in_file(Kind::optimizer, optimizer_rows(), io::lower_case(optimizer.name), where);
  return row.read(optimizer.config == nullptr ? io::Json::object() : *optimizer.config, std::string(where));
}

}  // namespace detail::optim
}  // namespace linn
