#pragma once

#include <memory>
#include <vector>

#include "kernels/conv/conv.h"
#include "kernels/pad/pad.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// Convolution of src [height, width, channels] with kernel [window_height, window_width, channels / groups, out_channels];
/// `bias` may be undefined.
Value conv2d(Lowering& to, Value src, Value kernel, Value bias, const kernels::Geometry& geometry);

/// The gradient of `kernel` in the convolution `geometry` of src, from the gradient of its output.
Value conv_kernel_gradient(Gradients& gradients, Value kernel, Value src, Value ddst, const kernels::Geometry& geometry);

/// Adds `op`, which computes from `from` the gradient of a kernel as [out channels, taps, channels] and the gradient of the bias, each only
/// if it is wanted. Shards sum in that layout; the sum is transposed to Keras's layout once for each step.
void give_turned_weights(Gradients& gradients, std::unique_ptr<Op> op, std::vector<Value> from, Value kernel, Value bias);

/// Slots of a convolution's inputs, also of one with a fused pooling or global pooling. An absent input is an undefined Value.
struct ConvInputs {
  enum Slot : std::size_t { src, kernel, bias, residual, packed, count };
};

/// The geometry of a convolution, whatever its epilogue; null if `op` is none.
const kernels::Geometry* conv_geometry(const Op& op);
/// The problem of a convolution; null if `op` is no convolution, or its epilogue does more than its kernel computes. For fusion.
const kernels::ConvForward::Problem* conv_problem(const Op& op);

/// A copy of the convolution that reads `src`, the map without these zeros around it. For fusion.
std::unique_ptr<Op> conv_with_padding(const Op& conv, Value src, const kernels::Pads& pads);

/// Whether packed weights of this many elements are so large beside the maps of an image that workers that share it should each read a part
/// of the weights rather than all of them.
inline bool weights_outweigh_maps(std::int64_t packed, const kernels::Geometry& g) {
  return packed > 4 * (g.height * g.width * g.channels + g.out_height * g.out_width * g.out_channels);
}

/// Floating-point operations for this number of images: two for each product of the direct form.
double conv_flops(const kernels::Geometry& geometry, std::int64_t images);

}  // namespace linn::detail::plan
