// An update of one element, such as an optimizer's: any struct with
//   template <class T> auto at(T rate, std::int64_t step) const
// for T = float and double. It works out what is the same for all elements of a call, powers of decays for example, and returns the function of
// one element: void (T gradient, T& variable, T& slot...), with at most 3 slots. `step` counts from 1.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

namespace linn::detail::kernels {

inline constexpr int most_slots = 3;

template <class T>
struct ElementUpdateArgs {
  std::int64_t count;
  double learning_rate;
  std::int64_t step;  // 1 is the first
  double decay;       // weight decay: w -= decay * w before the step
  const T* gradient;
  T* variable;
  T* slots[most_slots];
  T* scratch;
};

template <class F, class T>
void run_steps(const F& f, const ElementUpdateArgs<T>& args) {
  const T rate = static_cast<T>(args.learning_rate), decay = static_cast<T>(args.decay);
  const auto step = f.template at<T>(rate, args.step);
  T* const* s = args.slots;
  for (std::int64_t i = 0; i < args.count; ++i) {
    T& w = args.variable[i];
    const T g = args.gradient[i];
    if (args.decay != 0) w -= w * decay;
    if constexpr (requires { step(g, w); })
      step(g, w);
    else if constexpr (requires { step(g, w, s[0][i]); })
      step(g, w, s[0][i]);
    else if constexpr (requires { step(g, w, s[0][i], s[1][i]); })
      step(g, w, s[0][i], s[1][i]);
    else
      step(g, w, s[0][i], s[1][i], s[2][i]);
  }
}

/// A copyable handle to a struct with `at`.
class StepFunction {
 public:
  StepFunction() = default;
  template <class F>
  static StepFunction of(F f) {
    StepFunction result;
    result.function_ = std::make_shared<const F>(std::move(f));
    result.run_float_ = [](const void* function, const ElementUpdateArgs<float>& args) { run_steps(*static_cast<const F*>(function), args); };
    result.run_double_ = [](const void* function, const ElementUpdateArgs<double>& args) { run_steps(*static_cast<const F*>(function), args); };
    return result;
  }

  void run(const ElementUpdateArgs<float>& args) const { run_float_(function_.get(), args); }
  void run(const ElementUpdateArgs<double>& args) const { run_double_(function_.get(), args); }

 private:
  std::shared_ptr<const void> function_;
  void (*run_float_)(const void*, const ElementUpdateArgs<float>&) = nullptr;
  void (*run_double_)(const void*, const ElementUpdateArgs<double>&) = nullptr;
};

}  // namespace linn::detail::kernels
