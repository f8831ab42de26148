// room: layers
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "linn/choice.h"
#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct SpectralWindowNames {
  enum Kind : std::uint8_t { none, hamming };
  static constexpr std::string_view option = "window", names[] = {"none", "hamming"};
  static consteval void check(bool known) {
    if (!known) throw "window must be \"none\" or \"hamming\"";
  }
};
/// What the frequencies that a low-pass filter keeps are multiplied by: "none" (1; the filter rings at edges), or "hamming". A misspelt
/// literal does not compile; a std::string is checked when it runs (ValueError).
using SpectralWindow = Choice<SpectralWindowNames>;

struct FrequencyLowCutPooling2DOptions {
  Size2 strides = {2, 2};
  SpectralWindow window = "none";
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// FLC pooling: each channel without the frequencies that its stride cannot hold, (height, width, channels) -> (ceil(height /
/// strides.height), ceil(width / strides.width), channels). Grabinski, Jung, Keuper and Keuper, "FrequencyLowCut pooling: plug & play
/// against catastrophic overfitting", ECCV 2022, section 3: y = F^-1(the low half along both axes of F(x)), F the discrete Fourier
/// transform of the whole map. `{.window = "hamming"}` multiplies frequency k of n along each axis by sqrt(0.54 + 0.46 cos(2 pi k / n)),
/// the Hamming window of ASAP (Grabinski, Keuper and Keuper, "Fix your downsampling ASAP!", arXiv 2307.09804). No variables. No layer of
/// Keras.
///
/// linn computes it in space, exactly: the filter of each axis is as long as the axis and goes round the map. Of the frequency k = n / (2
/// stride), which lies on the edge, half is kept of both signs, so that the filter is real and symmetric; the papers' programs keep one
/// sign and take the real part, which differs in the one coefficient where both axes have it (and center their window half a cell off).
/// Guarantee: where the strides divide the map, a circular shift by a multiple of the strides is one of the output, bit for bit. A circular
/// shift by another number of pixels is the band-limited (fractional) shift of the output, up to rounding and the edge frequency; the next
/// relu ends that. At a border that is no ring, the far side shows through. Throws ValueError for a stride below 1.
class FrequencyLowCutPooling2D : public Layer {
 public:
  explicit FrequencyLowCutPooling2D(FrequencyLowCutPooling2DOptions options = {});
};

}  // namespace linn
