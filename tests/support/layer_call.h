// One call of a layer of any number of inputs: its output and, for an upstream gradient, all gradients, in both precisions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/plan_run.h"

namespace linn::tests {

/// An input: the shape of one image, and the numbers of all.
struct LayerInput {
  Shape image;
  Values numbers;
};

class LayerCall {
 public:
  /// Without upstream an inference plan.
  LayerCall(const detail::layers::DescriptionPtr& layer, std::int64_t images, const std::vector<LayerInput>& inputs,
            const std::vector<Values>& weights, Values upstream, Precision precision)
      : run_(upstream.empty() ? detail::plan::Purpose::inference : detail::plan::Purpose::training), images_(images) {
    detail::plan::Lowering& to = run_.lowering();
    std::vector<Shape> shapes;
    for (const LayerInput& input : inputs) {
      shapes.push_back(input.image);
      inputs_.push_back(run_.bind("input_" + std::to_string(inputs_.size()), input.image, detail::plan::Extent::batch, input.numbers));
    }
    specs_ = layer->declare_variables(shapes);
    for (std::size_t i = 0; i < specs_.size(); ++i)
      weights_.push_back(run_.bind(specs_[i].name, specs_[i].shape, detail::plan::Extent::fixed, weights.at(i)));
    to.set_layer("layer", layer->trainable());
    output_ = layer->lower_call(to, inputs_, weights_).front();
    run_.keep(output_);
    const detail::plan::Training training = upstream.empty() ? detail::plan::Training{} : training_on(std::move(upstream));
    const std::vector<detail::plan::Value> gradients = run_.compile(images, precision, training);
    if (gradients.empty()) return;
    weight_gradients_.assign(gradients.begin(), gradients.begin() + static_cast<std::ptrdiff_t>(weights_.size()));
    input_gradients_.assign(gradients.begin() + static_cast<std::ptrdiff_t>(weights_.size()), gradients.end());
  }

  void run(const detail::plan::StepInfo& step = {}) {
    step_ = step;
    run_.run(images_, step);
  }
  void run_images(std::int64_t images, const detail::plan::StepInfo& step = {}) { run_.run(images, step); }
  void make_workspace() { run_.make_workspace(); }
  const std::vector<VariableSpec>& specs() const { return specs_; }
  Shape output_shape() const { return output_.shape; }
  Values output() { return run_.get(output_); }
  bool has_gradient(std::size_t weight) const { return weight_gradients_.at(weight).defined(); }
  /// Zeros where nothing depends on the input.
  Values input_gradient(std::size_t i) { return gradient(input_gradients_.at(i), inputs_[i], images_); }
  Values weight_gradient(std::size_t i) { return gradient(weight_gradients_.at(i), weights_[i], 1); }
  /// The sum of output * upstream, for new numbers.
  double objective_with_input(std::size_t i, const Values& numbers) { return objective_with(inputs_.at(i), numbers); }
  double objective_with_weight(std::size_t i, const Values& numbers) { return objective_with(weights_.at(i), numbers); }

 private:
  detail::plan::Training training_on(Values upstream) {
    const detail::plan::Value flow = run_.bind("upstream", output_.shape, detail::plan::Extent::batch, std::move(upstream));
    dot_ = run_.dot(output_, flow);
    detail::plan::Training training{.variables = weights_, .update = {}};
    training.variables.insert(training.variables.end(), inputs_.begin(), inputs_.end());
    return training;
  }

  Values gradient(detail::plan::Value value, detail::plan::Value of, std::int64_t images) {
    if (!value.defined()) return Values(static_cast<std::size_t>(of.shape.elements() * images));
    return run_.get(value);
  }

  double objective_with(detail::plan::Value value, const Values& numbers) {
    run_.set(value, numbers);
    run(step_);
    double sum = 0;
    for (const double part : run_.get(dot_)) sum += part;
    return sum;
  }

  PlanRun run_;
  std::int64_t images_;
  detail::plan::StepInfo step_;
  std::vector<VariableSpec> specs_;
  std::vector<detail::plan::Value> inputs_, weights_, input_gradients_, weight_gradients_;
  detail::plan::Value output_, dot_;
};

}  // namespace linn::tests
