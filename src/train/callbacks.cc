#include <fmt/args.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <span>
#include <string_view>

#include "core/did_you_mean.h"
#include "io/file.h"
#include "io/file_lock.h"
#include "linn/error.h"
#include "linn/train.h"
#include "train/checkpoint.h"

namespace linn {
namespace {

bool larger_is_better(MonitorMode mode, const std::string& monitor, const Trainer& trainer) {
  if (mode.kind() == MonitorMode::automatic) return trainer.larger_is_better(monitor).value_or(false);
  return mode.kind() == MonitorMode::max;
}

// Anything is better than nothing; NaN never is better than a number, and no number better than NaN.
bool is_better(double now, const std::optional<double>& best, bool larger, double margin) {
  if (!best) return true;
  return larger ? now - margin > *best : now + margin < *best;
}

// Unlike fmt::print it never throws: a closed pipe must not cost the training.
void say(const std::string& text) { std::fputs(text.c_str(), stdout); }

// Numbers that may be unset, in the state of a callback.
void put(CallbackState& state, const char* name, const std::optional<double>& value) {
  if (value) state.numbers[name] = *value;
}
std::optional<double> number_in(const CallbackState& state, const char* name) {
  const auto found = state.numbers.find(name);
  return found == state.numbers.end() ? std::nullopt : std::optional(found->second);
}
std::int64_t whole_in(const CallbackState& state, const char* name, std::int64_t otherwise) {
  return static_cast<std::int64_t>(number_in(state, name).value_or(static_cast<double>(otherwise)));
}

double number_of(std::int64_t value) { return static_cast<double>(value); }

bool is_validation(const std::string& name) { return name.starts_with("val_"); }

// Refused before the first step: at the end of an epoch the training would be lost.
void check_monitor(const char* callback, const std::string& monitor, const Trainer& trainer) {
  const std::vector<std::string> names = trainer.log_names();
  if (std::find(names.begin(), names.end(), monitor) != names.end()) return;
  const bool validated = std::any_of(names.begin(), names.end(), is_validation);
  throw ValueError(fmt::format("{}: there is no \"{}\" to monitor{}; this fit logs {}{}", callback, monitor,
                               detail::core::did_you_mean(monitor, std::span<const std::string>(names)), fmt::join(names, ", "),
                               is_validation(monitor) && !validated ? "; give fit validation_data or a validation_split" : ""));
}

}  // namespace

namespace callbacks {

// ---- EarlyStopping -----------------------------------------------------------------------------------------------

EarlyStopping::EarlyStopping(EarlyStoppingOptions options) : options_(std::move(options)) {
  if (options_.patience < 0) throw ValueError(fmt::format("EarlyStopping: patience is {}; it must be 0 or more", options_.patience));
}

void EarlyStopping::on_train_begin(Trainer& trainer) {
  check_monitor("EarlyStopping", options_.monitor, trainer);
  larger_is_better_ = larger_is_better(options_.mode, options_.monitor, trainer);
  wait_ = 0;
  stopped_epoch_ = -1;
  best_epoch_ = 0;
  best_.reset();
}

void EarlyStopping::on_epoch_end(Trainer& trainer, const Logs& logs) {
  const auto found = logs.find(options_.monitor);
  if (found == logs.end() || trainer.epoch() < options_.start_from_epoch) return;
  const double now = found->second;
  const double margin = std::abs(options_.min_delta);
  ++wait_;
  if (is_better(now, best_, larger_is_better_, margin)) {
    best_ = now;
    best_epoch_ = trainer.epoch();
    if (options_.restore_best_weights) best_weights_ = trainer.weights();
    if (is_better(now, options_.baseline, larger_is_better_, margin)) wait_ = 0;
  } else if (wait_ >= options_.patience && trainer.epoch() > 0) {
    stopped_epoch_ = trainer.epoch();
    trainer.stop();
  }
}

void EarlyStopping::on_train_end(Trainer& trainer, const Logs& /*logs*/) {
  const bool speaks = options_.verbose > 0;
  if (speaks && stopped_epoch_ >= 0) say(fmt::format("Epoch {}: early stopping\n", stopped_epoch_ + 1));
  if (!options_.restore_best_weights || !best_) return;
  if (speaks) say(fmt::format("Restoring model weights from the end of the best epoch: {}.\n", best_epoch_ + 1));
  trainer.set_weights(best_weights_);
  best_weights_.clear();
}

CallbackState EarlyStopping::state() const {
  CallbackState state{.numbers = {{"best_epoch", number_of(best_epoch_)}, {"stopped_epoch", number_of(stopped_epoch_)}, {"wait", number_of(wait_)}}};
  put(state, "best", best_);
  for (std::size_t i = 0; i < best_weights_.size(); ++i) state.tensors[std::to_string(i)] = best_weights_[i];
  return state;
}

void EarlyStopping::restore(const CallbackState& state) {
  best_ = number_in(state, "best");
  best_epoch_ = whole_in(state, "best_epoch", 0);
  stopped_epoch_ = whole_in(state, "stopped_epoch", -1);
  wait_ = whole_in(state, "wait", 0);
  best_weights_.clear();
  for (std::size_t i = 0; i < state.tensors.size(); ++i) best_weights_.push_back(state.tensors.at(std::to_string(i)));
}

// ---- ModelCheckpoint ---------------------------------------------------------------------------------------------

ModelCheckpoint::ModelCheckpoint(std::string path, ModelCheckpointOptions options)
    : path_(std::move(path)), options_(std::move(options)), best_(options_.initial_value_threshold) {
  const auto steps = options_.save_freq.steps();
  if (steps && *steps < 1)
    throw ValueError(fmt::format("ModelCheckpoint: save_freq is {}; it must be \"epoch\" or 1 or more steps", *steps));
  if (steps && options_.save_best_only && is_validation(options_.monitor))
    throw ValueError(
        fmt::format("ModelCheckpoint: monitor \"{}\" is known at the end of an epoch only, save_freq is {} steps; use \"epoch\"",
                    options_.monitor, *steps));
}

void ModelCheckpoint::on_train_begin(Trainer& trainer) {
  if (options_.save_best_only) check_monitor("ModelCheckpoint", options_.monitor, trainer);
  larger_is_better_ = larger_is_better(options_.mode, options_.monitor, trainer);
  names_ = trainer.log_names();
  filled_path(trainer, {});  // a misspelt name is refused before the first step
}

void ModelCheckpoint::on_train_batch_end(Trainer& trainer, const Logs& logs) {
  if (!options_.save_freq.steps() || ++unsaved_steps_ < *options_.save_freq.steps()) return;
  unsaved_steps_ = 0;
  save(trainer, logs);
}

void ModelCheckpoint::on_epoch_end(Trainer& trainer, const Logs& logs) {
  if (!options_.save_freq.steps()) save(trainer, logs);
}

std::string ModelCheckpoint::filled_path(const Trainer& trainer, const Logs& logs) const {
  fmt::dynamic_format_arg_store<fmt::format_context> arguments;
  arguments.push_back(fmt::arg("epoch", trainer.epoch() + 1));
  if (options_.save_freq.steps()) arguments.push_back(fmt::arg("batch", trainer.step()));
  for (const std::string& name : names_) {
    const auto found = logs.find(name);
    arguments.push_back(fmt::arg(name.c_str(), found == logs.end() ? std::numeric_limits<double>::quiet_NaN() : found->second));
  }
  try {
    return fmt::vformat(path_, arguments);
  } catch (const fmt::format_error& error) {
    throw ValueError(fmt::format("ModelCheckpoint: path \"{}\" cannot be filled in: {}; it may use epoch, {}{}", path_, error.what(),
                                 options_.save_freq.steps() ? "batch, " : "", fmt::join(names_, ", ")));
  }
}

void ModelCheckpoint::save(Trainer& trainer, const Logs& logs) {
  if (options_.save_best_only) {
    const auto found = logs.find(options_.monitor);
    if (found == logs.end() || !is_better(found->second, best_, larger_is_better_, 0)) return;
    best_ = found->second;
  }
  const std::string path = filled_path(trainer, logs);
  if (options_.save_weights_only) {
    const std::string folder = std::filesystem::path(path).parent_path().string();
    if (!folder.empty()) detail::io::make_directories(folder);
    trainer.save_weights(path);
  } else {
    trainer.save(path);
  }
  if (options_.verbose > 0) say(fmt::format("Epoch {}: saved to {}\n", trainer.epoch() + 1, path));
}

CallbackState ModelCheckpoint::state() const {
  CallbackState state{.numbers = {{"unsaved_steps", number_of(unsaved_steps_)}}};
  put(state, "best", best_);
  return state;
}

void ModelCheckpoint::restore(const CallbackState& state) {
  best_ = number_in(state, "best");
  unsaved_steps_ = whole_in(state, "unsaved_steps", 0);
}

// ---- BackupAndRestore ----------------------------------------------------------------------------------------------

struct BackupAndRestore::Lock {
  explicit Lock(const std::string& directory) : file(detail::train::lock_path(directory)) {}
  detail::io::FileLock file;
};

BackupAndRestore::BackupAndRestore(std::string backup_dir, BackupAndRestoreOptions options) : directory_(std::move(backup_dir)), options_(options) {
  if (directory_.empty()) throw ValueError("BackupAndRestore: backup_dir is empty; it must name a directory");
  const auto steps = options_.save_freq.steps();
  if (steps && *steps < 1) throw ValueError(fmt::format("BackupAndRestore: save_freq is {}; it must be \"epoch\" or 1 or more steps", *steps));
  if (!(options_.every_seconds >= 0) || !std::isfinite(options_.every_seconds))
    throw ValueError(fmt::format("BackupAndRestore: every_seconds is {}; it must be 0 (by save_freq) or more", options_.every_seconds));
}

void BackupAndRestore::on_train_begin(Trainer& trainer) {
  detail::io::make_directories(directory_);
  lock_ = std::make_shared<Lock>(directory_);
  detail::train::remove_unfinished_files(directory_);
  unsaved_steps_ = 0;
  saved_ = std::chrono::steady_clock::now();
  if (options_.restore && detail::train::has_checkpoint(directory_))
    trainer.resume(directory_);
  else
    trainer.save_checkpoint(directory_);
}

void BackupAndRestore::on_train_batch_end(Trainer& trainer, const Logs& /*logs*/) {
  const auto now = std::chrono::steady_clock::now();
  const bool due = options_.every_seconds > 0 ? std::chrono::duration<double>(now - saved_).count() >= options_.every_seconds
                                              : options_.save_freq.steps() && ++unsaved_steps_ >= *options_.save_freq.steps();
  if (!due) return;
  unsaved_steps_ = 0;
  saved_ = now;
  trainer.save_checkpoint(directory_);
}

void BackupAndRestore::on_epoch_end(Trainer& trainer, const Logs& /*logs*/) {
  const bool each_epoch = options_.every_seconds == 0 && !options_.save_freq.steps();
  if (each_epoch || options_.double_checkpoint) trainer.save_checkpoint(directory_);
}

void BackupAndRestore::on_train_end(Trainer& trainer, const Logs& /*logs*/) {
  if (options_.delete_checkpoint && !trainer.paused()) detail::train::remove_checkpoints(directory_);
  lock_.reset();
}

// ---- CSVLogger ---------------------------------------------------------------------------------------------------

CSVLogger::CSVLogger(std::string path, CSVLoggerOptions options) : path_(std::move(path)), options_(std::move(options)) {}

void CSVLogger::on_train_begin(Trainer& trainer) {
  text_.clear();
  columns_ = trainer.log_names();
  std::erase_if(columns_, is_validation);
  const std::size_t measured = columns_.size();
  for (std::size_t i = 0; i < measured; ++i) columns_.push_back("val_" + columns_[i]);
  if (options_.append && std::filesystem::exists(path_)) {
    const detail::core::Bytes old = detail::io::read_file(path_);
    text_.assign(reinterpret_cast<const char*>(old.data()), old.size());
  }
  if (text_.empty()) text_ = fmt::format("epoch{}{}\n", options_.separator, fmt::join(columns_, options_.separator));
  write();
}

void CSVLogger::on_epoch_end(Trainer& trainer, const Logs& logs) {
  text_ += std::to_string(trainer.epoch());
  for (const std::string& column : columns_) {
    const auto found = logs.find(column);
    text_ += options_.separator + (found == logs.end() ? "NA" : fmt::format("{}", found->second));
  }
  text_ += '\n';
  write();
}

CallbackState CSVLogger::state() const { return {.texts = {{"text", text_}}}; }

// With the lines of the epochs before: what was written after the checkpoint is written again.
void CSVLogger::restore(const CallbackState& state) {
  const auto found = state.texts.find("text");
  if (found == state.texts.end()) return;
  text_ = found->second;
  write();
}

// Whole each time: a few lines, and a reader never sees half of one.
void CSVLogger::write() const { detail::io::write_file_atomically(path_, std::as_bytes(std::span(text_))); }

// ---- the learning rate ---------------------------------------------------------------------------------------------

ReduceLROnPlateau::ReduceLROnPlateau(ReduceLROnPlateauOptions options) : options_(std::move(options)) {
  const auto check = [](bool fits, const char* field, auto value, const char* allowed) {
    if (!fits) throw ValueError(fmt::format("ReduceLROnPlateau: {} is {}; it must be {}", field, value, allowed));
  };
  check(options_.factor > 0 && options_.factor < 1, "factor", options_.factor, "in (0, 1)");
  check(options_.patience >= 0, "patience", options_.patience, "0 or more");
  check(options_.cooldown >= 0, "cooldown", options_.cooldown, "0 or more");
  check(std::isfinite(options_.min_delta), "min_delta", options_.min_delta, "a finite number");
  check(options_.min_lr >= 0 && std::isfinite(options_.min_lr), "min_lr", options_.min_lr, "0 or more");
}

void ReduceLROnPlateau::on_train_begin(Trainer& trainer) {
  check_monitor("ReduceLROnPlateau", options_.monitor, trainer);
  larger_is_better_ = larger_is_better(options_.mode, options_.monitor, trainer);
  best_.reset();
  wait_ = 0;
  cooldown_left_ = 0;
}

void ReduceLROnPlateau::on_epoch_end(Trainer& trainer, const Logs& logs) {
  const double rate = trainer.learning_rate();
  trainer.log("learning_rate", rate);
  const auto found = logs.find(options_.monitor);
  if (found == logs.end()) return;
  if (cooldown_left_ > 0) {
    --cooldown_left_;
    wait_ = 0;
  }
  if (is_better(found->second, best_, larger_is_better_, std::abs(options_.min_delta))) {
    best_ = found->second;
    wait_ = 0;
  } else if (cooldown_left_ == 0 && ++wait_ >= options_.patience && rate > options_.min_lr) {
    const double reduced = std::max(rate * options_.factor, options_.min_lr);
    trainer.set_learning_rate(reduced);
    if (options_.verbose > 0) say(fmt::format("Epoch {}: ReduceLROnPlateau reducing learning rate to {}.\n", trainer.epoch() + 1, reduced));
    cooldown_left_ = options_.cooldown;
    wait_ = 0;
  }
}

CallbackState ReduceLROnPlateau::state() const {
  CallbackState state{.numbers = {{"wait", number_of(wait_)}, {"cooldown_left", number_of(cooldown_left_)}}};
  put(state, "best", best_);
  return state;
}

void ReduceLROnPlateau::restore(const CallbackState& state) {
  best_ = number_in(state, "best");
  wait_ = whole_in(state, "wait", 0);
  cooldown_left_ = whole_in(state, "cooldown_left", 0);
}

LearningRateScheduler::LearningRateScheduler(Schedule schedule, int verbose) : schedule_(std::move(schedule)), verbose_(verbose) {
  if (!schedule_) throw ValueError("LearningRateScheduler: there is no schedule; give a function of the epoch and the learning rate");
}

void LearningRateScheduler::on_epoch_begin(Trainer& trainer) {
  const double rate = schedule_(trainer.epoch(), trainer.learning_rate());
  if (!(rate >= 0) || !std::isfinite(rate))
    throw ValueError(fmt::format("LearningRateScheduler: the schedule gave {} for epoch {}; a learning rate is 0 or more", rate, trainer.epoch()));
  trainer.set_learning_rate(rate);
  if (verbose_ > 0) say(fmt::format("Epoch {}: LearningRateScheduler setting learning rate to {}.\n", trainer.epoch() + 1, rate));
}

void LearningRateScheduler::on_epoch_end(Trainer& trainer, const Logs& /*logs*/) { trainer.log("learning_rate", trainer.learning_rate()); }

// ---- SwapEMAWeights ------------------------------------------------------------------------------------------------

void SwapEMAWeights::show_averages(bool show) {
  if (averages_shown_ == show) return;
  if (trainer_ == nullptr) throw StateError("SwapEMAWeights: no fit is on; call swap_ema_weights of the model before evaluate and after it");
  trainer_->swap_ema_weights();
  averages_shown_ = show;
}

void SwapEMAWeights::on_train_begin(Trainer& trainer) {
  trainer_ = &trainer;
  averages_shown_ = false;
}
void SwapEMAWeights::on_train_end(Trainer& /*trainer*/, const Logs& /*logs*/) { trainer_ = nullptr; }
void SwapEMAWeights::on_epoch_begin(Trainer& /*trainer*/) {
  if (options_.swap_on_epoch) show_averages(false);
}
// The end of fit makes the averages the weights: behind the last epoch both must be the averages.
void SwapEMAWeights::on_epoch_end(Trainer& trainer, const Logs& /*logs*/) {
  if (!options_.swap_on_epoch) return;
  show_averages(true);
  if (trainer.epoch() == trainer.epochs() - 1) trainer.set_ema_weights();
}
void SwapEMAWeights::on_test_begin() { show_averages(true); }
void SwapEMAWeights::on_test_end(const Logs& /*logs*/) { show_averages(false); }

CallbackState SwapEMAWeights::state() const { return {.numbers = {{"averages_shown", averages_shown_ ? 1.0 : 0.0}}}; }
void SwapEMAWeights::restore(const CallbackState& state) { averages_shown_ = whole_in(state, "averages_shown", 0) != 0; }

// ---- TerminateOnNaN, LambdaCallback --------------------------------------------------------------------------------

void TerminateOnNaN::on_train_batch_end(Trainer& trainer, const Logs& logs) {
  const auto loss = logs.find("loss");
  if (loss == logs.end() || std::isfinite(loss->second)) return;
  const std::int64_t batch = trainer.step() - 1;
  if (options_.raise_error)
    throw StateError(fmt::format("TerminateOnNaN: the loss is {} after batch {} of epoch {}", loss->second, batch, trainer.epoch() + 1));
  say(fmt::format("Batch {}: Invalid loss, terminating training\n", batch));
  trainer.stop();
}

namespace {

template <class... Arguments>
void call(const std::function<void(Arguments...)>& function, Arguments... arguments) {
  if (function) function(arguments...);
}

}  // namespace

void LambdaCallback::on_train_begin(Trainer& trainer) { call<Trainer&>(options_.on_train_begin, trainer); }
void LambdaCallback::on_train_end(Trainer& trainer, const Logs& logs) { call<Trainer&, const Logs&>(options_.on_train_end, trainer, logs); }
void LambdaCallback::on_epoch_begin(Trainer& trainer) { call<Trainer&>(options_.on_epoch_begin, trainer); }
void LambdaCallback::on_epoch_end(Trainer& trainer, const Logs& logs) { call<Trainer&, const Logs&>(options_.on_epoch_end, trainer, logs); }
void LambdaCallback::on_train_batch_begin(Trainer& trainer) { call<Trainer&>(options_.on_train_batch_begin, trainer); }
void LambdaCallback::on_train_batch_end(Trainer& trainer, const Logs& logs) { call<Trainer&, const Logs&>(options_.on_train_batch_end, trainer, logs); }

}  // namespace callbacks
}  // namespace linn
