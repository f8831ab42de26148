// Losses, metrics and their sums over a batch.
#pragma once

#include "kernels/reduce/loss.h"
#include "plan/lowering.h"

namespace linn::plan {

/// What a loss or metric sees. `prediction` [..., classes]; `target` is labels (i64) or of prediction's shape; `weight` is one
/// number an image, or undefined.
struct Judged {
  Value prediction;
  Value target;
  Value weight;
};

/// One unweighted loss a row. In training plans the gradient of sum(weight * loss) / rows flows into the prediction.
/// After a softmax it is computed from the logits, as TensorFlow's Keras does: no clip, no loss of precision.
Value crossentropy(Lowering& to, const Judged& judged, bool from_logits, double smoothing);
Value squared_error(Lowering& to, const Judged& judged);
/// 1 or 0 a row.
Value accuracy(Lowering& to, const Judged& judged);

/// Sum over the whole batch, in order and in double, of rows * weight: a fixed f64 value that the caller reads.
Value weighted_sum(Lowering& to, Value rows, Value weight);

}  // namespace linn::plan
