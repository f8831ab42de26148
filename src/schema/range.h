// What a number may be.
#pragma once

#include <limits>
#include <string>

namespace linn::detail::schema {

struct Range {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool least_open = false;  // least itself is refused
  bool most_open = false;   // most itself is refused

  constexpr bool holds(double value) const {  // false for NaN
    return (least_open ? value > least : value >= least) && (most_open ? value < most : value <= most);
  }
  friend constexpr bool operator==(const Range&, const Range&) = default;
};

constexpr Range at_least(double least) { return {.least = least}; }
constexpr Range above(double least) { return {.least = least, .least_open = true}; }
/// [least, most].
constexpr Range between(double least, double most) { return {.least = least, .most = most}; }
/// [least, most).
constexpr Range from_to_below(double least, double most) { return {.least = least, .most = most, .most_open = true}; }

/// "1 or more", "above 0", "2 to 7", "in [0, 1)"; empty when every number is allowed.
std::string to_string(const Range& range);

}  // namespace linn::detail::schema
