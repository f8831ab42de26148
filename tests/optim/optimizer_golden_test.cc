// Optimizers against ten steps of Keras's, and learning rates by hand.
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "linn/error.h"
#include "optim/constraints.h"
#include "optim/optimizers.h"
#include "optim/schedules.h"
#include "support/golden.h"
#include "support/message_of.h"
#include "support/plan_run.h"

namespace linn::detail::optim {
namespace {

using namespace tests;

// Keras rounds the powers of Adam's betas to float32 even in float64, which moves each step by a few millionths of itself.
constexpr Level optimizer_levels[] = {{Precision::float64, {1e-6, 1e-7}, "float64"}, {Precision::float32, {0, 1e-5}, "float32"}};

// Ten steps on the variables of a file, all in one plan, since global_clipnorm looks at all of them.
class StepsRun {
 public:
  StepsRun(const Optimizer& optimizer, const GoldenTensors& golden, std::vector<TrainedVariable> variables, const std::vector<Constraint>& constraints,
           Precision precision)
      : description_(optimizer.description()), golden_(golden), variables_(std::move(variables)) {
    for (std::size_t v = 0; v < variables_.size(); ++v) {
      const auto& [shape, name] = variables_[v];
      Trained& one = trained_.emplace_back();
      const Values start = golden.values("start/" + name);
      one.gradient = run_.bind("gradient of " + name, shape, plan::Extent::fixed, Values(start.size()));
      one.variable = run_.bind(name, shape, plan::Extent::fixed, start);
      if (!constraints.empty()) one.constraint = constraints[v];
      for (const OptimizerSlot& slot : description_.slots(variables_[v]))
        one.slots.push_back(run_.bind(slot.name, slot.shape, plan::Extent::fixed,
                                      slot.is_copy ? start : Values(static_cast<std::size_t>(slot.shape.elements()), slot.first)));
    }
    lower_step(run_.lowering(), description_, trained_);
    run_.compile(1, precision);
  }

  void step(std::int64_t k) {
    for (std::size_t v = 0; v < variables_.size(); ++v)
      run_.set(trained_[v].gradient, row(golden_.values("gradients/" + variables_[v].name), variables_[v].shape, k));
    // Keras keeps the rate as a float32 number.
    run_.run(1, {.seed = 0, .step = k, .learning_rate = static_cast<double>(static_cast<float>(description_.learning_rate().at(k, 10)))});
  }
  Values variable(std::size_t v) { return run_.get(trained_[v].variable); }
  Values slot(std::size_t v, std::size_t i) { return run_.get(trained_[v].slots[i]); }

  static Values row(const Values& all, const Shape& shape, std::int64_t k) {
    const auto first = all.begin() + shape.elements() * k;
    return {first, first + shape.elements()};
  }

