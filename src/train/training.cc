#include "train/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/checked.h"
#include "core/float_environment.h"
#include "linn/error.h"
#include "optim/losses.h"
#include "optim/metrics.h"
#include "optim/optimizers.h"
#include "optim/schedules.h"
#include "train/fit_loop.h"
#include "train/nonfinite.h"
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
    OutputLogs& logs = output_logs_.emplace_back();
    if (!compile_.losses[i].defined()) continue;
    if (outputs.size() > 1) logs.loss = prefix + "loss";
    const bool labels = compile_.losses[i].description().takes_labels();
    for (const Metric& metric : compile_.metrics[i]) {
      MetricLog log{.name = prefix + metric.name, .parts = {}, .counter = metric.description().counter(graph.shape_of(graph.outputs()[i])[-1], labels)};
      for (std::int64_t part = 0; part < log.counter->parts(); ++part) log.parts.push_back(fmt::format("{}[{}]", log.name, part));
      logs.metrics.push_back(std::move(log));
    }
  }
}

formats::TrainingState Training::state() const {
  OptimizerState state{.steps = steps_, .learning_rate = fixed_rate_, .variables = {}, .slots = slots_};
  for (const graph::GraphVariable& variable : graph_.variables())
    if (variable.trainable_but_for(frozen_)) state.variables.push_back({variable.shape(), variable.name});
  formats::TrainingState all;
  all.optimizer = std::move(state);
  all.passes = passes_;
  return all;
}

void Training::restore(formats::TrainingState state) {
  steps_ = state.optimizer.steps;
  fixed_rate_ = state.optimizer.learning_rate;
  slots_ = std::move(state.optimizer.slots);
  passes_ = state.passes;
  networks_.clear();
}

Network& Training::network(Use use, const Samples& samples, std::int64_t batch, Accuracy accuracy) {
  Network& made = planned(use, samples, batch, accuracy);
  made.bind(graph_, &slots_);
  return made;
}

