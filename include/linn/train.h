// room: train
// What happens around the steps of `fit`: logs, history, callbacks.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "linn/choice.h"
#include "linn/tensor.h"

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

/// The memory that a fit takes, in bytes.
struct MemoryPlan {
  std::int64_t weights = 0;
  std::int64_t optimizer = 0;   // its slots
  std::int64_t work_space = 0;  // activations and gradients of the largest batch, for all threads; of training and validation
  std::int64_t data = 0;        // inputs, targets and weights that lie in memory; of a data set none
  std::int64_t limit = 0;       // the least of FitOptions::memory_limit, machine, control groups and RLIMIT_AS; 0: none is known

  std::int64_t total() const { return weights + optimizer + work_space + data; }
};

/// The training that is on, as callbacks see it. Valid only while `fit` runs.
class Trainer {
 public:
  virtual ~Trainer() = default;

  /// Epochs counted from 0, those that `fit` was asked for, and the steps of this one.
  virtual std::int64_t epoch() const = 0;
  virtual std::int64_t epochs() const = 0;
  virtual std::int64_t steps_per_epoch() const = 0;
  /// The names that the logs of this fit can hold, sorted: loss and metrics, with validation also val_loss and so on.
  virtual std::vector<std::string> log_names() const = 0;
  /// Steps done in this epoch, and in the model's life.
  virtual std::int64_t step() const = 0;
  virtual std::int64_t total_steps() const = 0;
  /// Seconds since this epoch began.
  virtual double seconds() const = 0;

  /// No further step is begun.
  virtual void stop() = 0;
  /// Writes a checkpoint into the directory, from which FitOptions::resume goes on to the bit, as soon as all callbacks have been told of this
  /// step or epoch: `checkpoint.safetensors`, and the one before it as `checkpoint.previous.safetensors`. What cannot be written is said on standard
  /// error, and training goes on. StateError outside of on_train_begin, on_train_batch_end and
  /// on_epoch_end.
  virtual void save_checkpoint(const std::string& directory) = 0;
  /// Stops, and writes a checkpoint as if it had not been asked to: the fit that resumes from it goes on with the next step.
  virtual void pause(const std::string& directory) = 0;
  /// Whether pause was called.
  virtual bool paused() const = 0;
  /// As FitOptions::resume; from on_train_begin alone (StateError elsewhere).
  virtual void resume(const std::string& directory) = 0;
  /// Adds a number to the logs of this epoch, for the callbacks behind this one and for the history. To be called from on_epoch_end by a
  /// callback whose `added_logs` names it.
  virtual void log(const std::string& name, double value) = 0;
  /// Whether a larger value of a number of the logs is the better one, by what it measures; nothing where the name says nothing to linn.
  virtual std::optional<bool> larger_is_better(std::string_view name) const = 0;
  virtual double learning_rate() const = 0;
  /// Fixes the rate from here on, in place of a schedule: in later fits too, until the model is compiled anew.
  virtual void set_learning_rate(double rate) = 0;

  /// Exchanges the weights with their moving averages, or sets the averages to the weights. Throws StateError unless the optimizer has
  /// use_ema and a step was taken.
  virtual void swap_ema_weights() = 0;
  virtual void set_ema_weights() = 0;

  /// What the fit needs; all 0 where its first batch decides, that is for a data set. Known from on_train_begin on.
  virtual MemoryPlan memory_plan() const { return {}; }

  /// Writes the model as `Sequential::save` (a directory), or its weights alone to a `.safetensors` file.
  virtual void save(const std::string& path) = 0;
  virtual void save_weights(const std::string& path) = 0;
  /// Copies of all variables, in the model's order, and the way back. Throws ValueError or ShapeError for tensors that do not fit.
  virtual std::vector<Tensor> weights() const = 0;
  virtual void set_weights(const std::vector<Tensor>& weights) = 0;
};

/// What a callback remembers from one step to the next, as checkpoints hold it.
struct CallbackState {
  std::map<std::string, double> numbers = {};
  std::map<std::string, std::string> texts = {};
  std::map<std::string, Tensor> tensors = {};
};

