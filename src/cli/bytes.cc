// Numbers of bytes on the command line.
#include <algorithm>
#include <charconv>
#include <iterator>
#include <string_view>

#include "cli/command.h"
#include "io/text.h"

namespace linn::cli {

std::int64_t parse_bytes(const std::string& option, const std::string& text) {
  struct Unit {
    std::string_view name;
    double bytes;
  };
  constexpr double kibi = 1024;
  constexpr Unit units[] = {{"", 1},     {"b", 1},      {"k", 1e3},           {"kb", 1e3},          {"kib", kibi},
                            {"m", 1e6},  {"mb", 1e6},   {"mib", kibi * kibi}, {"g", 1e9},           {"gb", 1e9},
                            {"t", 1e12}, {"tb", 1e12},  {"gib", kibi * kibi * kibi},                {"tib", kibi * kibi * kibi * kibi}};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit = detail::io::lower_case(std::string_view(end, static_cast<std::size_t>(text.data() + text.size() - end)));
  const auto* found = std::find_if(std::begin(units), std::end(units), [&](const Unit& known) { return known.name == unit; });
  const double bytes = found == std::end(units) ? 0 : number * found->bytes;
  if (error != std::errc() || !(bytes >= 1 && bytes < 9e18))
    throw ValueError(fmt::format("{} {}: a number of bytes is allowed, such as 2GB, 512MiB or 1000000", option, detail::io::quote(text)));
  return static_cast<std::int64_t>(bytes);
}

}  // namespace linn::cli
