#include "formats/model_json.h"

#include <fmt/format.h>

#include "linn/error.h"
#include "optim/losses.h"
#include "optim/optimizers.h"

namespace linn::formats {
namespace {

io::Json node(std::string_view module, std::string_view class_name, io::Json config) {
  return {{"module", module}, {"class_name", class_name}, {"config", std::move(config)}, {"registered_name", nullptr}};
}

io::Json batch_shape(const Shape& image) {
  io::Json list = io::Json::array({nullptr});
  for (const std::int64_t size : image) list.push_back(size);
  return list;
}

io::Json compile_to_json(const CompileConfig& compile) {
  io::Json metrics = io::Json::array();
  for (const Metric& metric : compile.metrics) metrics.push_back(metric.name);
  return {{"optimizer", optim::to_json(compile.optimizer)}, {"loss", optim::to_json(compile.loss)}, {"metrics", metrics}};
}

CompileConfig compile_from_json(const io::Json& json, const std::string& where) {
  CompileConfig compile;
  if (const io::Json* optimizer = io::find_field(json, "optimizer", where)) compile.optimizer = optim::optimizer_from_json(*optimizer, where + ": optimizer");
  if (const io::Json* loss = io::find_field(json, "loss", where)) compile.loss = optim::loss_from_json(*loss, where + ": loss");
  if (const io::Json* metrics = io::find_field(json, "metrics", where)) {
    if (!metrics->is_array()) throw FormatError(fmt::format("{}: field \"metrics\": {} came, a list of names is allowed", where, io::describe(*metrics)));
    for (const io::Json& metric : *metrics) {
      if (!metric.is_string()) throw FormatError(fmt::format("{}: metric {} is not supported; a name such as \"accuracy\" is", where, io::describe(metric)));
      compile.metrics.emplace_back(metric.get<std::string>());
    }
  }
  return compile;
}

// Keras 3 writes {"name": ..., "layers": [...]}; its first versions wrote the bare list.
const io::Json& layers_of(const io::Json& config, const std::string& where) {
  return config.is_array() ? config : io::array_field(config, "layers", where);
}

void append_layer(graph::Graph& graph, std::optional<Shape>& input, const io::Json& json, const std::string& where, std::uint64_t seed) {
  const std::string& class_name = io::string_field(json, "class_name", where);
  const io::Json* registered = io::find_field(json, "registered_name", where);
  if (registered != nullptr && *registered != class_name)
    throw FormatError(fmt::format("{}: custom class {} is not supported, and was not looked up or executed", where, io::describe(*registered)));
  const io::Json& config = io::object_field(json, "config", where);
  const layers::DescriptionPtr layer = layers::layer_from_config(class_name, config, fmt::format("{}: {} \"{}\"", where, class_name, io::string_field_or(config, "name", where, "")));
  if (class_name == "InputLayer") {
    input = layer->input_shape();
    if (!layer->name().empty()) graph.set_input_name(layer->name());
    return;
  }
  if (!input && !layer->input_shape().empty()) input = layer->input_shape();
  graph.append(layer, seed);
}

}  // namespace

io::Json model_to_json(const graph::Graph& graph, const CompileConfig* compile) {
  io::Json list = io::Json::array();
  if (graph.built()) {
    const io::Json config = {{"batch_shape", batch_shape(graph.input_shape())}, {"dtype", "float32"}, {"sparse", false}, {"name", graph.input_name()}};
    list.push_back(node("keras.layers", "InputLayer", config));
  }
  for (const graph::Node& layer : graph.nodes()) list.push_back(node("keras.layers", layer.layer->class_name(), layer.layer->config(layer.name)));
  io::Json config = {{"name", graph.name()}, {"trainable", true}, {"dtype", "float32"}, {"layers", list}};
  if (graph.built()) config["build_input_shape"] = batch_shape(graph.input_shape());
  io::Json model = node("keras", "Sequential", std::move(config));
  if (compile != nullptr) model["compile_config"] = compile_to_json(*compile);
  return model;
}

ModelConfig model_from_json(const io::Json& json, const std::string& where, std::uint64_t seed) {
  const std::string& class_name = io::string_field(json, "class_name", where);
  if (class_name != "Sequential") throw FormatError(fmt::format("{}: model class \"{}\" is not supported; \"Sequential\" is", where, class_name));
  const io::Json& config = io::field(json, "config", where);
  const std::string name = config.is_object() ? io::string_field_or(config, "name", where, "sequential") : "sequential";
  ModelConfig model{.graph = graph::Graph(name), .compile = std::nullopt};
  std::optional<Shape> input;
  const io::Json& list = layers_of(config, where);
  for (std::size_t i = 0; i < list.size(); ++i) append_layer(model.graph, input, list[i], fmt::format("{}: layer {}", where, i), seed);
  if (input) model.graph.build(*input, seed);
  if (const io::Json* compile = io::find_field(json, "compile_config", where)) model.compile = compile_from_json(*compile, where + ": compile_config");
  return model;
}

}  // namespace linn::formats
