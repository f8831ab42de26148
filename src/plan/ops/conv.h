#pragma once

#include <memory>
#include <vector>

#include "kernels/conv/conv.h"
#include "plan/lowering.h"

namespace linn::plan {

/// Convolution of src [height, width, channels] with kernel [window_height, window_width, channels / groups, out_channels];
/// `bias` may be undefined.
Value conv2d(Lowering& to, Value src, Value kernel, Value bias, const kernels::Geometry& geometry);

/// The gradient of `kernel` in the convolution `geometry` of src, from the gradient of its output.
Value conv_kernel_gradient(Gradients& gradients, Value kernel, Value src, Value ddst, const kernels::Geometry& geometry);

/// Adds `op`, which makes a kernel's gradient from `from` with the taps and channels of an output channel side by side, and the bias's: of
/// both what is asked for. Shards sum them in that order; the kernel's is turned into Keras's once a step.
void give_turned_weights(Gradients& gradients, std::unique_ptr<Op> op, std::vector<Value> from, Value kernel, Value bias);

/// Inputs of a convolution, of one with a pooling and of one with a global pooling. One that is not there is an undefined value.
struct ConvInputs {
  enum Slot : std::size_t { src, kernel, bias, residual, packed, count };
};

/// What `op` convolves, or null if it is no convolution or does more in its epilogue than its kernel does; for fusion.
const kernels::ConvForward::Problem* conv_problem(const Op& op);

/// Two for each product of the direct form, of so many images.
double conv_flops(const kernels::Geometry& geometry, std::int64_t images);

}  // namespace linn::plan
