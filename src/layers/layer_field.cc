#include "layers/layer_field.h"

#include <fmt/format.h>

#include "layers/layer_object.h"
#include "layers/registry.h"
#include "linn/error.h"
#include "optim/described.h"

namespace linn::detail {

std::string layers::name_of(const Layer& layer) { return layer.name().empty() ? snake_case(layer.class_name()) : layer.name(); }

io::Json layers::layer_node(const Layer& layer, const std::string& name) {
  io::Json config = description_of(layer)->config(name);
  if (is_keras_layer(layer.class_name(), config)) return optim::node("keras.layers", layer.class_name(), std::move(config));
  return optim::own_node("linn.layers", layer.class_name(), std::move(config));
}

Layer schema::Type<Layer>::read(const io::Json& json, const Place& place) {
  const std::string where = fmt::format("{}: {}", place.where, place.key);
  if (!json.is_object()) refuse(place, json, "a layer is allowed");
  std::string class_name = io::string_field(json, "class_name", where);
  const io::Json* registered = io::find_field(json, "registered_name", where);
  if (class_name.starts_with(optim::own_package)) class_name.erase(0, optim::own_package.size());
  if (registered != nullptr && *registered != class_name && *registered != fmt::format("{}{}", optim::own_package, class_name))
    throw FormatError(
        fmt::format("{}: custom class {} is not supported, and was not looked up or executed", where, io::describe(*registered)));
  return Layer(layers::layer_from_config(class_name, io::object_field(json, "config", where), fmt::format("{}: {}", where, class_name)));
}

io::Json schema::Type<Layer>::write(const Layer& value) { return layers::layer_node(value, layers::name_of(value)); }

}  // namespace linn::detail
