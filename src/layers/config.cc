#include "layers/config.h"

#include <algorithm>
#include <array>

#include "linn/error.h"
#include "optim/initializers.h"

namespace linn::layers {
namespace {

constexpr std::int64_t most = std::int64_t{1} << 31;  // a size beyond it is a mistake or an attack

// Fields that Keras writes and that say nothing as long as they are null or have this value.
bool says_nothing(std::string_view key, const io::Json& value) {
  if (value.is_null()) return true;
  if (key == "dtype") {
    if (value.is_string()) return value == "float32";
    return value.is_object() && value.contains("config") && value["config"].is_object() && value["config"].value("name", "") == "float32";
  }
  if (key == "sparse" || key == "ragged" || key == "optional" || key == "renorm" || key == "synchronized") return value == false;
  if (key == "renorm_momentum") return value.is_number();  // nobody reads it without renorm
  return false;
}

io::Json sizes(const Shape& shape) {
  io::Json list = io::Json::array();
  for (const std::int64_t size : shape) list.push_back(size == Shape::none ? io::Json(nullptr) : io::Json(size));
  return list;
}

// A name of a closed set. What refuses it knows neither file nor layer.
template <class Name>
Name named(const io::Json& json, const char* key, const std::string& where) {
  try {
    return Name(io::string_field(json, key, where));
  } catch (const ValueError& error) {
    throw ValueError(fmt::format("{}: {}", where, error.what()));
  }
}

}  // namespace

// ---- writing -----------------------------------------------------------------------------------------------------

void ConfigWriter::common(const std::string& /*name*/, bool trainable, const Shape& /*input_shape*/) {
  json_["name"] = name_;
  json_["trainable"] = trainable;
  json_["dtype"] = "float32";
}

void ConfigWriter::input(const std::string& /*name*/, const Shape& shape) {
  json_["batch_shape"] = sizes(shape.with_first(Shape::none));
  json_["dtype"] = "float32";
  json_["sparse"] = false;
  json_["name"] = name_;
}

void ConfigWriter::operator()(const char* key, const Axes& value) {
  if (value.single())
    json_[key] = value.list().front();
  else
    json_[key] = value.list();
}

void ConfigWriter::operator()(const char* key, const Size2& value) {
  json_[key] = value.is_set() ? io::Json::array({value.height, value.width}) : io::Json(nullptr);
}

void ConfigWriter::operator()(const char* key, const Pads2& value) {
  const auto list = [](const Pads1& pads) { return io::Json::array({pads.before, pads.after}); };
  json_[key] = io::Json::array({list(value.height), list(value.width)});
}

void ConfigWriter::operator()(const char* key, const Initializer& value) { json_[key] = optim::to_json(value); }

// ---- reading -----------------------------------------------------------------------------------------------------

const io::Json* ConfigReader::find(const char* key) {
  known_.insert(key);
  return io::find_field(json_, key, where_);
}

void ConfigReader::finish() const {
  for (const auto& [key, value] : json_.items()) {
    if (known_.contains(key) || says_nothing(key, value)) continue;
    throw FormatError(fmt::format("{}: field \"{}\" with {} is not supported", where_, key, io::describe(value)));
  }
}

void ConfigReader::common(std::string& name, bool& trainable, Shape& input_shape) {
  known_.insert({"name", "trainable", "batch_input_shape"});
  name = io::string_field_or(json_, "name", where_, "");
  trainable = io::bool_field_or(json_, "trainable", where_, true);
  if (const io::Json* sizes = io::find_field(json_, "batch_input_shape", where_)) input_shape = image_shape(*sizes, "batch_input_shape");
}

Shape ConfigReader::image_shape(const io::Json& list, const char* key) const {
  if (!list.is_array() || list.empty() || list.size() > Shape::max_rank)
    throw FormatError(fmt::format("{}: field \"{}\": {} came, 1 to {} sizes are allowed", where_, key, io::describe(list), Shape::max_rank));
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 1; i < list.size(); ++i) sizes.push_back(io::as_integer(list[i], where_, fmt::format("{}[{}]", key, i), 1, most));
  return Shape(std::span<const std::int64_t>(sizes));
}

void ConfigReader::missing(const char* key) const { throw FormatError(fmt::format("{}: field \"{}\" is missing; it has no default", where_, key)); }

