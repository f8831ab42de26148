// PhaseScores by rows. The rows of a phase are stride_height apart; they are summed element by element first, and only then divided by
// columns. So vectors are full for every number of channels.
//
// Loop nest: image | rows: the largest magnitude of each element of the rows of a residue; rows again: sums of whole numbers likewise |
//            elements of a row: into their phase.
// Bound by the second pass: a conversion to double, a product or two, two additions, a load and a store of the sum for each element.
// Sums and maxima of stride_height rows stay in the cache: 12 bytes an element of theirs.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/polyphase/vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/checked.h"
#include "kernels/polyphase/scores.h"
#include "kernels/polyphase/vector.h"
#include "kernels/pool/lanes-inl.h"
#include "kernels/reduce/order_free-inl.h"

#ifndef LINN_KERNELS_POLYPHASE_VECTOR_ONCE
#define LINN_KERNELS_POLYPHASE_VECTOR_ONCE
namespace linn::detail::kernels::polyphase {
namespace {

/// Sums of one map. The elements of the rows of one residue come first, then those of the next residue.
struct Sums {
  std::int64_t* units;    // of each element of stride_height rows
  std::int64_t* phases;   // of each phase
  std::int32_t* largest;  // magnitudes as bits: of each element,
  std::int32_t* most;     // of each phase
};

}  // namespace
}  // namespace linn::detail::kernels::polyphase
#endif

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::polyphase {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
namespace whole = order_free::HWY_NAMESPACE;
using pool::HWY_NAMESPACE::for_lanes;

struct Largest {
  const float* src;
  std::int32_t* largest;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const hn::RebindToSigned<D> di;
    hn::StoreU(hn::Max(hn::LoadU(di, largest + i), whole::magnitude_bits(d, src + i)), di, largest + i);
  }
};

template <PhaseScore score>
struct Add {
  const float* src;
  std::int64_t* units;
  double below_one, scale;  // powers of two: the factor that brings values below 1 (squares only), and terms into units
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const hn::Rebind<double, D> dd;
    const hn::Rebind<std::int64_t, D> di;
    auto term = hn::PromoteTo(dd, hn::LoadU(d, src + i));
    if constexpr (score == PhaseScore::l1) term = hn::Abs(term);
    if constexpr (score == PhaseScore::l2) {
      term = hn::Mul(term, hn::Set(dd, below_one));
      term = hn::Mul(term, term);  // exact: twice 24 bits
    }
    hn::StoreU(hn::Add(hn::LoadU(di, units + i), whole::units(dd, term, hn::Set(dd, scale))), di, units + i);
  }
};

void largest_of_rows(const Phases& p, const float* src, std::int32_t* largest) {
  const std::int64_t row = p.width * p.channels;
  for (std::int64_t y = 0; y < p.height; ++y) for_lanes(0, row, Largest{src + y * row, largest + y % p.stride_height * row});
}

template <PhaseScore score>
HWY_NOINLINE void add_rows(const Phases& p, const float* src, int exponent, std::int64_t* units) {
  const double scale = core::FixedPoint(score == PhaseScore::l2 ? 0 : exponent, p.elements()).scale(),
               below_one = std::ldexp(1.0, -exponent);
  const std::int64_t row = p.width * p.channels;
  constexpr std::size_t most_lanes = HWY_MAX_BYTES / sizeof(double);
  for (std::int64_t y = 0; y < p.height; ++y)
    for_lanes<most_lanes>(0, row, Add<score>{src + y * row, units + y % p.stride_height * row, below_one, scale});
}

