#include "plan/ops/standardize.h"

#include <memory>
#include <utility>

#include "kernels/eltwise/eltwise.h"
#include "kernels/norm/coefficients.h"
#include "kernels/norm/norm.h"
#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// inputs {mean, variance}, outputs {coefficients}. Statistics have no gradients.
class StandardCoefficientsOp final : public WholeOp<StandardCoefficientsOp, kernels::StandardCoefficients> {
 public:
  using WholeOp::WholeOp;

  std::string_view name() const override { return "standard_coefficients"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.mean = call.in<T>(0), .variance = call.in<T>(1), .coefficients = call.out<T>(0), .scratch = nullptr});
  }
};

// outputs {coefficients}, which the op holds.
class GivenCoefficientsOp final : public WholeOp<GivenCoefficientsOp, kernels::Constants> {
 public:
  explicit GivenCoefficientsOp(std::vector<double> coefficients) : coefficients_(std::move(coefficients)) {}

  std::string_view name() const override { return "given_coefficients"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.count = static_cast<std::int64_t>(coefficients_.size()), .src = coefficients_.data(), .dst = call.out<T>(0), .scratch = nullptr});
  }

 private:
  std::vector<double> coefficients_;
};

// inputs {src, ddst, coefficients}.
class StandardizeGradientOp final : public GradientOp<StandardizeGradientOp, kernels::NormInputGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "standardize_input_gradient"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = call.images * rows_an_image(inputs[0]), .src = call.in<T>(0), .ddst = call.in<T>(1), .coefficients = call.in<T>(2),
                    .gradient_coefficients = nullptr, .dsrc = call.out<T>(0), .scratch = static_cast<T*>(call.scratch)});
  }
};

// inputs {src, coefficients}.
class StandardizeOp final : public KernelOp<StandardizeOp, kernels::NormForward> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "standardize"; }
  std::vector<std::size_t> in_place() const override { return {0}; }
  std::int64_t period() const override { return kernel_.period(); }
  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined() || !gradients.wants(inputs[0])) return;
    gradients.give(inputs[0], append(gradients.to(), std::make_unique<StandardizeGradientOp>(problem()), {inputs[0], d, inputs[1]},
                                     {gradients.make(inputs[0])}));
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = call.images * rows_an_image(inputs[0]), .src = call.in<T>(0), .coefficients = call.in<T>(1), .dst = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

Value coefficients_value(Lowering& to, std::int64_t channels) {
  return to.value("coefficients of " + to.layer(), {3, channels}, Extent::fixed);
}

Value apply(Lowering& to, Value src, Value coefficients) {
  const kernels::NormForward::Problem problem{.channels = src.shape[-1]};
  return append(to, std::make_unique<StandardizeOp>(problem), {src, coefficients}, {to.value(to.layer(), src.shape, Extent::batch)});
}

}  // namespace

Value standardize(Lowering& to, Value src, Value mean, Value variance, bool invert) {
  const Value coefficients = coefficients_value(to, src.shape[-1]);
  const kernels::StandardCoefficients::Problem problem{.channels = src.shape[-1], .invert = invert};
  return apply(to, src, append(to, std::make_unique<StandardCoefficientsOp>(problem), {mean, variance}, {coefficients}));
}

Value standardize(Lowering& to, Value src, const std::vector<double>& mean, const std::vector<double>& variance, bool invert) {
  const std::int64_t channels = src.shape[-1];
  const auto of_each_channel = [&](const std::vector<double>& values) {
    return values.size() == 1 ? std::vector<double>(static_cast<std::size_t>(channels), values[0]) : values;
  };
  const std::vector<double> means = of_each_channel(mean), variances = of_each_channel(variance);
  std::vector<double> coefficients(static_cast<std::size_t>(3 * channels));
  kernels::StandardCoefficients::reference<double>({channels, invert}, {means.data(), variances.data(), coefficients.data(), nullptr});
  return apply(to, src, append(to, std::make_unique<GivenCoefficientsOp>(std::move(coefficients)), {}, {coefficients_value(to, channels)}));
}

}  // namespace linn::detail::plan
