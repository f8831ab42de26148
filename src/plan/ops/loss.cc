#include "plan/ops/loss.h"

#include <memory>

#include "plan/ops/append.h"
#include "plan/ops/softmax.h"

namespace linn::plan {
namespace {

std::int64_t rows_an_image(const Value& prediction) { return prediction.shape.elements() / prediction.shape[-1]; }

// The part that all losses share: inputs {prediction, target, weight}, outputs {loss, gradient of the prediction}.
template <class Derived, class Kernel>
class LossOp : public KernelOp<Derived, Kernel> {
 public:
  using KernelOp<Derived, Kernel>::KernelOp;

  void differentiate(Gradients& gradients) override {
    const Value d = gradients.make(this->inputs[0]);
    this->outputs.push_back(d);
    gradients.give(this->inputs[0], d);
  }

 protected:
  template <class T>
  T* gradient(const Call& call) const {
    return this->outputs.size() > 1 ? call.out<T>(1) : nullptr;
  }
  double scale(const Call& call) const { return 1.0 / static_cast<double>(call.batch * rows_an_image(this->inputs[0])); }
  std::int64_t rows(const Call& call) const { return call.images * rows_an_image(this->inputs[0]); }
};

class CrossentropyOp final : public LossOp<CrossentropyOp, kernels::Crossentropy> {
 public:
  CrossentropyOp(const kernels::Crossentropy::Problem& problem, bool labels) : LossOp(problem), labels_(labels) {}

  std::string_view name() const override { return "crossentropy"; }

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
                    .targets = labels_ ? nullptr : call.in<T>(1), .weights = call.in<T>(2), .scale = scale(call), .loss = call.out<T>(0),
                    .dprediction = gradient<T>(call), .scratch = nullptr});
  }

 private:
  bool labels_;
};

class SquaredErrorOp final : public LossOp<SquaredErrorOp, kernels::SquaredError> {
 public:
  using LossOp::LossOp;

  std::string_view name() const override { return "squared_error"; }

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = rows(call), .prediction = call.in<T>(0), .targets = call.in<T>(1), .weights = call.in<T>(2),
                    .scale = scale(call), .loss = call.out<T>(0), .dprediction = gradient<T>(call), .scratch = nullptr});
  }
};

class AccuracyOp final : public KernelOp<AccuracyOp, kernels::Accuracy> {
 public:
  AccuracyOp(std::int64_t classes, bool labels) : KernelOp({.classes = classes}), labels_(labels) {}

  std::string_view name() const override { return "accuracy"; }
  void differentiate(Gradients&) override {}

  template <class T>
  void compute(const Call& call) const {
    kernel_.run<T>({.rows = call.images * rows_an_image(inputs[0]), .prediction = call.in<T>(0),
                    .labels = labels_ ? call.in<std::int64_t>(1) : nullptr, .targets = labels_ ? nullptr : call.in<T>(1),
                    .right = call.out<T>(0), .scratch = nullptr});
  }

 private:
  bool labels_;
};

class WeightedSumOp final : public RealOp<WeightedSumOp> {
 public:
  std::string_view name() const override { return "weighted_sum"; }
  std::string implementation() const override { return "scalar"; }
  Cut cut() const override { return Cut::outputs; }
  void prepare(const kernels::Policy&) override {}
  void differentiate(Gradients&) override {}

  template <class T>
  void compute(const Call& call) const {
    const std::int64_t rows = inputs[0].shape.elements();
    const T* weight = call.in<T>(1);
    double sum = 0;
    for (std::int64_t i = 0; i < call.batch; ++i)
      for (std::int64_t r = 0; r < rows; ++r)
        sum += static_cast<double>(call.in<T>(0)[i * rows + r]) * (weight == nullptr ? 1.0 : static_cast<double>(weight[i]));
    *call.out<double>(0) = sum;
  }
};

bool is_labels(const Lowering& to, Value target) { return to.info(target).element == Element::i64; }

Value rows_value(Lowering& to, const char* name, Value prediction) {
  return to.value(name, {rows_an_image(prediction)}, Extent::batch);
}

}  // namespace

Value crossentropy(Lowering& to, const Judged& judged, bool from_logits, double smoothing) {
  const kernels::Crossentropy::Problem problem{
      .classes = judged.prediction.shape[-1],
      .prediction = from_logits ? kernels::Prediction::logits : kernels::Prediction::probabilities,
      .smoothing = smoothing};
  return append(to, std::make_unique<CrossentropyOp>(problem, is_labels(to, judged.target)), {judged.prediction, judged.target, judged.weight},
                {rows_value(to, "loss", judged.prediction)});
}

Value squared_error(Lowering& to, const Judged& judged) {
  return append(to, std::make_unique<SquaredErrorOp>(kernels::SquaredError::Problem{.width = judged.prediction.shape[-1]}),
                {judged.prediction, judged.target, judged.weight}, {rows_value(to, "loss", judged.prediction)});
}

Value accuracy(Lowering& to, const Judged& judged) {
  return append(to, std::make_unique<AccuracyOp>(judged.prediction.shape[-1], is_labels(to, judged.target)), {judged.prediction, judged.target},
                {rows_value(to, "accuracy", judged.prediction)});
}

Value weighted_sum(Lowering& to, Value rows, Value weight) {
  const Value output = to.value("sum of " + to.info(rows).name, {}, Extent::fixed, Element::f64);
  to.info(output).kept = true;
  return append(to, std::make_unique<WeightedSumOp>(), {rows, weight}, {output});
}

}  // namespace linn::plan
