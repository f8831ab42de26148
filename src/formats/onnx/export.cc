#include "formats/onnx/export.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/onnx/exporters.h"
#include "graph/nested.h"
#include "layers/channels_first.h"
#include "layers/layer_object.h"
#include "linn/error.h"

namespace linn::detail::formats {
namespace onnx {

ExportFunction find_exporter(std::string_view class_name) {
  struct Row {
    std::string_view class_name;
    ExportFunction function;
  };
  static constexpr Row rows[] = {
#define LINN_ONNX_LAYER(class_name, function) {#class_name, function},
#include "formats/onnx/exporters.inc"
#undef LINN_ONNX_LAYER
  };
  const auto* found = std::find_if(std::begin(rows), std::end(rows), [&](const Row& row) { return row.class_name == class_name; });
  return found == std::end(rows) ? nullptr : found->function;
}

// ---- forms of a value --------------------------------------------------------------------------------------------

std::string natural_form(ModelWriter& writer, ExportedValue& value, const std::string& name) {
  if (!value.natural.empty()) return value.natural;
  if (!value.scattered.empty()) {
    const Shape& map = value.scattered_map;
    const std::string image =
        writer.node("Reshape", {value.scattered, writer.integers({0, map[2], map[0], map[1]}, name + "/map_shape")}, {}, name + "/map");
    const std::string last = writer.node("Transpose", {image}, {{"perm", std::vector<std::int64_t>{0, 2, 3, 1}}}, name + "/channels_last");
    value.natural = writer.node("Flatten", {last}, {}, name + "/row");
  } else {
    value.natural =
        writer.node("Transpose", {value.channels_first}, {{"perm", std::vector<std::int64_t>{0, 2, 3, 1}}}, name + "/channels_last");
  }
  return value.natural;
}

std::string channels_first_form(ModelWriter& writer, ExportedValue& value, const std::string& name) {
  if (value.channels_first.empty())
    value.channels_first = writer.node("Transpose", {natural_form(writer, value, name)}, {{"perm", std::vector<std::int64_t>{0, 3, 1, 2}}},
                                       name + "/channels_first");
  return value.channels_first;
}

std::string ExportedCall::natural(std::size_t i) { return natural_form(writer, *inputs_[i], fmt::format("{}/input{}", name, i)); }
std::string ExportedCall::channels_first(std::size_t i) {
  return channels_first_form(writer, *inputs_[i], fmt::format("{}/input{}", name, i));
}

std::string ExportedCall::node(std::string_view op, const std::vector<std::string>& reads, const Attributes& attributes,
                               std::string_view part) {
  return writer.node(op, reads, attributes, part.empty() ? name : fmt::format("{}/{}", name, part));
}
std::string ExportedCall::floats(const Tensor& values, std::string_view part) {
  return writer.floats(values, fmt::format("{}/{}", name, part));
}
std::string ExportedCall::number_value(double value, std::string_view part) {
  return writer.number(value, fmt::format("{}/{}", name, part));
}
std::string ExportedCall::integers(const std::vector<std::int64_t>& values, std::string_view part) {
  return writer.integers(values, fmt::format("{}/{}", name, part));
}

// ---- layers that see their image otherwise -----------------------------------------------------------------------

namespace {

ExportFunction exporter_of(const LayerDescription& layer) {
  const LayerDescription* on_maps = layer.on_one_row_map();
  return find_exporter(on_maps == nullptr ? layer.class_name() : on_maps->class_name());
}

std::string with_row_axis(ExportedCall& call, const char* op, const std::string& value, std::int64_t axis, std::string_view part) {
  return call.node(op, {value, call.integers({axis}, fmt::format("{}_axis", op))}, {}, part);
}

// A layer with data_format "channels_first", whose images lie in linn as maps lie in ONNX, or a layer over steps, whose image is a map of one
// row: the layer on maps is written, between nodes that move or add axes.
void export_on_map(ExportedCall& call, const LayerDescription& layer) {
  const bool is_first = layer.channels_first();
  const LayerDescription* on_maps = layer.on_one_row_map();
  const auto map_of = [&](const Shape& image) {
    Shape moved = is_first ? layers::channels_moved_last(image) : image;
    return on_maps == nullptr ? moved : moved.with_first(1);
  };
  const std::int64_t row_axis = is_first ? 2 : 1;
  const bool has_axes = call.results[0].image.rank() == call.image().rank();  // not pooled away or flattened
  ExportedValue source{.image = map_of(call.image())};
  const std::string value = on_maps == nullptr ? call.natural() : with_row_axis(call, "Unsqueeze", call.natural(), row_axis, "map");
  (is_first ? source.channels_first : source.natural) = value;

  std::vector<Tensor> weights = call.weights;
  if (on_maps != nullptr)
    for (Tensor& weight : weights)
      if (weight.shape().rank() == 3) weight = weight.reshape(weight.shape().with_first(1));
  const Shape& result = call.results[0].image;
  ExportedCall inner(call.writer, call.name, on_maps == nullptr ? call.config : on_maps->config(call.name), {&source}, std::move(weights),
                     {has_axes ? map_of(result) : result});
  exporter_of(layer)(inner);
  const std::string name = call.name + "/result";
  const std::string made = has_axes && is_first ? channels_first_form(call.writer, inner.results[0], name) : natural_form(call.writer, inner.results[0], name);
  call.give_natural(has_axes && on_maps != nullptr ? with_row_axis(call, "Squeeze", made, row_axis, "steps") : made);
}

}  // namespace

// ---- the graph ---------------------------------------------------------------------------------------------------

namespace {

class Exporter {
 public:
  explicit Exporter(const graph::Graph& graph) : graph_(graph) {}

