#include "train/fit_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/checked.h"
#include "core/random.h"
#include "formats/model_file.h"
#include "linn/error.h"
#include "optim/optimizers.h"
#include "train/progress.h"

namespace linn::train {
namespace {

void check_at_least(const char* field, std::int64_t value, std::int64_t least) {
  if (value < least) throw ValueError(fmt::format("fit: {} is {}; it must be {} or more", field, value, least));
}

}  // namespace

FitLoop::FitLoop(Training& training, const Tensor& x, const Tensor& y, const FitOptions& options, const Metadata& notes)
    : training_(training), options_(options), notes_(notes), callbacks_(options.callbacks) {
  check_options();
  samples_ = training.checked(x, y, options.sample_weight);
  split_validation();
  add_class_weight(samples_, options.class_weight, training.graph_.output_shape());  // of the training samples alone, as in Keras
  const std::int64_t all = core::ceil_div(samples_.count(), options.batch_size);
  steps_per_epoch_ = options.steps_per_epoch == 0 ? all : std::min(options.steps_per_epoch, all);
  first_step_ = training.steps_;
  // First in line, so that what the user's callbacks print comes below the epoch's line.
  if (options.verbose != Verbose::silent) callbacks_.insert(callbacks_.begin(), progress(options.verbose, stdout));
}

void FitLoop::check_options() const {
  check_at_least("batch_size", options_.batch_size, 1);
  check_at_least("epochs", options_.epochs, 0);
  check_at_least("initial_epoch", options_.initial_epoch, 0);
  check_at_least("steps_per_epoch", options_.steps_per_epoch, 0);
  check_at_least("validation_steps", options_.validation_steps, 0);
  check_at_least("validation_batch_size", options_.validation_batch_size, 0);
  check_at_least("validation_freq", options_.validation_freq, 1);
  if (!(options_.validation_split >= 0 && options_.validation_split < 1))
    throw ValueError(fmt::format("fit: validation_split is {}; it must lie in [0, 1)", options_.validation_split));
}

void FitLoop::split_validation() {
  if (options_.validation_data.x.defined()) {
    const ValidationData& data = options_.validation_data;
    validation_ = training_.checked(data.x, data.y, data.sample_weight);
    return;
  }
  if (options_.validation_split == 0) return;
  const std::int64_t n = samples_.count();
  const auto split = static_cast<std::int64_t>(std::floor(static_cast<double>(n) * (1.0 - options_.validation_split)));
  if (split == 0 || split == n)
    throw ValueError(fmt::format("fit: validation_split {} of {} samples leaves {} for training and {} for validation; both need some", options_.validation_split, n,
                                 split, n - split));
  validation_ = samples_.rows(split, n);
  samples_ = samples_.rows(0, split);
}

double FitLoop::seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - epoch_start_).count(); }

double FitLoop::learning_rate() const {
  if (fixed_rate_) return *fixed_rate_;
  const std::int64_t planned = std::max<std::int64_t>(options_.epochs - options_.initial_epoch, 1) * steps_per_epoch_;
  return training_.compile_.optimizer.description().learning_rate().at(training_.steps_ - first_step_, planned);
}

void FitLoop::set_learning_rate(double rate) {
  if (!(rate > 0) || !std::isfinite(rate)) throw ValueError(fmt::format("set_learning_rate: {}; it must be above 0", rate));
  fixed_rate_ = rate;
}

void FitLoop::save(const std::string& directory) { formats::save_model(directory, training_.graph_, &training_.compile_, notes_); }

void FitLoop::save_weights(const std::string& path) { save_safetensors(path, formats::weights_of(training_.graph_)); }

void FitLoop::remember_weights() {
  remembered_.clear();
  for (const graph::Variable& variable : training_.graph_.variables()) remembered_.push_back(variable.value.clone());
}

void FitLoop::restore_weights() {
  if (remembered_.empty()) throw StateError("restore_weights: no weights were remembered; call remember_weights first");
  for (std::size_t i = 0; i < remembered_.size(); ++i) {
    const auto from = remembered_[i].values<float>();
    std::copy(from.begin(), from.end(), training_.graph_.variables()[i].value.values<float>().begin());
  }
}

std::vector<std::int64_t> FitLoop::order() {
  return core::permutation(samples_.count(), training_.seed_, core::stream_of("shuffle", static_cast<std::uint64_t>(training_.epochs_)));
}

Logs FitLoop::validate() {
  const std::int64_t batch = options_.validation_batch_size == 0 ? options_.batch_size : options_.validation_batch_size;
  Logs logs;
  const BatchSums sums =
      training_.evaluate_samples(*validation_, batch, options_.validation_steps, {options_.input_scale, options_.accuracy}, nullptr);
  for (const auto& [name, value] : training_.logs_of(sums)) logs["val_" + name] = value;
  return logs;
}

void FitLoop::run_epoch(History& history) {
  epoch_start_ = std::chrono::steady_clock::now();
  step_ = 0;
  for (const CallbackHandle& callback : callbacks_) callback->on_epoch_begin(*this);
  const std::vector<std::int64_t> shuffled = options_.shuffle ? order() : std::vector<std::int64_t>();
  ++training_.epochs_;
  const std::int64_t n = samples_.count();
  const std::int64_t batch = std::min(options_.batch_size, n);
  BatchSums sums;
  Logs logs;  // one map for all steps, so that a step allocates nothing
  while (step_ < steps_per_epoch_ && !stopped_) {
    const std::int64_t first = step_ * options_.batch_size;
    const std::int64_t images = std::min(options_.batch_size, n - first);
    training_.train_step(samples_, first, images, options_.shuffle ? &shuffled : nullptr, batch, {options_.input_scale, options_.accuracy},
                         learning_rate(), sums);
    ++step_;
    training_.set_logs(logs, sums);
    for (const CallbackHandle& callback : callbacks_) callback->on_batch_end(*this, logs);
  }
  if (step_ < steps_per_epoch_) return;  // stopped in the middle: the epoch does not count
  if (validation_ && (epoch_ + 1) % options_.validation_freq == 0) logs.merge(validate());
  history.epoch.push_back(epoch_);
  for (const auto& [name, value] : logs) history.history[name].push_back(value);
  for (const CallbackHandle& callback : callbacks_) callback->on_epoch_end(*this, logs);
}

History FitLoop::run() {
  History history;
  for (const CallbackHandle& callback : callbacks_) callback->on_train_begin(*this);
  for (epoch_ = options_.initial_epoch; epoch_ < options_.epochs && !stopped_; ++epoch_) run_epoch(history);
  history.stopped = stopped_;
  Logs last;
  for (const auto& [name, values] : history.history) last[name] = values.back();
  for (const CallbackHandle& callback : callbacks_) callback->on_train_end(*this, last);
  return history;
}

}  // namespace linn::train