/// Something that is told what `fit`, `evaluate` and `predict` do. Logs hold the running means of the epoch so far.
class Callback {
 public:
  virtual ~Callback() = default;
  virtual void on_train_begin(Trainer& /*trainer*/) {}
  virtual void on_train_end(Trainer& /*trainer*/, const Logs& /*logs*/) {}
  virtual void on_epoch_begin(Trainer& /*trainer*/) {}
  virtual void on_epoch_end(Trainer& /*trainer*/, const Logs& /*logs*/) {}
  virtual void on_train_batch_begin(Trainer& trainer) { on_batch_begin(trainer); }
  virtual void on_train_batch_end(Trainer& trainer, const Logs& logs) { on_batch_end(trainer, logs); }
  /// Keras's shorter names of the two above.
  virtual void on_batch_begin(Trainer& /*trainer*/) {}
  virtual void on_batch_end(Trainer& /*trainer*/, const Logs& /*logs*/) {}

  /// Around `evaluate`, and around each validation of `fit`. Batches count from 0.
  virtual void on_test_begin() {}
  virtual void on_test_end(const Logs& /*logs*/) {}
  virtual void on_test_batch_begin(std::int64_t /*batch*/) {}
  virtual void on_test_batch_end(std::int64_t /*batch*/, const Logs& /*logs*/) {}

  virtual void on_predict_begin() {}
  virtual void on_predict_end() {}
  virtual void on_predict_batch_begin(std::int64_t /*batch*/) {}
  virtual void on_predict_batch_end(std::int64_t /*batch*/) {}

  /// The names that it adds to the logs of epochs (Trainer::log), which are among Trainer::log_names then.
  virtual std::vector<std::string> added_logs() const { return {}; }

  /// What a checkpoint keeps of it, and the way back, behind on_train_begin: with it a fit that goes on does what it would have done without
  /// having been interrupted. Nothing by default.
  virtual CallbackState state() const { return {}; }
  virtual void restore(const CallbackState& /*state*/) {}
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

struct MonitorModeNames {
  enum Kind : std::uint8_t { automatic, min, max };
  static constexpr std::string_view option = "mode", names[] = {"auto", "min", "max"};
  static consteval void check(bool known) {
    if (!known) throw "mode must be \"auto\", \"min\" or \"max\"";
  }
};
/// Which of two values is the better one: "auto" (what the metric measures says it: the larger of an accuracy, the smaller of a loss; of
/// other numbers the smaller), "min" or "max". A misspelt literal does not compile; a std::string is checked when it runs (ValueError).
using MonitorMode = Choice<MonitorModeNames>;

/// When a callback saves: "epoch", at the end of each, or after every so many steps.
class SaveFrequency {
 public:
  consteval SaveFrequency(const char* name) {
    if (std::string_view(name) != "epoch") throw "save_freq must be \"epoch\" or a number of steps";
  }
  template <std::integral T>
  constexpr SaveFrequency(T steps) : steps_(static_cast<std::int64_t>(steps)) {}
  /// None: at the end of each epoch.
  constexpr std::optional<std::int64_t> steps() const { return steps_; }

 private:
  std::optional<std::int64_t> steps_;
};

namespace callbacks {

struct EarlyStoppingOptions {
  std::string monitor = "val_loss";
  double min_delta = 0;
  std::int64_t patience = 0;
  int verbose = 0;
  MonitorMode mode = "auto";
  /// Patience starts anew only with values that are also better than this one.
  std::optional<double> baseline = {};
  bool restore_best_weights = false;
  std::int64_t start_from_epoch = 0;
};

/// Stops when a number has not improved for `patience` epochs. Epochs without the number (validation_freq) do not count; a name
/// that this fit never logs is a ValueError before the first step.
class EarlyStopping : public Callback {
 public:
  explicit EarlyStopping(EarlyStoppingOptions options = {});
  void on_train_begin(Trainer& trainer) override;
  void on_epoch_end(Trainer& trainer, const Logs& logs) override;
  void on_train_end(Trainer& trainer, const Logs& logs) override;

