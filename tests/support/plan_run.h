// Small plans for tests: values with numbers bound to them, a layer with an upstream gradient, in both precisions.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "layers/description.h"
#include "plan/compile.h"
#include "plan/lowering.h"
#include "plan/ops/append.h"
#include "plan/workspace.h"
#include "support/golden.h"

namespace linn::tests {

using detail::plan::Precision;

/// Both precisions, with what rounding may do in each: goldens are float32, computed in float64.
struct Level {
  Precision precision;
  Tolerance tolerance;
  const char* name;
};
inline constexpr Level levels[] = {{Precision::float64, {1e-6, 1e-9}, "float64"}, {Precision::float32, {0, 1e-5}, "float32"}};

/// Per image, the sum of a * b. The gradient that flows into `a` is b: how a test gives a layer its upstream gradient.
class DotOp final : public detail::plan::RealOp<DotOp> {
 public:
  std::string_view name() const override { return "dot"; }
  std::string implementation() const override { return "test"; }
  void prepare(const detail::kernels::Policy&) override {}
  void differentiate(detail::plan::Gradients& gradients) override { gradients.give(inputs[0], inputs[1]); }

  template <class T>
  void compute(const detail::plan::Call& call) const {
    const std::int64_t row = inputs[0].shape.elements();
    for (std::int64_t i = 0; i < call.images; ++i) {
      double sum = 0;
      for (std::int64_t k = 0; k < row; ++k) sum += static_cast<double>(call.in<T>(0)[i * row + k]) * static_cast<double>(call.in<T>(1)[i * row + k]);
      call.out<T>(0)[i] = static_cast<T>(sum);
    }
  }
};

class PlanRun {
 public:
  explicit PlanRun(detail::plan::Purpose purpose) : lowering_(std::make_unique<detail::plan::Lowering>(purpose)) {}

  detail::plan::Lowering& lowering() { return *lowering_; }

  detail::plan::Value bind(const std::string& name, const Shape& shape, detail::plan::Extent extent, Values numbers,
                           detail::plan::Element element = detail::plan::Element::real) {
    const detail::plan::Value value = lowering_->value(name, shape, extent, element, detail::plan::Home::bound);
    bound_.push_back({value, std::move(numbers), element, {}});
    return value;
  }
  /// Binds numbers to a value that is there already.
  void adopt(detail::plan::Value value, Values numbers) {
    bound_.push_back({value, std::move(numbers), lowering_->info(value).element, {}});
  }
  detail::plan::Value dot(detail::plan::Value a, detail::plan::Value b) {
    const detail::plan::Value result = lowering_->value("dot", {}, detail::plan::Extent::batch);
    keep(result);
    return detail::plan::append(*lowering_, std::make_unique<DotOp>(), {a, b}, {result});
  }
  void keep(detail::plan::Value value) {
    if (value.defined() && lowering_->info(value).home != detail::plan::Home::bound) lowering_->info(value).kept = true;
  }

  /// Compiles with all passes; returns the gradients of the training's variables.
  std::vector<detail::plan::Value> compile(std::int64_t batch, Precision precision, const detail::plan::Training& training = {},
                                           const detail::plan::Passes& passes = {}, const detail::kernels::Policy& policy = {}) {
    detail::plan::Compiled compiled =
        detail::plan::compile(std::move(*lowering_), training, {.batch = batch, .precision = precision, .policy = policy}, passes);
    plan_ = std::make_unique<detail::plan::Plan>(std::move(compiled.plan));
    make_workspace();
    return std::move(compiled.gradients);
  }
  /// Compiles the ops as they are, but for those that nobody reads.
  void build(std::int64_t batch, Precision precision) { compile(batch, precision, {}, {.fold = false, .fuse = false, .trim = false, .views = false}); }
  /// Anew, for the workers that there are now.
  void make_workspace(const detail::plan::Device& device = detail::plan::cpu()) {
    workspace_ = std::make_unique<detail::plan::Workspace>(*plan_, device);
    for (Bound& bound : bound_) {
      fill(bound);
      workspace_->bind(bound.value, bound.memory.raw());
    }
  }
  void set(detail::plan::Value value, Values numbers) {
    for (Bound& bound : bound_)
      if (bound.value.id == value.id) {
        bound.numbers = std::move(numbers);
        fill(bound);
        workspace_->bind(value, bound.memory.raw());
      }
  }
  void run(std::int64_t images, const detail::plan::StepInfo& step = {}) {
    images_ = images;
    workspace_->run(images, step, {});
  }
  Values get(detail::plan::Value value) {
    const detail::plan::ValueInfo& info = plan_->values()[static_cast<std::size_t>(value.id)];
    const std::int64_t count = value.shape.elements() * (info.extent == detail::plan::Extent::batch ? images_ : 1);
    const void* memory = workspace_->at(value);
    EXPECT_NE(memory, nullptr) << info.name << " was not kept";
    Values result;
    const bool wide = info.element == detail::plan::Element::f64 || plan_->options().precision == Precision::float64;
    for (std::int64_t i = 0; memory != nullptr && i < count; ++i)
      result.push_back(wide ? static_cast<const double*>(memory)[i] : static_cast<double>(static_cast<const float*>(memory)[i]));
    return result;
  }
  const detail::plan::Plan& plan() const { return *plan_; }
  detail::plan::Workspace& workspace() { return *workspace_; }

