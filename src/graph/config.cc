#include "graph/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "graph/nested.h"
#include "io/text.h"
#include "layers/registry.h"
#include "linn/error.h"
#include "optim/described.h"

namespace linn::detail::graph {
namespace {

constexpr std::size_t most_calls = 10'000;

// ---- writing -----------------------------------------------------------------------------------------------------

io::Json batch_shape(const Shape& image) {
  io::Json list = io::Json::array({nullptr});
  for (const std::int64_t size : image) list.push_back(size == Shape::none ? io::Json(nullptr) : io::Json(size));
  return list;
}

io::Json layer_node(const Member& member) {
  if (const Graph* inner = graph_in(*member.layer)) {
    io::Json json = to_json(*inner);
    json["config"]["name"] = member.name;
    json["config"]["trainable"] = member.layer->trainable;
    return json;
  }
  io::Json config = member.layer->description->config(member.name);
  if (config.contains("trainable")) config["trainable"] = member.layer->trainable;  // the layer may have been frozen since it was made
  const std::string_view class_name = member.class_name();
  if (layers::is_keras_layer(class_name, config)) return optim::node("keras.layers", class_name, std::move(config));
  return optim::own_node("linn.layers", class_name, std::move(config));
}

io::Json chain_config(const Graph& graph, const std::string& name) {
  io::Json list = io::Json::array();
  for (const Member& member : graph.all_members()) list.push_back(layer_node(member));
  io::Json config = {{"name", name}, {"trainable", true}, {"dtype", "float32"}, {"layers", std::move(list)}};
  if (graph.built()) config["build_input_shape"] = batch_shape(graph.input_shape());
  return config;
}

// Layers for which Keras writes the default of `training` where its user gave none, and does not read it again.
bool keras_invents_training(std::string_view class_name) {
  constexpr std::string_view names[] = {"Dropout",       "AlphaDropout", "GaussianDropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "Resizing", "CenterCrop", "MixUp",
                                        "CutMix",        "RandAugment",      "AugMix",        "Pipeline", "Solarization", "AutoContrast",
                                        "SpectralNormalization", "Equalization",  "ContrastLimitedAdaptiveHistogramEqualization"};
  if (class_name.starts_with("Random")) return true;
  return std::ranges::find(names, class_name) != std::end(names);
}

// Of the first call of a layer, where "input_layers" and "output_layers" of Keras 3 name it.
std::int64_t first_end(const LayerObject& layer) {
  const Graph* inner = graph_in(layer);
  return inner != nullptr && !inner->is_chain() ? 1 : 0;
}

class FunctionalWriter {
 public:
  explicit FunctionalWriter(const Graph& graph) : graph_(graph) {}

  io::Json write(const std::string& name) const {
    io::Json layers = io::Json::array();
    for (const Member& member : graph_.all_members()) {
      io::Json layer = layer_node(member);
      layer["name"] = member.name;
      layer["inbound_nodes"] = io::Json::array();
      if (!detail::is_input(*member.layer))
        for (const int call : member.calls) layer["inbound_nodes"].push_back(inbound(graph_.calls()[static_cast<std::size_t>(call)]));
      layers.push_back(std::move(layer));
    }
    return {{"name", name}, {"trainable", true}, {"layers", std::move(layers)}, {"input_layers", ports(graph_.inputs())}, {"output_layers", ports(graph_.outputs())}};
  }

 private:
  // [layer, which of its calls in this model, which output]
  io::Json history(Port port) const {
    const Member& member = graph_.member_of(port);
    std::int64_t index = 0;
    while (member.calls[static_cast<std::size_t>(index)] != port.call) ++index;
    return io::Json::array({member.name, index, port.output});
  }

  // The same of an input or output of the whole model. There Keras counts the calls of a nested model from 1.
  io::Json end(Port port) const {
    io::Json json = history(port);
    json[1] = json[1].get<std::int64_t>() + first_end(*graph_.member_of(port).layer);
    return json;
  }

