// The network that an ONNX file becomes, while it grows: its values by name, and the layers that were called so far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "formats/onnx/constant.h"
#include "formats/onnx/layout.h"
#include "linn/layer.h"
#include "linn/tensor.h"

namespace linn::detail::formats::onnx {

/// Values of one image: what passes it is a mistake or an attack, and products of sizes stay far from 2^63.
inline constexpr std::int64_t most_values = std::int64_t{1} << 40;

using Value = std::variant<ConstantPtr, Activation>;

class Network {
 public:
  Network(const ModelProto& model, std::string where, std::string folder);

  const ModelProto& model() const { return model_; }
  const std::string& where() const { return where_; }
  std::int64_t opset() const { return opset_; }
  /// The number of images that the file declares for its inputs; unset where it is open.
  std::optional<std::int64_t> batch() const { return batch_; }
  void set_batch(std::int64_t batch) { batch_ = batch; }

  // ---- values
  /// Unset where no value of that name is there yet. Initializers are decoded when they are asked for.
  std::optional<Value> find(std::string_view name);
  bool has(std::string_view name) const { return values_.contains(std::string(name)) || initializers_.contains(name); }
  bool is_constant(std::string_view name) const;
  void set(std::string_view name, Value value) { values_.insert_or_assign(std::string(name), std::move(value)); }
  /// What was computed in folding is bounded in all: FormatError beyond.
  void count_folded(std::size_t elements, const std::string& where);

  /// The node that alone reads this value, which is no output of the graph; else null.
  const Node* only_reader(std::string_view value) const;
  std::span<const Node* const> readers(std::string_view value) const;
  /// The node that gives this value; null for inputs and initializers.
  const Node* maker(std::string_view value) const;
  bool is_output(std::string_view value) const { return outputs_.contains(value); }
  bool is_read(std::string_view value) const { return readers_.contains(value) || outputs_.contains(value); }
  /// The axes of a value that is there, the batch axis too.
  std::size_t rank_with_batch(std::string_view name) const;
  /// Nodes that an operator took along with its own, such as the Add behind a MatMul.
  void mark_done(const Node& node) { done_.insert(&node); }
  bool is_done(const Node& node) const { return done_.contains(&node); }

  // ---- layers
  /// Calls a layer that is named `name`, made legal and unique. `weights` in Keras's order become its variables; there must be as many, of
  /// the shapes that the layer wants, or none where the layer has none.
  std::vector<SymbolicTensor> call(const Layer& layer, std::span<const SymbolicTensor> inputs, std::string_view name,
                                   std::vector<Tensor> weights = {});

  /// The value with linn's axes in this order; numbers are moved where that needs it.
  Activation arranged(const Activation& value, const Order& order, std::string_view name);
  /// The value without a `row`: its numbers in ONNX's order where it is one.
  Activation straight(const Activation& value, std::string_view name);
  /// One image under other sizes, in ONNX's order; at most one Shape::none. Empty when that cannot be done.
  std::optional<Activation> reshaped(const Activation& value, const Sizes& target, std::string_view name);

  /// A name for a layer, legal and not yet taken: letters, digits, '_', '.', '-'.
  std::string layer_name(std::string_view name);
  void rename(const Layer& layer, std::string_view name);

 private:
  SymbolicTensor permuted(const SymbolicTensor& symbol, const Order& axes, std::string_view name);
  SymbolicTensor reshape_symbol(const SymbolicTensor& symbol, const Sizes& sizes, std::string_view name);

  const ModelProto& model_;
  std::string where_;
  std::int64_t opset_;
  std::optional<std::int64_t> batch_;
  ExternalFiles files_;
  std::unordered_map<std::string_view, const TensorProto*> initializers_;
  std::unordered_map<std::string_view, std::vector<const Node*>> readers_;
  std::unordered_map<std::string_view, const Node*> makers_;
  std::set<std::string_view> outputs_;
  std::unordered_map<std::string, Value> values_;
  std::set<const Node*> done_;
  std::set<std::string> names_;
  std::size_t folded_ = 0;
};

}  // namespace linn::detail::formats::onnx
