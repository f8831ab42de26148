// Low-pass filters as long as the map, along both axes of a ring: each output sees every row and column, by its distance round the map.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace linn::detail::kernels {

/// One axis: a symmetric filter round a ring of `size` cells, of which every stride-th output is kept.
struct RingAxis {
  std::int64_t size = 1, stride = 1;
  std::vector<double> weights = {1};          // by distance round the ring, 0 to size / 2; each cell counts once
  std::vector<std::int64_t> distances = {0};  // those whose weights are not 0, ascending

  std::int64_t out() const { return (size + stride - 1) / stride; }
  /// Whether the cells at this distance on both sides are the same one.
  bool is_opposite(std::int64_t distance) const { return 2 * distance % size == 0; }
  /// A cell of the ring from one that lies up to `size` before or behind it.
  std::int64_t wrapped(std::int64_t cell) const { return cell < 0 ? cell + size : cell >= size ? cell - size : cell; }
  /// The weight that output `to` gives to cell `from`.
  double weight(std::int64_t to, std::int64_t from) const {
    const std::int64_t apart = to * stride > from ? to * stride - from : from - to * stride;
    return weights[static_cast<std::size_t>(apart < size - apart ? apart : size - apart)];
  }
};

/// The axis of an ideal low-pass filter before a stride (Grabinski et al. 2022, section 3): of the discrete Fourier spectrum of `size`
/// cells the frequencies |k| < size / (2 stride) stay; of k = +-size / (2 stride), which the stride cannot tell apart, half of each.
/// `hamming`: the frequency k is also multiplied by sqrt(0.54 + 0.46 cos(2 pi k / size)), the window of Grabinski et al. 2023 along one
/// axis. The weights sum up to 1. With stride 2 on an even size those at even distances but 0 vanish.
RingAxis low_frequencies(std::int64_t size, std::int64_t stride, bool hamming);

/// dst[n,y,x,c] = sum over rows i, columns j of rows.weight(y, i) columns.weight(x, j) src[n,i,j,c]: first along each column, then along
/// each row. The terms of an output are added by distance, those of a distance before they are weighted, so that an output's bits depend on
/// the values around it and not on its place.
struct RingFilterForward {
  static constexpr std::string_view name = "ring_filter_forward";
  struct Problem {
    RingAxis rows, columns;
    std::int64_t channels = 1;

    std::int64_t src_elements() const { return rows.size * columns.size * channels; }
    std::int64_t dst_elements() const { return rows.out() * columns.out() * channels; }
    /// Of one image between the two passes.
    std::int64_t middle_elements() const { return rows.out() * columns.size * channels; }
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    T* dst;
    T* scratch;
  };
  static std::int64_t reference_scratch(const Problem& problem, std::int64_t) { return problem.middle_elements(); }
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dsrc = for each cell the sum over all outputs of ddst times the weight that the output gives to the cell. Overwrites dsrc.
struct RingFilterInputGradient {
  static constexpr std::string_view name = "ring_filter_input_gradient";
  using Problem = RingFilterForward::Problem;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* ddst;
    T* dsrc;
    T* scratch;
  };
  static std::int64_t reference_scratch(const Problem& problem, std::int64_t) { return problem.middle_elements(); }
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
