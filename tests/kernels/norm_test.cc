#include "kernels/norm/norm.h"

#include <gtest/gtest.h>

#include "kernels/kernel_test.h"
#include "kernels/norm/join.h"

namespace linn::kernels {
namespace {

using namespace testing;

constexpr double eps = std::numeric_limits<float>::epsilon();

std::vector<double> as_floats(std::vector<double> values) {
  for (double& value : values) value = static_cast<double>(static_cast<float>(value));
  return values;
}

// Around `mean`, of about `deviation`.
std::vector<double> around(double mean, double deviation, std::int64_t count, std::uint32_t seed) {
  std::vector<double> values = random_values(count, seed);
  for (double& value : values) value = mean + deviation * value;
  return as_floats(values);
}

// ---- moments -----------------------------------------------------------------------------------------------------

// The deviations' sum of squares keeps its digits however large the mean: no term of the bound grows with the square of the mean.
void check_moments_of(std::int64_t images, std::int64_t pixels, std::int64_t channels, double mean, double deviation,
                      const std::vector<double>& src) {
  SCOPED_TRACE(std::to_string(images) + " images of " + std::to_string(pixels) + " x " + std::to_string(channels) + " around " +
               std::to_string(mean));
  const NormMoments::Problem problem = {pixels, channels};
  const Buffer src32(src);
  const auto count = static_cast<std::size_t>(images * 2 * channels);
  std::vector<double> expected(count);
  NormMoments::reference<double>(problem, {images, src.data(), expected.data(), nullptr});
  for_each_implementation<NormMoments>(problem, [&](const Implementation<NormMoments>& f) {
    std::vector<double> moments(count + 1, -777);
    Buffer scratch(f.scratch(problem, images));
    f.run(problem, {images, src32.data(), moments.data(), scratch.data()});
    EXPECT_EQ(moments.back(), -777);
    for (std::int64_t n = 0; n < images; ++n)
      for (std::int64_t c = 0; c < channels; ++c) {
        const auto at = static_cast<std::size_t>(n * 2 * channels + c), below = at + static_cast<std::size_t>(channels);
        ASSERT_NEAR(moments[at], expected[at], 8 * eps * (deviation + eps * std::abs(mean))) << "mean of image " << n << ", channel " << c;
        ASSERT_NEAR(moments[below], expected[below], 8 * eps * (expected[below] + static_cast<double>(pixels) * eps * eps * mean * mean))
            << "squares of image " << n << ", channel " << c;
      }
  });
}

void check_moments(std::int64_t images, std::int64_t pixels, std::int64_t channels, double mean, double deviation) {
  check_moments_of(images, pixels, channels, mean, deviation, around(mean, deviation, images * pixels * channels, 1));
}

TEST(NormMoments, EveryTail) {
  for (std::int64_t c = 1; c <= 140; ++c) check_moments(1 + c % 3, 1 + (c * 7) % 40, c, 0.5, 1);
  for (std::int64_t p = 1; p <= 140; ++p) check_moments(2, p, 1 + p % 9, -0.3, 2);
}

TEST(NormMoments, Layers) {
  check_moments(3, 26 * 26, 32, 0.1, 1);
  check_moments(2, 14 * 14, 64, 3, 1);
  check_moments(1, 7 * 7, 300, -1, 1);
  check_moments(1, 32 * 32, 3, 0, 1);
  check_moments(2, 28 * 28, 1, 0, 1);
}

TEST(NormMoments, SmallVarianceNextToALargeMean) {
  for (const std::int64_t channels : {1, 3, 16, 70}) {
    check_moments(2, 400, channels, 1e3, 1e-2);
    check_moments(2, 400, channels, -1e5, 1);
    check_moments(1, 130, channels, 1e6, 0);
  }
}

// Means that differ from one part of the image to the next: what a part is measured against lies far from it.
TEST(NormMoments, PartsFarApart) {
  for (const std::int64_t channels : {1, 3, 16, 70, 128})
    for (const std::int64_t part : {1, 16, 17, 64, 200}) {
      constexpr std::int64_t pixels = 1000;
      std::vector<double> src = random_values(pixels * channels, 5);
      for (std::int64_t i = 0; i < pixels * channels; ++i) src[static_cast<std::size_t>(i)] += i / channels / part % 2 == 0 ? 1e4 : -1e4;
      check_moments_of(1, pixels, channels, 0, 1e4, as_floats(src));
      for (std::int64_t i = 0; i < pixels * channels; ++i) src[static_cast<std::size_t>(i)] = static_cast<double>(i / channels) * 37;
      check_moments_of(1, pixels, channels, 18500, 1e4, as_floats(src));
    }
}

// ---- statistics --------------------------------------------------------------------------------------------------

std::vector<double> statistics_of(const NormStatistics::Problem& problem, std::int64_t images, const std::vector<double>& src) {
  std::vector<double> moments(static_cast<std::size_t>(images * 2 * problem.channels)),
      statistics(static_cast<std::size_t>(2 * problem.channels));
  NormMoments::reference<double>({problem.pixels, problem.channels}, {images, src.data(), moments.data(), nullptr});
  NormStatistics::reference<double>(problem, {images, moments.data(), nullptr, statistics.data(), 0, problem.channels, nullptr});
  return statistics;
}

// Against two passes over the whole batch in long double.
void check_statistics(std::int64_t images, std::int64_t pixels, std::int64_t channels, double mean, double deviation) {
  const NormStatistics::Problem problem = {pixels, channels, 8};
  const auto src = around(mean, deviation, images * pixels * channels, 3);
  const std::vector<double> statistics = statistics_of(problem, images, src);
  for (std::int64_t c = 0; c < channels; ++c) {
    long double whole = 0, squares = 0;
    for (std::int64_t r = 0; r < images * pixels; ++r) whole += static_cast<long double>(src[static_cast<std::size_t>(r * channels + c)]);
    whole /= images * pixels;
    for (std::int64_t r = 0; r < images * pixels; ++r) {
      const long double d = static_cast<long double>(src[static_cast<std::size_t>(r * channels + c)]) - whole;
      squares += d * d;
    }
    const auto at = static_cast<std::size_t>(c), below = static_cast<std::size_t>(channels + c);
    EXPECT_NEAR(statistics[at], static_cast<double>(whole), 1e-14 * std::abs(mean) + 1e-14) << images << " images, channel " << c;
    EXPECT_NEAR(statistics[below], static_cast<double>(squares / (images * pixels)), 1e-11 * deviation * deviation)
        << images << " images, channel " << c;
  }
}

TEST(NormStatistics, OfAnyNumberOfImages) {
  for (std::int64_t images = 1; images <= 40; ++images) check_statistics(images, 1 + images % 5, 1 + images % 35, 0.5, 1);
  check_statistics(300, 9, 33, 2, 1);
  check_statistics(64, 4, 5, 1e5, 0.5);
}

// Every cut into slices gives the bits of the whole, and nothing beyond is written; one pixel an image may come as it is.
TEST(NormStatistics, SlicesAndPixels) {
  constexpr std::int64_t images = 29, channels = 75;
  const NormStatistics::Problem problem = {1, channels, 8};
  const auto src = random_values(images * channels, 4);
  const std::vector<double> whole = statistics_of(problem, images, src);
  for (const std::int64_t slice : {1, 16, 20, 64}) {
    std::vector<double> parts(whole.size(), -777);
    for (std::int64_t first = 0; first < channels; first += slice)
      NormStatistics::reference<double>(problem,
                                        {images, nullptr, src.data(), parts.data(), first, std::min(first + slice, channels), nullptr});
    EXPECT_EQ(parts, whole) << "slices of " << slice;
  }
  std::vector<double> some(whole.size(), -777);
  NormStatistics::reference<double>(problem, {images, nullptr, src.data(), some.data(), 10, 30, nullptr});
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) EXPECT_EQ(some[c], c >= 10 && c < 30 ? whole[c] : -777);
}

// In image order inside a shard, then up the tree, and by no other order: the bits tell.
TEST(NormStatistics, JoinsUpTheTree) {
  const std::vector<double> src = {1e8, 3, -1e8, 5.5, 7.25, 1e7, -0.1};
  const auto join = [](std::vector<double> a, const std::vector<double>& b) {  // {count, mean, squares}
    norm::join_moments(1, static_cast<std::int64_t>(a[0]), &a[1], &a[2], static_cast<std::int64_t>(b[0]), &b[1], &b[2]);
    a[0] += b[0];
    return a;
  };
  const auto pixel = [&](std::size_t i) { return std::vector<double>{1, src[i], 0}; };
  const auto all = join(join(join(pixel(0), pixel(1)), join(pixel(2), pixel(3))), join(join(pixel(4), pixel(5)), pixel(6)));
  std::vector<double> statistics(2);
  NormStatistics::reference<double>({1, 1, 2}, {7, nullptr, src.data(), statistics.data(), 0, 1, nullptr});
  EXPECT_EQ(statistics[0], all[1]);
  EXPECT_EQ(statistics[1], all[2] / 7);
}

// ---- apply and gradients -----------------------------------------------------------------------------------------

// Numbers for rows of channels. Where the normalized value is so near to 0 that rounding decides what relu lets through, nothing flows.
struct Rows {
  Rows(std::int64_t row_count, std::int64_t channel_count)
      : rows(row_count),
        channels(channel_count),
        src(random_values(rows * channels, 1)),
        ddst(random_values(rows * channels, 2)),
        coefficients(random_values(3 * channels, 3)),
        lines(random_values(2 * channels, 4)) {
    for (std::size_t i = 0; i < src.size(); ++i)
      if (std::abs(deviation(i) * scale(i) + shift(i)) < 1e-5) ddst[i] = 0;
  }
  std::size_t channel(std::size_t i) const { return i % static_cast<std::size_t>(channels); }
  double deviation(std::size_t i) const { return src[i] - coefficients[channel(i)]; }
  double scale(std::size_t i) const { return coefficients[static_cast<std::size_t>(channels) + channel(i)]; }
  double shift(std::size_t i) const { return coefficients[static_cast<std::size_t>(2 * channels) + channel(i)]; }

