// Where the cells of a layer's map lie on the image: strides, and which windows see an edge.
#pragma once

#include <cstdint>
#include <vector>

#include "linn/model.h"
#include "linn/types.h"

namespace linn::shift {

/// Along one axis.
struct AxisGeometry {
  std::int64_t stride = 1;        // pixels from one cell to the next
  std::int64_t size = 0;          // cells
  std::int64_t first_inside = 0;  // cells whose windows saw pixels alone, no padding, last included;
  std::int64_t last_inside = -1;  // none where it is before the first
};

struct MapGeometry {
  bool map = false;     // (height, width, channels) leaves the layer, and all strides up to it are known
  bool inside = false;  // first_inside and last_inside are known
  AxisGeometry y = {}, x = {};
};

/// Of each layer, read from the layers' configurations.
std::vector<MapGeometry> geometry_of(const Sequential& model);

}  // namespace linn::shift
