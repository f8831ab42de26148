// The ops of a network while it is lowered: layers, losses and optimizers add theirs here, and passes change them.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "plan/op.h"
#include "plan/value.h"

namespace linn::detail::plan {

enum class Purpose : std::uint8_t { inference, training };

class Lowering {
 public:
  explicit Lowering(Purpose purpose) : purpose_(purpose) {}

  Purpose purpose() const { return purpose_; }
  /// Whether layers compute as in training: true in a training plan, except in calls with `training=false`.
  bool training() const { return purpose_ == Purpose::training && !inference_call_; }
  bool inference_call() const { return inference_call_; }
  void set_inference_call(bool inference) { inference_call_ = inference; }

  /// Restricts the plan to position invariant kernels. For layers whose guarantee needs them, such as polyphase sampling.
  void require_position_invariance() { position_invariant_ = true; }
  bool position_invariant() const { return position_invariant_; }

  /// Sets the layer's name for all ops that are added from here on. `trainable`: whether training may change the layer's variables.
  void set_layer(std::string name, bool trainable = true) {
    layer_ = std::move(name);
    layer_trainable_ = trainable;
  }
  /// All ops that are added from here on run only in the last of so many steps: the updates of an optimizer that accumulates gradients.
  void set_every(std::int64_t steps) { every_ = steps; }
  /// The layers that were frozen when the model was compiled, by address. Training uses this state, not the present one, as Keras does.
  void set_frozen_layers(std::set<const void*> layers) { frozen_ = std::move(layers); }
  const std::optional<std::set<const void*>>& frozen_layers() const { return frozen_; }
  const std::string& layer() const { return layer_; }
  bool layer_trainable() const { return layer_trainable_; }

  /// Adds a value. `shape` is that of one image if extent is batch, else that of the whole value.
  Value value(std::string name, Shape shape, Extent extent, Element element = Element::real, Home home = Home::arena);
  /// Appends an op. Its inputs and outputs must be set.
  void add(std::unique_ptr<Op> op);
  /// Adds an op that updates variables other than by the optimizer, such as moving statistics. It runs only if the plan updates variables,
  /// not if the plan computes only gradients.
  void add_update(std::unique_ptr<Op> op);
  /// Appends the ops of add_update in the order in which they were added, so that several updates of one variable keep their order.
  void append_updates();
  const std::vector<std::unique_ptr<Op>>& updates() const { return updates_; }
  /// Adds an op that changes variables before the forward ops of a step, such as a normalization of kernels: these ops and the gradients see
  /// the new values, and no gradient flows through the change. Like the op of add_update it runs only if the plan updates variables.
  void add_preparation(std::unique_ptr<Op> op);
  /// Puts the ops of add_preparation before all others, in the order in which they were added.
  void prepend_preparations();
  /// What an output of the model is trained to give. `are_labels`: whole numbers that name classes, which cannot be mixed.
  struct Target {
    Value value;
    bool are_labels = false;
  };
  /// Of each output, while the layers of fit's `augment` are lowered: layers that mix images change them too. Empty elsewhere.
  std::vector<Target>& targets() { return targets_; }

  /// A value of the batch that the loss grows with, by (l1 * sum of |x| + l2 * sum of x^2) / images of the batch; or, where `orthogonal` is
  /// not 0, by orthogonal / images of the batch * the mean of |cosine| over all pairs of images, or of columns.
  struct Penalized {
    Value value;
    double l1 = 0, l2 = 0;
    double orthogonal = 0;
    bool columns = false;
  };
  std::vector<Penalized>& penalized() { return penalized_; }

  /// A new number for each op that draws random numbers, so that no two ops share a stream.
  std::uint64_t next_stream() { return streams_++; }

  ValueInfo& info(Value value) { return values_[static_cast<std::size_t>(value.id)]; }
  const ValueInfo& info(Value value) const { return values_[static_cast<std::size_t>(value.id)]; }
  std::vector<ValueInfo>& values() { return values_; }
  std::vector<std::unique_ptr<Op>>& ops() { return ops_; }
  const std::vector<std::unique_ptr<Op>>& ops() const { return ops_; }

 private:
  Purpose purpose_;
  bool inference_call_ = false;
  bool position_invariant_ = false;
  std::string layer_;
  bool layer_trainable_ = true;
  std::int64_t every_ = 1;
  std::optional<std::set<const void*>> frozen_;
  std::vector<ValueInfo> values_;
  std::vector<std::unique_ptr<Op>> ops_;
  std::vector<std::unique_ptr<Op>> updates_;
  std::vector<std::unique_ptr<Op>> preparations_;
  std::uint64_t streams_ = 0;
  std::vector<Target> targets_;
  std::vector<Penalized> penalized_;
};

/// The reverse pass: visits the ops from last to first, and lets each add the ops for its gradients.
class Gradients {
 public:
  /// `wanted`: the values whose gradients are computed, that is the trainable variables.
  Gradients(Lowering& to, const std::vector<Value>& wanted);

  Lowering& to() { return to_; }
  /// The gradient of a value: the sum of all gradients passed to `give`; undefined if there were none. Call it only after all ops that read
  /// the value were visited; the reverse order ensures that.
  Value of(Value value);
  /// Whether the gradient of this value is needed: it is a wanted value, or computed from one.
  bool wants(Value value) const { return needed_[static_cast<std::size_t>(value.id)]; }
  /// A new value for the gradient of `like`, with its shape. In the arena for a batch value; partials, summed over shards, for a fixed
  /// value.
  Value make(Value like);
  /// Adds a term to the gradient of `value`. `of` adds all terms, in the order in which they were given.
  void give(Value value, Value gradient);
  /// Visits all forward ops.
  void run();

 private:
  Lowering& to_;
  std::vector<char> needed_;
  std::unordered_map<int, std::vector<Value>> given_;
};

}  // namespace linn::detail::plan
