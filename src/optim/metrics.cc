#include "optim/metrics.h"

#include <set>

#include "io/text.h"
#include "optim/described.h"
#include "optim/losses.h"

namespace linn {
namespace detail::schema {

// ---- the options of each metric; Keras's names are in metrics.inc ----

template <class M>
constexpr Field<M, std::string> name() {
  return field("name", &M::name, "What it is called in logs.");
}

// Fields and examples; by default the name alone.
template <class M>
struct MetricOptions {
  static constexpr auto fields = all(schema::name<M>());
  static constexpr Example examples[] = {{"{}"}, {R"({"name": "own"})"}};
  static constexpr Absent absent[] = {{"axis", "-1"}};
};

template <>
struct MetricOptions<metrics::BinaryAccuracy> {
  using M = metrics::BinaryAccuracy;
  static constexpr auto fields = all(name<M>(), field("threshold", &M::threshold, "Above it a prediction means 1."));
  static constexpr Example examples[] = {{"{}"}, {R"({"threshold": 0.3})"}};
};

template <class M>
  requires requires(const M& metric) { metric.k; }
struct MetricOptions<M> {
  static constexpr auto fields = all(field("k", &M::k, at_least(1), "How many predictions may be the right class."), name<M>());
  static constexpr Example examples[] = {{R"({"k": 2})"}};
  static constexpr Absent absent[] = {{"from_sorted_ids", "false"}};
};

template <class M>
  requires requires(const M& metric) { metric.thresholds; }
struct MetricOptions<M> {
  static constexpr auto fields = all(field("thresholds", &M::thresholds, "Above it a prediction means yes; one number."),
                                     field("top_k", &M::top_k, at_least(1), "Only so many predictions of a row can mean yes."),
                                     field("class_id", &M::class_id, at_least(0), "The one class that is looked at."), name<M>());
  static constexpr Example examples[] = {{"{}"}, {R"({"thresholds": 0.3})"}, {R"({"top_k": 2})"}, {R"({"class_id": 1, "top_k": 3})"}};
};

template <class M>
  requires requires(const M& metric) { metric.label_smoothing; }
struct MetricOptions<M> {
  static constexpr auto fields = all(name<M>(), field("from_logits", &M::from_logits, "As of the loss."),
                                     field("label_smoothing", &M::label_smoothing, between(0, 1), "As of the loss."));
  static constexpr Example examples[] = {{"{}"}, {R"({"from_logits": true, "label_smoothing": 0.2})"}};
  static constexpr Absent absent[] = {{"axis", "-1"}};
};

template <>
struct MetricOptions<metrics::SparseCategoricalCrossentropy> {
  using M = metrics::SparseCategoricalCrossentropy;
  static constexpr auto fields = all(name<M>(), field("from_logits", &M::from_logits, "As of the loss."));
  static constexpr Example examples[] = {{"{}"}, {R"({"from_logits": true})"}};
  static constexpr Absent absent[] = {{"axis", "-1"}, {"ignore_class", "null"}};
};

#define LINN_METRIC(metric, help_text, ...)                                         \
  template <>                                                                       \
  struct Schema<metrics::metric> : MetricOptions<metrics::metric> {                 \
    static constexpr Info info{"keras.metrics", #metric, {__VA_ARGS__}, help_text}; \
  };
#include "optim/metrics.inc"
#undef LINN_METRIC

}  // namespace detail::schema

namespace {

using detail::optim::metric_rows;
using detail::schema::Kind;

[[noreturn]] void refuse_targets(std::string_view metric, bool wants_labels) {
  throw ValueError(fmt::format(
      "metric {} compares with {}, but the loss takes {}; give compile another metric, or \"accuracy\", which takes either", metric,
      wants_labels ? "integer labels" : "targets of the output's shape", wants_labels ? "targets of the output's shape" : "integer labels"));
}

void check_targets(const detail::plan::Lowering& to, const detail::plan::LossInputs& inputs, std::string_view metric, bool wants_labels) {
  if (detail::plan::is_labels(to, inputs.target) != wants_labels) refuse_targets(metric, wants_labels);
}

template <class M>
class Described final : public MetricDescription {
 public:
  explicit Described(const M& metric)
      : metric_(detail::schema::checked(metric, fmt::format("{}:", detail::schema::Schema<M>::info.name))) {}

