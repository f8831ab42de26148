// Rows copied and axes permuted: every form, every tail.
#include "kernels/layout/layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "kernels/layout_check.h"

namespace linn::detail::kernels {
namespace {

TEST(CopyMap, EveryTailWithPitchesAndWithout) {
  for (std::int64_t channels = 1; channels <= 70; ++channels) {
    const Pitches dense = dense_pitches(3, 2, channels);
    const Pitches rows_apart = {channels, 2 * channels + 3, 3 * (2 * channels + 3) + 1};
    const Pitches pixels_apart = {channels + 5, 2 * (channels + 5), 6 * (channels + 5)};
    const Pitches all_apart = {channels + 2, 2 * channels + 9, 3 * (2 * channels + 9) + 4};
    for (const Pitches& src : {dense, rows_apart, pixels_apart, all_apart})
      for (const Pitches& dst : {dense, rows_apart, pixels_apart, all_apart})
        check::check_copy_map({.height = 3, .width = 2, .channels = channels, .src = src, .dst = dst}, 2, static_cast<unsigned>(channels));
  }
}

TEST(Permute, EveryOrderOfUpToFourAxes) {
  constexpr std::int64_t sizes[] = {3, 17, 2, 5};
  for (std::size_t rank = 1; rank <= 4; ++rank) {
    std::vector<std::int64_t> order(rank);
    std::iota(order.begin(), order.end(), 0);
    do
      check::check_permute({Shape(std::span(sizes, rank)), Shape(std::span<const std::int64_t>(order))}, 3, 1);
    while (std::next_permutation(order.begin(), order.end()));
  }
}

}  // namespace
}  // namespace linn::detail::kernels
