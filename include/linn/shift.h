// room: shift
// What translation does to a network: every image at every shift, and what is right where.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "linn/model.h"
#include "linn/tensor.h"
#include "linn/types.h"

namespace linn::shift {

/// What surrounds an image that moves. "zero": it moves inside its own frame; what leaves is cut off, zeros come in.
/// "canvas": it is first laid onto the middle of a frame as large as the model's input, zeros around it, and moves there.
/// A misspelt literal does not compile; a std::string is checked when it runs (ValueError).
class Border {
 public:
  enum Kind : std::uint8_t { zero, canvas };

  consteval Border(const char* name) : kind_(literal(name)) {}
  Border(const std::string& name);
  constexpr Kind kind() const { return kind_; }
  std::string_view name() const { return kind_ == canvas ? "canvas" : "zero"; }

 private:
  static consteval Kind literal(std::string_view name) {
    if (name == "zero") return zero;
    if (name == "canvas") return canvas;
    throw "border must be \"zero\" or \"canvas\"";
  }
  Kind kind_;
};

struct SweepOptions {
  /// All shifts (dy, dx) with |dy| <= radius and |dx| <= radius, whole pixels.
  std::int64_t radius = 4;
  Border border = "zero";
  /// Images computed at once; changes memory and speed, never a result.
  std::int64_t batch_size = 256;
  /// Called after each shift with the number of shifts done and of all; false ends the sweep (StateError).
  std::function<bool(std::int64_t done, std::int64_t all)> progress = {};
  /// As in FitOptions: every number of the images is multiplied by it.
  double input_scale = 1;
  Accuracy accuracy = "fast";
};

/// What a sweep found. "Within r" means |dy| <= r and |dx| <= r, and r = 0 is the image where it was.
/// All shares are in 0..1. Throws ValueError for an r outside 0..radius().
class Sweep {
 public:
  /// `correct` holds images * (2 * radius + 1)^2 bytes, 1 for right: by image, then by dy and dx from -radius up.
  /// `room` holds for each image how far it can move in every direction before ink is cut. Throws ShapeError unless the
  /// sizes agree, ValueError for other bytes than 0 and 1, no image or a negative radius.
  Sweep(std::int64_t radius, std::vector<std::uint8_t> correct, std::vector<std::int64_t> room);

  std::int64_t radius() const { return radius_; }
  std::int64_t images() const { return images_; }
  bool correct(std::int64_t image, std::int64_t dy, std::int64_t dx) const;

  /// Share of images that are right at this shift.
  double accuracy(std::int64_t dy, std::int64_t dx) const;
  /// Mean of that over all shifts within r.
  double mean_accuracy(std::int64_t r) const;
  /// Share of images that are right at every shift within r ("robust accuracy").
  double worst_case_accuracy(std::int64_t r) const;
  /// Share of images that lose no ink at any shift within r: no pixel other than zero leaves the frame.
  double uncut_share(std::int64_t r) const;
  /// Worst-case accuracy among those images alone; NaN when there are none.
  double worst_case_accuracy_of_uncut(std::int64_t r) const;
  /// Accuracy by shift, float64 of shape (2 * radius + 1, 2 * radius + 1), dy down and dx to the right.
  Tensor map() const;

 private:
  std::int64_t side() const { return 2 * radius_ + 1; }
  std::size_t index(std::int64_t image, std::int64_t dy, std::int64_t dx) const;
  void check(std::int64_t r) const;
  bool always_right(std::int64_t image, std::int64_t r) const;

  std::int64_t radius_ = 0;
  std::int64_t images_ = 0;
  std::vector<std::uint8_t> correct_;
  std::vector<std::int64_t> room_;
  std::vector<std::int64_t> right_;  // by shift, how many images
};

/// The images moved down by dy and right by dx (up and left where negative) inside their frame; zeros come in.
/// Shapes (n, height, width) and (n, height, width, channels), any dtype; ShapeError for others.
Tensor shifted(const Tensor& images, std::int64_t dy, std::int64_t dx);

/// The images in the middle of a larger frame of zeros; an odd rest goes below and to the right.
/// Throws ShapeError when an image does not fit.
Tensor on_canvas(const Tensor& images, std::int64_t height, std::int64_t width);

/// For each image the largest r such that no shift within r cuts ink: the distance from the frame's edge to the nearest pixel
/// that is not zero in any channel. max(height, width) for an image without ink, which nothing can cut.
std::vector<std::int64_t> room_to_move(const Tensor& images);

/// Predicts every image at every shift. Exhaustive, without any random draw: the same model gives the same numbers.
/// The model must give one row of class values an image; the largest counts, the first of equals.
/// Throws ShapeError for images that do not fit the model, DataError for labels that do not, ValueError for a radius below 0,
/// StateError when `progress` ended it.
Sweep sweep(const Sequential& model, const Tensor& images, const Tensor& labels, const SweepOptions& options = {});

}  // namespace linn::shift
