#include "optim/metrics.h"

#include <set>

#include "optim/described.h"
#include "optim/losses.h"

namespace linn {
namespace schema {

// ---- the table of each metric: Keras's names, the options ----

template <class M>
constexpr Field<M, std::string> name() {
  return field("name", &M::name, "What it is called in logs.");
}

template <class M>
struct NameOnly {
  static constexpr auto fields = all(schema::name<M>());
  static constexpr Example examples[] = {{"{}"}, {R"({"name": "own"})"}};
  static constexpr Absent absent[] = {{"axis", "-1"}};
};

template <>
struct Schema<metrics::BinaryAccuracy> : NameOnly<metrics::BinaryAccuracy> {
  using M = metrics::BinaryAccuracy;
  static constexpr Info info{"keras.metrics", "BinaryAccuracy", {"binary_accuracy"}, "How many elements are on the side of the threshold where the target is."};
  static constexpr auto fields = all(name<M>(),
                                     field("threshold", &M::threshold, "Above it a prediction means 1."));
  static constexpr Example examples[] = {{R"({})"}, {R"({"threshold": 0.3})"}};
};
template <>
struct Schema<metrics::CategoricalAccuracy> : NameOnly<metrics::CategoricalAccuracy> {
  static constexpr Info info{"keras.metrics", "CategoricalAccuracy", {"categorical_accuracy"}, "How often the largest prediction is the right class, for one-hot targets."};
};
template <>
struct Schema<metrics::SparseCategoricalAccuracy> : NameOnly<metrics::SparseCategoricalAccuracy> {
  static constexpr Info info{"keras.metrics", "SparseCategoricalAccuracy", {"sparse_categorical_accuracy"}, "How often the largest prediction is the right class, for labels."};
};
template <>
struct Schema<metrics::TopKCategoricalAccuracy> : NameOnly<metrics::TopKCategoricalAccuracy> {
  using M = metrics::TopKCategoricalAccuracy;
  static constexpr Info info{"keras.metrics", "TopKCategoricalAccuracy", {"top_k_categorical_accuracy"}, "How often the right class is among the k largest predictions, for one-hot targets."};
  static constexpr auto fields = all(field("k", &M::k, at_least(1), "How many predictions may be the right class."),
                                     name<M>());
  static constexpr Example examples[] = {{R"({"k": 2})"}};
};
template <>
struct Schema<metrics::SparseTopKCategoricalAccuracy> : NameOnly<metrics::SparseTopKCategoricalAccuracy> {
  using M = metrics::SparseTopKCategoricalAccuracy;
  static constexpr Info info{"keras.metrics", "SparseTopKCategoricalAccuracy", {"sparse_top_k_categorical_accuracy"}, "How often the right class is among the k largest predictions, for labels."};
  static constexpr auto fields = all(field("k", &M::k, at_least(1), "How many predictions may be the right class."),
                                     name<M>());
  static constexpr Example examples[] = {{R"({"k": 2})"}};
  static constexpr Absent absent[] = {{"from_sorted_ids", "false"}};
};
template <>
struct Schema<metrics::Precision> : NameOnly<metrics::Precision> {
  using M = metrics::Precision;
  static constexpr Info info{"keras.metrics", "Precision", {"precision"}, "How many of those said to be positive are positive."};
  static constexpr auto fields = all(field("thresholds", &M::thresholds, "Above it a prediction means yes; one number."),
                                     field("top_k", &M::top_k, at_least(1), "Only so many predictions of a row can mean yes."),
                                     field("class_id", &M::class_id, at_least(0), "The one class that is looked at."),
                                     name<M>());
  static constexpr Example examples[] = {{R"({})"}, {R"({"thresholds": 0.3})"}, {R"({"top_k": 2})"}, {R"({"class_id": 1, "top_k": 3})"}};
};
template <>
struct Schema<metrics::Recall> : NameOnly<metrics::Recall> {
  using M = metrics::Recall;
  static constexpr Info info{"keras.metrics", "Recall", {"recall"}, "How many of those that are positive are said to be positive."};
  static constexpr auto fields = all(field("thresholds", &M::thresholds, "Above it a prediction means yes; one number."),
                                     field("top_k", &M::top_k, at_least(1), "Only so many predictions of a row can mean yes."),
                                     field("class_id", &M::class_id, at_least(0), "The one class that is looked at."),
                                     name<M>());
  static constexpr Example examples[] = {{R"({})"}, {R"({"thresholds": 0.3})"}, {R"({"top_k": 2})"}, {R"({"class_id": 1, "top_k": 3})"}};
};
template <>
struct Schema<metrics::MeanSquaredError> : NameOnly<metrics::MeanSquaredError> {
  static constexpr Info info{"keras.metrics", "MeanSquaredError", {"mean_squared_error", "mse", "MSE"}, "The loss of this name."};
};
template <>
struct Schema<metrics::RootMeanSquaredError> : NameOnly<metrics::RootMeanSquaredError> {
  static constexpr Info info{"keras.metrics", "RootMeanSquaredError", {"root_mean_squared_error"}, "The root of the mean squared error."};
};
template <>
struct Schema<metrics::MeanAbsoluteError> : NameOnly<metrics::MeanAbsoluteError> {
  static constexpr Info info{"keras.metrics", "MeanAbsoluteError", {"mean_absolute_error", "mae", "MAE"}, "The loss of this name."};
};
template <>
struct Schema<metrics::MeanAbsolutePercentageError> : NameOnly<metrics::MeanAbsolutePercentageError> {
  static constexpr Info info{"keras.metrics", "MeanAbsolutePercentageError", {"mean_absolute_percentage_error", "mape", "MAPE"}, "The loss of this name."};
};
template <>
struct Schema<metrics::MeanSquaredLogarithmicError> : NameOnly<metrics::MeanSquaredLogarithmicError> {
  static constexpr Info info{"keras.metrics", "MeanSquaredLogarithmicError", {"mean_squared_logarithmic_error", "msle", "MSLE"}, "The loss of this name."};
};
template <>
struct Schema<metrics::LogCoshError> : NameOnly<metrics::LogCoshError> {
  static constexpr Info info{"keras.metrics", "LogCoshError", {"log_cosh_error"}, "The loss LogCosh."};
};
template <>
struct Schema<metrics::CosineSimilarity> : NameOnly<metrics::CosineSimilarity> {
  static constexpr Info info{"keras.metrics", "CosineSimilarity", {"cosine_similarity"}, "The cosine between target and prediction."};
};
template <>
struct Schema<metrics::Hinge> : NameOnly<metrics::Hinge> {
  static constexpr Info info{"keras.metrics", "Hinge", {"hinge"}, "The loss of this name."};
};
template <>
struct Schema<metrics::SquaredHinge> : NameOnly<metrics::SquaredHinge> {
  static constexpr Info info{"keras.metrics", "SquaredHinge", {"squared_hinge"}, "The loss of this name."};
};
template <>
struct Schema<metrics::CategoricalHinge> : NameOnly<metrics::CategoricalHinge> {
  static constexpr Info info{"keras.metrics", "CategoricalHinge", {"categorical_hinge"}, "The loss of this name."};
};
template <>
struct Schema<metrics::KLDivergence> : NameOnly<metrics::KLDivergence> {
  static constexpr Info info{"keras.metrics", "KLDivergence", {"kl_divergence"}, "The loss of this name."};
};
template <>
struct Schema<metrics::Poisson> : NameOnly<metrics::Poisson> {
  static constexpr Info info{"keras.metrics", "Poisson", {"poisson"}, "The loss of this name."};
};
template <>
struct Schema<metrics::BinaryCrossentropy> : NameOnly<metrics::BinaryCrossentropy> {
  using M = metrics::BinaryCrossentropy;
  static constexpr Info info{"keras.metrics", "BinaryCrossentropy", {"binary_crossentropy", "bce", "BCE"}, "The loss of this name."};
  static constexpr auto fields = all(name<M>(),
                                     field("from_logits", &M::from_logits, "As of the loss."),
                                     field("label_smoothing", &M::label_smoothing, between(0, 1), "As of the loss."));
  static constexpr Example examples[] = {{R"({})"}, {R"({"from_logits": true, "label_smoothing": 0.2})"}};
};
template <>
struct Schema<metrics::CategoricalCrossentropy> : NameOnly<metrics::CategoricalCrossentropy> {
  using M = metrics::CategoricalCrossentropy;
  static constexpr Info info{"keras.metrics", "CategoricalCrossentropy", {"categorical_crossentropy"}, "The loss of this name."};
  static constexpr auto fields = all(name<M>(),
                                     field("from_logits", &M::from_logits, "As of the loss."),
                                     field("label_smoothing", &M::label_smoothing, between(0, 1), "As of the loss."));
  static constexpr Example examples[] = {{R"({})"}, {R"({"from_logits": true, "label_smoothing": 0.2})"}};
};
template <>
struct Schema<metrics::SparseCategoricalCrossentropy> : NameOnly<metrics::SparseCategoricalCrossentropy> {
  using M = metrics::SparseCategoricalCrossentropy;
  static constexpr Info info{"keras.metrics", "SparseCategoricalCrossentropy", {"sparse_categorical_crossentropy"}, "The loss of this name."};
  static constexpr auto fields = all(name<M>(),
                                     field("from_logits", &M::from_logits, "As of the loss."));
  static constexpr Example examples[] = {{R"({})"}, {R"({"from_logits": true})"}};
  static constexpr Absent absent[] = {{"axis", "-1"}, {"ignore_class", "null"}};
};

}  // namespace schema

namespace {

using optim::metric_rows;
using schema::Kind;

[[noreturn]] void refuse_targets(std::string_view metric, bool wants_labels) {
  throw ValueError(fmt::format(
      "metric {} compares with {}, but the loss takes {}; give compile another metric, or \"accuracy\", which takes either", metric,
      wants_labels ? "integer labels" : "targets of the output's shape", wants_labels ? "targets of the output's shape" : "integer labels"));
}

void check_targets(const plan::Lowering& to, const plan::LossInputs& inputs, std::string_view metric, bool wants_labels) {
  if (plan::is_labels(to, inputs.target) != wants_labels) refuse_targets(metric, wants_labels);
}

template <class M>
class Described final : public MetricDescription {
 public:
  explicit Described(const M& metric) : metric_(schema::checked(metric, fmt::format("{}:", schema::Schema<M>::info.name))) {}

