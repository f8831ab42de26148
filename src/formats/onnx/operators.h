// Every operator that is imported: one table, operators.inc, with the function that makes its layers and the one that computes it when
// all its inputs are constants. The functions stand in the file of their family.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "formats/onnx/fold.h"
#include "formats/onnx/operation.h"

namespace linn::detail::formats::onnx {

struct Operator {
  std::string_view name;
  std::int64_t since;                          // the first operator set that has it
  void (*import)(const Operation&) = nullptr;  // null: it is computed only
  Constant (*fold)(const Operation&) = nullptr;
};

std::span<const Operator> operators();
/// Null for an operator that linn lacks.
const Operator* find_operator(std::string_view name);

#define LINN_ONNX(name, since, import, fold) void import(const Operation& op);
#define LINN_ONNX_FOLDED(name, since, fold)
#include "formats/onnx/operators.inc"
#undef LINN_ONNX
#undef LINN_ONNX_FOLDED

}  // namespace linn::detail::formats::onnx
