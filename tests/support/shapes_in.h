// The inputs that an example of a row is for.
#pragma once

#include <cctype>
#include <cstdint>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "linn/shape.h"

namespace linn::tests {

/// "(6, 5, 2) (3)" as shapes.
inline std::vector<Shape> shapes_in(const std::string& text) {
  std::vector<Shape> shapes;
  std::vector<std::int64_t> sizes;
  std::istringstream stream(text);
  for (char c = 0; stream.get(c);) {
    if (c == ')') {
      shapes.emplace_back(std::span<const std::int64_t>(sizes));
      sizes.clear();
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      stream.unget();
      stream >> sizes.emplace_back();
    }
  }
  return shapes;
}

/// The least number to give to a layer of this configuration: `otherwise`, or one above 0 for the logarithm.
inline double least_for(std::string_view config, double otherwise) {
  return config.find("\"log\"") == std::string_view::npos ? otherwise : 0.1;
}

}  // namespace linn::tests
