#include "shift/network.h"

#include <algorithm>
#include <array>

namespace linn::shift {
namespace {

Size2 size_of_field(const io::Json& config, std::string_view key) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return {1, 1};
  if (found->is_array()) return {found->at(0).get<std::int64_t>(), found->at(1).get<std::int64_t>()};
  return {found->get<std::int64_t>()};
}

template <std::size_t n>
bool among(const std::array<std::string_view, n>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Size2 NetworkLayer::window() const { return size_of_field(config, class_name == "Conv2D" ? "kernel_size" : "pool_size"); }
Size2 NetworkLayer::strides() const { return size_of_field(config, "strides"); }
Size2 NetworkLayer::dilation() const { return size_of_field(config, "dilation_rate"); }
std::string NetworkLayer::padding() const {
  const auto found = config.find("padding");
  return found != config.end() && found->is_string() ? found->get<std::string>() : "valid";
}
std::string NetworkLayer::border() const { return config.value("border", ""); }

std::vector<NetworkLayer> layers_of(const Sequential& model) {
  const std::vector<Shape> outputs = model.output_shapes();
  const io::Json json = io::parse_json(model.to_json(), "model configuration");
  std::vector<NetworkLayer> result;
  Shape shape = model.input_shape();
  for (const io::Json& layer : json["config"]["layers"]) {
    if (layer["class_name"] == "InputLayer") continue;
    const Shape output = outputs[result.size()];
    result.push_back({layer["class_name"], layer["config"]["name"], layer["config"], shape, output});
    shape = output;
  }
  return result;
}

bool gives_probabilities(const Sequential& model) {
  const std::vector<NetworkLayer> layers = layers_of(model);
  // Behind these the values are still of the kind that they were; but the largest of several rows' do not add up to 1.
  const auto passes = [](const std::string& kind) { return kind == "Dropout" || kind == "Flatten" || is_global_pooling(kind); };
  const auto last = std::find_if_not(layers.rbegin(), layers.rend(), [&](const NetworkLayer& layer) { return passes(layer.class_name); });
  if (last == layers.rend()) return false;
  const std::string activation = last->config.value("activation", "");
  const bool largest = std::any_of(layers.rbegin(), last, [](const NetworkLayer& layer) { return layer.class_name == "GlobalMaxPooling2D"; });
  return activation == "sigmoid" || (activation == "softmax" && !largest);
}

bool acts_on_pixels(std::string_view class_name) {
  return among(std::array<std::string_view, 5>{"Activation", "BatchNormalization", "Dense", "Dropout", "Rescaling"}, class_name);
}

bool is_polyphase(std::string_view class_name) {
  return among(std::array<std::string_view, 2>{"AdaptivePolyphaseSampling2D", "LearnablePolyphaseSampling2D"}, class_name);
}

bool is_global_pooling(std::string_view class_name) {
  return among(std::array<std::string_view, 2>{"GlobalMaxPooling2D", "GlobalAveragePooling2D"}, class_name);
}

}  // namespace linn::shift
