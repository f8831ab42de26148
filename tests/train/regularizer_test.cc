// Regularizers: the loss that is shown, gradients and ten steps as Keras's; finite differences; the loss of an epoch whose last batch is short.
#include "linn/regularizers.h"

#include <gmock/gmock.h>

#include "graph/graph.h"
#include "layers/description.h"
#include "linn/error.h"
#include "optim/regularizers.h"
#include "support/finite_differences.h"
#include "plan/ops/orthogonal_penalty.h"
#include "support/golden.h"
#include "support/plan_run.h"
#include "train/training.h"

namespace linn::detail::train {
namespace {

using namespace tests;
using ::testing::HasSubstr;

// Dense(6, tanh) with L1L2 on its kernel and L2 on its bias, Dense(3) with L1 on its kernel.
class Regularized : public ::testing::Test {
 protected:
  Regularized() {
    for (const char* config : {R"({"name": "dense", "units": 6, "activation": "tanh"})", R"({"name": "dense_1", "units": 3})"})
      graph_.append(layers::layer_from_config("Dense", io::parse_json(config, "test"), "test"), 0);
    graph_.build({4}, 0);
    regularize();
    set("start");
  }

  void regularize() {
    const Regularizer regularizers[] = {regularizers::L1L2{0.01, 0.02}, regularizers::L2{0.1}, regularizers::L1{0.03}, {}};
    for (std::size_t i = 0; i < 4; ++i) graph_.variables()[i].variable->regularizer = regularizers[i];
  }

  void set(const std::string& when) {
    for (std::size_t i = 0; i < 4; ++i) graph_.set_value(i, golden_["regularized/" + when + "/" + graph_.variables()[i].name].clone());
  }
  Training training() {
    return {graph_, {.optimizer = optimizers::SGD({.learning_rate = 0.1, .momentum = 0.9}), .losses = {"mse"}, .loss_weights = {1}, .metrics = {{"mae"}}}, {}, 0, "float32"};
  }

  GoldenTensors golden_{"optim.safetensors"};
  graph::Graph graph_{"net"};
  Tensor x_ = golden_["regularized/x"], y_ = golden_["regularized/y"];
};

TEST_F(Regularized, TenStepsAsKeras) {
  Training training = this->training();
  const std::vector<Tensor> gradients = training.gradients(x_, y_, {});
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string& name = graph_.variables()[i].name;
    EXPECT_TRUE(agrees("d " + name, gradients[i].shape(), values_of(gradients[i]), golden_.values("regularized/grad/" + name), {0, 1e-5}));
  }
  const Values losses = golden_.values("regularized/losses");
  EXPECT_NEAR(training.test_on_batch(x_, y_, {})["loss"], losses[0], 1e-5 * losses[0]);
  for (std::size_t step = 0; step < 10; ++step) EXPECT_NEAR(training.train_on_batch(x_, y_, {})["loss"], losses[step], 1e-5 * losses[step]) << step;
  for (const graph::GraphVariable& variable : graph_.variables())
    EXPECT_TRUE(agrees(variable.name, variable.shape(), values_of(variable.value()), golden_.values("regularized/end/" + variable.name), {0, 1e-4}));
}

// Once a step, whatever the number of samples and their weights.
TEST_F(Regularized, CountsOnceAStep) {
  Training training = this->training();
  const double whole = training.test_on_batch(x_, y_, {})["loss"];
  for (const graph::GraphVariable& variable : graph_.variables()) variable.variable->regularizer = {};
  Training plain = this->training();
  const double data = plain.test_on_batch(x_, y_, {})["loss"];
  const double penalty = whole - data;
  EXPECT_GT(penalty, 0.1);

  regularize();
  Training again = this->training();
  EXPECT_NEAR(again.evaluate(x_, y_, {.batch_size = 4, .verbose = 0})["loss"], whole, 1e-6);
  Tensor nothing({11});
  EXPECT_NEAR(again.test_on_batch(x_, y_, {.sample_weight = nothing})["loss"], penalty, 1e-6);
}

// What is not trained is not regularized, as in Keras.
TEST_F(Regularized, NotWhereNothingIsTrained) {
  for (const graph::GraphVariable& variable : graph_.variables()) variable.variable->trainable = false;
  Training training = this->training();
  const double whole = training.test_on_batch(x_, y_, {})["loss"];
  for (const graph::GraphVariable& variable : graph_.variables()) variable.variable->regularizer = {};
  Training plain = this->training();
  EXPECT_EQ(plain.test_on_batch(x_, y_, {})["loss"], whole);
}

TEST(Regularizer, NamesRangesAndJson) {
  EXPECT_FALSE(Regularizer().defined());
  EXPECT_EQ(Regularizer("l2").l2(), 0.01);
  EXPECT_EQ(Regularizer("L1L2").l1(), 0);
  EXPECT_THROW(Regularizer("l3"), ValueError);
  EXPECT_THROW(Regularizer(regularizers::L1{-1}), ValueError);
  EXPECT_THROW(Regularizer(regularizers::OrthogonalRegularizer{.factor = -1}), ValueError);
  EXPECT_THROW(optim::regularizer_from_json({{"class_name", "OrthogonalRegularizer"}, {"config", {{"mode", "diagonals"}}}}, "file"), FormatError);
  EXPECT_EQ(optim::to_json(Regularizer()), nullptr);
  for (const Regularizer& regularizer : {Regularizer(regularizers::L1{0.5}), Regularizer("l2"), Regularizer(regularizers::L1L2{0.1, 0.2}),
                                         Regularizer(regularizers::OrthogonalRegularizer{.factor = 0.5, .mode = "columns"})}) {
    const io::Json json = optim::to_json(regularizer);
    EXPECT_EQ(optim::to_json(optim::regularizer_from_json(json, "test")), json);
  }
  for (const auto& row : optim::regularizer_rows())
    for (const schema::Example& example : row.examples)
      EXPECT_EQ(row.read(io::parse_json(std::string(example.config), "test"), "test").class_name(), row.info.name);
}

TEST(OrthogonalRegularizer, AsKeras) {
  const GoldenTensors golden("optimizer_steps.safetensors");
  for (const Level& level : levels)
    for (const bool columns : {false, true})
      for (const std::string variable : {"embedding", "wide"}) {
        const std::string name = fmt::format("orthogonal/{}/{}", columns ? "columns" : "rows", variable);
        SCOPED_TRACE(name + " in " + level.name);
        const Shape shape = golden["start/" + variable].shape();
        PlanRun run(plan::Purpose::training);
        const plan::Value weights = run.bind("w", shape, plan::Extent::fixed, golden.values("start/" + variable));
        const plan::Value penalty = plan::orthogonal_penalty(run.lowering(), weights, 0.5, columns);
        const std::vector<plan::Value> gradients = run.compile(1, level.precision, {.variables = {weights}, .update = {}});
        run.run(1);
        EXPECT_TRUE(agrees("value", {1}, run.get(penalty), golden.values(name + "/value"), level.tolerance));
        EXPECT_TRUE(agrees("gradient", shape, run.get(gradients[0]), golden.values(name + "/grad"), level.tolerance));
      }
}

}  // namespace
}  // namespace linn::detail::train
