// Layer normalization of rows, and group normalization of images of one pixel. The elements of a group are neighbours in memory.
//
// Forward, for each group, three passes over a row in the L1 cache: the mean; the sums of the deviations (which correct the mean) and of
// their squares; the result. Gradient: one pass for the sums, one for the result.
// Error: float sums of at most 64 terms in each lane are added in double. The deviation x - mean is exact if x is close to the mean.
// Gradients of gamma and beta: sums over 256 rows are added to each other, so that errors do not grow with the number of rows.
// Measured (Zen 5, AVX-512, one core), 100,352 rows, as a share of what memcpy moves in the same run: forward 0.55 for rows of 32, 0.86
// for 64, 0.8 to 1.0 for 384 (in the L2 cache 21, 36 and 73 GB/s); gradient 0.79, 1.0, 0.8 to 1.0. Short rows are bound by their sums
// over lanes.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norm/group_rows.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>
#include <cmath>

#include "kernels/eltwise/for_each-inl.h"
#include "kernels/norm/group_vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::norm {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using eltwise::HWY_NAMESPACE::for_each;

/// Two sums of a row: term(d, i, a, b) sets what element i adds to each.
struct Sums {
  double a = 0, b = 0;
};
template <class Term>
HWY_INLINE Sums sum_row(std::int64_t count, const Term& term) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  constexpr std::int64_t lanes = hn::MaxLanes(d), block = 64 * lanes;
  Sums total;
  std::int64_t i = 0;
  while (count - i >= lanes) {
    auto a = hn::Zero(d), b = hn::Zero(d);
    const std::int64_t end = i + std::min(block, (count - i) / lanes * lanes);
    for (; i < end; i += lanes) {
      auto x = hn::Zero(d), y = hn::Zero(d);
      term(d, i, x, y);
      a = hn::Add(a, x), b = hn::Add(b, y);
    }
    total.a += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, a)));
    total.b += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, b)));
  }
  for (; i < count; ++i) {
    auto x = hn::Zero(d1), y = hn::Zero(d1);
    term(d1, i, x, y);
    total.a += static_cast<double>(hn::GetLane(x)), total.b += static_cast<double>(hn::GetLane(y));
  }
  return total;
}

/// A row's statistics as floats: x^ = ((x - mean) - rest) * inverse.
struct Normed {
  float mean, rest, inverse;

  Normed(double exact_mean, double exact_inverse)
      : mean(static_cast<float>(exact_mean)),
        rest(static_cast<float>(exact_mean - static_cast<double>(mean))),
        inverse(static_cast<float>(exact_inverse)) {}

  template <class D>
  HWY_INLINE hn::Vec<D> at(D d, const float* src) const {
    const auto deviation = hn::Sub(hn::Sub(hn::LoadU(d, src), hn::Set(d, mean)), hn::Set(d, rest));
    return hn::Mul(deviation, hn::Set(d, inverse));
  }
};

// ---- forward ----

struct Shifted {
  const float* src;
  float shift;
  template <class D, class V>
  HWY_INLINE void operator()(D d, std::int64_t i, V& sum, V& squares) const {
    sum = hn::Sub(hn::LoadU(d, src + i), hn::Set(d, shift));
    squares = hn::Mul(sum, sum);
  }
};

/// Rows whose statistics are computed side by side: a row alone waits for its sums over lanes, divisions and root.
constexpr std::int64_t together = 8;

/// Mean, or 0 where it stays, and 1 / divisor of `rows` rows, at most `together`.
HWY_INLINE void row_statistics(const GroupNormForward::Problem& problem, const float* src, std::int64_t rows, double* statistics) {
  const std::int64_t count = problem.group_channels();
  const auto terms = static_cast<double>(count);
  float means[together];
  Sums deviations[together];
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* row = src + r * count;
    means[r] = problem.is_centered() ? static_cast<float>(static_cast<double>(row[0]) + sum_row(count, Shifted{row, row[0]}).a / terms) : 0.0f;
  }
  for (std::int64_t r = 0; r < rows; ++r) deviations[r] = sum_row(count, Shifted{src + r * count, means[r]});
  for (std::int64_t r = 0; r < rows; ++r) {
    const double rest = problem.is_centered() ? deviations[r].a / terms : 0;
    statistics[2 * r] = static_cast<double>(means[r]) + rest;
    statistics[2 * r + 1] = problem.inverse(std::max(deviations[r].b / terms - rest * rest, 0.0));
  }
}

template <bool scaled, bool shifted>
struct Apply {
  const float* src;
  const float* gamma;
  const float* beta;
  float* dst;
  Normed normed;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    auto y = normed.at(d, src + i);
    if constexpr (scaled) y = hn::Mul(y, hn::LoadU(d, gamma + i));
    if constexpr (shifted) y = hn::Add(y, hn::LoadU(d, beta + i));
    hn::StoreU(y, d, dst + i);
  }
};

/// The part of a channel array that belongs to a group, or null.
HWY_INLINE const float* part_of(const float* channels, std::int64_t first) { return channels == nullptr ? nullptr : channels + first; }

