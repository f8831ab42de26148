// Convolution and global pooling as one kernel. Only a strip of rows of the map between them is stored at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kernels/conv/conv.h"
#include "kernels/eltwise/activation.h"
#include "kernels/geometry.h"
#include "kernels/implementation.h"
#include "kernels/pool/pool.h"

namespace linn::detail::kernels {

/// dst[n,o] = the maximum or the mean over all pixels of activation(conv(src) + bias): ConvForward (conv/conv.h), then GlobalPoolForward
/// (pool/pool.h).
/// `winners` (max only) holds a bit for each pixel and output channel: set if the gradient flows through the pixel, that is if it holds the
/// maximum. Several pixels may. If the maximum is NaN, the pixels with NaN hold it. No bit is set after a relu if dst is not above 0. The
/// bits of a pixel are `winner_bytes` bytes: channel o is bit o % 8 of byte o / 8; bits beyond the last channel are 0.
struct ConvGlobalPoolForward {
  static constexpr std::string_view name = "conv_global_pool_forward";
  struct Problem {
    Geometry conv;  // dst pitches are not used
    PoolKind kind = PoolKind::max;
    bool bias = false;
    Activation activation = Activation::linear;  // linear or relu
    bool winners = false;
  };
  static std::int64_t weights(const Problem& problem) { return kernel_size(problem.conv); }
  /// A mean is not: it is summed in the order of pixels.
  static bool reference_position_invariant(const Problem& problem) { return problem.kind == PoolKind::max; }
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* kernel;  // as in ConvForward
    const T* packed;  // the weights in the implementation's own layout, if it has one
    const T* bias;    // null without bias
    T* dst;           // [images, out_channels]
    std::uint8_t* winners;  // [images, out_height * out_width, winner_bytes], or null
    T* scratch;
    Channels channels = {};  // only without winners
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// Bytes of one pixel in `winners`.
inline std::int64_t winner_bytes(const Geometry& conv) { return (conv.out_channels + 7) / 8; }
/// Bytes of one image in `winners`.
inline std::int64_t winners_size(const Geometry& conv) { return conv.out_height * conv.out_width * winner_bytes(conv); }

/// Kernel gradient behind global max pooling. The pixels that hold a maximum share its gradient equally, as in GlobalPoolInputGradient.
/// With share[n,o] = ddst[n,o] / number of winners:
///   dkernel[o,i,j,c] = sum over images and winners (y,x) of share[n,o] * src[n, row(y,i), column(x,j), c]
///   dbias[o] = sum over images with a winner of ddst[n,o]
/// Overwrites dkernel, which is [out_channels, window_height, window_width, channels] as in ConvPoolKernelGradient. Sums run over images,
/// pixels and channels, in this order. groups is 1.
struct ConvGlobalPoolKernelGradient {
  static constexpr std::string_view name = "conv_global_pool_kernel_gradient";
  using Problem = Geometry;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* ddst;  // [images, out_channels]
    const std::uint8_t* winners;
    T* dkernel;
    T* dbias;  // or null
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// Input gradient behind global max pooling: dsrc[n,h,w,c] = sum over winners and their taps (i,j) that are (h,w) of
/// share[n,o] * kernel[i,j,c,o]. Overwrites dsrc. groups is 1.
struct ConvGlobalPoolInputGradient {
  static constexpr std::string_view name = "conv_global_pool_input_gradient";
  using Problem = Geometry;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* ddst;  // [images, out_channels]
    const std::uint8_t* winners;
    const T* kernel;  // Keras's layout
    const T* packed;  // the weights in the implementation's own layout, if it has one
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

namespace conv {

/// Any geometry: computes a strip of the map's rows with the cheapest implementation of ConvForward, and joins it to the maxima or sums so
/// far (global_strip.cc). Gives the bits of that convolution with the global pooling behind it. Sums run in the order of pixels.
struct GlobalStrip : Implements<ConvGlobalPoolForward> {
  static constexpr std::string_view name = "strip";
  static constexpr bool composition = true;
  struct State {
    Implementation<ConvForward> conv;
    std::int64_t rows;  // of a strip
  };
  static std::optional<State> prepare(const ConvGlobalPoolForward::Problem& problem, const Policy& policy);
  static Numerics numerics(const ConvGlobalPoolForward::Problem& problem, const State& state);
  static double cost(const ConvGlobalPoolForward::Problem& problem, const State& state);
  static std::string label(const State& state) { return state.conv.full_name(); }
  static std::int64_t scratch(const ConvGlobalPoolForward::Problem& problem, const State& state, std::int64_t images);
  static std::int64_t packed(const ConvGlobalPoolForward::Problem& problem, const State& state);
  static void pack(const ConvGlobalPoolForward::Problem& problem, const State& state, const float* kernel, float* packed);
  static std::int64_t channel_step(const ConvGlobalPoolForward::Problem& problem, const State& state);
  static void run(const ConvGlobalPoolForward::Problem& problem, const State& state, const ConvGlobalPoolForward::Args<float>& args);
};

/// Sums over the winners only (global_gradients.cc).
struct GlobalKernelGradient : Implements<ConvGlobalPoolKernelGradient> {
  static constexpr std::string_view name = "sparse";
  static bool supports(const Geometry& geometry) { return geometry.groups == 1; }
  static std::int64_t scratch(const Geometry& geometry, std::int64_t) { return 2 * geometry.out_channels; }
  static void run(const Geometry& geometry, const ConvGlobalPoolKernelGradient::Args<float>& args);
};

struct GlobalInputGradient : Implements<ConvGlobalPoolInputGradient> {
  static constexpr std::string_view name = "sparse";
  static bool supports(const Geometry& geometry) { return geometry.groups == 1; }
  static std::int64_t scratch(const Geometry& geometry, std::int64_t) { return 2 * geometry.out_channels; }
  /// [out_channels, window_height, window_width, channels].
  static std::int64_t packed(const Geometry& geometry);
  static void pack(const Geometry& geometry, const float* kernel, float* packed);
  static void run(const Geometry& geometry, const ConvGlobalPoolInputGradient::Args<float>& args);
};

}  // namespace conv
}  // namespace linn::detail::kernels
