// Losses and metrics as functions that kernels call: any struct that computes one element or one row, in float and double.
//
// A loss is a struct with
//   T value(T t, T p), T slope(T t, T p)   the loss of one element with target t and prediction p, and its derivative by p.
//                                          The loss of a row is the mean over its elements, or their sum if the struct has
//                                          `static constexpr bool sums = true`;
// or with
//   T row(span<const T> t, span<const T> p, T* slopes)   the loss of the whole row; writes its derivatives to `slopes` unless that is null;
// or with
//   T row(std::int64_t label, span<const T> p, T* slopes)   the same of a label.
//
// A metric is a struct with
//   T row(span<const T> t, span<const T> p)              one number for the row; or row(std::int64_t label, span<const T> p);
// or with
//   void add(span<const T> t, span<const T> p, double weight, double* totals)   adds a row to its totals; or add(std::int64_t label, ...).
// It may have both forms, of targets and of labels.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace linn::detail::kernels {

template <class T>
struct RowLossArgs {
  std::int64_t rows;
  const T* prediction;         // [rows, width], as targets
  const std::int64_t* labels;  // [rows], for losses of labels
  const T* targets;            // for other losses
  const T* upstream;           // [rows]: the gradient of the loss; read for dprediction only
  T* loss;                     // [rows], or null
  T* dprediction;              // [rows, width], or null
  T* scratch;
};

template <class T>
struct RowMetricArgs {
  std::int64_t rows;
  const T* prediction;         // [rows, width]
  const std::int64_t* labels;  // [rows], for metrics of labels
  const T* targets;            // [rows, width], for other metrics
  T* values;                   // [rows]
  T* scratch;
};

template <class T>
struct RowTotalsArgs {
  std::int64_t images;
  std::int64_t rows;           // of an image
  const T* prediction;         // [images, rows, width]
  const std::int64_t* labels;  // [images, rows], for metrics of labels
  const T* targets;            // [images, rows, width], for other metrics
  const T* weight;             // [images], or null: 1
  double* totals;
  T* scratch;
};

template <class F>
constexpr bool sums_elements() {
  if constexpr (requires { F::sums; }) return F::sums;
  return false;
}

/// Whether a function has a form of labels, and one of targets that are shaped like the prediction.
template <class F>
concept OfLabels = requires(const F& f, std::span<const float> p) { f.row(std::int64_t{0}, p); } ||
                   requires(const F& f, std::span<const float> p, float* slopes) { f.row(std::int64_t{0}, p, slopes); } ||
                   requires(const F& f, std::span<const float> p, double* totals) { f.add(std::int64_t{0}, p, 1.0, totals); };
template <class F>
concept OfTargets = requires(const F& f, std::span<const float> p) { f.row(p, p); } ||
                    requires(const F& f, std::span<const float> p, float* slopes) { f.row(p, p, slopes); } ||
                    requires(const F& f, std::span<const float> p, double* totals) { f.add(p, p, 1.0, totals); };

/// Calls `use` with the label of row r, or with its targets where there are no labels.
template <class F, class T, class Use>
void with_target(const std::int64_t* labels, const T* targets, std::int64_t r, std::int64_t width, const Use& use) {
  if constexpr (OfLabels<F>)
    if (labels != nullptr) return use(labels[r]);
  if constexpr (OfTargets<F>) use(std::span<const T>(targets + r * width, static_cast<std::size_t>(width)));
}

template <class F, class T>
void run_rows(const F& f, std::int64_t width, const RowLossArgs<T>& args) {
  for (std::int64_t r = 0; r < args.rows; ++r) {
    const T* p = args.prediction + r * width;
    T* dp = args.dprediction == nullptr ? nullptr : args.dprediction + r * width;
    if constexpr (OfLabels<F> || OfTargets<F>) {
      with_target<F>(args.labels, args.targets, r, width, [&](auto target) {
        const T loss = f.row(target, std::span<const T>(p, static_cast<std::size_t>(width)), dp);
        if (args.loss != nullptr) args.loss[r] = loss;
      });
      for (std::int64_t c = 0; dp != nullptr && c < width; ++c) dp[c] *= args.upstream[r];
    } else {
      const T* t = args.targets + r * width;
      const T share = sums_elements<F>() ? T{1} : static_cast<T>(width);
      T sum = 0;
      for (std::int64_t c = 0; args.loss != nullptr && c < width; ++c) sum += f.value(t[c], p[c]);
      if (args.loss != nullptr) args.loss[r] = sum / share;
      for (std::int64_t c = 0; dp != nullptr && c < width; ++c) dp[c] = args.upstream[r] * f.slope(t[c], p[c]) / share;
    }
  }
}

template <class F, class T>
void run_rows(const F& f, std::int64_t width, const RowMetricArgs<T>& args) {
  for (std::int64_t r = 0; r < args.rows; ++r) {
    const std::span<const T> p(args.prediction + r * width, static_cast<std::size_t>(width));
    with_target<F>(args.labels, args.targets, r, width, [&](auto target) { args.values[r] = f.row(target, p); });
  }
}

template <class F, class T>
void run_rows(const F& f, std::int64_t width, const RowTotalsArgs<T>& args) {
  for (std::int64_t r = 0; r < args.images * args.rows; ++r) {
    const double weight = args.weight == nullptr ? 1.0 : static_cast<double>(args.weight[r / args.rows]);
    const std::span<const T> p(args.prediction + r * width, static_cast<std::size_t>(width));
    with_target<F>(args.labels, args.targets, r, width, [&](auto target) { f.add(target, p, weight, args.totals); });
  }
}

/// A copyable handle to a loss (ArgsOf = RowLossArgs) or a metric (RowMetricArgs, RowTotalsArgs).
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
using MetricFunction = RowFunction<RowMetricArgs>;
using TotalsFunction = RowFunction<RowTotalsArgs>;

}  // namespace linn::detail::kernels