Network& Training::planned(Use use, const Samples& samples, std::int64_t batch, Accuracy accuracy) {
  key_.use = use;
  if (use != Use::train) key_.augment = nullptr, key_.guarded = false;
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

void Training::set_step(const StepImages& of) {
  key_.augment = of.augment;
  key_.guarded = of.on_nan == OnNaN("raise");
}

std::int64_t Training::work_space(const Samples& samples, std::int64_t batch, Accuracy accuracy, const StepImages& of) {
  set_step(of);
  return planned(Use::train, samples, batch, accuracy).work_space();
}

void Training::train_step(const Samples& samples, const StepImages& of, std::int64_t batch, Accuracy accuracy, double rate, BatchSums& sums) {
  if (slots_.empty()) slots_ = make_slots(graph_, frozen_, compile_.optimizer.description());
  const core::DefaultFloatEnvironment environment;  // the rate is rounded here
  set_step(of);
  Network& net = network(Use::train, samples, batch, accuracy);
  samples.sources(of.first, of.order, sources_);
  // As Keras keeps it, and files hold it: training that goes on from a file takes the same steps.
  const auto rounded = static_cast<double>(static_cast<float>(rate));
  const plan::StepInfo step{.seed = seed_,
                            .step = steps_,
                            .learning_rate = rounded,
                            .epoch = of.epoch,
                            .order = of.order == nullptr ? nullptr : of.order->data(),
                            .first_sample = of.seen + of.first};
  if (!net.run(of.images, step, sources_, &sums))
    throw NonFiniteError(nonfinite_text({graph_, compile_, frozen_, net, samples, sources_, step, of.images}));
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
  BatchSums total;
  Logs logs;
  for (const CallbackHandle& callback : callbacks) callback->on_test_begin();  // before the weights are bound: it may change them
  Network& net = network(Use::evaluate, samples, std::min(batch, n), accuracy);
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
  const core::DefaultFloatEnvironment environment;
  const auto put = [&](const std::string& name, double value) {
    logs[name] = std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value;  // the sign of a NaN would be shown: "-nan"
  };
  static const std::string loss_name = "loss";
  double total = 0;
  static const OutputSums none;
  for (std::size_t i = 0; i < output_logs_.size(); ++i) {
    if (!compile_.losses[i].defined()) continue;
    const OutputSums& output = i < sums.outputs.size() ? sums.outputs[i] : none;
    const double loss = output.loss / static_cast<double>(std::max<std::int64_t>(output.rows, 1));
    total += compile_.loss_weights[i] * loss;
    if (!output_logs_[i].loss.empty()) put(output_logs_[i].loss, loss);
    for (std::size_t m = 0; m < output_logs_[i].metrics.size(); ++m) {
      const MetricLog& log = output_logs_[i].metrics[m];
      const bool has_rows = !output.metrics.empty();
      put(log.name, has_rows ? log.counter->result(output.metrics[m]) : 0);
      if (log.parts.empty()) continue;
      const std::vector<double> parts = has_rows ? log.counter->results(output.metrics[m]) : std::vector<double>(log.parts.size(), 0);
      for (std::size_t part = 0; part < parts.size(); ++part) put(log.parts[part], parts[part]);
    }
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
  for (const OutputLogs& output : output_logs_)
    if (!output.loss.empty()) names.push_back(output.loss);
  for (const OutputLogs& output : output_logs_)
    for (const MetricLog& metric : output.metrics) names.push_back(metric.name);
  return names;
}

std::optional<bool> Training::larger_is_better(std::string_view name) const {
  if (name == "loss") return false;
  for (std::size_t i = 0; i < output_logs_.size(); ++i) {
    if (name == output_logs_[i].loss) return false;
    for (std::size_t m = 0; m < output_logs_[i].metrics.size(); ++m) {
      const MetricLog& log = output_logs_[i].metrics[m];
      if (name == log.name || std::ranges::find(log.parts, name) != log.parts.end()) return compile_.metrics[i][m].description().larger_is_better();
    }
  }
  return std::nullopt;
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

// ---- moving averages ----

void Training::for_each_average(const char* call, const std::function<void(std::span<float> weights, std::span<float> average)>& change) {
  const std::optional<std::size_t> slot = optim::average_slot(compile_.optimizer.description());
  if (!slot) throw StateError(fmt::format("{}: the optimizer keeps no moving averages; give it .use_ema = true", call));
  if (slots_.empty()) throw StateError(fmt::format("{}: no step was taken yet, so there are no moving averages", call));
  std::size_t trained = 0;
  for (const graph::GraphVariable& variable : graph_.variables()) {
    if (!variable.trainable_but_for(frozen_)) continue;
    Tensor weights = variable.value();
    change(weights.values<float>(), slots_[trained++][*slot].values<float>());
  }
  graph_.touch_values();
}

void Training::swap_averages(const char* call) {
  for_each_average(call, [](std::span<float> weights, std::span<float> average) { std::ranges::swap_ranges(weights, average); });
}
void Training::set_averages(const char* call) {
  for_each_average(call, [](std::span<float> weights, std::span<float> average) { std::ranges::copy(weights, average.begin()); });
}
void Training::finish_fit() {
  if (!stepped() || !optim::average_slot(compile_.optimizer.description())) return;
  for_each_average("fit", [](std::span<float> weights, std::span<float> average) { std::ranges::copy(average, weights.begin()); });
}

void Training::set_learning_rate(double rate) {
  if (!(rate >= 0) || !std::isfinite(rate)) throw ValueError(fmt::format("set_learning_rate: {}; it must be 0 or more", rate));
  fixed_rate_ = rate;
}

double Training::learning_rate(std::int64_t first_step, std::int64_t steps) const {
  if (fixed_rate_) return *fixed_rate_;
  const LearningRate& rate = compile_.optimizer.description().learning_rate();
  return rate.at(rate.spans_fit() ? steps_ - first_step : steps_, steps);
}

Logs Training::train_on_batch(const Tensors& x, const Tensors& y, const BatchOptions& options) {
  const LearningRate& rule = compile_.optimizer.description().learning_rate();
  if (!fixed_rate_ && rule.spans_fit())
    throw StateError(
        fmt::format("train_on_batch: the learning rate is a {} over all steps of a fit, and their number is not known here; give it the "
                    "number, or use fit",
                    rule.schedule()->class_name()));
  const Samples samples = checked(x, y, options);
  const double rate = learning_rate(steps_, 1);
  BatchSums sums;
  train_step(samples, {.images = samples.count(), .epoch = steps_, .on_nan = options.on_nan}, samples.count(), options.accuracy, rate, sums);
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
  net.run(samples.count(), {.seed = seed_, .step = steps_, .learning_rate = 0, .epoch = steps_}, sources_, nullptr);
  return net.gradients();
}

}  // namespace linn::detail::train
