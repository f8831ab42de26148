#include "plan/ops/constrain.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "kernels/eltwise/step_function.h"
#include "plan/ops/append.h"
#include "plan/ops/update.h"

namespace linn::detail::plan {
namespace {

struct NotNegative {
  template <class T>
  auto at(T /*rate*/, std::int64_t /*step*/) const {
    return [](T g, T& w) { w = std::max(g, T{0}); };  // g is w
  }
};

// Places in a variable along some of its axes, as offsets in their order.
std::vector<std::int64_t> offsets(const Shape& shape, const std::vector<bool>& along) {
  std::vector<std::int64_t> result{0};
  std::int64_t stride = shape.elements();
  for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
    const std::int64_t size = shape[static_cast<std::ptrdiff_t>(axis)];
    stride /= size;
    if (!along[axis]) continue;
    std::vector<std::int64_t> longer;
    for (const std::int64_t start : result)
      for (std::int64_t i = 0; i < size; ++i) longer.push_back(start + i * stride);
    result = std::move(longer);
  }
  return result;
}

// inputs {variable}, outputs {variable}. A piece is one norm or several.
class ScaleNormsOp final : public RealOp<ScaleNormsOp> {
 public:
  ScaleNormsOp(const Shape& shape, const std::vector<std::size_t>& axes, std::function<double(double)> wanted)
      : wanted_(std::move(wanted)) {
    std::vector<bool> within(shape.rank(), false);
    for (const std::size_t axis : axes) within[axis] = true;
    within_ = offsets(shape, within);
    within.flip();
    groups_ = offsets(shape, within);
  }

  std::string_view name() const override { return "scale_norms"; }
  std::string implementation() const override { return "reference"; }
  Cut cut() const override { return Cut::outputs; }
  std::int64_t pieces() const override { return core::ceil_div(static_cast<std::int64_t>(groups_.size()), piece_groups); }
  void differentiate(Gradients&) override {}
  void prepare(const kernels::Policy&) override {}

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t end = std::min((call.piece + 1) * piece_groups, static_cast<std::int64_t>(groups_.size()));
    for (std::int64_t group = call.piece * piece_groups; group < end; ++group) {
      T* w = call.out<T>(0) + groups_[static_cast<std::size_t>(group)];
      double squares = 0;
      for (const std::int64_t i : within_) squares += static_cast<double>(w[i]) * static_cast<double>(w[i]);
      const double norm = std::sqrt(squares);
      const T factor = static_cast<T>(wanted_(norm) / (1e-7 + norm));
      for (const std::int64_t i : within_) w[i] *= factor;
    }
  }

 private:
  static constexpr std::int64_t piece_groups = 16;

  std::function<double(double)> wanted_;
  std::vector<std::int64_t> within_, groups_;
};

}  // namespace

void keep_not_negative(Lowering& to, Value variable) {
  element_update(to, kernels::StepFunction::of(NotNegative{}), {.gradient = variable, .variable = variable});
}

void scale_norms(Lowering& to, Value variable, std::vector<std::size_t> axes, std::function<double(double norm)> wanted) {
  append(to, std::make_unique<ScaleNormsOp>(variable.shape, axes, std::move(wanted)), {variable}, {variable});
}

}  // namespace linn::detail::plan
