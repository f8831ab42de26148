// Models in files of every kind: what comes back, what a damaged or hostile file does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <random>

#include "core/memory.h"
#include "io/bytes.h"
#include "io/file.h"
#include "io/hdf5.h"
#include "io/json.h"
#include "io/npy.h"
#include "io/test_files.h"
#include "io/zip.h"
#include "linn/data.h"
#include "linn/layers.h"
#include "linn/model.h"
#include "support/message_of.h"
#include "support/same_bits.h"

namespace linn {
namespace {

using test::TempDir;
using testing::AllOf;
using testing::HasSubstr;
using tests::message_of;
using tests::same_bits;
namespace fs = std::filesystem;

Tensor images(std::int64_t n = 6, std::int64_t seed = 1) {
  Tensor x({n, 6, 6, 2});
  std::mt19937 random(static_cast<unsigned>(seed));
  for (float& value : x.values<float>()) value = std::uniform_real_distribution<float>(-1, 1)(random);
  return x;
}

Tensor labels(std::int64_t n = 6) {
  Tensor y({n}, DType::i64);
  for (std::int64_t i = 0; i < n; ++i) y.values<std::int64_t>()[static_cast<std::size_t>(i)] = i % 3;
  return y;
}

// Convolution, normalization, a branch, and a Dense behind a Flatten.
Model small(const Optimizer& optimizer = optimizers::Adam({.learning_rate = 0.01})) {
  const SymbolicTensor in = Input({6, 6, 2});
  const SymbolicTensor x = ReLU()(BatchNormalization()(Conv2D(4, 3, {.padding = "same"})(in)));
  const SymbolicTensor y = Add()({x, DepthwiseConv2D(3, {.padding = "same"})(x)});
  Model model(in, Dense(3, {.activation = "softmax"})(Flatten()(MaxPooling2D(2)(y))), {.name = "small", .seed = 5});
  model.compile({.optimizer = optimizer, .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  return model;
}

History train(Model& model, std::int64_t epochs) { return model.fit(images(), labels(), {.batch_size = 2, .epochs = epochs, .verbose = Verbose::silent, .shuffle = false}); }

void expect_same_weights(const Model& a, const Model& b) {
  const auto x = a.named_weights(), y = b.named_weights();
  ASSERT_EQ(x.size(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_TRUE(same_bits(x[i].second, y[i].second)) << x[i].first;
}

class ModelFiles : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_ / name; }
  TempDir folder_;
};

const char* const kinds[] = {"m.keras", "m.h5", "m.safetensors", "m"};

TEST_F(ModelFiles, EveryKindHoldsTheModel) {
  Model model = small();
  train(model, 1);
  for (const char* kind : kinds) {
    model.save(path(kind));
    const Model loaded = load_model(path(kind));
    EXPECT_EQ(loaded.name(), "small") << kind;
    EXPECT_TRUE(loaded.compiled()) << kind;
    EXPECT_EQ(loaded.layer_names(), model.layer_names()) << kind;
    expect_same_weights(model, loaded);
    EXPECT_TRUE(same_bits(model.predict(images()), loaded.predict(images()))) << kind;
  }
}

// Two epochs, a file, two more are four.
TEST_F(ModelFiles, TrainingGoesOn) {
  for (const Optimizer& optimizer : std::vector<Optimizer>{optimizers::Adam({.learning_rate = 0.01, .amsgrad = true}), optimizers::SGD({.learning_rate = 0.01, .momentum = 0.9}),
                                                           optimizers::RMSprop({.momentum = 0.5, .centered = true}), optimizers::Adagrad()}) {
    Model whole = small(optimizer), half = small(optimizer);
    train(whole, 4);
    train(half, 2);
    for (const char* kind : {"m.keras", "m.h5"}) {
      half.save(path(kind));
      SCOPED_TRACE(std::string(optimizer.class_name()) + " " + kind);
      Model loaded = load_model(path(kind));
      train(loaded, 2);
      expect_same_weights(whole, loaded);
    }
  }
}

// Five steps, a file, five more are ten, in the middle of an accumulation: its gradients and the moving averages are in the file.
TEST_F(ModelFiles, TrainingGoesOnInTheMiddle) {
  using namespace optimizers;
  constexpr std::int64_t every = 3;
  const auto steps = [](Model& model) {
    for (std::int64_t seed = 1; seed <= 5; ++seed) model.train_on_batch(images(4, seed), labels(4));
  };
  const std::vector<Optimizer> all{Adam{.use_ema = true, .gradient_accumulation_steps = every},
                                   Adamax{.use_ema = true, .ema_overwrite_frequency = 2},
                                   Nadam{.gradient_accumulation_steps = every},
                                   Nadam{.learning_rate = schedules::CosineDecay{.initial_learning_rate = 0.1, .decay_steps = 8}},
                                   Adadelta{.learning_rate = 1},
                                   Ftrl{.learning_rate = 0.1},
                                   Lion{.use_ema = true},
                                   Lamb{.learning_rate = 0.01},
                                   Adafactor{.use_ema = true, .gradient_accumulation_steps = every},
                                   Muon{.learning_rate = 0.01, .gradient_accumulation_steps = every},
                                   ScheduleFreeAdamW{.warmup_steps = 2}};
  for (const Optimizer& optimizer : all) {
    Model whole = small(optimizer), half = small(optimizer);
    steps(whole), steps(whole);
    steps(half);
    for (const char* kind : {"m.keras", "m.h5"}) {
      half.save(path(kind));
      SCOPED_TRACE(std::string(optimizer.class_name()) + " " + kind);
      Model loaded = load_model(path(kind));
      steps(loaded);
      expect_same_weights(whole, loaded);
      EXPECT_EQ(loaded.steps(), 10);
    }
  }
}

TEST_F(ModelFiles, NotesAndSeedStayInKeras) {
  Model model = small();
  model.metadata()["note"] = "of the user";
  model.save(path("m.keras"));
  EXPECT_EQ(load_model(path("m.keras")).metadata().at("note"), "of the user");
}

TEST_F(ModelFiles, SameContentGivesTheSameBytes) {
  Model model = small();
  train(model, 1);
  for (const char* kind : {"m.keras", "m.h5", "m.safetensors"}) {
    model.save(path(kind));
    const auto first = detail::io::read_file(path(kind));
    load_model(path(kind)).save(path(kind));
    EXPECT_EQ(first, detail::io::read_file(path(kind))) << kind;
  }
}

TEST_F(ModelFiles, TheSelfTestSaysHowFarOutputsAreApart) {
  Model model = small();
  model.save(path("m.keras"));
  testing::internal::CaptureStderr();
  load_model(path("m.keras"));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  // The weights of another model in the same archive.
  const auto bytes = detail::io::read_file(path("m.keras"));
  const detail::io::ZipReader zip(bytes, "m.keras");
  Model other = small();
  train(other, 3);
  other.save_weights(path("o.weights.h5"));
  detail::io::Writer changed;
  detail::io::ZipWriter writer([&](std::span<const std::byte> part) { changed.bytes(part); });
  for (const detail::io::ZipMember& member : zip.members())
    writer.add(member.name, member.name == "model.weights.h5" ? detail::io::read_file(path("o.weights.h5")) : zip.read(member));
  writer.finish();
  detail::io::write_file_atomically(path("changed.keras"), changed.view());
  testing::internal::CaptureStderr();
  load_model(path("changed.keras"));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), AllOf(HasSubstr("changed.keras"), HasSubstr("they differ by"), HasSubstr("of the largest")));
}

// What a callback saves during fit carries the same test as what Model::save writes.
TEST_F(ModelFiles, CheckpointsCarryTheTest) {
  Model model = small();
  model.fit(images(), labels(), {.epochs = 1, .verbose = 0, .callbacks = {callbacks::ModelCheckpoint(path("checkpoint.keras"))}});
  model.save(path("saved.keras"));
  const auto test_in = [&](const char* file) {
    const auto bytes = detail::io::read_file(path(file));
    const detail::io::ZipReader zip(bytes, file);
    const detail::io::ZipMember* member = zip.find("assets/linn_selftest.npz");
    return member == nullptr ? detail::core::Bytes() : zip.read(*member);
  };
  EXPECT_FALSE(test_in("checkpoint.keras").empty());
  EXPECT_EQ(test_in("checkpoint.keras"), test_in("saved.keras"));
}

TEST_F(ModelFiles, WeightsThatAreNoNumbersAreNamed) {
  Sequential model({Dense(2, {.name = "d", .input_shape = {3}})});
  std::vector<Tensor> weights = model.get_weights();
  weights[0].values<float>()[1] = std::numeric_limits<float>::quiet_NaN();
  weights[0].values<float>()[4] = std::numeric_limits<float>::infinity();
  model.set_weights(weights);
  model.save(path("m.keras"));
  testing::internal::CaptureStderr();
  EXPECT_TRUE(same_bits(load_model(path("m.keras")).get_weights()[0], weights[0]));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("\"d/kernel\" holds 2 values that are NaN or infinite"));
}

// ---- weights -----------------------------------------------------------------------------------------------------

TEST_F(ModelFiles, EveryKindHoldsTheWeights) {
  Model model = small();
  train(model, 1);
  for (const char* kind : {"w.weights.h5", "w.weights.json", "w.h5", "w.safetensors", "w.npz"}) {
    model.save_weights(path(kind));
    Model other = small();
    EXPECT_EQ(other.load_weights(path(kind)).loaded.size(), model.named_weights().size()) << kind;
    expect_same_weights(model, other);
  }
  for (const char* kind : {"p.safetensors", "p.npz"}) {
    model.save_weights(path(kind), {.layout = "pytorch"});
    Model other = small();
    other.load_weights(path(kind));
    expect_same_weights(model, other);
  }
  model.save(path("m.keras"));
  Model other = small();
  other.load_weights(path("m.keras"));
  expect_same_weights(model, other);
}

// A convolution's kernel is (out, in, height, width) there, and the columns of a Dense behind a Flatten are in the order of channels, rows, columns.
TEST_F(ModelFiles, PyTorchNamesAndLayouts) {
  Model model = small();
  model.save_weights(path("p.safetensors"), {.layout = "pytorch"});
  std::map<std::string, Tensor> theirs;
  for (auto& [name, tensor] : load_safetensors(path("p.safetensors"))) theirs[name] = tensor;
  std::map<std::string, Tensor> ours;
  for (auto& [name, tensor] : model.named_weights()) ours[name] = tensor;
  const auto at = [](const Tensor& t, std::vector<std::int64_t> index) {
    std::int64_t place = 0;
    for (std::size_t i = 0; i < index.size(); ++i) place = place * t.shape()[static_cast<std::ptrdiff_t>(i)] + index[i];
    return t.values<float>()[static_cast<std::size_t>(place)];
  };
  EXPECT_EQ(theirs.at("conv2d.weight").shape(), (Shape{4, 2, 3, 3}));
  EXPECT_EQ(theirs.at("depthwise_conv2d.weight").shape(), (Shape{4, 1, 3, 3}));
  EXPECT_EQ(theirs.at("dense.weight").shape(), (Shape{3, 36}));
  EXPECT_TRUE(theirs.contains("batch_normalization.running_var") && theirs.contains("batch_normalization.num_batches_tracked"));
  for (std::int64_t out = 0; out < 4; ++out)
    for (std::int64_t in = 0; in < 2; ++in)
      EXPECT_EQ(at(theirs["conv2d.weight"], {out, in, 2, 1}), at(ours["conv2d/kernel"], {2, 1, in, out}));
  for (std::int64_t row = 0; row < 3; ++row)
    for (std::int64_t column = 0; column < 3; ++column)
      for (std::int64_t channel = 0; channel < 4; ++channel)
        EXPECT_EQ(at(theirs["dense.weight"], {1, (channel * 3 + row) * 3 + column}), at(ours["dense/kernel"], {(row * 3 + column) * 4 + channel, 1}));
}

// The same over steps: (out, in, size), and the columns of a Dense behind a Flatten in the order of channels, steps.
TEST_F(ModelFiles, PyTorchLayoutsOverSteps) {
  Sequential model({Conv1D(8, 3, {.groups = 2, .name = "a", .input_shape = {12, 4}}), DepthwiseConv1D(3, {.depth_multiplier = 2, .name = "b"}),
                    SeparableConv1D(6, 3, {.name = "c"}), Conv1DTranspose(5, 3, {.strides = 2, .name = "d"}), RMSNormalization({.name = "n"}), Flatten(),
                    Dense(2, {.name = "e"})});
  model.save_weights(path("p.safetensors"), {.layout = "pytorch"});
  std::map<std::string, Tensor> theirs, ours;
  for (auto& [name, tensor] : load_safetensors(path("p.safetensors"))) theirs[name] = tensor;
  for (auto& [name, tensor] : model.named_weights()) ours[name] = tensor;
  EXPECT_EQ(theirs.at("a.weight").shape(), (Shape{8, 2, 3}));
  EXPECT_EQ(theirs.at("b.weight").shape(), (Shape{16, 1, 3}));
  EXPECT_EQ(theirs.at("c.depthwise.weight").shape(), (Shape{16, 1, 3}));
  EXPECT_EQ(theirs.at("c.pointwise.weight").shape(), (Shape{6, 16, 1}));
  EXPECT_EQ(theirs.at("d.weight").shape(), (Shape{6, 5, 3}));
  EXPECT_EQ(theirs.at("n.weight").shape(), (Shape{5}));
  for (std::size_t out = 0; out < 8; ++out)
    for (std::size_t in = 0; in < 2; ++in)
      for (std::size_t k = 0; k < 3; ++k)
        EXPECT_EQ(theirs["a.weight"].values<float>()[(out * 2 + in) * 3 + k], ours["a/kernel"].values<float>()[(k * 2 + in) * 8 + out]);
  for (std::size_t channel = 0; channel < 5; ++channel)
    for (std::size_t step = 0; step < 13; ++step)
      EXPECT_EQ(theirs["e.weight"].values<float>()[channel * 13 + step], ours["e/kernel"].values<float>()[(step * 5 + channel) * 2]);
  Sequential other({Conv1D(8, 3, {.groups = 2, .name = "a", .input_shape = {12, 4}}), DepthwiseConv1D(3, {.depth_multiplier = 2, .name = "b"}),
                    SeparableConv1D(6, 3, {.name = "c"}), Conv1DTranspose(5, 3, {.strides = 2, .name = "d"}), RMSNormalization({.name = "n"}), Flatten(),
                    Dense(2, {.name = "e"})});
  other.load_weights(path("p.safetensors"));
  expect_same_weights(model, other);
}

TEST_F(ModelFiles, EverythingThatDoesNotFitIsInOneMessageAndNothingChanges) {
  Sequential saved({Dense(2, {.name = "a", .input_shape = {3}}), Dense(4, {.name = "b"}), Dense(1, {.name = "c"})});
  Sequential wants({Dense(2, {.name = "a", .input_shape = {3}}), Dense(5, {.name = "b"})});
  const std::vector<Tensor> before = wants.get_weights();
  for (const char* kind : {"w.weights.h5", "w.h5", "w.safetensors", "w.npz"}) {
    saved.save_weights(path(kind));
    EXPECT_THAT(message_of([&] { wants.load_weights(path(kind)); }), AllOf(HasSubstr(kind), HasSubstr("\"b/kernel\""), HasSubstr("\"b/bias\""), HasSubstr("(2, 4)"), HasSubstr("c"))) << kind;
    for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(same_bits(before[i], wants.get_weights()[i])) << kind;
    Sequential part({Dense(2, {.name = "a", .input_shape = {3}}), Dense(5, {.name = "b"})});
    const LoadReport report = part.load_weights(path(kind), {.skip_mismatch = true});
    EXPECT_THAT(report.loaded, testing::ElementsAre("a/kernel", "a/bias")) << kind;
    EXPECT_GE(report.problems.size(), 3U) << kind;
    EXPECT_TRUE(same_bits(part.get_weights()[0], saved.get_weights()[0])) << kind;
  }
}

TEST_F(ModelFiles, LegacyWeightsByName) {
  Sequential saved({Dense(2, {.name = "a", .input_shape = {3}}), Dense(4, {.name = "b"})});
  saved.save_weights(path("w.h5"));
  Sequential wants({Dense(2, {.name = "a", .input_shape = {3}}), Dense(7, {.name = "other"})});
  EXPECT_THAT(wants.load_weights(path("w.h5"), {.by_name = true}).loaded, testing::ElementsAre("a/kernel", "a/bias"));
  EXPECT_TRUE(same_bits(wants.get_weights()[0], saved.get_weights()[0]));
  saved.save_weights(path("w.weights.h5"));
  EXPECT_THAT(message_of([&] { wants.load_weights(path("w.weights.h5"), {.by_name = true}); }), HasSubstr("by_name is for legacy .h5 files"));
}

TEST_F(ModelFiles, ShardsLieBesideTheirMap) {
  Model model = small();
  model.save_weights(path("w.weights.json"), {.max_shard_size = 500});
  EXPECT_TRUE(fs::exists(path("w_00001.weights.h5")));
  Model other = small();
  train(other, 1);
  other.load_weights(path("w.weights.json"));
  expect_same_weights(model, other);
  EXPECT_THAT(message_of([&] { model.save_weights(path("w.weights.json"), {.max_shard_size = 8}); }), HasSubstr("set max_shard_size higher"));
  fs::remove(path("w_00001.weights.h5"));
  EXPECT_THAT(message_of([&] { other.load_weights(path("w.weights.json")); }), HasSubstr("w_00001.weights.h5"));
  for (const std::string name : {"../w.weights.h5", "/etc/passwd", "a/b.weights.h5", "http://x/y.weights.h5", "passwd"}) {
    detail::io::write_file_atomically(
        path("evil.weights.json"),
        detail::io::bytes_of(detail::io::dump_json({{"metadata", {{"total_size", 1}}}, {"weight_map", {{"/layers/dense/vars", name}}}})));
    EXPECT_THAT(message_of([&] { other.load_weights(path("evil.weights.json")); }), HasSubstr("in the same folder is allowed")) << name;
  }
  fs::create_symlink("/etc/passwd", path("link.weights.h5"));
  detail::io::write_file_atomically(
      path("evil.weights.json"),
      detail::io::bytes_of(detail::io::dump_json({{"weight_map", {{"/layers/dense/vars", "link.weights.h5"}}}})));
  EXPECT_THAT(message_of([&] { other.load_weights(path("evil.weights.json")); }), HasSubstr("symbolic link"));
}

// ---- files from strangers ----------------------------------------------------------------------------------------

// A .keras file of a configuration and weights.
void write_keras(const std::string& file, const std::string& config, std::span<const std::byte> weights, const std::string& metadata = "{}") {
  detail::io::Writer bytes;
  detail::io::ZipWriter zip([&](std::span<const std::byte> part) { bytes.bytes(part); });
  zip.add("metadata.json", detail::io::bytes_of(metadata));
  zip.add("config.json", detail::io::bytes_of(config));
  zip.add("model.weights.h5", weights);
  zip.finish();
  detail::io::write_file_atomically(file, bytes.view());
}

std::vector<std::byte> empty_hdf5() {
  detail::io::Hdf5Writer file;
  detail::io::Writer bytes;
  file.write([&](std::span<const std::byte> part) { bytes.bytes(part); });
  return bytes.take();
}

std::string sequential(const std::string& layer) {
  return R"({"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": [{"module": "keras.layers", "class_name": "InputLayer",
             "config": {"batch_shape": [null, 4]}, "registered_name": null}, )" +
         layer + "]}, \"registered_name\": null}";
}

