// What merges refuse, and with which words.
#include <gmock/gmock.h>

#include "layers/description.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "support/message_of.h"

namespace linn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using tests::message_of;

std::vector<Shape> shapes(const Layer& layer, std::vector<Shape> inputs) { return linn::detail::description_of(layer)->infer_shapes(inputs, "[here]"); }

TEST(MergeLayers, ShapesAsNumpyBroadcasts) {
  EXPECT_EQ(shapes(Add(), {{8, 8, 16}, {1, 1, 16}}).front(), Shape({8, 8, 16}));
  EXPECT_EQ(shapes(Multiply(), {{16}, {8, 8, 16}, {8, 1, 1}}).front(), Shape({8, 8, 16}));
  EXPECT_EQ(shapes(Add(), {{Shape::none, Shape::none, 4}, {Shape::none, Shape::none, 4}}).front(), Shape({Shape::none, Shape::none, 4}));
  EXPECT_THAT(message_of<ShapeError>([] { shapes(Add(), {{8, 8, 16}, {8, 4, 16}}); }),
              AllOf(HasSubstr("[here]"), HasSubstr("(8, 8, 16), (8, 4, 16)"), HasSubstr("equal or 1")));
  EXPECT_THAT(message_of<ShapeError>([] { shapes(Subtract(), {{4}, {4}, {4}}); }), AllOf(HasSubstr("two inputs"), HasSubstr("3 came")));
  EXPECT_THROW(shapes(Maximum(), {}), ShapeError);
}

TEST(MergeLayers, ConcatenateNeedsTheOtherSizesAlike) {
  EXPECT_EQ(shapes(Concatenate(), {{8, 8, 3}, {8, 8, 5}}).front(), Shape({8, 8, 8}));
  EXPECT_EQ(shapes(Concatenate({.axis = 1}), {{2, 8, 3}, {5, 8, 3}}).front(), Shape({7, 8, 3}));
  EXPECT_EQ(shapes(Concatenate({.axis = 1}), {{Shape::none, 8, 3}, {5, 8, 3}}).front(), Shape({Shape::none, 8, 3}));
  EXPECT_THAT(message_of<ShapeError>([] { shapes(Concatenate(), {{8, 8, 3}, {8, 4, 3}}); }),
              AllOf(HasSubstr("[here]"), HasSubstr("(8, 8, 3), (8, 4, 3)"), HasSubstr("axis 3")));
  EXPECT_THROW(shapes(Concatenate(), {{8, 8, 3}, {8, 3}}), ShapeError);
  EXPECT_THAT(message_of<ValueError>([] { shapes(Concatenate({.axis = 0}), {{8}, {8}}); }), HasSubstr("batch axis"));
  EXPECT_THAT(message_of<ShapeError>([] { shapes(Concatenate({.axis = 3}), {{8}, {8}}); }), HasSubstr("axes -2 to 1"));
}

TEST(ArrangeLayers, WhatDoesNotFit) {
  EXPECT_EQ(Reshape({-1, 6}).compute_output_shape({4, 3, 2}), Shape({4, 6}));
  EXPECT_THAT(message_of<ShapeError>([] { Reshape({5, -1}).compute_output_shape({4, 3, 2}); }), AllOf(HasSubstr("(4, 3, 2)"), HasSubstr("24"), HasSubstr("(5, -1)")));
  EXPECT_THROW(Reshape({4, 5}).compute_output_shape({4, 3, 2}), ShapeError);
  EXPECT_THROW(Reshape({-1, -1}), ValueError);
  EXPECT_THROW(Reshape({0, 3}), ValueError);
  EXPECT_THROW(Reshape({std::int64_t{1} << 40, std::int64_t{1} << 40}).compute_output_shape({4}), ShapeError);
  EXPECT_EQ(Permute({3, 1, 2}).compute_output_shape({4, 3, 2}), Shape({2, 4, 3}));
  EXPECT_THROW(Permute({1, 3}), ValueError);
  EXPECT_THROW(Permute({0, 1}), ValueError);
  EXPECT_THAT(message_of<ShapeError>([] { Permute({2, 1}).compute_output_shape({4, 3, 2}); }), HasSubstr("(2, 1)"));
  EXPECT_EQ(Cropping2D({{1, 2}, {0, 1}}).compute_output_shape({6, 4, 2}), Shape({3, 3, 2}));
  EXPECT_THAT(message_of<ShapeError>([] { Cropping2D(3).compute_output_shape({6, 9, 2}); }), AllOf(HasSubstr("((3, 3), (3, 3))"), HasSubstr("(6, 9, 2)")));
  EXPECT_THROW(Cropping2D(-1), ValueError);
}

}  // namespace
}  // namespace linn
