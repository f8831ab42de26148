// The references of polyphase/polyphase.h but for the choice (choice.cc): phase by phase, pixel by pixel.
#include <algorithm>
#include <cmath>

#include "core/order_free.h"
#include "core/random.h"
#include "kernels/polyphase/polyphase.h"
#include "kernels/polyphase/scores.h"

namespace linn::kernels {
namespace {

/// Calls f(pixel of the map, pixel of the phase), both offsets of the first channel, for one phase in row-major order.
template <class F>
void for_each_pixel(const Phases& p, std::int64_t phase, F&& f) {
  for (std::int64_t y = 0; y < p.rows(); ++y)
    for (std::int64_t x = 0; x < p.columns(); ++x) f(p.pixel(phase, y, x), (y * p.columns() + x) * p.channels);
}

/// The same element by element.
template <class F>
void for_each_element(const Phases& p, std::int64_t phase, F&& f) {
  for_each_pixel(p, phase, [&](std::int64_t map, std::int64_t dense) {
    for (std::int64_t c = 0; c < p.channels; ++c) f(map + c, dense + c);
  });
}

/// The largest magnitude of a phase, NaN if there is one.
template <class T>
double largest_of(const Phases& p, std::int64_t phase, const T* src) {
  double largest = 0;
  for_each_element(p, phase, [&](std::int64_t map, std::int64_t) {
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
      for_each_element(p, k, [&](std::int64_t map, std::int64_t) {
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
      for_each_pixel(p, k, [&](std::int64_t map, std::int64_t) { std::fill_n(args.dsrc + n * p.map() + map, p.channels, share); });
    }
}

template <class T>
void PhaseForward::reference(const Problem& p, const Args<T>& args) {
  for (std::int64_t n = 0; n < args.images; ++n)
    for_each_pixel(p, args.phase[n], [&](std::int64_t map, std::int64_t dense) {
      std::copy_n(args.src + n * p.map() + map, p.channels, args.dst + n * p.elements() + dense);
    });
}

template <class T>
void PhaseInputGradient::reference(const Problem& p, const Args<T>& args) {
  std::fill_n(args.dsrc, args.images * p.map(), T{0});
  for (std::int64_t n = 0; n < args.images; ++n)
    for_each_pixel(p, args.phase[n], [&](std::int64_t map, std::int64_t dense) {
      std::copy_n(args.ddst + n * p.elements() + dense, p.channels, args.dsrc + n * p.map() + map);
    });
}

template <class T>
void PhaseMixForward::reference(const Problem& p, const Args<T>& args) {
  std::fill_n(args.dst, args.images * p.elements(), T{0});
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t k = 0; k < p.count(); ++k) {
      const T weight = args.weights[n * p.count() + k];
      for_each_pixel(p, k, [&](std::int64_t map, std::int64_t dense) {
        const T* src = args.src + n * p.map() + map;
        T* dst = args.dst + n * p.elements() + dense;
        for (std::int64_t c = 0; c < p.channels; ++c) dst[c] += weight * src[c];
      });
    }
}

template <class T>
void PhaseMixGradient::reference(const Problem& p, const Args<T>& args) {
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t k = 0; k < p.count(); ++k) {
      const T weight = args.weights[n * p.count() + k];
      double sum = 0;
      for_each_element(p, k, [&](std::int64_t map, std::int64_t dense) {
        const T ddst = args.ddst[n * p.elements() + dense];
        args.dsrc[n * p.map() + map] = weight * ddst;
        sum += static_cast<double>(ddst) * static_cast<double>(args.src[n * p.map() + map]);
      });
      args.dweights[n * p.count() + k] = static_cast<T>(sum);
    }
}

template <class T>
void GumbelSoftmaxForward::reference(const Problem& problem, const Args<T>& args) {
  const core::Random random(args.seed, args.stream);
  for (std::int64_t r = 0; r < args.rows; ++r) {
    const std::int64_t row = r * problem.classes;
    T* weights = args.weights + row;
    for (std::int64_t k = 0; k < problem.classes; ++k) {
      const double gumbel = -std::log(-std::log(random.uniform53(args.first + static_cast<std::uint64_t>(row + k))));
      weights[k] = static_cast<T>((static_cast<double>(args.logits[row + k]) + gumbel) / args.temperature);
    }
    const T max = *std::max_element(weights, weights + problem.classes);
    T sum = 0;
    for (std::int64_t k = 0; k < problem.classes; ++k) sum += weights[k] = std::exp(weights[k] - max);
    for (std::int64_t k = 0; k < problem.classes; ++k) weights[k] /= sum;
  }
}

template <class T>
void GumbelSoftmaxGradient::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t r = 0; r < args.rows; ++r) {
    const T* weights = args.weights + r * problem.classes;
    const T* dweights = args.dweights + r * problem.classes;
    T sum = 0;
    for (std::int64_t k = 0; k < problem.classes; ++k) sum += dweights[k] * weights[k];
    for (std::int64_t k = 0; k < problem.classes; ++k)
      args.dlogits[r * problem.classes + k] = weights[k] * (dweights[k] - sum) / static_cast<T>(args.temperature);
  }
}

#define LINN_BOTH(kernel)                                              \
  template void kernel::reference(const Problem&, const Args<float>&); \
  template void kernel::reference(const Problem&, const Args<double>&);
LINN_BOTH(PhaseScores)
LINN_BOTH(PhaseMeansGradient)
LINN_BOTH(PhaseForward)
LINN_BOTH(PhaseInputGradient)
LINN_BOTH(PhaseMixForward)
LINN_BOTH(PhaseMixGradient)
LINN_BOTH(GumbelSoftmaxForward)
LINN_BOTH(GumbelSoftmaxGradient)
#undef LINN_BOTH

}  // namespace linn::kernels
