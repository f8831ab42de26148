// Convolution (cross-correlation, as in all network libraries) on NHWC maps, and its gradients.
#pragma once

#include <cstdint>
#include <limits>

#include "kernels/eltwise/activation.h"
#include "kernels/geometry.h"

namespace linn::detail::kernels {

/// Channels [begin, end) of the output that a call computes alone, where an implementation can (channel_step); by default all.
struct Channels {
  std::int64_t begin = 0, end = std::numeric_limits<std::int64_t>::max();
};

/// dst[n,y,x,o] = activation(bias[o] + sum over taps (i,j) and channels c of src[n, row(y,i), column(x,j), c] * kernel[i,j,c,o])
/// kernel is Keras's [window_height, window_width, channels / groups, out_channels].
struct ConvForward {
  static constexpr std::string_view name = "conv_forward";
  static constexpr bool any_rows = true;
  struct Problem {
    Geometry geometry;
    bool bias = false;
    /// linear, relu or relu6. Implementations and reference refuse others; the plan computes those in a pass over the result.
    Activation activation = Activation::linear;
  };
  static std::int64_t weights(const Problem& problem) { return kernel_size(problem.geometry); }
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* kernel;
    const T* packed;  // the weights in the implementation's own layout, if it has one
    const T* bias;    // null without bias
    T* dst;
    T* scratch;
    Channels channels = {};
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dsrc[n,h,w,c] = activation(bias[c] + sum over outputs (y,x,o) whose tap (i,j) is (h,w) of ddst[n,y,x,o] * kernel[i,j,c,o]). Overwrites
/// dsrc. This is a transposed convolution of ddst; a gradient has neither bias nor activation.
/// The last two axes of the kernel are swapped: [window_height, window_width, out_channels, channels / groups] (see TransposeKernel), so
/// that the channels of dsrc lie side by side.
struct ConvInputGradient {
  static constexpr std::string_view name = "conv_input_gradient";
  static constexpr bool any_rows = true;
  struct Problem {
    Problem(const Geometry& convolution = {}, bool with_bias = false, Activation of_sums = Activation::linear)
        : geometry(convolution), bias(with_bias), activation(of_sums) {}
    Geometry geometry;
    bool bias;
    Activation activation;  // as ConvForward's
  };
  static std::int64_t weights(const Problem& problem) { return kernel_size(problem.geometry); }
  template <class T>
  struct Args {
    std::int64_t images;
    const T* ddst;
    const T* transposed_kernel;
    const T* packed;  // the weights in the implementation's own layout, if it has one
    const T* bias;    // null without bias
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dkernel[i,j,c,o] = sum over images and outputs of src[n, row(y,i), column(x,j), c] * ddst[n,y,x,o]. Overwrites dkernel.
/// The order of the sum depends only on the geometry and the number of images.
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

}  // namespace linn::detail::kernels
