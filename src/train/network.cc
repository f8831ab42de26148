#include "train/network.h"

#include <cstring>

#include "linn/error.h"
#include "optim/losses.h"
#include "optim/optimizers.h"
#include "plan/compile.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/loss.h"

namespace linn::train {
namespace {

using Use = NetworkKey::Use;

constexpr int source_x = 0;
constexpr int source_y = 1;
constexpr int source_weight = 2;

bool judges(Use use) { return use == Use::evaluate || use == Use::gradients || use == Use::train; }

kernels::Operands operands_of(DTypePolicy policy) {
  return policy.kind() == DTypePolicy::mixed_bfloat16 ? kernels::Operands::bfloat16 : kernels::Operands::float32;
}

// Targets as the loss takes them: labels, one a row, or numbers of the output's shape.
plan::Value lower_targets(plan::Lowering& to, const Loss& loss, const Shape& output, DType type) {
  if (!optim::takes_labels(loss)) return plan::gather(to, source_y, output, type);
  return plan::gather_labels(to, source_y, output.elements() / output[-1], type);
}

}  // namespace

Slots make_slots(const graph::Graph& graph, const OptimizerDescription& optimizer) {
  const std::size_t count = optimizer.slots().size();
  Slots all;
  for (const graph::Variable& variable : graph.variables()) {
    if (!variable.trainable) continue;
    std::vector<Tensor>& slots = all.emplace_back();
    for (std::size_t i = 0; i < count; ++i) slots.emplace_back(variable.value.shape());
  }
  return all;
}

Network::Network(const graph::Graph& graph, const formats::CompileConfig* compile, const NetworkKey& key) : key_(key) {
  lower(graph, compile);
  workspace_ = std::make_unique<plan::Workspace>(*plan_);
}

void Network::lower(const graph::Graph& graph, const formats::CompileConfig* compile) {
  const bool differentiates = key_.use == Use::train || key_.use == Use::gradients;
  plan::Lowering to(differentiates ? plan::Purpose::training : plan::Purpose::inference);
  to.set_layer("input");
  plan::Value input = plan::gather(to, source_x, graph.input_shape(), key_.x);
  if (key_.input_scale != 1) input = plan::rescale(to, input, key_.input_scale, 0);
  const graph::Lowered lowered = graph.lower(to, input);
  variables_ = lowered.variables;
  layers_ = lowered.layers;
  output_ = lowered.output;
  rows_an_image_ = output_.shape.elements() / output_.shape[-1];
  if (key_.use == Use::predict) {
    to.info(output_).home = plan::Home::bound;
    to.info(output_).kept = true;
  }
  if (key_.use == Use::outputs)
    for (const plan::Value& value : layers_) to.info(value).kept = true;

  plan::Training training;
  if (judges(key_.use)) {
    const Shape& shape = output_.shape;
    const plan::LossInputs inputs{.prediction = output_, .target = lower_targets(to, compile->loss, shape, key_.y)};
    const plan::Value weight = key_.weighted ? plan::gather(to, source_weight, {}, DType::f32) : plan::Value{};
    loss_sum_ = plan::loss_sum(to, optim::lower(to, compile->loss, inputs), weight);
    for (const Metric& metric : compile->metrics) metric_sums_.push_back(plan::row_sums(to, optim::lower(to, metric, inputs), 1));
  }
  for (std::size_t i = 0; i < variables_.size(); ++i)
    if (graph.variables()[i].trainable) trainable_.push_back(i);
  if (differentiates)
    for (const std::size_t i : trainable_) training.variables.push_back(variables_[i]);
  if (key_.use == Use::train)
    training.update = [&](plan::Lowering& step, const std::vector<plan::Value>& gradients) {
      lower_step(step, compile->optimizer.description(), gradients);
    };
  const kernels::Policy policy{
      .exact = key_.accuracy == "exact", .local = key_.local || key_.use == Use::outputs, .operands = operands_of(key_.dtype_policy)};
  plan::Compiled compiled =
      plan::compile(std::move(to), training, {.batch = key_.batch, .precision = plan::Precision::float32, .policy = policy});
  gradients_ = std::move(compiled.gradients);
  plan_ = std::make_unique<plan::Plan>(std::move(compiled.plan));
}

void Network::lower_step(plan::Lowering& to, const OptimizerDescription& optimizer, const std::vector<plan::Value>& gradients) {
  for (std::size_t t = 0; t < trainable_.size(); ++t) {
    const plan::Value variable = variables_[trainable_[t]];
    std::vector<plan::Value> slots;
    for (const std::string& name : optimizer.slots())
      slots.push_back(to.value(name + " of " + to.info(variable).name, variable.shape, plan::Extent::fixed, plan::Element::real, plan::Home::bound));
    to.set_layer(to.info(variable).name);
    if (gradients[t].defined()) optimizer.lower(to, gradients[t], variable, slots);
    slots_.push_back(std::move(slots));
  }
}

void Network::bind(graph::Graph& graph, Slots* slots) {
  // A network that trains changes the variables: asking for them so tells the others, whose kernels are laid out for many calls. All
  // others ask as readers do, for `predict` is called from several threads at once.
  const graph::Graph& read = graph;
  const std::vector<graph::Variable>& variables = key_.use == Use::train ? graph.variables() : read.variables();
  if (bound_version_ == graph.version()) return;
  bound_version_ = graph.version();
  for (std::size_t i = 0; i < variables_.size(); ++i) {
    Tensor shared = variables[i].value;
    workspace_->bind(variables_[i], shared.raw());
  }
  for (std::size_t t = 0; t < slots_.size(); ++t)
    for (std::size_t s = 0; s < slots_[t].size(); ++s) workspace_->bind(slots_[t][s], (*slots)[t][s].raw());
}

void Network::run(std::int64_t images, const plan::StepInfo& step, std::span<const plan::Rows> sources, BatchSums* sums) {
  workspace_->run(images, step, sources);
  if (sums == nullptr) return;
  sums->images += images;
  sums->rows += images * rows_an_image_;
  if (loss_sum_.defined()) sums->loss += *static_cast<const double*>(workspace_->at(loss_sum_));
  sums->metrics.resize(metric_sums_.size());
  for (std::size_t i = 0; i < metric_sums_.size(); ++i) sums->metrics[i] += *static_cast<const double*>(workspace_->at(metric_sums_[i]));
}

std::vector<Tensor> Network::gradients() {
  std::vector<Tensor> result;
  for (std::size_t t = 0; t < trainable_.size(); ++t) {
    Tensor gradient(variables_[trainable_[t]].shape);
    if (gradients_[t].defined()) std::memcpy(gradient.raw(), workspace_->at(gradients_[t]), gradient.bytes());
    result.push_back(std::move(gradient));
  }
  return result;
}

Tensor Network::layer_output(std::size_t index, std::int64_t images) {
  const plan::Value& value = layers_[index];
  Tensor output(value.shape.with_first(images));
  std::memcpy(output.raw(), workspace_->at(value), output.bytes());
  return output;
}

}  // namespace linn::train
