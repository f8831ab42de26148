// A graph lowered for one purpose and one kind of data, with its plan and work space, ready for batches.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "formats/model_json.h"
#include "graph/graph.h"
#include "linn/tensor.h"
#include "linn/types.h"
#include "plan/compile.h"
#include "plan/plan.h"
#include "plan/workspace.h"

namespace linn::detail::train {

/// What a network is made for; a change of any of these makes another plan.
struct NetworkKey {
  /// `trace` is a step of training without its updates, with the outputs of all calls: what a step that failed is looked at with.
  enum class Use : std::uint8_t { predict, outputs, evaluate, gradients, train, trace };
  Use use = Use::predict;
  std::int64_t batch = 32;
  std::vector<DType> x = {};        // of each input
  std::vector<Shape> images = {};   // the shape of one, of each input
  std::vector<DType> y = {};        // of each output; any for one without a loss
  std::vector<char> weighted = {};  // of each output
  DTypePolicy dtype_policy = "float32";
  Accuracy accuracy = "fast";
  layers::DescriptionPtr augment = {};  // train: what changes the images before the model; null: nothing
  bool local = false;
  bool guarded = false;                 // train: a step checks that its numbers are finite
  /// float64 is for tests: it takes variables and slots that are float64, and gives float64.
  plan::Precision precision = plan::Precision::float32;

  /// Takes types and shapes of these inputs; allocates nothing when it has taken as many before.
  void set_inputs(const std::vector<Tensor>& inputs);

  friend bool operator==(const NetworkKey&, const NetworkKey&) = default;
};

/// Sums over batches, of one output.
struct OutputSums {
  std::int64_t rows = 0;        // numbers whose mean the loss is: images, or more for outputs of more axes
  double loss = 0;              // sum of weight * loss
  std::vector<std::vector<double>> metrics;  // of each, its totals (optim::MetricCounter)
};

/// Sums over batches.
struct BatchSums {
  std::int64_t images = 0;
  double penalties = 0;  // of all regularizers, for each image: their mean is what a step adds to its loss
  std::vector<OutputSums> outputs;
};

/// Layers that were frozen when the model was compiled, by address (graph::Graph::frozen_layers).
using FrozenLayers = std::set<const void*>;
/// Slots of an optimizer, by trainable variable.
using Slots = std::vector<std::vector<Tensor>>;
/// Each slot that the optimizer keeps of each variable that training changes, with its first value.
Slots make_slots(const graph::Graph& graph, const FrozenLayers& frozen, const OptimizerDescription& optimizer);

class Network {
 public:
  /// `compile` may be null for predict and outputs. `frozen`: the layers that training leaves as they are. `slots` are bound for `train`.
  Network(const graph::Graph& graph, const formats::CompileConfig* compile, const FrozenLayers& frozen, const NetworkKey& key);

  const NetworkKey& key() const { return key_; }
  const plan::Plan& plan() const { return *plan_; }
  bool fits_device() const { return workspace_ == nullptr || workspace_->fits_device(); }
  /// Bytes that the network computes in, which `bind` allocates at its first call.
  std::int64_t work_space() const { return plan_->workspace_bytes(plan::cpu().workers()); }
  /// Allocates the work space. Binds the graph's variables, if they have changed, and, for training, the optimizer's slots. To be called before each run that may
  /// come after a change.
  void bind(graph::Graph& graph, Slots* slots);
  /// Binds the memory that takes an output of the batch whose first image is written at `memory`.
  void bind_output(std::size_t output, void* memory) { workspace_->bind(outputs_[output], memory); }
  /// The shape of each output, of one image.
  std::vector<Shape> output_shapes() const;

  /// Runs one batch of `images` and adds what it gave to `sums`, where there are some. Sources: all x, all y, all sample weights.
  /// Allocates nothing once `sums` has been through it. False where a guarded step met a number that is not finite: `sums` and
  /// everything that is bound are as they were.
  bool run(std::int64_t images, const plan::StepInfo& step, std::span<const plan::Rows> sources, BatchSums* sums);

  /// Where a guarded step met a number that is not finite.
  struct Fault {
    enum class Part : std::uint8_t { none, loss, gradient, statistics };
    Part part = Part::none;
    std::string name = {};  // of the variable, or of the layer whose statistics they are
  };
  /// Of the last run.
  Fault fault() const;

  /// Measures the ops of the runs from here on (Workspace::measure).
  plan::OpTimes& measure() { return workspace_->measure(); }

  /// After a run for `gradients`: of each trainable variable, in order.
  std::vector<Tensor> gradients();
  /// After a run for `outputs` or `trace`: the first value that left call `index`, as float32 of `images` images.
  Tensor call_output(std::size_t index, std::int64_t images);

 private:
  struct Compared {  // an output that has a loss
    std::size_t output;
    std::int64_t rows_an_image;
    plan::Value loss_sum;
    std::vector<plan::Value> metric_totals;
    std::vector<std::vector<double>> totals;  // the memory of metric_totals
  };

  void allocate();
  void lower(const graph::Graph& graph, const formats::CompileConfig* compile, const FrozenLayers& frozen);
  void begin_totals(BatchSums& sums);
  /// Of a list of f64, after a run.
  std::span<const double> numbers(const plan::Value& value) const;
  bool has_finite_losses() const;
  bool may_update() const;
  bool is_finite(const plan::Value& check) const;
  void bind_outputs(plan::Lowering& to);
  std::vector<plan::Value> lower_inputs(plan::Lowering& to) const;
  plan::Value lower_target(plan::Lowering& to, const formats::CompileConfig& compile, std::size_t output, const Shape& shape) const;
  void augment_inputs(plan::Lowering& to, const graph::Graph& graph, const formats::CompileConfig& compile, std::vector<plan::Value>& inputs);
  void lower_loss(plan::Lowering& to, const formats::CompileConfig& compile, std::size_t output);
  void lower_penalties(plan::Lowering& to, const graph::Graph& graph);
  void lower_activity_penalties(plan::Lowering& to);
  void lower_step(plan::Lowering& to, const graph::Graph& graph, const OptimizerDescription& optimizer, const std::vector<plan::Value>& gradients);

  NetworkKey key_;
  std::vector<plan::Value> variables_;              // all, by index
  std::vector<std::size_t> trainable_;              // indices of variables
  std::vector<std::vector<plan::Value>> slots_;     // by trainable variable
  std::vector<plan::Value> gradients_;              // by trainable variable
  std::vector<std::vector<plan::Value>> calls_;
  std::vector<plan::Value> outputs_;
  std::vector<plan::Lowering::Target> targets_;     // of each output, where `augment` had them to change; else empty
  std::vector<Compared> compared_;
  std::vector<plan::Value> penalties_;              // of the trainable variables with a regularizer
  struct ActivityPenalty {
    plan::Value sum;    // of the means over the last axis, or the penalty
    double width = 1;   // of that axis; 1: of the penalty itself
  };
  plan::Guards guards_;
  std::vector<ActivityPenalty> activity_penalties_;  // of values within the network
  std::optional<std::uint64_t> bound_version_;
  std::unique_ptr<plan::Plan> plan_;
  std::unique_ptr<plan::Workspace> workspace_;
};

}  // namespace linn::detail::train
