#include "plan/ops/polyphase.h"

#include <algorithm>
#include <memory>
#include <optional>

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

/// One phase of a max pooling with stride 1: for each image a pooling with the stride of the phases, on the map from the phase's first
/// pixel on. Uses the ordinary pooling kernels and computes only the windows of the chosen phase (a quarter for stride 2).
struct PooledPhase {
  PooledPhase(const kernels::Geometry& pool, const kernels::Phases& chosen) : phases(chosen), row(pool.src_row), pixel(pool.src_pixel), image(pool.src_image) {
    problem = {.geometry = pool, .kind = kernels::PoolKind::max, .argmax = false};
    kernels::Geometry& g = problem.geometry;
    g.stride_height = phases.stride_height, g.stride_width = phases.stride_width;
    g.out_height = phases.rows(), g.out_width = phases.columns();
    g.height = (g.out_height - 1) * g.stride_height + g.window_height;
    g.width = (g.out_width - 1) * g.stride_width + g.window_width;
    kernels::set_dense_dst(g);
  }
  std::int64_t offset(std::int32_t phase) const { return phase / phases.stride_width * row + phase % phases.stride_width * pixel; }

  kernels::Phases phases;
  std::int64_t row, pixel, image;  // pitches of the map before the pooling
  kernels::PoolForward::Problem problem;
};

// inputs {d, phase, argmax}.
class PooledPhaseGradientOp final : public GradientOp<PooledPhaseGradientOp, kernels::PoolInputGradient> {
 public:
  explicit PooledPhaseGradientOp(const PooledPhase& pooled) : GradientOp(pooled.problem), pooled_(pooled) {}

  std::string_view name() const override { return "pool2d_phase_input_gradient"; }
  std::int64_t scratch(std::int64_t) const override { return kernel_.scratch(1); }
  double flops(std::int64_t images) const override { return static_cast<double>(images * inputs[0].shape.elements()); }

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t outputs_each = pooled_.phases.elements();
    for (std::int64_t n = 0; n < call.images; ++n) {
      T* dsrc = call.out<T>(0) + n * pooled_.image;
      std::fill_n(dsrc, pooled_.image, T{0});  // the kernel writes only the pixels of its windows
      kernel_.run<T>({.images = 1, .ddst = call.in<T>(0) + n * outputs_each, .argmax = call.in<std::uint8_t>(2) + n * outputs_each,
                      .wide_argmax = nullptr, .dsrc = dsrc + pooled_.offset(call.in<std::int32_t>(1)[n]),
                      .scratch = static_cast<T*>(call.scratch)});
    }
  }

 private:
  PooledPhase pooled_;
};

// inputs {src, phase}, outputs {map, argmax (training, with pooling)}.
class TakePhaseOp final : public RealOp<TakePhaseOp> {
 public:
  explicit TakePhaseOp(const kernels::Phases& phases) : take_(phases) {}

  std::string_view name() const override { return pooled_ ? "pool2d_phase" : "take_phase"; }
  std::string implementation() const override { return pooled_ ? pool_.implementation() : take_.implementation(); }
  std::int64_t scratch(std::int64_t) const override { return pooled_ ? pool_.scratch(1) : 0; }
  double flops(std::int64_t images) const override {
    return pooled_ ? static_cast<double>(images * kernels::pairs(pooled_->problem.geometry) * pooled_->phases.channels) : 0;
  }
  void prepare(const kernels::Policy& policy) override {
    if (pooled_) return pool_.prepare(policy);
    take_.prepare(policy);
  }

  bool reach_through(const Op& producer) override {
    const kernels::PoolForward::Problem* pool = pool_problem(producer);
    if (pooled_ || pool == nullptr || pool->kind != kernels::PoolKind::max) return false;
    const kernels::Geometry& g = pool->geometry;
    const bool plain = g.stride_height == 1 && g.stride_width == 1 && g.dilation_height == 1 && g.dilation_width == 1;
    const bool padded = g.pad_top + g.pad_bottom + g.pad_left + g.pad_right > 0;
    if (!plain || padded || g.window_height * g.window_width > 256) return false;
    pooled_.emplace(g, take_.problem());
    pool_ = KernelUse<kernels::PoolForward>(pooled_->problem);
    inputs[0] = producer.inputs[0];
    return true;
  }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value dsrc = gradients.make(inputs[0]);
    if (pooled_) {
      pool_.problem().argmax = pooled_->problem.argmax = true;
      outputs.push_back(gradients.to().value("argmax " + layer, outputs[0].shape, Extent::batch, Element::u8));
      append(gradients.to(), std::make_unique<PooledPhaseGradientOp>(*pooled_), {d, inputs[1], outputs[1]}, {dsrc});
    } else {
      append(gradients.to(), std::make_unique<TakePhaseGradientOp>(take_.problem()), {d, inputs[1]}, {dsrc});
    }
    gradients.give(inputs[0], dsrc);
  }

  template <class T>
  void compute(const Call& call) const {
    const auto* phase = call.in<std::int32_t>(1);
    if (!pooled_) return take_.run<T>({.images = call.images, .src = call.in<T>(0), .phase = phase, .dst = call.out<T>(0), .scratch = nullptr});
    const std::int64_t elements = pooled_->phases.elements();
    for (std::int64_t n = 0; n < call.images; ++n)
      pool_.run<T>({.images = 1, .src = call.in<T>(0) + n * pooled_->image + pooled_->offset(phase[n]), .dst = call.out<T>(0) + n * elements,
                    .argmax = outputs.size() > 1 ? call.out<std::uint8_t>(1) + n * elements : nullptr, .wide_argmax = nullptr,
                    .scratch = static_cast<T*>(call.scratch)});
  }

 private:
  KernelUse<kernels::PhaseForward> take_;
  std::optional<PooledPhase> pooled_;
  KernelUse<kernels::PoolForward> pool_;
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
