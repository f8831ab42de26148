// Losses and metrics as functions that kernels call: any struct that computes one element or one row, in float and double.
//
// A loss is a struct with
//   T value(T t, T p), T slope(T t, T p)   the loss of one element with target t and prediction p, and its derivative by p.
//                                          The loss of a row is the mean over its elements, or their sum if the struct has
//                                          `static constexpr bool sums = true`;
// or with
//   T row(span<const T> t, span<const T> p, T* slopes)   the loss of the whole row; writes its derivatives to `slopes` unless that is null.
//
// A metric is a struct with
//   T row(span<const T> t, span<const T> p)              one number for the row; or row(std::int64_t label, span<const T> p);
// or with `static constexpr int counts`, the number of counts of a row, and
//   void count(span<const T> t, span<const T> p, T* counts), or count(std::int64_t label, ...).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace linn::detail::kernels {

template <class T>
struct RowLossArgs {
  std::int64_t rows;
  const T* prediction;  // [rows, width], as targets
  const T* targets;
  const T* upstream;  // [rows]: the gradient of the loss; read for dprediction only
  T* loss;            // [rows], or null
  T* dprediction;     // [rows, width], or null
  T* scratch;
};

template <class T>
struct RowCountsArgs {
  std::int64_t rows;
  const T* prediction;         // [rows, width]
  const std::int64_t* labels;  // [rows], for metrics of labels
  const T* targets;            // [rows, width], for other metrics
  T* counts;                   // [rows, counts]
  T* scratch;
};

template <class F>
constexpr bool sums_elements() {
  if constexpr (requires { F::sums; }) return F::sums;
  return false;
}

template <class F>
constexpr int counts_of() {
  if constexpr (requires { F::counts; }) return F::counts;
  return 1;
}

template <class F>
concept CountsLabels = requires(const F& f, std::span<const float> p, float* counts) { f.row(std::int64_t{0}, p); } ||
                       requires(const F& f, std::span<const float> p, float* counts) { f.count(std::int64_t{0}, p, counts); };

template <class F, class T>
void run_rows(const F& f, std::int64_t width, const RowLossArgs<T>& args) {
  for (std::int64_t r = 0; r < args.rows; ++r) {
    const T* t = args.targets + r * width;
    const T* p = args.prediction + r * width;
    T* dp = args.dprediction == nullptr ? nullptr : args.dprediction + r * width;
    if constexpr (requires { f.row(std::span<const T>(), std::span<const T>(), dp); }) {
      const auto size = static_cast<std::size_t>(width);
      const T loss = f.row(std::span<const T>(t, size), std::span<const T>(p, size), dp);
      if (args.loss != nullptr) args.loss[r] = loss;
      for (std::int64_t c = 0; dp != nullptr && c < width; ++c) dp[c] *= args.upstream[r];
    } else {
      const T share = sums_elements<F>() ? T{1} : static_cast<T>(width);
      T sum = 0;
      for (std::int64_t c = 0; args.loss != nullptr && c < width; ++c) sum += f.value(t[c], p[c]);
      if (args.loss != nullptr) args.loss[r] = sum / share;
      for (std::int64_t c = 0; dp != nullptr && c < width; ++c) dp[c] = args.upstream[r] * f.slope(t[c], p[c]) / share;
    }
  }
}

template <class F, class T>
void run_rows(const F& f, std::int64_t width, const RowCountsArgs<T>& args) {
  const auto size = static_cast<std::size_t>(width);
  for (std::int64_t r = 0; r < args.rows; ++r) {
    const std::span<const T> p(args.prediction + r * width, size);
    T* counts = args.counts + r * counts_of<F>();
    const auto run = [&](auto target) {
      if constexpr (requires { F::counts; })
        f.count(target, p, counts);
      else
        *counts = f.row(target, p);
    };
    if constexpr (CountsLabels<F>)
      run(args.labels[r]);
    else
      run(std::span<const T>(args.targets + r * width, size));
  }
}

/// A copyable handle to a loss (ArgsOf = RowLossArgs) or a metric (RowCountsArgs).
template <template <class> class ArgsOf>
class RowFunction {
 public:
  RowFunction() = default;
  template <class F>
  static RowFunction of(F f) {
    RowFunction result;
    result.function_ = std::make_shared<const F>(std::move(f));
    result.run_float_ = [](const void* function, std::int64_t width, const ArgsOf<float>& args) { run_rows(*static_cast<const F*>(function), width, args); };
    result.run_double_ = [](const void* function, std::int64_t width, const ArgsOf<double>& args) { run_rows(*static_cast<const F*>(function), width, args); };
    return result;
  }

  void run(std::int64_t width, const ArgsOf<float>& args) const { run_float_(function_.get(), width, args); }
  void run(std::int64_t width, const ArgsOf<double>& args) const { run_double_(function_.get(), width, args); }

 private:
  std::shared_ptr<const void> function_;
  void (*run_float_)(const void*, std::int64_t, const ArgsOf<float>&) = nullptr;
  void (*run_double_)(const void*, std::int64_t, const ArgsOf<double>&) = nullptr;
};

using LossFunction = RowFunction<RowLossArgs>;
using CountFunction = RowFunction<RowCountsArgs>;

}  // namespace linn::detail::kernels
