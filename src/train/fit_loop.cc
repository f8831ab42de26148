#include "train/fit_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>

#include "core/checked.h"
#include "core/cpu.h"
#include "core/random.h"
#include "formats/weights_file.h"
#include "io/bytes.h"
#include "io/checksum.h"
#include "layers/description.h"
#include "layers/variables.h"
#include "linn/error.h"
#include "optim/optimizers.h"
#include "train/fingerprint.h"
#include "train/memory_plan.h"
#include "train/nonfinite.h"
#include "train/progress.h"
#include "train/self_test.h"

namespace linn::detail::train {
namespace {

using Names = std::map<std::string, std::string>;

void number_names(const io::Json& json, Names& numbers) {
  if (!json.is_structured()) return;
  if (json.is_object() && json.contains("name") && json["name"].is_string()) numbers.emplace(json["name"].get<std::string>(), fmt::format("#{}", numbers.size()));
  for (const io::Json& part : json) number_names(part, numbers);
}

void put_numbers(io::Json& json, const Names& numbers) {
  if (json.is_string()) {
    if (const auto found = numbers.find(json.get_ref<const std::string&>()); found != numbers.end()) json = found->second;
  } else if (json.is_structured()) {
    for (io::Json& part : json) put_numbers(part, numbers);
  }
}

// A network with numbers in place of names: the same program may call a layer "dense" once and "dense_1" the next time.
io::Json without_names(io::Json network) {
  Names numbers;
  number_names(network, numbers);
  put_numbers(network, numbers);
  return network;
}

void check_at_least(const char* field, std::int64_t value, std::int64_t least) {
  if (value < least) throw ValueError(fmt::format("fit: {} is {}; it must be {} or more", field, value, least));
}

}  // namespace

FitLoop::FitLoop(Training& training, const FitOptions& options, const Metadata& notes)
    : training_(training),
      options_(options),
      notes_(notes),
      progress_(progress(options.verbose, output_of(options.print_fn))),
      callbacks_(options.callbacks),
      on_nan_(options.on_nan) {
  check_options();
  check_augment();
  check_allowed(options.allow_changed);
  state_.epoch = options.initial_epoch;
  state_.first_step = training.steps_;
  // It has its own way of ending a training.
  if (std::ranges::any_of(callbacks_, [](const CallbackHandle& callback) { return dynamic_cast<callbacks::TerminateOnNaN*>(&*callback) != nullptr; }))
    on_nan_ = "ignore";
  // First in line, so that what the user's callbacks print comes below the epoch's line.
  if (options.verbose != Verbose::silent) callbacks_.insert(callbacks_.begin(), progress_);
}

FitLoop::FitLoop(Training& training, const Dataset& batches, const FitOptions& options, const Metadata& notes) : FitLoop(training, options, notes) {
  check_batches(batches, "fit", "steps_per_epoch", options.steps_per_epoch);
  if (options.validation_split > 0) throw ValueError("fit: validation_split needs all samples at once, and a Dataset gives them one by one; give validation_data");
  if (options.sample_weight.defined()) throw ValueError("fit: sample_weight comes with the batches of a Dataset; give it there");
  split_validation();
  data_ = batches;
  source_.emplace(batches.iterate());
  batches_ = batches.cardinality();
  state_.pass_over = true;  // the first epoch begins a pass
}

FitLoop::FitLoop(Training& training, const Tensors& x, const Tensors& y, const FitOptions& options, const Metadata& notes)
    : FitLoop(training, options, notes) {
  samples_ = training.checked(x, y, options.sample_weight);
  if (on_nan_ == OnNaN("raise")) check_finite(samples_, training.graph_);
  split_validation();
  add_class_weight(samples_, options.class_weight, training.graph_);  // of the training samples alone, as in Keras
  batches_ = core::ceil_div(samples_.count(), options.batch_size);
  state_.pass_step = batches_;  // the first epoch begins a pass
  state_.steps_per_epoch = options.steps_per_epoch == 0 ? batches_ : std::min(options.steps_per_epoch, batches_);
}

void FitLoop::check_options() const {
  check_at_least("batch_size", options_.batch_size, 1);
  check_at_least("epochs", options_.epochs, 0);
  check_at_least("initial_epoch", options_.initial_epoch, 0);
  check_at_least("steps_per_epoch", options_.steps_per_epoch, 0);
  check_at_least("validation_steps", options_.validation_steps, 0);
  check_at_least("validation_batch_size", options_.validation_batch_size, 0);
  check_at_least("validation_freq", options_.validation_freq, 1);
  check_at_least("memory_limit", options_.memory_limit, 0);
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

// Networks are planned here and keep their plans; nothing large is allocated before it is known to fit.
void FitLoop::plan_memory() {
  const OptimizerDescription& optimizer = training_.compile_.optimizer.description();
  const std::int64_t batch = source_ ? state_.largest_batch : std::min(options_.batch_size, samples_.count());
  const auto work_space = [&](std::int64_t images) { return training_.work_space(samples_, images, options_.accuracy, {.augment = augment_, .on_nan = on_nan_}); };
  const std::int64_t training = work_space(batch);
  memory_ = {.weights = variable_bytes(training_.graph_),
             .optimizer = slot_bytes(training_.graph_, training_.frozen_, optimizer),
             .work_space = training,
             .data = sample_bytes(samples_)};
  if (validation_) {
    const std::int64_t images = options_.validation_batch_size == 0 ? options_.batch_size : options_.validation_batch_size;
    memory_.work_space += training_.planned(NetworkKey::Use::evaluate, *validation_, std::min(images, validation_->count()), options_.accuracy).work_space();
    memory_.data += sample_bytes(*validation_);
  }
  const MemoryBounds bounds = memory_bounds(options_.memory_limit);
  memory_.limit = limit_of(bounds);
  check_memory(memory_, bounds, batch, !training_.slots_.empty(), [&](std::int64_t images) { return memory_.work_space - training + work_space(images); });
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
  if (source_) return epochs * std::max<std::int64_t>(state_.steps_per_epoch, 1);
  const std::int64_t steps = options_.steps_per_epoch == 0 ? batches_ : std::min(options_.steps_per_epoch, batches_);
  const std::int64_t epochs_a_pass = core::ceil_div(batches_, steps);
  return epochs / epochs_a_pass * batches_ + epochs % epochs_a_pass * steps;
}

std::optional<bool> FitLoop::larger_is_better(std::string_view name) const {
  if (name.starts_with("val_")) name.remove_prefix(4);
  return training_.larger_is_better(name);
}

double FitLoop::learning_rate() const { return training_.learning_rate(state_.first_step, planned_steps()); }

void FitLoop::set_learning_rate(double rate) { training_.set_learning_rate(rate); }

void FitLoop::swap_ema_weights() { training_.swap_averages("swap_ema_weights"); }
void FitLoop::set_ema_weights() { training_.set_averages("set_ema_weights"); }

void FitLoop::save(const std::string& path) {
  check_updated();
  const formats::TrainingState training = training_.state();
  save_model(path, training_.graph_,
             {.graph = training_.graph_,
              .compile = &training_.compile_,
              .training = training_.stepped() ? &training : nullptr,
              .seed = training_.seed_,
              .notes = &notes_});
}

void FitLoop::save_weights(const std::string& path) {
  check_updated();
  formats::save_weights(path, training_.graph_, {});
}

std::vector<Tensor> FitLoop::weights() const {
  std::vector<Tensor> weights;
  for (const graph::GraphVariable& variable : training_.graph_.variables()) weights.push_back(variable.value().clone());
  return weights;
}

void FitLoop::set_weights(const std::vector<Tensor>& weights) {
  detail::set_values(training_.graph_.variables(), weights, "the model", "set_weights");
}

void FitLoop::begin_pass() {
  ++training_.passes_;
  state_.pass_step = 0;
  shuffle();
}

// The order of the samples follows from the number of the pass.
void FitLoop::shuffle() {
  if (!options_.shuffle) return;
  const auto pass = static_cast<std::uint64_t>(training_.passes_ - 1);
  order_ = core::permutation(samples_.count(), training_.seed_, core::stream_of("shuffle", pass));
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
    state_.pass_over = true;
    if (state_.step > 0 || state_.pass_step == 0 || source_->position().index != batches_) return false;
    begin_dataset_epoch();  // what an earlier epoch left of the pass were skipped images alone
    return next_batch();
  }
  state_.pass_over = source_->position().index == batches_;
  samples_ = training_.checked(batch.x, batch.y, batch.sample_weight);
  add_class_weight(samples_, options_.class_weight, training_.graph_);
  if (samples_.count() > state_.largest_batch) {
    state_.largest_batch = samples_.count();
    plan_memory();
  }
  return true;
}

template <class Work>
void FitLoop::saying_where(std::int64_t step, const Work& work) const {
  try {
    work();
  } catch (const NonFiniteError& error) {
    throw NonFiniteError(fmt::format("fit: epoch {}, step {} (learning rate {:g}): {}", state_.epoch + 1, step, learning_rate(), error.what()));
  }
}

// Before anything is measured or saved: a step is checked by its gradients, and what its update made of them by the next step.
void FitLoop::check_updated() const {
  if (on_nan_ == OnNaN("raise")) saying_where(state_.step, [&] { check_weights(training_.graph_); });
}

void FitLoop::train_batch() {
  const std::int64_t n = samples_.count();
  if (source_) {
    training_.train_step(samples_, {.images = n, .epoch = training_.passes_ - 1, .seen = state_.seen, .augment = augment_, .on_nan = on_nan_}, state_.largest_batch,
                         options_.accuracy, learning_rate(), state_.sums);
    state_.seen += n;
  } else {
    const std::int64_t first = state_.pass_step * options_.batch_size;
    training_.train_step(samples_,
                         {.first = first,
                          .images = std::min(options_.batch_size, n - first),
                          .order = options_.shuffle ? &order_ : nullptr,
                          .epoch = training_.passes_ - 1,
                          .augment = augment_,
                          .on_nan = on_nan_},
                         std::min(options_.batch_size, n), options_.accuracy, learning_rate(), state_.sums);
  }
}

bool FitLoop::run_step(Logs& logs) {
  if (!next_batch()) return false;
  for (const CallbackHandle& callback : callbacks_) callback->on_train_batch_begin(*this);
  saying_where(state_.step + 1, [&] { train_batch(); });
  ++state_.step;
  ++state_.pass_step;
  training_.set_logs(logs, state_.sums);
  moment_ = Moment::step_or_epoch_end;
  for (const CallbackHandle& callback : callbacks_) callback->on_train_batch_end(*this, logs);
  write_checkpoint();
  return true;
}

void FitLoop::begin_epoch() {
  state_.step = 0;
  state_.sums = {};
  state_.in_epoch = true;
  if (source_) return begin_dataset_epoch();
  if (state_.pass_step == batches_) begin_pass();
  const std::int64_t left = batches_ - state_.pass_step;
  state_.steps_per_epoch = options_.steps_per_epoch == 0 ? left : std::min(options_.steps_per_epoch, left);
}

// The pass has the number that it would have for tensors, so that a Dataset shuffled with the model's seed gives the same batches.
void FitLoop::begin_dataset_epoch() {
  if (state_.pass_over) {
    source_->skip_to({.epoch = training_.passes_++});
    state_.pass_step = 0;
    state_.seen = 0;
  }
  state_.pass_over = false;
  state_.steps_per_epoch = options_.steps_per_epoch;
  if (batches_ < 0) return;  // without end, or of an unknown number
  const std::int64_t left = batches_ - source_->position().index;
  state_.steps_per_epoch = state_.steps_per_epoch == 0 ? left : std::min(state_.steps_per_epoch, left);
}

// A pass may have fewer batches than its cardinality says, where all images of a batch were skipped.
bool FitLoop::is_whole_pass() const {
  return source_ && state_.step > 0 && (state_.steps_per_epoch == 0 || source_->position().index == batches_);
}

void FitLoop::run_epoch() {
  epoch_start_ = std::chrono::steady_clock::now();
  Logs& logs = epoch_logs_;
  logs.clear();
  if (state_.in_epoch) {
    progress_->on_epoch_begin(*this);  // the others have been told before the checkpoint was made
    if (state_.step > 0) training_.set_logs(logs, state_.sums);
  } else {
    begin_epoch();
    for (const CallbackHandle& callback : callbacks_) callback->on_epoch_begin(*this);
  }
  // Data that do not say how many batches they have end the epoch with their last one.
  bool is_over = false;
  while (!is_over && (state_.step < state_.steps_per_epoch || state_.steps_per_epoch == 0) && goes_on()) is_over = !run_step(logs);
  check_updated();
  if (is_over && !is_whole_pass()) state_.stopped = true;  // the data have less than was asked for
  const bool is_whole = is_over ? is_whole_pass() : state_.step > 0 && state_.step == state_.steps_per_epoch;
  if (!is_whole || paused_) return;  // stopped in the middle: the epoch does not count
  end_epoch();
}

void FitLoop::end_epoch() {
  Logs& logs = epoch_logs_;
  if (state_.steps_per_epoch > 0) state_.steps_per_epoch = state_.step;
  if (has_validation() && (state_.epoch + 1) % options_.validation_freq == 0) logs.merge(validate());
  moment_ = Moment::step_or_epoch_end;
  for (const CallbackHandle& callback : callbacks_) callback->on_epoch_end(*this, logs);
  state_.history.epoch.push_back(state_.epoch);  // last, because callbacks add numbers
  for (const auto& [name, value] : logs) state_.history.history[name].push_back(value);
  state_.in_epoch = false;
  ++state_.epoch;
  write_checkpoint();
}

void FitLoop::begin() {
  moment_ = Moment::begin;
  if (!options_.resume.empty()) resume(options_.resume);
  for (const CallbackHandle& callback : callbacks_) callback->on_train_begin(*this);
  if (resumed_) restore_callbacks(resumed_->fit, resumed_->tensors, options_.callbacks, options_.allow_changed, resumed_path_);
  resumed_.reset();
  write_checkpoint();
}

History FitLoop::run() {
  if (!source_) plan_memory();
  begin();
  while (state_.epoch < options_.epochs && goes_on()) run_epoch();
  state_.history.stopped = state_.stopped || paused_;
  if (options_.epochs > 0) training_.finish_fit();
  Logs last;
  for (const auto& [name, values] : state_.history.history) last[name] = values.back();
  for (const CallbackHandle& callback : callbacks_) callback->on_train_end(*this, last);
  return state_.history;
}

// ---- checkpoints ----

void FitLoop::save_checkpoint(const std::string& directory) {
  if (moment_ == Moment::other)
    throw StateError("save_checkpoint: a checkpoint is made between steps: call it from on_train_begin, on_train_batch_end or on_epoch_end");
  checkpoint_ = directory;
}

void FitLoop::pause(const std::string& directory) {
  save_checkpoint(directory);
  paused_ = true;
}

// Training must not end for a disk that is full for a while: the checkpoint before stays, and the next one is tried.
void FitLoop::write_checkpoint() {
  moment_ = Moment::other;
  if (checkpoint_.empty()) return;
  const std::string directory = std::exchange(checkpoint_, {});
  check_updated();  // what is bad must not take the place of what is good
  formats::TrainingState training = training_.state();
  FitState state = state_;
  if (source_) state.position = source_->position();
  training.fit = fit_state_to_json(state, identity(), options_.callbacks, training.tensors);
  try {
    train::write_checkpoint(directory, {.graph = training_.graph_, .compile = &training_.compile_, .training = &training, .seed = training_.seed_, .notes = &notes_});
  } catch (const IoError& error) {
    std::fputs(fmt::format("linn: the checkpoint of step {} was not saved: {}\n", training_.steps_, error.what()).c_str(), stderr);
  }
}

const FitIdentity& FitLoop::identity() {
  if (!identity_.empty()) return identity_;
  const io::Json model = formats::model_to_json(training_.graph_, &training_.compile_);
  const io::Json network = without_names(formats::model_to_json(training_.graph_, nullptr));
  const LearningRate& rate = training_.compile_.optimizer.description().learning_rate();
  std::string settings = source_ ? "batches of a data set" : fmt::format("batch_size={}, shuffle={}, validation_split={}", options_.batch_size, options_.shuffle, options_.validation_split);
  settings += fmt::format(", steps_per_epoch={}", options_.steps_per_epoch);
  for (const auto& [label, weight] : options_.class_weight) settings += fmt::format(", class_weight[{}]={}", label, weight);
  if (rate.spans_fit()) settings += fmt::format(", epochs={}, initial_epoch={}", options_.epochs, options_.initial_epoch);
  identity_ = {{"network", fmt::format("one of {} layers and {} parameters, with checksum {:08x}", training_.graph_.members().size(), training_.graph_.parameters(false),
                                       io::crc32(io::bytes_of(io::dump_json(network))))},
               {"compile", io::dump_json(model.at("compile_config"))},
               {"seed", fmt::format("{}", training_.seed_)},
               {"data", source_ ? fingerprint(data_) : fingerprint(samples_)},
               {"settings", settings},
               {"augment", augment_ == nullptr ? "none" : fmt::format("{} {}", augment_->class_name(), io::dump_json(augment_->config("augment")))},
               {"precision", fmt::format("{}, accuracy {}", training_.dtype_policy_.name(), options_.accuracy.name())},
               {"cpu", fmt::format("{}, caches of {} and {} bytes", core::name_of(core::isa()), core::cpu().l1_bytes, core::cpu().l2_bytes)}};
  return identity_;
}

void FitLoop::resume(const std::string& path) {
  if (moment_ != Moment::begin) throw StateError("resume: a fit can only go on from a checkpoint when it begins: call it from on_train_begin, or give fit the option");
  if (resumed_) return;  // the option goes before callbacks
  take(read_checkpoint(path));
}

void FitLoop::take(Checkpoint checkpoint) {
  const std::string where = checkpoint.path;
  formats::ModelFile& file = checkpoint.file;
  if (file.trained_other_layers) throw StateError(fmt::format("{}: was trained with other layers frozen than are frozen here", where));
  if (!file.training || !file.training->fit.is_object())
    throw StateError(fmt::format("{}: holds a model, but not the place of a fit; load it with load_model, and fit it", where));
  const std::string place = where + ": " + formats::training_key;
  check_identity(file.training->fit, identity(), options_.allow_changed, place);
  std::vector<Tensor> values;
  for (const graph::GraphVariable& variable : file.config.graph.variables()) values.push_back(variable.value());
  detail::set_values(training_.graph_.variables(), values, "the model", where);
  training_.graph_.touch_values();
  formats::TrainingState training = *file.training;
  if (!fits(training.optimizer)) training.optimizer.slots.clear();  // another optimizer, which was allowed, begins anew
  training_.restore(std::move(training));
  state_ = fit_state_from_json(file.training->fit, place);
  resumed_ = std::move(file.training);
  resumed_path_ = place;
  restore_place();
}

// Whether the slots are those of this optimizer.
bool FitLoop::fits(const OptimizerState& state) const {
  const OptimizerDescription& optimizer = training_.compile_.optimizer.description();
  for (std::size_t i = 0; i < state.slots.size(); ++i) {
    const std::vector<OptimizerSlot> slots = optimizer.slots(state.variables[i]);
    if (!std::ranges::equal(slots, state.slots[i], [](const OptimizerSlot& slot, const Tensor& value) { return slot.shape == value.shape(); })) return false;
  }
  return true;
}

// What follows from the place.
void FitLoop::restore_place() {
  if (!source_) {
    state_.pass_step = std::min(state_.pass_step, batches_);
    if (training_.passes_ > 0 && state_.pass_step < batches_) shuffle();
    return;
  }
  if (state_.position && !state_.pass_over) source_->skip_to(*state_.position);
}

}  // namespace linn::detail::train
