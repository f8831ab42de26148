#include "plan/ops/polyphase.h"

#include <memory>
#include <optional>

#include "kernels/polyphase/pooled.h"
#include "plan/ops/append.h"
#include "plan/ops/pool.h"

namespace linn::detail::plan {
namespace {

class PhaseMeansGradientOp final : public GradientOp<PhaseMeansGradientOp, kernels::PhaseMeansGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "phase_means_gradient"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .dscores = call.in<T>(0), .dsrc = call.out<T>(0), .scratch = nullptr});
  }
};

class PhaseScoresOp final : public KernelOp<PhaseScoresOp, kernels::PhaseScores> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "phase_scores"; }
  double flops(std::int64_t images) const override { return static_cast<double>(2 * images * inputs[0].shape.elements()); }

  /// Only the mean has a gradient. A norm is used only for the choice, which does not change for small changes of the norm.
  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined() || problem().score != kernels::PhaseScore::mean) return;
    const Value dsrc = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<PhaseMeansGradientOp>(problem().phases), {d}, {dsrc});
    gradients.give(inputs[0], dsrc);
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .scores = call.out<T>(0), .scratch = static_cast<T*>(call.scratch)});
  }
};

// inputs {src, scores}.
class PhaseChoiceOp final : public KernelOp<PhaseChoiceOp, kernels::PhaseChoice> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "phase_choice"; }
  void differentiate(Gradients&) override {}

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images,
                    .src = call.in<T>(0),
                    .scores = call.in<T>(1),
                    .phase = call.out<std::int32_t>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

// inputs {d, phase}.
class TakePhaseGradientOp final : public GradientOp<TakePhaseGradientOp, kernels::PhaseInputGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "take_phase_input_gradient"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>(
        {.images = call.images, .ddst = call.in<T>(0), .phase = call.in<std::int32_t>(1), .dsrc = call.out<T>(0), .scratch = nullptr});
  }
};

// inputs {d, phase, argmax}.
class PooledPhaseGradientOp final : public GradientOp<PooledPhaseGradientOp, kernels::PhasePoolInputGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "pool2d_phase_input_gradient"; }
  double flops(std::int64_t images) const override { return static_cast<double>(images * inputs[0].shape.elements()); }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .ddst = call.in<T>(0), .phase = call.in<std::int32_t>(1), .argmax = call.in<std::uint8_t>(2),
                    .dsrc = call.out<T>(0), .scratch = static_cast<T*>(call.scratch)});
  }
};

// inputs {src, phase}, outputs {map, argmax (training, with pooling)}.
class TakePhaseOp final : public RealOp<TakePhaseOp> {
 public:
  explicit TakePhaseOp(const kernels::Phases& phases) : take_(phases) {}

  std::string_view name() const override { return pool_ ? "pool2d_phase" : "take_phase"; }
  std::string implementation() const override { return pool_ ? pool_->implementation() : take_.implementation(); }
  std::int64_t scratch(std::int64_t images) const override { return pool_ ? pool_->scratch(images) : 0; }
  double flops(std::int64_t images) const override {
    return pool_ ? static_cast<double>(images * kernels::pairs(pool_->problem().pool.geometry) * pool_->problem().phases.channels) : 0;
  }
  void prepare(const kernels::Policy& policy) override {
    if (pool_) return pool_->prepare(policy);
    take_.prepare(policy);
  }

