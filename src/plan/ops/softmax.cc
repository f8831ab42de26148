#include "plan/ops/softmax.h"

#include <memory>

#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

class SoftmaxGradientOp final : public GradientOp<SoftmaxGradientOp, kernels::SoftmaxGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "softmax_gradient"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = call.images * outputs[0].shape.elements() / problem().classes, .dst = call.in<T>(0), .ddst = call.in<T>(1),
                    .dsrc = call.out<T>(0), .scratch = nullptr});
  }
};

class SoftmaxOp final : public KernelOp<SoftmaxOp, kernels::SoftmaxForward> {
 public:
  using KernelOp::KernelOp;

  kernels::SoftmaxKind kind() const { return problem().kind; }
  std::string_view name() const override { return "softmax"; }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value dsrc = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<SoftmaxGradientOp>(problem()), {outputs[0], d}, {dsrc});
    gradients.give(inputs[0], dsrc);
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = call.images * outputs[0].shape.elements() / problem().classes, .src = call.in<T>(0), .dst = call.out<T>(0),
                    .scratch = nullptr});
  }
};

}  // namespace

Value softmax(Lowering& to, Value src, kernels::SoftmaxKind kind) {
  const Value output = to.value(to.layer(), src.shape, Extent::batch);
  const kernels::SoftmaxForward::Problem problem{.classes = src.shape[-1], .kind = kind};
  return append(to, std::make_unique<SoftmaxOp>(problem), {src}, {output});
}

Value softmax_source(const Op& op) {
  const auto* softmax = dynamic_cast<const SoftmaxOp*>(&op);
  return softmax != nullptr && softmax->kind() == kernels::SoftmaxKind::softmax ? softmax->inputs[0] : Value{};
}

}  // namespace linn::detail::plan
