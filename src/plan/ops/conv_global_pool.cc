#include "plan/ops/conv_global_pool.h"

#include "kernels/conv/global.h"
#include "plan/ops/append.h"
#include "plan/ops/conv.h"

namespace linn::detail::plan {
namespace {

// Floating-point operations of a gradient: a multiply-add for each weight, as if one pixel held each maximum.
double sparse_flops(const kernels::Geometry& g, std::int64_t images) {
  return 2.0 * static_cast<double>(images * g.out_channels * g.window_height * g.window_width * g.channels);
}

class ConvGlobalPoolKernelGradientOp final : public GradientOp<ConvGlobalPoolKernelGradientOp, kernels::ConvGlobalPoolKernelGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "conv2d_global_pool_kernel_gradient"; }
  double flops(std::int64_t images) const override { return sparse_flops(problem(), images); }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .ddst = call.in<T>(1), .winners = call.in<std::uint8_t>(2),
                    .dkernel = call.out<T>(0), .dbias = outputs.size() > 1 ? call.out<T>(1) : nullptr,
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

// inputs {d, winners, kernel, packed kernel}.
class ConvGlobalPoolInputGradientOp final : public GradientOp<ConvGlobalPoolInputGradientOp, kernels::ConvGlobalPoolInputGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "conv2d_global_pool_input_gradient"; }
  double flops(std::int64_t images) const override { return sparse_flops(problem(), images); }
  Value packs() const override { return inputs[2]; }
  std::size_t packed_slot() const override { return 3; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .ddst = call.in<T>(0), .winners = call.in<std::uint8_t>(1), .kernel = call.in<T>(2),
                    .packed = call.in<T>(3), .dsrc = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

// inputs: ConvInputs; outputs {one value for each channel, winners (training)}.
class ConvGlobalPoolOp final : public KernelOp<ConvGlobalPoolOp, kernels::ConvGlobalPoolForward> {
 public:
  using In = ConvInputs;
  using KernelOp::KernelOp;

  std::string_view name() const override { return "conv2d_global_pool"; }
  double flops(std::int64_t images) const override { return conv_flops(problem().conv, images); }
  Value packs() const override { return inputs[In::kernel]; }
  std::size_t packed_slot() const override { return In::packed; }
  std::optional<kernels::Part> reads() const override { return kernels::seen(problem().conv); }
  void narrow_input(const kernels::Part& part) override { kernels::keep_src(kernel_.problem().conv, part); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    auto& problem = kernel_.problem();
    problem.winners = true;  // no winners where relu gave 0, so that they include relu's gradient
    const kernels::Geometry& g = problem.conv;
    const Value winners =
        gradients.to().value("winners " + layer, {g.out_height, g.out_width, kernels::winner_bytes(g)}, Extent::batch, Element::u8);
    outputs.push_back(winners);
    give_turned_weights(gradients, std::make_unique<ConvGlobalPoolKernelGradientOp>(g), {inputs[In::src], d, winners}, inputs[In::kernel],
                        inputs[In::bias]);
    if (gradients.wants(inputs[In::src])) {
      const Value dsrc = gradients.make(inputs[In::src]);
      append(gradients.to(), std::make_unique<ConvGlobalPoolInputGradientOp>(g), {d, winners, inputs[In::kernel], {}}, {dsrc});
      gradients.give(inputs[In::src], dsrc);
    }
  }

  /// Channels.
  std::int64_t most_parts() const override {
    return kernel_.channel_step() == 0 ? 1 : core::ceil_div(problem().conv.out_channels, kernel_.channel_step());
  }
  bool prefers_parts() const override { return weights_outweigh_maps(kernel_.packed(), problem().conv); }

  template <class T>
  void compute(const Call& call) const {
    kernels::Channels channels;
    if (call.parts > 1) {
      const Share share = share_of(call, problem().conv.out_channels, kernel_.channel_step());
      if (share.begin == share.end) return;
      channels = {share.begin, share.end};
    }
    kernel_.run<T>({.images = call.images, .src = call.in<T>(In::src), .kernel = call.in<T>(In::kernel),
                    .packed = call.in<T>(In::packed), .bias = call.in<T>(In::bias), .dst = call.out<T>(0),
                    .winners = outputs.size() > 1 ? call.out<std::uint8_t>(1) : nullptr, .scratch = static_cast<T*>(call.scratch),
                    .channels = channels});
  }
};

}  // namespace

std::unique_ptr<Op> conv_global_pool(const Op& op, kernels::PoolKind kind) {
  const kernels::ConvForward::Problem& conv = *conv_problem(op);
  auto joined = std::make_unique<ConvGlobalPoolOp>(
      kernels::ConvGlobalPoolForward::Problem{.conv = conv.geometry, .kind = kind, .bias = conv.bias, .activation = conv.activation});
  joined->inputs = op.inputs;
  return joined;
}

}  // namespace linn::detail::plan
