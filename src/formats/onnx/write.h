// Writes the messages of an ONNX file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "io/file.h"
#include "linn/formats.h"
#include "linn/shape.h"
#include "linn/tensor.h"

namespace linn::detail::formats::onnx {

using AttributeValue = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>>;
using Attributes = std::vector<std::pair<std::string_view, AttributeValue>>;

/// A model that grows node by node. Values are float32 and known by their names.
class ModelWriter {
 public:
  /// A node; returns the name of its first output, made of `name`. All names are unique.
  std::string node(std::string_view op, const std::vector<std::string>& inputs, const Attributes& attributes, std::string_view name);
  std::vector<std::string> node(std::string_view op, const std::vector<std::string>& inputs, const Attributes& attributes,
                                std::string_view name, std::size_t outputs);
  /// A value of this name that is the same as another one.
  void alias(const std::string& value, const std::string& name);

  std::string floats(const Tensor& values, std::string_view name);
  std::string number(double value, std::string_view name);
  std::string integers(const std::vector<std::int64_t>& values, std::string_view name);

  /// With the batch axis in front; Shape::none where a size is open.
  void input(const std::string& name, const Shape& image);
  void output(const std::string& name, const Shape& image);
  void reserve(const std::string& name) { names_.insert(name); }

  /// ValueError where the file would pass protobuf's limit of 2 GB.
  void write(std::string_view graph_name, const Metadata& metadata, const io::Sink& sink) const;

 private:
  std::string unique(std::string_view name);
  void value_info(std::uint32_t field, const std::string& name, const Shape& image);
  void initializer(std::string_view name, std::span<const std::int64_t> dims, int type, std::span<const std::byte> bytes);

  std::string nodes_, tensors_, ends_;  // encoded fields of GraphProto
  std::set<std::string> names_;
};

}  // namespace linn::detail::formats::onnx
