#include "plan/ops/layout.h"

#include <algorithm>
#include <memory>

#include "kernels/layout/layout.h"
#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

class PermuteOp final : public KernelOp<PermuteOp, kernels::Permute> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "permute"; }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (d.defined()) gradients.give(inputs[0], permute(gradients.to(), d, kernels::inverse_order(problem().order)));
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .dst = call.out<T>(0), .scratch = nullptr});
  }
};

}  // namespace

Value permute(Lowering& to, Value src, const Shape& order) {
  if (std::is_sorted(order.begin(), order.end())) return src;
  const kernels::Permute::Problem problem{src.shape, order};
  return append(to, std::make_unique<PermuteOp>(problem), {src}, {to.value(to.layer(), kernels::permuted(problem), Extent::batch)});
}

}  // namespace linn::detail::plan
