#include "train/network.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "linn/error.h"
#include "optim/losses.h"
#include "optim/metrics.h"
#include "optim/optimizers.h"
#include "plan/compile.h"
#include "plan/ops/clip.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/loss.h"
#include "plan/ops/orthogonal_penalty.h"

namespace linn::detail::train {
namespace {

using Use = NetworkKey::Use;

bool differentiates(Use use) { return use == Use::gradients || use == Use::train || use == Use::trace; }
bool compares(Use use) { return use == Use::evaluate || differentiates(use); }

DType type_of(plan::Precision precision) { return precision == plan::Precision::float64 ? DType::f64 : DType::f32; }

kernels::Operands operands_of(DTypePolicy policy) {
  return policy.kind() == DTypePolicy::mixed_bfloat16 ? kernels::Operands::bfloat16 : kernels::Operands::float32;
}

// Targets as the loss takes them: labels, one a row, or numbers of the output's shape.
plan::Value lower_targets(plan::Lowering& to, const Loss& loss, int source, const Shape& output, DType type) {
  if (!loss.description().takes_labels()) return plan::gather(to, source, output, type);
  return plan::gather_labels(to, source, output.elements() / output[-1], type);
}

}  // namespace

void NetworkKey::set_inputs(const std::vector<Tensor>& inputs) {
  x.clear();
  images.clear();
  for (const Tensor& input : inputs) {
    x.push_back(input.dtype());
    images.push_back(input.shape().without_first());
  }
}

Slots make_slots(const graph::Graph& graph, const FrozenLayers& frozen, const OptimizerDescription& optimizer) {
  Slots all;
  for (const graph::GraphVariable& variable : graph.variables()) {
    if (!variable.trainable_but_for(frozen)) continue;
    std::vector<Tensor>& slots = all.emplace_back();
    for (const OptimizerSlot& slot : optimizer.slots({variable.shape(), variable.name})) {
      if (slot.is_copy)
        slots.push_back(variable.value().astype(DType::f32).clone());
      else
        std::ranges::fill(slots.emplace_back(slot.shape).values<float>(), static_cast<float>(slot.first));
    }
  }
  return all;
}

Network::Network(const graph::Graph& graph, const formats::CompileConfig* compile, const FrozenLayers& frozen, const NetworkKey& key) : key_(key) {
  lower(graph, compile, frozen);
}

void Network::allocate() {
  workspace_ = std::make_unique<plan::Workspace>(*plan_);
  for (Compared& compared : compared_)
    for (std::size_t i = 0; i < compared.totals.size(); ++i) workspace_->bind(compared.metric_totals[i], compared.totals[i].data());
}

std::vector<plan::Value> Network::lower_inputs(plan::Lowering& to) const {
  to.set_layer("input");
  std::vector<plan::Value> inputs;
  for (std::size_t i = 0; i < key_.x.size(); ++i) inputs.push_back(plan::gather(to, static_cast<int>(i), key_.images[i], key_.x[i]));
  return inputs;
}

// Sources stand in the order of Samples: all x, all y, all weights.
plan::Value Network::lower_target(plan::Lowering& to, const formats::CompileConfig& compile, std::size_t output, const Shape& shape) const {
  return lower_targets(to, compile.losses[output], static_cast<int>(key_.x.size() + output), shape, key_.y[output]);
}

void Network::augment_inputs(plan::Lowering& to, const graph::Graph& graph, const formats::CompileConfig& compile, std::vector<plan::Value>& inputs) {
  const std::vector<Shape> outputs = graph.output_shapes_for({&inputs.front().shape, 1});
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    plan::Lowering::Target target;
    if (compile.losses[i].defined()) target = {lower_target(to, compile, i, outputs[i]), compile.losses[i].description().takes_labels()};
    to.targets().push_back(target);
  }
  to.set_layer("augment");
  inputs.front() = key_.augment->lower_call(to, inputs, {}).front();
  targets_ = std::move(to.targets());
  to.targets().clear();
}

