#include "plan/ops/loss.h"

#include <algorithm>
#include <memory>

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
  RowLossOp(const kernels::RowLoss::Problem& problem, std::optional<kernels::LossFunction> behind_sigmoid)
      : LossOp(problem), behind_sigmoid_(std::move(behind_sigmoid)) {}

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
    kernel_.run<T>({.rows = rows(call), .prediction = call.in<T>(0), .targets = call.in<T>(1), .upstream = upstream<T>(call),
                    .loss = loss<T>(call), .dprediction = dprediction<T>(call), .scratch = nullptr});
  }

 private:
  std::optional<kernels::LossFunction> behind_sigmoid_;
};

class RowCountsOp final : public GradientOp<RowCountsOp, kernels::RowCounts> {
 public:
  RowCountsOp(const kernels::RowCounts::Problem& problem, bool labels) : GradientOp(problem), labels_(labels) {}

  std::string_view name() const override { return "row_counts"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = call.images * rows_an_image(inputs[0]), .prediction = call.in<T>(0),
                    .labels = labels_ ? call.in<std::int64_t>(1) : nullptr, .targets = labels_ ? nullptr : call.in<T>(1),
                    .counts = call.out<T>(0), .scratch = nullptr});
  }

 private:
  bool labels_;
};

// inputs {labels of the whole batch}
class ShareOfOthersOp final : public RealOp<ShareOfOthersOp> {
 public:
  explicit ShareOfOthersOp(std::int64_t ignored) : ignored_(ignored) {}

  std::string_view name() const override { return "share_of_others"; }
  std::string implementation() const override { return "scalar"; }
  Cut cut() const override { return Cut::outputs; }
  void prepare(const kernels::Policy&) override {}
  void differentiate(Gradients&) override {}

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t rows = call.batch * inputs[0].shape.elements();
    const auto* labels = call.in<std::int64_t>(0);
    const auto ignored = std::count(labels, labels + rows, ignored_);
    // Keras's epsilon: a batch in which all rows are ignored has loss 0.
    *call.out<double>(0) = static_cast<double>(rows) / (static_cast<double>(rows - ignored) + 1e-7);
  }

 private:
  std::int64_t ignored_;
};

double share_in(const Call& call, std::size_t input) { return call.inputs[input] == nullptr ? 1.0 : *call.in<double>(input); }

// The gradient of factor * share * sum / rows by each row: factor * share * weight / rows. inputs {weight, share}.
class LossSeedOp final : public RealOp<LossSeedOp> {
 public:
  explicit LossSeedOp(double factor) : factor_(factor) {}

  std::string_view name() const override { return "loss_seed"; }
  std::string implementation() const override { return "scalar"; }
  void prepare(const kernels::Policy&) override {}
  void differentiate(Gradients&) override {}

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t rows = outputs[0].shape.elements();
    const T share = static_cast<T>(factor_ * share_in(call, 1) / static_cast<double>(call.batch * rows));
    for (std::int64_t i = 0; i < call.images; ++i)
      std::fill_n(call.out<T>(0) + i * rows, rows, call.inputs[0] == nullptr ? share : share * call.in<T>(0)[i]);
  }

 private:
  double factor_;
};

class SumOp : public RealOp<SumOp> {
 public:
  explicit SumOp(std::int64_t counts) : counts_(counts) {}

  std::string_view name() const override { return "row_sums"; }
  std::string implementation() const override { return "scalar"; }
  Cut cut() const override { return Cut::outputs; }
  void prepare(const kernels::Policy&) override {}
  void differentiate(Gradients&) override {}

  // inputs {rows, weight, share}
  template <class T>
  void compute(const Call& call) const {
    const std::int64_t rows = inputs[0].shape.elements() / counts_;
    const T* weight = call.in<T>(1);
    double* sums = call.out<double>(0);
    std::fill_n(sums, counts_, 0.0);
    for (std::int64_t i = 0; i < call.batch; ++i)
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t k = 0; k < counts_; ++k)
          sums[k] += static_cast<double>(call.in<T>(0)[(i * rows + r) * counts_ + k]) * (weight == nullptr ? 1.0 : static_cast<double>(weight[i]));
    for (std::int64_t k = 0; k < counts_; ++k) sums[k] *= share_in(call, 2);
  }

 private:
  std::int64_t counts_;
};

class LossSumOp final : public SumOp {
 public:
  explicit LossSumOp(double factor) : SumOp(1), factor_(factor) {}

  std::string_view name() const override { return "loss_sum"; }
  void differentiate(Gradients& gradients) override {
    const Value d = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<LossSeedOp>(factor_), {inputs[1], inputs[2]}, {d});
    gradients.give(inputs[0], d);
  }

 private:
  double factor_;
};

Value rows_value(Lowering& to, const char* name, Value prediction) { return to.value(name, {rows_an_image(prediction)}, Extent::batch); }

Value append_sum(Lowering& to, std::unique_ptr<Op> op, Value rows, Value weight, Value share, std::int64_t counts) {
  const Value output = to.value("sum of " + to.info(rows).name, {counts}, Extent::fixed, Element::f64);
  to.info(output).kept = true;
  return append(to, std::move(op), {rows, weight, share}, {output});
}

}  // namespace

bool is_labels(const Lowering& to, Value target) { return to.info(target).element == Element::i64; }

Value crossentropy(Lowering& to, const LossInputs& inputs, const kernels::Crossentropy::Problem& problem) {
  return append(to, std::make_unique<CrossentropyOp>(problem, is_labels(to, inputs.target)), {inputs.prediction, inputs.target},
                {rows_value(to, "loss", inputs.prediction)});
}

Value row_loss(Lowering& to, const LossInputs& inputs, const kernels::LossFunction& function,
               const std::optional<kernels::LossFunction>& behind_sigmoid) {
  const kernels::RowLoss::Problem problem{.width = inputs.prediction.shape[-1], .function = function};
  return append(to, std::make_unique<RowLossOp>(problem, behind_sigmoid), {inputs.prediction, inputs.target},
                {rows_value(to, "loss", inputs.prediction)});
}

Value row_counts(Lowering& to, const LossInputs& inputs, std::int64_t counts, const kernels::CountFunction& function) {
  const kernels::RowCounts::Problem problem{.width = inputs.prediction.shape[-1], .function = function};
  const Value output = to.value(to.layer(), {rows_an_image(inputs.prediction), counts}, Extent::batch);
  return append(to, std::make_unique<RowCountsOp>(problem, is_labels(to, inputs.target)), {inputs.prediction, inputs.target}, {output});
}

Value loss_sum(Lowering& to, Value rows, Value weight, double factor, Value share) {
  return append_sum(to, std::make_unique<LossSumOp>(factor), rows, weight, share, 1);
}

Value share_of_others(Lowering& to, Value labels, std::int64_t ignored) {
  return append(to, std::make_unique<ShareOfOthersOp>(ignored), {labels}, {to.value("share of rows", {1}, Extent::fixed, Element::f64)});
}

Value row_sums(Lowering& to, Value rows, std::int64_t counts) { return append_sum(to, std::make_unique<SumOp>(counts), rows, {}, {}, counts); }

}  // namespace linn::detail::plan
