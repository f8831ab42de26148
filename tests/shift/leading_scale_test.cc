#include "shift/leading_scale.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "linn/layers.h"

namespace linn::shift {
namespace {

using testing::ElementsAre;
using testing::Pointwise;

Sequential behind(const std::vector<Layer>& first) {
  Sequential model(first);
  model.add(Flatten());
  model.add(Dense(2));
  return model;
}

TEST(LeadingScale, IsThatOfAllLeadingLayers) {
  const auto found = leading_scale(behind({Rescaling(0.5, {.offset = -1, .input_shape = {4, 4, 2}}), Rescaling(4, {.name = "second"})}));
  ASSERT_TRUE(found);
  EXPECT_THAT(found->scale, ElementsAre(2, 2));
  EXPECT_THAT(found->offset, ElementsAre(-4, -4));
  EXPECT_EQ(found->layer, "second");
}

TEST(LeadingScale, EachChannelHasItsOwn) {
  const auto found = leading_scale(behind({Normalization({.mean = {1, 2}, .variance = {4, 0.25}, .input_shape = {4, 4, 2}})}));
  ASSERT_TRUE(found);
  EXPECT_THAT(found->scale, Pointwise(testing::DoubleNear(1e-5), {0.5, 2.0}));
  EXPECT_THAT(found->offset, Pointwise(testing::DoubleNear(1e-5), {-0.5, -4.0}));
}

TEST(LeadingScale, FrozenNormsCountAndWhatIsTrainedDoesNot) {
  const Sequential model = behind({BatchNormalization({.epsilon = 0, .input_shape = {4, 4, 1}})});
  EXPECT_FALSE(leading_scale(model));
  std::vector<Tensor> weights = model.get_weights();
  Sequential changed = behind({BatchNormalization({.epsilon = 0, .input_shape = {4, 4, 1}})});
  weights[3].values<float>()[0] = 16;
  changed.set_weights(weights);
  changed.get_layer(std::size_t{0}).set_trainable(false);
  ASSERT_TRUE(leading_scale(changed));
  EXPECT_NEAR(leading_scale(changed)->scale[0], 0.25, 1e-6);
  Sequential mixes({Dense(2, {.input_shape = {4, 4, 2}}), Flatten(), Dense(2)});
  mixes.set_trainable(false);
  EXPECT_FALSE(leading_scale(mixes)) << "a frozen Dense mixes channels";
}

TEST(LeadingScale, ModelsInsideAreSeen) {
  const Sequential inner({Rescaling(0.25, {.input_shape = {4, 4, 1}})});
  const auto found = leading_scale(behind({Input({4, 4, 1}), inner.as_layer()}));
  ASSERT_TRUE(found);
  EXPECT_THAT(found->scale, ElementsAre(0.25));
}

TEST(LeadingScale, OpenSizesAndSeveralOutputs) {
  const SymbolicTensor in = Input({Shape::none, Shape::none, 1});
  const SymbolicTensor scaled = Rescaling(0.5)(in);
  const SymbolicTensor x = GlobalAveragePooling2D()(Conv2D(2, 3)(scaled));
  const auto found = leading_scale(Model(in, {Dense(2)(x), Dense(3)(x)}));
  ASSERT_TRUE(found);
  EXPECT_THAT(found->scale, ElementsAre(0.5));
}

TEST(LeadingScale, AnImageThatIsReadAsItIsTooHasNone) {
  const SymbolicTensor in = Input({4, 4, 1});
  const SymbolicTensor both = Concatenate()({Rescaling(0.5)(in), Conv2D(1, 3, {.padding = "same"})(in)});
  EXPECT_FALSE(leading_scale(Model(in, Dense(2)(Flatten()(both)))));
  EXPECT_FALSE(leading_scale(behind({Conv2D(2, 3, {.input_shape = {4, 4, 1}})})));
}

}  // namespace
}  // namespace linn::shift
