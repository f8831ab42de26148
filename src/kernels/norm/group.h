// Normalization of each image by its own statistics: layer, group and instance normalization.
//
// | normalization | groups   | image                              |
// |---------------|----------|------------------------------------|
// | layer         | 1        | an image, or one row of its values |
// | group         | groups   | an image                           |
// | instance      | channels | an image                           |
#pragma once

#include <cstdint>
#include <string_view>

namespace linn::detail::kernels {

/// The channels are divided into `groups` groups of equally many neighbouring channels. Each group of an image has one mean and one
/// (biased) variance over its channels and all pixels. With x^ = (src - mean) / sqrt(variance + epsilon):  dst[n,p,c] = x^ * gamma[c] +
/// beta[c].
/// Sources: Ba, Kiros and Hinton, "Layer normalization", 2016; Wu and He, "Group normalization", 2018.
struct GroupNormForward {
  static constexpr std::string_view name = "group_norm_forward";
  struct Problem {
    std::int64_t pixels = 1, channels = 0, groups = 1;
    double epsilon = 1e-3;

    std::int64_t group_channels() const { return channels / groups; }
    std::int64_t terms() const { return pixels * group_channels(); }
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;    // [images, pixels, channels]
    const T* gamma;  // [channels], or null: 1
    const T* beta;   // [channels], or null: 0
    T* dst;
    double* statistics;  // [images, groups, 2]: mean, 1 / sqrt(variance + epsilon); or null
    T* scratch;
  };
  /// Uses order-free sums (core/order_free.h), so that it is position invariant.
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// With g = ddst * gamma, and means over a group:  dsrc = (g - mean(g) - x^ * mean(g * x^)) / sqrt(variance + epsilon);
/// dgamma[c] = sum of ddst * x^, dbeta[c] = sum of ddst, over all pixels of all images. Overwrites its outputs. Each output may be null.
struct GroupNormGradient {
  static constexpr std::string_view name = "group_norm_gradient";
  using Problem = GroupNormForward::Problem;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* ddst;
    const T* gamma;            // null: 1
    const double* statistics;  // GroupNormForward's
    T* dsrc;
    T* dgamma;
    T* dbeta;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
