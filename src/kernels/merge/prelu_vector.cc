// PReLU in pieces of 2,048 elements (pieces-inl.h). If a row shares a slope, the slope's gradient is a sum over lanes. All other results have
// the reference's bits.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/merge/prelu_vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>

#include "kernels/merge/pieces-inl.h"
#include "kernels/merge/vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::merge {
namespace HWY_NAMESPACE {
namespace {

template <bool shared>
struct Forward {
  const float* src;
  const float* alpha;
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto x = hn::LoadU(d, src + i);
    hn::StoreU(hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(load<shared>(d, alpha, i), x)), d, dst + i);
  }
};

template <bool shared>
struct Backward {
  const float* src;
  const float* alpha;
  const float* ddst;
  float* dsrc;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto x = hn::LoadU(d, src + i), g = hn::LoadU(d, ddst + i), zero = hn::Zero(d);
    const auto below = hn::IfThenElseZero(hn::Lt(x, zero), hn::Mul(g, load<shared>(d, alpha, i)));
    hn::StoreU(hn::IfThenElse(hn::Gt(x, zero), g, below), d, dsrc + i);
  }
};

/// ddst * src where src < 0, else 0.
template <class D>
HWY_INLINE hn::Vec<D> slope_term(D d, const float* src, const float* ddst, std::int64_t i) {
  const auto x = hn::LoadU(d, src + i);
  return hn::IfThenElseZero(hn::Lt(x, hn::Zero(d)), hn::Mul(hn::LoadU(d, ddst + i), x));
}

struct Terms {
  const float* src;
  const float* ddst;
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    hn::StoreU(slope_term(d, src, ddst, i), d, dst + i);
  }
};

void prelu_forward(const PReluForward::Problem& problem, const PReluForward::Args<float>& args) {
  Pieces pieces(problem.broadcast, true);
  pieces.for_each_piece(args.images, [&](std::int64_t at, std::int64_t count) {
    const Operand alpha = pieces.operand(1, args.alpha + pieces.offset(1, 0), 1);
    if (alpha.repeated)
      for_each(count, Forward<true>{args.src + at, alpha.at, args.dst + at});
    else
      for_each(count, Forward<false>{args.src + at, alpha.at, args.dst + at});
  });
}

void prelu_gradient(const PReluGradient::Problem& problem, const PReluGradient::Args<float>& args) {
  if (args.dalpha != nullptr) std::fill_n(args.dalpha, problem.broadcast.elements[1], 0.0f);
  alignas(64) float terms[piece];
  Pieces pieces(problem.broadcast, true);
  pieces.for_each_piece(args.images, [&](std::int64_t at, std::int64_t count) {
    const std::int64_t slope_at = pieces.offset(1, 0);
    const float* src = args.src + at;
    const float* ddst = args.ddst + at;
    if (args.dsrc != nullptr) {
      const Operand alpha = pieces.operand(1, args.alpha + slope_at, 1);
      if (alpha.repeated)
        for_each(count, Backward<true>{src, alpha.at, ddst, args.dsrc + at});
      else
        for_each(count, Backward<false>{src, alpha.at, ddst, args.dsrc + at});
    }
    if (args.dalpha == nullptr) return;
    for_each(count, Terms{src, ddst, terms});
    pieces.add(1, terms, count, args.dalpha + slope_at);
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::merge
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::merge {

HWY_EXPORT(prelu_forward);
HWY_EXPORT(prelu_gradient);

void VectorPRelu::run(const PReluForward::Problem& problem, const PReluForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(prelu_forward)(problem, args);
}
void VectorPReluGradient::run(const PReluGradient::Problem& problem, const PReluGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(prelu_gradient)(problem, args);
}

}  // namespace linn::detail::kernels::merge
#endif
