// Models in files: saving, loading, and the test that a file carries.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/checked.h"
#include "core/terminal.h"
#include "core/worker_pool.h"
#include "formats/model_file.h"
#include "formats/weights_file.h"
#include "linn/model.h"
#include "model/state.h"
#include "train/self_test.h"

namespace linn {
namespace {

// By all threads: one alone would make loading a large file a tenth slower.
std::int64_t count_no_numbers(std::span<const float> values) {
  constexpr std::int64_t part = std::int64_t{1} << 18;
  std::atomic<std::int64_t> count = 0;
  const auto size = static_cast<std::int64_t>(values.size());
  detail::core::worker_pool().run(detail::core::ceil_div(size, part), [&](std::int64_t item, int /*worker*/) {
    const std::int64_t first = item * part;
    const auto here = values.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(std::min(part, size - first)));
    if (const auto found = std::ranges::count_if(here, [](float value) { return !std::isfinite(value); }); found > 0) count += found;
  });
  return count;
}

// Weights that are no numbers make outputs that are none: said in one line as soon as they are seen.
void warn_of_no_numbers(const std::string& path, const detail::graph::Graph& graph) {
  std::string first;
  std::int64_t bad = 0;
  for (const detail::graph::GraphVariable& variable : graph.variables()) {
    const std::int64_t count = count_no_numbers(variable.value().values<float>());
    if (count == 0) continue;
    if (bad++ == 0) first = fmt::format("\"{}\" holds {} values that are NaN or infinite", variable.name, count);
  }
  if (bad > 0) detail::core::say_of_file(path, fmt::format("{}{}; `linn inspect --values` lists all", first, bad > 1 ? fmt::format(", and {} more weights hold some", bad - 1) : ""));
}

}  // namespace

void Model::save(const std::string& path, const SaveOptions& options) const {
  const bool is_file = path.ends_with(".keras") || path.ends_with(".h5") || path.ends_with(".onnx");
  if (is_file) state_->built_graph("save");
  const std::optional<detail::formats::TrainingState> training = options.include_optimizer ? state_->training_state() : std::nullopt;
  detail::train::save_model(path, state_->graph,
                    {.graph = state_->graph,
                     .compile = state_->compile ? &*state_->compile : nullptr,
                     .training = training ? &*training : nullptr,
                     .seed = state_->seed,
                     .notes = &state_->notes});
}

Model load_model(const std::string& path) {
  detail::formats::ModelFile file = detail::formats::load_model(path);
  Model model(std::make_unique<Model::State>(std::move(file.config.graph), ModelOptions{.seed = file.seed}));
  model.state_->set_compile(std::move(file.config.compile));
  if (file.training) file.training->fit = nullptr;  // of a checkpoint: the model goes on from here, the fit does not
  if (file.trained_other_layers)
    detail::core::say_of_file(path, "was trained with other layers frozen than are frozen now, so its optimizer begins anew");
  model.state_->loaded_training = std::move(file.training);
  model.state_->notes = std::move(file.notes);
  if (!file.self_test) {
    warn_of_no_numbers(path, model.state_->graph);
    return model;
  }
  const double apart = detail::train::self_test_distance(model.state_->graph, *file.self_test);
  if (apart > detail::train::self_test_bound) {
    warn_of_no_numbers(path, model.state_->graph);
    const std::string how_far = std::isfinite(apart) ? fmt::format("they differ by {:.2g} of the largest", apart)
                                                     : std::string("they cannot be compared, or are no numbers");
    detail::core::say_of_file(path, "the outputs for the input that the model was saved with are not those of then: " + how_far);
  }
  return model;
}

void Model::save_weights(const std::string& path, const SaveWeightsOptions& options) const {
  detail::formats::save_weights(path, state_->built_graph("save_weights"), options);
}

LoadReport Model::load_weights(const std::string& path, const LoadWeightsOptions& options) {
  state_->built_graph("load_weights");
  return detail::formats::load_weights(path, state_->graph, options);
}

}  // namespace linn
