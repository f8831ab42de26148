#include "plan/ops/conv_pool.h"

#include "kernels/conv/pooled.h"
#include "plan/ops/append.h"
#include "plan/ops/conv.h"
#include "plan/ops/dense.h"
#include "plan/ops/eltwise.h"

namespace linn::plan {
namespace {

// Of the gradients: a multiply-add for each window, output channel and weight, as if all windows lived.
double sparse_flops(const kernels::ConvPoolKernelGradient::Problem& problem, std::int64_t images) {
  const kernels::Geometry& conv = problem.conv;
  const std::int64_t windows = problem.pool.out_height * problem.pool.out_width, depth = conv.channels / conv.groups;
  return 2.0 * static_cast<double>(images * windows * conv.out_channels * conv.window_height * conv.window_width * depth);
}

class ConvPoolKernelGradientOp final : public GradientOp<ConvPoolKernelGradientOp, kernels::ConvPoolKernelGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "conv2d_pool_kernel_gradient"; }
  double flops(std::int64_t images) const override { return sparse_flops(problem(), images); }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .ddst = call.in<T>(1), .argmax = call.in<std::uint8_t>(2),
                    .dkernel = call.out<T>(0), .dbias = outputs.size() > 1 ? call.out<T>(1) : nullptr,
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

class ConvPoolInputGradientOp final : public GradientOp<ConvPoolInputGradientOp, kernels::ConvPoolInputGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "conv2d_pool_input_gradient"; }
  double flops(std::int64_t images) const override { return sparse_flops(problem(), images); }
  Value packs() const override { return inputs[2]; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .ddst = call.in<T>(0), .argmax = call.in<std::uint8_t>(1), .kernel = call.in<T>(2),
                    .packed = inputs.size() > 3 ? call.in<T>(3) : nullptr, .dsrc = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

// The map between them is no larger than what the windows see.
void fit_map(kernels::ConvPoolForward::Problem& problem) {
  const kernels::Part part = kernels::seen(problem.pool);
  kernels::keep_dst(problem.conv, part);
  kernels::keep_src(problem.pool, part);
}

// inputs {src, kernel, bias or nothing, packed kernel}, outputs {pooled map, argmax in training}.
class ConvPoolOp final : public KernelOp<ConvPoolOp, kernels::ConvPoolForward> {
 public:
  explicit ConvPoolOp(const kernels::ConvPoolForward::Problem& problem) : KernelOp(problem) { fit_map(kernel_.problem()); }

  std::string_view name() const override { return "conv2d_pool"; }
  std::int64_t period() const override { return kernel_.period(); }
  double flops(std::int64_t images) const override {
    return 2.0 * static_cast<double>(images * kernels::products(problem().conv, problem().pool));
  }
  Value packs() const override { return inputs[1]; }
  std::optional<kernels::Part> reads() const override { return kernels::seen(problem().conv); }
  void narrow_input(const kernels::Part& part) override { kernels::keep_src(kernel_.problem().conv, part); }

  bool narrow_output(const kernels::Part& part) override {
    kernels::keep_dst(kernel_.problem().pool, part);
    fit_map(kernel_.problem());
    return true;
  }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    Lowering& to = gradients.to();
    auto& problem = kernel_.problem();
    problem.argmax = true;  // where relu left nothing it says so: relu's gradient is in it
    const Value argmax = to.value("argmax " + layer, outputs[0].shape, Extent::batch, Element::u8);
    outputs.push_back(argmax);
    const kernels::ConvPoolKernelGradient::Problem sparse{
        .conv = problem.conv, .pool = problem.pool, .all_live = problem.activation == kernels::Activation::linear};
    give_turned_weights(gradients, std::make_unique<ConvPoolKernelGradientOp>(sparse), {inputs[0], d, argmax}, inputs[1], inputs[2]);
    if (gradients.wants(inputs[0])) {
      const Value dsrc = gradients.make(inputs[0]);
      append(to, std::make_unique<ConvPoolInputGradientOp>(sparse), {d, argmax, inputs[1]}, {dsrc});
      gradients.give(inputs[0], dsrc);
    }
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .kernel = call.in<T>(1),
                    .packed = inputs.size() > 3 ? call.in<T>(3) : nullptr, .bias = call.in<T>(2), .dst = call.out<T>(0),
                    .argmax = outputs.size() > 1 ? call.out<std::uint8_t>(1) : nullptr, .scratch = static_cast<T*>(call.scratch)});
  }
};

}  // namespace

std::unique_ptr<Op> conv_pool(const kernels::ConvForward::Problem& conv, const kernels::PoolForward::Problem& pool, bool training) {
  const bool narrow = pool.geometry.window_height * pool.geometry.window_width <= kernels::no_cell;
  if (training && (pool.kind != kernels::PoolKind::max || conv.geometry.groups != 1 || !narrow)) return nullptr;
  return std::make_unique<ConvPoolOp>(kernels::ConvPoolForward::Problem{
      .conv = conv.geometry, .pool = pool.geometry, .kind = pool.kind, .bias = conv.bias, .activation = conv.activation, .argmax = false});
}

}  // namespace linn::plan
