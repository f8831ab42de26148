// Losses: lowered to ops, written to JSON.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "io/json.h"
#include "linn/losses.h"
#include "plan/ops/loss.h"
#include "schema/row.h"

namespace linn {

class LossDescription {
 public:
  virtual ~LossDescription() = default;
  virtual const detail::schema::Row& row() const = 0;
  /// Keras's config of the options that are the loss's own.
  virtual detail::io::Json config() const = 0;
  /// Whether targets are integer labels, one for each row of predictions, and which label counts for nothing.
  virtual bool takes_labels() const { return false; }
  virtual std::optional<std::int64_t> ignored_label() const { return std::nullopt; }
  /// Adds the op that gives one unweighted loss a row; gradients flow through it into the prediction.
  virtual detail::plan::Value lower(detail::plan::Lowering& to, const detail::plan::LossInputs& inputs) const = 0;
};

namespace detail::optim {

/// All losses, in the order of losses.inc.
std::span<const schema::RowOf<Loss>> loss_rows();

/// One unweighted loss a row.
plan::Value lower(plan::Lowering& to, const Loss& loss, const plan::LossInputs& inputs);
/// The sum over the batch of rows * weight, from which, in training plans, the gradient of `factor` times the mean flows into the prediction:
/// see plan::loss_sum. `weight` is one number an image, or undefined.
plan::Value lower_sum(plan::Lowering& to, const Loss& loss, const plan::LossInputs& inputs, plan::Value weight, double factor = 1);

io::Json to_json(const Loss& loss);
/// From null, a name, or Keras's node. FormatError for what linn does not have.
Loss loss_from_json(const io::Json& json, std::string_view where);

}  // namespace detail::optim
}  // namespace linn
