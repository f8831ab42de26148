// Optimizers: described and lowered like layers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "linn/optimizers.h"
#include "plan/lowering.h"

namespace linn {

class OptimizerDescription {
 public:
  virtual ~OptimizerDescription() = default;
  virtual std::string_view class_name() const = 0;
  virtual const LearningRate& learning_rate() const = 0;
  /// The names of the tensors it keeps for each variable, such as momentum and velocity; all start at zero.
  virtual std::vector<std::string> slots() const = 0;
  /// Adds the op that changes the variable by its gradient.
  virtual void lower(plan::Lowering& to, plan::Value gradient, plan::Value variable, const std::vector<plan::Value>& slots) const = 0;
  /// Keras's config.
  virtual io::Json config() const = 0;
};

namespace optim {

io::Json to_json(const Optimizer& optimizer);
/// From Keras's node or a name.
Optimizer optimizer_from_json(const io::Json& json, std::string_view where);

}  // namespace optim
}  // namespace linn
