// Geometry of a window that slides over a map, for convolution and pooling. `resolve` computes it once, when a plan is built.
#pragma once

#include <cstdint>
#include <optional>

namespace linn::detail::kernels {

/// Padding as in Keras. valid: none. same: out = ceil(n / stride); if the pad is odd, the extra row or column lies at the end.
enum class Border : std::uint8_t { valid, same };

struct Window {
  std::int64_t height = 1, width = 1;
  std::int64_t stride_height = 1, stride_width = 1;
  std::int64_t dilation_height = 1, dilation_width = 1;
  Border border = Border::valid;
};

/// Sizes in pixels, pitches in elements; maps are NHWC.
/// The window of output (y, x) has source rows y * stride_height - pad_top + i * dilation_height for i < window_height, and columns
/// likewise. A source pixel outside the map counts as zero in convolution; pooling leaves it out.
struct Geometry {
  std::int64_t height = 0, width = 0, channels = 0;
  std::int64_t window_height = 1, window_width = 1;
  std::int64_t stride_height = 1, stride_width = 1;
  std::int64_t dilation_height = 1, dilation_width = 1;
  std::int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  std::int64_t out_height = 0, out_width = 0, out_channels = 0;
  /// Output channel c reads source channels [g * channels / groups, (g + 1) * channels / groups), g = c / (out_channels / groups).
  std::int64_t groups = 1;
  /// Pitches from a pixel, row or image to the next.
  std::int64_t src_pixel = 0, src_row = 0, src_image = 0;
  std::int64_t dst_pixel = 0, dst_row = 0, dst_image = 0;
};

/// From a pixel, row or image of a map to the next, in elements.
struct Pitches {
  std::int64_t pixel = 0, row = 0, image = 0;
  bool operator==(const Pitches&) const = default;
};

/// The pitches of a dense map.
Pitches dense_pitches(std::int64_t height, std::int64_t width, std::int64_t channels);

/// Pointers to the pitches of one map inside a problem. A null field means that the kernel allows no gap between pixels, rows or images
/// there.
struct PitchFields {
  std::int64_t *pixel = nullptr, *row = nullptr, *image = nullptr;
};

/// Elements of a convolution's weights.
inline std::int64_t kernel_size(const Geometry& conv) {
  return conv.window_height * conv.window_width * (conv.channels / conv.groups) * conv.out_channels;
}

PitchFields src_pitches(Geometry& geometry);
PitchFields dst_pitches(Geometry& geometry);
/// Whether `set` can express these pitches for a map of height x width x channels: each gap has its field.
bool can_set(const PitchFields& fields, const Pitches& pitches, std::int64_t height, std::int64_t width, std::int64_t channels);
void set(const PitchFields& fields, const Pitches& pitches);

/// Sets the source's or the destination's pitches for a dense map of its sizes.
void set_dense_src(Geometry& geometry);
void set_dense_dst(Geometry& geometry);

/// The geometry for dense maps. Empty if the window does not fit the map (out < 1) or a size is below 1.
std::optional<Geometry> resolve(const Window& window, std::int64_t height, std::int64_t width, std::int64_t channels,
                                std::int64_t out_channels, std::int64_t groups = 1);

/// The first `height` rows and `width` columns of a map.
struct Part {
  std::int64_t height = 0, width = 0;
  bool operator==(const Part&) const = default;
};

/// The smallest part of the source that contains all windows. It is less than the whole map if no window reaches the end.
Part seen(const Geometry& geometry);
/// Shrinks the source to `part`, which must contain seen(geometry). The source becomes dense.
void keep_src(Geometry& geometry, const Part& part);
/// Shrinks the outputs to `part`. The destination becomes dense.
void keep_dst(Geometry& geometry, const Part& part);

/// Number of pairs of an output pixel and a source pixel of its window inside the map, for one image: the additions or comparisons of a
/// pooling for one channel.
std::int64_t pairs(const Geometry& geometry);
/// Multiply-adds of a convolution in the direct form for one image; with `pool` only for the outputs in windows of that pooling.
std::int64_t products(const Geometry& conv);
std::int64_t products(const Geometry& conv, const Geometry& pool);

/// The geometry of global pooling: one window as large as the map, one output.
Geometry resolve_global(std::int64_t height, std::int64_t width, std::int64_t channels);

}  // namespace linn::detail::kernels