void Network::lower_loss(plan::Lowering& to, const formats::CompileConfig& compile, std::size_t output) {
  const int weight_source = static_cast<int>(key_.x.size() + output + outputs_.size());
  const Loss& loss = compile.losses[output];
  const plan::Value prediction = outputs_[output];
  const plan::LossInputs inputs{.prediction = prediction,
                                .target = targets_.empty() ? lower_target(to, compile, output, prediction.shape) : targets_[output].value};
  const plan::Value weight = key_.weighted[output] != 0 ? plan::gather(to, weight_source, {}, DType::f32) : plan::Value{};
  Compared compared{.output = output, .rows_an_image = optim::rows_of(loss, prediction.shape), .loss_sum = {}, .metric_totals = {}, .totals = {}};
  compared.loss_sum = optim::lower_sum(to, loss, inputs, weight, compile.loss_weights[output]);
  for (const Metric& metric : compile.metrics[output]) {
    to.set_layer(metric.name);
    const auto counter = metric.description().counter(prediction.shape[-1], plan::is_labels(to, inputs.target));
    const plan::Value totals = plan::totals_value(to, metric.name, counter->totals());
    counter->lower(to, inputs, {}, totals);
    compared.metric_totals.push_back(totals);
    compared.totals.emplace_back(static_cast<std::size_t>(counter->totals()), 0.0);
  }
  compared_.push_back(std::move(compared));
}

// Each output gets the caller's memory; a value that is an output twice is copied.
void Network::bind_outputs(plan::Lowering& to) {
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    plan::Value& output = outputs_[i];
    if (to.info(output).home == plan::Home::bound) output = plan::copy(to, output);
    to.info(output).home = plan::Home::bound;
    to.info(output).kept = true;
  }
}

void Network::lower(const graph::Graph& graph, const formats::CompileConfig* compile, const FrozenLayers& frozen) {
  plan::Lowering to(differentiates(key_.use) ? plan::Purpose::training : plan::Purpose::inference);
  to.set_frozen_layers(frozen);
  std::vector<plan::Value> inputs = lower_inputs(to);
  if (key_.augment != nullptr) augment_inputs(to, graph, *compile, inputs);
  graph::Lowered lowered = graph.lower(to, std::move(inputs));
  variables_ = std::move(lowered.variables);
  calls_ = std::move(lowered.calls);
  outputs_ = std::move(lowered.outputs);
  if (key_.use == Use::predict) bind_outputs(to);
  if (key_.use == Use::outputs || key_.use == Use::trace)
    for (const std::vector<plan::Value>& values : calls_)
      for (const plan::Value& value : values) to.info(value).kept = true;

  plan::Training training;
  if (compares(key_.use))
    for (std::size_t output = 0; output < outputs_.size(); ++output)
      if (compile->losses[output].defined()) lower_loss(to, *compile, output);
  for (std::size_t i = 0; i < variables_.size(); ++i)
    if (graph.variables()[i].trainable_but_for(frozen)) trainable_.push_back(i);
  if (compares(key_.use)) lower_penalties(to, graph);
  if (compares(key_.use)) lower_activity_penalties(to);
  if (differentiates(key_.use))
    for (const std::size_t i : trainable_) training.variables.push_back(variables_[i]);
  if (key_.use == Use::train)
    training.update = [&](plan::Lowering& step, const std::vector<plan::Value>& gradients) {
      lower_step(step, graph, compile->optimizer.description(), gradients);
    };
  training.guarded = key_.guarded;
  const kernels::Policy policy{
      .exact = key_.accuracy == "exact", .local = key_.local || key_.use == Use::outputs, .operands = operands_of(key_.dtype_policy)};
  plan::Compiled compiled = plan::compile(std::move(to), training, {.batch = key_.batch, .precision = key_.precision, .policy = policy});
  gradients_ = std::move(compiled.gradients);
  guards_ = std::move(compiled.guards);
  plan_ = std::make_unique<plan::Plan>(std::move(compiled.plan));
}

