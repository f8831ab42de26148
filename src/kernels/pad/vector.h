// Padding by rows (Highway): copies or adds whole rows, and single pixels only outside the border.
#pragma once

#include <string_view>

#include "kernels/implementation.h"
#include "kernels/pad/pad.h"

namespace linn::detail::kernels::pad {

/// Base of both implementations, which give the bits of the reference.
template <class Kernel>
struct RowsTraits : Implements<Kernel> {
  static constexpr std::string_view name = "rows";
};

struct Rows : RowsTraits<PadForward> {
  static void run(const PadForward::Problem& problem, const PadForward::Args<float>& args);
};

struct RowsGradient : RowsTraits<PadInputGradient> {
  static void run(const PadInputGradient::Problem& problem, const PadInputGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::pad
