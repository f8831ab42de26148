// One call of fit: epochs of steps, validation between them, callbacks around them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "linn/fit.h"
#include "train/training.h"

namespace linn::detail::train {

class FitLoop final : public Trainer {
 public:
  FitLoop(Training& training, const Tensors& x, const Tensors& y, const FitOptions& options, const Metadata& notes);
  /// On a data set of batches.
  FitLoop(Training& training, const Dataset& batches, const FitOptions& options, const Metadata& notes);

  History run();

  std::int64_t epoch() const override { return epoch_; }
  std::int64_t epochs() const override { return options_.epochs; }
  std::int64_t steps_per_epoch() const override { return steps_per_epoch_; }
  std::vector<std::string> log_names() const override;
  std::int64_t step() const override { return step_; }
  std::int64_t total_steps() const override { return training_.steps_; }
  double seconds() const override;
  void stop() override { stopped_ = true; }
  void log(const std::string& name, double value) override { epoch_logs_[name] = value; }
  std::optional<bool> larger_is_better(std::string_view name) const override;
  double learning_rate() const override;
  void set_learning_rate(double rate) override;
  void swap_ema_weights() override;
  void set_ema_weights() override;
  void save(const std::string& path) override;
  void save_weights(const std::string& path) override;
  std::vector<Tensor> weights() const override;
  void set_weights(const std::vector<Tensor>& weights) override;

 private:
  FitLoop(Training& training, const FitOptions& options, const Metadata& notes);
  void check_options() const;
  void check_augment();
  bool has_validation() const { return validation_ || options_.validation_data.dataset.defined(); }
  void split_validation();
  std::int64_t planned_steps() const;
  void begin_epoch();
  void begin_pass();
  void begin_dataset_epoch();
  void run_epoch(History& history);
  bool run_step(BatchSums& sums, Logs& logs);
  /// The samples of the next step; false where the pass through a data set is over.
  bool next_batch();
  /// Whether an epoch that ended with its pass is whole.
  bool is_whole_pass() const;
  Logs validate();

  Training& training_;
  const FitOptions& options_;
  const Metadata& notes_;
  std::vector<CallbackHandle> callbacks_;
  std::optional<Dataset::Iterator> source_;  // none: samples_ are all of the data
  Samples samples_;                          // of a data set: those of one batch
  std::int64_t largest_batch_ = 0;           // of a data set
  std::int64_t seen_ = 0;                    // of a data set: images since the pass began
  layers::DescriptionPtr augment_;           // of the options
  std::optional<Samples> validation_;
  std::int64_t batches_ = 0;          // of one pass through the data; of a data set its cardinality
  std::int64_t pass_step_ = 0;        // done in this pass, which may take several epochs
  bool pass_over_ = false;            // of a data set: the next epoch begins a pass
  std::vector<std::int64_t> order_;   // of the samples in this pass; empty without shuffling
  std::int64_t steps_per_epoch_ = 0;  // of this epoch
  std::int64_t epoch_ = 0;
  std::int64_t step_ = 0;
  std::int64_t first_step_ = 0;  // of the model's life, when this fit began
  bool stopped_ = false;
  Logs epoch_logs_;  // one map for all steps, so that a step allocates nothing
  std::chrono::steady_clock::time_point epoch_start_;
};

}  // namespace linn::detail::train
