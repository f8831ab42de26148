// Convolution (cross-correlation, as every network library means it) on NHWC maps.
#pragma once

#include "kernels/eltwise/activation.h"
#include "kernels/geometry.h"

namespace linn::kernels {

/// dst[n,y,x,o] = activation(bias[o] + sum over taps (i,j) and channels c of src[n, row(y,i), column(x,j), c] * kernel[i,j,c,o])
/// kernel is Keras's [window_height, window_width, channels / groups, out_channels].
struct ConvForward {
  static constexpr std::string_view name = "conv_forward";
  struct Problem {
    Geometry geometry;
    bool bias = false;
    /// linear or relu: `direct` refuses others, and the reference asserts, until it may use eltwise's function of one value.
    Activation activation = Activation::linear;
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* kernel;
    const T* packed;  // the implementation's own layout of it, if it has one
    const T* bias;    // null without bias
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dsrc[n,h,w,c] = sum over outputs that see (h,w,c) of ddst[n,y,x,o] * kernel[i,j,c,o]. Overwrites dsrc.
/// The kernel comes with its last two axes swapped: [window_height, window_width, out_channels, channels / groups]
/// (see TransposeKernel), so that channels lie side by side where they are summed into.
struct ConvInputGradient {
  static constexpr std::string_view name = "conv_input_gradient";
  using Problem = Geometry;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* ddst;
    const T* transposed_kernel;
    const T* packed;  // the implementation's own layout of it, if it has one
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dkernel[i,j,c,o] = sum over images and outputs of src[n, row(y,i), column(x,j), c] * ddst[n,y,x,o]. Overwrites dkernel.
/// Terms are added in an order that depends on the geometry and the number of images alone.
struct ConvKernelGradient {
  static constexpr std::string_view name = "conv_kernel_gradient";
  using Problem = Geometry;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* ddst;
    T* dkernel;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::kernels
