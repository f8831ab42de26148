// Losses, metrics and their sums over a batch.
//
//   predictions, by row -> loss op    -> one number for each row  -> loss_sum    -> a sum that the caller reads
//                                                                    (the gradient starts here)
//                                                                 -> mean_totals -> totals of the caller's: a loss as a metric
//   predictions, by row -> row_metric -> one number for each row  -> mean_totals -> totals of the caller's
//   predictions, by row -> row_totals                                            -> totals of the caller's
//
// Totals are bound f64 values to which each run adds: the sum over batches is one sum in the order of the rows, whatever the batch size.
#pragma once

#include <optional>

#include "kernels/reduce/batch_loss.h"
#include "kernels/reduce/loss.h"
#include "kernels/reduce/row_sums.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// The inputs of a loss or metric: `prediction` [..., classes]; `target` with one label (i64) for each row, or of prediction's shape.
struct LossInputs {
  Value prediction;
  Value target;
};

// Losses: one unweighted number for each row. Their gradient is that of the prediction; the target has none.

/// Behind a softmax it is computed from the logits, as in Keras on TensorFlow: without a clip and without loss of precision.
Value crossentropy(Lowering& to, const LossInputs& inputs, const kernels::Crossentropy::Problem& problem);
/// `behind_sigmoid`: the function of the sigmoid's input that replaces it behind a sigmoid.
Value row_loss(Lowering& to, const LossInputs& inputs, const kernels::LossFunction& function,
               const std::optional<kernels::LossFunction>& behind_sigmoid = {});
/// One number for each group of an image; its rows are groups.
Value overlap(Lowering& to, const LossInputs& inputs, const kernels::Overlap::Problem& problem);
Value circle(Lowering& to, const LossInputs& inputs, const kernels::Circle::Problem& problem);

/// The sum over the batch of rows * weight, in order and in double: a fixed f64 value that the caller reads. `weight` has one number for
/// each image, or is undefined. In training plans the gradient of `factor` * sum / (rows in the batch) starts here; the gradients of
/// several losses are added. `share`, one f64 or undefined, multiplies both the sum and the gradient.
Value loss_sum(Lowering& to, Value rows, Value weight, double factor = 1, Value share = {});
/// What turns the mean over all rows into another reduction, one f64 (kernels::LossShare). `labels` may be undefined where none is ignored.
Value loss_share(Lowering& to, const kernels::LossShare::Problem& problem, Value labels, Value rows, Value weight);

/// A metric's number of each row.
Value row_metric(Lowering& to, const LossInputs& inputs, const kernels::MetricFunction& function);
/// Adds {sum of rows * weight, sum of weight} to `totals`.
void mean_totals(Lowering& to, Value rows, Value weight, Value totals);
/// Adds each row to `totals` by the function.
void row_totals(Lowering& to, const LossInputs& inputs, const kernels::TotalsFunction& function, Value weight, Value totals);
/// A value for totals, to be bound to as many doubles.
Value totals_value(Lowering& to, const std::string& name, std::int64_t count);

bool is_labels(const Lowering& to, Value target);

}  // namespace linn::detail::plan
