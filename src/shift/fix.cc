#include "linn/fix.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <utility>

#include "linn/certificate.h"
#include "linn/error.h"
#include "shift/network.h"
#include "shift/scores.h"
#include "shift/replacement_plan.h"
#include "shift/shifted_input.h"

namespace linn::shift {
namespace {

// The first values of a new variable "layer/variable" of a layer that took over strides; undefined where its initializer gave them.
Tensor first_values_of(const std::string& name, const Shape& shape, const ReplacementPlan& plan, const FixOptions& options) {
  const std::size_t slash = name.rfind('/');
  if (slash == std::string::npos || !plan.samplings.contains(name.substr(0, slash))) return {};
  return first_values(options.with, std::string_view(name).substr(slash + 1), options, shape);
}

// Copies values by name; a Dense's kernel fits the convolution of the same name after a reshape.
void move_weights(const Model& from, FixResult& to, const ReplacementPlan& plan, const FixOptions& options) {
  std::map<std::string, Tensor> old;
  for (auto& [name, value] : from.named_weights()) old.emplace(name, value);
  auto weights = to.model.named_weights();
  for (auto& [name, value] : weights) {
    const auto found = old.find(name);
    const bool fits = found != old.end() && found->second.elements() == value.elements() && found->second.shape()[-1] == value.shape()[-1];
    if (fits)
      value = found->second.reshape(value.shape());
    else if (const Tensor first = first_values_of(name, value.shape(), plan, options); first.defined())
      value = first;
    (fits ? to.kept_weights : to.new_weights).push_back(name);
  }
  to.model.set_named_weights(weights);
}

void check_task(const Model& before, const Model& after) {
  if (before.output_shape() == after.output_shape()) return;
  throw ValueError(
      fmt::format("[fix] the model's {} values are places of its last map, of which {} would be left; let it end with Dense(classes)",
                  before.output_shape().elements(), after.output_shape().elements()));
}

std::string nothing_to_replace(const Model& model, const Downsampling& with) {
  const std::optional<std::string> reason = why_not_invariant(model);
  if (!reason) return "[fix] nothing in this model depends on where the image lies; there is nothing to replace";
  return fmt::format("[fix] there is nothing left to replace with {}: {}", with.name(), *reason);
}

}  // namespace

FixResult fix(const Model& given, const FixOptions& options) {
  check_classifier(given);
  const FlatModel flat(given);
  const Model& model = *flat;
  ReplacementPlan plan(model, options);
  Model changed = plan.build();
  if (plan.replacements.empty()) throw ValueError(nothing_to_replace(model, options.with));
  check_task(model, changed);
  FixResult fixed{.model = std::move(changed), .replacements = std::move(plan.replacements), .kept_weights = {}, .new_weights = {}};
  fixed.model.metadata() = model.metadata();
  move_weights(model, fixed, plan, options);
  return fixed;
}

}  // namespace linn::shift
