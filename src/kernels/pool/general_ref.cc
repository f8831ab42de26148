// References of general pooling: for each window and channel, the cells in a list, and the formula.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/order_free.h"
#include "core/random.h"
#include "kernels/pool/general.h"
#include "kernels/pool/window.h"

namespace linn::detail::kernels {
namespace {

using Problem = GeneralPoolForward::Problem;

/// The cells of one window inside the map, in one channel, in row-major order.
template <class T>
struct Cells {
  const Problem& problem;
  std::vector<T> x;
  std::vector<std::int64_t> offset, number;  // in the image; in the window
  std::vector<T> v;                          // the parameter of each cell (gated), else one for all (empty: none)
  T uniform = 0;                             // sampled

  std::size_t count() const { return x.size(); }
  T n() const { return static_cast<T>(x.size()); }
  /// The sum of term(i).
  template <class F>
  T sum(const F& term) const {
    if (problem.whole_map) return static_cast<T>(core::order_free_sum(static_cast<std::int64_t>(count()), [&](std::int64_t i) { return term(static_cast<std::size_t>(i)); }));
    T total = 0;
    for (std::size_t i = 0; i < count(); ++i) total += term(i);
    return total;
  }
  /// The first cell with the largest value, or the first NaN.
  std::size_t argmax() const {
    std::size_t best = 0;
    for (std::size_t i = 1; i < count(); ++i)
      if (x[i] > x[best] || (std::isnan(x[i]) && !std::isnan(x[best]))) best = i;
    return best;
  }
  T mean() const {
    return sum([&](std::size_t i) { return x[i]; }) / n();
  }

  // ---- lp ----

  T largest_magnitude() const {
    T largest = 0;
    for (const T value : x) largest = std::abs(value) > largest || std::isnan(value) ? std::abs(value) : largest;
    return largest;
  }
  T lp() const {
    const T p = static_cast<T>(problem.exponent), scale = largest_magnitude();
    if (scale == 0 || !std::isfinite(scale)) return scale;
    return scale * std::pow(sum([&](std::size_t i) { return std::pow(std::abs(x[i]) / scale, p); }), 1 / p);
  }
  T lp_slope(std::size_t i, T y) const {
    if (x[i] == 0 || y == 0) return 0;
    return std::copysign(std::pow(std::abs(x[i]) / y, static_cast<T>(problem.exponent) - 1), x[i]);
  }

  // ---- generalized mean ----

  T exponent() const {
    const T least = static_cast<T>(least_exponent);
    return std::abs(v[0]) < least ? std::copysign(least, v[0]) : v[0];
  }
  T clamped(std::size_t i) const { return x[i] < static_cast<T>(problem.least) ? static_cast<T>(problem.least) : x[i]; }
  T generalized_mean() const {
    const T p = exponent();
    T scale = clamped(0);
    for (std::size_t i = 1; i < count(); ++i) scale = p > 0 ? std::max(scale, clamped(i)) : std::min(scale, clamped(i));
    return scale * std::pow(sum([&](std::size_t i) { return std::pow(clamped(i) / scale, p); }) / n(), 1 / p);
  }
  T generalized_mean_slope(std::size_t i, T y) const {
    return x[i] < static_cast<T>(problem.least) ? T{0} : std::pow(clamped(i) / y, exponent() - 1) / n();
  }
  T generalized_mean_exponent_slope(T y) const {
    const T p = exponent();
    const T total = sum([&](std::size_t i) { return std::pow(clamped(i) / y, p) * std::log(clamped(i) / y); });
    return y * total / (p * n());
  }

  // ---- weighted means ----

  T weight(std::size_t i, T largest) const { return problem.function == PoolFunction::soft ? std::exp(x[i] - largest) : std::max(x[i], T{0}); }
  T largest() const { return x[argmax()]; }
  T weights() const {
    const T top = largest();
    return sum([&](std::size_t i) { return weight(i, top); });
  }
  T weighted_mean() const {
    const T top = largest(), total = weights();
    if (total == 0) return 0;
    return sum([&](std::size_t i) { return weight(i, top) / total * x[i]; });
  }
  T weighted_mean_slope(std::size_t i, T y) const {
    const T total = weights();
    if (problem.function == PoolFunction::soft) return weight(i, largest()) / total * (1 + x[i] - y);
    return x[i] > 0 ? (2 * x[i] - y) / total : T{0};
  }

  // ---- sampled ----

  /// count(): none.
  std::size_t drawn() const {
    const T threshold = uniform * weights();
    T below = 0;
    for (std::size_t i = 0; i < count(); ++i) {
      below += weight(i, 0);
      if (below > threshold) return i;
    }
    return count();
  }

  // ---- mixed and gated ----

  T share() const {
    if (problem.function == PoolFunction::mixed) return v.empty() ? static_cast<T>(problem.share) : v[0];
    const T gate = sum([&](std::size_t i) { return v[i] * x[i]; });
    return 1 / (1 + std::exp(-gate));
  }
  T mixed() const { return share() * largest() + (1 - share()) * mean(); }
  /// d value / d gate.
  T gate_slope() const { return share() * (1 - share()) * (largest() - mean()); }
  T mixed_slope(std::size_t i) const {
    const T direct = (i == argmax() ? share() : T{0}) + (1 - share()) / n();
    return problem.function == PoolFunction::mixed ? direct : direct + gate_slope() * v[i];
  }

