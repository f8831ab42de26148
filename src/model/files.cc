// Models in files: saving, loading, and the test that a file carries.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "core/random.h"
#include "core/text_cells.h"
#include "formats/model_file.h"
#include "formats/weights_file.h"
#include "linn/model.h"
#include "model/state.h"

namespace linn {
namespace {

// A test of more numbers would make small models large.
constexpr std::int64_t most_test_values = 65'536;
// Of the largest output. Two forms of one convolution differ by less.
constexpr double test_bound = 1e-4;

// Numbers from 0 to 1, for the range of pixels that most networks begin with. Nothing for inputs of open size or too large.
std::optional<std::vector<Tensor>> test_inputs(const graph::Graph& graph) {
  std::vector<Tensor> inputs;
  for (const Shape& shape : graph.input_shapes()) {
    if (std::ranges::find(shape, Shape::none) != shape.end() || shape.elements() > most_test_values) return std::nullopt;
    Tensor& input = inputs.emplace_back(shape.with_first(1));
    const core::Random random(0, inputs.size());
    std::uint64_t next = 0;
    for (float& value : input.values<float>()) value = random.uniform(next++);
  }
  return inputs;
}

bool all_finite(const std::vector<Tensor>& tensors) {
  return std::ranges::all_of(tensors, [](const Tensor& tensor) {
    return std::ranges::all_of(tensor.values<float>(), [](float value) { return std::isfinite(value); });
  });
}

void say(const std::string& path, const std::string& text) {
  std::fputs(fmt::format("linn: {}: {}\n", core::printable(path), core::printable(text)).c_str(), stderr);
}

// Weights that are no numbers make every output one: said as soon as they are seen.
void warn_of_no_numbers(const std::string& path, const graph::Graph& graph) {
  for (const graph::GraphVariable& variable : graph.variables()) {
    const auto values = variable.value().values<float>();
    const auto count = std::ranges::count_if(values, [](float value) { return !std::isfinite(value); });
    if (count > 0) say(path, fmt::format("\"{}\" holds {} values that are NaN or infinite", variable.name, count));
  }
}

// The largest difference, as a share of the largest number; infinity for other shapes or what is no number.
double difference(const Tensor& expected, const Tensor& found) {
  if (expected.shape() != found.shape()) return std::numeric_limits<double>::infinity();
  double largest = 0, apart = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(expected.elements()); ++i) {
    const double a = static_cast<double>(expected.values<float>()[i]), b = static_cast<double>(found.values<float>()[i]);
    if (!std::isfinite(b)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(a));
    apart = std::max(apart, std::abs(a - b));
  }
  return apart == 0 ? 0 : apart / std::max(largest, 1e-30);
}

}  // namespace

void Model::save(const std::string& path) const {
  const bool is_file = path.ends_with(".keras") || path.ends_with(".h5") || path.ends_with(".onnx");
  const graph::Graph& graph = is_file ? state_->built_graph("save") : state_->graph;
  const std::optional<OptimizerState> optimizer = state_->optimizer_state();
  std::optional<formats::SelfTest> test;
  if (graph.built()) {
    if (auto inputs = test_inputs(graph)) {
      test.emplace(formats::SelfTest{.inputs = *inputs, .outputs = predict_all(*inputs, {.accuracy = "exact"})});
      if (std::ranges::any_of(test->outputs, [](const Tensor& output) { return output.elements() > most_test_values; }) ||
          !all_finite(test->outputs))
        test.reset();
    }
  }
  formats::save_model(path, {.graph = graph,
                             .compile = state_->compile ? &*state_->compile : nullptr,
                             .optimizer = optimizer ? &*optimizer : nullptr,
                             .seed = state_->seed,
                             .notes = &state_->notes,
                             .self_test = test ? &*test : nullptr});
}

Model load_model(const std::string& path) {
  formats::ModelFile file = formats::load_model(path);
  Model model(std::make_unique<Model::State>(std::move(file.config.graph), ModelOptions{.seed = file.seed}));
  model.state_->set_compile(std::move(file.config.compile));
  model.state_->loaded_optimizer = std::move(file.optimizer);
  model.state_->notes = std::move(file.notes);
  warn_of_no_numbers(path, model.state_->graph);
  if (!file.self_test) return model;
  double apart = std::numeric_limits<double>::infinity();
  try {
    const std::vector<Tensor> outputs = model.predict_all(file.self_test->inputs, {.accuracy = "exact"});
    if (outputs.size() == file.self_test->outputs.size()) {
      apart = 0;
      for (std::size_t i = 0; i < outputs.size(); ++i) apart = std::max(apart, difference(file.self_test->outputs[i], outputs[i]));
    }
  } catch (const Error&) {  // inputs of another number or shape
  }
  if (apart > test_bound) {
    const std::string how_far = std::isfinite(apart) ? fmt::format("they differ by {:.2g} of the largest", apart)
                                                     : std::string("they cannot be compared, or are no numbers");
    say(path, "the outputs for the input that the model was saved with are not those of then: " + how_far);
  }
  return model;
}

void Model::save_weights(const std::string& path, const SaveWeightsOptions& options) const {
  formats::save_weights(path, state_->built_graph("save_weights"), options);
}

LoadReport Model::load_weights(const std::string& path, const LoadWeightsOptions& options) {
  state_->built_graph("load_weights");
  return formats::load_weights(path, state_->graph, options);
}

}  // namespace linn
