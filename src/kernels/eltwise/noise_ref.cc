// References of noise, element by element.
#include <cmath>
#include <numbers>

#include "core/random.h"
#include "kernels/eltwise/noise.h"

namespace linn::detail::kernels {
namespace {

/// In (0, 1), a multiple of 2^-53.
double uniform(std::uint32_t high, std::uint32_t low) {
  return (static_cast<double>((std::uint64_t{high} << 32 | low) >> 12) + 0.5) * 0x1p-52;
}

}  // namespace

NormalPair normal_pair(std::uint64_t seed, std::uint64_t stream, std::uint64_t counter) {
  const auto words = core::philox(seed, stream, counter);
  const double radius = std::sqrt(-2.0 * std::log(uniform(words[0], words[1])));
  const double angle = 2.0 * std::numbers::pi * uniform(words[2], words[3]);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

template <class T>
void SpatialDropout::reference(const Problem& p, const Args<T>& args) {
  const core::Random random(args.seed, args.stream);
  const T keep = static_cast<T>(1 - p.rate);
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t c = 0; c < p.channels; ++c) {
      const bool drop = random.uniform((args.first + static_cast<std::uint64_t>(n)) * static_cast<std::uint64_t>(p.channels) +
                                       static_cast<std::uint64_t>(c)) < p.rate;
      for (std::int64_t pixel = 0; pixel < p.pixels; ++pixel) {
        const std::int64_t at = (n * p.pixels + pixel) * p.channels + c;
        args.dst[at] = drop ? T{0} : args.src[at] / keep;
      }
    }
}

template <class T>
void GaussianNoise::reference(const Problem& problem, const Args<T>& args) {
  NormalPair pair{};
  for (std::int64_t i = 0; i < args.count; ++i) {
    const std::uint64_t number = args.first + static_cast<std::uint64_t>(i);
    if (i == 0 || number % 2 == 0) pair = normal_pair(args.seed, args.stream, number / 2);
    const double noise = problem.deviation * (number % 2 == 0 ? pair.even : pair.odd);
    args.dst[i] = problem.multiplies ? args.src[i] * static_cast<T>(1 + noise) : args.src[i] + static_cast<T>(noise);
  }
}

template void SpatialDropout::reference(const Problem&, const Args<float>&);
template void SpatialDropout::reference(const Problem&, const Args<double>&);
template void GaussianNoise::reference(const Problem&, const Args<float>&);
template void GaussianNoise::reference(const Problem&, const Args<double>&);

}  // namespace linn::detail::kernels
