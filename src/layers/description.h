// What stands behind a layer handle: it describes, and computes nothing.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "layers/traits.h"
#include "linn/constraints.h"
#include "linn/initializers.h"
#include "linn/layer.h"
#include "linn/regularizers.h"
#include "linn/shape.h"
#include "linn/types.h"
#include "plan/lowering.h"

namespace linn {

/// A variable that a layer wants, for a given input shape.
struct VariableSpec {
  std::string name;  // "kernel"
  Shape shape;
  Initializer initializer;
  bool trainable = true;  // by the optimizer, unless the layer is not
  Regularizer regularizer = {};
  Constraint constraint = {};
};

/// A layer of any number of inputs and outputs. Most have one of each: they derive from OneToOne.
class LayerDescription {
 public:
  virtual ~LayerDescription() = default;

  virtual std::string_view class_name() const = 0;
  /// The user's name for it, or empty.
  virtual const std::string& name() const = 0;
  /// The `trainable` option, which a model takes over when the layer is added. What counts later is the model's own flag:
  /// plan::Lowering::layer_trainable().
  virtual bool trainable() const = 0;
  /// The `input_shape` option: of one image, or empty.
  virtual const Shape& input_shape() const = 0;
  /// Called when the flag of a layer changes: a model used as a layer passes it on to the layers in it.
  virtual void set_trainable(bool /*trainable*/) const {}
  /// Whether Keras counts it as built only once it has seen an input, even when it has no variables.
  virtual bool waits_for_input() const { return false; }
  /// Keras's config under the name that the model gave.
  virtual detail::io::Json config(const std::string& name) const = 0;

  /// The shape of each output, of one image. `where` begins the message of the ShapeError when the inputs do not fit, in number or shape.
  virtual std::vector<Shape> infer_shapes(std::span<const Shape> inputs, const std::string& where) const = 0;
  /// The variables for inputs that infer_shapes has accepted.
  virtual std::vector<VariableSpec> declare_variables(std::span<const Shape> /*inputs*/) const { return {}; }
  /// What a call with inputs of these shapes does to a map, and what kind of values leave it (traits.h). Everything that reasons about
  /// translation reads this; the default says that nothing is known.
  virtual detail::layers::OnMap on_map(std::span<const Shape> /*inputs*/) const { return {}; }
  virtual detail::layers::ActivationKind activation() const { return detail::layers::ActivationKind::other; }
  /// Of a layer on rows: the class name and configuration of a layer whose windows of this size see a map (height, width, channels) as this
  /// layer sees the flattened map, with the same weights in the same order. Null: there is none.
  virtual detail::io::Json as_window(const Size2& /*size*/, const std::string& /*name*/) const { return nullptr; }
  /// Adds the ops of one call and returns its outputs; `variables` as declared, in order. A layer that is called twice is lowered twice,
  /// with the same variables.
  virtual std::vector<detail::plan::Value> lower_call(detail::plan::Lowering& to, std::span<const detail::plan::Value> inputs,
                                              std::span<const detail::plan::Value> variables) const = 0;
  /// What its output adds to the loss, divided by the images of the batch.
  virtual Regularizer activity_regularizer() const { return {}; }
  /// Of a wrapper: the layer that it calls, and the place of the wrapper's own variable among its variables; the others are the layer's, in
  /// order.
  struct Wrapped {
    const Layer* layer = nullptr;  // null: it is no wrapper
    std::size_t own_variable = 0;
  };
  virtual Wrapped wrapped() const { return {}; }
  /// Whether its images have their channels on the first axis (`data_format`). `on_map` does not count then: the lab knows no such maps.
  virtual bool channels_first() const { return false; }
  /// Of a layer over steps (one_row.h): the layer on maps that it applies to its image seen as a map of one row, with the same variables.
  /// Null: there is none.
  virtual const LayerDescription* on_one_row_map() const { return nullptr; }
};

/// A layer of one input and one output. Those below see images with the channels on the last axis: where the layer is channels_first(),
/// the three `final` functions move the axes.
class OneToOne : public LayerDescription {
 public:
  /// Shapes are of one image. `where` begins the message of the ShapeError when the input does not fit.
  virtual Shape output_shape(const Shape& input, const std::string& where) const = 0;
  virtual std::vector<VariableSpec> variables(const Shape& /*input*/) const { return {}; }
  /// Adds the layer's ops; `variables` as described, in order.
  virtual detail::plan::Value lower(detail::plan::Lowering& to, detail::plan::Value input,
                                    const std::vector<detail::plan::Value>& variables) const = 0;

  std::vector<Shape> infer_shapes(std::span<const Shape> inputs, const std::string& where) const final;
  std::vector<VariableSpec> declare_variables(std::span<const Shape> inputs) const final;
  std::vector<detail::plan::Value> lower_call(detail::plan::Lowering& to, std::span<const detail::plan::Value> inputs,
                                      std::span<const detail::plan::Value> variables) const final;
};

namespace detail::layers {

using DescriptionPtr = std::shared_ptr<const LayerDescription>;

/// FormatError unless registry.inc has a layer class of this name. It is looked up nowhere else.
void check_class(std::string_view class_name, const std::string& where);
/// A layer of a Keras class name from Keras's config. FormatError for an unknown class, an unknown field, or a Keras option that linn does not
/// have.
DescriptionPtr layer_from_config(std::string_view class_name, const io::Json& config, const std::string& where);
/// "MaxPooling2D" -> "max_pooling2d", as Keras names layers.
std::string snake_case(std::string_view class_name);
/// "[conv2d 'conv2d_1']", the start of a message about a layer.
std::string place_of(std::string_view class_name, std::string_view name);

}  // namespace detail::layers
}  // namespace linn
