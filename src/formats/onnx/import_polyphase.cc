// Polyphase sampling, which linn writes as standard operators (export_window.cc): a Slice for each phase, a score of each, an ArgMax of
// these, and a GatherND that picks the phase from all phases in a stack. The scores are norms (adaptive), or means of two convolutions
// (learnable).
#include <algorithm>
#include <set>

#include "formats/onnx/operators.h"
#include "formats/onnx/patterns.h"
#include "formats/onnx/weights.h"
#include "linn/layers/polyphase.h"

namespace linn::detail::formats::onnx {
namespace {

// Of one choice: more phases or maps are no network's, and would make hostile files slow to read.
constexpr std::size_t most_phases = 256, most_maps = 64;

// What gives a phase its score: a norm of this order, or convolutions with these weights.
struct Score {
  std::string order;
  std::vector<std::string_view> weights;  // kernel_1, bias_1, kernel_2
  friend bool operator==(const Score&, const Score&) = default;
};

// What a GatherND picks: of a map the phase of the largest score, chosen on the map `chooser`.
struct Sampling {
  std::string_view map, chooser;
  Size2 strides;
  Score score;
};

bool has_integers(const Node& node, std::string_view name, const std::vector<std::int64_t>& wanted) {
  const Attribute* found = attribute_of(node, name);
  return found != nullptr && (found->type == Attribute::integer ? std::vector<std::int64_t>{found->i} : found->ints) == wanted;
}

// Walks from a GatherND back to the maps that it samples. Every function returns nothing where the nodes are others.
class PolyphaseNodes {
 public:
  explicit PolyphaseNodes(Network& network) : network_(network) {}

  std::optional<Sampling> sampling(const Node& gather) {
    if (gather.inputs.size() != 2 || gather.outputs.size() != 1 || !has_integers(gather, "batch_dims", {1})) return std::nullopt;
    const Node* places = maker(gather.inputs[1], "ArgMax");
    if (places == nullptr || places->inputs.empty() || !has_integers(*places, "axis", {1}) || !has_integers(*places, "keepdims", {1}) ||
        attribute_of(*places, "select_last_index") != nullptr)
      return std::nullopt;
    Sampling result;
    std::vector<std::string_view> judged;
    for (const std::string_view value : joined(places->inputs[0])) {
      Score score;
      judged.push_back(phase_of_norm(value, score));
      if (judged.back().empty()) judged.back() = phase_of_convolutions(value, score);
      if (judged.size() == 1) result.score = score;
      if (judged.back().empty() || score != result.score) return std::nullopt;
    }
    std::vector<std::string_view> stacked;
    for (const std::string_view layer : joined(gather.inputs[0])) {
      const Node* unsqueeze = maker(layer, "Unsqueeze");
      if (unsqueeze == nullptr || unsqueeze->inputs.size() != 2 || integers(unsqueeze->inputs[1]) != std::vector<std::int64_t>{1})
        return std::nullopt;
      stacked.push_back(unsqueeze->inputs[0]);
    }
    Size2 strides;
    result.chooser = map_of_phases(judged, result.strides), result.map = map_of_phases(stacked, strides);
    if (result.chooser.empty() || result.map.empty() || strides != result.strides) return std::nullopt;
    return result;
  }

  /// Marks the nodes that were seen as done; false, and nothing is marked, where another node reads what they give.
  bool take() const {
    for (const Node* node : seen_) {
      const auto is_inside = [&](const Node* reader) { return seen_.contains(reader) || reader->op_type == "GatherND"; };
      const auto readers = network_.readers(node->outputs[0]);
      if (readers.size() > most_maps + 1 || network_.is_output(node->outputs[0]) || !std::all_of(readers.begin(), readers.end(), is_inside))
        return false;
    }
    for (const Node* node : seen_) network_.mark_done(*node);
    return true;
  }

 private:
  const Node* maker(std::string_view value, std::string_view op_type) {
    const Node* node = network_.maker(value);
    if (node == nullptr || node->op_type != op_type || node->outputs.size() != 1) return nullptr;
    seen_.insert(node);
    return node;
  }

  std::optional<std::vector<std::int64_t>> integers(std::string_view name) const {
    if (!network_.is_constant(name)) return std::nullopt;
    const ConstantPtr constant = std::get<ConstantPtr>(*network_.find(name));
    if (constant->is_float) return std::nullopt;
    return constant->integers;
  }

