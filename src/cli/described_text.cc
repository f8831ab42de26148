#include "cli/described_text.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "io/text.h"
#include "linn/error.h"

namespace linn::cli {
namespace {

using detail::io::Json;
using detail::io::quote;

Json value_of(std::string_view text) {
  try {
    return detail::io::parse_json(text, "value");
  } catch (const FormatError&) {
    return std::string(text);
  }
}

void add_argument(Json& node, std::string_view argument, const std::string& option, const std::string& text) {
  const std::size_t equals = argument.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == argument.size())
    throw FormatError(fmt::format("{} {}: {} came where ARGUMENT=VALUE is allowed: NAME:ARGUMENT=VALUE,ARGUMENT=VALUE", option, quote(text), quote(argument)));
  const std::string key(argument.substr(0, equals));
  if (node["config"].contains(key)) throw FormatError(fmt::format("{} {}: {} is given twice", option, quote(text), key));
  node["config"][key] = value_of(argument.substr(equals + 1));
}

// "NAME" or "NAME:ARGUMENT=VALUE": what stands before the first comma.
Json begin_node(std::string_view part, const std::string& option, const std::string& text) {
  const std::size_t colon = part.find(':');
  const std::string name(part.substr(0, colon));
  if (name.empty() || name.find('=') != std::string::npos)
    throw FormatError(fmt::format("{} {}: {} came where a name is allowed, NAME or NAME:ARGUMENT=VALUE", option, quote(text), quote(part)));
  if (colon == std::string_view::npos) return name;
  Json node = {{"class_name", name}, {"config", Json::object()}};
  add_argument(node, part.substr(colon + 1), option, text);
  return node;
}

}  // namespace

std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '[') ++depth;
    if (i < text.size() && text[i] == ']') --depth;
    if (i < text.size() && (text[i] != ',' || depth > 0)) continue;
    parts.push_back(text.substr(begin, i - begin));
    begin = i + 1;
  }
  return parts;
}

Json described_texts(const std::string& option, const std::string& text) {
  Json list = Json::array();
  for (const std::string_view part : parts_of(text)) {
    const std::size_t equals = part.find('='), colon = part.find(':');
    const bool continues = !list.empty() && list.back().is_object() && equals != std::string_view::npos && (colon == std::string_view::npos || equals < colon);
    if (continues)
      add_argument(list.back(), part, option, text);
    else
      list.push_back(begin_node(part, option, text));
  }
  return list;
}

Json described_text(const std::string& option, const std::string& text) {
  const Json list = described_texts(option, text);
  if (list.size() != 1) throw FormatError(fmt::format("{} {}: one name is allowed, with arguments as NAME:ARGUMENT=VALUE,ARGUMENT=VALUE", option, quote(text)));
  return list[0];
}

}  // namespace linn::cli
