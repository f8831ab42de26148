// Activations: formulas against a second, plain writing of them; derivatives by finite differences; fast forms by bits, or
// by the errors that they state.
#include "kernels/eltwise/activation.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>
#include <numbers>
#include <set>

#include "kernels/eltwise_check.h"

namespace linn::detail::kernels {
namespace {

// Each function with its default arguments, and those that take arguments with others.
std::vector<ActivationSpec> all() {
  std::vector<ActivationSpec> list(all_activations().begin(), all_activations().end());
  list.insert(list.end(), {{Activation::leaky_relu, 0.3},
                           {Activation::leaky_relu, 0.0},
                           {Activation::clipped_relu, 0.25, 4.0, 0.5},
                           {Activation::clipped_relu, 0.0, 2.0, 0.0},
                           {Activation::clipped_relu, 0.5, 1.0, 1.0},
                           {Activation::clipped_relu, 0.5, std::numeric_limits<double>::infinity(), 1.0},
                           {Activation::elu, 0.7},
                           {Activation::celu, 2.0},
                           {Activation::soft_shrink, 1.5},
                           {Activation::hard_shrink, 1.5},
                           {Activation::hard_shrink, 0.0},
                           {Activation::threshold, 0.75, -3.0},
                           {Activation::squareplus, 0.5},
                           {Activation::power, 3.0},
                           {Activation::power, 1.5},
                           {Activation::power, 0.5},
                           {Activation::power, 0.0},
                           {Activation::power, -0.5},
                           {Activation::power, -1.0},
                           {Activation::power, -2.0}});
  return list;
}

// Functions of positive numbers alone, or that are infinite at 0.
bool takes_positive(const ActivationSpec& a) {
  const double exponent = a.arguments[0];
  return a.kind == Activation::log || (a.kind == Activation::power && (exponent < 0 || std::fmod(exponent, 1) != 0));
}

std::string text_of(const ActivationSpec& a) {
  return std::string(name_of(a.kind)) + " " + std::to_string(a.arguments[0]) + " " + std::to_string(a.arguments[1]);
}

TEST(ActivationNames, AreDistinctAndInOrder) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < all_activations().size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(all_activations()[i]), i);
    names.insert(name_of(all_activations()[i]));
  }
  EXPECT_EQ(names.size(), all_activations().size());
  EXPECT_GE(names.size(), 28u);
  EXPECT_EQ(name_of(Activation::linear), "linear");
  EXPECT_EQ(name_of(Activation::hard_sigmoid), "hard_sigmoid");
  EXPECT_EQ(name_of(Activation::log_sigmoid), "log_sigmoid");
  EXPECT_EQ(name_of(Activation::threshold), "threshold");
}

