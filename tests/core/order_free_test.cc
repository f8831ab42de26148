#include "core/order_free.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace linn::detail::core {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
const double nan = std::numeric_limits<double>::quiet_NaN();

double sum_of(const std::vector<double>& terms) {
  return order_free_sum(static_cast<std::int64_t>(terms.size()), [&](std::int64_t i) { return terms[static_cast<std::size_t>(i)]; });
}

std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value); }

/// Floats of all magnitudes within `span` powers of two of each other, denormals among them.
std::vector<double> terms_of(std::int64_t count, int top, int span, std::uint32_t seed) {
  std::mt19937 engine(seed);
  std::vector<double> terms(static_cast<std::size_t>(count));
  for (double& term : terms) {
    const double mantissa = static_cast<double>(static_cast<std::int32_t>(engine())) * 0x1p-31;
    term =
        static_cast<double>(static_cast<float>(std::ldexp(mantissa, top - static_cast<int>(engine() % static_cast<std::uint32_t>(span)))));
  }
  return terms;
}

TEST(OrderFreeSum, KnownSums) {
  EXPECT_EQ(sum_of({}), 0);
  EXPECT_EQ(sum_of({0.5, -0.25, 3}), 3.25);
  EXPECT_EQ(bits(sum_of({-0.0, -0.0})), bits(0.0));
  EXPECT_EQ(sum_of({1, 0x1p-50, -1}), 0x1p-50);
  EXPECT_EQ(sum_of({0x1p-149, 0x1p-149}), 0x1p-148);  // the least float
  EXPECT_EQ(sum_of({0x1.fffffep127, 0x1.fffffep127}), 0x1.fffffep128);
  EXPECT_EQ(sum_of(std::vector<double>(5000, -1.5)), -7500);
}

TEST(OrderFreeSum, NotFinite) {
  EXPECT_EQ(sum_of({1, infinity, 2}), infinity);
  EXPECT_EQ(sum_of({-infinity, 1}), -infinity);
  EXPECT_EQ(bits(sum_of({infinity, 1, -infinity})), bits(nan));
  EXPECT_EQ(bits(sum_of({1, -nan, infinity})), bits(nan));
}

TEST(FixedPoint, LeavesRoomForTheSum) {
  for (int power = 0; power < 40; ++power)
    for (const std::int64_t less : {0, 1}) {
      const std::int64_t terms = (std::int64_t{1} << power) - less;
      if (terms < 1) continue;
      const FixedPoint fixed(3, terms);
      const double largest = std::nextafter(8.0, 0.0);
      // In 128 bits, where nothing can overflow.
      EXPECT_LT(static_cast<__int128>(fixed.units(largest)) * terms, __int128{1} << 63) << terms;
      EXPECT_GE(FixedPoint::bits(terms), 51 - std::max(0, power - 10)) << terms;
    }
}

RC_GTEST_PROP(OrderFreeSum, AnyOrderGivesTheSameBits, ()) {
  const auto count = *rc::gen::inRange<std::int64_t>(1, 3000);
  std::vector<double> terms = terms_of(count, *rc::gen::inRange(-140, 127), *rc::gen::inRange(1, 60), *rc::gen::arbitrary<std::uint32_t>());
  const std::uint64_t sum = bits(sum_of(terms));
  std::mt19937 engine(static_cast<std::uint32_t>(count));
  for (int i = 0; i < 4; ++i) {
    std::shuffle(terms.begin(), terms.end(), engine);
    RC_ASSERT(bits(sum_of(terms)) == sum);
  }
}

// A long double adds floats with 11 bits to spare over a double: its error is far below half a unit a term.
RC_GTEST_PROP(OrderFreeSum, WithinHalfAUnitATerm, ()) {
  const auto count = *rc::gen::inRange<std::int64_t>(1, 5000);
  const std::vector<double> terms =
      terms_of(count, *rc::gen::inRange(-140, 127), *rc::gen::inRange(1, 30), *rc::gen::arbitrary<std::uint32_t>());
  long double exact = 0, magnitudes = 0;
  double largest = 0;
  for (const double term : terms) exact += term, magnitudes += std::abs(term), largest = std::max(largest, std::abs(term));
  const double unit = std::ldexp(1.0, FixedPoint::exponent_of(largest) - FixedPoint::bits(count));
  const double sum = sum_of(terms);
  const long double bound =
      static_cast<long double>(count) * unit / 2 + std::abs(sum) * 0x1p-53L + magnitudes * static_cast<long double>(count) * 0x1p-64L;
  RC_ASSERT(std::abs(static_cast<long double>(sum) - exact) <= bound);
}

}  // namespace
}  // namespace linn::detail::core
