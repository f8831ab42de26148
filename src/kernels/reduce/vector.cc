// Softmax and cross-entropy of rows of logits.
//
//   for each row:
//     m = max over c of x[c];  e[c] = exp(x[c] - m);  s = sum over c of e[c]       (within lanes, then across lanes)
//     softmax: dst[c] = e[c] / s, or its logarithm x[c] - m - log(s); its gradient with one sum over c (softmax.h)
//     loss = -sum over c of q[c] (x[c] - m - log(s));  gradient[c] = upstream (e[c] / s sum(q) - q[c])
//
// exp is Highway's, with an error of at most one unit in the last place; log(s) is the standard library's, once for each row. A NaN or an
// infinity makes its row NaN, as in the reference. Bound by the latency of the sums across lanes.
// Measured (Zen 5, AVX-512, ten classes): softmax 17 ns a row, cross-entropy with gradient 34 ns; the references 62 and 70.
// Gradient of softmax (100 and 1,000 classes, in the L2 cache): 111 and 158 GB/s, 4.7 and 7.6 times the reference; of log_softmax 44 and 51
// GB/s, 8 and 9 times.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reduce/vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <hwy/contrib/math/math-inl.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/gemm/vector-inl.h"
#include "kernels/reduce/vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

/// Calls f(c, n) for the classes c .. c + n of each vector; n < lanes in the last one only.
template <class F>
HWY_INLINE void each_vector(std::int64_t classes, const F& f) {
  std::int64_t c = 0;
  for (; c + lanes <= classes; c += lanes) f(c, std::int64_t{lanes});
  if (c < classes) f(c, classes - c);
}

/// v in the first n lanes, `rest` in the others.
HWY_INLINE V first(V v, std::int64_t n, float rest) {
  const D d;
  return n == lanes ? v : hn::IfThenElse(hn::FirstN(d, static_cast<std::size_t>(n)), v, hn::Set(d, rest));
}

/// exp that keeps NaN; Highway's gives 0 for NaN.
HWY_INLINE V exp(V x) { return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(D(), x)); }

constexpr float nothing = -std::numeric_limits<float>::infinity();  // exp(nothing) = 0

/// The largest x. If one is NaN, any of them: the NaN reaches every sum all the same.
HWY_INLINE float largest(const float* x, std::int64_t classes) {
  const D d;
  V max = hn::Set(d, nothing);
  each_vector(classes, [&](std::int64_t c, std::int64_t n) { max = hn::Max(max, first(LoadCount(x + c, n), n, nothing)); });
  return hn::GetLane(hn::MaxOfLanes(d, max));
}

