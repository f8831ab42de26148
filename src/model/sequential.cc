#include <fmt/format.h>

#include <algorithm>

#include "core/thread_count.h"
#include "core/worker_pool.h"
#include "formats/model_file.h"
#include "formats/model_json.h"
#include "graph/graph.h"
#include "io/json.h"
#include "linn/error.h"
#include "linn/model.h"
#include "model/state.h"
#include "optim/optimizers.h"
#include "plan/profile.h"
#include "train/profile.h"

namespace linn {

Sequential::Sequential(const SequentialOptions& options) : state_(std::make_unique<State>(options)) {}

Sequential::Sequential(const std::vector<Layer>& layers, const SequentialOptions& options) : Sequential(options) {
  for (const Layer& layer : layers) add(layer);
}

Sequential::~Sequential() = default;
Sequential::Sequential(Sequential&&) noexcept = default;
Sequential& Sequential::operator=(Sequential&&) noexcept = default;

// ---- building ----------------------------------------------------------------------------------------------------

void Sequential::add(const Layer& layer) {
  graph::Graph& graph = state_->graph;
  const LayerDescription& description = *detail::description_of(layer);
  if (description.class_name() == "InputLayer") {
    if (!graph.nodes().empty() || graph.built()) throw ValueError(fmt::format("model \"{}\" has layers already; an Input can only come first", graph.name()));
    if (!description.name().empty()) graph.set_input_name(description.name());
    graph.build(description.input_shape(), state_->seed);
    return;
  }
  const bool first = graph.nodes().empty() && !graph.built();
  graph.append(detail::description_of(layer), state_->seed);
  if (first && !description.input_shape().empty()) {
    try {
      graph.build(description.input_shape(), state_->seed);
    } catch (...) {
      graph.remove_last();
      throw;
    }
  }
  state_->forget();
}

void Sequential::pop() {
  if (state_->graph.nodes().empty()) throw ValueError(fmt::format("pop: model \"{}\" has no layers", name()));
  state_->graph.remove_last();
  state_->forget();
}

void Sequential::build(const Shape& input_shape) {
  state_->graph.build(input_shape, state_->seed);
  state_->forget();
}

void Sequential::set_dtype_policy(DTypePolicy policy) {
  state_->dtype_policy = policy;
  if (state_->training) state_->training->set_dtype_policy(policy);
}

DTypePolicy Sequential::dtype_policy() const { return state_->dtype_policy; }

bool Sequential::built() const { return state_->graph.built(); }
const std::string& Sequential::name() const { return state_->graph.name(); }

std::vector<Layer> Sequential::layers() const {
  std::vector<Layer> result;
  for (const graph::Node& node : state_->graph.nodes()) result.emplace_back(node.layer);
  return result;
}

std::vector<std::string> Sequential::layer_names() const {
  std::vector<std::string> result;
  for (const graph::Node& node : state_->graph.nodes()) result.push_back(node.name);
  return result;
}

Shape Sequential::input_shape() const { return state_->built_graph("input_shape").input_shape(); }
Shape Sequential::output_shape() const { return state_->built_graph("output_shape").output_shape(); }

std::vector<Shape> Sequential::output_shapes() const {
  std::vector<Shape> result;
  for (const graph::Node& node : state_->built_graph("output_shapes").nodes()) result.push_back(node.output);
  return result;
}

std::int64_t Sequential::count_params() const { return state_->built_graph("count_params").parameters(false); }
std::int64_t Sequential::count_trainable_params() const { return state_->built_graph("count_trainable_params").parameters(true); }

// ---- training ----------------------------------------------------------------------------------------------------

void Sequential::compile(const CompileOptions& options) {
  state_->compile = formats::CompileConfig{.optimizer = options.optimizer, .loss = options.loss, .metrics = options.metrics};
  state_->training.reset();
}

bool Sequential::compiled() const { return state_->compile.has_value(); }

History Sequential::fit(const Tensor& x, const Tensor& y, const FitOptions& options) {
  if (!built() && x.defined() && !x.shape().empty()) build(x.shape().without_first());  // as Keras does: the data say the shape
  return state_->compiled("fit").fit(x, y, options, state_->notes);
}

Logs Sequential::evaluate(const Tensor& x, const Tensor& y, const EvaluateOptions& options) { return state_->compiled("evaluate").evaluate(x, y, options); }

Logs Sequential::train_on_batch(const Tensor& x, const Tensor& y, const BatchOptions& options) {
  return state_->compiled("train_on_batch").train_on_batch(x, y, options);
}

Logs Sequential::test_on_batch(const Tensor& x, const Tensor& y, const BatchOptions& options) {
  return state_->compiled("test_on_batch").test_on_batch(x, y, options);
}

std::vector<std::pair<std::string, Tensor>> Sequential::gradients(const Tensor& x, const Tensor& y, const BatchOptions& options) {
  std::vector<Tensor> values = state_->compiled("gradients").gradients(x, y, options);
  std::vector<std::pair<std::string, Tensor>> result;
  std::size_t next = 0;
  for (const graph::Variable& variable : state_->graph.variables())
    if (variable.trainable) result.emplace_back(variable.name, values[next++]);
  return result;
}

// ---- prediction --------------------------------------------------------------------------------------------------

Tensor Sequential::predict(const Tensor& x, const PredictOptions& options) const {
  if (options.batch_size < 1) throw ValueError(fmt::format("predict: batch_size is {}; it must be 1 or more", options.batch_size));
  const graph::Graph& graph = state_->built_graph("predict");
  const Tensor input = train::adapt_input(x, graph.input_shape(), "x");
  const std::int64_t n = input.shape()[0];
  const std::int64_t batch = std::min(options.batch_size, n);
  Tensor output(graph.output_shape().with_first(n));
  const std::int64_t row = output.elements() / n;
  auto network = state_->take_predictor(state_->predict_key(input.dtype(), batch, options));
  network->bind(state_->graph, nullptr);
  for (const CallbackHandle& callback : options.callbacks) callback->on_predict_begin();
  for (std::int64_t first = 0; first < n; first += batch) {
    for (const CallbackHandle& callback : options.callbacks) callback->on_predict_batch_begin(first / batch);
    network->bind_output(output.values<float>().data() + first * row);
    const plan::Rows images{.data = input.raw(), .index = nullptr, .first = first};
    network->run(std::min(batch, n - first), {}, {&images, 1}, nullptr);
    for (const CallbackHandle& callback : options.callbacks) callback->on_predict_batch_end(first / batch);
  }
  for (const CallbackHandle& callback : options.callbacks) callback->on_predict_end();
  state_->give_back(std::move(network));
  return output;
}

Tensor Sequential::predict_on_batch(const Tensor& x) const {
  const std::int64_t all = x.defined() && !x.shape().empty() ? std::max<std::int64_t>(x.shape()[0], 1) : 1;
  return predict(x, {.batch_size = all});
}

std::vector<Operation> Sequential::operations(DType x, const PredictOptions& options) const {
  if (options.batch_size < 1) throw ValueError(fmt::format("operations: batch_size is {}; it must be 1 or more", options.batch_size));
  state_->built_graph("operations");
  auto network = state_->take_predictor(state_->predict_key(x, options.batch_size, options));
  std::vector<Operation> result = plan::operations_of(network->plan());
  state_->give_back(std::move(network));
  return result;
}

std::vector<std::pair<std::string, Tensor>> Sequential::layer_outputs(const Tensor& x, double input_scale, Accuracy accuracy) const {
  const graph::Graph& graph = state_->built_graph("layer_outputs");
  const Tensor input = train::adapt_input(x, graph.input_shape(), "x");
  const std::int64_t n = input.shape()[0];
  train::Network network(
      graph, nullptr,
      {.use = train::NetworkKey::Use::outputs, .batch = n, .x = input.dtype(), .input_scale = input_scale, .dtype_policy = state_->dtype_policy, .accuracy = accuracy});
  network.bind(state_->graph, nullptr);
  const plan::Rows images{.data = input.raw(), .index = nullptr, .first = 0};
  network.run(n, {}, {&images, 1}, nullptr);
  std::vector<std::pair<std::string, Tensor>> result;
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) result.emplace_back(graph.nodes()[i].name, network.layer_output(i, n));
  return result;
}

