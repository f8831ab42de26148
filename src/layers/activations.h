// What stands behind an activation function: it describes, and computes nothing.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "io/json.h"
#include "layers/traits.h"
#include "linn/activations.h"
#include "linn/shape.h"
#include "plan/lowering.h"
#include "schema/row.h"

namespace linn {

class ActivationDescription {
 public:
  virtual ~ActivationDescription() = default;
  virtual std::string_view name() const = 0;
  /// The arguments under Keras's names.
  virtual detail::io::Json arguments() const = 0;
  virtual bool has_default_arguments() const = 0;
  /// The shape of what comes out. `where` begins the message of the ShapeError when the function does not take the shape.
  virtual Shape output_shape(const Shape& input, const std::string& /*where*/) const { return input; }
  virtual detail::plan::Value lower(detail::plan::Lowering& to, detail::plan::Value src) const = 0;
  virtual detail::layers::ActivationKind kind() const { return detail::layers::ActivationKind::other; }
  /// What it does to an image of so many axes.
  virtual detail::layers::OnMap on_map(std::size_t rank) const = 0;
};

namespace detail::layers {

using ActivationRow = schema::RowOf<ActivationFunction>;

/// In the order of activations.inc.
std::span<const ActivationRow> activation_rows();

}  // namespace detail::layers

/// As Keras does: a name; with arguments a node of the layer class that has them (ReLU, LeakyReLU, ELU, Softmax). For the others Keras has no
/// such class and would leave the arguments out: {"module": "linn.activations", "class_name": "gelu", "config": {"approximate": true}}, which
/// python/keras_layers.py knows.
template <>
struct detail::schema::Type<ActivationFunction> {
  static ActivationFunction read(const detail::io::Json& json, const Place& place);
  static detail::io::Json write(const ActivationFunction& value);
  static std::string fault(const ActivationFunction& /*value*/, const Range& /*range*/) { return {}; }
  static std::string text(const ActivationFunction& value) { return '"' + std::string(value.name()) + '"'; }
  /// Keras's None stands for linear.
  static std::string python(const ActivationFunction& value) { return value.name() == "linear" ? "None" : "'" + std::string(value.name()) + "'"; }
};

}  // namespace linn
