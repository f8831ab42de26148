#include "plan/ops/conv_transpose.h"

#include <memory>
#include <numeric>

#include "kernels/conv/conv.h"
#include "kernels/conv/rows.h"
#include "plan/epilogue.h"
#include "plan/ops/append.h"
#include "plan/ops/conv.h"
#include "plan/ops/dense.h"
#include "plan/ops/eltwise.h"

namespace linn::detail::plan {
namespace {

// The gradient of src: the convolution whose input gradient is the forward op. inputs {d, kernel, packed kernel}.
class ConvTransposeInputGradientOp final : public GradientOp<ConvTransposeInputGradientOp, kernels::ConvForward> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "conv2d_transpose_input_gradient"; }
  kernels::PitchFields input_pitches(std::size_t slot) override {
    return slot == 0 ? kernels::src_pitches(kernel_.problem().geometry) : kernels::PitchFields{};
  }
  kernels::PitchFields output_pitches(std::size_t) override { return kernels::dst_pitches(kernel_.problem().geometry); }
  double flops(std::int64_t images) const override { return conv_flops(problem().geometry, images); }
  Value packs() const override { return inputs[1]; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images,
                    .src = call.in<T>(0),
                    .kernel = call.in<T>(1),
                    .packed = inputs.size() > 2 ? call.in<T>(2) : nullptr,
                    .bias = nullptr,
                    .dst = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

// outputs {map}. The kernel is only there for its gradient.
class ConvTransposeOp final : public KernelOp<ConvTransposeOp, kernels::ConvInputGradient>, public EpilogueOp {
 public:
  enum In : std::size_t { src, kernel, transposed_kernel, bias, residual, packed_kernel };

  ConvTransposeOp(const kernels::Geometry& geometry, bool with_bias) : KernelOp({geometry, with_bias}), EpilogueOp(with_bias) {}

  std::string_view name() const override { return "conv2d_transpose"; }
  kernels::PitchFields input_pitches(std::size_t slot) override {
    return slot == In::src ? kernels::dst_pitches(kernel_.problem().geometry) : kernels::PitchFields{};
  }
  /// The part of the epilogue outside the kernel is a pass over a dense map.
  kernels::PitchFields output_pitches(std::size_t) override {
    return epilogue().is_in_kernel() ? kernels::src_pitches(kernel_.problem().geometry) : kernels::PitchFields{};
  }
  double flops(std::int64_t images) const override { return conv_flops(geometry(), images); }
  Value packs() const override { return inputs[In::transposed_kernel]; }
  std::size_t packed_slot() const override { return In::packed_kernel; }
  std::int64_t most_parts() const override {
    return kernel_.row_step() == 0 ? 1 : core::ceil_div(geometry().height, kernel_.row_step());
  }
  void prepare(const kernels::Policy& policy) override {
    kernel_.prepare(policy);
    prepare_epilogue(policy);
  }
  std::unique_ptr<Op> with_epilogue(const Epilogue& epilogue, Value new_residual) const override {
    auto op = std::make_unique<ConvTransposeOp>(*this);
    op->set_epilogue(epilogue, op->kernel_.problem());
    if (new_residual.defined()) op->inputs[In::residual] = new_residual;
    return op;
  }

  // If src moves by one pixel, the output moves by one stride.
  std::int64_t period() const override {
    return kernel_.period() == 1 ? period_with(std::lcm(geometry().stride_height, geometry().stride_width)) : 0;
  }

  void differentiate(Gradients& gradients) override {
    Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    if (!epilogue().is_linear()) d = activation_gradient(gradients, epilogue().activation.activation, outputs[0], d);
    if (inputs[In::residual].defined() && gradients.wants(inputs[In::residual])) gradients.give(inputs[In::residual], d);
    if (gradients.wants(inputs[In::kernel]))
      gradients.give(inputs[In::kernel], conv_kernel_gradient(gradients, inputs[In::kernel], d, inputs[In::src], geometry()));
    if (inputs[In::bias].defined() && gradients.wants(inputs[In::bias]))
      gradients.give(inputs[In::bias], bias_gradient(gradients, inputs[In::bias], d));
    if (gradients.wants(inputs[In::src])) {
      const Value dsrc = gradients.make(inputs[In::src]);
      const kernels::ConvForward::Problem convolution{.geometry = geometry()};
      append(gradients.to(), std::make_unique<ConvTransposeInputGradientOp>(convolution), {d, inputs[In::kernel]}, {dsrc});
      gradients.give(inputs[In::src], dsrc);
    }
  }

  template <class T>
  void compute(const Call& call) const {
    const kernels::Geometry& g = geometry();
    const Share rows = call.parts == 1 ? Share{0, g.height} : share_of(call, g.height, kernel_.row_step());
    if (rows.begin == rows.end) return;
    run_rows_with_epilogue(call.images, rows.begin, rows.end, {g.height, g.src_row, g.src_image, kernel_.row_step()},
                           call.out<T>(0) + rows.begin * g.src_row, call.in<T>(In::residual),
                           [&](std::int64_t first, std::int64_t count, std::int64_t begin, std::int64_t end, T* to) {
                             kernel_.run<T>(kernels::conv::rows_of(problem(), {begin, end}),
                                            {.images = count,
                                             .ddst = call.in<T>(In::src) + first * g.dst_image,
                                             .transposed_kernel = call.in<T>(In::transposed_kernel),
                                             .packed = call.in<T>(In::packed_kernel),
                                             .bias = call.in<T>(In::bias),
                                             .dsrc = to,
                                             .scratch = static_cast<T*>(call.scratch)});
                           });
  }

 private:
  const kernels::Geometry& geometry() const { return problem().geometry; }
};

}  // namespace

Value conv2d_transpose(Lowering& to, Value src, Value kernel, Value bias, const kernels::Geometry& g) {
  const Value transposed = transpose_kernel(to, kernel, g.window_height * g.window_width, g.channels, g.out_channels);
  const Value output = to.value(to.layer(), {g.height, g.width, g.channels}, Extent::batch);
  return append(to, std::make_unique<ConvTransposeOp>(g, bias.defined()), {src, kernel, transposed, bias, {}, {}}, {output});
}

}  // namespace linn::detail::plan
