// Polyphase sampling: subsampling that keeps one phase of a map, chosen by its contents. A circular shift of the map then shifts the result
// circularly.
// Sources: Chaman and Dokmanic, "Truly shift-invariant convolutional neural networks", CVPR 2021 (APS, section 3);
// Rojas-Gomez, Lim, Schwing, Do, Yeh, "Learnable polyphase sampling for shift invariant and equivariant convolutional networks",
// NeurIPS 2022 (LPS, section 3).
#pragma once

#include <cstdint>
#include <string_view>

namespace linn::detail::kernels {

/// Phase i * stride_width + j of a map is src[i::stride_height, j::stride_width] with all channels. The strides divide the sizes, so that a
/// circular shift of the map only permutes its phases and shifts each circularly. Maps and phases are dense.
struct Phases {
  std::int64_t height = 0, width = 0, channels = 0;
  std::int64_t stride_height = 2, stride_width = 2;

  std::int64_t count() const { return stride_height * stride_width; }
  std::int64_t rows() const { return height / stride_height; }
  std::int64_t columns() const { return width / stride_width; }
  /// Elements of one phase, and of the whole map.
  std::int64_t elements() const { return rows() * columns() * channels; }
  std::int64_t map() const { return height * width * channels; }
  /// Offset of pixel (y, x) of a phase within its map.
  std::int64_t pixel(std::int64_t phase, std::int64_t y, std::int64_t x) const {
    return ((y * stride_height + phase / stride_width) * width + x * stride_width + phase % stride_width) * channels;
  }
};

/// The score of a phase's elements x:
/// | l1   | mean of |x|                       |
/// | l2   | root of the mean of x^2           |
/// | linf | largest |x|                       |
/// | mean | mean of x                         |
/// The first three are the norms of order 1, 2 and infinity, divided by a number that is equal for all phases, so that nothing overflows.
enum class PhaseScore : std::uint8_t { l1, l2, linf, mean };

/// scores[n,k] = the score of phase k of image n. Uses order-free sums (core/order_free.h, one exponent for all finite phases of a map), so
/// that a circular shift of the map permutes the scores bit for bit. A NaN in a phase gives NaN; an infinity gives infinity, or for `mean`
/// the infinity of the sum (NaN for infinities of both signs). Error: at most 2^-51 of the map's largest magnitude (more from 2048 elements
/// on, see core/order_free.h), for l2 2^-51 of its square before the root, plus the rounding to T.
struct PhaseScores {
  static constexpr std::string_view name = "phase_scores";
  struct Problem {
    Phases phases;
    PhaseScore score = PhaseScore::l2;
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    T* scores;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// The gradient of PhaseScore::mean: dsrc = dscores of the pixel's phase / elements of a phase. Overwrites dsrc.
struct PhaseMeansGradient {
  static constexpr std::string_view name = "phase_means_gradient";
  using Problem = Phases;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* dscores;
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// phase[n] = the phase with the largest score. NaN counts as larger than all numbers, so that it reaches the output.
/// If several phases have that score, their contents decide: compare all circular rotations of all these phases pixel by pixel, as bytes,
/// and take the phase that has the smallest rotation. If phases are rotations of each other, the first is taken. Hence a circular shift of
/// src gives the same dst of PhaseForward, circularly shifted, bit for bit. (If a second map is sampled with the phase of this one, its
/// phases need not be equal where those of this map are.)
/// Cost of a tie: one comparison of the tied phases if they are equal, as in a map of one colour; at worst (periodic patterns) O(p log^2 p)
/// for the p pixels of the tied phases.
struct PhaseChoice {
  static constexpr std::string_view name = "phase_choice";
  using Problem = Phases;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* scores;  // [images, count]
    std::int32_t* phase;
    T* scratch;
  };
  /// Four numbers for each pixel of the map.
  static std::int64_t reference_scratch(const Problem& problem, std::int64_t) { return 4 * problem.height * problem.width; }
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst[n] = phase number phase[n] of src[n]: [images, rows, columns, channels].
struct PhaseForward {
  static constexpr std::string_view name = "phase_forward";
  using Problem = Phases;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const std::int32_t* phase;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dsrc = ddst at the pixels of the chosen phase, zero elsewhere. Overwrites dsrc.
struct PhaseInputGradient {
  static constexpr std::string_view name = "phase_input_gradient";
  using Problem = Phases;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* ddst;
    const std::int32_t* phase;
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst[n] = sum over phases k of weights[n,k] * phase k of src[n], in the order of k.
struct PhaseMixForward {
  static constexpr std::string_view name = "phase_mix_forward";
  using Problem = Phases;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* weights;  // [images, count]
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dsrc = weights[n,k] * ddst at the pixels of phase k; dweights[n,k] = sum of ddst * phase k of src[n]. Overwrites both.
struct PhaseMixGradient {
  static constexpr std::string_view name = "phase_mix_gradient";
  using Problem = Phases;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* weights;
    const T* ddst;
    T* dsrc;
    T* dweights;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