void Network::lower_penalties(plan::Lowering& to, const graph::Graph& graph) {
  for (const std::size_t i : trainable_) {
    const Regularizer& regularizer = graph.variables()[i].variable->regularizer;
    if (!regularizer.defined()) continue;
    to.set_layer(graph.variables()[i].name);
    if (const auto& orthogonal = regularizer.orthogonal())
      penalties_.push_back(plan::orthogonal_penalty(to, variables_[i], orthogonal->factor, orthogonal->mode.kind() == regularizers::OrthogonalMode::columns));
    else
      penalties_.push_back(plan::penalty(to, variables_[i], regularizer.l1(), regularizer.l2()));
  }
}

namespace {

// The penalty of an element, as a loss without a target.
struct Penalty {
  double l1, l2;
  auto value(auto /*t*/, auto p) const { return static_cast<decltype(p)>(l1) * std::abs(p) + static_cast<decltype(p)>(l2) * p * p; }
  auto slope(auto /*t*/, auto p) const { return static_cast<decltype(p)>(l1) * losses::sign(p) + 2 * static_cast<decltype(p)>(l2) * p; }
};

}  // namespace

// The loss takes the mean over all elements; a penalty is their sum, divided by the images alone.
void Network::lower_activity_penalties(plan::Lowering& to) {
  const std::vector<plan::Lowering::Penalized> all = std::move(to.penalized());
  to.set_layer("activity_penalty");
  for (const auto& [value, l1, l2, orthogonal, columns] : all) {
    if (orthogonal > 0) activity_penalties_.push_back({plan::orthogonal_penalty(to, value, orthogonal, columns)});
    if (l1 == 0 && l2 == 0) continue;
    const plan::Value sum = optim::lower_sum(to, Penalty{l1, l2}, {.prediction = value, .target = value}, {}, static_cast<double>(value.shape.elements()));
    activity_penalties_.push_back({sum, static_cast<double>(value.shape[-1])});
  }
}

void Network::lower_step(plan::Lowering& to, const graph::Graph& graph, const OptimizerDescription& optimizer,
                         const std::vector<plan::Value>& gradients) {
  std::vector<optim::Trained> trained;
  for (std::size_t t = 0; t < trainable_.size(); ++t) {
    const plan::Value variable = variables_[trainable_[t]];
    const graph::GraphVariable& known = graph.variables()[trainable_[t]];
    std::vector<plan::Value> slots;
    for (const OptimizerSlot& slot : optimizer.slots({variable.shape, known.name}))
      slots.push_back(to.value(slot.name + " of " + to.info(variable).name, slot.shape, plan::Extent::fixed, plan::Element::real, plan::Home::bound));
    trained.push_back({variable, gradients[t], slots, known.variable->constraint});
    slots_.push_back(std::move(slots));
  }
  optim::lower_step(to, optimizer, trained);
}

void Network::bind(graph::Graph& graph, Slots* slots) {
  if (workspace_ == nullptr) allocate();
  // A network that trains changes all values in place: plans that predict must lay their kernels out anew.
  if (key_.use == Use::train) graph.touch_values();
  const std::uint64_t version = graph.version();
  if (bound_version_ == version) return;
  bound_version_ = version;
  for (std::size_t i = 0; i < variables_.size(); ++i) {
    Tensor shared = graph.variables()[i].value();
    workspace_->bind(variables_[i], shared.raw());
  }
  for (std::size_t t = 0; t < slots_.size(); ++t)
    for (std::size_t s = 0; s < slots_[t].size(); ++s) workspace_->bind(slots_[t][s], (*slots)[t][s].raw());
}

std::vector<Shape> Network::output_shapes() const {
  std::vector<Shape> shapes;
  for (const plan::Value& output : outputs_) shapes.push_back(output.shape);
  return shapes;
}

// Totals go on from those of the batches before, so that sums do not depend on where batches end.
void Network::begin_totals(BatchSums& sums) {
  sums.outputs.resize(outputs_.size());
  for (Compared& compared : compared_) {
    OutputSums& output = sums.outputs[compared.output];
    output.metrics.resize(compared.totals.size());
    for (std::size_t i = 0; i < output.metrics.size(); ++i) {
      output.metrics[i].resize(compared.totals[i].size());
      std::copy(output.metrics[i].begin(), output.metrics[i].end(), compared.totals[i].begin());
    }
  }
}

