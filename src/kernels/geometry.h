// Where a window slides over a map of pixels: resolved once, by `resolve`, for convolution and pooling alike.
#pragma once

#include <cstdint>
#include <optional>

namespace linn::kernels {

/// How a window treats the border, as in Keras. `same`: out = ceil(n / stride), the odd pad at the end.
enum class Border : std::uint8_t { valid, same };

struct Window {
  std::int64_t height = 1, width = 1;
  std::int64_t stride_height = 1, stride_width = 1;
  std::int64_t dilation_height = 1, dilation_width = 1;
  Border border = Border::valid;
};

/// Sizes in pixels, pitches in elements. Images are NHWC.
/// Output (y, x) sees source rows y * stride_height - pad_top + i * dilation_height for i < window_height; columns alike.
/// A source pixel outside the map counts as zero (convolution) or is not there (pooling).
struct Geometry {
  std::int64_t height = 0, width = 0, channels = 0;
  std::int64_t window_height = 1, window_width = 1;
  std::int64_t stride_height = 1, stride_width = 1;
  std::int64_t dilation_height = 1, dilation_width = 1;
  std::int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  std::int64_t out_height = 0, out_width = 0, out_channels = 0;
  /// Output channel c reads source channels [g * channels / groups, (g + 1) * channels / groups), g = c / (out_channels / groups).
  std::int64_t groups = 1;
  /// From a pixel, row or image to the next.
  std::int64_t src_pixel = 0, src_row = 0, src_image = 0;
  std::int64_t dst_pixel = 0, dst_row = 0, dst_image = 0;
};

/// From a pixel, row or image of a map to the next, in elements.
struct Pitches {
  std::int64_t pixel = 0, row = 0, image = 0;
  bool operator==(const Pitches&) const = default;
};

/// Of a map without gaps.
Pitches dense_pitches(std::int64_t height, std::int64_t width, std::int64_t channels);

/// Where a problem keeps the pitches of one of its maps. Without a field for one of them the kernel knows no gap there: pixels, rows or images
/// follow each other.
struct PitchFields {
  std::int64_t *pixel = nullptr, *row = nullptr, *image = nullptr;
};

PitchFields src_pitches(Geometry& geometry);
PitchFields dst_pitches(Geometry& geometry);
/// Whether a map of height x width x channels with these pitches can be told to the problem.
bool can_set(const PitchFields& fields, const Pitches& pitches, std::int64_t height, std::int64_t width, std::int64_t channels);
void set(const PitchFields& fields, const Pitches& pitches);

/// Pitches of a map without gaps: the source's, or the destination's, from its sizes.
void set_dense_src(Geometry& geometry);
void set_dense_dst(Geometry& geometry);

/// Dense maps (pixel pitch = channels). Nothing when the window does not fit the map (out < 1) or a size is below 1.
std::optional<Geometry> resolve(const Window& window, std::int64_t height, std::int64_t width, std::int64_t channels,
                                std::int64_t out_channels, std::int64_t groups = 1);

/// Rows and columns of a map, from its top left corner.
struct Part {
  std::int64_t height = 0, width = 0;
  bool operator==(const Part&) const = default;
};

/// The part of the source that some output sees: less than all of it where windows do not reach the end.
Part seen(const Geometry& geometry);
/// Leaves out what is not in `part`, at least what is seen, of the source. Dense.
void keep_src(Geometry& geometry, const Part& part);
/// Leaves out what is not in `part` of the outputs. Dense.
void keep_dst(Geometry& geometry, const Part& part);

/// Pairs of an output pixel and a source pixel inside the map that it sees, in one image: the additions or comparisons of pooling a
/// channel.
std::int64_t pairs(const Geometry& geometry);
/// Multiply-adds of the direct form of a convolution of one image, and of that part of it which the windows of `pool` see.
std::int64_t products(const Geometry& conv);
std::int64_t products(const Geometry& conv, const Geometry& pool);

/// A window as large as the map, one output: global pooling.
Geometry resolve_global(std::int64_t height, std::int64_t width, std::int64_t channels);

}  // namespace linn::kernels
