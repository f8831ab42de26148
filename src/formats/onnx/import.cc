#include "formats/onnx/import.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <unordered_set>

#include "core/checked.h"
#include "formats/onnx/operators.h"
#include "formats/onnx/patterns.h"
#include "io/text.h"
#include "linn/error.h"
#include "linn/layers/arrange.h"
#include "linn/layers/reshape.h"

namespace linn::detail::formats {
namespace onnx {

std::span<const Operator> operators() {
  static constexpr Operator table[] = {
#define LINN_ONNX(name, since, import, fold) {#name, since, import, fold},
#define LINN_ONNX_FOLDED(name, since, fold) {#name, since, nullptr, fold},
#include "formats/onnx/operators.inc"
#undef LINN_ONNX
#undef LINN_ONNX_FOLDED
  };
  return table;
}

const Operator* find_operator(std::string_view name) {
  const auto all = operators();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Operator& row) { return row.name == name; });
  return found == all.end() ? nullptr : &*found;
}

namespace {

constexpr std::int64_t first_opset = 7, last_opset = 21;

bool is_own_domain(std::string_view domain) { return domain.empty() || domain == "ai.onnx"; }

class Importer {
 public:
  Importer(const ModelProto& model, const std::string& where, const std::string& folder)
      : model_(model), where_(where), network_(model, where, folder) {}

  OnnxModel run(std::uint64_t seed) {
    sort_nodes();
    check_operators();
    // Constants first, so that an operator that looks at the nodes behind it sees theirs.
    for (const std::size_t index : order_) fold_node(index);
    take_polyphase_choices(network_);
    make_inputs();
    for (const std::size_t index : order_) import_node(index);
    return finish(seed);
  }

 private:
  const Node& node(std::size_t index) const { return model_.graph.nodes[index]; }

  // ---- order -----------------------------------------------------------------------------------------------------

  // The nodes that the outputs depend on, each after those that it reads.
  void sort_nodes() {
    std::unordered_set<std::string_view> known = {""};
    for (const TensorProto& tensor : model_.graph.initializers) known.insert(tensor.name);
    for (const ValueInfo& input : model_.graph.inputs) {
      if (!known.insert(input.name).second && !is_initializer(input.name))
        io::format_error(where_, "there are two inputs named {}", io::quote(input.name));
    }
    for (std::size_t i = 0; i < model_.graph.nodes.size(); ++i)
      for (const std::string_view output : node(i).outputs) {
        if (output.empty()) continue;
        if (known.contains(output) || !makers_.emplace(output, i).second)
          io::format_error(where_, "node {} {} gives {}, which is the name of another value", i, io::quote(node(i).name),
                           io::quote(output));
      }
    if (model_.graph.outputs.empty()) io::format_error(where_, "the graph has no outputs");
    std::vector<State> states(model_.graph.nodes.size(), State::waiting);
    for (const ValueInfo& output : model_.graph.outputs) {
      if (known.contains(output.name)) continue;
      const auto maker = makers_.find(output.name);
      if (maker == makers_.end()) io::format_error(where_, "output {} is no value of the graph", io::quote(output.name));
      visit(maker->second, states, known);
    }
  }

  enum class State : std::uint8_t { waiting, open, done };

  // Depth first, without recursion: files may hold long chains.
  void visit(std::size_t start, std::vector<State>& states, const std::unordered_set<std::string_view>& known) {
    struct Step {
      std::size_t node, next_input;
    };
    std::vector<Step> path;
    const auto enter = [&](std::size_t index) {
      if (states[index] == State::done) return;
      if (states[index] == State::open)
        io::format_error(where_, "node {} {} ({}) depends on its own output", index, io::quote(node(index).name),
                         io::quote(node(index).op_type));
      states[index] = State::open;
      path.push_back({index, 0});
    };
    enter(start);
    while (!path.empty()) {
      Step& step = path.back();
      const Node& current = node(step.node);
      if (step.next_input == current.inputs.size()) {
        states[step.node] = State::done;
        order_.push_back(step.node);
        path.pop_back();
        continue;
      }
      const std::string_view input = current.inputs[step.next_input++];
      if (known.contains(input)) continue;
      const auto maker = makers_.find(input);
      if (maker == makers_.end())
        io::format_error(where_, "node {} {} ({}) reads {}, which is no value of the graph", step.node, io::quote(current.name),
                         io::quote(current.op_type), io::quote(input));
      enter(maker->second);
    }
  }

  bool is_initializer(std::string_view name) const { return network_.is_constant(name); }

  // ---- operators -------------------------------------------------------------------------------------------------

