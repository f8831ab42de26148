// Random noise in training. Each random number is a function of (seed, stream, number of the element), so it does not depend on threads.
#pragma once

#include <cstdint>
#include <string_view>

namespace linn::detail::kernels {

/// Drops whole channels of an image: dst[n,p,c] = random(seed, stream, (first + n) * channels + c) < rate ? 0 : src[n,p,c] / (1 - rate).
/// The gradient is the same call on ddst. Tompson et al., "Efficient object localization using convolutional networks", 2015.
struct SpatialDropout {
  static constexpr std::string_view name = "spatial_dropout";
  struct Problem {
    double rate = 0;
    std::int64_t pixels = 1, channels = 0;
  };
  template <class T>
  struct Args {
    std::int64_t images;
    std::uint64_t seed, stream, first;  // `first`: number of the first image in the batch
    const T* src;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst[i] = src[i] + deviation * z(first + i), z standard normal; or, where `multiplies`, src[i] * (1 + deviation * z(first + i)). The gradient
/// is ddst itself, or the same call on ddst.
struct GaussianNoise {
  static constexpr std::string_view name = "gaussian_noise";
  struct Problem {
    double deviation = 0;
    bool multiplies = false;
  };
  template <class T>
  struct Args {
    std::int64_t count;
    std::uint64_t seed, stream, first;
    const T* src;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// Two standard normal numbers for one counter, by G. E. P. Box and M. E. Muller, "A note on the generation of random normal deviates",
/// 1958.
struct NormalPair {
  double even, odd;
};
NormalPair normal_pair(std::uint64_t seed, std::uint64_t stream, std::uint64_t counter);

}  // namespace linn::detail::kernels
