// The grid of a layer's map on the image: pixels between cells, and the cells whose windows see no border.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shift/network.h"

namespace linn::shift {

/// Along one axis.
struct AxisGeometry {
  std::int64_t stride = 1;        // pixels from one cell to the next
  std::int64_t size = 0;          // cells
  std::int64_t first_inside = 0;  // the range of cells whose windows saw pixels and no padding, both ends included;
  std::int64_t last_inside = -1;  // empty where last < first
};

struct MapGeometry {
  bool map = false;     // the output is (height, width, channels) and the strides on all paths to it are known and equal
  bool inside = false;  // first_inside and last_inside are known
  AxisGeometry y = {}, x = {};
  std::string unknown = {};  // why the strides of a map are not known; empty where there is no map
};

/// One entry a call, from the layers' traits (OnMap).
std::vector<MapGeometry> geometry_of(const Network& network);

}  // namespace linn::shift
