// JSON: what parses, dumped and parsed again, is the same; and nlohmann's own parser takes all that ours takes.
#include "io/json.h"

#include <string>

#include "check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linn;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  fuzz::accept_errors([&] {
    detail::io::JsonLimits limits;
    limits.bytes = 1 << 20;
    const detail::io::Json value = detail::io::parse_json(text, "fuzz.json", limits);
    fuzz::check(detail::io::parse_json(detail::io::dump_json(value), "again.json") == value, "a value outlives a round trip");
    fuzz::check(detail::io::Json::parse(text, nullptr, false) == value, "the two parsers agree");
    if (value.is_object()) {
      fuzz::accept_errors([&] { detail::io::integer_field(value, "a", "fuzz.json", 0, 10); });
      fuzz::accept_errors([&] { detail::io::string_field_or(value, "b", "fuzz.json", "x"); });
      fuzz::accept_errors([&] { detail::io::array_field(value, "c", "fuzz.json"); });
    }
  });
  return 0;
}
