// Convolution with global pooling as one kernel, and its gradients, against the composition in double.
#pragma once

#include <optional>

#include "kernels/conv/direct.h"
#include "kernels/conv/global.h"
#include "kernels/conv_check.h"
#include "kernels/elementwise_check.h"

namespace linn::detail::kernels::testing {

struct ConvGlobalCase {
  Window conv = {.height = 3, .width = 3};
  std::int64_t height = 8, width = 9, channels = 8, out_channels = 18;
  std::int64_t images = 2;
  PoolKind kind = PoolKind::max;
  bool winners = true, bias = true;
  Activation activation = Activation::relu;
  std::int64_t gap = 0, groups = 1;
  Values values = Values::normal;  // ties: every sum is exact, in every form, and several pixels hold a maximum
};

inline std::optional<ConvGlobalPoolForward::Problem> problem_of(const ConvGlobalCase& c) {
  const auto conv = resolve(c.conv, c.height, c.width, c.channels, c.out_channels, c.groups);
  if (!conv) return std::nullopt;
  return ConvGlobalPoolForward::Problem{c.gap > 0 ? with_gaps(*conv, c.gap) : *conv, c.kind, c.bias, c.activation, c.winners && c.kind == PoolKind::max};
}

inline std::string text_of(const ConvGlobalCase& c, const ConvGlobalPoolForward::Problem& p) {
  return "conv " + text(p.conv) + (c.kind == PoolKind::max ? " max" : " average") + (c.activation == Activation::relu ? " relu" : "") +
         (p.winners ? " winners" : "") + ", values " + std::to_string(static_cast<int>(c.values)) + ", images " + std::to_string(c.images);
}

struct GlobalExpected {
  std::vector<double> dst;
  std::vector<std::uint8_t> winners;
};

inline GlobalExpected expected_of(const ConvGlobalPoolForward::Problem& p, std::int64_t images, const std::vector<double>& src, const std::vector<double>& kernel,
                                  const std::vector<double>& bias) {
  GlobalExpected e;
  e.dst.resize(static_cast<std::size_t>(images * p.conv.out_channels));
  e.winners.resize(static_cast<std::size_t>(images * winners_size(p.conv)));
  ConvGlobalPoolForward::reference<double>(p, {images, src.data(), kernel.data(), nullptr, bias.data(), e.dst.data(), e.winners.data(), nullptr});
  return e;
}

/// What the unfused kernels make of the same numbers, to the bit.
struct Unfused {
  Buffer dst;
  Bytes winners;
};

inline Unfused unfused_of(std::string_view name, const ConvGlobalPoolForward::Problem& p, std::int64_t images, const Buffer& src,
                          const Buffer& kernel, const Buffer& bias) {
  ConvForward::Problem conv = {p.conv, p.bias, p.activation};
  set_dense_dst(conv.geometry);
  const Implementation<ConvForward> form = convolution(conv, name);
  const Buffer packed = packed_for(form, conv, kernel);
  const std::int64_t pixels = p.conv.out_height * p.conv.out_width, channels = p.conv.out_channels;
  Buffer map(images * pixels * channels), scratch(form.scratch(conv, images), unwritten);
  Unfused result{Buffer(images * channels), Bytes(images * winners_size(p.conv))};
  form.run(conv, {images, src.data(), kernel.data(), packed.data(), p.bias ? bias.data() : nullptr, map.data(), scratch.data()});
  choose<GlobalPoolForward>({pixels, channels, p.kind}).run({pixels, channels, p.kind}, {images, map.data(), result.dst.data(), nullptr});
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel)
      for (std::int64_t o = 0; o < channels; ++o) {
        const float value = map[(n * pixels + pixel) * channels + o], best = result.dst[n * channels + o];
        const bool holds = value == best || (std::isnan(value) && std::isnan(best));
        if (holds && (p.activation != Activation::relu || best > 0))
          result.winners[n * winners_size(p.conv) + pixel * winner_bytes(p.conv) + o / 8] |= static_cast<std::uint8_t>(1 << (o % 8));
      }
  return result;
}

