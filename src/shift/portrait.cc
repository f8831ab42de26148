#include <fmt/format.h>

#include <cmath>

#include "core/thousands.h"
#include "linn/fix.h"
#include "shift/text.h"

namespace linn::shift {

Portrait portrait(const Sequential& model, const Tensor& images, const Tensor& labels, const SweepOptions& options) {
  Portrait result{.sweep = sweep(model, images, labels, options)};
  result.parameters = model.count_params();
  constexpr std::int64_t batch = 128, steps = 8;
  const Profile profile = model.profile({.batch_size = batch, .steps = steps, .input_scale = options.input_scale, .accuracy = options.accuracy});
  for (const OpProfile& op : profile.ops) result.flops += op.flops / static_cast<double>(batch * steps);
  result.seconds_an_image = 1 / profile.images_per_second();
  return result;
}

std::string table_of(const Portrait& before, const Portrait& after) {
  std::string text;
  const auto row = [&](std::string_view name, const std::string& one, const std::string& other) { text += fmt::format("   {:<34}{:>12}{:>12}\n", name, one, other); };
  const Measures old = before.sweep.measures(before.sweep.radius()), now = after.sweep.measures(after.sweep.radius());
  const auto share = [&](std::string_view name, Estimate Measures::*value) { row(name, value_text((old.*value).value, true), value_text((now.*value).value, true)); };
  const std::string within = fmt::format(" within {}", before.sweep.radius());
  row("", "before", "after");
  share("accuracy", &Measures::accuracy);
  share("right at every shift" + within, &Measures::worst_case_accuracy);
  share("mean accuracy" + within, &Measures::mean_accuracy);
  share("two shifts agree" + within, &Measures::consistency);
  row("parameters", core::thousands(before.parameters), core::thousands(after.parameters));
  row("thousand operations an image", core::thousands(std::llround(before.flops / 1e3)), core::thousands(std::llround(after.flops / 1e3)));
  row("microseconds an image", fmt::format("{:.1f}", before.seconds_an_image * 1e6), fmt::format("{:.1f}", after.seconds_an_image * 1e6));
  return text;
}

}  // namespace linn::shift
