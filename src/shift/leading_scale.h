// What the layers in front of a network do to the values of pixels.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "linn/model.h"

namespace linn::shift {

/// value -> scale * value + offset, one number a channel of the input.
struct LeadingScale {
  std::string layer;  // the last one, for messages
  std::vector<double> scale, offset;
};

/// The scale of the leading chain of layers that act on each cell by itself, are linear, and that training leaves as they are: Rescaling,
/// Normalization, a frozen BatchNormalization; of models inside too. It is measured: the chain is run on zeros and on ones.
/// Nothing for a model without such layers or with several inputs. Of several outputs the first is followed.
std::optional<LeadingScale> leading_scale(const Model& model);

}  // namespace linn::shift
