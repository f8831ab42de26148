#include "optim/schedules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <utility>

#include "linn/error.h"
#include "optim/described.h"

namespace linn {
namespace detail::schema {

constexpr Absent schedule_absent[] = {{"name", ""}};

template <class S>
constexpr auto initial_rate(Range range = above(0)) {
  return required("initial_learning_rate", &S::initial_learning_rate, range, "The rate of step 0.");
}
constexpr auto steps_field(const char* key, auto member) {
  return field(key, member, at_least(0), "Steps of the decay; 0, which Keras lacks: all steps of each fit.");
}
template <class S>
constexpr auto decay_fields(const char* help) {
  return all(initial_rate<S>(), steps_field("decay_steps", &S::decay_steps), required("decay_rate", &S::decay_rate, above(0), help),
             field("staircase", &S::staircase, "Whether the rate falls once in decay_steps steps, not in each."));
}
template <class S>
constexpr auto alpha_field() {
  return field("alpha", &S::alpha, between(0, 1), "The last rate, as a share of the first.");
}

// `name`: what Keras calls a schedule that was given no name.
template <>
struct Schema<optimizers::schedules::OneCycle> {
  using S = optimizers::schedules::OneCycle;
  static constexpr Info info{.module = "linn.optimizers.schedules", .name = "OneCycle", .aliases = {"one_cycle"}, .help = "Linear up, then linear down."};
  static constexpr auto fields = all(field("max_learning_rate", &S::max_learning_rate, above(0), "The largest rate."),
                                     field("total_steps", &S::total_steps, at_least(0), "Steps of the cycle; 0: all steps of each fit."),
                                     field("warmup", &S::warmup, from_to_below(0, 1), "Share of the steps in which the rate rises."),
                                     field("div_factor", &S::div_factor, above(0), "The largest rate / the first."),
                                     field("final_div_factor", &S::final_div_factor, above(0), "The first rate / the last."));
  static constexpr Example examples[] = {{R"({"max_learning_rate": 0.1, "total_steps": 30, "warmup": 0.2})"}, {"{}"}};
};

template <>
struct Schema<optimizers::schedules::ExponentialDecay> {
  using S = optimizers::schedules::ExponentialDecay;
  static constexpr Info info{
      .module = "keras.optimizers.schedules", .name = "ExponentialDecay", .aliases = {"exponential"}, .help = "Multiplied by decay_rate in every decay_steps steps."};
  static constexpr const char* name = "ExponentialDecay";
  static constexpr auto fields = decay_fields<S>("Factor of the rate in decay_steps steps.");
  static constexpr std::span<const Absent> absent = schedule_absent;
  static constexpr Example examples[] = {{R"({"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.9, "staircase": true})"},
                                         {R"({"initial_learning_rate": 0.1, "decay_rate": 0.5})"}};
};

template <>
struct Schema<optimizers::schedules::PiecewiseConstantDecay> {
  using S = optimizers::schedules::PiecewiseConstantDecay;
  static constexpr Info info{.module = "keras.optimizers.schedules",
                             .name = "PiecewiseConstantDecay", .aliases = {"piecewise_constant"},
                             .help = "One rate up to each boundary, and one behind the last."};
  static constexpr const char* name = "PiecewiseConstant";
  static constexpr auto fields =
      all(required("boundaries", &S::boundaries, at_least(0), "The last step of each rate but the last; they rise."),
          required("values", &S::values, at_least(0), "The rates, one more than boundaries."));
  static constexpr std::span<const Absent> absent = schedule_absent;
  static constexpr Example examples[] = {{R"({"boundaries": [3, 7], "values": [0.1, 0.05, 0.01]})"}};
  static std::string fault(const S& s) {
    if (s.boundaries.empty()) return "boundaries is empty; it must hold one step or more";
    if (s.values.size() != s.boundaries.size() + 1)
      return fmt::format("values has {} rates for {} boundaries; there must be one rate more than boundaries", s.values.size(),
                         s.boundaries.size());
    return std::ranges::is_sorted(s.boundaries, std::ranges::less_equal{})
               ? ""
               : "boundaries do not rise; each must be larger than the one before it";
  }
};

template <>
struct Schema<optimizers::schedules::PolynomialDecay> {
  using S = optimizers::schedules::PolynomialDecay;
  static constexpr Info info{.module = "keras.optimizers.schedules",
                             .name = "PolynomialDecay", .aliases = {"polynomial"},
                             .help = "A power of the share of steps that is left, down to a last rate."};
  static constexpr const char* name = "PolynomialDecay";
  static constexpr auto fields = all(initial_rate<S>(), steps_field("decay_steps", &S::decay_steps),
                                     field("end_learning_rate", &S::end_learning_rate, at_least(0), "The last rate."),
                                     field("power", &S::power, at_least(0), "The exponent; 1: linear."),
                                     field("cycle", &S::cycle, "Whether a longer decay begins when one has ended."));
  static constexpr std::span<const Absent> absent = schedule_absent;
  static constexpr Example examples[] = {{R"({"initial_learning_rate": 0.1, "decay_steps": 10, "power": 2.0, "cycle": true})"},
                                         {R"({"initial_learning_rate": 0.1, "end_learning_rate": 0.01})"}};
};

template <>
struct Schema<optimizers::schedules::InverseTimeDecay> {
  using S = optimizers::schedules::InverseTimeDecay;
  static constexpr Info info{
      .module = "keras.optimizers.schedules", .name = "InverseTimeDecay", .aliases = {"inverse_time"}, .help = "Divided by 1 + decay_rate * step / decay_steps."};
  static constexpr const char* name = "InverseTimeDecay";
  static constexpr auto fields = decay_fields<S>("What the divisor grows by in decay_steps steps.");
  static constexpr std::span<const Absent> absent = schedule_absent;
  static constexpr Example examples[] = {{R"({"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5, "staircase": true})"},
                                         {R"({"initial_learning_rate": 0.1, "decay_rate": 2.0})"}};
};

