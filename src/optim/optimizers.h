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
#include "linn/constraints.h"
#include "linn/optimizers.h"
#include "linn/shape.h"
#include "linn/tensor.h"
#include "plan/lowering.h"
#include "schema/row.h"

namespace linn {

/// A variable that an optimizer trains, as far as what the optimizer keeps for it depends on the variable.
struct TrainedVariable {
  Shape shape;
  std::string name = {};  // "dense/kernel"
};

/// A tensor that an optimizer keeps for a variable.
struct OptimizerSlot {
  std::string name;  // "momentum"
  Shape shape;
  double first = 0;          // the value of all its elements before the first step
  bool beside_last = false;  // Keras makes it together with the slot before it, variable by variable
  bool is_copy = false;      // its first value is that of the variable
  bool is_unused = false;    // Keras keeps an integer 0 in its place
};

/// How far an optimizer has come: with it, and the weights, training goes on where it was.
struct OptimizerState {
  std::int64_t steps = 0;
  std::optional<double> learning_rate = {};    // where it was set by hand, and no schedule decides
  std::vector<TrainedVariable> variables = {};
  std::vector<std::vector<Tensor>> slots = {};  // of each of the variables, in the order of OptimizerDescription::slots
};

/// What is done around the update, the same for all optimizers.
struct AroundUpdate {
  std::optional<double> clipnorm, clipvalue, global_clipnorm;
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency, gradient_accumulation_steps;

  /// Steps for one update of the variables.
  std::int64_t every() const { return gradient_accumulation_steps.value_or(1); }
};

class OptimizerDescription {
 public:
  virtual ~OptimizerDescription() = default;
  virtual std::string_view class_name() const = 0;
  virtual const LearningRate& learning_rate() const = 0;
  virtual AroundUpdate around_update() const = 0;
  /// In the order in which Keras makes them: the moving average and the accumulated gradient, where there are such, then its own.
  virtual std::vector<OptimizerSlot> slots(const TrainedVariable& variable) const = 0;
  /// What Keras keeps for all variables together after so many updates; it follows from their number.
  virtual std::vector<double> common_state(std::int64_t updates) const = 0;
  /// Adds the ops that change the variable by its gradient, once it has lost weight_decay * learning rate of itself. `slots`: its own.
  virtual void lower_update(detail::plan::Lowering& to, detail::plan::Value gradient, detail::plan::Value variable,
                            const std::vector<detail::plan::Value>& slots) const = 0;
  /// Keras's config.
  virtual detail::io::Json config() const = 0;
};

namespace detail::optim {

/// The slots of these variables as (variable, slot), in the order in which Keras keeps and saves them.
std::vector<std::pair<std::size_t, std::size_t>> slot_order(const OptimizerDescription& optimizer, std::span<const TrainedVariable> variables);
/// Where the moving average stands among the slots of a variable; none without use_ema.
std::optional<std::size_t> average_slot(const OptimizerDescription& optimizer);

/// All optimizers, in the order of optimizers.inc.
std::span<const schema::RowOf<Optimizer>> optimizer_rows();

/// A variable with its gradient, which is undefined where nothing depends on the variable, and the optimizer's slots.
struct Trained {
  plan::Value variable;
  plan::Value gradient;
  std::vector<plan::Value> slots;
  Constraint constraint = {};
};
/// Adds the ops of one step on all variables.
void lower_step(plan::Lowering& to, const OptimizerDescription& optimizer, std::span<const Trained> variables);

io::Json to_json(const Optimizer& optimizer);
/// From Keras's node or a name. FormatError for what linn does not have.
Optimizer optimizer_from_json(const io::Json& json, std::string_view where);

}  // namespace detail::optim
}  // namespace linn
