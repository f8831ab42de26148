#include "plan/ops/pool.h"

#include <memory>

#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// The argmax of a window of more than 256 cells does not fit a byte.
bool is_wide(const kernels::Geometry& g) { return g.window_height * g.window_width > 256; }

std::uint8_t* narrow(const Call& call, std::size_t i, bool wide) { return wide ? nullptr : call.out<std::uint8_t>(i); }

// Floating-point operations: one for each pixel of each window; for the gradient of a maximum, one for each window.
double pool_flops(const kernels::PoolForward::Problem& problem, std::int64_t images) {
  return static_cast<double>(images * kernels::pairs(problem.geometry) * problem.geometry.channels);
}

class PoolGradientOp final : public GradientOp<PoolGradientOp, kernels::PoolInputGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "pool2d_input_gradient"; }
  kernels::PitchFields input_pitches(std::size_t slot) override {
    return slot == 0 ? kernels::dst_pitches(kernel_.problem().geometry) : kernels::PitchFields{};
  }
  kernels::PitchFields output_pitches(std::size_t) override { return kernels::src_pitches(kernel_.problem().geometry); }
  double flops(std::int64_t images) const override {
    const bool max = problem().kind == kernels::PoolKind::max;
    return max ? static_cast<double>(images * inputs[0].shape.elements()) : pool_flops(problem(), images);
  }

  template <class T>
  void compute(const Call& call) const {
    const bool wide = is_wide(problem().geometry);
    kernel_.run<T>({.images = call.images, .ddst = call.in<T>(0), .argmax = wide ? nullptr : call.in<std::uint8_t>(1),
                    .wide_argmax = wide ? call.in<std::int32_t>(1) : nullptr, .dsrc = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

class PoolOp final : public WindowOp<PoolOp, kernels::PoolForward> {
 public:
  using WindowOp::WindowOp;

  std::string_view name() const override { return "pool2d"; }
  std::int64_t period() const override { return kernel_.period(); }
  double flops(std::int64_t images) const override { return pool_flops(problem(), images); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    auto& problem = kernel_.problem();
    if (problem.kind == kernels::PoolKind::max) {
      problem.argmax = true;
      outputs.push_back(gradients.to().value("argmax " + layer, outputs[0].shape, Extent::batch, is_wide(problem.geometry) ? Element::i32 : Element::u8));
    }
    const Value dsrc = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<PoolGradientOp>(problem), {d, outputs.size() > 1 ? outputs[1] : Value{}}, {dsrc});
    gradients.give(inputs[0], dsrc);
  }

  template <class T>
  void compute(const Call& call) const {
    const bool keep = outputs.size() > 1;
    const bool wide = is_wide(problem().geometry);
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .dst = call.out<T>(0), .argmax = keep ? narrow(call, 1, wide) : nullptr,
                    .wide_argmax = keep && wide ? call.out<std::int32_t>(1) : nullptr, .scratch = static_cast<T*>(call.scratch)});
  }
};

class GlobalPoolGradientOp final : public GradientOp<GlobalPoolGradientOp, kernels::GlobalPoolInputGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "global_pool2d_input_gradient"; }
  double flops(std::int64_t images) const override { return static_cast<double>(images * outputs[0].shape.elements()); }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(1), .dst = call.in<T>(2), .ddst = call.in<T>(0), .dsrc = call.out<T>(0),
                    .scratch = nullptr});
  }
};

class GlobalPoolOp final : public KernelOp<GlobalPoolOp, kernels::GlobalPoolForward> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "global_pool2d"; }
  double flops(std::int64_t images) const override { return static_cast<double>(images * inputs[0].shape.elements()); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value dsrc = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<GlobalPoolGradientOp>(problem()), {d, inputs[0], outputs[0]}, {dsrc});
    gradients.give(inputs[0], dsrc);
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .dst = call.out<T>(0), .scratch = nullptr});
  }
};

}  // namespace

Value pool2d(Lowering& to, Value src, kernels::PoolKind kind, const kernels::Geometry& geometry) {
  const Value output = to.value(to.layer(), {geometry.out_height, geometry.out_width, geometry.out_channels}, Extent::batch);
  return append(to, std::make_unique<PoolOp>(kernels::PoolForward::Problem{.geometry = geometry, .kind = kind}), {src}, {output});
}

const kernels::PoolForward::Problem* pool_problem(const Op& op) {
  const auto* pool = dynamic_cast<const PoolOp*>(&op);
  return pool == nullptr ? nullptr : &pool->problem();
}

const kernels::GlobalPoolForward::Problem* global_pool_problem(const Op& op) {
  const auto* pool = dynamic_cast<const GlobalPoolOp*>(&op);
  return pool == nullptr ? nullptr : &pool->problem();
}

Value global_pool2d(Lowering& to, Value src, kernels::PoolKind kind) {
  const Value output = to.value(to.layer(), {src.shape[2]}, Extent::batch);
  const kernels::GlobalPoolForward::Problem problem{.pixels = src.shape[0] * src.shape[1], .channels = src.shape[2], .kind = kind};
  return append(to, std::make_unique<GlobalPoolOp>(problem), {src}, {output});
}

}  // namespace linn::detail::plan
