#include "shift/shifted_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string_view>

#include "core/checked.h"
#include "core/worker_pool.h"
#include "linn/error.h"

namespace linn::shift {
namespace {

// Layout of one image in memory, without gaps.
struct PixelLayout {
  std::int64_t height, width;
  std::size_t pixel;

  std::size_t at(std::int64_t row, std::int64_t column) const { return static_cast<std::size_t>(row * width + column) * pixel; }
  std::size_t bytes() const { return at(height, 0); }
};

// Copies `src` into `dst` with its upper left corner at (top, left) of `dst`. Parts outside `dst` are left out.
void place(const std::byte* src, const PixelLayout& from, std::byte* dst, const PixelLayout& to, std::int64_t top, std::int64_t left) {
  const std::int64_t first = std::max<std::int64_t>(0, -left);
  const std::int64_t last = std::min(from.width, to.width - left);
  if (first >= last) return;
  for (std::int64_t row = std::max<std::int64_t>(0, -top); row < std::min(from.height, to.height - top); ++row)
    std::memcpy(dst + to.at(row + top, first + left), src + from.at(row, first), static_cast<std::size_t>(last - first) * from.pixel);
}

std::int64_t wrapped(std::int64_t at, std::int64_t size) { return ((at % size) + size) % size; }

// Fills `dst` with repetitions of `src`: dst[y, x] = src[(top + y) mod height, (left + x) mod width].
void tile(const std::byte* src, const PixelLayout& from, std::byte* dst, const PixelLayout& to, std::int64_t top, std::int64_t left) {
  for (std::int64_t row = 0; row < to.height; ++row) {
    const std::int64_t from_row = wrapped(top + row, from.height);
    std::int64_t column = wrapped(left, from.width);
    for (std::int64_t done = 0; done < to.width; column = 0) {
      const std::int64_t taken = std::min(from.width - column, to.width - done);
      std::memcpy(dst + to.at(row, done), src + from.at(from_row, column), static_cast<std::size_t>(taken) * from.pixel);
      done += taken;
    }
  }
}

Tensor framed(const Tensor& images, std::int64_t count, std::int64_t height, std::int64_t width) {
  const Shape& shape = images.shape();
  return Tensor(shape.rank() == 4 ? Shape{count, height, width, shape[3]} : Shape{count, height, width}, images.dtype());
}

void fill_with(std::byte* dst, std::size_t bytes, const std::vector<std::byte>& pixel) {
  if (std::all_of(pixel.begin(), pixel.end(), [](std::byte byte) { return byte == std::byte{0}; })) {
    std::memset(dst, 0, bytes);
    return;
  }
  for (std::size_t at = 0; at < bytes; at += pixel.size()) std::memcpy(dst + at, pixel.data(), pixel.size());
}

// Each image in a frame of height x width of its own, with its upper left corner at (top, left) and `fill` around it.
Tensor placed(const Tensor& images, std::int64_t height, std::int64_t width, std::int64_t top, std::int64_t left,
              const std::vector<double>& fill) {
  const Frames from = frames(images);
  const PixelLayout src_grid{from.height, from.width, from.pixel};
  const PixelLayout dst_grid{height, width, from.pixel};
  Tensor moved = framed(images, from.images, height, width);
  const auto* src = static_cast<const std::byte*>(images.raw());
  auto* dst = static_cast<std::byte*>(moved.raw());
  fill_with(dst, static_cast<std::size_t>(from.images) * dst_grid.bytes(), pixel_of(images, fill));
  for (std::int64_t i = 0; i < from.images; ++i, src += src_grid.bytes(), dst += dst_grid.bytes())
    place(src, src_grid, dst, dst_grid, top, left);
  return moved;
}

// For each image the least distance of its ink from the edges of a frame of height x width, in which its upper left corner lies at
// `corner`. -1 for ink outside the frame, max(height, width) without ink. Compares bytes, so that -0 is ink on a background of 0.
std::vector<std::int64_t> room_within(const Tensor& images, std::int64_t height, std::int64_t width, Shift corner,
                                      const std::vector<std::byte>& background) {
  const Frames from = frames(images);
  std::vector<std::int64_t> room(static_cast<std::size_t>(from.images), std::max(height, width));
  const auto* pixel = static_cast<const std::byte*>(images.raw());
  for (std::int64_t& least : room)
    for (std::int64_t y = corner.dy; y < corner.dy + from.height; ++y)
      for (std::int64_t x = corner.dx; x < corner.dx + from.width; ++x, pixel += from.pixel) {
        if (std::memcmp(pixel, background.data(), from.pixel) == 0) continue;
        least = std::min(least, std::max<std::int64_t>(-1, std::min({y, height - 1 - y, x, width - 1 - x})));
      }
  return room;
}

void check_size(const Frames& from, const Border& border, const Shape& input) {
  const bool larger = from.height > input[0] || from.width > input[1];
  const bool smaller = from.height < input[0] || from.width < input[1];
  const auto refuse = [&](const char* way_out) {
    throw ShapeError(fmt::format("[shift] images of {} x {} pixels came, the model takes {}, border \"{}\"; {}", from.height, from.width,
                                 input.to_string(), border.name(), way_out));
  };
  switch (border.kind()) {
    case Border::zero:
      if (larger) refuse("border \"crop\" moves a window over larger images");
      if (smaller) refuse("border \"canvas\" lays smaller images onto a larger input");
      break;
    case Border::canvas:
    case Border::circular:
      if (larger) refuse("images do not fit the frame; border \"crop\" moves a window over larger images");
      break;
    case Border::crop:
      if (smaller) refuse("a window is no larger than what it is moved over; border \"canvas\" lays smaller images onto a larger input");
      break;
  }
}

void check_radius(std::int64_t radius, const Frames& from, const Border& border, const Shape& input) {
  const std::int64_t most = most_radius(from, border, input);
  if (radius >= 0 && radius <= most) return;
  const char* why = "what moves further has left the frame";
  if (border.kind() == Border::circular) why = "further shifts come round to nearer ones";
  if (border.kind() == Border::crop)
    why = "further on the window would leave the image; larger images allow more, and border \"zero\" or \"canvas\" need no margin";
  throw ValueError(
      fmt::format("[shift] radius {} came; 0 to {} is allowed for images of {} x {} pixels, an input of {} x {} and border \"{}\": {}",
                  radius, most, from.height, from.width, input[0], input[1], border.name(), why));
}

}  // namespace

Frames frames(const Tensor& images) {
  const Shape& shape = images.shape();
  if (!images.defined() || (shape.rank() != 3 && shape.rank() != 4))
    throw ShapeError(fmt::format("[shift] images of shape {} came; (n, height, width) or (n, height, width, channels) is allowed",
                                 images.defined() ? shape.to_string() : "(nothing)"));
  const std::int64_t channels = shape.rank() == 4 ? shape[3] : 1;
  if (shape[1] == 0 || shape[2] == 0 || channels == 0)
    throw ShapeError(fmt::format("[shift] images of shape {} came; they hold no pixels", shape.to_string()));
  return {shape[0], shape[1], shape[2], channels, static_cast<std::size_t>(channels) * size_of(images.dtype())};
}

std::vector<std::byte> pixel_of(const Tensor& images, const std::vector<double>& fill) {
  const Frames from = frames(images);
  std::vector<std::byte> pixel(from.pixel, std::byte{0});
  if (fill.empty()) return pixel;
  if (fill.size() != 1 && static_cast<std::int64_t>(fill.size()) != from.channels)
    throw ShapeError(
        fmt::format("[shift] a fill of {} values came for images of {} channels; one value, or one for each channel, is allowed",
                    fill.size(), from.channels));
  Tensor wide({from.channels}, DType::f64);
  for (std::size_t c = 0; c < static_cast<std::size_t>(from.channels); ++c) wide.values<double>()[c] = fill.size() == 1 ? fill[0] : fill[c];
  const Tensor narrow = wide.astype(images.dtype());
  std::memcpy(pixel.data(), narrow.raw(), from.pixel);
  return pixel;
}

std::int64_t most_radius(const Frames& from, const Border& border, const Shape& input) {
  std::int64_t most = std::min(input[0], input[1]) - 1;
  if (border.kind() == Border::circular) most = std::min(input[0], input[1]) / 2;
  if (border.kind() == Border::crop) most = std::min(from.height - input[0], from.width - input[1]) / 2;
  return std::min(most, largest_radius);
}

Tensor shifted(const Tensor& images, std::int64_t dy, std::int64_t dx, const std::vector<double>& fill) {
  const Frames from = frames(images);
  // A shift by its own size moves an image out entirely, so longer shifts are cut to that. This also keeps sums of coordinates small.
  return placed(images, from.height, from.width, std::clamp(dy, -from.height, from.height), std::clamp(dx, -from.width, from.width), fill);
}

Tensor rolled(const Tensor& images, std::int64_t dy, std::int64_t dx) {
  const Frames from = frames(images);
  const PixelLayout grid{from.height, from.width, from.pixel};
  Tensor moved = framed(images, from.images, from.height, from.width);
  const auto* src = static_cast<const std::byte*>(images.raw());
  auto* dst = static_cast<std::byte*>(moved.raw());
  if (grid.bytes() == 0) return moved;
  const std::int64_t top = -wrapped(dy, grid.height), left = -wrapped(dx, grid.width);
  for (std::int64_t i = 0; i < from.images; ++i, src += grid.bytes(), dst += grid.bytes()) tile(src, grid, dst, grid, top, left);
  return moved;
}

Tensor centred(const Tensor& images, std::int64_t height, std::int64_t width, const std::vector<double>& fill) {
  const Frames from = frames(images);
  return placed(images, height, width, (height - from.height) / 2, (width - from.width) / 2, fill);
}

Tensor on_canvas(const Tensor& images, std::int64_t height, std::int64_t width, const std::vector<double>& fill) {
  const Frames from = frames(images);
  if (height < from.height || width < from.width)
    throw ShapeError(
        fmt::format("[shift] images of {} x {} pixels do not fit a canvas of {} x {}", from.height, from.width, height, width));
  return centred(images, height, width, fill);
}

std::vector<std::int64_t> room_to_move(const Tensor& images, const std::vector<double>& fill) {
  const Frames from = frames(images);
  return room_within(images, from.height, from.width, {}, pixel_of(images, fill));
}

ShiftedInput::ShiftedInput(const Tensor& images, Border border, const Shape& input, std::int64_t radius, std::vector<double> fill)
    : images_(images),
      from_(frames(images)),
      height_(input[0]),
      width_(input[1]),
      circular_(border.kind() == Border::circular),
      fill_(std::move(fill)),
      fill_pixel_(pixel_of(images, fill_)) {
  if (from_.images == 0) throw DataError("[shift] no images came; at least one is needed");
  if (from_.channels != input[2])
    throw ShapeError(fmt::format("[shift] images with {} channel{} came, the model takes {}", from_.channels,
                                 from_.channels == 1 ? "" : "s", input.to_string()));
  check_size(from_, border, input);
  check_radius(radius, from_, border, input);
  // Negative if the image is larger than the frame (border crop).
  corner_ = {(height_ - from_.height) / 2, (width_ - from_.width) / 2};
  if (circular_ && (from_.height != height_ || from_.width != width_)) {
    images_ = on_canvas(images, height_, width_, fill_);
    from_ = frames(images_);
  }
  top_ = (height_ - from_.height) / 2;
  left_ = (width_ - from_.width) / 2;
}

Tensor ShiftedInput::buffer(std::int64_t images, const Region& region) const {
  return framed(images_, images, region.height, region.width);
}

void ShiftedInput::view_one(const std::byte* src, std::byte* dst, const Region& region) const {
  const PixelLayout from{from_.height, from_.width, from_.pixel}, to{region.height, region.width, from_.pixel};
  if (to.bytes() == 0) return;
  if (circular_) return tile(src, from, dst, to, region.top, region.left);
  fill_with(dst, to.bytes(), fill_pixel_);
  place(src, from, dst, to, top_ - region.top, left_ - region.left);
}

void ShiftedInput::view(std::int64_t first, std::int64_t last, const Region& region, Tensor& to) const {
  constexpr std::int64_t group = 64;  // images that a worker copies at a time
  const auto* src = static_cast<const std::byte*>(images_.raw());
  auto* dst = static_cast<std::byte*>(to.raw());
  const std::size_t src_bytes = static_cast<std::size_t>(from_.height * from_.width) * from_.pixel;
  const std::size_t dst_bytes = static_cast<std::size_t>(region.height * region.width) * from_.pixel;
  detail::core::worker_pool().run(detail::core::ceil_div(last - first, group), [&](std::int64_t item, int /*worker*/) {
    for (std::int64_t i = first + item * group; i < std::min(last, first + (item + 1) * group); ++i)
      view_one(src + static_cast<std::size_t>(i) * src_bytes, dst + static_cast<std::size_t>(i - first) * dst_bytes, region);
  });
}

std::vector<std::int64_t> ShiftedInput::room() const { return room_within(images_, height_, width_, {top_, left_}, fill_pixel_); }

}  // namespace linn::shift
