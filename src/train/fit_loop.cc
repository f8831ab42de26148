#include "train/fit_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/checked.h"
#include "core/random.h"
#include "formats/weights_file.h"
#include "layers/variables.h"
#include "linn/error.h"
#include "optim/optimizers.h"
#include "train/progress.h"
#include "train/self_test.h"

namespace linn::detail::train {
namespace {

void check_at_least(const char* field, std::int64_t value, std::int64_t least) {
  if (value < least) throw ValueError(fmt::format("fit: {} is {}; it must be {} or more", field, value, least));
}

}  // namespace

FitLoop::FitLoop(Training& training, const FitOptions& options, const Metadata& notes)
    : training_(training), options_(options), notes_(notes), callbacks_(options.callbacks), first_step_(training.steps_) {
  check_options();
  check_augment();
  // First in line, so that what the user's callbacks print comes below the epoch's line.
  if (options.verbose != Verbose::silent) callbacks_.insert(callbacks_.begin(), progress(options.verbose, output_of(options.print_fn)));
}

FitLoop::FitLoop(Training& training, const Dataset& batches, const FitOptions& options, const Metadata& notes) : FitLoop(training, options, notes) {
  check_batches(batches, "fit", "steps_per_epoch", options.steps_per_epoch);
  if (options.validation_split > 0) throw ValueError("fit: validation_split needs all samples at once, and a Dataset gives them one by one; give validation_data");
  if (options.sample_weight.defined()) throw ValueError("fit: sample_weight comes with the batches of a Dataset; give it there");
  split_validation();
  source_.emplace(batches.iterate());
  batches_ = batches.cardinality();
  pass_over_ = true;  // the first epoch begins a pass
}

FitLoop::FitLoop(Training& training, const Tensors& x, const Tensors& y, const FitOptions& options, const Metadata& notes)
    : FitLoop(training, options, notes) {
  samples_ = training.checked(x, y, options.sample_weight);
  split_validation();
  add_class_weight(samples_, options.class_weight, training.graph_);  // of the training samples alone, as in Keras
  batches_ = core::ceil_div(samples_.count(), options.batch_size);
  pass_step_ = batches_;  // the first epoch begins a pass
  steps_per_epoch_ = options.steps_per_epoch == 0 ? batches_ : std::min(options.steps_per_epoch, batches_);
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

void FitLoop::check_augment() {
  if (!options_.augment) return;
  augment_ = description_of(*options_.augment);
  const std::vector<Shape> inputs = training_.graph_.input_shapes();
  if (inputs.size() != 1)
    throw ValueError(fmt::format("fit: augment is for models of one input; \"{}\" has {}: put the layers into the model", training_.graph_.name(), inputs.size()));
  const std::string where = "fit: augment: " + options_.augment->object()->place();
  const std::vector<Shape> outputs = augment_->infer_shapes(inputs, where);
  if (outputs.size() != 1 || outputs.front() != inputs.front())
    throw ShapeError(fmt::format("{} makes {} of images of shape {}; it must keep their shape: put layers that do not into the model", where,
                                 outputs.front().to_string(), inputs.front().to_string()));
  if (!augment_->declare_variables(inputs).empty()) throw ValueError(fmt::format("{} has variables; put it into the model", where));
}

void FitLoop::split_validation() {
  const ValidationData& given = options_.validation_data;
  if (!given.x.defined() && (given.y.defined() || given.sample_weight.defined()))
    throw ValueError(fmt::format("fit: validation_data has {}, but no x", given.y.defined() ? "y" : "sample_weight"));
  if (given.x.defined() && given.dataset.defined()) throw ValueError("fit: validation_data has both x and a dataset; give one of them");
  if (given.dataset.defined()) check_batches(given.dataset, "fit: validation_data", "validation_steps", options_.validation_steps);
  if (given.x.defined()) {
    validation_ = training_.checked(given.x, given.y, given.sample_weight);
    return;
  }
  if (options_.validation_split == 0) return;
  const std::int64_t n = samples_.count();
  const auto split = static_cast<std::int64_t>(std::floor(static_cast<double>(n) * (1.0 - options_.validation_split)));
  if (split == 0 || split == n)
    throw ValueError(fmt::format("fit: validation_split {} of {} samples leaves {} for training and {} for validation; both need some",
                                 options_.validation_split, n, split, n - split));
  validation_ = samples_.rows(split, n);
  samples_ = samples_.rows(0, split);
}

double FitLoop::seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - epoch_start_).count(); }

