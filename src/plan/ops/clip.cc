#include "plan/ops/clip.h"

#include <memory>

#include "core/checked.h"
#include "kernels/eltwise/clip.h"
#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// inputs {variable}, outputs {its gradient}
class PenaltyGradientOp final : public PiecesOp<PenaltyGradientOp, kernels::PenaltyGradient> {
 public:
  using PiecesOp::PiecesOp;

  std::string_view name() const override { return "penalty_gradient"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.count = count(call), .src = call.in<T>(0) + offset(call), .dsrc = call.out<T>(0) + offset(call), .scratch = nullptr});
  }
};

template <class MadeOp>
Value append_gradient(Lowering& to, std::unique_ptr<MadeOp> op, std::vector<Value> inputs, Value variable) {
  const Value output = to.value("d " + to.info(variable).name, variable.shape, Extent::fixed);
  return append(to, std::move(op), std::move(inputs), {output});
}

// inputs {values}, outputs {the penalty of each piece, in double}
class PenaltyOp final : public PiecesOp<PenaltyOp, kernels::Penalty> {
 public:
  using PiecesOp::PiecesOp;

  std::string_view name() const override { return "penalty"; }
  void differentiate(Gradients& gradients) override {
    gradients.give(inputs[0], append_gradient(gradients.to(), std::make_unique<PenaltyGradientOp>(problem()), {inputs[0]}, inputs[0]));
  }
  static std::int64_t pieces_of(Value value) { return core::ceil_div(value.shape.elements(), piece_elements); }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.count = count(call), .src = call.in<T>(0) + offset(call), .penalty = call.out<double>(0) + call.piece, .scratch = nullptr});
  }
};

// inputs {lists of f64}, outputs {the sum of all}
class TotalOp final : public WholeOp<TotalOp, kernels::Total> {
 public:
  std::string_view name() const override { return "total"; }

  template <class T>
  void compute(const Call& call) const {
    for (std::size_t k = 0; k < inputs.size(); ++k)
      kernel_.run<T>({.count = inputs[k].shape.elements(), .src = call.in<double>(k), .total = call.out<double>(0), .adds = k > 0, .scratch = nullptr});
  }
};

// inputs {gradient, squared norm}
class ClipNormOp final : public PiecesOp<ClipNormOp, kernels::ClipNorm> {
 public:
  using PiecesOp::PiecesOp;

  std::string_view name() const override { return "clip_norm"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.count = count(call), .src = call.in<T>(0) + offset(call), .squared_length = call.in<double>(1),
                    .dst = call.out<T>(0) + offset(call), .scratch = nullptr});
  }
};

class ClipValueOp final : public PiecesOp<ClipValueOp, kernels::ClipValue> {
 public:
  using PiecesOp::PiecesOp;

  std::string_view name() const override { return "clip_value"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.count = count(call), .src = call.in<T>(0) + offset(call), .dst = call.out<T>(0) + offset(call), .scratch = nullptr});
  }
};

Value append_penalty(Lowering& to, Value value, double l1, double l2) {
  const Value output = to.value("penalty of " + to.info(value).name, {PenaltyOp::pieces_of(value)}, Extent::fixed, Element::f64);
  return append(to, std::make_unique<PenaltyOp>(kernels::Penalty::Problem{.l1 = l1, .l2 = l2}), {value}, {output});
}

}  // namespace

Value squared_norm(Lowering& to, const std::vector<Value>& values) {
  std::vector<Value> terms;
  for (const Value& value : values) terms.push_back(append_penalty(to, value, 0, 1));
  return append(to, std::make_unique<TotalOp>(), std::move(terms), {to.value("squared norm", {1}, Extent::fixed, Element::f64)});
}

Value clip_norm(Lowering& to, Value gradient, Value squared_norm, double norm) {
  return append_gradient(to, std::make_unique<ClipNormOp>(kernels::ClipNorm::Problem{norm}), {gradient, squared_norm}, gradient);
}

Value clip_value(Lowering& to, Value gradient, double limit) {
  return append_gradient(to, std::make_unique<ClipValueOp>(kernels::ClipValue::Problem{limit}), {gradient}, gradient);
}

Value penalty(Lowering& to, Value variable, double l1, double l2) {
  const Value terms = append_penalty(to, variable, l1, l2);
  to.info(terms).kept = true;
  return terms;
}

}  // namespace linn::detail::plan