template <>
struct Schema<optimizers::schedules::CosineDecay> {
  using S = optimizers::schedules::CosineDecay;
  static constexpr Info info{.module = "keras.optimizers.schedules",
                             .name = "CosineDecay", .aliases = {"cosine"},
                             .help = "Half a wave of the cosine down, behind a linear rise if there is a warmup_target."};
  static constexpr const char* name = "CosineDecay";
  static constexpr auto fields =
      all(initial_rate<S>(at_least(0)), steps_field("decay_steps", &S::decay_steps), alpha_field<S>(),
          field("warmup_target", &S::warmup_target, above(0), "The rate at the end of the rise; none: there is no rise."),
          field("warmup_steps", &S::warmup_steps, at_least(0), "Steps of the rise."));
  static constexpr std::span<const Absent> absent = schedule_absent;
  static constexpr Example examples[] = {{R"({"initial_learning_rate": 0.1, "decay_steps": 10, "alpha": 0.25})"},
                                         {R"({"initial_learning_rate": 0.0, "decay_steps": 10, "warmup_target": 0.1, "warmup_steps": 4})"},
                                         {R"({"initial_learning_rate": 0.1})"}};
  static std::string fault(const S& s) {
    return s.initial_learning_rate == 0 && !s.warmup_target
               ? "initial_learning_rate is 0 and there is no warmup_target; one of them must be above 0"
               : "";
  }
};

template <>
struct Schema<optimizers::schedules::CosineDecayRestarts> {
  using S = optimizers::schedules::CosineDecayRestarts;
  static constexpr Info info{
      .module = "keras.optimizers.schedules", .name = "CosineDecayRestarts", .aliases = {"cosine_restarts"}, .help = "CosineDecay, begun again in longer periods."};
  static constexpr const char* name = "SGDRDecay";
  static constexpr auto fields =
      all(initial_rate<S>(), steps_field("first_decay_steps", &S::first_decay_steps),
          field("t_mul", &S::t_mul, at_least(1), "The length of a period / that of the one before it."),
          field("m_mul", &S::m_mul, at_least(0), "The first rate of a period / that of the one before it."), alpha_field<S>());
  static constexpr std::span<const Absent> absent = schedule_absent;
  static constexpr Example examples[] = {
      {R"({"initial_learning_rate": 0.1, "first_decay_steps": 10})"},
      {R"({"initial_learning_rate": 0.1, "first_decay_steps": 4, "t_mul": 1.0, "m_mul": 0.5, "alpha": 0.1})"}};
};

}  // namespace detail::schema

