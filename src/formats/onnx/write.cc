#include "formats/onnx/write.h"

#include <fmt/format.h>

#include <protozero/pbf_writer.hpp>

#include "io/bytes.h"
#include "io/elements.h"
#include "linn/error.h"

namespace linn::detail::formats::onnx {
namespace {

using protozero::pbf_writer;

constexpr std::int64_t ir_version = 8, opset = 17;
constexpr int float_type = 1, int64_type = 7;

void write_attribute(pbf_writer& node, std::string_view name, const AttributeValue& value) {
  pbf_writer attribute(node, 5);
  attribute.add_string(1, name.data(), name.size());
  if (const auto* number = std::get_if<double>(&value)) {
    attribute.add_float(2, static_cast<float>(*number));
    attribute.add_int32(20, 1);
  } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    attribute.add_int64(3, *integer);
    attribute.add_int32(20, 2);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    attribute.add_bytes(4, *text);
    attribute.add_int32(20, 3);
  } else {
    for (const std::int64_t part : std::get<std::vector<std::int64_t>>(value)) attribute.add_int64(8, part);
    attribute.add_int32(20, 7);
  }
}

}  // namespace

std::string ModelWriter::unique(std::string_view name) {
  std::string result(name);
  for (int number = 1; !names_.insert(result).second; ++number) result = fmt::format("{}_{}", name, number);
  return result;
}

std::string ModelWriter::node(std::string_view op, const std::vector<std::string>& inputs, const Attributes& attributes,
                              std::string_view name) {
  return node(op, inputs, attributes, name, 1).front();
}

std::vector<std::string> ModelWriter::node(std::string_view op, const std::vector<std::string>& inputs, const Attributes& attributes,
                                           std::string_view name, std::size_t outputs) {
  std::vector<std::string> results;
  for (std::size_t i = 0; i < outputs; ++i) results.push_back(unique(i == 0 ? std::string(name) : fmt::format("{}_output{}", name, i)));
  pbf_writer graph(nodes_);
  pbf_writer message(graph, 1);
  for (const std::string& input : inputs) message.add_string(1, input);
  for (const std::string& result : results) message.add_string(2, result);
  message.add_string(3, results.front());
  message.add_string(4, op.data(), op.size());
  for (const auto& [key, value] : attributes) write_attribute(message, key, value);
  return results;
}

void ModelWriter::alias(const std::string& value, const std::string& name) {
  pbf_writer graph(nodes_);
  pbf_writer message(graph, 1);
  message.add_string(1, value);
  message.add_string(2, name);
  message.add_string(3, name);
  message.add_string(4, "Identity");
}

void ModelWriter::initializer(std::string_view name, std::span<const std::int64_t> dims, int type, std::span<const std::byte> bytes) {
  pbf_writer graph(tensors_);
  pbf_writer tensor(graph, 5);
  for (const std::int64_t size : dims) tensor.add_int64(1, size);
  tensor.add_int32(2, type);
  tensor.add_string(8, name.data(), name.size());
  tensor.add_bytes(9, reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string ModelWriter::floats(const Tensor& values, std::string_view name) {
  std::string result = unique(name);
  initializer(result, {values.shape().begin(), values.shape().rank()}, float_type, io::bytes_of(values));
  return result;
}

std::string ModelWriter::number(double value, std::string_view name) {
  return floats(Tensor::from(std::vector<float>{static_cast<float>(value)}, {}), name);
}

std::string ModelWriter::integers(const std::vector<std::int64_t>& values, std::string_view name) {
  std::string result = unique(name);
  const std::int64_t dims[] = {static_cast<std::int64_t>(values.size())};
  initializer(result, dims, int64_type, std::as_bytes(std::span(values)));
  return result;
}

void ModelWriter::value_info(std::uint32_t field, const std::string& name, const Shape& image) {
  pbf_writer graph(ends_);
  pbf_writer info(graph, field);
  info.add_string(1, name);
  pbf_writer type(info, 2);
  pbf_writer tensor(type, 1);
  tensor.add_int32(1, float_type);
  pbf_writer shape(tensor, 2);
  {
    pbf_writer dimension(shape, 1);
    dimension.add_string(2, "N");
    dimension.add_string(3, "DATA_BATCH");
  }
  for (std::size_t i = 0; i < image.rank(); ++i) {
    pbf_writer dimension(shape, 1);
    if (image.rank() == 3) dimension.add_string(3, i == 2 ? "DATA_CHANNEL" : "DATA_FEATURE");
    if (image.begin()[i] == Shape::none)
      dimension.add_string(2, fmt::format("{}_{}", name, i));
    else
      dimension.add_int64(1, image.begin()[i]);
  }
}

void ModelWriter::input(const std::string& name, const Shape& image) { value_info(11, name, image); }
void ModelWriter::output(const std::string& name, const Shape& image) { value_info(12, name, image); }

void ModelWriter::write(std::string_view graph_name, const Metadata& metadata, const io::Sink& sink) const {
  std::string name_field, head, tail;
  pbf_writer(name_field).add_string(2, graph_name.data(), graph_name.size());
  const std::size_t graph_size = nodes_.size() + name_field.size() + tensors_.size() + ends_.size();
  if (graph_size > (std::size_t{1} << 31) - (1 << 20))
    throw ValueError(fmt::format("the network takes {} bytes as ONNX; a protobuf file holds at most 2 GB", graph_size));
  {
    pbf_writer model(head);
    model.add_int64(1, ir_version);
    model.add_string(2, "linn");
    // The graph's tag and length; its fields follow in pieces.
    head += static_cast<char>((7 << 3) | 2);
    protozero::add_varint_to_buffer(&head, graph_size);
  }
  {
    pbf_writer model(tail);
    {
      pbf_writer set(model, 8);
      set.add_string(1, "");
      set.add_int64(2, opset);
    }
    for (const auto& [key, value] : metadata) {
      pbf_writer entry(model, 14);
      entry.add_string(1, key);
      entry.add_string(2, value);
    }
  }
  for (const std::string* part : {static_cast<const std::string*>(&head), &nodes_, static_cast<const std::string*>(&name_field), &tensors_,
                                  &ends_, static_cast<const std::string*>(&tail)})
    sink(io::bytes_of(*part));
}

}  // namespace linn::detail::formats::onnx
