#include "plan/ops/blur.h"

#include <memory>

#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// Floating-point operations: two for each product of the definition.
double blur_flops(const kernels::Geometry& geometry, std::int64_t images) {
  return 2.0 * static_cast<double>(images * kernels::pairs(geometry) * geometry.channels);
}

class BlurGradientOp final : public GradientOp<BlurGradientOp, kernels::BlurInputGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "blur2d_input_gradient"; }
  double flops(std::int64_t images) const override { return blur_flops(problem().geometry, images); }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .ddst = call.in<T>(0), .dsrc = call.out<T>(0), .scratch = static_cast<T*>(call.scratch)});
  }
};

class BlurOp final : public WindowOp<BlurOp, kernels::BlurForward> {
 public:
  using WindowOp::WindowOp;

  std::string_view name() const override { return "blur2d"; }
  // The kernel needs dense pixels.
  kernels::PitchFields input_pitches(std::size_t) override {
    kernels::Geometry& g = kernel_.problem().geometry;
    return {.row = &g.src_row, .image = &g.src_image};
  }
  kernels::PitchFields output_pitches(std::size_t) override {
    kernels::Geometry& g = kernel_.problem().geometry;
    return {.row = &g.dst_row, .image = &g.dst_image};
  }
  double flops(std::int64_t images) const override { return blur_flops(problem().geometry, images); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value dsrc = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<BlurGradientOp>(problem()), {d}, {dsrc});
    gradients.give(inputs[0], dsrc);
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .dst = call.out<T>(0), .scratch = static_cast<T*>(call.scratch)});
  }
};

}  // namespace

Value blur2d(Lowering& to, Value src, const kernels::Geometry& geometry) {
  const Value output = to.value(to.layer(), {geometry.out_height, geometry.out_width, geometry.out_channels}, Extent::batch);
  return append(to, std::make_unique<BlurOp>(kernels::BlurForward::Problem{geometry}), {src}, {output});
}

}  // namespace linn::detail::plan
