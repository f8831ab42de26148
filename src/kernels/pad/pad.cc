#include "kernels/pad/pad.h"

#include <algorithm>

namespace linn::detail::kernels {

std::int64_t PadAxis::source(std::int64_t at) const {
  const std::int64_t position = at - before;
  if (position >= 0 && position < size) return position;
  if (mode == PadMode::zero) return -1;
  if (mode == PadMode::replicate) return position < 0 ? 0 : size - 1;
  const std::int64_t period = mode == PadMode::circular ? size : std::max<std::int64_t>(2 * (size - 1), 1);
  const std::int64_t within = (position % period + period) % period;
  return std::min(within, mode == PadMode::circular ? within : period - within);
}

}  // namespace linn::detail::kernels
