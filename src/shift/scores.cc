#include "shift/scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "linn/error.h"
#include "shift/class_values.h"

namespace linn::shift {

void check_classifier(const Model& model) {
  if (model.inputs().size() != 1 || model.outputs().size() != 1)
    throw ShapeError(fmt::format(
        "[shift] model \"{}\" has {} inputs and {} outputs; one image in and one row of scores out are needed: a linn::Model from "
        "the input to the output that is meant can be measured",
        model.name(), model.inputs().size(), model.outputs().size()));
  const Shape input = model.input_shape();
  const Shape output = model.output_shape();
  if (input.rank() != 3)
    throw ShapeError(fmt::format("[shift] the model takes {}; images (height, width, channels) are needed", input.to_string()));
  if (output.rank() != 1 || output[0] < 1 || output[0] > 65'536)
    throw ShapeError(fmt::format(
        "[shift] the model gives {}, which is no classifier's output; one value for each of 2 to 65,536 classes, or one for two classes, is "
        "needed: let it end with Flatten or a global pooling and then Dense(classes) or Dense(1)",
        output.to_string()));
  if (ClassValues(model).classes() < 2)
    throw ShapeError(
        fmt::format("[shift] the model gives one number, and was compiled with {}, which is no classifier's loss; two classes need a sigmoid at the "
                    "end, or binary_crossentropy",
                    name_in(loss_config(model))));
}

void check_finite(const Tensor& scores, std::int64_t first, Shift shift) {
  const auto values = scores.values<float>();
  const auto bad = std::find_if_not(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
  if (bad != values.end())
    throw ValueError(fmt::format(
        "[shift] the model gives {} for image {} at shift ({}, {}); look for NaN and infinities in its weights and in the image", *bad,
        first + (bad - values.begin()) / scores.shape()[1], shift.dy, shift.dx));
}

Tensor Scores::at(std::int64_t first, std::int64_t last, Shift shift) {
  const Region frame = shifted_input_.frame(shift);
  if (!moved_.defined() || moved_.shape()[0] < last - first) moved_ = shifted_input_.buffer(last - first, frame);
  shifted_input_.view(first, last, frame, moved_);
  const Tensor scores = model_.predict(moved_.rows(0, last - first), options_);
  check_finite(scores, first, shift);
  return scores;
}

}  // namespace linn::shift
