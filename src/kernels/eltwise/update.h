// One step of an optimizer on an array of elements, with the formulas of Keras 3. Each begins with the weight decay: w -= decay * w.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/eltwise/step_function.h"

namespace linn::detail::kernels {

/// Kingma and Ba, "Adam", ICLR 2015, the form before section 2.1 ("epsilon hat"), as Keras has it:
/// m += (g - m)(1 - b1); v += (g*g - v)(1 - b2); w -= alpha * m / (sqrt(v) + epsilon), alpha = lr sqrt(1 - b2^t) / (1 - b1^t).
/// amsgrad: vhat = max(vhat, v) replaces v in the last formula.
struct AdamUpdate {
  static constexpr std::string_view name = "adam_update";
  struct Problem {
    double beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7;
    bool amsgrad = false;
  };
  template <class T>
  struct Args {
    std::int64_t count;
    double alpha;
    double decay;
    const T* gradient;
    T* variable;
    T* momentum;
    T* velocity;
    T* velocity_hat;  // null without amsgrad
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// momentum 0: w -= lr g. Else m = mu m - lr g and w += m, or with nesterov w += mu m - lr g.
struct SgdUpdate {
  static constexpr std::string_view name = "sgd_update";
  struct Problem {
    double momentum = 0;
    bool nesterov = false;
  };
  template <class T>
  struct Args {
    std::int64_t count;
    double learning_rate;
    double decay;
    const T* gradient;
    T* variable;
    T* momentum;  // null when momentum is 0
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// v = rho v + (1 - rho) g*g; centered: a = rho a + (1 - rho) g, d = v - a*a, else d = v;
/// step = lr g / sqrt(d + epsilon); momentum: m = mu m + step, w -= m, else w -= step.
struct RmspropUpdate {
  static constexpr std::string_view name = "rmsprop_update";
  struct Problem {
    double rho = 0.9, momentum = 0, epsilon = 1e-7;
    bool centered = false;
  };
  template <class T>
  struct Args {
    std::int64_t count;
    double learning_rate;
    double decay;
    const T* gradient;
    T* variable;
    T* velocity;
    T* momentum;          // null when momentum is 0
    T* average_gradient;  // null unless centered
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// The step of any other optimizer, given by a StepFunction (step_function.h).
struct ElementUpdate {
  static constexpr std::string_view name = "element_update";
  struct Problem {
    StepFunction function = {};
  };
  template <class T>
  using Args = ElementUpdateArgs<T>;
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args) {
    problem.function.run(args);
  }
};

}  // namespace linn::detail::kernels