  bool reach_through(const Op& producer) override {
    const kernels::PoolForward::Problem* pool = pool_problem(producer);
    if (pool_ || pool == nullptr || pool->kind != kernels::PoolKind::max) return false;
    const kernels::Geometry& g = pool->geometry;
    const bool plain = g.stride_height == 1 && g.stride_width == 1 && g.dilation_height == 1 && g.dilation_width == 1;
    const bool padded = g.pad_top + g.pad_bottom + g.pad_left + g.pad_right > 0;
    if (!plain || padded || g.window_height * g.window_width > 256) return false;
    pool_.emplace(kernels::PhasePool::of(g, take_.problem()));
    inputs[0] = producer.inputs[0];
    return true;
  }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value dsrc = gradients.make(inputs[0]);
    if (pool_) {
      pool_->problem().pool.argmax = true;
      outputs.push_back(gradients.to().value("argmax " + layer, outputs[0].shape, Extent::batch, Element::u8));
      append(gradients.to(), std::make_unique<PooledPhaseGradientOp>(pool_->problem()), {d, inputs[1], outputs[1]}, {dsrc});
    } else {
      append(gradients.to(), std::make_unique<TakePhaseGradientOp>(take_.problem()), {d, inputs[1]}, {dsrc});
    }
    gradients.give(inputs[0], dsrc);
  }

  template <class T>
  void compute(const Call& call) const {
    const auto* phase = call.in<std::int32_t>(1);
    if (!pool_) return take_.run<T>({.images = call.images, .src = call.in<T>(0), .phase = phase, .dst = call.out<T>(0), .scratch = nullptr});
    pool_->run<T>({.images = call.images, .src = call.in<T>(0), .phase = phase, .dst = call.out<T>(0),
                   .argmax = outputs.size() > 1 ? call.out<std::uint8_t>(1) : nullptr, .scratch = static_cast<T*>(call.scratch)});
  }

 private:
  KernelUse<kernels::PhaseForward> take_;
  std::optional<KernelUse<kernels::PhasePoolForward>> pool_;  // a pooling of which the phase is taken
};

// inputs {src, weights, d}, outputs {dsrc, dweights}.
class MixPhasesGradientOp final : public GradientOp<MixPhasesGradientOp, kernels::PhaseMixGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "mix_phases_gradient"; }
  double flops(std::int64_t images) const override { return static_cast<double>(3 * images * inputs[0].shape.elements()); }

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
class MixPhasesOp final : public KernelOp<MixPhasesOp, kernels::PhaseMixForward> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "mix_phases"; }
  double flops(std::int64_t images) const override { return static_cast<double>(2 * images * inputs[0].shape.elements()); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value dsrc = gradients.make(inputs[0]), dweights = gradients.make(inputs[1]);
    append(gradients.to(), std::make_unique<MixPhasesGradientOp>(problem()), {inputs[0], inputs[1], d}, {dsrc, dweights});
    gradients.give(inputs[0], dsrc);
    gradients.give(inputs[1], dweights);
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .weights = call.in<T>(1), .dst = call.out<T>(0), .scratch = nullptr});
  }
};

Value value_of_phase(Lowering& to, const kernels::Phases& phases) {
  return to.value(to.layer(), {phases.rows(), phases.columns(), phases.channels}, Extent::batch);
}

}  // namespace

Value phase_scores(Lowering& to, Value src, const kernels::Phases& phases, kernels::PhaseScore score) {
  const Value scores = to.value("scores " + to.layer(), {phases.count()}, Extent::batch);
  return append(to, std::make_unique<PhaseScoresOp>(kernels::PhaseScores::Problem{.phases = phases, .score = score}), {src}, {scores});
}

Value phase_choice(Lowering& to, Value src, Value scores, const kernels::Phases& phases) {
  if (!to.training()) to.require_position_invariance();
  const Value phase = to.value("phase " + to.layer(), {1}, Extent::batch, Element::i32);
  return append(to, std::make_unique<PhaseChoiceOp>(phases), {src, scores}, {phase});
}

Value take_phase(Lowering& to, Value src, Value phase, const kernels::Phases& phases) {
  return append(to, std::make_unique<TakePhaseOp>(phases), {src, phase}, {value_of_phase(to, phases)});
}

Sampled sample_largest(Lowering& to, Value src, Value scores, const kernels::Phases& phases) {
  const Value phase = phase_choice(to, src, scores, phases);
  return {.map = take_phase(to, src, phase, phases), .phase = phase};
}

Value mix_phases(Lowering& to, Value src, Value weights, const kernels::Phases& phases) {
  return append(to, std::make_unique<MixPhasesOp>(phases), {src, weights}, {value_of_phase(to, phases)});
}

}  // namespace linn::detail::plan