  std::string_view class_name() const override { return schema::Schema<M>::info.name; }
  std::string default_name() const override {
    const std::string own = M{}.name;
    return own.empty() ? std::string(schema::Schema<M>::info.aliases[0]) : own;
  }
  io::Json config() const override {
    io::Json config = schema::write(metric_);
    config.erase("name");
    return config;
  }
  std::int64_t counts() const override { return kernels::counts_of<M>(); }
  double result(std::span<const double> sums, double rows) const override {
    if constexpr (requires { metric_.result(sums, rows); })
      return metric_.result(sums, rows);
    else if constexpr (requires { metric_.result(sums); })
      return metric_.result(sums);
    else
      return sums[0] / rows;
  }
  plan::Value lower(plan::Lowering& to, const plan::LossInputs& inputs) const override {
    if constexpr (requires { metric_.loss(); }) {
      const Loss loss = metric_.loss();
      check_targets(to, inputs, class_name(), loss.description().takes_labels());
      return loss.description().lower(to, inputs);
    } else {
      check_targets(to, inputs, class_name(), kernels::CountsLabels<M>);
      check_class(inputs.prediction.shape[-1]);
      return plan::row_counts(to, inputs, counts(), kernels::CountFunction::of(metric_));
    }
  }

 private:
  void check_class([[maybe_unused]] std::int64_t width) const {
    if constexpr (requires { metric_.class_id; })
      if (metric_.class_id.value_or(0) >= width)
        throw ValueError(fmt::format("metric {}: class_id is {}; the output has {} classes, 0 to {}", class_name(), *metric_.class_id, width, width - 1));
  }

