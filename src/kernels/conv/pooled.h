// Convolution and the pooling behind it as one kernel. The map between them is never stored.
#pragma once

#include <cstdint>

#include "kernels/eltwise/activation.h"
#include "kernels/geometry.h"
#include "kernels/pool/pool.h"

namespace linn::detail::kernels {

/// Value of argmax for a window whose pooled value relu set to 0: no gradient flows through it.
inline constexpr std::uint8_t no_cell = 255;

/// dst = pool(activation(conv(src) + bias)): ConvForward (conv/conv.h), then PoolForward (pool/pool.h).
/// `argmax`, for max pooling with windows of at most 255 cells, is that of PoolForward: one byte for each window and channel. With relu it
/// is `no_cell` where dst is not above 0, so that the gradient of relu needs no kernel of its own.
struct ConvPoolForward {
  static constexpr std::string_view name = "conv_pool_forward";
  struct Problem {
    Geometry conv;  // dst pitches are not used
    Geometry pool;  // src is the output of conv, dense; dst pitches are used
    PoolKind kind = PoolKind::max;
    bool bias = false;
    Activation activation = Activation::linear;  // linear or relu
    bool argmax = false;
  };
  static std::int64_t weights(const Problem& problem) { return kernel_size(problem.conv); }
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* kernel;  // as in ConvForward
    const T* packed;  // the weights in the implementation's own layout, if it has one
    const T* bias;    // null without bias
    T* dst;
    std::uint8_t* argmax;  // [images, out_height, out_width, channels], or null
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// Kernel gradient behind max pooling. A window of a channel is live if ddst is not 0 and argmax is not `no_cell`; its gradient flows
/// through the cell that argmax names. With `at` the pixel of that cell in the convolution's output:
///   dkernel[o,i,j,c] = sum over images and live windows of ddst[n,y,x,o] * src[n, row(at,i), column(at,j), c]
///   dbias[o] = sum over images and live windows of ddst[n,y,x,o]
/// Overwrites dkernel, which is [out_channels, window_height, window_width, channels]: Keras's layout transposed, so that channels lie side
/// by side. The order of the sums depends only on the geometry and the number of images. conv.groups is 1.
struct ConvPoolKernelGradient {
  static constexpr std::string_view name = "conv_pool_kernel_gradient";
  struct Problem {
    Geometry conv;
    Geometry pool;
    /// All or nearly all windows are live, because no relu comes before the pooling. Implementations choose by it.
    bool all_live = false;
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* ddst;  // of the pooled map, dense
    const std::uint8_t* argmax;
    T* dkernel;
    T* dbias;  // or null
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// Input gradient behind max pooling: dsrc[n,h,w,c] = sum over live windows (y,x,o) and the taps (i,j) of their argmax cell that are (h,w)
/// of ddst[n,y,x,o] * kernel[i,j,c,o]. Overwrites dsrc. conv.groups is 1.
struct ConvPoolInputGradient {
  static constexpr std::string_view name = "conv_pool_input_gradient";
  using Problem = ConvPoolKernelGradient::Problem;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* ddst;  // of the pooled map, dense
    const std::uint8_t* argmax;
    const T* kernel;  // Keras's layout
    const T* packed;  // the weights in the implementation's own layout, if it has one
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
