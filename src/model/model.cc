#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "core/did_you_mean.h"
#include "core/text_cells.h"
#include "core/thread_count.h"
#include "core/worker_pool.h"
#include "formats/model_json.h"
#include "graph/graph.h"
#include "io/json.h"
#include "layers/variables.h"
#include "linn/error.h"
#include "linn/model.h"
#include "model/state.h"
#include "optim/metrics.h"
#include "optim/optimizers.h"
#include "plan/profile.h"
#include "train/compile_check.h"
#include "train/profile.h"

namespace linn {

namespace {

detail::graph::Graph functional(const std::vector<SymbolicTensor>& inputs, const std::vector<SymbolicTensor>& outputs,
                                const ModelOptions& options) {
  return detail::graph::Graph::functional(options.name.empty() ? "functional" : options.name, inputs, outputs, options.seed);
}

// The first of several, where there must be only one.
template <class T>
const T& only(const std::vector<T>& list, const char* call, const char* what, const std::string& model) {
  if (list.size() != 1) throw StateError(fmt::format("{}: model \"{}\" has {} {}; {}s gives them all", call, model, list.size(), what, call));
  return list.front();
}

// Parts along the first axis as one tensor.
Tensor joined(const std::vector<Tensor>& parts) {
  if (parts.size() == 1) return parts.front();
  std::int64_t count = 0;
  for (const Tensor& part : parts) count += part.shape()[0];
  Tensor all(parts.front().shape().without_first().with_first(count), parts.front().dtype());
  auto* to = static_cast<std::byte*>(all.raw());
  for (const Tensor& part : parts) {
    if (part.shape().without_first() != all.shape().without_first())
      throw ShapeError(fmt::format("predict: one batch gives images of shape {}, another of {}; all must have one shape", all.shape().without_first().to_string(),
                                   part.shape().without_first().to_string()));
    std::memcpy(to, part.raw(), part.bytes());
    to += part.bytes();
  }
  return all;
}

}  // namespace

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::Model(const std::vector<SymbolicTensor>& inputs, const std::vector<SymbolicTensor>& outputs, const ModelOptions& options)
    : state_(std::make_unique<State>(functional(inputs, outputs, options), options)) {}
Model::Model(const SymbolicTensor& input, const SymbolicTensor& output, const ModelOptions& options)
    : Model(std::vector<SymbolicTensor>{input}, std::vector<SymbolicTensor>{output}, options) {}
Model::Model(const SymbolicTensor& input, const std::vector<SymbolicTensor>& outputs, const ModelOptions& options)
    : Model(std::vector<SymbolicTensor>{input}, outputs, options) {}
Model::Model(const std::vector<SymbolicTensor>& inputs, const SymbolicTensor& output, const ModelOptions& options)
    : Model(inputs, std::vector<SymbolicTensor>{output}, options) {}

Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

// ---- as a layer --------------------------------------------------------------------------------------------------

Layer Model::as_layer() const { return Layer(state_->as_layer("as_layer")); }
SymbolicTensor Model::operator()(const SymbolicTensor& input, CallOptions options) const { return as_layer()(input, options); }
SymbolicTensor Model::operator()(const std::vector<SymbolicTensor>& inputs, CallOptions options) const { return as_layer()(inputs, options); }
std::vector<SymbolicTensor> Model::call(const std::vector<SymbolicTensor>& inputs, CallOptions options) const { return as_layer().call(inputs, options); }

// ---- looking at it -----------------------------------------------------------------------------------------------

void Model::set_dtype_policy(DTypePolicy policy) {
  state_->dtype_policy = policy;
  if (state_->training) state_->training->set_dtype_policy(policy);
}

DTypePolicy Model::dtype_policy() const { return state_->dtype_policy; }

bool Model::built() const { return state_->graph.built(); }
const std::string& Model::name() const { return state_->graph.name(); }

std::vector<Layer> Model::layers() const {
  std::vector<Layer> result;
  for (const detail::graph::Member& member : state_->graph.members()) result.emplace_back(member.layer);
  return result;
}

std::vector<std::string> Model::layer_names() const {
  std::vector<std::string> result;
  for (const detail::graph::Member& member : state_->graph.members()) result.push_back(member.name);
  return result;
}

Layer Model::get_layer(std::string_view name) const {
  std::vector<std::string> names;
  for (const detail::graph::Member& member : state_->graph.all_members()) {
    if (member.name == name) return Layer(member.layer);
    names.push_back(member.name);
  }
  const std::vector<std::string_view> known(names.begin(), names.end());
  throw ValueError(fmt::format("get_layer: model \"{}\" has no layer named \"{}\"{}", this->name(), name,
                               detail::core::did_you_mean(name, std::span<const std::string_view>(known))));
}

Layer Model::get_layer(std::size_t index) const {
  const auto members = state_->graph.members();
  if (index >= members.size())
    throw ValueError(fmt::format("get_layer: index {}; model \"{}\" has {} layers", index, name(), members.size()));
  return Layer(members[index].layer);
}

void Model::set_trainable(bool trainable) {
  state_->trainable = trainable;
  if (state_->layer) state_->layer->trainable = trainable;
  for (const detail::graph::Member& member : state_->graph.all_members()) Layer(member.layer).set_trainable(trainable);
}

std::vector<SymbolicTensor> Model::inputs() const {
  std::vector<SymbolicTensor> result;
  for (const detail::graph::Port port : state_->built_graph("inputs").inputs()) result.push_back(state_->graph.symbol_of(port));
  return result;
}

std::vector<SymbolicTensor> Model::outputs() const {
  std::vector<SymbolicTensor> result;
  for (const detail::graph::Port port : state_->built_graph("outputs").outputs()) result.push_back(state_->graph.symbol_of(port));
  return result;
}

SymbolicTensor Model::input() const { return only(inputs(), "input", "inputs", name()); }
SymbolicTensor Model::output() const { return only(outputs(), "output", "outputs", name()); }
std::vector<std::string> Model::input_names() const { return state_->built_graph("input_names").input_names(); }
std::vector<std::string> Model::output_names() const { return state_->built_graph("output_names").output_names(); }
Shape Model::input_shape() const {
  state_->built_graph("input_shape");
  return input().shape();
}
Shape Model::output_shape() const {
  state_->built_graph("output_shape");
  return output().shape();
}

std::vector<Shape> Model::output_shapes() const {
  std::vector<Shape> result;
  const detail::graph::Graph& graph = state_->built_graph("output_shapes");
  for (const detail::graph::Member& member : graph.members()) result.push_back(graph.shape_of({member.calls.front(), 0}));
  return result;
}

std::int64_t Model::count_params() const { return state_->built_graph("count_params").parameters(false); }
std::int64_t Model::count_trainable_params() const { return state_->built_graph("count_trainable_params").parameters(true); }

// ---- training ----------------------------------------------------------------------------------------------------

namespace {

void say_odd(const std::string& text) { std::fputs(fmt::format("linn: compile: {}\n", detail::core::printable(text)).c_str(), stderr); }

}  // namespace

void Model::compile(const CompileOptions& options) {
  // A chain that is not built yet has one output all the same.
  const std::vector<std::string> outputs = built() ? output_names() : std::vector<std::string>{"output"};
  detail::formats::CompileConfig config{.optimizer = options.optimizer,
                                .losses = options.loss.in_order(outputs),
                                .loss_weights = options.loss_weights.in_order(outputs),
                                .metrics = options.metrics.in_order(outputs)};
  for (std::vector<Metric>& metrics : config.metrics) metrics = detail::optim::with_unique_names(std::move(metrics));
  if (built())
    for (const std::string& text : detail::train::check_compile(state_->graph, config)) say_odd(text);
  state_->set_compile(std::move(config));
}

bool Model::compiled() const { return state_->compile.has_value(); }

History Model::fit(const Tensors& x, const Tensors& y, const FitOptions& options) {
  state_->build_for(x);
  return state_->compiled("fit").fit(x, y, options, state_->notes);
}

Logs Model::evaluate(const Tensors& x, const Tensors& y, const EvaluateOptions& options) { return state_->compiled("evaluate").evaluate(x, y, options); }

History Model::fit(const Dataset& batches, const FitOptions& options) {
  if (!built() && batches.is_indexed() && !batches.is_unbatched()) {  // the first batch says the shape
    Batch first;
    if (batches.iterate().next(first)) state_->build_for(first.x);
  }
  return state_->compiled("fit").fit(batches, options, state_->notes);
}
Logs Model::evaluate(const Dataset& batches, const EvaluateOptions& options) { return state_->compiled("evaluate").evaluate(batches, options); }

std::vector<std::string> Model::metrics_names() const { return state_->compiled("metrics_names").log_order(); }
double Model::learning_rate() const {
  const detail::train::Training& training = state_->compiled("learning_rate");
  return training.learning_rate(training.steps(), 1);
}
void Model::set_learning_rate(double rate) { state_->compiled("set_learning_rate").set_learning_rate(rate); }
void Model::swap_ema_weights() { state_->compiled("swap_ema_weights").swap_averages("swap_ema_weights"); }
std::int64_t Model::steps() const { return state_->compiled("steps").steps(); }

Logs Model::train_on_batch(const Tensors& x, const Tensors& y, const BatchOptions& options) {
  return state_->compiled("train_on_batch").train_on_batch(x, y, options);
}

Logs Model::test_on_batch(const Tensors& x, const Tensors& y, const BatchOptions& options) {
  return state_->compiled("test_on_batch").test_on_batch(x, y, options);
}

std::vector<std::pair<std::string, Tensor>> Model::gradients(const Tensors& x, const Tensors& y, const BatchOptions& options) {
  std::vector<Tensor> values = state_->compiled("gradients").gradients(x, y, options);
  std::vector<std::pair<std::string, Tensor>> result;
  std::size_t next = 0;
  for (const detail::graph::GraphVariable& variable : state_->graph.variables())
    if (variable.trainable_but_for(state_->frozen)) result.emplace_back(variable.name, values[next++]);
  return result;
}

// ---- prediction --------------------------------------------------------------------------------------------------

std::vector<Tensor> Model::predict_all(const Tensors& x, const PredictOptions& options) const {
  if (options.batch_size < 1) throw ValueError(fmt::format("predict: batch_size is {}; it must be 1 or more", options.batch_size));
  const detail::graph::Graph& graph = state_->built_graph("predict");
  const detail::train::Samples samples{.x = detail::train::adapt_inputs(x, graph), .y = {}, .weight = {}};
  const std::int64_t n = samples.count();
  const std::int64_t batch = std::min(options.batch_size, n);
  detail::train::NetworkKey key = state_->predict_key(batch, options);
  key.set_inputs(samples.x);
  auto network = state_->take_predictor(key);
  std::vector<Tensor> outputs;
  for (const Shape& shape : network->output_shapes()) outputs.emplace_back(shape.with_first(n));
  std::vector<detail::plan::Rows> sources;
  for (const CallbackHandle& callback : options.callbacks) callback->on_predict_begin();  // before the weights are bound: it may change them
  network->bind(state_->graph, nullptr);
  for (std::int64_t first = 0; first < n; first += batch) {
    for (const CallbackHandle& callback : options.callbacks) callback->on_predict_batch_begin(first / batch);
    for (std::size_t i = 0; i < outputs.size(); ++i)
      network->bind_output(i, outputs[i].values<float>().data() + first * (outputs[i].elements() / n));
    samples.sources(first, nullptr, sources);
    network->run(std::min(batch, n - first), {}, sources, nullptr);
    for (const CallbackHandle& callback : options.callbacks) callback->on_predict_batch_end(first / batch);
  }
  for (const CallbackHandle& callback : options.callbacks) callback->on_predict_end();
  state_->give_back(std::move(network));
  return outputs;
}

std::vector<Tensor> Model::predict_all(const Dataset& batches, const PredictOptions& options) const {
  detail::train::check_batches(batches, "predict", "a number of batches with take(N)", 0);
  std::vector<std::vector<Tensor>> parts;  // of each output
  PredictOptions whole = options;
  whole.callbacks.clear();
  for (const CallbackHandle& callback : options.callbacks) callback->on_predict_begin();
  std::int64_t step = 0;
  for (const Batch& batch : batches) {
    for (const CallbackHandle& callback : options.callbacks) callback->on_predict_batch_begin(step);
    whole.batch_size = std::max(whole.batch_size, detail::train::adapt_inputs(batch.x, state_->built_graph("predict")).front().shape()[0]);
    std::vector<Tensor> outputs = predict_all(batch.x, whole);
    parts.resize(outputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) parts[i].push_back(std::move(outputs[i]));
    for (const CallbackHandle& callback : options.callbacks) callback->on_predict_batch_end(step++);
  }
  if (parts.empty()) throw DataError("predict: the Dataset gave no batch");
  for (const CallbackHandle& callback : options.callbacks) callback->on_predict_end();
  std::vector<Tensor> all;
  for (const std::vector<Tensor>& output : parts) all.push_back(joined(output));
  return all;
}

Tensor Model::predict(const Tensors& x, const PredictOptions& options) const {
  state_->check_one_output();
  return predict_all(x, options).front();
}

Tensor Model::predict(const Dataset& batches, const PredictOptions& options) const {
  state_->check_one_output();
  return predict_all(batches, options).front();
}

Tensor Model::predict_on_batch(const Tensors& x) const {
  const std::int64_t all =
      x.defined() ? std::max<std::int64_t>(detail::train::adapt_inputs(x, state_->built_graph("predict")).front().shape()[0], 1) : 1;
  return predict(x, {.batch_size = all});
}

std::vector<Operation> Model::operations(DType x, const PredictOptions& options) const {
  if (options.batch_size < 1) throw ValueError(fmt::format("operations: batch_size is {}; it must be 1 or more", options.batch_size));
  state_->built_graph("operations");
  const detail::graph::Graph& graph = state_->graph;
  if (graph.has_open_sizes())
    throw StateError(fmt::format("operations: model \"{}\" takes images of any size; with_input_shape fixes one", name()));
  detail::train::NetworkKey key = state_->predict_key(options.batch_size, options);
  key.x.assign(graph.inputs().size(), x);
  key.images = graph.input_shapes();
  auto network = state_->take_predictor(key);
  std::vector<Operation> result = detail::plan::operations_of(network->plan());
  state_->give_back(std::move(network));
  return result;
}

std::vector<std::pair<std::string, Tensor>> Model::layer_outputs(const Tensors& x, Accuracy accuracy) const {
  const detail::graph::Graph& graph = state_->built_graph("layer_outputs");
  const detail::train::Samples samples{.x = detail::train::adapt_inputs(x, graph), .y = {}, .weight = {}};
  const std::int64_t n = samples.count();
  detail::train::NetworkKey key{.use = detail::train::NetworkKey::Use::outputs, .batch = n};
  key.set_inputs(samples.x);
  key.dtype_policy = state_->dtype_policy;
  key.accuracy = accuracy;
  detail::train::Network network(graph, nullptr, {}, key);
  network.bind(state_->graph, nullptr);
  std::vector<detail::plan::Rows> sources;
  samples.sources(0, nullptr, sources);
  network.run(n, {}, sources, nullptr);
  std::vector<std::pair<std::string, Tensor>> result;
  for (const detail::graph::Member& member : graph.members())
    result.emplace_back(member.name, network.call_output(static_cast<std::size_t>(member.calls.back()), n));
  return result;
}

Profile Model::State::profile(const ProfileOptions& options, const Dataset* batches) const {
  const detail::graph::Graph& graph = built_graph("profile");
  if (options.training) check_compiled("profile");
  return detail::train::profile(graph, compile ? &*compile : nullptr, seed, dtype_policy, options, batches);
}

Profile Model::profile(const ProfileOptions& options) const { return state_->profile(options, nullptr); }
Profile Model::profile(const Dataset& batches, const ProfileOptions& options) const {
  if (options.x.defined() || options.y.defined()) throw ValueError("profile: x and y come with the batches of a Dataset; give them there");
  return state_->profile(options, &batches);
}

// ---- weights and configuration -------------------------------------------------------------------------------------------

std::vector<Tensor> Model::get_weights() const {
  std::vector<Tensor> result;
  for (const detail::graph::GraphVariable& variable : state_->built_graph("get_weights").variables())
    result.push_back(variable.value().clone());
  return result;
}

void Model::set_weights(const std::vector<Tensor>& weights) {
  detail::set_values(state_->built_graph("set_weights").variables(), weights, fmt::format("model \"{}\"", name()), "set_weights");
}

std::vector<std::pair<std::string, Tensor>> Model::named_weights() const {
  std::vector<std::pair<std::string, Tensor>> result;
  for (const detail::graph::GraphVariable& variable : state_->built_graph("named_weights").variables())
    result.emplace_back(variable.name, variable.value().clone());
  return result;
}

void Model::set_named_weights(const std::vector<std::pair<std::string, Tensor>>& weights) {
  detail::set_values(state_->built_graph("set_named_weights").variables(), weights, fmt::format("model \"{}\"", name()), "set_named_weights");
}

std::string Model::to_json(int indent) const {
  return detail::io::dump_json(detail::formats::model_to_json(state_->graph, state_->compile ? &*state_->compile : nullptr), indent);
}

Model Model::from_json(const std::string& json, const ModelOptions& options) {
  detail::formats::ModelConfig config =
      detail::formats::model_from_json(detail::io::parse_json(json, "model configuration"), "model configuration", options.seed);
  Model model(std::make_unique<State>(std::move(config.graph), options));
  model.state_->set_compile(std::move(config.compile));
  return model;
}

Model Model::clone() const {
  Model copy(std::make_unique<State>(state_->graph.clone(), ModelOptions{.name = name(), .seed = state_->seed, .dtype_policy = state_->dtype_policy}));
  copy.state_->take_settings(*state_);
  return copy;
}

Model Model::with_first_layer(const Layer& layer) const {
  const detail::graph::Graph& graph = state_->built_graph("with_first_layer");
  if (graph.inputs().size() != 1)
    throw StateError(fmt::format("with_first_layer: model \"{}\" has {} inputs; it must have one", name(), graph.inputs().size()));
  Model copy(std::make_unique<State>(graph.clone_behind(layer.object()), ModelOptions{.name = name(), .seed = state_->seed, .dtype_policy = state_->dtype_policy}));
  copy.state_->take_settings(*state_);
  return copy;
}

Model Model::with_input_shape(const Shape& image) const {
  const detail::graph::Graph& graph = state_->built_graph("with_input_shape");
  if (graph.inputs().size() != 1)
    throw StateError(fmt::format("with_input_shape: model \"{}\" has {} inputs; it must have one", name(), graph.inputs().size()));
  try {
    Model copy(std::make_unique<State>(graph.clone_for({&image, 1}), ModelOptions{.name = name(), .seed = state_->seed, .dtype_policy = state_->dtype_policy}));
    copy.state_->take_settings(*state_);
    return copy;
  } catch (const ShapeError& error) {
    throw ShapeError(fmt::format("with_input_shape {}, in place of {}: {}", image.to_string(), graph.input_shape().to_string(), error.what()));
  }
}

// ---- losses, weights and metrics of outputs ----------------------------------------------------------------------

namespace {

// The values by output, in order.
template <class T>
std::vector<T> named_in_order(const std::map<std::string, T>& named, const std::vector<std::string>& outputs, const char* what, const T& otherwise) {
  std::vector<T> ordered(outputs.size(), otherwise);
  for (const auto& [name, value] : named) {
    const auto found = std::find(outputs.begin(), outputs.end(), name);
    if (found == outputs.end())
      throw ValueError(fmt::format("compile: {} names the output \"{}\"; the outputs are {}", what, name, fmt::join(outputs, ", ")));
    ordered[static_cast<std::size_t>(found - outputs.begin())] = value;
  }
  return ordered;
}

void check_count(const char* what, std::size_t came, const std::vector<std::string>& outputs) {
  if (came != outputs.size())
    throw ValueError(fmt::format("compile: {} {} came for {} outputs ({})", came, what, outputs.size(), fmt::join(outputs, ", ")));
}

}  // namespace

std::vector<Loss> Losses::in_order(const std::vector<std::string>& outputs) const {
  if (!named_.empty()) return named_in_order(named_, outputs, "loss", Loss());
  if (list_.empty()) return std::vector<Loss>(outputs.size());
  if (!one_each_) return std::vector<Loss>(outputs.size(), list_.front());
  check_count("losses", list_.size(), outputs);
  return list_;
}

std::vector<double> LossWeights::in_order(const std::vector<std::string>& outputs) const {
  std::vector<double> weights = !named_.empty() ? named_in_order(named_, outputs, "loss_weights", 1.0) : list_;
  if (weights.empty()) weights.assign(outputs.size(), 1);
  check_count("loss_weights", weights.size(), outputs);
  for (const double weight : weights)
    if (!std::isfinite(weight)) throw ValueError(fmt::format("compile: a loss weight is {}; it must be a finite number", weight));
  return weights;
}

std::vector<std::vector<Metric>> Metrics::in_order(const std::vector<std::string>& outputs) const {
  if (!named_.empty()) return named_in_order(named_, outputs, "metrics", std::vector<Metric>());
  if (!lists_.empty()) {
    check_count("lists of metrics", lists_.size(), outputs);
    return lists_;
  }
  if (list_.empty()) return std::vector<std::vector<Metric>>(outputs.size());
  if (outputs.size() != 1)
    throw ValueError(fmt::format("compile: one list of metrics came for {} outputs; give a list for each, by name: {{{{\"{}\", {{\"accuracy\"}}}}, ...}}",
                                 outputs.size(), outputs.front()));
  return {list_};
}

// ---- notes, threads ----------------------------------------------------------------------------------------------

Metadata& Model::metadata() { return state_->notes; }
const Metadata& Model::metadata() const { return state_->notes; }

void set_threads(int threads) { detail::core::set_threads(threads); }
int threads() { return detail::core::worker_pool().threads(); }

}  // namespace linn
