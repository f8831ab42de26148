// Metrics: lowered to ops, computed from totals over all rows, written to JSON.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "linn/metrics.h"
#include "plan/ops/loss.h"
#include "schema/row.h"

namespace linn {

namespace detail::optim {

/// A metric of an output of known width: what it keeps of the rows that it has seen, a few sums in double.
class MetricCounter {
 public:
  virtual ~MetricCounter() = default;
  /// How many numbers it keeps; all are 0 before the first row.
  virtual std::int64_t totals() const = 0;
  /// How many numbers the result has if it is a list; 0: it is one number.
  virtual std::int64_t parts() const { return 0; }
  /// The metric; of a list its mean.
  virtual double result(std::span<const double> totals) const = 0;
  virtual std::vector<double> results(std::span<const double> totals) const { return {result(totals)}; }
  /// Adds the ops that add the rows of a batch to `totals` (plan::totals_value). `weight`: one number an image, or undefined.
  virtual void lower(plan::Lowering& to, const plan::LossInputs& inputs, plan::Value weight, plan::Value totals) const = 0;
};

/// What a metric compares predictions with.
enum class MetricTargets : std::uint8_t { labels, values, either };

}  // namespace detail::optim

class MetricDescription {
 public:
  virtual ~MetricDescription() = default;
  virtual std::string_view class_name() const = 0;
  /// What it is called in logs unless the user says otherwise.
  virtual std::string default_name() const = 0;
  /// Keras's config, apart from the name.
  virtual detail::io::Json config() const = 0;
  /// Whether a larger value is the better one.
  virtual bool larger_is_better() const = 0;
  virtual detail::optim::MetricTargets targets() const = 0;
  /// Whether targets that are labels are numbers of classes, below the width of the output.
  virtual bool checks_labels() const { return true; }
  /// The loss whose mean it is; undefined for all others.
  virtual Loss loss() const { return {}; }
  /// For an output of this width, compared with labels or with targets of its shape. ValueError when these are not the metric's, or when an
  /// option does not fit the width.
  virtual std::unique_ptr<const detail::optim::MetricCounter> counter(std::int64_t width, bool labels) const = 0;
  /// A label that is allowed though it is no number of a class.
  virtual std::optional<std::int64_t> ignored_label() const { return std::nullopt; }
};

namespace detail::optim {

/// All metrics, in the order of metrics.inc.
std::span<const schema::RowOf<Metric>> metric_rows();

/// Makes the names in logs differ: a second metric that was given no name becomes "precision_1", as in Keras. ValueError when a name is given
/// twice, or is "loss".
std::vector<Metric> with_unique_names(std::vector<Metric> metrics);

io::Json to_json(const Metric& metric);
/// From a name or Keras's node. FormatError for what linn does not have.
Metric metric_from_json(const io::Json& json, std::string_view where);

}  // namespace detail::optim
}  // namespace linn