inline void check_conv_global_forward(const ConvGlobalCase& c, std::uint32_t seed) {
  const auto resolved = problem_of(c);
  if (!resolved) return;
  const ConvGlobalPoolForward::Problem& p = *resolved;
  const Values weights = c.values == Values::hostile ? Values::normal : c.values;
  const auto src = random_values(c.values, src_extent(p.conv, c.images), seed), kernel = random_values(weights, kernel_size(p.conv), seed + 1),
             bias = random_values(weights, c.out_channels, seed + 2);
  const GlobalExpected e = expected_of(p, c.images, src, kernel, bias);
  const GlobalExpected of_rounded = expected_of(p, c.images, rounded_to_bf16(src), rounded_to_bf16(kernel), bias);
  ConvGlobalPoolForward::Problem linear = p;
  linear.activation = Activation::linear, linear.kind = PoolKind::max;  // the largest bound of a channel serves the mean too
  const std::vector<double> direct = expected_of(linear, c.images, magnitudes(src), magnitudes(kernel), magnitudes(bias)).dst;
  Geometry dense = p.conv;
  set_dense_dst(dense);
  const auto largest = [&](const std::vector<double>& map) {
    std::vector<double> result = direct;
    for (std::size_t i = 0; i < map.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      double& of_channel = result[static_cast<std::size_t>(at / dense.dst_image * c.out_channels + at % c.out_channels)];
      of_channel = std::max(of_channel, map[i]);
    }
    return result;
  };
  std::vector<double> winograd, winograd4;
  if (conv::is_winograd(p.conv)) winograd = largest(winograd_magnitudes(dense, c.images, src, kernel));
  if (conv::is_winograd(p.conv) && conv::has_winograd4_channels(p.conv)) winograd4 = largest(either_tile(dense, c.images, src, kernel));
  const Buffer src32(src), kernel32(kernel), bias32(bias);
  for_each_implementation<ConvGlobalPoolForward>(p, [&](const Implementation<ConvGlobalPoolForward>& f) {
    if (!f.numerics.direct_form && c.values == Values::hostile) return;  // infinities spread over tiles, as winograd_map.cc says
    Buffer dst(static_cast<std::int64_t>(e.dst.size()), untouched), scratch(f.scratch(p, c.images), unwritten);
    Bytes winners(static_cast<std::int64_t>(e.winners.size()), 77);
    const Buffer packed = packed_for(f, p, kernel32);
    f.run(p, {c.images, src32.data(), kernel32.data(), packed.data(), p.bias ? bias32.data() : nullptr, dst.data(), p.winners ? winners.data() : nullptr, scratch.data()});
    // A mean adds a rounding error a pixel; those of an average of thousands are as random as a sum's.
    const bool four = has_part(f, conv::Winograd4Forward::name);
    if (four)
      EXPECT_TRUE(all_near(dst, e.dst, winograd4, winograd4_bound_of(f))) << text_of(c, p);
    else
      expect_promised(f, dst, e.dst, of_rounded.dst, f.numerics.direct_form ? direct : winograd, c.values == Values::ties, text_of(c, p));
    if (f.needs == core::Feature::none) return;
    const Unfused unfused = unfused_of(f.label, p, c.images, src32, kernel32, bias32);
    EXPECT_TRUE(check::all_same(dst, unfused.dst)) << text_of(c, p);
    for (std::int64_t i = 0; p.winners && i < winners.size(); ++i) {
      ASSERT_EQ(winners[i], unfused.winners[i]) << text_of(c, p) << ", byte " << i;
      if (c.values == Values::ties && !four) {
        ASSERT_EQ(winners[i], e.winners[static_cast<std::size_t>(i)]) << text_of(c, p) << ", byte " << i;
      }
    }
  });
}

inline std::int64_t most_ties(const Geometry& g, std::int64_t images, const std::vector<std::uint8_t>& winners) {
  std::int64_t most = 1;
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t o = 0; o < g.out_channels; ++o) {
      std::int64_t ties = 0;
      for (std::int64_t p = 0; p < g.out_height * g.out_width; ++p)
        ties += winners[static_cast<std::size_t>(n * winners_size(g) + p * winner_bytes(g) + o / 8)] >> (o % 8) & 1;
      most = std::max(most, ties);
    }
  return most;
}