  std::vector<std::string_view> joined(std::string_view value) {
    const Node* concat = maker(value, "Concat");
    const bool fits = concat != nullptr && concat->inputs.size() <= most_phases && has_integers(*concat, "axis", {1});
    return fits ? concat->inputs : std::vector<std::string_view>{};
  }

  // The only input of the operator that gives this value, with these axes.
  std::string_view reduced_by(std::string_view value, std::string_view op_type) {
    const Node* node = maker(value, op_type);
    const bool fits =
        node != nullptr && node->inputs.size() == 1 && has_integers(*node, "axes", {1}) && has_integers(*node, "keepdims", {1});
    return fits ? node->inputs[0] : std::string_view{};
  }

  // The only input of the operator that gives this value, without attributes.
  std::string_view made_by(std::string_view value, std::string_view op_type) {
    const Node* node = maker(value, op_type);
    return node != nullptr && node->inputs.size() == 1 && node->attributes.empty() ? node->inputs[0] : std::string_view{};
  }

  // The phase whose norm this is; empty where it is none.
  std::string_view phase_of_norm(std::string_view value, Score& score) {
    static constexpr std::pair<const char*, const char*> norms[] = {{"ReduceMax", "linf"}, {"ReduceL1", "l1"}, {"ReduceSumSquare", "l2"}};
    for (const auto& [op_type, order] : norms) {
      std::string_view row = reduced_by(value, op_type);
      if (row.empty()) continue;
      score.order = order;
      if (score.order == "linf") row = made_by(row, "Abs");
      return made_by(row, "Flatten");
    }
    return {};
  }

  // The phase of which this is the mean of conv(relu(conv(x))), both convolutions circular; empty where it is none.
  std::string_view phase_of_convolutions(std::string_view value, Score& score) {
    const Node* second = maker(made_by(reduced_by(value, "ReduceMean"), "Flatten"), "Conv");
    if (second == nullptr || second->inputs.size() != 2 || !second->attributes.empty()) return {};
    const Node* first = maker(made_by(unwrapped(second->inputs[0]), "Relu"), "Conv");
    if (first == nullptr || first->inputs.size() != 3 || !first->attributes.empty()) return {};
    score.weights = {first->inputs[1], first->inputs[2], second->inputs[1]};
    return unwrapped(first->inputs[0]);
  }

  // The map to which this value adds a row and a column of the opposite side at each border.
  std::string_view unwrapped(std::string_view value) {
    for (const std::int64_t axis : {3, 2}) {
      const Node* concat = maker(value, "Concat");
      if (concat == nullptr || concat->inputs.size() != 3 || !has_integers(*concat, "axis", {axis})) return {};
      const auto is_end = [&](std::string_view part, std::int64_t from, std::int64_t to) {
        const Node* slice = maker(part, "Slice");
        return slice != nullptr && slice->inputs.size() == 4 && slice->inputs[0] == concat->inputs[1] &&
               integers(slice->inputs[1]) == std::vector{from} && integers(slice->inputs[2]) == std::vector{to} &&
               integers(slice->inputs[3]) == std::vector{axis};
      };
      if (!is_end(concat->inputs[0], -1, std::int64_t{1} << 40) || !is_end(concat->inputs[2], 0, 1)) return {};
      value = concat->inputs[1];
    }
    return value;
  }

  // The map whose phases these are, row by row, and its strides; empty where they are not.
  std::string_view map_of_phases(const std::vector<std::string_view>& phases, Size2& strides) {
    std::string_view map;
    for (std::size_t k = 0; k < phases.size(); ++k) {
      const Node* slice = maker(phases[k], "Slice");
      if (slice == nullptr || slice->inputs.size() != 5) return {};
      const auto starts = integers(slice->inputs[1]), ends = integers(slice->inputs[2]), axes = integers(slice->inputs[3]),
                 steps = integers(slice->inputs[4]);
      if (!starts || !ends || !steps || axes != std::vector<std::int64_t>{2, 3} || starts->size() != 2 || ends->size() != 2 ||
          steps->size() != 2)
        return {};
      const Size2 step = {(*steps)[0], (*steps)[1]};
      if (std::min((*ends)[0], (*ends)[1]) < (std::int64_t{1} << 30) || step.height < 1 || step.width < 1) return {};
      if (k == 0) map = slice->inputs[0], strides = step;
      const auto place = static_cast<std::int64_t>(k);
      if (slice->inputs[0] != map || step != strides || (*starts)[0] != place / step.width || (*starts)[1] != place % step.width) return {};
      if (k + 1 == phases.size() && place / step.width + 1 != step.height) return {};
      if (k + 1 == phases.size() && place % step.width + 1 != step.width) return {};
    }
    return map;
  }

