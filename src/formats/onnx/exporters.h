// The functions of exporters.inc.
#pragma once

#include "formats/onnx/layer.h"

namespace linn::detail::formats::onnx {

#define LINN_ONNX_LAYER(class_name, function) void function(ExportedCall& call);
#include "formats/onnx/exporters.inc"
#undef LINN_ONNX_LAYER

}  // namespace linn::detail::formats::onnx
