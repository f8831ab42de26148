#pragma once

#include "kernels/geometry.h"
#include "plan/lowering.h"

namespace linn::plan {

/// Transposed convolution of src [out_height, out_width, out_channels] to [height, width, channels] of `geometry`, the convolution whose
/// input gradient it is. `kernel` is that convolution's, Keras's [rows, columns, filters, channels of src]; `bias` may be undefined.
/// Pixels of the output that no window of `geometry` sees are the bias.
Value conv2d_transpose(Lowering& to, Value src, Value kernel, Value bias, const kernels::Geometry& geometry);

}  // namespace linn::plan
