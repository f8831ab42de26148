#include "optim/metrics.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>
#include <type_traits>

#include "io/text.h"
#include "optim/counters.h"
#include "optim/described.h"
#include "optim/losses.h"

namespace linn {
namespace detail::schema {

// ---- types of fields that only metrics have ----

template <>
struct Type<metrics::Thresholds> {
  static metrics::Thresholds read(const io::Json& json, const Place& place) {
    return json.is_array() ? metrics::Thresholds(Type<std::vector<double>>::read(json, place)) : metrics::Thresholds(Type<double>::read(json, place));
  }
  static io::Json write(const metrics::Thresholds& value) {
    return value.empty() ? io::Json(nullptr) : value.single() ? io::Json(value.list().front()) : io::Json(value.list());
  }
  static std::string fault(const metrics::Thresholds& value, const Range& range) {
    const std::string wrong = Type<std::vector<double>>::fault(value.list(), range);
    if (!wrong.empty() || std::is_sorted(value.list().begin(), value.list().end())) return wrong;
    return "they must ascend";
  }
  static std::string text(const metrics::Thresholds& value) { return Type<std::vector<double>>::text(value.list()); }
  static std::string python(const metrics::Thresholds& /*value*/) { return "None"; }
};

// A choice that Keras's None stands for one of.
template <class T>
struct NullableChoice {
  static T read(const io::Json& json, const Place& place) {
    return read_name(place, [&] { return T(read_text(json, place)); });
  }
  static io::Json write(const T& value) { return value == T("none") ? io::Json(nullptr) : io::Json(std::string(value.name())); }
  static std::string fault(const T& /*value*/, const Range& /*range*/) { return {}; }
  static std::string text(const T& value) { return '"' + std::string(value.name()) + '"'; }
  static std::string python(const T& value) { return value == T("none") ? "None" : "'" + std::string(value.name()) + "'"; }
};
template <>
struct Type<metrics::ScoreAverage> : NullableChoice<metrics::ScoreAverage> {};
template <>
struct Type<metrics::R2Aggregation> : NullableChoice<metrics::R2Aggregation> {};

template <class M>
constexpr Field<M, std::string> name() {
  return field("name", &M::name, "What it is called in logs.");
}

// ---- the options of each metric; Keras's names are in metrics.inc ----

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

template <>
struct MetricOptions<metrics::TopKCategoricalAccuracy> {
  using M = metrics::TopKCategoricalAccuracy;
  static constexpr auto fields = all(field("k", &M::k, at_least(1), "How many predictions may be the right class."), name<M>());
  static constexpr Example examples[] = {{R"({"k": 2})"}};
};

template <>
struct MetricOptions<metrics::SparseTopKCategoricalAccuracy> {
  using M = metrics::SparseTopKCategoricalAccuracy;
  static constexpr auto fields = all(field("k", &M::k, at_least(1), "How many predictions may be the right class."), name<M>(),
                                     field("from_sorted_ids", &M::from_sorted_ids, "Whether predictions are numbers of classes, the best first."));
  static constexpr Example examples[] = {{R"({"k": 2})"}, {R"({"k": 2, "from_sorted_ids": true})"}};
};

template <class M>
constexpr Field<M, metrics::Thresholds> thresholds() {
  return field("thresholds", &M::thresholds, between(0, 1), "Above it a prediction means yes; one number or several.");
}
template <class M>
constexpr Field<M, std::optional<std::int64_t>> class_id() {
  return field("class_id", &M::class_id, at_least(0), "The one class that is looked at.");
}

template <class M>
  requires(requires(const M& metric) { metric.thresholds.single(); } && !requires(const M& metric) { metric.top_k; })
struct MetricOptions<M> {
  static constexpr auto fields = all(thresholds<M>(), name<M>());
  static constexpr Example examples[] = {{"{}"}, {R"({"thresholds": 0.3})"}, {R"({"thresholds": [0.2, 0.6]})"}};
};

template <class M>
  requires requires(const M& metric) { metric.top_k; }
struct MetricOptions<M> {
  static constexpr auto fields =
      all(thresholds<M>(), field("top_k", &M::top_k, at_least(1), "Only so many predictions of a row can mean yes."), class_id<M>(), name<M>());
  static constexpr Example examples[] = {
      {"{}"}, {R"({"thresholds": 0.3})"}, {R"({"top_k": 2})"}, {R"({"class_id": 1, "top_k": 3})"}, {R"({"thresholds": [0.2, 0.6]})"}};
};

// The best of one rate at another one, which is the first field.
template <class M, double M::* bound>
struct RateOptions {
  static constexpr auto fields_after(const char* key) {
    return all(required(key, bound, between(0, 1), "What the other rate must reach."),
               field("num_thresholds", &M::num_thresholds, at_least(1), "Thresholds that are tried, evenly from 0 to 1."), class_id<M>(), name<M>());
  }
};
template <>
struct MetricOptions<metrics::SensitivityAtSpecificity> {
  using M = metrics::SensitivityAtSpecificity;
  static constexpr auto fields = RateOptions<M, &M::specificity>::fields_after("specificity");
  static constexpr Example examples[] = {{R"({"specificity": 0.5})"}, {R"({"specificity": 0.2, "num_thresholds": 5, "class_id": 1})"}};
};
template <>
struct MetricOptions<metrics::SpecificityAtSensitivity> {
  using M = metrics::SpecificityAtSensitivity;
  static constexpr auto fields = RateOptions<M, &M::sensitivity>::fields_after("sensitivity");
  static constexpr Example examples[] = {{R"({"sensitivity": 0.5})"}};
};
template <>
struct MetricOptions<metrics::PrecisionAtRecall> {
  using M = metrics::PrecisionAtRecall;
  static constexpr auto fields = RateOptions<M, &M::recall>::fields_after("recall");
  static constexpr Example examples[] = {{R"({"recall": 0.5})"}};
};
template <>
struct MetricOptions<metrics::RecallAtPrecision> {
  using M = metrics::RecallAtPrecision;
  static constexpr auto fields = RateOptions<M, &M::precision>::fields_after("precision");
  static constexpr Example examples[] = {{R"({"precision": 0.5})"}};
};

template <>
struct MetricOptions<metrics::AUC> {
  using M = metrics::AUC;
  static constexpr auto fields = all(
      field("num_thresholds", &M::num_thresholds, at_least(2), "Thresholds, evenly from 0 to 1."),
      field("curve", &M::curve, "\"ROC\", \"PR\" or \"PRGAIN\"."),
      field("summation_method", &M::summation_method, "\"interpolation\", \"minoring\" or \"majoring\"."), name<M>(),
      field("thresholds", &M::thresholds, between(0, 1), "In place of num_thresholds."),
      field("multi_label", &M::multi_label, "Whether each element of a row has an area of its own; the result is their mean."),
      field("num_labels", &M::num_labels, at_least(1), "Elements of a row, for multi_label."),
      field("label_weights", &M::label_weights, at_least(0), "Weights of the elements of a row."),
      field("from_logits", &M::from_logits, "Whether predictions are numbers before the sigmoid."));
  static constexpr Example examples[] = {{"{}"},
                                         {R"({"curve": "PR", "num_thresholds": 20})"},
                                         {R"({"curve": "PRGAIN", "summation_method": "minoring"})"},
                                         {R"({"thresholds": [0.2, 0.3, 0.9], "summation_method": "majoring"})"},
                                         {R"({"multi_label": true, "from_logits": true})"}};
  static std::string fault(const M& metric) {
    return metric.num_labels && !metric.multi_label ? "num_labels is for multi_label alone; leave it out, or set multi_label" : "";
  }
  // Keras leaves the thresholds out where they come from num_thresholds, and writes as many as were given, with 0 and 1, as num_thresholds.
  static void complete(M& metric) {
    if (!metric.thresholds.empty()) metric.num_thresholds = static_cast<std::int64_t>(metric.thresholds.size()) + 2;
  }
};

template <class M>
constexpr Field<M, metrics::ScoreAverage> average() {
  return field("average", &M::average, "\"micro\", \"macro\" or \"weighted\"; none: a list with a number for each class.");
}
template <class M>
constexpr Field<M, std::optional<double>> score_threshold() {
  return field("threshold", &M::threshold, Range{.least = 0, .most = 1, .least_open = true}, "Above it a prediction means yes; none: the largest does.");
}
template <>
struct MetricOptions<metrics::FBetaScore> {
  using M = metrics::FBetaScore;
  static constexpr auto fields =
      all(average<M>(), field("beta", &M::beta, above(0), "How much more recall weighs than precision."), score_threshold<M>(), name<M>());
  static constexpr Example examples[] = {{"{}"}, {R"({"average": "micro", "beta": 2.0, "threshold": 0.5})"}};
};
template <>
struct MetricOptions<metrics::F1Score> {
  using M = metrics::F1Score;
  static constexpr auto fields = all(average<M>(), score_threshold<M>(), name<M>());
  static constexpr Example examples[] = {{"{}"}, {R"({"average": "macro"})"}, {R"({"average": "weighted", "threshold": 0.5})"}};
};

template <class M>
constexpr auto num_classes() {
  return required("num_classes", &M::num_classes, between(1, 1 << 15), "Classes.");
}
template <class M>
constexpr auto target_class_ids() {
  return required("target_class_ids", &M::target_class_ids, at_least(0), "Classes whose mean is taken.");
}
template <class M>
constexpr auto ignore_class() {
  return field("ignore_class", &M::ignore_class, "The label of rows to leave out.");
}
template <class M>
constexpr auto sparse_y_true() {
  return field("sparse_y_true", &M::sparse_y_true, "Whether targets are numbers of classes; else the largest of a row counts.");
}
template <class M>
constexpr auto sparse_y_pred() {
  return field("sparse_y_pred", &M::sparse_y_pred, "Whether predictions are numbers of classes; else the largest of a row counts.");
}

template <class M>
std::string class_fault(const M& metric) {
  bool sparse_y_true = false;
  if constexpr (requires { metric.sparse_y_true; }) sparse_y_true = metric.sparse_y_true;
  if (!sparse_y_true && metric.sparse_y_pred)
    return "sparse_y_pred is true where sparse_y_true is false: one-hot targets and numbers of classes differ in shape; set both, or none";
  if constexpr (requires { metric.target_class_ids; }) {
    if (metric.target_class_ids.empty()) return "target_class_ids is empty; it must name a class";
    for (const std::int64_t c : metric.target_class_ids)
      if (c >= metric.num_classes) return fmt::format("target_class_ids has {}; the classes are 0 to {}", c, metric.num_classes - 1);
  }
  return {};
}

constexpr Absent axis_absent[] = {{"axis", "-1"}};
template <>
struct MetricOptions<metrics::IoU> {
  using M = metrics::IoU;
  static constexpr auto fields = all(num_classes<M>(), target_class_ids<M>(), name<M>(), ignore_class<M>(), sparse_y_true<M>(), sparse_y_pred<M>());
  static constexpr Example examples[] = {{R"({"num_classes": 3, "target_class_ids": [0, 2], "sparse_y_true": false, "sparse_y_pred": false})"},
                                         {R"({"num_classes": 3, "target_class_ids": [1], "ignore_class": 0})"}};
  static constexpr std::span<const Absent> absent = axis_absent;
  static std::string fault(const M& metric) { return class_fault(metric); }
};
template <>
struct MetricOptions<metrics::BinaryIoU> {
  using M = metrics::BinaryIoU;
  static constexpr auto fields = all(field("target_class_ids", &M::target_class_ids, between(0, 1), "0, 1 or both, whose mean is taken."),
                                     field("threshold", &M::threshold, "From it on a prediction means 1."), name<M>());
  static constexpr Example examples[] = {{"{}"}, {R"({"target_class_ids": [1], "threshold": 0.3})"}};
};
template <>
struct MetricOptions<metrics::MeanIoU> {
  using M = metrics::MeanIoU;
  static constexpr auto fields = all(num_classes<M>(), name<M>(), ignore_class<M>(), sparse_y_true<M>(), sparse_y_pred<M>());
  static constexpr Example examples[] = {{R"({"num_classes": 4, "sparse_y_pred": false})"}};
  static constexpr std::span<const Absent> absent = axis_absent;
  static std::string fault(const M& metric) { return class_fault(metric); }
};
template <>
struct MetricOptions<metrics::OneHotIoU> {
  using M = metrics::OneHotIoU;
  static constexpr auto fields = all(num_classes<M>(), target_class_ids<M>(), name<M>(), ignore_class<M>(), sparse_y_pred<M>());
  static constexpr Example examples[] = {{R"({"num_classes": 4, "target_class_ids": [1, 2]})"}};
  static constexpr std::span<const Absent> absent = axis_absent;
  static std::string fault(const M& metric) { return class_fault(metric); }
};
template <>
struct MetricOptions<metrics::OneHotMeanIoU> {
  using M = metrics::OneHotMeanIoU;
  static constexpr auto fields = all(num_classes<M>(), name<M>(), ignore_class<M>(), sparse_y_pred<M>());
  static constexpr Example examples[] = {{R"({"num_classes": 4})"}};
  static constexpr std::span<const Absent> absent = axis_absent;
  static std::string fault(const M& metric) { return class_fault(metric); }
};

template <>
struct MetricOptions<metrics::R2Score> {
  using M = metrics::R2Score;
  static constexpr auto fields = all(field("class_aggregation", &M::class_aggregation, "How the scores of the elements of a row become one number; none: a list."),
                                     field("num_regressors", &M::num_regressors, at_least(0), "Above 0 the score is adjusted for so many inputs."), name<M>());
  static constexpr Example examples[] = {{"{}"}, {R"({"class_aggregation": "variance_weighted_average", "num_regressors": 2})"}, {R"({"class_aggregation": null})"}};
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
  static constexpr auto fields = all(name<M>(), field("from_logits", &M::from_logits, "As of the loss."), ignore_class<M>());
  static constexpr Example examples[] = {{"{}"}, {R"({"from_logits": true, "ignore_class": 1})"}};
  static constexpr Absent absent[] = {{"axis", "-1"}};
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

using detail::optim::counter_of;
using detail::optim::metric_rows;
using detail::schema::Kind;

// The metric that says the same of the other kind of targets, such as SparseTopKCategoricalAccuracy beside TopKCategoricalAccuracy; or nothing.
std::string twin_of(std::string_view metric) {
  for (const std::string_view word : {"Sparse", "OneHot"}) {
    const std::string twin = metric.starts_with(word) ? std::string(metric.substr(word.size())) : fmt::format("{}{}", word, metric);
    if (detail::schema::find_row(metric_rows(), twin) != nullptr) return twin;
  }
  return {};
}

void check_targets(std::string_view metric, detail::optim::MetricTargets wanted, bool labels) {
  using detail::optim::MetricTargets;
  if (wanted == MetricTargets::either || (wanted == MetricTargets::labels) == labels) return;
  const std::string twin = twin_of(metric);
  throw ValueError(fmt::format("metric {} compares with {}, but the loss takes {}; give compile {}, or \"accuracy\", which takes either", metric,
                               labels ? "targets of the output's shape" : "integer labels", labels ? "integer labels" : "targets of the output's shape",
                               twin.empty() ? "another metric" : twin + ", which compares with those"));
}

// The mean of numbers of rows, which a function (row_metric) or a loss gives.
class MeanCounter final : public detail::optim::MetricCounter {
 public:
  using Rows = std::function<detail::plan::Value(detail::plan::Lowering&, const detail::plan::LossInputs&)>;
  MeanCounter(Rows rows, std::function<double(double)> of_mean) : rows_(std::move(rows)), of_mean_(std::move(of_mean)) {}

