// A network as the shift lab reads it: what each layer does to its map, and what kind of values leave it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "layers/description.h"
#include "layers/traits.h"
#include "linn/model.h"
#include "linn/shape.h"
#include "linn/types.h"

namespace linn::shift {

using layers::ActivationKind;
using layers::OnMap;

struct NetworkLayer {
  std::string class_name;  // for messages and new configurations; what the layer does is in `on`
  std::string name;
  layers::DescriptionPtr layer;
  OnMap on;
  io::Json config;      // as Keras writes it
  Shape input, output;  // of one image
};

/// All layers but the input. Throws StateError for a model that is not built.
std::vector<NetworkLayer> layers_of(const Sequential& model);

/// A layer of this class and configuration for this input.
NetworkLayer layer_from(std::string_view class_name, const io::Json& config, const Shape& input);

/// Whether the model's values come from a softmax or sigmoid; else they are logits.
bool gives_probabilities(const Sequential& model);

/// Each cell by itself: elementwise or pointwise.
inline bool acts_on_cells(const OnMap& on) { return on.kind == OnMap::elementwise || on.kind == OnMap::pointwise; }
/// Whether some window sees cells that are not in the map.
bool has_pads(const OnMap& on);

}  // namespace linn::shift
