#include "optim/optimizers.h"

#include <cmath>

#include "io/text.h"
#include "optim/described.h"
#include "plan/ops/clip.h"
#include "plan/ops/update.h"

namespace linn {
namespace detail::schema {

// ---- learning rates and schedules ----

template <>
struct Schema<optimizers::schedules::OneCycle> {
  using S = optimizers::schedules::OneCycle;
  static constexpr Info info{.module = "linn.optimizers.schedules", .name = "OneCycle", .help = "Linear up, then linear down."};
  static constexpr auto fields = all(field("max_learning_rate", &S::max_learning_rate, above(0), "The largest rate."),
                                     field("total_steps", &S::total_steps, at_least(0), "Steps of the cycle; 0: all steps of each fit."),
                                     field("warmup", &S::warmup, from_to_below(0, 1), "Share of the steps in which the rate rises."),
                                     field("div_factor", &S::div_factor, above(0), "The largest rate / the first."),
                                     field("final_div_factor", &S::final_div_factor, above(0), "The first rate / the last."));
  static constexpr Example examples[] = {{R"({"max_learning_rate": 0.1, "total_steps": 30, "warmup": 0.2})"}};
};

template <>
struct Type<LearningRate> {
  static LearningRate read(const io::Json& json, const Place& place);
  static io::Json write(const LearningRate& value);
  static std::string fault(const LearningRate&, const Range&) { return {}; }  // checked when it is made
  static std::string text(const LearningRate& value) { return value.is_schedule() ? "a schedule" : Type<double>::text(value.at(0, 1)); }
  static std::string python(const LearningRate& value) { return text(value); }
};

LearningRate Type<LearningRate>::read(const io::Json& json, const Place& place) {
  const std::string where = fmt::format("{}: {}", place.where, place.key);
  if (json.is_number()) return Type<double>::read(json, place);
  const optim::Named schedule = optim::named(json, where);
  if (schedule.name != "OneCycle" || schedule.config == nullptr)
    throw FormatError(fmt::format("{}: schedule \"{}\" is not supported; OneCycle and plain numbers are", where, schedule.name));
  return schema::read<optimizers::schedules::OneCycle>(*schedule.config, where);
}

io::Json Type<LearningRate>::write(const LearningRate& value) {
  if (!value.is_schedule()) return static_cast<double>(static_cast<float>(value.at(0, 1)));  // Keras keeps it as float32
  return optim::own_node(Schema<optimizers::schedules::OneCycle>::info.module, "OneCycle", schema::write(value.cycle()));
}

// ---- the table of each optimizer: Keras's names, the options ----

template <class O>
constexpr auto rate() {
  return field("learning_rate", &O::learning_rate, "A number or a schedule.");
}
constexpr auto decay(auto member) { return field("weight_decay", member, at_least(0), "Share of itself that a variable loses, times the rate."); }
template <class O>
constexpr auto clipping() {
  return all(field("clipnorm", &O::clipnorm, above(0), "Largest norm of each gradient."),
             field("clipvalue", &O::clipvalue, above(0), "Largest magnitude of each element of a gradient."),
             field("global_clipnorm", &O::global_clipnorm, above(0), "Largest norm of all gradients together."));
}

constexpr Absent optimizer_absent[] = {{"name", ""},          {"use_ema", "false"},
                                       {"ema_momentum", ""},  {"ema_overwrite_frequency", "null"},
                                       {"jit_compile", ""},   {"loss_scale_factor", "null"},
                                       {"is_legacy_optimizer", "false"}, {"gradient_accumulation_steps", "null"}};

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
  static constexpr auto fields = all(rate<O>(), field("momentum", &O::momentum, from_to_below(0, 1), "Share of the last step that is taken again."),
                                     field("nesterov", &O::nesterov, "Whether the gradient is that of the place behind the step."),
                                     decay(&O::weight_decay), clipping<O>());
  static constexpr Example examples[] = {{R"({"momentum": 0.9, "nesterov": true})"}, {R"({"clipnorm": 1.0})"}, {R"({"weight_decay": 0.01})"}};
};

template <class O>
constexpr auto adam_fields() {
  return all(field("beta_1", &O::beta_1, from_to_below(0, 1), "Share of the old mean of gradients."),
             field("beta_2", &O::beta_2, from_to_below(0, 1), "Share of the old mean of squared gradients."),
             field("epsilon", &O::epsilon, above(0), "Added to the root, so that nothing is divided by 0."),
             field("amsgrad", &O::amsgrad, "Whether the largest mean of squares so far counts."));
}

template <>
struct Schema<optimizers::Adam> : OptimizerSchema<optimizers::Adam> {
  using O = optimizers::Adam;
  static constexpr Info info{"keras.optimizers", "Adam", {"adam"}, "Steps scaled by running means of gradients and of their squares."};
  static constexpr auto fields = all(rate<O>(), adam_fields<O>(), decay(&O::weight_decay), clipping<O>());
  static constexpr Example examples[] = {{R"({"beta_1": 0.8, "epsilon": 0.001, "amsgrad": true})"}, {R"({"global_clipnorm": 2.0})"}};
};

template <>
struct Schema<optimizers::AdamW> : OptimizerSchema<optimizers::AdamW> {
  using O = optimizers::AdamW;
  static constexpr Info info{"keras.optimizers", "AdamW", {"adamw"}, "Adam with weight decay."};
  static constexpr auto fields = all(rate<O>(), decay(&O::weight_decay), adam_fields<O>(), clipping<O>());
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
                                     decay(&O::weight_decay), clipping<O>());
  static constexpr Example examples[] = {{"{}"}, {R"({"rho": 0.7, "momentum": 0.1, "centered": true})"}};
};

