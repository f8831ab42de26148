// PReLU run by run, in vectors. If a whole run shares a slope, it is one value in all lanes, and its gradient is a sum over lanes. All
// other results have the reference's bits.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/merge/prelu_vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>

#include "kernels/eltwise/for_each-inl.h"
#include "kernels/merge/vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::merge {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using eltwise::HWY_NAMESPACE::for_each;

template <bool shared, class D>
HWY_INLINE hn::Vec<D> slope(D d, const float* alpha, std::int64_t i) {
  if constexpr (shared) return hn::Set(d, *alpha);
  return hn::LoadU(d, alpha + i);
}

template <bool shared>
struct Forward {
  const float* src;
  const float* alpha;
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto x = hn::LoadU(d, src + i);
    hn::StoreU(hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(slope<shared>(d, alpha, i), x)), d, dst + i);
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
    const auto below = hn::IfThenElseZero(hn::Lt(x, zero), hn::Mul(g, slope<shared>(d, alpha, i)));
    hn::StoreU(hn::IfThenElse(hn::Gt(x, zero), g, below), d, dsrc + i);
  }
};

/// ddst * src where src < 0, else 0.
template <class D>
HWY_INLINE hn::Vec<D> slope_term(D d, const float* src, const float* ddst, std::int64_t i) {
  const auto x = hn::LoadU(d, src + i);
  return hn::IfThenElseZero(hn::Lt(x, hn::Zero(d)), hn::Mul(hn::LoadU(d, ddst + i), x));
}

struct AddTerms {
  const float* src;
  const float* ddst;
  float* dalpha;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    hn::StoreU(hn::Add(hn::LoadU(d, dalpha + i), slope_term(d, src, ddst, i)), d, dalpha + i);
  }
};

HWY_INLINE float sum_of_terms(const float* src, const float* ddst, std::int64_t count) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  constexpr std::int64_t lanes = hn::MaxLanes(d);
  auto sums = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) sums = hn::Add(sums, slope_term(d, src, ddst, i));
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < count; ++i) sum += hn::GetLane(slope_term(d1, src, ddst, i));
  return sum;
}

/// Calls f(offset in src, offset in alpha, count, whether one slope is shared) for each run of all images.
template <class F>
HWY_INLINE void for_each_run(const Broadcast& broadcast, std::int64_t images, const F& f) {
  for (std::int64_t image = 0; image < images; ++image)
    for (Runs runs(broadcast); !runs.done(); runs.next())
      f(image * broadcast.output_elements() + runs.output(), runs.offset(1), runs.count(), runs.stride(1) == 0);
}

void prelu_forward(const PReluForward::Problem& problem, const PReluForward::Args<float>& args) {
  for_each_run(problem.broadcast, args.images, [&](std::int64_t at, std::int64_t slope_at, std::int64_t count, bool shared) {
    const float* alpha = args.alpha + slope_at;
    if (shared)
      for_each(count, Forward<true>{args.src + at, alpha, args.dst + at});
    else
      for_each(count, Forward<false>{args.src + at, alpha, args.dst + at});
  });
}

void prelu_gradient(const PReluGradient::Problem& problem, const PReluGradient::Args<float>& args) {
  if (args.dalpha != nullptr) std::fill_n(args.dalpha, problem.broadcast.elements[1], 0.0f);
  for_each_run(problem.broadcast, args.images, [&](std::int64_t at, std::int64_t slope_at, std::int64_t count, bool shared) {
    const float* alpha = args.alpha + slope_at;
    const float* src = args.src + at;
    const float* ddst = args.ddst + at;
    if (args.dsrc != nullptr && shared) for_each(count, Backward<true>{src, alpha, ddst, args.dsrc + at});
    if (args.dsrc != nullptr && !shared) for_each(count, Backward<false>{src, alpha, ddst, args.dsrc + at});
    if (args.dalpha == nullptr) return;
    if (shared)
      args.dalpha[slope_at] += sum_of_terms(src, ddst, count);
    else
      for_each(count, AddTerms{src, ddst, args.dalpha + slope_at});
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
