// Adaptive polyphase sampling, which linn writes as standard operators (export_window.cc): a Slice for each phase, their norms, an ArgMax
// of these, and a GatherND that picks the phase from all phases in a stack.
#include <algorithm>
#include <set>

#include "formats/onnx/operators.h"
#include "formats/onnx/patterns.h"
#include "linn/layers/polyphase.h"

namespace linn::formats::onnx {
namespace {

// Of one choice: more phases or maps are no network's, and would make hostile files slow to read.
constexpr std::size_t most_phases = 256, most_maps = 64;

// What a GatherND picks: of a map the phase of the largest norm, chosen on the map `chooser`.
struct Sampling {
  std::string_view map, chooser;
  Size2 strides;
  std::string order;
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
    for (const std::string_view score : joined(places->inputs[0])) {
      const std::optional<std::string_view> phase = phase_of_norm(score, result.order);
      if (!phase) return std::nullopt;
      judged.push_back(*phase);
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

  // The phase whose norm this is; all norms are of one order.
  std::optional<std::string_view> phase_of_norm(std::string_view score, std::string& order) {
    static constexpr std::pair<const char*, const char*> norms[] = {{"ReduceMax", "linf"}, {"ReduceL1", "l1"}, {"ReduceSumSquare", "l2"}};
    for (const auto& [op_type, name] : norms) {
      const Node* norm = maker(score, op_type);
      if (norm == nullptr) continue;
      if (!order.empty() && order != name) return std::nullopt;
      order = name;
      if (norm->inputs.size() != 1 || !has_integers(*norm, "axes", {1}) || !has_integers(*norm, "keepdims", {1})) return std::nullopt;
      std::string_view row = norm->inputs[0];
      if (order == "linf") {
        const Node* magnitude = maker(row, "Abs");
        if (magnitude == nullptr || magnitude->inputs.size() != 1) return std::nullopt;
        row = magnitude->inputs[0];
      }
      const Node* flatten = maker(row, "Flatten");
      if (flatten == nullptr || flatten->inputs.size() != 1 || !flatten->attributes.empty()) return std::nullopt;
      return flatten->inputs[0];
    }
    return std::nullopt;
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
  if (op.integer("batch_dims", 0) != 1 || !own)
    op.refuse("is supported behind the nodes with which linn writes AdaptivePolyphaseSampling2D only");
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
  const AdaptivePolyphaseSampling2D layer({.strides = own->strides, .order = own->order});
  const std::vector<SymbolicTensor> outputs = network.call(layer, symbols, op.base_name());
  for (std::size_t i = 0; i < gathers.size(); ++i) {
    if (gathers[i] == nullptr) continue;
    sources[i].symbol = outputs[i];
    network.set(gathers[i]->outputs[0], sources[i]);
    network.mark_done(*gathers[i]);
  }
}

void import_arg_max(const Operation& op) {
  op.refuse("is supported as the choice of a phase, as linn writes AdaptivePolyphaseSampling2D, only; let the model end before it");
}

}  // namespace linn::formats::onnx
