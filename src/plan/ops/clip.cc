#include "plan/ops/clip.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/checked.h"
#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

constexpr std::int64_t piece_elements = 1 << 14;

// Base of ops on all elements of a fixed value, cut into pieces. `extent` is the shape of the value.
template <class Derived>
class PiecesOp : public RealOp<Derived> {
 public:
  explicit PiecesOp(std::int64_t elements) : elements_(elements) {}

  std::string implementation() const override { return "scalar"; }
  Cut cut() const override { return Cut::outputs; }
  std::int64_t pieces() const override { return core::ceil_div(elements_, piece_elements); }
  void prepare(const kernels::Policy&) override {}
  void differentiate(Gradients&) override {}

 protected:
  std::int64_t begin(const Call& call) const { return call.piece * piece_elements; }
  std::int64_t end(const Call& call) const { return std::min(begin(call) + piece_elements, elements_); }

 private:
  std::int64_t elements_;
};

// inputs {variable}, outputs {its gradient}
class PenaltyGradientOp final : public PiecesOp<PenaltyGradientOp> {
 public:
  PenaltyGradientOp(std::int64_t elements, double l1, double l2) : PiecesOp(elements), l1_(l1), l2_(l2) {}

  std::string_view name() const override { return "penalty_gradient"; }

  template <class T>
  void compute(const Call& call) const {
    const T l1 = static_cast<T>(l1_), l2 = static_cast<T>(2 * l2_);
    for (std::int64_t i = begin(call); i < end(call); ++i) {
      const T w = call.in<T>(0)[i];
      call.out<T>(0)[i] = l1 * (w > 0 ? T{1} : w < 0 ? T{-1} : T{0}) + l2 * w;
    }
  }

 private:
  double l1_, l2_;
};

template <class MadeOp>
Value append_gradient(Lowering& to, std::unique_ptr<MadeOp> op, std::vector<Value> inputs, Value variable) {
  const Value output = to.value("d " + to.info(variable).name, variable.shape, Extent::fixed);
  return append(to, std::move(op), std::move(inputs), {output});
}

// inputs {values}, outputs {l1 |v| + l2 v^2 of each piece, in double}
class PenaltyOp final : public PiecesOp<PenaltyOp> {
 public:
  PenaltyOp(std::int64_t elements, double l1, double l2) : PiecesOp(elements), l1_(l1), l2_(l2) {}

  std::string_view name() const override { return "penalty"; }
  void differentiate(Gradients& gradients) override {
    auto gradient = std::make_unique<PenaltyGradientOp>(inputs[0].shape.elements(), l1_, l2_);
    gradients.give(inputs[0], append_gradient(gradients.to(), std::move(gradient), {inputs[0]}, inputs[0]));
  }

  template <class T>
  void compute(const Call& call) const {
    double absolute = 0, squares = 0;
    for (std::int64_t i = begin(call); i < end(call); ++i) {
      const auto v = static_cast<double>(call.in<T>(0)[i]);
      absolute += std::abs(v);
      squares += v * v;
    }
    // With a factor of 0 the sum is left out, even if it is infinite.
    call.out<double>(0)[call.piece] = (l1_ == 0 ? 0 : l1_ * absolute) + (l2_ == 0 ? 0 : l2_ * squares);
  }

 private:
  double l1_, l2_;
};

// inputs {lists of f64}, outputs {the sum of all}
class TotalOp final : public RealOp<TotalOp> {
 public:
  std::string_view name() const override { return "total"; }
  std::string implementation() const override { return "scalar"; }
  Cut cut() const override { return Cut::outputs; }
  void prepare(const kernels::Policy&) override {}
  void differentiate(Gradients&) override {}

  template <class T>
  void compute(const Call& call) const {
    double total = 0;
    for (std::size_t k = 0; k < inputs.size(); ++k)
      for (std::int64_t i = 0; i < inputs[k].shape.elements(); ++i) total += call.in<double>(k)[i];
    *call.out<double>(0) = total;
  }
};

// inputs {gradient, squared norm}
class ClipNormOp final : public PiecesOp<ClipNormOp> {
 public:
  ClipNormOp(std::int64_t elements, double norm) : PiecesOp(elements), norm_(norm) {}

  std::string_view name() const override { return "clip_norm"; }

  template <class T>
  void compute(const Call& call) const {
    const double norm = std::sqrt(*call.in<double>(1));
    const T factor = norm <= norm_ ? T{1} : static_cast<T>(norm_ / norm);  // a norm that is not finite makes all elements NaN or 0
    for (std::int64_t i = begin(call); i < end(call); ++i) call.out<T>(0)[i] = call.in<T>(0)[i] * factor;
  }

 private:
  double norm_;
};

class ClipValueOp final : public PiecesOp<ClipValueOp> {
 public:
  ClipValueOp(std::int64_t elements, double limit) : PiecesOp(elements), limit_(limit) {}

  std::string_view name() const override { return "clip_value"; }

  template <class T>
  void compute(const Call& call) const {
    const T limit = static_cast<T>(limit_);
    for (std::int64_t i = begin(call); i < end(call); ++i) call.out<T>(0)[i] = std::clamp(call.in<T>(0)[i], -limit, limit);
  }

 private:
  double limit_;
};

Value append_penalty(Lowering& to, Value value, double l1, double l2) {
  auto op = std::make_unique<PenaltyOp>(value.shape.elements(), l1, l2);
  const Value output = to.value("penalty of " + to.info(value).name, {op->pieces()}, Extent::fixed, Element::f64);
  return append(to, std::move(op), {value}, {output});
}

}  // namespace

Value squared_norm(Lowering& to, const std::vector<Value>& values) {
  std::vector<Value> terms;
  for (const Value& value : values) terms.push_back(append_penalty(to, value, 0, 1));
  return append(to, std::make_unique<TotalOp>(), std::move(terms), {to.value("squared norm", {1}, Extent::fixed, Element::f64)});
}

Value clip_norm(Lowering& to, Value gradient, Value squared_norm, double norm) {
  return append_gradient(to, std::make_unique<ClipNormOp>(gradient.shape.elements(), norm), {gradient, squared_norm}, gradient);
}

Value clip_value(Lowering& to, Value gradient, double limit) {
  return append_gradient(to, std::make_unique<ClipValueOp>(gradient.shape.elements(), limit), {gradient}, gradient);
}

Value penalty(Lowering& to, Value variable, double l1, double l2) {
  const Value terms = append_penalty(to, variable, l1, l2);
  to.info(terms).kept = true;
  return terms;
}

}  // namespace linn::detail::plan