void forward(const GroupNormForward::Problem& problem, const GroupNormForward::Args<float>& args) {
  const std::int64_t count = problem.group_channels(), rows = args.images * problem.groups;
  const std::int64_t most = count <= 512 ? together : 1;  // rows that stay in the L1 cache
  for (std::int64_t first = 0; first < rows; first += most) {
    const std::int64_t last = std::min(first + most, rows);
    double own[2 * together];
    double* statistics = args.statistics == nullptr ? own : args.statistics + 2 * first;
    row_statistics(problem, args.src + first * count, last - first, statistics);
    for (std::int64_t r = first; r < last; ++r) {
      const std::int64_t channel = r % problem.groups * count;
      const float* src = args.src + r * count;
      const float* gamma = part_of(args.gamma, channel);
      const float* beta = part_of(args.beta, channel);
      float* dst = args.dst + r * count;
      const Normed normed(statistics[2 * (r - first)], statistics[2 * (r - first) + 1]);
      if (gamma != nullptr && beta != nullptr)
        for_each(count, Apply<true, true>{src, gamma, beta, dst, normed});
      else if (gamma != nullptr)
        for_each(count, Apply<true, false>{src, gamma, beta, dst, normed});
      else if (beta != nullptr)
        for_each(count, Apply<false, true>{src, gamma, beta, dst, normed});
      else
        for_each(count, Apply<false, false>{src, gamma, beta, dst, normed});
    }
  }
}

// ---- gradient ----

/// ddst * gamma.
template <class D>
HWY_INLINE hn::Vec<D> passed(D d, const float* ddst, const float* gamma, std::int64_t i) {
  const auto g = hn::LoadU(d, ddst + i);
  return gamma == nullptr ? g : hn::Mul(g, hn::LoadU(d, gamma + i));
}

struct PassedSums {
  const float* src;
  const float* ddst;
  const float* gamma;
  Normed normed;
  template <class D, class V>
  HWY_INLINE void operator()(D d, std::int64_t i, V& sum, V& product) const {
    sum = passed(d, ddst, gamma, i);
    product = hn::Mul(sum, normed.at(d, src + i));
  }
};

struct ApplyGradient {
  const float* src;
  const float* ddst;
  const float* gamma;
  float* dsrc;
  Normed normed;
  float mean, slope;  // of g, and of g * x^
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto g = hn::Sub(passed(d, ddst, gamma, i), hn::Set(d, mean));
    const auto x = hn::Mul(normed.at(d, src + i), hn::Set(d, slope));
    hn::StoreU(hn::Mul(hn::Sub(g, x), hn::Set(d, normed.inverse)), d, dsrc + i);
  }
};

struct AddParameterSums {
  const float* src;
  const float* ddst;
  float* dgamma;
  float* dbeta;
  Normed normed;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto g = hn::LoadU(d, ddst + i);
    hn::StoreU(hn::Add(hn::LoadU(d, dgamma + i), hn::Mul(g, normed.at(d, src + i))), d, dgamma + i);
    hn::StoreU(hn::Add(hn::LoadU(d, dbeta + i), g), d, dbeta + i);
  }
};

struct AddRun {
  const float* src;
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    hn::StoreU(hn::Add(hn::LoadU(d, dst + i), hn::LoadU(d, src + i)), d, dst + i);
  }
};

/// One group of one image.
HWY_INLINE void group_gradient(const GroupNormGradient::Problem& problem, const GroupNormGradient::Args<float>& args, std::int64_t n,
                               std::int64_t g, float* sums) {
  const std::int64_t count = problem.group_channels(), first = g * count, at = n * problem.channels + first;
  const double* statistics = args.statistics + (n * problem.groups + g) * 2;
  const Normed normed(statistics[0], statistics[1]);
  const float* gamma = part_of(args.gamma, first);
  if (sums != nullptr)
    for_each(count, AddParameterSums{args.src + at, args.ddst + at, sums + first, sums + problem.channels + first, normed});
  if (args.dsrc == nullptr) return;
  const Sums total = sum_row(count, PassedSums{args.src + at, args.ddst + at, gamma, normed});
  const auto terms = static_cast<double>(count);
  for_each(count, ApplyGradient{args.src + at, args.ddst + at, gamma, args.dsrc + at, normed,
                                problem.is_centered() ? static_cast<float>(total.a / terms) : 0.0f,
                                static_cast<float>(total.b / terms * problem.slope_share(statistics[1]))});
}

void gradient(const GroupNormGradient::Problem& problem, const GroupNormGradient::Args<float>& args) {
  constexpr std::int64_t rows_of_a_sum = 256;
  const std::int64_t channels = problem.channels;
  const bool parameters = args.dgamma != nullptr || args.dbeta != nullptr;
  if (args.dgamma != nullptr) std::fill_n(args.dgamma, channels, 0.0f);
  if (args.dbeta != nullptr) std::fill_n(args.dbeta, channels, 0.0f);
  for (std::int64_t begin = 0; begin < args.images; begin += rows_of_a_sum) {
    const std::int64_t end = std::min(begin + rows_of_a_sum, args.images);
    if (parameters) std::fill_n(args.scratch, 2 * channels, 0.0f);
    for (std::int64_t n = begin; n < end; ++n)
      for (std::int64_t g = 0; g < problem.groups; ++g) group_gradient(problem, args, n, g, parameters ? args.scratch : nullptr);
    if (args.dgamma != nullptr) for_each(channels, AddRun{args.scratch, args.dgamma});
    if (args.dbeta != nullptr) for_each(channels, AddRun{args.scratch + channels, args.dbeta});
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::norm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::norm {

HWY_EXPORT(forward);
HWY_EXPORT(gradient);

void GroupRows::run(const GroupNormForward::Problem& problem, const GroupNormForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(forward)(problem, args);
}
void GroupRowsGradient::run(const GroupNormGradient::Problem& problem, const GroupNormGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(gradient)(problem, args);
}

}  // namespace linn::detail::kernels::norm
#endif
