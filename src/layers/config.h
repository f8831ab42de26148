// The visitors of `describe` that turn a layer's options into Keras's config and back.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "io/json.h"
#include "layers/description.h"
#include "linn/activations.h"
#include "linn/axes.h"
#include "linn/types.h"

namespace linn::layers {

/// Writes each field under its name.
class ConfigWriter {
 public:
  explicit ConfigWriter(std::string name) : name_(std::move(name)) {}
  io::Json take() { return std::move(json_); }

  void common(const std::string& name, bool trainable, const Shape& input_shape);
  void input(const std::string& name, const Shape& shape);
  template <class T>
  void required(const char* key, const T& value) {
    (*this)(key, value);
  }
  void operator()(const char* key, std::int64_t value) { json_[key] = value; }
  void axis(const char* key, std::int64_t value) { json_[key] = value; }
  void operator()(const char* key, double value) { json_[key] = value; }
  void operator()(const char* key, bool value) { json_[key] = value; }
  void operator()(const char* key, const Axes& value);
  void operator()(const char* key, const Size2& value);
  void operator()(const char* key, const Pads2& value);
  void operator()(const char* key, const Padding& value) { json_[key] = value.name(); }
  void operator()(const char* key, const BlurBorder& value) { json_[key] = value.name(); }
  void operator()(const char* key, const BlurPads& value) { json_[key] = value.name(); }
  void operator()(const char* key, const NormOrder& value) { json_[key] = value.name(); }
  void operator()(const char* key, const DataFormat& value) { json_[key] = value.name(); }
  void operator()(const char* key, const ActivationName& value) { json_[key] = value.name(); }
  void operator()(const char* key, const Initializer& value);
  void operator()(const char* key, const std::optional<std::uint64_t>& value) { json_[key] = value ? io::Json(*value) : io::Json(nullptr); }

 private:
  std::string name_;
  io::Json json_ = io::Json::object();
};

/// Reads each field that is there; `finish` refuses those that nobody asked for, unless Keras writes them for "nothing".
class ConfigReader {
 public:
  ConfigReader(const io::Json& json, std::string where) : json_(json), where_(std::move(where)) {}
  void finish() const;

  void common(std::string& name, bool& trainable, Shape& input_shape);
  void input(std::string& name, Shape& shape);
  /// A field without a default.
  template <class T>
  void required(const char* key, T& value) {
    if (find(key) == nullptr) missing(key);
    (*this)(key, value);
  }
  void operator()(const char* key, std::int64_t& value);
  /// Of an input with its batch axis; below 0: counted from the end.
  void axis(const char* key, std::int64_t& value);
  void operator()(const char* key, double& value);
  void operator()(const char* key, bool& value);
  /// One number or a list of numbers, -8 or more.
  void operator()(const char* key, Axes& value);
  void operator()(const char* key, Size2& value);
  /// One number, two, or two of one or two numbers each, all 0 or more.
  void operator()(const char* key, Pads2& value);
  void operator()(const char* key, Padding& value);
  void operator()(const char* key, BlurBorder& value);
  void operator()(const char* key, BlurPads& value);
  void operator()(const char* key, NormOrder& value);
  void operator()(const char* key, DataFormat& value);
  void operator()(const char* key, ActivationName& value);
  void operator()(const char* key, Initializer& value);
  void operator()(const char* key, std::optional<std::uint64_t>& value);

 private:
  const io::Json* find(const char* key);
  [[noreturn]] void missing(const char* key) const;
  /// The sizes behind the batch axis.
  Shape image_shape(const io::Json& list, const char* key) const;

  const io::Json& json_;
  std::string where_;
  std::set<std::string, std::less<>> known_;
};

/// A description made of a config struct with `describe`, common to all layers.
template <class Config, class Base = OneToOne>
class Described : public Base {
 public:
  explicit Described(Config config) : config_(std::move(config)) {}

  const std::string& name() const override { return config_.options.name; }
  bool trainable() const override { return config_.options.trainable; }
  const Shape& input_shape() const override { return config_.options.input_shape; }
  io::Json config(const std::string& name) const override {
    ConfigWriter writer(name);
    describe(config_, writer);
    return writer.take();
  }

 protected:
  const Config& options() const { return config_; }
  std::string where() const { return place_of(snake_case(this->class_name()), config_.options.name); }

  Config config_;
};

template <class Config>
Config read_config(const io::Json& json, const std::string& where) {
  Config config;
  ConfigReader reader(json, where);
  describe(config, reader);
  reader.finish();
  return config;
}

}  // namespace linn::layers
