#include "plan/ops/blur.h"

#include <memory>

#include "plan/ops/append.h"

namespace linn::plan {
namespace {

// Two for each product of the definition.
double blur_flops(const kernels::Geometry& geometry, std::int64_t images) {
  return 2.0 * static_cast<double>(images * kernels::pairs(geometry) * geometry.channels);
}

class BlurGradientOp final : public RealOp<BlurGradientOp> {
 public:
  explicit BlurGradientOp(const kernels::BlurForward::Problem& problem) : gradient_(problem) {}

  std::string_view name() const override { return "blur2d_input_gradient"; }
  std::string implementation() const override { return gradient_.implementation(); }
  std::int64_t scratch(std::int64_t images) const override { return gradient_.scratch(images); }
  double flops(std::int64_t images) const override { return blur_flops(gradient_.problem().geometry, images); }
  void prepare(const kernels::Policy& policy) override { gradient_.prepare(policy); }
  void differentiate(Gradients&) override {}

  template <class T>
  void compute(const Call& call) const {
    gradient_.run<T>({.images = call.images, .ddst = call.in<T>(0), .dsrc = call.out<T>(0), .scratch = static_cast<T*>(call.scratch)});
  }

 private:
  KernelUse<kernels::BlurInputGradient> gradient_;
};

class BlurOp final : public RealOp<BlurOp> {
 public:
  explicit BlurOp(const kernels::BlurForward::Problem& problem) : blur_(problem) {}

  std::string_view name() const override { return "blur2d"; }
  std::string implementation() const override { return blur_.implementation(); }
  std::int64_t scratch(std::int64_t images) const override { return blur_.scratch(images); }
  double flops(std::int64_t images) const override { return blur_flops(blur_.problem().geometry, images); }
  void prepare(const kernels::Policy& policy) override { blur_.prepare(policy); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value dsrc = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<BlurGradientOp>(blur_.problem()), {d}, {dsrc});
    gradients.give(inputs[0], dsrc);
  }

  std::optional<kernels::Part> reads() const override { return kernels::seen(blur_.problem().geometry); }
  void narrow_input(const kernels::Part& part) override { kernels::keep_src(blur_.problem().geometry, part); }
  bool narrow_output(const kernels::Part& part) override {
    kernels::keep_dst(blur_.problem().geometry, part);
    return true;
  }

  template <class T>
  void compute(const Call& call) const {
    blur_.run<T>({.images = call.images, .src = call.in<T>(0), .dst = call.out<T>(0), .scratch = static_cast<T*>(call.scratch)});
  }

 private:
  KernelUse<kernels::BlurForward> blur_;
};

}  // namespace

Value blur2d(Lowering& to, Value src, const kernels::Geometry& geometry) {
  const Value output = to.value(to.layer(), {geometry.out_height, geometry.out_width, geometry.out_channels}, Extent::batch);
  return append(to, std::make_unique<BlurOp>(kernels::BlurForward::Problem{geometry}), {src}, {output});
}

}  // namespace linn::plan
