#include "model/zoo.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>

#include "linn/certificate.h"
#include "linn/error.h"

namespace linn::model {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Zoo, InvariantIsSmallAndWhatItSays) {
  const Sequential model = make("invariant", {28, 28, 1}, 10);
  EXPECT_EQ(model.count_trainable_params(), 75'370);
  EXPECT_EQ(model.output_shapes()[model.output_shapes().size() - 5], Shape({7, 7, 96})) << "before the global pooling";
  EXPECT_EQ(shift::why_not_invariant(model), std::nullopt);
  EXPECT_EQ(make("invariant", {44, 32, 3}, 5).output_shape(), Shape({5}));
}

TEST(Zoo, InvariantWantsMultiplesOfFour) {
  for (const Shape& image : {Shape{27, 28, 1}, Shape{28, 30, 1}}) {
    try {
      make("invariant", image, 10);
      FAIL() << image.to_string();
    } catch (const ShapeError& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr(image.to_string()), HasSubstr("multiples of 4"), HasSubstr("--canvas")));
    }
  }
}

}  // namespace
}  // namespace linn::model