/// The textbook's formulas in long double, without a thought for stability.
long double plain(const ActivationSpec& spec, long double x) {
  const long double a = spec.arguments[0], b = spec.arguments[1], c = spec.arguments[2];
  const auto sigmoid = [](long double v) { return 1 / (1 + std::exp(-v)); };
  const auto hard = [](long double v) { return std::min(std::max(v / 6 + 0.5L, 0.0L), 1.0L); };
  switch (spec.kind) {
    case Activation::linear: return x;
    case Activation::relu: return std::max(x, 0.0L);
    case Activation::relu6: return std::min(std::max(x, 0.0L), 6.0L);
    case Activation::leaky_relu: return x > 0 ? x : a * x;
    case Activation::elu: return x > 0 ? x : a * (std::exp(x) - 1);
    case Activation::selu: return 1.0507009873554804934193349852946L * (x > 0 ? x : 1.6732632423543772848170429916717L * (std::exp(x) - 1));
    case Activation::softplus: return std::log1p(std::exp(x));
    case Activation::softsign: return x / (1 + std::abs(x));
    case Activation::sigmoid: return sigmoid(x);
    case Activation::hard_sigmoid: return hard(x);
    case Activation::silu: return x * sigmoid(x);
    case Activation::hard_silu: return x * hard(x);
    case Activation::gelu: return 0.5L * x * std::erfc(-x / std::sqrt(2.0L));
    case Activation::tanh: return std::tanh(x);
    case Activation::exponential: return std::exp(x);
    case Activation::mish: return x * std::tanh(std::log1p(std::exp(x)));
    case Activation::log_sigmoid: return -std::log1p(std::exp(-x));
    case Activation::clipped_relu: return x > c ? std::min(x, b) : a * (x - c);
    case Activation::celu: return std::max(x, 0.0L) + std::min(0.0L, a * (std::exp(x / a) - 1));
    case Activation::soft_shrink: return x > a ? x - a : x < -a ? x + a : 0;
    case Activation::hard_shrink: return std::abs(x) > a ? x : 0;
    case Activation::tanh_shrink: return x - std::tanh(x);
    case Activation::hard_tanh: return std::min(std::max(x, -1.0L), 1.0L);
    case Activation::threshold: return x > a ? x : b;
    case Activation::squareplus: return (x + std::sqrt(x * x + a)) / 2;
    case Activation::sparse_plus: return x <= -1 ? 0 : x >= 1 ? x : (x + 1) * (x + 1) / 4;
    case Activation::sparse_sigmoid: return std::min(std::max((x + 1) / 2, 0.0L), 1.0L);
    case Activation::gelu_tanh: return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi_v<long double>) * (x + 0.044715L * x * x * x)));
    case Activation::power: return std::pow(x, a);
    case Activation::log: return std::log(x);
  }
  return 0;
}

/// The size of the terms whose difference the value is.
double cancelled(const ActivationSpec& a, double x) {
  const bool difference = a.kind == Activation::tanh_shrink || a.kind == Activation::squareplus || a.kind == Activation::gelu_tanh;
  return difference ? std::abs(x) : 0;
}

template <class T>
void expect_formulas(double tolerance) {
  for (const ActivationSpec& a : all())
    for (const double x : {-100.0, -50.0, -20.0, -6.5, -3.0, -2.5, -1.0, -0.25, -1e-3, -1e-6, 0.0, 1e-6, 1e-3, 0.25, 1.0, 2.5, 3.0, 6.5, 20.0, 50.0, 80.0}) {
      if (takes_positive(a) && x <= 0) continue;
      const T at = static_cast<T>(x);
      const double expected = static_cast<double>(plain(a, at));
      EXPECT_NEAR(static_cast<double>(activate(a, at)), expected, tolerance * (std::abs(expected) + cancelled(a, x)) + 1e-40) << text_of(a) << " at " << x;
    }
}

TEST(ActivationReference, FormulasDouble) { expect_formulas<double>(1e-13); }
TEST(ActivationReference, FormulasFloat) { expect_formulas<float>(2e-5); }  // erfc far out loses digits of its argument

TEST(ActivationReference, StableFarOut) {
  for (const ActivationSpec& a : all())
    for (const float x : {-100.0f, 100.0f, 88.0f, -88.0f}) {
      if (takes_positive(a) && x < 0) continue;
      if (a.kind != Activation::exponential) {
        EXPECT_TRUE(std::isfinite(activate(a, x))) << text_of(a) << " at " << x;
        EXPECT_TRUE(std::isfinite(activate_gradient(a, x))) << text_of(a) << " at " << x;
      }
      EXPECT_TRUE(std::isfinite(activate(a, double{x}))) << text_of(a);
      EXPECT_TRUE(std::isfinite(activate_gradient(a, double{x}))) << text_of(a);
    }
}

TEST(ActivationReference, NanStaysNan) {
  for (const ActivationSpec& a : all()) EXPECT_TRUE(std::isnan(activate(a, std::numeric_limits<float>::quiet_NaN()))) << text_of(a);
}

