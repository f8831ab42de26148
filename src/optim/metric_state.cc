// Metrics that are fed by hand: each update is a plan of one metric, so that the numbers are those of evaluate.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <vector>

#include "linn/error.h"
#include "linn/metrics.h"
#include "optim/metrics.h"
#include "plan/compile.h"
#include "plan/workspace.h"

namespace linn {

struct MetricState::State {
  Metric metric;
  std::int64_t width = 0;
  bool labels = false;
  std::unique_ptr<const detail::optim::MetricCounter> counter;  // from the first update on
  std::vector<double> totals = {};
};

namespace {

Shape without_last(const Shape& shape) { return Shape(std::span(shape.begin(), shape.rank() - 1)); }

// Whether targets are labels: of predictions with one more axis, or with an axis of one number in its place. A metric that takes either
// goes by the shapes.
bool are_labels(const Metric& metric, const Tensor& t, const Tensor& p) {
  using detail::optim::MetricTargets;
  if (metric.description().targets() != MetricTargets::either) return metric.description().targets() == MetricTargets::labels;
  return t.elements() * p.shape()[-1] == p.elements() && p.shape()[-1] > 1;
}

void check_shapes(const Metric& metric, const Tensor& t, const Tensor& p, bool labels) {
  const std::int64_t rows = p.elements() / p.shape()[-1];
  if (t.elements() == (labels ? rows : p.elements())) return;
  throw ShapeError(fmt::format("metric {}: y_true has shape {} and y_pred {}; y_true must have the shape {}", metric.class_name(),
                               t.shape().to_string(), p.shape().to_string(), (labels ? without_last(p.shape()) : p.shape()).to_string()));
}

void check_labels(const Metric& metric, const Tensor& labels, std::int64_t width) {
  if (!metric.description().checks_labels()) return;
  const auto values = labels.values<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i)
    if ((values[i] < 0 || values[i] >= width) && values[i] != metric.description().ignored_label())
      throw DataError(fmt::format("metric {}: label {} of row {}; y_pred has {} classes, so labels are 0 to {}", metric.class_name(),
                                  values[i], i, width, width - 1));
}

// One number for each row, from weights of rows or of samples.
Tensor weights_of_rows(const Metric& metric, const Tensor& weight, const Shape& rows) {
  const Tensor given = weight.astype(DType::f32);
  const std::int64_t samples = rows.rank() == 0 ? 1 : rows[0], each = rows.elements() / samples;
  if (given.elements() == rows.elements()) return given.reshape({rows.elements()});
  if (given.elements() != samples)
    throw ShapeError(
        fmt::format("metric {}: sample_weight has shape {}; one number for each row, {}, or for each sample, ({},), is allowed",
                    metric.class_name(), weight.shape().to_string(), rows.to_string(), samples));
  Tensor spread({rows.elements()});
  for (std::int64_t i = 0; i < rows.elements(); ++i)
    spread.values<float>()[static_cast<std::size_t>(i)] = given.values<float>()[static_cast<std::size_t>(i / each)];
  return spread;
}

}  // namespace

MetricState::MetricState(Metric metric) : state_(std::make_unique<State>(State{.metric = std::move(metric), .counter = nullptr})) {}
MetricState::~MetricState() = default;
MetricState::MetricState(MetricState&&) noexcept = default;
MetricState& MetricState::operator=(MetricState&&) noexcept = default;

const Metric& MetricState::metric() const { return state_->metric; }

void MetricState::update_state(const Tensor& y_true, const Tensor& y_pred, const Tensor& sample_weight) {
  namespace plan = detail::plan;
  State& state = *state_;
  if (!y_true.defined() || !y_pred.defined() || y_pred.shape().empty() || y_pred.elements() == 0)
    throw DataError(fmt::format("metric {}: there are no predictions to compare", state.metric.class_name()));
  // (n) is n rows of one number.
  const Shape shape = y_pred.shape().rank() == 1 ? Shape{y_pred.shape()[0], 1} : y_pred.shape();
  const std::int64_t width = shape[-1], rows = shape.elements() / width;
  Tensor p = y_pred.astype(DType::f32).reshape({rows, width});
  const bool labels = are_labels(state.metric, y_true, p);
  check_shapes(state.metric, y_true, p, labels);
  if (state.counter && (width != state.width || labels != state.labels))
    throw ShapeError(fmt::format("metric {}: y_pred has {} numbers in a row, and had {} before; call reset_state between them",
                                 state.metric.class_name(), width, state.width));
  Tensor t = labels ? y_true.astype(DType::i64).reshape({rows}) : y_true.astype(DType::f32).reshape({rows, width});
  // from_sorted_ids and intersections over union take any label.
  if (labels) check_labels(state.metric, t, width);
  Tensor weight = sample_weight.defined() ? weights_of_rows(state.metric, sample_weight, without_last(shape)) : Tensor();
  if (!state.counter) {
    state.counter = state.metric.description().counter(width, labels);
    state.width = width;
    state.labels = labels;
    state.totals.assign(static_cast<std::size_t>(state.counter->totals()), 0.0);
  }

  plan::Lowering to(plan::Purpose::inference);
  to.set_layer(state.metric.name);
  const plan::LossInputs inputs{.prediction = to.value("y_pred", {width}, plan::Extent::batch, plan::Element::real, plan::Home::bound),
                                .target = to.value("y_true", labels ? Shape{} : Shape{width}, plan::Extent::batch,
                                                   labels ? plan::Element::i64 : plan::Element::real, plan::Home::bound)};
  const plan::Value weights =
      weight.defined() ? to.value("weight", {}, plan::Extent::batch, plan::Element::real, plan::Home::bound) : plan::Value{};
  const plan::Value totals = plan::totals_value(to, state.metric.name, state.counter->totals());
  state.counter->lower(to, inputs, weights, totals);
  plan::Compiled compiled = plan::compile(std::move(to), {}, {.batch = rows, .precision = plan::Precision::float32, .policy = {}});
  plan::Workspace workspace(compiled.plan);
  workspace.bind(inputs.prediction, p.raw());
  workspace.bind(inputs.target, t.raw());
  if (weight.defined()) workspace.bind(weights, weight.raw());
  workspace.bind(totals, state.totals.data());
  workspace.run(rows, {}, {});
}

double MetricState::result() const { return state_->counter ? state_->counter->result(state_->totals) : 0; }

std::vector<double> MetricState::results() const {
  return state_->counter ? state_->counter->results(state_->totals) : std::vector<double>{0};
}

void MetricState::reset_state() {
  state_->counter.reset();
  state_->totals.clear();
}

}  // namespace linn
