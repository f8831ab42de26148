#include "train/nonfinite.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <type_traits>

#include "core/tensor_visit.h"
#include "graph/nested.h"
#include "linn/error.h"

namespace linn::detail::train {
namespace {

template <class T>
bool fits_float(T value) {
  if constexpr (std::is_same_v<T, bfloat16>)
    return std::isfinite(to_float(value));
  else if constexpr (std::is_floating_point_v<T>)
    return std::isfinite(static_cast<float>(value));  // as the network takes it
  else
    return true;
}

struct BadValue {
  std::int64_t row = -1;    // the first that holds one; -1: none does
  std::int64_t rows = 0;    // that hold one
  double value = 0;         // the first
};

// Of `count` rows of a tensor: row i is index[first + i], or first + i without an index. The number of the row is its place in the tensor.
BadValue bad_value(const Tensor& tensor, const std::int64_t* index, std::int64_t first, std::int64_t count) {
  BadValue bad;
  core::visit(tensor, [&]<class T>(std::span<const T> values) {
    if constexpr (std::is_integral_v<T>) return;
    const std::size_t width = values.size() / static_cast<std::size_t>(tensor.shape()[0]);
    for (std::int64_t i = first; i < first + count; ++i) {
      const std::int64_t number = index == nullptr ? i : index[i];
      const std::span<const T> row = values.subspan(static_cast<std::size_t>(number) * width, width);
      const auto found = std::ranges::find_if_not(row, [](T value) { return fits_float(value); });
      if (found == row.end()) continue;
      if (bad.rows++ > 0) continue;
      bad.row = number;
      if constexpr (std::is_same_v<T, bfloat16>)
        bad.value = static_cast<double>(to_float(*found));
      else
        bad.value = static_cast<double>(*found);
    }
  });
  return bad;
}

const char* word_of(double value) { return std::isnan(value) ? "NaN" : std::isinf(value) ? "infinite" : "too large for float32"; }

// "x", or "x, input "left"" where there are several.
std::string name_of(const char* what, const char* kind, const std::vector<std::string>& names, std::size_t i) {
  return names.size() == 1 ? std::string(what) : fmt::format("{}, {} \"{}\"", what, kind, names[i]);
}

std::string bad_text(const std::string& name, const BadValue& bad, std::int64_t count, const char* of) {
  return fmt::format("{}: sample {} holds a value that is {}; {} of {} samples{} hold values that are NaN or infinite", name, bad.row, word_of(bad.value), bad.rows,
                     count, of);
}

// Whether any value of samples is not finite: the same fault for all, whatever comes of it.
std::optional<std::string> bad_samples(const Samples& samples, const graph::Graph& graph, const std::int64_t* index, std::int64_t first, std::int64_t count,
                                       const char* of) {
  const auto look = [&](const std::vector<Tensor>& tensors, const char* what, const char* kind, const std::vector<std::string>& names) -> std::optional<std::string> {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (!tensors[i].defined()) continue;
      const BadValue bad = bad_value(tensors[i], index, first, count);
      if (bad.row >= 0) return bad_text(name_of(what, kind, names, i), bad, count, of);
    }
    return std::nullopt;
  };
  if (auto text = look(samples.x, "x", "input", graph.input_names())) return text;
  return look(samples.y, "y", "output", graph.output_names());
}

// ---- the step, looked at layer by layer ----

// The step run again without its updates, on the graph with the layers of inner models in their places.
class Trace {
 public:
  explicit Trace(const StoppedStep& stopped) : stopped_(stopped), flat_(flat(stopped.graph)) {
    NetworkKey key = stopped.network.key();
    key.use = NetworkKey::Use::trace;
    key.guarded = false;
    key.batch = stopped.images;
    network_ = std::make_unique<Network>(graph(), &stopped.compile, flat_ ? frozen_ : stopped.frozen, key);
    network_->bind(graph(), nullptr);
    network_->run(stopped.images, stopped.step, stopped.sources, &sums_);
  }

