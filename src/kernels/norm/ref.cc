// The references of batch normalization.
#include <algorithm>
#include <array>

#include "core/tree.h"
#include "kernels/norm/join.h"
#include "kernels/norm/norm.h"

namespace linn::kernels {

template <class T>
void NormMoments::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t n = 0; n < args.images; ++n) {
    const T* image = args.src + n * problem.pixels * problem.src_pitch();
    double* moments = args.moments + n * 2 * problem.channels;
    for (std::int64_t c = 0; c < problem.channels; ++c) {
      double mean = 0, squares = 0;
      for (std::int64_t p = 0; p < problem.pixels; ++p) mean += static_cast<double>(image[p * problem.src_pitch() + c]);
      mean /= static_cast<double>(problem.pixels);
      for (std::int64_t p = 0; p < problem.pixels; ++p) {
        const double deviation = static_cast<double>(image[p * problem.src_pitch() + c]) - mean;
        squares += deviation * deviation;
      }
      moments[c] = mean;
      moments[problem.channels + c] = squares;
    }
  }
}

namespace {

constexpr std::int64_t group = 16;                       // channels side by side, so that the compiler makes vectors of them
constexpr int most_slots = core::tree_slots(1LL << 40);  // of any number of shards that fits memory

struct Moments {
  std::int64_t count = 0;
  std::array<double, group> mean{}, squares{};

  void join(const Moments& other, std::int64_t channels) {
    norm::join_moments(channels, count, mean.data(), squares.data(), other.count, other.mean.data(), other.squares.data());
    count += other.count;
  }
};

template <class T>
Moments moments_of_image(const NormStatistics::Problem& problem, const NormStatistics::Args<T>& args, std::int64_t image,
                         std::int64_t first, std::int64_t channels) {
  Moments moments{.count = problem.pixels};
  if (args.moments == nullptr) {
    for (std::int64_t c = 0; c < channels; ++c)
      moments.mean[static_cast<std::size_t>(c)] = static_cast<double>(args.src[image * problem.channels + first + c]);
  } else {
    const double* from = args.moments + image * 2 * problem.channels + first;
    std::copy_n(from, channels, moments.mean.data());
    std::copy_n(from + problem.channels, channels, moments.squares.data());
  }
  return moments;
}

template <class T>
void statistics_of_group(const NormStatistics::Problem& problem, const NormStatistics::Args<T>& args, std::int64_t first,
                         std::int64_t channels) {
  std::array<Moments, most_slots> slots;
  const auto slot = [&](int index) -> Moments& { return slots[static_cast<std::size_t>(index)]; };
  core::TreeSum tree([&](int into, int from) { slot(into).join(slot(from), channels); });
  for (std::int64_t shard = 0; shard < args.images; shard += problem.shard) {
    Moments& sum = slot(tree.slot());
    sum = moments_of_image(problem, args, shard, first, channels);
    for (std::int64_t image = shard + 1; image < std::min(shard + problem.shard, args.images); ++image)
      sum.join(moments_of_image(problem, args, image, first, channels), channels);
    tree.push();
  }
  tree.finish();
  for (std::int64_t c = 0; c < channels; ++c) {
    args.statistics[first + c] = slot(0).mean[static_cast<std::size_t>(c)];
    args.statistics[problem.channels + first + c] = slot(0).squares[static_cast<std::size_t>(c)] / static_cast<double>(slot(0).count);
  }
}

// NormForward's result before its activation.
template <class T>
T normalized(const T* coefficients, std::int64_t channels, std::int64_t c, T x) {
  return (x - coefficients[c]) * coefficients[channels + c] + coefficients[2 * channels + c];
}

// The gradient that passes the activation.
template <class T>
T passed(const NormForward::Problem& problem, const T* coefficients, std::int64_t c, T x, T ddst) {
  if (problem.activation == Activation::linear) return ddst;
  return normalized(coefficients, problem.channels, c, x) > 0 ? ddst : T{0};
}

}  // namespace

template <class T>
void NormStatistics::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t c = args.first; c < args.last; c += group) statistics_of_group(problem, args, c, std::min(group, args.last - c));
}

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
      const T g = passed(problem, args.coefficients, c, x, args.ddst[r * problem.dst_pitch() + c]);
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
      const T g = passed(problem, args.coefficients, c, x, args.ddst[r * problem.dst_pitch() + c]);
      T d = g * args.coefficients[problem.channels + c];
      if (args.gradient_coefficients != nullptr)
        d += (x - args.coefficients[c]) * args.gradient_coefficients[c] + args.gradient_coefficients[problem.channels + c];
      args.dsrc[r * problem.dsrc_pitch() + c] = d;
    }
}

#define LINN_INSTANTIATE(kernel)                                       \
  template void kernel::reference(const Problem&, const Args<float>&); \
  template void kernel::reference(const Problem&, const Args<double>&);
LINN_INSTANTIATE(NormMoments)
LINN_INSTANTIATE(NormStatistics)
LINN_INSTANTIATE(NormForward)
LINN_INSTANTIATE(NormGradientSums)
LINN_INSTANTIATE(NormInputGradient)
#undef LINN_INSTANTIATE

}  // namespace linn::kernels
