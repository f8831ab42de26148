#include "plan/ops/prelu.h"

#include <array>
#include <memory>

#include "kernels/merge/prelu.h"
#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// inputs {src, alpha, ddst}, outputs {dsrc, dalpha}, each only where it is wanted.
class PReluGradientOp final : public GradientOp<PReluGradientOp, kernels::PReluGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "prelu_gradient"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .alpha = call.in<T>(1), .ddst = call.in<T>(2), .dsrc = call.out<T>(0),
                    .dalpha = call.out<T>(1), .scratch = nullptr});
  }
};

class PReluOp final : public KernelOp<PReluOp, kernels::PReluForward> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "prelu"; }
  std::vector<std::size_t> in_place() const override { return {0}; }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    Value wanted[2];
    for (std::size_t i = 0; i < 2; ++i)
      if (gradients.wants(inputs[i])) wanted[i] = gradients.make(inputs[i]);
    auto op = std::make_unique<PReluGradientOp>(problem());
    op->inputs = {inputs[0], inputs[1], d};
    op->outputs = {wanted[0], wanted[1]};
    gradients.to().add(std::move(op));
    for (std::size_t i = 0; i < 2; ++i)
      if (wanted[i].defined()) gradients.give(inputs[i], wanted[i]);
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .alpha = call.in<T>(1), .dst = call.out<T>(0), .scratch = nullptr});
  }
};

}  // namespace

Value prelu(Lowering& to, Value src, Value alpha) {
  const std::array<Shape, 2> shapes = {src.shape, alpha.shape};
  const Value output = to.value(to.layer(), src.shape, Extent::batch);
  return append(to, std::make_unique<PReluOp>(kernels::PReluForward::Problem{kernels::resolve_broadcast(shapes)}), {src, alpha}, {output});
}

}  // namespace linn::detail::plan
