// References of softmax and crossentropy.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "kernels/reduce/loss.h"
#include "kernels/reduce/softmax.h"

namespace linn::detail::kernels {
namespace {

/// log(sum of exp) as max + log_sum; the maximum is subtracted first, so that nothing overflows.
template <class T>
struct LogSumExp {
  T max, log_sum;  // log(sum of exp) is their sum
  LogSumExp(const T* values, std::int64_t count) {
    max = *std::max_element(values, values + count);
    T sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += std::exp(values[i] - max);
    log_sum = std::log(sum);
  }
};

// Michelot, "A finite algorithm for finding the projection of a point onto the canonical simplex", 1986: computes the threshold of all
// entries, then again of the entries above it, until none is dropped. The maximum is subtracted first, so that the largest entry (0) is
// above every threshold and stays. dst may be src.
template <class T>
void sparsemax_row(const T* src, T* dst, std::int64_t classes) {
  const T max = *std::max_element(src, src + classes);
  for (std::int64_t c = 0; c < classes; ++c) dst[c] = src[c] - max;
  T threshold = -std::numeric_limits<T>::infinity();
  for (std::int64_t before = -1, kept = 0; kept != before;) {
    before = std::exchange(kept, 0);
    T sum = 0;
    for (std::int64_t c = 0; c < classes; ++c)
      if (!(dst[c] <= threshold)) sum += dst[c], ++kept;  // NaN is kept, and makes the threshold NaN
    threshold = (sum - 1) / static_cast<T>(kept);
  }
  for (std::int64_t c = 0; c < classes; ++c) dst[c] = dst[c] <= threshold ? T{0} : dst[c] - threshold;
}

template <class T>
void sparsemax_gradient_row(const T* dst, const T* ddst, T* dsrc, std::int64_t classes) {
  T sum = 0, kept = 0;
  for (std::int64_t c = 0; c < classes; ++c)
    if (dst[c] > 0) sum += ddst[c], ++kept;
  for (std::int64_t c = 0; c < classes; ++c) dsrc[c] = dst[c] > 0 ? ddst[c] - sum / kept : T{0};
}

/// The smoothed target of class c: one-hot of the label, or from the given row.
template <class T>
T target(const Crossentropy::Problem& problem, const Crossentropy::Args<T>& args, std::int64_t r, std::int64_t c) {
  const T hard = args.labels == nullptr ? args.targets[r * problem.classes + c] : static_cast<T>(args.labels[r] == c ? 1 : 0);
  if (problem.smoothing == 0) return hard;
  return hard * static_cast<T>(1 - problem.smoothing) + static_cast<T>(problem.smoothing) / static_cast<T>(problem.classes);
}

}  // namespace

template <class T>
void SoftmaxForward::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t r = 0; r < args.rows; ++r) {
    const T* src = args.src + r * problem.classes;
    T* dst = args.dst + r * problem.classes;
    if (problem.kind == SoftmaxKind::sparsemax) {
      sparsemax_row(src, dst, problem.classes);
      continue;
    }
    const T max = *std::max_element(src, src + problem.classes);
    T sum = 0;
    for (std::int64_t c = 0; c < problem.classes; ++c) sum += std::exp(src[c] - max);
    for (std::int64_t c = 0; c < problem.classes; ++c)
      dst[c] = problem.kind == SoftmaxKind::log_softmax ? src[c] - max - std::log(sum) : std::exp(src[c] - max) / sum;
  }
}

template <class T>
void SoftmaxGradient::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t r = 0; r < args.rows; ++r) {
    const T* dst = args.dst + r * problem.classes;
    const T* ddst = args.ddst + r * problem.classes;
    T* dsrc = args.dsrc + r * problem.classes;
    if (problem.kind == SoftmaxKind::sparsemax) {
      sparsemax_gradient_row(dst, ddst, dsrc, problem.classes);
      continue;
    }
    const bool log = problem.kind == SoftmaxKind::log_softmax;
    T sum = 0;
    for (std::int64_t c = 0; c < problem.classes; ++c) sum += log ? ddst[c] : ddst[c] * dst[c];
    for (std::int64_t c = 0; c < problem.classes; ++c) dsrc[c] = log ? ddst[c] - std::exp(dst[c]) * sum : dst[c] * (ddst[c] - sum);
  }
}

template <class T>
void Crossentropy::reference(const Problem& problem, const Args<T>& args) {
  const T low = static_cast<T>(1e-7);
  const T high = static_cast<T>(1 - 1e-7);
  for (std::int64_t r = 0; r < args.rows; ++r) {
    const T* p = args.prediction + r * problem.classes;
    T* dp = args.dprediction == nullptr ? nullptr : args.dprediction + r * problem.classes;
    if (problem.ignores(args.labels, r)) {
      if (args.loss != nullptr) args.loss[r] = 0;
      if (dp != nullptr) std::fill_n(dp, problem.classes, T{0});
      continue;
    }
    const T factor = dp == nullptr ? T{0} : args.upstream[r];
    T loss = 0;

    if (problem.prediction == Prediction::logits) {
      const LogSumExp<T> lse(p, problem.classes);
      T targets = 0;
      for (std::int64_t c = 0; c < problem.classes; ++c) {
        const T q = target(problem, args, r, c);
        targets += q;
        if (q != 0) loss -= q * (p[c] - lse.max - lse.log_sum);
      }
      for (std::int64_t c = 0; dp != nullptr && c < problem.classes; ++c)
        dp[c] = factor * (std::exp(p[c] - lse.max - lse.log_sum) * targets - target(problem, args, r, c));
    } else {
      // With s = sum(p), y = p / s and h[c] = d loss / d y[c] (0 where clipped): d loss / d p[c] = (h[c] - sum(h y)) / s.
      T s = 0;
      for (std::int64_t c = 0; c < problem.classes; ++c) s += p[c];
      T sum = 0;
      const auto slope = [&](std::int64_t c) {
        const T y = p[c] / s;
        return y > low && y < high ? -target(problem, args, r, c) / y : T{0};
      };
      for (std::int64_t c = 0; c < problem.classes; ++c) {
        const T q = target(problem, args, r, c);
        if (q != 0) loss -= q * std::log(std::clamp(p[c] / s, low, high));
        sum += slope(c) * (p[c] / s);
      }
      for (std::int64_t c = 0; dp != nullptr && c < problem.classes; ++c) dp[c] = factor * (slope(c) - sum) / s;
    }
    if (args.loss != nullptr) args.loss[r] = loss;
  }
}

#define LINN_INSTANTIATE(kernel)                                             \
  template void kernel::reference(const Problem&, const Args<float>&);       \
  template void kernel::reference(const Problem&, const Args<double>&);
LINN_INSTANTIATE(SoftmaxForward)
LINN_INSTANTIATE(SoftmaxGradient)
LINN_INSTANTIATE(Crossentropy)
#undef LINN_INSTANTIATE

}  // namespace linn::detail::kernels
