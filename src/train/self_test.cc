#include "train/self_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <vector>

#include "core/cpu.h"
#include "core/random.h"
#include "core/text_cells.h"
#include "linn/error.h"
#include "train/network.h"
#include "train/samples.h"

namespace linn::detail::train {
namespace {

// A test of more numbers would make small models large.
constexpr std::int64_t most_values = 65'536;

// Numbers from 0 to 1, for the range of pixels that most networks begin with.
std::optional<std::vector<Tensor>> test_inputs(const graph::Graph& graph) {
  std::vector<Tensor> inputs;
  for (const Shape& shape : graph.input_shapes()) {
    if (std::ranges::find(shape, Shape::none) != shape.end() || shape.elements() > most_values) return std::nullopt;
    Tensor& input = inputs.emplace_back(shape.with_first(1));
    const core::Random random(0, inputs.size());
    std::uint64_t next = 0;
    for (float& value : input.values<float>()) value = random.uniform(next++);
  }
  return inputs;
}

bool is_small(const Tensor& output) { return output.elements() <= most_values; }
bool is_finite(const Tensor& output) {
  return std::ranges::all_of(output.values<float>(), [](float value) { return std::isfinite(value); });
}

std::vector<Tensor> outputs_for(graph::Graph& graph, const std::vector<Tensor>& inputs) {
  const Samples samples{.x = inputs, .y = {}, .weight = {}};
  const std::int64_t images = samples.count();
  NetworkKey key{.use = NetworkKey::Use::predict, .batch = images, .accuracy = "exact"};
  key.set_inputs(samples.x);
  Network network(graph, nullptr, {}, key);
  network.bind(graph, nullptr);
  std::vector<Tensor> outputs;
  for (const Shape& shape : network.output_shapes()) {
    outputs.emplace_back(shape.with_first(images));
    network.bind_output(outputs.size() - 1, outputs.back().values<float>().data());
  }
  std::vector<plan::Rows> sources;
  samples.sources(0, nullptr, sources);
  network.run(images, {}, sources, nullptr);
  return outputs;
}

// A test of one image of random numbers from 0 to 1, computed in float32 with Accuracy "exact".
std::optional<formats::SelfTest> make_self_test(graph::Graph& graph) {
  if (!graph.built()) return std::nullopt;
  auto inputs = test_inputs(graph);
  if (!inputs) return std::nullopt;
  formats::SelfTest test{.inputs = *inputs, .outputs = outputs_for(graph, *inputs)};
  return test;
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

double self_test_distance(graph::Graph& graph, const formats::SelfTest& test) {
  static_cast<void>(core::isa());  // a LINN_ISA that is none is no fault of the file's
  try {
    const std::vector<Tensor> outputs = outputs_for(graph, adapt_inputs(Tensors(test.inputs), graph));
    if (outputs.size() != test.outputs.size()) return std::numeric_limits<double>::infinity();
    double apart = 0;
    for (std::size_t i = 0; i < outputs.size(); ++i) apart = std::max(apart, difference(test.outputs[i], outputs[i]));
    return apart;
  } catch (const MemoryError&) {  // says nothing about the file
    throw;
  } catch (const Error&) {  // inputs of another number or shape
    return std::numeric_limits<double>::infinity();
  }
}

void save_model(const std::string& path, graph::Graph& graph, formats::SavedModel model) {
  const std::optional<formats::SelfTest> test = make_self_test(graph);
  const bool finite = !test || std::ranges::all_of(test->outputs, is_finite);
  if (test && finite && std::ranges::all_of(test->outputs, is_small)) model.self_test = &*test;
  formats::save_model(path, model);
  if (!finite)
    std::fputs(fmt::format("linn: {}: the model gives values that are NaN or infinite for inputs from 0 to 1; it was saved as it is, "
                           "without a self-test\n",
                           core::printable(path))
                   .c_str(),
               stderr);
}

}  // namespace linn::detail::train
