// What the direct forms of a convolution and of its input gradient walk over: both read one map under windows and write another, without
// a padded copy. Along each axis the positions whose windows touch the same taps form a run (taps.h), and each pair of a row run and a
// column run is one product over just those taps.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/conv/taps.h"
#include "kernels/geometry.h"

namespace linn::kernels::conv {

/// From a pixel, row or image to the next.
struct Map {
  std::int64_t pixel, row, image;
};

struct Walk {
  /// Elements of the map that is read, kept in the L2 cache while panels of columns go over them: 128 KiB in float32.
  static constexpr std::int64_t chunk_elements = 32768;

  /// Images whose maps are read together.
  std::int64_t images_of_chunk(std::int64_t images) const {
    return std::clamp<std::int64_t>(chunk_elements / std::max<std::int64_t>(rows * row_elements, 1), 1, std::max<std::int64_t>(images, 1));
  }

  Map read, written;
  std::int64_t rows, row_pixels, row_elements;  // of the map that is read
  std::int64_t groups;
  std::int64_t depth, columns;  // of a group: terms a tap, and what they add to
  std::int64_t taps, window_width;
  // From a tap, a term, a group to the next in the kernel, [taps][depth][all columns], of which a group takes depth x columns.
  std::int64_t tap_size, depth_size, group_size;
  /// Rows of the map that a run of rows sees, at most.
  std::int64_t most_rows_read;
};

/// The output reads the source. The kernel is the convolution's own.
class ForwardWalk : public Walk {
 public:
  explicit ForwardWalk(const Geometry& g) : g_(g) {
    read = {g.src_pixel, g.src_row, g.src_image}, written = {g.dst_pixel, g.dst_row, g.dst_image};
    rows = g.height, row_pixels = g.width, row_elements = g.width * g.channels;
    groups = g.groups, depth = g.channels / g.groups, columns = g.out_channels / g.groups;
    taps = g.window_height * g.window_width, window_width = g.window_width;
    tap_size = depth * g.out_channels, depth_size = g.out_channels, group_size = columns;
    most_rows_read = std::min(g.height, (most_rows() - 1) * g.stride_height + (g.window_height - 1) * g.dilation_height + 1);
  }

  template <class Visit>
  void each_run_of_rows(const Visit& visit) const {
    forward_runs(rows_of(g_), most_rows(), visit);
  }
  template <class Visit>
  void each_run_of_columns(const Visit& visit) const {
    forward_runs(columns_of(g_), g_.out_width, visit);
  }

 private:
  // Of a run, so that what its windows read stays in the chunk.
  std::int64_t most_rows() const {
    return std::max<std::int64_t>(chunk_elements / std::max<std::int64_t>(g_.stride_height * row_elements, 1), 1);
  }

  const Geometry& g_;
};

/// The source's gradient reads the output's. The kernel's last two axes are swapped. With stride s it is s * s convolutions, one for each
/// remainder of the position by the stride.
class BackwardWalk : public Walk {
 public:
  explicit BackwardWalk(const Geometry& g) : g_(g) {
    read = {g.dst_pixel, g.dst_row, g.dst_image}, written = {g.src_pixel, g.src_row, g.src_image};
    rows = g.out_height, row_pixels = g.out_width, row_elements = g.out_width * g.out_channels;
    groups = g.groups, depth = g.out_channels / g.groups, columns = g.channels / g.groups;
    taps = g.window_height * g.window_width, window_width = g.window_width;
    tap_size = g.out_channels * columns, depth_size = columns, group_size = depth * columns;
    most_rows_read = std::min(g.out_height, most_rows() + core::ceil_div((g.window_height - 1) * g.dilation_height, g.stride_height));
  }

  template <class Visit>
  void each_run_of_rows(const Visit& visit) const {
    backward_runs(rows_of(g_), most_rows(), visit);
  }
  template <class Visit>
  void each_run_of_columns(const Visit& visit) const {
    backward_runs(columns_of(g_), g_.width, visit);
  }

 private:
  std::int64_t most_rows() const { return std::max<std::int64_t>(chunk_elements / std::max<std::int64_t>(row_elements, 1), 1); }

  const Geometry& g_;
};

}  // namespace linn::kernels::conv
