#include "train/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "core/cpu.h"
#include "core/random.h"
#include "core/worker_pool.h"
#include "linn/error.h"
#include "optim/losses.h"
#include "optim/optimizers.h"
#include "plan/roofline.h"
#include "train/network.h"
#include "train/samples.h"

namespace linn::detail::train {
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

// The sizes of one image; ValueError where they are left open and no images came.
Shape image_for(const Shape& input) {
  if (std::find(input.begin(), input.end(), Shape::none) != input.end())
    throw ValueError(fmt::format("profile: the model takes images of any size, {}; give .x images of the size that is to be measured", input.with_first(Shape::none).to_string()));
  return input;
}

// What the steps compute on: the caller's, checked, or random numbers of one batch.
Samples samples_of(const graph::Graph& graph, const formats::CompileConfig* compile, std::uint64_t seed, const ProfileOptions& options) {
  Tensors x = options.x;
  std::int64_t images = options.batch_size;
  if (!x.defined()) {
    std::vector<Tensor> random;
    for (const Shape& input : graph.input_shapes()) random.push_back(random_numbers(image_for(input).with_first(images), seed, "profile inputs"));
    x = random;
  }
  Samples inputs{.x = adapt_inputs(x, graph), .y = {}, .weight = {}};
  if (!options.training) return inputs;
  if (options.x.defined() && !options.y.defined()) throw DataError("profile: x came without y; training needs a target for every image");
  Tensors y = options.y;
  if (!y.defined()) {
    std::vector<Tensor> random;
    images = inputs.count();
    for (std::size_t i = 0; i < compile->losses.size(); ++i) {
      const Shape output = graph.output_shapes()[i];
      random.push_back(compile->losses[i].description().takes_labels() ? random_labels(output, images, seed)
                                                               : random_numbers(output.with_first(images), seed, "profile targets"));
    }
    y = random;
  }
  return make_samples(x, y, {}, compile->losses, graph);
}

NetworkKey key_for(const Samples& samples, std::int64_t batch, DTypePolicy dtype_policy, const ProfileOptions& options) {
  NetworkKey key{.use = options.training ? Use::train : Use::predict, .batch = batch};
  key.set_inputs(samples.x);
  for (const Tensor& y : samples.y) key.y.push_back(y.dtype());
  key.weighted.assign(samples.y.size(), 0);
  key.dtype_policy = dtype_policy;
  key.accuracy = options.accuracy;
  return key;
}

// Whole batches of a data set, one pass after the other, and how long they were waited for.
class Batches {
 public:
  Batches(const Dataset& dataset, const graph::Graph& graph, const std::vector<Loss>* losses) : graph_(graph), losses_(losses), source_(dataset.iterate()) {}

  /// The next one of so many samples as the first has.
  Samples next() {
    const auto start = std::chrono::steady_clock::now();
    Batch batch;
    for (bool anew = false;;) {
      if (!source_.next(batch)) {
        if (anew) throw DataError("profile: the data set gives no batches");
        source_.skip_to({.epoch = ++pass_});
        anew = true;
        continue;
      }
      const std::int64_t count = batch.x.list().front().shape()[0];
      if (size_ == 0) size_ = count;
      if (count == size_) break;  // the last of a pass has fewer
    }
    waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (losses_ == nullptr) return {.x = adapt_inputs(batch.x, graph_), .y = {}, .weight = {}};
    return make_samples(batch.x, batch.y, {}, *losses_, graph_);
  }
  double waited() const { return waited_; }

