#include "plan/ops/dense.h"

#include <algorithm>
#include <memory>

#include "kernels/gemm/dense.h"
#include "plan/epilogue.h"
#include "plan/ops/append.h"
#include "plan/ops/eltwise.h"

namespace linn::detail::plan {
namespace {

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
  kernels::PitchFields input_pitches(std::size_t) override { return {.pixel = &kernel_.problem().row}; }
  double flops(std::int64_t images) const override { return static_cast<double>(images * inputs[0].shape.elements()); }

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t rows = call.images * inputs[0].shape.elements() / problem().columns;
    kernel_.run<T>({.rows = rows, .src = call.in<T>(0), .dst = call.out<T>(0), .scratch = nullptr});
  }
};

// The gradient of a Dense kernel is cut by outputs, over the kernel's rows, because the kernel is large beside its work: no worker needs a
// partial sum of the whole kernel. The sums still follow the sum tree over shards (kernels/gemm/dense.h).
class DenseKernelGradientOp final : public GradientOp<DenseKernelGradientOp, kernels::DenseKernelGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "dense_kernel_gradient"; }
  void set_shard(std::int64_t images) override { kernel_.problem().shard = images * rows_an_image(inputs[0]); }
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

class DenseOp final : public KernelOp<DenseOp, kernels::DenseForward>, public EpilogueOp {
 public:
  enum In : std::size_t { src, kernel, bias, residual, packed_kernel };

  DenseOp(std::int64_t inputs_count, std::int64_t outputs_count, bool bias)
      : KernelOp({.inputs = inputs_count, .outputs = outputs_count, .bias = bias}), EpilogueOp(bias) {}

  std::string_view name() const override { return "dense"; }
  std::int64_t scratch(std::int64_t images) const override { return kernel_.scratch(images * rows_an_image(inputs[src])); }
  double flops(std::int64_t images) const override {
    const auto& p = problem();
    return 2.0 * static_cast<double>(images * rows_an_image(inputs[src]) * p.inputs) * static_cast<double>(p.outputs);
  }
  Value packs() const override { return inputs[kernel]; }
  std::size_t packed_slot() const override { return packed_kernel; }
  void prepare(const kernels::Policy& policy) override {
    kernel_.prepare(policy);
    prepare_epilogue(policy);
  }

  bool is_affine() const override { return epilogue().is_linear() && !epilogue().residual; }
  void set_affine(Value new_kernel, Value new_bias) override {
    inputs[kernel] = new_kernel;
    inputs[bias] = new_bias;
    Epilogue with_bias = epilogue();
    with_bias.bias = true;
    set_epilogue(with_bias, kernel_.problem());
  }
  std::unique_ptr<Op> with_epilogue(const Epilogue& epilogue, Value new_residual) const override {
    auto op = std::make_unique<DenseOp>(*this);
    op->set_epilogue(epilogue, op->kernel_.problem());
    if (new_residual.defined()) op->inputs[residual] = new_residual;
    return op;
  }

  void differentiate(Gradients& gradients) override {
    Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const auto& p = problem();
    Lowering& to = gradients.to();
    if (!epilogue().is_linear()) d = activation_gradient(gradients, epilogue().activation.activation, outputs[0], d);
    if (inputs[residual].defined() && gradients.wants(inputs[residual])) gradients.give(inputs[residual], d);
    if (gradients.wants(inputs[kernel])) {
      const Value dkernel = to.value("d " + to.info(inputs[kernel]).name, inputs[kernel].shape, Extent::fixed);
      const kernels::DenseKernelGradient::Problem problem{.inputs = p.inputs, .outputs = p.outputs};
      append(to, std::make_unique<DenseKernelGradientOp>(problem), {inputs[src], d}, {dkernel});
      gradients.give(inputs[kernel], dkernel);
    }
    if (inputs[bias].defined() && gradients.wants(inputs[bias])) gradients.give(inputs[bias], bias_gradient(gradients, inputs[bias], d));
    if (gradients.wants(inputs[src])) {
      const Value transposed = transpose_kernel(to, inputs[kernel], 1, p.inputs, p.outputs);
      const Value dsrc = gradients.make(inputs[src]);
      append(to, std::make_unique<DenseOp>(p.outputs, p.inputs, false), {d, transposed, {}, {}, {}}, {dsrc});
      gradients.give(inputs[src], dsrc);
    }
  }

  /// Columns of the output. An implementation with weights in a layout of its own computes all of them.
  std::int64_t most_parts() const override { return kernel_.packed() > 0 ? 1 : core::ceil_div(problem().outputs, part_columns); }
  bool prefers_parts() const override { return true; }

  template <class T>
  void compute(const Call& call) const {
    if (call.parts > 1) return compute_columns<T>(call);
    const std::int64_t rows = rows_an_image(inputs[src]), elements = outputs[0].shape.elements();
    T* dst = call.out<T>(0);
    run_with_epilogue(call.images, elements, dst, call.in<T>(residual), [&](std::int64_t first, std::int64_t images) {
      kernel_.run<T>({.rows = images * rows,
                      .src = call.in<T>(src) + first * rows * problem().inputs,
                      .kernel = call.in<T>(kernel),
                      .packed = call.in<T>(packed_kernel),
                      .bias = call.in<T>(bias),
                      .dst = dst + first * elements,
                      .scratch = static_cast<T*>(call.scratch)});
    });
  }

 private:
  static constexpr std::int64_t part_columns = 64;  // four vectors, the widest tile of a product

  template <class T>
  void compute_columns(const Call& call) const {
    const std::int64_t rows = call.images * rows_an_image(inputs[src]), outputs = problem().outputs;
    const Share columns = share_of(call, outputs, part_columns);
    if (columns.begin == columns.end) return;
    kernels::DenseForward::Problem part = problem();
    part.outputs = columns.end - columns.begin;
    part.row = outputs;
    T* dst = call.out<T>(0) + columns.begin;
    const T* add = call.in<T>(residual);
    kernel_.run<T>(part, {.rows = rows, .src = call.in<T>(src), .kernel = call.in<T>(kernel) + columns.begin, .packed = nullptr,
                          .bias = problem().bias ? call.in<T>(bias) + columns.begin : nullptr, .dst = dst, .scratch = static_cast<T*>(call.scratch)});
    for (std::int64_t r = 0; r < rows; ++r)
      run_part_with_epilogue(part.outputs, dst + r * outputs, add == nullptr ? nullptr : add + r * outputs + columns.begin, [] {});
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
  return append(to, std::make_unique<DenseOp>(kernel.shape[0], kernel.shape[1], bias.defined()), {src, kernel, bias, {}, {}}, {output});
}

Value transpose_kernel(Lowering& to, Value kernel, std::int64_t batches, std::int64_t rows, std::int64_t columns) {
  const Value output = to.value("transposed " + to.info(kernel).name, {batches, columns, rows}, Extent::fixed);
  const kernels::TransposeKernel::Problem problem{.batches = batches, .rows = rows, .columns = columns};
  return append(to, std::make_unique<TransposeKernelOp>(problem), {kernel}, {output});
}

Value bias_gradient(Gradients& gradients, Value bias, Value ddst) {
  return append(gradients.to(), std::make_unique<BiasGradientOp>(bias.shape.elements()), {ddst}, {gradients.make(bias)});
}

}  // namespace linn::detail::plan
