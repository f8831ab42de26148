// room: layers
#pragma once

#include <concepts>
#include <string>

#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct FlattenOptions {
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

struct FlattenConfig {
  FlattenOptions options = {};
};

template <class Config, class Visitor>
  requires std::same_as<std::remove_const_t<Config>, FlattenConfig>
void describe(Config& config, Visitor&& visit) {
  auto& [options] = config;
  auto& [data_format, name, trainable, input_shape] = options;
  visit.common(name, trainable, input_shape);
  visit("data_format", data_format);
}

/// All values of an image in one row, in row-major order.
class Flatten : public Layer {
 public:
  explicit Flatten(FlattenOptions options = {});
};

struct InputLayerOptions {
  std::string name = {};
};

struct InputLayerConfig {
  Shape shape = {};  // of one image
  InputLayerOptions options = {};
};

template <class Config, class Visitor>
  requires std::same_as<std::remove_const_t<Config>, InputLayerConfig>
void describe(Config& config, Visitor&& visit) {
  auto& [shape, options] = config;
  auto& [name] = options;
  visit.input(name, shape);
}

/// The shape of one image of the input, (28, 28, 1).
class InputLayer : public Layer {
 public:
  explicit InputLayer(Shape shape, InputLayerOptions options = {});
};

/// Keras's `Input(shape=...)`, as the first thing added to a Sequential.
inline InputLayer Input(Shape shape, InputLayerOptions options = {}) { return InputLayer(shape, std::move(options)); }

}  // namespace linn
