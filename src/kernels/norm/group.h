// Normalization of each image by its own statistics: layer, group and instance normalization.
//
// | normalization | groups   | image                              |
// |---------------|----------|------------------------------------|
// | layer         | 1        | an image, or one row of its values |
// | group         | groups   | an image                           |
// | instance      | channels | an image                           |
// | RMS, unit     | 1        | one row of its values              |
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace linn::detail::kernels {

/// What a group is divided by. `deviation` takes the group's mean away first; the others leave it.
/// | value            | divisor                              | source                                                         |
/// |------------------|--------------------------------------|----------------------------------------------------------------|
/// | deviation        | sqrt(variance + epsilon)             | below                                                          |
/// | root_mean_square | sqrt(mean of squares + epsilon)      | Zhang and Sennrich, "Root mean square layer normalization", 2019 |
/// | length           | max(sqrt(sum of squares), epsilon)   | Keras's UnitNormalization                                      |
enum class GroupScale : std::uint8_t { deviation, root_mean_square, length };

/// The channels are divided into `groups` groups of equally many neighbouring channels. Each group of an image has one mean and one
/// (biased) variance over its channels and all pixels. With x^ = (src - mean) / sqrt(variance + epsilon):  dst[n,p,c] = x^ * gamma[c] +
/// beta[c].
/// Sources: Ba, Kiros and Hinton, "Layer normalization", 2016; Wu and He, "Group normalization", 2018.
struct GroupNormForward {
  static constexpr std::string_view name = "group_norm_forward";
  struct Problem {
    std::int64_t pixels = 1, channels = 0, groups = 1;
    double epsilon = 1e-3;
    GroupScale scale = GroupScale::deviation;

    bool is_centered() const { return scale == GroupScale::deviation; }
    /// 1 / divisor, of the group's variance or, where its mean stays, of the mean of its squares.
    double inverse(double square) const {
      if (scale == GroupScale::length) return 1 / std::max(std::sqrt(square * static_cast<double>(terms())), epsilon);
      return 1 / std::sqrt(square + epsilon);
    }
    /// By how much mean(g * x^) counts in the gradient: for `length` it is a sum, and nothing where the divisor is epsilon.
    double slope_share(double inverse) const {
      if (scale != GroupScale::length) return 1;
      return inverse >= 1 / epsilon ? 0 : static_cast<double>(terms());
    }
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
    double* statistics;  // [images, groups, 2]: mean (0 where it stays), 1 / divisor; or null
    T* scratch;
  };
  /// Uses order-free sums (core/order_free.h), so that it is position invariant.
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// With g = ddst * gamma, and means over a group:  dsrc = (g - mean(g) - x^ * mean(g * x^)) / divisor, without mean(g) where the group's mean
/// stays, and for `length` with the sum in place of mean(g * x^);
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
