// What the costs of convolutions (kernels/implementation.h) are made of, and whether one kernel for a convolution with a pooling is
// cheaper than two.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/checked.h"
#include "kernels/conv/global.h"
#include "kernels/conv/pooled.h"
#include "kernels/implementation.h"

namespace linn::detail::kernels::conv {

inline std::int64_t map_size(const Geometry& conv) { return conv.out_height * conv.out_width * conv.out_channels; }

/// Cost of reading or writing one float of a map of so many floats. A cache line of 16 floats takes 2 cycles from the L2 cache, and 8 from
/// memory if a shard of 8 such maps does not fit the cache; a core does 2 vectors of multiply-adds in a cycle.
double traffic_of_float(std::int64_t map_floats);

/// Cost of so many products of groups with `columns` output channels. Where these are less than a vector has lanes, the products of the
/// empty lanes count too.
double products_cost(double products, const Geometry& conv, std::int64_t columns);

/// Cost of a convolution or an input gradient in the direct form: one product for each pair of pixels in a window, input channel and output
/// channel (`columns` of a group).
double direct_cost(const Geometry& conv, std::int64_t columns);

/// Cost of reading weights that do not stay in the L2 cache, for one image, if `calls` calls read all of them for each image.
double weights_cost(const Geometry& conv, const Implementation<ConvForward>& implementation, double calls);

/// Cost of a pooling: a comparison or an addition for each pair of pixels in a window.
double pooling_cost(const Geometry& pool);

/// Cost of writing and reading a map that stays in the L2 cache.
double cached_map_cost(const Geometry& conv);

/// Elements of a strip of a map: a quarter of the L2 cache, beside what the convolution reads.
std::int64_t strip_elements();

/// Whether one kernel for the convolution and the pooling behind it is at most as expensive as two, which write and read the whole map.
/// `gradients`: the gradient kernels count too, with and without fusion.
bool pooling_joins(const ConvPoolForward::Problem& problem, bool gradients, const Policy& policy);

/// The same for a global pooling.
bool global_pooling_joins(const ConvGlobalPoolForward::Problem& problem, bool gradients, const Policy& policy);

}  // namespace linn::detail::kernels::conv
