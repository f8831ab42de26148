#include "plan/ops/pool.h"

#include <memory>

#include "plan/ops/append.h"

namespace linn::plan {
namespace {

// A window of more than 256 cells needs more than a byte to say which cell was the largest.
bool is_wide(const kernels::Geometry& g) { return g.window_height * g.window_width > 256; }

std::uint8_t* narrow(const Call& call, std::size_t i, bool wide) { return wide ? nullptr : call.out<std::uint8_t>(i); }

// One for each pixel that a window sees; of a maximum's gradient one for each window.
double pool_flops(const kernels::PoolForward::Problem& problem, std::int64_t images) {
  return static_cast<double>(images * kernels::pairs(problem.geometry) * problem.geometry.channels);
}

class PoolGradientOp final : public RealOp<PoolGradientOp> {
 public:
  explicit PoolGradientOp(const kernels::PoolForward::Problem& problem) : gradient_(problem) {}

  std::string_view name() const override { return "pool2d_input_gradient"; }
  std::string implementation() const override { return gradient_.implementation(); }
  std::int64_t scratch(std::int64_t images) const override { return gradient_.scratch(images); }
  double flops(std::int64_t images) const override {
    const bool max = gradient_.problem().kind == kernels::PoolKind::max;
    return max ? static_cast<double>(images * inputs[0].shape.elements()) : pool_flops(gradient_.problem(), images);
  }
  void prepare(const kernels::Policy& policy) override { gradient_.prepare(policy); }
  void differentiate(Gradients&) override {}

  template <class T>
  void compute(const Call& call) const {
    const bool wide = is_wide(gradient_.problem().geometry);
    gradient_.run<T>({.images = call.images, .ddst = call.in<T>(0), .argmax = wide ? nullptr : call.in<std::uint8_t>(1),
                      .wide_argmax = wide ? call.in<std::int32_t>(1) : nullptr, .dsrc = call.out<T>(0),
                      .scratch = static_cast<T*>(call.scratch)});
  }

 private:
  KernelUse<kernels::PoolInputGradient> gradient_;
};

class PoolOp final : public RealOp<PoolOp> {
 public:
  explicit PoolOp(const kernels::PoolForward::Problem& problem) : pool_(problem) {}

  std::string_view name() const override { return "pool2d"; }
  std::string implementation() const override { return pool_.implementation(); }
  std::int64_t period() const override { return pool_.period(); }
  std::int64_t scratch(std::int64_t images) const override { return pool_.scratch(images); }
  double flops(std::int64_t images) const override { return pool_flops(pool_.problem(), images); }
  void prepare(const kernels::Policy& policy) override { pool_.prepare(policy); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    auto& problem = pool_.problem();
    if (problem.kind == kernels::PoolKind::max) {
      problem.argmax = true;
      outputs.push_back(gradients.to().value("argmax " + layer, outputs[0].shape, Extent::batch, is_wide(problem.geometry) ? Element::i32 : Element::u8));
    }
    const Value dsrc = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<PoolGradientOp>(problem), {d, outputs.size() > 1 ? outputs[1] : Value{}}, {dsrc});
    gradients.give(inputs[0], dsrc);
  }

  std::optional<kernels::Part> reads() const override { return kernels::seen(pool_.problem().geometry); }
  void narrow_input(const kernels::Part& part) override { kernels::keep_src(pool_.problem().geometry, part); }
  bool narrow_output(const kernels::Part& part) override {
    kernels::keep_dst(pool_.problem().geometry, part);
    return true;
  }

  const kernels::PoolForward::Problem& problem() const { return pool_.problem(); }

  template <class T>
  void compute(const Call& call) const {
    const bool keep = outputs.size() > 1;
    const bool wide = is_wide(pool_.problem().geometry);
    pool_.run<T>({.images = call.images, .src = call.in<T>(0), .dst = call.out<T>(0), .argmax = keep ? narrow(call, 1, wide) : nullptr,
                  .wide_argmax = keep && wide ? call.out<std::int32_t>(1) : nullptr, .scratch = static_cast<T*>(call.scratch)});
  }

 private:
  KernelUse<kernels::PoolForward> pool_;
};

class GlobalPoolGradientOp final : public RealOp<GlobalPoolGradientOp> {
 public:
  explicit GlobalPoolGradientOp(const kernels::GlobalPoolForward::Problem& problem) : gradient_(problem) {}

  std::string_view name() const override { return "global_pool2d_input_gradient"; }
  std::string implementation() const override { return gradient_.implementation(); }
  double flops(std::int64_t images) const override { return static_cast<double>(images * outputs[0].shape.elements()); }
  void prepare(const kernels::Policy& policy) override { gradient_.prepare(policy); }
  void differentiate(Gradients&) override {}

  template <class T>
  void compute(const Call& call) const {
    gradient_.run<T>({.images = call.images, .src = call.in<T>(1), .dst = call.in<T>(2), .ddst = call.in<T>(0), .dsrc = call.out<T>(0),
                      .scratch = nullptr});
  }

 private:
  KernelUse<kernels::GlobalPoolInputGradient> gradient_;
};

class GlobalPoolOp final : public RealOp<GlobalPoolOp> {
 public:
  explicit GlobalPoolOp(const kernels::GlobalPoolForward::Problem& problem) : pool_(problem) {}

  std::string_view name() const override { return "global_pool2d"; }
  std::string implementation() const override { return pool_.implementation(); }
  double flops(std::int64_t images) const override { return static_cast<double>(images * inputs[0].shape.elements()); }
  void prepare(const kernels::Policy& policy) override { pool_.prepare(policy); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value dsrc = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<GlobalPoolGradientOp>(pool_.problem()), {d, inputs[0], outputs[0]}, {dsrc});
    gradients.give(inputs[0], dsrc);
  }

  const kernels::GlobalPoolForward::Problem& problem() const { return pool_.problem(); }

  template <class T>
  void compute(const Call& call) const {
    pool_.run<T>({.images = call.images, .src = call.in<T>(0), .dst = call.out<T>(0), .scratch = nullptr});
  }

 private:
  KernelUse<kernels::GlobalPoolForward> pool_;
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

}  // namespace linn::plan
