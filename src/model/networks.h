// What the built-in networks have in common.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "linn/activations.h"
#include "linn/layer.h"
#include "linn/shape.h"

namespace linn::detail::model {

/// The images of a network called `network`: `given`, or `published` where nothing is given. Throws ShapeError for another rank, sizes below
/// `smallest`, and, unless `may_be_open`, open ones.
Shape images_of(std::string_view network, const Shape& given, const Shape& published, std::int64_t smallest, bool may_be_open);
/// ValueError for less than two.
void check_classes(std::string_view network, std::int64_t classes);

/// What follows the last map of a network of Keras Applications.
struct Top {
  bool include_top = true;
  std::string pooling;  // "avg", "max" or "", where the classifier is left out
  std::int64_t classes = 0;
  ActivationName activation = "softmax";
  std::string average_name, maximum_name;  // of the pooling layers; empty: by class and number
};

/// Adds it behind `x`. ValueError for an unknown pooling, or less than two classes where they count.
SymbolicTensor with_top(std::string_view network, const SymbolicTensor& x, const Top& top);

}  // namespace linn::detail::model
