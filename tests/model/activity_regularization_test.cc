// The penalty on values within a network: the loss that is shown, and the step that is taken, by the formula.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "linn/layers.h"
#include "linn/model.h"
#include "support/finite_differences.h"

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

// TIPS with strides of 2 on maps (4, 4, 1), in double: relu of the circular convolution, means of the phases, softmax, 1 - |tau|.
struct MixtureProblem {
  static constexpr std::size_t images = 3, side = 4, cells = side * side;

  tests::Values x = tests::random_values(images * cells, 1), kernel = tests::random_values(9, 2);
  double scale = 3;

  double convolved(std::size_t image, std::size_t row, std::size_t column) const {
    double sum = 0;
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t j = 0; j < 3; ++j)
        sum += kernel[3 * i + j] * x[image * cells + (row + i + side - 1) % side * side + (column + j + side - 1) % side];
    return sum;
  }
  double penalty() const {
    double all = 0;
    for (std::size_t image = 0; image < images; ++image) {
      std::array<double, 4> means{};
      for (std::size_t row = 0; row < side; ++row)
        for (std::size_t column = 0; column < side; ++column)
          means[row % 2 * 2 + column % 2] += std::max(convolved(image, row, column), 0.0) / 4;
      double exponentials = 0, squares = 0;
      for (const double mean : means) exponentials += std::exp(scale * mean);
      for (const double mean : means) squares += std::pow(std::exp(scale * mean) / exponentials, 2);
      all += (1 - std::sqrt(squares)) / images;
    }
    return all;
  }
  double slope(double& value) const {
    const double kept = value, step = 1e-5;
    value = kept + step;
    const double above = penalty();
    value = kept - step;
    const double below = penalty();
    value = kept;
    return (above - below) / (2 * step);
  }
};

// The same numbers in each channel.
Tensor mixture_tensor(const Shape& shape, const std::vector<double>& values, std::size_t channels) {
  Tensor tensor(shape);
  const auto to = tensor.values<float>();
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<float>(values[i / channels]);
  return tensor;
}

TEST(ActivityRegularization, TipsPullsItsMixturesToOnePhase) {
  MixtureProblem problem;
  constexpr double factor = 2.5;
  const auto network = [&](double penalty, std::int64_t channels) {
    Sequential model({TranslationInvariantPolyphaseSampling2D({.one_phase_penalty = penalty, .input_shape = {4, 4, channels}})});
    const auto count = static_cast<std::size_t>(channels);
    model.set_weights({mixture_tensor({3, 3, channels, 1}, problem.kernel, count), mixture_tensor({channels}, {problem.scale}, count)});
    model.compile({.optimizer = optimizers::SGD({.learning_rate = 1}), .loss = "mse"});
    return model;
  };
  for (const std::int64_t channels : {1, 3}) {  // the mean over them
    const Tensor x = mixture_tensor({3, 4, 4, channels}, problem.x, static_cast<std::size_t>(channels)), y({3, 2, 2, channels});
    const auto loss = [&](double penalty) { return network(penalty, channels).evaluate(x, y, {.verbose = 0}).at("loss"); };
    EXPECT_NEAR(loss(factor) - loss(0), factor * problem.penalty(), 1e-5) << channels;
  }
  const Tensor x = mixture_tensor({3, 4, 4, 1}, problem.x, 1), y({3, 2, 2, 1});
  Sequential with = network(factor, 1), without = network(0, 1);
  with.train_on_batch(x, y);
  without.train_on_batch(x, y);
  const auto moved = [&](std::size_t weight, std::size_t i) {
    return static_cast<double>(without.get_weights()[weight].values<float>()[i]) - static_cast<double>(with.get_weights()[weight].values<float>()[i]);
  };
  for (std::size_t i = 0; i < 9; ++i) EXPECT_NEAR(moved(0, i), factor * problem.slope(problem.kernel[i]), 1e-4) << i;
  EXPECT_NEAR(moved(1, 0), factor * problem.slope(problem.scale), 1e-4);
}

}  // namespace
}  // namespace linn
