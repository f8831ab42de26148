// Layer and group normalization, each form against the definition in double.
#pragma once

#include "kernels/elementwise_check.h"
#include "kernels/norm/group.h"

namespace linn::detail::kernels::check {

using testing::untouched;
using testing::unwritten;

inline std::string describe(const GroupNormForward::Problem& p) {
  return std::to_string(p.pixels) + " pixels " + std::to_string(p.channels) + " channels " + std::to_string(p.groups) + " groups, scale " +
         std::to_string(static_cast<int>(p.scale));
}

struct GroupNormData {
  Buffer src, gamma, beta, ddst;

  GroupNormData(const GroupNormForward::Problem& p, std::int64_t images, double mean, double deviation, unsigned seed)
      : src(make(images * p.pixels * p.channels, Values::normal, seed)),
        gamma(make(p.channels, Values::normal, seed + 1)),
        beta(make(p.channels, Values::normal, seed + 2)),
        ddst(make(images * p.pixels * p.channels, Values::normal, seed + 3)) {
    for (std::int64_t i = 0; i < src.size(); ++i) src[i] = static_cast<float>(mean + deviation * static_cast<double>(src[i]));
  }
};

/// Everything in double, by the formulas.
struct GroupNormExpected {
  std::vector<double> statistics, dst, dst_size, dsrc, dsrc_size, dgamma, dgamma_size, dbeta, dbeta_size;
};

inline GroupNormExpected expected_group_norm(const GroupNormForward::Problem& p, std::int64_t images, const GroupNormData& data) {
  GroupNormExpected e;
  const auto size = static_cast<std::size_t>(data.src.size()), channels = static_cast<std::size_t>(p.channels);
  for (auto* values : {&e.dst, &e.dst_size, &e.dsrc, &e.dsrc_size}) values->resize(size);
  for (auto* values : {&e.dgamma, &e.dgamma_size, &e.dbeta, &e.dbeta_size}) values->resize(channels);
  const auto terms = static_cast<double>(p.terms());
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t g = 0; g < p.groups; ++g) {
      std::vector<std::int64_t> places;
      for (std::int64_t pixel = 0; pixel < p.pixels; ++pixel)
        for (std::int64_t c = g * p.group_channels(); c < (g + 1) * p.group_channels(); ++c) places.push_back((n * p.pixels + pixel) * p.channels + c);
      double mean = 0, variance = 0, sum = 0, product = 0, sizes = 0;
      const bool is_length = p.scale == GroupScale::length;
      if (p.scale == GroupScale::deviation)
        for (const std::int64_t at : places) mean += static_cast<double>(data.src[at]) / terms;
      for (const std::int64_t at : places) variance += std::pow(static_cast<double>(data.src[at]) - mean, 2) / terms;
      const double inverse = is_length ? 1 / std::sqrt(variance * terms) : 1 / std::sqrt(variance + p.epsilon);
      const double share = is_length ? 1 : 1 / terms;  // of product in the gradient: a sum, or a mean
      const auto normed = [&](std::int64_t at) { return (static_cast<double>(data.src[at]) - mean) * inverse; };
      const auto passed = [&](std::int64_t at) { return static_cast<double>(data.ddst[at]) * static_cast<double>(data.gamma[at % p.channels]); };
      for (const std::int64_t at : places) {
        const auto i = static_cast<std::size_t>(at), c = static_cast<std::size_t>(at % p.channels);
        const auto scale = static_cast<double>(data.gamma[at % p.channels]), shift = static_cast<double>(data.beta[at % p.channels]);
        const auto d = static_cast<double>(data.ddst[at]);
        e.dst[i] = normed(at) * scale + shift;
        // What rounding the mean, and a sum of magnitudes as large as the values', may move.
        e.dst_size[i] = std::abs(scale) * (std::abs(normed(at)) * 4 + 8) + std::abs(shift);
        sum += passed(at), product += passed(at) * normed(at);
        sizes += std::abs(passed(at)) * (1 + std::abs(normed(at)));
        e.dgamma[c] += d * normed(at), e.dgamma_size[c] += std::abs(d) * (std::abs(normed(at)) + 4);
        e.dbeta[c] += d, e.dbeta_size[c] += std::abs(d);
      }
      for (const std::int64_t at : places) {
        const auto i = static_cast<std::size_t>(at);
        const double shift = p.scale == GroupScale::deviation ? sum / terms : 0;
        e.dsrc[i] = (passed(at) - shift - normed(at) * product * share) * inverse;
        e.dsrc_size[i] = (std::abs(passed(at)) + sizes * share * (2 + 2 * std::abs(normed(at)))) * inverse * 4;
      }
      e.statistics.push_back(mean), e.statistics.push_back(inverse);
    }
  return e;
}

