// Convolution with pooling as one kernel, and its gradients: every form against the composition in double.
#include "kernels/conv/pooled.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "kernels/conv/direct.h"
#include "kernels/conv/fused.h"
#include "kernels/conv_check.h"
#include "kernels/pool/vector.h"

namespace linn::kernels {
namespace {

using namespace testing;

struct Case {
  Window conv = {.height = 3, .width = 3};
  Window pool = {.height = 2, .width = 2, .stride_height = 2, .stride_width = 2};
  std::int64_t height = 8, width = 9, channels = 8, out_channels = 18;
  std::int64_t images = 2;
  PoolKind kind = PoolKind::max;
  bool argmax = true, bias = true;
  Activation activation = Activation::relu;
  std::int64_t gap = 0, groups = 1;
  bool whole_numbers = false;  // then every sum is exact, in every form, and ties are many
};

std::optional<ConvPoolForward::Problem> problem_of(const Case& c) {
  const auto conv = resolve(c.conv, c.height, c.width, c.channels, c.out_channels, c.groups);
  if (!conv) return std::nullopt;
  const auto pool = resolve(c.pool, conv->out_height, conv->out_width, c.out_channels, c.out_channels);
  if (!pool) return std::nullopt;
  ConvPoolForward::Problem problem{*conv, *pool, c.kind, c.bias, c.activation, c.argmax && c.kind == PoolKind::max};
  if (c.gap > 0) {
    const Geometry views = with_gaps(*conv, c.gap), pooled = with_gaps(*pool, c.gap);
    problem.conv.src_pixel = views.src_pixel, problem.conv.src_row = views.src_row, problem.conv.src_image = views.src_image;
    problem.pool.dst_pixel = pooled.dst_pixel, problem.pool.dst_row = pooled.dst_row, problem.pool.dst_image = pooled.dst_image;
  }
  return problem;
}

std::vector<double> values(const Case& c, std::int64_t count, std::uint32_t seed) {
  std::vector<double> result = random_values(count, seed);
  if (c.whole_numbers)
    for (double& value : result) value = std::round(value * 2) * 2;  // even, as Winograd halves sums of two
  return result;
}

std::string text_of(const Case& c, const ConvPoolForward::Problem& p) {
  return "conv " + text(p.conv) + "; pool " + text(p.pool) + (c.kind == PoolKind::max ? " max" : " average") + (c.activation == Activation::relu ? " relu" : "") +
         (p.argmax ? " argmax" : "") + (c.whole_numbers ? " whole numbers" : "") + ", images " + std::to_string(c.images);
}

// |A^T| [(|G||g||G^T|) . (|B^T||d||B|)] |A| of each element of the convolution's dense output: what Winograd's error is a multiple of.
std::vector<double> winograd_magnitudes(const Geometry& g, std::int64_t images, const std::vector<double>& src, const std::vector<double>& kernel) {
  constexpr double kG[4][3] = {{1, 0, 0}, {.5, .5, .5}, {.5, .5, .5}, {0, 0, 1}}, kB[4][4] = {{1, 0, 1, 0}, {0, 1, 1, 0}, {0, 1, 1, 0}, {0, 1, 0, 1}};
  constexpr double kA[2][4] = {{1, 1, 1, 0}, {0, 1, 1, 1}};
  std::vector<double> result(static_cast<std::size_t>(images * g.out_height * g.out_width * g.out_channels));
  std::vector<double> u(static_cast<std::size_t>(16 * g.channels * g.out_channels));
  const auto tap = [&](int i, int j, std::int64_t c, std::int64_t o) { return std::abs(kernel[static_cast<std::size_t>(((3 * i + j) * g.channels + c) * g.out_channels + o)]); };
  for (int p = 0; p < 16; ++p)
    for (std::int64_t c = 0; c < g.channels; ++c)
      for (std::int64_t o = 0; o < g.out_channels; ++o)
        for (int i = 0; i < 3; ++i)
          for (int j = 0; j < 3; ++j)
            u[static_cast<std::size_t>((p * g.channels + c) * g.out_channels + o)] += kG[p / 4][i] * kG[p % 4][j] * tap(i, j, c, o);
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t y = 0; y + 1 < g.out_height; y += 2)
      for (std::int64_t x = 0; x + 1 < g.out_width; x += 2)
        for (std::int64_t c = 0; c < g.channels; ++c) {
          double v[16] = {};
          for (int p = 0; p < 16; ++p)
            for (int i = 0; i < 4; ++i)
              for (int j = 0; j < 4; ++j) {
                const std::int64_t row = y - g.pad_top + i, column = x - g.pad_left + j;
                if (row < 0 || row >= g.height || column < 0 || column >= g.width) continue;
                v[p] += kB[p / 4][i] * kB[p % 4][j] * std::abs(src[static_cast<std::size_t>(n * g.src_image + row * g.src_row + column * g.src_pixel + c)]);
              }
          for (int a = 0; a < 2; ++a)
            for (int b = 0; b < 2; ++b)
              for (int p = 0; p < 16; ++p)
                for (std::int64_t o = 0; o < g.out_channels; ++o)
                  result[static_cast<std::size_t>(((n * g.out_height + y + a) * g.out_width + x + b) * g.out_channels + o)] +=
                      kA[a][p / 4] * kA[b][p % 4] * v[p] * u[static_cast<std::size_t>((p * g.channels + c) * g.out_channels + o)];
        }
  return result;
}

struct Expected {
  std::vector<double> map, dst;
  std::vector<std::uint8_t> argmax;
};

Expected expected_of(const ConvPoolForward::Problem& p, std::int64_t images, const std::vector<double>& src, const std::vector<double>& kernel,
                     const std::vector<double>& bias) {
  Expected e;
  const Geometry &g = p.conv, &pool = p.pool;
  e.map.resize(static_cast<std::size_t>(images * pool.src_image));
  Geometry dense = g;
  dense.dst_pixel = g.out_channels, dense.dst_row = pool.src_row, dense.dst_image = pool.src_image;
  ConvForward::reference<double>({dense, p.bias, p.activation}, {images, src.data(), kernel.data(), bias.data(), e.map.data(), nullptr});
  e.dst.assign(static_cast<std::size_t>(dst_extent(pool, images)), static_cast<double>(untouched));
  e.argmax.resize(static_cast<std::size_t>(images * pool.out_height * pool.out_width * pool.channels));
  ConvPoolForward::reference<double>(p, {images, src.data(), kernel.data(), nullptr, bias.data(), e.dst.data(), e.argmax.data(), nullptr});
  return e;
}

// Each argmax must point at a value that is as large as the largest, as far as rounding goes; at the very first for whole numbers.
void check_argmax(const ConvPoolForward::Problem& p, const Case& c, const Expected& e, const std::vector<std::uint8_t>& argmax, const std::vector<double>& slack) {
  const Geometry& pool = p.pool;
  std::int64_t at = 0;
  for (std::int64_t n = 0; n < c.images; ++n)
    for (std::int64_t y = 0; y < pool.out_height; ++y)
      for (std::int64_t x = 0; x < pool.out_width; ++x)
        for (std::int64_t o = 0; o < pool.channels; ++o, ++at) {
          const auto out = static_cast<std::size_t>(n * pool.dst_image + y * pool.dst_row + x * pool.dst_pixel + o);
          const double best = e.dst[out];
          if (p.activation == Activation::relu && best <= slack[out]) continue;  // no gradient flows here
          const int cell = argmax[static_cast<std::size_t>(at)];
          if (c.whole_numbers) {
            ASSERT_EQ(cell, e.argmax[static_cast<std::size_t>(at)]) << text_of(c, p) << " at " << y << ", " << x << ", " << o;
            continue;
          }
          const std::int64_t row = y * pool.stride_height - pool.pad_top + cell / pool.window_width * pool.dilation_height;
          const std::int64_t column = x * pool.stride_width - pool.pad_left + cell % pool.window_width * pool.dilation_width;
          if (row < 0 || row >= pool.height || column < 0 || column >= pool.width) {
            ASSERT_EQ(cell, 0);
            continue;
          }
          const double value = e.map[static_cast<std::size_t>(n * pool.src_image + row * pool.src_row + column * pool.src_pixel + o)];
          ASSERT_GE(value, best - 2 * slack[out]) << text_of(c, p) << " at " << y << ", " << x << ", " << o << ", cell " << cell;
        }
}

template <class Kernel>
Buffer packed_for(const Implementation<Kernel>& f, const typename Kernel::Problem& problem, const Buffer& kernel) {
  Buffer packed(f.packed(problem));
  if (packed.size() > 0) f.pack(problem, kernel.data(), packed.data());
  return packed;
}

void check_forward(const Case& c, std::uint32_t seed) {
  const auto resolved = problem_of(c);
  if (!resolved) return;
  const ConvPoolForward::Problem& p = *resolved;
  const auto src = values(c, src_extent(p.conv, c.images), seed), kernel = values(c, kernel_size(p.conv), seed + 1), bias = values(c, c.out_channels, seed + 2);
  const Expected e = expected_of(p, c.images, src, kernel, bias);
  // Bounds: direct forms by the sum of magnitudes, Winograd's by its own; of a window the largest.
  const auto pooled = [&](std::vector<double> map) {
    std::vector<double> result(e.dst.size(), 0);
    PoolForward::reference<double>({p.pool, PoolKind::max, false}, {c.images, map.data(), result.data(), nullptr, nullptr, nullptr});
    for (double& value : result) value = std::max(value, 0.0);
    return result;
  };
  ConvPoolForward::Problem linear = p;
  linear.activation = Activation::linear;
  const auto magnitude_map = expected_of(linear, c.images, magnitudes(src), magnitudes(kernel), magnitudes(bias)).map;
  const auto direct = pooled(magnitude_map);
  std::vector<double> winograd;
  if (conv::Winograd::accepts(p)) {
    auto map = winograd_magnitudes(p.conv, c.images, src, kernel);
    for (std::size_t i = 0; i < map.size(); ++i) map[i] = std::max(map[i], magnitude_map[i]);
    winograd = pooled(map);
  }
  const Buffer src32(src), kernel32(kernel), bias32(bias);
  for_each_implementation<ConvPoolForward>(p, [&](const Implementation<ConvPoolForward>& f) {
    Buffer dst(static_cast<std::int64_t>(e.dst.size()), untouched), scratch(f.scratch(p, c.images));
    std::vector<std::uint8_t> argmax(e.argmax.size(), 77);
    const Buffer packed = packed_for(f, p, kernel32);
    f.run(p, {c.images, src32.data(), kernel32.data(), packed.data(), c.bias ? bias32.data() : nullptr, dst.data(), p.argmax ? argmax.data() : nullptr, scratch.data()});
    const auto& bound = f.name == "winograd" ? winograd : direct;
    EXPECT_TRUE(all_near(dst, e.dst, bound)) << text_of(c, p);
    if (!p.argmax) return;
    std::vector<double> slack = bound;
    for (double& value : slack) value *= sum_bound * std::numeric_limits<float>::epsilon();
    check_argmax(p, c, e, argmax, slack);
  });
}

void check_gradients(const Case& c, std::uint32_t seed) {
  const auto resolved = problem_of(c);
  if (!resolved || c.groups != 1) return;
  const ConvPoolForward::Problem& p = *resolved;
  const ConvPoolKernelGradient::Problem problem{p.conv, p.pool};
  const std::int64_t outputs = c.images * p.pool.out_height * p.pool.out_width * c.out_channels;
  const auto src = values(c, src_extent(p.conv, c.images), seed), kernel = values(c, kernel_size(p.conv), seed + 1), bias = values(c, c.out_channels, seed + 2);
  const std::vector<std::uint8_t> argmax = expected_of(p, c.images, src, kernel, bias).argmax;
  std::vector<double> ddst = random_values(outputs, seed + 3);
  for (std::size_t i = 0; i < ddst.size(); ++i)
    if (i % 3 == seed % 3) ddst[i] = 0;  // what relu kills
  const Buffer src32(src), kernel32(kernel), ddst32(ddst);

  std::vector<double> dkernel(kernel.size()), dkernel_size(kernel.size());
  ConvPoolKernelGradient::reference<double>(problem, {c.images, src.data(), ddst.data(), argmax.data(), dkernel.data(), nullptr});
  ConvPoolKernelGradient::reference<double>(problem, {c.images, magnitudes(src).data(), magnitudes(ddst).data(), argmax.data(), dkernel_size.data(), nullptr});
  for_each_implementation<ConvPoolKernelGradient>(problem, [&](const Implementation<ConvPoolKernelGradient>& f) {
    Buffer actual(static_cast<std::int64_t>(dkernel.size()), untouched), scratch(f.scratch(problem, c.images));
    f.run(problem, {c.images, src32.data(), ddst32.data(), argmax.data(), actual.data(), scratch.data()});
    EXPECT_TRUE(all_near(actual, dkernel, dkernel_size)) << text_of(c, p);
  });

  std::vector<double> dsrc(src.size(), static_cast<double>(untouched)), dsrc_size(src.size());
  ConvPoolInputGradient::reference<double>(problem, {c.images, ddst.data(), argmax.data(), kernel.data(), nullptr, dsrc.data(), nullptr});
  ConvPoolInputGradient::reference<double>(problem, {c.images, magnitudes(ddst).data(), argmax.data(), magnitudes(kernel).data(), nullptr, dsrc_size.data(), nullptr});
  for_each_implementation<ConvPoolInputGradient>(problem, [&](const Implementation<ConvPoolInputGradient>& f) {
    Buffer actual(static_cast<std::int64_t>(dsrc.size()), untouched), scratch(f.scratch(problem, c.images));
    const Buffer packed = packed_for(f, problem, kernel32);
    f.run(problem, {c.images, ddst32.data(), argmax.data(), kernel32.data(), packed.data(), actual.data(), scratch.data()});
    EXPECT_TRUE(all_near(actual, dsrc, dsrc_size)) << text_of(c, p);
  });
}

void check(const Case& c, std::uint32_t seed = 1) {
  check_forward(c, seed);
  if (c.kind == PoolKind::max) check_gradients(c, seed);
}

TEST(ConvPool, EveryNumberOfChannels) {
  for (std::int64_t c = 1; c <= 70; ++c) {
    check({.height = 6, .width = 8, .channels = c, .out_channels = 71 - c, .images = 1}, static_cast<std::uint32_t>(c));
    check({.conv = {.height = 3, .width = 3, .border = Border::same}, .height = 4, .width = 5, .channels = 1 + c % 9, .out_channels = c}, static_cast<std::uint32_t>(c));
  }
}

TEST(ConvPool, ManyChannels) {
  check({.height = 6, .width = 6, .channels = 100, .out_channels = 100, .images = 1});
  check({.height = 5, .width = 4, .channels = 33, .out_channels = 130, .images = 3});
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
  check({.conv = {.height = 3, .width = 3, .border = Border::same}, .channels = 8, .out_channels = 8, .groups = 8});
}

TEST(ConvPool, TheNotebooksLayers) {
  for (std::int64_t n = 1; n <= 9; n += 4) {
    check({.height = 28, .width = 28, .channels = 1, .out_channels = 32, .images = n}, static_cast<std::uint32_t>(n));
    check({.height = 13, .width = 13, .channels = 32, .out_channels = 32, .images = n}, static_cast<std::uint32_t>(n));
  }
}

TEST(ConvPool, NanReachesTheSameWindows) {
  for (const std::int64_t channels : {1, 12}) {
    const Case c{.height = 8, .width = 10, .channels = channels, .images = 1};
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

// Direct forms give the bits of the unfused kernels: which of them runs is nobody's business but the clock's.
TEST(ConvPool, DirectFormsGiveTheBitsOfTheUnfused) {
  for (const std::int64_t channels : {1, 3, 20}) {
    const Case c{.height = 13, .width = 16, .channels = channels, .out_channels = 35, .images = 3};
    const ConvPoolForward::Problem p = problem_of(c).value();
    const Buffer src(random_values(src_extent(p.conv, c.images), 1)), kernel(random_values(kernel_size(p.conv), 2)), bias(random_values(c.out_channels, 3));
    Buffer map(c.images * p.pool.src_image), expected(dst_extent(p.pool, c.images)), conv_scratch(conv::Forward::scratch({p.conv, true, p.activation}, c.images));
    std::vector<std::uint8_t> argmax(static_cast<std::size_t>(expected.size())), other(argmax.size());
    conv::Forward::run({p.conv, true, p.activation}, {c.images, src.data(), kernel.data(), bias.data(), map.data(), conv_scratch.data()});
    pool::Vector::run({p.pool, p.kind, true}, {c.images, map.data(), expected.data(), argmax.data(), nullptr, nullptr});
    for (const auto& f : implementations<ConvPoolForward>()) {
      if (!f.position_invariant || f.needs > core::isa() || f.needs == core::Isa::scalar || !f.accepts(p)) continue;
      Buffer dst(expected.size()), scratch(f.scratch(p, c.images));
      f.run(p, {c.images, src.data(), kernel.data(), nullptr, bias.data(), dst.data(), other.data(), scratch.data()});
      EXPECT_EQ(bits_that_differ(dst, expected), 0) << f.name;
      for (std::int64_t i = 0; i < dst.size(); ++i)
        EXPECT_TRUE(!(dst[i] > 0) || other[static_cast<std::size_t>(i)] == argmax[static_cast<std::size_t>(i)]) << f.name << " at " << i;
    }
  }
}

// The same for windows that overlap, and for averages of them: a strip is pooled as the whole map would be.
TEST(ConvPool, StripsGiveTheBitsOfTheUnfused) {
  for (const std::int64_t k : {3, 5})
    for (const PoolKind kind : {PoolKind::max, PoolKind::average}) {
      const Case c{.pool = {.height = k, .width = k, .stride_height = 2, .stride_width = 1, .border = Border::same}, .height = 60, .width = 40, .channels = 3,
                   .out_channels = 35, .images = 2, .kind = kind};
      const ConvPoolForward::Problem p = problem_of(c).value();
      const Buffer src(random_values(src_extent(p.conv, c.images), 1)), kernel(random_values(kernel_size(p.conv), 2)), bias(random_values(c.out_channels, 3));
      const PoolForward::Problem alone{p.pool, p.kind, false};
      const auto& pooling = choose<PoolForward>(alone);
      Buffer map(c.images * p.pool.src_image), expected(dst_extent(p.pool, c.images)), scratch(conv::Forward::scratch({p.conv, true, p.activation}, c.images));
      conv::Forward::run({p.conv, true, p.activation}, {c.images, src.data(), kernel.data(), bias.data(), map.data(), scratch.data()});
      Buffer pool_scratch(pooling.scratch(alone, c.images)), dst(expected.size()), strip_scratch(conv::Strip::scratch(p, c.images));
      std::vector<std::uint8_t> argmax(static_cast<std::size_t>(expected.size()));
      pooling.run(alone, {c.images, map.data(), expected.data(), nullptr, nullptr, pool_scratch.data()});
      conv::Strip::run(p, {c.images, src.data(), kernel.data(), nullptr, bias.data(), dst.data(), argmax.data(), strip_scratch.data()});
      EXPECT_EQ(bits_that_differ(dst, expected), 0) << k;
    }
}

// The gradients are those of the composition: central differences of a loss that picks the reference's own cells.
TEST(ConvPool, ReferenceGradientsAreFiniteDifferences) {
  const Case c{.height = 7, .width = 8, .channels = 3, .out_channels = 4};
  const ConvPoolForward::Problem p = problem_of(c).value();
  auto src = random_values(src_extent(p.conv, c.images), 1), kernel = random_values(kernel_size(p.conv), 2);
  const auto bias = random_values(c.out_channels, 3);
  const Expected e = expected_of(p, c.images, src, kernel, bias);
  std::vector<double> ddst = random_values(static_cast<std::int64_t>(e.dst.size()), 4);
  for (std::size_t i = 0; i < ddst.size(); ++i)
    if (!(e.dst[i] > 0)) ddst[i] = 0;
  const auto loss = [&] {
    const Expected now = expected_of(p, c.images, src, kernel, bias);
    double sum = 0;
    for (std::size_t i = 0; i < ddst.size(); ++i) sum += ddst[i] * now.dst[i];
    return sum;
  };
  const auto check_all = [&](std::vector<double>& at, const std::vector<double>& gradient, auto&& place) {
    constexpr double step = 1e-7;  // small enough that no maximum changes hands
    for (std::size_t i = 0; i < at.size(); ++i) {
      const double value = at[i];
      at[i] = value + step;
      const double above = loss();
      at[i] = value - step;
      const double below = loss();
      at[i] = value;
      EXPECT_NEAR((above - below) / (2 * step), gradient[place(i)], 1e-6) << i;
    }
  };
  std::vector<double> dsrc(src.size()), dkernel(kernel.size());
  ConvPoolInputGradient::reference<double>({p.conv, p.pool}, {c.images, ddst.data(), e.argmax.data(), kernel.data(), nullptr, dsrc.data(), nullptr});
  ConvPoolKernelGradient::reference<double>({p.conv, p.pool}, {c.images, src.data(), ddst.data(), e.argmax.data(), dkernel.data(), nullptr});
  check_all(src, dsrc, [](std::size_t i) { return i; });
  const std::size_t outputs = static_cast<std::size_t>(c.out_channels), terms = kernel.size() / outputs;
  check_all(kernel, dkernel, [&](std::size_t i) { return i % outputs * terms + i / outputs; });
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
}  // namespace linn::kernels