  std::int64_t totals() const override { return 2; }
  double result(std::span<const double> totals) const override { return of_mean_(totals[1] == 0 ? 0 : totals[0] / totals[1]); }
  void lower(detail::plan::Lowering& to, const detail::plan::LossInputs& inputs, detail::plan::Value weight, detail::plan::Value totals) const override {
    detail::plan::mean_totals(to, rows_(to, inputs), weight, totals);
  }

 private:
  Rows rows_;
  std::function<double(double)> of_mean_;
};

// A struct of counters.h.
template <class C>
class SumsCounter final : public detail::optim::MetricCounter {
 public:
  explicit SumsCounter(C counter) : counter_(std::move(counter)) {}

  std::int64_t totals() const override { return counter_.totals(); }
  std::int64_t parts() const override {
    if constexpr (requires { counter_.parts(); }) return counter_.parts();
    return 0;
  }
  double result(std::span<const double> totals) const override {
    if (parts() == 0) return counter_.result(totals);
    const std::vector<double> list = results(totals);
    return std::accumulate(list.begin(), list.end(), 0.0) / static_cast<double>(list.size());
  }
  std::vector<double> results(std::span<const double> totals) const override {
    if constexpr (requires { counter_.results(totals); }) return counter_.results(totals);
    return {counter_.result(totals)};
  }
  void lower(detail::plan::Lowering& to, const detail::plan::LossInputs& inputs, detail::plan::Value weight, detail::plan::Value totals) const override {
    detail::plan::row_totals(to, inputs, detail::kernels::TotalsFunction::of(counter_), weight, totals);
  }