Profile Sequential::profile(const ProfileOptions& options) const {
  const graph::Graph& graph = state_->built_graph("profile");
  if (options.training) state_->check_compiled("profile");
  return train::profile(graph, state_->compile ? &*state_->compile : nullptr, state_->seed, state_->dtype_policy, options);
}

// ---- weights and files -------------------------------------------------------------------------------------------

std::vector<Tensor> Sequential::get_weights() const {
  std::vector<Tensor> result;
  for (const graph::Variable& variable : state_->built_graph("get_weights").variables()) result.push_back(variable.value.clone());
  return result;
}

void Sequential::set_weights(const std::vector<Tensor>& weights) {
  const auto& variables = state_->built_graph("set_weights").variables();
  if (weights.size() != variables.size())
    throw ValueError(fmt::format("set_weights: {} tensors came; model \"{}\" has {} variables", weights.size(), name(), variables.size()));
  NamedTensors named;
  for (std::size_t i = 0; i < weights.size(); ++i) named.emplace_back(variables[i].name, weights[i]);
  set_named_weights(named);
}

std::vector<std::pair<std::string, Tensor>> Sequential::named_weights() const {
  std::vector<std::pair<std::string, Tensor>> result;
  for (const graph::Variable& variable : state_->built_graph("named_weights").variables()) result.emplace_back(variable.name, variable.value.clone());
  return result;
}