  /// The epoch after which it stopped, or -1.
  std::int64_t stopped_epoch() const { return stopped_epoch_; }
  std::int64_t best_epoch() const { return best_epoch_; }
  CallbackState state() const override;
  void restore(const CallbackState& state) override;

 private:
  EarlyStoppingOptions options_;
  bool larger_is_better_ = false;
  std::optional<double> best_;
  std::int64_t best_epoch_ = 0;
  std::int64_t stopped_epoch_ = -1;
  std::int64_t wait_ = 0;
  std::vector<Tensor> best_weights_;
};

struct ModelCheckpointOptions {
  std::string monitor = "val_loss";
  int verbose = 0;
  bool save_best_only = false;
  bool save_weights_only = false;
  MonitorMode mode = "auto";
  SaveFrequency save_freq = "epoch";
  /// What the first model that is saved must be better than, with save_best_only.
  std::optional<double> initial_value_threshold = {};
};

/// Saves after each epoch, or after each that is better than all before (also in earlier fits with the same object). `{epoch}`
/// (from 1), with a save_freq in steps `{batch}` (from 1), and `{val_loss:.2f}`-like names in the path are filled in from the
/// logs; a number that this epoch lacks (validation_freq) is written as nan, and with save_best_only such an epoch is not saved.
class ModelCheckpoint : public Callback {
 public:
  explicit ModelCheckpoint(std::string path, ModelCheckpointOptions options = {});
  void on_train_begin(Trainer& trainer) override;
  void on_train_batch_end(Trainer& trainer, const Logs& logs) override;
  void on_epoch_end(Trainer& trainer, const Logs& logs) override;
  CallbackState state() const override;
  void restore(const CallbackState& state) override;

 private:
  std::string filled_path(const Trainer& trainer, const Logs& logs) const;
  void save(Trainer& trainer, const Logs& logs);

  std::string path_;
  ModelCheckpointOptions options_;
  bool larger_is_better_ = false;
  std::optional<double> best_;
  std::int64_t unsaved_steps_ = 0;
  std::vector<std::string> names_;  // what the logs can hold
};

struct BackupAndRestoreOptions {
  SaveFrequency save_freq = "epoch";
  /// Also at the end of each epoch, with a save_freq in steps.
  bool double_checkpoint = false;
  /// The checkpoints go when the training has come to its end.
  bool delete_checkpoint = true;
  /// In place of save_freq: after so many seconds, at the end of a step; 0: by save_freq.
  double every_seconds = 0;
  /// Go on from a checkpoint that is there. Otherwise it is replaced, and the training begins anew.
  bool restore = true;
};

/// Writes checkpoints into a directory, the first before the first step, and goes on from there when a training begins and it holds one: the weights at the end are those of a
/// training that was never interrupted, bit for bit, wherever in an epoch it ended, also by SIGKILL (Keras goes on with the next epoch, and its data
/// come in another order). A lock in the directory keeps other processes away (StateError, with the number of the process that has it).
class BackupAndRestore : public Callback {
 public:
  explicit BackupAndRestore(std::string backup_dir, BackupAndRestoreOptions options = {});
  void on_train_begin(Trainer& trainer) override;
  void on_train_end(Trainer& trainer, const Logs& logs) override;
  void on_epoch_end(Trainer& trainer, const Logs& logs) override;
  void on_train_batch_end(Trainer& trainer, const Logs& logs) override;

 private:
  struct Lock;

