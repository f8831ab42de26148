#include "schema/row.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "core/did_you_mean.h"

namespace linn::detail::schema {

std::string_view name_of(Kind kind) {
  static constexpr std::array<std::string_view, 10> names{"layer",    "activation",  "loss",        "metric",     "optimizer",
                                                          "schedule", "initializer", "regularizer", "constraint", "callback"};
  return names[static_cast<std::size_t>(kind)];
}

bool Row::is_called(std::string_view name) const {
  return name == info.name || (!name.empty() && std::ranges::find(info.aliases, name) != info.aliases.end());
}

std::string unknown_name(Kind kind, std::string_view name, std::span<const std::string_view> known, std::span<const std::string_view> others) {
  std::string meant = core::did_you_mean(name, known);
  if (meant.empty()) meant = core::did_you_mean(name, others);
  return fmt::format("unknown {} \"{}\"{}; known are {}", name_of(kind), name, meant, fmt::join(known, ", "));
}

std::string signature(const Row& row) {
  std::string text = fmt::format("{}.{}", row.info.module, row.info.name);
  for (const std::string_view alias : row.info.aliases)
    if (!alias.empty()) text += fmt::format("|{}.{}", row.info.module, alias);
  std::vector<std::string> arguments;
  for (const FieldInfo& field : row.fields()) arguments.push_back(field.otherwise.empty() ? field.key : field.key + "=" + field.otherwise);
  return fmt::format("{} ( {} )", text, fmt::join(arguments, ", "));
}

void refuse_unknown(const io::Json& json, const std::set<std::string, std::less<>>& known, std::span<const Absent> absent, Ignored ignored,
                    const std::string& where) {
  const auto is_absent = [&](std::string_view key, const io::Json& value) {
    const auto found = std::ranges::find(absent, key, &Absent::key);
    return found != absent.end() && (found->value.empty() || io::dump_json(value) == found->value);
  };
  for (const auto& [key, value] : json.items()) {
    if (known.contains(key) || value.is_null() || is_absent(key, value) || (ignored != nullptr && ignored(key, value))) continue;
    const std::vector<std::string> names(known.begin(), known.end());
    throw FormatError(fmt::format("{}: field \"{}\" with {} is not supported{}", where, key, io::describe(value), core::did_you_mean(key, std::span(names))));
  }
}

}  // namespace linn::detail::schema
