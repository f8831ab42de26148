#include "train/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/checked.h"
#include "linn/error.h"
#include "optim/losses.h"
#include "optim/metrics.h"
#include "optim/optimizers.h"
#include "train/fit_loop.h"
#include "train/progress.h"

namespace linn::detail::train {
namespace {

using Use = NetworkKey::Use;

constexpr std::size_t most_networks = 4;  // training, validation, and one to spare for each

void check_positive(const char* call, const char* field, std::int64_t value) {
  if (value < 1) throw ValueError(fmt::format("{}: {} is {}; it must be 1 or more", call, field, value));
}

}  // namespace

void check_batches(const Dataset& batches, const char* call, const char* option, std::int64_t steps) {
  if (steps < 0) throw ValueError(fmt::format("{}: {} is {}; it must be 0 (all of the data) or more", call, option, steps));
  if (batches.is_unbatched()) throw ValueError(fmt::format("{}: the Dataset gives single samples; put .batch(32) behind it", call));
  const std::int64_t all = batches.cardinality();
  if (all == 0) throw DataError(fmt::format("{}: the Dataset holds no batch", call));
  if (all == Dataset::infinite && steps == 0) throw ValueError(fmt::format("{}: the Dataset has no end; give {}", call, option));
}

Training::Training(graph::Graph& graph, formats::CompileConfig compile, FrozenLayers frozen, std::uint64_t seed, DTypePolicy dtype_policy)
    : graph_(graph), compile_(std::move(compile)), frozen_(std::move(frozen)), seed_(seed), dtype_policy_(dtype_policy) {
  const std::vector<std::string> outputs = graph.output_names();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::string prefix = outputs.size() == 1 ? "" : outputs[i] + "_";
    OutputLogs& names = log_names_.emplace_back();
    if (outputs.size() > 1) names.loss = prefix + "loss";
    for (const Metric& metric : compile_.metrics[i]) names.metrics.push_back(prefix + metric.name);
  }
}

void Training::restore(OptimizerState state) {
  steps_ = state.steps;
  fixed_rate_ = state.learning_rate;
  slots_ = std::move(state.slots);
  networks_.clear();
}

Network& Training::network(Use use, const Samples& samples, std::int64_t batch, Accuracy accuracy) {
  key_.use = use;
  key_.batch = batch;
  key_.set_inputs(samples.x);
  key_.y.clear();
  for (const Tensor& y : samples.y) key_.y.push_back(y.dtype());
  key_.weighted.clear();
  for (const Tensor& weight : samples.weight) key_.weighted.push_back(weight.defined());
  key_.dtype_policy = dtype_policy_;
  key_.accuracy = accuracy;
  const auto found = std::find_if(networks_.begin(), networks_.end(), [&](const auto& network) { return network->key() == key_ && network->fits_device(); });
  if (found != networks_.end()) {
    std::rotate(networks_.begin(), found, found + 1);
  } else {
    networks_.insert(networks_.begin(), std::make_unique<Network>(graph_, &compile_, frozen_, key_));
    if (networks_.size() > most_networks) networks_.pop_back();
  }
  networks_.front()->bind(graph_, &slots_);
  return *networks_.front();
}

Samples Training::checked(const Tensors& x, const Tensors& y, const Tensors& weight) const {
  if (!compile_.has_loss()) throw StateError("the model was compiled without a loss; give compile a .loss");
  return make_samples(x, y, weight, compile_.losses, graph_);
}

Samples Training::checked(const Tensors& x, const Tensors& y, const BatchOptions& options) const {
  Samples samples = checked(x, y, options.sample_weight);
  add_class_weight(samples, options.class_weight, graph_);
  return samples;
}

void Training::train_step(const Samples& samples, std::int64_t first, std::int64_t images, const std::vector<std::int64_t>* order,
                          std::int64_t batch, Accuracy accuracy, double rate, BatchSums& sums) {
  if (slots_.empty()) slots_ = make_slots(graph_, frozen_, compile_.optimizer.description());
  Network& net = network(Use::train, samples, batch, accuracy);
  samples.sources(first, order, sources_);
  // As Keras keeps it, and files hold it: training that goes on from a file takes the same steps.
  const auto rounded = static_cast<double>(static_cast<float>(rate));
  net.run(images, {.seed = seed_, .step = steps_, .learning_rate = rounded}, sources_, &sums);
  ++steps_;
}

