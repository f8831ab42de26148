#include "plan/ops/pixel_filter.h"

#include <memory>

#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// Multiplications and additions of one pass over all taps.
double tap_flops(const kernels::PixelFilterForward::Problem& p, std::int64_t images) {
  return 2.0 * static_cast<double>(images * p.out_pixels() * p.taps() * p.geometry.channels);
}

// inputs {src, weights, d}, outputs {dsrc, dweights}.
class PixelFilterGradientOp final : public GradientOp<PixelFilterGradientOp, kernels::PixelFilterGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "pixel_filter2d_gradient"; }
  double flops(std::int64_t images) const override { return 2 * tap_flops(problem(), images); }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images,
                    .src = call.in<T>(0),
                    .weights = call.in<T>(1),
                    .ddst = call.in<T>(2),
                    .dsrc = call.out<T>(0),
                    .dweights = call.out<T>(1),
                    .scratch = nullptr});
  }
};

// inputs {src, weights}.
class PixelFilterOp final : public KernelOp<PixelFilterOp, kernels::PixelFilterForward> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "pixel_filter2d"; }
  double flops(std::int64_t images) const override { return tap_flops(problem(), images); }
  std::int64_t period() const override { return kernel_.period(); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value dsrc = gradients.make(inputs[0]), dweights = gradients.make(inputs[1]);
    append(gradients.to(), std::make_unique<PixelFilterGradientOp>(problem()), {inputs[0], inputs[1], d}, {dsrc, dweights});
    gradients.give(inputs[0], dsrc);
    gradients.give(inputs[1], dweights);
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .weights = call.in<T>(1), .dst = call.out<T>(0), .scratch = nullptr});
  }
};

}  // namespace

Value pixel_filter2d(Lowering& to, Value src, Value weights, const kernels::Geometry& geometry) {
  const Value output = to.value(to.layer(), {geometry.out_height, geometry.out_width, geometry.channels}, Extent::batch);
  return append(to, std::make_unique<PixelFilterOp>(kernels::PixelFilterForward::Problem{geometry}), {src, weights}, {output});
}

}  // namespace linn::detail::plan
