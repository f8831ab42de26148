// room: layers
// Maps of another resolution.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "linn/choice.h"
#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct InterpolationNames {
  enum Kind : std::uint8_t { nearest, bilinear };
  static constexpr std::string_view option = "interpolation", names[] = {"nearest", "bilinear"};
  static consteval void check(bool known) {
    if (!known) throw "interpolation must be \"nearest\" or \"bilinear\"";
  }
};
/// How a pixel between pixels gets its value: "nearest" or "bilinear". A misspelt literal does not compile; a std::string is checked when
/// it runs (ValueError).
using Interpolation = Choice<InterpolationNames>;

struct UpSampling2DOptions {
  DataFormat data_format = "channels_last";
  Interpolation interpolation = "nearest";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// The map enlarged by whole factors, (height, width, channels) -> (height * size.height, width * size.width, channels).
class UpSampling2D : public Layer {
 public:
  explicit UpSampling2D(Size2 size = {2, 2}, UpSampling2DOptions options = {});
};

struct ResizingOptions {
  Interpolation interpolation = "bilinear";
  /// Cuts rows or columns off, as many on both sides, so that nothing is distorted.
  bool crop_to_aspect_ratio = false;
  /// Puts rows or columns of `fill_value` around the map, as many on both sides, so that nothing is distorted.
  bool pad_to_aspect_ratio = false;
  double fill_value = 0;
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// The map at a given size, (h, w, channels) -> (height, width, channels). Centers of pixels are at half pixels, without antialiasing, as
/// in TensorFlow 2. Throws ValueError when both kinds of keeping the aspect ratio are asked for.
class Resizing : public Layer {
 public:
  Resizing(std::int64_t height, std::int64_t width, ResizingOptions options = {});
};

struct AdaptivePooling2DOptions {
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// The largest value of each of output_size windows that share the map out evenly: cell i of o sees rows floor(i * height / o) to
/// ceil((i + 1) * height / o). Of equal maxima the first column's takes the gradient, in it the first row's; NaN propagates.
class AdaptiveMaxPooling2D : public Layer {
 public:
  explicit AdaptiveMaxPooling2D(Size2 output_size, AdaptivePooling2DOptions options = {});
};

/// The mean of each of these windows.
class AdaptiveAveragePooling2D : public Layer {
 public:
  explicit AdaptiveAveragePooling2D(Size2 output_size, AdaptivePooling2DOptions options = {});
};

// ---- over steps ----------------------------------------------------------------------------------------------------

/// `data_format` and `interpolation` stay as they are: Keras's class has neither.
using UpSampling1DOptions = UpSampling2DOptions;

/// Each step `size` times, (steps, channels) -> (steps * size, channels).
class UpSampling1D : public Layer {
 public:
  explicit UpSampling1D(std::int64_t size = 2, UpSampling1DOptions options = {});
};

using AdaptivePooling1DOptions = AdaptivePooling2DOptions;

/// The largest value of each of output_size windows that share the steps out evenly, (steps, channels) -> (output_size, channels).
class AdaptiveMaxPooling1D : public Layer {
 public:
  explicit AdaptiveMaxPooling1D(std::int64_t output_size, AdaptivePooling1DOptions options = {});
};

/// The mean of each of these windows.
class AdaptiveAveragePooling1D : public Layer {
 public:
  explicit AdaptiveAveragePooling1D(std::int64_t output_size, AdaptivePooling1DOptions options = {});
};

}  // namespace linn