  void check_operators() const {
    const std::int64_t opset = network_.opset();
    if (opset < first_opset || opset > last_opset)
      io::format_error(where_, "operator set {}; {} to {} are known", opset, first_opset, last_opset);
    if (model_.graph.has_sparse_initializers) io::format_error(where_, "sparse initializers are not supported");
    constexpr std::size_t most_listed = 50;
    std::vector<std::size_t> needed = order_;
    std::sort(needed.begin(), needed.end());
    std::vector<std::string> missing;
    for (const std::size_t index : needed) {
      const Node& current = node(index);
      const Operator* row = is_own_domain(current.domain) ? find_operator(current.op_type) : nullptr;
      if (row != nullptr && row->since <= opset) continue;
      missing.push_back(fmt::format(
          "{} (node {}{}{})",
          is_own_domain(current.domain) ? io::quote(current.op_type) : io::quote(fmt::format("{}.{}", current.domain, current.op_type)),
          index, current.name.empty() ? "" : " ", current.name.empty() ? "" : io::quote(current.name)));
    }
    if (missing.empty()) return;
    const std::size_t listed = std::min(missing.size(), most_listed);
    io::format_error(where_, "operators that linn lacks: {}{}; docs/onnx.md lists those that it has",
                     fmt::join(missing.begin(), missing.begin() + static_cast<std::ptrdiff_t>(listed), ", "),
                     listed < missing.size() ? fmt::format(" and {} more", missing.size() - listed) : "");
  }

  // ---- inputs ----------------------------------------------------------------------------------------------------

  // Whether the shape says that axis `axis` of a map (N, a, b, c) is that of the channels.
  static bool has_channels_at(const ValueInfo& value, std::size_t axis) {
    return value.shape && value.shape->size() == 4 && (*value.shape)[axis].denotation == "DATA_CHANNEL";
  }

  // Whether a map (N, a, b, c) that the graph takes has its channels last: its shape says so, or the first Transpose behind it.
  bool is_channels_last(const ValueInfo& input) const {
    if (has_channels_at(input, 1) || has_channels_at(input, 3)) return has_channels_at(input, 3);
    const std::string_view name = input.name;
    std::deque<std::string_view> values = {name};
    std::unordered_set<std::string_view> seen;
    while (!values.empty()) {
      const std::string_view value = values.front();
      values.pop_front();
      if (!seen.insert(value).second) continue;
      for (const Node* node : network_.readers(value)) {
        const Node& reader = *node;
        if (reader.op_type == "Transpose")
          for (const Attribute& attribute : reader.attributes)
            if (attribute.name == "perm" && attribute.ints == std::vector<std::int64_t>{0, 3, 1, 2}) return true;
        static constexpr std::string_view through[] = {"Identity", "Cast", "Add", "Sub", "Mul", "Div", "Pad", "Clip", "Relu", "Dropout"};
        if (std::find(std::begin(through), std::end(through), reader.op_type) != std::end(through))
          values.insert(values.end(), reader.outputs.begin(), reader.outputs.end());
      }
    }
    return false;
  }

  void make_inputs() {
    for (const ValueInfo& input : model_.graph.inputs)
      if (!is_initializer(input.name)) make_input(input);
    if (inputs_.empty()) io::format_error(where_, "the graph has no inputs");
  }

  void make_input(const ValueInfo& input) {
    const std::string where = fmt::format("{}: input {}", where_, io::quote(input.name));
    if (!input.is_tensor || !is_float(input.type))
      io::format_error(where, "{} is not supported; tensors of floating-point numbers are",
                       input.is_tensor ? name_of(input.type) : "what is no tensor");
    if (!input.shape || input.shape->size() < 2) io::format_error(where, "its shape must have a batch axis and at least one more");
    if (input.shape->size() > Shape::max_rank)
      io::format_error(where, "{} axes; {} are the most linn takes", input.shape->size(), Shape::max_rank);
    const auto size_of = [](const Dimension& dimension) { return dimension.size.value_or(0) > 0 ? *dimension.size : Shape::none; };
    const std::int64_t batch = size_of(input.shape->front());
    if (batch != Shape::none) network_.set_batch(batch);
    const std::size_t rank = input.shape->size() - 1;
    Activation value{.symbol = SymbolicTensor(nullptr, 0),
                     .order = rank == 3 && !is_channels_last(input) ? channels_last(3) : onnx_order(rank)};
    Sizes image(rank);
    for (std::size_t i = 0; i < rank; ++i) {
      image[value.order[i]] = size_of((*input.shape)[i + 1]);
      if (image[value.order[i]] > (std::int64_t{1} << 31))
        io::format_error(where, "a size of {} is more than linn takes", image[value.order[i]]);
    }
    std::int64_t values = 1;
    for (const std::int64_t size : image) {
      values = core::checked_mul(values, std::max<std::int64_t>(size, 1)).value_or(most_values + 1);
      if (values > most_values) io::format_error(where, "an image of {} values or more; {} are the most linn takes", values, most_values);
    }
    const bool may_be_open = rank == 3;
    for (std::size_t axis = 0; axis < rank; ++axis)
      if (image[axis] == Shape::none && (!may_be_open || axis == 2))
        io::format_error(where,
                         "a size is open; only the batch and the height and width of maps may be, so export the model with fixed sizes");
    value.symbol = Input(Shape(std::span<const std::int64_t>(image)), {.name = network_.layer_name(input.name)});
    inputs_.push_back(value.symbol);
    inputs_moved_.push_back(rank == 3 && value.order == channels_last(3));
    network_.set(input.name, std::move(value));
  }

