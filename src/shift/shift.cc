#include "linn/shift.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <utility>

#include "core/checked.h"
#include "core/did_you_mean.h"
#include "core/tensor_visit.h"
#include "linn/error.h"

namespace linn::shift {
namespace {

struct Frames {
  std::int64_t images = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::size_t pixel = 0;  // bytes, all channels
};

Frames frames(const Tensor& images) {
  const Shape& shape = images.shape();
  if (!images.defined() || (shape.rank() != 3 && shape.rank() != 4))
    throw ShapeError(fmt::format("[shift] images of shape {} came; (n, height, width) or (n, height, width, channels) is allowed",
                                 images.defined() ? shape.to_string() : "(nothing)"));
  const std::int64_t channels = shape.rank() == 4 ? shape[3] : 1;
  return {shape[0], shape[1], shape[2], static_cast<std::size_t>(channels) * size_of(images.dtype())};
}

// Copies the part of `src` that lies inside `dst` when its upper left corner is put at (top, left) there.
void place(const std::byte* src, std::int64_t height, std::int64_t width, std::byte* dst, std::int64_t dst_height, std::int64_t dst_width,
           std::int64_t top, std::int64_t left, std::size_t pixel) {
  const std::int64_t first = std::max<std::int64_t>(0, -left);
  const std::int64_t last = std::min(width, dst_width - left);
  if (first >= last) return;
  const auto at = [&](std::int64_t row, std::int64_t columns, std::int64_t column) {
    return static_cast<std::size_t>(row * columns + column) * pixel;
  };
  for (std::int64_t row = std::max<std::int64_t>(0, -top); row < std::min(height, dst_height - top); ++row)
    std::memcpy(dst + at(row + top, dst_width, first + left), src + at(row, width, first), static_cast<std::size_t>(last - first) * pixel);
}

// All images, each put at (top, left) of a frame of its own.
Tensor placed(const Tensor& images, std::int64_t height, std::int64_t width, std::int64_t top, std::int64_t left) {
  const Frames from = frames(images);
  const Shape& shape = images.shape();
  Tensor moved(shape.rank() == 4 ? Shape{shape[0], height, width, shape[3]} : Shape{shape[0], height, width}, images.dtype());
  const auto* src = static_cast<const std::byte*>(images.raw());
  auto* dst = static_cast<std::byte*>(moved.raw());
  for (std::int64_t i = 0; i < from.images; ++i) {
    place(src, from.height, from.width, dst, height, width, top, left, from.pixel);
    src += static_cast<std::size_t>(from.height * from.width) * from.pixel;
    dst += static_cast<std::size_t>(height * width) * from.pixel;
  }
  return moved;
}

bool is_zero(float value) { return value == 0; }
bool is_zero(double value) { return value == 0; }
bool is_zero(bfloat16 value) { return (value.bits & 0x7fffU) == 0; }
template <std::integral T>
bool is_zero(T value) {
  return value == 0;
}

// Labels (n) or (n, 1) as int64 inside [0, classes).
std::vector<std::int64_t> checked_labels(const Tensor& labels, std::int64_t images, std::int64_t classes) {
  if (!labels.defined()) throw DataError("[shift] no labels came; one integer for each image is needed");
  const Shape& shape = labels.shape();
  if (shape.rank() == 0 || labels.elements() != shape[0])
    throw ShapeError(
        fmt::format("[shift] labels of shape {} came; one integer for each image, shape ({},), is allowed", shape.to_string(), images));
  if (shape[0] != images)
    throw DataError(fmt::format("[shift] {} images but {} labels came; there must be one label for each image", images, shape[0]));
  const Tensor wide = labels.astype(DType::i64);
  std::vector<std::int64_t> values(wide.values<std::int64_t>().begin(), wide.values<std::int64_t>().end());
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] < 0 || values[i] >= classes)
      throw DataError(fmt::format("[shift] label {} of image {}; the model has {} classes, so 0 to {} are allowed", values[i], i, classes,
                                  classes - 1));
  return values;
}

// One byte for each image at each shift.
std::vector<std::uint8_t> answers(std::int64_t pairs, std::int64_t images, std::int64_t shifts) {
  try {
    return std::vector<std::uint8_t>(static_cast<std::size_t>(pairs));
  } catch (const std::bad_alloc&) {
    throw MemoryError(fmt::format(
        "[shift] the answers for {} images at {} shifts need {:.1f} MiB, which could not be allocated; a smaller radius needs less", images,
        shifts, static_cast<double>(pairs) / (1 << 20)));
  }
}

}  // namespace

