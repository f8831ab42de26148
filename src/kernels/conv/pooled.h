// Convolution and the pooling after it as one kernel: the map between them is never stored.
#pragma once

#include <cstdint>

#include "kernels/eltwise/activation.h"
#include "kernels/geometry.h"
#include "kernels/pool/pool.h"

namespace linn::kernels {

/// In place of an argmax: relu left the window's value at 0, and no gradient flows through it.
inline constexpr std::uint8_t no_cell = 255;

/// dst = pool(activation(conv(src) + bias)): ConvForward (conv/conv.h) and PoolForward (pool/pool.h) one after the other.
/// `argmax` is PoolForward's, a byte for each window and channel; max pooling only, windows of at most 255 cells. After relu it
/// is `no_cell` where dst is not above 0, so that relu needs no gradient of its own.
struct ConvPoolForward {
  static constexpr std::string_view name = "conv_pool_forward";
  struct Problem {
    Geometry conv;  // its dst pitches do not count
    Geometry pool;  // its src is conv's output, dense; its dst pitches count
    PoolKind kind = PoolKind::max;
    bool bias = false;
    Activation activation = Activation::linear;  // linear or relu
    bool argmax = false;
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* kernel;  // as in ConvForward
    const T* packed;  // the implementation's own layout of it, if it has one
    const T* bias;    // null without bias
    T* dst;
    std::uint8_t* argmax;  // [images, out_height, out_width, channels], or null
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// After max pooling each window and channel has one cell through which a gradient flows: `argmax`. Where that is `no_cell` or
/// `ddst` is 0, none does. With at = that cell's pixel of the convolution's output,
/// dkernel[o,i,j,c] = sum over images and living windows of ddst[n,y,x,o] * src[n, row(at,i), column(at,j), c]. Overwrites dkernel, which is
/// [out_channels, window_height, window_width, channels]: the transpose of Keras's, so that channels lie side by side.
/// dbias[o] = sum over images and living windows of ddst[n,y,x,o]. Terms are added in an order that depends on the geometry and the number of images alone. conv.groups is 1.
struct ConvPoolKernelGradient {
  static constexpr std::string_view name = "conv_pool_kernel_gradient";
  struct Problem {
    Geometry conv;
    Geometry pool;
    /// A gradient flows through every window and channel, or nearly: nothing like relu stands before the pooling.
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

/// dsrc[n,h,w,c] = sum over living windows, channels o and taps (i,j) that lead from the window's argmax to (h,w) of
/// ddst[n,y,x,o] * kernel[i,j,c,o]. Overwrites dsrc. conv.groups is 1.
struct ConvPoolInputGradient {
  static constexpr std::string_view name = "conv_pool_input_gradient";
  using Problem = ConvPoolKernelGradient::Problem;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* ddst;  // of the pooled map, dense
    const std::uint8_t* argmax;
    const T* kernel;  // Keras's layout
    const T* packed;  // the implementation's own
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::kernels
