#pragma once

#include "kernels/geometry.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// Transposed convolution: the input gradient of the convolution `geometry`, from src [out_height, out_width, out_channels] to
/// [height, width, channels]. `kernel` is that of the convolution, in Keras's layout [rows, columns, filters, channels of src]; `bias` may
/// be undefined. Output pixels outside all windows of `geometry` are the bias.
Value conv2d_transpose(Lowering& to, Value src, Value kernel, Value bias, const kernels::Geometry& geometry);

}  // namespace linn::detail::plan
