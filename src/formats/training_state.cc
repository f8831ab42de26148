#include "formats/training_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "io/bytes.h"
#include "linn/error.h"

namespace linn::detail::formats {
namespace {

constexpr std::string_view optimizer_prefix = "linn.optimizer/", fit_prefix = "linn.fit/";

std::string slot_name(const TrainedVariable& variable, const OptimizerSlot& slot) {
  return fmt::format("{}{}/{}", optimizer_prefix, variable.name, slot.name);
}

bool are_those(const io::Json& names, const std::vector<TrainedVariable>& variables) {
  return names.size() == variables.size() && std::equal(names.begin(), names.end(), variables.begin(), [](const io::Json& name, const TrainedVariable& variable) {
    return name.is_string() && name.get_ref<const std::string&>() == variable.name;
  });
}

Tensor taken(std::map<std::string, Tensor>& own, const std::string& name, const Shape& shape, const std::string& where) {
  const auto found = own.find(name);
  if (found == own.end()) io::format_error(where, "tensor {} is missing", io::quote(name));
  if (found->second.shape() != shape || found->second.dtype() != DType::f32)
    io::format_error(where, "tensor {} has shape {}; float32 of shape {} is what the optimizer keeps", io::quote(name), found->second.shape().to_string(),
                     shape.to_string());
  return std::move(own.extract(found).mapped());
}

}  // namespace

std::vector<TrainedVariable> trained_variables(const graph::Graph& graph) {
  std::vector<TrainedVariable> variables;
  for (const graph::GraphVariable& variable : graph.variables())
    if (variable.trainable()) variables.push_back({variable.shape(), variable.name});
  return variables;
}

bool is_training_tensor(const std::string& name) { return name.starts_with(optimizer_prefix) || name.starts_with(fit_prefix); }

io::Json exact_number(double value) {
  if (std::isfinite(value)) return value;
  if (std::isnan(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}

double exact_number_from(const io::Json& json, const std::string& where) {
  if (json.is_number()) return json.get<double>();
  if (io::is_text(json, "nan")) return std::numeric_limits<double>::quiet_NaN();
  if (io::is_text(json, "inf")) return std::numeric_limits<double>::infinity();
  if (io::is_text(json, "-inf")) return -std::numeric_limits<double>::infinity();
  io::format_error(where, "{} came where a number, \"nan\", \"inf\" or \"-inf\" is allowed", io::describe(json));
}

std::string training_to_text(const TrainingState& state, const OptimizerDescription& optimizer) {
  io::Json variables = io::Json::array();
  for (const TrainedVariable& variable : state.optimizer.variables) variables.push_back(variable.name);
  return io::dump_json({{"optimizer", optimizer.class_name()},
                        {"steps", state.optimizer.steps},
                        {"learning_rate", state.optimizer.learning_rate ? io::Json(*state.optimizer.learning_rate) : io::Json(nullptr)},
                        {"passes", state.passes},
                        {"variables", std::move(variables)},
                        {"slots", !state.optimizer.slots.empty()},
                        {"fit", state.fit}});
}

NamedTensors training_tensors(const TrainingState& state, const OptimizerDescription& optimizer) {
  NamedTensors tensors;
  for (std::size_t i = 0; i < state.optimizer.slots.size(); ++i) {
    const std::vector<OptimizerSlot> slots = optimizer.slots(state.optimizer.variables[i]);
    for (std::size_t s = 0; s < slots.size(); ++s) tensors.emplace_back(slot_name(state.optimizer.variables[i], slots[s]), state.optimizer.slots[i][s]);
  }
  for (const auto& [name, tensor] : state.tensors) tensors.emplace_back(std::string(fit_prefix) + name, tensor);
  return tensors;
}

std::optional<TrainingState> take_training(NamedTensors& tensors, const std::string& text, const graph::Graph& graph,
                                           const OptimizerDescription& optimizer, const std::string& where) {
  std::map<std::string, Tensor> own;
  std::erase_if(tensors, [&](auto& entry) { return is_training_tensor(entry.first) && own.emplace(entry.first, std::move(entry.second)).second; });
  const std::string place = fmt::format("{}: {}", where, training_key);
  const io::Json json = io::parse_json(text, place);
  if (io::string_field(json, "optimizer", place) != optimizer.class_name())
    io::format_error(place, "is of the optimizer {}; the model was compiled with {}", io::string_field(json, "optimizer", place), optimizer.class_name());
  TrainingState state;
  state.optimizer.steps = io::integer_field(json, "steps", place, 0);
  if (io::find_field(json, "learning_rate", place) != nullptr) state.optimizer.learning_rate = io::number_field(json, "learning_rate", place);
  state.passes = io::integer_field(json, "passes", place, 0);
  state.fit = io::field(json, "fit", place);
  state.optimizer.variables = trained_variables(graph);
  if (!are_those(io::array_field(json, "variables", place), state.optimizer.variables)) return std::nullopt;
  const bool has_slots = io::bool_field(json, "slots", place);  // the first step makes them
  for (const TrainedVariable& variable : has_slots ? state.optimizer.variables : std::vector<TrainedVariable>{}) {
    std::vector<Tensor>& slots = state.optimizer.slots.emplace_back();
    for (const OptimizerSlot& slot : optimizer.slots(variable)) slots.push_back(taken(own, slot_name(variable, slot), slot.shape, where));
  }
  for (auto& [name, tensor] : own)
    if (name.starts_with(fit_prefix)) state.tensors.emplace_back(name.substr(fit_prefix.size()), std::move(tensor));
  return state;
}

}  // namespace linn::detail::formats
