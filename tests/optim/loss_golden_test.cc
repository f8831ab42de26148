// Losses against what Keras computes: value and gradient, weighted and not, in both precisions.
#include <gmock/gmock.h>

#include "linn/error.h"
#include "optim/losses.h"
#include "support/golden.h"
#include "support/plan_run.h"

namespace linn::optim {
namespace {

using namespace tests;

struct Result {
  double value;
  Values gradient;
};

Result run_loss(const Loss& loss, const GoldenTensors& golden, const std::string& name, bool weighted, Precision precision) {
  PlanRun run(plan::Purpose::training);
  plan::Lowering& to = run.lowering();
  const Tensor& prediction = golden[name + "/y_pred"];
  const Shape image = prediction.shape().without_first();
  const std::int64_t images = prediction.shape()[0];
  plan::LossInputs inputs;
  inputs.prediction = run.bind("y_pred", image, plan::Extent::batch, values_of(prediction));
  const bool labels = takes_labels(loss);
  inputs.target = run.bind("y_true", labels ? Shape{} : image, plan::Extent::batch, golden.values(name + "/y_true"), labels ? plan::Element::i64 : plan::Element::real);
  plan::Value weight;
  if (weighted) weight = run.bind("weight", {}, plan::Extent::batch, golden.values(name + "/sample_weight"));
  const plan::Value rows = lower(to, loss, inputs);
  const plan::Value sum = plan::loss_sum(to, rows, weight);
  const plan::Value gradient = run.compile(images, precision, {.variables = {inputs.prediction}, .update = {}}).front();
  run.run(images);
  return {run.get(sum)[0] / static_cast<double>(images * rows.shape.elements()), run.get(gradient)};
}

TEST(LossGolden, AsKeras) {
  const GoldenTensors golden("losses.safetensors");
  const io::Json index = golden_json("losses.json");
  int compared = 0, refused = 0;
  for (const io::Json& test : index["cases"]) {
    const auto name = test["name"].get<std::string>();
    const std::string reduction = test["config"].value("reduction", "sum_over_batch_size");
    if (reduction != "sum_over_batch_size") {
      EXPECT_THROW(loss_from_json(test, name), FormatError) << name;
      ++refused;
      continue;
    }
    // One weight goes with one row in linn; for several rows an image, samples.cc refuses weights.
    if (name == "mse_rank4_weighted") continue;
    const Loss loss = loss_from_json(test, name);
    // Where probabilities are clipped, linn divides by their sum first, as Keras does on JAX and torch.
    const std::string other = test["clipped"].get<bool>() ? "_jax" : "";
    for (const Level& level : levels) {
      SCOPED_TRACE(name + " in " + level.name);
      const Result result = run_loss(loss, golden, name, test["weighted"].get<bool>(), level.precision);
      // In float32, 1 - 1e-7 is 1 - 1.2e-7: what was clipped at the top says little.
      const Tolerance tolerance = test["clipped"].get<bool>() && level.precision == Precision::float32 ? Tolerance{0, 1e-4} : level.tolerance;
      EXPECT_TRUE(agrees("value", {}, {result.value}, golden.values(name + "/value" + other), tolerance));
      EXPECT_TRUE(agrees("grad", golden[name + "/grad"].shape(), result.gradient, golden.values(name + "/grad" + other), tolerance));
    }
    ++compared;
  }
  EXPECT_EQ(compared, 31);
  EXPECT_EQ(refused, 6);
}

TEST(Loss, NamesAndJson) {
  EXPECT_EQ(Loss("mse").name(), "mean_squared_error");
  EXPECT_EQ(Loss("SparseCategoricalCrossentropy").name(), "sparse_categorical_crossentropy");
  EXPECT_THROW(Loss("sparse_categorical_crossentopy"), ValueError);
  EXPECT_THROW(CategoricalCrossentropy({.label_smoothing = 1.5}), ValueError);
  const Loss loss = CategoricalCrossentropy({.from_logits = true, .label_smoothing = 0.1});
  const Loss again = loss_from_json(to_json(loss), "test");
  EXPECT_EQ(again.kind, loss.kind);
  EXPECT_TRUE(again.from_logits);
  EXPECT_EQ(again.label_smoothing, 0.1);
  EXPECT_EQ(to_json(Loss("mse")), "mean_squared_error");
  EXPECT_EQ(loss_from_json(nullptr, "test").kind, Loss::Kind::none);
  EXPECT_THROW(loss_from_json({{"class_name", "SparseCategoricalCrossentropy"}, {"config", {{"ignore_class", 3}}}}, "test"), FormatError);
  EXPECT_THROW(loss_from_json({{"class_name", "CategoricalCrossentropy"}, {"config", {{"label_smoothing", 7}}}}, "test"), Error);
}

}  // namespace
}  // namespace linn::optim
