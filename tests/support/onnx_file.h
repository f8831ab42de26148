// ONNX files written by hand, byte by byte, so that a test can write broken ones too.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "io/test_files.h"

namespace linn::tests {

/// A protobuf message that grows.
class Message {
 public:
  Message& integer(int field, std::int64_t value) {
    varint(static_cast<std::uint64_t>(field) << 3);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  Message& number(int field, float value) {
    varint((static_cast<std::uint64_t>(field) << 3) | 5);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  Message& text(int field, std::string_view value) {
    varint((static_cast<std::uint64_t>(field) << 3) | 2);
    varint(value.size());
    bytes_.append(value);
    return *this;
  }
  Message& message(int field, const Message& value) { return text(field, value.bytes_); }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 128; value >>= 7) bytes_ += static_cast<char>(value | 128);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

/// TensorProto of float32 numbers as raw data.
inline Message onnx_floats(std::string_view name, const std::vector<std::int64_t>& dims, const std::vector<float>& values) {
  Message tensor;
  for (const std::int64_t size : dims) tensor.integer(1, size);
  tensor.integer(2, 1).text(8, name);
  return tensor.text(9, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}

inline Message onnx_integers(std::string_view name, const std::vector<std::int64_t>& dims, const std::vector<std::int64_t>& values) {
  Message tensor;
  for (const std::int64_t size : dims) tensor.integer(1, size);
  tensor.integer(2, 7).text(8, name);
  return tensor.text(9, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(std::int64_t)});
}

/// NodeProto; attributes are added with `message(5, ...)`.
inline Message onnx_node(std::string_view op, const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
                         std::string_view name = {}, std::string_view domain = {}) {
  Message node;
  for (const std::string& input : inputs) node.text(1, input);
  for (const std::string& output : outputs) node.text(2, output);
  node.text(3, name).text(4, op);
  if (!domain.empty()) node.text(7, domain);
  return node;
}

inline Message onnx_attribute(std::string_view name, std::int64_t value) {
  return Message().text(1, name).integer(20, 2).integer(3, value);
}
inline Message onnx_attribute(std::string_view name, const std::vector<std::int64_t>& values) {
  Message attribute;
  attribute.text(1, name).integer(20, 7);
  for (const std::int64_t value : values) attribute.integer(8, value);
  return attribute;
}

/// ValueInfoProto of float32; sizes below 1 are open.
inline Message onnx_value(std::string_view name, const std::vector<std::int64_t>& dims, std::int64_t type = 1) {
  Message shape;
  for (const std::int64_t size : dims) shape.message(1, size > 0 ? Message().integer(1, size) : Message().text(2, "n"));
  return Message().text(1, name).message(2, Message().message(1, Message().integer(1, type).message(2, shape)));
}

struct OnnxFile {
  std::vector<Message> nodes, initializers, inputs, outputs;
  std::int64_t opset = 17;

  test::Bytes bytes() const {
    Message graph;
    for (const Message& node : nodes) graph.message(1, node);
    graph.text(2, "made by hand");
    for (const Message& tensor : initializers) graph.message(5, tensor);
    for (const Message& input : inputs) graph.message(11, input);
    for (const Message& output : outputs) graph.message(12, output);
    Message model;
    model.integer(1, 8)
        .message(7, graph)
        .message(8, Message().text(1, "").integer(2, opset))
        .message(14, Message().text(1, "author").text(2, "a test"));
    return test::bytes(model.bytes());
  }
};

}  // namespace linn::tests
