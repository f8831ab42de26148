// The model's input at each shift, for every border.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "linn/shift.h"
#include "linn/tensor.h"

namespace linn::shift {

/// Upper limit of all radii; keeps sums of coordinates from overflow.
inline constexpr std::int64_t largest_radius = 4096;

/// Number and size of images.
struct Frames {
  std::int64_t images = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::size_t pixel = 0;  // bytes of one pixel with all channels
};

/// The sizes of images (n, height, width) or (n, height, width, channels). Throws ShapeError for other shapes.
Frames frames(const Tensor& images);

/// The fill as bytes of one pixel, in the dtype of the images. `fill` has one value for each channel, one for all channels, or none
/// (zeros). Throws ShapeError for another number of values.
std::vector<std::byte> pixel_of(const Tensor& images, const std::vector<double>& fill);

/// The largest radius that is allowed for these images, an input (height, width, channels) and this border.
std::int64_t most_radius(const Frames& from, const Border& border, const Shape& input);

/// The images in the middle of frames of height x width. Smaller images are surrounded by `fill`, larger ones are cropped. If the
/// difference is odd, the extra row or column lies below or to the right.
Tensor centred(const Tensor& images, std::int64_t height, std::int64_t width, const std::vector<double>& fill = {});

/// A rectangle of the plane around an image. (0, 0) is the upper left corner of the model's frame at shift 0.
struct Region {
  std::int64_t top, left, height, width;
};

/// Images in the frame of a model's input (height, width, channels), extended to the whole plane as the border defines it: by the frame
/// repeated (circular), else by the fill. Safe to read from several threads.
class ShiftedInput {
 public:
  /// Throws ShapeError if the images do not fit border and input, DataError for 0 images, ValueError for a radius above most_radius.
  ShiftedInput(const Tensor& images, Border border, const Shape& input, std::int64_t radius, std::vector<double> fill = {});

  std::int64_t images() const { return from_.images; }
  DType dtype() const { return images_.dtype(); }
  /// The part of the plane that is the model's input at a shift: the frame, moved by the negative shift.
  Region frame(Shift shift) const { return {-shift.dy, -shift.dx, height_, width_}; }
  /// An uninitialized tensor for this number of images of the region's size.
  Tensor buffer(std::int64_t images, const Region& region) const;
  /// Writes the region of each of the images [first, last) to the first last - first images of `to`, a tensor from `buffer`. Runs on all
  /// threads of the pool.
  void view(std::int64_t first, std::int64_t last, const Region& region, Tensor& to) const;
  /// The room to move of each image in the frame; see room_to_move.
  std::vector<std::int64_t> room() const;
  /// Place of an image's upper left corner in the frame at shift 0; negative if it lies outside.
  Shift corner() const { return corner_; }

 private:
  void view_one(const std::byte* src, std::byte* dst, const Region& region) const;

  Tensor images_;
  Frames from_;
  std::int64_t height_, width_;  // of the frame
  Shift corner_;
  std::int64_t top_, left_;  // corner in the frame of the rectangle that moves: the image, or with border circular the whole frame
  bool circular_;
  std::vector<double> fill_;
  std::vector<std::byte> fill_pixel_;  // fill_ as bytes of one pixel
};

}  // namespace linn::shift
