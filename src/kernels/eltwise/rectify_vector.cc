// Rectifiers: one loop over the elements, bound by memory.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/eltwise/rectify_vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/eltwise/for_each-inl.h"
#include "kernels/eltwise/rectify_vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::kernels::eltwise {
namespace HWY_NAMESPACE {
namespace {

struct Numbers {
  float most, slope, threshold;
  bool leaks, slope_at_kink;

  explicit Numbers(const RectifyForward::Problem& p)
      : most(static_cast<float>(p.most)),
        slope(static_cast<float>(p.slope)),
        threshold(static_cast<float>(p.threshold)),
        leaks(p.slope != 0),
        slope_at_kink(p.slope_at_kink) {}
};

struct RectifyRun {
  const float* src;
  float* dst;
  Numbers p;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto x = hn::LoadU(d, src + i), threshold = hn::Set(d, p.threshold), most = hn::Set(d, p.most);
    const auto below = p.leaks ? hn::Mul(hn::Set(d, p.slope), hn::Sub(x, threshold)) : hn::Zero(d);
    const auto above = hn::IfThenElse(hn::Lt(most, x), most, x);
    hn::StoreU(hn::IfThenElse(hn::IsNaN(x), x, hn::IfThenElse(hn::Gt(x, threshold), above, below)), d, dst + i);
  }
};

struct RectifyGradientRun {
  const float* src;
  const float* ddst;
  float* dsrc;
  Numbers p;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto x = hn::LoadU(d, src + i), g = hn::LoadU(d, ddst + i), threshold = hn::Set(d, p.threshold);
    const auto passes = hn::And(hn::Gt(x, threshold), hn::Le(x, hn::Set(d, p.most)));
    auto result = hn::IfThenElseZero(passes, g);
    if (p.leaks) {
      const auto leaks = p.slope_at_kink ? hn::Le(x, threshold) : hn::Lt(x, threshold);
      result = hn::IfThenElse(leaks, hn::Mul(g, hn::Set(d, p.slope)), result);
    }
    hn::StoreU(result, d, dsrc + i);
  }
};

void rectify(const RectifyForward::Problem& problem, const RectifyForward::Args<float>& args) {
  for_each(args.count, RectifyRun{args.src, args.dst, Numbers(problem)});
}

void rectify_gradient(const RectifyGradient::Problem& problem, const RectifyGradient::Args<float>& args) {
  for_each(args.count, RectifyGradientRun{args.src, args.ddst, args.dsrc, Numbers(problem)});
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::kernels::eltwise
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::kernels::eltwise {

HWY_EXPORT(rectify);
HWY_EXPORT(rectify_gradient);

void VectorRectify::run(const RectifyForward::Problem& problem, const RectifyForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(rectify)(problem, args);
}
void VectorRectifyGradient::run(const RectifyGradient::Problem& problem, const RectifyGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(rectify_gradient)(problem, args);
}

}  // namespace linn::kernels::eltwise
#endif