 private:
  struct Bound {
    detail::plan::Value value;
    Values numbers;
    detail::plan::Element element;
    Tensor memory;
  };

  void fill(Bound& bound) const {
    const Tensor wide = Tensor::from(bound.numbers, {static_cast<std::int64_t>(bound.numbers.size())});
    const bool labels = bound.element == detail::plan::Element::i64;
    const bool is_wide = bound.element == detail::plan::Element::f64 || plan_->options().precision == Precision::float64;
    bound.memory = wide.astype(labels ? DType::i64 : is_wide ? DType::f64 : DType::f32);
  }

  std::unique_ptr<detail::plan::Lowering> lowering_;
  std::vector<Bound> bound_;
  std::unique_ptr<detail::plan::Plan> plan_;
  std::unique_ptr<detail::plan::Workspace> workspace_;
  std::int64_t images_ = 0;
};

/// A layer alone: its output and, for an upstream gradient, all gradients.
class LayerRun {
 public:
  /// `image` is the shape of one. Without upstream an inference plan.
  LayerRun(const detail::layers::DescriptionPtr& layer, const Shape& image, std::int64_t images, Values input,
           const std::vector<Values>& weights, Values upstream, Precision precision)
      : run_(upstream.empty() ? detail::plan::Purpose::inference : detail::plan::Purpose::training), images_(images) {
    detail::plan::Lowering& to = run_.lowering();
    input_ = run_.bind("input", image, detail::plan::Extent::batch, std::move(input));
    const std::vector<VariableSpec> specs = layer->declare_variables({&image, 1});
    for (std::size_t i = 0; i < specs.size(); ++i)
      weights_.push_back(run_.bind(specs[i].name, specs[i].shape, detail::plan::Extent::fixed, weights.at(i)));
    to.set_layer("layer", layer->trainable());
    output_ = layer->lower_call(to, {&input_, 1}, weights_).front();
    run_.keep(output_);
    detail::plan::Training training;
    if (!upstream.empty()) {
      const detail::plan::Value flow = run_.bind("upstream", output_.shape, detail::plan::Extent::batch, std::move(upstream));
      dot_ = run_.dot(output_, flow);
      training.variables = weights_;
      training.variables.push_back(input_);
    }
    gradients_ = run_.compile(images, precision, training);
  }

  void run(const detail::plan::StepInfo& step = {}) {
    step_ = step;
    run_.run(images_, step);
  }
  Values output() { return run_.get(output_); }
  Shape output_shape() const { return output_.shape; }
  Values input_gradient() { return run_.get(gradients_.back()); }
  Values weight_gradient(std::size_t i) { return run_.get(gradients_[i]); }
  bool has_gradient(std::size_t i) const { return gradients_[i].defined(); }
  /// The sum of output * upstream, for new numbers.
  double objective_with_input(const Values& input) {
    run_.set(input_, input);
    return objective();
  }
  double objective_with_weight(std::size_t i, const Values& weight) {
    run_.set(weights_[i], weight);
    return objective();
  }

 private:
  double objective() {
    run(step_);
    double sum = 0;
    for (const double part : run_.get(dot_)) sum += part;
    return sum;
  }

  PlanRun run_;
  std::int64_t images_;
  detail::plan::StepInfo step_;
  detail::plan::Value input_, output_, dot_;
  std::vector<detail::plan::Value> weights_, gradients_;
};

}  // namespace linn::tests
