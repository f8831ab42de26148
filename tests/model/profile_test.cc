// Sequential::profile, and what `accuracy` admits.
#include "linn/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/cpu.h"
#include "linn/error.h"
#include "linn/linn.h"
#include "support/same_bits.h"

namespace linn {
namespace {

using testing::HasSubstr;
using tests::same_bits;

Sequential digits() {
  Sequential model(ModelOptions{.seed = 3});
  model.add(Conv2D(8, 3, {.activation = "relu", .input_shape = {12, 12, 1}}));
  model.add(MaxPooling2D(2));
  model.add(Conv2D(16, 3, {.padding = "same", .activation = "relu"}));
  model.add(MaxPooling2D(2));
  model.add(Flatten());
  model.add(Dense(200, {.activation = "relu"}));
  model.add(Dense(4, {.activation = "softmax"}));
  model.compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  return model;
}

std::vector<std::string> implementations(const Profile& profile) {
  std::vector<std::string> names;
  for (const OpProfile& op : profile.ops) names.push_back(op.implementation);
  return names;
}

const OpProfile& row(const Profile& profile, const std::string& op, const std::string& layer) {
  const auto found =
      std::find_if(profile.ops.begin(), profile.ops.end(), [&](const OpProfile& row) { return row.op == op && row.layer == layer; });
  if (found == profile.ops.end()) throw std::runtime_error("no row " + op + " of " + layer);
  return *found;
}

TEST(ModelProfile, InferenceOnRandomNumbers) {
  const Sequential model = digits();
  const Profile profile = model.profile({.batch_size = 20, .steps = 3});
  EXPECT_FALSE(profile.training);
  EXPECT_EQ(profile.batch_size, 20);
  EXPECT_EQ(profile.steps, 3);
  EXPECT_EQ(profile.threads, threads());
  EXPECT_EQ(profile.isa, detail::core::name_of(detail::core::isa()));
  EXPECT_EQ(profile.precision, "float32");
  EXPECT_GT(profile.peak_flops, 1e8);
  EXPECT_GT(profile.memory_bandwidth, 1e8);
  EXPECT_GT(profile.cache_bandwidth, 1e8);
  double sum = 0;
  for (const OpProfile& op : profile.ops) {
    EXPECT_GT(op.seconds, 0) << op.op;
    EXPECT_GT(op.bytes, 0) << op.op;
    EXPECT_GE(op.bytes, op.memory_bytes) << op.op;
    sum += op.seconds;
  }
  EXPECT_LE(sum, profile.seconds * profile.threads * 1.001);
  EXPECT_NEAR(sum + profile.seconds_between_ops(), profile.seconds * profile.threads, 1e-9);
  // 60 images: 10x10 of a 3x3 convolution to 8 channels, all seen by the windows.
  EXPECT_EQ(row(profile, "conv2d_pool", "conv2d + max_pooling2d").flops, 60 * 2.0 * 100 * 8 * 9);
  EXPECT_EQ(row(profile, "dense", "dense").flops, 60 * 2.0 * (2 * 2 * 16) * 200);
  EXPECT_EQ(row(profile, "gather", "input").bytes, 60 * 2 * 4.0 * 144);
}

TEST(ModelProfile, TrainingLeavesTheModelAsItWas) {
  Sequential model = digits(), other = digits();
  const auto before = model.get_weights();
  const Profile profile = model.profile({.training = true, .batch_size = 16, .steps = 2});
  EXPECT_TRUE(profile.training);
  const auto after = model.get_weights();
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(same_bits(before[i], after[i]));
  EXPECT_EQ(row(profile, "dense_kernel_gradient", "dense").flops, 32 * 2.0 * 64 * 200) << "of all pieces together";
  EXPECT_EQ(row(profile, "adam_update", "dense/kernel").bytes, 2 * 7 * 4.0 * 64 * 200);
  EXPECT_EQ(row(profile, "gather_labels", "dense_1").bytes, 32 * 2 * 8.0);

  Tensor x({16, 12, 12}, DType::u8), y({16}, DType::u8);
  for (std::size_t i = 0; i < 16 * 144; ++i) x.values<std::uint8_t>()[i] = static_cast<std::uint8_t>(i * 37);
  const Logs profiled = model.train_on_batch(x, y), fresh = other.train_on_batch(x, y);
  EXPECT_EQ(profiled, fresh) << "neither weights nor the optimizer's state nor the number of steps";
}

TEST(ModelProfile, DataAreTakenInWholeBatches) {
  const Sequential model = digits();
  const Tensor x({10, 12, 12}, DType::u8), y({10}, DType::u8);
  const Profile profile = model.profile({.training = true, .batch_size = 4, .steps = 5, .x = x, .y = y});
  EXPECT_EQ(profile.batch_size, 4);
  EXPECT_EQ(row(profile, "gather", "input").bytes, 20.0 * (144 + 4 * 144)) << "bytes in, floats out";
  EXPECT_EQ(model.profile({.batch_size = 64, .steps = 1, .x = x}).batch_size, 10) << "no more than there are";
}

// A source that takes 20 ms for a batch: the wait is measured, and no op's.
TEST(ModelProfile, WaitingForADataSet) {
  const Sequential model = digits();
  const Dataset slow = Dataset::from_tensors(Tensor({10, 12, 12}, DType::u8), Tensor({10}, DType::u8)).batch(4).map([](Batch batch) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return batch;
  });
  const Profile profile = model.profile(slow, {.training = true, .batch_size = 64, .steps = 5});
  EXPECT_EQ(profile.batch_size, 4) << "of the data set; the last two images of a pass are left out";
  EXPECT_EQ(row(profile, "gather", "input").bytes, 20.0 * (144 + 4 * 144));
  EXPECT_GE(profile.seconds_waiting, 5 * 0.02);
  EXPECT_LE(profile.seconds_waiting, profile.seconds);
  double sum = 0;
  for (const OpProfile& op : profile.ops) sum += op.seconds;
  EXPECT_NEAR(sum + profile.seconds_between_ops(), (profile.seconds - profile.seconds_waiting) * profile.threads, 1e-9);
  EXPECT_EQ(model.profile(slow, {.steps = 1}).batch_size, 4) << "inference";
  EXPECT_EQ(model.profile({.batch_size = 8, .steps = 1}).seconds_waiting, 0);
  EXPECT_THROW(model.profile(slow, {.x = Tensor({4, 12, 12})}), ValueError);
  EXPECT_THROW(model.profile(slow.skip(-1), {.steps = 1}), DataError);
  EXPECT_THROW(model.profile(Dataset(), {.steps = 1}), StateError);
}

TEST(ModelProfile, MeasuresForAboutASecondUnlessTold) {
  const Profile profile = digits().profile({.batch_size = 8});
  EXPECT_GE(profile.steps, 3);
  EXPECT_GT(profile.seconds, 0.1);
}

TEST(ModelProfile, RefusesWhatMakesNoSense) {
  Sequential model = digits();
  const Tensor x({10, 12, 12}, DType::u8);
  EXPECT_THROW(model.profile({.batch_size = 0}), ValueError);
  EXPECT_THROW(model.profile({.steps = -1}), ValueError);
  EXPECT_THROW(model.profile({.x = Tensor({10, 9, 9})}), ShapeError);
  EXPECT_THROW(model.profile({.training = true, .x = x}), DataError);
  Tensor labels({10}, DType::u8);
  labels.values<std::uint8_t>()[7] = 4;
  EXPECT_THROW(model.profile({.training = true, .x = x, .y = labels}), DataError);
  EXPECT_THROW(Sequential().profile(), StateError);
  Sequential plain({Dense(2, {.input_shape = {3}})});
  EXPECT_THROW(plain.profile({.training = true}), StateError);
  plain.compile({.optimizer = "sgd"});
  EXPECT_THROW(plain.profile({.training = true}), StateError) << "no loss";
  plain.compile({.optimizer = "sgd", .loss = "mean_squared_error"});
  EXPECT_EQ(plain.profile({.training = true, .steps = 1}).steps, 1) << "random targets";
}

TEST(AccuracyPolicy, NamesAreChecked) {
  EXPECT_EQ(Accuracy(std::string("exact")), Accuracy("exact"));
  try {
    Accuracy{std::string("exat")};
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("did you mean \"exact\"?"));
  }
}

