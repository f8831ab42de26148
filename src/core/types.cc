#include "linn/types.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/did_you_mean.h"
#include "linn/error.h"

namespace linn {

std::uint8_t detail::place_among(std::span<const std::string_view> names, std::string_view option, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<std::uint8_t>(found - names.begin());
  std::string allowed;
  for (std::size_t i = 0; i < names.size(); ++i) allowed += fmt::format("{}\"{}\"", i == 0 ? "" : i + 1 < names.size() ? ", " : " or ", names[i]);
  throw ValueError(fmt::format("{} is \"{}\"{}; it may be {}", option, name, detail::core::did_you_mean(name, names), allowed));
}

}  // namespace linn