template <>
struct Schema<optimizers::Adagrad> : OptimizerSchema<optimizers::Adagrad> {
  using O = optimizers::Adagrad;
  static constexpr Info info{"keras.optimizers", "Adagrad", {"adagrad"}, "Steps scaled by the sum of all squared gradients."};
  static constexpr auto fields =
      all(rate<O>(), field("initial_accumulator_value", &O::initial_accumulator_value, at_least(0), "What each sum of squares begins with."),
          field("epsilon", &O::epsilon, above(0), "Added to the sum, so that nothing is divided by 0."), decay(&O::weight_decay), clipping<O>());
  static constexpr Example examples[] = {{R"({"initial_accumulator_value": 0.5})"}};
};

}  // namespace detail::schema

namespace {

using detail::optim::optimizer_rows;
using optimizers::Slot;
using detail::schema::Kind;

// ---- optimizers with kernels in vectors; all others have slots() and step() in linn/optimizers.h ----

std::vector<Slot> slots_of(const optimizers::SGD& o) {
  if (o.momentum == 0) return {};
  return {{"momentum"}};
}
void update(detail::plan::Lowering& to, const optimizers::SGD& o, const detail::plan::UpdateValues& values) {
  detail::plan::sgd_update(to, {.momentum = o.momentum, .nesterov = o.nesterov}, values);
}

template <class A>
std::vector<Slot> adam_slots(const A& o) {
  std::vector<Slot> slots{{"momentum"}, {.name = "velocity", .beside_last = true}};
  if (o.amsgrad) slots.push_back({"velocity_hat"});
  return slots;
}
template <class A>
void adam_update(detail::plan::Lowering& to, const A& o, const detail::plan::UpdateValues& values) {
  detail::plan::adam_update(to, {.beta_1 = o.beta_1, .beta_2 = o.beta_2, .epsilon = o.epsilon, .amsgrad = o.amsgrad}, values);
}
std::vector<Slot> slots_of(const optimizers::Adam& o) { return adam_slots(o); }
void update(detail::plan::Lowering& to, const optimizers::Adam& o, const detail::plan::UpdateValues& values) { adam_update(to, o, values); }
std::vector<Slot> slots_of(const optimizers::AdamW& o) { return adam_slots(o); }
void update(detail::plan::Lowering& to, const optimizers::AdamW& o, const detail::plan::UpdateValues& values) {
  adam_update(to, o, values);
}

std::vector<Slot> slots_of(const optimizers::RMSprop& o) {
  std::vector<Slot> slots{{"velocity"}};
  if (o.momentum != 0) slots.push_back({"momentum"});
  if (o.centered) slots.push_back({"average_gradient"});
  return slots;
}
void update(detail::plan::Lowering& to, const optimizers::RMSprop& o, const detail::plan::UpdateValues& values) {
  detail::plan::rmsprop_update(to, {.rho = o.rho, .momentum = o.momentum, .epsilon = o.epsilon, .centered = o.centered}, values);
}

template <class O>
std::vector<Slot> slots_of(const O& o) {
  return o.slots();
}
template <class O>
void update(detail::plan::Lowering& to, const O& o, const detail::plan::UpdateValues& values) {
  detail::plan::element_update(to, detail::kernels::StepFunction::of(o), values);
}

template <class O>
class Described final : public OptimizerDescription {
 public:
  explicit Described(const O& optimizer)
      : optimizer_(detail::schema::checked(optimizer, fmt::format("{}:", detail::schema::Schema<O>::info.name))) {}

