// Nearest and bilinear resampling: every form, up and down, every tail.
#include "kernels/resample/resample.h"

#include <gtest/gtest.h>

#include "kernels/prelu_check.h"
#include "kernels/resample_check.h"

namespace linn::detail::kernels {
namespace {

TEST(Resample, UpAndDownWithEveryTail) {
  for (const Interpolation interpolation : {Interpolation::nearest, Interpolation::bilinear})
    for (const std::int64_t channels : {1, 3, 5, 17, 33})
      for (const auto& [out_height, out_width] : {std::pair<std::int64_t, std::int64_t>{10, 14}, {5, 7}, {3, 4}, {1, 1}, {13, 5}, {2, 21}}) {
        check::check_resample({5, 7, channels, out_height, out_width, interpolation}, 2, 1);
        if (HasFatalFailure()) return;
      }
  check::check_resample({1, 1, 3, 4, 5, Interpolation::bilinear}, 2, 1);
}

// Rows longer than a strip, channels beyond the number that is resampled cell by cell, and input columns without an output.
TEST(Resample, LongRowsAndManyChannels) {
  for (const Interpolation interpolation : {Interpolation::nearest, Interpolation::bilinear}) {
    check::check_resample({2, 3, 5, 4, 700, interpolation}, 2, 1);
    check::check_resample({2, 2, 40, 3, 300, interpolation}, 1, 1);
    check::check_resample({3, 4, 100, 5, 9, interpolation}, 2, 1);
    check::check_resample({5, 7, 100, 3, 4, interpolation}, 2, 1);
    check::check_resample({1, 2100, 1, 1, 1500, interpolation}, 1, 1);
    check::check_resample({1, 2100, 1, 1, 4300, interpolation}, 1, 1);
    if (HasFatalFailure()) return;
  }
}

// Whole factors of nearest repeat each cell.
TEST(Resample, NearestRepeatsCells) {
  for (const std::int64_t factor : {1, 2, 3, 4, 5, 7})
    for (std::int64_t size = 1; size < 200; ++size)
      for (std::int64_t at = 0; at < size * factor; ++at) ASSERT_EQ((ResampleAxis{size, size * factor}.nearest(at)), at / factor) << size << " x " << factor;
}

TEST(PRelu, EveryWayToShareSlopes) {
  for (const std::int64_t c : {1, 3, 5, 17, 33})
    for (const Shape& slopes : {Shape{3, 4, c}, Shape{1, 1, c}, Shape{3, 1, c}, Shape{3, 4, 1}, Shape{1, 1, 1}, Shape{1, 4, 1}})
      for (const check::Values values : {check::Values::normal, check::Values::ties, check::Values::hostile}) {
        check::check_prelu({3, 4, c}, slopes, 3, values, 1);
        if (HasFatalFailure()) return;
      }
}

}  // namespace
}  // namespace linn::detail::kernels
