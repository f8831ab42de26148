#include "layers/variables.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "linn/error.h"

namespace linn::detail {
namespace {

// "\"conv2d/kernel\"", or with where the value stands: "\"conv2d/kernel\" (layers/conv2d/vars/0)".
std::string named(const NamedVariable& variable, std::string_view place) {
  return place.empty() ? fmt::format("\"{}\"", variable.name) : fmt::format("\"{}\" ({})", variable.name, place);
}

}  // namespace

void Assignment::add(const NamedVariable& variable, const Shape& shape, const Shape& wanted, std::function<Tensor()> read,
                     std::string_view place) {
  if (shape == wanted)
    entries_.push_back({variable, std::move(read)});
  else
    problems_.push_back(fmt::format("{} has shape {}; {} is wanted", named(variable, place), shape.to_string(), wanted.to_string()));
}

void Assignment::add_missing(const NamedVariable& variable, std::string_view place) {
  add_problem(fmt::format("{} {} is missing", named(variable, place), variable.shape().to_string()));
}

void Assignment::add_problem(std::string problem) {
  problems_.push_back(std::move(problem));
  shapes_only_ = false;
}

LoadReport Assignment::finish(const std::string& where, bool skip_mismatch) {
  if (!problems_.empty() && !skip_mismatch) {
    const std::string text =
        fmt::format("{}: the weights do not fit {}, which was left as it was: {}", where, owner_, fmt::join(problems_, "; "));
    if (shapes_only_) throw ShapeError(text);
    throw ValueError(text);
  }
  // A variable without a value belongs to a model that nobody has seen: it needs no way back.
  std::vector<std::pair<Variable*, Tensor>> next;
  LoadReport report;
  for (const Entry& entry : entries_) {
    const auto value = [&] {
      Tensor read = entry.read();
      return read.dtype() == DType::f32 ? read : read.astype(DType::f32);
    };
    if (entry.variable.variable->value.defined())
      next.emplace_back(entry.variable.variable.get(), value());
    else
      entry.variable.variable->set(value());
    report.loaded.push_back(entry.variable.name);
  }
  for (auto& [variable, value] : next) variable->set(std::move(value));
  report.problems = std::move(problems_);
  return report;
}

LoadReport assign_by_name(std::span<const NamedSource> sources, std::span<const std::pair<std::string, Tensor>> tensors,
                          const std::string& owner, const std::string& where, bool skip_mismatch) {
  std::map<std::string, const Tensor*, std::less<>> given;
  for (const auto& [name, tensor] : tensors) given[name] = &tensor;
  Assignment assignment(owner);
  for (const NamedSource& source : sources) {
    const std::string_view place = source.name == source.variable.name ? "" : std::string_view(source.name);
    const auto found = given.find(source.name);
    if (found == given.end()) {
      assignment.add_missing(source.variable, place);
      continue;
    }
    assignment.add(
        source.variable, found->second->shape(), source.shape, [value = source.value, tensor = *found->second] { return value(tensor); },
        place);
    given.erase(found);
  }
  for (const auto& [name, tensor] : given)
    assignment.add_problem(fmt::format("\"{}\" {} is no variable of it", name, tensor->shape().to_string()));
  return assignment.finish(where, skip_mismatch);
}

namespace {

std::vector<NamedSource> under_their_names(std::span<const NamedVariable> variables, const std::function<Tensor(const Tensor&)>& value) {
  std::vector<NamedSource> sources;
  for (const NamedVariable& variable : variables) sources.push_back({variable, variable.name, variable.shape(), value});
  return sources;
}

}  // namespace

void set_values(std::span<const NamedVariable> variables, std::span<const std::pair<std::string, Tensor>> values, const std::string& owner,
                const std::string& where) {
  assign_by_name(under_their_names(variables, [](const Tensor& value) { return value.astype(DType::f32); }), values, owner, where);
}

void take_values(std::span<const NamedVariable> variables, std::vector<std::pair<std::string, Tensor>> values, const std::string& owner,
                 const std::string& where) {
  assign_by_name(under_their_names(variables, [](const Tensor& value) { return value; }), values, owner, where);
}

void set_values(std::span<const NamedVariable> variables, std::span<const Tensor> values, const std::string& owner,
                const std::string& where) {
  if (values.size() != variables.size())
    throw ValueError(fmt::format("{}: {} tensors came; {} has {} variables", where, values.size(), owner, variables.size()));
  Assignment assignment(owner);
  for (std::size_t i = 0; i < values.size(); ++i) assignment.add(variables[i], values[i]);
  assignment.finish(where);
}

}  // namespace linn::detail
