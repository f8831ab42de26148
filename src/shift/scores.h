// What a model gives for images at one shift.
#pragma once

#include <algorithm>
#include <cstdint>

#include "linn/model.h"
#include "linn/shift.h"
#include "linn/tensor.h"
#include "shift/border.h"

namespace linn::shift {

/// Throws ShapeError unless the model takes images and gives one value for each of 2 to 65,536 classes.
void check_classifier(const Sequential& model);

/// ValueError for NaN and infinities among the scores of images from `first` on.
void check_finite(const Tensor& scores, std::int64_t first, Step shift);

/// The class with the largest value, the first of equals.
inline std::int64_t class_of(const float* row, std::int64_t classes) { return std::max_element(row, row + classes) - row; }

/// Scores of a scene's images under a model, shift by shift. Phases (phases.h) is a quicker way to the same numbers.
class Scores {
 public:
  /// The model and the scene must outlive it.
  Scores(const Sequential& model, const Scene& scene, const PredictOptions& options) : model_(model), scene_(scene), options_(options) {}

  /// float32 (last - first, classes) of images [first, last) at this shift. ValueError for NaN and infinities.
  Tensor at(std::int64_t first, std::int64_t last, Step shift);

 private:
  const Sequential& model_;
  const Scene& scene_;
  PredictOptions options_;
  Tensor moved_;  // kept from call to call
};

}  // namespace linn::shift