  std::string directory_;
  BackupAndRestoreOptions options_;
  std::int64_t unsaved_steps_ = 0;
  std::chrono::steady_clock::time_point saved_;
  std::shared_ptr<Lock> lock_;  // while a fit is on
};

struct SwapEMAWeightsOptions {
  /// Also at the end of each epoch, so that callbacks behind this one, such as ModelCheckpoint, see the averages.
  bool swap_on_epoch = false;
};

/// With an optimizer that has use_ema: validates with the moving averages of the weights in place of the weights, and trains on with the
/// weights. Outside of `fit`, call Model::swap_ema_weights before and after; StateError there.
class SwapEMAWeights : public Callback {
 public:
  explicit SwapEMAWeights(SwapEMAWeightsOptions options = {}) : options_(options) {}
  void on_train_begin(Trainer& trainer) override;
  void on_train_end(Trainer& trainer, const Logs& logs) override;
  void on_epoch_begin(Trainer& trainer) override;
  void on_epoch_end(Trainer& trainer, const Logs& logs) override;
  void on_test_begin() override;
  void on_test_end(const Logs& logs) override;
  CallbackState state() const override;
  void restore(const CallbackState& state) override;

 private:
  void show_averages(bool show);

  SwapEMAWeightsOptions options_;
  Trainer* trainer_ = nullptr;
  bool averages_shown_ = false;  // they stand in the model, and the weights in their place
};

struct CSVLoggerOptions {
  std::string separator = ",";
  bool append = false;
};

/// One line an epoch: the epoch (from 0) and its numbers under a header, written as soon as the training begins. As in Keras the
/// columns are always those of a fit with validation, and what an epoch lacks is NA.
class CSVLogger : public Callback {
 public:
  explicit CSVLogger(std::string path, CSVLoggerOptions options = {});
  void on_train_begin(Trainer& trainer) override;
  void on_epoch_end(Trainer& trainer, const Logs& logs) override;
  CallbackState state() const override;
  void restore(const CallbackState& state) override;

 private:
  void write() const;

  std::string path_;
  CSVLoggerOptions options_;
  std::string text_;
  std::vector<std::string> columns_;
};

struct ReduceLROnPlateauOptions {
  std::string monitor = "val_loss";
  /// In (0, 1).
  double factor = 0.1;
  std::int64_t patience = 10;
  int verbose = 0;
  MonitorMode mode = "auto";
  double min_delta = 1e-4;
  /// Epochs after a change in which nothing is counted.
  std::int64_t cooldown = 0;
  /// The rate never falls below it.
  double min_lr = 0;
};

/// Multiplies the learning rate by `factor` when a number has not improved by `min_delta` for `patience` epochs. Epochs without the number do not
/// count; a name that this fit never logs is a ValueError before the first step. Logs "learning_rate".
class ReduceLROnPlateau : public Callback {
 public:
  explicit ReduceLROnPlateau(ReduceLROnPlateauOptions options = {});
  void on_train_begin(Trainer& trainer) override;
  void on_epoch_end(Trainer& trainer, const Logs& logs) override;
  std::vector<std::string> added_logs() const override { return {"learning_rate"}; }
  CallbackState state() const override;
  void restore(const CallbackState& state) override;

 private:
  ReduceLROnPlateauOptions options_;
  bool larger_is_better_ = false;
  std::optional<double> best_;
  std::int64_t wait_ = 0;
  std::int64_t cooldown_left_ = 0;
};

/// Sets the learning rate of each epoch to `schedule(epoch, rate)`, of the epoch (from 0) and the rate so far, or to `schedule(epoch)`.
/// ValueError for a rate that is negative or not finite. Logs "learning_rate".
class LearningRateScheduler : public Callback {
 public:
  using Schedule = std::function<double(std::int64_t epoch, double rate)>;

  template <std::invocable<std::int64_t, double> F>
  explicit LearningRateScheduler(F schedule, int verbose = 0) : LearningRateScheduler(Schedule(std::move(schedule)), verbose) {}
  template <std::invocable<std::int64_t> F>
    requires(!std::invocable<F, std::int64_t, double>)
  explicit LearningRateScheduler(F schedule, int verbose = 0)
      : LearningRateScheduler(Schedule([schedule](std::int64_t epoch, double) { return schedule(epoch); }), verbose) {}
  explicit LearningRateScheduler(Schedule schedule, int verbose = 0);
  void on_epoch_begin(Trainer& trainer) override;
  void on_epoch_end(Trainer& trainer, const Logs& logs) override;
  std::vector<std::string> added_logs() const override { return {"learning_rate"}; }

