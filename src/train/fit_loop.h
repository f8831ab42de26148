// One call of fit: epochs of steps, validation between them, callbacks around them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "linn/fit.h"
#include "train/checkpoint.h"
#include "train/fit_state.h"
#include "train/training.h"

namespace linn::detail::train {

class FitLoop final : public Trainer {
 public:
  FitLoop(Training& training, const Tensors& x, const Tensors& y, const FitOptions& options, const Metadata& notes);
  /// On a data set of batches.
  FitLoop(Training& training, const Dataset& batches, const FitOptions& options, const Metadata& notes);

  History run();

  std::int64_t epoch() const override { return state_.epoch; }
  std::int64_t epochs() const override { return options_.epochs; }
  std::int64_t steps_per_epoch() const override { return state_.steps_per_epoch; }
  std::vector<std::string> log_names() const override;
  std::int64_t step() const override { return state_.step; }
  std::int64_t total_steps() const override { return training_.steps_; }
  double seconds() const override;
  void stop() override { state_.stopped = true; }
  void save_checkpoint(const std::string& directory) override;
  void pause(const std::string& directory) override;
  bool paused() const override { return paused_; }
  void resume(const std::string& path) override;
  void log(const std::string& name, double value) override { epoch_logs_[name] = value; }
  std::optional<bool> larger_is_better(std::string_view name) const override;
  double learning_rate() const override;
  void set_learning_rate(double rate) override;
  void swap_ema_weights() override;
  void set_ema_weights() override;
  MemoryPlan memory_plan() const override { return memory_; }
  void save(const std::string& path) override;
  void save_weights(const std::string& path) override;
  std::vector<Tensor> weights() const override;
  void set_weights(const std::vector<Tensor>& weights) override;

 private:
  FitLoop(Training& training, const FitOptions& options, const Metadata& notes);
  void check_options() const;
  void plan_memory();
  void check_augment();
  bool has_validation() const { return validation_ || options_.validation_data.dataset.defined(); }
  void split_validation();
  std::int64_t planned_steps() const;
  void begin_epoch();
  void begin_pass();
  void shuffle();
  void begin_dataset_epoch();
  void begin();
  /// Also of an epoch that a checkpoint was made in.
  void run_epoch();
  void end_epoch();
  template <class Work>
  void saying_where(std::int64_t step, const Work& work) const;
  void check_updated() const;
  void train_batch();
  /// false where the pass through a data set is over.
  bool run_step(Logs& logs);
  bool goes_on() const { return !state_.stopped && !paused_; }
  /// What it is of; made once.
  const FitIdentity& identity();
  /// Sets weights, optimizer and place to those of the checkpoint.
  void take(Checkpoint checkpoint);
  bool fits(const OptimizerState& state) const;
  void restore_place();
  /// Writes the checkpoint that was asked for.
  void write_checkpoint();
  /// The samples of the next step; false where the pass through a data set is over.
  bool next_batch();
  /// Whether an epoch that ended with its pass is whole.
  bool is_whole_pass() const;
  Logs validate();

  Training& training_;
  const FitOptions& options_;
  const Metadata& notes_;
  CallbackHandle progress_;                  // what is shown; one of callbacks_, unless nothing is
  std::vector<CallbackHandle> callbacks_;
  FitState state_;
  Dataset data_;                             // undefined: samples_ are all of the data
  std::optional<Dataset::Iterator> source_;  // none: samples_ are all of the data
  Samples samples_;                          // of a data set: those of one batch
  layers::DescriptionPtr augment_;           // of the options
  std::optional<Samples> validation_;
  std::int64_t batches_ = 0;         // of one pass through the data; of a data set its cardinality
  std::vector<std::int64_t> order_;  // of the samples in this pass; empty without shuffling
  std::string checkpoint_;           // where callbacks asked for one; empty: nowhere
  bool paused_ = false;
  FitIdentity identity_;  // empty until somebody asks
  enum class Moment : std::uint8_t { other, begin, step_or_epoch_end };
  Moment moment_ = Moment::other;            // which calls of the callbacks are allowed
  std::optional<formats::TrainingState> resumed_ = {};  // of the checkpoint that it goes on from
  std::string resumed_path_;
  MemoryPlan memory_;
  OnNaN on_nan_;  // of the options, unless a callback overrules it
  Logs epoch_logs_;  // one map for all steps, so that a step allocates nothing
  std::chrono::steady_clock::time_point epoch_start_;
};

}  // namespace linn::detail::train