  // One alone without a list around it: from a list Keras makes a model that gives a list.
  io::Json ports(const std::vector<Port>& list) const {
    if (list.size() == 1) return end(list.front());
    io::Json json = io::Json::array();
    for (const Port port : list) json.push_back(end(port));
    return json;
  }

  io::Json tensor(Port port) const {
    return {{"class_name", "__keras_tensor__"},
            {"config", {{"shape", batch_shape(graph_.shape_of(port))}, {"dtype", "float32"}, {"keras_history", history(port)}}}};
  }

  io::Json inbound(const Call& call) const {
    io::Json values = io::Json::array();
    for (const Port port : call.inputs) values.push_back(tensor(port));
    io::Json kwargs = io::Json::object();
    if (!call.node->options.training) kwargs["training"] = false;
    io::Json args = call.inputs.size() == 1 ? std::move(values) : io::Json::array({std::move(values)});
    io::Json json = {{"args", std::move(args)}, {"kwargs", kwargs}};
    if (!kwargs.empty() && keras_invents_training(call.node->layer->description->class_name())) json["linn"] = std::move(kwargs);
    return json;
  }

  const Graph& graph_;
};

// ---- reading -----------------------------------------------------------------------------------------------------

bool is_model_class(std::string_view class_name) { return class_name == "Sequential" || class_name == "Functional" || class_name == "Model"; }

// null, or a list of nothing but that: Keras writes "mask": [null, null] where a model of two inputs is called.
bool is_absent(const io::Json& value) {
  return value.is_null() ||
         (value.is_array() && std::all_of(value.begin(), value.end(), [](const io::Json& part) { return part.is_null(); }));
}

// Keras's .h5 files name a registered class by its package too: "linn>BlurPooling2D".
std::string class_of(const io::Json& json, const std::string& where) {
  const std::string& name = io::string_field(json, "class_name", where);
  return name.starts_with(optim::own_package) ? name.substr(optim::own_package.size()) : name;
}

// "config.json: layer 3 \"scale\"", where the configuration says the layer's name.
std::string with_name(const io::Json& json, const std::string& where) {
  const io::Json* config = io::find_field(json, "config", where);
  const std::string name = config != nullptr && config->is_object() ? io::string_field_or(*config, "name", where, "") : "";
  return name.empty() ? where : fmt::format("{} {}", where, io::quote(name));
}

void check_registered(const io::Json& json, const std::string& class_name, const std::string& where) {
  const io::Json* registered = io::find_field(json, "registered_name", where);
  if (registered != nullptr && *registered != class_name && *registered != fmt::format("{}{}", optim::own_package, class_name))
    throw FormatError(fmt::format("{}: custom class {} is not supported, and was not looked up or executed", with_name(json, where), io::describe(*registered)));
}

// hard_sigmoid is another function in tf.keras 2 than in Keras 3 and here. Only a whole model's configuration says which Keras wrote it.
void refuse_old_hard_sigmoid(const io::Json& json, const std::string& where) {
  if (!json.is_structured()) return;
  for (const auto& [key, value] : json.items()) {
    if (json.is_object() && key == "activation" && io::is_text(value, "hard_sigmoid"))
      throw FormatError(
          fmt::format("{}: tf.keras 2 wrote it, whose activation hard_sigmoid is x / 5 + 1/2, cut to 0 ... 1; linn's, and Keras 3's, is "
                      "x / 6 + 1/2. If that may be, remove \"keras_version\"",
                      where));
    refuse_old_hard_sigmoid(value, where);
  }
}

LayerObjectPtr read_layer(const io::Json& json, const std::string& where, FirstValues seed) {
  const std::string class_name = class_of(json, where);
  check_registered(json, class_name, where);
  if (is_model_class(class_name)) {
    const Graph inner = graph_from_json(json, where, seed);
    if (!inner.built()) throw FormatError(fmt::format("{}: the nested model \"{}\" does not say the shape of its input", where, inner.name()));
    const LayerObjectPtr layer = layer_of(inner);
    const io::Json& config = io::field(json, "config", where);
    if (config.is_object() && config.value("trainable", io::Json(true)) == false) Layer(layer).set_trainable(false);
    return layer;
  }
  layers::check_class(class_name, with_name(json, where));
  const io::Json& config = io::object_field(json, "config", where);
  return std::make_shared<LayerObject>(
      layers::layer_from_config(class_name, config, fmt::format("{}: {} \"{}\"", where, class_name, io::string_field_or(config, "name", where, ""))));
}

// Keras 3 writes {"name": ..., "layers": [...]}; its first versions and tf.keras 2.2 also the bare list.
Graph read_chain(const io::Json& config, const std::string& where, FirstValues seed) {
  Graph graph(config.is_object() ? io::string_field_or(config, "name", where, "sequential") : "sequential");
  const io::Json& list = config.is_array() ? config : io::array_field(config, "layers", where);
  LayerObjectPtr input;
  std::optional<Shape> input_shape;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string place = fmt::format("{}: layer {}", where, i);
    LayerObjectPtr layer = read_layer(list[i], place, seed);
    if (detail::is_input(*layer)) {
      if (i != 0) throw FormatError(fmt::format("{}: an InputLayer can only come first in a Sequential", place));
      input = std::move(layer);
      continue;
    }
    if (i == 0 && !layer->description->input_shape().empty()) input_shape = layer->description->input_shape();
    graph.append(layer, seed);
  }
  if (input != nullptr)
    graph.build_behind(input, seed);
  else if (input_shape)
    graph.build(*input_shape, seed);
  return graph;
}

// One entry of "inbound_nodes".
struct Inbound {
  struct Source {
    std::string layer;
    std::int64_t call = 0, output = 0;
  };
  std::vector<Source> sources;
  CallOptions options;
};

class FunctionalReader {
 public:
  FunctionalReader(const io::Json& config, std::string where, FirstValues seed) : config_(config), where_(std::move(where)), seed_(seed) {}

