// Resampling of maps to another size, and its gradient.
#pragma once

#include <cstdint>
#include <string_view>

namespace linn::detail::kernels {

enum class Interpolation : std::uint8_t { nearest, bilinear };

/// One axis: the place of output cell `at` in the input. Centers of cells are at half pixels, as in TensorFlow's resize: output cell y is
/// at (y + 1/2) * size / out - 1/2 of the input. Computed in float in both precisions, so that both choose the cells that TensorFlow
/// chooses.
struct ResampleAxis {
  std::int64_t size = 1, out = 1;

  struct Cells {
    std::int64_t lower, upper;  // cells of the input
    float weight;               // of the upper one
  };
  Cells bilinear(std::int64_t at) const;
  std::int64_t nearest(std::int64_t at) const;
};

/// Resamples src [images, height, width, channels] to dst [images, out_height, out_width, channels]; both dense. Bilinear, with a =
/// src[lower row] and b = src[upper row]: top = a[lower] + (a[upper] - a[lower]) * column weight, bottom likewise from b,
/// dst = top + (bottom - top) * row weight. No antialiasing.
struct ResampleForward {
  static constexpr std::string_view name = "resample_forward";
  struct Problem {
    std::int64_t height = 0, width = 0, channels = 0;
    std::int64_t out_height = 0, out_width = 0;
    Interpolation interpolation = Interpolation::nearest;

    ResampleAxis rows() const { return {height, out_height}; }
    ResampleAxis columns() const { return {width, out_width}; }
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

/// dsrc[p] = sum over output cells that read p of ddst times the weight of p, in row-major order. Overwrites dsrc.
struct ResampleInputGradient {
  static constexpr std::string_view name = "resample_input_gradient";
  using Problem = ResampleForward::Problem;
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
