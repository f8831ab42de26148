// A max pooling of stride 1 of which only one phase of the result is wanted, another one in each image.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/polyphase/polyphase.h"
#include "kernels/pool/pool.h"

namespace linn::detail::kernels {

/// A phase of the pooled map is a pooling with the strides of the phases, of the map from the phase's first pixel on: the ordinary pooling
/// kernels compute its windows alone (a quarter of all for stride 2).
struct PhasePool {
  PoolForward::Problem pool;  // of one phase
  Phases phases;              // of the pooled map
  std::int64_t image = 0;     // pitch of the images of the map before the pooling

  /// `pool`: a max pooling with strides and dilations of 1, without padding.
  static PhasePool of(const Geometry& pool, const Phases& phases);
  /// Of a phase's first pixel, in the map before the pooling.
  std::int64_t offset(std::int32_t phase) const {
    return phase / phases.stride_width * pool.geometry.src_row + phase % phases.stride_width * pool.geometry.src_pixel;
  }
};

/// dst[n] = phase[n] of the pooled src[n].
struct PhasePoolForward {
  static constexpr std::string_view name = "phase_pool_forward";
  using Problem = PhasePool;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const std::int32_t* phase;  // [images]
    T* dst;
    std::uint8_t* argmax;  // of the windows, as PoolForward writes it; or null
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// The gradient of PhasePoolForward: each window's goes to its argmax cell. Overwrites dsrc.
struct PhasePoolInputGradient {
  static constexpr std::string_view name = "phase_pool_input_gradient";
  using Problem = PhasePool;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* ddst;
    const std::int32_t* phase;
    const std::uint8_t* argmax;
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