  Graph read() {
    const io::Json& list = io::array_field(config_, "layers", where_);
    for (std::size_t i = 0; i < list.size(); ++i) add_layer(list[i], fmt::format("{}: layer {}", where_, i));
    make_calls();
    const std::vector<SymbolicTensor> inputs = ends("input_layers"), outputs = ends("output_layers");
    return Graph::functional(io::string_field_or(config_, "name", where_, "functional"), inputs, outputs, seed_);
  }

 private:
  struct Entry {
    std::string name;
    LayerObjectPtr layer;
    std::vector<Inbound> inbound;
    std::vector<std::vector<SymbolicTensor>> made;  // by call
    std::int64_t first_call = 0;                    // tf.keras 2 counts the calls of a nested model from 1,
    std::int64_t first_end = 0;                     // Keras 3 only where the ends of a model are named
  };

  void add_layer(const io::Json& json, const std::string& where) {
    Entry entry{.name = {}, .layer = read_layer(json, where, seed_), .inbound = {}, .made = {}};
    entry.name = io::string_field_or(json, "name", where, entry.layer->name);
    if (entry.name.empty()) throw FormatError(fmt::format("{}: field \"name\" is missing", where));
    entry.layer->name = entry.name;
    const io::Json& inbound = io::array_field(json, "inbound_nodes", where);
    for (const io::Json& call : inbound) entry.inbound.push_back(call.is_object() ? read_call(call, class_of(json, where), where) : read_old_call(call, where));
    const bool is_old = !inbound.empty() && !inbound.front().is_object();
    if (is_old && graph_in(*entry.layer) != nullptr) entry.first_call = 1;
    entry.first_end = is_old ? entry.first_call : first_end(*entry.layer);
    calls_ += std::max<std::size_t>(1, entry.inbound.size());
    if (calls_ > most_calls) throw FormatError(fmt::format("{}: more than {} calls of layers; that is the most linn takes", where_, most_calls));
    if (detail::is_input(*entry.layer)) entry.made.push_back({detail::call_input(entry.layer)});
    if (!numbers_.emplace(entry.name, entries_.size()).second)
      throw FormatError(fmt::format("{}: there is a layer named \"{}\" already; all layers of a model need unique names", where, entry.name));
    entries_.push_back(std::move(entry));
  }

