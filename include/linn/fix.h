// room: shift
// Replaces the layers of a network that break translation equivariance: strides, borders and flattened heads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "linn/choice.h"
#include "linn/model.h"
#include "linn/shift.h"
#include "linn/tensor.h"
#include "linn/types.h"

namespace linn::shift {

struct DownsamplingNames {
  enum Kind : std::uint8_t { blur, aps, lps, ddac, flc, tips };
  static constexpr std::string_view option = "downsampling", names[] = {"blur", "aps", "lps", "ddac", "flc", "tips"};
  static consteval void check(bool known) {
    if (!known) throw "downsampling must be \"blur\", \"aps\", \"lps\", \"ddac\", \"flc\" or \"tips\"";
  }
};
/// How a network subsamples after `fix`.
/// | name | layers                                       | which cells are kept                | guarantee |
/// |------|----------------------------------------------|-------------------------------------|-----------|
/// | blur | BlurPooling2D, MaxBlurPooling2D              | always the same, behind a low-pass filter | none; less shift variance |
/// | aps  | AdaptivePolyphaseSampling2D                  | the phase of the largest norm       | circular shifts, to the bit |
/// | lps  | LearnablePolyphaseSampling2D                 | the phase that a small network chooses | circular shifts, to the bit |
/// | ddac | AdaptiveBlurPooling2D                        | always the same, behind a filter made from the map | none; less shift variance |
/// | flc  | FrequencyLowCutPooling2D                     | always the same, of the low frequencies | none; less shift variance   |
/// | tips | TranslationInvariantPolyphaseSampling2D      | all phases, in a mixture made from the map | none; less shift variance |
/// The new variables start where "ddac" is the blur of `filter_size` taps and "tips" the mean of the phases. Without training they are no
/// more than that. All but "aps" and "lps" promise only what holds for shifts by multiples of the strides.
/// A literal of another name does not compile; a std::string is checked at run time (ValueError).
using Downsampling = Choice<DownsamplingNames>;

struct FixOptions {
  Downsampling with = "aps";
  /// Input size (height, width) of the new network, the old input in its middle. Unset: the old size.
  Size2 canvas = {};
  /// Taps of the filters of "blur" and "ddac", 2 to 7.
  std::int64_t filter_size = 3;
  /// Of "lps": training steps until the choice of a phase is almost hard. Use the number of steps that follow; with fewer steps training
  /// ends with a soft choice.
  std::int64_t anneal_steps = 10000;
  /// Seed of the initial values of new weights.
  std::uint64_t seed = 0;
};

/// One replaced layer.
struct Replacement {
  std::string layer;   // its name in the old network
  std::string before;  // "MaxPooling2D 2x2, stride 2x2, valid"
  std::string after;   // "MaxPooling2D 2x2, circular + AdaptivePolyphaseSampling2D, stride 2x2"
};

struct FixResult {
  Model model;
  std::vector<Replacement> replacements;
  /// Names of the variables that keep the old network's values, and of those with new initial values.
  std::vector<std::string> kept_weights;
  std::vector<std::string> new_weights;
};

/// A network for the same task without strided windows, borders and flattened heads:
///   - windows with strides (convolutions, poolings, with "aps" and "lps" also blurs) run at stride 1, followed by the downsampling layer;
///   - padding becomes "circular"; padding layers are removed;
///   - Flatten and the Dense behind it become a convolution with the Dense's own weights and a window of the old map's size, followed by
///     GlobalMaxPooling2D. Maps of more than 8 x 8 cells get GlobalMaxPooling2D and a new Dense instead;
///   - with "aps" and "lps" a network without any stride gets AdaptivePolyphaseSampling2D of stride 1: only beside a polyphase layer does
///     inference choose kernels that round alike at all places.
/// With "aps" and "lps" `why_not_invariant` of the result has no reason. The result computes another function and must be trained again; it
/// is not compiled.
/// Throws ShapeError for a model that is no classifier of images, for a canvas smaller than its input and, with "aps", "lps" and "tips",
/// for sizes that are no multiple of the strides (the text names a canvas that is); ValueError for layers without a replacement and where there is
/// nothing to replace; StateError for a model that is not built.
///
///     linn::shift::FixResult fixed = linn::shift::fix(model, {.with = "lps"});
FixResult fix(const Model& model, const FixOptions& options = {});

/// Shift robustness and cost of a network, for a table of before and after.
struct NetworkTraits {
  Sweep sweep;
  std::int64_t parameters = 0;
  double flops = 0;             // of one image, in the direct form of each op
  double seconds_an_image = 0;  // of predict in batches of 128 on all threads
};

/// Sweeps the images and measures the time of `predict` for about a quarter of a second. Throws as `sweep`.
NetworkTraits measure_traits(const Model& model, const Tensor& images, const Tensor& labels, const SweepOptions& options);

/// A table of accuracy, worst case, consistency, parameters, operations and time, a row each, with the columns before and after.
std::string table_of(const NetworkTraits& before, const NetworkTraits& after);

}  // namespace linn::shift
