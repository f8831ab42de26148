// The predictions of a sweep (class Sweep): checks, single images, and shares of images at single shifts.
#include <fmt/format.h>

#include <cstddef>
#include <limits>
#include <optional>
#include <utility>

#include "linn/error.h"
#include "linn/shift.h"
#include "shift/intervals.h"
#include "shift/shifted_input.h"

namespace linn::shift {

Sweep::Sweep(Predictions predictions) : predictions_(std::move(predictions)), images_(static_cast<std::int64_t>(predictions_.room.size())) {
  if (radius() < 0 || radius() > largest_radius)
    throw ValueError(fmt::format("[shift] radius {} came; 0 to {} is allowed", radius(), largest_radius));
  if (classes() < 2 || classes() > 65'536) throw ValueError(fmt::format("[shift] {} classes came; 2 to 65,536 are allowed", classes()));
  if (images_ == 0) throw ValueError("[shift] no images came; at least one is needed");
  const auto shifts = static_cast<std::size_t>(side() * side());
  const std::size_t pairs = shifts * predictions_.room.size();
  const auto agrees = [&](std::size_t size, std::size_t with) { return size == 0 || size == with; };
  if (predictions_.predicted.size() != pairs || !agrees(predictions_.change.size(), pairs) ||
      !agrees(predictions_.label_value.size(), pairs) || !agrees(predictions_.labels.size(), predictions_.room.size()))
    throw ShapeError(
        fmt::format("[shift] {} predictions, {} changes, {} values and {} labels came for {} images and {} shifts; {} of the first "
                    "three are needed, the last three may be left out",
                    predictions_.predicted.size(), predictions_.change.size(), predictions_.label_value.size(), predictions_.labels.size(),
                    images_, shifts, pairs));
  for (const std::int64_t label : predictions_.labels)
    if (label < 0 || label >= classes()) throw ValueError(fmt::format("[shift] label {} came; 0 to {} are allowed", label, classes() - 1));
  right_.assign(shifts, 0);
  same_.assign(shifts, 0);
  for (std::size_t i = 0; i < pairs; ++i) {
    const std::size_t image = i / shifts;
    const std::int64_t predicted = predictions_.predicted[i];
    if (predicted >= classes())
      throw ValueError(fmt::format("[shift] class {} at {} came; 0 to {} are allowed", predicted, i, classes() - 1));
    same_[i % shifts] += predicted == predictions_.predicted[image * shifts + shifts / 2] ? 1 : 0;
    if (labelled()) right_[i % shifts] += predicted == predictions_.labels[image] ? 1 : 0;
  }
}

std::size_t Sweep::place(std::int64_t dy, std::int64_t dx) const {
  check(dy < 0 ? -dy : dy);
  check(dx < 0 ? -dx : dx);
  return static_cast<std::size_t>((dy + radius()) * side() + dx + radius());
}

std::size_t Sweep::index(std::int64_t image, std::int64_t dy, std::int64_t dx) const {
  if (image < 0 || image >= images_) throw ValueError(fmt::format("[shift] image {} came; 0 to {} are allowed", image, images_ - 1));
  return static_cast<std::size_t>(image * side() * side()) + place(dy, dx);
}

void Sweep::check(std::int64_t r) const {
  if (r < 0 || r > radius()) throw ValueError(fmt::format("[shift] a shift of {} came; the sweep goes from 0 to {}", r, radius()));
}

void Sweep::need_labels() const {
  if (!labelled()) throw StateError("[shift] no labels came with the images: consistency and changes are measured, accuracy cannot be");
}

std::int64_t Sweep::predicted(std::int64_t image, std::int64_t dy, std::int64_t dx) const {
  return predictions_.predicted[index(image, dy, dx)];
}

std::int64_t Sweep::label(std::int64_t image) const {
  need_labels();
  index(image, 0, 0);
  return predictions_.labels[static_cast<std::size_t>(image)];
}

bool Sweep::correct(std::int64_t image, std::int64_t dy, std::int64_t dx) const { return predicted(image, dy, dx) == label(image); }

std::optional<Shift> Sweep::nearest_flip(std::int64_t image) const {
  const std::int64_t in_place = predicted(image, 0, 0);
  std::optional<Shift> nearest;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (std::int64_t dy = -radius(); dy <= radius(); ++dy)
    for (std::int64_t dx = -radius(); dx <= radius(); ++dx)
      if (const std::int64_t distance = dy * dy + dx * dx; distance < least && predicted(image, dy, dx) != in_place) {
        least = distance;
        nearest = Shift{dy, dx};
      }
  return nearest;
}

double Sweep::accuracy(std::int64_t dy, std::int64_t dx) const {
  need_labels();
  return share(right_[place(dy, dx)], images_);
}

double Sweep::unchanged(std::int64_t dy, std::int64_t dx) const { return share(same_[place(dy, dx)], images_); }

}  // namespace linn::shift
