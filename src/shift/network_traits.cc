#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstddef>

#include "core/text_cells.h"
#include "linn/fix.h"
#include "shift/text.h"

namespace linn::shift {

namespace {

constexpr std::int64_t batch = 128;

// By the clock, over a quarter of a second and three calls at least; the first call, which prepares kernels, is not counted.
double seconds_an_image(const Model& model, const SweepOptions& options) {
  using Clock = std::chrono::steady_clock;
  const Shape input = model.input_shape();
  Tensor images({batch, input[0], input[1], input[2]});
  const auto values = images.values<float>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7) / 7;  // zeros might be quicker
  const auto predict = [&] {
    model.predict(images, {.batch_size = batch, .accuracy = options.accuracy});
  };
  predict();
  const auto begin = Clock::now();
  double seconds = 0;
  std::int64_t calls = 0;
  while (calls < 3 || seconds < 0.25) {
    predict();
    ++calls;
    seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  }
  return seconds / static_cast<double>(calls * batch);
}

}  // namespace

NetworkTraits measure_traits(const Model& model, const Tensor& images, const Tensor& labels, const SweepOptions& options) {
  NetworkTraits result{.sweep = sweep(model, images, labels, options)};
  result.parameters = model.count_params();
  const Profile profile =
      model.profile({.batch_size = batch, .steps = 1, .accuracy = options.accuracy});
  for (const OpProfile& op : profile.ops) result.flops += op.flops / static_cast<double>(batch);
  result.seconds_an_image = seconds_an_image(model, options);
  return result;
}

std::string table_of(const NetworkTraits& before, const NetworkTraits& after) {
  std::string text;
  const auto row = [&](std::string_view name, const std::string& one, const std::string& other) {
    text += fmt::format("   {:<34}{:>12}{:>12}\n", name, one, other);
  };
  const Measures old = before.sweep.measures(before.sweep.radius()), now = after.sweep.measures(after.sweep.radius());
  const auto share = [&](std::string_view name, Estimate Measures::*value) {
    row(name, value_text((old.*value).value, true), value_text((now.*value).value, true));
  };
  const std::string within = fmt::format(" within {}", before.sweep.radius());
  row("", "before", "after");
  share("accuracy", &Measures::accuracy);
  share("right at every shift" + within, &Measures::worst_case_accuracy);
  share("mean accuracy" + within, &Measures::mean_accuracy);
  share("two shifts agree" + within, &Measures::consistency);
  row("parameters", detail::core::thousands(before.parameters), detail::core::thousands(after.parameters));
  row("thousand operations an image", detail::core::thousands(std::llround(before.flops / 1e3)),
      detail::core::thousands(std::llround(after.flops / 1e3)));
  row("microseconds an image", fmt::format("{:.1f}", before.seconds_an_image * 1e6), fmt::format("{:.1f}", after.seconds_an_image * 1e6));
  return text;
}

}  // namespace linn::shift
