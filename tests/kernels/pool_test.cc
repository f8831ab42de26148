// Pooling: every form against the double reference; the reference against Keras's numbers and finite differences.
#include "kernels/pool/pool.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>

#include "core/checked.h"
#include "kernels/pool_check.h"

namespace linn::detail::kernels {
namespace {

using check::Values;
using testing::untouched;

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

// Rows of a ring, groups of rows, runs of pixels, blocks of channels: all of them end somewhere.
TEST(Pool, OverlappingWindowsOfMapsOfEverySize) {
  unsigned seed = 6000;
  for (std::int64_t k = 2; k <= 9; ++k)
    for (std::int64_t s = 1; s <= 3; ++s)
      for (const PoolKind kind : kinds)
        for (const std::int64_t channels : {1, 17, 64, 100}) {
          const Border border = (k + s + channels) % 2 == 0 ? Border::same : Border::valid;
          ++seed;
          check_case({.window = {k, 10 - k, s, 4 - s, 1, 1, border}, .images = 1, .height = 5 + static_cast<std::int64_t>(seed % 14), .width = 37,
                      .channels = channels, .kind = kind, .argmax = s != 2, .values = seed % 3 == 0 ? Values::hostile : Values::ties},
                     seed);
          if (HasFatalFailure()) return;
        }
}

TEST(Pool, ManyImagesManyChannels) {
  check_case({.window = {3, 3, 2, 2, 1, 1, Border::same}, .images = 70, .height = 9, .width = 7, .channels = 20, .argmax = true}, 7000);
  check_case({.window = {3, 3}, .images = 70, .height = 6, .width = 7, .channels = 16, .kind = PoolKind::average}, 7001);
  // More channels than go at once.
  check_case({.window = {7, 7}, .images = 1, .height = 12, .width = 130, .channels = 150, .argmax = true}, 7002);
  check_case({.window = {7, 7}, .images = 1, .height = 12, .width = 130, .channels = 150, .kind = PoolKind::average, .gap = 1}, 7003);
}

// Enough outputs to be written past the caches, on aligned memory as a plan's.
TEST(Pool, FullLargeMapsAreStreamed) {
  for (const std::int64_t k : {2, 5})
    for (const std::int64_t s : {1, 2})
      for (const PoolKind kind : kinds) {
        const Geometry g = *resolve({k, k, s, s, 1, 1, Border::same}, 130, 130, 64, 64);
        const std::int64_t images = s * s;
        const auto at = [](auto& buffer) { return core::align_up<float>(buffer.data(), 64); };
        std::vector<float> src_memory = check::make(images * g.src_image + 16, Values::ties, 8000), dst_memory(static_cast<std::size_t>(images * g.dst_image + 16), untouched);
        std::vector<float> dsrc_memory(static_cast<std::size_t>(images * g.src_image + 16), untouched);
        const float* src = at(src_memory);
        const PoolForward::Problem problem{g, kind, kind == PoolKind::max};
        std::vector<float> dst(static_cast<std::size_t>(images * g.dst_image)), dsrc(static_cast<std::size_t>(images * g.src_image));
        std::vector<std::uint8_t> argmax(dst.size()), argmax_got(dst.size());
        PoolForward::reference<float>(problem, {images, src, dst.data(), argmax.data(), nullptr, nullptr});
        const auto& forward = choose<PoolForward>(problem);
        std::vector<float> scratch(static_cast<std::size_t>(forward.scratch(problem, images)));
        forward.run(problem, {images, src, at(dst_memory), argmax_got.data(), nullptr, scratch.data()});
        // Sums of whole numbers are exact in any order.
        ASSERT_TRUE(check::all_same(std::vector<float>(at(dst_memory), at(dst_memory) + images * g.dst_image), dst));
        if (kind == PoolKind::max) {
          ASSERT_EQ(argmax_got, argmax);
        }
        PoolInputGradient::reference<float>(problem, {images, src, argmax.data(), nullptr, dsrc.data(), nullptr});
        const auto& backward = choose<PoolInputGradient>(problem);
        scratch.resize(static_cast<std::size_t>(backward.scratch(problem, images)));
        backward.run(problem, {images, src, argmax.data(), nullptr, at(dsrc_memory), scratch.data()});
        const std::vector<float> got(at(dsrc_memory), at(dsrc_memory) + images * g.src_image);
        if (kind == PoolKind::max) {
          ASSERT_TRUE(check::all_same(got, dsrc));
        } else {
          ASSERT_TRUE(check::all_within(got, check::wide(dsrc), std::vector<double>(got.size(), 2.0 * static_cast<double>(k * k)), static_cast<double>(k * k)));
        }
      }
}

// The same map, one pixel further right and down: every inner value must have the same bits, forward and backward.
TEST(Pool, BitsDoNotDependOnThePosition) {
  constexpr std::int64_t size = 23, channels = 20;
  for (std::int64_t k = 2; k <= 7; ++k)
    for (std::int64_t s = 1; s <= 2; ++s) {
      const Geometry g = *resolve({k, k, s, s}, size, size, channels, channels);
      const PoolForward::Problem problem{g, PoolKind::average, false};
      const std::vector<float> map = check::make(g.src_image, Values::normal, 9000);
      std::vector<float> moved(map.size(), 0.0f);
      const auto pixel = [&](std::int64_t y, std::int64_t x, std::int64_t width) { return (y * width + x) * channels; };
      for (std::int64_t y = 0; y + s < size; ++y)
        for (std::int64_t x = 0; x + s < size; ++x)
          std::copy_n(&map[static_cast<std::size_t>(pixel(y, x, size))], channels, &moved[static_cast<std::size_t>(pixel(y + s, x + s, size))]);
      check::each_form<PoolForward>(problem, [&](const Implementation<PoolForward>& form) {
        ASSERT_TRUE(form.numerics.position_invariant);
        std::vector<float> a(static_cast<std::size_t>(g.dst_image)), b(a.size()), scratch(static_cast<std::size_t>(form.scratch(problem, 1)));
        form.run(problem, {1, map.data(), a.data(), nullptr, nullptr, scratch.data()});
        form.run(problem, {1, moved.data(), b.data(), nullptr, nullptr, scratch.data()});
        for (std::int64_t y = 0; y + 1 < g.out_height; ++y)
          for (std::int64_t x = 0; x + 1 < g.out_width; ++x)
            ASSERT_EQ(0, std::memcmp(&a[static_cast<std::size_t>(pixel(y, x, g.out_width))], &b[static_cast<std::size_t>(pixel(y + 1, x + 1, g.out_width))],
                                     channels * sizeof(float)))
                << "window " << k << " stride " << s << " at " << y << ", " << x;
      });
      if (HasFatalFailure()) return;
    }
}

RC_GTEST_PROP(Pool, RandomGeometries, ()) {
  const auto size = [](int low, int high) { return std::int64_t{*rc::gen::inRange(low, high + 1)}; };
  Case c;
  c.window = {size(1, 7), size(1, 7), size(1, 4), size(1, 4), size(1, 3), size(1, 3), *rc::gen::element(Border::valid, Border::same)};
  c.images = size(1, 4), c.height = size(1, 19), c.width = size(1, 19), c.channels = size(1, 100);
  if (size(0, 9) == 0) c.images = size(4, 70), c.channels = size(1, 8);
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
}  // namespace linn::detail::kernels