Border::Border(const std::string& name) {
  static constexpr std::array<std::string_view, 2> known = {"zero", "canvas"};
  const auto* found = std::find(known.begin(), known.end(), name);
  if (found == known.end())
    throw ValueError(fmt::format("border \"{}\" came; \"zero\" and \"canvas\" are allowed{}", name, core::did_you_mean(name, known)));
  kind_ = static_cast<Kind>(found - known.begin());
}

Tensor shifted(const Tensor& images, std::int64_t dy, std::int64_t dx) {
  const Frames from = frames(images);
  // Beyond its own size an image is gone; the bounds keep sums of coordinates small.
  return placed(images, from.height, from.width, std::clamp(dy, -from.height, from.height), std::clamp(dx, -from.width, from.width));
}

Tensor on_canvas(const Tensor& images, std::int64_t height, std::int64_t width) {
  const Frames from = frames(images);
  if (height < from.height || width < from.width)
    throw ShapeError(
        fmt::format("[shift] images of {} x {} pixels do not fit a canvas of {} x {}", from.height, from.width, height, width));
  return placed(images, height, width, (height - from.height) / 2, (width - from.width) / 2);
}

std::vector<std::int64_t> room_to_move(const Tensor& images) {
  const Frames from = frames(images);
  const std::int64_t channels = images.shape().rank() == 4 ? images.shape()[3] : 1;
  std::vector<std::int64_t> room(static_cast<std::size_t>(from.images), std::max(from.height, from.width));
  core::visit(images, [&](const auto values) {
    const auto* value = values.data();
    for (std::int64_t& least : room)
      for (std::int64_t y = 0; y < from.height; ++y)
        for (std::int64_t x = 0; x < from.width; ++x) {
          const std::int64_t edge = std::min({y, from.height - 1 - y, x, from.width - 1 - x});
          for (std::int64_t c = 0; c < channels; ++c)
            if (!is_zero(*value++)) least = std::min(least, edge);
        }
  });
  return room;
}

Sweep::Sweep(std::int64_t radius, std::vector<std::uint8_t> correct, std::vector<std::int64_t> room)
    : radius_(radius), images_(static_cast<std::int64_t>(room.size())), correct_(std::move(correct)), room_(std::move(room)) {
  if (radius < 0 || radius > 4096) throw ValueError(fmt::format("[shift] radius {} came; 0 to 4096 is allowed", radius));
  if (images_ == 0) throw ValueError("[shift] no images came; at least one is needed");
  const auto shifts = static_cast<std::size_t>(side() * side());
  if (correct_.size() != shifts * room_.size())
    throw ShapeError(fmt::format("[shift] {} results came for {} images and {} shifts; {} are needed", correct_.size(), images_, shifts,
                                 shifts * room_.size()));
  right_.assign(shifts, 0);
  for (std::size_t i = 0; i < correct_.size(); ++i) {
    if (correct_[i] > 1) throw ValueError(fmt::format("[shift] result {} at {} came; 0 and 1 are allowed", correct_[i], i));
    right_[i % shifts] += correct_[i];
  }
}

std::size_t Sweep::index(std::int64_t image, std::int64_t dy, std::int64_t dx) const {
  if (image < 0 || image >= images_) throw ValueError(fmt::format("[shift] image {} came; 0 to {} are allowed", image, images_ - 1));
  check(dy < 0 ? -dy : dy);
  check(dx < 0 ? -dx : dx);
  return static_cast<std::size_t>((image * side() + dy + radius_) * side() + dx + radius_);
}

void Sweep::check(std::int64_t r) const {
  if (r < 0 || r > radius_) throw ValueError(fmt::format("[shift] a shift of {} came; the sweep goes from 0 to {}", r, radius_));
}

bool Sweep::correct(std::int64_t image, std::int64_t dy, std::int64_t dx) const { return correct_[index(image, dy, dx)] != 0; }

double Sweep::accuracy(std::int64_t dy, std::int64_t dx) const {
  return static_cast<double>(right_[index(0, dy, dx)]) / static_cast<double>(images_);
}

double Sweep::mean_accuracy(std::int64_t r) const {
  check(r);
  std::int64_t right = 0;
  for (std::int64_t dy = -r; dy <= r; ++dy)
    for (std::int64_t dx = -r; dx <= r; ++dx) right += right_[index(0, dy, dx)];
  return static_cast<double>(right) / static_cast<double>(images_ * (2 * r + 1) * (2 * r + 1));
}

