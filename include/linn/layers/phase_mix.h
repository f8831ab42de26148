// room: layers
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "linn/choice.h"
#include "linn/initializers.h"
#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct PhaseRegionNames {
  enum Kind : std::uint8_t { phases, quadrants };
  static constexpr std::string_view option = "regions", names[] = {"phases", "quadrants"};
  static consteval void check(bool known) {
    if (!known) throw "regions must be \"phases\" or \"quadrants\"";
  }
};
/// The parts of a map over which TIPS takes the means that weight its phases: the "phases" themselves, or as many rectangles side by side
/// ("quadrants" for strides of 2). A misspelt literal does not compile; a std::string is checked when it runs (ValueError).
using PhaseRegions = Choice<PhaseRegionNames>;

struct TranslationInvariantPolyphaseSampling2DOptions {
  Size2 strides = {2, 2};
  PhaseRegions regions = "phases";
  double one_phase_penalty = 1;
  DataFormat data_format = "channels_last";
  Initializer kernel_initializer = "glorot_uniform";
  Initializer scale_initializer = "ones";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// TIPS: the phases x_k = x[i::strides.height, j::strides.width], k = i * strides.width + j, in a mixture that is made from the map for
/// each channel, (height, width, channels) -> (height / strides.height, width / strides.width, channels). Saha and Gokhale, "Translation
/// invariant polyphase sampling", WACV 2025: y_c = sum over k of tau[c,k] x_k,c, tau[c] = softmax over k of scale_c * (mean of
/// relu(depthwise 3x3 convolution of x)_c over region k). Variables: kernel (3, 3, channels, 1), scale (channels). No layer of Keras.
///
/// What is invariant, and what is not. The paper's program takes the means over quadrants of the map (`{.regions = "quadrants"}`, with a
/// zero border): tau then depends on where things lie, and nothing is guaranteed. linn's default takes each mean over the phase that it
/// weights, with a circular border. A circular shift then permutes tau as it permutes the phases, and:
///   - a circular shift by a multiple of the strides is one of the output: the same bits where the convolution's kernel is position
///     invariant (in every network with a polyphase layer), else up to rounding;
///   - another circular shift moves some phases by one cell and not others. The mixture is a shift of the old one only as far as tau is 1
///     for one phase. AdaptivePolyphaseSampling2D and LearnablePolyphaseSampling2D take one phase, and are exact.
/// `one_phase_penalty` times the mean over images and channels of 1 - |tau[c]|, the paper's loss L_FM, is added to the loss of training and of
/// evaluate: it is 0 where tau is 1 for one phase, and largest where tau is the same for all. The paper's other loss, L_undo, which compares
/// the map with that of a shifted image, is not part of this layer.
/// With scale 0 it is the mean of the phases, AveragePooling2D(strides).
/// Throws ValueError for a stride below 1 or a negative or infinite penalty, ShapeError where a stride does not divide the map.
class TranslationInvariantPolyphaseSampling2D : public Layer {
 public:
  explicit TranslationInvariantPolyphaseSampling2D(TranslationInvariantPolyphaseSampling2DOptions options = {});
};

}  // namespace linn
