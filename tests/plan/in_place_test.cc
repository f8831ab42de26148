// Ops that write where they read, and inputs that must not be overwritten.
#include <gtest/gtest.h>

#include <cmath>

#include "plan/compile.h"
#include "plan/ops/eltwise.h"
#include "support/finite_differences.h"
#include "support/plan_run.h"

namespace linn::detail::plan {
namespace {

using tests::PlanRun;
using tests::random_values;
using tests::Values;

constexpr std::int64_t images = 11, row = 40;

bool share(const Plan& plan, Value a, Value b) {
  return plan.place(a).area == plan.place(b).area && plan.place(a).offset == plan.place(b).offset;
}

struct InPlace : ::testing::Test {
  PlanRun run{Purpose::inference};
  Lowering& to = run.lowering();
  Values numbers = random_values(images * row, 1);
  Value input = run.bind("input", {row}, Extent::batch, numbers);

  Value unary(Value src, kernels::Activation kind) { return activation(to, src, kind); }
  // Runs the ops unfused and compares `result` with a function of the input.
  template <class F>
  void expect(Value result, const F& f) {
    run.keep(result);
    run.build(images, Precision::float64);
    for (int repeat = 0; repeat < 2; ++repeat) {
      run.run(images);
      const Values got = run.get(result);
      for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], f(numbers[i]), 1e-14) << i;
    }
  }
};

TEST_F(InPlace, AChainOfActivationsUsesOneBuffer) {
  const Value a = unary(input, kernels::Activation::tanh), b = unary(a, kernels::Activation::sigmoid), c = unary(b, kernels::Activation::exponential);
  const Value d = unary(c, kernels::Activation::tanh);
  expect(d, [](double x) { return std::tanh(std::exp(1 / (1 + std::exp(-std::tanh(x))))); });
  EXPECT_TRUE(share(run.plan(), a, b));
  EXPECT_TRUE(share(run.plan(), b, c));
  EXPECT_FALSE(share(run.plan(), c, d)) << "kept: somebody looks at it after the run";
}

TEST_F(InPlace, AnInputThatIsReadLaterStays) {
  const Value a = unary(input, kernels::Activation::tanh), b = unary(a, kernels::Activation::exponential), c = add(to, a, b);
  const Value d = unary(c, kernels::Activation::tanh);
  expect(d, [](double x) { return std::tanh(std::tanh(x) + std::exp(std::tanh(x))); });
  EXPECT_FALSE(share(run.plan(), a, b));
  EXPECT_TRUE(share(run.plan(), a, c));
}

TEST_F(InPlace, ATermThatCountsSeveralTimesStays) {
  const Value a = unary(input, kernels::Activation::tanh), b = sum(to, {a, a, a}), c = unary(b, kernels::Activation::exponential);
  expect(c, [](double x) { return std::exp(3 * std::tanh(x)); });
  EXPECT_FALSE(share(run.plan(), a, b));
}

TEST_F(InPlace, ABoundInputStays) {
  const Value a = unary(input, kernels::Activation::exponential);
  expect(unary(a, kernels::Activation::tanh), [](double x) { return std::tanh(std::exp(x)); });
  EXPECT_EQ(run.get(input), numbers);
}

}  // namespace
}  // namespace linn::detail::plan
