#include "plan/ops/conv.h"

#include <memory>

#include "kernels/conv/conv.h"
#include "plan/ops/append.h"
#include "plan/ops/conv_global_pool.h"
#include "plan/ops/conv_pool.h"
#include "plan/ops/dense.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/pool.h"

namespace linn::plan {
namespace {

class ConvKernelGradientOp final : public GradientOp<ConvKernelGradientOp, kernels::ConvKernelGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "conv2d_kernel_gradient"; }
  double flops(std::int64_t images) const override { return conv_flops(problem(), images); }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .ddst = call.in<T>(1), .dkernel = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

// inputs {d, transposed kernel, packed kernel}.
class ConvInputGradientOp final : public GradientOp<ConvInputGradientOp, kernels::ConvInputGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "conv2d_input_gradient"; }
  double flops(std::int64_t images) const override { return conv_flops(problem(), images); }
  Value packs() const override { return inputs[1]; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images,
                    .ddst = call.in<T>(0),
                    .transposed_kernel = call.in<T>(1),
                    .packed = inputs.size() > 2 ? call.in<T>(2) : nullptr,
                    .dsrc = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

// inputs {src, kernel, bias or nothing, packed kernel}.
class ConvOp final : public WindowOp<ConvOp, kernels::ConvForward> {
 public:
  ConvOp(const kernels::Geometry& geometry, bool bias) : WindowOp({.geometry = geometry, .bias = bias}) {}

  std::string_view name() const override { return "conv2d"; }
  std::int64_t period() const override { return kernel_.period(); }
  double flops(std::int64_t images) const override { return conv_flops(problem().geometry, images); }
  Value packs() const override { return inputs[1]; }

  bool is_affine() const override { return problem().activation == kernels::Activation::linear; }
  void set_affine(Value kernel, Value bias) override {
    inputs[1] = kernel;
    inputs[2] = bias;
    kernel_.problem().bias = true;
  }

  std::unique_ptr<Op> joined(const Op& consumer, const Joining& plan) const override {
    const auto& problem = kernel_.problem();
    if (problem.activation == kernels::Activation::linear && is_relu(consumer)) {
      auto both = std::make_unique<ConvOp>(*this);
      both->kernel_.problem().activation = kernels::Activation::relu;
      return both;
    }
    if (const auto* pool = pool_problem(consumer)) return conv_pool(problem, *pool, plan.training);
    if (const auto* pool = global_pool_problem(consumer)) return conv_global_pool(problem, pool->kind, plan);
    return nullptr;
  }

  void differentiate(Gradients& gradients) override {
    Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const kernels::Geometry& g = problem().geometry;
    if (problem().activation == kernels::Activation::relu) d = activation_gradient(gradients, kernels::Activation::relu, outputs[0], d);
    if (gradients.wants(inputs[1])) gradients.give(inputs[1], conv_kernel_gradient(gradients, inputs[1], inputs[0], d, g));
    if (inputs[2].defined() && gradients.wants(inputs[2])) gradients.give(inputs[2], bias_gradient(gradients, inputs[2], d));
    if (gradients.wants(inputs[0])) {
      const std::int64_t taps = g.window_height * g.window_width, depth = g.channels / g.groups;
      // A depthwise kernel transposed is the same memory.
      const Value transposed = depth == 1 ? Value{inputs[1].id, {g.window_height, g.window_width, g.out_channels, 1}}
                                          : transpose_kernel(gradients.to(), inputs[1], taps, depth, g.out_channels);
      const Value dsrc = gradients.make(inputs[0]);
      append(gradients.to(), std::make_unique<ConvInputGradientOp>(g), {d, transposed}, {dsrc});
      gradients.give(inputs[0], dsrc);
    }
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images,
                    .src = call.in<T>(0),
                    .kernel = call.in<T>(1),
                    .packed = inputs.size() > 3 ? call.in<T>(3) : nullptr,
                    .bias = call.in<T>(2),
                    .dst = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

}  // namespace

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

Value conv2d(Lowering& to, Value src, Value kernel, Value bias, const kernels::Geometry& geometry) {
  const Value output = to.value(to.layer(), {geometry.out_height, geometry.out_width, geometry.out_channels}, Extent::batch);
  return append(to, std::make_unique<ConvOp>(geometry, bias.defined()), {src, kernel, bias}, {output});
}

}  // namespace linn::plan
