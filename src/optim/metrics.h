// Metrics: lowered to ops, computed from sums over batches, written to JSON.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "linn/metrics.h"
#include "plan/ops/loss.h"
#include "schema/row.h"

namespace linn {

class MetricDescription {
 public:
  virtual ~MetricDescription() = default;
  virtual std::string_view class_name() const = 0;
  /// What it is called in logs unless the user says otherwise.
  virtual std::string default_name() const = 0;
  /// Keras's config, apart from the name.
  virtual detail::io::Json config() const = 0;
  /// Numbers that it takes from each row of predictions.
  virtual std::int64_t counts() const { return 1; }
  /// The metric, from the sums of these numbers over `rows` rows: their mean, unless it says otherwise.
  virtual double result(std::span<const double> sums, double rows) const { return sums[0] / rows; }
  /// Adds the op that gives the numbers of each row. ValueError when the targets that the loss takes are not the metric's: labels, or
  /// numbers of the output's shape.
  virtual detail::plan::Value lower(detail::plan::Lowering& to, const detail::plan::LossInputs& inputs) const = 0;
};

namespace detail::optim {

/// All metrics, in the order of metrics.inc.
std::span<const schema::RowOf<Metric>> metric_rows();

/// The numbers of each row.
plan::Value lower(plan::Lowering& to, const Metric& metric, const plan::LossInputs& inputs);

/// Makes the names in logs differ: a second metric that was given no name becomes "precision_1", as in Keras. ValueError when a name is given
/// twice, or is "loss".
std::vector<Metric> with_unique_names(std::vector<Metric> metrics);

io::Json to_json(const Metric& metric);
/// From a name or Keras's node. FormatError for what linn does not have.
Metric metric_from_json(const io::Json& json, std::string_view where);

}  // namespace detail::optim
}  // namespace linn
