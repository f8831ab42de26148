// Rows copied and axes permuted: every form, every tail.
#include "kernels/layout/layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "kernels/layout_check.h"

namespace linn::kernels {
namespace {

TEST(CopyRows, EveryTailWithPitchesAndWithout) {
  for (std::int64_t row = 1; row <= 70; ++row) {
    check::check_copy_rows({.rows = 3, .row = row, .src_row = row, .src_image = 3 * row, .dst_row = row, .dst_image = 3 * row}, 2, 1);
    check::check_copy_rows({.rows = 3, .row = row, .src_row = row + 2, .src_image = 3 * row + 9, .dst_row = row + 5, .dst_image = 3 * row + 20}, 2, 2);
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
}  // namespace linn::kernels
