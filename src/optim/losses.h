// Losses: lowered to ops, written to JSON.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "io/json.h"
#include "linn/losses.h"
#include "plan/ops/loss.h"
#include "schema/row.h"

namespace linn {

class LossDescription {
 public:
  virtual ~LossDescription() = default;
  /// Keras's class and function name.
  virtual std::string_view class_name() const = 0;
  virtual std::string_view name() const = 0;
  /// Keras's config, apart from the name.
  virtual detail::io::Json config() const = 0;
  /// Whether it is a class of the user's, of which a file keeps the name alone.
  virtual bool is_custom() const { return false; }
  virtual Reduction reduction() const = 0;
  /// What kind of predictions it wants, and whether it takes logits in their place.
  virtual losses::Probabilities probabilities() const { return losses::Probabilities::none; }
  virtual bool from_logits() const { return false; }
  /// Whether targets are integer labels, one for each row of predictions; whether these are numbers of classes, below the width of the
  /// output; and which label counts for nothing.
  virtual bool takes_labels() const { return false; }
  virtual bool labels_are_classes() const { return true; }
  virtual std::optional<std::int64_t> ignored_label() const { return std::nullopt; }
  /// Whether rows with a loss of 0 are left out of the mean, and whether the images of a batch share one loss.
  virtual bool leaves_out_zeros() const { return false; }
  virtual bool spans_batch() const { return false; }
  /// What does not fit an output of this shape, of one image: a text for a ValueError, or an empty one.
  virtual std::string fault(const Shape& /*output*/) const { return {}; }
  /// Adds the op that gives one unweighted loss a row; gradients flow through it into the prediction.
  virtual detail::plan::Value lower(detail::plan::Lowering& to, const detail::plan::LossInputs& inputs) const = 0;
};

namespace detail::optim {

/// All losses, in the order of losses.inc.
std::span<const schema::RowOf<Loss>> loss_rows();

/// One unweighted loss a row.
plan::Value lower(plan::Lowering& to, const Loss& loss, const plan::LossInputs& inputs);
/// The sum over the batch of rows * weight, times what makes the loss's reduction of the mean of all rows; from it, in training plans, the gradient
/// of `factor` times the reduced loss flows into the prediction: see plan::loss_sum. `weight` is one number an image, or undefined.
plan::Value lower_sum(plan::Lowering& to, const Loss& loss, const plan::LossInputs& inputs, plan::Value weight, double factor = 1);

/// Rows of an image of this shape: the numbers whose mean the loss is.
std::int64_t rows_of(const Loss& loss, const Shape& output);

io::Json to_json(const Loss& loss);
/// From null, a name, or Keras's node. FormatError for what linn does not have.
Loss loss_from_json(const io::Json& json, std::string_view where);

}  // namespace detail::optim
}  // namespace linn
