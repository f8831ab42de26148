#include "kernels/norm/norm.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/norm/join.h"
#include "kernels/norm_check.h"

namespace linn::detail::kernels {
namespace {

using namespace testing;

// ---- moments -----------------------------------------------------------------------------------------------------

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
      for (std::int64_t pixel = 0; pixel < pixels; ++pixel) std::fill_n(src.begin() + pixel * channels, channels, static_cast<double>(pixel) * 37);
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

TEST(Norm, Forward) { for_shapes(check_norm_forward); }

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

TEST(Norm, GradientSums) { for_shapes(check_norm_gradient_sums); }

// More columns and rows than are summed at a time.
TEST(Norm, GradientSumsOfManyColumns) {
  for (const Activation activation : {Activation::linear, Activation::relu}) check_norm_gradient_sums(300, 1100, activation);
}

TEST(Norm, InputGradient) { for_shapes(check_norm_input_gradient); }

// A row's bits do not depend on where it stands, be it in a wide row or in the rest.
TEST(Norm, RowsAreIndependent) {
  for (const std::int64_t channels : {1, 3, 8, 20, 33, 100}) {
    constexpr std::int64_t row_count = 140;
    const NormRows rows(row_count, channels);
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
  const NormRows rows(row_count, channels);
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

// ---- rows with gaps between them -----------------------------------------------------------------------------------

// The rows of `dense`, `pitch` elements from one to the next; in between what nobody may read.
Buffer spread(const Buffer& dense, std::int64_t channels, std::int64_t pitch) {
  const std::int64_t rows = dense.size() / channels;
  Buffer result(rows * pitch, unwritten);
  for (std::int64_t r = 0; r < rows; ++r) std::copy_n(dense.data() + r * channels, channels, result.data() + r * pitch);
  return result;
}

template <class Kernel, class Run>
void check_gaps(const typename Kernel::Problem& dense, const typename Kernel::Problem& apart, double bound, const Run& run) {
  for_each_implementation<Kernel>(dense, [&](const Implementation<Kernel>& f) {
    const std::vector<double> expected = run(f, dense), got = run(f, apart);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], bound * (1 + std::abs(expected[i]))) << f.name << ", element " << i;
  });
}

// Rows of `memory` without the gaps, in which nothing was written.
std::vector<double> gathered(const Buffer& memory, std::int64_t channels, std::int64_t pitch) {
  std::vector<double> result;
  for (std::int64_t i = 0; i < memory.size(); ++i) {
    if (i % pitch < channels)
      result.push_back(memory[i]);
    else
      EXPECT_EQ(memory[i], untouched) << i;
  }
  return result;
}

TEST(Norm, RowsWithGapsBetweenThem) {
  constexpr std::int64_t images = 2, pixels = 35, row_count = images * pixels;
  for (std::int64_t channels : {1, 3, 8, 16, 31, 64, 70, 130}) {
    SCOPED_TRACE(channels);
    const NormRows rows(row_count, channels);
    const Buffer src(rows.src), ddst(rows.ddst), coefficients(rows.coefficients), lines(rows.lines);
    const NormForward::Problem dense{.channels = channels, .activation = Activation::relu};
    const NormForward::Problem apart{.channels = channels, .activation = Activation::relu, .src_row = channels + 3, .dst_row = channels + 8, .dsrc_row = channels + 1};
    check_gaps<NormForward>(dense, apart, 0, [&](const auto& f, const NormForward::Problem& p) {
      Buffer dst(row_count * p.dst_pitch(), untouched);
      f.run(p, {row_count, spread(src, channels, p.src_pitch()).data(), coefficients.data(), dst.data(), nullptr});
      return gathered(dst, channels, p.dst_pitch());
    });
    check_gaps<NormInputGradient>(dense, apart, 0, [&](const auto& f, const NormForward::Problem& p) {
      Buffer dsrc(row_count * p.dsrc_pitch(), untouched);
      f.run(p, {row_count, spread(src, channels, p.src_pitch()).data(), spread(ddst, channels, p.dst_pitch()).data(), coefficients.data(), lines.data(),
                dsrc.data(), nullptr});
      return gathered(dsrc, channels, p.dsrc_pitch());
    });
    check_gaps<NormGradientSums>(dense, apart, 1e-5, [&](const auto& f, const NormForward::Problem& p) {
      Buffer sums(2 * channels, untouched);
      f.run(p, {row_count, spread(src, channels, p.src_pitch()).data(), spread(ddst, channels, p.dst_pitch()).data(), coefficients.data(), sums.data(), nullptr});
      return gathered(sums, channels, channels);
    });
    const NormMoments::Problem together{.pixels = pixels, .channels = channels}, moved{.pixels = pixels, .channels = channels, .src_row = channels + 5};
    check_gaps<NormMoments>(together, moved, 1e-5, [&](const auto& f, const NormMoments::Problem& p) {
      std::vector<double> moments(static_cast<std::size_t>(images * 2 * channels));
      f.run(p, {images, spread(src, channels, p.src_pitch()).data(), moments.data(), nullptr});
      return moments;
    });
  }
}

}  // namespace
}  // namespace linn::detail::kernels
