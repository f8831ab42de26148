#include "kernels/augment/color.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace linn::detail::kernels {
namespace {

template <class T>
T cut(const Levels& levels, T value) {
  return std::min(std::max(value, static_cast<T>(levels.least)), static_cast<T>(levels.most));
}

// To the scale 0 ... 255 and back.
template <class T>
struct Bytes {
  T least, span;
  bool same;

  explicit Bytes(const Levels& levels)
      : least(static_cast<T>(levels.least)),
        span(static_cast<T>(levels.most) - static_cast<T>(levels.least)),
        same(levels.least == 0 && levels.most == 255) {}
  T to(T value) const { return same ? value : (value - least) / span * 255; }
  T from(T value) const { return same ? value : value / 255 * span + least; }
};

template <class T>
T gray_of(const T* pixel) {
  return static_cast<T>(0.2989) * pixel[0] + static_cast<T>(0.5870) * pixel[1] + static_cast<T>(0.1140) * pixel[2];
}

template <class T>
struct Hsv {
  T hue, saturation, value;
};

template <class T>
Hsv<T> to_hsv(T red, T green, T blue) {
  const T value = std::max({red, green, blue}), range = value - std::min({red, green, blue});
  if (!(range > 0)) return {0, 0, value};
  const T norm = 1 / (6 * range);
  T hue = norm * (red - green) + T{4} / 6;
  if (green == value) hue = norm * (blue - red) + T{2} / 6;
  if (red == value) hue = norm * (green - blue);
  return {hue < 0 ? hue + 1 : hue, value > 0 ? range / value : 0, value};
}

template <class T>
void from_hsv(const Hsv<T>& hsv, T* pixel) {
  const auto unit = [](T share) { return std::clamp(share, T{0}, T{1}); };
  const T turn = hsv.hue * 6, rest = 1 - hsv.saturation;
  pixel[0] = (rest + hsv.saturation * unit(std::abs(turn - 3) - 1)) * hsv.value;
  pixel[1] = (rest + hsv.saturation * unit(2 - std::abs(turn - 2))) * hsv.value;
  pixel[2] = (rest + hsv.saturation * unit(2 - std::abs(turn - 4))) * hsv.value;
}

// A sum of shifted copies along one axis: weight k times the element (k - taps / 2) * step further, zeros beyond [0, count).
template <class T>
void blur_line(const std::vector<T>& weights, std::int64_t count, std::int64_t step, const T* src, T* dst) {
  const auto taps = static_cast<std::int64_t>(weights.size()), half = taps / 2;
  for (std::int64_t i = 0; i < count; ++i) {
    T sum = 0;
    for (std::int64_t k = std::max<std::int64_t>(0, half - i); k < std::min(taps, count + half - i); ++k)
      sum += weights[static_cast<std::size_t>(k)] * src[(i + k - half) * step];
    dst[i * step] = sum;
  }
}

template <class T>
std::vector<T> gaussian_weights(std::int64_t taps, double sigma) {
  std::vector<T> weights;
  T sum = 0;
  for (std::int64_t i = 0; i < taps; ++i) {
    const T x = (static_cast<T>(i) - static_cast<T>(taps - 1) / 2) / static_cast<T>(sigma);
    weights.push_back(std::exp(static_cast<T>(-0.5) * x * x));
    sum += weights.back();
  }
  for (T& weight : weights) weight /= sum;
  return weights;
}

}  // namespace

template <class T>
void contrast(const ImageSize& size, const Levels& levels, double factor, const T* src, T* dst) {
  for (std::int64_t c = 0; c < size.channels; ++c) {
    double sum = 0;
    for (std::int64_t i = c; i < size.elements(); i += size.channels) sum += static_cast<double>(src[i]);
    const T mean = static_cast<T>(sum / static_cast<double>(size.pixels())), by = static_cast<T>(factor);
    for (std::int64_t i = c; i < size.elements(); i += size.channels) dst[i] = cut(levels, (src[i] - mean) * by + mean);
  }
}

template <class T>
void brightness(const ImageSize& size, const Levels& levels, double delta, const T* src, T* dst) {
  const T by = static_cast<T>(delta);
  for (std::int64_t i = 0; i < size.elements(); ++i) dst[i] = cut(levels, src[i] + by);
}

