#include <fmt/args.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <span>

#include "io/file.h"
#include "linn/error.h"
#include "linn/train.h"

namespace linn {
namespace {

bool monitors_upwards(const char* callback, const std::string& mode, const std::string& monitor) {
  if (mode == "min") return false;
  if (mode == "max") return true;
  if (mode != "auto") throw ValueError(fmt::format("{}: mode is \"{}\"; it may be \"auto\", \"min\" or \"max\"", callback, mode));
  return monitor.ends_with("acc") || monitor.ends_with("accuracy");
}

double worst(bool larger_is_better) {
  const double infinity = std::numeric_limits<double>::infinity();
  return larger_is_better ? -infinity : infinity;
}

double monitored(const char* callback, const std::string& monitor, const Logs& logs) {
  const auto found = logs.find(monitor);
  if (found != logs.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& entry : logs) names.push_back(entry.first);
  throw ValueError(fmt::format("{}: there is no \"{}\" to monitor; this fit logs {}{}", callback, monitor, fmt::join(names, ", "),
                               monitor.starts_with("val_") ? "; give fit validation_data or a validation_split" : ""));
}

// "{epoch:02d}-{val_loss:.2f}" with the epoch from 1 and the logs, as Keras fills it.
std::string filled_path(const std::string& path, std::int64_t epoch, const Logs& logs) {
  fmt::dynamic_format_arg_store<fmt::format_context> arguments;
  arguments.push_back(fmt::arg("epoch", epoch + 1));
  for (const auto& [name, value] : logs) arguments.push_back(fmt::arg(name.c_str(), value));
  try {
    return fmt::vformat(path, arguments);
  } catch (const fmt::format_error& error) {
    throw ValueError(fmt::format("ModelCheckpoint: path \"{}\" cannot be filled in: {}; it may use {{epoch}} and the names in the logs", path, error.what()));
  }
}

}  // namespace

// ---- EarlyStopping -----------------------------------------------------------------------------------------------

EarlyStopping::EarlyStopping(EarlyStoppingOptions options) : options_(std::move(options)) {
  if (options_.patience < 0) throw ValueError(fmt::format("EarlyStopping: patience is {}; it must be 0 or more", options_.patience));
  larger_is_better_ = monitors_upwards("EarlyStopping", options_.mode, options_.monitor);
}

void EarlyStopping::on_train_begin(Trainer& /*trainer*/) {
  wait_ = 0;
  stopped_epoch_ = -1;
  best_epoch_ = 0;
  best_ = std::isnan(options_.baseline) ? worst(larger_is_better_) : options_.baseline;
}

void EarlyStopping::on_epoch_end(Trainer& trainer, const Logs& logs) {
  if (trainer.epoch() < options_.start_from_epoch) return;
  // With a validation_freq above 1 the number is missing in some epochs.
  if (!logs.contains(options_.monitor) && options_.monitor.starts_with("val_") && trainer.epoch() + 1 < trainer.epochs()) return;
  const double now = monitored("EarlyStopping", options_.monitor, logs);
  ++wait_;
  const double margin = std::abs(options_.min_delta);
  const bool better = larger_is_better_ ? now - margin > best_ : now + margin < best_;
  if (better) {
    best_ = now;
    best_epoch_ = trainer.epoch();
    wait_ = 0;
    if (options_.restore_best_weights) trainer.remember_weights();
    return;
  }
  if (wait_ >= options_.patience && trainer.epoch() > 0) {
    stopped_epoch_ = trainer.epoch();
    trainer.stop();
  }
}

void EarlyStopping::on_train_end(Trainer& trainer, const Logs& /*logs*/) {
  if (options_.restore_best_weights && std::isfinite(best_) && best_ != options_.baseline) trainer.restore_weights();
  if (options_.verbose > 0 && stopped_epoch_ >= 0) std::printf("Epoch %lld: early stopping\n", static_cast<long long>(stopped_epoch_ + 1));
}

// ---- ModelCheckpoint ---------------------------------------------------------------------------------------------

ModelCheckpoint::ModelCheckpoint(std::string path, ModelCheckpointOptions options) : path_(std::move(path)), options_(std::move(options)) {
  larger_is_better_ = monitors_upwards("ModelCheckpoint", options_.mode, options_.monitor);
}

void ModelCheckpoint::on_train_begin(Trainer& /*trainer*/) { best_ = worst(larger_is_better_); }

void ModelCheckpoint::on_epoch_end(Trainer& trainer, const Logs& logs) {
  if (options_.save_best_only) {
    const double now = monitored("ModelCheckpoint", options_.monitor, logs);
    if (!(larger_is_better_ ? now > best_ : now < best_)) return;
    best_ = now;
  }
  const std::string path = filled_path(path_, trainer.epoch(), logs);
  if (options_.save_weights_only)
    trainer.save_weights(path);
  else
    trainer.save(path);
  if (options_.verbose > 0) std::printf("Epoch %lld: saved to %s\n", static_cast<long long>(trainer.epoch() + 1), path.c_str());
}

// ---- CSVLogger ---------------------------------------------------------------------------------------------------

CSVLogger::CSVLogger(std::string path, CSVLoggerOptions options) : path_(std::move(path)), options_(std::move(options)) {}

void CSVLogger::on_train_begin(Trainer& /*trainer*/) {
  text_.clear();
  columns_.clear();
  if (!options_.append) return;
  try {
    const std::vector<std::byte> old = io::read_file(path_);
    text_.assign(reinterpret_cast<const char*>(old.data()), old.size());
  } catch (const IoError&) {
    text_.clear();  // no file yet: appending to nothing is starting
  }
}

void CSVLogger::on_epoch_end(Trainer& trainer, const Logs& logs) {
  if (columns_.empty()) {
    for (const auto& entry : logs) columns_.push_back(entry.first);
    if (text_.empty()) text_ = fmt::format("epoch{}{}\n", options_.separator, fmt::join(columns_, options_.separator));
  }
  text_ += std::to_string(trainer.epoch());
  for (const std::string& column : columns_) {
    const auto found = logs.find(column);
    text_ += options_.separator + (found == logs.end() ? "NA" : fmt::format("{}", found->second));
  }
  text_ += '\n';
  // Written whole each time: a few lines, and a reader never sees half of one.
  io::write_file_atomically(path_, std::as_bytes(std::span(text_)));
}

}  // namespace linn
