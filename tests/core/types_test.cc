#include "linn/types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "linn/error.h"

namespace linn {
namespace {

TEST(DTypePolicy, NamesCheckedWhenTheProgramRuns) {
  EXPECT_EQ(DTypePolicy(std::string("float32")), DTypePolicy("float32"));
  EXPECT_EQ(DTypePolicy(std::string("mixed_bfloat16")).kind(), DTypePolicy::mixed_bfloat16);
  EXPECT_EQ(DTypePolicy("mixed_bfloat16").name(), "mixed_bfloat16");
  for (const char* wrong : {"", "bfloat16", "float16", "mixed_float16", "Float32"})
    EXPECT_THROW(DTypePolicy(std::string(wrong)), ValueError) << wrong;
  try {
    DTypePolicy(std::string("mixed_bfloat61"));
    ADD_FAILURE() << "taken";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("\"mixed_bfloat61\" (did you mean \"mixed_bfloat16\"?)"));
  }
}

}  // namespace
}  // namespace linn
