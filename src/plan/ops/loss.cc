#include "plan/ops/loss.h"

#include <memory>

#include "kernels/reduce/row_sums.h"
#include "plan/ops/append.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/softmax.h"

namespace linn::detail::plan {
namespace {

// Loss: inputs {prediction, target}, outputs {loss}. Its gradient: inputs {prediction, target, upstream gradient}, outputs {gradient of the
// prediction}.
template <class Derived, class Kernel>
class LossOp : public KernelOp<Derived, Kernel> {
 public:
  using KernelOp<Derived, Kernel>::KernelOp;

  void differentiate(Gradients& gradients) override {
    const Value upstream = gradients.of(this->outputs[0]);
    if (this->inputs.size() > 2 || !upstream.defined() || !gradients.wants(this->inputs[0])) return;
    const Value d = gradients.make(this->inputs[0]);
    append(gradients.to(), std::make_unique<Derived>(static_cast<const Derived&>(*this)), {this->inputs[0], this->inputs[1], upstream}, {d});
    gradients.give(this->inputs[0], d);
  }

 protected:
  std::int64_t rows(const Call& call) const { return call.images * rows_an_image(this->inputs[0]); }
  bool makes_gradient() const { return this->inputs.size() > 2; }
  template <class T>
  const T* upstream(const Call& call) const {
    return makes_gradient() ? call.in<T>(2) : nullptr;
  }
  template <class T>
  T* loss(const Call& call) const {
    return makes_gradient() ? nullptr : call.out<T>(0);
  }
  template <class T>
  T* dprediction(const Call& call) const {
    return makes_gradient() ? call.out<T>(0) : nullptr;
  }
};

class CrossentropyOp final : public LossOp<CrossentropyOp, kernels::Crossentropy> {
 public:
  CrossentropyOp(const kernels::Crossentropy::Problem& problem, bool labels) : LossOp(problem), labels_(labels) {}

  std::string_view name() const override { return makes_gradient() ? "crossentropy_gradient" : "crossentropy"; }

  bool reach_through(const Op& producer) override {
    if (problem().prediction == kernels::Prediction::logits) return false;
    const Value logits = softmax_source(producer);
    if (!logits.defined()) return false;
    inputs[0] = logits;
    kernel_.problem().prediction = kernels::Prediction::logits;
    return true;
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = rows(call), .prediction = call.in<T>(0), .labels = labels_ ? call.in<std::int64_t>(1) : nullptr,
                    .targets = labels_ ? nullptr : call.in<T>(1), .upstream = upstream<T>(call), .loss = loss<T>(call),
                    .dprediction = dprediction<T>(call), .scratch = nullptr});
  }

 private:
  bool labels_;
};

class RowLossOp final : public LossOp<RowLossOp, kernels::RowLoss> {
 public:
  RowLossOp(const kernels::RowLoss::Problem& problem, std::optional<kernels::LossFunction> behind_sigmoid, bool labels)
      : LossOp(problem), behind_sigmoid_(std::move(behind_sigmoid)), labels_(labels) {}

  std::string_view name() const override { return makes_gradient() ? "row_loss_gradient" : "row_loss"; }

  bool reach_through(const Op& producer) override {
    const Value source = behind_sigmoid_ ? sigmoid_source(producer) : Value{};
    if (!source.defined()) return false;
    inputs[0] = source;
    kernel_.problem().function = *behind_sigmoid_;
    behind_sigmoid_.reset();
    return true;
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = rows(call), .prediction = call.in<T>(0), .labels = labels_ ? call.in<std::int64_t>(1) : nullptr,
                    .targets = labels_ ? nullptr : call.in<T>(1), .upstream = upstream<T>(call), .loss = loss<T>(call),
                    .dprediction = dprediction<T>(call), .scratch = nullptr});
  }

 private:
  std::optional<kernels::LossFunction> behind_sigmoid_;
  bool labels_;
};

// A loss whose rows hang on other rows: it sees the whole batch, and keeps sums for its gradient.
// Loss: inputs {prediction, target}, outputs {loss, sums}. Its gradient: inputs {prediction, target, upstream gradient, sums}.
template <class Derived, class Kernel>
class BatchLossOp : public KernelOp<Derived, Kernel> {
 public:
  using KernelOp<Derived, Kernel>::KernelOp;

  Cut cut() const override { return Cut::outputs; }
  void differentiate(Gradients& gradients) override {
    const Value upstream = gradients.of(this->outputs[0]);
    if (this->inputs.size() > 2 || !upstream.defined() || !gradients.wants(this->inputs[0])) return;
    const Value d = gradients.make(this->inputs[0]);
    append(gradients.to(), std::make_unique<Derived>(static_cast<const Derived&>(*this)),
           {this->inputs[0], this->inputs[1], upstream, this->outputs[1]}, {d});
    gradients.give(this->inputs[0], d);
  }

