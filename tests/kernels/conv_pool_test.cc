// Convolution with pooling as one kernel, and its gradients: every form against the composition in double.
#include "kernels/conv/rows.h"
#include "kernels/conv/pooled.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "kernels/conv_pool_check.h"

namespace linn::detail::kernels {
namespace {

using namespace testing;

using Case = ConvPoolCase;

void check(const Case& c, std::uint32_t seed = 1) { check_conv_pool(c, seed); }

TEST(ConvPool, EveryNumberOfChannels) {
  for (std::int64_t c = 1; c <= 70; ++c) {
    check({.height = 6, .width = 8, .channels = c, .out_channels = 71 - c, .images = 1}, static_cast<std::uint32_t>(c));
    check({.conv = {.height = 3, .width = 3, .border = Border::same}, .height = 4, .width = 5, .channels = 1 + c % 9, .out_channels = c}, static_cast<std::uint32_t>(c));
  }
}

TEST(ConvPool, WholeNumbersAreExactForEveryNumberOfChannels) {
  for (std::int64_t c = 1; c <= 50; ++c)
    check_conv_pool_forward({.conv = {.height = 3, .width = 3, .border = c % 2 == 0 ? Border::same : Border::valid}, .height = 7, .width = 8, .channels = c, .out_channels = 67 - c, .whole_numbers = true},
                  static_cast<std::uint32_t>(c));
}

TEST(ConvPool, ManyChannels) {
  check({.height = 6, .width = 6, .channels = 100, .out_channels = 100, .images = 1});
  check({.height = 5, .width = 4, .channels = 33, .out_channels = 130, .images = 3});
}

// Tiles of 4x4 are four windows, of which the last ones may lie beyond the map.
TEST(ConvPool, Winograd4WithEveryNumberOfChannels) {
  for (std::int64_t c = 48; c <= 100; c += 6) {
    const Case one = {.conv = {.height = 3, .width = 3, .border = Border::same},
                      .height = 8,
                      .width = 8,
                      .channels = c,
                      .out_channels = 148 - c,
                      .images = 1};
    ASSERT_TRUE(conv::Winograd4Pool::prepare(problem_of(one).value(), {}).has_value());
    check_conv_pool_forward(one, static_cast<std::uint32_t>(c));
    check_conv_pool_forward({.height = 9, .width = 10, .channels = 149 - c, .out_channels = c - 1, .images = 1},
                            static_cast<std::uint32_t>(c));
  }
}

TEST(ConvPool, Winograd4OnMapsOfEverySize) {
  int taken = 0;
  for (std::int64_t height = 6; height <= 14; ++height)
    for (const std::int64_t width : {8, 11})
      for (const Border border : {Border::valid, Border::same}) {
        const bool odd = height % 2 == 1;
        const Case c = {.conv = {.height = 3, .width = 3, .border = border},
                        .height = height,
                        .width = width,
                        .channels = 50,
                        .out_channels = 49,
                        .images = 1,
                        .argmax = height % 3 > 0,
                        .bias = odd,
                        .activation = odd ? Activation::relu : Activation::linear,
                        .gap = height % 4,
                        .whole_numbers = height % 5 == 0,
                        .hostile = height % 7 == 0};
        taken += conv::Winograd4Pool::prepare(problem_of(c).value(), {}).has_value();
        check_conv_pool_forward(c, static_cast<std::uint32_t>(height * width));
      }
  EXPECT_GT(taken, 15);
}

TEST(ConvPool, Winograd4KindsAndActivations) {
  for (const PoolKind kind : {PoolKind::max, PoolKind::average})
    for (const Activation activation : {Activation::linear, Activation::relu})
      for (const bool bias : {false, true})
        for (const bool argmax : {false, true})
          check_conv_pool_forward({.height = 10,
                                   .width = 14,
                                   .channels = 48,
                                   .out_channels = 66,
                                   .kind = kind,
                                   .argmax = argmax,
                                   .bias = bias,
                                   .activation = activation},
                                  3);
}

TEST(ConvPool, Winograd4InChunks) {
  const Case c = {.conv = {.height = 3, .width = 3, .border = Border::same},
                  .height = 30,
                  .width = 31,
                  .channels = 52,
                  .out_channels = 50,
                  .images = 2};
  const ConvPoolForward::Problem p = problem_of(c).value();
  ASSERT_TRUE(conv::Winograd4Pool::prepare(p, {}).has_value());
  ASSERT_GT(2 * conv::window_cut(p.conv, p.pool, true).fours.count(), conv::WinogradLayout(p.conv, 4).tiles);
  check_conv_pool_forward(c, 1);
}

// Tiles of 4x4 in the corner and tiles of 2x2 beside them: 10x10 are 8x8 and the rest.
TEST(ConvPool, Winograd4WithARestOfTwos) {
  for (const std::int64_t height : {4, 5, 6, 10, 11, 14})
    for (const std::int64_t width : {6, 8, 9, 10}) {
      const Case c = {.conv = {.height = 3, .width = 3, .border = Border::same},
                      .height = height,
                      .width = width,
                      .channels = 32,
                      .out_channels = 33,
                      .images = 3,
                      .hostile = height == 11};
      check_conv_pool_forward(c, static_cast<std::uint32_t>(height * width));
    }
  const Case notebook = {.conv = {.height = 3, .width = 3}, .height = 12, .width = 12, .channels = 32, .out_channels = 32};
  const ConvPoolForward::Problem p = problem_of(notebook).value();
  ASSERT_TRUE(conv::Winograd4Pool::prepare(p, {}).has_value());
  const conv::TileCut cut = conv::window_cut(p.conv, p.pool, true);
  EXPECT_EQ(cut.fours.count(), 4);
  EXPECT_EQ(cut.twos.count(), 9);
}

// Calls visit(element of dst, element of argmax) for each channel of those 2x2 windows that, through 3x3 taps without padding, see none of
// the pixels first to last of a row.
template <class Visit>
void each_that_does_not_see(const ConvPoolForward::Problem& p, std::int64_t row, std::int64_t first, std::int64_t last, const Visit& visit) {
  for (std::int64_t y = 0; y < p.pool.out_height; ++y)
    for (std::int64_t x = 0; x < p.pool.out_width; ++x) {
      const bool sees = 2 * y <= row && 2 * y + 3 >= row && 2 * x <= last && 2 * x + 3 >= first;
      for (std::int64_t k = 0; !sees && k < p.pool.channels; ++k)
        visit(y * p.pool.dst_row + x * p.pool.dst_pixel + k, (y * p.pool.out_width + x) * p.pool.channels + k);
    }
}

// On whether a window is dead hangs a gradient: what sees nothing but zeros is the bias, exactly, in every form.
TEST(ConvPool, WhatSeesZerosIsTheBias) {
  const Case c = {.height = 18, .width = 18, .channels = 32, .out_channels = 32, .images = 1, .bias = false, .activation = Activation::relu};
  const ConvPoolForward::Problem p = problem_of(c).value();
  ASSERT_TRUE(conv::Winograd4Pool::prepare(p, {}).has_value());
  Buffer src(src_extent(p.conv, 1));
  const std::vector<double> ink = random_values(4 * p.conv.channels, 1);  // four pixels of the last row
  for (std::int64_t i = 0; i < 4 * p.conv.channels; ++i) src[9 * p.conv.src_row + 5 * p.conv.src_pixel + i] = static_cast<float>(ink[static_cast<std::size_t>(i)]);
  const Buffer kernel(random_values(kernel_size(p.conv), 2));
  for_each_implementation<ConvPoolForward>(p, [&](const Implementation<ConvPoolForward>& f) {
    Buffer dst(dst_extent(p.pool, 1)), scratch(f.scratch(p, 1), unwritten);
    Bytes argmax(p.pool.dst_image, 77);
    f.run(p, {1, src.data(), kernel.data(), packed_for(f, p, kernel).data(), nullptr, dst.data(), argmax.data(), scratch.data()});
    std::int64_t wrong = 0;
    each_that_does_not_see(p, 9, 5, 8, [&](std::int64_t at, std::int64_t cell) { wrong += dst[at] != 0 || argmax[cell] != no_cell; });
    EXPECT_EQ(wrong, 0);
  });
}

// Of a local form a window's bits depend on nothing that it does not see.
TEST(ConvPool, LocalForms) {
  const Case c = {.height = 18, .width = 18, .channels = 32, .out_channels = 32, .images = 1, .bias = false, .activation = Activation::relu};
  const ConvPoolForward::Problem p = problem_of(c).value();
  const Buffer src(random_values(src_extent(p.conv, 1), 1)), kernel(random_values(kernel_size(p.conv), 2));
  Buffer other(random_values(src_extent(p.conv, 1), 1));
  for (std::int64_t k = 0; k < c.channels; ++k) other[9 * p.conv.src_row + 5 * p.conv.src_pixel + k] += 1;
  int local = 0, others = 0;
  for_each_implementation<ConvPoolForward>(p, [&](const Implementation<ConvPoolForward>& f) {
    const Buffer packed = packed_for(f, p, kernel);
    Buffer before(dst_extent(p.pool, 1)), after(dst_extent(p.pool, 1)), scratch(f.scratch(p, 1), unwritten);
    Bytes argmax(p.pool.dst_image, 77);
    f.run(p, {1, src.data(), kernel.data(), packed.data(), nullptr, before.data(), argmax.data(), scratch.data()});
    f.run(p, {1, other.data(), kernel.data(), packed.data(), nullptr, after.data(), argmax.data(), scratch.data()});
    std::int64_t changed = 0;
    each_that_does_not_see(p, 9, 5, 5, [&](std::int64_t at, std::int64_t) { changed += before[at] != after[at]; });
    EXPECT_EQ(changed == 0, f.numerics.local);
    ++(f.numerics.local ? local : others);
  });
  EXPECT_GT(local, 4);
  EXPECT_GT(others, 0) << "one that is not local shows that the test can tell";
}

// Cells that lie apart may all be padding: then nothing has a gradient, the bias neither.
TEST(ConvPool, WindowsWithoutACell) {
  const Case c = {.conv = {.height = 1, .width = 5, .stride_height = 3}, .pool = {.height = 1, .width = 4, .dilation_height = 3, .dilation_width = 3, .border = Border::same},
                  .height = 18, .width = 5, .channels = 47, .out_channels = 3, .activation = Activation::linear};
  const ConvPoolForward::Problem p = problem_of(c).value();
  ASSERT_EQ(p.pool.width, 1);
  ASSERT_EQ(p.pool.pad_left, 4);
  check_conv_pool_forward(c, 1);
  check_conv_pool_gradients(c, 1);
}

// Where a map is zero all cells are the bias, in every form.
TEST(ConvPool, CellsThatTieAreTheFirst) {
  const Case c = {.height = 10, .width = 10, .channels = 64, .out_channels = 64, .activation = Activation::linear};
  const ConvPoolForward::Problem p = problem_of(c).value();
  const Buffer src(src_extent(p.conv, c.images)), kernel(random_values(kernel_size(p.conv), 2)), bias(random_values(c.out_channels, 3));
  for_each_implementation<ConvPoolForward>(p, [&](const Implementation<ConvPoolForward>& f) {
    Buffer dst(dst_extent(p.pool, c.images)), scratch(f.scratch(p, c.images), unwritten);
    Bytes argmax(c.images * p.pool.dst_image, 77);
    const Buffer packed = packed_for(f, p, kernel);
    f.run(p, {c.images, src.data(), kernel.data(), packed.data(), bias.data(), dst.data(), argmax.data(), scratch.data()});
    for (std::int64_t i = 0; i < argmax.size(); ++i) ASSERT_EQ(argmax[i], 0) << i;
  });
}

TEST(ConvPool, OddAndTinyMaps) {
  for (std::int64_t height = 1; height <= 9; ++height)
    for (std::int64_t width = 1; width <= 9; ++width)
      for (const Border border : {Border::valid, Border::same})
        check({.conv = {.height = 3, .width = 3, .border = border}, .height = height, .width = width, .channels = 9, .out_channels = 5, .images = 1},
              static_cast<std::uint32_t>(height * 10 + width));
}

TEST(ConvPool, WindowsOfEverySize) {
  for (std::int64_t k = 1; k <= 7; ++k)
    for (std::int64_t s = 1; s <= 3; ++s)
      for (const Border border : {Border::valid, Border::same}) {
        check({.pool = {.height = k, .width = 8 - k, .stride_height = s, .stride_width = s, .border = border}, .height = 11, .width = 12, .channels = 3},
              static_cast<std::uint32_t>(k + s));
        check({.conv = {.height = k, .width = k, .stride_height = s, .border = border}, .height = 14, .width = 15, .channels = 4, .out_channels = 20},
              static_cast<std::uint32_t>(k + s));
      }
}

TEST(ConvPool, KindsAndActivations) {
  for (const PoolKind kind : {PoolKind::max, PoolKind::average})
    for (const Activation activation : {Activation::linear, Activation::relu})
      for (const bool bias : {false, true})
        for (const bool argmax : {false, true})
          for (const std::int64_t channels : {1, 12}) {
            check({.channels = channels, .kind = kind, .argmax = argmax, .bias = bias, .activation = activation});
            check({.conv = {.height = 3, .width = 3, .border = Border::same}, .channels = channels, .kind = kind, .argmax = argmax, .bias = bias, .activation = activation});
          }
}

TEST(ConvPool, TiesGoToTheFirstCell) {
  for (const Activation activation : {Activation::linear, Activation::relu})
    for (const std::int64_t channels : {1, 2, 8, 32})
      for (const Border border : {Border::valid, Border::same})
        check({.conv = {.height = 3, .width = 3, .border = border}, .height = 12, .width = 11, .channels = channels, .out_channels = 35, .activation = activation,
               .whole_numbers = true},
              static_cast<std::uint32_t>(channels));
}

TEST(ConvPool, ViewsLeaveGapsAlone) {
  for (const std::int64_t channels : {1, 8, 16})
    for (const Border border : {Border::valid, Border::same})
      for (const std::int64_t gap : {1, 3}) check({.conv = {.height = 3, .width = 3, .border = border}, .channels = channels, .images = 3, .gap = gap});
}

TEST(ConvPool, StridesDilationsGroups) {
  for (std::int64_t s = 1; s <= 3; ++s)
    for (std::int64_t d = 1; d <= 3; ++d)
      check({.conv = {.height = 3, .width = 2, .stride_height = s, .stride_width = 4 - s, .dilation_height = d, .dilation_width = 1 + d % 2}, .height = 17, .width = 19, .channels = 5});
  check({.channels = 12, .out_channels = 18, .groups = 3});
  check({.channels = 20, .out_channels = 20, .groups = 5});
  check({.conv = {.height = 3, .width = 3, .border = Border::same}, .channels = 8, .out_channels = 8, .groups = 8});
}

TEST(ConvPool, TheNotebooksLayers) {
  for (std::int64_t n = 1; n <= 9; n += 4) {
    check({.height = 28, .width = 28, .channels = 1, .out_channels = 32, .images = n}, static_cast<std::uint32_t>(n));
    check({.height = 13, .width = 13, .channels = 32, .out_channels = 32, .images = n}, static_cast<std::uint32_t>(n));
  }
}

// Every convolution serves in strips: whole images, and few rows of windows at a time, with strides beyond the window and dilation.
TEST(ConvPool, StripsOfEveryConvolution) {
  const Window pools[] = {{.height = 3, .width = 3, .stride_height = 2, .stride_width = 2, .border = Border::same},
                          {.height = 2, .width = 2},
                          {.height = 1, .width = 2, .stride_height = 3, .stride_width = 2},
                          {.height = 2, .width = 3, .stride_height = 2, .dilation_height = 3}};
  for (const Window& pool : pools)
    for (const std::int64_t windows : {0, 1, 2, 3}) {
      const Case c = {.conv = {.height = 3, .width = 3, .border = Border::same}, .pool = pool, .height = 15, .width = 9, .channels = 18, .out_channels = 20, .images = 3};
      const ConvPoolForward::Problem p = problem_of(c).value();
      const Buffer src(values(c, src_extent(p.conv, c.images), 1)), kernel(values(c, kernel_size(p.conv), 2)), bias(values(c, c.out_channels, 3));
      ConvForward::Problem conv = {p.conv, p.bias, p.activation};
      set_dense_dst(conv.geometry);
      for_each_implementation<ConvForward>(conv, [&](const Implementation<ConvForward>& f) {
        conv::Strip::State state = {f, choose<PoolForward>({p.pool, p.kind, p.argmax}), 2, p.pool.out_height, p.pool.height};
        if (windows > 0) state = {state.conv, state.pool, 1, windows, p.pool.height};
        Buffer dst(c.images * p.pool.dst_image, untouched), scratch(conv::Strip::scratch(p, state, c.images), unwritten);
        Bytes argmax(dst.size(), 77);
        conv::Strip::run(p, state, {c.images, src.data(), kernel.data(), packed_for(f, conv, kernel).data(), bias.data(), dst.data(), argmax.data(), scratch.data()});
        check_is_unfused(f.full_name(), p, c, src, kernel, bias, dst, argmax);
      });
    }
}

// Some rows of windows computed alone, by the implementations that can.
TEST(ConvPool, PartsOfAMapHaveItsBits) {
  const Window pools[] = {{.height = 2, .width = 2, .stride_height = 2, .stride_width = 2},
                          {.height = 3, .width = 3, .stride_height = 2, .stride_width = 2, .border = Border::same},
                          {.height = 2, .width = 2}};
  int computed = 0;
  for (const Window& pool : pools)
    for (const Border border : {Border::valid, Border::same}) {
      const Case c = {.conv = {.height = 3, .width = 3, .border = border}, .pool = pool, .height = 23, .width = 9, .channels = 18, .out_channels = 20, .images = 1};
      const ConvPoolForward::Problem p = problem_of(c).value();
      const Buffer src(values(c, src_extent(p.conv, 1), 1)), kernel(values(c, kernel_size(p.conv), 2)), bias(values(c, c.out_channels, 3));
      for_each_implementation<ConvPoolForward>(p, [&](const Implementation<ConvPoolForward>& f) {
        if (f.row_step == 0) return;
        ++computed;
        const Buffer packed = packed_for(f, p, kernel);
        Buffer whole(p.pool.dst_image, untouched), parts(p.pool.dst_image, untouched), scratch(f.scratch(p, 1), unwritten);
        Bytes argmax(whole.size(), 77), argmax_of_parts(whole.size(), 77);
        f.run(p, {1, src.data(), kernel.data(), packed.data(), bias.data(), whole.data(), argmax.data(), scratch.data()});
        for (const std::int64_t steps : {1, 3}) {
          const std::int64_t rows = steps * f.row_step;
          for (std::int64_t first = 0; first < p.pool.out_height; first += rows)
            f.run(conv::rows_of(p, {first, std::min(first + rows, p.pool.out_height)}),
                  {1, src.data(), kernel.data(), packed.data(), bias.data(), parts.data() + first * p.pool.dst_row,
                   argmax_of_parts.data() + first * p.pool.out_width * p.pool.channels, scratch.data()});
          EXPECT_EQ(bits_that_differ(whole, parts), 0) << text_of(c, p) << ", rows " << rows;
          for (std::int64_t i = 0; i < argmax.size(); ++i) ASSERT_EQ(argmax[i], argmax_of_parts[i]) << text_of(c, p) << ", rows " << rows;
        }
      });
    }
  EXPECT_GT(computed, 20);
}

// So many channels that the dense Winograd gradients may be chosen; several groups of tiles, odd maps.
TEST(ConvPool, MoreChannelsThanSparseGradientsLike) {
  for (const std::int64_t size : {7, 12})
    for (const Activation activation : {Activation::linear, Activation::relu})
      check({.height = size, .width = size + 1, .channels = 97, .out_channels = 130, .images = 3, .activation = activation}, 1);
}

TEST(ConvPool, DenseGradientsWhereAllLives) {
  const IsaGuard guard;
  core::set_isa(core::available_isas().front());
  if (core::isa() == core::Isa::scalar) GTEST_SKIP() << "a CPU without vectors";
  for (const std::int64_t size : {6, 8}) {
    const Case c = {
        .conv = {.height = 3, .width = 3, .border = Border::same}, .height = size, .width = size, .channels = 128, .out_channels = 128};
    const ConvPoolForward::Problem p = problem_of(c).value();
    // As tiles of 4x4 fit; the input's gradient takes 6x6 in one of them and tiles of 2x2.
    EXPECT_EQ(choose<ConvPoolKernelGradient>({p.conv, p.pool, true}).full_name(), size == 6 ? "expanded (winograd)" : "expanded (winograd4)");
    EXPECT_EQ(choose<ConvPoolInputGradient>({p.conv, p.pool, true}).full_name(), "expanded (winograd4)");
    EXPECT_EQ(choose<ConvPoolKernelGradient>({p.conv, p.pool, false}).name, "sparse");
    EXPECT_EQ(choose<ConvPoolInputGradient>({p.conv, p.pool, false}).name, "sparse");
  }
}

TEST(ConvPool, NanReachesTheSameWindows) {
  for (const std::int64_t channels : {1, 12, 50}) {
    const Case c{.height = 10, .width = 10, .channels = channels, .out_channels = channels + 6, .images = 1};
    const ConvPoolForward::Problem p = problem_of(c).value();
    auto src = random_values(src_extent(p.conv, 1), 1);
    src[static_cast<std::size_t>(3 * p.conv.src_row + 4 * channels)] = std::numeric_limits<double>::quiet_NaN();
    const auto kernel = random_values(kernel_size(p.conv), 2), bias = random_values(c.out_channels, 3);
    const Expected e = expected_of(p, 1, src, kernel, bias);
    const Buffer src32(src), kernel32(kernel), bias32(bias);
    for_each_implementation<ConvPoolForward>(p, [&](const Implementation<ConvPoolForward>& f) {
      Buffer dst(static_cast<std::int64_t>(e.dst.size())), scratch(f.scratch(p, 1));
      std::vector<std::uint8_t> argmax(e.argmax.size());
      const Buffer packed = packed_for(f, p, kernel32);
      f.run(p, {1, src32.data(), kernel32.data(), packed.data(), bias32.data(), dst.data(), argmax.data(), scratch.data()});
      for (std::int64_t i = 0; i < dst.size(); ++i) EXPECT_EQ(std::isnan(dst[i]), std::isnan(e.dst[static_cast<std::size_t>(i)])) << i;
    });
  }
}

// The gradients are those of the composition: central differences of a loss that picks the reference's own cells.
TEST(ConvPool, ReferenceGradientsAreFiniteDifferences) {
  const Case c{.height = 7, .width = 8, .channels = 3, .out_channels = 4};
  const ConvPoolForward::Problem p = problem_of(c).value();
  auto src = random_values(src_extent(p.conv, c.images), 1), kernel = random_values(kernel_size(p.conv), 2), bias = random_values(c.out_channels, 3);
  const Expected e = expected_of(p, c.images, src, kernel, bias);
  const std::vector<double> ddst = random_values(static_cast<std::int64_t>(e.dst.size()), 4);
  const auto loss = [&] {
    const Expected now = expected_of(p, c.images, src, kernel, bias);
    double sum = 0;
    for (std::size_t i = 0; i < ddst.size(); ++i) sum += ddst[i] * now.dst[i];
    return sum;
  };
  std::vector<double> dsrc(src.size()), dkernel(kernel.size());
  ConvPoolInputGradient::reference<double>({p.conv, p.pool}, {c.images, ddst.data(), e.argmax.data(), kernel.data(), nullptr, dsrc.data(), nullptr});
  std::vector<double> dbias(bias.size());
  ConvPoolKernelGradient::reference<double>({p.conv, p.pool}, {c.images, src.data(), ddst.data(), e.argmax.data(), dkernel.data(), dbias.data(), nullptr});
  expect_central_differences(src, dsrc, loss, [](std::size_t i) { return i; });
  const std::size_t outputs = static_cast<std::size_t>(c.out_channels), terms = kernel.size() / outputs;
  expect_central_differences(kernel, dkernel, loss, [&](std::size_t i) { return i % outputs * terms + i / outputs; });
  expect_central_differences(bias, dbias, loss, [](std::size_t i) { return i; });
}

RC_GTEST_PROP(ConvPool, AnyGeometry, ()) {
  Case c;
  const auto window = [](std::int64_t most) {
    Window w{.height = *rc::gen::inRange<std::int64_t>(1, most), .width = *rc::gen::inRange<std::int64_t>(1, most)};
    w.stride_height = *rc::gen::inRange(1, 4), w.stride_width = *rc::gen::inRange(1, 4);
    w.border = *rc::gen::element(Border::valid, Border::same);
    return w;
  };
  if (*rc::gen::arbitrary<bool>()) c.conv = window(6);
  if (*rc::gen::arbitrary<bool>()) c.pool = window(6);
  c.height = *rc::gen::inRange(1, 16), c.width = *rc::gen::inRange(1, 16);
  c.channels = *rc::gen::inRange(1, 40), c.out_channels = *rc::gen::inRange(1, 40);
  c.images = *rc::gen::inRange(1, 4);
  c.kind = *rc::gen::element(PoolKind::max, PoolKind::max, PoolKind::average);
  c.activation = *rc::gen::element(Activation::linear, Activation::relu);
  c.whole_numbers = *rc::gen::arbitrary<bool>();
  c.gap = *rc::gen::element(0, 0, 2);
  check(c, *rc::gen::inRange(0u, 1000u));
  RC_ASSERT(!::testing::Test::HasFailure());
}

}  // namespace
}  // namespace linn::detail::kernels
