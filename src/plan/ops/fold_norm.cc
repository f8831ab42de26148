#include "plan/ops/fold_norm.h"

#include <algorithm>
#include <memory>

#include "core/checked.h"
#include "kernels/norm/coefficients.h"

namespace linn::detail::plan {
namespace {

std::int64_t rows_of(const Value& kernel) { return kernel.shape.elements() / kernel.shape[-1]; }

// inputs {kernel, bias or undefined, coefficients}, outputs {kernel, bias}.
class FoldNormOp final : public WholeOp<FoldNormOp, kernels::FoldNorm> {
 public:
  using WholeOp::WholeOp;

  std::string_view name() const override { return "fold_norm"; }
  std::int64_t pieces() const override { return core::ceil_div(rows_of(inputs[0]), piece_rows()); }

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t first = call.piece * piece_rows(), offset = first * problem().channels;
    kernel_.run<T>({.rows = std::min(piece_rows(), rows_of(inputs[0]) - first), .kernel = call.in<T>(0) + offset, .bias = call.in<T>(1),
                    .coefficients = call.in<T>(2), .folded = call.out<T>(0) + offset, .folded_bias = first == 0 ? call.out<T>(1) : nullptr,
                    .scratch = nullptr});
  }

 private:
  std::int64_t piece_rows() const { return std::max<std::int64_t>(1, (1 << 14) / problem().channels); }
};

}  // namespace

std::unique_ptr<Op> fold_norm(Lowering& to, Value kernel, Value bias, Value coefficients) {
  auto fold = std::make_unique<FoldNormOp>(kernels::FoldNorm::Problem{.channels = kernel.shape[-1]});
  fold->inputs = {kernel, bias, coefficients};
  fold->outputs = {to.value("folded " + to.info(kernel).name, kernel.shape, Extent::fixed),
                   to.value("folded bias", {kernel.shape[-1]}, Extent::fixed)};
  return fold;
}

}  // namespace linn::detail::plan
