// What every layer description has in common: a struct of options with a table of fields (schema/field.h).
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <memory>
#include <string>
#include <utility>

#include "layers/activations.h"
#include "layers/description.h"
#include "layers/registry.h"
#include "linn/error.h"
#include "optim/constraints.h"
#include "optim/initializers.h"
#include "optim/regularizers.h"
#include "schema/row.h"

namespace linn::detail::layers {

/// The fields that nearly every layer has at the end of its options.
template <class Options>
constexpr auto common_fields() {
  using schema::Field, schema::Role;
  return schema::all(
      Field<Options, std::string>{"name", &Options::name, {}, "The layer's name; by default its class and a number.", false, Role::name},
      Field<Options, bool>{"trainable", &Options::trainable, {}, "Whether training changes its variables.", false, Role::trainable},
      Field<Options, Shape>{
          "input_shape", &Options::input_shape, {}, "The shape of one image, for the first layer of a model.", false, Role::input_shape, "batch_input_shape"});
}

template <class Options>
constexpr auto data_format_field() {
  return schema::field("data_format", &Options::data_format, "\"channels_last\", or \"channels_first\", which costs a copy before and after.");
}

/// What Keras writes for every layer and linn need not know. Numbers are float32 here: another dtype is refused.
bool is_ignored(std::string_view key, const io::Json& value);

/// "[conv2d 'conv2d_1']" or "[conv2d]".
template <class Config>
std::string place_of_config(const Config& config) {
  return place_of(snake_case(schema::Schema<Config>::info.name), config.options.name);
}

/// A description made of a struct of options. `ConfigType` has a member `options`, which holds `name`, and a Schema.
template <class ConfigType, class Base = OneToOne>
class Described : public Base {
 public:
  using Config = ConfigType;
  explicit Described(Config config) : config_(std::move(config)) {}

  std::string_view class_name() const override { return schema::Schema<Config>::info.name; }
  const std::string& name() const override { return config_.options.name; }
  bool trainable() const override {
    if constexpr (requires { config_.options.trainable; })
      return config_.options.trainable;
    else
      return true;
  }
  const Shape& input_shape() const override {
    if constexpr (requires { config_.options.input_shape; })
      return config_.options.input_shape;
    else
      return config_.shape;
  }
  bool channels_first() const override {
    if constexpr (requires { config_.options.data_format; })
      return config_.options.data_format.kind() == DataFormat::channels_first;
    else
      return false;
  }
  Regularizer activity_regularizer() const override {
    if constexpr (requires { config_.options.activity_regularizer; })
      return config_.options.activity_regularizer;
    else
      return {};
  }
  io::Json config(const std::string& name) const override {
    io::Json json = {{"name", name}, {"trainable", trainable()}, {"dtype", "float32"}};
    json.update(schema::write(config_));
    return json;
  }

 protected:
  std::string where() const { return place_of_config(config_); }

  Config config_;
};

/// What is wrong with the layout of images for a layer, or an empty text: only layers of one input move the channels, and an activation that
/// works along an axis would not see the axis that it names.
template <class Description>
std::string format_fault(const typename Description::Config& config) {
  if constexpr (requires { config.options.data_format; }) {
    if (config.options.data_format.kind() != DataFormat::channels_first) return {};
    if constexpr (!std::derived_from<Description, OneToOne>) return "data_format is \"channels_first\"; this layer takes \"channels_last\" alone";
    if constexpr (requires { config.options.activation; })
      if (on_map_of(config.options.activation, 3).kind != OnMap::elementwise)
        return fmt::format("activation \"{}\" works along an axis, which data_format \"channels_first\" does not allow; put an Activation layer behind",
                           config.options.activation.name());
  }
  return {};
}

/// Of options that C++ code gave. ValueError when a rule of the table is broken.
template <class Description>
DescriptionPtr make_layer(typename Description::Config config) {
  const std::string where = place_of_config(config);
  if (const std::string fault = format_fault<Description>(config); !fault.empty()) throw ValueError(fmt::format("{} {}", where, fault));
  return std::make_shared<Description>(schema::checked(std::move(config), where));
}

/// Of Keras's config. FormatError when a rule of the table is broken.
template <class Description>
DescriptionPtr read_layer(const io::Json& json, const std::string& where) {
  typename Description::Config config = schema::read<typename Description::Config>(json, where, &is_ignored);
  if (const std::string fault = format_fault<Description>(config); !fault.empty()) throw FormatError(fmt::format("{}: {}", where, fault));
  return std::make_shared<Description>(std::move(config));
}

/// Defines the registry's row of a layer class; in the family's file, inside namespace linn::layers.
#define LINN_LAYER_ROW(LayerClass, Description)                                                                    \
  template <>                                                                                                      \
  LayerRow layer_row<LayerClass>() {                                                                               \
    return schema::make_row<Description::Config, DescriptionPtr>(schema::Kind::layer, &read_layer<Description>);   \
  }

}  // namespace linn::detail::layers
