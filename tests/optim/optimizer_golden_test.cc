// Optimizers against ten steps of Keras's, and learning rates by hand.
#include <gmock/gmock.h>

#include <set>

#include "linn/error.h"
#include "optim/optimizers.h"
#include "support/golden.h"
#include "support/message_of.h"
#include "support/plan_run.h"

namespace linn::detail::optim {
namespace {

using namespace tests;

// Keras rounds the powers of Adam's betas to float32 even in float64, which moves each step by a few millionths of itself.
constexpr Level optimizer_levels[] = {{Precision::float64, {1e-6, 1e-7}, "float64"}, {Precision::float32, {0, 1e-5}, "float32"}};

// The two variables of the file in one step, since global_clipnorm looks at both.
void check_steps(const Optimizer& optimizer, const GoldenTensors& golden, const GoldenTensors& steps, const std::string& name, const Level& level) {
  SCOPED_TRACE(name + " in " + level.name);
  const OptimizerDescription& description = optimizer.description();
  PlanRun run(plan::Purpose::training);
  std::vector<Trained> trained;
  const std::vector<std::string> variables{"a", "b"};
  for (const std::string& variable : variables) {
    const Shape shape = golden["start/" + variable].shape();
    const auto size = static_cast<std::size_t>(shape.elements());
    Trained& one = trained.emplace_back();
    one.gradient = run.bind("gradient of " + variable, shape, plan::Extent::fixed, Values(size));
    one.variable = run.bind(variable, shape, plan::Extent::fixed, golden.values("start/" + variable));
    for (const OptimizerSlot& slot : description.slots(shape)) one.slots.push_back(run.bind(slot.name, slot.shape, plan::Extent::fixed, Values(size, slot.first)));
  }
  lower_step(run.lowering(), description, trained);
  run.compile(1, level.precision);

  for (std::int64_t k = 0; k < 10; ++k) {
    const auto row = [&](const Values& all, const Shape& shape) {
      const auto first = all.begin() + shape.elements() * k;
      return Values(first, first + shape.elements());
    };
    for (std::size_t v = 0; v < 2; ++v) run.set(trained[v].gradient, row(golden.values("gradients/" + variables[v]), trained[v].variable.shape));
    // Keras keeps the rate as a float32 number.
    run.run(1, {.seed = 0, .step = k, .learning_rate = static_cast<double>(static_cast<float>(description.learning_rate().at(k, 10)))});
    for (std::size_t v = 0; v < 2; ++v) {
      const Shape& shape = trained[v].variable.shape;
      EXPECT_TRUE(agrees(fmt::format("{} after step {}", variables[v], k + 1), shape, run.get(trained[v].variable),
                         row(steps.values(name + "/" + variables[v]), shape), level.tolerance));
    }
  }
  for (std::size_t v = 0; v < 2; ++v)
    for (std::size_t i = 0; i < trained[v].slots.size(); ++i) {
      const Shape& shape = trained[v].variable.shape;
      const std::string slot = description.slots(shape)[i].name;
      EXPECT_TRUE(agrees(slot, shape, run.get(trained[v].slots[i]), steps.values(name + "/state/" + variables[v] + "_" + slot), level.tolerance));
    }
}

TEST(OptimizerGolden, EveryRowAsKeras) {
  const GoldenTensors golden("optimizers.safetensors"), more("optim.safetensors");
  std::set<std::string> seen;
  int compared = 0;
  for (const auto& [cases, steps] : {std::pair{golden_json("optimizers.json")["cases"], &golden}, std::pair{golden_json("optim.json")["optimizers"], &more}})
    for (const io::Json& test : cases) {
      const auto name = test["name"].get<std::string>();
      const Optimizer optimizer = optimizer_from_json(test, name);
      EXPECT_EQ(optimizer.class_name(), test["class_name"]);
      EXPECT_EQ(optimizer.description().slots({1}).size(), (test["state"].size() - 2) / 2) << name;
      for (const Level& level : optimizer_levels) check_steps(optimizer, golden, *steps, name, level);
      seen.insert(test["class_name"]);
      ++compared;
    }
  EXPECT_EQ(compared, 19);
  for (const auto& row : optimizer_rows())
    EXPECT_TRUE(seen.contains(std::string(row.info.name))) << "no golden case of " << row.info.name << "; add one to make_optim_golden.py";
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
  for (const OneCycle& cycle : {OneCycle{.max_learning_rate = 0}, OneCycle{.total_steps = -1}, OneCycle{.warmup = 1}, OneCycle{.div_factor = 0}})
    EXPECT_THROW(LearningRate{cycle}, ValueError);
}

TEST(Optimizer, RefusesWhatItLacksByName) {
  const auto refused = [](const char* class_name, const io::Json& config) {
    return message_of<FormatError>([&] { optimizer_from_json({{"class_name", class_name}, {"config", config}}, "file"); });
  };
  EXPECT_THAT(refused("Nadam", io::Json::object()), ::testing::HasSubstr("\"nadam\""));
  EXPECT_THAT(refused("Adam", {{"use_ema", true}}), ::testing::HasSubstr("\"use_ema\""));
  EXPECT_THAT(refused("Adam", {{"gradient_accumulation_steps", 2}}), ::testing::HasSubstr("\"gradient_accumulation_steps\""));
  EXPECT_THAT(refused("SGD", {{"learning_rate", {{"class_name", "CosineDecay"}, {"config", io::Json::object()}}}}), ::testing::HasSubstr("\"CosineDecay\""));
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