  Network& network_;
  std::set<const Node*> seen_;
};

struct PolyphaseLayer {
  Layer layer;
  std::vector<Tensor> weights;
};

PolyphaseLayer layer_of(const Operation& op, const Sampling& sampling) {
  const Score& score = sampling.score;
  if (score.weights.empty()) return {AdaptivePolyphaseSampling2D({.strides = sampling.strides, .order = score.order}), {}};
  std::vector<Tensor> weights;
  for (const std::string_view name : score.weights) {
    const std::optional<Value> value = op.network().find(name);
    const auto* constant = value ? std::get_if<ConstantPtr>(&*value) : nullptr;
    const std::size_t rank = weights.size() == 1 ? 1 : 4;
    if (constant == nullptr || !(*constant)->is_float || (*constant)->dims.size() != rank)
      op.refuse("value {} is no constant of {} axes", name, rank);
    const std::size_t back[] = {2, 3, 1, 0};
    weights.push_back(rank == 1 ? vector_tensor((*constant)->floats) : transposed_tensor((*constant)->floats, (*constant)->dims, back));
  }
  const std::int64_t hidden = weights[1].elements();
  if (hidden < 1) op.refuse("the convolutions of a phase have no filters");
  return {LearnablePolyphaseSampling2D({.strides = sampling.strides, .hidden_filters = hidden}), std::move(weights)};
}

}  // namespace

void take_polyphase_choices(Network& network) {
  for (const Node& node : network.model().graph.nodes) {
    if (node.op_type != "GatherND") continue;
    PolyphaseNodes nodes(network);
    if (nodes.sampling(node)) nodes.take();
  }
}

// The layer takes all maps of one choice where they are there already; else the one that chooses and its own.
void import_gather_nd(const Operation& op) {
  Network& network = op.network();
  const std::optional<Sampling> own = PolyphaseNodes(network).sampling(op.node());
  if (op.integer("batch_dims", 0) != 1 || !own) op.refuse("is supported behind the nodes with which linn writes polyphase samplings only");
  std::vector<const Node*> gathers;
  std::vector<std::string_view> maps;
  const auto readers = network.readers(op.node().inputs[1]);
  if (readers.size() > most_maps) op.refuse("{} maps are sampled by one choice; {} are the most linn takes", readers.size(), most_maps);
  for (const Node* reader : readers) {
    const std::optional<Sampling> other = PolyphaseNodes(network).sampling(*reader);
    if (!other || !network.has(other->map)) continue;
    // The map that chooses is the layer's first.
    const bool is_first = other->map == own->chooser;
    gathers.insert(is_first ? gathers.begin() : gathers.end(), reader);
    maps.insert(is_first ? maps.begin() : maps.end(), other->map);
  }
  const bool has_extra = maps.empty() || maps.front() != own->chooser;
  if (has_extra) gathers.insert(gathers.begin(), nullptr), maps.insert(maps.begin(), own->chooser);
  std::vector<Activation> sources;
  std::vector<SymbolicTensor> symbols;
  for (const std::string_view name : maps) {
    const std::optional<Value> value = network.find(name);
    if (!value || !std::holds_alternative<Activation>(*value) || std::get<Activation>(*value).rank() != 3)
      op.refuse("value {} is no map that depends on the model's inputs", name);
    sources.push_back(op.arranged(std::get<Activation>(*value), channels_last(3)));
    symbols.push_back(sources.back().symbol);
  }
  PolyphaseLayer made = layer_of(op, *own);
  const std::vector<SymbolicTensor> outputs = network.call(made.layer, symbols, op.base_name(), std::move(made.weights));
  for (std::size_t i = 0; i < gathers.size(); ++i) {
    if (gathers[i] == nullptr) continue;
    sources[i].symbol = outputs[i];
    network.set(gathers[i]->outputs[0], sources[i]);
    network.mark_done(*gathers[i]);
  }
}

void import_arg_max(const Operation& op) {
  op.refuse("is supported as the choice of a phase, as linn writes polyphase samplings, only; let the model end before it");
}

}  // namespace linn::detail::formats::onnx
