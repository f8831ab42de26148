#include "core/did_you_mean.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace linn::detail::core {
namespace {

constexpr std::array<std::string_view, 6> known = {"relu", "elu", "softmax", "sigmoid", "x_train", "linear"};

std::string suggest(std::string_view name) { return did_you_mean(name, known); }

TEST(DidYouMean, FindsEachKindOfSlip) {
  EXPECT_EQ(suggest("relo"), " (did you mean \"relu\"?)");       // changed
  EXPECT_EQ(suggest("rellu"), " (did you mean \"relu\"?)");      // inserted
  EXPECT_EQ(suggest("sofmax"), " (did you mean \"softmax\"?)");  // dropped
  EXPECT_EQ(suggest("rleu"), " (did you mean \"relu\"?)");       // two neighbours swapped: one step, not two
  EXPECT_EQ(suggest("ReLU"), " (did you mean \"relu\"?)");       // case
  EXPECT_EQ(suggest("x_tarin"), " (did you mean \"x_train\"?)");
}

TEST(DidYouMean, SaysNothingWhenNothingIsNear) {
  EXPECT_EQ(suggest("convolution"), "");
  EXPECT_EQ(suggest(""), "");
  EXPECT_EQ(suggest(std::string(5000, 'r')), "");
  EXPECT_EQ(did_you_mean("relu", std::span<const std::string_view>()), "");
  constexpr std::array<std::string_view, 2> letters = {"a", ""};
  EXPECT_EQ(did_you_mean("b", letters), "");  // every letter differs
}

TEST(DidYouMean, NearestWinsAndTheFirstOfEquals) {
  EXPECT_EQ(suggest("elu"), " (did you mean \"elu\"?)");
  const std::vector<std::string> names = {"conv_a", "conv_b"};
  EXPECT_EQ(did_you_mean("conv_c", std::span<const std::string>(names)), " (did you mean \"conv_a\"?)");
}

TEST(DidYouMean, APartOfNamesGivesTheShortestThatHoldIt) {
  constexpr std::array<std::string_view, 6> losses = {"CategoricalFocalCrossentropy", "SparseCategoricalCrossentropy", "BinaryCrossentropy", "binary_crossentropy", "CategoricalCrossentropy", "Dice"};
  const auto meant = [&](std::string_view name) { return did_you_mean(name, losses); };
  EXPECT_EQ(meant("crossentropy"), " (did you mean \"BinaryCrossentropy\", \"CategoricalCrossentropy\" or \"CategoricalFocalCrossentropy\"?)");
  EXPECT_EQ(meant("cross_entropy"), meant("crossentropy"));
  EXPECT_EQ(meant("sparse"), " (did you mean \"SparseCategoricalCrossentropy\"?)");
  EXPECT_EQ(meant("BinaryCrossentrop"), " (did you mean \"BinaryCrossentropy\"?)");  // a slip is nearer than a part
  EXPECT_EQ(meant("cro"), "");                                                        // any three letters are part of something
  EXPECT_EQ(meant("entropies"), "");
}

}  // namespace
}  // namespace linn::detail::core