 private:
  const OptimizerDescription& description_;
  const GoldenTensors& golden_;
  std::vector<TrainedVariable> variables_;
  PlanRun run_{plan::Purpose::training};
  std::vector<Trained> trained_;
};

std::vector<TrainedVariable> variables_in(const GoldenTensors& golden, const std::vector<std::string>& names) {
  std::vector<TrainedVariable> variables;
  for (const std::string& name : names) variables.push_back({golden["start/" + name].shape(), name});
  return variables;
}

void check_steps(StepsRun& run, const std::vector<TrainedVariable>& variables, const GoldenTensors& steps, const std::string& name, const Level& level) {
  for (std::int64_t k = 0; k < 10; ++k) {
    run.step(k);
    for (std::size_t v = 0; v < variables.size(); ++v) {
      const auto& [shape, variable] = variables[v];
      EXPECT_TRUE(agrees(fmt::format("{} after step {}", variable, k + 1), shape, run.variable(v),
                         StepsRun::row(steps.values(name + "/" + variable), shape, k), level.tolerance));
    }
  }
}

const std::vector<std::string> of_old_files{"a", "b"}, of_new_files{"tall", "bias", "filters", "wide", "embedding"};

// optimizers.json and optim.json: their states have names.
void check_named_case(const io::Json& test, const GoldenTensors& golden, const GoldenTensors& steps, const Level& level) {
  const auto name = test["name"].get<std::string>();
  SCOPED_TRACE(name + " in " + level.name);
  const Optimizer optimizer = optimizer_from_json(test, name);
  const std::vector<TrainedVariable> variables = variables_in(golden, of_old_files);
  StepsRun run(optimizer, golden, variables, {}, level.precision);
  check_steps(run, variables, steps, name, level);
  EXPECT_EQ(optimizer.description().slots({{1}}).size(), (test["state"].size() - 2) / 2);
  for (std::size_t v = 0; v < variables.size(); ++v) {
    const std::vector<OptimizerSlot> slots = optimizer.description().slots(variables[v]);
    for (std::size_t i = 0; i < slots.size(); ++i)
      EXPECT_TRUE(agrees(slots[i].name, slots[i].shape, run.slot(v, i), steps.values(name + "/state/" + variables[v].name + "_" + slots[i].name),
                         level.tolerance));
  }
}

// optimizer_steps.json: the state is a list in Keras's order, which is that of files.
void check_case(const io::Json& test, const GoldenTensors& golden, const Level& level) {
  const auto name = test["name"].get<std::string>();
  SCOPED_TRACE(name + " " + test["class_name"].get<std::string>() + " in " + level.name);
  const Optimizer optimizer = optimizer_from_json(test, name);
  const std::vector<TrainedVariable> variables = variables_in(golden, of_new_files);
  std::vector<Constraint> constraints;
  for (const TrainedVariable& variable : variables)
    constraints.push_back(test["constraints"].contains(variable.name) ? constraint_from_json(test["constraints"][variable.name], name) : Constraint());
  StepsRun run(optimizer, golden, variables, constraints, level.precision);
  check_steps(run, variables, golden, name, level);
  const OptimizerDescription& description = optimizer.description();
  const auto order = slot_order(description, variables);
  const std::vector<double> common = description.common_state(10 / description.around_update().every());
  ASSERT_EQ(order.size() + common.size(), test["states"].get<std::size_t>());
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto [v, s] = order[i];
    const OptimizerSlot slot = description.slots(variables[v])[s];
    const std::string key = fmt::format("{}/state/{}", name, i);
    ASSERT_EQ(golden[key].shape(), slot.shape) << key;
    EXPECT_TRUE(agrees(slot.name + " of " + variables[v].name, slot.shape, run.slot(v, s), golden.values(key), level.tolerance));
  }
  for (std::size_t i = 0; i < common.size(); ++i)
    EXPECT_NEAR(common[i], golden.values(fmt::format("{}/state/{}", name, order.size() + i)).front(), 1e-6);
}

TEST(OptimizerGolden, EveryRowAsKeras) {
  const GoldenTensors golden("optimizers.safetensors"), more("optim.safetensors"), newer("optimizer_steps.safetensors");
  std::set<std::string> seen;
  int compared = 0;
  const auto compare = [&](const io::Json& cases, auto&& check) {
    for (const io::Json& test : cases) {
      for (const Level& level : optimizer_levels) check(test, level);
      seen.insert(test["class_name"]);
      ++compared;
    }
  };
  compare(golden_json("optimizers.json")["cases"], [&](const io::Json& test, const Level& level) { check_named_case(test, golden, golden, level); });
  compare(golden_json("optim.json")["optimizers"], [&](const io::Json& test, const Level& level) { check_named_case(test, golden, more, level); });
  compare(golden_json("optimizer_steps.json")["optimizers"], [&](const io::Json& test, const Level& level) { check_case(test, newer, level); });
  EXPECT_EQ(compared, 19 + 38);
  for (const auto& row : optimizer_rows())
    EXPECT_TRUE(seen.contains(std::string(row.info.name))) << "no golden case of " << row.info.name << "; add one to make_optimizers_golden.py";
}

// In any order.
std::map<std::string, io::Json> fields_of(const io::Json& object) {
  std::map<std::string, io::Json> fields;
  for (const auto& [key, value] : object.items()) fields[key] = value;
  return fields;
}

TEST(ScheduleGolden, EveryRowAsKeras) {
  const GoldenTensors golden("optimizer_steps.safetensors");
  std::set<std::string> seen{"OneCycle"};  // which Keras lacks: by hand below
  const io::Json file = golden_json("optimizer_steps.json");
  for (const io::Json& test : file["schedules"]) {
    const auto name = test["name"].get<std::string>();
    const SchedulePtr schedule = schedule_from_json(test["node"], name);
    seen.insert(std::string(schedule->class_name()));
    const Values rates = golden.values(name);
    ASSERT_EQ(rates.size(), 200u);
    for (std::int64_t step = 0; step < 200; ++step)
      EXPECT_NEAR(schedule->at(step, 7), rates[static_cast<std::size_t>(step)], 1e-7 * rates[static_cast<std::size_t>(step)] + 1e-12)
          << test["node"].dump() << " step " << step;
    io::Json node = schedule->node(), wanted = test["node"];
    EXPECT_EQ(fields_of(node["config"]), fields_of(wanted["config"]));
    node.erase("config"), wanted.erase("config");
    EXPECT_EQ(node, wanted);
  }
  for (const auto& row : schedule_rows()) EXPECT_TRUE(seen.contains(std::string(row.info.name))) << "no golden case of " << row.info.name;
}

TEST(Schedules, ExamplesOfEveryRowRoundTrip) {
  for (const auto& row : schedule_rows())
    for (const schema::Example& example : row.examples) {
      const SchedulePtr schedule = row.read(io::parse_json(std::string(example.config), "test"), "test");
      EXPECT_EQ(schedule->class_name(), row.info.name);
      EXPECT_EQ(schedule_from_json(schedule->node(), "test")->node(), schedule->node());
      for (std::int64_t step = 0; step < 60; ++step) EXPECT_GE(schedule->at(step, 20), 0);
    }
}

// Without steps of its own a schedule is the one with those of the fit, and of linn's package.
TEST(Schedules, TakeTheStepsOfTheFit) {
  using namespace optimizers::schedules;
  const auto same = [](const LearningRate& open, const LearningRate& given) {
    EXPECT_TRUE(open.spans_fit());
    EXPECT_FALSE(given.spans_fit());
    for (std::int64_t step = 0; step < 50; ++step) EXPECT_EQ(open.at(step, 40), given.at(step, 7)) << step;
    EXPECT_EQ(open.schedule()->node()["registered_name"], "linn>" + std::string(open.schedule()->class_name()));
  };
  same(ExponentialDecay{.initial_learning_rate = 0.1, .decay_rate = 0.5}, ExponentialDecay{.initial_learning_rate = 0.1, .decay_steps = 40, .decay_rate = 0.5});
  same(PolynomialDecay{.initial_learning_rate = 0.1}, PolynomialDecay{.initial_learning_rate = 0.1, .decay_steps = 40});
  same(InverseTimeDecay{.initial_learning_rate = 0.1, .decay_rate = 2}, InverseTimeDecay{.initial_learning_rate = 0.1, .decay_steps = 40, .decay_rate = 2});
  same(CosineDecay{.initial_learning_rate = 0.1}, CosineDecay{.initial_learning_rate = 0.1, .decay_steps = 40});
  same(CosineDecay{.initial_learning_rate = 0.1, .warmup_target = 0.3, .warmup_steps = 10},
       CosineDecay{.initial_learning_rate = 0.1, .decay_steps = 30, .warmup_target = 0.3, .warmup_steps = 10});
  same(CosineDecayRestarts{.initial_learning_rate = 0.1}, CosineDecayRestarts{.initial_learning_rate = 0.1, .first_decay_steps = 40});
}

TEST(Schedules, RefuseValuesOutOfRange) {
  using namespace optimizers::schedules;
  const auto refused = [](const auto& schedule) { return message_of<ValueError>([&] { const LearningRate rate = schedule; }); };
  EXPECT_EQ(refused(ExponentialDecay{.decay_rate = 0.5}), "ExponentialDecay: initial_learning_rate is 0; it must be above 0");
  EXPECT_THAT(refused(ExponentialDecay{.initial_learning_rate = 0.1}), ::testing::HasSubstr("decay_rate is 0"));
  EXPECT_THAT(refused(PolynomialDecay{.initial_learning_rate = 0.1, .decay_steps = -1}), ::testing::HasSubstr("decay_steps is -1"));
  EXPECT_THAT(refused(CosineDecay{}), ::testing::HasSubstr("there is no warmup_target"));
  EXPECT_THAT(refused(CosineDecay{.initial_learning_rate = 0.1, .alpha = 2}), ::testing::HasSubstr("alpha is 2"));
  EXPECT_THAT(refused(CosineDecayRestarts{.initial_learning_rate = 0.1, .t_mul = 0.5}), ::testing::HasSubstr("t_mul is 0.5"));
  EXPECT_THAT(refused(PiecewiseConstantDecay{.boundaries = {3}, .values = {1}}), ::testing::HasSubstr("values has 1 rates for 1 boundaries"));
  EXPECT_THAT(refused(PiecewiseConstantDecay{.boundaries = {3, 3}, .values = {1, 2, 3}}), ::testing::HasSubstr("do not rise"));
  EXPECT_THAT(refused(PiecewiseConstantDecay{.boundaries = {3}, .values = {1, -2}}), ::testing::HasSubstr("values is (1, -2)"));
  EXPECT_THAT(message_of<FormatError>([] { schedule_from_json({{"class_name", "CosineDecays"}, {"config", io::Json::object()}}, "file"); }),
              ::testing::HasSubstr("did you mean \"CosineDecay\"?"));
}

TEST(Schedules, AFunctionIsOne) {
  const LearningRate rate = [](std::int64_t step) { return 1.0 / static_cast<double>(1 + step); };
  EXPECT_TRUE(rate.is_schedule());
  EXPECT_FALSE(rate.spans_fit());
  EXPECT_EQ(rate.at(3, 10), 0.25);
  EXPECT_THAT(message_of<ValueError>([&] { to_json(optimizers::SGD{.learning_rate = rate}); }), ::testing::HasSubstr("a file cannot hold"));
  const LearningRate bad = [](std::int64_t step) { return 1.0 - static_cast<double>(step); };
  EXPECT_THAT(message_of<ValueError>([&] { bad.at(2, 10); }), ::testing::HasSubstr("gave -1 for step 2"));
}

TEST(Constraint, ExamplesOfEveryRowRoundTrip) {
  for (const auto& row : constraint_rows())
    for (const schema::Example& example : row.examples) {
      const Constraint constraint = row.read(io::parse_json(std::string(example.config), "test"), "test");
      EXPECT_EQ(constraint.class_name(), row.info.name);
      EXPECT_EQ(to_json(constraint_from_json(to_json(constraint), "test")), to_json(constraint));
    }
  EXPECT_EQ(Constraint("max_norm").class_name(), "MaxNorm");
  EXPECT_FALSE(Constraint().defined());
  EXPECT_EQ(to_json(Constraint()), nullptr);
  EXPECT_THAT(message_of<ValueError>([] { Constraint("maxnorm_"); }), ::testing::HasSubstr("unknown constraint"));
  EXPECT_THAT(message_of<ValueError>([] { Constraint(constraints::MinMaxNorm{.min_value = 2}); }), ::testing::HasSubstr("min_value is 2 and max_value 1"));
  EXPECT_THAT(Constraint(constraints::UnitNorm{.axis = 2}).description().fault({3, 4}), ::testing::HasSubstr("axis 2 is outside"));
  EXPECT_EQ(Constraint(constraints::UnitNorm{.axis = -2}).description().fault({3, 4}), "");
}

TEST(Optimizer, ExamplesOfEveryRowRoundTrip) {
  for (const auto& row : optimizer_rows())
    for (const schema::Example& example : row.examples) {
      const std::string what = std::string(row.info.name) + std::string(example.config);
      const Optimizer optimizer = row.read(io::parse_json(std::string(example.config), what), what);
      EXPECT_EQ(optimizer.class_name(), row.info.name);
      const io::Json json = to_json(optimizer);
      EXPECT_EQ(to_json(optimizer_from_json(json, what)), json);
    }
  const Optimizer cycle = optimizers::Adam({.learning_rate = optimizers::schedules::OneCycle{.max_learning_rate = 0.1, .total_steps = 30, .warmup = 0.2}});
  EXPECT_EQ(to_json(optimizer_from_json(to_json(cycle), "test")), to_json(cycle));
  EXPECT_EQ(Optimizer("Adam").class_name(), "Adam");
  EXPECT_EQ(Optimizer("RMSPROP").class_name(), "RMSprop");
}

TEST(Optimizer, RefusesValuesOutOfRange) {
  using namespace optimizers;
  using schedules::OneCycle;
  const auto refused = [](const auto& options) { return message_of<ValueError>([&] { const Optimizer optimizer = options; }); };
  EXPECT_THAT(message_of<ValueError>([] { Optimizer("adamm"); }), ::testing::HasSubstr("did you mean \"adam\"?"));
  for (const double rate : {0.0, -1.0, std::nan(""), HUGE_VAL}) EXPECT_THROW(LearningRate{rate}, ValueError);
  EXPECT_EQ(refused(SGD{.momentum = 1}), "SGD: momentum is 1; it must be in [0, 1)");
  EXPECT_THAT(refused(SGD{.momentum = -0.1}), ::testing::HasSubstr("momentum is -0.1"));
  EXPECT_THAT(refused(Adam{.beta_1 = 1}), ::testing::HasSubstr("beta_1 is 1"));
  EXPECT_THAT(refused(Adam{.beta_2 = std::nan("")}), ::testing::HasSubstr("beta_2 is nan"));
  EXPECT_THAT(refused(Adam{.epsilon = 0}), ::testing::HasSubstr("epsilon is 0"));
  EXPECT_THAT(refused(AdamW{.weight_decay = -1}), ::testing::HasSubstr("weight_decay is -1"));
  EXPECT_THAT(refused(RMSprop{.rho = 1.5}), ::testing::HasSubstr("rho is 1.5"));
  EXPECT_THAT(refused(SGD{.clipnorm = 0}), ::testing::HasSubstr("clipnorm is 0"));
  EXPECT_THAT(refused(SGD{.clipnorm = 1, .clipvalue = 1}), ::testing::HasSubstr("give one of them"));
  EXPECT_THAT(refused(Adam{.gradient_accumulation_steps = 1}), ::testing::HasSubstr("gradient_accumulation_steps is 1; it must be 2 or more"));
  EXPECT_THAT(refused(Adam{.use_ema = true, .ema_momentum = 1.5}), ::testing::HasSubstr("ema_momentum is 1.5"));
  EXPECT_THAT(refused(Adam{.ema_overwrite_frequency = 0}), ::testing::HasSubstr("ema_overwrite_frequency is 0"));
  EXPECT_THAT(refused(Lion{.beta_1 = 0}), ::testing::HasSubstr("beta_1 is 0"));
  EXPECT_THAT(refused(Ftrl{.learning_rate_power = 0.5}), ::testing::HasSubstr("learning_rate_power is 0.5"));
  EXPECT_THAT(refused(Muon{.exclude_layers = {"("}}), ::testing::HasSubstr("no regular expression"));
  for (const OneCycle& cycle : {OneCycle{.max_learning_rate = 0}, OneCycle{.total_steps = -1}, OneCycle{.warmup = 1}, OneCycle{.div_factor = 0}})
    EXPECT_THROW(LearningRate{cycle}, ValueError);
}

TEST(Optimizer, RefusesWhatItLacksByName) {
  const auto refused = [](const char* class_name, const io::Json& config) {
    return message_of<FormatError>([&] { optimizer_from_json({{"class_name", class_name}, {"config", config}}, "file"); });
  };
  EXPECT_THAT(refused("LossScaleOptimizer", io::Json::object()), ::testing::HasSubstr("\"lossscaleoptimizer\""));
  EXPECT_THAT(refused("Adam", {{"loss_scale_factor", 2.0}}), ::testing::HasSubstr("\"loss_scale_factor\""));
  EXPECT_THAT(refused("SGD", {{"learning_rate", {{"class_name", "Cosine"}, {"config", io::Json::object()}}}}), ::testing::HasSubstr("\"Cosine\""));
}

// Keras's null is none, not the default.
TEST(Optimizer, NullIsNone) {
  const Optimizer muon = optimizer_from_json({{"class_name", "Muon"}, {"config", {{"weight_decay", nullptr}, {"rms_rate", nullptr}}}}, "test");
  EXPECT_EQ(muon.description().config()["weight_decay"], nullptr);
  EXPECT_EQ(muon.description().config()["adam_weight_decay"], 0.004);
}

TEST(LearningRate, Constant) {
  const LearningRate rate = 0.25;
  EXPECT_FALSE(rate.is_schedule());
  EXPECT_EQ(rate.at(0, 10), 0.25);
  EXPECT_EQ(rate.at(1000000, 10), 0.25);
}

using optimizers::schedules::OneCycle;

TEST(LearningRate, OneCycleByHand) {
  // 11 steps, 0 .. 10: up from 0.04 to 1 in steps 0 .. 4, down to 0.0004 in steps 4 .. 10.
  const LearningRate rate = OneCycle({.max_learning_rate = 1, .warmup = 0.4, .div_factor = 25, .final_div_factor = 100});
  EXPECT_TRUE(rate.is_schedule());
  EXPECT_DOUBLE_EQ(rate.at(0, 11), 0.04);
  EXPECT_DOUBLE_EQ(rate.at(1, 11), 0.28);
  EXPECT_DOUBLE_EQ(rate.at(2, 11), 0.52);
  EXPECT_DOUBLE_EQ(rate.at(4, 11), 1);
  EXPECT_DOUBLE_EQ(rate.at(7, 11), (1 + 0.0004) / 2);
  EXPECT_NEAR(rate.at(10, 11), 0.0004, 1e-15);
  EXPECT_NEAR(rate.at(50, 11), 0.0004, 1e-15);
}

TEST(LearningRate, OneCycleEdges) {
  const LearningRate no_warmup = OneCycle({.max_learning_rate = 1, .warmup = 0});
  EXPECT_DOUBLE_EQ(no_warmup.at(0, 5), 1);
  EXPECT_LT(no_warmup.at(4, 5), 1e-4);
  // Steps of its own go before those of the fit.
  const LearningRate own = OneCycle({.max_learning_rate = 1, .total_steps = 3, .warmup = 0.5});
  EXPECT_DOUBLE_EQ(own.at(1, 1000), 1);
  const LearningRate usual = OneCycle{};
  for (const std::int64_t steps : {0, 1, 2, 3})
    for (std::int64_t step = 0; step < 4; ++step) {
      EXPECT_GT(usual.at(step, steps), 0) << steps;
      EXPECT_LE(usual.at(step, steps), 0.01) << steps;
    }
}

}  // namespace
}  // namespace linn::detail::optim
