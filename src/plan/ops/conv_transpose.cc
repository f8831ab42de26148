#include "plan/ops/conv_transpose.h"

#include <memory>
#include <numeric>

#include "kernels/conv/conv.h"
#include "plan/ops/append.h"
#include "plan/ops/bias.h"
#include "plan/ops/conv.h"
#include "plan/ops/dense.h"

namespace linn::detail::plan {
namespace {

// The gradient of src: the convolution whose input gradient is the forward op. inputs {d, kernel, packed kernel}.
class ConvTransposeInputGradientOp final : public GradientOp<ConvTransposeInputGradientOp, kernels::ConvForward> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "conv2d_transpose_input_gradient"; }
  kernels::PitchFields input_pitches(std::size_t slot) override {
    return slot == 0 ? kernels::src_pitches(kernel_.problem().geometry) : kernels::PitchFields{};
  }
  kernels::PitchFields output_pitches(std::size_t) override { return kernels::dst_pitches(kernel_.problem().geometry); }
  double flops(std::int64_t images) const override { return conv_flops(problem().geometry, images); }
  Value packs() const override { return inputs[1]; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images,
                    .src = call.in<T>(0),
                    .kernel = call.in<T>(1),
                    .packed = inputs.size() > 2 ? call.in<T>(2) : nullptr,
                    .bias = nullptr,
                    .dst = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

// inputs {src, kernel, transposed kernel, packed kernel}; the kernel is only there for its gradient.
class ConvTransposeOp final : public KernelOp<ConvTransposeOp, kernels::ConvInputGradient> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "conv2d_transpose"; }
  kernels::PitchFields input_pitches(std::size_t slot) override {
    return slot == 0 ? kernels::dst_pitches(kernel_.problem()) : kernels::PitchFields{};
  }
  kernels::PitchFields output_pitches(std::size_t) override { return kernels::src_pitches(kernel_.problem()); }
  double flops(std::int64_t images) const override { return conv_flops(problem(), images); }
  Value packs() const override { return inputs[2]; }

  // If src moves by one pixel, the output moves by one stride.
  std::int64_t period() const override {
    return kernel_.period() == 1 ? std::lcm(problem().stride_height, problem().stride_width) : 0;
  }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    if (gradients.wants(inputs[1])) gradients.give(inputs[1], conv_kernel_gradient(gradients, inputs[1], d, inputs[0], problem()));
    if (gradients.wants(inputs[0])) {
      const Value dsrc = gradients.make(inputs[0]);
      const kernels::ConvForward::Problem convolution{.geometry = problem()};
      append(gradients.to(), std::make_unique<ConvTransposeInputGradientOp>(convolution), {d, inputs[1]}, {dsrc});
      gradients.give(inputs[0], dsrc);
    }
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images,
                    .ddst = call.in<T>(0),
                    .transposed_kernel = call.in<T>(2),
                    .packed = inputs.size() > 3 ? call.in<T>(3) : nullptr,
                    .dsrc = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

}  // namespace

Value conv2d_transpose(Lowering& to, Value src, Value kernel, Value bias, const kernels::Geometry& g) {
  const Value transposed = transpose_kernel(to, kernel, g.window_height * g.window_width, g.channels, g.out_channels);
  const Value output = to.value(to.layer(), {g.height, g.width, g.channels}, Extent::batch);
  append(to, std::make_unique<ConvTransposeOp>(g), {src, kernel, transposed}, {output});
  return bias.defined() ? add_bias(to, output, bias) : output;
}

}  // namespace linn::detail::plan
