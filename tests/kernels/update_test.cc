// Optimizer steps against scalar loops written out from Keras 3's formulas, and every form against the float reference.
#include "kernels/eltwise/update.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/elementwise_check.h"

namespace linn::kernels {
namespace {

/// The arrays of one parameter, in float and in double.
template <class T>
struct State {
  std::vector<T> gradient, variable, a, b, c;
  explicit State(std::int64_t count, unsigned seed) {
    const auto fill = [&](std::vector<T>& v, unsigned shift, bool positive) {
      for (const float x : check::make(count, check::Values::normal, seed + shift)) v.push_back(static_cast<T>(positive ? std::abs(x) : x));
    };
    fill(gradient, 0, false), fill(variable, 1, false), fill(a, 2, false), fill(b, 3, true), fill(c, 4, true);
  }
};

template <class T>
AdamUpdate::Args<T> adam(State<T>& s, double alpha, bool amsgrad) {
  return {static_cast<std::int64_t>(s.variable.size()), alpha, s.gradient.data(), s.variable.data(), s.a.data(), s.b.data(), amsgrad ? s.c.data() : nullptr, nullptr};
}
template <class T>
SgdUpdate::Args<T> sgd(State<T>& s, double rate, bool momentum) {
  return {static_cast<std::int64_t>(s.variable.size()), rate, s.gradient.data(), s.variable.data(), momentum ? s.a.data() : nullptr, nullptr};
}
template <class T>
RmspropUpdate::Args<T> rmsprop(State<T>& s, double rate, bool momentum, bool centered) {
  return {static_cast<std::int64_t>(s.variable.size()), rate, s.gradient.data(), s.variable.data(), s.c.data(), momentum ? s.a.data() : nullptr, centered ? s.b.data() : nullptr, nullptr};
}

template <class T>
void expect_same(const State<T>& got, const State<T>& expected) {
  ASSERT_TRUE(check::all_same(got.variable, expected.variable));
  ASSERT_TRUE(check::all_same(got.a, expected.a));
  ASSERT_TRUE(check::all_same(got.b, expected.b));
  ASSERT_TRUE(check::all_same(got.c, expected.c));
}

TEST(Update, AdamEveryForm) {
  for (const bool amsgrad : {false, true})
    for (std::int64_t count = 0; count <= 70; ++count) {
      const AdamUpdate::Problem problem{.amsgrad = amsgrad};
      State<float> expected(count, 1);
      AdamUpdate::reference<float>(problem, adam(expected, 1e-3, amsgrad));
      check::each_form<AdamUpdate>(problem, [&](const Implementation<AdamUpdate>& form) {
        State<float> got(count, 1);
        form.run(problem, adam(got, 1e-3, amsgrad));
        expect_same(got, expected);
      });
    }
}

TEST(Update, SgdEveryForm) {
  for (const double momentum : {0.0, 0.9})
    for (const bool nesterov : {false, true})
      for (std::int64_t count = 0; count <= 70; ++count) {
        const SgdUpdate::Problem problem{momentum, nesterov};
        State<float> expected(count, 1);
        SgdUpdate::reference<float>(problem, sgd(expected, 0.01, momentum != 0));
        check::each_form<SgdUpdate>(problem, [&](const Implementation<SgdUpdate>& form) {
          State<float> got(count, 1);
          form.run(problem, sgd(got, 0.01, momentum != 0));
          expect_same(got, expected);
        });
      }
}

TEST(Update, RmspropEveryForm) {
  for (const double momentum : {0.0, 0.9})
    for (const bool centered : {false, true})
      for (std::int64_t count = 0; count <= 70; ++count) {
        const RmspropUpdate::Problem problem{.momentum = momentum, .epsilon = 3, .centered = centered};  // keeps the root's argument positive
        State<float> expected(count, 1);
        for (float& v : expected.c) v += 2;
        State<float> start = expected;
        RmspropUpdate::reference<float>(problem, rmsprop(expected, 0.01, momentum != 0, centered));
        check::each_form<RmspropUpdate>(problem, [&](const Implementation<RmspropUpdate>& form) {
          State<float> got = start;
          form.run(problem, rmsprop(got, 0.01, momentum != 0, centered));
          expect_same(got, expected);
        });
      }
}

TEST(UpdateReference, AdamAsKeras) {
  const double b1 = 0.8, b2 = 0.95, eps = 1e-3, lr = 0.05;
  for (const bool amsgrad : {false, true}) {
    State<double> s(20, 5);
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
      State<double> s(20, 6);
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
      State<double> s(20, 7);
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

}  // namespace
}  // namespace linn::kernels
