// Gumbel softmax: differentiable random choice of a phase while LPS is trained (see polyphase.h).
#pragma once

#include <cstdint>
#include <string_view>

namespace linn::detail::kernels {

/// weights[r] = softmax((logits[r] + g) / temperature) with g = -log(-log(u)), drawn for each logit (Jang, Gu, Poole, "Categorical
/// reparameterization with Gumbel-softmax", ICLR 2017, equation 2). u is a function of (seed, stream, number of the logit).
struct GumbelSoftmaxForward {
  static constexpr std::string_view name = "gumbel_softmax_forward";
  struct Problem {
    std::int64_t classes = 0;
  };
  template <class T>
  struct Args {
    std::int64_t rows;
    std::uint64_t seed, stream, first;  // `first`: number of the first logit
    double temperature;
    const T* logits;
    T* weights;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dlogits = weights * (dweights - sum(dweights * weights)) / temperature, row by row.
struct GumbelSoftmaxGradient {
  static constexpr std::string_view name = "gumbel_softmax_gradient";
  using Problem = GumbelSoftmaxForward::Problem;
  template <class T>
  struct Args {
    std::int64_t rows;
    double temperature;
    const T* weights;  // the forward result
    const T* dweights;
    T* dlogits;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
