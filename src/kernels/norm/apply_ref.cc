// References of NormForward, NormGradientSums and NormInputGradient.
#include <cstdint>

#include "kernels/norm/norm.h"

namespace linn::detail::kernels {

namespace {

// The result of NormForward before its activation.
template <class T>
T normalized(const T* coefficients, std::int64_t channels, std::int64_t c, T x) {
  return (x - coefficients[c]) * coefficients[channels + c] + coefficients[2 * channels + c];
}

// ddst times the derivative of the activation.
template <class T>
T gradient_before_activation(const NormForward::Problem& problem, const T* coefficients, std::int64_t c, T x, T ddst) {
  if (problem.activation == Activation::linear) return ddst;
  return normalized(coefficients, problem.channels, c, x) > 0 ? ddst : T{0};
}

}  // namespace

template <class T>
void NormForward::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t r = 0; r < args.rows; ++r)
    for (std::int64_t c = 0; c < problem.channels; ++c) {
      const T x = args.src[r * problem.src_pitch() + c];
      args.dst[r * problem.dst_pitch() + c] = activate(problem.activation, normalized(args.coefficients, problem.channels, c, x));
    }
}

template <class T>
void NormGradientSums::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t c = 0; c < problem.channels; ++c) {
    T sum = 0, product = 0;
    for (std::int64_t r = 0; r < args.rows; ++r) {
      const T x = args.src[r * problem.src_pitch() + c];
      const T g = gradient_before_activation(problem, args.coefficients, c, x, args.ddst[r * problem.dst_pitch() + c]);
      sum += g;
      product += g * (x - args.coefficients[c]);
    }
    args.sums[c] = sum;
    args.sums[problem.channels + c] = product;
  }
}

template <class T>
void NormInputGradient::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t r = 0; r < args.rows; ++r)
    for (std::int64_t c = 0; c < problem.channels; ++c) {
      const T x = args.src[r * problem.src_pitch() + c];
      const T g = gradient_before_activation(problem, args.coefficients, c, x, args.ddst[r * problem.dst_pitch() + c]);
      T d = g * args.coefficients[problem.channels + c];
      if (args.gradient_coefficients != nullptr)
        d += (x - args.coefficients[c]) * args.gradient_coefficients[c] + args.gradient_coefficients[problem.channels + c];
      args.dsrc[r * problem.dsrc_pitch() + c] = d;
    }
}

#define LINN_INSTANTIATE(kernel)                                       \
  template void kernel::reference(const Problem&, const Args<float>&); \
  template void kernel::reference(const Problem&, const Args<double>&);
LINN_INSTANTIATE(NormForward)
LINN_INSTANTIATE(NormGradientSums)
LINN_INSTANTIATE(NormInputGradient)
#undef LINN_INSTANTIATE

}  // namespace linn::detail::kernels