TEST(ActivationReference, FiniteDifferences) {
  const std::vector<double> kinks{-3, -1.5, -1, -0.5, 0, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6};
  for (const ActivationSpec& a : all()) {
    SCOPED_TRACE(text_of(a));
    std::vector<double> x = check::random_doubles(60, 5, -8, 8);
    for (double& v : x)
      for (const double kink : kinks)
        if (std::abs(v - kink) < 1e-3) v += 0.01;
    if (a.kind == Activation::exponential)
      for (double& v : x) v /= 4;
    if (takes_positive(a))
      for (double& v : x) v = std::abs(v) + 0.5;
    std::vector<double> ones(x.size(), 1.0), gradient(x.size()), y(x.size());
    ActivationGradient::reference<double>({a}, {static_cast<std::int64_t>(x.size()), x.data(), ones.data(), gradient.data(), nullptr});
    check::expect_gradient(x, gradient, [&](const std::vector<double>& at) {
      ActivationForward::reference<double>({a}, {static_cast<std::int64_t>(at.size()), at.data(), y.data(), nullptr});
      return check::dot(y, ones);
    });
  }
}

TEST(ActivationReference, KinksAsKeras) {
  EXPECT_EQ(activate_gradient(Activation::relu, 0.0), 0);
  EXPECT_EQ(activate_gradient(Activation::relu6, 0.0), 0);
  EXPECT_EQ(activate_gradient(Activation::relu6, 6.0), 0);
  EXPECT_EQ(activate_gradient(Activation::leaky_relu, 0.0), 0.2);
  EXPECT_EQ(activate_gradient(Activation::selu, 0.0), 1.0507009873554804934193349852946);
  EXPECT_EQ(activate_gradient(Activation::elu, 0.0), 1);
  for (const double kink : {-1.0, 1.0}) EXPECT_EQ(activate_gradient(Activation::hard_tanh, kink), 1);
  for (const double kink : {-3.0, 3.0}) EXPECT_EQ(activate_gradient(Activation::hard_sigmoid, kink), 0);
  const ActivationSpec clipped{Activation::clipped_relu, 0.25, 4, 0.5};
  EXPECT_EQ(activate_gradient(clipped, 0.5), 0);
  EXPECT_EQ(activate_gradient(clipped, 4.0), 1);
  EXPECT_EQ(activate_gradient({Activation::clipped_relu, 0.0, 2.0, 0.0}, 0.0), 0);
}

TEST(ActivationReference, PowersOutsideTheirDomain) {
  constexpr double infinite = std::numeric_limits<double>::infinity();
  for (const double exponent : {0.5, -0.5, 1.5}) EXPECT_TRUE(std::isnan(activate({Activation::power, exponent}, -2.0))) << exponent;
  EXPECT_TRUE(std::isnan(activate(Activation::log, -2.0)));
  EXPECT_EQ(activate(Activation::log, 0.0), -infinite);
  EXPECT_EQ(activate({Activation::power, -1.0}, 0.0), infinite);
  EXPECT_EQ(activate({Activation::power, 0.5}, 0.0), 0);
  EXPECT_EQ(activate({Activation::power, 0.0}, 0.0), 1);
  EXPECT_EQ(activate_gradient({Activation::power, 0.0}, 0.0), 0);
  EXPECT_EQ(activate_gradient(Activation::power, 0.0), 0);
}

// Keras cuts only what lies above the threshold.
TEST(ActivationReference, AThresholdAboveTheLargestValue) {
  const ActivationSpec clipped{Activation::clipped_relu, 0.5, 1, 2};
  EXPECT_EQ(activate(clipped, 1.5), -0.25);
  EXPECT_EQ(activate(clipped, 3.0), 1);
  EXPECT_EQ(activate({Activation::clipped_relu, 0.0, 1.0, 2.0}, -std::numeric_limits<double>::infinity()), 0);
}

TEST(Activation, EveryFormOnEveryTail) {
  for (const ActivationSpec& a : all())
    for (std::int64_t count = 0; count <= 70; ++count)
      for (const check::Values values : {check::Values::normal, check::Values::hostile}) {
        check::check_activation(a, count, values, static_cast<unsigned>(count));
        if (HasFatalFailure()) return;
      }
}

