// References of PhaseScores and PhaseMeansGradient.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/order_free.h"
#include "kernels/polyphase/for_each.h"
#include "kernels/polyphase/polyphase.h"
#include "kernels/polyphase/scores.h"

namespace linn::detail::kernels {

namespace {

/// The largest magnitude of a phase, NaN if there is one.
template <class T>
double largest_of(const Phases& p, std::int64_t phase, const T* src) {
  double largest = 0;
  polyphase::for_each_element(p, phase, [&](std::int64_t map, std::int64_t) {
    const double magnitude = std::abs(static_cast<double>(src[map]));
    if (std::isnan(magnitude) || magnitude > largest) largest = magnitude;
  });
  return largest;
}

}  // namespace

template <class T>
void PhaseScores::reference(const Problem& problem, const Args<T>& args) {
  const Phases& p = problem.phases;
  for (std::int64_t n = 0; n < args.images; ++n) {
    const T* src = args.src + n * p.map();
    T* scores = args.scores + n * p.count();
    double most = 0;
    for (std::int64_t k = 0; k < p.count(); ++k) {
      scores[k] = polyphase::one_nan(static_cast<T>(largest_of(p, k, src)));
      if (std::isfinite(scores[k])) most = std::max(most, static_cast<double>(scores[k]));
    }
    if (problem.score == PhaseScore::linf) continue;
    const int exponent = core::FixedPoint::exponent_of(most);
    for (std::int64_t k = 0; k < p.count(); ++k) {
      if (!std::isfinite(scores[k])) {
        if (problem.score == PhaseScore::mean) scores[k] = static_cast<T>(polyphase::order_free_mean(p, k, src));
        continue;
      }
      const core::FixedPoint fixed(problem.score == PhaseScore::l2 ? 0 : exponent, p.elements());
      const double below_one = std::ldexp(1.0, -std::max(exponent, -1000));
      std::int64_t units = 0;
      polyphase::for_each_element(p, k, [&](std::int64_t map, std::int64_t) {
        const auto value = static_cast<double>(src[map]);
        const double small = value * below_one;  // its square is no denormal and does not overflow
        units += fixed.units(problem.score == PhaseScore::l2 ? small * small : problem.score == PhaseScore::l1 ? std::abs(value) : value);
      });
      scores[k] = static_cast<T>(polyphase::score_of(problem.score, units, exponent, p.elements()));
    }
  }
}

template <class T>
void PhaseMeansGradient::reference(const Problem& p, const Args<T>& args) {
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t k = 0; k < p.count(); ++k) {
      const T share = args.dscores[n * p.count() + k] / static_cast<T>(p.elements());
      polyphase::for_each_pixel(p, k, [&](std::int64_t map, std::int64_t) { std::fill_n(args.dsrc + n * p.map() + map, p.channels, share); });
    }
}

template void PhaseScores::reference(const Problem&, const Args<float>&);
template void PhaseScores::reference(const Problem&, const Args<double>&);
template void PhaseMeansGradient::reference(const Problem&, const Args<float>&);
template void PhaseMeansGradient::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
