// Loops over the pixels and elements of one phase, for the references.
#pragma once

#include <cstdint>

#include "kernels/polyphase/polyphase.h"

namespace linn::detail::kernels::polyphase {

/// Calls f(map offset, phase offset) for each pixel of one phase, row by row: the offsets of its first channel in the map and in the phase.
template <class F>
void for_each_pixel(const Phases& p, std::int64_t phase, F&& f) {
  for (std::int64_t y = 0; y < p.rows(); ++y)
    for (std::int64_t x = 0; x < p.columns(); ++x) f(p.pixel(phase, y, x), (y * p.columns() + x) * p.channels);
}

/// Calls f(map offset, phase offset) for each element of one phase.
template <class F>
void for_each_element(const Phases& p, std::int64_t phase, F&& f) {
  for_each_pixel(p, phase, [&](std::int64_t map, std::int64_t dense) {
    for (std::int64_t c = 0; c < p.channels; ++c) f(map + c, dense + c);
  });
}

}  // namespace linn::detail::kernels::polyphase