  // {"args": [...], "kwargs": {...}} of Keras 3. Beside it "linn": the arguments that Keras would change.
  static Inbound read_call(const io::Json& json, const std::string& class_name, const std::string& where) {
    Inbound call;
    const std::function<void(const io::Json&)> collect = [&](const io::Json& value) {
      if (value.is_array()) {
        for (const io::Json& part : value) collect(part);
        return;
      }
      if (value.is_null()) return;
      if (!value.is_object() || value.value("class_name", "") != "__keras_tensor__")
        throw FormatError(fmt::format("{}: the layer is called with {}; only values of other layers are supported", where, io::describe(value)));
      call.sources.push_back(read_source(io::array_field(io::object_field(value, "config", where), "keras_history", where), where));
    };
    collect(io::array_field(json, "args", where));
    if (const io::Json* kwargs = io::find_field(json, "kwargs", where)) read_arguments(*kwargs, call, where, keras_invents_training(class_name));
    if (const io::Json* own = io::find_field(json, "linn", where)) read_arguments(*own, call, where);
    return call;
  }

  // [["conv2d", 0, 0, {}], ...] of tf.keras 2, or a lone one of them.
  static Inbound read_old_call(const io::Json& json, const std::string& where) {
    Inbound call;
    const bool alone = json.is_array() && !json.empty() && json.front().is_string();
    const io::Json& list = json;
    if (!list.is_array()) throw FormatError(fmt::format("{}: field \"inbound_nodes\": {} came, a list is allowed", where, io::describe(json)));
    const auto take = [&](const io::Json& source) {
      call.sources.push_back(read_source(source, where));
      if (source.size() > 3) read_arguments(source[3], call, where);
    };
    if (alone)
      take(list);
    else
      for (const io::Json& source : list) take(source);
    return call;
  }

  static Inbound::Source read_source(const io::Json& json, const std::string& where) {
    if (!json.is_array() || json.size() < 3 || !json[0].is_string())
      throw FormatError(fmt::format("{}: {} came where [layer, call, output] is wanted", where, io::describe(json)));
    constexpr std::int64_t most = most_calls;
    return {json[0].get<std::string>(), io::as_integer(json[1], where, "call", 0, most), io::as_integer(json[2], where, "output", 0, most)};
  }

  static void read_arguments(const io::Json& json, Inbound& call, const std::string& where, bool training_is_invented = false) {
    if (!json.is_object()) throw FormatError(fmt::format("{}: arguments of a call: {} came, an object is allowed", where, io::describe(json)));
    for (const auto& [key, value] : json.items()) {
      if (is_absent(value) || (key == "training" && training_is_invented && value.is_boolean())) continue;
      if (key == "training" && value == false) {
        call.options.training = false;
        continue;
      }
      throw FormatError(fmt::format("{}: the layer is called with {}={}, which is not supported", where, key, io::describe(value)));
    }
  }

  // A call can be made once all values that it reads are there; a shared layer may be called on what comes later in the list.
  void make_calls() {
    std::size_t left = 0;
    for (const Entry& entry : entries_) left += entry.inbound.size();
    for (std::size_t before = left + 1; left > 0 && left < before;) {
      before = left;
      for (Entry& entry : entries_)
        while (!detail::is_input(*entry.layer) && entry.made.size() < entry.inbound.size() && make(entry, entry.inbound[entry.made.size()])) --left;
    }
    for (const Entry& entry : entries_)
      if (!detail::is_input(*entry.layer) && entry.made.size() < entry.inbound.size()) refuse(entry, entry.inbound[entry.made.size()]);
  }

