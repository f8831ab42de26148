// The networks of tests/golden/graph.json, in float32 as a user runs them and in float64.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "formats/model_json.h"
#include "linn/model.h"
#include "optim/optimizers.h"
#include "support/formula.h"
#include "support/golden.h"
#include "support/golden_networks.h"
#include "train/network.h"
#include "train/training.h"

namespace linn::tests {

struct Batch {
  std::vector<Tensor> x, y;
};

class GoldenGraph {
 public:
  explicit GoldenGraph(const detail::io::Json& test) : test_(test) {}

  std::string name() const { return test_["name"]; }
  /// Of formula.h. Less than 1 in deep residual networks, where each block adds to what comes in, or softmax would show one class alone.
  double gamma() const { return test_["gamma"]; }
  /// The configuration with what `compile` is told, an optimizer of the case among it.
  std::string config(const std::string& optimizer) const {
    detail::io::Json config = test_.contains("model") ? test_["model"] : detail::io::parse_json(golden_network(name()).to_json(), name());
    config["compile_config"] = test_["compile"];
    config["compile_config"]["optimizer"] = test_["optimizers"][optimizer];
    return config.dump();
  }
  /// Compiled, with the weights of formula.h.
  Model model(const std::string& optimizer) const {
    Model model = Model::from_json(config(optimizer));
    set_formula_weights(model, gamma());
    return model;
  }
  /// Of `images`, or as many as the case has.
  Batch batch(std::uint32_t step, std::int64_t images = 0) const {
    Batch batch;
    if (images == 0) images = test_["batch"];
    const std::uint32_t first = test_["first_stream"].get<std::uint32_t>() + step;
    for (const detail::io::Json& shape : test_["inputs"])
      batch.x.push_back(
          formula_values(shape_of(shape).with_first(images), first + 100 * static_cast<std::uint32_t>(batch.x.size()), -1, 1));
    for (const detail::io::Json& target : test_["targets"]) {
      const std::uint32_t stream = first + 10'000 + 100 * static_cast<std::uint32_t>(batch.y.size());
      batch.y.push_back(target.is_number() ? formula_labels(images, stream, target)
                                           : formula_values(shape_of(target).with_first(images), stream, -1, 1));
    }
    return batch;
  }
  /// A tensor of the case, such as "grad/3".
  bool has(const std::string& key) const { return tensors().has(name() + "/" + key); }
  const Tensor& wanted(const std::string& key) const { return tensors()[name() + "/" + key]; }

 private:
  static Shape shape_of(const detail::io::Json& sizes) { return Shape(sizes.get<std::vector<std::int64_t>>()); }
  static const GoldenTensors& tensors() {
    static const GoldenTensors loaded("graph.safetensors");
    return loaded;
  }

  const detail::io::Json& test_;
};

/// A model in float64: no user's, but what the layers' equations are without float32's roundings.
class WideModel {
 public:
  WideModel(const std::string& config, double gamma)
      : config_(detail::formats::model_from_json(detail::io::parse_json(config, "test"), "test", 0)),
        frozen_(config_.graph.frozen_layers()) {
    std::uint32_t stream = 0;
    for (const detail::graph::GraphVariable& variable : config_.graph.variables()) {
      config_.graph.set_value(stream, formula_weight(variable.name, variable.shape(), stream, gamma).astype(DType::f64));
      ++stream;
    }
    slots_ = detail::train::make_slots(config_.graph, frozen_, config_.compile->optimizer.description());
    for (std::vector<Tensor>& slots : slots_)
      for (Tensor& slot : slots) slot = slot.astype(DType::f64);
    logs_ = std::make_unique<detail::train::Training>(config_.graph, *config_.compile, frozen_, 0, DTypePolicy("float32"));
  }

  const std::vector<detail::graph::GraphVariable>& variables() const { return config_.graph.variables(); }
  std::vector<Tensor> outputs(const Batch& batch) {
    detail::train::Network& net = network(detail::train::NetworkKey::Use::predict, batch);
    std::vector<Tensor> outputs;
    for (const Shape& shape : net.output_shapes()) {
      outputs.emplace_back(shape.with_first(batch.x.front().shape()[0]), DType::f64);
      net.bind_output(outputs.size() - 1, outputs.back().raw());
    }
    run(net, batch, nullptr);
    return outputs;
  }
  /// Of the trainable variables, in their order.
  std::vector<Tensor> gradients(const Batch& batch) {
    detail::train::Network& net = network(detail::train::NetworkKey::Use::gradients, batch);
    run(net, batch, nullptr);
    return net.gradients();
  }
  Logs step(const Batch& batch) {
    detail::train::BatchSums sums;
    run(network(detail::train::NetworkKey::Use::train, batch), batch, &sums);
    ++steps_;
    return logs_->logs_of(sums);
  }

 private:
  detail::train::Network& network(detail::train::NetworkKey::Use use, const Batch& batch) {
    std::unique_ptr<detail::train::Network>& net = networks_[use];
    if (net == nullptr) {
      detail::train::NetworkKey key{.use = use, .batch = batch.x.front().shape()[0], .precision = detail::plan::Precision::float64};
      key.set_inputs(batch.x);
      for (const Tensor& y : batch.y) key.y.push_back(y.dtype());
      key.weighted.assign(batch.y.size(), 0);
      net = std::make_unique<detail::train::Network>(config_.graph, &*config_.compile, frozen_, key);
    }
    net->bind(config_.graph, &slots_);
    return *net;
  }
  void run(detail::train::Network& net, const Batch& batch, detail::train::BatchSums* sums) const {
    const detail::train::Samples samples{.x = batch.x, .y = batch.y, .weight = std::vector<Tensor>(batch.y.size())};
    std::vector<detail::plan::Rows> sources;
    samples.sources(0, nullptr, sources);
    const double rate = config_.compile->optimizer.description().learning_rate().at(0, 1);
    net.run(samples.count(), {.seed = 0, .step = steps_, .learning_rate = rate}, sources, sums);
  }

  detail::formats::ModelConfig config_;
  detail::train::FrozenLayers frozen_;
  detail::train::Slots slots_;
  std::unique_ptr<detail::train::Training> logs_;  // only to turn sums into logs
  std::map<detail::train::NetworkKey::Use, std::unique_ptr<detail::train::Network>> networks_;
  std::int64_t steps_ = 0;
};

}  // namespace linn::tests
