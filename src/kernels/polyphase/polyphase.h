// The phases of a map, and the choice among them: downsampling that a circular shift of the map can only shift.
// Sources: Chaman and Dokmanic, "Truly shift-invariant convolutional neural networks", CVPR 2021 (APS, section 3);
// Rojas-Gomez, Lim, Schwing, Do, Yeh, "Learnable polyphase sampling for shift invariant and equivariant convolutional networks",
// NeurIPS 2022 (LPS, section 3).
#pragma once

#include <cstdint>
#include <string_view>

namespace linn::kernels {

/// Phase i * stride_width + j of a map is src[i::stride_height, j::stride_width], all channels. The strides divide the sizes: then a
/// circular shift of the map permutes its phases and shifts each of them circularly, and nothing else. Maps and phases are dense.
struct Phases {
  std::int64_t height = 0, width = 0, channels = 0;
  std::int64_t stride_height = 2, stride_width = 2;

  std::int64_t count() const { return stride_height * stride_width; }
  std::int64_t rows() const { return height / stride_height; }
  std::int64_t columns() const { return width / stride_width; }
  /// Of one phase, and of the whole map.
  std::int64_t elements() const { return rows() * columns() * channels; }
  std::int64_t map() const { return height * width * channels; }
  /// Offset of pixel (y, x) of a phase within its map.
  std::int64_t pixel(std::int64_t phase, std::int64_t y, std::int64_t x) const {
    return ((y * stride_height + phase / stride_width) * width + x * stride_width + phase % stride_width) * channels;
  }
};

/// What is taken of a phase's elements: the mean of |x|, the root of the mean of x^2, the largest |x|, the mean of x. The first three are
/// the norms of order 1, 2 and infinity, divided by what is the same for all phases so that nothing overflows.
enum class PhaseScore : std::uint8_t { l1, l2, linf, mean };

/// scores[n,k] of phase k. Sums do not depend on the order of terms (core/order_free.h, one exponent for all finite phases of a map), so a
/// circular shift of the map permutes the scores bit for bit. A NaN in a phase gives NaN; an infinity gives infinity, or, for the mean,
/// what the sum has. Error: 2^-51 of the map's largest magnitude (more from 2048 elements on, see there), for l2 2^-51 of its square before
/// the root is taken, and the rounding to T.
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

/// phase[n] = the phase of the largest score; a NaN counts above all numbers, so that it is seen.
/// Of several with that score, the one that holds the smallest of all circular rotations of all of them, bytes compared pixel by pixel: a
/// rule of what is in the map and not of where it lies. Phases that are rotations of each other may still tie; then the first of them is
/// taken, and its map is the others' but for a circular shift. So a circular shift of src always gives the same dst of PhaseForward,
/// circularly shifted, bit for bit. (A second map from which the same phase is taken need not tie where this one does.)
/// Cost: reading the tied phases once where they are equal, as in a map of one colour; otherwise, in the worst case (patterns that repeat
/// themselves), O(p log^2 p) for the p pixels of the tied phases.
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
  /// Four numbers for each pixel.
  static std::int64_t reference_scratch(const Problem& problem, std::int64_t) { return 4 * problem.height * problem.width; }
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst[n] = phase[n] of src[n]: [images, rows, columns, channels].
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

/// ddst at the places of the phase, zeros elsewhere. Overwrites dsrc.
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

/// dst[n] = sum over phases k of weights[n,k] * phase k of src[n], added from the first to the last.
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

/// dsrc = weights[n,k] * ddst at the places of phase k; dweights[n,k] = sum of ddst * phase k of src[n]. Overwrites both.
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

/// weights[r] = softmax((logits[r] + g) / temperature) with g = -log(-log(u)) of its own for each logit (Jang, Gu, Poole, "Categorical
/// reparameterization with Gumbel-softmax", ICLR 2017, equation 2); u is a function of (seed, stream, number of the logit).
struct GumbelSoftmaxForward {
  static constexpr std::string_view name = "gumbel_softmax_forward";
  struct Problem {
    std::int64_t classes = 0;
  };
  template <class T>
  struct Args {
    std::int64_t rows;
    std::uint64_t seed, stream, first;  // `first` is the number of the first logit
    double temperature;
    const T* logits;
    T* weights;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dlogits = weights * (dweights - sum(dweights * weights)) / temperature, row by row.
struct GumbelSoftmaxGradient {
  static constexpr std::string_view name = "gumbel_softmax_gradient";
  using Problem = GumbelSoftmaxForward::Problem;
  template <class T>
  struct Args {
    std::int64_t rows;
    double temperature;
    const T* weights;  // the forward result
    const T* dweights;
    T* dlogits;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::kernels