TEST_F(ModelFiles, NothingInAConfigurationIsRun) {
  const std::pair<std::string, std::string> cases[] = {
      {R"({"module": "keras.layers", "class_name": "Lambda", "config": {"name": "l", "function": {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}}, "registered_name": null})",
       "Lambda"},
      {R"({"module": "os", "class_name": "system", "config": "id", "registered_name": null})", "system"},
      {R"({"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "function"})", "function"},
      {R"({"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {"name": "t", "module": "AAAA"}, "registered_name": null})", "TorchModuleWrapper"},
      {R"({"module": "keras.layers", "class_name": "TFSMLayer", "config": {"name": "t", "filepath": "/tmp/x"}, "registered_name": null})", "TFSMLayer"},
      {R"({"module": "keras.layers", "class_name": "StringLookup", "config": {"name": "t", "vocabulary": "http://example.org/v.txt"}, "registered_name": null})", "StringLookup"},
      {R"({"module": "my.package", "class_name": "Dense", "config": {"name": "d", "units": 2}, "registered_name": "my>Dense"})", "my>Dense"},
      {R"({"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 2, "activation": {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"}}})",
       "eval"},
      {R"({"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 2, "kernel_initializer": {"module": "keras.src.utils.file_utils", "class_name": "get_file", "config": {"origin": "http://x"}}}})",
       "get_file"}};
  for (const auto& [layer, names] : cases) {
    write_keras(path("evil.keras"), sequential(layer), empty_hdf5());
    EXPECT_THAT(message_of([&] { load_model(path("evil.keras")); }), AllOf(HasSubstr("evil.keras"), HasSubstr(names))) << layer;
  }
}

