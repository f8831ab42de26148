// A layer in a small plan, called as often as a test wants.
#pragma once

#include <span>
#include <vector>

#include "layers/description.h"
#include "support/finite_differences.h"
#include "support/plan_run.h"

namespace linn::tests {

/// A layer's variables, bound to random numbers. A call lowers the layer once more with the same ones.
class Shared {
 public:
  Shared(PlanRun& run, const Layer& layer, const Shape& input, std::uint32_t seed) : Shared(run, layer, std::span<const Shape>(&input, 1), seed) {}
  Shared(PlanRun& run, const Layer& layer, std::span<const Shape> inputs, std::uint32_t seed) : run_(run), layer_(layer) {
    for (const VariableSpec& spec : linn::detail::description_of(layer)->declare_variables(inputs)) {
      numbers_.push_back(random_values(spec.shape.elements(), ++seed, spec.name == "moving_variance" ? 0.5 : -0.5));
      values_.push_back(run.bind(spec.name, spec.shape, detail::plan::Extent::fixed, numbers_.back()));
      trainable_.push_back(spec.trainable);
    }
  }
  detail::plan::Value operator()(detail::plan::Value input) const { return (*this)(std::vector<detail::plan::Value>{std::move(input)}); }
  detail::plan::Value operator()(const std::vector<detail::plan::Value>& inputs) const {
    run_.lowering().set_layer("layer", true);
    return linn::detail::description_of(layer_)->lower_call(run_.lowering(), inputs, values_).front();
  }
  const std::vector<detail::plan::Value>& values() const { return values_; }
  const Values& numbers(std::size_t i) const { return numbers_[i]; }
  bool trainable(std::size_t i) const { return trainable_[i]; }

 private:
  PlanRun& run_;
  Layer layer_;
  std::vector<detail::plan::Value> values_;
  std::vector<Values> numbers_;
  std::vector<bool> trainable_;
};

}  // namespace linn::tests
