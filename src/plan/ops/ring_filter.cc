#include "plan/ops/ring_filter.h"

#include <memory>

#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// Products of one output of an axis, each with an addition.
std::int64_t products(const kernels::RingAxis& axis) { return 2 * static_cast<std::int64_t>(axis.distances.size()); }

double filter_flops(const kernels::RingFilterForward::Problem& p, std::int64_t images) {
  return 2.0 * static_cast<double>(images * (products(p.rows) * p.middle_elements() + products(p.columns) * p.dst_elements()));
}

class RingFilterGradientOp final : public GradientOp<RingFilterGradientOp, kernels::RingFilterInputGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "ring_filter2d_input_gradient"; }
  double flops(std::int64_t images) const override { return filter_flops(problem(), images); }
  std::int64_t scratch(std::int64_t) const override { return problem().middle_elements(); }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .ddst = call.in<T>(0), .dsrc = call.out<T>(0), .scratch = static_cast<T*>(call.scratch)});
  }
};

class RingFilterOp final : public KernelOp<RingFilterOp, kernels::RingFilterForward> {
 public:
  using KernelOp::KernelOp;

  std::string_view name() const override { return "ring_filter2d"; }
  double flops(std::int64_t images) const override { return filter_flops(problem(), images); }
  std::int64_t scratch(std::int64_t) const override { return problem().middle_elements(); }

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    const Value dsrc = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<RingFilterGradientOp>(problem()), {d}, {dsrc});
    gradients.give(inputs[0], dsrc);
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .src = call.in<T>(0), .dst = call.out<T>(0), .scratch = static_cast<T*>(call.scratch)});
  }
};

bool changes_nothing(const kernels::RingAxis& axis) { return axis.stride == 1 && axis.distances.size() == 1 && axis.weights[0] == 1; }

}  // namespace

Value ring_filter2d(Lowering& to, Value src, const kernels::RingAxis& rows, const kernels::RingAxis& columns) {
  if (changes_nothing(rows) && changes_nothing(columns)) return src;
  const Value output = to.value(to.layer(), {rows.out(), columns.out(), src.shape[2]}, Extent::batch);
  return append(to, std::make_unique<RingFilterOp>(kernels::RingFilterForward::Problem{rows, columns, src.shape[2]}), {src}, {output});
}

}  // namespace linn::detail::plan