void add_terms(const PhaseScores::Problem& problem, const float* src, int exponent, std::int64_t* units) {
  if (problem.score == PhaseScore::l1) return add_rows<PhaseScore::l1>(problem.phases, src, exponent, units);
  if (problem.score == PhaseScore::l2) return add_rows<PhaseScore::l2>(problem.phases, src, exponent, units);
  add_rows<PhaseScore::mean>(problem.phases, src, exponent, units);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::polyphase
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::polyphase {

HWY_EXPORT(largest_of_rows);
HWY_EXPORT(add_terms);

namespace {

/// Calls f(first element of a pixel, phase) for the pixels of stride_height rows.
template <class F>
void for_each_pixel(const Phases& p, const F& f) {
  for (std::int64_t i = 0; i < p.stride_height; ++i)
    for (std::int64_t x = 0; x < p.width; x += p.stride_width)
      for (std::int64_t j = 0; j < p.stride_width; ++j) f((i * p.width + x + j) * p.channels, i * p.stride_width + j);
}

std::int64_t elements_of_rows(const Phases& p) { return p.stride_height * p.width * p.channels; }

Sums sums_in(const Phases& p, float* scratch) {
  Sums s{};
  s.units = core::align_up<std::int64_t>(scratch, sizeof(std::int64_t));
  s.phases = s.units + elements_of_rows(p);
  s.largest = reinterpret_cast<std::int32_t*>(s.phases + p.count());
  s.most = s.largest + elements_of_rows(p);
  return s;
}

void score_map(const PhaseScores::Problem& problem, const float* src, const Sums& sums, float* scores) {
  const Phases& p = problem.phases;
  std::fill_n(sums.largest, elements_of_rows(p), 0);
  std::fill_n(sums.most, p.count(), 0);
  HWY_DYNAMIC_DISPATCH(largest_of_rows)(p, src, sums.largest);
  for_each_pixel(p, [&](std::int64_t first, std::int64_t phase) {
    std::int32_t largest = sums.most[phase];
    for (std::int64_t c = 0; c < p.channels; ++c) largest = std::max(largest, sums.largest[first + c]);
    sums.most[phase] = largest;
  });
  float most = 0;
  for (std::int64_t k = 0; k < p.count(); ++k) {
    scores[k] = one_nan(std::bit_cast<float>(sums.most[k]));
    if (std::isfinite(scores[k])) most = std::max(most, scores[k]);
  }
  if (problem.score == PhaseScore::linf) return;

  const int exponent = core::FixedPoint::exponent_of(static_cast<double>(most));
  std::fill_n(sums.units, elements_of_rows(p), 0);
  std::fill_n(sums.phases, p.count(), 0);
  HWY_DYNAMIC_DISPATCH(add_terms)(problem, src, exponent, sums.units);
  // Unsigned, because sums may wrap: they contain the bits of FixedPoint::rounding, and phases may be not finite.
  for_each_pixel(p, [&](std::int64_t first, std::int64_t phase) {
    std::uint64_t units = 0;
    for (std::int64_t c = 0; c < p.channels; ++c) units += static_cast<std::uint64_t>(sums.units[first + c]);
    sums.phases[phase] = static_cast<std::int64_t>(static_cast<std::uint64_t>(sums.phases[phase]) + units);
  });
  for (std::int64_t k = 0; k < p.count(); ++k) {
    if (std::isfinite(scores[k]))
      scores[k] =
          static_cast<float>(score_of(problem.score, order_free::without_rounding(sums.phases[k], p.elements()), exponent, p.elements()));
    else if (problem.score == PhaseScore::mean)
      scores[k] = static_cast<float>(order_free_mean(p, k, src));
  }
}

}  // namespace

std::int64_t VectorScores::scratch(const PhaseScores::Problem& problem, std::int64_t) {
  return 3 * (elements_of_rows(problem.phases) + problem.phases.count()) + 1;  // one to align
}

void VectorScores::run(const PhaseScores::Problem& problem, const PhaseScores::Args<float>& args) {
  const Sums sums = sums_in(problem.phases, args.scratch);
  for (std::int64_t n = 0; n < args.images; ++n)
    score_map(problem, args.src + n * problem.phases.map(), sums, args.scores + n * problem.phases.count());
}

}  // namespace linn::detail::kernels::polyphase
#endif