 private:
  C counter_;
};

MeanCounter::Rows rows_of(const Loss& loss) {
  return [loss](detail::plan::Lowering& to, const detail::plan::LossInputs& inputs) { return loss.description().lower(to, inputs); };
}

double itself(double mean) { return mean; }

template <class M>
concept Counts = requires(const M& metric) { counter_of(metric, 1); };

// Errors and losses fall as a model gets better; what counts right answers rises.
template <class M>
constexpr bool falls() {
  if constexpr (std::is_same_v<M, metrics::CosineSimilarity>) return false;
  if constexpr (std::is_same_v<M, metrics::FalsePositives> || std::is_same_v<M, metrics::FalseNegatives>) return true;
  return requires(const M& metric) { metric.loss(); };
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
    if constexpr (std::is_same_v<M, metrics::AUC>)
      if (metric_.thresholds.empty()) config.erase("thresholds");
    if constexpr (std::is_same_v<M, metrics::SparseTopKCategoricalAccuracy>)
      if (!metric_.from_sorted_ids) config.erase("from_sorted_ids");
    return config;
  }
  bool larger_is_better() const override { return !falls<M>(); }
  detail::optim::MetricTargets targets() const override {
    using detail::optim::MetricTargets;
    if constexpr (requires { metric_.sparse_y_true; })
      return metric_.sparse_y_true && !metric_.sparse_y_pred ? MetricTargets::labels : MetricTargets::values;
    else if constexpr (requires { metric_.loss(); })
      return Loss(metric_.loss()).description().takes_labels() ? MetricTargets::labels : MetricTargets::values;
    else if constexpr (Counts<M>)
      return MetricTargets::values;
    else
      return detail::kernels::OfLabels<M> ? MetricTargets::labels : MetricTargets::values;
  }
  bool checks_labels() const override { return requires(const M& metric) { metric.loss(); }; }
  std::optional<std::int64_t> ignored_label() const override {
    if constexpr (requires { metric_.loss(); }) return Loss(metric_.loss()).description().ignored_label();
    return std::nullopt;
  }
  std::unique_ptr<const detail::optim::MetricCounter> counter(std::int64_t width, bool labels) const override {
    check_targets(class_name(), targets(), labels);
    if constexpr (Counts<M>) {
      auto counter = counter_of(metric_, width);
      return std::make_unique<SumsCounter<decltype(counter)>>(std::move(counter));
    } else {
      return std::make_unique<MeanCounter>(rows(), [metric = metric_](double mean) {
        if constexpr (requires { metric.result(mean); }) return metric.result(mean);
        return mean;
      });
    }
  }

