// Convolution with pooling as one kernel, and its gradients, against the composition in double.
#pragma once

#include <optional>

#include "kernels/conv/direct.h"
#include "kernels/conv/fused.h"
#include "kernels/conv/pooled.h"
#include "kernels/conv_check.h"
#include "kernels/elementwise_check.h"

namespace linn::detail::kernels::testing {

struct ConvPoolCase {
  Window conv = {.height = 3, .width = 3};
  Window pool = {.height = 2, .width = 2, .stride_height = 2, .stride_width = 2};
  std::int64_t height = 8, width = 9, channels = 8, out_channels = 18;
  std::int64_t images = 2;
  PoolKind kind = PoolKind::max;
  bool argmax = true, bias = true;
  Activation activation = Activation::relu;
  std::int64_t gap = 0, groups = 1;
  bool whole_numbers = false;  // then every sum is exact, in every form but winograd4, and ties are many
  bool hostile = false;        // NaN and infinities in src; forward only
};

inline std::optional<ConvPoolForward::Problem> problem_of(const ConvPoolCase& c) {
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

inline std::vector<double> values(const ConvPoolCase& c, std::int64_t count, std::uint32_t seed) {
  return random_values(c.whole_numbers ? Values::ties : Values::normal, count, seed);
}

inline std::string text_of(const ConvPoolCase& c, const ConvPoolForward::Problem& p) {
  return "conv " + text(p.conv) + "; pool " + text(p.pool) + (c.kind == PoolKind::max ? " max" : " average") + (c.activation == Activation::relu ? " relu" : "") +
         (p.argmax ? " argmax" : "") + (c.whole_numbers ? " whole numbers" : "") + (c.hostile ? " hostile" : "") + ", images " + std::to_string(c.images);
}

struct Expected {
  std::vector<double> map, dst;
  std::vector<std::uint8_t> argmax;
};

inline Expected expected_of(const ConvPoolForward::Problem& p, std::int64_t images, const std::vector<double>& src, const std::vector<double>& kernel,
                     const std::vector<double>& bias) {
  Expected e;
  const Geometry &g = p.conv, &pool = p.pool;
  e.map.resize(static_cast<std::size_t>(images * pool.src_image));
  Geometry dense = g;
  dense.dst_pixel = g.out_channels, dense.dst_row = pool.src_row, dense.dst_image = pool.src_image;
  ConvForward::reference<double>({dense, p.bias, p.activation},
                                 {images, src.data(), kernel.data(), nullptr, bias.data(), e.map.data(), nullptr});
  e.dst.assign(static_cast<std::size_t>(dst_extent(pool, images)), static_cast<double>(untouched));
  e.argmax.resize(static_cast<std::size_t>(images * pool.out_height * pool.out_width * pool.channels));
  ConvPoolForward::reference<double>(p, {images, src.data(), kernel.data(), nullptr, bias.data(), e.dst.data(), e.argmax.data(), nullptr});
  return e;
}

// Each argmax must point at a value that is as large as the largest, as far as rounding goes; if sums are exact, at the very first.
inline void check_argmax(const ConvPoolForward::Problem& p, const ConvPoolCase& c, const Expected& e, const Bytes& argmax,
                         const std::vector<double>& slack, bool exact) {
  const Geometry& pool = p.pool;
  std::int64_t at = 0;
  for (std::int64_t n = 0; n < c.images; ++n)
    for (std::int64_t y = 0; y < pool.out_height; ++y)
      for (std::int64_t x = 0; x < pool.out_width; ++x)
        for (std::int64_t o = 0; o < pool.channels; ++o, ++at) {
          const auto out = static_cast<std::size_t>(n * pool.dst_image + y * pool.dst_row + x * pool.dst_pixel + o);
          const double best = e.dst[out];
          if (p.activation == Activation::relu && best <= slack[out]) continue;  // no gradient flows here
          ASSERT_NE(argmax[at], no_cell);
          const int cell = argmax[at];
          if (exact) {
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

// No cell exactly where relu left nothing of the value that the implementation itself computed.
inline void check_dead(const ConvPoolForward::Problem& p, const ConvPoolCase& c, const Buffer& dst, const Bytes& argmax) {
  const Geometry& pool = p.pool;
  std::int64_t at = 0;
  for (std::int64_t n = 0; n < c.images; ++n)
    for (std::int64_t y = 0; y < pool.out_height; ++y)
      for (std::int64_t x = 0; x < pool.out_width; ++x)
        for (std::int64_t o = 0; o < pool.channels; ++o, ++at) {
          const bool dead = p.activation == Activation::relu && !(dst[n * pool.dst_image + y * pool.dst_row + x * pool.dst_pixel + o] > 0);
          ASSERT_EQ(argmax[at] == no_cell, dead) << text_of(c, p) << " at " << y << ", " << x << ", " << o;
        }
}

// The result is that of the convolution alone by the implementation `name`, pooled as a plan would pool it alone; argmax is the first
// maximum of what was computed. (The sign of a zero may differ: maxima do not look at it.)
inline void check_is_unfused(std::string_view name, const ConvPoolForward::Problem& p, const ConvPoolCase& c, const Buffer& src,
                             const Buffer& kernel, const Buffer& bias, const Buffer& dst, const Bytes& argmax) {
  ConvForward::Problem unfused = {p.conv, p.bias, p.activation};
  unfused.geometry.dst_pixel = p.pool.src_pixel, unfused.geometry.dst_row = p.pool.src_row, unfused.geometry.dst_image = p.pool.src_image;
  const Implementation<ConvForward> form = convolution(unfused, name);
  Buffer map(c.images * p.pool.src_image), scratch(form.scratch(unfused, c.images), unwritten), expected(dst.size(), untouched);
  Bytes first(argmax.size());
  const Buffer packed = packed_for(form, unfused, kernel);
  form.run(unfused, {c.images, src.data(), kernel.data(), packed.data(), p.bias ? bias.data() : nullptr, map.data(), scratch.data()});
  const PoolForward::Problem alone = {p.pool, p.kind, p.argmax};
  const auto& pooling = choose<PoolForward>(alone);
  Buffer pool_scratch(pooling.scratch(alone, c.images), unwritten);
  pooling.run(alone, {c.images, map.data(), expected.data(), p.argmax ? first.data() : nullptr, nullptr, pool_scratch.data()});
  EXPECT_TRUE(check::all_same(dst, expected)) << text_of(c, p);
  if (!p.argmax) return;
  std::int64_t at = 0;
  for (std::int64_t n = 0; n < c.images; ++n)
    for (std::int64_t y = 0; y < p.pool.out_height; ++y)
      for (std::int64_t x = 0; x < p.pool.out_width; ++x)
        for (std::int64_t o = 0; o < p.pool.channels; ++o, ++at) {
          if (argmax[at] == no_cell) continue;
          ASSERT_EQ(argmax[at], first[at]) << text_of(c, p) << " at " << y << ", " << x << ", " << o;
        }
}

/// Whether the outputs that windows see lie in the tiles in which the whole map's do.
inline bool are_cut_alike(const ConvPoolForward::Problem& p) {
  const conv::TileCut windows = conv::window_cut(p.conv, p.pool, true), map = conv::map_cut(p.conv, true);
  return windows.fours.height == map.fours.height && windows.fours.width == map.fours.width && (windows.twos.count() > 0) == (map.twos.count() > 0);
}

inline void check_conv_pool_forward(const ConvPoolCase& c, std::uint32_t seed) {
  const auto resolved = problem_of(c);
  if (!resolved) return;
  const ConvPoolForward::Problem& p = *resolved;
  auto src = values(c, src_extent(p.conv, c.images), seed);
  const auto kernel = values(c, kernel_size(p.conv), seed + 1), bias = values(c, c.out_channels, seed + 2);
  if (c.hostile) src = random_values(Values::hostile, src_extent(p.conv, c.images), seed);
  const bool infinite = std::any_of(src.begin(), src.end(), [](double value) { return std::isinf(value); });
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
  Geometry dense = p.conv;
  set_dense_dst(dense);
  std::vector<double> winograd, winograd4;
  if (conv::is_winograd(p.conv)) winograd = pooled(larger(winograd_magnitudes(dense, c.images, src, kernel), magnitude_map));
  if (conv::has_winograd4_channels(p.conv) && conv::is_winograd(p.conv)) winograd4 = pooled(where_finite(larger(either_tile(dense, c.images, src, kernel), magnitude_map), magnitude_map));
  // What a form that rounds its operands and nothing else computes to the last bits: a missing term shows as in float32.
  const Expected of_rounded = expected_of(p, c.images, rounded_to_bf16(src), rounded_to_bf16(kernel), bias);
  const Buffer src32(src), kernel32(kernel), bias32(bias);
  for_each_implementation<ConvPoolForward>(p, [&](const Implementation<ConvPoolForward>& f) {
    const bool four = has_part(f, conv::Winograd4Pool::name), is_winograd = !f.numerics.direct_form;
    if (is_winograd && !four && infinite) return;  // NaN, as its file says
    Buffer dst(static_cast<std::int64_t>(e.dst.size()), untouched), scratch(f.scratch(p, c.images), unwritten);
    Bytes argmax(static_cast<std::int64_t>(e.argmax.size()), 77);
    const Buffer packed = packed_for(f, p, kernel32);
    f.run(p, {c.images, src32.data(), kernel32.data(), packed.data(), c.bias ? bias32.data() : nullptr, dst.data(), p.argmax ? argmax.data() : nullptr, scratch.data()});
    const auto& bound = four ? winograd4 : is_winograd ? winograd : direct;
    const double factor = four ? winograd4_bound_of(f) : bound_of(f);
    const bool rounds = f.numerics.operands == Operands::bfloat16;
    EXPECT_TRUE(all_near(dst, e.dst, bound, factor)) << text_of(c, p);
    // winograd_bf16 rounds what its transforms make, which is no rounding at all for whole numbers.
    if (rounds && (!has_part(f, "winograd_bf16") || c.whole_numbers)) {
      EXPECT_TRUE(all_near(dst, of_rounded.dst, bound, four ? winograd4_bound : sum_bound)) << text_of(c, p);
    }
    if (f.name == conv::Strip::name) check_is_unfused(f.label, p, c, src32, kernel32, bias32, dst, argmax);
    if (f.name == conv::Windows::name) check_is_unfused(conv::Forward::name, p, c, src32, kernel32, bias32, dst, argmax);
    if (f.name == conv::Winograd4Pool::name && are_cut_alike(p)) check_is_unfused(f.name, p, c, src32, kernel32, bias32, dst, argmax);
    if (!p.argmax) return;
    check_dead(p, c, dst, argmax);
    if (c.hostile) return;
    std::vector<double> slack = bound;
    for (double& value : slack) value *= factor * static_cast<double>(std::numeric_limits<float>::epsilon());
    check_argmax(p, c, e, argmax, slack, c.whole_numbers && !four);
  });
}

/// The convolution's map with the live gradients in it, dense.
inline std::vector<double> laid_out(const ConvPoolKernelGradient::Problem& p, std::int64_t images, const std::vector<double>& ddst,
                                    const std::vector<std::uint8_t>& argmax) {
  const Geometry &conv = p.conv, &pool = p.pool;
  std::vector<double> map(static_cast<std::size_t>(images * conv.out_height * conv.out_width * conv.out_channels), 0);
  std::size_t i = 0;
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t y = 0; y < pool.out_height; ++y)
      for (std::int64_t x = 0; x < pool.out_width; ++x)
        for (std::int64_t o = 0; o < conv.out_channels; ++o, ++i) {
          if (argmax[i] == no_cell) continue;
          const std::int64_t row = y * pool.stride_height - pool.pad_top + argmax[i] / pool.window_width * pool.dilation_height;
          const std::int64_t column = x * pool.stride_width - pool.pad_left + argmax[i] % pool.window_width * pool.dilation_width;
          map[static_cast<std::size_t>(((n * conv.out_height + row) * conv.out_width + column) * conv.out_channels + o)] += ddst[i];
        }
  return map;
}

inline void check_conv_pool_gradients(ConvPoolCase c, std::uint32_t seed) {
  c.kind = PoolKind::max, c.argmax = true;
  const auto resolved = problem_of(c);
  if (!resolved || c.groups != 1) return;
  const ConvPoolForward::Problem& p = *resolved;
  const ConvPoolKernelGradient::Problem problem{p.conv, p.pool, true};  // that says what is likely, and changes no result
  const std::int64_t outputs = c.images * p.pool.out_height * p.pool.out_width * c.out_channels;
  const auto src = values(c, src_extent(p.conv, c.images), seed), kernel = values(c, kernel_size(p.conv), seed + 1), bias = values(c, c.out_channels, seed + 2);
  const std::vector<std::uint8_t> argmax = expected_of(p, c.images, src, kernel, bias).argmax;
  std::vector<double> ddst = random_values(outputs, seed + 3);
  for (std::size_t i = 0; i < ddst.size(); ++i)
    if (i % 5 == seed % 5) ddst[i] = 0;  // besides what relu kills
  const Buffer src32(src), kernel32(kernel), ddst32(ddst);

  std::vector<double> dkernel(kernel.size()), dkernel_size(kernel.size()), dbias(bias.size()), dbias_size(bias.size());
  ConvPoolKernelGradient::reference<double>(problem, {c.images, src.data(), ddst.data(), argmax.data(), dkernel.data(), dbias.data(), nullptr});
  ConvPoolKernelGradient::reference<double>(problem, {c.images, magnitudes(src).data(), magnitudes(ddst).data(), argmax.data(), dkernel_size.data(), dbias_size.data(), nullptr});
  Geometry dense = p.conv;
  set_dense_dst(dense);
  const bool winograd = conv::is_three_by_three(dense) && !c.hostile;  // hostile values spread over tiles
  const std::vector<double> map = winograd ? laid_out(problem, c.images, ddst, argmax) : std::vector<double>();
  const auto kernel_tiles = [&](std::int64_t tile) {
    // The reference has output channels first.
    const std::int64_t outer = c.out_channels, inner = kernel_size(p.conv) / outer;
    const auto turned = winograd_gradient_magnitudes(dense, c.images, src, map, tile);
    std::vector<double> result(turned.size());
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t i = 0; i < inner; ++i)
        result[static_cast<std::size_t>(o * inner + i)] = turned[static_cast<std::size_t>(i * outer + o)];
    return larger(result, dkernel_size);
  };
  std::vector<double> winograd_size, winograd4_size;
  if (winograd) winograd_size = kernel_tiles(2);
  if (winograd && conv::has_winograd4_channels(dense)) winograd4_size = kernel_tiles(4);
  for_each_implementation<ConvPoolKernelGradient>(problem, [&](const Implementation<ConvPoolKernelGradient>& f) {
    if (!f.numerics.direct_form && !winograd) return;
    for (const bool with_bias : {false, true}) {
      Buffer actual(static_cast<std::int64_t>(dkernel.size()), untouched), actual_bias(c.out_channels, untouched), scratch(f.scratch(problem, c.images), unwritten);
      f.run(problem, {c.images, src32.data(), ddst32.data(), argmax.data(), actual.data(), with_bias ? actual_bias.data() : nullptr, scratch.data()});
      const bool four = has_part(f, conv::Winograd4KernelGradient::name);
      const auto near = four ? all_near(actual, dkernel, winograd4_size, winograd4_bound)
                             : all_near(actual, dkernel, f.numerics.direct_form ? dkernel_size : winograd_size);
      EXPECT_TRUE(near) << text_of(c, p);
      if (with_bias) {
        EXPECT_TRUE(all_near(actual_bias, dbias, dbias_size)) << text_of(c, p);
      }
    }
  });

  std::vector<double> dsrc(src.size(), static_cast<double>(untouched)), dsrc_size(src.size());
  ConvPoolInputGradient::reference<double>(problem, {c.images, ddst.data(), argmax.data(), kernel.data(), nullptr, dsrc.data(), nullptr});
  ConvPoolInputGradient::reference<double>(problem, {c.images, magnitudes(ddst).data(), argmax.data(), magnitudes(kernel).data(), nullptr, dsrc_size.data(), nullptr});
  const auto input_tiles = [&](std::int64_t tile) {
    return larger(winograd_magnitudes(conv::backwards(dense), c.images, map, turned_taps(transposed(p.conv, kernel)), tile), dsrc_size);
  };
  if (winograd) winograd_size = input_tiles(2);
  if (winograd && conv::has_winograd4_channels(dense)) winograd4_size = input_tiles(4);
  for_each_implementation<ConvPoolInputGradient>(problem, [&](const Implementation<ConvPoolInputGradient>& f) {
    if (!f.numerics.direct_form && !winograd) return;
    Buffer actual(static_cast<std::int64_t>(dsrc.size()), untouched), scratch(f.scratch(problem, c.images), unwritten);
    const Buffer packed = packed_for(f, problem, kernel32);
    f.run(problem, {c.images, ddst32.data(), argmax.data(), kernel32.data(), packed.data(), actual.data(), scratch.data()});
    const bool four = has_part(f, conv::Winograd4InputGradient::name);
    const auto near =
        four ? all_near(actual, dsrc, winograd4_size, winograd4_bound) : all_near(actual, dsrc, f.numerics.direct_form ? dsrc_size : winograd_size);
    EXPECT_TRUE(near) << text_of(c, p);
  });
}

inline void check_conv_pool(const ConvPoolCase& c, std::uint32_t seed = 1) {
  check_conv_pool_forward(c, seed);
  if (c.kind == PoolKind::max) check_conv_pool_gradients(c, seed);
}

}  // namespace linn::detail::kernels::testing
