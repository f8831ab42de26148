#include "model/zoo.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "linn/certificate.h"
#include "linn/error.h"

namespace linn::detail::model {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Zoo, HasTheNetworks) {
  const std::vector<std::pair<std::string, std::int64_t>> want = {
      {"no-pooling", 2'370'282}, {"notebook", 113'386}, {"average-pooling", 113'386}, {"global-max", 9'898}, {"invariant", 75'370}};
  for (const auto& [name, parameters] : want) EXPECT_EQ(make(name, {28, 28, 1}, 10).count_trainable_params(), parameters) << name;
  EXPECT_EQ(demo_networks().size(), want.size());
  EXPECT_THROW(make("notebok", {28, 28, 1}, 10), ValueError);
  EXPECT_THROW(make("notebook", {28, 28, 1}, 1), ValueError);
  EXPECT_THROW(make("notebook", {5, 5, 1}, 10), ShapeError);
}

TEST(Zoo, InvariantIsSmallAndWhatItSays) {
  const Sequential model = make("invariant", {28, 28, 1}, 10);
  EXPECT_EQ(model.count_params(), 75'370 + 2 * (32 + 64 + 96)) << "and the moving statistics";
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
}  // namespace linn::detail::model
