// Softmax and cross-entropy in vectors (Highway), a row at a time, classes in lanes.
#pragma once

#include "kernels/implementation.h"
#include "kernels/reduce/loss.h"
#include "kernels/reduce/softmax.h"

namespace linn::detail::kernels::reduce {

struct VectorSoftmax : Implements<SoftmaxForward> {
  static bool supports(const SoftmaxForward::Problem& problem);
  static void run(const SoftmaxForward::Problem& problem, const SoftmaxForward::Args<float>& args);
};

/// Accepts rows of more than 16 classes: the reference is quicker for shorter ones, but for those of log_softmax and sparsemax.
struct VectorSoftmaxGradient : Implements<SoftmaxGradient> {
  static bool supports(const SoftmaxGradient::Problem& problem) { return problem.classes > 16 || problem.kind != SoftmaxKind::softmax; }
  static void run(const SoftmaxGradient::Problem& problem, const SoftmaxGradient::Args<float>& args);
};

/// Accepts logits only.
struct VectorCrossentropy : Implements<Crossentropy> {
  static bool supports(const Crossentropy::Problem& problem) { return problem.prediction == Prediction::logits; }
  static void run(const Crossentropy::Problem& problem, const Crossentropy::Args<float>& args);
};

}  // namespace linn::detail::kernels::reduce
