// Optimizers: described and lowered like layers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/json.h"
#include "linn/optimizers.h"
#include "linn/shape.h"
#include "linn/tensor.h"
#include "plan/lowering.h"
#include "schema/row.h"

namespace linn {

/// A tensor that an optimizer keeps for a variable.
struct OptimizerSlot {
  std::string name;  // "momentum"
  Shape shape;
  double first = 0;  // the value of all its elements before the first step
  bool beside_last = false;  // Keras makes it together with the slot before it, variable by variable
};

/// How far an optimizer has come: with it, and the weights, training goes on where it was.
struct OptimizerState {
  std::int64_t steps = 0;
  std::optional<double> learning_rate;    // where it was set by hand, and no schedule decides
  std::vector<std::vector<Tensor>> slots;  // of each variable that is trained, in the order of OptimizerDescription::slots
};

/// What happens to gradients and variables before the update, the same for all optimizers.
struct BeforeUpdate {
  std::optional<double> weight_decay, clipnorm, clipvalue, global_clipnorm;
};

class OptimizerDescription {
 public:
  virtual ~OptimizerDescription() = default;
  virtual std::string_view class_name() const = 0;
  virtual const LearningRate& learning_rate() const = 0;
  virtual BeforeUpdate before_update() const = 0;
  virtual std::vector<OptimizerSlot> slots(const Shape& variable) const = 0;
  /// Adds the op that changes the variable by its gradient, once it has lost weight_decay * learning rate of itself.
  virtual void lower_update(detail::plan::Lowering& to, detail::plan::Value gradient, detail::plan::Value variable,
                            const std::vector<detail::plan::Value>& slots) const = 0;
  /// Keras's config.
  virtual detail::io::Json config() const = 0;
};

namespace detail::optim {

/// The slots of `variables` as (variable, slot), in the order in which Keras keeps and saves them.
std::vector<std::pair<std::size_t, std::size_t>> slot_order(const OptimizerDescription& optimizer, std::size_t variables);

/// All optimizers, in the order of optimizers.inc.
std::span<const schema::RowOf<Optimizer>> optimizer_rows();

/// A variable with its gradient, which is undefined where nothing depends on the variable, and the optimizer's slots.
struct Trained {
  plan::Value variable;
  plan::Value gradient;
  std::vector<plan::Value> slots;
};
/// Adds the ops of one step on all variables.
void lower_step(plan::Lowering& to, const OptimizerDescription& optimizer, std::span<const Trained> variables);

io::Json to_json(const Optimizer& optimizer);
/// From Keras's node or a name. FormatError for what linn does not have.
Optimizer optimizer_from_json(const io::Json& json, std::string_view where);

}  // namespace detail::optim
}  // namespace linn
