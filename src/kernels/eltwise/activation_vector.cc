// Activations and their gradients on vectors.
//
//   forward:  dst[i] = value(src[i])
//   gradient: dsrc[i] = ddst[i] * slope(src[i]), and 0 where the slope is 0
//
// Measured (Zen 5, one core), ns an element of 4,096, value and gradient:
//
// | function    | AVX-512    | AVX2       | reference | function      | AVX-512    | AVX2       | reference |
// |-------------|------------|------------|-----------|---------------|------------|------------|-----------|
// | relu        | 0.06, 0.10 | 0.05, 0.09 | 1.9, 3.5  | elu           | 0.18, 0.26 | 0.37, 0.50 | 6.7, 5.6  |
// | hard_silu   | 0.06, 0.11 | 0.11, 0.17 | 3.4, 3.6  | exponential   | 0.19, 0.24 | 0.35, 0.42 | 2.2, 3.0  |
// | sigmoid     | 0.25, 0.34 | 0.48, 0.60 | 6.3, 9.7  | softplus      | 0.49, 0.30 | 0.97, 0.57 | 11.6, 6.9 |
// | silu        | 0.27, 0.37 | 0.51, 0.70 | 6.9, 9.5  | mish          | 0.35, 0.47 | 0.71, 0.95 | 35, 38    |
// | tanh        | 0.26, 0.29 | 0.52, 0.55 | 12, 14    | log           | 0.22, 0.10 | 0.45, 0.09 | 2.4, 1.6  |
// | gelu        | 0.42, 0.52 | 0.83, 1.00 | 17, 18    | power of 1.5  | 1.23, 0.11 | 2.56, 0.15 | 4.3, 2.3  |
// | gelu_tanh   | 0.41, 0.54 | 0.73, 1.02 | 18, 19    |               |            |            |           |
//
// Of 8 million elements (AVX-512), as a share of what memcpy moves in the same run: piecewise polynomials 0.9 to 1.0, exponential, sigmoid,
// silu and tanh 0.7 to 0.85, mish and gelu 0.5, softplus 0.4; with AVX2 functions with an exponential are bound by arithmetic: 0.2 to 0.5.
//
// One loop over full vectors. The last elements are copied to a vector on the stack, so that they run the same instructions and get the
// same bits as anywhere else.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/eltwise/activation_vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>
#include <iterator>

#include "kernels/eltwise/activations-inl.h"
#include "kernels/eltwise/vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::eltwise {
namespace HWY_NAMESPACE {
namespace {

using D = hn::ScalableTag<float>;
constexpr std::int64_t lanes = hn::MaxLanes(D());

/// A vector on the stack: the last `count` elements of an array, then zeros.
struct Tail {
  alignas(64) float values[lanes] = {};
  Tail() = default;
  Tail(const float* src, std::int64_t count) { std::copy_n(src, count, values); }
  void store(float* dst, std::int64_t count) const { std::copy_n(values, count, dst); }
};

Function arguments_of(const ActivationSpec& spec) {
  return {static_cast<float>(spec.arguments[0]), static_cast<float>(spec.arguments[1]), static_cast<float>(spec.arguments[2])};
}

template <class F>
void forward(const ActivationSpec& spec, const ActivationForward::Args<float>& args) {
  const F f{arguments_of(spec)};
  const auto one = [f](const float* src, float* dst) { hn::StoreU(f.value(D(), hn::LoadU(D(), src)), D(), dst); };
  const auto [count, src, dst, scratch] = args;  // copies: a store of a vector might change what `args` points to
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) one(src + i, dst + i);
  if (i == count) return;
  Tail tail(src + i, count - i);
  one(tail.values, tail.values);
  tail.store(dst + i, count - i);
}

template <class F>
void gradient(const ActivationSpec& spec, const ActivationGradient::Args<float>& args) {
  const F f{arguments_of(spec)};
  const auto one = [f](const float* src, const float* ddst, float* dsrc) {
    const auto slope = f.slope(D(), hn::LoadU(D(), src));
    hn::StoreU(hn::IfThenZeroElse(hn::Eq(slope, hn::Zero(D())), hn::Mul(hn::LoadU(D(), ddst), slope)), D(), dsrc);
  };
  const auto [count, src, ddst, dsrc, scratch] = args;
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) one(src + i, ddst + i, dsrc + i);
  if (i == count) return;
  const Tail last_src(src + i, count - i), last_ddst(ddst + i, count - i);
  Tail last;
  one(last_src.values, last_ddst.values, last.values);
  last.store(dsrc + i, count - i);
}