bool Sweep::always_right(std::int64_t image, std::int64_t r) const {
  for (std::int64_t dy = -r; dy <= r; ++dy)
    for (std::int64_t dx = -r; dx <= r; ++dx)
      if (!correct(image, dy, dx)) return false;
  return true;
}

double Sweep::worst_case_accuracy(std::int64_t r) const {
  check(r);
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < images_; ++i) right += always_right(i, r) ? 1 : 0;
  return static_cast<double>(right) / static_cast<double>(images_);
}

double Sweep::uncut_share(std::int64_t r) const {
  check(r);
  const auto whole = std::count_if(room_.begin(), room_.end(), [&](std::int64_t room) { return room >= r; });
  return static_cast<double>(whole) / static_cast<double>(images_);
}

double Sweep::worst_case_accuracy_of_uncut(std::int64_t r) const {
  check(r);
  std::int64_t whole = 0;
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < images_; ++i) {
    if (room_[static_cast<std::size_t>(i)] < r) continue;
    ++whole;
    right += always_right(i, r) ? 1 : 0;
  }
  if (whole == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(right) / static_cast<double>(whole);
}

Tensor Sweep::map() const {
  Tensor map(Shape{side(), side()}, DType::f64);
  const auto values = map.values<double>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(right_[i]) / static_cast<double>(images_);
  return map;
}

Sweep sweep(const Sequential& model, const Tensor& images, const Tensor& labels, const SweepOptions& options) {
  const std::int64_t radius = options.radius;
  if (radius < 0 || radius > 4096) throw ValueError(fmt::format("[shift] radius {} came; 0 to 4096 is allowed", radius));
  if (options.batch_size < 1) throw ValueError(fmt::format("[shift] batch_size {} came; 1 or more is allowed", options.batch_size));
  const Shape input = model.input_shape();
  const Shape output = model.output_shape();
  if (input.rank() != 3)
    throw ShapeError(fmt::format("[shift] the model takes {}; images (height, width, channels) are needed", input.to_string()));
  if (output.rank() != 1 || output[0] < 2)
    throw ShapeError(fmt::format("[shift] the model gives {}; one value for each of two or more classes is needed", output.to_string()));

  const Tensor base = options.border.kind() == Border::canvas ? on_canvas(images, input[0], input[1]) : images;
  const Frames from = frames(base);
  if (from.images == 0) throw DataError("[shift] no images came; at least one is needed");
  if (from.height != input[0] || from.width != input[1])
    throw ShapeError(
        fmt::format("[shift] images of {} x {} pixels came, the model takes {}; border \"canvas\" lays smaller images onto a larger input",
                    from.height, from.width, input.to_string()));
  const std::vector<std::int64_t> expected = checked_labels(labels, from.images, output[0]);

  const std::int64_t side = 2 * radius + 1;
  const std::int64_t shifts = side * side;
  const std::optional<std::int64_t> pairs = core::checked_mul(from.images, shifts);
  if (!pairs) throw MemoryError(fmt::format("[shift] {} images at {} shifts are too many", from.images, shifts));
  std::vector<std::uint8_t> correct = answers(*pairs, from.images, shifts);
  // A chunk of images at a time: moved copies of all of a large set would take as much memory as the set.
  const std::int64_t chunk = std::max<std::int64_t>(options.batch_size, 2048 / options.batch_size * options.batch_size);
  const auto classes = static_cast<std::size_t>(output[0]);
  for (std::int64_t shift = 0; shift < shifts; ++shift) {
    for (std::int64_t first = 0; first < from.images; first += chunk) {
      const std::int64_t last = std::min(from.images, first + chunk);
      const Tensor moved = shifted(base.rows(first, last), shift / side - radius, shift % side - radius);
      const Tensor scores =
          model.predict(moved, {.batch_size = options.batch_size, .input_scale = options.input_scale, .accuracy = options.accuracy});
      const float* row = scores.values<float>().data();
      for (std::int64_t i = first; i < last; ++i, row += classes) {
        const std::int64_t answer = std::max_element(row, row + classes) - row;
        correct[static_cast<std::size_t>(i * shifts + shift)] = answer == expected[static_cast<std::size_t>(i)] ? 1 : 0;
      }
    }
    if (options.progress && !options.progress(shift + 1, shifts)) throw StateError("[shift] the sweep was ended before its last shift");
  }
  return Sweep(radius, std::move(correct), room_to_move(base));
}

}  // namespace linn::shift
