#include "plan/ops/finite.h"

#include <memory>

#include "core/checked.h"
#include "kernels/eltwise/finite.h"
#include "plan/ops/append.h"

namespace linn::detail::plan {
namespace {

// inputs {value}, outputs {one i32 for each piece}
class FiniteOp final : public PiecesOp<FiniteOp, kernels::Finite> {
 public:
  explicit FiniteOp(bool is_double) : is_double_(is_double) {}

  std::string_view name() const override { return "finite"; }
  static std::int64_t pieces_of(Value value) { return core::ceil_div(value.shape.elements(), piece_elements); }

  template <class T>
  void compute(const Call& call) const {
    if (is_double_)
      check<double>(call);
    else
      check<T>(call);
  }

 private:
  template <class T>
  void check(const Call& call) const {
    kernel_.run<T>({.count = count(call), .src = call.in<T>(0) + offset(call), .finite = call.out<std::int32_t>(0) + call.piece, .scratch = nullptr});
  }

  bool is_double_;
};

}  // namespace

Value finite(Lowering& to, Value value) {
  const Value output = to.value("finite " + to.info(value).name, {FiniteOp::pieces_of(value)}, Extent::fixed, Element::i32);
  to.info(output).kept = true;
  return append(to, std::make_unique<FiniteOp>(to.info(value).element == Element::f64), {value}, {output});
}

bool is_guard(const Op& op) { return dynamic_cast<const FiniteOp*>(&op) != nullptr; }

}  // namespace linn::detail::plan