template <class T>
void desaturate(const ImageSize& size, const Levels& levels, double factor, const T* src, T* dst) {
  const T by = static_cast<T>(factor);
  for (std::int64_t i = 0; i < size.pixels(); ++i) {
    const T* pixel = src + i * size.channels;
    const T gray = size.channels == 3 ? gray_of(pixel) : pixel[0];
    for (std::int64_t c = 0; c < size.channels; ++c) dst[i * size.channels + c] = cut(levels, pixel[c] + by * (gray - pixel[c]));
  }
}

template <class T>
void grayscale(const ImageSize& size, const T* src, T* dst) {
  for (std::int64_t i = 0; i < size.pixels(); ++i) {
    const T gray = size.channels == 3 ? gray_of(src + i * 3) : src[i];
    for (std::int64_t c = 0; c < size.channels; ++c) dst[i * size.channels + c] = gray;
  }
}

template <class T>
void invert(const ImageSize& size, const Levels& levels, const T* src, T* dst) {
  const T most = static_cast<T>(levels.most);
  for (std::int64_t i = 0; i < size.elements(); ++i) dst[i] = most - src[i];
}

template <class T>
void sharpen(const ImageSize& size, const Levels& levels, double sharpness, const T* src, T* dst) {
  const T outer = static_cast<T>(1.0 / 13.0), middle = static_cast<T>(5.0 / 13.0), by = static_cast<T>(1.0 - sharpness);
  const std::int64_t row = size.width * size.channels;
  for (std::int64_t y = 0; y < size.height; ++y)
    for (std::int64_t x = 0; x < size.width; ++x)
      for (std::int64_t c = 0; c < size.channels; ++c) {
        const std::int64_t at = y * row + x * size.channels + c;
        T around = 0;
        for (std::int64_t v = std::max<std::int64_t>(y - 1, 0); v <= std::min(y + 1, size.height - 1); ++v)
          for (std::int64_t u = std::max<std::int64_t>(x - 1, 0); u <= std::min(x + 1, size.width - 1); ++u)
            around += src[v * row + u * size.channels + c];
        const T smooth = outer * (around - src[at]) + middle * src[at];
        dst[at] = cut(levels, src[at] + by * (smooth - src[at]));
      }
}

template <class T>
void gaussian_blur(const ImageSize& size, std::array<std::int64_t, 2> width_height, std::array<double, 2> sigmas, const T* src, T* dst,
                   T* scratch) {
  const std::vector<T> along_x = gaussian_weights<T>(width_height[0], sigmas[0]), along_y = gaussian_weights<T>(width_height[1], sigmas[1]);
  const std::int64_t row = size.width * size.channels;
  for (std::int64_t y = 0; y < size.height; ++y)
    for (std::int64_t c = 0; c < size.channels; ++c)
      blur_line(along_x, size.width, size.channels, src + y * row + c, scratch + y * row + c);
  for (std::int64_t i = 0; i < row; ++i) blur_line(along_y, size.height, row, scratch + i, dst + i);
}

template <class T>
void turn_hue(const ImageSize& size, const Levels& levels, double turn, const T* src, T* dst) {
  const T least = static_cast<T>(levels.least), span = static_cast<T>(levels.most) - least;
  for (std::int64_t i = 0; i < size.elements(); i += 3) {
    Hsv<T> hsv = to_hsv((src[i] - least) / span, (src[i + 1] - least) / span, (src[i + 2] - least) / span);
    hsv.hue += static_cast<T>(turn);
    if (hsv.hue > 1) hsv.hue -= 1;
    if (hsv.hue < 0) hsv.hue += 1;
    from_hsv(hsv, dst + i);
    for (int c = 0; c < 3; ++c) dst[i + c] = std::clamp(dst[i + c], T{0}, T{1}) * span + least;
  }
}

template <class T>
void scale_saturation(const ImageSize& size, const Levels& levels, double factor, const T* src, T* dst) {
  for (std::int64_t i = 0; i < size.elements(); i += 3) {
    Hsv<T> hsv = to_hsv(src[i], src[i + 1], src[i + 2]);
    hsv.saturation = cut(levels, hsv.saturation * static_cast<T>(factor));
    from_hsv(hsv, dst + i);
  }
}

