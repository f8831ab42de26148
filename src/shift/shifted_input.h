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

/// Upper limit of every radius, so that sums of coordinates do not overflow.
inline constexpr std::int64_t largest_radius = 4096;

/// Index of a name in a closed set. Throws ValueError with the allowed names and the nearest one.
std::uint8_t name_among(const char* what, const std::string& name, std::span<const std::string_view> known);

struct Frames {
  std::int64_t images = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::size_t pixel = 0;  // bytes, all channels
};

/// Images (n, height, width) or (n, height, width, channels); ShapeError for others.
Frames frames(const Tensor& images);

/// One pixel of the images' type and channels with these values: one a channel, one for all, or none for zeros. Throws ShapeError for another
/// number of values.
std::vector<std::byte> pixel_of(const Tensor& images, const std::vector<double>& fill);

/// The largest radius that such images, an input (height, width, channels) and a border allow.
std::int64_t most_radius(const Frames& from, const Border& border, const Shape& input);

/// The images in the middle of frames of another size, `fill` around smaller images, larger ones cropped. An odd rest lies below and to the
/// right.
Tensor centred(const Tensor& images, std::int64_t height, std::int64_t width, const std::vector<double>& fill = {});

/// A rectangle of the plane in which the model's frame has its upper left corner at (0, 0).
struct Region {
  std::int64_t top, left, height, width;
};

/// Images laid into the frame of a model's input (height, width, channels), and the plane around it that the border defines.
class ShiftedInput {
 public:
  /// Throws ShapeError for images that do not fit the border and the input, DataError for no images, ValueError for a radius that is
  /// not allowed.
  ShiftedInput(const Tensor& images, Border border, const Shape& input, std::int64_t radius, std::vector<double> fill = {});

  std::int64_t images() const { return from_.images; }
  DType dtype() const { return images_.dtype(); }
  /// The region that the model sees at a shift: its frame, moved against the shift.
  Region frame(Shift shift) const { return {-shift.dy, -shift.dx, height_, width_}; }
  /// An uninitialized tensor of this number of images, each of the region's size.
  Tensor buffer(std::int64_t images, const Region& region) const;
  /// Writes the region of each of the images [first, last) to the beginning of such a buffer. The plane around an image is the fill, or the frame
  /// repeated where the border is circular. Runs on all threads of the pool.
  void view(std::int64_t first, std::int64_t last, const Region& region, Tensor& to) const;
  /// As room_to_move, in the frame.
  std::vector<std::int64_t> room() const;
  /// Where the upper left corner of an unmoved image lies in the frame (negative: outside).
  Shift corner() const { return corner_; }

 private:
  void view_one(const std::byte* src, std::byte* dst, const Region& region) const;

  Tensor images_;
  Frames from_;
  std::int64_t height_, width_;  // of the frame
  Shift corner_;
  std::int64_t top_, left_;  // corner of what moves: the image, or the whole frame where the border is circular
  bool circular_;
  std::vector<double> fill_;
  std::vector<std::byte> fill_pixel_;  // the same as a pixel of the images
};

}  // namespace linn::shift
