// Padding by rows (Highway): copies or adds whole rows, and single pixels only outside the border.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/cpu.h"
#include "kernels/pad/pad.h"

namespace linn::detail::kernels::pad {

/// Base of both implementations, which give the bits of the reference.
template <class Kernel>
struct RowsTraits {
  static constexpr std::string_view name = "rows";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const typename Kernel::Problem&) { return true; }
  static std::int64_t scratch(const typename Kernel::Problem&, std::int64_t) { return 0; }
};

struct Rows : RowsTraits<PadForward> {
  static void run(const PadForward::Problem& problem, const PadForward::Args<float>& args);
};

struct RowsGradient : RowsTraits<PadInputGradient> {
  static void run(const PadInputGradient::Problem& problem, const PadInputGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::pad
