#include "plan/ops/standardize.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "kernels/norm/norm.h"
#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// Coefficients of kernels::NormForward for channel c.
template <class T>
void set_coefficients(double mean, double variance, bool invert, std::int64_t channels, std::int64_t c, T* coefficients) {
  const double deviation = std::max(std::sqrt(variance), 1e-7);
  coefficients[c] = static_cast<T>(invert ? 0 : mean);
  coefficients[channels + c] = static_cast<T>(invert ? deviation : 1 / deviation);
  coefficients[2 * channels + c] = static_cast<T>(invert ? mean : 0);
}

// inputs {mean, variance}, outputs {coefficients}.
class StandardCoefficientsOp final : public RealOp<StandardCoefficientsOp> {
 public:
  explicit StandardCoefficientsOp(bool invert) : invert_(invert) {}

  std::string_view name() const override { return "standard_coefficients"; }
  std::string implementation() const override { return "scalar"; }
  Cut cut() const override { return Cut::outputs; }
  void prepare(const kernels::Policy&) override {}
  void differentiate(Gradients&) override {}  // statistics have no gradients

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t channels = inputs[0].shape.elements();
    for (std::int64_t c = 0; c < channels; ++c)
      set_coefficients<T>(static_cast<double>(call.in<T>(0)[c]), static_cast<double>(call.in<T>(1)[c]), invert_, channels, c, call.out<T>(0));
  }

 private:
  bool invert_;
};

// outputs {coefficients}; the statistics are constants of the op.
class GivenCoefficientsOp final : public RealOp<GivenCoefficientsOp> {
 public:
  GivenCoefficientsOp(std::vector<double> mean, std::vector<double> variance, bool invert)
      : mean_(std::move(mean)), variance_(std::move(variance)), invert_(invert) {}

  std::string_view name() const override { return "standard_coefficients"; }
  std::string implementation() const override { return "scalar"; }
  Cut cut() const override { return Cut::outputs; }
  void prepare(const kernels::Policy&) override {}
  void differentiate(Gradients&) override {}

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t channels = outputs[0].shape[1];
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::size_t from = mean_.size() == 1 ? 0 : static_cast<std::size_t>(c);
      set_coefficients<T>(mean_[from], variance_[from], invert_, channels, c, call.out<T>(0));
    }
  }

 private:
  std::vector<double> mean_, variance_;
  bool invert_;
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
  return apply(to, src, append(to, std::make_unique<StandardCoefficientsOp>(invert), {mean, variance}, {coefficients}));
}

Value standardize(Lowering& to, Value src, const std::vector<double>& mean, const std::vector<double>& variance, bool invert) {
  const Value coefficients = coefficients_value(to, src.shape[-1]);
  return apply(to, src, append(to, std::make_unique<GivenCoefficientsOp>(mean, variance, invert), {}, {coefficients}));
}

}  // namespace linn::detail::plan