 private:
  MeanCounter::Rows rows() const {
    if constexpr (requires { metric_.loss(); })
      return rows_of(metric_.loss());
    else
      return [metric = metric_](detail::plan::Lowering& to, const detail::plan::LossInputs& inputs) {
        return detail::plan::row_metric(to, inputs, detail::kernels::MetricFunction::of(metric));
      };
  }

  M metric_;
};

// A loss as a metric: the mean of its rows.
class LossMetric final : public MetricDescription {
 public:
  explicit LossMetric(Loss loss) : loss_(std::move(loss)) {
    if (!loss_.defined()) throw ValueError("metric: the loss is none; give one of linn::losses");
  }

  std::string_view class_name() const override { return loss_.class_name(); }
  std::string default_name() const override { return loss_.name(); }
  detail::io::Json config() const override { return loss_.description().config(); }
  bool larger_is_better() const override { return false; }
  detail::optim::MetricTargets targets() const override {
    return loss_.description().takes_labels() ? detail::optim::MetricTargets::labels : detail::optim::MetricTargets::values;
  }
  bool checks_labels() const override { return loss_.description().labels_are_classes(); }
  std::optional<std::int64_t> ignored_label() const override { return loss_.description().ignored_label(); }
  Loss loss() const override { return loss_; }
  std::unique_ptr<const detail::optim::MetricCounter> counter(std::int64_t /*width*/, bool labels) const override {
    check_targets(class_name(), targets(), labels);
    return std::make_unique<MeanCounter>(rows_of(loss_), &itself);
  }