  // `is_end`: what "input_layers" or "output_layers" name.
  const SymbolicTensor* find(const Inbound::Source& source, bool is_end = false) const {
    const auto found = numbers_.find(source.layer);
    if (found == numbers_.end()) throw FormatError(fmt::format("{}: there is no layer named \"{}\", whose value is used", where_, source.layer));
    const Entry& entry = entries_[found->second];
    const std::int64_t call = source.call - (is_end ? entry.first_end : entry.first_call);
    if (call < 0 || call >= static_cast<std::int64_t>(entry.made.size())) return nullptr;
    const auto& outputs = entry.made[static_cast<std::size_t>(call)];
    if (source.output >= static_cast<std::int64_t>(outputs.size()))
      throw FormatError(fmt::format("{}: output {} of layer \"{}\" is used, which has {}", where_, source.output, source.layer, outputs.size()));
    return &outputs[static_cast<std::size_t>(source.output)];
  }

  bool make(Entry& entry, const Inbound& call) {
    std::vector<SymbolicTensor> values;
    for (const Inbound::Source& source : call.sources) {
      const SymbolicTensor* value = find(source);
      if (value == nullptr) return false;
      values.push_back(*value);
    }
    entry.made.push_back(detail::call_layer(entry.layer, values, call.options));
    return true;
  }

  [[noreturn]] void refuse(const Entry& entry, const Inbound& call) const {
    for (const Inbound::Source& source : call.sources) {
      const Entry& before = entries_[numbers_.at(source.layer)];
      if (source.call - before.first_call >= static_cast<std::int64_t>(std::max<std::size_t>(1, before.inbound.size())))
        throw FormatError(fmt::format("{}: layer \"{}\" reads call {} of layer \"{}\", which is called {} times", where_, entry.name, source.call,
                                      source.layer, before.inbound.size()));
    }
    throw FormatError(fmt::format("{}: layer \"{}\" reads what depends on its own output; a network must not have a cycle", where_, entry.name));
  }

  std::vector<SymbolicTensor> ends(const char* key) const {
    const io::Json& json = io::field(config_, key, where_);
    std::vector<SymbolicTensor> values;
    const std::function<void(const io::Json&)> collect = [&](const io::Json& part) {
      if (part.is_array() && !part.empty() && part.front().is_string()) {
        const Inbound::Source source = read_source(part, where_);
        const SymbolicTensor* value = find(source, true);
        if (value == nullptr)
          throw FormatError(fmt::format("{}: field \"{}\": layer \"{}\" has no call {}", where_, key, source.layer, source.call));
        values.push_back(*value);
        return;
      }
      if (!part.is_structured()) throw FormatError(fmt::format("{}: field \"{}\": {} came, a list of [layer, call, output] is allowed", where_, key, io::describe(part)));
      for (const auto& [name, inner] : part.items()) collect(inner);
    };
    collect(json);
    return values;
  }

  const io::Json& config_;
  std::string where_;
  FirstValues seed_;
  std::vector<Entry> entries_;
  std::map<std::string, std::size_t, std::less<>> numbers_;
  std::size_t calls_ = 0;
};

}  // namespace

io::Json config_of(const Graph& graph, const std::string& name) {
  return graph.is_chain() ? chain_config(graph, name) : FunctionalWriter(graph).write(name);
}

io::Json to_json(const Graph& graph) {
  if (graph.is_chain()) return optim::node("keras", "Sequential", config_of(graph, graph.name()));
  io::Json json = optim::node("keras.src.models.functional", "Functional", config_of(graph, graph.name()));
  json["registered_name"] = "Functional";
  return json;
}

Graph graph_from_json(const io::Json& json, const std::string& where, FirstValues seed) {
  const std::string& class_name = io::string_field(json, "class_name", where);
  if (!is_model_class(class_name))
    throw FormatError(fmt::format("{}: model class \"{}\" is not supported; \"Sequential\" and \"Functional\" are. Classes written in Python have no configuration that says what they compute",
                                  where, class_name));
  check_registered(json, class_name, where);
  const io::Json& config = io::field(json, "config", where);
  if (io::string_field_or(json, "keras_version", where, "").starts_with("2.")) refuse_old_hard_sigmoid(config, where);
  if (class_name == "Sequential") return read_chain(config, where, seed);
  if (!config.is_object()) throw FormatError(fmt::format("{}: field \"config\": {} came, an object is allowed", where, io::describe(config)));
  return FunctionalReader(config, where, seed).read();
}

}  // namespace linn::detail::graph
