// What a Sequential owns.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "formats/model_json.h"
#include "graph/graph.h"
#include "linn/error.h"
#include "linn/formats.h"
#include "linn/model.h"
#include "train/network.h"
#include "train/training.h"

namespace linn {

struct Sequential::State {
  explicit State(const SequentialOptions& options) : graph(options.name), seed(options.seed), dtype_policy(options.dtype_policy) {}

  const graph::Graph& built_graph(const char* call) const {
    if (!graph.built())
      throw StateError(fmt::format("{}: model \"{}\" is not built, because it does not know the shape of its input; give the first layer an input_shape, or call build",
                                   call, graph.name()));
    return graph;
  }

  void check_compiled(const char* call) const {
    if (!compile)
      throw StateError(
          fmt::format("{}: model \"{}\" was not compiled; call compile with an optimizer and a loss first", call, graph.name()));
  }

  train::Training& compiled(const char* call) {
    built_graph(call);
    check_compiled(call);
    if (!training) training = std::make_unique<train::Training>(graph, *compile, seed, dtype_policy);
    return *training;
  }

  /// What depends on the layers is made anew.
  void forget() {
    training.reset();
    predictors.clear();
  }

  train::NetworkKey predict_key(DType x, std::int64_t batch, const PredictOptions& options) const {
    return {.use = train::NetworkKey::Use::predict,
            .batch = batch,
            .x = x,
            .input_scale = options.input_scale,
            .dtype_policy = dtype_policy,
            .accuracy = options.accuracy,
            .local = options.local};
  }

  std::unique_ptr<train::Network> take_predictor(const train::NetworkKey& key) {
    {
      const std::lock_guard hold(lock);
      const auto found = std::find_if(predictors.begin(), predictors.end(), [&](const auto& network) { return network->key() == key && network->fits_pool(); });
      if (found != predictors.end()) {
        std::unique_ptr<train::Network> network = std::move(*found);
        predictors.erase(found);
        return network;
      }
    }
    return std::make_unique<train::Network>(graph, nullptr, key);
  }

  void give_back(std::unique_ptr<train::Network> network) {
    constexpr std::size_t most = 8;  // concurrent callers whose work space is kept
    const std::lock_guard hold(lock);
    predictors.insert(predictors.begin(), std::move(network));
    if (predictors.size() > most) predictors.pop_back();
  }

  graph::Graph graph;
  std::uint64_t seed;
  DTypePolicy dtype_policy;
  std::optional<formats::CompileConfig> compile;
  std::unique_ptr<train::Training> training;
  Metadata notes;
  std::mutex lock;
  std::vector<std::unique_ptr<train::Network>> predictors;  // not in use at the moment
};

}  // namespace linn