// What is refused is named with its layer, why, and what to do; a hundred names of classes are of no help.
TEST_F(ModelFiles, RefusedClassesAreNamedWithTheirLayer) {
  const auto refused = [&](const std::string& class_name) {
    write_keras(path("m.keras"), sequential(R"({"class_name": ")" + class_name + R"(", "config": {"name": "odd one"}})"), empty_hdf5());
    return message_of([&] { load_model(path("m.keras")); });
  };
  EXPECT_THAT(refused("Lambda"), AllOf(HasSubstr("layer 1 \"odd one\": is a Lambda, which holds Python code"), HasSubstr("export the model to ONNX")));
  EXPECT_LT(refused("Lambda").size(), 500U);
  EXPECT_THAT(refused("MaxPoolin2D"), AllOf(HasSubstr("\"odd one\""), HasSubstr("did you mean \"MaxPooling2D\"?"), HasSubstr("`linn layers`")));
  EXPECT_LT(refused("LSTM").size(), 300U);
}

// The weights that a configuration asks for are not there: nothing of that size is allocated.
TEST_F(ModelFiles, LargeLayersInASmallFile) {
  write_keras(path("big.keras"), sequential(R"({"class_name": "Dense", "config": {"name": "d", "units": 400000000}})"), empty_hdf5());
  EXPECT_THAT(message_of([&] { load_model(path("big.keras")); }), AllOf(HasSubstr("\"d/kernel\""), HasSubstr("is missing")));
  write_keras(path("big.keras"), sequential(R"({"class_name": "Dense", "config": {"name": "d", "units": 9007199254740993}})"), empty_hdf5());
  EXPECT_THAT(message_of([&] { load_model(path("big.keras")); }), HasSubstr("units"));
}

