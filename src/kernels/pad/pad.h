// Padding of maps, and its gradient.
#pragma once

#include <cstdint>
#include <string_view>

namespace linn::detail::kernels {

struct Pads {
  std::int64_t top = 0, bottom = 0, left = 0, right = 0;

  bool none() const { return top == 0 && bottom == 0 && left == 0 && right == 0; }
  bool operator==(const Pads&) const = default;
};

/// The values outside the border, for a row a b c d padded by 2:
/// | zero      | 0 0 | a b c d | 0 0 |                              |
/// | circular  | c d | a b c d | a b |                              |
/// | reflect   | c b | a b c d | c b | the edge is not repeated     |
/// | replicate | a a | a b c d | d d |                              |
/// Pads larger than the map continue circularly, or back and forth.
enum class PadMode : std::uint8_t { zero, circular, reflect, replicate };

/// Padding along one axis.
struct PadAxis {
  std::int64_t before = 0, size = 1, after = 0;
  PadMode mode = PadMode::zero;

  std::int64_t out() const { return before + size + after; }
  /// The position in the map whose value is at position `at` of the padded map; -1 for a zero.
  std::int64_t source(std::int64_t at) const;
};

/// Pads src [images, height, width, channels] to dst [images, top + height + bottom, left + width + right, channels]; both dense.
struct PadForward {
  static constexpr std::string_view name = "pad_forward";
  struct Problem {
    std::int64_t height = 0, width = 0, channels = 0;
    Pads pads;
    PadMode mode = PadMode::zero;

    PadAxis rows() const { return {pads.top, height, pads.bottom, mode}; }
    PadAxis columns() const { return {pads.left, width, pads.right, mode}; }
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dsrc[p] = sum of ddst over all positions of the padded map that have the value of p, in row-major order. Overwrites dsrc.
struct PadInputGradient {
  static constexpr std::string_view name = "pad_input_gradient";
  using Problem = PadForward::Problem;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* ddst;
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
