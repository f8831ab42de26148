// Base of implementations in vectors: SSE4, position invariant, for all problems, without scratch. Derived structs override what differs.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/cpu.h"

namespace linn::detail::kernels {

template <class Kernel>
struct VectorTraits {
  static constexpr std::string_view name = "vector";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const typename Kernel::Problem&) { return true; }
  static std::int64_t scratch(const typename Kernel::Problem&, std::int64_t) { return 0; }
};

}  // namespace linn::detail::kernels
