// References of layer and group normalization, group by group, with sums in double.
#include <algorithm>
#include <cmath>

#include "core/order_free.h"
#include "kernels/norm/group.h"

namespace linn::detail::kernels {
namespace {

/// One group of one image: its elements, pixel by pixel.
struct Group {
  const GroupNormForward::Problem& problem;
  std::int64_t image, group;

  std::int64_t channel(std::int64_t term) const { return group * problem.group_channels() + term % problem.group_channels(); }
  /// Offset of a term in the memory of all images.
  std::int64_t at(std::int64_t term) const {
    return (image * problem.pixels + term / problem.group_channels()) * problem.channels + channel(term);
  }
};

template <class F>
void for_each_group(const GroupNormForward::Problem& problem, std::int64_t images, const F& f) {
  for (std::int64_t image = 0; image < images; ++image)
    for (std::int64_t group = 0; group < problem.groups; ++group) f(Group{problem, image, group});
}

struct Statistics {
  double mean, inverse;
};

template <class T>
Statistics statistics_of(const Group& group, const T* src) {
  const std::int64_t terms = group.problem.terms();
  const auto value = [&](std::int64_t term) { return static_cast<double>(src[group.at(term)]); };
  const double mean = group.problem.is_centered() ? core::order_free_sum(terms, value) / static_cast<double>(terms) : 0;
  const auto square = [&](std::int64_t term) { return (value(term) - mean) * (value(term) - mean); };
  const double variance = core::order_free_sum(terms, square) / static_cast<double>(terms);
  return {mean, group.problem.inverse(variance)};
}

}  // namespace

template <class T>
void GroupNormForward::reference(const Problem& problem, const Args<T>& args) {
  for_each_group(problem, args.images, [&](const Group& group) {
    const auto [mean, inverse] = statistics_of(group, args.src);
    if (args.statistics != nullptr) {
      double* statistics = args.statistics + (group.image * problem.groups + group.group) * 2;
      statistics[0] = mean, statistics[1] = inverse;
    }
    for (std::int64_t term = 0; term < problem.terms(); ++term) {
      const std::int64_t at = group.at(term), c = group.channel(term);
      const double scale = args.gamma == nullptr ? 1.0 : static_cast<double>(args.gamma[c]);
      const double shift = args.beta == nullptr ? 0.0 : static_cast<double>(args.beta[c]);
      args.dst[at] = static_cast<T>((static_cast<double>(args.src[at]) - mean) * inverse * scale + shift);
    }
  });
}

template <class T>
void GroupNormGradient::reference(const Problem& problem, const Args<T>& args) {
  if (args.dgamma != nullptr) std::fill_n(args.dgamma, problem.channels, T{0});
  if (args.dbeta != nullptr) std::fill_n(args.dbeta, problem.channels, T{0});
  for_each_group(problem, args.images, [&](const Group& group) {
    const double* statistics = args.statistics + (group.image * problem.groups + group.group) * 2;
    const auto normed = [&](std::int64_t at) { return (static_cast<double>(args.src[at]) - statistics[0]) * statistics[1]; };
    const auto passed = [&](std::int64_t term) {
      const double scale = args.gamma == nullptr ? 1.0 : static_cast<double>(args.gamma[group.channel(term)]);
      return static_cast<double>(args.ddst[group.at(term)]) * scale;
    };
    double sum = 0, product = 0;
    for (std::int64_t term = 0; term < problem.terms(); ++term) {
      const std::int64_t at = group.at(term), c = group.channel(term);
      sum += passed(term);
      product += passed(term) * normed(at);
      if (args.dgamma != nullptr) args.dgamma[c] += static_cast<T>(static_cast<double>(args.ddst[at]) * normed(at));
      if (args.dbeta != nullptr) args.dbeta[c] += args.ddst[at];
    }
    if (args.dsrc == nullptr) return;
    const auto terms = static_cast<double>(problem.terms());
    const double mean = problem.is_centered() ? sum / terms : 0, slope = product / terms * problem.slope_share(statistics[1]);
    for (std::int64_t term = 0; term < problem.terms(); ++term) {
      const std::int64_t at = group.at(term);
      args.dsrc[at] = static_cast<T>((passed(term) - mean - normed(at) * slope) * statistics[1]);
    }
  });
}

template void GroupNormForward::reference(const Problem&, const Args<float>&);
template void GroupNormForward::reference(const Problem&, const Args<double>&);
template void GroupNormGradient::reference(const Problem&, const Args<float>&);
template void GroupNormGradient::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