namespace optimizers::schedules {
namespace {

double steps_or(std::int64_t own, std::int64_t of_fit) { return static_cast<double>(own > 0 ? own : std::max<std::int64_t>(of_fit, 1)); }

double half_wave(double share) { return 0.5 * (1 + std::cos(std::numbers::pi * share)); }

}  // namespace

double OneCycle::at(std::int64_t step, std::int64_t total_steps_of_fit) const {
  const double steps = steps_or(total_steps, total_steps_of_fit);
  const double first = max_learning_rate / div_factor;
  const double last = first / final_div_factor;
  const double peak = warmup * (steps - 1);
  const double position = std::min(static_cast<double>(step), steps - 1);
  if (position < peak) return std::lerp(first, max_learning_rate, position / peak);
  const double fall = steps - 1 - peak;
  return fall <= 0 ? max_learning_rate : std::lerp(max_learning_rate, last, (position - peak) / fall);
}

double ExponentialDecay::at(std::int64_t step, std::int64_t total_steps_of_fit) const {
  const double position = static_cast<double>(step) / steps_or(decay_steps, total_steps_of_fit);
  return initial_learning_rate * std::pow(decay_rate, staircase ? std::floor(position) : position);
}

double PiecewiseConstantDecay::at(std::int64_t step, std::int64_t /*total_steps_of_fit*/) const {
  return values[static_cast<std::size_t>(std::ranges::lower_bound(boundaries, step) - boundaries.begin())];
}

double PolynomialDecay::at(std::int64_t step, std::int64_t total_steps_of_fit) const {
  const double decay = steps_or(decay_steps, total_steps_of_fit), position = static_cast<double>(step);
  const double length = cycle ? decay * std::max(1.0, std::ceil(position / decay)) : decay;
  const double left = 1 - std::min(position, length) / length;
  return (initial_learning_rate - end_learning_rate) * std::pow(left, power) + end_learning_rate;
}

double InverseTimeDecay::at(std::int64_t step, std::int64_t total_steps_of_fit) const {
  const double position = static_cast<double>(step) / steps_or(decay_steps, total_steps_of_fit);
  return initial_learning_rate / (1 + decay_rate * (staircase ? std::floor(position) : position));
}

double CosineDecay::at(std::int64_t step, std::int64_t total_steps_of_fit) const {
  const std::int64_t rise = warmup_target ? warmup_steps : 0;
  const double decay = steps_or(decay_steps, total_steps_of_fit - rise);
  if (step < rise)
    return initial_learning_rate + (*warmup_target - initial_learning_rate) * (static_cast<double>(step) / static_cast<double>(rise));
  const double share = std::min(static_cast<double>(step - rise), decay) / decay;
  return warmup_target.value_or(initial_learning_rate) * ((1 - alpha) * half_wave(share) + alpha);
}

double CosineDecayRestarts::at(std::int64_t step, std::int64_t total_steps_of_fit) const {
  double share = static_cast<double>(step) / steps_or(first_decay_steps, total_steps_of_fit);  // in first periods
  double periods = 0, length = 1;
  if (t_mul == 1) {
    periods = std::floor(share);
    share -= periods;
  } else {
    for (; share >= length; ++periods) share -= length, length *= t_mul;
    share /= length;
  }
  return initial_learning_rate * ((1 - alpha) * std::pow(m_mul, periods) * half_wave(share) + alpha);
}

}  // namespace optimizers::schedules

namespace {

using detail::optim::schedule_rows;
using detail::optim::SchedulePtr;
using detail::schema::Kind;
using detail::schema::Schema;

template <class S>
class DescribedSchedule final : public ScheduleDescription {
 public:
  explicit DescribedSchedule(const S& schedule) : schedule_(detail::schema::checked(schedule, fmt::format("{}:", Schema<S>::info.name))) {}