 private:
  Schedule schedule_;
  int verbose_;
};

struct TerminateOnNaNOptions {
  /// A StateError in place of the end of the training.
  bool raise_error = false;
};

/// Ends the training after the step whose loss, the mean of the epoch so far, is NaN or infinite.
class TerminateOnNaN : public Callback {
 public:
  explicit TerminateOnNaN(TerminateOnNaNOptions options = {}) : options_(options) {}
  void on_train_batch_end(Trainer& trainer, const Logs& logs) override;

 private:
  TerminateOnNaNOptions options_;
};

struct LambdaCallbackOptions {
  std::function<void(Trainer&)> on_epoch_begin = {};
  std::function<void(Trainer&, const Logs&)> on_epoch_end = {};
  std::function<void(Trainer&)> on_train_begin = {};
  std::function<void(Trainer&, const Logs&)> on_train_end = {};
  std::function<void(Trainer&)> on_train_batch_begin = {};
  std::function<void(Trainer&, const Logs&)> on_train_batch_end = {};
};

/// Functions in place of methods: `LambdaCallback({.on_epoch_end = [](Trainer& trainer, const Logs& logs) { ... }})`.
class LambdaCallback : public Callback {
 public:
  explicit LambdaCallback(LambdaCallbackOptions options) : options_(std::move(options)) {}
  void on_train_begin(Trainer& trainer) override;
  void on_train_end(Trainer& trainer, const Logs& logs) override;
  void on_epoch_begin(Trainer& trainer) override;
  void on_epoch_end(Trainer& trainer, const Logs& logs) override;
  void on_train_batch_begin(Trainer& trainer) override;
  void on_train_batch_end(Trainer& trainer, const Logs& logs) override;

 private:
  LambdaCallbackOptions options_;
};

/// When TensorBoard gets the numbers of steps: "epoch", never; "batch", of every step; or of every so many steps.
class UpdateFrequency {
 public:
  consteval UpdateFrequency(const char* name) : steps_(std::string_view(name) == "batch" ? 1 : 0) {
    if (std::string_view(name) != "epoch" && std::string_view(name) != "batch") throw "update_freq must be \"epoch\", \"batch\" or a number of steps";
  }
  template <std::integral T>
  constexpr UpdateFrequency(T steps) : steps_(static_cast<std::int64_t>(steps)), given_(true) {}
  /// 0: never.
  constexpr std::int64_t steps() const { return steps_; }
  constexpr bool is_number() const { return given_; }

 private:
  std::int64_t steps_;
  bool given_ = false;
};

struct TensorBoardOptions {
  bool write_steps_per_second = false;
  UpdateFrequency update_freq = "epoch";
};

/// Writes numbers for TensorBoard (event files) into `log_dir`/train and `log_dir`/validation, as Keras does: at the end of each epoch
/// "epoch_NAME" of every number of the logs and "epoch_learning_rate"; with an update_freq in steps also "batch_NAME" of the means so far; after
/// each evaluation "evaluation_NAME_vs_iterations". Weights, graphs and pictures are not written. IoError when a file cannot be written.
class TensorBoard : public Callback {
 public:
  explicit TensorBoard(std::string log_dir = "logs", TensorBoardOptions options = {});
  ~TensorBoard() override;
  TensorBoard(TensorBoard&&) noexcept;
  TensorBoard& operator=(TensorBoard&&) noexcept;
  void on_train_begin(Trainer& trainer) override;
  void on_train_end(Trainer& trainer, const Logs& logs) override;
  void on_epoch_begin(Trainer& trainer) override;
  void on_epoch_end(Trainer& trainer, const Logs& logs) override;
  void on_train_batch_begin(Trainer& trainer) override;
  void on_train_batch_end(Trainer& trainer, const Logs& logs) override;
  void on_test_end(const Logs& logs) override;
  CallbackState state() const override;
  void restore(const CallbackState& state) override;

 private:
  struct Writers;
  std::unique_ptr<Writers> writers_;
};

}  // namespace callbacks
}  // namespace linn
