// A model as the shift lab reads it: the calls of its layers with their traits.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "layers/description.h"
#include "layers/traits.h"
#include "linn/layer.h"
#include "linn/model.h"
#include "linn/shape.h"
#include "linn/types.h"

namespace linn::shift {

using detail::layers::ActivationKind;
using detail::layers::OnMap;

/// A value inside a network: an output of a call, or the image.
struct Source {
  static constexpr std::size_t image = static_cast<std::size_t>(-1);

  std::size_t call = image;
  int output = 0;
  friend bool operator==(const Source&, const Source&) = default;
};

/// One call of a layer.
struct NetworkCall {
  std::string class_name;  // for messages and new configurations; what the layer does is in `on`
  std::string name;        // of the layer; several calls share it
  detail::layers::DescriptionPtr layer;
  OnMap on;
  detail::io::Json config;  // as Keras writes it
  std::vector<Source> inputs;
  std::vector<Shape> input_shapes, output_shapes;  // of one image
  std::vector<SymbolicTensor> outputs;

  /// Of the first input and output.
  const Shape& input() const { return input_shapes.front(); }
  const Shape& output() const { return output_shapes.front(); }
};

/// All calls between a model's one input and its one output; each comes after those that it reads.
struct Network {
  std::vector<NetworkCall> calls;
  Source output;
  Shape input_shape;

  const Shape& shape_of(Source source) const;
};

/// A model without models inside it: their layers stand in their places, with the same variables. The model itself where it has none.
class FlatModel {
 public:
  explicit FlatModel(const Model& model);
  const Model& operator*() const { return flat_ ? *flat_ : model_; }

 private:
  const Model& model_;
  std::optional<Model> flat_;
};

/// Of a flat model; to others a model inside is one layer, of which nothing is known. Throws StateError for a model that is not built, ShapeError for one with several inputs or outputs or with an open height or width.
Network network_of(const Model& model);
/// The same also of a model with an open height or width: the maps then have the sizes that layers are probed with.
Network probed_network_of(const Model& model);

/// "[Conv2D 'conv2d'] ...": the start of a message about a layer.
std::string about(const NetworkCall& call, std::string_view text);

/// Whether the model's values come from a softmax or sigmoid; else they are logits.
bool gives_probabilities(const Model& model);

/// Each cell by itself: elementwise or pointwise.
inline bool acts_on_cells(const OnMap& on) { return on.kind == OnMap::elementwise || on.kind == OnMap::pointwise; }
/// Whether some window sees cells that are not in the map.
bool has_pads(const OnMap& on);
/// (1, 1, channels), (channels) or a number: a value without places.
bool is_one_place(const Shape& shape);

}  // namespace linn::shift
