// The lab's pictures.
#pragma once

#include <string>
#include <vector>

#include "linn/shift.h"
#include "linn/tensor.h"
#include "shift/picture.h"

namespace linn::shift {

/// "25.5" for 0.2545, rounded half up on the count behind the share: 2,545 of 10,000 are 25.5 %, though the nearest double is less.
std::string percent(double share, int decimals = 1);

/// Shares over (dy, dx), float64 of shape (2 * radius + 1, 2 * radius + 1).
struct NamedMap {
  std::string name;
  Tensor map;
};

/// Maps side by side under one colour scale, which is drawn beside them. The scale ends at 100 % and begins at a full ten per cent.
/// Throws ValueError without maps.
Picture heat_maps(const std::string& title, const std::vector<NamedMap>& maps);

/// What a sweep's picture shows: accuracy, where there are labels, and the share of unchanged classes.
std::vector<NamedMap> maps_of(const Sweep& sweep);

struct NamedSweep {
  std::string name;
  const Sweep* sweep;  // not null
};

/// heat_maps of accuracy, one for each sweep.
/// Throws ValueError without sweeps.
Picture shift_maps(const std::vector<NamedSweep>& sweeps);

/// Two charts over r: mean accuracy, and accuracy in the worst case with the share of images that lose no ink.
/// Throws ValueError without sweeps.
Picture accuracy_by_radius(const std::vector<NamedSweep>& sweeps);

/// What goes into a pooling and what comes out of it for one image: float32 (height, width, channels), the same channels.
struct PooledMaps {
  std::string before_name, after_name;
  Tensor before, after;
};

/// One image (height, width) or (height, width, 1) and its maps before and after each pooling: the channels that respond most, all cells
/// drawn at one size, each map from black (0 or its least value, whichever is lower) to white (the largest of its channel before pooling).
Picture maps_around_pooling(const Tensor& image, const std::vector<PooledMaps>& pools);

}  // namespace linn::shift
