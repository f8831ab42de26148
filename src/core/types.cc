#include "linn/types.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <span>

#include "core/did_you_mean.h"
#include "linn/error.h"

namespace linn {
namespace {

// Which of a closed set's names it is; their number if none.
std::size_t place_in(std::span<const std::string_view> names, const std::string& name) {
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

}  // namespace

BlurBorder::BlurBorder(const std::string& name) : kind_(reflect) {
  const std::size_t at = place_in(names, name);
  if (at == std::size(names))
    throw ValueError(fmt::format("border is \"{}\"{}; it may be \"reflect\", \"replicate\", \"zero\" or \"circular\"", name,
                                 core::did_you_mean(name, std::span<const std::string_view>(names))));
  kind_ = static_cast<Kind>(at);
}

BlurPads::BlurPads(const std::string& name) : kind_(zhang) {
  const std::size_t at = place_in(names, name);
  if (at == std::size(names))
    throw ValueError(fmt::format("pads is \"{}\"{}; it may be \"zhang\", \"timm\" or \"kornia\"", name,
                                 core::did_you_mean(name, std::span<const std::string_view>(names))));
  kind_ = static_cast<Kind>(at);
}

Padding::Padding(const std::string& name) : kind_(valid) {
  const std::size_t at = place_in(names, name);
  if (at == std::size(names))
    throw ValueError(fmt::format("padding is \"{}\"{}; it may be \"valid\", \"same\", \"circular\" or \"full\"", name,
                                 core::did_you_mean(name, std::span<const std::string_view>(names))));
  kind_ = static_cast<Kind>(at);
}

NormOrder::NormOrder(const std::string& name) : kind_(l2) {
  for (const Kind kind : {l1, l2, linf})
    if (name == names[kind]) {
      kind_ = kind;
      return;
    }
  throw ValueError(fmt::format("order is \"{}\"{}; it may be \"l1\", \"l2\" or \"linf\"", name,
                               core::did_you_mean(name, std::span<const std::string_view>(names))));
}

Accuracy::Accuracy(const std::string& name) : kind_(name == "exact" ? exact : fast) {
  static constexpr std::array<std::string_view, 2> known{"fast", "exact"};
  if (name != "fast" && name != "exact")
    throw ValueError(fmt::format("accuracy is \"{}\"{}; it may be \"fast\" or \"exact\"", name, core::did_you_mean(name, known)));
}

DTypePolicy::DTypePolicy(const std::string& name) : kind_(name == "mixed_bfloat16" ? mixed_bfloat16 : float32) {
  static constexpr std::array<std::string_view, 2> known{"float32", "mixed_bfloat16"};
  if (name != "float32" && name != "mixed_bfloat16")
    throw ValueError(fmt::format("dtype_policy is \"{}\"{}; it may be \"float32\" or \"mixed_bfloat16\"", name, core::did_you_mean(name, known)));
}

DataFormat::DataFormat(const std::string& name) {
  if (name == "channels_first")
    throw ValueError("data_format \"channels_first\" is not supported: linn computes on (height, width, channels); move the channels to the last axis");
  if (name != "channels_last") throw ValueError(fmt::format("data_format is \"{}\"; it must be \"channels_last\"", name));
}

}  // namespace linn