  std::string_view class_name() const override { return Schema<S>::info.name; }
  double at(std::int64_t step, std::int64_t total_steps) const override { return schedule_.at(step, total_steps); }
  bool spans_fit() const override {
    if constexpr (requires { schedule_.total_steps; }) return schedule_.total_steps == 0;
    if constexpr (requires { schedule_.decay_steps; }) return schedule_.decay_steps == 0;
    if constexpr (requires { schedule_.first_decay_steps; }) return schedule_.first_decay_steps == 0;
    return false;
  }
  // A schedule that takes the steps of each fit is not Keras's class.
  detail::io::Json node() const override {
    detail::io::Json config = detail::schema::write(schedule_);
    if constexpr (requires { Schema<S>::name; }) {
      config["name"] = Schema<S>::name;
      if (!spans_fit()) return detail::optim::node(Schema<S>::info.module, class_name(), std::move(config));
    }
    return detail::optim::own_node("linn.optimizers.schedules", class_name(), std::move(config));
  }

 private:
  S schedule_;
};

class FunctionSchedule final : public ScheduleDescription {
 public:
  explicit FunctionSchedule(std::function<double(std::int64_t)> function) : function_(std::move(function)) {}

  std::string_view class_name() const override { return "a function"; }
  double at(std::int64_t step, std::int64_t /*total_steps*/) const override {
    const double rate = function_(step);
    if (!(rate >= 0) || !std::isfinite(rate))
      throw ValueError(fmt::format("learning_rate: the function gave {} for step {}; it must give 0 or more", rate, step));
    return rate;
  }
  bool spans_fit() const override { return false; }
  detail::io::Json node() const override { return nullptr; }

 private:
  std::function<double(std::int64_t)> function_;
};

template <class S>
SchedulePtr read(const detail::io::Json& config, const std::string& where) {
  return std::make_shared<DescribedSchedule<S>>(detail::schema::read<S>(config, where));
}

}  // namespace

namespace optimizers::schedules {
template <class T>
std::shared_ptr<const ScheduleDescription> describe(const T& schedule) {
  return std::make_shared<DescribedSchedule<T>>(schedule);
}
#define LINN_SCHEDULE(name) template std::shared_ptr<const ScheduleDescription> describe(const name&);
#include "optim/schedules.inc"
#undef LINN_SCHEDULE
}  // namespace optimizers::schedules

LearningRate::LearningRate(double rate) : rate_(rate) {
  if (!(rate > 0) || !std::isfinite(rate)) throw ValueError(fmt::format("optimizer: learning_rate is {}; it must be above 0", rate));
}

std::shared_ptr<const ScheduleDescription> LearningRate::from_function(std::function<double(std::int64_t)> function) {
  return std::make_shared<FunctionSchedule>(std::move(function));
}

bool LearningRate::spans_fit() const { return schedule_ != nullptr && schedule_->spans_fit(); }

double LearningRate::at(std::int64_t step, std::int64_t total_steps) const {
  return schedule_ == nullptr ? rate_ : schedule_->at(step, total_steps);
}

namespace detail::optim {

std::span<const schema::RowOf<SchedulePtr>> schedule_rows() {
  static const schema::RowOf<SchedulePtr> rows[] = {
#define LINN_SCHEDULE(name) schema::make_row<optimizers::schedules::name>(Kind::schedule, &read<optimizers::schedules::name>),
#include "optim/schedules.inc"
#undef LINN_SCHEDULE
  };
  return rows;
}

SchedulePtr schedule_from_json(const io::Json& json, std::string_view where) {
  const Named schedule = named(json, where);
  const schema::RowOf<SchedulePtr>& row = row_in_file(Kind::schedule, schedule_rows(), schedule.name, where);
  return row.read(schedule.config == nullptr ? io::Json::object() : *schedule.config, fmt::format("{}: {}", where, row.info.name));
}

}  // namespace detail::optim

namespace detail::schema {

LearningRate Type<LearningRate>::read(const io::Json& json, const Place& place) {
  if (json.is_number()) return Type<double>::read(json, place);
  return LearningRate(optim::schedule_from_json(json, fmt::format("{}: {}", place.where, place.key)));
}

io::Json Type<LearningRate>::write(const LearningRate& value) {
  if (!value.is_schedule()) return static_cast<double>(static_cast<float>(value.at(0, 1)));  // Keras keeps it as float32
  return value.schedule()->node();
}

std::string Type<LearningRate>::text(const LearningRate& value) {
  return value.is_schedule() ? "a schedule" : Type<double>::text(value.at(0, 1));
}

}  // namespace detail::schema
}  // namespace linn