  // ---- nodes -----------------------------------------------------------------------------------------------------

  void fold_node(std::size_t index) {
    const Operation op(network_, node(index), index);
    const Operator& row = *find_operator(op.node().op_type);
    if (row.fold == nullptr || !op.all_constant()) return;
    op.give(row.fold(op));
    op.check_attributes();
    network_.mark_done(op.node());
  }

  void import_node(std::size_t index) {
    const Node& current = node(index);
    if (network_.is_done(current)) return;
    const Operation op(network_, current, index);
    const Operator& row = *find_operator(current.op_type);
    for (const Attribute& attribute : current.attributes)
      if (attribute.type == Attribute::graph) op.refuse("a graph in attribute {} is not supported", io::quote(attribute.name));
    try {
      if (row.fold != nullptr && op.all_constant())
        op.give(row.fold(op));
      else if (row.import == nullptr)
        op.refuse("of a value that depends on the model's inputs is not supported");
      else
        row.import(op);
    } catch (const FormatError&) {
      throw;
    } catch (const Error& error) {
      op.refuse("{}", error.what());
    }
    op.check_attributes();
  }

  // ---- outputs ---------------------------------------------------------------------------------------------------

  // Maps with their channels last stay as linn has them; all else comes in ONNX's order.
  OnnxModel finish(std::uint64_t seed) {
    std::vector<SymbolicTensor> outputs;
    std::vector<bool> outputs_moved;
    for (const ValueInfo& output : model_.graph.outputs) {
      const std::optional<Value> value = network_.find(output.name);
      if (!value || !std::holds_alternative<Activation>(*value))
        io::format_error(where_, "output {} does not depend on the inputs", io::quote(output.name));
      Activation result = network_.straight(std::get<Activation>(*value), output.name);
      outputs_moved.push_back(result.rank() == 3 && result.order == channels_last(3) && !has_channels_at(output, 3));
      if (!outputs_moved.back()) result = network_.arranged(result, onnx_order(result.rank()), output.name);
      const bool is_taken = std::find(outputs.begin(), outputs.end(), result.symbol) != outputs.end() ||
                            std::find(inputs_.begin(), inputs_.end(), result.symbol) != inputs_.end();
      if (is_taken)
        result.symbol = network_.call(Identity(), {&result.symbol, 1}, output.name).front();
      else
        network_.rename(result.symbol.layer(), output.name);
      outputs.push_back(result.symbol);
    }
    std::string name = network_.layer_name(model_.graph.name.empty() ? "onnx" : model_.graph.name);
    return {graph::Graph::functional(std::move(name), inputs_, outputs, seed), model_.metadata, inputs_moved_, std::move(outputs_moved)};
  }

  const ModelProto& model_;
  const std::string& where_;
  Network network_;
  std::unordered_map<std::string_view, std::size_t> makers_;  // node of each value
  std::vector<std::size_t> order_;                            // of the nodes that are needed
  std::vector<SymbolicTensor> inputs_;
  std::vector<bool> inputs_moved_;
};

}  // namespace
}  // namespace onnx

OnnxModel read_onnx(std::span<const std::byte> bytes, const std::string& where, const std::string& folder, std::uint64_t seed) {
  const onnx::ModelProto model = onnx::read_model(bytes, where);
  if (!model.opsets.contains("")) io::format_error(where, "the version of ONNX's own operator set is missing");
  return onnx::Importer(model, where, folder).run(seed);
}

graph::Graph graph_from_onnx(std::span<const std::byte> bytes, const std::string& where, const std::string& folder, std::uint64_t seed,
                             Metadata* metadata) {
  OnnxModel model = read_onnx(bytes, where, folder, seed);
  if (metadata != nullptr) *metadata = std::move(model.metadata);
  return std::move(model.graph);
}

}  // namespace linn::detail::formats