BatchSums Training::evaluate_batches(const Dataset& batches, std::int64_t most, Accuracy accuracy, const std::vector<CallbackHandle>& callbacks,
                                     EvaluateProgress* shown) {
  BatchSums total;
  Logs logs;
  std::int64_t largest = 0, step = 0;
  Dataset::Iterator source = batches.iterate();
  for (const CallbackHandle& callback : callbacks) callback->on_test_begin();
  for (; most == 0 || step < most; ++step) {
    Batch batch;
    if (!source.next(batch)) break;
    const Samples samples = checked(batch.x, batch.y, batch.sample_weight);
    largest = std::max(largest, samples.count());
    Network& net = network(Use::evaluate, samples, largest, accuracy);
    for (const CallbackHandle& callback : callbacks) callback->on_test_batch_begin(step);
    samples.sources(0, nullptr, sources_);
    net.run(samples.count(), {}, sources_, &total);
    set_logs(logs, total);
    for (const CallbackHandle& callback : callbacks) callback->on_test_batch_end(step, logs);
    if (shown != nullptr) shown->step(step + 1, logs);
  }
  if (largest == 0) throw DataError("the data for evaluation hold no batch");
  for (const CallbackHandle& callback : callbacks) callback->on_test_end(logs);
  if (shown != nullptr) shown->end(step, logs);
  return total;
}

BatchSums Training::evaluate_samples(const Samples& samples, std::int64_t batch, std::int64_t steps, Accuracy accuracy,
                                     const std::vector<CallbackHandle>& callbacks, EvaluateProgress* shown) {
  const std::int64_t n = samples.count();
  Network& net = network(Use::evaluate, samples, std::min(batch, n), accuracy);
  BatchSums total;
  Logs logs;
  for (const CallbackHandle& callback : callbacks) callback->on_test_begin();
  for (std::int64_t first = 0, step = 0; first < n && (steps == 0 || step < steps); first += batch, ++step) {
    for (const CallbackHandle& callback : callbacks) callback->on_test_batch_begin(step);
    samples.sources(first, nullptr, sources_);
    net.run(std::min(batch, n - first), {}, sources_, &total);
    set_logs(logs, total);
    for (const CallbackHandle& callback : callbacks) callback->on_test_batch_end(step, logs);
    if (shown != nullptr) shown->step(step + 1, logs);
  }
  for (const CallbackHandle& callback : callbacks) callback->on_test_end(logs);
  return total;
}

void Training::set_logs(Logs& logs, const BatchSums& sums) const {
  const auto put = [&](const std::string& name, double value) {
    logs[name] = std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value;  // the sign of a NaN would be shown: "-nan"
  };
  static const std::string loss_name = "loss";
  double total = 0;
  for (std::size_t i = 0; i < log_names_.size(); ++i) {
    const OutputSums none;
    const OutputSums& output = i < sums.outputs.size() ? sums.outputs[i] : none;
    const auto rows = static_cast<double>(std::max<std::int64_t>(output.rows, 1));
    const double loss = output.loss / rows;
    const bool has_loss = compile_.losses[i].defined();
    if (has_loss) total += compile_.loss_weights[i] * loss;
    if (has_loss && !log_names_[i].loss.empty()) put(log_names_[i].loss, loss);
    if (!has_loss) continue;
    for (std::size_t m = 0; m < log_names_[i].metrics.size(); ++m)
      logs[log_names_[i].metrics[m]] = output.metrics.empty() ? 0 : compile_.metrics[i][m].description().result(output.metrics[m], rows);
  }
  total += sums.penalties / static_cast<double>(std::max<std::int64_t>(sums.images, 1));
  put(loss_name, total);
}

Logs Training::logs_of(const BatchSums& sums) const {
  Logs logs;
  set_logs(logs, sums);
  return logs;
}