  void run(const Metadata& metadata, const io::Sink& sink) {
    // Layers are named after their values, so the names of the ends come first.
    for (const std::string& name : output_names()) writer_.reserve(name);
    values_.resize(graph_.calls().size());
    for (std::size_t c = 0; c < graph_.calls().size(); ++c) write_call(c);
    if (!problems_.empty())
      throw ValueError(fmt::format("model \"{}\" cannot be written as ONNX: {}", graph_.name(), fmt::join(problems_, "; ")));
    const std::vector<std::string> names = output_names();
    for (std::size_t i = 0; i < graph_.outputs().size(); ++i) {
      const graph::Port port = graph_.outputs()[i];
      ExportedValue& value = values_[static_cast<std::size_t>(port.call)][static_cast<std::size_t>(port.output)];
      writer_.alias(natural_form(writer_, value, names[i]), names[i]);
      writer_.output(names[i], value.image);
    }
    writer_.write(graph_.name(), metadata, sink);
  }

 private:
  // Of the layers; a layer that gives two outputs, or an input, needs another name.
  std::vector<std::string> output_names() const {
    std::vector<std::string> names = graph_.output_names();
    const std::vector<std::string> inputs = graph_.input_names();
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string base = names[i];
      const auto is_taken = [&] {
        return std::find(inputs.begin(), inputs.end(), names[i]) != inputs.end() ||
               std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
                   names.begin() + static_cast<std::ptrdiff_t>(i);
      };
      for (int number = 1; is_taken(); ++number) names[i] = fmt::format("{}_output{}", base, number);
    }
    return names;
  }

  void write_call(std::size_t c) {
    const graph::Call& call = graph_.calls()[c];
    const graph::Member& member = graph_.all_members()[static_cast<std::size_t>(call.layer)];
    if (call.inputs.empty()) {
      values_[c].push_back({.image = call.outputs.front(), .natural = member.name});
      writer_.reserve(member.name);
      writer_.input(member.name, call.outputs.front());
      return;
    }
    for (const Shape& shape : call.outputs) values_[c].push_back({.image = shape});
    // Of a wrapper the layer in it is written, without the wrapper's own variable.
    const LayerDescription::Wrapped wrapped = member.layer->description->wrapped();
    const LayerDescription& layer = wrapped.layer == nullptr ? *member.layer->description : *description_of(*wrapped.layer);
    const ExportFunction write = exporter_of(layer);
    if (write == nullptr) return problem(fmt::format("layer \"{}\" ({}) has no ONNX form", member.name, member.class_name()));
    std::vector<ExportedValue*> inputs;
    for (const graph::Port port : call.inputs)
      inputs.push_back(&values_[static_cast<std::size_t>(port.call)][static_cast<std::size_t>(port.output)]);
    std::vector<Tensor> weights;
    for (const int variable : member.variables) weights.push_back(graph_.variables()[static_cast<std::size_t>(variable)].value());
    if (wrapped.layer != nullptr) weights.erase(weights.begin() + static_cast<std::ptrdiff_t>(wrapped.own_variable));
    ExportedCall exported(writer_, member.name, layer.config(member.name), std::move(inputs), std::move(weights),
                          call.outputs);
    try {
      if (layer.channels_first() || layer.on_one_row_map() != nullptr)
        export_on_map(exported, layer);
      else
        write(exported);
    } catch (const NoOnnxForm& error) {
      return problem(fmt::format("layer \"{}\" ({}): {}", member.name, member.class_name(), error.what()));
    }
    values_[c] = std::move(exported.results);
  }

  void problem(std::string text) { problems_.push_back(std::move(text)); }

  const graph::Graph& graph_;
  ModelWriter writer_;
  std::vector<std::vector<ExportedValue>> values_;  // by call and output
  std::vector<std::string> problems_;
};

}  // namespace
}  // namespace onnx

void write_onnx(const graph::Graph& graph, const Metadata& metadata, const io::Sink& sink) {
  if (!graph.built()) throw StateError(fmt::format("model \"{}\" is not built: the shape of its input is not known", graph.name()));
  // Models inside it are written in their places.
  if (const auto flat = graph::flattened(graph)) {
    const graph::Graph whole = graph::Graph::functional(graph.name(), flat->inputs, flat->outputs, 0);
    return onnx::Exporter(whole).run(metadata, sink);
  }
  onnx::Exporter(graph).run(metadata, sink);
}

std::vector<std::byte> graph_to_onnx(const graph::Graph& graph, const Metadata& metadata) {
  std::vector<std::byte> bytes;
  write_onnx(graph, metadata, [&](std::span<const std::byte> part) { bytes.insert(bytes.end(), part.begin(), part.end()); });
  return bytes;
}

}  // namespace linn::detail::formats