inline void check_group_norm(const GroupNormForward::Problem& p, std::int64_t images, double mean, double deviation, unsigned seed) {
  SCOPED_TRACE(describe(p) + ", mean " + std::to_string(mean) + ", deviation " + std::to_string(deviation));
  const GroupNormData data(p, images, mean, deviation, seed);
  const GroupNormExpected e = expected_group_norm(p, images, data);
  const std::int64_t size = data.src.size();
  each_form<GroupNormForward>(p, [&](const Implementation<GroupNormForward>& form) {
    Buffer dst(size, untouched), plain(size, untouched), scratch(form.scratch(p, images), unwritten);
    testing::Guarded<double> statistics(images * p.groups * 2);
    form.run(p, {images, data.src.data(), data.gamma.data(), data.beta.data(), dst.data(), statistics.data(), scratch.data()});
    form.run(p, {images, data.src.data(), nullptr, nullptr, plain.data(), nullptr, scratch.data()});
    ASSERT_TRUE(all_within(dst, e.dst, e.dst_size, 8));
    for (std::int64_t i = 0; i < size; ++i) {
      const double back = static_cast<double>(plain[i]) * static_cast<double>(data.gamma[i % p.channels]) + static_cast<double>(data.beta[i % p.channels]);
      ASSERT_NEAR(back, static_cast<double>(dst[i]), 1e-5 * (1 + e.dst_size[static_cast<std::size_t>(i)]));
    }
    for (std::size_t i = 0; i < e.statistics.size(); ++i)
      ASSERT_NEAR(statistics.data()[i], e.statistics[i], 1e-5 * std::abs(e.statistics[i]) + 1e-6 * deviation) << i;
  });
  testing::Guarded<double> statistics(e.statistics);
  each_form<GroupNormGradient>(p, [&](const Implementation<GroupNormGradient>& form) {
    Buffer dsrc(size, untouched), dgamma(p.channels, untouched), dbeta(p.channels, untouched), scratch(form.scratch(p, images), unwritten);
    form.run(p, {images, data.src.data(), data.ddst.data(), data.gamma.data(), statistics.data(), dsrc.data(), dgamma.data(), dbeta.data(),
                 scratch.data()});
    ASSERT_TRUE(all_within(dsrc, e.dsrc, e.dsrc_size, 16));
    ASSERT_TRUE(all_within(dgamma, e.dgamma, e.dgamma_size, 16));
    ASSERT_TRUE(all_within(dbeta, e.dbeta, e.dbeta_size, 16));
    Buffer alone(size, untouched), only(p.channels, untouched);
    form.run(p, {images, data.src.data(), data.ddst.data(), data.gamma.data(), statistics.data(), alone.data(), nullptr, nullptr, scratch.data()});
    form.run(p, {images, data.src.data(), data.ddst.data(), data.gamma.data(), statistics.data(), nullptr, nullptr, only.data(), scratch.data()});
    ASSERT_EQ(testing::bits_that_differ(alone, dsrc), 0);
    ASSERT_EQ(testing::bits_that_differ(only, dbeta), 0);
  });
}

}  // namespace linn::detail::kernels::check
