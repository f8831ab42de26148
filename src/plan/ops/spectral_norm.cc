#include "plan/ops/spectral_norm.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace linn::detail::plan {
namespace {

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// To length 1; lengths below 1e-7 count as 1e-7, as in Keras.
void normalize(std::vector<double>& values) {
  const double length = std::max(std::sqrt(dot(values, values)), 1e-7);
  for (double& value : values) value /= length;
}

// inputs and outputs {kernel, vector_u}
class SpectralNormOp final : public RealOp<SpectralNormOp> {
 public:
  explicit SpectralNormOp(std::int64_t power_iterations) : power_iterations_(power_iterations) {}

  std::string_view name() const override { return "spectral_norm"; }
  std::string implementation() const override { return "reference"; }
  Cut cut() const override { return Cut::outputs; }
  void prepare(const kernels::Policy&) override {}
  void differentiate(Gradients&) override {}

  template <class T>
  void compute(const Call& call) const {
    const auto columns = static_cast<std::size_t>(inputs[1].shape.elements());
    const std::vector<double> w(call.in<T>(0), call.in<T>(0) + inputs[0].shape.elements());
    std::vector<double> u(call.in<T>(1), call.in<T>(1) + columns), v(w.size() / columns);
    for (std::int64_t i = 0; i < power_iterations_; ++i) {
      for (std::size_t r = 0; r < v.size(); ++r) v[r] = dot(u, {&w[r * columns], columns});
      normalize(v);
      u = times(v, w, columns);
      normalize(u);
    }
    const double sigma = dot(times(v, w, columns), u);
    if (sigma == 0) return;
    std::ranges::transform(w, call.out<T>(0), [&](double value) { return static_cast<T>(value / sigma); });
    std::ranges::transform(u, call.out<T>(1), [](double value) { return static_cast<T>(value); });
  }

 private:
  static std::vector<double> times(std::span<const double> row, std::span<const double> matrix, std::size_t columns) {
    std::vector<double> product(columns);
    for (std::size_t r = 0; r < row.size(); ++r)
      for (std::size_t c = 0; c < columns; ++c) product[c] += row[r] * matrix[r * columns + c];
    return product;
  }

  std::int64_t power_iterations_;
};

}  // namespace

void spectral_normalize(Lowering& to, Value kernel, Value vector_u, std::int64_t power_iterations) {
  auto op = std::make_unique<SpectralNormOp>(power_iterations);
  op->inputs = op->outputs = {kernel, vector_u};
  to.add_preparation(std::move(op));
}

}  // namespace linn::detail::plan
