// Layer and group normalization: every form, tails of channels, rows and maps.
#include <gtest/gtest.h>

#include "kernels/group_norm_check.h"

namespace linn::detail::kernels {
namespace {

TEST(GroupNorm, RowsOfEveryLength) {
  for (std::int64_t channels = 1; channels <= 70; ++channels) {
    check::check_group_norm({.pixels = 1, .channels = channels}, 5, 0.5, 1, 1);
    if (HasFatalFailure()) return;
  }
  check::check_group_norm({.pixels = 1, .channels = 3001}, 3, 0.5, 1, 1);
  check::check_group_norm({.pixels = 1, .channels = 17}, 600, 0.5, 1, 1);
  check::check_group_norm({.pixels = 1, .channels = 60, .groups = 4}, 7, 0.5, 1, 1);
}

TEST(GroupNorm, RowsThatKeepTheirMean) {
  for (const GroupScale scale : {GroupScale::root_mean_square, GroupScale::length})
    for (const std::int64_t channels : {1, 2, 3, 7, 8, 9, 16, 17, 31, 33, 64, 65, 70, 600, 3001}) {
      check::check_group_norm({.pixels = 1, .channels = channels, .epsilon = 1e-6, .scale = scale}, 19, 0.5, 1, 1);
      if (HasFatalFailure()) return;
    }
}

TEST(GroupNorm, MapsAndGroups) {
  for (const std::int64_t pixels : {2, 9, 35, 210})
    for (const auto& [channels, groups] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {3, 3}, {5, 1}, {16, 4}, {33, 11}, {36, 36}, {64, 2}}) {
      check::check_group_norm({.pixels = pixels, .channels = channels, .groups = groups}, 3, -0.5, 1, 1);
      if (HasFatalFailure()) return;
    }
}

// A mean far above the deviation costs no digits.
TEST(GroupNorm, LargeMeans) {
  check::check_group_norm({.pixels = 1, .channels = 100, .groups = 1, .epsilon = 1e-9}, 2, 1000, 0.25, 1);
  check::check_group_norm({.pixels = 20, .channels = 12, .groups = 3, .epsilon = 1e-9}, 2, 1000, 0.25, 1);
}

}  // namespace
}  // namespace linn::detail::kernels
