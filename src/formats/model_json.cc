#include "formats/model_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "core/text_cells.h"
#include "graph/config.h"
#include "linn/error.h"
#include "optim/losses.h"
#include "optim/metrics.h"
#include "optim/optimizers.h"

namespace linn::detail::formats {
namespace {

// One entry for a model of one output, else a list.
io::Json for_outputs(const std::vector<io::Json>& entries) {
  if (entries.size() == 1) return entries.front();
  return io::Json(entries);
}

io::Json compile_to_json(const CompileConfig& compile) {
  std::vector<io::Json> losses, metrics;
  for (const Loss& loss : compile.losses) losses.push_back(optim::to_json(loss));
  for (const std::vector<Metric>& list : compile.metrics) {
    io::Json names = io::Json::array();
    for (const Metric& metric : list) names.push_back(optim::to_json(metric));
    metrics.push_back(std::move(names));
  }
  io::Json json = {{"optimizer", optim::to_json(compile.optimizer)}, {"loss", for_outputs(losses)}, {"metrics", for_outputs(metrics)}};
  if (std::ranges::any_of(compile.loss_weights, [](double weight) { return weight != 1; })) json["loss_weights"] = compile.loss_weights;
  return json;
}

// The entry of each output: a list in their order, an object by their names, or one value for all; nulls where there is none.
std::vector<io::Json> by_output(const io::Json& json, const std::vector<std::string>& outputs, const std::string& where) {
  std::vector<io::Json> entries(outputs.size());
  const bool is_node = json.is_object() && json.contains("class_name");
  if (json.is_object() && !is_node) {
    for (const auto& [name, value] : json.items()) {
      const auto found = std::find(outputs.begin(), outputs.end(), name);
      if (found == outputs.end())
        throw FormatError(fmt::format("{}: there is no output named \"{}\"; the outputs are {}", where, name, fmt::join(outputs, ", ")));
      entries[static_cast<std::size_t>(found - outputs.begin())] = value;
    }
    return entries;
  }
  if (!json.is_array()) {
    std::fill(entries.begin(), entries.end(), json);
    return entries;
  }
  if (json.size() != outputs.size()) throw FormatError(fmt::format("{}: {} entries came for {} outputs", where, json.size(), outputs.size()));
  for (std::size_t i = 0; i < entries.size(); ++i) entries[i] = json[i];
  return entries;
}

std::vector<Metric> metrics_from_json(const io::Json& json, const std::string& where) {
  std::vector<Metric> metrics;
  if (json.is_null()) return metrics;
  for (const io::Json& metric : json.is_array() ? json : io::Json::array({json})) {
    metrics.push_back(optim::metric_from_json(metric, where + ": metric"));
  }
  return optim::with_unique_names(std::move(metrics));
}

// What changes how fast Keras computes, and nothing else.
bool says_nothing(const std::string& key, const io::Json& value) {
  return value.is_null() || key == "run_eagerly" || key == "jit_compile" || key == "auto_scale_loss" || (key == "steps_per_execution" && value == 1);
}

CompileConfig read_compile(const io::Json& json, const std::vector<std::string>& outputs, const std::string& where) {
  CompileConfig compile;
  for (const auto& [key, value] : json.items())
    if (key != "optimizer" && key != "loss" && key != "loss_weights" && key != "metrics" && !says_nothing(key, value))
      throw FormatError(fmt::format("{}: field \"{}\" with {} is not supported", where, key, io::describe(value)));
  if (const io::Json* optimizer = io::find_field(json, "optimizer", where)) compile.optimizer = optim::optimizer_from_json(*optimizer, where + ": optimizer");
  compile.losses.resize(outputs.size());
  compile.loss_weights.assign(outputs.size(), 1);
  compile.metrics.resize(outputs.size());
  if (const io::Json* loss = io::find_field(json, "loss", where)) {
    const std::vector<io::Json> entries = by_output(*loss, outputs, where + ": loss");
    for (std::size_t i = 0; i < outputs.size(); ++i) compile.losses[i] = optim::loss_from_json(entries[i], where + ": loss");
  }
  if (const io::Json* weights = io::find_field(json, "loss_weights", where)) {
    const std::vector<io::Json> entries = by_output(*weights, outputs, where + ": loss_weights");
    for (std::size_t i = 0; i < outputs.size(); ++i)
      if (!entries[i].is_null()) compile.loss_weights[i] = io::as_number(entries[i], where, "loss_weights");
  }
  if (const io::Json* metrics = io::find_field(json, "metrics", where)) {
    // A flat list belongs to the only output.
    const bool flat = outputs.size() == 1 && metrics->is_array() && (metrics->empty() || !metrics->front().is_array());
    const std::vector<io::Json> entries = flat ? std::vector<io::Json>{*metrics} : by_output(*metrics, outputs, where + ": metrics");
    for (std::size_t i = 0; i < outputs.size(); ++i) compile.metrics[i] = metrics_from_json(entries[i], where);
  }
  return compile;
}

// The layers do not depend on it: where linn lacks something it is left out, with one line that says so.
std::optional<CompileConfig> compile_from_json(const io::Json& json, const std::vector<std::string>& outputs, const std::string& where) {
  try {
    return read_compile(json, outputs, where);
  } catch (const Error& error) {
    const std::string text = fmt::format("linn: {}; the model loads without its optimizer, loss and metrics: call compile to train or evaluate it\n",
                                         core::printable(error.what()));  // names in it come from the file
    std::fputs(text.c_str(), stderr);
    return std::nullopt;
  }
}

}  // namespace

bool CompileConfig::has_loss() const {
  return std::any_of(losses.begin(), losses.end(), [](const Loss& loss) { return loss.defined(); });
}

io::Json model_to_json(const graph::Graph& graph, const CompileConfig* compile) {
  io::Json model = graph::to_json(graph);
  if (compile != nullptr) model["compile_config"] = compile_to_json(*compile);
  return model;
}

ModelConfig model_from_json(const io::Json& json, const std::string& where, graph::FirstValues seed) {
  ModelConfig model{.graph = graph::graph_from_json(json, where, seed), .compile = std::nullopt};
  const io::Json* compile = io::find_field(json, "compile_config", where);
  if (compile == nullptr || compile->empty()) return model;
  // A chain whose input is not known yet has one output all the same, whose name nobody uses.
  const std::vector<std::string> outputs = model.graph.built() ? model.graph.output_names() : std::vector<std::string>{""};
  model.compile = compile_from_json(*compile, outputs, where + ": compile_config");
  return model;
}

}  // namespace linn::detail::formats
