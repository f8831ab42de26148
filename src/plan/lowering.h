// Where layers, losses and optimizers put their ops.
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

namespace linn::plan {

enum class Purpose : std::uint8_t { inference, training };

class Lowering {
 public:
  explicit Lowering(Purpose purpose) : purpose_(purpose) {}

  Purpose purpose() const { return purpose_; }
  /// Whether layers compute as in training: a training plan, and no call in it that asked to compute as in inference.
  bool training() const { return purpose_ == Purpose::training && !inference_call_; }
  bool inference_call() const { return inference_call_; }
  void set_inference_call(bool inference) { inference_call_ = inference; }

  /// Says that a layer's promise holds only where an output's bits do not depend on where in a map values lie: the plan admits no other
  /// kernels.
  void require_position_invariance() { position_invariant_ = true; }
  bool position_invariant() const { return position_invariant_; }

  /// Ops added from here on carry this name. `trainable`: whether training may change the layer's variables.
  void set_layer(std::string name, bool trainable = true) {
    layer_ = std::move(name);
    layer_trainable_ = trainable;
  }
  /// The layers that were frozen when the model was compiled, by address: this, not how they are now, decides what training changes.
  void set_frozen_layers(std::set<const void*> layers) { frozen_ = std::move(layers); }
  const std::optional<std::set<const void*>>& frozen_layers() const { return frozen_; }
  const std::string& layer() const { return layer_; }
  bool layer_trainable() const { return layer_trainable_; }

  /// A value of an image's shape (batch) or a whole one (fixed).
  Value value(std::string name, Shape shape, Extent extent, Element element = Element::real, Home home = Home::arena);
  /// Appends an op whose inputs and outputs are set.
  void add(std::unique_ptr<Op> op);
  /// An op that changes variables, but not as the optimizer does: moving statistics. It joins the others when the network is
  /// trained, and not when only its gradients are asked for.
  void add_update(std::unique_ptr<Op> op);
  /// Appends all of them, in the order in which they were added: several that change one variable follow each other.
  void append_updates();
  const std::vector<std::unique_ptr<Op>>& updates() const { return updates_; }
  /// A number for each op that draws random numbers, so that no two share a stream.
  std::uint64_t next_stream() { return streams_++; }

  ValueInfo& info(Value value) { return values_[static_cast<std::size_t>(value.id)]; }
  const ValueInfo& info(Value value) const { return values_[static_cast<std::size_t>(value.id)]; }
  std::vector<ValueInfo>& values() { return values_; }
  std::vector<std::unique_ptr<Op>>& ops() { return ops_; }

 private:
  Purpose purpose_;
  bool inference_call_ = false;
  bool position_invariant_ = false;
  std::string layer_;
  bool layer_trainable_ = true;
  std::optional<std::set<const void*>> frozen_;
  std::vector<ValueInfo> values_;
  std::vector<std::unique_ptr<Op>> ops_;
  std::vector<std::unique_ptr<Op>> updates_;
  std::uint64_t streams_ = 0;
};

/// The reverse pass: walks the ops backwards and lets each add its gradient ops.
class Gradients {
 public:
  /// `wanted` are the values whose gradients are asked for: the trainable variables.
  Gradients(Lowering& to, const std::vector<Value>& wanted);

  Lowering& to() { return to_; }
  /// The gradient of a value: the sum of all that was given to it. Undefined if nothing was. Asked for once all ops that read the value have
  /// given theirs, which the order of the walk ensures.
  Value of(Value value);
  /// Whether some wanted value lies at or before this one.
  bool wants(Value value) const { return needed_[static_cast<std::size_t>(value.id)]; }
  /// A new value of `like`'s shape for its gradient: in the arena for one of the batch; summed over shards for a fixed one.
  Value make(Value like);
  /// Collects a gradient that flows into `value`. All of them are added when `of` asks, in the order in which they were given.
  void give(Value value, Value gradient);
  /// Runs over all forward ops.
  void run();

 private:
  Lowering& to_;
  std::vector<char> needed_;
  std::unordered_map<int, std::vector<Value>> given_;
};

}  // namespace linn::plan
