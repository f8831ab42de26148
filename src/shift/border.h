// What a model sees of an image that moves: every border in one place.
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

/// No radius is above this; it keeps sums of coordinates small.
inline constexpr std::int64_t largest_radius = 4096;

/// Which of a closed set's names this is; ValueError, with those there are and a guess, if none.
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

/// The largest radius that such images, an input (height, width, channels) and a border allow.
std::int64_t most_radius(const Frames& from, const Border& border, const Shape& input);

/// The images in the middle of frames of another size: laid onto zeros where they are smaller, cut where they are larger. An odd rest
/// lies below and to the right.
Tensor centred(const Tensor& images, std::int64_t height, std::int64_t width);

/// A piece of the plane in which a frame lies with its upper left corner at (0, 0).
struct Piece {
  std::int64_t top, left, height, width;
};

/// The images that a model with the input shape (height, width, channels) shall see, and how they move.
class Scene {
 public:
  /// Throws ShapeError for images that do not fit the border and the input, DataError for no images, ValueError for a radius that is
  /// not allowed.
  Scene(const Tensor& images, Border border, const Shape& input, std::int64_t radius);

  std::int64_t images() const { return from_.images; }
  DType dtype() const { return images_.dtype(); }
  /// What the model sees at a shift: its frame, moved against the shift.
  Piece frame(Step shift) const { return {-shift.dy, -shift.dx, height_, width_}; }
  /// Memory for so many images, each as large as the piece.
  Tensor buffer(std::int64_t images, const Piece& piece) const;
  /// Writes the piece around each of images [first, last) to the beginning of such a buffer: around an unmoved image the plane is zero, or
  /// frames that go on and on where the border is circular. All threads of the pool work.
  void view(std::int64_t first, std::int64_t last, const Piece& piece, Tensor& to) const;
  /// As room_to_move, in the frame.
  std::vector<std::int64_t> room() const;
  /// Where the upper left corner of an unmoved image lies in the frame (negative: outside).
  Step corner() const { return corner_; }

 private:
  void view_one(const std::byte* src, std::byte* dst, const Piece& piece) const;

  Tensor images_;
  Frames from_;
  std::int64_t height_, width_;  // of the frame
  Step corner_;
  std::int64_t top_, left_;  // of what is moved: a circular frame is moved as a whole
  bool circular_;
};

}  // namespace linn::shift
