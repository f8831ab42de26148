// The loops of the roofline, and the operations that profiles hold against it: products by hand and by counting.
#include "kernels/roofline.h"

#include <gtest/gtest.h>

#include "kernels/geometry.h"
#include "kernels/kernel_test.h"
#include "kernels/kernels.h"

namespace linn::detail::kernels {
namespace {

using namespace testing;

TEST(Roofline, CopiesEveryCount) {
  const IsaGuard guard;
  for (const core::Isa isa : core::available_isas()) {
    core::set_isa(isa);
    for (std::int64_t count = 0; count < 70; ++count) {
      const Buffer src(random_values(count, 1));
      Buffer dst(count + 1, 77);
      copy(src.data(), dst.data(), count);
      for (std::int64_t i = 0; i < count; ++i) ASSERT_EQ(dst[i], src[i]);
      ASSERT_EQ(dst[count], 77);
    }
  }
}

TEST(Roofline, CountsTwoOperationsALane) {
  const IsaGuard guard;
  for (const core::Isa isa : core::available_isas()) {
    core::set_isa(isa);
    const double lanes = isa >= core::Isa::avx512 ? 16 : isa == core::Isa::avx2 ? 8 : isa == core::Isa::sse4 ? 4 : 1;
    EXPECT_EQ(multiply_adds(1000), 2 * 12 * lanes * 1000) << core::name_of(isa);
  }
}

// Every output, tap and source pixel one by one; only outputs that a window of `pool` sees, if there is one.
std::int64_t counted(const Geometry& g, const Geometry* pool) {
  const auto seen = [&](std::int64_t y, std::int64_t x) {
    if (pool == nullptr) return true;
    for (std::int64_t oy = 0; oy < pool->out_height; ++oy)
      for (std::int64_t ox = 0; ox < pool->out_width; ++ox)
        for (std::int64_t i = 0; i < pool->window_height; ++i)
          for (std::int64_t j = 0; j < pool->window_width; ++j)
            if (oy * pool->stride_height - pool->pad_top + i * pool->dilation_height == y &&
                ox * pool->stride_width - pool->pad_left + j * pool->dilation_width == x)
              return true;
    return false;
  };
  std::int64_t count = 0;
  for (std::int64_t y = 0; y < g.out_height; ++y)
    for (std::int64_t x = 0; x < g.out_width; ++x)
      for (std::int64_t i = 0; i < g.window_height; ++i)
        for (std::int64_t j = 0; j < g.window_width; ++j) {
          const std::int64_t row = y * g.stride_height - g.pad_top + i * g.dilation_height,
                             column = x * g.stride_width - g.pad_left + j * g.dilation_width;
          count += row >= 0 && row < g.height && column >= 0 && column < g.width && seen(y, x);
        }
  return count;
}

TEST(Roofline, ProductsByHand) {
  // 3x3 "same" on 4x4: along each axis 4 * 3 taps less the two outside.
  const Geometry same = *resolve({.height = 3, .width = 3, .border = Border::same}, 4, 4, 6, 10, 2);
  EXPECT_EQ(pairs(same), 100);
  EXPECT_EQ(products(same), 100 * 10 * 3);
  // 3x3 on 7x7 makes 5x5, of which 2x2 windows see 4x4.
  const Geometry valid = *resolve({.height = 3, .width = 3}, 7, 7, 2, 3);
  const Geometry pool = *resolve({.height = 2, .width = 2, .stride_height = 2, .stride_width = 2}, 5, 5, 3, 3);
  EXPECT_EQ(products(valid), 25 * 9 * 2 * 3);
  EXPECT_EQ(products(valid, pool), 16 * 9 * 2 * 3);
}

TEST(Roofline, ProductsByCounting) {
  for (std::int64_t k = 1; k <= 4; ++k)
    for (std::int64_t s = 1; s <= 3; ++s)
      for (const Border border : {Border::valid, Border::same})
        for (std::int64_t dilation = 1; dilation <= 2; ++dilation) {
          const auto conv =
              resolve({.height = k, .width = 3, .stride_height = s, .dilation_width = dilation, .border = border}, 9, 10, 2, 3);
          ASSERT_TRUE(conv);
          const auto pool = resolve({.height = 2, .width = 3, .stride_height = s, .stride_width = 4, .border = border}, conv->out_height,
                                    conv->out_width, 3, 3);
          EXPECT_EQ(pairs(*conv), counted(*conv, nullptr));
          if (pool) {
            EXPECT_EQ(products(*conv, *pool), counted(*conv, &*pool) * 2 * 3);
          }
        }
}

template <class Kernel>
void expect_direct_form(const typename Kernel::Problem& problem) {
  EXPECT_TRUE(choose<Kernel>(problem, {.exact = true}).numerics.direct_form) << Kernel::name;
}

TEST(Policy, ExactAdmitsTheDirectFormAlone) {
  const IsaGuard guard;
  for (const core::Isa isa : core::available_isas()) {
    core::set_isa(isa);
    for (std::int64_t channels = 1; channels <= 70; ++channels) {
      const Geometry conv = *resolve({.height = 3, .width = 3}, 9, 9, channels, channels);
      const Geometry pool = *resolve({.height = 2, .width = 2, .stride_height = 2, .stride_width = 2}, 7, 7, channels, channels);
      expect_direct_form<ConvForward>({conv, true, Activation::relu});
      expect_direct_form<ConvInputGradient>(conv);
      expect_direct_form<ConvKernelGradient>(conv);
      expect_direct_form<ConvPoolForward>({conv, pool, PoolKind::max, true, Activation::relu, true});
      for (const bool all_live : {false, true}) {
        expect_direct_form<ConvPoolKernelGradient>({conv, pool, all_live});
        expect_direct_form<ConvPoolInputGradient>({conv, pool, all_live});
      }
    }
    const Geometry conv = *resolve({.height = 3, .width = 3}, 9, 9, 32, 32);
    const Geometry pool = *resolve({.height = 2, .width = 2, .stride_height = 2, .stride_width = 2}, 7, 7, 32, 32);
    const ConvPoolForward::Problem problem{conv, pool, PoolKind::max, true, Activation::relu, true};
    if (isa == core::Isa::scalar) continue;
    EXPECT_EQ(choose<ConvPoolForward>(problem).name, "winograd4");
    EXPECT_EQ(choose<ConvPoolForward>(problem, {.local = true}).name, "winograd");
    EXPECT_EQ(choose<ConvPoolForward>(problem, {.exact = true}).name, "windows");
    EXPECT_EQ(choose<ConvForward>({conv, true, Activation::relu}).name, "winograd4");
    EXPECT_EQ(choose<ConvForward>({conv, true, Activation::relu}, {.local = true}).name, "winograd");
    EXPECT_EQ(choose<ConvForward>({conv, true, Activation::relu}, {.exact = true}).name, "direct");
    const Geometry same = *resolve({.height = 3, .width = 3, .border = Border::same}, 8, 8, 64, 64);
    EXPECT_EQ(choose<ConvInputGradient>(same).name, "winograd4");
    EXPECT_EQ(choose<ConvInputGradient>(same, {.exact = true}).name, "direct");
    EXPECT_EQ(choose<ConvKernelGradient>(same).name, "winograd4");
    EXPECT_EQ(choose<ConvKernelGradient>(same, {.exact = true}).name, "direct");
    EXPECT_EQ(choose<ConvForward>({same, true, Activation::relu}).name, "winograd4");
    EXPECT_EQ(choose<ConvForward>({same, true, Activation::relu}, {.position_invariant = true}).name, "direct");
    EXPECT_EQ(choose<ConvInputGradient>(same, {.position_invariant = true}).name, "direct");
  }
}

}  // namespace
}  // namespace linn::detail::kernels
