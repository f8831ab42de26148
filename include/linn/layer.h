// room: layers
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "linn/shape.h"
#include "linn/tensor.h"

namespace linn {

class LayerDescription;
class Layer;

namespace detail {
struct LayerObject;
struct CallNode;
const std::shared_ptr<const LayerDescription>& description_of(const Layer& layer);
}  // namespace detail

/// A value of a network that is being wired, Keras's KerasTensor: which output of which call of which layer, and its shape. It holds no
/// numbers. `Input` makes the first ones, calling a layer makes the others, and a Model is made from inputs to outputs.
class SymbolicTensor {
 public:
  /// Of one image, without the batch axis; Shape::none where the size is open.
  Shape shape() const;
  /// The layer that gives this value.
  Layer layer() const;

  // For the library.
  SymbolicTensor(std::shared_ptr<const detail::CallNode> call, int output) : call_(std::move(call)), output_(output) {}
  const std::shared_ptr<const detail::CallNode>& call() const { return call_; }
  int output() const { return output_; }
  /// The same output of the same call.
  friend bool operator==(const SymbolicTensor&, const SymbolicTensor&) = default;

 private:
  std::shared_ptr<const detail::CallNode> call_;
  int output_ = 0;
};

/// What a file of weights gave a model.
struct LoadReport {
  std::vector<std::string> loaded;    ///< the variables that were set, "conv2d/kernel"
  std::vector<std::string> problems;  ///< what did not fit and was left out, one line each
};

struct CallOptions {
  /// false: this call computes as in inference while the model is trained, as Keras's `base_model(x, training=False)`: normalizations use
  /// their moving statistics, Dropout passes everything on.
  bool training = true;
};

/// A layer: class, options, a name, and, once a model was built with it, its variables. Copies are the same layer, and a layer that is
/// called twice, or taken into two models, has one set of weights, as in Keras.
class Layer {
 public:
  /// The layer behind an `Input`, so that `add` and lists of layers take Input(...) as Keras's Sequential does.
  /// ValueError for what another layer gives.
  Layer(const SymbolicTensor& input);

  /// Keras's class name, such as "Conv2D".
  std::string_view class_name() const;
  /// The name given to it, or the one that its first model gave by class and number (conv2d, conv2d_1); empty before.
  const std::string& name() const;
  /// Keras's `get_config()` as JSON text.
  std::string config() const;
  /// The shape that comes out for an input shape without the batch axis. Throws ShapeError when it does not fit.
  Shape compute_output_shape(const Shape& input) const;

  /// Calls the layer on one value, or on several where it takes several (Add, Concatenate). Throws ShapeError when their number or shapes
  /// do not fit, StateError for a layer with several outputs.
  SymbolicTensor operator()(const SymbolicTensor& input, CallOptions options = {}) const;
  SymbolicTensor operator()(const std::vector<SymbolicTensor>& inputs, CallOptions options = {}) const;
  SymbolicTensor operator()(std::initializer_list<SymbolicTensor> inputs, CallOptions options = {}) const;
  /// The same for a layer with any number of outputs.
  std::vector<SymbolicTensor> call(const std::vector<SymbolicTensor>& inputs, CallOptions options = {}) const;
  /// What the layer's only call takes and gives. StateError for a layer that was called never or more than once, or with several values.
  SymbolicTensor input() const;
  SymbolicTensor output() const;

  /// Whether training changes the variables. What counts is the value when `compile` is called; `fit` goes on with that until `compile`
  /// is called again. A frozen BatchNormalization uses its moving statistics. Of a model used as a layer: sets all layers in it.
  bool trainable() const;
  void set_trainable(bool trainable);
  /// Copies of the variables, in Keras's order. StateError before a model was built with the layer.
  std::vector<Tensor> get_weights() const;
  /// Throws ValueError for another number of tensors, ShapeError for other shapes; then nothing is changed.
  void set_weights(const std::vector<Tensor>& weights);
  /// Numbers in all variables together. StateError before a model was built with the layer.
  std::int64_t count_params() const;

  // For the library.
  explicit Layer(std::shared_ptr<const LayerDescription> description);
  explicit Layer(std::shared_ptr<detail::LayerObject> object) : object_(std::move(object)) {}
  const std::shared_ptr<detail::LayerObject>& object() const { return object_; }

 private:
  std::shared_ptr<detail::LayerObject> object_;
};

}  // namespace linn
