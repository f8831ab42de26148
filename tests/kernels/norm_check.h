// Batch normalization against the references in double.
#pragma once

#include "kernels/kernel_test.h"
#include "kernels/norm/norm.h"

namespace linn::detail::kernels::testing {

inline std::vector<double> as_floats(std::vector<double> values) {
  for (double& value : values) value = static_cast<double>(static_cast<float>(value));
  return values;
}

// Around `mean`, of about `deviation`.
inline std::vector<double> around(double mean, double deviation, std::int64_t count, std::uint32_t seed) {
  std::vector<double> values = random_values(count, seed);
  for (double& value : values) value = mean + deviation * value;
  return as_floats(values);
}

// The deviations' sum of squares keeps its digits however large the mean: no term of the bound grows with the square of the mean.
inline void check_moments_of(std::int64_t images, std::int64_t pixels, std::int64_t channels, double mean, double deviation,
                      const std::vector<double>& src) {
  constexpr double eps = std::numeric_limits<float>::epsilon();
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

inline void check_moments(std::int64_t images, std::int64_t pixels, std::int64_t channels, double mean, double deviation) {
  check_moments_of(images, pixels, channels, mean, deviation, around(mean, deviation, images * pixels * channels, 1));
}

// Numbers for rows of channels. Where the normalized value is so near to 0 that rounding decides what relu lets through, nothing flows.
struct NormRows {
  NormRows(std::int64_t row_count, std::int64_t channel_count)
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

inline void check_norm_forward(std::int64_t row_count, std::int64_t channels, Activation activation) {
  const NormRows rows(row_count, channels);
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
}

inline void check_norm_gradient_sums(std::int64_t row_count, std::int64_t channels, Activation activation) {
  const NormRows rows(row_count, channels);
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
}

inline void check_norm_input_gradient(std::int64_t row_count, std::int64_t channels, Activation activation) {
  const NormRows rows(row_count, channels);
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
}

}  // namespace linn::detail::kernels::testing
