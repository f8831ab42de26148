// What a model owns.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "formats/model_json.h"
#include "graph/graph.h"
#include "graph/nested.h"
#include "linn/error.h"
#include "linn/formats.h"
#include "linn/model.h"
#include "train/network.h"
#include "train/training.h"

namespace linn {

struct Model::State {
  State(detail::graph::Graph joined, const ModelOptions& options)
      : graph(std::move(joined)), seed(options.seed), dtype_policy(options.dtype_policy) {}

  const detail::graph::Graph& built_graph(const char* call) const {
    if (!graph.built())
      throw StateError(fmt::format("{}: model \"{}\" is not built, because it does not know the shape of its input; give the first layer an input_shape, or call build",
                                   call, graph.name()));
    return graph;
  }

  /// As Keras does: the data say the shape of a chain that does not know it.
  void build_for(const Tensors& x) {
    if (graph.built() || x.size() != 1 || !x.defined()) return;
    const Tensor images = x.in_order({"x"}, "x").front();
    if (!images.shape().empty()) graph.build(images.shape().without_first(), seed);
  }

  /// On `batches`, or without them on what the options say.
  Profile profile(const ProfileOptions& options, const Dataset* batches) const;

  void check_one_output() const {
    if (const std::size_t count = built_graph("predict").outputs().size(); count != 1)
      throw StateError(fmt::format("predict: model \"{}\" has {} outputs; predict_all gives them all", graph.name(), count));
  }

  void check_compiled(const char* call) const {
    if (!compile)
      throw StateError(
          fmt::format("{}: model \"{}\" was not compiled; call compile with an optimizer and a loss first", call, graph.name()));
  }

  detail::train::Training& compiled(const char* call) {
    built_graph(call);
    check_compiled(call);
    if (!training) {
      training = std::make_unique<detail::train::Training>(graph, *compile, frozen, seed, dtype_policy);
      if (loaded_training) training->restore(*std::exchange(loaded_training, std::nullopt));
    }
    return *training;
  }

  /// How far training has come, if it has taken a step.
  std::optional<detail::formats::TrainingState> training_state() const {
    if (training) return training->stepped() ? std::optional(training->state()) : std::nullopt;
    return loaded_training;
  }

  void set_compile(std::optional<detail::formats::CompileConfig> config) {
    compile = std::move(config);
    frozen = graph.frozen_layers();
    training.reset();
    loaded_training.reset();
  }

  /// What another model was told, but for its layers.
  void take_settings(const State& other) {
    set_compile(other.compile);
    notes = other.notes;
  }

  /// What depends on the layers is made anew.
  void forget() {
    training.reset();
    loaded_training.reset();
    predictors.clear();
    layer.reset();
  }

  /// The layer that stands for this model in others.
  const detail::graph::LayerObjectPtr& as_layer(const char* call) {
    built_graph(call);
    if (!layer) {
      layer = detail::graph::layer_of(graph);
      layer->trainable = trainable;
    }
    return layer;
  }

  /// Without the inputs' types and shapes.
  detail::train::NetworkKey predict_key(std::int64_t batch, const PredictOptions& options) const {
    return {.use = detail::train::NetworkKey::Use::predict,
            .batch = batch,
            .dtype_policy = dtype_policy,
            .accuracy = options.accuracy,
            .local = options.local};
  }

  std::unique_ptr<detail::train::Network> take_predictor(const detail::train::NetworkKey& key) {
    {
      const std::lock_guard hold(lock);
      const auto found = std::find_if(predictors.begin(), predictors.end(), [&](const auto& network) { return network->key() == key && network->fits_device(); });
      if (found != predictors.end()) {
        std::unique_ptr<detail::train::Network> network = std::move(*found);
        predictors.erase(found);
        return network;
      }
    }
    return std::make_unique<detail::train::Network>(graph, nullptr, detail::train::FrozenLayers{}, key);
  }

  void give_back(std::unique_ptr<detail::train::Network> network) {
    constexpr std::size_t most = 8;  // concurrent callers whose work space is kept
    const std::lock_guard hold(lock);
    predictors.insert(predictors.begin(), std::move(network));
    if (predictors.size() > most) predictors.pop_back();
  }

  detail::graph::Graph graph;
  std::uint64_t seed;
  DTypePolicy dtype_policy;
  std::optional<detail::formats::CompileConfig> compile;
  detail::train::FrozenLayers frozen;  // when compile was called
  std::optional<detail::formats::TrainingState> loaded_training;  // from a file, until there is a training
  std::unique_ptr<detail::train::Training> training;
  detail::graph::LayerObjectPtr layer;  // the model as a layer, once somebody asked for it
  bool trainable = true;        // of that layer: what set_trainable was told
  Metadata notes;
  std::mutex lock;
  std::vector<std::unique_ptr<detail::train::Network>> predictors;  // not in use at the moment
};

}  // namespace linn
