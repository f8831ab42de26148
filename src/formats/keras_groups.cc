#include "formats/keras_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "graph/nested.h"
#include "layers/layer_field.h"
#include "layers/registry.h"

namespace linn::detail::formats {
namespace {

using graph::GraphVariable;

class GroupWalk {
 public:
  explicit GroupWalk(const graph::Graph& graph) {
    for (const GraphVariable& variable : graph.variables()) names_.emplace(variable.variable.get(), variable.name);
  }

  void walk(const graph::Graph& graph, const std::string& prefix) {
    std::map<std::string, int> counts;
    for (const graph::Member& member : graph.members()) {
      const std::string class_name = layers::snake_case(member.class_name());
      const int count = counts[class_name]++;
      const std::string path = prefix + "layers/" + (count == 0 ? class_name : fmt::format("{}_{}", class_name, count));
      if (!visited_.insert(member.layer.get()).second) continue;
      if (const graph::Graph* inner = graph::graph_in(*member.layer)) {
        groups.push_back({.path = path, .name = member.name, .variables = {}});
        walk(*inner, path + "/");
      } else {
        add_layer(path, member);
      }
    }
  }

  // Keras's wrapper keeps the kernel beside its own variable, and the layer in it keeps the kernel too: such a file holds it twice.
  void add_layer(const std::string& path, const graph::Member& member) {
    const std::vector<detail::VariablePtr>& all = member.layer->variables;
    const LayerDescription::Wrapped wrapped = member.layer->description->wrapped();
    if (wrapped.layer == nullptr || all.empty()) return groups.push_back({.path = path, .name = member.name, .variables = named(all)});
    std::vector<detail::VariablePtr> inner = all;
    inner.erase(inner.begin() + static_cast<std::ptrdiff_t>(wrapped.own_variable));
    groups.push_back({.path = path, .name = member.name, .variables = named({all.front(), all[wrapped.own_variable]})});
    groups.push_back({.path = path + "/layer", .name = layers::name_of(*wrapped.layer), .variables = named(inner)});
  }

  std::vector<GraphVariable> named(const std::vector<detail::VariablePtr>& of) const {
    std::vector<GraphVariable> variables;
    for (const detail::VariablePtr& variable : of) variables.push_back({names_.at(variable.get()), variable});
    std::stable_partition(variables.begin(), variables.end(), [](const GraphVariable& variable) { return variable.variable->trainable; });
    return variables;
  }

  std::vector<KerasGroup> groups;

 private:
  std::map<const detail::Variable*, std::string> names_;  // in the whole model
  std::set<const void*> visited_;
};

}  // namespace

std::vector<KerasGroup> keras_groups(const graph::Graph& graph) {
  GroupWalk walk(graph);
  walk.walk(graph, "");
  return std::move(walk.groups);
}

std::vector<KerasGroup> legacy_groups(const graph::Graph& graph) {
  std::vector<KerasGroup> groups;
  for (const graph::Member& member : graph.members()) {
    KerasGroup& group = groups.emplace_back(KerasGroup{.path = member.name, .name = member.name, .variables = {}});
    for (const int variable : member.variables) group.variables.push_back(graph.variables()[static_cast<std::size_t>(variable)]);
    std::stable_partition(group.variables.begin(), group.variables.end(), [](const GraphVariable& variable) { return variable.trainable(); });
  }
  return groups;
}

}  // namespace linn::detail::formats
