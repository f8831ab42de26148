#include "train/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/cpu.h"
#include "core/random.h"
#include "core/worker_pool.h"
#include "linn/error.h"
#include "optim/losses.h"
#include "optim/optimizers.h"
#include "plan/roofline.h"
#include "train/network.h"
#include "train/samples.h"

namespace linn::train {
namespace {

using Use = NetworkKey::Use;

constexpr std::int64_t steps_before = 3;  // not measured: they touch memory for the first time
constexpr std::int64_t most_steps = 1'000'000;
constexpr double wanted_seconds = 1;

void check_options(const ProfileOptions& options) {
  if (options.batch_size < 1) throw ValueError(fmt::format("profile: batch_size is {}; it must be 1 or more", options.batch_size));
  if (options.steps < 0) throw ValueError(fmt::format("profile: steps is {}; it must be 0 (about a second) or more", options.steps));
}

Tensor random_numbers(const Shape& shape, std::uint64_t seed, const char* purpose) {
  Tensor tensor(shape);
  const core::Random random(seed, core::stream_of(purpose, 0));
  std::uint64_t index = 0;
  for (float& value : tensor.values<float>()) value = random.uniform(index++);
  return tensor;
}

Tensor random_labels(const Shape& output, std::int64_t images, std::uint64_t seed) {
  Tensor labels({images, output.elements() / output[-1]}, DType::i64);
  const core::Random random(seed, core::stream_of("profile labels", 0));
  std::uint64_t index = 0;
  for (std::int64_t& label : labels.values<std::int64_t>())
    label = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(output[-1]), index++));
  return labels;
}

// What the steps compute on: the caller's, checked, or random numbers of one batch.
Samples samples_of(const graph::Graph& graph, const formats::CompileConfig* compile, std::uint64_t seed, const ProfileOptions& options) {
  const Tensor x =
      options.x.defined() ? options.x : random_numbers(graph.input_shape().with_first(options.batch_size), seed, "profile inputs");
  if (!options.training) return {.x = adapt_input(x, graph.input_shape(), "x"), .y = {}, .weight = {}};
  if (options.x.defined() && !options.y.defined()) throw DataError("profile: x came without y; training needs a target for every image");
  const std::int64_t images = x.shape().empty() ? 0 : x.shape()[0];
  const Shape& output = graph.output_shape();
  const Tensor y = options.x.defined()                  ? options.y
                   : optim::takes_labels(compile->loss) ? random_labels(output, images, seed)
                                                        : random_numbers(output.with_first(images), seed, "profile targets");
  return make_samples(x, y, {}, compile->loss, graph.input_shape(), output);
}

// A network that is run step after step over the whole batches of its samples.
class Steps {
 public:
  Steps(const graph::Graph& graph, const formats::CompileConfig* compile, std::uint64_t seed, DTypePolicy dtype_policy, const ProfileOptions& options)
      : graph_(graph),
        compile_(compile),
        seed_(seed),
        samples_(samples_of(graph, compile, seed, options)),
        batch_(std::min(options.batch_size, samples_.count())),
        network_(graph, compile,
                 {.use = options.training ? Use::train : Use::predict,
                  .batch = batch_,
                  .x = samples_.x.dtype(),
                  .y = options.training ? samples_.y.dtype() : DType::f32,
                  .input_scale = options.input_scale,
                  .dtype_policy = dtype_policy,
                  .accuracy = options.accuracy}) {
    for (graph::Variable& variable : graph_.variables()) variable.value = variable.value.clone();  // training changes them
    if (options.training) slots_ = make_slots(graph_, compile->optimizer.description());
    network_.bind(graph_, &slots_);
    if (options.training) return;
    output_ = Tensor(graph.output_shape().with_first(batch_));
    network_.bind_output(output_.raw());
  }

  std::int64_t batch() const { return batch_; }
  Network& network() { return network_; }

  void run(std::int64_t steps) {
    const std::int64_t batches = samples_.count() / batch_;
    for (std::int64_t i = 0; i < steps; ++i, ++done_) {
      const double rate = output_.defined() ? 0 : compile_->optimizer.description().learning_rate().at(done_, done_ + steps);
      network_.run(batch_, {.seed = seed_, .step = done_, .learning_rate = rate}, samples_.sources(done_ % batches * batch_, nullptr),
                   nullptr);
    }
  }
  /// The seconds that so many steps took.
  double time(std::int64_t steps) {
    const auto start = std::chrono::steady_clock::now();
    run(steps);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  graph::Graph graph_;  // a copy
  const formats::CompileConfig* compile_;
  std::uint64_t seed_;
  Samples samples_;
  std::int64_t batch_;
  Network network_;
  Slots slots_;
  Tensor output_;
  std::int64_t done_ = 0;
};

}  // namespace

Profile profile(const graph::Graph& graph, const formats::CompileConfig* compile, std::uint64_t seed, DTypePolicy dtype_policy,
                const ProfileOptions& options) {
  check_options(options);
  if (options.training && compile->loss.kind == Loss::Kind::none)
    throw StateError("profile: the model was compiled without a loss; give compile a .loss");
  Steps steps(graph, compile, seed, dtype_policy, options);
  const plan::Roofline roofline = plan::measure_roofline();
  steps.run(steps_before);
  std::int64_t count = options.steps;
  if (count == 0)
    count = std::clamp(static_cast<std::int64_t>(wanted_seconds / std::min({steps.time(1), steps.time(1), steps.time(1)})), std::int64_t{3},
                       most_steps);

  plan::OpTimes& times = steps.network().measure();
  const double seconds = steps.time(count);
  return {.training = options.training,
          .batch_size = steps.batch(),
          .steps = count,
          .seconds = seconds,
          .threads = core::worker_pool().threads(),
          .isa = std::string(core::name_of(core::isa())),
          .precision = std::string(dtype_policy.name()),
          .accuracy = options.accuracy,
          .peak_flops = roofline.flops,
          .cache_bandwidth = roofline.cache_bandwidth,
          .memory_bandwidth = roofline.memory_bandwidth,
          .ops = times.rows()};
}

}  // namespace linn::train
