#include "plan/ops/softmax.h"

#include <memory>

#include "kernels/reduce/softmax.h"
#include "plan/ops/append.h"

namespace linn::plan {
namespace {

class SoftmaxGradientOp final : public RealOp<SoftmaxGradientOp> {
 public:
  explicit SoftmaxGradientOp(const kernels::SoftmaxForward::Problem& problem) : gradient_(problem) {}

  std::string_view name() const override { return "softmax_gradient"; }
  std::string implementation() const override { return gradient_.implementation(); }
  void prepare(const kernels::Policy& policy) override { gradient_.prepare(policy); }
  void differentiate(Gradients&) override {}

  template <class T>
  void compute(const Call& call) const {
    gradient_.run<T>({.rows = call.images * outputs[0].shape.elements() / gradient_.problem().classes, .dst = call.in<T>(0), .ddst = call.in<T>(1),
                      .dsrc = call.out<T>(0), .scratch = nullptr});
  }

 private:
  KernelUse<kernels::SoftmaxGradient> gradient_;
};

class SoftmaxOp final : public RealOp<SoftmaxOp> {
 public:
  explicit SoftmaxOp(const kernels::SoftmaxForward::Problem& problem) : softmax_(problem) {}

  bool log() const { return softmax_.problem().log; }
  std::string_view name() const override { return "softmax"; }
  std::string implementation() const override { return softmax_.implementation(); }
  void prepare(const kernels::Policy& policy) override { softmax_.prepare(policy); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value dsrc = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<SoftmaxGradientOp>(softmax_.problem()), {outputs[0], d}, {dsrc});
    gradients.give(inputs[0], dsrc);
  }

  template <class T>
  void compute(const Call& call) const {
    softmax_.run<T>({.rows = call.images * outputs[0].shape.elements() / softmax_.problem().classes, .src = call.in<T>(0), .dst = call.out<T>(0),
                     .scratch = nullptr});
  }

 private:
  KernelUse<kernels::SoftmaxForward> softmax_;
};

}  // namespace

Value softmax(Lowering& to, Value src, bool log) {
  const Value output = to.value(to.layer(), src.shape, Extent::batch);
  return append(to, std::make_unique<SoftmaxOp>(kernels::SoftmaxForward::Problem{.classes = src.shape[-1], .log = log}), {src}, {output});
}

Value softmax_source(const Op& op) {
  const auto* softmax = dynamic_cast<const SoftmaxOp*>(&op);
  return softmax != nullptr && !softmax->log() ? softmax->inputs[0] : Value{};
}

}  // namespace linn::plan
