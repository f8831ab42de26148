#include "plan/ops/batch_dot.h"

#include <memory>

#include "plan/ops/append.h"
#include "plan/ops/layout.h"

namespace linn::detail::plan {
namespace {

// Sums in double, so that the error does not grow with the number of terms.
class BatchDotOp final : public RealOp<BatchDotOp> {
 public:
  std::string_view name() const override { return "batch_dot"; }
  std::string implementation() const override { return "batch_dot.ref"; }
  void prepare(const kernels::Policy& /*policy*/) override {}

  // With d [rows, columns]: da = d * b and db = transpose(d) * a.
  void differentiate(Gradients& gradients) override {
    const Value d = gradients.of(outputs[0]);
    if (!d.defined()) return;
    Lowering& to = gradients.to();
    const auto turned = [&](const Value& value) { return permute(to, value, {1, 0}); };
    const Value a = inputs[0], b = inputs[1];
    if (gradients.wants(a)) gradients.give(a, batch_dot(to, d, turned(b)));
    if (gradients.wants(b)) gradients.give(b, batch_dot(to, turned(d), turned(a)));
  }

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t rows = inputs[0].shape[0], columns = inputs[1].shape[0], terms = inputs[0].shape[1];
    const T *a = call.in<T>(0), *b = call.in<T>(1);
    T* dst = call.out<T>(0);
    for (std::int64_t n = 0; n < call.images; ++n, a += rows * terms, b += columns * terms)
      for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < columns; ++j) {
          double sum = 0;
          for (std::int64_t k = 0; k < terms; ++k) sum += static_cast<double>(a[i * terms + k]) * static_cast<double>(b[j * terms + k]);
          *dst++ = static_cast<T>(sum);
        }
  }
};

}  // namespace

Value batch_dot(Lowering& to, Value a, Value b) {
  return append(to, std::make_unique<BatchDotOp>(), {a, b}, {to.value(to.layer(), {a.shape[0], b.shape[0]}, Extent::batch)});
}

}  // namespace linn::detail::plan
