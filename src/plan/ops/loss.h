// Losses, metrics and their sums over a batch.
//
//   rows of predictions -> a loss op -> one number a row -> loss_sum -> a sum that the caller reads
//                                                          (the gradient starts here)
//   rows of predictions -> row_counts -> a few numbers a row -> row_sums -> sums that the caller reads
#pragma once

#include "kernels/reduce/loss.h"
#include "plan/lowering.h"

namespace linn::plan {

/// What a loss or metric compares: `prediction` [..., classes]; `target` is labels (i64), one a row, or of prediction's shape.
struct LossInputs {
  Value prediction;
  Value target;
};

// One unweighted loss a row. The gradient that flows into it, one number a row, flows on into the prediction; the target has none.

/// Behind a softmax it is computed from the logits, as TensorFlow's Keras does: no clip, no loss of precision.
Value crossentropy(Lowering& to, const LossInputs& inputs, const kernels::Crossentropy::Problem& problem);
/// `behind_sigmoid`: the function to take in its place behind a sigmoid, of the sigmoid's input.
Value row_loss(Lowering& to, const LossInputs& inputs, const kernels::LossFunction& function,
               const std::optional<kernels::LossFunction>& behind_sigmoid = {});

/// The numbers of a metric, `counts` a row.
Value row_counts(Lowering& to, const LossInputs& inputs, std::int64_t counts, const kernels::CountFunction& function);

/// The sum over the whole batch, in order and in double, of rows * weight: a fixed f64 value that the caller reads. `weight` is one number an
/// image, or undefined. In training plans the gradient of `factor` * sum / (rows in the batch) starts here: several losses add up, each with
/// its factor. `share`, one f64 or undefined, multiplies both the sum and the gradient.
Value loss_sum(Lowering& to, Value rows, Value weight, double factor = 1, Value share = {});
/// Rows in the batch / rows whose label is not `ignored`: makes the mean over all rows the mean over those. One f64.
Value share_of_others(Lowering& to, Value labels, std::int64_t ignored);
/// The sums over all rows of the batch, in order and in double, of rows [..., counts]: a fixed f64 value that the caller reads.
Value row_sums(Lowering& to, Value rows, std::int64_t counts);

bool is_labels(const Lowering& to, Value target);

}  // namespace linn::plan
