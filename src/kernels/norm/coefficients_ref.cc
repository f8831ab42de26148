// References of NormCoefficients, MovingStatistics, NormGradientCoefficients, StandardCoefficients and FoldNorm.
#include <algorithm>
#include <cmath>

#include "kernels/norm/coefficients.h"

namespace linn::detail::kernels {
namespace {

double inverse_deviation(double variance, double epsilon) { return 1 / std::sqrt(variance + epsilon); }

}  // namespace

template <class T>
void NormCoefficients::reference(const Problem& problem, const Args<T>& args) {
  const std::int64_t channels = problem.channels;
  for (std::int64_t c = args.first; c < args.last; ++c) {
    if (args.mean != nullptr) {
      args.statistics[c] = static_cast<double>(args.mean[c]);
      args.statistics[channels + c] = static_cast<double>(args.variance[c]);
    }
    const double gamma = args.gamma == nullptr ? 1.0 : static_cast<double>(args.gamma[c]);
    const double beta = args.beta == nullptr ? 0.0 : static_cast<double>(args.beta[c]);
    const double scale = inverse_deviation(args.statistics[channels + c], problem.epsilon) * gamma;
    const T mean = static_cast<T>(args.statistics[c]);
    const double rest = args.statistics[c] - static_cast<double>(mean);
    args.coefficients[c] = mean;
    args.coefficients[channels + c] = static_cast<T>(scale);
    args.coefficients[2 * channels + c] = static_cast<T>(beta - rest * scale);
  }
}

template <class T>
void MovingStatistics::reference(const Problem& problem, const Args<T>& args) {
  const auto move = [&](T* moving, const double* batch) {
    for (std::int64_t c = 0; c < problem.channels; ++c)
      moving[c] = static_cast<T>(problem.momentum * static_cast<double>(moving[c]) + (1 - problem.momentum) * batch[c]);
  };
  move(args.mean, args.statistics);
  move(args.variance, args.statistics + problem.channels);
}

template <class T>
void NormGradientCoefficients::reference(const Problem& problem, const Args<T>& args) {
  const std::int64_t channels = problem.channels;
  const auto count = static_cast<double>(args.count);
  for (std::int64_t c = 0; c < channels; ++c) {
    const double inverse = inverse_deviation(args.statistics[channels + c], problem.epsilon);
    const double rest = args.statistics[c] - static_cast<double>(args.coefficients[c]);  // rounding error of the mean
    const auto sum = static_cast<double>(args.sums[c]);
    const double dgamma = (static_cast<double>(args.sums[channels + c]) - rest * sum) * inverse;
    const auto scale = static_cast<double>(args.coefficients[channels + c]);
    const double slope = -scale * inverse * dgamma / count;
    if (args.gradient_coefficients != nullptr) {
      args.gradient_coefficients[c] = static_cast<T>(slope);
      args.gradient_coefficients[channels + c] = static_cast<T>(-scale * sum / count - slope * rest);
    }
    if (args.dgamma != nullptr) args.dgamma[c] = static_cast<T>(dgamma);
    if (args.dbeta != nullptr) args.dbeta[c] = static_cast<T>(sum);
  }
}

template <class T>
void StandardCoefficients::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t c = 0; c < problem.channels; ++c) {
    const auto mean = static_cast<double>(args.mean[c]);
    const double deviation = std::max(std::sqrt(static_cast<double>(args.variance[c])), 1e-7);
    args.coefficients[c] = static_cast<T>(problem.invert ? 0 : mean);
    args.coefficients[problem.channels + c] = static_cast<T>(problem.invert ? deviation : 1 / deviation);
    args.coefficients[2 * problem.channels + c] = static_cast<T>(problem.invert ? mean : 0);
  }
}

template <class T>
void FoldNorm::reference(const Problem& problem, const Args<T>& args) {
  const std::int64_t channels = problem.channels;
  const T* mean = args.coefficients;
  const T* scale = mean + channels;
  const T* shift = scale + channels;
  for (std::int64_t r = 0; r < args.rows; ++r)
    for (std::int64_t c = 0; c < channels; ++c) args.folded[r * channels + c] = args.kernel[r * channels + c] * scale[c];
  if (args.folded_bias == nullptr) return;
  for (std::int64_t c = 0; c < channels; ++c)
    args.folded_bias[c] = ((args.bias == nullptr ? T{0} : args.bias[c]) - mean[c]) * scale[c] + shift[c];
}

#define LINN_INSTANTIATE(kernel)                                       \
  template void kernel::reference(const Problem&, const Args<float>&); \
  template void kernel::reference(const Problem&, const Args<double>&);
LINN_INSTANTIATE(NormCoefficients)
LINN_INSTANTIATE(MovingStatistics)
LINN_INSTANTIATE(NormGradientCoefficients)
LINN_INSTANTIATE(StandardCoefficients)
LINN_INSTANTIATE(FoldNorm)
#undef LINN_INSTANTIATE

}  // namespace linn::detail::kernels
