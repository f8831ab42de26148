// Counts as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace linn::core {

/// 60000 as "60,000".
std::string thousands(std::int64_t value);

}  // namespace linn::core