std::vector<std::string> FitLoop::log_names() const {
  std::vector<std::string> names;
  for (const auto& entry : training_.logs_of({})) {
    names.push_back(entry.first);
    if (has_validation()) names.push_back("val_" + entry.first);
  }
  for (const CallbackHandle& callback : callbacks_)
    for (const std::string& name : callback->added_logs()) names.push_back(name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

// Steps of all epochs. A pass through the data is several epochs with steps_per_epoch, and the last of them may be a short one.
std::int64_t FitLoop::planned_steps() const {
  const std::int64_t epochs = std::max<std::int64_t>(options_.epochs - options_.initial_epoch, 1);
  if (source_) return epochs * std::max<std::int64_t>(steps_per_epoch_, 1);
  const std::int64_t steps = options_.steps_per_epoch == 0 ? batches_ : std::min(options_.steps_per_epoch, batches_);
  const std::int64_t epochs_a_pass = core::ceil_div(batches_, steps);
  return epochs / epochs_a_pass * batches_ + epochs % epochs_a_pass * steps;
}

std::optional<bool> FitLoop::larger_is_better(std::string_view name) const {
  if (name.starts_with("val_")) name.remove_prefix(4);
  return training_.larger_is_better(name);
}

double FitLoop::learning_rate() const { return training_.learning_rate(first_step_, planned_steps()); }

void FitLoop::set_learning_rate(double rate) { training_.set_learning_rate(rate); }

void FitLoop::swap_ema_weights() { training_.swap_averages("swap_ema_weights"); }
void FitLoop::set_ema_weights() { training_.set_averages("set_ema_weights"); }

void FitLoop::save(const std::string& path) {
  const OptimizerState optimizer = training_.optimizer_state();
  save_model(path, training_.graph_,
             {.graph = training_.graph_,
              .compile = &training_.compile_,
              .optimizer = training_.stepped() ? &optimizer : nullptr,
              .seed = training_.seed_,
              .notes = &notes_});
}

void FitLoop::save_weights(const std::string& path) { formats::save_weights(path, training_.graph_, {}); }

std::vector<Tensor> FitLoop::weights() const {
  std::vector<Tensor> weights;
  for (const graph::GraphVariable& variable : training_.graph_.variables()) weights.push_back(variable.value().clone());
  return weights;
}

void FitLoop::set_weights(const std::vector<Tensor>& weights) {
  detail::set_values(training_.graph_.variables(), weights, "the model", "set_weights");
}

void FitLoop::begin_pass() {
  if (options_.shuffle)
    order_ =
        core::permutation(samples_.count(), training_.seed_, core::stream_of("shuffle", static_cast<std::uint64_t>(training_.passes_)));
  ++training_.passes_;
  pass_step_ = 0;
}

Logs FitLoop::validate() {
  const std::int64_t batch = options_.validation_batch_size == 0 ? options_.batch_size : options_.validation_batch_size;
  Logs logs;
  const BatchSums sums = validation_
                             ? training_.evaluate_samples(*validation_, batch, options_.validation_steps, options_.accuracy, callbacks_, nullptr)
                             : training_.evaluate_batches(options_.validation_data.dataset, options_.validation_steps, options_.accuracy, callbacks_, nullptr);
  for (const auto& [name, value] : training_.logs_of(sums)) logs["val_" + name] = value;
  return logs;
}

bool FitLoop::next_batch() {
  if (!source_) return true;
  Batch batch;
  if (!source_->next(batch)) {
    pass_over_ = true;
    if (step_ > 0 || pass_step_ == 0 || source_->position().index != batches_) return false;
    begin_dataset_epoch();  // what an earlier epoch left of the pass were skipped images alone
    return next_batch();
  }
  pass_over_ = source_->position().index == batches_;
  samples_ = training_.checked(batch.x, batch.y, batch.sample_weight);
  add_class_weight(samples_, options_.class_weight, training_.graph_);
  largest_batch_ = std::max(largest_batch_, samples_.count());
  return true;
}

bool FitLoop::run_step(BatchSums& sums, Logs& logs) {
  if (!next_batch()) return false;
  for (const CallbackHandle& callback : callbacks_) callback->on_train_batch_begin(*this);
  const std::int64_t n = samples_.count();
  if (source_) {
    training_.train_step(samples_, {.images = n, .epoch = training_.passes_ - 1, .seen = seen_, .augment = augment_}, largest_batch_, options_.accuracy,
                         learning_rate(), sums);
    seen_ += n;
  } else {
    const std::int64_t first = pass_step_ * options_.batch_size;
    training_.train_step(samples_,
                         {.first = first,
                          .images = std::min(options_.batch_size, n - first),
                          .order = options_.shuffle ? &order_ : nullptr,
                          .epoch = training_.passes_ - 1,
                          .augment = augment_},
                         std::min(options_.batch_size, n), options_.accuracy, learning_rate(), sums);
  }
  ++step_;
  ++pass_step_;
  training_.set_logs(logs, sums);
  for (const CallbackHandle& callback : callbacks_) callback->on_train_batch_end(*this, logs);
  return true;
}

void FitLoop::begin_epoch() {
  epoch_start_ = std::chrono::steady_clock::now();
  step_ = 0;
  if (source_) return begin_dataset_epoch();
  if (pass_step_ == batches_) begin_pass();
  const std::int64_t left = batches_ - pass_step_;
  steps_per_epoch_ = options_.steps_per_epoch == 0 ? left : std::min(options_.steps_per_epoch, left);
}

// The pass has the number that it would have for tensors, so that a Dataset shuffled with the model's seed gives the same batches.
void FitLoop::begin_dataset_epoch() {
  if (pass_over_) {
    source_->skip_to({.epoch = training_.passes_++});
    pass_step_ = 0;
    seen_ = 0;
  }
  pass_over_ = false;
  steps_per_epoch_ = options_.steps_per_epoch;
  if (batches_ < 0) return;  // without end, or of an unknown number
  const std::int64_t left = batches_ - source_->position().index;
  steps_per_epoch_ = steps_per_epoch_ == 0 ? left : std::min(steps_per_epoch_, left);
}

// A pass may have fewer batches than its cardinality says, where all images of a batch were skipped.
bool FitLoop::is_whole_pass() const {
  return source_ && step_ > 0 && (steps_per_epoch_ == 0 || source_->position().index == batches_);
}

void FitLoop::run_epoch(History& history) {
  begin_epoch();
  for (const CallbackHandle& callback : callbacks_) callback->on_epoch_begin(*this);
  BatchSums sums;
  Logs& logs = epoch_logs_;
  logs.clear();
  // Data that do not say how many batches they have end the epoch with their last one.
  bool is_over = false;
  while (!is_over && (step_ < steps_per_epoch_ || steps_per_epoch_ == 0) && !stopped_) is_over = !run_step(sums, logs);
  if (is_over && !is_whole_pass()) stopped_ = true;  // the data have less than was asked for
  const bool is_whole = is_over ? is_whole_pass() : step_ > 0 && step_ == steps_per_epoch_;
  if (!is_whole) return;  // stopped in the middle: the epoch does not count
  if (steps_per_epoch_ > 0) steps_per_epoch_ = step_;
  if (has_validation() && (epoch_ + 1) % options_.validation_freq == 0) logs.merge(validate());
  for (const CallbackHandle& callback : callbacks_) callback->on_epoch_end(*this, logs);
  history.epoch.push_back(epoch_);  // last, because callbacks add numbers
  for (const auto& [name, value] : logs) history.history[name].push_back(value);
}

History FitLoop::run() {
  History history;
  for (const CallbackHandle& callback : callbacks_) callback->on_train_begin(*this);
  for (epoch_ = options_.initial_epoch; epoch_ < options_.epochs && !stopped_; ++epoch_) run_epoch(history);
  history.stopped = stopped_;
  if (options_.epochs > 0) training_.finish_fit();
  Logs last;
  for (const auto& [name, values] : history.history) last[name] = values.back();
  for (const CallbackHandle& callback : callbacks_) callback->on_train_end(*this, last);
  return history;
}

}  // namespace linn::detail::train
