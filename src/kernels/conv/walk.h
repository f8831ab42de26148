// Loops that the direct forms of a convolution and of its input gradient share. Both read one map through windows and write another,
// without a padded copy. Along each axis, positions whose windows use the same taps form a run (taps.h). Each pair of a row run and a
// column run is one matrix product over these taps.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/checked.h"
#include "core/cpu.h"
#include "kernels/conv/taps.h"
#include "kernels/geometry.h"

namespace linn::detail::kernels::conv {

/// One of the two forms: the map that is read, the map that is written, and the layout of the weights.
struct Walk {
  /// Elements of the read map that stay in the L2 cache while all panels of columns use them: 128 KiB in float32.
  static constexpr std::int64_t chunk_elements = 32768;

  /// Number of images whose maps fit a chunk together.
  std::int64_t images_of_chunk(std::int64_t images) const {
    return std::clamp<std::int64_t>(chunk_elements / std::max<std::int64_t>(rows * row_elements, 1), 1, std::max<std::int64_t>(images, 1));
  }

  Pitches read, written;
  std::int64_t rows, row_pixels, row_elements;  // of the read map
  std::int64_t groups;
  std::int64_t depth, columns;  // channels of a group in the read and in the written map
  std::int64_t taps, window_width;
  // Pitches of the weights [taps][depth][all columns], of which a group uses depth x columns: from a tap, a term, a group to the next.
  std::int64_t tap_size, depth_size, group_size;
  /// From a panel of columns to the next; 0 in a plain matrix, where they lie side by side.
  std::int64_t panel_size = 0;
  /// Largest number of read rows in the windows of one run of rows.
  std::int64_t most_rows_read;

  /// Weights packed for float32: each panel of two vectors of a group's columns as [taps][depth][panel], so that a product reads them one
  /// after the other. In the plain layout a panel is a column of a matrix: its rows fall into few sets of the L1 cache where a row has a
  /// power of two columns, and on ever new pages where it is long.
  static std::int64_t panel() { return 2 * core::lanes(); }
  bool packs() const { return columns > panel(); }
  std::int64_t panels() const { return core::ceil_div(columns, panel()); }
  std::int64_t packed_size() const { return packs() ? groups * panels() * taps * depth * panel() : 0; }
  void pack(const float* kernel, float* packed) const;
  /// The walk over the packed weights.
  void use_packed() {
    panel_size = taps * depth * panel(), group_size = panels() * panel_size;
    tap_size = depth * panel(), depth_size = panel();
  }
};

inline void Walk::pack(const float* kernel, float* packed) const {
  for (std::int64_t g = 0; g < groups; ++g)
    for (std::int64_t first = 0; first < columns; first += panel()) {
      const std::int64_t count = std::min(panel(), columns - first);
      for (std::int64_t tap = 0; tap < taps; ++tap)
        for (std::int64_t c = 0; c < depth; ++c, packed += panel()) {
          std::copy_n(kernel + tap * tap_size + c * depth_size + g * group_size + first, count, packed);
          std::fill(packed + count, packed + panel(), 0.0F);
        }
    }
}

/// Convolution: reads the source, writes the output, with the kernel in Keras's layout.
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
  // Rows of a run, so that the rows that its windows read fit a chunk.
  std::int64_t most_rows() const {
    return std::max<std::int64_t>(chunk_elements / std::max<std::int64_t>(g_.stride_height * row_elements, 1), 1);
  }

  const Geometry& g_;
};

/// Input gradient: reads the output's gradient, writes the source's, with the last two axes of the kernel swapped. With stride s it
/// consists of s * s convolutions, one for each remainder of the position by the stride.
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

}  // namespace linn::detail::kernels::conv
