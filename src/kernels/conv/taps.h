// The taps of a window that lie inside the map, along one axis. With them, borders need neither a padded copy nor products with zeros.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "core/checked.h"
#include "kernels/geometry.h"

namespace linn::detail::kernels::conv {

/// One axis of a Geometry.
struct Axis {
  std::int64_t size, window, stride, dilation, pad, out;
};

inline Axis rows_of(const Geometry& g) { return {g.height, g.window_height, g.stride_height, g.dilation_height, g.pad_top, g.out_height}; }
inline Axis columns_of(const Geometry& g) { return {g.width, g.window_width, g.stride_width, g.dilation_width, g.pad_left, g.out_width}; }

/// Neighbouring written positions that sum over the same taps. `read` is a position of the map that is read: the source in a convolution,
/// the output's gradient in the input gradient.
struct Run {
  std::int64_t first = 0, count = 0, step = 1;   // written positions first, first + step, ...
  std::int64_t tap = 0, taps = 0, tap_step = 1;  // taps tap, tap + tap_step, ...; `taps` may be 0
  std::int64_t read = 0;                         // read position of the first written position and the first tap
  std::int64_t read_per_position = 0, read_per_tap = 0;
};

/// Joins positions with equal taps to runs of at most `most` positions, and calls visit(run) for each finished run.
template <class Visit>
class RunJoin {
 public:
  RunJoin(std::int64_t most, const Visit& visit) : most_(most), visit_(visit) {}
  void add(const Run& next) {
    if (run_.count > 0 && run_.taps == next.taps && (next.taps == 0 || run_.tap == next.tap) && run_.count < most_) {
      ++run_.count;
      return;
    }
    flush();
    run_ = next;
  }
  void flush() {
    if (run_.count > 0) visit_(run_);
    run_.count = 0;
  }

 private:
  Run run_;
  std::int64_t most_;
  const Visit& visit_;
};

/// Runs of a convolution: the output positions, and the source positions inside the map that each reads. At most `most` positions a run.
template <class Visit>
void forward_runs(const Axis& a, std::int64_t most, const Visit& visit) {
  RunJoin runs(most, visit);
  for (std::int64_t y = 0; y < a.out; ++y) {
    const std::int64_t start = y * a.stride - a.pad;  // source of tap 0
    const std::int64_t tap = start < 0 ? core::ceil_div(-start, a.dilation) : 0;
    const std::int64_t end = start < a.size ? std::min(a.window, (a.size - 1 - start) / a.dilation + 1) : 0;
    const std::int64_t taps = std::max<std::int64_t>(end - tap, 0);
    runs.add({.first = y, .count = 1, .tap = taps > 0 ? tap : 0, .taps = taps, .read = taps > 0 ? start + tap * a.dilation : 0,
              .read_per_position = a.stride, .read_per_tap = a.dilation});
  }
  runs.flush();
}

/// Runs of an input gradient: the source positions h, and the output positions y whose window contains each:
///   y = (h + pad - tap * dilation) / stride, for the taps where the division is exact.
/// Positions with the same remainder by the stride have the same taps, which are stride / gcd(stride, dilation) apart.
template <class Visit>
void backward_runs(const Axis& a, std::int64_t most, const Visit& visit) {
  RunJoin runs(most, visit);
  const std::int64_t common = std::gcd(a.stride, a.dilation);
  const std::int64_t tap_step = a.stride / common, y_step = a.dilation / common;
  for (std::int64_t phase = 0; phase < std::min(a.stride, a.size); ++phase) {
    std::int64_t first_tap = 0;
    while (first_tap < std::min(a.window, tap_step) && (phase + a.pad - first_tap * a.dilation) % a.stride != 0) ++first_tap;
    const bool any = first_tap < std::min(a.window, tap_step);
    const std::int64_t all_taps = any ? core::ceil_div(a.window - first_tap, tap_step) : 0;
    for (std::int64_t h = phase; h < a.size; h += a.stride) {
      // Tap number t reads y - t * y_step, which must lie in [0, out).
      const std::int64_t y = any ? (h + a.pad - first_tap * a.dilation) / a.stride : -1;
      const std::int64_t skip = y >= a.out ? core::ceil_div(y - (a.out - 1), y_step) : 0;
      const std::int64_t end = y < 0 ? 0 : std::min(all_taps, y / y_step + 1);
      const std::int64_t taps = std::max<std::int64_t>(end - skip, 0);
      const std::int64_t tap = taps > 0 ? first_tap + skip * tap_step : 0;
      runs.add({.first = h, .count = 1, .step = a.stride, .tap = tap, .taps = taps, .tap_step = tap_step,
                .read = taps > 0 ? y - skip * y_step : 0, .read_per_position = 1, .read_per_tap = -y_step});
    }
    runs.flush();
  }
}

}  // namespace linn::detail::kernels::conv
