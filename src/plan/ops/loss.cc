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
class ShareOfOthersOp final : public WholeOp<ShareOfOthersOp, kernels::ShareOfOthers> {
 public:
  using WholeOp::WholeOp;

  std::string_view name() const override { return "share_of_others"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = call.batch * inputs[0].shape.elements(), .labels = call.in<std::int64_t>(0), .share = call.out<double>(0), .scratch = nullptr});
  }
};

// inputs {weight, share}.
class LossSeedOp final : public GradientOp<LossSeedOp, kernels::RowSumsGradient> {
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
class RowSumsOp : public WholeOp<RowSumsOp, kernels::RowSums> {
 public:
  using WholeOp::WholeOp;

  std::string_view name() const override { return "row_sums"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.images = call.batch, .values = call.in<T>(0), .weight = call.in<T>(1), .share = call.in<double>(2), .sums = call.out<double>(0),
                    .scratch = nullptr});
  }
};

class LossSumOp final : public RowSumsOp {
 public:
  LossSumOp(std::int64_t rows, double factor) : RowSumsOp({.rows = rows, .counts = 1}), factor_(factor) {}

  std::string_view name() const override { return "loss_sum"; }
  void differentiate(Gradients& gradients) override {
    const Value d = gradients.make(inputs[0]);
    append(gradients.to(), std::make_unique<LossSeedOp>(kernels::RowSumsGradient::Problem{.rows = problem().rows, .factor = factor_}),
           {inputs[1], inputs[2]}, {d});
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
  return append_sum(to, std::make_unique<LossSumOp>(rows.shape.elements(), factor), rows, weight, share, 1);
}

Value share_of_others(Lowering& to, Value labels, std::int64_t ignored) {
  const Value share = to.value("share of rows", {1}, Extent::fixed, Element::f64);
  return append(to, std::make_unique<ShareOfOthersOp>(kernels::ShareOfOthers::Problem{ignored}), {labels}, {share});
}

Value row_sums(Lowering& to, Value rows, std::int64_t counts) {
  const kernels::RowSums::Problem problem{.rows = rows.shape.elements() / counts, .counts = counts};
  return append_sum(to, std::make_unique<RowSumsOp>(problem), rows, {}, {}, counts);
}

}  // namespace linn::detail::plan