std::vector<std::string> Training::log_order() const {
  std::vector<std::string> names = {"loss"};
  for (const OutputLogs& output : log_names_)
    if (!output.loss.empty()) names.push_back(output.loss);
  for (const OutputLogs& output : log_names_) names.insert(names.end(), output.metrics.begin(), output.metrics.end());
  return names;
}

History Training::fit(const Tensors& x, const Tensors& y, const FitOptions& options, const Metadata& notes) {
  return FitLoop(*this, x, y, options, notes).run();
}

History Training::fit(const Dataset& batches, const FitOptions& options, const Metadata& notes) {
  return FitLoop(*this, batches, options, notes).run();
}

Logs Training::evaluate(const Tensors& x, const Tensors& y, const EvaluateOptions& options) {
  check_positive("evaluate", "batch_size", options.batch_size);
  if (options.steps < 0) throw ValueError(fmt::format("evaluate: steps is {}; it must be 0 (all of the data) or more", options.steps));
  const Samples samples = checked(x, y, options.sample_weight);
  const std::int64_t all = core::ceil_div(samples.count(), options.batch_size);
  const std::int64_t steps = options.steps == 0 ? all : std::min(options.steps, all);
  EvaluateProgress shown(options.verbose, output_of(options.print_fn), steps);
  Logs logs = logs_of(
      evaluate_samples(samples, options.batch_size, options.steps, options.accuracy, options.callbacks, &shown));
  shown.end(steps, logs);
  return logs;
}

Logs Training::evaluate(const Dataset& batches, const EvaluateOptions& options) {
  check_batches(batches, "evaluate", "steps", options.steps);
  const std::int64_t all = std::max<std::int64_t>(batches.cardinality(), 0);
  EvaluateProgress shown(options.verbose, output_of(options.print_fn), options.steps == 0 || all == 0 ? std::max(options.steps, all) : std::min(options.steps, all));
  return logs_of(evaluate_batches(batches, options.steps, options.accuracy, options.callbacks, &shown));
}

void Training::set_learning_rate(double rate) {
  if (!(rate > 0) || !std::isfinite(rate)) throw ValueError(fmt::format("set_learning_rate: {}; it must be above 0", rate));
  fixed_rate_ = rate;
}

double Training::learning_rate(std::int64_t first_step, std::int64_t steps) const {
  if (fixed_rate_) return *fixed_rate_;
  const LearningRate& rate = compile_.optimizer.description().learning_rate();
  const bool from_fit = rate.is_schedule() && rate.cycle().total_steps == 0;
  return rate.at(from_fit ? steps_ - first_step : steps_, steps);
}

Logs Training::train_on_batch(const Tensors& x, const Tensors& y, const BatchOptions& options) {
  const LearningRate& schedule = compile_.optimizer.description().learning_rate();
  if (!fixed_rate_ && schedule.is_schedule() && schedule.cycle().total_steps == 0)
    throw StateError(
        "train_on_batch: the learning rate is a OneCycle, and how many steps it takes is not known here; give it .total_steps, or use fit");
  const Samples samples = checked(x, y, options);
  const double rate = learning_rate(steps_, 1);
  BatchSums sums;
  train_step(samples, 0, samples.count(), nullptr, samples.count(), options.accuracy, rate, sums);
  return logs_of(sums);
}

Logs Training::test_on_batch(const Tensors& x, const Tensors& y, const BatchOptions& options) {
  const Samples samples = checked(x, y, options);
  return logs_of(evaluate_samples(samples, samples.count(), 0, options.accuracy, {}, nullptr));
}

std::vector<Tensor> Training::gradients(const Tensors& x, const Tensors& y, const BatchOptions& options) {
  const Samples samples = checked(x, y, options);
  Network& net = network(Use::gradients, samples, samples.count(), options.accuracy);
  samples.sources(0, nullptr, sources_);
  net.run(samples.count(), {.seed = seed_, .step = steps_, .learning_rate = 0}, sources_, nullptr);
  return net.gradients();
}

}  // namespace linn::detail::train
