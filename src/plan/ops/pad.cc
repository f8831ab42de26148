#include "plan/ops/pad.h"

#include <memory>

#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

class PadGradientOp final : public GradientOp<PadGradientOp, kernels::PadInputGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "pad2d_input_gradient"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .ddst = call.in<T>(0), .dsrc = call.out<T>(0), .scratch = static_cast<T*>(call.scratch)});
  }
};

class PadOp final : public KernelOp<PadOp, kernels::PadForward> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "pad2d"; }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value dsrc = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<PadGradientOp>(problem()), {d}, {dsrc});
    gradients.give(inputs[0], dsrc);
  }

  /// The source cannot shrink, because padding depends on the place of the border.
  bool narrow_output(const kernels::Part& part) override {
    auto& [height, width, channels, pads, mode] = kernel_.problem();
    if (part.height < pads.top + height || part.width < pads.left + width) return false;
    pads.bottom = part.height - pads.top - height;
    pads.right = part.width - pads.left - width;
    return true;
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .dst = call.out<T>(0), .scratch = static_cast<T*>(call.scratch)});
  }
};

}  // namespace

const kernels::PadForward::Problem* pad_problem(const Op& op) {
  const auto* pad = dynamic_cast<const PadOp*>(&op);
  return pad == nullptr ? nullptr : &pad->problem();
}

Value pad2d(Lowering& to, Value src, const kernels::Pads& pads, kernels::PadMode mode) {
  if (pads.none()) return src;
  const kernels::PadForward::Problem problem{
      .height = src.shape[0], .width = src.shape[1], .channels = src.shape[2], .pads = pads, .mode = mode};
  const Value output = to.value(to.layer() + " padded", {problem.rows().out(), problem.columns().out(), problem.channels}, Extent::batch);
  return append(to, std::make_unique<PadOp>(problem), {src}, {output});
}

}  // namespace linn::detail::plan
