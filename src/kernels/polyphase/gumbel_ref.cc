// References of GumbelSoftmaxForward and GumbelSoftmaxGradient.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/random.h"
#include "kernels/polyphase/gumbel.h"

namespace linn::detail::kernels {

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

template void GumbelSoftmaxForward::reference(const Problem&, const Args<float>&);
template void GumbelSoftmaxForward::reference(const Problem&, const Args<double>&);
template void GumbelSoftmaxGradient::reference(const Problem&, const Args<float>&);
template void GumbelSoftmaxGradient::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
