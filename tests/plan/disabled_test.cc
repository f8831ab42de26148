#include "plan/disabled.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "kernels/kernels.h"

namespace linn::detail::plan {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Disabled, NamesThatStandForNothing) {
  EXPECT_EQ(complaints_about_disabled(""), "");
  EXPECT_EQ(complaints_about_disabled(",,"), "");
  EXPECT_EQ(complaints_about_disabled("plan.conv2d_chain"), "");
  EXPECT_THAT(complaints_about_disabled("PoolForward.nothing"), HasSubstr("\"PoolForward.nothing\" is no implementation"));
  EXPECT_THAT(complaints_about_disabled("PoolForward.reference"), HasSubstr("is no implementation")) << "the last choice stays";
  std::string name = fmt::format("{}.{}", kernels::PoolForward::name, kernels::implementations<kernels::PoolForward>().front().name);
  EXPECT_EQ(complaints_about_disabled(name), "");
  std::swap(name[0], name[1]);
  EXPECT_THAT(complaints_about_disabled("," + name + ",x"),
              AllOf(HasSubstr("did you mean \"pool"), HasSubstr("\"x\" is no implementation")));
}

}  // namespace
}  // namespace linn::detail::plan
