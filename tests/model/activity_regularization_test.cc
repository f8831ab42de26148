// The penalty on values within a network: the loss that is shown, and the step that is taken, by the formula.
#include <gmock/gmock.h>

#include <array>
#include <cmath>

#include "linn/layers.h"
#include "linn/model.h"

namespace linn {
namespace {

struct PenalizedProblem {
  static constexpr std::size_t images = 3, inputs = 2, outputs = 4;
  static constexpr double l1 = 0.25, l2 = 0.125;

  std::array<std::array<double, inputs>, images> x{{{0.5, -1}, {2, 0.25}, {-1.5, 1}}};
  std::array<std::array<double, outputs>, images> y{{{1, 0, -1, 2}, {0, 0.5, 1, 1}, {-1, 1, 0, 0}}};
  std::array<std::array<double, outputs>, inputs> w{{{0.5, -0.25, 1, 0.75}, {-1, 0.5, 0.25, -0.5}}};

  double activity(std::size_t i, std::size_t o) const {
    double sum = 0;
    for (std::size_t k = 0; k < inputs; ++k) sum += x[i][k] * w[k][o];
    return sum;
  }
  double loss() const {
    double errors = 0, penalty = 0;
    for (std::size_t i = 0; i < images; ++i)
      for (std::size_t o = 0; o < outputs; ++o) {
        const double a = activity(i, o);
        errors += (a - y[i][o]) * (a - y[i][o]);
        penalty += l1 * std::abs(a) + l2 * a * a;
      }
    return errors / (images * outputs) + penalty / images;
  }
  double slope(std::size_t k, std::size_t o) const {
    double sum = 0;
    for (std::size_t i = 0; i < images; ++i) {
      const double a = activity(i, o);
      sum += x[i][k] * (2 * (a - y[i][o]) / (images * outputs) + (l1 * (a > 0 ? 1 : -1) + 2 * l2 * a) / images);
    }
    return sum;
  }
};

template <std::size_t rows, std::size_t columns>
Tensor penalized_tensor(const std::array<std::array<double, columns>, rows>& values) {
  Tensor tensor({static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns)});
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; ++j) tensor.values<float>()[i * columns + j] = static_cast<float>(values[i][j]);
  return tensor;
}

using P = PenalizedProblem;

TEST(ActivityRegularization, LossAndStepAreThoseOfTheFormula) {
  const PenalizedProblem problem;
  for (const std::int64_t batch : {1, 2, 3}) {
    Sequential model({Dense(P::outputs, {.use_bias = false, .input_shape = {P::inputs}}), ActivityRegularization({.l1 = P::l1, .l2 = P::l2}), Identity()});
    model.set_weights({penalized_tensor(problem.w)});
    model.compile({.optimizer = optimizers::SGD({.learning_rate = 1}), .loss = "mse"});
    const Tensor x = penalized_tensor(problem.x), y = penalized_tensor(problem.y);
    EXPECT_NEAR(model.evaluate(x, y, {.batch_size = batch, .verbose = 0}).at("loss"), problem.loss(), 1e-6) << "batches of " << batch;
    if (batch != 3) continue;
    EXPECT_NEAR(model.train_on_batch(x, y).at("loss"), problem.loss(), 1e-6);
    const Tensor after = model.get_weights()[0];
    for (std::size_t k = 0; k < P::inputs; ++k)
      for (std::size_t o = 0; o < P::outputs; ++o)
        EXPECT_NEAR(static_cast<double>(after.values<float>()[k * P::outputs + o]), problem.w[k][o] - problem.slope(k, o), 1e-6) << k << " " << o;
  }
}

TEST(ActivityRegularization, LeavesPredictionsAsTheyAre) {
  Sequential model({Dense(P::outputs, {.input_shape = {P::inputs}})});
  Sequential penalized({Dense(P::outputs, {.input_shape = {P::inputs}}), ActivityRegularization({.l2 = 5})});
  penalized.set_weights(model.get_weights());
  const Tensor x = penalized_tensor(PenalizedProblem().x);
  const Tensor expected = model.predict(x), found = penalized.predict(x);
  for (std::size_t i = 0; i < P::images * P::outputs; ++i) EXPECT_EQ(found.values<float>()[i], expected.values<float>()[i]);
}

}  // namespace
}  // namespace linn
