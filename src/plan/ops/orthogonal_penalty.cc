#include "plan/ops/orthogonal_penalty.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// The rows or columns of a matrix at length 1, in double.
struct Directions {
  std::int64_t count = 0, size = 0;
  std::vector<double> values, lengths;

  template <class T>
  Directions(const T* matrix, const Shape& shape, bool columns)
      : count(shape[columns ? 1 : 0]), size(shape[columns ? 0 : 1]), values(static_cast<std::size_t>(count * size)), lengths(static_cast<std::size_t>(count)) {
    for (std::int64_t i = 0; i < count; ++i) {
      double squares = 0;
      for (std::int64_t k = 0; k < size; ++k) {
        const auto v = static_cast<double>(matrix[columns ? k * count + i : i * size + k]);
        row(i)[k] = v;
        squares += v * v;
      }
      const double length = lengths[static_cast<std::size_t>(i)] = std::max(std::sqrt(squares), 1e-7);
      for (std::int64_t k = 0; k < size; ++k) row(i)[k] /= length;
    }
  }

  double* row(std::int64_t i) { return values.data() + i * size; }
  double cosine(std::int64_t i, std::int64_t j) { return dot(row(i), row(j)); }
  double dot(const double* a, const double* b) const {
    double sum = 0;
    for (std::int64_t k = 0; k < size; ++k) sum += a[k] * b[k];
    return sum;
  }
  double pairs() const { return static_cast<double>(count) * static_cast<double>(count - 1) / 2; }
};

// What both ops are: one piece over a matrix, which is one variable, or has the images of the batch as its rows.
template <class Derived>
class OrthogonalOp : public RealOp<Derived> {
 public:
  OrthogonalOp(double factor, bool columns, bool of_batch) : factor_(factor), columns_(columns), of_batch_(of_batch) {}

  std::string implementation() const override { return "reference"; }
  Cut cut() const override { return Cut::outputs; }
  void prepare(const kernels::Policy&) override {}

 protected:
  template <class T>
  Directions directions(const Call& call) const {
    const Shape& shape = this->inputs[0].shape;
    return {call.in<T>(0), of_batch_ ? Shape{call.batch, shape.elements()} : shape, columns_};
  }

  double factor_;
  bool columns_, of_batch_;
};

// inputs {matrix}, outputs {its gradient}
class OrthogonalPenaltyGradientOp final : public OrthogonalOp<OrthogonalPenaltyGradientOp> {
 public:
  using OrthogonalOp::OrthogonalOp;
  std::string_view name() const override { return "orthogonal_penalty_gradient"; }
  void differentiate(Gradients&) override {}

  // Of a direction n of length r that has the gradient h: (h - n (n . h)) / r.
  template <class T>
  void compute(const Call& call) const {
    Directions all = directions<T>(call);
    const double factor = all.pairs() == 0 ? 0 : factor_ / all.pairs() / static_cast<double>(of_batch_ ? call.batch : 1);
    std::vector<double> h(static_cast<std::size_t>(all.size));
    for (std::int64_t i = 0; i < all.count; ++i) {
      std::ranges::fill(h, 0.0);
      for (std::int64_t j = 0; j < all.count; ++j) {
        if (j == i) continue;
        const double cosine = all.cosine(i, j), sign = cosine > 0 ? 1 : cosine < 0 ? -1 : 0;
        for (std::int64_t k = 0; k < all.size; ++k) h[static_cast<std::size_t>(k)] += sign * all.row(j)[k];
      }
      const double along = all.dot(all.row(i), h.data()), scale = factor / all.lengths[static_cast<std::size_t>(i)];
      for (std::int64_t k = 0; k < all.size; ++k)
        call.out<T>(0)[columns_ ? k * all.count + i : i * all.size + k] = static_cast<T>(scale * (h[static_cast<std::size_t>(k)] - all.row(i)[k] * along));
    }
  }
};

// inputs {matrix}, outputs {the penalty}
class OrthogonalPenaltyOp final : public OrthogonalOp<OrthogonalPenaltyOp> {
 public:
  using OrthogonalOp::OrthogonalOp;
  std::string_view name() const override { return "orthogonal_penalty"; }
  void differentiate(Gradients& gradients) override {
    Lowering& to = gradients.to();
    const Value gradient = to.value("d " + to.info(inputs[0]).name, inputs[0].shape, of_batch_ ? Extent::batch : Extent::fixed);
    auto op = std::make_unique<OrthogonalPenaltyGradientOp>(factor_, columns_, of_batch_);
    gradients.give(inputs[0], append(to, std::move(op), {inputs[0]}, {gradient}));
  }

  template <class T>
  void compute(const Call& call) const {
    Directions all = directions<T>(call);
    double sum = 0;
    for (std::int64_t i = 0; i < all.count; ++i)
      for (std::int64_t j = 0; j < i; ++j) sum += std::abs(all.cosine(i, j));
    *call.out<double>(0) = all.pairs() == 0 ? 0 : factor_ * sum / all.pairs();
  }
};

}  // namespace

Value orthogonal_penalty(Lowering& to, Value matrix, double factor, bool columns) {
  const ValueInfo& info = to.info(matrix);
  const bool of_batch = info.extent == Extent::batch;
  const Value penalty = to.value("penalty of " + info.name, {1}, Extent::fixed, Element::f64);
  append(to, std::make_unique<OrthogonalPenaltyOp>(factor, columns, of_batch), {matrix}, {penalty});
  to.info(penalty).kept = true;
  return penalty;
}

}  // namespace linn::detail::plan
