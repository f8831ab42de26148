#include "plan/ops/conv_pool.h"

#include "kernels/conv/pooled.h"
#include "kernels/conv/rows.h"
#include "plan/ops/append.h"
#include "plan/ops/conv.h"
#include "plan/ops/dense.h"
#include "plan/ops/eltwise.h"

namespace linn::detail::plan {
namespace {

// Floating-point operations of a gradient: a multiply-add for each window and weight, as if all windows were live.
double sparse_flops(const kernels::ConvPoolKernelGradient::Problem& problem, std::int64_t images) {
  const kernels::Geometry& conv = problem.conv;
  const std::int64_t windows = problem.pool.out_height * problem.pool.out_width, depth = conv.channels / conv.groups;
  return 2.0 * static_cast<double>(images * windows * conv.out_channels * conv.window_height * conv.window_width * depth);
}

class ConvPoolKernelGradientOp final : public GradientOp<ConvPoolKernelGradientOp, kernels::ConvPoolKernelGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "conv2d_pool_kernel_gradient"; }
  kernels::PitchFields input_pitches(std::size_t slot) override {
    if (slot == 0) return kernels::src_pitches(kernel_.problem().conv);
    return slot == 1 ? kernels::dst_pitches(kernel_.problem().pool) : kernels::PitchFields{};
  }
  double flops(std::int64_t images) const override { return sparse_flops(problem(), images); }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .ddst = call.in<T>(1), .argmax = call.in<std::uint8_t>(2),
                    .dkernel = call.out<T>(0), .dbias = outputs.size() > 1 ? call.out<T>(1) : nullptr,
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

// inputs {d, argmax, kernel, packed kernel}.
class ConvPoolInputGradientOp final : public GradientOp<ConvPoolInputGradientOp, kernels::ConvPoolInputGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "conv2d_pool_input_gradient"; }
  kernels::PitchFields input_pitches(std::size_t slot) override {
    return slot == 0 ? kernels::dst_pitches(kernel_.problem().pool) : kernels::PitchFields{};
  }
  kernels::PitchFields output_pitches(std::size_t) override { return kernels::src_pitches(kernel_.problem().conv); }
  double flops(std::int64_t images) const override { return sparse_flops(problem(), images); }
  Value packs() const override { return inputs[2]; }
  std::size_t packed_slot() const override { return 3; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .ddst = call.in<T>(0), .argmax = call.in<std::uint8_t>(1), .kernel = call.in<T>(2),
                    .packed = call.in<T>(3), .dsrc = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

// The map between them is trimmed to the windows.
void fit_map(kernels::ConvPoolForward::Problem& problem) {
  const kernels::Part part = kernels::seen(problem.pool);
  kernels::keep_dst(problem.conv, part);
  kernels::keep_src(problem.pool, part);
}

// inputs: ConvInputs; outputs {pooled map, argmax (training)}.
class ConvPoolOp final : public KernelOp<ConvPoolOp, kernels::ConvPoolForward> {
 public:
  using In = ConvInputs;
  using KernelOp::KernelOp;

  std::string_view name() const override { return "conv2d_pool"; }
  kernels::PitchFields input_pitches(std::size_t slot) override {
    return slot == In::src ? kernels::src_pitches(kernel_.problem().conv) : kernels::PitchFields{};
  }
  kernels::PitchFields output_pitches(std::size_t slot) override {
    return slot == 0 ? kernels::dst_pitches(kernel_.problem().pool) : kernels::PitchFields{};
  }
  std::int64_t period() const override { return kernel_.period(); }
  double flops(std::int64_t images) const override {
    return 2.0 * static_cast<double>(images * kernels::products(problem().conv, problem().pool));
  }
  Value packs() const override { return inputs[In::kernel]; }
  std::size_t packed_slot() const override { return In::packed; }
  std::optional<kernels::Part> reads() const override { return kernels::seen(problem().conv); }
  void narrow_input(const kernels::Part& part) override { kernels::keep_src(kernel_.problem().conv, part); }

  bool narrow_output(const kernels::Part& part) override {
    kernels::keep_dst(kernel_.problem().pool, part);
    fit_map(kernel_.problem());
    return true;
  }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    Lowering& to = gradients.to();
    auto& problem = kernel_.problem();
    problem.argmax = true;  // no_cell where relu gave 0, so that it includes relu's gradient
    const Value argmax = to.value("argmax " + layer, outputs[0].shape, Extent::batch, Element::u8);
    outputs.push_back(argmax);
    const kernels::ConvPoolKernelGradient::Problem sparse{
        .conv = problem.conv, .pool = problem.pool, .all_live = problem.activation == kernels::Activation::linear};
    give_turned_weights(gradients, std::make_unique<ConvPoolKernelGradientOp>(sparse), {inputs[In::src], d, argmax}, inputs[In::kernel], inputs[In::bias]);
    if (gradients.wants(inputs[In::src])) {
      const Value dsrc = gradients.make(inputs[In::src]);
      append(to, std::make_unique<ConvPoolInputGradientOp>(sparse), {d, argmax, inputs[In::kernel], {}}, {dsrc});
      gradients.give(inputs[In::src], dsrc);
    }
  }

  std::int64_t most_parts() const override {
    return kernel_.row_step() == 0 ? 1 : core::ceil_div(problem().pool.out_height, kernel_.row_step());
  }

  template <class T>
  void compute(const Call& call) const {
    if (call.parts > 1) return compute_rows<T>(call);
    kernel_.run<T>({.images = call.images, .src = call.in<T>(In::src), .kernel = call.in<T>(In::kernel),
                    .packed = call.in<T>(In::packed), .bias = call.in<T>(In::bias), .dst = call.out<T>(0),
                    .argmax = outputs.size() > 1 ? call.out<std::uint8_t>(1) : nullptr, .scratch = static_cast<T*>(call.scratch)});
  }

 private:
  template <class T>
  void compute_rows(const Call& call) const {
    const kernels::Geometry &conv = problem().conv, &pool = problem().pool;
    const Share rows = share_of(call, pool.out_height, kernel_.row_step());
    if (rows.begin == rows.end) return;
    const kernels::ConvPoolForward::Problem part = kernels::conv::rows_of(problem(), {rows.begin, rows.end});
    for (std::int64_t n = 0; n < call.images; ++n) {
      const std::int64_t argmax = (n * pool.out_height + rows.begin) * pool.out_width * pool.channels;
      kernel_.run<T>(part, {.images = 1, .src = call.in<T>(In::src) + n * conv.src_image, .kernel = call.in<T>(In::kernel),
                            .packed = call.in<T>(In::packed), .bias = call.in<T>(In::bias),
                            .dst = call.out<T>(0) + n * pool.dst_image + rows.begin * pool.dst_row,
                            .argmax = outputs.size() > 1 ? call.out<std::uint8_t>(1) + argmax : nullptr,
                            .scratch = static_cast<T*>(call.scratch)});
    }
  }
};

}  // namespace

kernels::ConvPoolForward::Problem joined_problem(const kernels::ConvForward::Problem& conv, const kernels::PoolForward::Problem& pool, bool argmax) {
  kernels::ConvPoolForward::Problem problem{.conv = conv.geometry,
                                            .pool = pool.geometry,
                                            .kind = pool.kind,
                                            .bias = conv.bias,
                                            .activation = conv.activation,
                                            .argmax = argmax};
  fit_map(problem);
  return problem;
}

bool has_sparse_gradients(const kernels::ConvForward::Problem& conv, const kernels::PoolForward::Problem& pool) {
  const bool narrow = pool.geometry.window_height * pool.geometry.window_width <= kernels::no_cell;
  return pool.kind == kernels::PoolKind::max && conv.geometry.groups == 1 && narrow;
}

std::unique_ptr<Op> conv_pool(const Op& conv, const kernels::PoolForward::Problem& pool) {
  auto op = std::make_unique<ConvPoolOp>(joined_problem(*conv_problem(conv), pool, false));
  op->inputs = conv.inputs;
  return op;
}

}  // namespace linn::detail::plan
