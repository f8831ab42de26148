// Losses, metrics and their sums over a batch.
//
//   predictions, by row -> loss op    -> one number for each row  -> loss_sum -> a sum that the caller reads
//                                                                    (the gradient starts here)
//   predictions, by row -> row_counts -> counts for each row      -> row_sums -> sums that the caller reads
#pragma once

#include "kernels/reduce/loss.h"
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

/// The counts of a metric: `counts` numbers for each row.
Value row_counts(Lowering& to, const LossInputs& inputs, std::int64_t counts, const kernels::CountFunction& function);

/// The sum over the batch of rows * weight, in order and in double: a fixed f64 value that the caller reads. `weight` has one number for
/// each image, or is undefined. In training plans the gradient of `factor` * sum / (rows in the batch) starts here; the gradients of
/// several losses are added. `share`, one f64 or undefined, multiplies both the sum and the gradient.
Value loss_sum(Lowering& to, Value rows, Value weight, double factor = 1, Value share = {});
/// (Rows in the batch) / (rows whose label is not `ignored`), one f64. As `share` it turns the mean over all rows into the mean over these.
Value share_of_others(Lowering& to, Value labels, std::int64_t ignored);
/// The sums over all rows of the batch, in order and in double, of rows [..., counts]: a fixed f64 value that the caller reads.
Value row_sums(Lowering& to, Value rows, std::int64_t counts);

bool is_labels(const Lowering& to, Value target);

}  // namespace linn::detail::plan
