#include "shift/downsampling.h"

#include <cmath>
#include <iterator>
#include <numeric>

#include "kernels/blur/blur.h"
#include "linn/tensor.h"

namespace linn::shift {
namespace {

using detail::io::Json;

// Channels that share a filter in the paper's networks.
constexpr std::int64_t ddac_groups = 8;

void configure_blur(Json& config, const FixOptions& options, std::int64_t /*channels*/) {
  config["filter_size"] = options.filter_size;
  config["border"] = "circular";
}

void configure_lps(Json& config, const FixOptions& options, std::int64_t /*channels*/) { config["anneal_steps"] = options.anneal_steps; }

// gamma 0: the filter is that of beta at first.
void configure_ddac(Json& config, const FixOptions& options, std::int64_t channels) {
  configure_blur(config, options, channels);
  config["groups"] = std::gcd(ddac_groups, channels);
  config["gamma_initializer"] = "zeros";
}

// scale 0: the mean of the phases.
void configure_tips(Json& config, const FixOptions& /*options*/, std::int64_t /*channels*/) { config["scale_initializer"] = "zeros"; }

void configure_nothing(Json& /*config*/, const FixOptions& /*options*/, std::int64_t /*channels*/) {}

constexpr DownsamplingRow downsampling_rows[] = {
    {.class_name = "BlurPooling2D", .keeps_blurs = true, .configure = configure_blur},
    {.class_name = "AdaptivePolyphaseSampling2D", .polyphase = true, .divides = true, .configure = configure_nothing},
    {.class_name = "LearnablePolyphaseSampling2D", .polyphase = true, .divides = true, .configure = configure_lps},
    {.class_name = "AdaptiveBlurPooling2D", .keeps_blurs = true, .configure = configure_ddac},
    {.class_name = "FrequencyLowCutPooling2D", .keeps_blurs = true, .configure = configure_nothing},
    {.class_name = "TranslationInvariantPolyphaseSampling2D", .divides = true, .keeps_blurs = true, .configure = configure_tips}};
static_assert(std::size(downsampling_rows) == std::size(DownsamplingNames::names), "a name without its row");

}  // namespace

const DownsamplingRow& row_of(const Downsampling& with) { return downsampling_rows[static_cast<std::size_t>(with.kind())]; }

Tensor first_values(const Downsampling& with, std::string_view variable, const FixOptions& options, const Shape& shape) {
  if (with.kind() != Downsampling::ddac || variable != "beta") return {};
  const auto weights = detail::kernels::blur_weights(options.filter_size);
  const auto taps = static_cast<std::size_t>(options.filter_size);
  Tensor values(shape);
  const auto logits = values.values<float>();
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = std::log(weights[i / taps % taps] * weights[i % taps]);
  return values;
}

}  // namespace linn::shift
