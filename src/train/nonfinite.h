// A training step whose loss, gradients or weights are NaN or infinite: where that began, and what to try.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/model_json.h"
#include "graph/graph.h"
#include "plan/op.h"
#include "train/network.h"
#include "train/samples.h"

namespace linn::detail::train {

/// Throws DataError where inputs, or targets that are numbers, hold NaN or infinities, naming the first such sample and how many there are.
void check_finite(const Samples& samples, const graph::Graph& graph);

/// Throws NonFiniteError where a weight is NaN or infinite: an update can make it so out of finite gradients.
void check_weights(const graph::Graph& graph);

/// The step that was stopped, as it was run.
struct StoppedStep {
  graph::Graph& graph;
  const formats::CompileConfig& compile;
  const FrozenLayers& frozen;
  const Network& network;
  const Samples& samples;
  const std::vector<plan::Rows>& sources;
  const plan::StepInfo& step;
  std::int64_t images = 0;
};

/// Where the first number that is not finite arose, and what to try. Looks at the batch's samples and the weights, then runs the step again without
/// its updates and looks at the output of each layer: a step's time, and the memory of all outputs.
std::string nonfinite_text(const StoppedStep& stopped);

}  // namespace linn::detail::train
