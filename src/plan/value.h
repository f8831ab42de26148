// What flows between the ops of a plan.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "linn/shape.h"

namespace linn::plan {

enum class Precision : std::uint8_t {
  float32,
  float64,  // internal: references only, the ground truth of gradient checks
};

/// The type of a value's elements: `real` is float or double, as the plan's precision says.
enum class Element : std::uint8_t { real, u8, i32, i64, f64 };

/// `batch`: one item an image, the image number is the first axis. `fixed`: the same size whatever the batch.
enum class Extent : std::uint8_t { batch, fixed };

/// Where a value's memory comes from.
enum class Home : std::uint8_t {
  arena,     // planned by lifetime
  bound,     // the caller's memory: variables, optimizer slots, results
  partials,  // fixed, but summed over shards: a partial sum for each shard, joined up the tree
};

struct ValueInfo {
  std::string name;
  Shape shape;  // of one image for batch values
  Element element = Element::real;
  Extent extent = Extent::batch;
  Home home = Home::arena;
  bool kept = false;  // somebody looks at it after the run: no fusion over it, no reuse of its memory
  int whole = -1;           // a view (views.h): the value that it is a block of
  std::int64_t offset = 0;  // of a view: elements of an image of the whole before it
};

/// An image of at most three axes as a map: of one axis they are the channels of a pixel, of two the pixels of a row and their channels.
struct MapSize {
  std::int64_t height = 1, width = 1, channels = 1;
};

inline MapSize map_size(const Shape& shape) {
  return {shape.rank() < 3 ? 1 : shape[-3], shape.rank() < 2 ? 1 : shape[-2], shape.rank() < 1 ? 1 : shape[-1]};
}

/// A reference to a value, seen with a shape of its own: a reshape is nothing but another Value.
struct Value {
  int id = -1;
  Shape shape;  // of one image for batch values

  bool defined() const { return id >= 0; }
};

}  // namespace linn::plan
