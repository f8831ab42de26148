// The messages of an ONNX file as plain structs. They point into the bytes of the file, which must outlive them.
// Field numbers: onnx.proto of https://github.com/onnx/onnx.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace linn::detail::formats::onnx {

/// TensorProto.DataType, those that linn reads.
enum class DataType : std::int64_t {
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  uint16 = 4,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  boolean = 9,
  float16 = 10,
  float64 = 11,
  uint32 = 12,
  uint64 = 13,
  bfloat16 = 16,
};

/// Whether values of this type become float32; the others become int64.
bool is_float(DataType type);
/// "float32"; the number for types that linn does not read.
std::string name_of(DataType type);

/// A tensor of the file. Its numbers lie in exactly one of: `raw` (little-endian, row-major), one of the typed lists, an external file.
struct TensorProto {
  std::string_view name;
  std::vector<std::int64_t> dims;
  DataType type = DataType::float32;
  std::optional<std::span<const std::byte>> raw;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<std::int64_t> integers;  // int32_data, int64_data or uint64_data
  bool is_external = false;
  std::map<std::string_view, std::string_view> external;  // location, offset, length
  bool has_texts = false;                                 // string_data, or a segment: nothing that linn reads
};

struct Attribute {
  /// AttributeProto.AttributeType.
  enum Type : std::int64_t { none = 0, number = 1, integer = 2, text = 3, tensor = 4, graph = 5, numbers = 6, integers = 7, texts = 8 };

  std::string_view name;
  std::int64_t type = none;
  float f = 0;
  std::int64_t i = 0;
  std::string_view s;
  std::vector<float> floats;
  std::vector<std::int64_t> ints;
  std::vector<TensorProto> tensors;  // at most one: t
};

struct Node {
  std::string_view name, op_type, domain;
  std::vector<std::string_view> inputs, outputs;
  std::vector<Attribute> attributes;
};

/// One size of a shape: a number, or a name (or nothing) where the size is open.
struct Dimension {
  std::optional<std::int64_t> size;
  std::string_view parameter;
  std::string_view denotation;  // "DATA_CHANNEL" where the file says that it is the channels' axis
};

/// An input or an output of the graph.
struct ValueInfo {
  std::string_view name;
  bool is_tensor = false;
  DataType type = DataType::float32;
  std::optional<std::vector<Dimension>> shape;
};

struct GraphProto {
  std::string_view name;
  std::vector<Node> nodes;
  std::vector<TensorProto> initializers;
  std::vector<ValueInfo> inputs, outputs;
  bool has_sparse_initializers = false;
};

struct ModelProto {
  std::int64_t ir_version = 0;
  std::string_view producer_name, producer_version;
  std::map<std::string_view, std::int64_t> opsets;  // by domain, "" being ONNX's own
  GraphProto graph;
  std::map<std::string, std::string> metadata;
};

/// FormatError, with the offset, for bytes that are no ONNX model. Depth is bounded: graphs inside attributes are not read. Memory is
/// bounded by the size of the file, and the number of nodes, tensors and attributes by limits of their own.
ModelProto read_model(std::span<const std::byte> bytes, const std::string& where);

}  // namespace linn::detail::formats::onnx
