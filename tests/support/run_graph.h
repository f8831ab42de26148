// A graph on given numbers, in an inference plan.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "support/plan_run.h"

namespace linn::tests {

/// The classes of its layers, in order.
inline std::vector<std::string> class_names(const detail::graph::Graph& graph) {
  std::vector<std::string> names;
  for (const detail::graph::Member& member : graph.members()) names.emplace_back(member.class_name());
  return names;
}

/// What leaves the graph for these inputs, which have the batch axis first, as float32 tensors.
inline std::vector<Tensor> run_graph(const detail::graph::Graph& graph, const std::vector<Tensor>& inputs,
                                     Precision precision = Precision::float32) {
  PlanRun run(detail::plan::Purpose::inference);
  std::vector<detail::plan::Value> values;
  const std::int64_t images = inputs.at(0).shape()[0];
  for (const Tensor& input : inputs)
    values.push_back(run.bind("input", input.shape().without_first(), detail::plan::Extent::batch, values_of(input)));
  const detail::graph::Lowered lowered = graph.lower(run.lowering(), values);
  for (std::size_t i = 0; i < lowered.variables.size(); ++i) run.adopt(lowered.variables[i], values_of(graph.variables()[i].value()));
  for (const detail::plan::Value& output : lowered.outputs) run.keep(output);
  run.compile(images, precision);
  run.run(images);
  std::vector<Tensor> outputs;
  for (const detail::plan::Value& output : lowered.outputs) {
    const Values numbers = run.get(output);
    outputs.push_back(Tensor::from(numbers, output.shape.with_first(images)).astype(DType::f32));
  }
  return outputs;
}

}  // namespace linn::tests