  M metric_;
};

// "accuracy": which one depends on the output and on the targets that the loss takes.
class AnyAccuracy final : public MetricDescription {
 public:
  std::string_view class_name() const override { return "accuracy"; }
  std::string default_name() const override { return "accuracy"; }
  io::Json config() const override { return io::Json::object(); }
  plan::Value lower(plan::Lowering& to, const plan::LossInputs& inputs) const override {
    if (plan::is_labels(to, inputs.target)) return describe(metrics::SparseCategoricalAccuracy{})->lower(to, inputs);
    if (inputs.prediction.shape[-1] == 1) return describe(metrics::BinaryAccuracy{})->lower(to, inputs);
    return describe(metrics::CategoricalAccuracy{})->lower(to, inputs);
  }
};

bool is_any_accuracy(std::string_view name) {
  const std::string lower = optim::lower_case(name);
  return lower == "accuracy" || lower == "acc";
}

Metric named_metric(const std::string& name) {
  if (is_any_accuracy(name)) return {name, std::make_shared<AnyAccuracy>()};
  Metric metric = optim::row_named(Kind::metric, metric_rows(), name).read(io::Json::object(), name);
  metric.name = name;
  return metric;
}

template <class M>
Metric read(const io::Json& config, const std::string& where) {
  return Metric(schema::read<M>(config, where, &optim::is_ignored));
}

}  // namespace

namespace metrics {
#define LINN_METRIC(name) \
  std::shared_ptr<const MetricDescription> describe(const name& metric) { return std::make_shared<Described<name>>(metric); }
#include "optim/metrics.inc"
#undef LINN_METRIC
}  // namespace metrics

Metric::Metric(const std::string& name) : Metric(named_metric(name)) {}
Metric::Metric(std::string given, std::shared_ptr<const MetricDescription> description)
    : name(given.empty() ? description->default_name() : std::move(given)), description_(std::move(description)) {}
std::string_view Metric::class_name() const { return description_->class_name(); }

namespace optim {

std::span<const schema::RowOf<Metric>> metric_rows() {
  static const schema::RowOf<Metric> rows[] = {
#define LINN_METRIC(name) schema::make_row<metrics::name>(Kind::metric, &read<metrics::name>),
#include "optim/metrics.inc"
#undef LINN_METRIC
  };
  return rows;
}

plan::Value lower(plan::Lowering& to, const Metric& metric, const plan::LossInputs& inputs) {
  to.set_layer(metric.name);
  return metric.description().lower(to, inputs);
}

std::vector<Metric> with_unique_names(std::vector<Metric> metrics) {
  std::set<std::string> taken{"loss"};
  for (Metric& metric : metrics) {
    if (taken.insert(metric.name).second) continue;
    if (metric.name != metric.description().default_name())
      throw ValueError(fmt::format("compile: \"{}\" is the name of two numbers in the logs; give one of them another .name", metric.name));
    int number = 1;
    while (!taken.insert(fmt::format("{}_{}", metric.name, number)).second) ++number;
    metric.name = fmt::format("{}_{}", metric.name, number);
  }
  return metrics;
}

io::Json to_json(const Metric& metric) {
  if (is_any_accuracy(metric.name) && metric.class_name() == "accuracy") return metric.name;
  const schema::RowOf<Metric>& row = row_named(Kind::metric, metric_rows(), metric.class_name());
  io::Json config = metric.description().config();
  if (row.is_called(metric.name) && config == named_metric(metric.name).description().config()) return metric.name;
  config["name"] = metric.name;
  return node("keras.metrics", metric.class_name(), config);
}

Metric metric_from_json(const io::Json& json, std::string_view where) {
  const Named metric = named(json, where);
  if (metric.config == nullptr && is_any_accuracy(metric.name)) return Metric(metric.name);
  const schema::RowOf<Metric>& row = row_in_file(Kind::metric, metric_rows(), metric.name, where);
  return metric.config == nullptr ? Metric(metric.name) : row.read(*metric.config, std::string(where));
}

}  // namespace optim
}  // namespace linn
