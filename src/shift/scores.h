// Scores of a classifier at one shift: its outputs.
#pragma once

#include <algorithm>
#include <cstdint>

#include "linn/model.h"
#include "linn/shift.h"
#include "linn/tensor.h"
#include "shift/shifted_input.h"

namespace linn::shift {

/// Throws ShapeError unless the model takes images and gives one value for each of 2 to 65,536 classes, or one for two.
void check_classifier(const Model& model);

/// Throws ValueError for NaN and infinities in scores (n, outputs). Row 0 belongs to image `first`; the message names image and shift.
void check_finite(const Tensor& scores, std::int64_t first, Shift shift);

/// The class with the largest of the values (ClassValues); of equal values the first.
inline std::int64_t class_of(const float* row, std::int64_t classes) { return std::max_element(row, row + classes) - row; }

/// Runs the model on shifted images, shift by shift. Phases (phases.h) computes the same numbers with less work. Not thread-safe: calls
/// share a buffer.
class Scores {
 public:
  /// `model` and `shifted_input` must outlive the object.
  Scores(const Model& model, const ShiftedInput& shifted_input, const PredictOptions& options)
      : model_(model), shifted_input_(shifted_input), options_(options) {}

  /// Scores of images [first, last) at this shift: float32 (last - first, outputs). Throws ValueError for NaN and infinities.
  Tensor at(std::int64_t first, std::int64_t last, Shift shift);

 private:
  const Model& model_;
  const ShiftedInput& shifted_input_;
  PredictOptions options_;
  Tensor moved_;  // shifted images; the buffer is reused by later calls
};

}  // namespace linn::shift
