// General pooling: every form against the reference in double; the reference by hand, at its limits and against finite differences.
#include "kernels/pool/general.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "kernels/general_check.h"

namespace linn::detail::kernels {
namespace {

using check::Values;
using Problem = GeneralPoolForward::Problem;

constexpr PoolFunction functions[] = {PoolFunction::lp,      PoolFunction::generalized_mean, PoolFunction::soft, PoolFunction::expected,
                                      PoolFunction::sampled, PoolFunction::mixed,            PoolFunction::gated};

Problem problem_of(PoolFunction function, const Window& window, std::int64_t height, std::int64_t width, std::int64_t channels) {
  return {.geometry = resolve(window, height, width, channels, channels).value(), .function = function};
}

/// One window of these cells, in one channel.
template <class T>
T value_of(PoolFunction function, const std::vector<T>& cells, T parameter = 0, double exponent = 2) {
  Problem p = problem_of(function, {.width = static_cast<std::int64_t>(cells.size())}, 1, static_cast<std::int64_t>(cells.size()), 1);
  p.exponent = exponent;
  const std::vector<T> parameters(cells.size(), parameter);
  T dst = 0;
  GeneralPoolForward::reference<T>(p, {1, cells.data(), parameters.data(), 1, 1, 0, &dst, nullptr});
  return dst;
}

TEST(GeneralPool, ByHand) {
  EXPECT_DOUBLE_EQ(value_of<double>(PoolFunction::lp, {3, 0, -4, 0}), 5);
  EXPECT_DOUBLE_EQ(value_of<double>(PoolFunction::lp, {3, 0, -4, 0}, 0, 1), 7);
  EXPECT_DOUBLE_EQ(value_of<double>(PoolFunction::lp, {1, 2, -2, 0}, 0, 3), std::cbrt(17.0));
  EXPECT_DOUBLE_EQ(value_of<double>(PoolFunction::generalized_mean, {1, 2, 3, 4}, 1), 2.5);
  EXPECT_DOUBLE_EQ(value_of<double>(PoolFunction::generalized_mean, {1, 7, 5, 5}, 2), 5);
  EXPECT_DOUBLE_EQ(value_of<double>(PoolFunction::generalized_mean, {1, 2, 4, 4}, -1), 2);
  EXPECT_DOUBLE_EQ(value_of<double>(PoolFunction::soft, {0, std::log(3.0)}), 0.75 * std::log(3.0));
  EXPECT_DOUBLE_EQ(value_of<double>(PoolFunction::expected, {1, 3, -5, 0}), 2.5);
  EXPECT_DOUBLE_EQ(value_of<double>(PoolFunction::expected, {-1, -3}), 0);
  EXPECT_DOUBLE_EQ(value_of<double>(PoolFunction::sampled, {0, 0, 3, -1}), 3);
  EXPECT_DOUBLE_EQ(value_of<double>(PoolFunction::sampled, {-1, -2}), 0);
  EXPECT_DOUBLE_EQ(value_of<double>(PoolFunction::mixed, {1, 2, 3, 6}, 0.25), 0.25 * 6 + 0.75 * 3);
  EXPECT_DOUBLE_EQ(value_of<double>(PoolFunction::gated, {1, 3}, 0), 2.5);  // a gate of zeros: half and half
  EXPECT_NEAR(value_of<double>(PoolFunction::gated, {1, 3}, 100), 3, 1e-12);
}

// No overflow, no underflow and no 0 / 0 on the way to a value that a float holds.
TEST(GeneralPool, LimitsOfTheNorm) {
  for (const double p : {1.0, 2.0, 3.0, 2.5, 17.0, 40.5})
    for (const float scale : {0.0f, 1e-38f, 1e-30f, 1e-12f, 1e12f, 1e30f, 5e37f})
      for (const std::int64_t channels : {1, 5, 16}) {
        Problem problem = problem_of(PoolFunction::lp, {.width = 4}, 1, 4, channels);
        problem.exponent = p;
        std::vector<float> src;
        for (const float cell : {1.0f, -0.5f, 0.0f, 2.0f})
          for (std::int64_t c = 0; c < channels; ++c) src.push_back(c % 2 == 0 ? cell * scale : cell);  // lanes that differ in size
        check::each_form<GeneralPoolForward>(problem, [&](const Implementation<GeneralPoolForward>& form) {
          std::vector<float> dst(static_cast<std::size_t>(channels)), scratch(static_cast<std::size_t>(form.scratch(problem, 1)));
          form.run(problem, {1, src.data(), nullptr, 0, 0, 0, dst.data(), scratch.data()});
          const double unit = std::pow(1 + std::pow(0.5, p) + std::pow(2.0, p), 1 / p);
          for (std::int64_t c = 0; c < channels; ++c)
            EXPECT_NEAR(dst[static_cast<std::size_t>(c)], unit * (c % 2 == 0 ? scale : 1.0f), 3e-6 * unit * (c % 2 == 0 ? scale : 1.0f) + 1e-44)
                << "p " << p << " scale " << scale << " channel " << c;
        });
      }
}

TEST(GeneralPool, NormOfZerosHasZeroGradient) {
  for (const double p : {1.0, 1.5, 2.0, 3.0, 4.2}) {
    Problem problem = problem_of(PoolFunction::lp, {.height = 2, .width = 2, .stride_height = 2, .stride_width = 2}, 4, 6, 9);
    problem.exponent = p;
    check::each_form<GeneralPoolGradient>(problem, [&](const Implementation<GeneralPoolGradient>& form) {
      const std::vector<float> src(4 * 6 * 9), dst(2 * 3 * 9), ddst(2 * 3 * 9, 1.5f);
      std::vector<float> dsrc(src.size(), 7.0f), scratch(static_cast<std::size_t>(form.scratch(problem, 1)));
      form.run(problem, {1, src.data(), dst.data(), nullptr, 0, 0, 0, ddst.data(), dsrc.data(), nullptr, scratch.data()});
      for (const float value : dsrc) ASSERT_EQ(value, 0.0f) << "p " << p;
    });
  }
}

// An exponent near 0 counts as 0.01 or -0.01.
TEST(GeneralPool, ExponentNearZeroIsNoDivisionByZero) {
  for (const float p : {0.0f, -0.0f, 0.005f, -0.001f}) {
    const float used = std::signbit(p) ? -0.01f : 0.01f;
    EXPECT_EQ(value_of<float>(PoolFunction::generalized_mean, {1, 2, 3}, p), value_of<float>(PoolFunction::generalized_mean, {1, 2, 3}, used));
    EXPECT_NEAR(value_of<float>(PoolFunction::generalized_mean, {1, 2, 4}, p), 2.0f, 0.01f);  // close to the geometric mean
  }
}

TEST(GeneralPool, EveryFormOnWindowsOfManyKinds) {
  const Window windows[] = {{.height = 2, .width = 2, .stride_height = 2, .stride_width = 2},
                            {.height = 3, .width = 3, .stride_height = 2, .stride_width = 1, .border = Border::same},
                            {.height = 2, .width = 3, .stride_height = 1, .stride_width = 2, .dilation_height = 3, .dilation_width = 2, .border = Border::same},
                            {.height = 1, .width = 1, .stride_height = 3, .stride_width = 2}};
  unsigned seed = 1;
  for (const PoolFunction function : functions)
    for (const Window& window : windows)
      for (const std::int64_t channels : {1, 3, 8, 21}) {
        Problem p = problem_of(function, window, 6, 7, channels);
        p.least = 0.05;
        p.per_channel = channels % 2 == 0 || channels == 3;
        if (function == PoolFunction::mixed && channels > 3) p.share = -1;  // by a parameter
        check::check_general(p, 2, Values::normal, ++seed);
        if (::testing::Test::HasFatalFailure()) return;
        if (function != PoolFunction::generalized_mean) check::check_general(p, 2, Values::ties, ++seed);
      }
  for (const double exponent : {1.0, 3.0, 2.5, 20.0}) {
    Problem p = problem_of(PoolFunction::lp, windows[1], 6, 7, 11);
    p.exponent = exponent;
    check::check_general(p, 2, Values::normal, ++seed);
    check::check_general(p, 2, Values::ties, ++seed);
  }
}

RC_GTEST_PROP(GeneralPool, ReferenceAgreesWithFiniteDifferences, ()) {
  const auto function = *rc::gen::elementOf(std::vector<PoolFunction>{PoolFunction::lp, PoolFunction::generalized_mean, PoolFunction::soft,
                                                                      PoolFunction::expected, PoolFunction::mixed, PoolFunction::gated});
  const unsigned seed = *rc::gen::inRange(1u, 1000000u);
  Problem p = problem_of(function, {.height = 2, .width = 3, .stride_width = 2}, 4, 5, 2);
  p.exponent = 1.0 + *rc::gen::inRange(0, 40) / 10.0;
  p.per_channel = *rc::gen::arbitrary<bool>();
  const auto count = static_cast<std::size_t>(p.geometry.src_image), outputs = static_cast<std::size_t>(p.geometry.dst_image);
  const std::vector<double> x = check::random_doubles(count, seed, 0.2, 2), up = check::random_doubles(outputs, seed + 1);
  const std::vector<double> v = check::random_doubles(static_cast<std::size_t>(p.parameters()), seed + 2, 0.5, 3);
  const auto loss = [&](const std::vector<double>& src, const std::vector<double>& parameters) {
    std::vector<double> dst(outputs);
    GeneralPoolForward::reference<double>(p, {1, src.data(), parameters.data(), 0, 0, 0, dst.data(), nullptr});
    return check::dot(dst, up);
  };
  std::vector<double> dst(outputs), dx(count), dv(v.size());
  GeneralPoolForward::reference<double>(p, {1, x.data(), v.data(), 0, 0, 0, dst.data(), nullptr});
  GeneralPoolGradient::reference<double>(p, {1, x.data(), dst.data(), v.data(), 0, 0, 0, up.data(), dx.data(), dv.data(), nullptr});
  check::expect_gradient(x, dx, [&](const std::vector<double>& src) { return loss(src, v); }, 1e-6, 1e-6);
  if (function == PoolFunction::generalized_mean || function == PoolFunction::mixed || function == PoolFunction::gated)
    check::expect_gradient(v, dv, [&](const std::vector<double>& parameters) { return loss(x, parameters); }, 1e-6, 1e-6);
}

// Zeiler and Fergus 2013: a cell is drawn in proportion to its value.
TEST(GeneralPool, DrawsInProportion) {
  constexpr std::int64_t count = 40000;
  Problem p = problem_of(PoolFunction::sampled, {.width = 4}, 1, 4, count);
  std::vector<float> src;
  for (const float cell : {1.0f, -2.0f, 2.0f, 5.0f}) src.insert(src.end(), count, cell);
  check::each_form<GeneralPoolForward>(p, [&](const Implementation<GeneralPoolForward>& form) {
    std::vector<float> dst(count), again(count), scratch(static_cast<std::size_t>(form.scratch(p, 1)));
    form.run(p, {1, src.data(), nullptr, 7, 8, 0, dst.data(), scratch.data()});
    for (const auto& [cell, share] : {std::pair{1.0f, 0.125}, {2.0f, 0.25}, {5.0f, 0.625}})
      EXPECT_NEAR(static_cast<double>(std::count(dst.begin(), dst.end(), cell)) / count, share, 4 * std::sqrt(share * (1 - share) / count)) << cell;
    EXPECT_EQ(std::count(dst.begin(), dst.end(), -2.0f), 0);
    form.run(p, {1, src.data(), nullptr, 7, 9, 0, again.data(), scratch.data()});
    EXPECT_NE(dst, again) << "another stream";
  });
}

// The reference of a whole map gives the same bits for every order of the cells.
TEST(GeneralPool, WholeMapReferenceIsFreeOfOrder) {
  for (const PoolFunction function : {PoolFunction::lp, PoolFunction::generalized_mean}) {
    Problem p = {.geometry = resolve_global(7, 9, 1), .function = function, .exponent = 2.5, .whole_map = true};
    std::vector<float> src = check::make(63, Values::normal, 3), sorted = src, exponent = {3.5f};
    std::sort(sorted.begin(), sorted.end());
    float a = 0, b = 0;
    GeneralPoolForward::reference<float>(p, {1, src.data(), exponent.data(), 0, 0, 0, &a, nullptr});
    GeneralPoolForward::reference<float>(p, {1, sorted.data(), exponent.data(), 0, 0, 0, &b, nullptr});
    EXPECT_EQ(a, b);
    EXPECT_TRUE(choose<GeneralPoolForward>(p, {.position_invariant = true}).numerics.position_invariant);
  }
}

}  // namespace
}  // namespace linn::detail::kernels
