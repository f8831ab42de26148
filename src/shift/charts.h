// The lab's pictures.
#pragma once

#include <string>
#include <vector>

#include "linn/shift.h"
#include "linn/tensor.h"
#include "shift/picture.h"

namespace linn::shift {

/// The share in percent with this number of decimals, without " %". Halves are rounded up in decimal: 2,545 of 10,000 give "25.5", although
/// the double nearest to 0.2545 is less than 0.2545.
std::string percent(double share, int decimals = 1);

/// A map of shares by shift (dy, dx), float64 of shape (2 * radius + 1, 2 * radius + 1), and its title.
struct NamedMap {
  std::string name;
  Tensor map;
};

/// Maps side by side with one colour scale, drawn at their right. The scale runs from the least share, rounded down to a multiple of 10 %
/// and at most 90 %, to 100 %. Throws ValueError without maps.
Picture heat_maps(const std::string& title, const std::vector<NamedMap>& maps);

/// The maps of a sweep's picture: accuracy (only with labels) and the share of images with an unchanged class.
std::vector<NamedMap> maps_of(const Sweep& sweep);

struct NamedSweep {
  std::string name;
  const Sweep* sweep;  // not null
};

/// heat_maps of the accuracy, one map for each sweep. Throws ValueError without sweeps.
Picture shift_maps(const std::vector<NamedSweep>& sweeps);

/// Two charts with r on the horizontal axis: the mean accuracy, and the worst-case accuracy together with the share of images that lose no
/// ink. Throws ValueError without sweeps.
Picture accuracy_by_radius(const std::vector<NamedSweep>& sweeps);

/// Input and output map of one pooling layer for one image: float32 (height, width, channels) with equal channels.
struct PooledMaps {
  std::string before_name, after_name;
  Tensor before, after;
};

/// One image (height, width) or (height, width, 1) and its maps before and after each pooling. Shows the 8 channels with the largest sum of
/// squares before pooling, every map at the same size. Black is the lower of 0 and the channel's least value, white its largest value, both
/// taken before pooling. Throws ShapeError for other shapes.
Picture maps_around_pooling(const Tensor& image, const std::vector<PooledMaps>& pools);

}  // namespace linn::shift
