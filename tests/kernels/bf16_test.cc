// Products of bfloat16: the instruction and the tiles made of it bit for bit against scalar code.
#include "kernels/gemm/bf16.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "kernels/kernel_test.h"
#include "support/bf16_emulation.h"

namespace linn::detail::kernels {
namespace {

using namespace testing;
using namespace linn::tests;

#define LINN_NEEDS_BF16() \
  if (core::available_isas().front() < core::Isa::avx512_bf16) GTEST_SKIP() << "this CPU has no vdpbf16ps"

bool same_number(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

// Bit patterns whose exponents lie in [low, high).
template <class Bits>
Bits pattern(std::mt19937& engine, std::uint32_t low, std::uint32_t high) {
  constexpr int shift = sizeof(Bits) * 8 - 9;
  const auto bits = static_cast<Bits>(engine());
  const Bits exponent = static_cast<Bits>(static_cast<Bits>(low + engine() % (high - low)) << shift);
  const Bits others = static_cast<Bits>(~(static_cast<Bits>(0xFF) << shift));
  return static_cast<Bits>((bits & others) | exponent);
}

// One instruction: a row, a pair, 16 columns, the bias as the sum that came before.
void expect_instruction(const std::uint16_t (&a)[2], const std::uint16_t (&b)[32], const float (&sum)[16]) {
  float got[16];
  contract_bf16({.columns = 16, .a = a, .b = b, .c = got, .bias = sum});
  for (int i = 0; i < 16; ++i) {
    const float want = bf16_dot(sum[i], a, b + 2 * i);
    ASSERT_TRUE(same_number(got[i], want)) << std::hexfloat << sum[i] << " + " << float_of_bf16(a[1]) << " * "
                                           << float_of_bf16(b[2 * i + 1]) << " + " << float_of_bf16(a[0]) << " * "
                                           << float_of_bf16(b[2 * i]) << " is " << got[i] << ", the emulation says " << want;
  }
}

TEST(Bf16, InstructionIsTheEmulation) {
  LINN_NEEDS_BF16();
  struct Range {
    std::uint32_t low, high, sum_low, sum_high;
  };
  // Ordinary numbers; products near the least normal; denormal operands and sums; everything, with infinities and NaN.
  for (const Range& range :
       {Range{120, 134, 112, 140}, Range{60, 68, 0, 10}, Range{0, 3, 0, 3}, Range{0, 256, 0, 256}, Range{250, 256, 250, 256}}) {
    std::mt19937 engine(range.low + range.high);
    for (int i = 0; i < 20000; ++i) {
      std::uint16_t a[2], b[32];
      float sum[16];
      for (std::uint16_t& value : a) value = pattern<std::uint16_t>(engine, range.low, range.high);
      for (std::uint16_t& value : b) value = pattern<std::uint16_t>(engine, range.low, range.high);
      for (float& value : sum) value = std::bit_cast<float>(pattern<std::uint32_t>(engine, range.sum_low, range.sum_high));
      ASSERT_NO_FATAL_FAILURE(expect_instruction(a, b, sum));
    }
  }
}

// A result that rounds up to the least normal number is denormal all the same if it would stay below with more exponents.
TEST(Bf16, InstructionCallsDenormalWhatRoundsUpToTheLeastNormal) {
  LINN_NEEDS_BF16();
  for (const float small : {0x1p-76f, 0x1p-75f, 0x1.8p-76f, 0x1.02p-76f, 0x1.fep-77f, 0x1p-77f}) {
    const std::uint16_t a[2] = {bf16_of_float(small), 0};
    std::uint16_t b[32] = {};
    float sum[16];
    for (int i = 0; i < 16; ++i) b[2 * i] = bf16_of_float(i % 2 == 0 ? -0x1p-75f : 0x1p-75f), sum[i] = i % 4 < 2 ? 0x1p-126f : -0x1p-126f;
    ASSERT_NO_FATAL_FAILURE(expect_instruction(a, b, sum));
  }
}

TEST(Bf16, RoundingIsNearestEven) {
  std::mt19937 engine(1);
  std::vector<float> values = {0.0f,     -0.0f,    1.0f,      0x1.01p0f, 0x1.03p0f, 0x1.010002p0f, 3.4e38f,
                               -3.4e38f, INFINITY, -INFINITY, NAN,       0x1p-126f, 1e-39f,        -1e-45f};
  for (int i = 0; i < 100000; ++i) values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(engine())));
  const IsaGuard guard;
  for (const core::Isa isa : core::available_isas()) {
    core::set_isa(isa);
    SCOPED_TRACE(core::name_of(isa));
    for (const std::size_t count : {values.size(), std::size_t{1}, std::size_t{7}, std::size_t{33}}) {
      std::vector<float> rounded(count + 1, -777.0f);
      round_to_bf16(values.data(), static_cast<std::int64_t>(count), rounded.data());
      for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(same_number(rounded[i], float_of_bf16(bf16_of_float(values[i])))) << values[i];
      EXPECT_EQ(rounded[count], -777.0f);
      if (isa < core::Isa::avx512_bf16) continue;
      std::vector<std::uint16_t> stored(count + 1, 0x7777);
      round_bf16(values.data(), static_cast<std::int64_t>(count), stored.data());
      for (std::size_t i = 0; i < count; ++i)
        ASSERT_TRUE(same_number(float_of_bf16(stored[i]), float_of_bf16(bf16_of_float(denormal_to_zero(values[i]))))) << values[i];
      EXPECT_EQ(stored[count], 0x7777);
    }
  }
}

struct Sizes {
  std::int64_t outer = 1, rows = 1, runs = 1, run_columns = 1, length = 1, columns = 1;
  std::int64_t gap = 1;  // between runs; without one their pairs are one long run
};

enum class Start { zero, bias, sum };

// Rows, and runs with a gap, lie apart by more than they need, and NaN stands between them: nobody may touch it.
void check_contraction(const Sizes& s, Start start, bool relu) {
  std::mt19937 engine(static_cast<std::uint32_t>(s.rows * 131 + s.length * 17 + s.columns));
  const std::int64_t run = s.length + s.gap, row = run * s.runs * s.run_columns + 3, outer = row * s.rows + 5;
  std::vector<std::uint16_t> a(static_cast<std::size_t>(outer * s.outer), 0x7FC0);
  const auto each_term = [&](auto&& visit) {
    for (std::int64_t i = 0, term = 0; i < s.runs; ++i)
      for (std::int64_t j = 0; j < s.run_columns; ++j)
        for (std::int64_t e = 0; e < s.length; ++e, ++term) visit(i * s.run_columns * run + j * run + e, term, e);
  };
  for (std::int64_t o = 0; o < s.outer; ++o)
    for (std::int64_t r = 0; r < s.rows; ++r)
      each_term([&](std::int64_t at, std::int64_t, std::int64_t) {
        a[static_cast<std::size_t>(o * outer + r * row + at)] = bf16_of_float(static_cast<float>(engine() % 2001) / 1000 - 1);
      });
  const std::int64_t runs = s.runs * s.run_columns, terms = runs * s.length;
  const Buffer b(random_values(terms * s.columns, 2)), bias(random_values(s.columns, 3));
  std::vector<std::uint16_t> packed(static_cast<std::size_t>(packed_bf16(runs, s.length, s.columns)), 0x7FC0);
  pack_bf16(b.data(), runs, s.length, s.columns, packed.data());

  const std::int64_t c_row = s.columns + 2, c_outer = c_row * s.rows + 1;
  Buffer c(c_outer * s.outer, -777);
  const Buffer before(random_values(c.size(), 4));
  const auto each_output = [&](auto&& visit) {
    for (std::int64_t o = 0; o < s.outer; ++o)
      for (std::int64_t r = 0; r < s.rows; ++r)
        for (std::int64_t j = 0; j < s.columns; ++j) visit(o, r, j, o * c_outer + r * c_row + j);
  };
  if (start == Start::sum) each_output([&](std::int64_t, std::int64_t, std::int64_t, std::int64_t at) { c[at] = before[at]; });
  const std::int64_t run_pairs = (s.length + 1) / 2 * bf16_pair;
  contract_bf16({.rows = {1, s.outer, s.rows},
                 .a_row = {0, outer, row},
                 .c_row = {0, c_outer, c_row},
                 .pairs = {s.runs, s.run_columns, (s.length + 1) / 2},
                 .a_pair = {s.run_columns * run, run, 2},
                 .b_pair = {s.run_columns * run_pairs, run_pairs, bf16_pair},
                 .odd = s.length % 2 != 0,
                 .columns = s.columns,
                 .b_vector = runs * run_pairs,
                 .a = a.data(),
                 .b = packed.data(),
                 .c = c.data(),
                 .add = start == Start::sum,
                 .bias = start == Start::bias ? bias.data() : nullptr,
                 .relu = relu});
  Buffer expected(c.size(), -777);
  each_output([&](std::int64_t o, std::int64_t r, std::int64_t j, std::int64_t at_output) {
    float sum = start == Start::sum ? before[at_output] : start == Start::bias ? bias[j] : 0.0f;
    each_term([&](std::int64_t at, std::int64_t term, std::int64_t e) {
      if (e % 2 != 0) return;
      const std::uint16_t* pair = a.data() + o * outer + r * row + at;
      const bool two = e + 1 < s.length;
      const std::uint16_t x[2] = {pair[0], two ? pair[1] : std::uint16_t{0}};
      const std::uint16_t y[2] = {bf16_of_float(b[term * s.columns + j]),
                                  two ? bf16_of_float(b[(term + 1) * s.columns + j]) : std::uint16_t{0}};
      sum = bf16_dot(sum, x, y);
    });
    expected[at_output] = relu ? std::max(sum, 0.0f) : sum;
  });
  EXPECT_EQ(bits_that_differ(c, expected), 0) << s.outer << " x " << s.rows << " rows, " << s.runs << " x " << s.run_columns << " runs of "
                                              << s.length << ", " << s.columns << " columns";
}

TEST(Bf16, ContractionEveryTail) {
  LINN_NEEDS_BF16();
  for (std::int64_t columns = 1; columns <= 100; ++columns)
    check_contraction({.rows = 1 + columns % 19, .length = 1 + columns % 7, .columns = columns},
                      columns % 2 == 0 ? Start::bias : Start::zero, columns % 3 == 0);
  for (std::int64_t rows = 1; rows <= 45; ++rows)
    check_contraction({.rows = rows, .length = 5, .columns = 20 + rows}, rows % 3 == 0 ? Start::sum : Start::bias, false);
  for (std::int64_t length = 1; length <= 20; ++length)
    for (const std::int64_t gap : {0, 1})
      check_contraction({.outer = 2, .rows = 3, .runs = 2, .run_columns = 3, .length = length, .columns = 18, .gap = gap}, Start::zero,
                        true);
}

TEST(Bf16, ContractionOfAnySize) {
  LINN_NEEDS_BF16();
  EXPECT_TRUE(rc::check([] {
    const auto size = [](std::int64_t most) { return *rc::gen::inRange<std::int64_t>(1, most); };
    check_contraction({size(4), size(20), size(4), size(4), size(12), size(70), size(3) - 1},
                      *rc::gen::element(Start::zero, Start::bias, Start::sum), *rc::gen::arbitrary<bool>());
    RC_ASSERT(!::testing::Test::HasFailure());
  }));
}

TEST(Bf16, ContractionWithoutTermsGivesTheBias) {
  LINN_NEEDS_BF16();
  float c[5];
  const float bias[5] = {1, -2, 3, -4, 5};
  contract_bf16({.pairs = {1, 1, 0}, .columns = 5, .c = c, .bias = bias});
  EXPECT_TRUE(std::equal(c, c + 5, bias));
}

}  // namespace
}  // namespace linn::detail::kernels