void ConfigReader::input(std::string& name, Shape& shape) {
  known_.insert({"name", "batch_shape"});
  name = io::string_field_or(json_, "name", where_, "");
  shape = image_shape(io::array_field(json_, "batch_shape", where_), "batch_shape");
}

void ConfigReader::operator()(const char* key, std::int64_t& value) {
  if (find(key) != nullptr) value = io::integer_field(json_, key, where_, 1, most);
}

void ConfigReader::axis(const char* key, std::int64_t& value) {
  constexpr auto most_axes = static_cast<std::int64_t>(Shape::max_rank);
  if (find(key) != nullptr) value = io::integer_field(json_, key, where_, -most_axes, most_axes - 1);
}

void ConfigReader::operator()(const char* key, double& value) {
  if (find(key) != nullptr) value = io::number_field(json_, key, where_);
}

void ConfigReader::operator()(const char* key, bool& value) {
  if (find(key) != nullptr) value = io::bool_field(json_, key, where_);
}

void ConfigReader::operator()(const char* key, Axes& value) {
  const io::Json* found = find(key);
  if (found == nullptr) return;
  constexpr auto least = -static_cast<std::int64_t>(Shape::max_rank);
  if (!found->is_array()) {
    value = Axes(io::as_integer(*found, where_, key, least, most));
    return;
  }
  if (found->size() > Shape::max_rank)
    throw FormatError(fmt::format("{}: field \"{}\": {} came, at most {} numbers are allowed", where_, key, io::describe(*found), Shape::max_rank));
  std::vector<std::int64_t> list;
  for (const io::Json& number : *found) list.push_back(io::as_integer(number, where_, key, least, most));
  value = Axes(std::move(list));
}

void ConfigReader::operator()(const char* key, Size2& value) {
  const io::Json* found = find(key);
  if (found == nullptr) return;
  if (!found->is_array()) {
    value = Size2(io::as_integer(*found, where_, key, 1, most));
    return;
  }
  if (found->size() != 2) throw FormatError(fmt::format("{}: field \"{}\": {} came, one number or two are allowed", where_, key, io::describe(*found)));
  value = Size2(io::as_integer((*found)[0], where_, key, 1, most), io::as_integer((*found)[1], where_, key, 1, most));
}

void ConfigReader::operator()(const char* key, Pads2& value) {
  const io::Json* found = find(key);
  if (found == nullptr) return;
  const auto number = [&](const io::Json& json) { return io::as_integer(json, where_, key, 0, most); };
  const auto check_pair = [&](const io::Json& json) {
    if (json.size() != 2)
      throw FormatError(fmt::format("{}: field \"{}\": {} came, one number or two are allowed", where_, key, io::describe(json)));
  };
  const auto ends = [&](const io::Json& json) {
    if (!json.is_array()) return Pads1(number(json));
    check_pair(json);
    return Pads1(number(json[0]), number(json[1]));
  };
  if (!found->is_array()) {
    value = Pads2(number(*found));
    return;
  }
  check_pair(*found);
  value = Pads2(ends((*found)[0]), ends((*found)[1]));
}

void ConfigReader::operator()(const char* key, Padding& value) {
  if (find(key) != nullptr) value = named<Padding>(json_, key, where_);
}

void ConfigReader::operator()(const char* key, BlurBorder& value) {
  if (find(key) != nullptr) value = named<BlurBorder>(json_, key, where_);
}

void ConfigReader::operator()(const char* key, BlurPads& value) {
  if (find(key) != nullptr) value = named<BlurPads>(json_, key, where_);
}

void ConfigReader::operator()(const char* key, NormOrder& value) {
  if (find(key) != nullptr) value = named<NormOrder>(json_, key, where_);
}

void ConfigReader::operator()(const char* key, DataFormat& value) {
  if (find(key) != nullptr) value = named<DataFormat>(json_, key, where_);
}

void ConfigReader::operator()(const char* key, ActivationName& value) {
  if (find(key) != nullptr) value = named<ActivationName>(json_, key, where_);
}

void ConfigReader::operator()(const char* key, Initializer& value) {
  if (const io::Json* found = find(key)) value = optim::initializer_from_json(*found, fmt::format("{}: field \"{}\"", where_, key));
}

void ConfigReader::operator()(const char* key, std::optional<std::uint64_t>& value) {
  if (find(key) != nullptr) value = static_cast<std::uint64_t>(io::integer_field(json_, key, where_, 0));
}

}  // namespace linn::layers