 protected:
  bool makes_gradient() const { return this->inputs.size() > 2; }
  template <class T>
  const T* upstream(const Call& call) const {
    return makes_gradient() ? call.in<T>(2) : nullptr;
  }
  double* sums(const Call& call) const { return makes_gradient() ? static_cast<double*>(call.inputs[3]) : call.out<double>(1); }
  template <class T>
  T* loss(const Call& call) const {
    return makes_gradient() ? nullptr : call.out<T>(0);
  }
  template <class T>
  T* dprediction(const Call& call) const {
    return makes_gradient() ? call.out<T>(0) : nullptr;
  }
};

class OverlapOp final : public BatchLossOp<OverlapOp, kernels::Overlap> {
 public:
  using BatchLossOp::BatchLossOp;

  std::string_view name() const override { return makes_gradient() ? "overlap_gradient" : "overlap"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.batch, .prediction = call.in<T>(0), .targets = call.in<T>(1), .sums = sums(call), .upstream = upstream<T>(call),
                    .loss = loss<T>(call), .dprediction = dprediction<T>(call), .scratch = nullptr});
  }
};

class CircleOp final : public BatchLossOp<CircleOp, kernels::Circle> {
 public:
  using BatchLossOp::BatchLossOp;

  std::string_view name() const override { return makes_gradient() ? "circle_gradient" : "circle"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.batch, .prediction = call.in<T>(0), .labels = call.in<std::int64_t>(1), .logs = sums(call),
                    .upstream = upstream<T>(call), .loss = loss<T>(call), .dprediction = dprediction<T>(call), .scratch = nullptr});
  }
};

class RowMetricOp final : public GradientOp<RowMetricOp, kernels::RowMetric> {
 public:
  RowMetricOp(const kernels::RowMetric::Problem& problem, bool labels) : GradientOp(problem), labels_(labels) {}

  std::string_view name() const override { return "row_metric"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = call.images * rows_an_image(inputs[0]), .prediction = call.in<T>(0),
                    .labels = labels_ ? call.in<std::int64_t>(1) : nullptr, .targets = labels_ ? nullptr : call.in<T>(1),
                    .values = call.out<T>(0), .scratch = nullptr});
  }

 private:
  bool labels_;
};

// inputs {prediction, target, weight}, outputs {totals}
class RowTotalsOp final : public WholeOp<RowTotalsOp, kernels::RowTotals> {
 public:
  RowTotalsOp(const kernels::RowTotals::Problem& problem, bool labels) : WholeOp(problem), labels_(labels) {}

  std::string_view name() const override { return "row_totals"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.batch, .rows = rows_an_image(inputs[0]), .prediction = call.in<T>(0),
                    .labels = labels_ ? call.in<std::int64_t>(1) : nullptr, .targets = labels_ ? nullptr : call.in<T>(1),
                    .weight = call.in<T>(2), .totals = call.out<double>(0), .scratch = nullptr});
  }

 private:
  bool labels_;
};

// inputs {rows, weight}, outputs {totals}
class MeanTotalsOp final : public WholeOp<MeanTotalsOp, kernels::MeanTotals> {
 public:
  using WholeOp::WholeOp;

  std::string_view name() const override { return "mean_totals"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.batch, .values = call.in<T>(0), .weight = call.in<T>(1), .totals = call.out<double>(0), .scratch = nullptr});
  }
};

// inputs {labels, rows, weight}
class LossShareOp final : public WholeOp<LossShareOp, kernels::LossShare> {
 public:
  using WholeOp::WholeOp;

  std::string_view name() const override { return "loss_share"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.batch, .labels = call.in<std::int64_t>(0), .values = call.in<T>(1), .weight = call.in<T>(2),
                    .share = call.out<double>(0), .scratch = nullptr});
  }
};

// inputs {weight, share}.
class LossSeedOp final : public GradientOp<LossSeedOp, kernels::RowSumGradient> {
 public:
  using GradientOp::GradientOp;

  std::string_view name() const override { return "loss_seed"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.images, .batch = call.batch, .weight = call.in<T>(0), .share = call.in<double>(1), .dvalues = call.out<T>(0),
                    .scratch = nullptr});
  }
};

// inputs {rows, weight, share}
class LossSumOp final : public WholeOp<LossSumOp, kernels::RowSum> {
 public:
  LossSumOp(std::int64_t rows, double factor) : WholeOp({.rows = rows}), factor_(factor) {}