  std::string_view class_name() const override { return detail::schema::Schema<O>::info.name; }
  const LearningRate& learning_rate() const override { return optimizer_.learning_rate; }
  BeforeUpdate before_update() const override {
    return {optimizer_.weight_decay, optimizer_.clipnorm, optimizer_.clipvalue, optimizer_.global_clipnorm};
  }
  std::vector<OptimizerSlot> slots(const Shape& variable) const override {
    std::vector<OptimizerSlot> result;
    for (const Slot& slot : slots_of(optimizer_)) result.push_back({slot.name, variable, slot.first, slot.beside_last});
    return result;
  }
  void lower_update(detail::plan::Lowering& to, detail::plan::Value gradient, detail::plan::Value variable,
                    const std::vector<detail::plan::Value>& slots) const override {
    update(to, optimizer_, {.gradient = gradient, .variable = variable, .slots = slots, .decay = before_update().weight_decay.value_or(0)});
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

LearningRate::LearningRate(double rate) : rate_(rate) {
  if (!(rate > 0) || !std::isfinite(rate)) throw ValueError(fmt::format("optimizer: learning_rate is {}; it must be above 0", rate));
}

LearningRate::LearningRate(const optimizers::schedules::OneCycle& cycle)
    : rate_(cycle.max_learning_rate), schedule_(true), cycle_(detail::schema::checked(cycle, "OneCycle:")) {}

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

Optimizer::Optimizer(const std::string& name)
    : Optimizer(detail::optim::row_named(Kind::optimizer, optimizer_rows(), detail::io::lower_case(name))
                    .read(detail::io::Json::object(), name)) {}

std::string_view Optimizer::class_name() const { return description_->class_name(); }

namespace detail::optim {

std::vector<std::pair<std::size_t, std::size_t>> slot_order(const OptimizerDescription& optimizer, std::size_t variables) {
  const std::vector<OptimizerSlot> slots = optimizer.slots(Shape{});
  std::vector<std::pair<std::size_t, std::size_t>> order;
  for (std::size_t first = 0, last = 0; first < slots.size(); first = last) {
    last = first + 1;
    while (last < slots.size() && slots[last].beside_last) ++last;
    for (std::size_t variable = 0; variable < variables; ++variable)
      for (std::size_t slot = first; slot < last; ++slot) order.emplace_back(variable, slot);
  }
  return order;
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

// The gradients as the update sees them; of several variables because of global_clipnorm.
std::vector<plan::Value> clipped(plan::Lowering& to, const BeforeUpdate& before, std::span<const Trained> variables) {
  std::vector<plan::Value> gradients;
  for (const Trained& trained : variables) gradients.push_back(trained.gradient);
  const auto name_after = [&](std::size_t i) { to.set_layer(to.info(variables[i].variable).name); };
  if (before.global_clipnorm) {
    to.set_layer("optimizer");
    const plan::Value total = plan::squared_norm(to, gradients);
    for (std::size_t i = 0; i < gradients.size(); ++i) name_after(i), gradients[i] = plan::clip_norm(to, gradients[i], total, *before.global_clipnorm);
  }
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    name_after(i);
    if (before.clipnorm) gradients[i] = plan::clip_norm(to, gradients[i], plan::squared_norm(to, {gradients[i]}), *before.clipnorm);
    if (before.clipvalue) gradients[i] = plan::clip_value(to, gradients[i], *before.clipvalue);
  }
  return gradients;
}

}  // namespace

void lower_step(plan::Lowering& to, const OptimizerDescription& optimizer, std::span<const Trained> variables) {
  std::vector<Trained> changed;
  for (const Trained& trained : variables)
    if (trained.gradient.defined()) changed.push_back(trained);
  const std::vector<plan::Value> gradients = clipped(to, optimizer.before_update(), changed);
  for (std::size_t i = 0; i < changed.size(); ++i) {
    to.set_layer(to.info(changed[i].variable).name);
    optimizer.lower_update(to, gradients[i], changed[i].variable, changed[i].slots);
  }
}

io::Json to_json(const Optimizer& optimizer) { return node("keras.optimizers", optimizer.class_name(), optimizer.description().config()); }

Optimizer optimizer_from_json(const io::Json& json, std::string_view where) {
  const Named optimizer = named(json, where);
  const schema::RowOf<Optimizer>& row = row_in_file(Kind::optimizer, optimizer_rows(), io::lower_case(optimizer.name), where);
  return row.read(optimizer.config == nullptr ? io::Json::object() : *optimizer.config, std::string(where));
}

}  // namespace detail::optim
}  // namespace linn
