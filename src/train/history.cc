#include <fmt/format.h>

#include "linn/error.h"
#include "linn/train.h"

namespace linn {

const std::vector<double>& History::operator[](std::string_view name) const {
  const auto found = history.find(name);
  if (found != history.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& entry : history) names.push_back(entry.first);
  throw ValueError(fmt::format("the history holds no \"{}\"; it holds {}", name, names.empty() ? "nothing: no epoch was finished" : fmt::format("{}", fmt::join(names, ", "))));
}

}  // namespace linn
