// room: core
// Options that are one of a few names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace linn {

namespace detail {
/// The place of `name` among `names`. ValueError if it is none of them: `padding is "vaild" (did you mean "valid"?); it may be ...`.
std::uint8_t place_among(std::span<const std::string_view> names, std::string_view option, const std::string& name);
}  // namespace detail

/// One of the names of `Names`, a struct with
///   enum Kind : std::uint8_t { valid, same };
///   static constexpr std::string_view option = "padding", names[] = {"valid", "same"};      in the order of Kind
///   static consteval void check(bool known) { if (!known) throw "padding must be \"valid\" or \"same\""; }
/// A literal that is none of the names does not compile, and the compiler shows the text of `check`; a std::string is checked when the
/// program runs (ValueError).
template <class Names>
class Choice : public Names {
 public:
  using Kind = typename Names::Kind;

  consteval Choice(const char* name) : kind_(literal(name)) {}
  Choice(const std::string& name) : kind_(static_cast<Kind>(detail::place_among(Names::names, Names::option, name))) {}
  constexpr Kind kind() const { return kind_; }
  constexpr std::string_view name() const { return Names::names[kind_]; }
  friend constexpr bool operator==(const Choice& a, const Choice& b) { return a.kind_ == b.kind_; }

 private:
  static consteval Kind literal(std::string_view name) {
    std::size_t place = 0;
    while (place < std::size(Names::names) && Names::names[place] != name) ++place;
    Names::check(place < std::size(Names::names));
    return static_cast<Kind>(place);
  }
  Kind kind_;
};

}  // namespace linn
