#include "plan/ops/adaptive_pool.h"

#include <memory>

#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// inputs {ddst, argmax (max only)}.
class AdaptivePoolGradientOp final : public GradientOp<AdaptivePoolGradientOp, kernels::AdaptivePoolInputGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "adaptive_pool2d_input_gradient"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .ddst = call.in<T>(0), .argmax = call.in<std::int32_t>(1), .dsrc = call.out<T>(0), .scratch = nullptr});
  }
};

class AdaptivePoolOp final : public KernelOp<AdaptivePoolOp, kernels::AdaptivePoolForward> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "adaptive_pool2d"; }
  double flops(std::int64_t images) const override { return static_cast<double>(images * inputs[0].shape.elements()); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    Value argmax;
    if (problem().kind == kernels::PoolKind::max) {
      argmax = gradients.to().value("argmax " + layer, outputs[0].shape, Extent::batch, Element::i32);
      outputs.push_back(argmax);
    }
    gradients.give(inputs[0],
                   append(gradients.to(), std::make_unique<AdaptivePoolGradientOp>(problem()), {d, argmax}, {gradients.make(inputs[0])}));
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .dst = call.out<T>(0),
                    .argmax = outputs.size() > 1 ? call.out<std::int32_t>(1) : nullptr, .scratch = nullptr});
  }
};

}  // namespace

Value adaptive_pool2d(Lowering& to, Value src, std::int64_t height, std::int64_t width, kernels::PoolKind kind) {
  const kernels::AdaptivePoolForward::Problem problem{src.shape[0], src.shape[1], src.shape[2], height, width, kind};
  const Value output = to.value(to.layer(), {height, width, src.shape[2]}, Extent::batch);
  return append(to, std::make_unique<AdaptivePoolOp>(problem), {src}, {output});
}

}  // namespace linn::detail::plan
