// Optimizers against ten steps of Keras's, and learning rates by hand.
#include <gmock/gmock.h>

#include "linn/error.h"
#include "optim/optimizers.h"
#include "support/golden.h"
#include "support/plan_run.h"

namespace linn::optim {
namespace {

using namespace tests;

// Keras rounds the powers of Adam's betas to float32 even in float64, which moves each step by a few millionths of itself.
constexpr Level optimizer_levels[] = {{Precision::float64, {1e-6, 1e-7}, "float64"}, {Precision::float32, {0, 1e-5}, "float32"}};

// Options that linn lacks are refused by their names.
std::string unsupported(const io::Json& test) {
  for (const char* option : {"clipvalue", "clipnorm", "global_clipnorm", "weight_decay"})
    if (test["arguments"].contains(option)) return option;
  return test["class_name"] == "AdamW" ? "weight_decay" : "";  // it comes with a default
}

void check_variable(const Optimizer& optimizer, const GoldenTensors& golden, const std::string& name, const std::string& variable, const Level& level) {
  SCOPED_TRACE(name + ", variable " + variable + " in " + level.name);
  const OptimizerDescription& description = optimizer.description();
  const Shape shape = golden["start/" + variable].shape();
  const auto size = static_cast<std::size_t>(shape.elements());
  PlanRun run(plan::Purpose::training);
  const plan::Value gradient = run.bind("gradient", shape, plan::Extent::fixed, Values(size));
  const plan::Value value = run.bind(variable, shape, plan::Extent::fixed, golden.values("start/" + variable));
  std::vector<plan::Value> slots;
  for (const std::string& slot : description.slots()) slots.push_back(run.bind(slot, shape, plan::Extent::fixed, Values(size)));
  description.lower(run.lowering(), gradient, value, slots);
  run.build(1, level.precision);

  const Values gradients = golden.values("gradients/" + variable);
  const Values after = golden.values(name + "/" + variable);
  const auto row = [&](const Values& all, std::int64_t k) {
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(size) * k;
    return Values(first, first + static_cast<std::ptrdiff_t>(size));
  };
  for (std::int64_t k = 0; k < 10; ++k) {
    run.set(gradient, row(gradients, k));
    // Keras keeps the rate as a float32 number.
    run.run(1, {.seed = 0, .step = k, .learning_rate = static_cast<double>(static_cast<float>(description.learning_rate().at(k, 10)))});
    EXPECT_TRUE(agrees(fmt::format("after step {}", k + 1), shape, run.get(value), row(after, k), level.tolerance));
  }
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const std::string slot = name + "/state/" + variable + "_" + description.slots()[i];
    EXPECT_TRUE(agrees(description.slots()[i], shape, run.get(slots[i]), golden.values(slot), level.tolerance));
  }
}

TEST(OptimizerGolden, AsKeras) {
  const GoldenTensors golden("optimizers.safetensors");
  const io::Json index = golden_json("optimizers.json");
  int compared = 0;
  for (const io::Json& test : index["cases"]) {
    const auto name = test["name"].get<std::string>();
    if (const std::string option = unsupported(test); !option.empty()) {
      try {
        optimizer_from_json(test, name);
        ADD_FAILURE() << name << " was not refused";
      } catch (const FormatError& error) {
        EXPECT_THAT(error.what(), ::testing::HasSubstr(option));
      }
      continue;
    }
    const Optimizer optimizer = optimizer_from_json(test, name);
    EXPECT_EQ(optimizer.class_name(), test["class_name"]);
    EXPECT_EQ(optimizer.description().slots().size(), (test["state"].size() - 2) / 2) << name;
    for (const Level& level : optimizer_levels)
      for (const char* variable : {"a", "b"}) check_variable(optimizer, golden, name, variable, level);
    ++compared;
  }
  EXPECT_EQ(compared, 10);
}

TEST(Optimizer, JsonRoundTrip) {
  const Optimizer optimizers[] = {SGD({.learning_rate = 0.5, .momentum = 0.9, .nesterov = true}), Adam({.beta_1 = 0.8, .epsilon = 1e-3, .amsgrad = true}),
                                  RMSprop({.rho = 0.7, .momentum = 0.1, .centered = true}),
                                  Adam({.learning_rate = OneCycle({.max_learning_rate = 0.1, .total_steps = 30, .warmup = 0.2})})};
  for (const Optimizer& optimizer : optimizers) {
    const io::Json json = to_json(optimizer);
    EXPECT_EQ(to_json(optimizer_from_json(json, "test")), json);
  }
  EXPECT_EQ(Optimizer("Adam").class_name(), "Adam");
  EXPECT_EQ(Optimizer("rmsprop").class_name(), "RMSprop");
}

TEST(Optimizer, RefusesValuesOutOfRange) {
  EXPECT_THROW(Optimizer("adamm"), ValueError);
  EXPECT_THROW(SGD({.learning_rate = 0}), ValueError);
  EXPECT_THROW(SGD({.learning_rate = -1}), ValueError);
  EXPECT_THROW(SGD({.learning_rate = std::nan("")}), ValueError);
  EXPECT_THROW(SGD({.learning_rate = HUGE_VAL}), ValueError);
  EXPECT_THROW(SGD({.momentum = 1}), ValueError);
  EXPECT_THROW(SGD({.momentum = -0.1}), ValueError);
  EXPECT_THROW(Adam({.beta_1 = 1}), ValueError);
  EXPECT_THROW(Adam({.beta_2 = std::nan("")}), ValueError);
  EXPECT_THROW(Adam({.epsilon = 0}), ValueError);
  EXPECT_THROW(RMSprop({.rho = 1.5}), ValueError);
  EXPECT_THROW(OneCycle({.max_learning_rate = 0}), ValueError);
  EXPECT_THROW(OneCycle({.total_steps = -1}), ValueError);
  EXPECT_THROW(OneCycle({.warmup = 1}), ValueError);
  EXPECT_THROW(OneCycle({.div_factor = 0}), ValueError);
}

TEST(LearningRate, Constant) {
  const LearningRate rate = 0.25;
  EXPECT_FALSE(rate.is_schedule());
  EXPECT_EQ(rate.at(0, 10), 0.25);
  EXPECT_EQ(rate.at(1000000, 10), 0.25);
}

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
  const LearningRate usual = OneCycle();
  for (const std::int64_t steps : {0, 1, 2, 3})
    for (std::int64_t step = 0; step < 4; ++step) {
      EXPECT_GT(usual.at(step, steps), 0) << steps;
      EXPECT_LE(usual.at(step, steps), 0.01) << steps;
    }
}

}  // namespace
}  // namespace linn::optim
