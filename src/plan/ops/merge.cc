#include "plan/ops/merge.h"

#include <memory>
#include <utility>
#include <vector>

#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// inputs {ddst}, then the inputs of the merge if the kernel reads them.
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
  // The kernel reads the first two inputs before it writes, and reads the others afterwards.
  std::vector<std::size_t> in_place() const override {
    std::vector<std::size_t> slots;
    for (std::size_t slot = 0; slot < 2; ++slot)
      if (!problem().broadcast.repeats(static_cast<std::int64_t>(slot))) slots.push_back(slot);
    return slots;
  }
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

}  // namespace linn::detail::plan
