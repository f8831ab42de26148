// The shapes that an example of a row names.
#pragma once

#include <cctype>
#include <cstdint>
#include <span>
#include <sstream>
#include <string>
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

}  // namespace linn::tests
