#include "plan/ops/fold_norm.h"

#include <algorithm>
#include <memory>

#include "core/checked.h"

namespace linn::detail::plan {
namespace {

std::int64_t rows_of(const Value& kernel) { return kernel.shape.elements() / kernel.shape[-1]; }

// inputs {kernel, bias or undefined, coefficients}, outputs {kernel, bias}.
class FoldNormOp final : public RealOp<FoldNormOp> {
 public:
  std::string_view name() const override { return "fold_norm"; }
  std::string implementation() const override { return "scalar"; }
  Cut cut() const override { return Cut::outputs; }
  std::int64_t pieces() const override { return core::ceil_div(rows_of(inputs[0]), piece_rows()); }
  void prepare(const kernels::Policy&) override {}
  void differentiate(Gradients&) override {}

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t channels = inputs[0].shape[-1];
    const T* mean = call.in<T>(2);
    const T* scale = mean + channels;
    const T* shift = scale + channels;
    const std::int64_t first = call.piece * piece_rows(), last = std::min(first + piece_rows(), rows_of(inputs[0]));
    for (std::int64_t r = first; r < last; ++r)
      for (std::int64_t c = 0; c < channels; ++c) call.out<T>(0)[r * channels + c] = call.in<T>(0)[r * channels + c] * scale[c];
    if (first != 0) return;
    const T* bias = call.in<T>(1);
    for (std::int64_t c = 0; c < channels; ++c) call.out<T>(1)[c] = ((bias == nullptr ? T{0} : bias[c]) - mean[c]) * scale[c] + shift[c];
  }

 private:
  std::int64_t piece_rows() const { return std::max<std::int64_t>(1, (1 << 14) / inputs[0].shape[-1]); }
};

}  // namespace

std::unique_ptr<Op> fold_norm(Lowering& to, Value kernel, Value bias, Value coefficients) {
  auto fold = std::make_unique<FoldNormOp>();
  fold->inputs = {kernel, bias, coefficients};
  fold->outputs = {to.value("folded " + to.info(kernel).name, kernel.shape, Extent::fixed),
                   to.value("folded bias", {kernel.shape[-1]}, Extent::fixed)};
  return fold;
}

}  // namespace linn::detail::plan