  std::int64_t rows, channels;
  std::vector<double> src, ddst, coefficients, lines;
};

template <class Check>
void for_shapes(const Check& check) {
  for (const Activation activation : {Activation::linear, Activation::relu}) {
    for (std::int64_t c = 1; c <= 140; ++c) check(1 + (c * 11) % 50, c, activation);
    for (std::int64_t r = 1; r <= 140; r += 3) check(r, 1 + r % 8, activation);
    check(2 * 26 * 26, 32, activation);
    check(300, 64, activation);
    check(700, 3, activation);
  }
}

TEST(Norm, Forward) {
  for_shapes([](std::int64_t row_count, std::int64_t channels, Activation activation) {
    const Rows rows(row_count, channels);
    const NormForward::Problem problem = {channels, activation};
    std::vector<double> expected(rows.src.size()), magnitude(rows.src.size());
    NormForward::reference<double>(problem, {row_count, rows.src.data(), rows.coefficients.data(), expected.data(), nullptr});
    for (std::size_t i = 0; i < magnitude.size(); ++i) magnitude[i] = std::abs(rows.deviation(i) * rows.scale(i)) + std::abs(rows.shift(i));
    const Buffer src(rows.src), coefficients(rows.coefficients);
    for_each_implementation<NormForward>(problem, [&](const Implementation<NormForward>& f) {
      Buffer dst(row_count * channels, -777);
      f.run(problem, {row_count, src.data(), coefficients.data(), dst.data(), nullptr});
      EXPECT_TRUE(all_near(dst, expected, magnitude, 2)) << row_count << " x " << channels;
    });
  });
}

TEST(Norm, ForwardLetsNanThrough) {
  const NormForward::Problem problem = {3, Activation::relu};
  Buffer src(random_values(60, 1));
  src[31] = std::numeric_limits<float>::quiet_NaN();
  const Buffer coefficients(random_values(9, 2));
  for_each_implementation<NormForward>(problem, [&](const Implementation<NormForward>& f) {
    Buffer dst(60);
    f.run(problem, {20, src.data(), coefficients.data(), dst.data(), nullptr});
    for (std::int64_t i = 0; i < 60; ++i) EXPECT_EQ(std::isnan(dst[i]), i == 31) << i;
  });
}

TEST(Norm, GradientSums) {
  for_shapes([](std::int64_t row_count, std::int64_t channels, Activation activation) {
    const Rows rows(row_count, channels);
    const NormForward::Problem problem = {channels, activation};
    const auto count = static_cast<std::size_t>(2 * channels);
    std::vector<double> expected(count), magnitude(count);
    NormGradientSums::reference<double>(problem,
                                        {row_count, rows.src.data(), rows.ddst.data(), rows.coefficients.data(), expected.data(), nullptr});
    for (std::size_t i = 0; i < rows.src.size(); ++i) {
      magnitude[rows.channel(i)] += std::abs(rows.ddst[i]);
      magnitude[static_cast<std::size_t>(channels) + rows.channel(i)] += std::abs(rows.ddst[i] * rows.deviation(i));
    }
    const Buffer src(rows.src), ddst(rows.ddst), coefficients(rows.coefficients);
    for_each_implementation<NormGradientSums>(problem, [&](const Implementation<NormGradientSums>& f) {
      Buffer sums(2 * channels, -777);
      f.run(problem, {row_count, src.data(), ddst.data(), coefficients.data(), sums.data(), nullptr});
      EXPECT_TRUE(all_near(sums, expected, magnitude)) << row_count << " x " << channels;
    });
  });
}

TEST(Norm, InputGradient) {
  for_shapes([](std::int64_t row_count, std::int64_t channels, Activation activation) {
    const Rows rows(row_count, channels);
    const NormForward::Problem problem = {channels, activation};
    const Buffer src(rows.src), ddst(rows.ddst), coefficients(rows.coefficients), lines(rows.lines);
    for (const bool frozen : {false, true}) {
      std::vector<double> expected(rows.src.size()), magnitude(rows.src.size());
      NormInputGradient::reference<double>(problem, {row_count, rows.src.data(), rows.ddst.data(), rows.coefficients.data(),
                                                     frozen ? nullptr : rows.lines.data(), expected.data(), nullptr});
      for (std::size_t i = 0; i < magnitude.size(); ++i) {
        magnitude[i] = std::abs(rows.ddst[i] * rows.scale(i));
        if (!frozen)
          magnitude[i] += std::abs(rows.deviation(i) * rows.lines[rows.channel(i)]) +
                          std::abs(rows.lines[static_cast<std::size_t>(channels) + rows.channel(i)]);
      }
      for_each_implementation<NormInputGradient>(problem, [&](const Implementation<NormInputGradient>& f) {
        Buffer dsrc(row_count * channels, -777);
        f.run(problem, {row_count, src.data(), ddst.data(), coefficients.data(), frozen ? nullptr : lines.data(), dsrc.data(), nullptr});
        EXPECT_TRUE(all_near(dsrc, expected, magnitude, 2)) << row_count << " x " << channels << (frozen ? " frozen" : "");
      });
    }
  });
}

// A row's bits do not depend on where it stands, be it in a wide row or in the rest.
TEST(Norm, RowsAreIndependent) {
  for (const std::int64_t channels : {1, 3, 8, 20, 33, 100}) {
    constexpr std::int64_t row_count = 140;
    const Rows rows(row_count, channels);
    const NormForward::Problem problem = {channels, Activation::relu};
    const Buffer src(rows.src), ddst(rows.ddst), coefficients(rows.coefficients), lines(rows.lines);
    for (const std::int64_t part : {1, 3, 64, 65}) {
      for_each_implementation<NormForward>(problem, [&](const Implementation<NormForward>& f) {
        Buffer all(row_count * channels), some(row_count * channels);
        f.run(problem, {row_count, src.data(), coefficients.data(), all.data(), nullptr});
        for (std::int64_t r = 0; r < row_count; r += part)
          f.run(problem,
                {std::min(part, row_count - r), src.data() + r * channels, coefficients.data(), some.data() + r * channels, nullptr});
        EXPECT_EQ(bits_that_differ(all, some), 0) << channels << " channels in parts of " << part;
      });
      for_each_implementation<NormInputGradient>(problem, [&](const Implementation<NormInputGradient>& f) {
        Buffer all(row_count * channels), some(row_count * channels);
        f.run(problem, {row_count, src.data(), ddst.data(), coefficients.data(), lines.data(), all.data(), nullptr});
        for (std::int64_t r = 0; r < row_count; r += part)
          f.run(problem, {std::min(part, row_count - r), src.data() + r * channels, ddst.data() + r * channels, coefficients.data(),
                          lines.data(), some.data() + r * channels, nullptr});
        EXPECT_EQ(bits_that_differ(all, some), 0) << channels << " channels in parts of " << part;
      });
    }
  }
}

// What relu stopped is 0 whatever arrives from above, and forward and backward agree on what it stopped, bit for bit.
TEST(Norm, ReluStopsTheSameForwardAndBackward) {
  constexpr std::int64_t row_count = 500, channels = 7;
  const Rows rows(row_count, channels);
  const NormForward::Problem problem = {channels, Activation::relu};
  Buffer src(row_count * channels);
  const Buffer coefficients(rows.coefficients);
  // So that many results lie within rounding of 0: src near mean - shift / scale.
  for (std::int64_t i = 0; i < src.size(); ++i) {
    const std::int64_t c = i % channels;
    const float root = coefficients[c] - coefficients[2 * channels + c] / coefficients[channels + c];
    src[i] = root + static_cast<float>(static_cast<std::int32_t>(i / channels) % 9 - 4) * 0x1p-24f * root;
  }
  for (const core::Isa isa : core::available_isas()) {
    const IsaGuard guard;
    core::set_isa(isa);
    Buffer dst(src.size()), ddst(src.size()), dsrc(src.size());
    choose<NormForward>(problem).run(problem, {row_count, src.data(), coefficients.data(), dst.data(), nullptr});
    for (std::int64_t i = 0; i < src.size(); ++i) ddst[i] = dst[i] > 0 ? 1.0f : std::numeric_limits<float>::quiet_NaN();
    choose<NormInputGradient>(problem).run(problem,
                                           {row_count, src.data(), ddst.data(), coefficients.data(), nullptr, dsrc.data(), nullptr});
    std::int64_t alive = 0;
    for (std::int64_t i = 0; i < src.size(); ++i) {
      ASSERT_FALSE(std::isnan(dsrc[i])) << core::name_of(isa) << ", element " << i;
      alive += dst[i] > 0;
      EXPECT_EQ(dsrc[i], dst[i] > 0 ? coefficients[channels + i % channels] : 0.0f) << core::name_of(isa) << ", element " << i;
    }
    EXPECT_GT(alive, 100);
    EXPECT_LT(alive, src.size() - 100);
  }
}

}  // namespace
}  // namespace linn::kernels
