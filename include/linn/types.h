// room: core
// Small types of arguments: sizes given as one number or two, and closed sets of names that are checked by the compiler.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace linn {

/// Height and width: `3` means (3, 3), `{2, 3}` means height 2, width 3. Unset until given a value.
struct Size2 {
  std::int64_t height = 0;
  std::int64_t width = 0;

  constexpr Size2() = default;
  constexpr Size2(std::int64_t both) : Size2(both, both) {}
  constexpr Size2(std::int64_t h, std::int64_t w) : height(h), width(w), set_(true) {}

  constexpr bool is_set() const { return set_; }
  friend constexpr bool operator==(const Size2&, const Size2&) = default;

 private:
  bool set_ = false;
};

/// "valid" (no padding) or "same" (out = ceil(n / stride), the odd pad at the end). A misspelt literal does not compile;
/// a std::string is checked when it runs (ValueError).
class Padding {
 public:
  enum Kind : std::uint8_t { valid, same };

  consteval Padding(const char* name) : kind_(literal(name)) {}
  Padding(const std::string& name);
  constexpr Kind kind() const { return kind_; }
  std::string_view name() const { return kind_ == same ? "same" : "valid"; }

 private:
  static consteval Kind literal(std::string_view name) {
    if (name == "valid") return valid;
    if (name == "same") return same;
    throw "padding must be \"valid\" or \"same\"";
  }
  Kind kind_;
};

/// "channels_last", images as (height, width, channels): the only layout linn computes in. "channels_first" is Keras's other
/// name; it is known, and refused with the way out.
class DataFormat {
 public:
  consteval DataFormat(const char* name) { check_literal(name); }
  DataFormat(const std::string& name);
  std::string_view name() const { return "channels_last"; }

 private:
  static consteval void check_literal(std::string_view name) {
    if (name != "channels_last") throw "data_format must be \"channels_last\"";
  }
};

}  // namespace linn
