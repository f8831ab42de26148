// Written positions of one axis whose windows fit into one pattern: neighbouring positions read steps that overlap, so that a register that
// holds a read pixel serves several of them. Unlike a run (taps.h), a lattice covers the borders: steps outside [begin, end) lie outside the
// map and have no product.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "core/checked.h"
#include "kernels/conv/taps.h"

namespace linn::detail::kernels::conv {

/// Position number i < count is first + i * step of the written map. It sums over taps tap + t * tap_step, t < taps, of the kernel. Tap t
/// reads step u = i * stride + t, which is position read + u * read_step of the read map.
struct Lattice {
  std::int64_t count = 0, first = 0, step = 1;
  std::int64_t taps = 0, tap = 0, tap_step = 1;
  std::int64_t stride = 1;
  std::int64_t read = 0, read_step = 1;
  std::int64_t begin = 0, end = 0;  // read steps inside the map
};

/// Sets begin and end for a read map of this size.
inline Lattice clipped(Lattice lattice, std::int64_t size) {
  const auto [read, step] = std::pair(lattice.read, lattice.read_step);
  if (step > 0) {
    lattice.begin = read < 0 ? core::ceil_div(-read, step) : 0;
    lattice.end = read < size ? (size - 1 - read) / step + 1 : 0;
  } else {
    lattice.begin = read >= size ? core::ceil_div(read - size + 1, -step) : 0;
    lattice.end = read >= 0 ? read / -step + 1 : 0;
  }
  return lattice;
}

/// Lattices of a convolution, which together write each output position once. Dilation d and stride s, without common divisor, give d
/// lattices of stride s: output y = phase + d * i reads phase * s - pad + d * (s * i + t).
template <class Visit>
void forward_lattices(const Axis& a, const Visit& visit) {
  const std::int64_t common = std::gcd(a.stride, a.dilation), phases = a.dilation / common;
  for (std::int64_t phase = 0; phase < std::min(phases, a.out); ++phase)
    visit(clipped({.count = core::ceil_div(a.out - phase, phases), .first = phase, .step = phases, .taps = a.window, .stride = a.stride / common,
                   .read = phase * a.stride - a.pad, .read_step = a.dilation},
                  a.size));
}

/// Lattices of an input gradient, which together write each source position once; all have stride 1. Source position h gets a product from
/// output y = (h + pad - tap * dilation) / stride for the taps where the division is exact; these are stride / gcd(stride, dilation) apart.
/// The lattice goes from the last position to the first, so that positions and taps both step down the outputs.
template <class Visit>
void backward_lattices(const Axis& a, const Visit& visit) {
  const std::int64_t common = std::gcd(a.stride, a.dilation);
  const std::int64_t tap_step = a.stride / common, y_step = a.dilation / common, h_step = a.stride * y_step;
  for (std::int64_t first = 0; first < std::min(h_step, a.size); ++first) {
    std::int64_t tap = 0;
    while (tap < std::min(a.window, tap_step) && (first + a.pad - tap * a.dilation) % a.stride != 0) ++tap;
    const bool any = tap < std::min(a.window, tap_step);
    const std::int64_t count = core::ceil_div(a.size - first, h_step);
    visit(clipped({.count = count, .first = first + (count - 1) * h_step, .step = -h_step, .taps = any ? core::ceil_div(a.window - tap, tap_step) : 0,
                   .tap = any ? tap : 0, .tap_step = tap_step,
                   .read = any ? (first + a.pad - tap * a.dilation) / a.stride + (count - 1) * y_step : 0, .read_step = -y_step},
                  a.out));
  }
}

}  // namespace linn::detail::kernels::conv
