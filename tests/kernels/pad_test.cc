// Padding: every form against the definition, by hand and by a walk; the gradient against finite differences.
#include "kernels/pad/pad.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "kernels/pad_check.h"

namespace linn::detail::kernels {
namespace {

using check::Values;

std::vector<double> padded_row(const std::vector<double>& row, std::int64_t left, std::int64_t right, PadMode mode) {
  const PadForward::Problem problem{1, static_cast<std::int64_t>(row.size()), 1, {0, 0, left, right}, mode};
  std::vector<double> dst(static_cast<std::size_t>(check::padded_size(problem, 1)));
  PadForward::reference<double>(problem, {1, row.data(), dst.data(), nullptr});
  return dst;
}

// As numpy.pad has them, by hand.
TEST(Pad, RowsByHand) {
  const std::vector<double> row{1, 2, 3, 4};
  EXPECT_EQ(padded_row(row, 2, 3, PadMode::zero), (std::vector<double>{0, 0, 1, 2, 3, 4, 0, 0, 0}));
  EXPECT_EQ(padded_row(row, 2, 3, PadMode::circular), (std::vector<double>{3, 4, 1, 2, 3, 4, 1, 2, 3}));
  EXPECT_EQ(padded_row(row, 2, 3, PadMode::reflect), (std::vector<double>{3, 2, 1, 2, 3, 4, 3, 2, 1}));
  EXPECT_EQ(padded_row(row, 2, 3, PadMode::replicate), (std::vector<double>{1, 1, 1, 2, 3, 4, 4, 4, 4}));
  // Beyond the map's size.
  EXPECT_EQ(padded_row({1, 2}, 5, 4, PadMode::circular), (std::vector<double>{2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2}));
  EXPECT_EQ(padded_row({1, 2, 3}, 5, 5, PadMode::reflect), (std::vector<double>{2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2}));
  EXPECT_EQ(padded_row({7}, 2, 1, PadMode::circular), (std::vector<double>{7, 7, 7, 7}));
  EXPECT_EQ(padded_row({7}, 2, 1, PadMode::reflect), (std::vector<double>{7, 7, 7, 7}));
}

TEST(Pad, MapByHand) {
  const std::vector<double> map{1, 2,  //
                                3, 4};
  const PadForward::Problem problem{2, 2, 1, {1, 0, 0, 1}, PadMode::circular};
  std::vector<double> dst(9);
  PadForward::reference<double>(problem, {1, map.data(), dst.data(), nullptr});
  EXPECT_EQ(dst, (std::vector<double>{3, 4, 3,  //
                                      1, 2, 1,  //
                                      3, 4, 3}));
  const std::vector<double> ddst{1, 10, 100, 1000, 2, 20, 200, 2000, 3};
  std::vector<double> dsrc(4);
  PadInputGradient::reference<double>(problem, {1, ddst.data(), dsrc.data(), nullptr});
  EXPECT_EQ(dsrc, (std::vector<double>{1020, 2, 304, 2010}));
}

TEST(Pad, EveryModeEveryTail) {
  unsigned seed = 1;
  for (const PadMode mode : check::pad_modes)
    for (std::int64_t channels = 1; channels <= 37; ++channels)
      for (const Pads& pads : {Pads{1, 1, 1, 1}, Pads{0, 2, 3, 1}, Pads{2, 0, 0, 0}, Pads{0, 0, 0, 5}, Pads{7, 9, 8, 6}, Pads{}}) {
        check::check_pad({4, 5, channels, pads, mode}, 2, channels % 3 == 0 ? Values::hostile : Values::normal, ++seed);
        if (HasFatalFailure()) return;
      }
}

TEST(Pad, MapsOfOneRowOrColumn) {
  for (const PadMode mode : check::pad_modes)
    for (const auto& [height, width] : {std::pair{1, 1}, {1, 6}, {6, 1}, {2, 2}}) {
      check::check_pad({height, width, 3, {2, 3, 3, 2}, mode}, 3, Values::normal, 7);
      if (HasFatalFailure()) return;
    }
}

TEST(Pad, WideMaps) {
  for (const PadMode mode : check::pad_modes)
    for (std::int64_t width = 1; width <= 70; ++width) {
      check::check_pad({3, width, 1, {1, 1, 1, 2}, mode}, 1, Values::hostile, static_cast<unsigned>(width));
      if (HasFatalFailure()) return;
    }
}

RC_GTEST_PROP(Pad, RandomProblems, ()) {
  const auto size = [](int low, int high) { return std::int64_t{*rc::gen::inRange(low, high + 1)}; };
  const PadForward::Problem problem{size(1, 12),
                                    size(1, 12),
                                    size(1, 40),
                                    {size(0, 9), size(0, 9), size(0, 9), size(0, 9)},
                                    *rc::gen::elementOf(std::vector<PadMode>(std::begin(check::pad_modes), std::end(check::pad_modes)))};
  check::check_pad(problem, size(1, 4), *rc::gen::element(Values::normal, Values::hostile), static_cast<unsigned>(size(0, 1 << 20)));
  RC_ASSERT(!::testing::Test::HasFailure());
}

TEST(PadReference, FiniteDifferences) {
  for (const PadMode mode : check::pad_modes)
    for (const Pads& pads : {Pads{1, 2, 2, 1}, Pads{4, 4, 7, 0}}) {
      const PadForward::Problem problem{3, 4, 2, pads, mode};
      const auto src = check::random_doubles(2 * 3 * 4 * 2, 7),
                 ddst = check::random_doubles(static_cast<std::size_t>(check::padded_size(problem, 2)), 8);
      std::vector<double> dst(ddst.size()), dsrc(src.size());
      PadInputGradient::reference<double>(problem, {2, ddst.data(), dsrc.data(), nullptr});
      check::expect_gradient(src, dsrc, [&](const std::vector<double>& x) {
        PadForward::reference<double>(problem, {2, x.data(), dst.data(), nullptr});
        return check::dot(dst, ddst);
      });
    }
}

}  // namespace
}  // namespace linn::detail::kernels
