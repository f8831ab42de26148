#include "layers/variables.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "linn/error.h"

namespace linn::detail {
namespace {

// What is going to be set, and what is wrong with it.
class Assignment {
 public:
  void add(const NamedVariable& variable, const Tensor& value) {
    if (value.shape() == variable.shape())
      next_.emplace_back(&variable, value.astype(DType::f32));
    else
      problems_.push_back(fmt::format("\"{}\" has shape {}; {} is wanted", variable.name, value.shape().to_string(), variable.shape().to_string()));
  }
  void add_stray(std::string problem) {
    problems_.push_back(std::move(problem));
    shapes_only_ = false;
  }

  /// Sets all values, or throws where something is wrong.
  void finish(const std::string& owner, const std::string& where) const {
    if (problems_.empty()) {
      for (const auto& [variable, value] : next_) variable->variable->set(value);
      return;
    }
    const std::string text = fmt::format("{}: the weights do not fit {}, which was left as it was: {}", where, owner, fmt::join(problems_, "; "));
    if (shapes_only_) throw ShapeError(text);
    throw ValueError(text);
  }

 private:
  std::vector<std::pair<const NamedVariable*, Tensor>> next_;
  std::vector<std::string> problems_;
  bool shapes_only_ = true;
};

}  // namespace

void set_values(std::span<const NamedVariable> variables, std::span<const std::pair<std::string, Tensor>> values, const std::string& owner,
                const std::string& where) {
  std::map<std::string, const Tensor*, std::less<>> given;
  for (const auto& [name, value] : values) given[name] = &value;
  Assignment assignment;
  for (const NamedVariable& variable : variables) {
    const auto found = given.find(variable.name);
    if (found == given.end()) {
      assignment.add_stray(fmt::format("\"{}\" {} is missing", variable.name, variable.shape().to_string()));
      continue;
    }
    assignment.add(variable, *found->second);
    given.erase(found);
  }
  for (const auto& [name, value] : given) assignment.add_stray(fmt::format("\"{}\" {} is no variable of it", name, value->shape().to_string()));
  assignment.finish(owner, where);
}

void set_values(std::span<const NamedVariable> variables, std::span<const Tensor> values, const std::string& owner, const std::string& where) {
  if (values.size() != variables.size())
    throw ValueError(fmt::format("{}: {} tensors came; {} has {} variables", where, values.size(), owner, variables.size()));
  Assignment assignment;
  for (std::size_t i = 0; i < values.size(); ++i) assignment.add(variables[i], values[i]);
  assignment.finish(owner, where);
}

}  // namespace linn::detail
