#include "plan/ops/encode.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

class EncodeOp final : public RealOp<EncodeOp> {
 public:
  EncodeOp(std::int64_t row, std::int64_t tokens, bool counts) : row_(row), tokens_(tokens), counts_(counts) {}

  std::string_view name() const override { return "encode"; }
  std::string implementation() const override { return "encode.ref"; }
  void prepare(const kernels::Policy& /*policy*/) override {}
  void differentiate(Gradients& /*gradients*/) override {}

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t rows = inputs[0].shape.elements() * call.images / row_;
    const T* src = call.in<T>(0);
    T* dst = call.out<T>(0);
    std::fill_n(dst, rows * tokens_, T{0});
    for (std::int64_t r = 0; r < rows; ++r, dst += tokens_)
      for (std::int64_t i = 0; i < row_; ++i) {
        const T token = std::trunc(*src++);
        if (!(token >= 0 && token < static_cast<T>(tokens_))) continue;  // NaN too
        T& place = dst[static_cast<std::int64_t>(token)];
        place = counts_ ? place + 1 : T{1};
      }
  }

 private:
  std::int64_t row_, tokens_;
  bool counts_;
};

}  // namespace

Value encode(Lowering& to, Value src, std::int64_t row, std::int64_t tokens, bool counts, const Shape& shape) {
  return append(to, std::make_unique<EncodeOp>(row, tokens, counts), {src}, {to.value(to.layer(), shape, Extent::batch)});
}

}  // namespace linn::detail::plan
