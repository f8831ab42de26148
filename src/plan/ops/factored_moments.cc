#include "plan/ops/factored_moments.h"

#include <cmath>
#include <memory>

#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// inputs {gradient}, outputs {rows, columns, velocity, direction}. A piece is a matrix of the last two axes.
class FactoredMomentsOp final : public RealOp<FactoredMomentsOp> {
 public:
  FactoredMomentsOp(double beta_2_decay, double epsilon) : beta_2_decay_(beta_2_decay), epsilon_(epsilon) {}

  std::string_view name() const override { return "factored_moments"; }
  std::string implementation() const override { return "reference"; }
  Cut cut() const override { return Cut::outputs; }
  std::int64_t pieces() const override { return inputs[0].shape.elements() / (rows() * columns()); }
  void differentiate(Gradients&) override {}
  void prepare(const kernels::Policy&) override {}

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t r = rows(), c = columns();
    const T* g = call.in<T>(0) + call.piece * r * c;
    T* row = call.out<T>(0) + call.piece * r;
    T* column = call.out<T>(1) + call.piece * c;
    const double keep = 1 - std::pow(static_cast<double>(updates(call)), beta_2_decay_);
    for (std::int64_t i = 0; i < r; ++i) row[i] = moved(row[i], keep, mean_square(g + i * c, c, 1));
    for (std::int64_t j = 0; j < c; ++j) column[j] = moved(column[j], keep, mean_square(g + j, r, c));
    double mean = 0;
    for (std::int64_t i = 0; i < r; ++i) mean += static_cast<double>(row[i]);
    mean /= static_cast<double>(r);
    T* velocity = call.out<T>(2) + call.piece * r * c;
    T* direction = call.out<T>(3) + call.piece * r * c;
    for (std::int64_t i = 0; i < r; ++i) {
      const T share = row[i] / static_cast<T>(mean);
      for (std::int64_t j = 0; j < c; ++j) {
        velocity[i * c + j] = share * column[j];
        direction[i * c + j] = g[i * c + j] / std::sqrt(velocity[i * c + j]);
      }
    }
  }

 private:
  std::int64_t rows() const { return inputs[0].shape[-2]; }
  std::int64_t columns() const { return inputs[0].shape[-1]; }
  template <class T>
  static T moved(T old, double keep, double to) {
    return static_cast<T>(keep * static_cast<double>(old) + (1 - keep) * to);
  }
  template <class T>
  double mean_square(const T* g, std::int64_t count, std::int64_t stride) const {
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto v = static_cast<double>(g[i * stride]);
      sum += v * v + epsilon_;
    }
    return sum / static_cast<double>(count);
  }

  double beta_2_decay_, epsilon_;
};

}  // namespace

void factored_moments(Lowering& to, const FactoredValues& values, double beta_2_decay, double epsilon) {
  append(to, std::make_unique<FactoredMomentsOp>(beta_2_decay, epsilon), {values.gradient},
         {values.rows, values.columns, values.velocity, values.direction});
}

}  // namespace linn::detail::plan
