#include "plan/ops/group_norm.h"

#include <memory>

#include "kernels/norm/group.h"
#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// Number of the kernel's images in a call: the rows of all images for layer normalization, else the images.
std::int64_t kernel_images(const kernels::GroupNormForward::Problem& problem, const Value& src) {
  return src.shape.elements() / (problem.pixels * problem.channels);
}

// inputs {src, ddst, gamma or undefined, statistics}, outputs {dsrc, dgamma, dbeta}, each undefined unless it is wanted.
class GroupNormGradientOp final : public GradientOp<GroupNormGradientOp, kernels::GroupNormGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "group_norm_gradient"; }
  std::int64_t scratch(std::int64_t images) const override { return kernel_.scratch(images * kernel_images(problem(), inputs[0])); }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images * kernel_images(problem(), inputs[0]),
                    .src = call.in<T>(0),
                    .ddst = call.in<T>(1),
                    .gamma = call.in<T>(2),
                    .statistics = call.in<double>(3),
                    .dsrc = call.out<T>(0),
                    .dgamma = call.out<T>(1),
                    .dbeta = call.out<T>(2),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

// inputs {src, gamma, beta}, the last two may be undefined; outputs {dst}, and the statistics if a gradient needs them.
class GroupNormOp final : public KernelOp<GroupNormOp, kernels::GroupNormForward> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "group_norm"; }
  std::int64_t period() const override { return kernel_.period(); }
  std::int64_t scratch(std::int64_t images) const override { return kernel_.scratch(images * kernel_images(problem(), inputs[0])); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    Lowering& to = gradients.to();
    const Shape shape = {kernel_images(problem(), inputs[0]), problem().groups, 2};
    outputs.push_back(to.value("statistics of " + layer, shape, Extent::batch, Element::f64));
    Value wanted[3];
    for (std::size_t i = 0; i < 3; ++i)
      if (inputs[i].defined() && gradients.wants(inputs[i])) wanted[i] = gradients.make(inputs[i]);
    auto op = std::make_unique<GroupNormGradientOp>(problem());
    op->inputs = {inputs[0], d, inputs[1], outputs[1]};
    op->outputs = {wanted[0], wanted[1], wanted[2]};
    to.add(std::move(op));
    for (std::size_t i = 0; i < 3; ++i)
      if (wanted[i].defined()) gradients.give(inputs[i], wanted[i]);
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images * kernel_images(problem(), inputs[0]),
                    .src = call.in<T>(0),
                    .gamma = call.in<T>(1),
                    .beta = call.in<T>(2),
                    .dst = call.out<T>(0),
                    .statistics = outputs.size() > 1 ? call.out<double>(1) : nullptr,
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

Value normalize(Lowering& to, Value src, Value gamma, Value beta, const kernels::GroupNormForward::Problem& problem) {
  const Value output = to.value(to.layer(), src.shape, Extent::batch);
  return append(to, std::make_unique<GroupNormOp>(problem), {src, gamma, beta}, {output});
}

}  // namespace

Value group_norm(Lowering& to, Value src, Value gamma, Value beta, std::int64_t groups, double epsilon) {
  const std::int64_t channels = src.shape[-1];
  return normalize(to, src, gamma, beta, {.pixels = src.shape.elements() / channels, .channels = channels, .groups = groups, .epsilon = epsilon});
}

Value layer_norm(Lowering& to, Value src, Value gamma, Value beta, double epsilon) {
  return normalize(to, src, gamma, beta, {.pixels = 1, .channels = src.shape[-1], .groups = 1, .epsilon = epsilon});
}

Value rms_norm(Lowering& to, Value src, Value scale, double epsilon) {
  return normalize(to, src, scale, {}, {.channels = src.shape[-1], .epsilon = epsilon, .scale = kernels::GroupScale::root_mean_square});
}

Value unit_norm(Lowering& to, Value src, double epsilon) {
  return normalize(to, src, {}, {}, {.channels = src.shape[-1], .epsilon = epsilon, .scale = kernels::GroupScale::length});
}

}  // namespace linn::detail::plan
