// Optimizer steps against scalar loops written out from Keras 3's formulas, and every form against the float reference.
#include "kernels/eltwise/update.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/eltwise_check.h"

namespace linn::detail::kernels {
namespace {

/// The arrays of one parameter.
struct State {
  std::vector<double> gradient, variable, a, b, c;
  explicit State(std::int64_t count, unsigned seed) {
    const auto fill = [&](std::vector<double>& v, unsigned shift, bool positive) {
      for (const float x : check::make(count, check::Values::normal, seed + shift)) v.push_back(static_cast<double>(positive ? std::abs(x) : x));
    };
    fill(gradient, 0, false), fill(variable, 1, false), fill(a, 2, false), fill(b, 3, true), fill(c, 4, true);
  }
};

AdamUpdate::Args<double> adam(State& s, double alpha, bool amsgrad, double decay = 0) {
  return {static_cast<std::int64_t>(s.variable.size()), alpha, decay, s.gradient.data(), s.variable.data(), s.a.data(), s.b.data(), amsgrad ? s.c.data() : nullptr, nullptr};
}
SgdUpdate::Args<double> sgd(State& s, double rate, bool momentum, double decay = 0) {
  return {static_cast<std::int64_t>(s.variable.size()), rate, decay, s.gradient.data(), s.variable.data(), momentum ? s.a.data() : nullptr, nullptr};
}
RmspropUpdate::Args<double> rmsprop(State& s, double rate, bool momentum, bool centered, double decay = 0) {
  return {static_cast<std::int64_t>(s.variable.size()), rate, decay, s.gradient.data(), s.variable.data(), s.c.data(), momentum ? s.a.data() : nullptr, centered ? s.b.data() : nullptr, nullptr};
}

TEST(Update, AdamEveryForm) {
  for (const bool amsgrad : {false, true})
    for (std::int64_t count = 0; count <= 70; ++count) check::check_adam({.amsgrad = amsgrad}, 1e-3, {count, check::Values::normal, 1});
}

TEST(Update, SgdEveryForm) {
  for (const double momentum : {0.0, 0.9})
    for (const bool nesterov : {false, true})
      for (std::int64_t count = 0; count <= 70; ++count) check::check_sgd({momentum, nesterov}, 0.01, {count, check::Values::normal, 1});
}

TEST(Update, RmspropEveryForm) {
  for (const double momentum : {0.0, 0.9})
    for (const bool centered : {false, true})
      for (std::int64_t count = 0; count <= 70; ++count)
        check::check_rmsprop({.momentum = momentum, .epsilon = 5, .centered = centered}, 0.01, {count, check::Values::normal, 1});
}

TEST(UpdateReference, AdamAsKeras) {
  const double b1 = 0.8, b2 = 0.95, eps = 1e-3, lr = 0.05;
  for (const bool amsgrad : {false, true}) {
    State s(20, 5);
    std::fill(s.a.begin(), s.a.end(), 0.0), std::fill(s.b.begin(), s.b.end(), 0.0), std::fill(s.c.begin(), s.c.end(), 0.0);
    std::vector<double> w = s.variable, m(20), v(20), vhat(20);
    for (int t = 1; t <= 5; ++t) {
      for (double& g : s.gradient) g *= t % 2 == 0 ? -0.5 : 1.1;
      AdamUpdate::reference<double>({b1, b2, eps, amsgrad}, adam(s, lr * std::sqrt(1 - std::pow(b2, t)) / (1 - std::pow(b1, t)), amsgrad));
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double g = s.gradient[i];
        m[i] = b1 * m[i] + (1 - b1) * g;
        v[i] = b2 * v[i] + (1 - b2) * g * g;
        vhat[i] = std::max(vhat[i], v[i]);
        w[i] -= lr * std::sqrt(1 - std::pow(b2, t)) / (1 - std::pow(b1, t)) * m[i] / (std::sqrt(amsgrad ? vhat[i] : v[i]) + eps);
        EXPECT_NEAR(s.variable[i], w[i], 1e-13);
      }
    }
  }
}

TEST(UpdateReference, SgdAsKeras) {
  for (const double mu : {0.0, 0.9})
    for (const bool nesterov : {false, true}) {
      State s(20, 6);
      std::vector<double> w = s.variable, m = s.a;
      for (int t = 0; t < 3; ++t) {
        SgdUpdate::reference<double>({mu, nesterov}, sgd(s, 0.1, mu != 0));
        for (std::size_t i = 0; i < w.size(); ++i) {
          const double g = s.gradient[i];
          m[i] = mu * m[i] - 0.1 * g;
          if (mu == 0) w[i] -= 0.1 * g;
          else if (nesterov) w[i] += mu * m[i] - 0.1 * g;
          else w[i] += m[i];
          EXPECT_NEAR(s.variable[i], w[i], 1e-13);
        }
      }
    }
}

TEST(UpdateReference, RmspropAsKeras) {
  for (const double mu : {0.0, 0.9})
    for (const bool centered : {false, true}) {
      State s(20, 7);
      std::fill(s.a.begin(), s.a.end(), 0.0), std::fill(s.b.begin(), s.b.end(), 0.0), std::fill(s.c.begin(), s.c.end(), 0.0);
      std::vector<double> w = s.variable, v(20), average(20), m(20);
      for (int t = 0; t < 4; ++t) {
        RmspropUpdate::reference<double>({0.8, mu, 1e-4, centered}, rmsprop(s, 0.1, mu != 0, centered));
        for (std::size_t i = 0; i < w.size(); ++i) {
          const double g = s.gradient[i];
          v[i] = 0.8 * v[i] + 0.2 * g * g;
          average[i] = 0.8 * average[i] + 0.2 * g;
          const double step = 0.1 * g / std::sqrt(v[i] - (centered ? average[i] * average[i] : 0) + 1e-4);
          m[i] = mu * m[i] + step;
          w[i] -= mu != 0 ? m[i] : step;
          EXPECT_NEAR(s.variable[i], w[i], 1e-12);
        }
      }
    }
}

// The decay comes first: after one step of SGD, w (1 - decay) - rate g.
TEST(UpdateReference, DecayComesFirst) {
  State s(5, 8);
  const std::vector<double> before = s.variable;
  SgdUpdate::reference<double>({}, sgd(s, 0.1, false, 0.25));
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_DOUBLE_EQ(s.variable[i], 0.75 * before[i] - 0.1 * s.gradient[i]);
  State a(5, 9), b(5, 9);
  for (double& w : a.variable) w *= 0.75;
  AdamUpdate::reference<double>({}, adam(a, 0.1, false));
  AdamUpdate::reference<double>({}, adam(b, 0.1, false, 0.25));
  EXPECT_EQ(a.variable, b.variable);
  RmspropUpdate::reference<double>({}, rmsprop(a, 0.1, false, false));
  for (double& w : b.variable) w /= 0.75;
  RmspropUpdate::reference<double>({}, rmsprop(b, 0.1, false, false, 0.25));
  for (std::size_t i = 0; i < a.variable.size(); ++i) EXPECT_NEAR(a.variable[i], b.variable[i], 1e-14);
}

// Variables that do not decay keep even the sign of a zero.
TEST(Update, NoDecayKeepsZerosAndInfinities) {
  const float infinity = std::numeric_limits<float>::infinity();
  check::each_form<SgdUpdate>({}, [&](const Implementation<SgdUpdate>& form) {
    std::vector<float> w{-0.0f, infinity}, g{0, 0};
    form.run({}, {2, 0.1, 0, g.data(), w.data(), nullptr, nullptr});
    EXPECT_TRUE(std::signbit(w[0]));
    EXPECT_EQ(w[1], infinity);
  });
}

struct Steps {
  template <class T>
  auto at(T rate, std::int64_t step) const {
    return [change = rate * static_cast<T>(step)](T g, T& w, T& sum, T& largest) {
      sum += g;
      largest = std::max(largest, g);
      w -= change * g;
    };
  }
};

TEST(ElementUpdate, StepsEachElement) {
  std::vector<float> w{1, 2}, g{3, -4}, sum{10, 20}, largest{0, 0};
  const ElementUpdate::Problem problem{StepFunction::of(Steps{})};
  ElementUpdate::reference<float>(problem, {2, 0.5, 2, 0.25, g.data(), w.data(), {sum.data(), largest.data(), nullptr}, nullptr});
  EXPECT_EQ(w, (std::vector<float>{0.75f - 3, 1.5f + 4}));
  EXPECT_EQ(sum, (std::vector<float>{13, 16}));
  EXPECT_EQ(largest, (std::vector<float>{3, 0}));
}

}  // namespace
}  // namespace linn::detail::kernels
