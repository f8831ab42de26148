// Max pooling of regions that are drawn anew for each step, max pooling that gives places too, and the way back.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/geometry.h"
#include "kernels/region_pool/region_pool.h"
#include "linn/types.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// How the regions of a fractional max pooling are drawn.
struct FractionalRegions {
  Size2 pool_size = {};  // set: windows of this size, as PyTorch has them; else Graham's regions
  bool pseudo_random = true;
  bool overlapping = false;
  std::uint64_t seed = 0;
};

/// Max pooling of src [height, width, channels] to [height, width, channels] of regions that are the same for all images of a batch: in
/// training a function of (seed, step, op), in inference of the seed of `regions` alone.
Value fractional_max_pool2d(Lowering& to, Value src, std::int64_t height, std::int64_t width, const FractionalRegions& regions);
/// The regions of inference along both axes, for an input and an output of these sizes.
struct FixedRegions {
  std::vector<std::int32_t> first_row, last_row, first_column, last_column;
};
FixedRegions fractional_regions_of_inference(const kernels::RegionMaxForward::Problem& problem, const FractionalRegions& regions);

/// Maxima of windows, and their places row * width + column as real numbers, which have no gradient.
struct PooledPlaces {
  Value map, places;
};
PooledPlaces max_pool2d_with_places(Lowering& to, Value src, const kernels::Geometry& geometry);
/// A map [height, width, channels] with the values at their places and zeros elsewhere.
Value max_unpool2d(Lowering& to, Value values, Value places, std::int64_t height, std::int64_t width);

}  // namespace linn::detail::plan
