#include "plan/ops/dense.h"

#include <algorithm>
#include <memory>

#include "kernels/gemm/dense.h"
#include "plan/ops/append.h"
#include "plan/ops/eltwise.h"
#include "plan/plan.h"

namespace linn::plan {
namespace {

// Rows of a dense op in a call: one an image, or more when the input has more axes than features.
std::int64_t rows_an_image(const Value& value) { return value.shape.elements() / value.shape[-1]; }

class TransposeKernelOp final : public KernelOp<TransposeKernelOp, kernels::TransposeKernel> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "transpose_kernel"; }
  Cut cut() const override { return Cut::outputs; }
  void differentiate(Gradients&) override {}

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.src = call.in<T>(0), .dst = call.out<T>(0), .scratch = nullptr});
  }
};

class BiasGradientOp final : public GradientOp<BiasGradientOp, kernels::ColumnSum> {
 public:
  explicit BiasGradientOp(std::int64_t columns) : GradientOp({.columns = columns}) {}

  std::string_view name() const override { return "bias_gradient"; }
  double flops(std::int64_t images) const override { return static_cast<double>(images * inputs[0].shape.elements()); }

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t rows = call.images * inputs[0].shape.elements() / problem().columns;
    kernel_.run<T>({.rows = rows, .src = call.in<T>(0), .dst = call.out<T>(0), .scratch = nullptr});
  }
};

// A dense kernel is large next to its work, so its gradient is cut over the kernel's rows, after a barrier: no worker holds a
// partial sum of the whole kernel. The order of each sum is the shard tree's all the same (kernels/gemm/dense.h).
class DenseKernelGradientOp final : public GradientOp<DenseKernelGradientOp, kernels::DenseKernelGradient> {
 public:
  DenseKernelGradientOp(std::int64_t inputs_count, std::int64_t outputs_count, std::int64_t shard)
      : GradientOp({.inputs = inputs_count, .outputs = outputs_count, .shard = shard}) {}

  std::string_view name() const override { return "dense_kernel_gradient"; }
  Cut cut() const override { return Cut::outputs; }
  std::int64_t pieces() const override { return core::ceil_div(problem().inputs, piece_rows); }
  std::int64_t scratch(std::int64_t images) const override { return kernel_.scratch(images * rows_an_image(inputs[0])); }
  double flops(std::int64_t images) const override {
    const auto& p = problem();
    return 2.0 * static_cast<double>(images * rows_an_image(inputs[0]) * p.inputs) * static_cast<double>(p.outputs);
  }

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t first = call.piece * piece_rows;
    kernel_.run<T>({.rows = call.batch * rows_an_image(inputs[0]), .src = call.in<T>(0), .ddst = call.in<T>(1), .dkernel = call.out<T>(0),
                    .first = first, .last = std::min(first + piece_rows, problem().inputs),
                    .scratch = static_cast<T*>(call.scratch)});
  }

 private:
  static constexpr std::int64_t piece_rows = 96;
};

class DenseOp final : public KernelOp<DenseOp, kernels::DenseForward> {
 public:
  DenseOp(std::int64_t inputs_count, std::int64_t outputs_count, bool bias)
      : KernelOp({.inputs = inputs_count, .outputs = outputs_count, .bias = bias}) {}

  std::string_view name() const override { return "dense"; }
  std::int64_t scratch(std::int64_t images) const override { return kernel_.scratch(images * rows_an_image(inputs[0])); }
  double flops(std::int64_t images) const override {
    const auto& p = problem();
    return 2.0 * static_cast<double>(images * rows_an_image(inputs[0]) * p.inputs) * static_cast<double>(p.outputs);
  }
  Value packs() const override { return inputs[1]; }

  bool is_affine() const override { return problem().activation == kernels::Activation::linear; }
  void set_affine(Value kernel, Value bias) override {
    inputs[1] = kernel;
    inputs[2] = bias;
    kernel_.problem().bias = true;
  }

  std::unique_ptr<Op> joined(const Op& consumer, const Joining&) const override {
    if (problem().activation != kernels::Activation::linear || !is_relu(consumer)) return nullptr;
    auto both = std::make_unique<DenseOp>(*this);
    both->kernel_.problem().activation = kernels::Activation::relu;
    return both;
  }

  void differentiate(Gradients& gradients) override {
    Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const auto& p = problem();
    Lowering& to = gradients.to();
    if (p.activation == kernels::Activation::relu) d = activation_gradient(gradients, kernels::Activation::relu, outputs[0], d);
    if (gradients.wants(inputs[1])) {
      const Value dkernel = to.value("d " + to.info(inputs[1]).name, inputs[1].shape, Extent::fixed);
      const std::int64_t shard = shard_images * rows_an_image(inputs[0]);
      append(to, std::make_unique<DenseKernelGradientOp>(p.inputs, p.outputs, shard), {inputs[0], d}, {dkernel});
      gradients.give(inputs[1], dkernel);
    }
    if (inputs[2].defined() && gradients.wants(inputs[2])) gradients.give(inputs[2], bias_gradient(gradients, inputs[2], d));
    if (gradients.wants(inputs[0])) {
      const Value transposed = transpose_kernel(to, inputs[1], 1, p.inputs, p.outputs);
      const Value dsrc = gradients.make(inputs[0]);
      append(to, std::make_unique<DenseOp>(p.outputs, p.inputs, false), {d, transposed, {}}, {dsrc});
      gradients.give(inputs[0], dsrc);
    }
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = call.images * rows_an_image(inputs[0]), .src = call.in<T>(0), .kernel = call.in<T>(1),
                    .packed = inputs.size() > 3 ? call.in<T>(3) : nullptr, .bias = call.in<T>(2), .dst = call.out<T>(0),
                    .scratch = static_cast<T*>(call.scratch)});
  }
};

Shape with_last(const Shape& shape, std::int64_t size) {
  std::vector<std::int64_t> sizes(shape.begin(), shape.end());
  sizes.back() = size;
  return Shape(std::span<const std::int64_t>(sizes));
}

}  // namespace

Value dense(Lowering& to, Value src, Value kernel, Value bias) {
  const Value output = to.value(to.layer(), with_last(src.shape, kernel.shape[1]), Extent::batch);
  return append(to, std::make_unique<DenseOp>(kernel.shape[0], kernel.shape[1], bias.defined()), {src, kernel, bias}, {output});
}

Value transpose_kernel(Lowering& to, Value kernel, std::int64_t batches, std::int64_t rows, std::int64_t columns) {
  const Value output = to.value("transposed " + to.info(kernel).name, {batches, columns, rows}, Extent::fixed);
  const kernels::TransposeKernel::Problem problem{.batches = batches, .rows = rows, .columns = columns};
  return append(to, std::make_unique<TransposeKernelOp>(problem), {kernel}, {output});
}

Value bias_gradient(Gradients& gradients, Value bias, Value ddst) {
  return append(gradients.to(), std::make_unique<BiasGradientOp>(bias.shape.elements()), {ddst}, {gradients.make(bias)});
}

}  // namespace linn::plan
