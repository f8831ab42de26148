// room: layers
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "linn/shape.h"

namespace linn {

class Layer;
class LayerDescription;

namespace detail {
const std::shared_ptr<const LayerDescription>& description_of(const Layer& layer);
}

/// A layer as it was described: class, options, perhaps a name. It computes nothing and holds no weights; a model gives it
/// both. Copies are the same layer.
class Layer {
 public:
  /// Keras's class name, such as "Conv2D".
  std::string_view class_name() const;
  /// The name given to it, or empty: then the model names it by class and number (conv2d, conv2d_1).
  const std::string& name() const;
  /// Keras's `get_config()` as JSON text.
  std::string config() const;
  /// The shape that comes out for an input shape without the batch axis. Throws ShapeError when it does not fit.
  Shape compute_output_shape(const Shape& input) const;

  explicit Layer(std::shared_ptr<const LayerDescription> description) : description_(std::move(description)) {}

 private:
  friend const std::shared_ptr<const LayerDescription>& detail::description_of(const Layer& layer);

  std::shared_ptr<const LayerDescription> description_;
};

}  // namespace linn
