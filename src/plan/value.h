// Values: the tensors between the ops of a plan.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "linn/shape.h"

namespace linn::detail::plan {

enum class Precision : std::uint8_t {
  float32,
  float64,  // internal: references only, the ground truth of gradient checks
};

/// The type of a value's elements. `real` is float or double, by the plan's precision.
enum class Element : std::uint8_t { real, u8, i32, i64, f64 };

/// `batch`: the first axis is the image. `fixed`: the size does not depend on the batch, as of a variable.
enum class Extent : std::uint8_t { batch, fixed };

/// Where a value's memory comes from.
enum class Home : std::uint8_t {
  arena,     // planned by lifetime
  bound,     // the caller's memory: variables, optimizer slots, results
  partials,  // of a fixed value: each shard has a partial sum; they are added along the sum tree
};

struct ValueInfo {
  std::string name;
  Shape shape;  // of one image for batch values
  Element element = Element::real;
  Extent extent = Extent::batch;
  Home home = Home::arena;
  bool kept = false;        // read after the run: never fused away, and its memory is not reused
  int whole = -1;           // of a view (views.h): the value in whose memory it lies
  std::int64_t offset = 0;  // of a view: elements before it in an image of the whole
};

/// An image of at most three axes as a map: (channels) is one pixel, (pixels, channels) is one row.
struct MapSize {
  std::int64_t height = 1, width = 1, channels = 1;
};

inline MapSize map_size(const Shape& shape) {
  return {shape.rank() < 3 ? 1 : shape[-3], shape.rank() < 2 ? 1 : shape[-2], shape.rank() < 1 ? 1 : shape[-1]};
}

/// A reference to a value with a shape of its own. A reshape is another Value with the same id; nothing is copied.
struct Value {
  int id = -1;
  Shape shape;  // of one image for batch values

  bool defined() const { return id >= 0; }
};

/// Rows of an image along the last axis: its elements without those of one row.
inline std::int64_t rows_an_image(const Value& value) { return value.shape.elements() / value.shape[-1]; }

}  // namespace linn::detail::plan
