// Pooling: every form against the double reference; the reference against Keras's numbers and finite differences.
#include "kernels/pool/pool.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "kernels/pool_check.h"

namespace linn::kernels {
namespace {

using check::Values;

using Case = check::PoolCase;

void check_case(const Case& c, unsigned seed) { check::check_pool(c, seed); }

constexpr PoolKind kinds[] = {PoolKind::max, PoolKind::average};

TEST(Pool, WindowsStridesBorders) {
  unsigned seed = 1;
  for (std::int64_t k = 1; k <= 7; ++k)
    for (std::int64_t s = 1; s <= 4; ++s)
      for (const Border border : {Border::valid, Border::same})
        for (const PoolKind kind : kinds)
          for (const std::int64_t channels : {1, 3, 19}) {
            check_case({.window = {k, k, s, s, 1, 1, border}, .channels = channels, .kind = kind, .argmax = channels != 3}, ++seed);
            if (HasFatalFailure()) return;
          }
}

TEST(Pool, UnevenWindowsStridesDilations) {
  unsigned seed = 1000;
  const Window windows[] = {{2, 3, 1, 2}, {3, 2, 2, 1}, {1, 5, 3, 1}, {5, 1, 1, 4}, {2, 2, 2, 1}, {2, 2, 1, 1, 2, 2}, {2, 2, 2, 2, 2, 2},
                            {3, 3, 1, 1, 2, 3}, {3, 3, 2, 3, 3, 2}, {2, 2, 3, 3}, {2, 2, 2, 2, 1, 3}};
  for (Window window : windows)
    for (const Border border : {Border::valid, Border::same})
      for (const PoolKind kind : kinds)
        for (const std::int64_t channels : {1, 2, 23})
          for (const std::int64_t gap : {0, 3}) {
            window.border = border;
            check_case({.window = window, .channels = channels, .kind = kind, .argmax = gap == 0, .values = Values::hostile, .gap = gap}, ++seed);
            if (HasFatalFailure()) return;
          }
}

TEST(Pool, AllChannelTails) {
  unsigned seed = 2000;
  for (std::int64_t channels = 1; channels <= 70; ++channels)
    for (const auto& [k, s] : {std::pair{2, 2}, {3, 2}, {3, 1}})
      for (const PoolKind kind : kinds) {
        check_case({.window = {k, k, s, s, 1, 1, channels % 2 == 0 ? Border::same : Border::valid},
                    .images = 1, .height = 7, .width = 9, .channels = channels, .kind = kind, .argmax = channels % 3 != 0,
                    .values = channels % 5 == 0 ? Values::normal : Values::ties},
                   ++seed);
        if (HasFatalFailure()) return;
      }
}

TEST(Pool, OneChannelWideMaps) {
  unsigned seed = 3000;
  for (std::int64_t width = 1; width <= 70; ++width)
    for (const PoolKind kind : kinds)
      for (const Border border : {Border::valid, Border::same})
        for (const std::int64_t stride : {1, 2}) {
          check_case({.window = {2, 2, stride, stride, 1, 1, border}, .height = 5, .width = width, .channels = 1, .kind = kind, .argmax = true,
                      .values = width % 2 == 0 ? Values::hostile : Values::ties},
                     ++seed);
          if (HasFatalFailure()) return;
        }
}

TEST(Pool, NanAndInfinities) {
  unsigned seed = 4000;
  for (std::int64_t k = 1; k <= 4; ++k)
    for (const Border border : {Border::valid, Border::same})
      for (const std::int64_t channels : {1, 7, 16, 40}) {
        check_case({.window = {k, k, 2, 2, 1, 1, border}, .channels = channels, .argmax = true, .values = Values::hostile}, ++seed);
        check_case({.window = {k, k, 2, 2, 1, 1, border}, .channels = channels, .values = Values::hostile}, ++seed);
        if (HasFatalFailure()) return;
      }
}

TEST(Pool, WideWindowsUseTheWideArgmax) {
  check_case({.window = {17, 16, 3, 3}, .height = 21, .width = 20, .channels = 3, .argmax = true}, 5000);
  check_case({.window = {16, 16, 3, 3}, .height = 21, .width = 20, .channels = 3, .argmax = true}, 5001);
  check_case({.window = {17, 16, 3, 3}, .height = 21, .width = 20, .channels = 3, .kind = PoolKind::average}, 5002);
}

RC_GTEST_PROP(Pool, RandomGeometries, ()) {
  const auto size = [](int low, int high) { return std::int64_t{*rc::gen::inRange(low, high + 1)}; };
  Case c;
  c.window = {size(1, 7), size(1, 7), size(1, 4), size(1, 4), size(1, 3), size(1, 3), *rc::gen::element(Border::valid, Border::same)};
  c.images = size(1, 3), c.height = size(1, 17), c.width = size(1, 17), c.channels = size(1, 40);
  c.kind = *rc::gen::element(PoolKind::max, PoolKind::average);
  c.argmax = *rc::gen::arbitrary<bool>();
  c.values = *rc::gen::element(Values::normal, Values::ties, Values::hostile);
  c.gap = size(0, 2);
  check_case(c, static_cast<unsigned>(size(0, 1 << 20)));
  RC_ASSERT(!::testing::Test::HasFailure());
}

/// Max and average of 1..n under a window of k, stride s, on one row.
std::vector<double> pooled_row(std::int64_t n, std::int64_t k, std::int64_t s, Border border, PoolKind kind) {
  const auto g = resolve({1, k, 1, s, 1, 1, border}, 1, n, 1, 1);
  std::vector<double> src, dst(static_cast<std::size_t>(g->out_width));
  for (std::int64_t i = 1; i <= n; ++i) src.push_back(static_cast<double>(i));
  PoolForward::reference<double>({*g, kind, false}, {1, src.data(), dst.data(), nullptr, nullptr, nullptr});
  return dst;
}

TEST(PoolReference, AsKeras) {
  EXPECT_EQ(pooled_row(5, 3, 2, Border::same, PoolKind::average), (std::vector<double>{1.5, 3, 4.5}));
  EXPECT_EQ(pooled_row(5, 4, 3, Border::same, PoolKind::average), (std::vector<double>{2, 4.0}));
  EXPECT_EQ(pooled_row(5, 2, 2, Border::valid, PoolKind::max), (std::vector<double>{2, 4}));
  EXPECT_EQ(pooled_row(5, 2, 2, Border::same, PoolKind::max), (std::vector<double>{2, 4, 5}));
}

TEST(PoolReference, FirstMaximumFirstNan) {
  const auto g = resolve({2, 2, 2, 2}, 2, 8, 1, 1);
  const double nan = std::numeric_limits<double>::quiet_NaN(), low = -std::numeric_limits<double>::infinity();
  const std::vector<double> src{1, 7, 7, 7, 1, nan, low, low,  //
                                7, 1, 7, 7, nan, 9, low, low};
  std::vector<double> dst(4);
  std::vector<std::uint8_t> argmax(4);
  PoolForward::reference<double>({*g, PoolKind::max, true}, {1, src.data(), dst.data(), argmax.data(), nullptr, nullptr});
  EXPECT_TRUE(check::all_same(dst, std::vector<double>{7, 7, nan, low}));
  EXPECT_EQ(argmax, (std::vector<std::uint8_t>{1, 0, 1, 0}));
}

TEST(PoolReference, FiniteDifferences) {
  for (const Window window : {Window{2, 2, 2, 2}, Window{3, 3, 2, 2, 1, 1, Border::same}, Window{3, 2, 1, 2}, Window{2, 2, 1, 1, 2, 2, Border::same}})
    for (const PoolKind kind : kinds) {
      const auto g = resolve(window, 6, 7, 3, 3);
      ASSERT_TRUE(g);
      const PoolForward::Problem problem{*g, kind, true};
      const std::size_t outputs = static_cast<std::size_t>(2 * g->dst_image);
      const auto src = check::random_doubles(static_cast<std::size_t>(2 * g->src_image), 7);
      const auto ddst = check::random_doubles(outputs, 8);
      std::vector<double> dst(outputs), dsrc(src.size());
      std::vector<std::uint8_t> argmax(outputs);
      const auto loss = [&](const std::vector<double>& x) {
        PoolForward::reference<double>(problem, {2, x.data(), dst.data(), argmax.data(), nullptr, nullptr});
        return check::dot(dst, ddst);
      };
      loss(src);
      PoolInputGradient::reference<double>(problem, {2, ddst.data(), argmax.data(), nullptr, dsrc.data(), nullptr});
      check::expect_gradient(src, dsrc, loss);
    }
}

}  // namespace
}  // namespace linn::kernels
