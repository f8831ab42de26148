// References of NormMoments and NormStatistics.
#include <algorithm>
#include <array>
#include <cstdint>

#include "core/tree.h"
#include "kernels/norm/join.h"
#include "kernels/norm/norm.h"

namespace linn::detail::kernels {

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

constexpr std::int64_t group = 16;                       // channels computed together, so that the compiler vectorizes the loops
constexpr int most_slots = core::tree_slots(1LL << 40);  // enough for every number of shards that fits memory

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

}  // namespace

template <class T>
void NormStatistics::reference(const Problem& problem, const Args<T>& args) {
  for (std::int64_t c = args.first; c < args.last; c += group) statistics_of_group(problem, args, c, std::min(group, args.last - c));
}

template void NormMoments::reference(const Problem&, const Args<float>&);
template void NormMoments::reference(const Problem&, const Args<double>&);
template void NormStatistics::reference(const Problem&, const Args<float>&);
template void NormStatistics::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