struct Row {
  Activation kind;
  void (*forward)(const ActivationSpec&, const ActivationForward::Args<float>&);
  void (*gradient)(const ActivationSpec&, const ActivationGradient::Args<float>&);
  ActivationError error;
};
template <class F>
constexpr Row row(Activation kind) {
  return {kind, forward<F>, gradient<F>, F::error};
}

// In the order of the enum.
constexpr Row rows[] = {
    row<Linear>(Activation::linear),
    row<Relu>(Activation::relu),
    row<Relu6>(Activation::relu6),
    row<LeakyRelu>(Activation::leaky_relu),
    row<Elu>(Activation::elu),
    row<Selu>(Activation::selu),
    row<Softplus>(Activation::softplus),
    row<Softsign>(Activation::softsign),
    row<Sigmoid>(Activation::sigmoid),
    row<HardSigmoid>(Activation::hard_sigmoid),
    row<Silu>(Activation::silu),
    row<HardSilu>(Activation::hard_silu),
    row<Gelu>(Activation::gelu),
    row<Tanh>(Activation::tanh),
    row<Exponential>(Activation::exponential),
    row<Mish>(Activation::mish),
    row<LogSigmoid>(Activation::log_sigmoid),
    row<ClippedRelu>(Activation::clipped_relu),
    row<Celu>(Activation::celu),
    row<SoftShrink>(Activation::soft_shrink),
    row<HardShrink>(Activation::hard_shrink),
    row<TanhShrink>(Activation::tanh_shrink),
    row<HardTanh>(Activation::hard_tanh),
    row<Threshold>(Activation::threshold),
    row<Squareplus>(Activation::squareplus),
    row<SparsePlus>(Activation::sparse_plus),
    row<SparseSigmoid>(Activation::sparse_sigmoid),
    row<GeluTanh>(Activation::gelu_tanh),
    row<Power>(Activation::power),
    row<Log>(Activation::log),
};
constexpr bool in_order() {
  for (std::size_t i = 0; i < std::size(rows); ++i)
    if (static_cast<std::size_t>(rows[i].kind) != i) return false;
  return std::size(rows) == static_cast<std::size_t>(Activation::log) + 1;
}
static_assert(in_order());

const Row& row_of(const ActivationSpec& activation) { return rows[static_cast<std::size_t>(activation.kind)]; }

void run_forward(const ActivationForward::Problem& problem, const ActivationForward::Args<float>& args) {
  row_of(problem.activation).forward(problem.activation, args);
}
void run_gradient(const ActivationGradient::Problem& problem, const ActivationGradient::Args<float>& args) {
  row_of(problem.activation).gradient(problem.activation, args);
}
ActivationError error_of(const ActivationSpec& activation) { return row_of(activation).error; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::eltwise
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::eltwise {

HWY_EXPORT(run_forward);
HWY_EXPORT(run_gradient);
HWY_EXPORT(error_of);

ActivationError VectorActivation::error(const ActivationSpec& activation) { return HWY_DYNAMIC_DISPATCH(error_of)(activation); }
void VectorActivation::run(const ActivationForward::Problem& problem, const ActivationForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(run_forward)(problem, args);
}
void VectorActivationGradient::run(const ActivationGradient::Problem& problem, const ActivationGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(run_gradient)(problem, args);
}

}  // namespace linn::detail::kernels::eltwise
#endif
