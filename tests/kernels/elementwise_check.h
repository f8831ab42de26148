// What the tests of pooling, element-wise kernels and reductions share.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "core/cpu.h"
#include "kernels/implementation.h"
#include "kernels/kernel_test.h"

namespace linn::detail::kernels::check {

using testing::Buffer;
using testing::Values;

/// Calls f() under every instruction set of this machine, and puts the old one back.
template <class F>
void on_every_isa(F&& f) {
  const testing::IsaGuard guard;
  for (const core::Isa isa : core::available_isas()) {
    SCOPED_TRACE(std::string(core::name_of(isa)));
    core::set_isa(isa);
    f();
  }
}

/// Calls f(implementation) for each form of the kernel that takes the problem, the float reference included, under every
/// instruction set that can run it.
template <class Kernel, class F>
void each_form(const typename Kernel::Problem& problem, F&& f) {
  on_every_isa([&] {
    for (const Implementation<Kernel>& form : testing::supported<Kernel>(problem)) {
      SCOPED_TRACE(std::string(Kernel::name) + "." + std::string(form.name));
      f(form);
    }
  });
}

/// normal: any; ties: whole numbers from -2 to 2; hostile: ties with NaN, infinities and zeros of both signs between them.
inline std::vector<float> make(std::int64_t count, Values kind, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values) {
    v = normal(engine);
    if (kind != Values::normal) v = std::trunc(std::fmod(v * 2, 3.0f));
    if (kind != Values::hostile) continue;
    const unsigned dice = static_cast<unsigned>(engine() % 12);
    if (dice == 0) v = std::numeric_limits<float>::quiet_NaN();
    if (dice >= 1 && dice <= 5) v = -std::numeric_limits<float>::infinity();
    if (dice == 6) v = -0.0f;
    if (dice == 7) v = std::numeric_limits<float>::infinity();
  }
  return values;
}

inline std::vector<double> wide(const std::vector<float>& values) { return {values.begin(), values.end()}; }

template <class T>
std::vector<double> magnitudes(const std::vector<T>& values) {
  std::vector<double> result(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) result[i] = std::abs(static_cast<double>(values[i]));
  return result;
}

/// Equal, or both NaN.
inline bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

/// A vector or a Buffer, element by element.
template <class A, class B>
::testing::AssertionResult all_same(const A& got, const B& expected) {
  const auto count = static_cast<std::size_t>(got.size());
  if (count != static_cast<std::size_t>(expected.size())) return ::testing::AssertionFailure() << count << " values, expected " << expected.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto is = got.data()[i];
    const auto should = expected.data()[i];
    if (!same(static_cast<double>(is), static_cast<double>(should)))
      return ::testing::AssertionFailure() << "element " << i << " is " << +is << ", expected " << +should;
  }
  return ::testing::AssertionSuccess();
}

/// |got - expected| <= factor * eps * bound, element by element (or both NaN, or the same infinity).
template <class A>
::testing::AssertionResult all_within(const A& got, const std::vector<double>& expected, const std::vector<double>& bound, double factor) {
  using T = std::remove_cvref_t<decltype(got.data()[0])>;
  const double unit = factor * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto is = static_cast<double>(got.data()[i]);
    if (same(is, expected[i])) continue;
    const double off = std::abs(is - expected[i]);
    if (!(off <= unit * bound[i] + static_cast<double>(std::numeric_limits<T>::denorm_min())))
      return ::testing::AssertionFailure() << "element " << i << " is " << is << ", expected " << expected[i] << ", off by " << off
                                           << ", allowed " << unit * bound[i];
  }
  return ::testing::AssertionSuccess();
}

/// Compares d loss / d x[i], as `gradient` has it, with central differences of `loss`.
template <class Loss>
void expect_gradient(std::vector<double> x, const std::vector<double>& gradient, Loss&& loss, double step = 1e-5, double tolerance = 1e-7) {
  ASSERT_EQ(x.size(), gradient.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double at = x[i];
    x[i] = at + step;
    const double above = loss(x);
    x[i] = at - step;
    const double below = loss(x);
    x[i] = at;
    const double numeric = (above - below) / (2 * step);
    ASSERT_NEAR(gradient[i], numeric, tolerance * std::max({1.0, std::abs(numeric)})) << "element " << i;
  }
}

inline std::vector<double> random_doubles(std::size_t count, unsigned seed, double low = -2, double high = 2) {
  std::mt19937_64 engine(seed);
  std::uniform_real_distribution<double> uniform(low, high);
  std::vector<double> values(count);
  for (double& v : values) v = uniform(engine);
  return values;
}

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace linn::detail::kernels::check
