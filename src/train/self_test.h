// The test that a model's file carries: a small input, and what the model gives for it.
#pragma once

#include <string>

#include "formats/model_file.h"
#include "graph/graph.h"

namespace linn::detail::train {

/// formats::save_model with a self-test: every file that linn writes of a whole model comes from here. `graph` is model.graph. There is no
/// test for a network that is not built, takes inputs of open size, has inputs or outputs of more than 65,536 values, or gives NaN or
/// infinities; the last is said on stderr.
void save_model(const std::string& path, graph::Graph& graph, formats::SavedModel model);

/// How far the outputs for the test's input are from those that were saved, as a share of the largest number; infinity where they have other
/// shapes, are no numbers, or the input does not fit the network.
double self_test_distance(graph::Graph& graph, const formats::SelfTest& test);
/// What counts as the same. Two forms of one convolution differ by less.
inline constexpr double self_test_bound = 1e-4;

}  // namespace linn::detail::train
