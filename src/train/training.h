// The training state of a graph, and the loops over batches: fit, evaluate, predict.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "formats/model_json.h"
#include "graph/graph.h"
#include "linn/fit.h"
#include "linn/formats.h"
#include "linn/train.h"
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
  /// How far the optimizer has come. The slots share memory with those in use.
  OptimizerState optimizer_state() const { return {.steps = steps_, .learning_rate = fixed_rate_, .slots = slots_}; }
  /// Goes on from there. The slots are those of this optimizer on this graph.
  void restore(OptimizerState state);

  History fit(const Tensors& x, const Tensors& y, const FitOptions& options, const Metadata& notes);
  History fit(const Dataset& batches, const FitOptions& options, const Metadata& notes);
  Logs evaluate(const Tensors& x, const Tensors& y, const EvaluateOptions& options);
  Logs evaluate(const Dataset& batches, const EvaluateOptions& options);
  Logs train_on_batch(const Tensors& x, const Tensors& y, const BatchOptions& options);
  Logs test_on_batch(const Tensors& x, const Tensors& y, const BatchOptions& options);
  std::vector<Tensor> gradients(const Tensors& x, const Tensors& y, const BatchOptions& options);

  /// Writes the means over what the sums cover into `logs`; allocates nothing where they are already. With several outputs the loss is the
  /// sum of all losses times their weights, each is there as "OUTPUT_loss", and metrics are "OUTPUT_METRIC", as in Keras.
  void set_logs(Logs& logs, const BatchSums& sums) const;
  Logs logs_of(const BatchSums& sums) const;
  /// The names in the logs, in Keras's order.
  std::vector<std::string> log_order() const;

  /// Of the next step, for a fit that began at `first_step` and takes `steps` steps. A schedule with steps of its own counts those of the
  /// model's life, as Keras's do; one without them spans the fit.
  double learning_rate(std::int64_t first_step, std::int64_t steps) const;
  /// In place of the optimizer's, from the next step on.
  void set_learning_rate(double rate);
  std::int64_t steps() const { return steps_; }

 private:
  friend class FitLoop;

  Network& network(NetworkKey::Use use, const Samples& samples, std::int64_t batch, Accuracy accuracy);
  void train_step(const Samples& samples, std::int64_t first, std::int64_t images, const std::vector<std::int64_t>* order,
                  std::int64_t batch, Accuracy accuracy, double rate, BatchSums& sums);
  BatchSums evaluate_samples(const Samples& samples, std::int64_t batch, std::int64_t steps, Accuracy accuracy,
                             const std::vector<CallbackHandle>& callbacks, EvaluateProgress* shown);
  /// At most `most` batches, or all where it is 0.
  BatchSums evaluate_batches(const Dataset& batches, std::int64_t most, Accuracy accuracy, const std::vector<CallbackHandle>& callbacks,
                             EvaluateProgress* shown);
  Samples checked(const Tensors& x, const Tensors& y, const Tensors& weight) const;
  Samples checked(const Tensors& x, const Tensors& y, const BatchOptions& options) const;

  struct OutputLogs {  // the names in the logs
    std::string loss;
    std::vector<std::string> metrics;
  };

  graph::Graph& graph_;
  std::vector<OutputLogs> log_names_;
  formats::CompileConfig compile_;
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
