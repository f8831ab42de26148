// The iteration works on the tall form y of the matrix (no fewer rows than columns): s = y' y, q = b s + c s s, y = a y + y q. All products
// add multiples of rows to a row, in the order of the inner index.
#include "plan/ops/newton_schulz.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/checked.h"
#include "plan/ops/append.h"
#include "plan/ops/clip.h"

namespace linn::detail::plan {
namespace {

// An op that writes rows of a matrix, some in each piece.
template <class Derived>
class RowsOp : public RealOp<Derived> {
 public:
  std::string implementation() const override { return "reference"; }
  Cut cut() const override { return Cut::outputs; }
  std::int64_t pieces() const override { return core::ceil_div(this->outputs[0].shape[0], piece_rows); }
  void differentiate(Gradients&) override {}
  void prepare(const kernels::Policy&) override {}

 protected:
  static constexpr std::int64_t piece_rows = 16;

  std::int64_t first(const Call& call) const { return call.piece * piece_rows; }
  std::int64_t end(const Call& call) const { return std::min(first(call) + piece_rows, this->outputs[0].shape[0]); }
};

template <class T>
void add_row(std::int64_t count, T factor, const T* row, T* to) {
  for (std::int64_t j = 0; j < count; ++j) to[j] += factor * row[j];
}

// inputs {matrix, squared norm or nothing}, outputs {the matrix, or its transpose, divided by its norm}
class OrientOp final : public RowsOp<OrientOp> {
 public:
  std::string_view name() const override { return "orient"; }

  template <class T>
  void compute(const Call& call) const {
    const bool transposed = inputs[0].shape != outputs[0].shape;
    const std::int64_t columns = outputs[0].shape[1];
    const T divisor = inputs.size() > 1 ? static_cast<T>(std::sqrt(*call.in<double>(1)) + 1e-7) : T{1};
    for (std::int64_t i = first(call); i < end(call); ++i)
      for (std::int64_t j = 0; j < columns; ++j)
        call.out<T>(0)[i * columns + j] = call.in<T>(0)[transposed ? j * outputs[0].shape[0] + i : i * columns + j] / divisor;
  }
};

// inputs {y}, outputs {y' y}
class GramOp final : public RowsOp<GramOp> {
 public:
  std::string_view name() const override { return "gram"; }

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t rows = inputs[0].shape[0], columns = inputs[0].shape[1];
    T* s = call.out<T>(0);
    std::fill(s + first(call) * columns, s + end(call) * columns, T{0});
    for (std::int64_t k = 0; k < rows; ++k) {
      const T* y = call.in<T>(0) + k * columns;
      for (std::int64_t i = first(call); i < end(call); ++i) add_row(columns, y[i], y, s + i * columns);
    }
  }
};

// inputs {x, s}, outputs {first * x + second * x s}
class ProductOp final : public RowsOp<ProductOp> {
 public:
  ProductOp(double first_factor, double second_factor) : first_factor_(first_factor), second_factor_(second_factor) {}
  std::string_view name() const override { return "product"; }

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t columns = inputs[0].shape[1];
    for (std::int64_t i = first(call); i < end(call); ++i) {
      const T* x = call.in<T>(0) + i * columns;
      T* y = call.out<T>(0) + i * columns;
      for (std::int64_t j = 0; j < columns; ++j) y[j] = static_cast<T>(first_factor_) * x[j];
      for (std::int64_t k = 0; k < columns; ++k) add_row(columns, static_cast<T>(second_factor_) * x[k], call.in<T>(1) + k * columns, y);
    }
  }

 private:
  double first_factor_, second_factor_;
};

}  // namespace

Value newton_schulz(Lowering& to, Value matrix, const NewtonSchulz& options) {
  const std::int64_t rows = std::max(matrix.shape[0], matrix.shape[1]), columns = std::min(matrix.shape[0], matrix.shape[1]);
  const auto value = [&](const char* name, const Shape& shape) { return to.value(name, shape, Extent::fixed); };
  Value y = append(to, std::make_unique<OrientOp>(), {matrix, squared_norm(to, {matrix})}, {value("y", {rows, columns})});
  for (std::int64_t step = 0; step < options.steps; ++step) {
    const Value gram = append(to, std::make_unique<GramOp>(), {y}, {value("y'y", {columns, columns})});
    const Value q = append(to, std::make_unique<ProductOp>(options.b, options.c), {gram, gram}, {value("q", {columns, columns})});
    y = append(to, std::make_unique<ProductOp>(options.a, 1), {y, q}, {value("y", {rows, columns})});
  }
  return append(to, std::make_unique<OrientOp>(), {y}, {value("orthogonal", matrix.shape)});
}

}  // namespace linn::detail::plan