/// The sum of e[c] = exp(x[c] - max). Also writes e unless it is null. x and e may be the same.
HWY_INLINE float exponentials(const float* x, std::int64_t classes, float max, float* e) {
  const D d;
  V sum = hn::Zero(d);
  each_vector(classes, [&](std::int64_t c, std::int64_t n) {
    const V y = exp(hn::Sub(first(LoadCount(x + c, n), n, nothing), hn::Set(d, max)));
    // With max = -inf the lanes beyond the last class are NaN, as is the whole row.
    sum = hn::Add(sum, y);
    if (e != nullptr) StoreCount(y, e + c, n);
  });
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

void softmax(const SoftmaxForward::Problem& problem, const SoftmaxForward::Args<float>& args) {
  const D d;
  for (std::int64_t r = 0; r < args.rows; ++r) {
    const float* src = args.src + r * problem.classes;
    float* dst = args.dst + r * problem.classes;
    const float max = largest(src, problem.classes);
    const float sum = exponentials(src, problem.classes, max, dst);
    if (problem.kind == SoftmaxKind::log_softmax) {
      const V log_sum = hn::Set(d, std::log(sum));
      each_vector(problem.classes, [&](std::int64_t c, std::int64_t n) {
        StoreCount(hn::Sub(hn::Sub(LoadCount(src + c, n), hn::Set(d, max)), log_sum), dst + c, n);
      });
    } else {
      each_vector(problem.classes,
                  [&](std::int64_t c, std::int64_t n) { StoreCount(hn::Div(LoadCount(dst + c, n), hn::Set(d, sum)), dst + c, n); });
    }
  }
}

/// The sum over the classes of term(c, n), which must be 0 in the lanes from n on.
template <class Term>
HWY_INLINE float sum_of(std::int64_t classes, const Term& term) {
  const D d;
  V sum = hn::Zero(d);
  each_vector(classes, [&](std::int64_t c, std::int64_t n) { sum = hn::Add(sum, term(c, n)); });
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

void sparsemax_gradient(std::int64_t classes, const float* y, const float* dy, float* dx) {
  const D d;
  const auto kept = [&](std::int64_t c, std::int64_t n) { return hn::Gt(LoadCount(y + c, n), hn::Zero(d)); };
  const float sum = sum_of(classes, [&](std::int64_t c, std::int64_t n) { return hn::IfThenElseZero(kept(c, n), LoadCount(dy + c, n)); });
  const float count = sum_of(classes, [&](std::int64_t c, std::int64_t n) { return hn::IfThenElseZero(kept(c, n), hn::Set(d, 1.0f)); });
  const V mean = hn::Set(d, sum / count);
  each_vector(classes, [&](std::int64_t c, std::int64_t n) {
    StoreCount(hn::IfThenElseZero(kept(c, n), hn::Sub(LoadCount(dy + c, n), mean)), dx + c, n);
  });
}

void softmax_gradient(const SoftmaxGradient::Problem& problem, const SoftmaxGradient::Args<float>& args) {
  const D d;
  const std::int64_t classes = problem.classes;
  for (std::int64_t r = 0; r < args.rows; ++r) {
    const float* y = args.dst + r * classes;
    const float* dy = args.ddst + r * classes;
    float* dx = args.dsrc + r * classes;
    if (problem.kind == SoftmaxKind::sparsemax) {
      sparsemax_gradient(classes, y, dy, dx);
    } else if (problem.kind == SoftmaxKind::log_softmax) {
      const V sum = hn::Set(d, sum_of(classes, [&](std::int64_t c, std::int64_t n) { return LoadCount(dy + c, n); }));
      each_vector(classes, [&](std::int64_t c, std::int64_t n) {
        StoreCount(hn::NegMulAdd(exp(LoadCount(y + c, n)), sum, LoadCount(dy + c, n)), dx + c, n);
      });
    } else {
      const V sum =
          hn::Set(d, sum_of(classes, [&](std::int64_t c, std::int64_t n) { return hn::Mul(LoadCount(dy + c, n), LoadCount(y + c, n)); }));
      each_vector(classes, [&](std::int64_t c, std::int64_t n) {
        StoreCount(hn::Mul(LoadCount(y + c, n), hn::Sub(LoadCount(dy + c, n), sum)), dx + c, n);
      });
    }
  }
}

/// The smoothed targets of n classes from c on: one-hot of the label, or from the given row; 0 in the other lanes.
struct Targets {
  Targets(const Crossentropy::Problem& problem, const Crossentropy::Args<float>& args, std::int64_t r)
      : label(args.labels == nullptr ? -1 : args.labels[r]),
        row(args.labels == nullptr ? args.targets + r * problem.classes : nullptr),
        keep(static_cast<float>(1 - problem.smoothing)),
        share(static_cast<float>(problem.smoothing) / static_cast<float>(problem.classes)),
        smooth(problem.smoothing != 0) {}

  HWY_INLINE V operator()(std::int64_t c, std::int64_t n) const {
    const D d;
    const hn::Rebind<std::int32_t, D> di;
    const auto lane = hn::Iota(di, 0);
    V q;
    if (row != nullptr)
      q = LoadCount(row + c, n);
    else if (label >= c && label < c + n)
      q = hn::IfThenElseZero(hn::RebindMask(d, hn::Eq(lane, hn::Set(di, static_cast<std::int32_t>(label - c)))), hn::Set(d, 1.0f));
    else
      q = hn::Zero(d);
    if (!smooth) return q;
    return first(hn::Add(hn::Mul(q, hn::Set(d, keep)), hn::Set(d, share)), n, 0);
  }

  std::int64_t label;
  const float* row;
  float keep, share;
  bool smooth;
};

void crossentropy(const Crossentropy::Problem& problem, const Crossentropy::Args<float>& args) {
  const D d;
  for (std::int64_t r = 0; r < args.rows; ++r) {
    const float* x = args.prediction + r * problem.classes;
    float* dx = args.dprediction == nullptr ? nullptr : args.dprediction + r * problem.classes;
    if (problem.ignores(args.labels, r)) {
      if (args.loss != nullptr) args.loss[r] = 0;
      if (dx != nullptr) std::fill_n(dx, problem.classes, 0.0f);
      continue;
    }
    const Targets targets(problem, args, r);
    const float max = largest(x, problem.classes);
    const float sum = exponentials(x, problem.classes, max, dx);
    const V shift = hn::Set(d, max), log_sum = hn::Set(d, std::log(sum));

    V losses = hn::Zero(d), all = hn::Zero(d);
    each_vector(problem.classes, [&](std::int64_t c, std::int64_t n) {
      const V q = targets(c, n);
      const V log_p = hn::Sub(hn::Sub(LoadCount(x + c, n), shift), log_sum);
      losses = hn::Sub(losses, hn::IfThenElseZero(hn::Ne(q, hn::Zero(d)), hn::Mul(q, log_p)));
      all = hn::Add(all, q);
    });
    if (args.loss != nullptr) args.loss[r] = hn::GetLane(hn::SumOfLanes(d, losses));
    if (dx == nullptr) continue;

    const V scale = hn::Div(hn::Set(d, hn::GetLane(hn::SumOfLanes(d, all))), hn::Set(d, sum));
    const V factor = hn::Set(d, args.upstream[r]);
    each_vector(problem.classes, [&](std::int64_t c, std::int64_t n) {
      StoreCount(hn::Mul(factor, hn::Sub(hn::Mul(LoadCount(dx + c, n), scale), targets(c, n))), dx + c, n);
    });
  }
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {

HWY_EXPORT(softmax);
HWY_EXPORT(softmax_gradient);
HWY_EXPORT(crossentropy);

namespace reduce {

bool VectorSoftmax::supports(const SoftmaxForward::Problem& problem) { return problem.kind != SoftmaxKind::sparsemax; }
void VectorSoftmax::run(const SoftmaxForward::Problem& problem, const SoftmaxForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(softmax)(problem, args);
}
void VectorSoftmaxGradient::run(const SoftmaxGradient::Problem& problem, const SoftmaxGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(softmax_gradient)(problem, args);
}
void VectorCrossentropy::run(const Crossentropy::Problem& problem, const Crossentropy::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(crossentropy)(problem, args);
}

}  // namespace reduce
}  // namespace linn::detail::kernels
#endif