  // ---- all ----

  T value() const {
    if (count() == 0) return problem.function == PoolFunction::generalized_mean ? static_cast<T>(problem.least) : T{0};
    switch (problem.function) {
      case PoolFunction::lp: return lp();
      case PoolFunction::generalized_mean: return generalized_mean();
      case PoolFunction::soft:
      case PoolFunction::expected: return weighted_mean();
      case PoolFunction::sampled: return drawn() < count() ? x[drawn()] : T{0};
      case PoolFunction::mixed:
      case PoolFunction::gated: break;
    }
    return mixed();
  }
  /// d value / d x[i].
  T slope(std::size_t i, T y) const {
    switch (problem.function) {
      case PoolFunction::lp: return lp_slope(i, y);
      case PoolFunction::generalized_mean: return generalized_mean_slope(i, y);
      case PoolFunction::soft:
      case PoolFunction::expected: return weighted_mean_slope(i, y);
      case PoolFunction::sampled: return i == drawn() ? T{1} : T{0};
      case PoolFunction::mixed:
      case PoolFunction::gated: break;
    }
    return mixed_slope(i);
  }
  /// Calls f(row of the parameters, d value / d parameter).
  template <class F>
  void parameter_slopes(T y, const F& f) const {
    if (problem.function == PoolFunction::generalized_mean) f(0, generalized_mean_exponent_slope(y));
    if (problem.function == PoolFunction::mixed) f(0, largest() - mean());
    if (problem.function != PoolFunction::gated) return;
    for (std::size_t i = 0; i < count(); ++i) f(number[i], gate_slope() * x[i]);
  }
};

/// Calls f(cells, image, offset in the dense output, channel) for each window and channel, in row-major order.
template <class T, class Args, class F>
void for_each_window(const Problem& problem, const Args& args, const F& f) {
  const Geometry& g = problem.geometry;
  const pool::Axis rows = pool::rows_of(g), columns = pool::columns_of(g);
  const core::Random random(args.seed, args.stream);
  for (std::int64_t image = 0; image < args.images; ++image)
    for (std::int64_t y = 0; y < g.out_height; ++y)
      for (std::int64_t x = 0; x < g.out_width; ++x)
        for (std::int64_t c = 0; c < g.channels; ++c) {
          Cells<T> cells{problem, {}, {}, {}, {}};
          const std::int64_t dense = ((image * g.out_height + y) * g.out_width + x) * g.channels + c;
          const auto parameter = [&](std::int64_t row) { return args.parameters[problem.per_channel ? row * g.channels + c : row]; };
          const bool gated = problem.function == PoolFunction::gated;
          const pool::Range i = rows.cells(y), j = columns.cells(x);
          for (std::int64_t a = i.begin; a < i.end; ++a)
            for (std::int64_t b = j.begin; b < j.end; ++b) {
              const std::int64_t offset = (rows.start(y) + a * g.dilation_height) * g.src_row + (columns.start(x) + b * g.dilation_width) * g.src_pixel + c;
              cells.x.push_back(args.src[image * g.src_image + offset]);
              cells.offset.push_back(offset);
              cells.number.push_back(a * g.window_width + b);
              if (gated) cells.v.push_back(parameter(cells.number.back()));
            }
          if (!gated && args.parameters != nullptr) cells.v.push_back(parameter(0));
          if (problem.function == PoolFunction::sampled) cells.uniform = static_cast<T>(random.uniform(args.first + static_cast<std::uint64_t>(dense)));
          f(cells, image, dense, y, x, c);
        }
}

}  // namespace

template <class T>
void GeneralPoolForward::reference(const Problem& problem, const Args<T>& args) {
  const Geometry& g = problem.geometry;
  for_each_window<T>(problem, args, [&](const Cells<T>& cells, std::int64_t image, std::int64_t, std::int64_t y, std::int64_t x, std::int64_t c) {
    args.dst[image * g.dst_image + y * g.dst_row + x * g.dst_pixel + c] = cells.value();
  });
}

template <class T>
void GeneralPoolGradient::reference(const Problem& problem, const Args<T>& args) {
  const Geometry& g = problem.geometry;
  if (args.dsrc != nullptr) std::fill_n(args.dsrc, args.images * g.src_image, T{0});
  if (args.dparameters != nullptr) std::fill_n(args.dparameters, problem.parameters(), T{0});
  for_each_window<T>(problem, args, [&](const Cells<T>& cells, std::int64_t image, std::int64_t dense, std::int64_t, std::int64_t, std::int64_t c) {
    if (cells.count() == 0) return;
    const T y = args.dst[dense], d = args.ddst[dense];
    if (args.dsrc != nullptr)
      for (std::size_t i = 0; i < cells.count(); ++i) args.dsrc[image * g.src_image + cells.offset[i]] += d * cells.slope(i, y);
    if (args.dparameters != nullptr)
      cells.parameter_slopes(y, [&](std::int64_t row, T slope) { args.dparameters[problem.per_channel ? row * g.channels + c : row] += d * slope; });
  });
}

template void GeneralPoolForward::reference(const Problem&, const Args<float>&);
template void GeneralPoolForward::reference(const Problem&, const Args<double>&);
template void GeneralPoolGradient::reference(const Problem&, const Args<float>&);
template void GeneralPoolGradient::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
