// The last line of every function that adds an op.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "plan/lowering.h"

namespace linn::plan {

/// Gives the op its values and puts it into the plan; returns its first output.
inline Value append(Lowering& to, std::unique_ptr<Op> op, std::vector<Value> inputs, std::vector<Value> outputs) {
  op->inputs = std::move(inputs);
  op->outputs = std::move(outputs);
  const Value first = op->outputs.front();
  to.add(std::move(op));
  return first;
}

}  // namespace linn::plan
