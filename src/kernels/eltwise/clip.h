// Penalties of weights, and limits of gradients: on pieces of a weight or a gradient.
#pragma once

#include <cstdint>
#include <string_view>

namespace linn::detail::kernels {

/// *penalty = l1 * sum of |src| + l2 * sum of src^2, in double. With a factor of 0 a sum is left out, even if it is infinite.
struct Penalty {
  static constexpr std::string_view name = "penalty";
  struct Problem {
    double l1 = 0, l2 = 0;
  };
  template <class T>
  struct Args {
    std::int64_t count;
    const T* src;
    double* penalty;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dsrc = l1 * sign(src) + 2 * l2 * src, the gradient of Penalty; sign(0) is 0.
struct PenaltyGradient {
  static constexpr std::string_view name = "penalty_gradient";
  using Problem = Penalty::Problem;
  template <class T>
  struct Args {
    std::int64_t count;
    const T* src;
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// *total = the sum of a list, on top of what it was if `adds`. In this order.
struct Total {
  static constexpr std::string_view name = "total";
  struct Problem {};
  template <class T>
  struct Args {
    std::int64_t count;
    const double* src;
    double* total;
    bool adds;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst = src * min(1, norm / length), where length^2 is given. A length that is not finite makes all elements NaN or 0.
struct ClipNorm {
  static constexpr std::string_view name = "clip_norm";
  struct Problem {
    double norm = 0;
  };
  template <class T>
  struct Args {
    std::int64_t count;
    const T* src;
    const double* squared_length;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst = src, but at least -limit and at most limit.
struct ClipValue {
  static constexpr std::string_view name = "clip_value";
  struct Problem {
    double limit = 0;
  };
  template <class T>
  struct Args {
    std::int64_t count;
    const T* src;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