  // The first layer whose output is not finite; none where all are.
  std::optional<std::string> layer() {
    for (std::size_t c = 0; c < graph().calls().size(); ++c) {
      if (graph().calls()[c].inputs.empty()) continue;  // an Input: the samples
      const BadValue bad = bad_value(network_->call_output(c, stopped_.images), nullptr, 0, stopped_.images);
      if (bad.row < 0) continue;
      const graph::Member& member = graph().all_members()[static_cast<std::size_t>(graph().calls()[c].layer)];
      return fmt::format("the first layer whose output is not finite is {} \"{}\": {} in {} of {} images", member.class_name(), member.name, word_of(bad.value),
                         bad.rows, stopped_.images);
    }
    return std::nullopt;
  }

  bool has_finite_loss() const {
    return std::isfinite(sums_.penalties) && std::ranges::all_of(sums_.outputs, [](const OutputSums& output) { return std::isfinite(output.loss); });
  }

 private:
  std::optional<graph::Graph> flat(const graph::Graph& graph) {
    const std::optional<graph::FlatValues> values = graph::flattened(graph);
    if (!values) return std::nullopt;
    graph::Graph whole = graph::Graph::functional(graph.name(), values->inputs, values->outputs, std::nullopt);
    frozen_ = whole.frozen_layers();
    return whole;
  }
  graph::Graph& graph() { return flat_ ? *flat_ : stopped_.graph; }

  const StoppedStep& stopped_;
  FrozenLayers frozen_;
  std::optional<graph::Graph> flat_;
  std::unique_ptr<Network> network_;
  BatchSums sums_;
};

std::optional<std::string> bad_weights(const graph::Graph& graph) {
  for (const graph::GraphVariable& variable : graph.variables()) {
    const std::span<const float> values = std::as_const(variable.value()).values<float>();
    const auto count = std::ranges::count_if(values, [](float value) { return !std::isfinite(value); });
    if (count > 0) return fmt::format("the weight \"{}\" holds {} values that are NaN or infinite", variable.name, count);
  }
  return std::nullopt;
}

// What layers and loss say of it.
std::string origin_of(const StoppedStep& stopped) {
  try {
    Trace trace(stopped);
    if (const auto text = trace.layer()) return *text;
    if (!trace.has_finite_loss()) return "the outputs of all layers are finite, but the loss is not";
  } catch (const std::bad_alloc&) {
    return "there was not enough memory to look at the outputs of the layers";
  } catch (const MemoryError&) {
    return "there was not enough memory to look at the outputs of the layers";
  }
  const Network::Fault fault = stopped.network.fault();
  switch (fault.part) {
    case Network::Fault::Part::gradient: return fmt::format("all outputs and the loss are finite, but the gradient of \"{}\" is not", fault.name);
    case Network::Fault::Part::statistics: return fmt::format("all outputs and the loss are finite, but the batch's mean or variance in \"{}\" is not", fault.name);
    default: return "the loss is not finite";
  }
}

std::string advice(const StoppedStep& stopped) {
  std::string text = "try a learning rate ten times smaller, clipnorm=1.0 in the optimizer, ";
  if (stopped.network.key().dtype_policy.kind() == DTypePolicy::mixed_bfloat16) text += "float32 in place of mixed_bfloat16, ";
  text += "images scaled to 0..1, and the loss with from_logits in place of a last activation";
  return text;
}

constexpr const char* lost =
    ", which were there before this step: a model that was so, or an update that made them of finite gradients; load a saved model, and try a smaller learning "
    "rate or a larger epsilon in the optimizer";
constexpr const char* nothing_written = "weights and optimizer are as they were before this step";

}  // namespace

void check_finite(const Samples& samples, const graph::Graph& graph) {
  if (const auto text = bad_samples(samples, graph, nullptr, 0, samples.count(), ""))
    throw DataError(*text + "; leave them out or repair them");
}

void check_weights(const graph::Graph& graph) {
  if (const auto text = bad_weights(graph))
    throw NonFiniteError(*text + " after this step, though the gradients were finite; load a saved model, and try a smaller learning rate or a larger epsilon in the optimizer");
}

std::string nonfinite_text(const StoppedStep& stopped) {
  const plan::Rows& rows = stopped.sources.front();
  if (const auto text = bad_samples(stopped.samples, stopped.graph, rows.index, rows.first, stopped.images, " of the batch"))
    return fmt::format("{}; {}; leave these samples out or repair them", *text, nothing_written);
  if (const auto text = bad_weights(stopped.graph)) return *text + lost;
  return fmt::format("{}; {}; {}", origin_of(stopped), nothing_written, advice(stopped));
}

}  // namespace linn::detail::train