TEST(AccuracyPolicy, ExactRunsNoWinograd) {
  if (detail::core::isa() == detail::core::Isa::scalar) GTEST_SKIP() << "references are exact";
  const Sequential model = digits();
  const auto winograd = testing::Contains(HasSubstr("winograd"));
  EXPECT_THAT(implementations(model.profile({.training = true, .batch_size = 9, .steps = 1})), winograd);
  EXPECT_THAT(implementations(model.profile({.training = true, .batch_size = 9, .steps = 1, .accuracy = "exact"})), testing::Not(winograd));
}

// One model, both ways in turn: each call takes the plan that it asks for.
TEST(AccuracyPolicy, ReachesEveryCall) {
  if (detail::core::isa() == detail::core::Isa::scalar) GTEST_SKIP() << "references are exact";
  Sequential model = digits();
  Tensor x({40, 12, 12});
  Tensor y({40}, DType::u8);
  for (std::size_t i = 0; i < 40 * 144; ++i) x.values<float>()[i] = static_cast<float>(i * 7919 % 1000) / 1000;
  for (std::size_t i = 0; i < 40; ++i) y.values<std::uint8_t>()[i] = static_cast<std::uint8_t>(i % 4);
  const Tensor fast = model.predict(x), exact = model.predict(x, {.accuracy = "exact"});
  EXPECT_FALSE(same_bits(fast, exact)) << "Winograd rounds otherwise";
  EXPECT_TRUE(same_bits(model.predict(x), fast));
  EXPECT_TRUE(same_bits(model.predict(x, {.accuracy = "exact"}), exact));
  for (std::size_t i = 0; i < 160; ++i) EXPECT_NEAR(fast.values<float>()[i], exact.values<float>()[i], 1e-5);

  EXPECT_NE(model.evaluate(x, y, {.verbose = Verbose::silent}).at("loss"),
            model.evaluate(x, y, {.verbose = Verbose::silent, .accuracy = "exact"}).at("loss"));
  EXPECT_NE(model.test_on_batch(x, y).at("loss"), model.test_on_batch(x, y, {.accuracy = "exact"}).at("loss"));
  EXPECT_FALSE(same_bits(model.gradients(x, y)[0].second, model.gradients(x, y, {.accuracy = "exact"})[0].second));
  Sequential a = digits(), b = digits(), c = digits();
  for (Sequential* each : {&a, &b}) each->fit(x, y, {.verbose = Verbose::silent, .accuracy = "exact"});
  c.fit(x, y, {.verbose = Verbose::silent});
  // Two steps move some weights by the same bits either way, but not all of them.
  bool same = true;
  for (std::size_t i = 0; i < a.get_weights().size(); ++i) {
    EXPECT_TRUE(same_bits(a.get_weights()[i], b.get_weights()[i])) << i;
    same = same && same_bits(a.get_weights()[i], c.get_weights()[i]);
  }
  EXPECT_FALSE(same);
}

