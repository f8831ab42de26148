#include <fmt/format.h>

#include <algorithm>

#include "linn/fix.h"
#include "shift/text.h"

namespace linn::shift {

Portrait portrait(const Sequential& model, const Tensor& images, const Tensor& labels, const SweepOptions& options) {
  Portrait result;
  result.measures = sweep(model, images, labels, options).measures(options.radius);
  result.parameters = model.count_params();
  constexpr std::int64_t batch = 128, steps = 8;
  const Profile profile = model.profile({.batch_size = batch, .steps = steps, .input_scale = options.input_scale, .accuracy = options.accuracy});
  for (const OpProfile& op : profile.ops) result.flops += op.flops / static_cast<double>(batch * steps);
  result.seconds_an_image = 1 / profile.images_per_second();
  return result;
}

std::string table_of(const Portrait& before, const Portrait& after) {
  std::string text = fmt::format("   {:<34}{:>12}{:>12}\n", "", "before", "after");
  const auto row = [&](std::string_view name, const std::string& one, const std::string& other) { text += fmt::format("   {:<34}{:>12}{:>12}\n", name, one, other); };
  const auto share = [&](std::string_view name, Estimate Measures::*value) {
    row(name, value_text((before.measures.*value).value, true), value_text((after.measures.*value).value, true));
  };
  const std::string within = fmt::format(" within {}", before.measures.r);
  share("accuracy", &Measures::accuracy);
  share("right at every shift" + within, &Measures::worst_case_accuracy);
  share("mean accuracy" + within, &Measures::mean_accuracy);
  share("two shifts agree" + within, &Measures::consistency);
  row("parameters", fmt::format("{}", before.parameters), fmt::format("{}", after.parameters));
  row("million operations an image", fmt::format("{:.2f}", before.flops / 1e6), fmt::format("{:.2f}", after.flops / 1e6));
  row("microseconds an image", fmt::format("{:.1f}", before.seconds_an_image * 1e6), fmt::format("{:.1f}", after.seconds_an_image * 1e6));
  return text;
}

}  // namespace linn::shift