 private:
  Loss loss_;
};

// "accuracy": which one depends on the output and on the targets that the loss takes.
class AnyAccuracy final : public MetricDescription {
 public:
  std::string_view class_name() const override { return "accuracy"; }
  std::string default_name() const override { return "accuracy"; }
  detail::io::Json config() const override { return detail::io::Json::object(); }
  bool larger_is_better() const override { return true; }
  detail::optim::MetricTargets targets() const override { return detail::optim::MetricTargets::either; }
  bool checks_labels() const override { return false; }
  std::unique_ptr<const detail::optim::MetricCounter> counter(std::int64_t width, bool labels) const override {
    if (labels) return describe(metrics::SparseCategoricalAccuracy{})->counter(width, labels);
    if (width == 1) return describe(metrics::BinaryAccuracy{})->counter(width, labels);
    return describe(metrics::CategoricalAccuracy{})->counter(width, labels);
  }
};

bool is_any_accuracy(std::string_view name) {
  const std::string lower = detail::io::lower_case(name);
  return lower == "accuracy" || lower == "acc";
}

Metric named_metric(const std::string& name) {
  if (is_any_accuracy(name)) return {name, std::make_shared<AnyAccuracy>()};
  if (detail::schema::find_row(metric_rows(), name) == nullptr && detail::schema::find_row(detail::optim::loss_rows(), name) != nullptr)
    return {name, std::make_shared<LossMetric>(Loss(name))};
  const auto& row = detail::optim::row_named(Kind::metric, metric_rows(), name);
  for (const detail::schema::FieldInfo& field : row.fields())
    if (field.otherwise.empty())
      throw ValueError(fmt::format("metric \"{}\" has no default for {}; give the metric with its options, metrics::{}{{...}}", name, field.key, row.info.name));
  Metric metric = row.read(detail::io::Json::object(), name);
  metric.name = name;
  return metric;
}

// Keras also takes losses as metrics, and writes how they make one number of a batch; a metric's mean is the same. Counts of confusion
// matrices are whole numbers in Keras.
bool says_nothing(std::string_view key, const detail::io::Json& value) {
  using detail::io::is_text;
  return detail::optim::is_ignored(key, value) || (key == "reduction" && is_text(value, "sum_over_batch_size")) ||
         (key == "dtype" && (is_text(value, "int") || is_text(value, "int32") || is_text(value, "int64")));
}

template <class M>
Metric read(const detail::io::Json& config, const std::string& where) {
  if constexpr (std::is_same_v<M, metrics::R2Score>)
    if (const auto found = config.find("class_aggregation"); found != config.end() && found->is_null()) {  // a choice, not the default
      detail::io::Json named = config;
      named["class_aggregation"] = "none";
      return Metric(detail::schema::read<M>(named, where, &says_nothing));
    }
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
Metric::Metric(const Loss& loss) : Metric(std::string(), std::make_shared<LossMetric>(loss)) {}
Metric::Metric(std::string given, std::shared_ptr<const MetricDescription> description)
    : name(given.empty() ? description->default_name() : std::move(given)), description_(std::move(description)) {}
std::string_view Metric::class_name() const { return description_->class_name(); }

namespace detail::optim {
namespace {

// Whether these are the options of a metric that was named alone. One with a required option is never named alone.
bool has_defaults(const schema::RowOf<Metric>& row, const io::Json& config) {
  for (const schema::FieldInfo& field : row.fields())
    if (field.otherwise.empty()) return false;
  return config == row.read(io::Json::object(), std::string(row.info.name)).description().config();
}

}  // namespace

std::span<const schema::RowOf<Metric>> metric_rows() {
  static const schema::RowOf<Metric> rows[] = {
#define LINN_METRIC(name, ...) schema::make_row<metrics::name>(Kind::metric, &read<metrics::name>),
#include "optim/metrics.inc"
#undef LINN_METRIC
  };
  return rows;
}

std::vector<Metric> with_unique_names(std::vector<Metric> metrics) {
  std::set<std::string> taken{"loss"};
  for (Metric& metric : metrics) {
    if (taken.insert(metric.name).second) continue;
    if (is_any_accuracy(metric.name)) throw ValueError(fmt::format("compile: metric \"{}\" came twice", metric.name));
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
  if (const Loss loss = metric.description().loss(); loss.defined()) {
    const io::Json json = to_json(loss);
    if (json.is_string() && metric.name == loss.name()) return json;
    io::Json config = loss.description().config();
    config["name"] = metric.name;
    return node("keras.losses", loss.class_name(), config);
  }
  const schema::RowOf<Metric>& row = row_named(Kind::metric, metric_rows(), metric.class_name());
  io::Json config = metric.description().config();
  if (row.is_called(metric.name) && has_defaults(row, config)) return metric.name;
  config["name"] = metric.name;
  return node("keras.metrics", metric.class_name(), config);
}

Metric metric_from_json(const io::Json& json, std::string_view where) {
  const Named metric = named(json, where);
  if (metric.config == nullptr && is_any_accuracy(metric.name)) return Metric(metric.name);
  if (schema::find_row(metric_rows(), metric.name) == nullptr && schema::find_row(loss_rows(), metric.name) != nullptr) {
    Metric result(loss_from_json(json, where));
    if (metric.config == nullptr) result.name = metric.name;
    if (metric.config != nullptr) result.name = io::string_field_or(*metric.config, "name", where, result.name);
    return result;
  }
  const schema::RowOf<Metric>& row = row_in_file(Kind::metric, metric_rows(), metric.name, where);
  return metric.config == nullptr ? named_metric(metric.name) : row.read(*metric.config, std::string(where));
}

}  // namespace detail::optim
}  // namespace linn