  std::string_view class_name() const override { return detail::schema::Schema<M>::info.name; }
  std::string default_name() const override {
    const std::string own = M{}.name;
    return own.empty() ? std::string(detail::schema::Schema<M>::info.aliases[0]) : own;
  }
  detail::io::Json config() const override {
    detail::io::Json config = detail::schema::write(metric_);
    config.erase("name");
    return config;
  }
  std::int64_t counts() const override { return detail::kernels::counts_of<M>(); }
  double result(std::span<const double> sums, double rows) const override {
    if constexpr (requires { metric_.result(sums, rows); })
      return metric_.result(sums, rows);
    else if constexpr (requires { metric_.result(sums); })
      return metric_.result(sums);
    else
      return sums[0] / rows;
  }
  detail::plan::Value lower(detail::plan::Lowering& to, const detail::plan::LossInputs& inputs) const override {
    if constexpr (requires { metric_.loss(); }) {
      const Loss loss = metric_.loss();
      check_targets(to, inputs, class_name(), loss.description().takes_labels());
      return loss.description().lower(to, inputs);
    } else {
      check_targets(to, inputs, class_name(), detail::kernels::CountsLabels<M>);
      check_class(inputs.prediction.shape[-1]);
      return detail::plan::row_counts(to, inputs, counts(), detail::kernels::CountFunction::of(metric_));
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
  detail::io::Json config() const override { return detail::io::Json::object(); }
  detail::plan::Value lower(detail::plan::Lowering& to, const detail::plan::LossInputs& inputs) const override {
    if (detail::plan::is_labels(to, inputs.target)) return describe(metrics::SparseCategoricalAccuracy{})->lower(to, inputs);
    if (inputs.prediction.shape[-1] == 1) return describe(metrics::BinaryAccuracy{})->lower(to, inputs);
    return describe(metrics::CategoricalAccuracy{})->lower(to, inputs);
  }
};

bool is_any_accuracy(std::string_view name) {
  const std::string lower = detail::io::lower_case(name);
  return lower == "accuracy" || lower == "acc";
}

Metric named_metric(const std::string& name) {
  if (is_any_accuracy(name)) return {name, std::make_shared<AnyAccuracy>()};
  Metric metric = detail::optim::row_named(Kind::metric, metric_rows(), name).read(detail::io::Json::object(), name);
  metric.name = name;
  return metric;
}

// Keras also takes losses as metrics, and writes how they make one number of a batch; a metric's mean is the same.
bool says_nothing(std::string_view key, const detail::io::Json& value) {
  return detail::optim::is_ignored(key, value) || (key == "reduction" && value == "sum_over_batch_size");
}

template <class M>
Metric read(const detail::io::Json& config, const std::string& where) {
  return Metric(detail::schema::read<M>(config, where, &says_nothing));
}

}  // namespace

namespace metrics {
template <class M>
std::shared_ptr<const MetricDescription> describe(const M& metric) {
  return std::make_shared<Described<M>>(metric);
}
#define LINN_METRIC(name, ...) template std::shared_ptr<const MetricDescription> describe(const name&);
#include "optim/metrics.inc"
#undef LINN_METRIC
}  // namespace metrics

Metric::Metric(const std::string& name) : Metric(named_metric(name)) {}
Metric::Metric(std::string given, std::shared_ptr<const MetricDescription> description)
    : name(given.empty() ? description->default_name() : std::move(given)), description_(std::move(description)) {}
std::string_view Metric::class_name() const { return description_->class_name(); }

namespace detail::optim {

std::span<const schema::RowOf<Metric>> metric_rows() {
  static const schema::RowOf<Metric> rows[] = {
#define LINN_METRIC(name, ...) schema::make_row<metrics::name>(Kind::metric, &read<metrics::name>),
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

}  // namespace detail::optim
}  // namespace linn
