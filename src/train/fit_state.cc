#include "train/fit_state.h"

#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <span>
#include <string_view>
#include <typeinfo>

#include "core/did_you_mean.h"
#include "io/bytes.h"
#include "linn/error.h"

namespace linn::detail::train {
namespace {

using formats::exact_number, formats::exact_number_from;
using io::Json;

constexpr std::array<std::string_view, 8> allowed_names = {"callbacks", "compile", "cpu", "data", "augment", "precision", "seed", "settings"};

// "linn::callbacks::EarlyStopping".
std::string class_of(const Callback& callback) {
  int status = 0;
  const char* raw = typeid(callback).name();
  const std::unique_ptr<char, decltype(&std::free)> name(abi::__cxa_demangle(raw, nullptr, nullptr, &status), &std::free);
  return status == 0 ? name.get() : raw;
}

Json numbers_to_json(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(exact_number(value));
  return list;
}

std::vector<double> numbers_from_json(const Json& list, const std::string& where) {
  std::vector<double> values;
  for (const Json& value : list) values.push_back(exact_number_from(value, where));
  return values;
}

Json sums_to_json(const BatchSums& sums) {
  Json outputs = Json::array();
  for (const OutputSums& output : sums.outputs) {
    Json metrics = Json::array();
    for (const std::vector<double>& totals : output.metrics) metrics.push_back(numbers_to_json(totals));
    outputs.push_back({{"rows", output.rows}, {"loss", exact_number(output.loss)}, {"metrics", std::move(metrics)}});
  }
  return {{"images", sums.images}, {"penalties", exact_number(sums.penalties)}, {"outputs", std::move(outputs)}};
}

BatchSums sums_from_json(const Json& json, const std::string& where) {
  BatchSums sums{.images = io::integer_field(json, "images", where, 0), .penalties = exact_number_from(io::field(json, "penalties", where), where), .outputs = {}};
  for (const Json& entry : io::array_field(json, "outputs", where)) {
    OutputSums& output = sums.outputs.emplace_back();
    output.rows = io::integer_field(entry, "rows", where, 0);
    output.loss = exact_number_from(io::field(entry, "loss", where), where);
    for (const Json& totals : io::array_field(entry, "metrics", where)) output.metrics.push_back(numbers_from_json(totals, where));
  }
  return sums;
}

Json history_to_json(const History& history) {
  Json values = Json::object();
  for (const auto& [name, numbers] : history.history) values[name] = numbers_to_json(numbers);
  return {{"epoch", history.epoch}, {"values", std::move(values)}};
}

History history_from_json(const Json& json, const std::string& where) {
  History history;
  for (const Json& epoch : io::array_field(json, "epoch", where)) history.epoch.push_back(io::as_integer(epoch, where, "an epoch", 0));
  for (const auto& [name, numbers] : io::object_field(json, "values", where).items()) history.history[name] = numbers_from_json(numbers, where);
  return history;
}

std::string prefix_of(std::size_t callback) { return fmt::format("callback/{}/", callback); }

Json callback_to_json(const Callback& callback, std::size_t index, NamedTensors& tensors) {
  const CallbackState state = callback.state();
  Json numbers = Json::object(), texts = Json::object();
  for (const auto& [name, number] : state.numbers) numbers[name] = exact_number(number);
  for (const auto& [name, text] : state.texts) texts[name] = text;
  for (const auto& [name, tensor] : state.tensors) tensors.emplace_back(prefix_of(index) + name, tensor);
  return {{"class", class_of(callback)}, {"numbers", std::move(numbers)}, {"texts", std::move(texts)}};
}

CallbackState callback_from_json(const Json& json, std::size_t index, const NamedTensors& tensors, const std::string& where) {
  CallbackState state;
  for (const auto& [name, number] : io::object_field(json, "numbers", where).items()) state.numbers[name] = exact_number_from(number, where);
  for (const auto& [name, text] : io::object_field(json, "texts", where).items()) state.texts[name] = text.get<std::string>();
  for (const auto& [name, tensor] : tensors)
    if (name.starts_with(prefix_of(index))) state.tensors[name.substr(prefix_of(index).size())] = tensor;
  return state;
}

// Those that remember something: the others may change as they like.
std::vector<CallbackHandle> with_state(const std::vector<CallbackHandle>& callbacks) {
  std::vector<CallbackHandle> found;
  std::ranges::copy_if(callbacks, std::back_inserter(found), [](const CallbackHandle& callback) {
    const CallbackState state = callback->state();
    return !state.numbers.empty() || !state.texts.empty() || !state.tensors.empty();
  });
  return found;
}

bool is_allowed(std::string_view name, const std::vector<std::string>& allowed) { return std::ranges::find(allowed, name) != allowed.end(); }

constexpr std::string_view what_to_do =
    "give what the checkpoint has; or let this fit go on with what it has now by allow_changed (`--allow-changed`), and the weights will be others than those of "
    "a run that was never interrupted";

}  // namespace

Json fit_state_to_json(const FitState& state, const FitIdentity& identity, const std::vector<CallbackHandle>& callbacks, NamedTensors& tensors) {
  Json of = Json::object(), all = Json::array();
  for (const auto& [name, text] : identity) of[name] = text;
  for (const CallbackHandle& callback : with_state(callbacks)) all.push_back(callback_to_json(*callback, all.size(), tensors));
  Json position = nullptr;
  if (state.position) position = {{"epoch", state.position->epoch}, {"index", state.position->index}};
  return {{"of", std::move(of)},
          {"epoch", state.epoch},
          {"in_epoch", state.in_epoch},
          {"step", state.step},
          {"steps_per_epoch", state.steps_per_epoch},
          {"pass_step", state.pass_step},
          {"first_step", state.first_step},
          {"seen", state.seen},
          {"largest_batch", state.largest_batch},
          {"pass_over", state.pass_over},
          {"position", std::move(position)},
          {"stopped", state.stopped},
          {"sums", sums_to_json(state.sums)},
          {"history", history_to_json(state.history)},
          {"callbacks", std::move(all)}};
}

FitState fit_state_from_json(const Json& json, const std::string& where) {
  const auto whole = [&](const char* name) { return io::integer_field(json, name, where, 0); };
  FitState state{.epoch = whole("epoch"),
                 .in_epoch = io::bool_field(json, "in_epoch", where),
                 .step = whole("step"),
                 .steps_per_epoch = whole("steps_per_epoch"),
                 .pass_step = whole("pass_step"),
                 .first_step = whole("first_step"),
                 .seen = whole("seen"),
                 .largest_batch = whole("largest_batch"),
                 .pass_over = io::bool_field(json, "pass_over", where)};
  if (const Json* position = io::find_field(json, "position", where))
    state.position = {.epoch = io::integer_field(*position, "epoch", where, 0), .index = io::integer_field(*position, "index", where, 0)};
  state.stopped = io::bool_field(json, "stopped", where);
  state.sums = sums_from_json(io::object_field(json, "sums", where), where);
  state.history = history_from_json(io::object_field(json, "history", where), where);
  return state;
}

namespace {

std::string shortened(const std::string& text) { return text.size() <= 60 ? text : text.substr(0, 57) + "..."; }

// Of two JSON texts the places in which they differ, or of other texts both.
std::string difference_of(const std::string& then, const std::string& now) {
  const auto both = [](const std::string& a, const std::string& b) { return fmt::format("the checkpoint has {}; here it is {}", a.empty() ? "nothing" : a, b.empty() ? "nothing" : b); };
  if (!then.starts_with('{') || !now.starts_with('{')) return both(then, now);
  const Json a = io::parse_json(then, "checkpoint"), b = io::parse_json(now, "fit");
  std::string text;
  constexpr std::size_t most = 3;
  const Json changes = Json::diff(a, b);
  for (std::size_t i = 0; i < std::min(most, changes.size()); ++i) {
    const Json& change = changes[i];
    const Json::json_pointer place(change.at("path").get<std::string>());
    const auto value = [&](const Json& in) { return in.contains(place) ? shortened(io::dump_json(in.at(place))) : ""; };
    std::string name = place.to_string();
    std::ranges::replace(name, '/', '.');
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", name.empty() ? name : name.substr(1), both(value(a), value(b)));
  }
  return changes.size() <= most ? text : fmt::format("{}; and {} more", text, changes.size() - most);
}

}  // namespace

void check_identity(const Json& json, const FitIdentity& now, const std::vector<std::string>& allowed, const std::string& where) {
  const Json& then = io::object_field(json, "of", where);
  std::string differences, names;
  bool is_other_network = false;
  for (const auto& [name, text] : now) {
    const std::string old = io::string_field_or(then, name, where, "");
    if (old == text || is_allowed(name, allowed)) continue;
    differences += fmt::format("\n  {}: {}", name, difference_of(old, text));
    is_other_network = is_other_network || name == "network";
    if (std::ranges::find(allowed_names, name) != allowed_names.end()) names += (names.empty() ? "" : ",") + name;
  }
  if (differences.empty()) return;
  if (is_other_network)
    throw StateError(fmt::format("{}: this is the checkpoint of another training:{}\nanother network cannot go on from it; train it anew, elsewhere", where, differences));
  throw StateError(fmt::format("{}: this is the checkpoint of another training:{}\n{}{}", where, differences, what_to_do,
                               names.empty() ? "" : fmt::format(" (here: {})", names)));
}

void restore_callbacks(const Json& json, const NamedTensors& tensors, const std::vector<CallbackHandle>& callbacks, const std::vector<std::string>& allowed,
                       const std::string& where) {
  const Json& states = io::array_field(json, "callbacks", where);
  std::vector<std::string> then, now;
  for (const Json& state : states) then.push_back(io::string_field(state, "class", where));
  const std::vector<CallbackHandle> present = with_state(callbacks);
  for (const CallbackHandle& callback : present) now.push_back(class_of(*callback));
  if (then != now && !is_allowed("callbacks", allowed))
    throw StateError(fmt::format("{}: was made with the callbacks [{}]; this fit has [{}]; {} (here: callbacks)", where, fmt::join(then, ", "), fmt::join(now, ", "),
                                 what_to_do));
  for (std::size_t i = 0; i < std::min(then.size(), now.size()); ++i)
    if (then[i] == now[i]) present[i]->restore(callback_from_json(states[i], i, tensors, where));
}

void check_allowed(const std::vector<std::string>& allowed) {
  for (const std::string& name : allowed)
    if (std::ranges::find(allowed_names, name) == allowed_names.end())
      throw ValueError(fmt::format("allow_changed (`--allow-changed`): there is no \"{}\"{}; it may hold {}", name, core::did_you_mean(name, allowed_names), fmt::join(allowed_names, ", ")));
}

}  // namespace linn::detail::train
