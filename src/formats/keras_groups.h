// Where Keras's weight files keep the variables of a model's layers.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace linn::detail::formats {

/// A layer in a weight file of Keras 3: the variable at index i is the dataset PATH/vars/i.
struct KerasGroup {
  std::string path;                             // "layers/conv2d_1", in a model inside "layers/functional/layers/conv2d"
  std::string name;                             // what the layer is called
  std::vector<graph::GraphVariable> variables;  // those that training changes first
};

/// One for each layer, in the order in which Keras saves them, and behind that of a wrapper one for the layer in it, PATH/layer. A layer in
/// several places stands where it comes first. The path is made from
/// the class, counted among the layers of one model, not from the name (keras/src/saving/saving_lib.py, _save_container_state).
std::vector<KerasGroup> keras_groups(const graph::Graph& graph);

/// The layers as legacy .h5 files list them: in the order of the model, a model inside as one layer. `path` is the name. Variables that are
/// frozen come behind those that are not, as Keras writes `layer.trainable_weights + layer.non_trainable_weights`.
std::vector<KerasGroup> legacy_groups(const graph::Graph& graph);

}  // namespace linn::detail::formats