template <class T>
void posterize(const ImageSize& size, const Levels& levels, int bits, const T* src, T* dst) {
  const Bytes<T> bytes(levels);
  const int low = 8 - bits;
  for (std::int64_t i = 0; i < size.elements(); ++i) {
    const T value = std::clamp(bytes.to(src[i]), T{0}, T{255});
    dst[i] = bytes.from(static_cast<T>(static_cast<int>(value) >> low << low));
  }
}

template <class T>
void solarize(const ImageSize& size, const Levels& levels, double addition, double threshold, const T* src, T* dst) {
  const Bytes<T> bytes(levels);
  const T by = static_cast<T>(addition), limit = static_cast<T>(threshold);
  for (std::int64_t i = 0; i < size.elements(); ++i) {
    const T value = std::clamp(bytes.to(src[i]) + by, T{0}, T{255});
    dst[i] = bytes.from(value < limit ? value : 255 - value);
  }
}

template <class T>
void auto_contrast(const ImageSize& size, const Levels& levels, const T* src, T* dst) {
  const Bytes<T> bytes(levels);
  for (std::int64_t c = 0; c < size.channels; ++c) {
    T low = bytes.to(src[c]), high = low;
    for (std::int64_t i = c; i < size.elements(); i += size.channels) {
      const T value = bytes.to(src[i]);
      low = std::min(low, value);
      high = std::max(high, value);
    }
    const T scale = 255 / (high - low), offset = -low * scale;
    for (std::int64_t i = c; i < size.elements(); i += size.channels)
      dst[i] = high > low ? bytes.from(std::clamp(bytes.to(src[i]) * scale + offset, T{0}, T{255})) : src[i];
  }
}

template <class T>
void equalize(const ImageSize& size, const Levels& levels, std::int64_t bins, const T* src, T* dst, T* scratch) {
  const Bytes<T> bytes(levels);
  const T last = static_cast<T>(bins - 1);
  T *counts = scratch, *table = scratch + bins;
  for (std::int64_t c = 0; c < size.channels; ++c) {
    std::fill_n(counts, bins, T{0});
    for (std::int64_t i = c; i < size.elements(); i += size.channels)
      ++counts[static_cast<std::int64_t>(std::clamp(bytes.to(src[i]) * last / 255, T{0}, last))];
    const auto filled = std::count_if(counts, counts + bins, [](T count) { return count > 0; });
    const T first = *std::find_if(counts, counts + bins, [](T count) { return count > 0; });
    const T rest = std::max(static_cast<T>(size.pixels()) - first, T{1});
    T sum = 0;
    for (std::int64_t b = 0; b < bins; ++b) {
      sum += counts[b];
      table[b] = std::clamp(std::nearbyint((sum - first) * 255 / rest), T{0}, T{255});
    }
    for (std::int64_t i = c; i < size.elements(); i += size.channels)
      dst[i] = filled <= 1 ? src[i] : bytes.from(table[static_cast<std::int64_t>(std::clamp(bytes.to(src[i]) / 255 * last, T{0}, last))]);
  }
}

namespace {

// The lookup tables of all tiles, of one channel. The image is mirrored beyond its last row and column.
template <class T>
void make_tables(const ImageSize& size, const Clahe& clahe, std::int64_t tile_height, std::int64_t tile_width, const Bytes<T>& bytes,
                 const T* src, T* tables) {
  const T pixels = static_cast<T>(tile_height * tile_width);
  const auto mirrored = [](std::int64_t i, std::int64_t n) {
    const std::int64_t k = i % (2 * n);
    return k < n ? k : 2 * n - 1 - k;
  };
  for (std::int64_t tile = 0; tile < clahe.grid_height * clahe.grid_width; ++tile) {
    T* table = tables + tile * 256;
    std::fill_n(table, 256, T{0});
    const std::int64_t top = tile / clahe.grid_width * tile_height, left = tile % clahe.grid_width * tile_width;
    for (std::int64_t y = top; y < top + tile_height; ++y)
      for (std::int64_t x = left; x < left + tile_width; ++x) {
        const T value = bytes.to(src[(mirrored(y, size.height) * size.width + mirrored(x, size.width)) * size.channels]);
        ++table[static_cast<int>(std::clamp(value, T{0}, T{255}))];
      }
    if (clahe.clip_limit > 0) {
      const T limit = static_cast<T>(clahe.clip_limit) * pixels / 256;
      T excess = 0;
      for (int i = 0; i < 256; ++i) {
        excess += std::max(table[i] - limit, T{0});
        table[i] = std::min(table[i], limit);
      }
      for (int i = 0; i < 256; ++i) table[i] += excess / 256;
    }
    for (int i = 1; i < 256; ++i) table[i] += table[i - 1];
    const T first = table[0], rest = pixels - first == 0 ? T{1} : pixels - first;
    for (int i = 0; i < 256; ++i) table[i] = std::clamp((table[i] - first) * 255 / rest, T{0}, T{255});
  }
}

}  // namespace