  std::string_view name() const override { return "loss_sum"; }
  void differentiate(Gradients& gradients) override {
    const Value d = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<LossSeedOp>(kernels::RowSumGradient::Problem{.rows = problem().rows, .factor = factor_}),
           {inputs[1], inputs[2]}, {d});
    gradients.give(inputs[0], d);
  }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.batch, .values = call.in<T>(0), .weight = call.in<T>(1), .share = call.in<double>(2), .sum = call.out<double>(0),
                    .scratch = nullptr});
  }

 private:
  double factor_;
};

Value rows_value(Lowering& to, const char* name, Value prediction) { return to.value(name, {rows_an_image(prediction)}, Extent::batch); }

}  // namespace

bool is_labels(const Lowering& to, Value target) { return to.info(target).element == Element::i64; }

Value crossentropy(Lowering& to, const LossInputs& inputs, const kernels::Crossentropy::Problem& problem) {
  return append(to, std::make_unique<CrossentropyOp>(problem, is_labels(to, inputs.target)), {inputs.prediction, inputs.target},
                {rows_value(to, "loss", inputs.prediction)});
}

Value row_loss(Lowering& to, const LossInputs& inputs, const kernels::LossFunction& function,
               const std::optional<kernels::LossFunction>& behind_sigmoid) {
  const kernels::RowLoss::Problem problem{.width = inputs.prediction.shape[-1], .function = function};
  return append(to, std::make_unique<RowLossOp>(problem, behind_sigmoid, is_labels(to, inputs.target)), {inputs.prediction, inputs.target},
                {rows_value(to, "loss", inputs.prediction)});
}

Value overlap(Lowering& to, const LossInputs& inputs, const kernels::Overlap::Problem& problem) {
  const Value rows = to.value("loss", {problem.groups()}, Extent::batch);
  const Value sums = to.value("sums of the overlap", {problem.groups(), 3}, Extent::batch, Element::f64);
  append(to, std::make_unique<OverlapOp>(problem), {inputs.prediction, inputs.target}, {rows, sums});
  return rows;
}

Value circle(Lowering& to, const LossInputs& inputs, const kernels::Circle::Problem& problem) {
  const Value rows = rows_value(to, "loss", inputs.prediction);
  const Value logs = to.value("sums of pairs", {2}, Extent::batch, Element::f64);
  append(to, std::make_unique<CircleOp>(problem), {inputs.prediction, inputs.target}, {rows, logs});
  return rows;
}

Value loss_sum(Lowering& to, Value rows, Value weight, double factor, Value share) {
  const Value output = to.value("sum of " + to.info(rows).name, {1}, Extent::fixed, Element::f64);
  to.info(output).kept = true;
  return append(to, std::make_unique<LossSumOp>(rows.shape.elements(), factor), {rows, weight, share}, {output});
}

Value loss_share(Lowering& to, const kernels::LossShare::Problem& problem, Value labels, Value rows, Value weight) {
  const Value share = to.value("share of rows", {1}, Extent::fixed, Element::f64);
  return append(to, std::make_unique<LossShareOp>(problem), {problem.ignored ? labels : Value{}, problem.leaves_out_zeros ? rows : Value{}, weight}, {share});
}

Value row_metric(Lowering& to, const LossInputs& inputs, const kernels::MetricFunction& function) {
  const kernels::RowMetric::Problem problem{.width = inputs.prediction.shape[-1], .function = function};
  const Value output = rows_value(to, to.layer().c_str(), inputs.prediction);
  return append(to, std::make_unique<RowMetricOp>(problem, is_labels(to, inputs.target)), {inputs.prediction, inputs.target}, {output});
}

void mean_totals(Lowering& to, Value rows, Value weight, Value totals) {
  append(to, std::make_unique<MeanTotalsOp>(kernels::MeanTotals::Problem{.rows = rows.shape.elements()}), {rows, weight}, {totals});
}

void row_totals(Lowering& to, const LossInputs& inputs, const kernels::TotalsFunction& function, Value weight, Value totals) {
  const kernels::RowTotals::Problem problem{.width = inputs.prediction.shape[-1], .function = function};
  append(to, std::make_unique<RowTotalsOp>(problem, is_labels(to, inputs.target)), {inputs.prediction, inputs.target, weight}, {totals});
}

Value totals_value(Lowering& to, const std::string& name, std::int64_t count) {
  const Value totals = to.value("totals of " + name, {count}, Extent::fixed, Element::f64, Home::bound);
  to.info(totals).kept = true;
  return totals;
}

}  // namespace linn::detail::plan