inline void check_conv_global_gradients(ConvGlobalCase c, std::uint32_t seed) {
  c.kind = PoolKind::max, c.winners = true;
  const auto resolved = problem_of(c);
  if (!resolved || c.groups != 1 || c.values == Values::hostile) return;
  const ConvGlobalPoolForward::Problem& p = *resolved;
  const Geometry& g = p.conv;
  const auto src = random_values(c.values, src_extent(g, c.images), seed), kernel = random_values(c.values, kernel_size(g), seed + 1),
             bias = random_values(c.values, c.out_channels, seed + 2);
  const std::vector<std::uint8_t> winners = expected_of(p, c.images, src, kernel, bias).winners;
  std::vector<double> ddst = random_values(c.images * c.out_channels, seed + 3);
  for (std::size_t i = 0; i < ddst.size(); ++i)
    if (i % 5 == seed % 5) ddst[i] = 0;  // besides what relu stops
  const Buffer src32(src), kernel32(kernel), ddst32(ddst);
  // Winners that see the same add the same term again and again, with the same rounding error; only others' are random.
  const double bound = sum_bound + static_cast<double>(most_ties(g, c.images, winners) - 1) / 2;

  std::vector<double> dkernel(kernel.size()), dkernel_size(kernel.size()), dbias(bias.size()), dbias_size(bias.size());
  ConvGlobalPoolKernelGradient::reference<double>(g, {c.images, src.data(), ddst.data(), winners.data(), dkernel.data(), dbias.data(), nullptr});
  ConvGlobalPoolKernelGradient::reference<double>(
      g, {c.images, magnitudes(src).data(), magnitudes(ddst).data(), winners.data(), dkernel_size.data(), dbias_size.data(), nullptr});
  for_each_implementation<ConvGlobalPoolKernelGradient>(g, [&](const Implementation<ConvGlobalPoolKernelGradient>& f) {
    for (const bool with_bias : {false, true}) {
      Buffer actual(static_cast<std::int64_t>(dkernel.size()), untouched), actual_bias(c.out_channels, untouched), scratch(f.scratch(g, c.images), unwritten);
      f.run(g, {c.images, src32.data(), ddst32.data(), winners.data(), actual.data(), with_bias ? actual_bias.data() : nullptr, scratch.data()});
      EXPECT_TRUE(all_near(actual, dkernel, dkernel_size, bound)) << text_of(c, p);
      if (with_bias) {
        EXPECT_TRUE(all_near(actual_bias, dbias, dbias_size)) << text_of(c, p);
      }
    }
  });

  std::vector<double> dsrc(src.size(), static_cast<double>(untouched)), dsrc_size(src.size());
  ConvGlobalPoolInputGradient::reference<double>(g, {c.images, ddst.data(), winners.data(), kernel.data(), nullptr, dsrc.data(), nullptr});
  ConvGlobalPoolInputGradient::reference<double>(
      g, {c.images, magnitudes(ddst).data(), winners.data(), magnitudes(kernel).data(), nullptr, dsrc_size.data(), nullptr});
  for_each_implementation<ConvGlobalPoolInputGradient>(g, [&](const Implementation<ConvGlobalPoolInputGradient>& f) {
    Buffer actual(static_cast<std::int64_t>(dsrc.size()), untouched), scratch(f.scratch(g, c.images), unwritten);
    const Buffer packed = packed_for(f, g, kernel32);
    f.run(g, {c.images, ddst32.data(), winners.data(), kernel32.data(), packed.data(), actual.data(), scratch.data()});
    EXPECT_TRUE(all_near(actual, dsrc, dsrc_size, bound)) << text_of(c, p);
  });
}

inline void check_conv_global(const ConvGlobalCase& c, std::uint32_t seed = 1) {
  check_conv_global_forward(c, seed);
  if (c.kind == PoolKind::max) check_conv_global_gradients(c, seed);
}

}  // namespace linn::detail::kernels::testing
