#include "plan/ops/conv.h"

#include <memory>

#include "kernels/conv/rows.h"
#include "plan/epilogue.h"
#include "plan/ops/append.h"
#include "plan/ops/dense.h"
#include "plan/ops/eltwise.h"

namespace linn::detail::plan {
namespace {

class ConvKernelGradientOp final : public GradientOp<ConvKernelGradientOp, kernels::ConvKernelGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "conv2d_kernel_gradient"; }
  kernels::PitchFields input_pitches(std::size_t slot) override {
    return slot == 0 ? kernels::src_pitches(kernel_.problem()) : kernels::dst_pitches(kernel_.problem());
  }
  double flops(std::int64_t images) const override { return conv_flops(problem(), images); }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .ddst = call.in<T>(1), .dkernel = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

class ConvInputGradientOp final : public GradientOp<ConvInputGradientOp, kernels::ConvInputGradient> {
 public:
  enum In : std::size_t { ddst, transposed_kernel, packed_kernel };

  using GradientOp::GradientOp;

  std::string_view name() const override { return "conv2d_input_gradient"; }
  kernels::PitchFields input_pitches(std::size_t slot) override {
    return slot == In::ddst ? kernels::dst_pitches(kernel_.problem()) : kernels::PitchFields{};
  }
  kernels::PitchFields output_pitches(std::size_t) override { return kernels::src_pitches(kernel_.problem()); }
  double flops(std::int64_t images) const override { return conv_flops(problem(), images); }
  Value packs() const override { return inputs[transposed_kernel]; }
  std::size_t packed_slot() const override { return packed_kernel; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images,
                    .ddst = call.in<T>(ddst),
                    .transposed_kernel = call.in<T>(transposed_kernel),
                    .packed = call.in<T>(packed_kernel),
                    .dsrc = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

class ConvOp final : public WindowOp<ConvOp, kernels::ConvForward>, public EpilogueOp {
 public:
  using In = ConvInputs;

  ConvOp(const kernels::Geometry& geometry, bool bias) : WindowOp({.geometry = geometry, .bias = bias}), EpilogueOp(bias) {}

  std::string_view name() const override { return "conv2d"; }
  std::int64_t period() const override { return period_with(kernel_.period()); }
  double flops(std::int64_t images) const override { return conv_flops(problem().geometry, images); }
  Value packs() const override { return inputs[In::kernel]; }
  std::size_t packed_slot() const override { return In::packed; }
  void prepare(const kernels::Policy& policy) override {
    kernel_.prepare(policy);
    prepare_epilogue(policy);
  }
  /// The part of the epilogue outside the kernel is a pass over a dense map.
  kernels::PitchFields output_pitches(std::size_t slot) override {
    return epilogue().is_in_kernel() ? WindowOp::output_pitches(slot) : kernels::PitchFields{};
  }
  /// With a residual it cannot shrink, since the residual would have to shrink too.
  bool narrow_output(const kernels::Part& part) override { return !epilogue().residual && WindowOp::narrow_output(part); }

  bool is_affine() const override { return epilogue().is_linear() && !epilogue().residual; }
  void set_affine(Value kernel, Value bias) override {
    inputs[In::kernel] = kernel;
    inputs[In::bias] = bias;
    Epilogue with_bias = epilogue();
    with_bias.bias = true;
    adopt(with_bias);
  }
  std::unique_ptr<Op> with_epilogue(const Epilogue& epilogue, Value residual) const override {
    auto op = std::make_unique<ConvOp>(*this);
    op->adopt(epilogue);
    if (residual.defined()) op->inputs[In::residual] = residual;
    return op;
  }

  std::unique_ptr<Op> with_padding(Value src, const kernels::Pads& pads) const {
    auto op = std::make_unique<ConvOp>(*this);
    kernels::Geometry& g = op->kernel_.problem().geometry;
    g.height = src.shape[0], g.width = src.shape[1];
    g.pad_top += pads.top, g.pad_bottom += pads.bottom, g.pad_left += pads.left, g.pad_right += pads.right;
    kernels::set_dense_src(g);
    op->inputs[In::src] = src;
    return op;
  }

  void differentiate(Gradients& gradients) override {
    Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const kernels::Geometry& g = problem().geometry;
    const Value src = inputs[In::src], kernel = inputs[In::kernel], bias = inputs[In::bias], residual = inputs[In::residual];
    if (!epilogue().is_linear()) d = activation_gradient(gradients, epilogue().activation.activation, outputs[0], d);
    if (residual.defined() && gradients.wants(residual)) gradients.give(residual, d);
    if (gradients.wants(kernel)) gradients.give(kernel, conv_kernel_gradient(gradients, kernel, src, d, g));
    if (bias.defined() && gradients.wants(bias)) gradients.give(bias, bias_gradient(gradients, bias, d));
    if (gradients.wants(src)) {
      const std::int64_t taps = g.window_height * g.window_width, depth = g.channels / g.groups;
      // The transposed kernel of a depthwise convolution has the same elements in the same order.
      const Value transposed = depth == 1 ? Value{kernel.id, {g.window_height, g.window_width, g.out_channels, 1}}
                                          : transpose_kernel(gradients.to(), kernel, taps, depth, g.out_channels);
      const Value dsrc = gradients.make(src);
      append(gradients.to(), std::make_unique<ConvInputGradientOp>(g), {d, transposed, {}}, {dsrc});
      gradients.give(src, dsrc);
    }
  }

  std::int64_t most_parts() const override {
    return kernel_.row_step() == 0 ? 1 : core::ceil_div(problem().geometry.out_height, kernel_.row_step());
  }

  template <class T>
  void compute(const Call& call) const {
    const kernels::Geometry& g = problem().geometry;
    if (call.parts > 1) return compute_rows<T>(call, share_of(call, g.out_height, kernel_.row_step()));
    const std::int64_t rows = rows_at_a_time(sizeof(T));
    if (rows < g.out_height) {
      for (std::int64_t n = 0; n < call.images; ++n)
        for (std::int64_t first = 0; first < g.out_height; first += rows)
          compute_rows<T>(call, n, {first, std::min(first + rows, g.out_height)});
      return;
    }
    T* dst = call.out<T>(0);
    run_with_epilogue(call.images, outputs[0].shape.elements(), dst, call.in<T>(In::residual), [&](std::int64_t first, std::int64_t images) {
      kernel_.run<T>({.images = images,
                      .src = call.in<T>(In::src) + first * g.src_image,
                      .kernel = call.in<T>(In::kernel),
                      .packed = call.in<T>(In::packed),
                      .bias = call.in<T>(In::bias),
                      .dst = dst + first * g.dst_image,
                      .scratch = static_cast<T*>(call.scratch)});
    });
  }

 private:
  // All, unless a part of the epilogue is a pass over the result and an image of that leaves the cache: then as many as stay.
  std::int64_t rows_at_a_time(std::size_t element) const {
    const kernels::Geometry& g = problem().geometry;
    const std::int64_t step = kernel_.row_step(), fit = cache_bytes / (g.dst_row * static_cast<std::int64_t>(element));
    return epilogue().is_in_kernel() || step == 0 || fit >= g.out_height ? g.out_height : std::max(fit / step, std::int64_t{1}) * step;
  }

  template <class T>
  void compute_rows(const Call& call, const Share& rows) const {
    for (std::int64_t n = 0; n < call.images; ++n) compute_rows<T>(call, n, rows);
  }

  template <class T>
  void compute_rows(const Call& call, std::int64_t n, const Share& rows) const {
    if (rows.begin >= rows.end) return;
    const kernels::Geometry& g = problem().geometry;
    const std::int64_t at = n * g.dst_image + rows.begin * g.dst_row;
    const T* residual = call.in<T>(In::residual);
    T* dst = call.out<T>(0) + at;
    run_part_with_epilogue((rows.end - rows.begin) * g.dst_row, dst, residual == nullptr ? nullptr : residual + at, [&] {
      kernel_.run<T>(kernels::conv::rows_of(problem(), {rows.begin, rows.end}),
                     {.images = 1,
                      .src = call.in<T>(In::src) + n * g.src_image,
                      .kernel = call.in<T>(In::kernel),
                      .packed = call.in<T>(In::packed),
                      .bias = call.in<T>(In::bias),
                      .dst = dst,
                      .scratch = static_cast<T*>(call.scratch)});
    });
  }

  void adopt(const Epilogue& epilogue) {
    set_epilogue(epilogue);
    kernel_.problem().bias = epilogue.bias;
    kernel_.problem().activation = epilogue.in_kernel();
  }
};

}  // namespace

Value conv_kernel_gradient(Gradients& gradients, Value kernel, Value src, Value ddst, const kernels::Geometry& geometry) {
  return append(gradients.to(), std::make_unique<ConvKernelGradientOp>(geometry), {src, ddst}, {gradients.make(kernel)});
}

void give_turned_weights(Gradients& gradients, std::unique_ptr<Op> op, std::vector<Value> from, Value kernel, Value bias) {
  Lowering& to = gradients.to();
  const std::int64_t outputs = kernel.shape[-1], terms = kernel.shape.elements() / outputs;
  const bool wants_bias = bias.defined() && gradients.wants(bias);
  if (!gradients.wants(kernel) && !wants_bias) return;
  const Value turned = to.value("d turned " + to.info(kernel).name, {outputs, terms}, Extent::fixed, Element::real, Home::partials);
  std::vector<Value> sums = {turned};
  if (wants_bias) sums.push_back(gradients.make(bias));
  append(to, std::move(op), std::move(from), sums);
  if (gradients.wants(kernel)) gradients.give(kernel, {transpose_kernel(to, turned, 1, outputs, terms).id, kernel.shape});
  if (wants_bias) gradients.give(bias, sums[1]);
}

double conv_flops(const kernels::Geometry& geometry, std::int64_t images) {
  return 2.0 * static_cast<double>(images * kernels::products(geometry));
}

const kernels::ConvForward::Problem* conv_problem(const Op& op) {
  const auto* conv = dynamic_cast<const ConvOp*>(&op);
  return conv == nullptr || !conv->epilogue().is_in_kernel() ? nullptr : &conv->problem();
}

const kernels::Geometry* conv_geometry(const Op& op) {
  const auto* conv = dynamic_cast<const ConvOp*>(&op);
  return conv == nullptr ? nullptr : &conv->problem().geometry;
}

std::unique_ptr<Op> conv_with_padding(const Op& conv, Value src, const kernels::Pads& pads) {
  return dynamic_cast<const ConvOp&>(conv).with_padding(src, pads);
}

Value conv2d(Lowering& to, Value src, Value kernel, Value bias, const kernels::Geometry& geometry) {
  const Value output = to.value(to.layer(), {geometry.out_height, geometry.out_width, geometry.out_channels}, Extent::batch);
  return append(to, std::make_unique<ConvOp>(geometry, bias.defined()), {src, kernel, bias, {}, {}}, {output});
}

}  // namespace linn::detail::plan
