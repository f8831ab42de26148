// What the two image readers share.
#pragma once

#include <cstdint>

namespace linn::io {

/// Larger images are refused by their header, before memory is taken for them.
struct ImageLimits {
  std::uint64_t pixels = std::uint64_t{64} << 20;
};

}  // namespace linn::io
