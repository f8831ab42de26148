#include "core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace linn::detail::core {
namespace {

using Words = std::array<std::uint32_t, 4>;

// Known answers of the authors' Random123 library: philox4x32, 10 rounds.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox(0, 0, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(~0ull, ~0ull, ~0ull), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88), (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, BitsAreTheWordsInOrder) {
  const Random random(7, 9);
  for (std::uint64_t i = 0; i < 40; ++i) EXPECT_EQ(random.bits(i), philox(7, 9, i / 4)[i % 4]);
}

TEST(Random, UniformMoments) {
  const Random random(1, 2);
  double sum = 0, squares = 0;
  constexpr int count = 200000;
  for (std::uint64_t i = 0; i < count; ++i) {
    const float u = random.uniform(i);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    ASSERT_EQ(u * 0x1p24f, std::trunc(u * 0x1p24f));
    sum += u, squares += u * u;
  }
  EXPECT_NEAR(sum / count, 0.5, 4 * std::sqrt(1.0 / 12 / count));
  EXPECT_NEAR(squares / count, 1.0 / 3, 0.004);
}

TEST(Random, Uniform53IsInside) {
  const Random random(1, 2);
  for (std::uint64_t i = 0; i < 10000; ++i) {
    ASSERT_GT(random.uniform53(i), 0);
    ASSERT_LT(random.uniform53(i), 1);
  }
}

TEST(Random, NormalMoments) {
  const Random random(3, 4);
  double sum = 0, squares = 0, fourth = 0;
  constexpr int count = 200000;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double x = random.normal(i);
    sum += x, squares += x * x, fourth += x * x * x * x;
  }
  EXPECT_NEAR(sum / count, 0, 0.01);
  EXPECT_NEAR(squares / count, 1, 0.02);
  EXPECT_NEAR(fourth / count, 3, 0.15);
}

TEST(Random, BelowIsEven) {
  const Random random(5, 6);
  std::array<int, 6> seen{};
  for (std::uint64_t i = 0; i < 60000; ++i) {
    const std::uint64_t x = random.below(6, i);
    ASSERT_LT(x, 6u);
    ++seen[x];
  }
  for (const int n : seen) EXPECT_NEAR(n, 10000, 400);
  for (std::uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(random.below(1, i), 0u);
    EXPECT_LT(random.below((1ull << 63) + 1, i), (1ull << 63) + 1);  // throws away nearly half of its tries
  }
}

TEST(Random, PermutationHoldsEachOnce) {
  for (const std::int64_t count : {0, 1, 2, 3, 10, 1000}) {
    auto order = permutation(count, 11, 12);
    std::sort(order.begin(), order.end());
    ASSERT_EQ(order.size(), static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  }
  EXPECT_EQ(permutation(50, 1, 2), permutation(50, 1, 2));
  EXPECT_NE(permutation(50, 1, 2), permutation(50, 1, 3));
  EXPECT_NE(permutation(50, 1, 2), permutation(50, 2, 2));
}

TEST(Random, PermutationsOfFourComeEqually) {
  std::vector<int> seen(256);
  constexpr int draws = 24000;
  for (std::uint64_t stream = 0; stream < draws; ++stream) {
    const auto p = permutation(4, 1, stream);
    ++seen[static_cast<std::size_t>(p[0] * 64 + p[1] * 16 + p[2] * 4 + p[3])];
  }
  EXPECT_EQ(std::count_if(seen.begin(), seen.end(), [](int n) { return n > 0; }), 24);
  for (const int n : seen)
    if (n > 0) {
      EXPECT_NEAR(n, draws / 24.0, 160);
    }
}

TEST(Random, StreamsOfPurposesDiffer) {
  std::set<std::uint64_t> streams;
  for (const char* purpose : {"shuffle", "dropout", "init", ""})
    for (std::uint64_t n = 0; n < 100; ++n) streams.insert(stream_of(purpose, n));
  EXPECT_EQ(streams.size(), 400u);
}

}  // namespace
}  // namespace linn::detail::core
