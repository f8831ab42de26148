#include "plan/ops/conv.h"

#include <memory>

#include "plan/ops/append.h"
#include "plan/ops/conv_op.h"
#include "plan/ops/dense.h"
#include "plan/ops/eltwise.h"

namespace linn::detail::plan {
namespace {

class ConvKernelGradientOp final : public GradientOp<ConvKernelGradientOp, kernels::ConvKernelGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "conv2d_kernel_gradient"; }
  kernels::PitchFields input_pitches(std::size_t slot) override {
    return slot == 0 ? kernels::src_pitches(kernel_.problem()) : kernels::dst_pitches(kernel_.problem());
  }
  double flops(std::int64_t images) const override { return conv_flops(problem(), images); }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .ddst = call.in<T>(1), .dkernel = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

class ConvInputGradientOp final : public GradientOp<ConvInputGradientOp, kernels::ConvInputGradient> {
 public:
  enum In : std::size_t { ddst, transposed_kernel, packed_kernel };

  using GradientOp::GradientOp;

  std::string_view name() const override { return "conv2d_input_gradient"; }
  kernels::PitchFields input_pitches(std::size_t slot) override {
    return slot == In::ddst ? kernels::dst_pitches(kernel_.problem().geometry) : kernels::PitchFields{};
  }
  kernels::PitchFields output_pitches(std::size_t) override { return kernels::src_pitches(kernel_.problem().geometry); }
  double flops(std::int64_t images) const override { return conv_flops(problem().geometry, images); }
  Value packs() const override { return inputs[transposed_kernel]; }
  std::size_t packed_slot() const override { return packed_kernel; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images,
                    .ddst = call.in<T>(ddst),
                    .transposed_kernel = call.in<T>(transposed_kernel),
                    .packed = call.in<T>(packed_kernel),
                    .bias = nullptr,
                    .dsrc = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

}  // namespace

void ConvOp::differentiate(Gradients& gradients) {
  Value d = gradients.of(outputs[0]);
  if (!d.defined()) return;
  const kernels::Geometry& g = problem().geometry;
  const Value src = inputs[In::src], kernel = inputs[In::kernel], bias = inputs[In::bias], residual = inputs[In::residual];
  if (!epilogue().is_linear()) d = activation_gradient(gradients, epilogue().activation.activation, outputs[0], d);
  if (residual.defined() && gradients.wants(residual)) gradients.give(residual, d);
  if (gradients.wants(kernel)) gradients.give(kernel, conv_kernel_gradient(gradients, kernel, src, d, g));
  if (bias.defined() && gradients.wants(bias)) gradients.give(bias, bias_gradient(gradients, bias, d));
  if (gradients.wants(src)) {
    const std::int64_t taps = g.window_height * g.window_width, depth = g.channels / g.groups;
    // The transposed kernel of a depthwise convolution has the same elements in the same order.
    const Value transposed = depth == 1 ? Value{kernel.id, {g.window_height, g.window_width, g.out_channels, 1}}
                                        : transpose_kernel(gradients.to(), kernel, taps, depth, g.out_channels);
    const Value dsrc = gradients.make(src);
    append(gradients.to(), std::make_unique<ConvInputGradientOp>(g), {d, transposed, {}}, {dsrc});
    gradients.give(src, dsrc);
  }
}

Value conv_kernel_gradient(Gradients& gradients, Value kernel, Value src, Value ddst, const kernels::Geometry& geometry) {
  return append(gradients.to(), std::make_unique<ConvKernelGradientOp>(geometry), {src, ddst}, {gradients.make(kernel)});
}

void give_turned_weights(Gradients& gradients, std::unique_ptr<Op> op, std::vector<Value> from, Value kernel, Value bias) {
  Lowering& to = gradients.to();
  const std::int64_t outputs = kernel.shape[-1], terms = kernel.shape.elements() / outputs;
  const bool wants_bias = bias.defined() && gradients.wants(bias);
  if (!gradients.wants(kernel) && !wants_bias) return;
  const Value turned = to.value("d turned " + to.info(kernel).name, {outputs, terms}, Extent::fixed, Element::real, Home::partials);
  std::vector<Value> sums = {turned};
  if (wants_bias) sums.push_back(gradients.make(bias));
  append(to, std::move(op), std::move(from), sums);
  if (gradients.wants(kernel)) gradients.give(kernel, {transpose_kernel(to, turned, 1, outputs, terms).id, kernel.shape});
  if (wants_bias) gradients.give(bias, sums[1]);
}

double conv_flops(const kernels::Geometry& geometry, std::int64_t images) {
  return 2.0 * static_cast<double>(images * kernels::products(geometry));
}

const kernels::ConvForward::Problem* conv_problem(const Op& op) {
  const auto* conv = dynamic_cast<const ConvOp*>(&op);
  return conv == nullptr || !conv->epilogue().is_in_kernel() ? nullptr : &conv->problem();
}

const kernels::Geometry* conv_geometry(const Op& op) {
  const auto* conv = dynamic_cast<const ConvOp*>(&op);
  return conv == nullptr ? nullptr : &conv->geometry();
}

std::unique_ptr<Op> conv_with_padding(const Op& conv, Value src, const kernels::Pads& pads) {
  return dynamic_cast<const ConvOp&>(conv).with_padding(src, pads);
}

Value conv2d(Lowering& to, Value src, Value kernel, Value bias, const kernels::Geometry& geometry) {
  const Value output = to.value(to.layer(), {geometry.out_height, geometry.out_width, geometry.out_channels}, Extent::batch);
  return append(to, std::make_unique<ConvOp>(geometry, bias.defined()), {src, kernel, bias, {}, {}}, {output});
}

}  // namespace linn::detail::plan
