#include "linn/types.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/did_you_mean.h"
#include "linn/error.h"

namespace linn {
namespace {

// Which of a closed set's names it is; ValueError if none.
std::uint8_t place_in(std::span<const std::string_view> names, std::string_view what, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<std::uint8_t>(found - names.begin());
  std::string allowed;
  for (std::size_t i = 0; i < names.size(); ++i) allowed += fmt::format("{}\"{}\"", i == 0 ? "" : i + 1 < names.size() ? ", " : " or ", names[i]);
  throw ValueError(fmt::format("{} is \"{}\"{}; it may be {}", what, name, core::did_you_mean(name, names), allowed));
}

}  // namespace

BlurBorder::BlurBorder(const std::string& name) : kind_(static_cast<Kind>(place_in(names, "border", name))) {}
BlurPads::BlurPads(const std::string& name) : kind_(static_cast<Kind>(place_in(names, "pads", name))) {}
Padding::Padding(const std::string& name) : kind_(static_cast<Kind>(place_in(names, "padding", name))) {}
NormOrder::NormOrder(const std::string& name) : kind_(static_cast<Kind>(place_in(names, "order", name))) {}

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
