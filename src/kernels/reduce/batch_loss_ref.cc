// References of Overlap and Circle.
#include "kernels/reduce/batch_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace linn::detail::kernels {
namespace {

constexpr double epsilon = 1e-7;

/// The group of an element of an image.
std::int64_t group_of(const Overlap::Problem& problem, std::int64_t element) {
  std::int64_t group = 0, step = 1;
  for (auto axis = problem.axes.rbegin(); axis != problem.axes.rend(); ++axis) {
    if (!axis->summed) group += element % axis->size * step, step *= axis->size;
    element /= axis->size;
  }
  return group;
}

/// The sums of a group of an image: those of the first image where groups reach over the batch.
template <class Sums>
Sums* sums_of(const Overlap::Problem& problem, Sums* sums, std::int64_t image, std::int64_t group) {
  return sums + ((problem.over_batch ? 0 : image * problem.groups()) + group) * 3;
}

double below(const Overlap::Problem& problem, const double* sums) {
  return problem.of_both * sums[0] + problem.of_target * sums[1] + problem.of_prediction * sums[2] + epsilon;
}

template <class T>
void overlap_losses(const Overlap::Problem& problem, const Overlap::Args<T>& args) {
  const std::int64_t elements = problem.elements(), groups = problem.groups();
  std::fill_n(args.sums, args.images * groups * 3, 0.0);
  for (std::int64_t i = 0; i < args.images; ++i)
    for (std::int64_t e = 0; e < elements; ++e) {
      const auto t = static_cast<double>(args.targets[i * elements + e]), p = static_cast<double>(args.prediction[i * elements + e]);
      double* sums = sums_of(problem, args.sums, i, group_of(problem, e));
      sums[0] += t * p, sums[1] += t, sums[2] += p;
    }
  for (std::int64_t i = 0; i < args.images; ++i)
    for (std::int64_t g = 0; g < groups; ++g) {
      const double* sums = sums_of<const double>(problem, args.sums, i, g);
      args.loss[i * groups + g] = static_cast<T>(1 - problem.factor * sums[0] / below(problem, sums));
    }
}

// Of each element the gradient of its group's loss, which, over the batch, is that of all images.
template <class T>
void overlap_gradient(const Overlap::Problem& problem, const Overlap::Args<T>& args) {
  const std::int64_t elements = problem.elements(), groups = problem.groups();
  const auto upstream = [&](std::int64_t image, std::int64_t group) {
    if (!problem.over_batch) return static_cast<double>(args.upstream[image * groups + group]);
    double sum = 0;
    for (std::int64_t i = 0; i < args.images; ++i) sum += static_cast<double>(args.upstream[i * groups + group]);
    return sum;
  };
  std::vector<double> flows(static_cast<std::size_t>(groups));
  for (std::int64_t i = 0; i < args.images; ++i) {
    if (i == 0 || !problem.over_batch)
      for (std::int64_t g = 0; g < groups; ++g) flows[static_cast<std::size_t>(g)] = upstream(i, g);
    for (std::int64_t e = 0; e < elements; ++e) {
      const std::int64_t g = group_of(problem, e);
      const double* sums = sums_of<const double>(problem, args.sums, i, g);
      const double d = below(problem, sums), t = static_cast<double>(args.targets[i * elements + e]);
      const double slope = -problem.factor * (t / d - sums[0] * (problem.of_both * t + problem.of_prediction) / (d * d));
      args.dprediction[i * elements + e] = static_cast<T>(flows[static_cast<std::size_t>(g)] * slope);
    }
  }
}

/// The distance of two images, and what it adds to the logarithm of its sum, with its slope.
struct Pair {
  bool same = false, counts = false;
  double distance = 0, term = 0, slope = 0;
};

template <class T>
Pair pair_of(const Circle::Problem& problem, const Circle::Args<T>& args, std::int64_t i, std::int64_t j) {
  Pair pair;
  pair.same = args.labels[i] == args.labels[j];
  pair.counts = !(pair.same && i == j && problem.remove_diagonal);
  double product = 0;
  for (std::int64_t c = 0; c < problem.width; ++c)
    product += static_cast<double>(args.prediction[i * problem.width + c]) * static_cast<double>(args.prediction[j * problem.width + c]);
  const double distance = std::max(1 - product, 0.0), inside = 1 - product > 0 ? 1 : 0;
  pair.distance = distance;
  const double m = problem.margin, sign = pair.same ? -1 : 1;
  const double weight = pair.same ? std::max(m + distance, 0.0) : std::max(1 + m - distance, 0.0);
  const double away = pair.same ? m - distance : 1 - m - distance;
  const double weight_slope = weight > 0 ? (pair.same ? 1 : -1) : 0;
  pair.term = sign * problem.gamma * weight * away;
  pair.slope = inside * sign * problem.gamma * (weight_slope * away - weight);
  return pair;
}

double log_add(double a, double b) {
  const double high = std::max(a, b);
  return std::isinf(high) ? high : high + std::log1p(std::exp(std::min(a, b) - high));
}

template <class T>
void circle_losses(const Circle::Problem& problem, const Circle::Args<T>& args) {
  for (std::int64_t i = 0; i < args.images; ++i) {
    double* logs = args.logs + 2 * i;
    logs[0] = logs[1] = -std::numeric_limits<double>::infinity();
    for (std::int64_t j = 0; j < args.images; ++j) {
      const Pair pair = pair_of(problem, args, i, j);
      if (pair.counts) logs[pair.same ? 0 : 1] = log_add(logs[pair.same ? 0 : 1], pair.term);
    }
    const double sum = logs[0] + logs[1];
    args.loss[i] = static_cast<T>(std::isinf(sum) && sum < 0 ? 0 : log_add(sum, 0));
  }
}

template <class T>
void circle_gradient(const Circle::Problem& problem, const Circle::Args<T>& args) {
  std::vector<double> gradient(static_cast<std::size_t>(args.images * problem.width), 0.0);
  for (std::int64_t i = 0; i < args.images; ++i) {
    const double* logs = args.logs + 2 * i;
    const double sum = logs[0] + logs[1];
    if (std::isinf(sum) && sum < 0) continue;
    const double flow = static_cast<double>(args.upstream[i]) / (1 + std::exp(-sum));
    for (std::int64_t j = 0; j < args.images; ++j) {
      const Pair pair = pair_of(problem, args, i, j);
      if (!pair.counts) continue;
      const double by_product = -flow * std::exp(pair.term - logs[pair.same ? 0 : 1]) * pair.slope;
      for (std::int64_t c = 0; c < problem.width; ++c) {
        gradient[static_cast<std::size_t>(i * problem.width + c)] +=
            by_product * static_cast<double>(args.prediction[j * problem.width + c]);
        gradient[static_cast<std::size_t>(j * problem.width + c)] +=
            by_product * static_cast<double>(args.prediction[i * problem.width + c]);
      }
    }
  }
  std::transform(gradient.begin(), gradient.end(), args.dprediction, [](double value) { return static_cast<T>(value); });
}

}  // namespace

template <class T>
void Overlap::reference(const Problem& problem, const Args<T>& args) {
  if (args.loss != nullptr) overlap_losses(problem, args);
  if (args.dprediction != nullptr) overlap_gradient(problem, args);
}

template <class T>
void Circle::reference(const Problem& problem, const Args<T>& args) {
  if (args.loss != nullptr) circle_losses(problem, args);
  if (args.dprediction != nullptr) circle_gradient(problem, args);
}

#define LINN_INSTANTIATE(kernel)                                       \
  template void kernel::reference(const Problem&, const Args<float>&); \
  template void kernel::reference(const Problem&, const Args<double>&);
LINN_INSTANTIATE(Overlap)
LINN_INSTANTIATE(Circle)
#undef LINN_INSTANTIATE

}  // namespace linn::detail::kernels
