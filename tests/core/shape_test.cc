#include "linn/shape.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/checked.h"
#include "linn/error.h"

namespace linn {
namespace {

TEST(Shape, SizesAndPrinting) {
  const Shape image{Shape::none, 28, 28, 1};
  EXPECT_EQ(image.rank(), 4u);
  EXPECT_EQ(image[0], -1);
  EXPECT_EQ(image[-1], 1);
  EXPECT_EQ(image[-3], 28);
  EXPECT_EQ(image.to_string(), "(None, 28, 28, 1)");
  EXPECT_EQ(Shape{10}.to_string(), "(10,)");
  EXPECT_EQ(Shape().to_string(), "()");
  EXPECT_EQ(Shape().elements(), 1);
  EXPECT_TRUE(Shape().empty());
  EXPECT_EQ((Shape{2, 3, 4}.elements()), 24);
  EXPECT_EQ((Shape{2, 0, 4}.elements()), 0);
}

TEST(Shape, FirstAxis) {
  EXPECT_EQ((Shape{5, 3}.without_first()), Shape{3});
  EXPECT_EQ(Shape{3}.with_first(5), (Shape{5, 3}));
  EXPECT_EQ(Shape().with_first(5), Shape{5});
  EXPECT_NE((Shape{5, 3}), (Shape{5, 3, 1}));
  EXPECT_NE((Shape{5, 3}), (Shape{5, 4}));
}

TEST(Shape, Refusals) {
  EXPECT_THROW((Shape{1, 2, 3, 4, 5, 6, 7, 8, 9}), ShapeError);
  EXPECT_THROW((Shape{1, -2}), ShapeError);
  EXPECT_THROW((Shape{1, 2}[2]), ShapeError);
  EXPECT_THROW((Shape{1, 2}[-3]), ShapeError);
  EXPECT_THROW(Shape().without_first(), ShapeError);
  EXPECT_THROW((Shape{1, 2, 3, 4, 5, 6, 7, 8}.with_first(1)), ShapeError);
  EXPECT_THROW((Shape{Shape::none, 2}.elements()), ShapeError);
  EXPECT_THROW((Shape{std::int64_t{1} << 32, std::int64_t{1} << 31}.elements()), ShapeError);
  EXPECT_EQ((Shape{std::int64_t{1} << 32, (std::int64_t{1} << 31) - 1}.elements()), ((std::int64_t{1} << 31) - 1) << 32);
}

TEST(Checked, OverflowIsSeen) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(detail::core::checked_mul(1 << 20, 1 << 20), std::int64_t{1} << 40);
  EXPECT_FALSE(detail::core::checked_mul(most, 2));
  EXPECT_EQ(detail::core::checked_add(most - 1, 1), most);
  EXPECT_FALSE(detail::core::checked_add(most, 1));
  EXPECT_EQ(detail::core::ceil_div(0, 4), 0);
  EXPECT_EQ(detail::core::ceil_div(5, 4), 2);
  EXPECT_EQ(detail::core::round_up(5, 4), 8);
  EXPECT_EQ(detail::core::round_up(8, 4), 8);
}

}  // namespace
}  // namespace linn
