#include "core/text_cells.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace linn::detail::core {
namespace {

TEST(Thousands, AreSetApart) {
  EXPECT_EQ(thousands(0), "0");
  EXPECT_EQ(thousands(999), "999");
  EXPECT_EQ(thousands(1000), "1,000");
  EXPECT_EQ(thousands(60000), "60,000");
  EXPECT_EQ(thousands(-100), "-100");
  EXPECT_EQ(thousands(-1234567), "-1,234,567");
  EXPECT_EQ(thousands(INT64_MIN), "-9,223,372,036,854,775,808");
}

}  // namespace
}  // namespace linn::detail::core
