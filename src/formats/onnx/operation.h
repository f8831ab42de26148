// One node of an ONNX graph, as the function that imports its operator sees it.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/onnx/network.h"
#include "linn/error.h"

namespace linn::detail::formats::onnx {

inline constexpr double infinity = std::numeric_limits<double>::infinity();

class Operation {
 public:
  Operation(Network& network, const Node& node, std::size_t index);

  Network& network() const { return network_; }
  const Node& node() const { return node_; }
  std::int64_t opset() const { return network_.opset(); }
  /// "model.onnx: node 3 "conv1" (Conv)", the beginning of every message.
  const std::string& where() const { return where_; }
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> message, Args&&... args) const {
    throw FormatError(fmt::format("{}: {}", where_, fmt::format(message, std::forward<Args>(args)...)));
  }

  // ---- inputs
  std::size_t input_count() const { return node_.inputs.size(); }
  bool has_input(std::size_t i) const { return i < node_.inputs.size() && !node_.inputs[i].empty(); }
  bool is_constant(std::size_t i) const { return has_input(i) && network_.is_constant(node_.inputs[i]); }
  bool all_constant() const;
  /// Of a value that depends on the model's inputs. FormatError for a constant.
  Activation input(std::size_t i) const;
  /// FormatError for a value that depends on the model's inputs, or is not there.
  ConstantPtr constant(std::size_t i) const;
  /// A list of integers that are all known.
  std::vector<std::int64_t> integers(std::size_t i) const;
  /// As linn's tensor of this shape, float32.
  std::vector<float> floats(std::size_t i) const;

  // ---- attributes; what no function asked for is refused at the end
  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::int64_t integer(std::string_view name, std::int64_t otherwise) const;
  double number(std::string_view name, double otherwise) const;
  std::string_view text(std::string_view name, std::string_view otherwise) const;
  std::vector<std::int64_t> list(std::string_view name, std::vector<std::int64_t> otherwise = {}) const;
  const Attribute* find(std::string_view name) const;
  /// Attributes without meaning for inference.
  void ignore(std::initializer_list<std::string_view> names) const;
  /// FormatError when an attribute was set that nobody read.
  void check_attributes() const;
  /// An axis of a value with so many axes, counted from 0. FormatError outside.
  std::size_t axis(std::int64_t axis, std::size_t rank) const;
  /// Axes that stand in an attribute in old operator sets and in input `i` in newer ones; unset where neither is there.
  std::optional<std::vector<std::int64_t>> axes(std::string_view attribute, std::size_t i) const;

  /// The constant that an Add behind this node, its only reader, adds to each of `channels`, where that is so; the result of this node is
  /// then that of the Add. `behind`: the number of axes behind the channels.
  std::optional<std::vector<float>> take_bias(std::int64_t channels, std::size_t behind) const;

  /// The result of this node is also the value of that name; the nodes between were taken along.
  void stand_for(std::string_view value) const { also_ = value; }

  // ---- results
  void give(std::size_t i, Value value) const;
  void give(Value value) const { give(0, std::move(value)); }
  void give(Constant constant) const { give(0, std::make_shared<const Constant>(std::move(constant))); }
  /// Calls a layer. `suffix` tells the layers of one node apart; the last one has none.
  SymbolicTensor call(const Layer& layer, std::span<const SymbolicTensor> inputs, std::vector<Tensor> weights = {},
                      std::string_view suffix = {}) const;
  SymbolicTensor call(const Layer& layer, const SymbolicTensor& input, std::vector<Tensor> weights = {},
                      std::string_view suffix = {}) const {
    return call(layer, std::span(&input, 1), std::move(weights), suffix);
  }
  /// The layer on the value as it lies, whatever the order of its axes: for functions of each element alone.
  Activation elementwise(const Layer& layer, Activation value, std::string_view suffix = {}) const;

  /// The value with the channels last.
  Activation with_channels_last(std::size_t i) const;
  /// The same of a map (N, C, H, W); FormatError for other values.
  Activation map(std::size_t i) const;
  /// Whether input 0 is (N, C, steps).
  bool is_over_steps() const { return input(0).rank() == 2; }
  /// The same of a map (N, C, H, W) or steps (N, C, L); FormatError for other values.
  Activation map_or_steps(std::size_t i) const;
  Activation arranged(const Activation& value, const Order& order) const { return network_.arranged(value, order, base_name()); }
  /// The name that layers of this node begin with.
  std::string base_name() const;

 private:
  Value value(std::size_t i) const;

  Network& network_;
  const Node& node_;
  std::string where_;
  mutable std::set<std::string_view> read_;
  mutable std::string_view also_;  // the name of a value that is the same as the first result
};

/// "(2, 3, None)".
std::string to_string(const Sizes& sizes);

}  // namespace linn::detail::formats::onnx