std::span<const double> Network::numbers(const plan::Value& value) const {
  return {static_cast<const double*>(workspace_->at(value)), static_cast<std::size_t>(value.shape.elements())};
}

bool Network::has_finite_losses() const {
  const auto are_finite = [&](const plan::Value& value) { return std::ranges::all_of(numbers(value), [](double number) { return std::isfinite(number); }); };
  return std::ranges::all_of(compared_, are_finite, &Compared::loss_sum) && std::ranges::all_of(penalties_, are_finite) &&
         std::ranges::all_of(activity_penalties_, are_finite, &ActivityPenalty::sum);
}

bool Network::is_finite(const plan::Value& check) const {
  if (!check.defined()) return true;
  const std::span pieces(static_cast<const std::int32_t*>(workspace_->at(check)), static_cast<std::size_t>(check.shape.elements()));
  return std::ranges::all_of(pieces, [](std::int32_t piece) { return piece != 0; });
}

bool Network::may_update() const {
  const auto holds = [&](const plan::Value& check) { return is_finite(check); };
  return has_finite_losses() && std::ranges::all_of(guards_.gradients, holds) && std::ranges::all_of(guards_.statistics, holds, &plan::Guards::Statistics::check);
}

// The gradient nearest to the loss is that of the last variable: those before it are computed from what reaches it.
Network::Fault Network::fault() const {
  using enum Fault::Part;
  const auto name_of = [&](std::size_t trained) { return plan_->values()[static_cast<std::size_t>(variables_[trainable_[trained]].id)].name; };
  if (!has_finite_losses()) return {.part = loss};
  for (std::size_t i = guards_.gradients.size(); i-- > 0;)
    if (!is_finite(guards_.gradients[i])) return {gradient, name_of(i)};
  for (const auto& [layer, check] : guards_.statistics)
    if (!is_finite(check)) return {statistics, layer};
  return {};
}

bool Network::run(std::int64_t images, const plan::StepInfo& step, std::span<const plan::Rows> sources, BatchSums* sums) {
  if (sums != nullptr) begin_totals(*sums);
  if (!key_.guarded) {
    workspace_->run(images, step, sources);
  } else if (!workspace_->run(images, step, sources, [this] { return may_update(); })) {
    return false;
  }
  if (sums == nullptr) return true;
  sums->images += images;
  for (const plan::Value& penalty : penalties_)
    for (const double part : numbers(penalty)) sums->penalties += part * static_cast<double>(images);
  for (const ActivityPenalty& penalty : activity_penalties_) sums->penalties += penalty.width * numbers(penalty.sum).front();
  for (const Compared& compared : compared_) {
    OutputSums& output = sums->outputs[compared.output];
    output.rows += images * compared.rows_an_image;
    output.loss += numbers(compared.loss_sum).front();
    for (std::size_t i = 0; i < output.metrics.size(); ++i) std::copy(compared.totals[i].begin(), compared.totals[i].end(), output.metrics[i].begin());
  }
  return true;
}

std::vector<Tensor> Network::gradients() {
  std::vector<Tensor> result;
  for (std::size_t t = 0; t < trainable_.size(); ++t) {
    Tensor gradient(variables_[trainable_[t]].shape, type_of(key_.precision));
    if (gradients_[t].defined()) std::memcpy(gradient.raw(), workspace_->at(gradients_[t]), gradient.bytes());
    result.push_back(std::move(gradient));
  }
  return result;
}

Tensor Network::call_output(std::size_t index, std::int64_t images) {
  const plan::Value& value = calls_[index].front();
  Tensor output(value.shape.with_first(images), type_of(key_.precision));
  std::memcpy(output.raw(), workspace_->at(value), output.bytes());
  return output;
}

}  // namespace linn::detail::train
