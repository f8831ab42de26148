#include "plan/ops/channel_phases.h"

#include <memory>

#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

class ChannelPhaseMeansGradientOp final : public GradientOp<ChannelPhaseMeansGradientOp, kernels::ChannelPhaseMeansGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "channel_phase_means_gradient"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .dmeans = call.in<T>(0), .dsrc = call.out<T>(0), .scratch = nullptr});
  }
};

class ChannelPhaseMeansOp final : public KernelOp<ChannelPhaseMeansOp, kernels::ChannelPhaseMeans> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "channel_phase_means"; }
  double flops(std::int64_t images) const override { return static_cast<double>(images * inputs[0].shape.elements()); }
  std::int64_t scratch(std::int64_t images) const override { return kernels::ChannelPhaseMeans::reference_scratch(problem(), images); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value dsrc = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<ChannelPhaseMeansGradientOp>(problem()), {d}, {dsrc});
    gradients.give(inputs[0], dsrc);
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .means = call.out<T>(0), .scratch = static_cast<T*>(call.scratch)});
  }
};

// inputs {src, weights, d}, outputs {dsrc, dweights}.
class ChannelPhaseMixGradientOp final : public GradientOp<ChannelPhaseMixGradientOp, kernels::ChannelPhaseMixGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "mix_channel_phases_gradient"; }
  double flops(std::int64_t images) const override { return static_cast<double>(3 * images * inputs[0].shape.elements()); }
  std::int64_t scratch(std::int64_t images) const override {
    return kernels::ChannelPhaseMixGradient::reference_scratch(problem(), images);
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images,
                    .src = call.in<T>(0),
                    .weights = call.in<T>(1),
                    .ddst = call.in<T>(2),
                    .dsrc = call.out<T>(0),
                    .dweights = call.out<T>(1),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

// inputs {src, weights}.
class ChannelPhaseMixOp final : public KernelOp<ChannelPhaseMixOp, kernels::ChannelPhaseMixForward> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "mix_channel_phases"; }
  double flops(std::int64_t images) const override { return static_cast<double>(2 * images * inputs[0].shape.elements()); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value dsrc = gradients.make(inputs[0]), dweights = gradients.make(inputs[1]);
    append(gradients.to(), std::make_unique<ChannelPhaseMixGradientOp>(problem()), {inputs[0], inputs[1], d}, {dsrc, dweights});
    gradients.give(inputs[0], dsrc);
    gradients.give(inputs[1], dweights);
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .weights = call.in<T>(1), .dst = call.out<T>(0), .scratch = nullptr});
  }
};

}  // namespace

Value channel_phase_means(Lowering& to, Value src, const kernels::Phases& phases) {
  const Value means = to.value("means " + to.layer(), {phases.count(), phases.channels}, Extent::batch);
  return append(to, std::make_unique<ChannelPhaseMeansOp>(phases), {src}, {means});
}

Value mix_channel_phases(Lowering& to, Value src, Value weights, const kernels::Phases& phases) {
  const Value output = to.value(to.layer(), {phases.rows(), phases.columns(), phases.channels}, Extent::batch);
  return append(to, std::make_unique<ChannelPhaseMixOp>(phases), {src, weights}, {output});
}

}  // namespace linn::detail::plan
