#include "plan/ops/bias.h"

#include <algorithm>
#include <memory>

#include "kernels/norm/norm.h"
#include "plan/ops/append.h"
#include "plan/ops/dense.h"
#include "plan/ops/eltwise.h"

namespace linn::detail::plan {
namespace {

// inputs {bias}, outputs {coefficients of NormForward: mean 0, scale 1, shift = bias}.
class BiasCoefficientsOp final : public RealOp<BiasCoefficientsOp> {
 public:
  std::string_view name() const override { return "bias_coefficients"; }
  std::string implementation() const override { return "scalar"; }
  Cut cut() const override { return Cut::outputs; }
  void prepare(const kernels::Policy&) override {}
  void differentiate(Gradients&) override {}  // BiasOp adds the gradient of the bias

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t channels = inputs[0].shape.elements();
    T* coefficients = call.out<T>(0);
    std::fill_n(coefficients, channels, T{0});
    std::fill_n(coefficients + channels, channels, T{1});
    std::copy_n(call.in<T>(0), channels, coefficients + 2 * channels);
  }
};

// inputs {src, coefficients, bias}; the bias is only there for its gradient.
class BiasOp final : public KernelOp<BiasOp, kernels::NormForward> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "bias"; }
  std::vector<std::size_t> in_place() const override { return {0}; }
  std::int64_t period() const override { return kernel_.period(); }

  bool is_linear() const { return problem().activation == kernels::Activation::linear; }
  std::unique_ptr<Op> with_relu() const {
    auto both = std::make_unique<BiasOp>(*this);
    both->kernel_.problem().activation = kernels::Activation::relu;
    return both;
  }

  void differentiate(Gradients& gradients) override {
    Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    if (problem().activation == kernels::Activation::relu) d = activation_gradient(gradients, kernels::Activation::relu, outputs[0], d);
    if (gradients.wants(inputs[2])) gradients.give(inputs[2], bias_gradient(gradients, inputs[2], d));
    if (gradients.wants(inputs[0])) gradients.give(inputs[0], d);
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = call.images * inputs[0].shape.elements() / problem().channels,
                    .src = call.in<T>(0),
                    .coefficients = call.in<T>(1),
                    .dst = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

}  // namespace

Value add_bias(Lowering& to, Value src, Value bias) {
  const std::int64_t channels = bias.shape.elements();
  const Value coefficients = to.value("coefficients of " + to.info(bias).name, {3, channels}, Extent::fixed);
  append(to, std::make_unique<BiasCoefficientsOp>(), {bias}, {coefficients});
  const Value output = to.value(to.layer(), src.shape, Extent::batch);
  return append(to, std::make_unique<BiasOp>(kernels::NormForward::Problem{.channels = channels}), {src, coefficients, bias}, {output});
}

bool is_linear_bias(const Op& op) {
  const auto* bias = dynamic_cast<const BiasOp*>(&op);
  return bias != nullptr && bias->is_linear();
}

std::unique_ptr<Op> bias_with_relu(const Op& op) { return dynamic_cast<const BiasOp&>(op).with_relu(); }

}  // namespace linn::detail::plan
