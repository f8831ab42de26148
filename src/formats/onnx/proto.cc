#include "formats/onnx/proto.h"

#include <fmt/format.h>

#include "io/protobuf.h"
#include "io/text.h"

namespace linn::detail::formats::onnx {
namespace {

using io::ProtobufReader;

// An empty message takes two bytes in the file and some hundred in memory, so their number is bounded too.
constexpr std::size_t most_nodes = 50'000, most_tensors = 50'000, most_attributes = 64, most_ends = 1024, most_inputs = 1024, most_axes = 8;

template <class T>
T& add(std::vector<T>& list, std::size_t most, const char* what, const ProtobufReader& at) {
  if (list.size() >= most)
    io::format_error(at.where(), "more than {} {} at offset {}; that is the most linn takes", most, what, at.offset());
  return list.emplace_back();
}

std::pair<std::string_view, std::string_view> read_entry(ProtobufReader message) {
  std::pair<std::string_view, std::string_view> entry;
  while (message.next()) switch (message.field()) {
      case 1: entry.first = message.text(); break;
      case 2: entry.second = message.text(); break;
      default: message.skip();
    }
  return entry;
}

void read_tensor(ProtobufReader message, TensorProto& tensor) {
  while (message.next()) switch (message.field()) {
      case 1:
        message.integers(tensor.dims);
        if (tensor.dims.size() > most_axes)
          io::format_error(message.where(), "the tensor at offset {} has more than {} axes", message.offset(), most_axes);
        break;
      case 2: tensor.type = static_cast<DataType>(message.integer()); break;
      case 3:
      case 6:
        tensor.has_texts = true;
        message.skip();
        break;
      case 4: message.floats(tensor.floats); break;
      case 5:
      case 7:
      case 11: message.integers(tensor.integers); break;
      case 8: tensor.name = message.text(); break;
      case 9: tensor.raw = message.bytes(); break;
      case 10: message.doubles(tensor.doubles); break;
      case 13: tensor.external.insert(read_entry(message.message())); break;
      case 14: tensor.is_external = message.integer() != 0; break;
      default: message.skip();
    }
}

void read_attribute(ProtobufReader message, Attribute& attribute) {
  while (message.next()) switch (message.field()) {
      case 1: attribute.name = message.text(); break;
      case 2: attribute.f = message.number(); break;
      case 3: attribute.i = message.integer(); break;
      case 4: attribute.s = message.text(); break;
      case 5: read_tensor(message.message(), add(attribute.tensors, 1, "tensors in an attribute", message)); break;
      case 6:
        attribute.type = Attribute::graph;
        message.skip();
        break;
      case 7: message.floats(attribute.floats); break;
      case 8: message.integers(attribute.ints); break;
      case 20: attribute.type = message.integer(); break;
      default: message.skip();
    }
}

void read_node(ProtobufReader message, Node& node) {
  while (message.next()) switch (message.field()) {
      case 1: add(node.inputs, most_ends, "inputs of a node", message) = message.text(); break;
      case 2: add(node.outputs, most_ends, "outputs of a node", message) = message.text(); break;
      case 3: node.name = message.text(); break;
      case 4: node.op_type = message.text(); break;
      case 5: read_attribute(message.message(), add(node.attributes, most_attributes, "attributes of a node", message)); break;
      case 7: node.domain = message.text(); break;
      default: message.skip();
    }
}

Dimension read_dimension(ProtobufReader message) {
  Dimension dimension;
  while (message.next()) switch (message.field()) {
      case 1: dimension.size = message.integer(); break;
      case 2: dimension.parameter = message.text(); break;
      case 3: dimension.denotation = message.text(); break;
      default: message.skip();
    }
  return dimension;
}

std::vector<Dimension> read_shape(ProtobufReader message) {
  std::vector<Dimension> shape;
  while (message.next()) {
    if (message.field() == 1)
      add(shape, most_axes, "axes of a shape", message) = read_dimension(message.message());
    else
      message.skip();
  }
  return shape;
}

void read_tensor_type(ProtobufReader message, ValueInfo& value) {
  value.is_tensor = true;
  while (message.next()) switch (message.field()) {
      case 1: value.type = static_cast<DataType>(message.integer()); break;
      case 2: value.shape = read_shape(message.message()); break;
      default: message.skip();
    }
}

void read_value_info(ProtobufReader message, ValueInfo& value) {
  while (message.next()) switch (message.field()) {
      case 1: value.name = message.text(); break;
      case 2: {
        ProtobufReader type = message.message();
        while (type.next()) {
          if (type.field() == 1)
            read_tensor_type(type.message(), value);
          else
            type.skip();
        }
        break;
      }
      default: message.skip();
    }
}

void read_graph(ProtobufReader message, GraphProto& graph) {
  while (message.next()) switch (message.field()) {
      case 1: read_node(message.message(), add(graph.nodes, most_nodes, "nodes", message)); break;
      case 2: graph.name = message.text(); break;
      case 5: read_tensor(message.message(), add(graph.initializers, most_tensors, "initializers", message)); break;
      case 11: read_value_info(message.message(), add(graph.inputs, most_tensors, "inputs", message)); break;
      case 12: read_value_info(message.message(), add(graph.outputs, most_inputs, "outputs", message)); break;
      case 15:
        graph.has_sparse_initializers = true;
        message.skip();
        break;
      default: message.skip();
    }
}

void read_opset(ProtobufReader message, ModelProto& model) {
  std::string_view domain;
  std::int64_t version = 0;
  while (message.next()) switch (message.field()) {
      case 1: domain = message.text(); break;
      case 2: version = message.integer(); break;
      default: message.skip();
    }
  model.opsets[domain == "ai.onnx" ? "" : domain] = version;
}

}  // namespace

bool is_float(DataType type) {
  return type == DataType::float32 || type == DataType::float16 || type == DataType::float64 || type == DataType::bfloat16;
}

std::string name_of(DataType type) {
  switch (type) {
    case DataType::float32: return "float32";
    case DataType::uint8: return "uint8";
    case DataType::int8: return "int8";
    case DataType::uint16: return "uint16";
    case DataType::int16: return "int16";
    case DataType::int32: return "int32";
    case DataType::int64: return "int64";
    case DataType::boolean: return "bool";
    case DataType::float16: return "float16";
    case DataType::float64: return "float64";
    case DataType::uint32: return "uint32";
    case DataType::uint64: return "uint64";
    case DataType::bfloat16: return "bfloat16";
  }
  return fmt::format("type {}", static_cast<std::int64_t>(type));
}

ModelProto read_model(std::span<const std::byte> bytes, const std::string& where) {
  ModelProto model;
  bool has_graph = false;
  ProtobufReader message(bytes, where);
  while (message.next()) switch (message.field()) {
      case 1: model.ir_version = message.integer(); break;
      case 2: model.producer_name = message.text(); break;
      case 3: model.producer_version = message.text(); break;
      case 7:
        if (has_graph) io::format_error(where, "a second graph at offset {}; one is allowed", message.offset());
        has_graph = true;
        read_graph(message.message(), model.graph);
        break;
      case 8: read_opset(message.message(), model); break;
      case 14: {
        const auto [key, value] = read_entry(message.message());
        model.metadata[std::string(key)] = value;
        break;
      }
      default: message.skip();
    }
  if (!has_graph || model.opsets.empty())
    io::format_error(where, "no ONNX model: {} is missing", has_graph ? "the list of operator sets" : "the graph");
  return model;
}

}  // namespace linn::detail::formats::onnx