template <class T>
void adaptive_equalize(const ImageSize& size, const Levels& levels, const Clahe& clahe, const T* src, T* dst, T* scratch) {
  const Bytes<T> bytes(levels);
  const std::int64_t tile_height = (size.height + clahe.grid_height - 1) / clahe.grid_height,
                     tile_width = (size.width + clahe.grid_width - 1) / clahe.grid_width;
  // The tile whose table counts for the line before and behind a pixel, and the share of the one behind.
  const auto place = [](std::int64_t i, std::int64_t tile, std::int64_t tiles, std::int64_t& before, std::int64_t& behind) {
    const T at = (static_cast<T>(i) - static_cast<T>(tile) / 2) / static_cast<T>(tile), low = std::floor(at);
    before = std::clamp(static_cast<std::int64_t>(low), std::int64_t{0}, tiles - 1);
    behind = std::clamp(static_cast<std::int64_t>(low) + 1, std::int64_t{0}, tiles - 1);
    return at - low;
  };
  for (std::int64_t c = 0; c < size.channels; ++c) {
    make_tables(size, clahe, tile_height, tile_width, bytes, src + c, scratch);
    for (std::int64_t y = 0; y < size.height; ++y)
      for (std::int64_t x = 0; x < size.width; ++x) {
        std::int64_t top, bottom, left, right;
        const T below = place(y, tile_height, clahe.grid_height, top, bottom), beside = place(x, tile_width, clahe.grid_width, left, right);
        const std::int64_t at = (y * size.width + x) * size.channels + c;
        const auto level = static_cast<std::int64_t>(std::clamp(bytes.to(src[at]), T{0}, T{255}));
        const auto look = [&](std::int64_t v, std::int64_t u) { return scratch[(v * clahe.grid_width + u) * 256 + level]; };
        dst[at] = bytes.from((look(top, left) * (1 - beside) + look(top, right) * beside) * (1 - below) +
                             (look(bottom, left) * (1 - beside) + look(bottom, right) * beside) * below);
      }
  }
}

#define LINN_FOR_REALS(T)                                                                                              \
  template void contrast(const ImageSize&, const Levels&, double, const T*, T*);                                       \
  template void brightness(const ImageSize&, const Levels&, double, const T*, T*);                                     \
  template void desaturate(const ImageSize&, const Levels&, double, const T*, T*);                                     \
  template void grayscale(const ImageSize&, const T*, T*);                                                             \
  template void invert(const ImageSize&, const Levels&, const T*, T*);                                                 \
  template void sharpen(const ImageSize&, const Levels&, double, const T*, T*);                                        \
  template void gaussian_blur(const ImageSize&, std::array<std::int64_t, 2>, std::array<double, 2>, const T*, T*, T*); \
  template void turn_hue(const ImageSize&, const Levels&, double, const T*, T*);                                       \
  template void scale_saturation(const ImageSize&, const Levels&, double, const T*, T*);                               \
  template void posterize(const ImageSize&, const Levels&, int, const T*, T*);                                         \
  template void solarize(const ImageSize&, const Levels&, double, double, const T*, T*);                               \
  template void auto_contrast(const ImageSize&, const Levels&, const T*, T*);                                          \
  template void equalize(const ImageSize&, const Levels&, std::int64_t, const T*, T*, T*);                             \
  template void adaptive_equalize(const ImageSize&, const Levels&, const Clahe&, const T*, T*, T*)
LINN_FOR_REALS(float);
LINN_FOR_REALS(double);
#undef LINN_FOR_REALS

}  // namespace linn::detail::kernels
