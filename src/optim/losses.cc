#include "optim/losses.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <span>

#include "core/did_you_mean.h"
#include "linn/error.h"

namespace linn {
namespace {

struct KnownLoss {
  std::string_view name, class_name, alias;
  Loss::Kind kind;
};

constexpr std::array<KnownLoss, 3> known_losses{{
    {"sparse_categorical_crossentropy", "SparseCategoricalCrossentropy", "", Loss::Kind::sparse_categorical_crossentropy},
    {"categorical_crossentropy", "CategoricalCrossentropy", "", Loss::Kind::categorical_crossentropy},
    {"mean_squared_error", "MeanSquaredError", "mse", Loss::Kind::mean_squared_error},
}};

struct KnownMetric {
  std::string_view name, alias;
  Metric::Kind kind;
};

constexpr std::array<KnownMetric, 4> known_metrics{{
    {"accuracy", "acc", Metric::Kind::accuracy},
    {"sparse_categorical_accuracy", "", Metric::Kind::sparse_categorical_accuracy},
    {"categorical_accuracy", "", Metric::Kind::categorical_accuracy},
    {"binary_accuracy", "", Metric::Kind::binary_accuracy},
}};

template <class Table>
[[noreturn]] void unknown(std::string_view what, std::string_view name, const Table& table) {
  std::array<std::string_view, std::tuple_size_v<Table>> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = table[i].name;
  throw ValueError(fmt::format("unknown {} \"{}\"{}; known are {}", what, name, core::did_you_mean(name, names), fmt::join(names, ", ")));
}

Loss crossentropy(const char* name, const CrossentropyOptions& options) {
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1))
    throw ValueError(fmt::format("{}: label_smoothing is {}; it must lie in [0, 1]", name, options.label_smoothing));
  Loss loss(name);
  loss.from_logits = options.from_logits;
  loss.label_smoothing = options.label_smoothing;
  return loss;
}

struct SquaredError {
  template <class T>
  T value(T t, T p) const {
    return (p - t) * (p - t);
  }
  template <class T>
  T slope(T t, T p) const {
    return 2 * (p - t);
  }
};

// The first largest; a NaN counts as larger than all, as numpy and Keras have it.
template <class T>
std::int64_t first_largest(std::span<const T> values) {
  std::size_t best = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) return static_cast<std::int64_t>(i);
    if (values[i] > values[best]) best = i;
  }
  return static_cast<std::int64_t>(best);
}

struct LabelRight {
  template <class T>
  T row(std::int64_t label, std::span<const T> p) const {
    return first_largest(p) == label ? T{1} : T{0};
  }
};

struct TargetRight {
  template <class T>
  T row(std::span<const T> t, std::span<const T> p) const {
    if (p.size() == 1) return (p[0] > T(0.5) ? T{1} : T{0}) == t[0] ? T{1} : T{0};
    return first_largest(p) == first_largest(t) ? T{1} : T{0};
  }
};

}  // namespace

Loss::Loss(const std::string& name) {
  for (const KnownLoss& known : known_losses)
    if (name == known.name || name == known.class_name || (!known.alias.empty() && name == known.alias)) {
      kind = known.kind;
      return;
    }
  unknown("loss", name, known_losses);
}

std::string Loss::name() const {
  for (const KnownLoss& known : known_losses)
    if (known.kind == kind) return std::string(known.name);
  return "none";
}

Loss SparseCategoricalCrossentropy(CrossentropyOptions options) { return crossentropy("sparse_categorical_crossentropy", options); }
Loss CategoricalCrossentropy(CrossentropyOptions options) { return crossentropy("categorical_crossentropy", options); }
Loss MeanSquaredError() { return Loss("mean_squared_error"); }

Metric::Metric(const std::string& metric) : name(metric) {
  for (const KnownMetric& known : known_metrics)
    if (metric == known.name || (!known.alias.empty() && metric == known.alias)) {
      kind = known.kind;
      return;
    }
  unknown("metric", metric, known_metrics);
}

namespace optim {

bool takes_labels(const Loss& loss) { return loss.kind == Loss::Kind::sparse_categorical_crossentropy; }

plan::Value lower(plan::Lowering& to, const Loss& loss, const plan::LossInputs& inputs) {
  to.set_layer(loss.name());
  if (loss.kind == Loss::Kind::mean_squared_error) return plan::row_loss(to, inputs, kernels::LossFunction::of(SquaredError{}));
  return plan::crossentropy(to, inputs, {.classes = inputs.prediction.shape[-1],
                                         .prediction = loss.from_logits ? kernels::Prediction::logits : kernels::Prediction::probabilities,
                                         .smoothing = loss.label_smoothing});
}

plan::Value lower(plan::Lowering& to, const Metric& metric, const plan::LossInputs& inputs) {
  to.set_layer(metric.name);
  return plan::row_counts(to, inputs, 1, plan::is_labels(to, inputs.target) ? kernels::CountFunction::of(LabelRight{}) : kernels::CountFunction::of(TargetRight{}));
}

io::Json to_json(const Loss& loss) {
  if (loss.kind == Loss::Kind::none) return nullptr;
  if (!loss.from_logits && loss.label_smoothing == 0) return loss.name();
  io::Json config = {{"name", loss.name()}, {"reduction", "sum_over_batch_size"}, {"from_logits", loss.from_logits}};
  if (loss.label_smoothing != 0) config["label_smoothing"] = loss.label_smoothing;
  std::string_view class_name;
  for (const KnownLoss& known : known_losses)
    if (known.kind == loss.kind) class_name = known.class_name;
  return {{"module", "keras.losses"}, {"class_name", class_name}, {"config", config}, {"registered_name", nullptr}};
}

Loss loss_from_json(const io::Json& json, std::string_view where) {
  if (json.is_null()) return {};
  if (json.is_string()) return Loss(json.get<std::string>());
  Loss loss(io::string_field(json, "class_name", where));
  const io::Json& config = io::object_field(json, "config", where);
  const std::string reduction = io::string_field_or(config, "reduction", where, "sum_over_batch_size");
  if (reduction != "sum_over_batch_size" && reduction != "mean")
    throw FormatError(fmt::format("{}: loss reduction \"{}\" is not supported; \"sum_over_batch_size\" is", where, reduction));
  if (const io::Json* ignored = io::find_field(config, "ignore_class", where))
    throw FormatError(fmt::format("{}: loss with ignore_class {} is not supported", where, io::describe(*ignored)));
  loss.from_logits = io::bool_field_or(config, "from_logits", where, false);
  loss.label_smoothing = io::number_field_or(config, "label_smoothing", where, 0);
  if (!(loss.label_smoothing >= 0 && loss.label_smoothing <= 1))
    throw FormatError(fmt::format("{}: field \"label_smoothing\": {} came, a number from 0 to 1 is allowed", where, loss.label_smoothing));
  return loss;
}

}  // namespace optim
}  // namespace linn
