#include "core/cpu.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string>
#include <tuple>

#include "core/thread_count.h"
#include "linn/error.h"

namespace linn::detail::core {
namespace {

constexpr Isa all[] = {Isa::scalar, Isa::sse4, Isa::avx2, Isa::avx512, Isa::avx512_bf16};

TEST(Cpu, AvailableBestFirstDownToScalar) {
  const auto list = available_isas();
  ASSERT_FALSE(list.empty());
  EXPECT_EQ(list.back(), Isa::scalar);
  EXPECT_TRUE(std::is_sorted(list.begin(), list.end(), std::greater<>()));
}

TEST(Cpu, OldOnesAreToldWhatIsNeeded) {
  EXPECT_NO_THROW(check_baseline(true, true));
  for (const auto& [sse4_2, popcnt, lacks] :
       {std::tuple(false, true, "no SSE4.2;"), std::tuple(true, false, "no POPCNT;"), std::tuple(false, false, "no SSE4.2 and")}) {
    try {
      check_baseline(sse4_2, popcnt);
      ADD_FAILURE() << lacks;
    } catch (const StateError& error) {
      EXPECT_NE(std::string(error.what()).find(lacks), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("x86-64-v2"), std::string::npos);
    }
  }
}

TEST(Cpu, SetIsaCapsAndRestores) {
  const Isa before = isa();
  for (const Isa one : available_isas()) {
    set_isa(one);
    EXPECT_EQ(isa(), one);
  }
  set_isa(before);
  EXPECT_EQ(isa(), before);
  for (const Isa one : all)
    if (one > available_isas().front()) {
      EXPECT_THROW(set_isa(one), ValueError);
    }
}

// The variable is read once, so each case needs a process of its own.
void expect_isa(const char* text, Isa expected) {
  EXPECT_EXIT(
      {
        ::setenv("LINN_ISA", text, 1);
        std::_Exit(isa() == expected ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "")
      << text;
}

TEST(CpuDeathTest, LinnIsaCaps) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const Isa best = available_isas().front();
  expect_isa("", best);
  for (const Isa one : all) expect_isa(std::string(name_of(one)).c_str(), std::min(one, best));
  for (const char* bad : {"AVX2", "avx", "avx512 ", "neon"})
    EXPECT_EXIT(
        {
          ::setenv("LINN_ISA", bad, 1);
          try {
            isa();
          } catch (const ValueError& error) {
            std::_Exit(std::string(error.what()).find(bad) == std::string::npos ? 2 : 0);
          }
          std::_Exit(1);
        },
        ::testing::ExitedWithCode(0), "")
        << bad;
}

TEST(ThreadCount, LinnThreads) {
  const char* old = std::getenv("LINN_THREADS");
  const std::string saved = old == nullptr ? "" : old;
  ::setenv("LINN_THREADS", "7", 1);
  EXPECT_EQ(default_threads(), 7);
  for (const char* bad : {"0", "-1", "1025", "2x", " 2", "99999999999", "two"}) {
    ::setenv("LINN_THREADS", bad, 1);
    EXPECT_THROW(default_threads(), ValueError) << bad;
  }
  ::setenv("LINN_THREADS", "", 1);
  EXPECT_GE(default_threads(), 1);
  ::setenv("LINN_THREADS", saved.c_str(), 1);
  EXPECT_THROW(check_threads(0, "threads"), ValueError);
  EXPECT_NO_THROW(check_threads(1024, "threads"));
}

}  // namespace
}  // namespace linn::detail::core
