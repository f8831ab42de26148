// Networks with branches: what fix makes of them, the guarantee to the bit, and where the lab says that it does not know.
#include <gmock/gmock.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "layers/layer_object.h"
#include "linn/certificate.h"
#include "linn/error.h"
#include "linn/fix.h"
#include "linn/layers.h"
#include "linn/shift.h"
#include "shift/geometry.h"
#include "shift/network.h"
#include "support/message_of.h"
#include "support/shifts.h"

namespace linn::shift {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using tests::message_of;

SymbolicTensor normalized(const SymbolicTensor& x) { return BatchNormalization()(x); }

// conv - norm - relu - conv - norm beside a 1x1 convolution, then add and relu, as in ResNet; plain where nothing changes size.
SymbolicTensor block(const SymbolicTensor& x, std::int64_t filters, std::int64_t stride) {
  const Conv2DOptions plain{.padding = "same", .use_bias = false};
  SymbolicTensor y = Activation("relu")(normalized(Conv2D(filters, 3, {.strides = stride, .padding = "same", .use_bias = false})(x)));
  y = normalized(Conv2D(filters, 3, plain)(y));
  const bool changes = stride > 1 || x.shape()[2] != filters;
  const SymbolicTensor shortcut = changes ? normalized(Conv2D(filters, 1, {.strides = stride, .use_bias = false})(x)) : x;
  return Activation("relu")(Add()({y, shortcut}));
}

Model residual(std::uint64_t seed = 3) {
  const SymbolicTensor in = Input({12, 8, 2});
  SymbolicTensor x = Activation("relu")(normalized(Conv2D(4, 3, {.padding = "same", .use_bias = false})(in)));
  x = block(block(block(x, 4, 1), 6, 2), 8, 2);
  return Model(in, Dense(3, {.activation = "softmax"})(GlobalAveragePooling2D()(x)), {.seed = seed});
}

// A maximum with a stride, then a block whose main branch ends in the stride and whose shortcut is an average with a stride.
Model bottleneck() {
  const SymbolicTensor in = Input({16, 12, 1});
  SymbolicTensor x = MaxPooling2D({3, 3}, {.strides = 2, .padding = "same"})(Conv2D(4, 3, {.padding = "same", .activation = "relu"})(in));
  SymbolicTensor y = Conv2D(3, 1, {.activation = "relu"})(x);
  y = Conv2D(3, 3, {.strides = 2, .padding = "same", .activation = "relu"})(y);
  y = Conv2D(5, 1)(y);
  const SymbolicTensor shortcut = Conv2D(5, 1)(AveragePooling2D({2, 2}, {.padding = "same"})(x));
  return Model(in, Dense(3)(GlobalMaxPooling2D()(Activation("relu")(Add()({shortcut, y})))), {.seed = 4});
}

// Three branches of different depth, joined by their channels.
Model concatenated() {
  const SymbolicTensor in = Input({8, 8, 1});
  const SymbolicTensor a = MaxPooling2D({2, 2})(in);
  const SymbolicTensor b = Conv2D(3, 3, {.strides = 2, .padding = "same", .activation = "relu"})(in);
  const SymbolicTensor c = Conv2D(2, 5, {.strides = 2, .padding = "same"})(Conv2D(2, 3, {.padding = "same", .activation = "relu"})(in));
  const SymbolicTensor x = Concatenate()({a, b, c});
  return Model(in, Dense(4)(GlobalAveragePooling2D()(Conv2D(6, 3, {.padding = "same", .activation = "relu"})(x))), {.seed = 5});
}

// A trunk that is a model of its own, behind and before layers; both have a layer named "conv2d".
Model with_trunk() {
  const SymbolicTensor map = Input({8, 8, 4});
  const Model trunk(map, block(block(Conv2D(4, 3, {.padding = "same", .name = "conv2d"})(map), 6, 2), 6, 1), {.name = "trunk", .seed = 6});
  const SymbolicTensor in = Input({8, 8, 1});
  const SymbolicTensor x = trunk(Conv2D(4, 3, {.padding = "same", .activation = "relu", .name = "conv2d"})(in));
  return Model(in, Dense(3)(GlobalAveragePooling2D()(x)), {.seed = 7});
}

std::vector<Model> networks() {
  std::vector<Model> all;
  all.push_back(with_trunk());
  all.push_back(residual());
  all.push_back(bottleneck());
  all.push_back(concatenated());
  return all;
}

void train(Model& model, std::int64_t steps) {
  model.compile({.optimizer = optimizers::Adam({.learning_rate = 0.01}), .loss = losses::SparseCategoricalCrossentropy({.from_logits = !gives_probabilities(model)})});
  const Tensor x = tests::random_images(12, model.input_shape(), 21);
  Tensor y({12}, DType::i64);
  for (std::int64_t i = 0; i < 12; ++i) y.values<std::int64_t>()[static_cast<std::size_t>(i)] = i % 3;
  model.fit(x, y, {.batch_size = 12, .epochs = steps, .verbose = Verbose::silent});
}

void expect_invariant(Model& model, const std::string& name) {
  EXPECT_EQ(why_not_invariant(model), std::nullopt) << name;
  const int before = threads();
  for (const int count : {1, 2}) {
    set_threads(count);
    for (const DTypePolicy policy : {DTypePolicy("float32"), DTypePolicy("mixed_bfloat16")}) {
      model.set_dtype_policy(policy);
      EXPECT_EQ(tests::shifts_that_change(model, tests::random_images(1, model.input_shape(), 1)), 0)
          << name << ", threads " << count << ", " << policy.name();
    }
  }
  set_threads(before);
  model.set_dtype_policy("float32");
}

std::int64_t count_class(const Model& model, const std::string& class_name) {
  std::int64_t count = 0;
  for (const NetworkCall& call : network_of(model).calls) count += call.class_name == class_name ? 1 : 0;
  return count;
}

// ---- the guarantee ---------------------------------------------------------------------------------------------------

TEST(FixBranches, NoCircularShiftChangesABit) {
  for (const char* with : {"aps", "lps"}) {
    for (const Model& old : networks()) {
      EXPECT_NE(why_not_invariant(old), std::nullopt);
      FixResult fixed = fix(old, {.with = std::string(with), .anneal_steps = 5});
      const std::string name = std::string(with) + " of " + old.layer_names().at(1);
      expect_invariant(fixed.model, name + ", new");
      tests::randomize(fixed.model, 9);
      expect_invariant(fixed.model, name + ", random weights");
      train(fixed.model, 3);
      expect_invariant(fixed.model, name + ", trained");
    }
  }
}

TEST(FixBranches, TheTwoBranchesOfABlockShareTheirPhase) {
  const Model old = residual();
  const FixResult fixed = fix(old);
  EXPECT_EQ(count_class(fixed.model, "AdaptivePolyphaseSampling2D"), 2) << "one for each of two blocks with a stride";
  EXPECT_TRUE(fixed.new_weights.empty());
  EXPECT_EQ(fixed.kept_weights.size(), fixed.model.named_weights().size());
  const Network network = network_of(fixed.model);
  for (const NetworkCall& call : network.calls)
    if (call.on.kind == OnMap::polyphase) {
      ASSERT_EQ(call.inputs.size(), 2U);
      const NetworkCall& first = network.calls[call.inputs[0].call];
      EXPECT_EQ(first.on.size, Size2(3, 3)) << "the main branch chooses";
    }
  const auto shortcut = std::find_if(fixed.replacements.begin(), fixed.replacements.end(),
                                     [](const Replacement& replacement) { return replacement.after.find("the phase of") != std::string::npos; });
  ASSERT_NE(shortcut, fixed.replacements.end());
  EXPECT_THAT(shortcut->before, HasSubstr("Conv2D 1x1, stride 2x2"));
  EXPECT_THAT(shortcut->after, HasSubstr("AdaptivePolyphaseSampling2D, stride 2x2, the phase of conv2d_3"));
}

// Chosen apart, two branches drift: it shows in the bits, and the certificate says so.
TEST(FixBranches, PhasesChosenApartAreNoGuarantee) {
  const SymbolicTensor in = Input({8, 8, 1});
  const SymbolicTensor a = AdaptivePolyphaseSampling2D()(Conv2D(3, 3, {.padding = "circular"})(in));
  const SymbolicTensor b = AdaptivePolyphaseSampling2D()(Conv2D(3, 3, {.padding = "circular"})(in));
  Model apart(in, Dense(3)(GlobalAveragePooling2D()(Activation("relu")(Add()({a, b})))));
  std::int64_t changed = 0;
  for (std::uint32_t seed = 1; seed <= 5; ++seed) {
    tests::randomize(apart, seed);
    changed += tests::shifts_that_change(apart, tests::random_images(1, {8, 8, 1}, seed));
  }
  EXPECT_GT(changed, 0);
  EXPECT_THAT(why_not_invariant(apart).value_or(""), HasSubstr("[Add 'add'] joins maps whose phases were chosen apart"));
}

// Phases of the first map that are equal are told apart by the other maps: else the choice would depend on the place.
TEST(SharedPhase, TiesOfTheFirstMapAreDecidedByTheOthers) {
  for (const bool learned : {false, true}) {
    const SymbolicTensor in = Input({6, 4, 1});
    // All phases of the first map are equal: a convolution whose weights are zero.
    const SymbolicTensor blank = Conv2D(1, 1, {.kernel_initializer = "zeros"})(in), map = Conv2D(2, 3, {.padding = "circular"})(in);
    const auto sampled = learned ? LearnablePolyphaseSampling2D().call({blank, map}) : AdaptivePolyphaseSampling2D().call({blank, map});
    ASSERT_EQ(sampled.size(), 2U);
    EXPECT_EQ(sampled[1].shape(), Shape({3, 2, 2}));
    Model model(in, GlobalMaxPooling2D()(Concatenate()({sampled[0], sampled[1]})), {.seed = 2});
    EXPECT_EQ(why_not_invariant(model), std::nullopt);
    EXPECT_EQ(tests::shifts_that_change(model, tests::random_images(1, {6, 4, 1}, 7)), 0) << learned;
  }
}

TEST(SharedPhase, MapsMustHaveOneSize) {
  const SymbolicTensor a = Input({8, 8, 1}), b = Input({8, 4, 1});
  EXPECT_THAT(message_of<ShapeError>([&] { AdaptivePolyphaseSampling2D().call({a, b}); }), HasSubstr("heights and widths must be equal"));
}

TEST(FixBranches, BlursAlignByThemselves) {
  for (const Model& old : networks()) {
    FixResult fixed = fix(old, {.with = "blur"});
    EXPECT_NE(why_not_invariant(fixed.model), std::nullopt);
    EXPECT_EQ(fixed.model.predict(tests::random_images(2, fixed.model.input_shape(), 1)).shape()[0], 2);
    train(fixed.model, 1);
  }
  const FixResult fixed = fix(residual(), {.with = "blur"});
  EXPECT_EQ(count_class(fixed.model, "BlurPooling2D"), 4);
}

// ---- what is refused -------------------------------------------------------------------------------------------------

TEST(FixBranches, RefusesStridesThatCannotBeShared) {
  const SymbolicTensor in = Input({8, 8, 1});
  const SymbolicTensor once = Conv2D(2, 3, {.strides = 4, .padding = "same"})(in);
  const SymbolicTensor twice = Conv2D(2, 3, {.strides = 2, .padding = "same"})(Conv2D(2, 3, {.strides = 2, .padding = "same"})(in));
  const Model model(in, Dense(2)(GlobalMaxPooling2D()(Add()({once, twice}))));
  EXPECT_THAT(message_of<ValueError>([&] { fix(model); }), AllOf(HasSubstr("[Add 'add']"), HasSubstr("no phase can be shared")));
  EXPECT_EQ(fix(model, {.with = "blur"}).model.output_shape(), Shape({2}));
}

TEST(FixBranches, SizesAreCheckedOverAllBranches) {
  const SymbolicTensor in = Input({10, 8, 2});
  const Model model(in, Dense(3)(GlobalAveragePooling2D()(block(block(in, 4, 2), 4, 2))));
  EXPECT_THAT(message_of<ShapeError>([&] { fix(model); }), AllOf(HasSubstr("strides of 4x4"), HasSubstr("a canvas of 12x8")));
}

TEST(Branches, OfSeveralInputsTheLabSaysSo) {
  const SymbolicTensor a = Input({8, 8, 1}), b = Input({8, 8, 1});
  const Model model({a, b}, Dense(2)(GlobalMaxPooling2D()(Add()({a, b}))));
  EXPECT_THAT(message_of<ShapeError>([&] { sweep(model, Tensor({1, 8, 8, 1}), {}); }), HasSubstr("2 inputs"));
}

// ---- the lab ---------------------------------------------------------------------------------------------------------

TEST(Branches, StridesMeetWhereTheyAreEqual) {
  const Network network = network_of(residual());
  const std::vector<MapGeometry> geometry = geometry_of(network);
  for (std::size_t i = 0; i < network.calls.size(); ++i) {
    if (network.calls[i].output().rank() != 3) continue;
    ASSERT_TRUE(geometry[i].map) << network.calls[i].name;
    EXPECT_EQ(geometry[i].y.stride, 12 / network.calls[i].output()[0]) << network.calls[i].name;
    EXPECT_EQ(geometry[i].x.size, network.calls[i].output()[1]);
  }
}

TEST(Branches, OfDifferentStridesAreNotKnown) {
  const SymbolicTensor in = Input({8, 8, 1});
  const SymbolicTensor a = MaxPooling2D({2, 2})(in), b = Conv2D(1, 5)(in);
  const Model model(in, Dense(2)(GlobalMaxPooling2D()(Add()({a, b}))));
  const std::vector<MapGeometry> geometry = geometry_of(network_of(model));
  EXPECT_FALSE(geometry[2].map);
  EXPECT_THAT(geometry[2].unknown, HasSubstr("add joins maps of strides"));
}

// A sweep by phases gives the bits of one shift by shift, also where the trunk has branches.
TEST(Branches, PhasesOfATrunkWithBranches) {
  const SymbolicTensor in = Input({18, 18, 1});
  const SymbolicTensor a = Conv2D(12, 3, {.activation = "relu"})(in), b = Conv2D(12, 3, {.activation = "tanh"})(in);
  const SymbolicTensor x = MaxPooling2D({2, 2})(Conv2D(12, 3, {.activation = "relu"})(MaxPooling2D({2, 2})(Add()({a, b}))));
  const Model model(in, Dense(3)(Flatten()(x)), {.seed = 1});
  const Tensor images = tests::random_images(5, {18, 18, 1}, 3);
  const Predictions want = sweep(model, images, {}, {.radius = 4, .phases = false}).predictions();
  const Predictions found = sweep(model, images, {}, {.radius = 4}).predictions();
  EXPECT_EQ(found.method, "phases") << found.method_reason;
  EXPECT_EQ(found.predicted, want.predicted);
  EXPECT_EQ(std::memcmp(found.change.data(), want.change.data(), want.change.size() * sizeof(float)), 0);
}

TEST(Branches, WithoutACutAreSweptShiftByShift) {
  const SymbolicTensor in = Input({8, 8, 1});
  const SymbolicTensor a = Flatten()(Conv2D(2, 3)(in)), b = Flatten()(MaxPooling2D({2, 2})(in));
  const Model model(in, Dense(2)(Concatenate()({a, b})));
  const Predictions found = sweep(model, tests::random_images(2, {8, 8, 1}, 3), {}, {.radius = 1}).predictions();
  EXPECT_EQ(found.method, "shift by shift");
  EXPECT_EQ(found.method_reason, "several branches cross every cut of the network");
}

TEST(Branches, ErrorSourcesOfAResidualNetwork) {
  const Model model = residual();
  const Tensor images = tests::random_images(3, {12, 8, 2}, 3);
  const Sweep found = sweep(model, images, {}, {.radius = 2});
  const ErrorSources sources = find_error_sources(model, images, found, {.radius = 2});
  EXPECT_EQ(sources.stride, Size2(4, 4));
  ASSERT_TRUE(sources.trunk.has_value());
  for (const LayerError& layer : sources.layers) {
    if (layer.stride.height != 2) continue;
    EXPECT_GT(layer.misaligned, 1e-3) << layer.name;
  }
  EXPECT_THAT(sources.text[0], HasSubstr("conv2d_3 by 2"));
}

// ---- models inside models ----------------------------------------------------------------------------------------------

TEST(ModelsInside, AreSeenLayerByLayer) {
  const Model model = with_trunk();
  const FlatModel flat(model);
  std::vector<std::string> names;
  for (const NetworkCall& call : network_of(*flat).calls) names.push_back(call.name);
  EXPECT_THAT(names, testing::IsSupersetOf({"conv2d", "trunk_conv2d", "global_average_pooling2d"}));
  EXPECT_THAT(names, testing::Not(testing::Contains("trunk")));
  const Tensor images = tests::random_images(3, model.input_shape(), 5);
  const Tensor expected = model.predict(images), got = (*flat).predict(images);
  EXPECT_EQ(std::memcmp(expected.raw(), got.raw(), expected.bytes()), 0) << "the same variables, the same kernels";

  const Sweep measured = sweep(model, images, {}, {.radius = 2});
  const ErrorSources sources = find_error_sources(model, images, measured, {.images = 3});
  EXPECT_TRUE(std::any_of(sources.layers.begin(), sources.layers.end(), [](const LayerError& layer) { return layer.name == "trunk_conv2d"; }));
  EXPECT_THAT(why_not_invariant(model).value(), HasSubstr("conv2d")) << "the first border, and not the model as a whole";
}

TEST(ModelsInside, StayAsTheyAre) {
  const Model model = with_trunk();
  const std::string before = model.to_json();
  fix(model, {.with = "aps"});
  sweep(model, tests::random_images(2, model.input_shape(), 5), {}, {.radius = 1});
  EXPECT_EQ(model.to_json(), before);
  for (const Layer& layer : model.layers()) EXPECT_EQ(layer.object()->calls.size(), 1U) << layer.name();
}

TEST(ModelsInside, CalledTwiceShareTheirWeights) {
  const SymbolicTensor map = Input({6, 6, 2});
  const Model twice(map, Conv2D(2, 3, {.padding = "same", .activation = "relu"})(map), {.name = "twice", .seed = 6});
  const SymbolicTensor in = Input({6, 6, 2});
  const Model model(in, GlobalMaxPooling2D()(twice(twice(in))));
  const FlatModel flat(model);
  EXPECT_EQ((*flat).count_params(), model.count_params());
  EXPECT_EQ(network_of(*flat).calls.size(), 3U);
  const Tensor images = tests::random_images(2, model.input_shape(), 5);
  const Tensor expected = model.predict(images), got = (*flat).predict(images);
  EXPECT_EQ(std::memcmp(expected.raw(), got.raw(), expected.bytes()), 0);
}

}  // namespace
}  // namespace linn::shift
