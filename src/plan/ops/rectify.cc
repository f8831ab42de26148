#include "plan/ops/rectify.h"

#include <cmath>
#include <memory>

#include "plan/ops/append.h"
#include "plan/ops/eltwise.h"

namespace linn::plan {
namespace {

// An op of one input whose kernels treat each element alone, and whose gradient needs the input.
template <class Forward, class Backward>
class ElementOp final : public KernelOp<ElementOp<Forward, Backward>, Forward> {
  using Base = KernelOp<ElementOp<Forward, Backward>, Forward>;

  class GradientOfIt final : public GradientOp<GradientOfIt, Backward> {
   public:
    using GradientOp<GradientOfIt, Backward>::GradientOp;

    std::string_view name() const override { return Backward::name; }

    template <class T>
    void compute(const Call& call) const {
      const std::int64_t count = call.images * this->outputs[0].shape.elements();
      this->kernel_.template run<T>(
          {.count = count, .src = call.in<T>(0), .ddst = call.in<T>(1), .dsrc = call.out<T>(0), .scratch = nullptr});
    }
  };

 public:
  using Base::Base;

  std::string_view name() const override { return Forward::name; }
  std::int64_t period() const override { return this->kernel_.period(); }

  void differentiate(Gradients& gradients) override {
    const Value src = this->inputs[0], d = gradients.of(this->outputs[0]);
    if (!d.defined()) return;
    gradients.give(src, append(gradients.to(), std::make_unique<GradientOfIt>(this->problem()), {src, d}, {gradients.make(src)}));
  }

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t count = call.images * this->outputs[0].shape.elements();
    this->kernel_.template run<T>({.count = count, .src = call.in<T>(0), .dst = call.out<T>(0), .scratch = nullptr});
  }
};

}  // namespace

Value rectify(Lowering& to, Value src, const kernels::RectifyForward::Problem& problem) {
  if (problem.slope == 0 && problem.threshold == 0 && std::isinf(problem.most)) return activation(to, src, kernels::Activation::relu);
  if (problem.slope == 0 && problem.threshold == 0 && problem.most == 6) return activation(to, src, kernels::Activation::relu6);
  using Op = ElementOp<kernels::RectifyForward, kernels::RectifyGradient>;
  return append(to, std::make_unique<Op>(problem), {src}, {to.value(to.layer(), src.shape, Extent::batch)});
}

Value elu(Lowering& to, Value src, double alpha) {
  using Op = ElementOp<kernels::EluForward, kernels::EluGradient>;
  const kernels::EluForward::Problem problem{.alpha = alpha};
  return append(to, std::make_unique<Op>(problem), {src}, {to.value(to.layer(), src.shape, Extent::batch)});
}

}  // namespace linn::plan
