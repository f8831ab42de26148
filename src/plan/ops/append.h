// append: adds an op with its values to a lowering.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "plan/lowering.h"

namespace linn::detail::plan {

/// Sets the op's inputs and outputs, adds it to the lowering, and returns its first output.
inline Value append(Lowering& to, std::unique_ptr<Op> op, std::vector<Value> inputs, std::vector<Value> outputs) {
  op->inputs = std::move(inputs);
  op->outputs = std::move(outputs);
  const Value first = op->outputs.front();
  to.add(std::move(op));
  return first;
}

}  // namespace linn::detail::plan
