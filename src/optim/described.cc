#include "optim/described.h"

namespace linn::detail::optim {

io::Json node(std::string_view module, std::string_view class_name, io::Json config) {
  return {{"module", module}, {"class_name", class_name}, {"config", std::move(config)}, {"registered_name", nullptr}};
}

io::Json own_node(std::string_view module, std::string_view class_name, io::Json config) {
  io::Json json = node(module, class_name, std::move(config));
  json["registered_name"] = fmt::format("{}{}", own_package, class_name);
  return json;
}

Named named(const io::Json& json, std::string_view where) {
  if (json.is_string()) return {json.get<std::string>(), nullptr};
  const std::string& class_name = io::string_field(json, "class_name", where);
  if (class_name == "function") return {io::string_field(json, "config", where), nullptr};
  const bool bare = io::find_field(json, "config", where) == nullptr;
  return {class_name, bare ? nullptr : &io::object_field(json, "config", where)};
}

bool is_ignored(std::string_view key, const io::Json& value) {
  if (key != "dtype") return false;
  if (value.is_string()) return io::is_text(value, "float32");
  const auto config = value.find("config");
  return value.is_object() && config != value.end() && config->is_object() && config->value("name", "") == "float32";
}

}  // namespace linn::detail::optim