TEST_F(ModelFiles, AShapeThatIsNotTheConfigurations) {
  detail::io::Hdf5Writer file;
  file.dataset("layers/dense/vars/0", Tensor({5, 2}));
  file.dataset("layers/dense/vars/1", Tensor({2}));
  file.dataset("layers/dense_1/vars/0", Tensor({5, 2}));
  detail::io::Writer bytes;
  file.write([&](std::span<const std::byte> part) { bytes.bytes(part); });
  write_keras(path("m.keras"), sequential(R"({"class_name": "Dense", "config": {"name": "d", "units": 2}})"), bytes.view());
  EXPECT_THAT(message_of([&] { load_model(path("m.keras")); }),
              AllOf(HasSubstr("m.keras"), HasSubstr("model.weights.h5"), HasSubstr("\"d/kernel\" (layers/dense/vars/0) has shape (5, 2); (4, 2) is wanted"),
                    HasSubstr("layers/dense_1\" holds 1 variables")));
}

TEST_F(ModelFiles, WhatIsMissingOrFromALaterVersionIsSaid) {
  write_keras(path("m.keras"), sequential(R"({"class_name": "Dense", "config": {"name": "d", "units": 2}})"), empty_hdf5(), R"({"keras_version": "4.1.0"})");
  EXPECT_THAT(message_of([&] { load_model(path("m.keras")); }), AllOf(HasSubstr("Keras \"4.1.0\""), HasSubstr("Keras 2 and 3")));
  detail::io::Writer bytes;
  detail::io::ZipWriter zip([&](std::span<const std::byte> part) { bytes.bytes(part); });
  zip.add("config.json", detail::io::bytes_of("{}"));
  zip.finish();
  detail::io::write_file_atomically(path("m.keras"), bytes.view());
  EXPECT_THAT(message_of([&] { load_model(path("m.keras")); }), HasSubstr("class_name"));
  EXPECT_THAT(message_of([&] { load_model(path("none.keras")); }), HasSubstr("there is no such file or directory"));
  ASSERT_EQ(::mkfifo(path("pipe.keras").c_str(), 0600), 0);
  EXPECT_THAT(message_of([&] { load_model(path("pipe.keras")); }), HasSubstr("is a pipe; only regular files are read"));
}

