#include "train/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/checked.h"
#include "linn/error.h"
#include "optim/optimizers.h"
#include "train/fit_loop.h"
#include "train/progress.h"

namespace linn::train {
namespace {

using Use = NetworkKey::Use;

constexpr std::size_t most_networks = 4;  // training, validation, and one to spare for each

void check_positive(const char* call, const char* field, std::int64_t value) {
  if (value < 1) throw ValueError(fmt::format("{}: {} is {}; it must be 1 or more", call, field, value));
}

}  // namespace

Network& find_network(std::vector<std::unique_ptr<Network>>& networks, const graph::Graph& graph, const formats::CompileConfig* compile,
                      const NetworkKey& key) {
  const auto found =
      std::find_if(networks.begin(), networks.end(), [&](const auto& network) { return network->key() == key && network->fits_pool(); });
  if (found != networks.end()) {
    std::rotate(networks.begin(), found, found + 1);
  } else {
    networks.insert(networks.begin(), std::make_unique<Network>(graph, compile, key));
    if (networks.size() > most_networks) networks.pop_back();
  }
  return *networks.front();
}

Training::Training(graph::Graph& graph, formats::CompileConfig compile, std::uint64_t seed, DTypePolicy dtype_policy)
    : graph_(graph), compile_(std::move(compile)), seed_(seed), dtype_policy_(dtype_policy) {}

Network& Training::network(Use use, const Samples& samples, std::int64_t batch, const Numerics& numerics) {
  const NetworkKey key{.use = use,
                       .batch = batch,
                       .x = samples.x.dtype(),
                       .y = samples.y.dtype(),
                       .weighted = samples.weight.defined(),
                       .input_scale = numerics.input_scale,
                       .dtype_policy = dtype_policy_,
                       .accuracy = numerics.accuracy};
  Network& network = find_network(networks_, graph_, &compile_, key);
  network.bind(graph_, &slots_);
  return network;
}

Samples Training::checked(const Tensor& x, const Tensor& y, const Tensor& weight) const {
  if (compile_.loss.kind == Loss::Kind::none) throw StateError("the model was compiled without a loss; give compile a .loss");
  return make_samples(x, y, weight, compile_.loss, graph_.input_shape(), graph_.output_shape());
}

Samples Training::checked(const Tensor& x, const Tensor& y, const BatchOptions& options) const {
  Samples samples = checked(x, y, options.sample_weight);
  add_class_weight(samples, options.class_weight, graph_.output_shape());
  return samples;
}

void Training::train_step(const Samples& samples, std::int64_t first, std::int64_t images, const std::vector<std::int64_t>* order,
                          std::int64_t batch, const Numerics& numerics, double rate, BatchSums& sums) {
  if (slots_.empty()) slots_ = make_slots(graph_, compile_.optimizer.description());
  Network& net = network(Use::train, samples, batch, numerics);
  net.run(images, {.seed = seed_, .step = steps_, .learning_rate = rate}, samples.sources(first, order), &sums);
  ++steps_;
}

BatchSums Training::evaluate_samples(const Samples& samples, std::int64_t batch, std::int64_t steps, const Numerics& numerics,
                                     const std::vector<CallbackHandle>& callbacks, EvaluateProgress* shown) {
  const std::int64_t n = samples.count();
  Network& net = network(Use::evaluate, samples, std::min(batch, n), numerics);
  BatchSums total;
  Logs logs;
  for (const CallbackHandle& callback : callbacks) callback->on_test_begin();
  for (std::int64_t first = 0, step = 0; first < n && (steps == 0 || step < steps); first += batch, ++step) {
    for (const CallbackHandle& callback : callbacks) callback->on_test_batch_begin(step);
    net.run(std::min(batch, n - first), {}, samples.sources(first, nullptr), &total);
    set_logs(logs, total);
    for (const CallbackHandle& callback : callbacks) callback->on_test_batch_end(step, logs);
    if (shown != nullptr) shown->step(step + 1, logs);
  }
  for (const CallbackHandle& callback : callbacks) callback->on_test_end(logs);
  return total;
}

void Training::set_logs(Logs& logs, const BatchSums& sums) const {
  const auto rows = static_cast<double>(std::max<std::int64_t>(sums.rows, 1));
  const double loss = sums.loss / rows;
  logs["loss"] = std::isnan(loss) ? std::numeric_limits<double>::quiet_NaN() : loss;  // the sign of a NaN would be shown: "-nan"
  for (std::size_t i = 0; i < compile_.metrics.size(); ++i)
    logs[compile_.metrics[i].name] = sums.metrics.empty() ? 0 : sums.metrics[i] / rows;
}

Logs Training::logs_of(const BatchSums& sums) const {
  Logs logs;
  set_logs(logs, sums);
  return logs;
}

History Training::fit(const Tensor& x, const Tensor& y, const FitOptions& options, const Metadata& notes) {
  return FitLoop(*this, x, y, options, notes).run();
}

Logs Training::evaluate(const Tensor& x, const Tensor& y, const EvaluateOptions& options) {
  check_positive("evaluate", "batch_size", options.batch_size);
  if (options.steps < 0) throw ValueError(fmt::format("evaluate: steps is {}; it must be 0 (all of the data) or more", options.steps));
  const Samples samples = checked(x, y, options.sample_weight);
  const std::int64_t all = core::ceil_div(samples.count(), options.batch_size);
  EvaluateProgress shown(options.verbose, stdout, options.steps == 0 ? all : std::min(options.steps, all));
  Logs logs = logs_of(
      evaluate_samples(samples, options.batch_size, options.steps, {options.input_scale, options.accuracy}, options.callbacks, &shown));
  shown.end(logs);
  return logs;
}

Logs Training::train_on_batch(const Tensor& x, const Tensor& y, const BatchOptions& options) {
  const LearningRate& schedule = compile_.optimizer.description().learning_rate();
  if (schedule.is_schedule() && schedule.cycle().total_steps == 0)
    throw StateError(
        "train_on_batch: the learning rate is a OneCycle, and how many steps it takes is not known here; give it .total_steps, or use fit");
  const Samples samples = checked(x, y, options);
  const double rate = schedule.at(steps_, 1);
  BatchSums sums;
  train_step(samples, 0, samples.count(), nullptr, samples.count(), {options.input_scale, options.accuracy}, rate, sums);
  return logs_of(sums);
}

Logs Training::test_on_batch(const Tensor& x, const Tensor& y, const BatchOptions& options) {
  const Samples samples = checked(x, y, options);
  return logs_of(evaluate_samples(samples, samples.count(), 0, {options.input_scale, options.accuracy}, {}, nullptr));
}

std::vector<Tensor> Training::gradients(const Tensor& x, const Tensor& y, const BatchOptions& options) {
  const Samples samples = checked(x, y, options);
  Network& net = network(Use::gradients, samples, samples.count(), {options.input_scale, options.accuracy});
  net.run(samples.count(), {.seed = seed_, .step = steps_, .learning_rate = 0}, samples.sources(0, nullptr), nullptr);
  return net.gradients();
}

}  // namespace linn::train
