#include "shift/network.h"

#include <algorithm>
#include <cstddef>

namespace linn::shift {
namespace {

NetworkLayer layer_of(const layers::DescriptionPtr& layer, const std::string& name, const Shape& input, const Shape& output) {
  return {.class_name = std::string(layer->class_name()),
          .name = name,
          .layer = layer,
          .on = layer->on_map({&input, 1}),
          .config = layer->config(name),
          .input = input,
          .output = output};
}

}  // namespace

std::vector<NetworkLayer> layers_of(const Sequential& model) {
  const std::vector<Layer> layers = model.layers();
  const std::vector<std::string> names = model.layer_names();
  const std::vector<Shape> outputs = model.output_shapes();
  std::vector<NetworkLayer> result;
  Shape shape = model.input_shape();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    result.push_back(layer_of(detail::description_of(layers[i]), names[i], shape, outputs[i]));
    shape = outputs[i];
  }
  return result;
}

NetworkLayer layer_from(std::string_view class_name, const io::Json& config, const Shape& input) {
  const std::string name = config.value("name", "");
  const layers::DescriptionPtr layer = layers::layer_from_config(class_name, config, name);
  const std::string where = layers::place_of(layers::snake_case(class_name), name);
  return layer_of(layer, name, input, layer->infer_shapes({&input, 1}, where).front());
}

bool gives_probabilities(const Sequential& model) {
  const std::vector<NetworkLayer> layers = layers_of(model);
  const auto last = std::find_if(layers.rbegin(), layers.rend(),
                                 [](const NetworkLayer& layer) { return layer.layer->activation() != ActivationKind::unchanged; });
  if (last == layers.rend()) return false;
  // The largest of several probabilities of a class do not add up to 1 over the classes.
  const bool largest = std::any_of(layers.rbegin(), last, [](const NetworkLayer& layer) {
    return layer.on.reduction == OnMap::maximum && (layer.on.kind == OnMap::global || layer.on.kind == OnMap::window);
  });
  const ActivationKind activation = last->layer->activation();
  return activation == ActivationKind::sigmoid || (activation == ActivationKind::softmax && !largest);
}

bool has_pads(const OnMap& on) { return on.pads != Pads2(); }

}  // namespace linn::shift
