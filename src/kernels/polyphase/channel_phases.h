// Polyphase components weighted channel by channel: the parts of TIPS (Saha and Gokhale, "Translation invariant polyphase sampling",
// WACV 2025) that know of phases.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/polyphase/polyphase.h"

namespace linn::detail::kernels {

/// means[n,k,c] = the mean of channel c over phase k of image n. Order-free sums (core/order_free.h, one exponent for all finite numbers of
/// a map), so that a circular shift of the map permutes the means bit for bit. A map with a NaN or an infinity is summed plainly.
struct ChannelPhaseMeans {
  static constexpr std::string_view name = "channel_phase_means";
  using Problem = Phases;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    T* means;  // [images, count, channels]
    T* scratch;
  };
  /// A sum of 64 bits for each channel, and room to align them.
  static std::int64_t reference_scratch(const Problem& problem, std::int64_t) { return 2 * problem.channels + 1; }
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dsrc = dmeans of the pixel's phase and channel / pixels of a phase. Overwrites dsrc.
struct ChannelPhaseMeansGradient {
  static constexpr std::string_view name = "channel_phase_means_gradient";
  using Problem = Phases;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* dmeans;
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst[n,y,x,c] = sum over phases k of weights[n,k,c] * phase k of src[n] at (y, x, c), in the order of k.
struct ChannelPhaseMixForward {
  static constexpr std::string_view name = "channel_phase_mix_forward";
  using Problem = Phases;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* weights;  // [images, count, channels]
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dsrc = weights[n,k,c] * ddst at the pixels of phase k; dweights[n,k,c] = sum over the pixels of ddst * phase k of src[n], in double.
/// Overwrites both.
struct ChannelPhaseMixGradient {
  static constexpr std::string_view name = "channel_phase_mix_gradient";
  using Problem = Phases;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* weights;
    const T* ddst;
    T* dsrc;
    T* dweights;
    T* scratch;
  };
  /// A double for each channel, and room to align them.
  static std::int64_t reference_scratch(const Problem& problem, std::int64_t) { return 2 * problem.channels + 1; }
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