// Every end of a file, and every bit of it: an error, or a model of the same shapes.
TEST_F(ModelFiles, EveryTruncationAndBitFlip) {
  Sequential model({Dense(2, {.name = "a", .input_shape = {2}})});
  for (const char* kind : {"m.keras", "m.h5"}) {
    model.save(path(kind));
    const detail::core::Bytes whole = detail::io::read_file(path(kind));
    const std::string file = path(std::string("d-") + kind);
    const auto load = [&](std::span<const std::byte> bytes) {
      std::ofstream(file, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
      try {
        const Model loaded = load_model(file);
        for (const auto& [name, value] : loaded.named_weights()) EXPECT_LE(value.elements(), 4);
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr(kind));
      }
    };
    testing::internal::CaptureStderr();  // of self-tests that do not hold
    for (std::size_t end = 0; end < whole.size(); end += 1 + whole.size() / 500) load(std::span(whole).first(end));
    detail::core::Bytes flipped = whole;
    for (std::size_t i = 0; i < whole.size(); i += 1 + whole.size() / 1000) {
      const std::byte bit{static_cast<unsigned char>(1U << (i % 8))};
      flipped[i] ^= bit;
      load(flipped);
      flipped[i] ^= bit;
    }
    testing::internal::GetCapturedStderr();
  }
}

// ---- a process that dies while it saves --------------------------------------------------------------------------

void kill_while_saving(const TempDir& folder, const char* kind, int times) {
  const std::string file = folder / kind;
  Sequential a({Dense(40, {.name = "d", .input_shape = {50}})}, {.seed = 1}), b({Dense(40, {.name = "d", .input_shape = {50}})}, {.seed = 2});
  a.save(file);
  std::mt19937 random(7);
  for (int i = 0; i < times; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (;;) {
        b.save_weights(file + ".weights.h5");
        a.save(file);
        b.save(file);
      }
    }
    ::usleep(static_cast<useconds_t>(random() % 3000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const Model found = load_model(file);
    ASSERT_TRUE(same_bits(found.get_weights()[0], a.get_weights()[0]) || same_bits(found.get_weights()[0], b.get_weights()[0])) << i;
  }
}

TEST_F(ModelFiles, AKilledSaveLeavesTheOldFileOrTheNewOneSlow) {
  for (const char* kind : {"m.keras", "m.h5"}) kill_while_saving(folder_, kind, 1000);
}
TEST_F(ModelFiles, AKilledSaveLeavesTheOldFileOrTheNewOne) { kill_while_saving(folder_, "m.keras", 20); }

}  // namespace
}  // namespace linn
