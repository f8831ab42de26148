// room: train
// What happens around the steps of `fit`: logs, history, callbacks.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace linn {

/// Numbers by name ("accuracy", "loss", "val_loss"), sorted by name as in Keras.
using Logs = std::map<std::string, double, std::less<>>;

/// What `fit` returns: for each epoch that was finished, every number of its logs.
struct History {
  std::vector<std::int64_t> epoch;
  std::map<std::string, std::vector<double>, std::less<>> history;
  /// Somebody called stop() before the last epoch had ended.
  bool stopped = false;

  /// The values of one number, an entry an epoch. Throws ValueError for an unknown name, listing those there are.
  const std::vector<double>& operator[](std::string_view name) const;
};

/// The training that is on, as callbacks see it. Valid only while `fit` runs.
class Trainer {
 public:
  virtual ~Trainer() = default;

  /// Epochs counted from 0, those that `fit` was asked for, and steps of one.
  virtual std::int64_t epoch() const = 0;
  virtual std::int64_t epochs() const = 0;
  virtual std::int64_t steps_per_epoch() const = 0;
  /// Steps done in this epoch, and in the model's life.
  virtual std::int64_t step() const = 0;
  virtual std::int64_t total_steps() const = 0;
  /// Seconds since this epoch began.
  virtual double seconds() const = 0;

  /// No further step is begun.
  virtual void stop() = 0;
  virtual double learning_rate() const = 0;
  /// Fixes the rate from here on, in place of a schedule.
  virtual void set_learning_rate(double rate) = 0;

  /// Writes the model as `Sequential::save` (a directory), or its weights alone to a `.safetensors` file.
  virtual void save(const std::string& directory) = 0;
  virtual void save_weights(const std::string& path) = 0;
  /// The weights as they are, and back again.
  virtual void remember_weights() = 0;
  virtual void restore_weights() = 0;
};

/// Something that is told what `fit` does. Logs hold the running means of the epoch so far.
class Callback {
 public:
  virtual ~Callback() = default;
  virtual void on_train_begin(Trainer& /*trainer*/) {}
  virtual void on_train_end(Trainer& /*trainer*/, const Logs& /*logs*/) {}
  virtual void on_epoch_begin(Trainer& /*trainer*/) {}
  virtual void on_epoch_end(Trainer& /*trainer*/, const Logs& /*logs*/) {}
  virtual void on_batch_end(Trainer& /*trainer*/, const Logs& /*logs*/) {}
};

/// A copyable handle to a callback: made from any object of a class derived from Callback, or from a shared_ptr to one when
/// the caller wants to look at it afterwards.
class CallbackHandle {
 public:
  template <class T>
    requires std::derived_from<std::remove_cvref_t<T>, Callback>
  // The constraint keeps copies of a handle away from it. NOLINTNEXTLINE(bugprone-forwarding-reference-overload)
  CallbackHandle(T&& callback) : callback_(std::make_shared<std::remove_cvref_t<T>>(std::forward<T>(callback))) {}
  template <std::derived_from<Callback> T>
  CallbackHandle(std::shared_ptr<T> callback) : callback_(std::move(callback)) {}

  Callback& operator*() const { return *callback_; }
  Callback* operator->() const { return callback_.get(); }

 private:
  std::shared_ptr<Callback> callback_;
};

struct EarlyStoppingOptions {
  std::string monitor = "val_loss";
  double min_delta = 0;
  std::int64_t patience = 0;
  int verbose = 0;
  /// "auto": max for names that end in acc or accuracy, else min; "min"; "max".
  std::string mode = "auto";
  double baseline = std::numeric_limits<double>::quiet_NaN();  // NaN: none
  bool restore_best_weights = false;
  std::int64_t start_from_epoch = 0;
};

/// Stops when a number has not improved for `patience` epochs.
class EarlyStopping : public Callback {
 public:
  explicit EarlyStopping(EarlyStoppingOptions options = {});
  void on_train_begin(Trainer& trainer) override;
  void on_epoch_end(Trainer& trainer, const Logs& logs) override;
  void on_train_end(Trainer& trainer, const Logs& logs) override;

  /// The epoch after which it stopped, or -1.
  std::int64_t stopped_epoch() const { return stopped_epoch_; }
  std::int64_t best_epoch() const { return best_epoch_; }

 private:
  EarlyStoppingOptions options_;
  bool larger_is_better_ = false;
  double best_ = 0;
  std::int64_t best_epoch_ = 0;
  std::int64_t stopped_epoch_ = -1;
  std::int64_t wait_ = 0;
};

struct ModelCheckpointOptions {
  std::string monitor = "val_loss";
  int verbose = 0;
  bool save_best_only = false;
  bool save_weights_only = false;
  std::string mode = "auto";
};

/// Saves after each epoch, or after each that is better than all before. `{epoch}` (from 1) and `{val_loss:.2f}`-like names in
/// the path are filled in from the logs.
class ModelCheckpoint : public Callback {
 public:
  explicit ModelCheckpoint(std::string path, ModelCheckpointOptions options = {});
  void on_train_begin(Trainer& trainer) override;
  void on_epoch_end(Trainer& trainer, const Logs& logs) override;

 private:
  std::string path_;
  ModelCheckpointOptions options_;
  bool larger_is_better_ = false;
  double best_ = 0;
};

struct CSVLoggerOptions {
  std::string separator = ",";
  bool append = false;
};

/// One line an epoch: the epoch and its numbers, under a header.
class CSVLogger : public Callback {
 public:
  explicit CSVLogger(std::string path, CSVLoggerOptions options = {});
  void on_train_begin(Trainer& trainer) override;
  void on_epoch_end(Trainer& trainer, const Logs& logs) override;

 private:
  std::string path_;
  CSVLoggerOptions options_;
  std::string text_;
  std::vector<std::string> columns_;
};

}  // namespace linn
