// Convolution with global pooling as one kernel, and its gradients: every form against the composition in double.
#include "kernels/conv/global.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "kernels/conv_global_check.h"

namespace linn::detail::kernels {
namespace {

using namespace testing;

using Case = ConvGlobalCase;

void check(const Case& c, std::uint32_t seed = 1) { check_conv_global(c, seed); }

TEST(ConvGlobal, EveryNumberOfChannels) {
  for (std::int64_t c = 1; c <= 70; ++c) {
    const auto seed = static_cast<std::uint32_t>(c);
    check({.height = 6, .width = 8, .channels = c, .out_channels = 71 - c, .images = 1}, seed);
    check({.height = 4, .width = 5, .channels = 1 + c % 9, .out_channels = c, .values = Values::ties}, seed);
  }
  check({.height = 5, .width = 4, .channels = 33, .out_channels = 130, .images = 3});
}

// More than one strip: a row of 40 pixels and 100 channels is a quarter of one.
TEST(ConvGlobal, ManyStrips) {
  for (const Values values : {Values::normal, Values::ties})
    for (const PoolKind kind : {PoolKind::max, PoolKind::average}) {
      check({.conv = {.height = 3, .width = 3, .border = Border::same}, .height = 19, .width = 40, .channels = 3, .out_channels = 100, .kind = kind, .values = values});
      check({.conv = {.height = 1, .width = 1}, .height = 6, .width = 170, .channels = 2, .out_channels = 100, .kind = kind, .values = values}, 2);
    }
}

// Enough channels for Winograd's form: odd maps have tiles beyond their end, strips begin where tiles do.
TEST(ConvGlobal, WideConvolutions) {
  const Case large{.conv = {.height = 3, .width = 3, .border = Border::same}, .height = 15, .width = 22, .channels = 32, .out_channels = 130, .images = 1, .values = Values::ties};
  EXPECT_NE(choose<ConvGlobalPoolForward>(problem_of(large).value()).label, "direct");
  check(large);
  for (const Border border : {Border::valid, Border::same})
    for (const PoolKind kind : {PoolKind::max, PoolKind::average})
      check({.conv = {.height = 3, .width = 3, .border = border}, .height = 9, .width = 12, .channels = 40, .out_channels = 50, .images = 1, .kind = kind});
}

TEST(ConvGlobal, OddAndTinyMaps) {
  for (std::int64_t height = 1; height <= 6; ++height)
    for (std::int64_t width = 1; width <= 6; ++width)
      for (const Border border : {Border::valid, Border::same})
        check({.conv = {.height = 3, .width = 3, .border = border}, .height = height, .width = width, .channels = 9, .out_channels = 5, .images = 1},
              static_cast<std::uint32_t>(height * 10 + width));
}

TEST(ConvGlobal, KindsAndActivations) {
  for (const PoolKind kind : {PoolKind::max, PoolKind::average})
    for (const Activation activation : {Activation::linear, Activation::relu})
      for (const bool bias : {false, true})
        for (const bool winners : {false, true})
          for (const Values values : {Values::normal, Values::ties, Values::hostile})
            check({.channels = 12, .kind = kind, .winners = winners, .bias = bias, .activation = activation, .values = values});
}

TEST(ConvGlobal, StridesDilationsGroupsAndViews) {
  for (std::int64_t s = 1; s <= 3; ++s)
    for (std::int64_t d = 1; d <= 3; ++d)
      check({.conv = {.height = 3, .width = 2, .stride_height = s, .stride_width = 4 - s, .dilation_height = d, .dilation_width = 1 + d % 2}, .height = 17, .width = 19, .channels = 5});
  check({.channels = 12, .out_channels = 18, .groups = 3});
  check({.channels = 18, .out_channels = 18, .groups = 18});
  check({.channels = 20, .out_channels = 20, .groups = 5});
  for (const std::int64_t gap : {1, 3}) check({.conv = {.height = 3, .width = 3, .border = Border::same}, .images = 3, .gap = gap});
}

// Two pixels of the same window content share the gradient; a beaten strip has none.
TEST(ConvGlobal, TiesShareTheGradient) {
  const Case c{.conv = {.height = 1, .width = 1}, .height = 1, .width = 4, .channels = 1, .out_channels = 1, .images = 1, .bias = false};
  const Geometry g = problem_of(c).value().conv;
  const std::vector<double> src{1, 3, 3, 2}, kernel{2}, ddst{8};
  const GlobalExpected e = expected_of(problem_of(c).value(), 1, src, kernel, {0});
  EXPECT_EQ(e.dst, std::vector<double>{6});
  EXPECT_EQ(e.winners, (std::vector<std::uint8_t>{0, 1, 1, 0}));
  std::vector<double> dkernel(1), dbias(1), dsrc(4);
  ConvGlobalPoolKernelGradient::reference<double>(g, {1, src.data(), ddst.data(), e.winners.data(), dkernel.data(), dbias.data(), nullptr});
  ConvGlobalPoolInputGradient::reference<double>(g, {1, ddst.data(), e.winners.data(), kernel.data(), nullptr, dsrc.data(), nullptr});
  EXPECT_EQ(dkernel[0], 4 * 3 + 4 * 3);
  EXPECT_EQ(dbias[0], 8);
  EXPECT_EQ(dsrc, (std::vector<double>{0, 8, 8, 0}));
}

// The gradients are those of the composition: central differences of a loss that the reference computes.
TEST(ConvGlobal, ReferenceGradientsAreFiniteDifferences) {
  const Case c{.height = 6, .width = 7, .channels = 3, .out_channels = 4};
  const ConvGlobalPoolForward::Problem p = problem_of(c).value();
  auto src = random_values(src_extent(p.conv, c.images), 1), kernel = random_values(kernel_size(p.conv), 2), bias = random_values(c.out_channels, 3);
  const GlobalExpected e = expected_of(p, c.images, src, kernel, bias);
  const std::vector<double> ddst = random_values(static_cast<std::int64_t>(e.dst.size()), 4);
  const auto loss = [&] {
    const GlobalExpected now = expected_of(p, c.images, src, kernel, bias);
    double sum = 0;
    for (std::size_t i = 0; i < ddst.size(); ++i) sum += ddst[i] * now.dst[i];
    return sum;
  };
  std::vector<double> dsrc(src.size()), dkernel(kernel.size()), dbias(bias.size());
  ConvGlobalPoolInputGradient::reference<double>(p.conv, {c.images, ddst.data(), e.winners.data(), kernel.data(), nullptr, dsrc.data(), nullptr});
  ConvGlobalPoolKernelGradient::reference<double>(p.conv, {c.images, src.data(), ddst.data(), e.winners.data(), dkernel.data(), dbias.data(), nullptr});
  expect_central_differences(src, dsrc, loss, [](std::size_t i) { return i; });
  const std::size_t outputs = static_cast<std::size_t>(c.out_channels), terms = kernel.size() / outputs;
  expect_central_differences(kernel, dkernel, loss, [&](std::size_t i) { return i % outputs * terms + i / outputs; });
  expect_central_differences(bias, dbias, loss, [](std::size_t i) { return i; });
}

RC_GTEST_PROP(ConvGlobal, AnyGeometry, ()) {
  Case c;
  c.conv = {.height = *rc::gen::inRange<std::int64_t>(1, 6), .width = *rc::gen::inRange<std::int64_t>(1, 6)};
  c.conv.stride_height = *rc::gen::inRange(1, 4), c.conv.stride_width = *rc::gen::inRange(1, 4);
  c.conv.border = *rc::gen::element(Border::valid, Border::same);
  c.height = *rc::gen::inRange(1, 16), c.width = *rc::gen::inRange(1, 16);
  c.channels = *rc::gen::inRange(1, 40), c.out_channels = *rc::gen::inRange(1, 40);
  c.images = *rc::gen::inRange(1, 4);
  c.kind = *rc::gen::element(PoolKind::max, PoolKind::max, PoolKind::average);
  c.activation = *rc::gen::element(Activation::linear, Activation::relu);
  c.values = *rc::gen::element(Values::normal, Values::ties, Values::hostile);
  c.gap = *rc::gen::element(0, 0, 2);
  check(c, *rc::gen::inRange(0u, 1000u));
  RC_ASSERT(!::testing::Test::HasFailure());
}

}  // namespace
}  // namespace linn::detail::kernels