void Sequential::set_named_weights(const std::vector<std::pair<std::string, Tensor>>& weights) {
  state_->built_graph("set_named_weights");
  formats::set_weights(state_->graph, weights, "set_named_weights");
}

void Sequential::save(const std::string& directory) const {
  formats::save_model(directory, state_->graph, state_->compile ? &*state_->compile : nullptr, state_->notes);
}

Sequential Sequential::load(const std::string& directory) {
  Sequential model;
  formats::ModelFile file = formats::load_model(directory, 0);
  model.state_->graph = std::move(file.config.graph);
  model.state_->compile = std::move(file.config.compile);
  model.state_->notes = std::move(file.notes);
  return model;
}

void Sequential::save_weights(const std::string& path) const { formats::save_weights(path, state_->built_graph("save_weights")); }

void Sequential::load_weights(const std::string& path) {
  state_->built_graph("load_weights");
  formats::set_weights(state_->graph, load_safetensors(path), path);
}

std::string Sequential::to_json(int indent) const {
  return io::dump_json(formats::model_to_json(state_->graph, state_->compile ? &*state_->compile : nullptr), indent);
}

Sequential Sequential::from_json(const std::string& json, const SequentialOptions& options) {
  Sequential model(options);
  formats::ModelConfig config = formats::model_from_json(io::parse_json(json, "model configuration"), "model configuration", options.seed);
  model.state_->graph = std::move(config.graph);
  model.state_->compile = std::move(config.compile);
  return model;
}

Sequential Sequential::with_input_shape(const Shape& image) const {
  const graph::Graph& graph = state_->built_graph("with_input_shape");
  Sequential other({.name = graph.name(), .seed = state_->seed, .dtype_policy = state_->dtype_policy});
  graph::Graph& resized = other.state_->graph;
  resized.set_input_name(graph.input_name());
  for (const graph::Node& node : graph.nodes()) resized.append(node.layer, state_->seed);
  resized.build(image, state_->seed);
  NamedTensors weights;
  for (std::size_t i = 0; i < graph.variables().size(); ++i) weights.emplace_back(resized.variables()[i].name, graph.variables()[i].value);
  formats::set_weights(resized, weights, fmt::format("with_input_shape {}, in place of {}", image.to_string(), graph.input_shape().to_string()));
  other.state_->compile = state_->compile;
  other.state_->notes = state_->notes;
  return other;
}

Metadata& Sequential::metadata() { return state_->notes; }
const Metadata& Sequential::metadata() const { return state_->notes; }

void set_threads(int threads) { core::set_threads(threads); }
int threads() { return core::worker_pool().threads(); }

}  // namespace linn