 private:
  const graph::Graph& graph_;
  const std::vector<Loss>* losses_;
  Dataset::Iterator source_;
  std::int64_t size_ = 0, pass_ = 0;
  double waited_ = 0;
};

// A network that is run step after step over the whole batches of its samples, or of a data set.
class Steps {
 public:
  Steps(const graph::Graph& graph, const formats::CompileConfig* compile, std::uint64_t seed, DTypePolicy dtype_policy, const ProfileOptions& options,
        const Dataset* dataset)
      : graph_(graph.clone()),  // training changes the values
        compile_(compile),
        seed_(seed),
        batches_(dataset == nullptr ? std::nullopt : std::optional<Batches>(std::in_place, *dataset, graph_, options.training ? &compile->losses : nullptr)),
        samples_(batches_ ? batches_->next() : samples_of(graph, compile, seed, options)),
        batch_(batches_ ? samples_.count() : std::min(options.batch_size, samples_.count())),
        network_(graph_, compile, graph_.frozen_layers(), key_for(samples_, batch_, dtype_policy, options)) {
    if (options.training) slots_ = make_slots(graph_, graph_.frozen_layers(), compile->optimizer.description());
    network_.bind(graph_, &slots_);
    if (options.training) return;
    for (const Shape& shape : network_.output_shapes()) {
      outputs_.emplace_back(shape.with_first(batch_));
      network_.bind_output(outputs_.size() - 1, outputs_.back().raw());
    }
  }

  std::int64_t batch() const { return batch_; }
  Network& network() { return network_; }

  void run(std::int64_t steps) {
    const std::int64_t batches = samples_.count() / batch_;
    for (std::int64_t i = 0; i < steps; ++i, ++done_) {
      const double rate = !outputs_.empty() ? 0 : compile_->optimizer.description().learning_rate().at(done_, done_ + steps);
      if (batches_) take(batches_->next());
      samples_.sources(done_ % batches * batch_, nullptr, sources_);
      network_.run(batch_, {.seed = seed_, .step = done_, .learning_rate = rate}, sources_, nullptr);
    }
  }
  double waited() const { return batches_ ? batches_->waited() : 0; }
  /// The seconds that so many steps took.
  double time(std::int64_t steps) {
    const auto start = std::chrono::steady_clock::now();
    run(steps);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  // The network was made for the types of the first batch.
  void take(Samples batch) {
    const auto same_types = [](const std::vector<Tensor>& a, const std::vector<Tensor>& b) { return std::ranges::equal(a, b, {}, &Tensor::dtype, &Tensor::dtype); };
    if (!same_types(batch.x, samples_.x) || !same_types(batch.y, samples_.y)) throw DataError("profile: the batches of the data set hold numbers of different types");
    samples_ = std::move(batch);
  }

  graph::Graph graph_;
  const formats::CompileConfig* compile_;
  std::uint64_t seed_;
  std::optional<Batches> batches_;
  Samples samples_;
  std::int64_t batch_;
  Network network_;
  Slots slots_;
  std::vector<Tensor> outputs_;
  std::vector<plan::Rows> sources_;
  std::int64_t done_ = 0;
};

}  // namespace

Profile profile(const graph::Graph& graph, const formats::CompileConfig* compile, std::uint64_t seed, DTypePolicy dtype_policy,
                const ProfileOptions& options, const Dataset* batches) {
  check_options(options);
  if (options.training && !compile->has_loss())
    throw StateError("profile: the model was compiled without a loss; give compile a .loss");
  Steps steps(graph, compile, seed, dtype_policy, options, batches);
  const plan::Roofline roofline = plan::measure_roofline();
  steps.run(steps_before);
  std::int64_t count = options.steps;
  if (count == 0)
    count = std::clamp(static_cast<std::int64_t>(wanted_seconds / std::min({steps.time(1), steps.time(1), steps.time(1)})), std::int64_t{3},
                       most_steps);

  plan::OpTimes& times = steps.network().measure();
  const double waited_before = steps.waited();
  const double seconds = steps.time(count);
  return {.training = options.training,
          .batch_size = steps.batch(),
          .steps = count,
          .seconds = seconds,
          .seconds_waiting = steps.waited() - waited_before,
          .threads = core::worker_pool().threads(),
          .isa = std::string(core::name_of(core::isa())),
          .precision = std::string(dtype_policy.name()),
          .accuracy = options.accuracy,
          .peak_flops = roofline.flops,
          .cache_bandwidth = roofline.cache_bandwidth,
          .memory_bandwidth = roofline.memory_bandwidth,
          .ops = times.rows()};
}

}  // namespace linn::detail::train