// Every 8,209th float of all, with zeros, infinities, NaN and the least and greatest numbers.
std::vector<float> floats_of_every_size() {
  using limits = std::numeric_limits<float>;
  std::vector<float> x{0.0f, -0.0f, limits::infinity(), -limits::infinity(), limits::quiet_NaN(), limits::denorm_min(), -limits::denorm_min()};
  x.insert(x.end(), {limits::min(), -limits::min(), limits::max(), limits::lowest(), 88.7228317f, 88.7228394f, -87.3365479f, -103.972084f});
  for (std::uint64_t bits = 0; bits < 1ull << 32; bits += 8209) x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  return x;
}

TEST(Activation, StatedErrorsHoldForFloatsOfEverySize) {
  const std::vector<float> x = floats_of_every_size(), ones(x.size(), 1.0f);
  const auto count = static_cast<std::int64_t>(x.size());
  std::vector<float> y(x.size());
  for (const ActivationSpec& a : all()) {
    const eltwise::ActivationError error = eltwise::VectorActivation::error(a);
    check::on_every_isa([&] {
      if (core::isa() == core::Isa::scalar) return;
      if (error.value != 0) {
        eltwise::VectorActivation::run({a}, {count, x.data(), y.data(), nullptr});
        for (std::size_t i = 0; i < x.size(); ++i) ASSERT_TRUE(check::activation_within(a, x[i], false, error.value, y[i])) << text_of(a);
      }
      if (error.slope != 0) {
        eltwise::VectorActivationGradient::run({a}, {count, x.data(), ones.data(), y.data(), nullptr});
        for (std::size_t i = 0; i < x.size(); ++i) ASSERT_TRUE(check::activation_within(a, x[i], true, error.slope, y[i])) << text_of(a);
      }
    });
    if (HasFatalFailure()) return;
  }
}

// A value's result does not depend on its place in the array, nor on the number of elements.
TEST(Activation, SameBitsInEveryPlace) {
  const std::vector<float> x = check::make(70, check::Values::normal, 8), ddst = check::make(70, check::Values::normal, 9);
  std::vector<float> whole(70), slopes(70), part(70), part_slopes(70);
  for (const ActivationSpec& a : all())
    check::on_every_isa([&] {
      if (core::isa() == core::Isa::scalar) return;
      eltwise::VectorActivation::run({a}, {70, x.data(), whole.data(), nullptr});
      eltwise::VectorActivationGradient::run({a}, {70, x.data(), ddst.data(), slopes.data(), nullptr});
      for (std::int64_t first = 0; first < 70; ++first)
        for (const std::int64_t count : {std::int64_t{1}, (70 - first) / 2, 70 - first}) {
          eltwise::VectorActivation::run({a}, {count, x.data() + first, part.data(), nullptr});
          eltwise::VectorActivationGradient::run({a}, {count, x.data() + first, ddst.data() + first, part_slopes.data(), nullptr});
          const auto size = static_cast<std::size_t>(count) * sizeof(float);
          ASSERT_EQ(std::memcmp(part.data(), whole.data() + first, size), 0) << text_of(a);
          ASSERT_EQ(std::memcmp(part_slopes.data(), slopes.data() + first, size), 0) << text_of(a);
        }
    });
}

TEST(Activation, ReluGradientTakesTheOutputToo) {
  const std::vector<float> src = check::make(50, check::Values::ties, 3), ddst = check::make(50, check::Values::normal, 4);
  std::vector<float> dst(50), from_src(50), from_dst(50);
  ActivationForward::reference<float>({Activation::relu}, {50, src.data(), dst.data(), nullptr});
  check::each_form<ActivationGradient>({Activation::relu}, [&](const Implementation<ActivationGradient>& form) {
    form.run({Activation::relu}, {50, src.data(), ddst.data(), from_src.data(), nullptr});
    form.run({Activation::relu}, {50, dst.data(), ddst.data(), from_dst.data(), nullptr});
    ASSERT_TRUE(check::all_same(from_dst, from_src));
  });
}

}  // namespace
}  // namespace linn::detail::kernels