// What predict runs, in order, and how far its kernels' bits depend on where in a map they lie.
TEST(Operations, AreThoseOfPredict) {
  const detail::core::Isa before = detail::core::isa();
  detail::core::set_isa(detail::core::available_isas().front());
  const bool vectors = detail::core::isa() != detail::core::Isa::scalar;
  const Model model = digits().with_first_layer(Rescaling(0.5));
  const std::vector<Operation> fast = model.operations(DType::u8, {.batch_size = 8});
  const std::vector<Operation> exact = model.operations(DType::u8, {.batch_size = 8, .accuracy = "exact"});
  const Profile ran = model.profile({.batch_size = 8, .steps = 1});
  detail::core::set_isa(before);

  std::vector<std::string> ops, layers, implementations_of_images;
  for (const Operation& operation : fast) {
    ops.push_back(operation.op);
    layers.push_back(operation.layer);
    implementations_of_images.push_back(operation.implementation);
  }
  EXPECT_THAT(ops, testing::ElementsAre("gather", "rescale", "conv2d_pool", "conv2d_pool", "dense", "dense", "softmax"));
  EXPECT_THAT(layers, testing::ElementsAre("input", "rescaling", "conv2d + max_pooling2d", "conv2d_1 + max_pooling2d_1", "dense", "dense_1", "dense_1"));
  EXPECT_THAT(implementations(ran), testing::IsSupersetOf(implementations_of_images));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(fast[i].period, 1) << fast[i].layer;
    EXPECT_EQ(exact[i].period, 1) << exact[i].layer;
  }
  EXPECT_EQ(fast[6].period, 0) << "no map";
  if (vectors) {
    EXPECT_EQ(fast[2].implementation, "conv_pool_forward.winograd_plane");
    EXPECT_NE(exact[2].implementation, "conv_pool_forward.winograd_plane");
  }
  EXPECT_EQ(fast[5].flops, 2 * 200 * 4);
  EXPECT_THROW(model.operations(DType::u8, {.batch_size = 0}), ValueError);
  EXPECT_THROW(Sequential().operations(DType::u8), StateError);
}

}  // namespace
}  // namespace linn
