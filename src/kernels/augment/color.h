// Functions of the colours of one image. Values lie in a range [least, most] that the caller names; results are cut to it where the
// function says so. Every function reads `src` and writes `dst`, images of the same size, in T; `dst` may be `src` where no pixel's
// neighbours count. They are those of Keras's layers, whose names they have.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/augment/image.h"

namespace linn::detail::kernels {

struct Levels {
  double least = 0, most = 255;
};

/// mean + factor * (src - mean), mean of each channel, cut to the levels.
template <class T>
void contrast(const ImageSize& size, const Levels& levels, double factor, const T* src, T* dst);
/// src + delta, cut to the levels.
template <class T>
void brightness(const ImageSize& size, const Levels& levels, double delta, const T* src, T* dst);
/// src + factor * (gray - src) where gray = 0.2989 red + 0.587 green + 0.114 blue, cut to the levels. One channel is gray already.
template <class T>
void desaturate(const ImageSize& size, const Levels& levels, double factor, const T* src, T* dst);
/// The gray value in all three channels; of one channel a copy.
template <class T>
void grayscale(const ImageSize& size, const T* src, T* dst);
/// most - src.
template <class T>
void invert(const ImageSize& size, const Levels& levels, const T* src, T* dst);
/// src + (1 - sharpness) * (smooth - src), cut to the levels. `smooth`: the weights 1/13, in the middle 5/13, of 3x3 pixels, zeros beyond
/// the border.
template <class T>
void sharpen(const ImageSize& size, const Levels& levels, double sharpness, const T* src, T* dst);
/// Gaussian weights over `width` columns and `height` rows, zeros beyond the border. `scratch` holds as many elements as the
/// image; `dst` may be `src`.
template <class T>
void gaussian_blur(const ImageSize& size, std::array<std::int64_t, 2> width_height, std::array<double, 2> sigmas, const T* src, T* dst,
                   T* scratch);
/// The hue turned by `turn` (1: once around). Three channels.
template <class T>
void turn_hue(const ImageSize& size, const Levels& levels, double turn, const T* src, T* dst);
/// The saturation, of HSV on the values as they are, times `factor` and cut to the levels, as in Keras. Three channels.
template <class T>
void scale_saturation(const ImageSize& size, const Levels& levels, double factor, const T* src, T* dst);
/// Keeps the `bits` highest bits of each value, taken as a byte.
template <class T>
void posterize(const ImageSize& size, const Levels& levels, int bits, const T* src, T* dst);
/// On the scale 0 ... 255: v = src + addition, cut; v below the threshold, else 255 - v.
template <class T>
void solarize(const ImageSize& size, const Levels& levels, double addition, double threshold, const T* src, T* dst);
/// Each channel stretched so that it fills the levels. A channel of one value stays.
template <class T>
void auto_contrast(const ImageSize& size, const Levels& levels, const T* src, T* dst);
/// Equalizes the histogram of each channel, of `bins` bins. A channel within one bin stays. `scratch` holds 2 * bins elements.
template <class T>
void equalize(const ImageSize& size, const Levels& levels, std::int64_t bins, const T* src, T* dst, T* scratch);

/// Contrast limited adaptive histogram equalization: each of grid_height x grid_width tiles has a lookup table of its histogram, cut at
/// clip_limit times the mean of its bins, and pixels interpolate between the tables of the four nearest tiles. K. Zuiderveld, "Contrast
/// limited adaptive histogram equalization", Graphics Gems IV, 1994.
struct Clahe {
  double clip_limit = 4;
  std::int64_t grid_height = 8, grid_width = 8;

  std::int64_t scratch() const { return grid_height * grid_width * 256; }
};
/// `scratch` holds clahe.scratch() elements.
template <class T>
void adaptive_equalize(const ImageSize& size, const Levels& levels, const Clahe& clahe, const T* src, T* dst, T* scratch);

}  // namespace linn::detail::kernels
