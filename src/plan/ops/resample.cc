#include "plan/ops/resample.h"

#include <memory>

#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

class ResampleGradientOp final : public GradientOp<ResampleGradientOp, kernels::ResampleInputGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "resample_input_gradient"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .ddst = call.in<T>(0), .dsrc = call.out<T>(0), .scratch = nullptr});
  }
};

class ResampleOp final : public KernelOp<ResampleOp, kernels::ResampleForward> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "resample"; }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    gradients.give(inputs[0], append(gradients.to(), std::make_unique<ResampleGradientOp>(problem()), {d}, {gradients.make(inputs[0])}));
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .dst = call.out<T>(0), .scratch = nullptr});
  }
};

}  // namespace

Value resample(Lowering& to, Value src, std::int64_t height, std::int64_t width, kernels::Interpolation interpolation) {
  if (height == src.shape[0] && width == src.shape[1]) return src;
  const kernels::ResampleForward::Problem problem{src.shape[0], src.shape[1], src.shape[2], height, width, interpolation};
  const Value output = to.value(to.layer(), {height, width, src.shape[2]}, Extent::batch);
  return append(to, std::make_unique<ResampleOp>(problem), {src}, {output});
}

}  // namespace linn::detail::plan
