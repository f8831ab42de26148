#include "plan/ops/merge.h"

#include <memory>
#include <utility>
#include <vector>

#include "kernels/layout/layout.h"
#include "plan/ops/append.h"

namespace linn::plan {
namespace {

// inputs {ddst}, and the merge's inputs behind it where the kernel reads them.
class MergeGradientOp final : public GradientOp<MergeGradientOp, kernels::MergeGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "merge_gradient"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.inputs + 1, .ddst = call.in<T>(0), .dsrc = call.out<T>(0), .scratch = nullptr});
  }
};

class MergeOp final : public KernelOp<MergeOp, kernels::Merge> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "merge"; }
  std::int64_t period() const override { return kernel_.period(); }
  double flops(std::int64_t images) const override {
    return static_cast<double>(images * outputs[0].shape.elements()) * static_cast<double>(inputs.size() - 1);
  }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (gradients.wants(inputs[i])) gradients.give(inputs[i], gradient(gradients, d, i));
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.inputs, .dst = call.out<T>(0), .scratch = nullptr});
  }

 private:
  Value gradient(Gradients& gradients, Value d, std::size_t i) const {
    const auto& [kind, broadcast] = problem();
    const auto input = static_cast<std::int64_t>(i);
    if (kind == kernels::MergeKind::add && !broadcast.repeats(input)) return {d.id, inputs[i].shape};
    std::vector<Value> read = {d};
    if (kind == kernels::MergeKind::multiply || kind == kernels::MergeKind::maximum || kind == kernels::MergeKind::minimum)
      read.insert(read.end(), inputs.begin(), inputs.end());
    return append(gradients.to(), std::make_unique<MergeGradientOp>(kernels::MergeGradient::Problem{kind, broadcast, input}), std::move(read),
                  {gradients.make(inputs[i])});
  }
};

// Where the part that one input takes lies in the rows of a concatenation.
struct Section {
  kernels::CopyRows::Problem rows;  // from the input into the output
  std::int64_t offset = 0;          // of its first row in an image of the output
};

// One input's part of the gradient of a concatenation.
class SliceOp final : public GradientOp<SliceOp, kernels::CopyRows> {
 public:
  explicit SliceOp(const Section& section)
      : GradientOp({.rows = section.rows.rows,
                    .row = section.rows.row,
                    .src_row = section.rows.dst_row,
                    .src_image = section.rows.dst_image,
                    .dst_row = section.rows.src_row,
                    .dst_image = section.rows.src_image}),
        offset_(section.offset) {}

  std::string_view name() const override { return "slice"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0) + offset_, .dst = call.out<T>(0), .scratch = nullptr});
  }

 private:
  std::int64_t offset_;
};

class ConcatenateOp final : public RealOp<ConcatenateOp> {
 public:
  explicit ConcatenateOp(std::vector<Section> sections) : sections_(std::move(sections)) {
    for (const Section& section : sections_) copies_.emplace_back(section.rows);
  }

  std::string_view name() const override { return "concatenate"; }
  std::string implementation() const override { return copies_.front().implementation(); }
  std::int64_t period() const override { return copies_.front().period(); }
  void prepare(const kernels::Policy& policy) override {
    for (KernelUse<kernels::CopyRows>& copy : copies_) copy.prepare(policy);
  }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!gradients.wants(inputs[i])) continue;
      gradients.give(inputs[i], append(gradients.to(), std::make_unique<SliceOp>(sections_[i]), {d}, {gradients.make(inputs[i])}));
    }
  }

  template <class T>
  void compute(const Call& call) const {
    for (std::size_t i = 0; i < copies_.size(); ++i)
      copies_[i].run<T>({.images = call.images, .src = call.in<T>(i), .dst = call.out<T>(0) + sections_[i].offset, .scratch = nullptr});
  }

 private:
  std::vector<Section> sections_;
  std::vector<KernelUse<kernels::CopyRows>> copies_;
};

}  // namespace

Value merge(Lowering& to, kernels::MergeKind kind, std::span<const Value> inputs) {
  std::vector<Shape> shapes;
  for (const Value& input : inputs) shapes.push_back(input.shape);
  const Value output = to.value(to.layer(), kernels::broadcast_shape(shapes).value(), Extent::batch);
  return append(to, std::make_unique<MergeOp>(kernels::Merge::Problem{kind, kernels::resolve_broadcast(shapes)}),
                {inputs.begin(), inputs.end()}, {output});
}

bool is_merged_sum_of_two(const Op& op) {
  const auto* merged = dynamic_cast<const MergeOp*>(&op);
  return merged != nullptr && merged->problem().kind == kernels::MergeKind::add && op.inputs.size() == 2 && merged->problem().broadcast.dense();
}

Value concatenate(Lowering& to, std::span<const Value> inputs, std::size_t axis) {
  std::vector<std::int64_t> sizes(inputs[0].shape.begin(), inputs[0].shape.end());
  std::int64_t rows = 1, row = 0;
  for (std::size_t k = 0; k < axis; ++k) rows *= sizes[k];
  sizes[axis] = 0;
  for (const Value& input : inputs) {
    row += input.shape.elements() / rows;
    sizes[axis] += input.shape[static_cast<std::ptrdiff_t>(axis)];
  }
  std::vector<Section> sections;
  std::int64_t offset = 0;
  for (const Value& input : inputs) {
    const std::int64_t part = input.shape.elements() / rows;
    sections.push_back({{.rows = rows, .row = part, .src_row = part, .src_image = rows * part, .dst_row = row, .dst_image = rows * row}, offset});
    offset += part;
  }
  const Value output = to.value(to.layer(), Shape(std::span<const std::int64_t>(sizes)), Extent::batch);
  return append(to, std::make_unique<ConcatenateOp>(std::move(sections)), {inputs.begin(), inputs.end()}, {output});
}

}  // namespace linn::plan
