// The training state of a graph, and the loops over batches: fit, evaluate, predict.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "formats/model_json.h"
#include "formats/training_state.h"
#include "graph/graph.h"
#include "linn/fit.h"
#include "linn/formats.h"
#include "linn/train.h"
#include "optim/metrics.h"
#include "optim/optimizers.h"
#include "train/network.h"
#include "train/samples.h"

namespace linn::detail::train {

class EvaluateProgress;

/// Checks a data set that `call` was given: batches, and an end, unless `steps`, the option of that name, limits them.
void check_batches(const Dataset& batches, const char* call, const char* option, std::int64_t steps);

/// A graph with what `compile` was told. The optimizer's slots are made by the first step.
class Training {
 public:
  /// `frozen`: the layers that were frozen when the model was compiled.
  Training(graph::Graph& graph, formats::CompileConfig compile, FrozenLayers frozen, std::uint64_t seed, DTypePolicy dtype_policy);

  /// From the next step on.
  void set_dtype_policy(DTypePolicy policy) { dtype_policy_ = policy; }

  const formats::CompileConfig& compile() const { return compile_; }
  /// Whether a step was taken, and with it the optimizer's slots made.
  bool stepped() const { return steps_ > 0; }
  /// How far it has come. The slots share memory with those in use.
  formats::TrainingState state() const;
  /// Goes on from there. The slots are those of this optimizer on this graph.
  void restore(formats::TrainingState state);

  History fit(const Tensors& x, const Tensors& y, const FitOptions& options, const Metadata& notes);
  History fit(const Dataset& batches, const FitOptions& options, const Metadata& notes);
  Logs evaluate(const Tensors& x, const Tensors& y, const EvaluateOptions& options);
  Logs evaluate(const Dataset& batches, const EvaluateOptions& options);
  Logs train_on_batch(const Tensors& x, const Tensors& y, const BatchOptions& options);
  Logs test_on_batch(const Tensors& x, const Tensors& y, const BatchOptions& options);
  std::vector<Tensor> gradients(const Tensors& x, const Tensors& y, const BatchOptions& options);

  /// Writes the means over what the sums cover into `logs`; allocates nothing where they are already. With several outputs the loss is the
  /// sum of all losses times their weights, each is there as "OUTPUT_loss", and metrics are "OUTPUT_METRIC", as in Keras. A metric whose result
  /// is a list is there as its mean, and its numbers as "METRIC[0]", "METRIC[1]", ...
  void set_logs(Logs& logs, const BatchSums& sums) const;
  Logs logs_of(const BatchSums& sums) const;
  /// The names in the logs, in Keras's order; of a metric whose result is a list the metric's name alone.
  std::vector<std::string> log_order() const;
  /// Whether a larger value of this number of the logs is the better one; nothing for a name that is none of theirs.
  std::optional<bool> larger_is_better(std::string_view name) const;

  /// Of the next step, for a fit that began at `first_step` and takes `steps` steps. A schedule with steps of its own counts those of the
  /// model's life, as Keras's do; one without them spans the fit.
  double learning_rate(std::int64_t first_step, std::int64_t steps) const;
  /// Exchanges weights and moving averages. StateError without averages.
  void swap_averages(const char* call);
  /// The weights become the averages' values. StateError without averages.
  void set_averages(const char* call);
  /// As Keras ends a fit: the weights become their moving averages, if there are such.
  void finish_fit();

  /// In place of the optimizer's, from the next step on.
  void set_learning_rate(double rate);
  std::int64_t steps() const { return steps_; }

 private:
  friend class FitLoop;

  void for_each_average(const char* call, const std::function<void(std::span<float> weights, std::span<float> average)>& change);
  Network& network(NetworkKey::Use use, const Samples& samples, std::int64_t batch, Accuracy accuracy);
  /// The same before its memory is allocated.
  Network& planned(NetworkKey::Use use, const Samples& samples, std::int64_t batch, Accuracy accuracy);
  /// The images of a step, and what their augmentation depends on.
  struct StepImages {
    std::int64_t first = 0, images = 0;                // of `order`, or of the samples themselves where it is null
    const std::vector<std::int64_t>* order = nullptr;
    std::int64_t epoch = 0;                            // passes through the data before this one
    std::int64_t seen = 0;                             // images of the data before the samples
    layers::DescriptionPtr augment = {};
    OnNaN on_nan = "raise";
  };
  /// Bytes that steps of so many of these samples compute in.
  std::int64_t work_space(const Samples& samples, std::int64_t batch, Accuracy accuracy, const StepImages& of);
  void set_step(const StepImages& of);
  void train_step(const Samples& samples, const StepImages& of, std::int64_t batch, Accuracy accuracy, double rate, BatchSums& sums);
  BatchSums evaluate_samples(const Samples& samples, std::int64_t batch, std::int64_t steps, Accuracy accuracy,
                             const std::vector<CallbackHandle>& callbacks, EvaluateProgress* shown);
  /// At most `most` batches, or all where it is 0.
  BatchSums evaluate_batches(const Dataset& batches, std::int64_t most, Accuracy accuracy, const std::vector<CallbackHandle>& callbacks,
                             EvaluateProgress* shown);
  Samples checked(const Tensors& x, const Tensors& y, const Tensors& weight) const;
  Samples checked(const Tensors& x, const Tensors& y, const BatchOptions& options) const;

  struct MetricLog {
    std::string name;
    std::vector<std::string> parts;  // of a list: the names of its numbers
    std::unique_ptr<const optim::MetricCounter> counter;
  };
  struct OutputLogs {  // of an output: the name of its loss, where there are several outputs, and its metrics, where it has a loss
    std::string loss;
    std::vector<MetricLog> metrics;
  };

  graph::Graph& graph_;
  formats::CompileConfig compile_;
  std::vector<OutputLogs> output_logs_;
  FrozenLayers frozen_;
  std::uint64_t seed_;
  DTypePolicy dtype_policy_;
  std::int64_t steps_ = 0;   // done in the model's life
  std::optional<double> fixed_rate_;  // by set_learning_rate, in place of the optimizer's
  std::int64_t passes_ = 0;  // through the data, begun in the model's life: the number of the next shuffle
  Slots slots_;
  NetworkKey key_;                   // of the last call, so that the next allocates nothing
  std::vector<plan::Rows> sources_;  // likewise
  std::vector<std::unique_ptr<Network>> networks_;  // the few in use, newest first
};

}  // namespace linn::detail::train
