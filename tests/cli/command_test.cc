// The built command as its users meet it: exit codes, messages, JSON lines, Ctrl-C.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cli/run_command.h"
#include "core/cpu.h"
#include "core/text_cells.h"
#include "data/resize.h"
#include "io/json.h"
#include "linn/data.h"
#include "linn/layers.h"
#include "linn/model.h"
#include "model/recipes.h"
#include "model/zoo.h"
#include "support/pixels.h"
#include "support/sanitized.h"
#include "support/source_tree.h"

namespace linn::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using tests::sanitized;

// ---- pictures in class folders -------------------------------------------------------------------------------------

TEST_F(Command, PicturesInClassFolders) {
  const std::string data = picture_folder();
  const Result refused = run({"train", "--data", data});
  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(refused.err, testing::AllOf(HasSubstr("24 x 18"), HasSubstr("12 x 12"), HasSubstr("--resize")));

  const Result result = run({"train", "--data", data, "--resize", "12", "--epochs", "30", "--batch-size", "8", "--learning-rate", "0.01", "--out", path("model")});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, testing::AllOf(HasSubstr("32 images of 4 classes"), HasSubstr("24 training images of 12 x 12 x 3"), HasSubstr("8 test images")));
  // The model knows how its images were made, and what its classes are called.
  const auto measured = run({"evaluate", path("model"), "--data", data, "--log", "json"}).events();
  ASSERT_EQ(measured.size(), 1U);
  EXPECT_EQ(measured[0]["class_names"], (std::vector<std::string>{"bar", "cross", "square", "upright"}));
  EXPECT_GT(measured[0]["accuracy"].get<double>(), 0.9);

  const Result seen = run({"predict", path("model"), data + "/test/cross/27.png"});
  EXPECT_EQ(seen.code, 0) << seen.err;
  EXPECT_THAT(seen.out, HasSubstr("resized from 24 x 18 to 12 x 12 pixels"));
  EXPECT_THAT(seen.out, testing::MatchesRegex("[^\n]*\n[^\n]*\n *cross .*"));
  EXPECT_EQ(run({"predict", path("model"), data + "/test/bar/25.png", "--log", "json"}).events()[0]["class_name"], "bar");
  EXPECT_THAT(run({"predict", path("model"), "--data", data, "--row", "0"}).out, HasSubstr("labelled bar"));

  const auto events = run({"shift", path("model"), "--data", data, "--radius", "1", "--log", "json"}).events();
  EXPECT_EQ(events[0]["images"], 8);
  EXPECT_NEAR(events[0]["accuracy"].get<double>(), measured[0]["accuracy"].get<double>(), 1e-6);
  const auto fixed = run({"fix", path("model"), "--data", data, "--radius", "1", "--epochs", "1", "--out", path("fixed"), "--log", "json"}).events();
  EXPECT_NEAR(fixed[1]["accuracy"].get<double>(), measured[0]["accuracy"].get<double>(), 1e-6);
  EXPECT_EQ(run({"evaluate", path("fixed"), "--data", data}).code, 0) << "the new model knows the size of its images too";
  EXPECT_EQ(run({"profile", path("model"), "--data", data, "--resize", "12", "--steps", "1"}).code, 0);
}

// A test set that lacks classes keeps the numbers that the model gave them.
TEST_F(Command, ClassesFollowTheirNames) {
  const std::string data = picture_folder(false);
  ASSERT_EQ(run({"train", "--data", data, "--epochs", "30", "--batch-size", "8", "--learning-rate", "0.01", "--out", path("model")}).code, 0);
  fs::create_directories(path("some"));
  fs::rename(path("pictures/test/cross"), path("some/cross"));
  fs::rename(path("pictures/test/upright"), path("some/upright"));
  const auto events = run({"evaluate", path("model"), "--data", path("some"), "--log", "json"}).events();
  EXPECT_GT(events[0]["accuracy"].get<double>(), 0.9);
  fs::rename(path("some/cross"), path("some/cros"));
  const Result result = run({"evaluate", path("model"), "--data", path("some")});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, HasSubstr("not trained on the class \"cros\" (did you mean \"cross\"?)"));
}

TEST_F(Command, ADamagedPictureIsNamedBeforeTheFirstStep) {
  const std::string data = picture_folder(false);
  write(data + "/train/bar/1.png", "no picture");
  const Result result = run({"train", "--data", data, "--out", path("model")});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, testing::AllOf(HasSubstr("train/bar/1.png"), HasSubstr("is no PNG and no JPEG image")));
  EXPECT_THAT(result.out, Not(HasSubstr("Epoch")));
}

// ---- what the data are ---------------------------------------------------------------------------------------------

// Bytes that are only 0 and 1, as bool images load, and floats that hold bytes.
TEST_F(Command, TheScaleFollowsTheNumbersAndNotTheirType) {
  const Archive data = load_npz(small_data());
  const auto train_on = [&](const Tensor& x) {
    save_npz(path("other.npz"), {{"x_train", x}, {"y_train", data["y_train"]}});
    const Result result = run({"train", "--data", path("other.npz"), "--epochs", "1"});
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  };
  Tensor bits = data["x_train"].clone();
  for (std::uint8_t& value : bits.values<std::uint8_t>()) value = value > 127;
  EXPECT_THAT(train_on(bits), HasSubstr("pixels: uint8 from 0 to 1; not scaled"));
  EXPECT_THAT(train_on(data["x_train"].astype(DType::f32)), HasSubstr("pixels: float32 from 0 to 249; a Rescaling by 1/255 stands in front of the network"));
}

// What the pixels mean belongs to the model: bytes, shares of 1 and values from -1 to 1 of the same images get the same answers.
TEST_F(Command, AModelMeetsImagesOfAnotherRange) {
  const Archive data = load_npz(small_data());
  const auto written = [&](const std::string& name, const Tensor& x) {
    save_npz(path(name), {{"x_train", x}, {"y_train", data["y_train"]}, {"x_test", x}, {"y_test", data["y_test"]}});
    return path(name);
  };
  const auto affine = [&](float scale, float offset) {
    Tensor x = data["x_train"].astype(DType::f32);
    for (float& value : x.values<float>()) value = value * scale + offset;
    return x;
  };
  const std::vector<std::string> files = {path("data.npz"), written("shares.npz", affine(1.0f / 255, 0)), written("two_sided.npz", affine(2.0f / 255, -1))};
  for (std::size_t trained = 0; trained < files.size(); ++trained) {
    const Result train = run({"train", "--data", files[trained], "--epochs", "4", "--batch-size", "8", "--learning-rate", "0.01", "--out", path("model")});
    ASSERT_EQ(train.code, 0) << train.err;
    double loss = 0;
    for (std::size_t i = 0; i < files.size(); ++i) {
      const std::size_t met = (trained + i) % files.size();
      const Result result = run({"evaluate", path("model"), "--data", files[met], "--log", "json"});
      ASSERT_EQ(result.code, 0) << result.err;
      const double now = result.events()[0]["loss"].get<double>();
      if (i == 0) loss = now;
      EXPECT_NEAR(now, loss, 1e-4 + 1e-3 * loss) << files[trained] << " then " << files[met];
      if (i == 0) continue;
      EXPECT_THAT(run({"evaluate", path("model"), "--data", files[met]}).out, HasSubstr("the model was trained on values from"));
    }
    save_png(path("digit.png"), data["x_test"].rows(1, 2).reshape({12, 12}));
    EXPECT_EQ(run({"predict", path("model"), path("digit.png"), "--log", "json"}).events()[0]["class"], 1);
    EXPECT_EQ(run({"shift", path("model"), "--data", files[(trained + 1) % 3], "--radius", "1"}).code, 0);
  }
  run({"train", "--data", files[0], "--epochs", "1", "--out", path("model")});
  const Result refused = run({"evaluate", path("model"), "--data", written("strange.npz", affine(1, -100))});
  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(refused.err, testing::AllOf(HasSubstr("values from -100 to 149 came"), HasSubstr("trained on values from 0 to 249"), HasSubstr("--scale")));
  EXPECT_EQ(run({"evaluate", path("model"), "--data", path("strange.npz"), "--scale", "1"}).code, 0);
}

TEST_F(Command, TestLabelsAreCheckedBeforeTheFirstStep) {
  const Archive good = load_npz(small_data());
  Tensor y = good["y_test"].clone();
  y.values<std::uint8_t>()[50] = 10;
  save_npz(path("bad.npz"), {{"x_train", good["x_train"]}, {"y_train", good["y_train"]}, {"x_test", good["x_test"]}, {"y_test", y}});
  const Result result = run({"train", "--data", path("bad.npz"), "--out", path("model")});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, testing::AllOf(HasSubstr("y_test: label 10 of sample 50"), HasSubstr("0 to 9"), HasSubstr("--classes")));
  EXPECT_THAT(result.out, Not(HasSubstr("Epoch")));
  EXPECT_FALSE(fs::exists(path("model")));
  EXPECT_EQ(run({"train", "--data", path("bad.npz"), "--classes", "11", "--epochs", "1"}).code, 0);
  ASSERT_EQ(run({"train", "--data", path("data.npz"), "--epochs", "1", "--out", path("model")}).code, 0);
  const Result fix = run({"fix", path("model"), "--data", path("bad.npz"), "--epochs", "1", "--out", path("fixed")});
  EXPECT_EQ(fix.code, 3);
  EXPECT_THAT(fix.err, HasSubstr("y_test: label 10 of sample 50"));
  EXPECT_EQ(fix.out, "") << "nothing was computed";
  EXPECT_FALSE(fs::exists(path("fixed"))) << "no empty directory is left";
}

TEST_F(Command, SavesBeforeItMeasures) {
  const Result result = run({"train", "--data", small_data(), "--epochs", "1", "--out", path("model")});
  EXPECT_LT(result.out.find("saved to"), result.out.find("64 test images"));
}

// ---- what a model is -----------------------------------------------------------------------------------------------

TEST_F(Command, FilesThatAreNoModelsAreNamed) {
  const auto says = [&](const std::string& name, const std::string& text) {
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{{"summary", path(name)}, {"evaluate", path(name)}, {"train", "--model", path(name), "--data", small_data()}}) {
      const Result result = run(arguments);
      EXPECT_TRUE(result.code == 3 || result.code == 4) << arguments[0];
      EXPECT_THAT(result.err, testing::AllOf(HasSubstr(name), HasSubstr(text), HasSubstr("linn reads models from .keras")));
    }
  };
  write(path("x.tflite"), std::string("\x1c\0\0\0TFL3", 8));
  says("x.tflite", "is a TensorFlow Lite model");
  write(path("x.pkl"), "\x80\x04\x95");
  says("x.pkl", "a Python pickle, which is never loaded");
  write(path("x.bin"), "hello");
  says("x.bin", "is not a model: it begins with \"hello\"");
  fs::create_directories(path("empty"));
  EXPECT_THAT(run({"summary", path("empty")}).err, HasSubstr("is a directory without a model: there is no model.safetensors in it (it is empty)"));
  for (const char* name : {"f", "e", "d", "c", "b", "a"}) write(path(std::string("empty/") + name), "");
  EXPECT_THAT(run({"summary", path("empty")}).err, HasSubstr("(it holds \"a\", \"b\", \"c\", \"d\", \"e\", \"f\")"));
  write(path("empty/g"), "");
  EXPECT_THAT(run({"summary", path("empty")}).err, HasSubstr("(it holds \"a\", \"b\", \"c\", \"d\", \"e\", \"f\" and 1 more)"));
  saved(Sequential({Dense(2, {.input_shape = {3}})}), "models/one");
  EXPECT_THAT(run({"evaluate", path("models")}).err, HasSubstr("models are in " + path("models/one")));
}

// A file of another program does not say which numbers it was trained on; the constants of its first layers do.
TEST_F(Command, FirstLayersSayWhichPixelsAModelIsMadeFor) {
  const std::string data = small_data();
  const Sequential plain({Flatten({.input_shape = {12, 12, 1}}), Dense(4, {.activation = "softmax"})});
  const auto behind = [&](const std::vector<Layer>& first) {
    Sequential model(first);
    for (const Layer& layer : plain.clone().layers()) model.add(layer);
    model.metadata().clear();
    model.save(path("m.keras"));
    return run({"evaluate", path("m.keras"), "--data", data}).out;
  };
  EXPECT_THAT(behind({Rescaling(1.0 / 255, {.input_shape = {12, 12, 1}})}), testing::AllOf(HasSubstr("pixels: uint8 from 0 to 249"), Not(HasSubstr("multiplied"))));
  EXPECT_THAT(behind({Rescaling(2, {.offset = -1, .input_shape = {12, 12, 1}})}), HasSubstr("multiplied by 1/255: the model's first layers multiply by 2,"));
  EXPECT_THAT(behind({Rescaling(1, {.offset = -0.1307, .input_shape = {12, 12, 1}}), Rescaling(1 / 0.3081)}), HasSubstr("multiplied by 1/255: the model's first layers multiply by 3.246"));
  EXPECT_THAT(behind({Normalization({.mean = {0.1307}, .variance = {0.0949}, .input_shape = {12, 12, 1}})}), HasSubstr("multiplied by 1/255: the model's first layers"));
  EXPECT_THAT(behind({Normalization({.mean = {33}, .variance = {6000}, .input_shape = {12, 12, 1}})}), Not(HasSubstr("multiplied")));
  const Sequential inner({Rescaling(1.0 / 255, {.input_shape = {12, 12, 1}})});
  EXPECT_THAT(behind({Input({12, 12, 1}), inner.as_layer()}), Not(HasSubstr("multiplied"))) << "in a model inside";
}

TEST_F(Command, ConvertRefusesWhatWouldLoseAModel) {
  const std::string model = saved(Sequential({Dense(2, {.input_shape = {3}})}), "net");
  ASSERT_EQ(run({"convert", model, path("a.keras")}).code, 0);
  const auto refuses = [&](const std::vector<std::string>& words, const std::string& message) {
    std::vector<std::string> all = {"convert"};
    all.insert(all.end(), words.begin(), words.end());
    const Result result = run(all);
    EXPECT_EQ(result.code, 2) << message;
    EXPECT_THAT(result.err, HasSubstr(message));
  };
  refuses({path("a.keras"), path("a.keras")}, "are the same file");
  refuses({path("a.keras"), path("b.keras"), "--weights"}, "cannot hold weights alone");
  refuses({path("a.keras"), path("b.onnx"), "--weights"}, "cannot hold weights alone");
  refuses({path("a.keras"), path("b.safetensors"), "--layout", "pytorch"}, "is for weights");
  for (const char* name : {"b.pt", "b.json", "b.hdf5", "b.KERAS"}) refuses({path("a.keras"), path(name)}, "models are written to .keras");
  EXPECT_FALSE(fs::exists(path("b.pt")));
  Sequential({Dense(2, {.input_shape = {3}})}).save(path("conf"));
  fs::copy_file(path("conf/config.json"), path("only.json"));
  for (const char* command : {"evaluate", "shift"}) EXPECT_THAT(run({command, path("only.json"), "--data", small_data()}).err, HasSubstr("is a configuration alone, without weights")) << command;
}

TEST_F(Command, TrainAndFixWriteFilesToo) {
  const std::string data = small_data();
  const Result trained = run({"train", "--data", data, "--model", "no-pooling", "--epochs", "1", "--out", path("t.keras")});
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_TRUE(fs::is_regular_file(path("t.keras")));
  EXPECT_THAT(run({"evaluate", path("t.keras"), "--data", data}).out, HasSubstr("accuracy"));
}

TEST_F(Command, ModelsOfEveryKindOfFile) {
  const Sequential model({Conv2D(2, 3, {.activation = "relu", .input_shape = {12, 12, 1}}), Flatten(), Dense(4, {.activation = "softmax"})}, {.name = "net"});
  model.save(path("net"));
  const auto outputs = run({"predict", path("net"), "--data", small_data(), "--log", "json"}).events().at(0)["values"];
  std::string from = path("net");
  for (const char* kind : {"a.keras", "b.h5", "c.safetensors", "d.keras", "e", "f.onnx", "g.keras"}) {
    const Result result = run({"convert", from, path(kind)});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("the model, 824 parameters")) << kind;
    from = path(kind);
    for (const char* command : {"summary", "inspect"}) EXPECT_EQ(run({command, from}).code, 0) << command << " " << kind;
    EXPECT_EQ(run({"predict", from, "--data", path("data.npz"), "--log", "json"}).events().at(0)["values"], outputs) << kind;
    EXPECT_EQ(run({"evaluate", from, "--data", path("data.npz")}).code, 0) << kind;
  }
  for (const char* kind : {"w.weights.h5", "w.weights.json", "w.npz"}) EXPECT_THAT(run({"convert", from, path(kind)}).out, HasSubstr("the weights")) << kind;
  EXPECT_THAT(run({"inspect", path("w.weights.h5"), "--values"}).out, testing::AllOf(HasSubstr("layers/conv2d/vars/0"), HasSubstr("(3, 3, 1, 2)"), HasSubstr("crc32"), HasSubstr("4 tensors")));
  const auto event = run({"inspect", path("d.keras"), "--values", "--log", "json"}).events().at(0);
  EXPECT_EQ(event["kind"], "a Keras model (.keras)");
  EXPECT_EQ(event["tensors"].size(), 4U);
  EXPECT_EQ(event["tensors"][0]["nan"], 0);
  EXPECT_THAT(run({"summary", path("w.weights.h5")}).err, HasSubstr("holds weights alone"));
  EXPECT_THAT(run({"convert", from, path("p.safetensors"), "--weights", "--layout", "torch"}).err, HasSubstr("it may be"));
}

TEST_F(Command, HelpNamesEveryModelAndRecipe) {
  for (const char* command : {"train", "summary", "profile"}) {
    std::string help = run({command, "--help"}).out;
    std::erase_if(help, [](char c) { return c == '\n' || c == ' '; });  // lines are broken anywhere
    for (const detail::model::ZooEntry& entry : detail::model::zoo()) EXPECT_THAT(help, HasSubstr(std::string(entry.name))) << command;
    if (std::string(command) != "train") continue;
    for (const detail::model::Recipe& recipe : detail::model::recipes()) EXPECT_THAT(help, HasSubstr(std::string(recipe.name)));
  }
}

// A small classifier of small_data() that ends in `activation`.
Sequential classifier(const std::string& activation) {
  return Sequential({Flatten({.input_shape = {12, 12, 1}}), Dense(4, {.activation = activation})});
}

TEST_F(Command, NetworksThatEndInLogits) {
  for (const char* activation : {"linear", "log_softmax"}) {
    write(path("net.json"), classifier(activation).to_json());
    const Result result = run({"train", "--data", small_data(), "--model", path("net.json"), "--epochs", "20", "--batch-size", "8", "--learning-rate", "0.01", "--out", path("model")});
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.out, testing::AllOf(HasSubstr("of logits"), HasSubstr("accuracy: 1.0000 - loss: 0.0"))) << activation;
    EXPECT_THAT(run({"evaluate", path("model"), "--data", path("data.npz")}).out, HasSubstr("accuracy: 1.0000"));
    const auto events = run({"predict", path("model"), "--data", path("data.npz"), "--log", "json"}).events();
    double sum = 0;
    for (const auto& value : events[0]["values"]) sum += value.get<double>();
    EXPECT_NEAR(sum, 1, 1e-5) << "predict shows probabilities";
  }
}

// What a model was compiled with is what evaluate measures, and what training goes on with.
TEST_F(Command, WhatAModelWasCompiledWithHolds) {
  Sequential model = classifier("linear");
  model.compile({.optimizer = optimizers::SGD({.learning_rate = 0.02, .momentum = 0.5}), .loss = losses::SparseCategoricalCrossentropy({.from_logits = true, .label_smoothing = 0.2}), .metrics = {"accuracy"}});
  const Archive data = load_npz(small_data());
  const Logs expected = model.evaluate(tests::from_0_to_1(data["x_test"]), data["y_test"], {.batch_size = 256, .verbose = 0});
  const auto events = run({"evaluate", saved(model), "--data", path("data.npz"), "--log", "json"}).events();
  EXPECT_NEAR(events[0]["loss"].get<double>(), expected.at("loss"), 1e-6);

  const Result on = run({"train", "--model", path("model"), "--data", path("data.npz"), "--epochs", "1", "--out", path("more")});
  EXPECT_THAT(on.out, HasSubstr("optimizer SGD"));
  EXPECT_THAT(tests::text_of(path("more/config.json")), testing::AllOf(HasSubstr("SGD"), HasSubstr("\"momentum\": 0.5"), HasSubstr("\"from_logits\": true")));
  const Result anew = run({"train", "--model", path("model"), "--data", path("data.npz"), "--epochs", "1", "--optimizer", "adam"});
  EXPECT_THAT(anew.out, HasSubstr("optimizer Adam"));

  Sequential one_hot = classifier("softmax");
  one_hot.compile({.optimizer = "adam", .loss = "categorical_crossentropy", .metrics = {"accuracy"}});
  const Result rows = run({"evaluate", saved(one_hot, "one_hot"), "--data", path("data.npz")});
  EXPECT_EQ(rows.code, 0) << rows.err;
}

TEST_F(Command, OutputsWithAxesTooMany) {
  write(path("net.json"), Sequential({Conv2D(4, {3, 3}, {.input_shape = {12, 12, 1}}), Dense(4, {.activation = "softmax"})}).to_json());
  const Result result = run({"train", "--data", small_data(), "--model", path("net.json")});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, testing::AllOf(HasSubstr("(10, 10, 4)"), HasSubstr("add Flatten or a global pooling")));
}

TEST_F(Command, SummaryIsKerass) {
  const Result result = run({"summary"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Total params: 113,386 (442.91 KB)"));
  EXPECT_THAT(result.out, Not(HasSubstr("\x1b"))) << "no colour without a terminal";
}

TEST_F(Command, SummaryAsJson) {
  const auto events = run({"summary", "global-max", "--log", "json"}).events();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["event"], "summary");
  EXPECT_EQ(events[0]["parameters"], 9898);
  std::int64_t sum = 0;
  for (const auto& layer : events[0]["layers"]) sum += layer["parameters"].get<std::int64_t>();
  EXPECT_EQ(sum, 9898);
  EXPECT_EQ(events[0]["layers"][4]["class"], "GlobalMaxPooling2D");
}

TEST_F(Command, SummaryOfAConfiguration) {
  const Result result = run({"summary", tests::golden("same_config.json")});
  EXPECT_EQ(result.code, 0) << result.err;
}

TEST_F(Command, VersionAndHelp) {
  EXPECT_THAT(run({"--version"}).out, HasSubstr("linn 0."));
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{{"--help"},
                                                                                         {"train", "--help"},
                                                                                         {"summary", "--help"},
                                                                                         {"evaluate", "-h"},
                                                                                         {"predict", "--help"},
                                                                                         {"shift", "--help"},
                                                                                         {"fix", "--help"},
                                                                                         {"profile", "--help"},
                                                                                         {"demo", "--help"}}) {
    const Result result = run(arguments);
    EXPECT_EQ(result.code, 0);
    EXPECT_THAT(result.out, HasSubstr("Usage: linn"));
  }
}

// ---- usage: exit code 2 --------------------------------------------------------------------------------------------

struct Usage {
  std::vector<std::string> arguments;
  std::string says;
};

TEST_F(Command, UsageErrorsNameWhatIsMeant) {
  const std::vector<Usage> all = {
      {{}, "subcommand is required"},
      {{"trian"}, "unknown command \"trian\" (did you mean \"train\"?)"},
      {{"train", "--epohcs", "3"}, "unknown option \"--epohcs\" (did you mean \"--epochs\"?)"},
      {{"train", "--epohcs=3"}, "did you mean \"--epochs\"?"},
      {{"train", "-e", "3"}, "unknown option \"-e\""},
      {{"summary", "--model", "notbook"}, "did you mean \"notebook\"?"},
      {{"train", "--epochs"}, "--epochs"},
      {{"summary", "--log", "jsn"}, "did you mean \"json\"?"},
      {{"train", "--precision", "mixed_bfloat61"}, "did you mean \"mixed_bfloat16\"?"},
      {{"train", "--recipe", "fsat"}, "did you mean \"fast\"?"},
      {{"train", "--recipe", "fast", "--epochs", "2"}, "--epochs excludes --recipe"},
      {{"evaluate"}, "model"},
      {{"profile", "--model", "notbook"}, "did you mean \"notebook\"?"},
      {{"profile", "--accuracy", "exat"}, "did you mean \"exact\"?"},
      {{"train", "--accuracy", ""}, "--accuracy"},
      {{"profile", "--scale", "1/255"}, "--data"},
      {{"predict", "somewhere"}, "--row"},
      {{"summary", "notebook", "surplus"}, "surplus"},
      {{"--log", "json", "summary"}, "linn COMMAND --log"},
      {{"fix", "somewhere", "--with", "blurr"}, "did you mean \"blur\"?"},
      {{"shift", "somewhere", "--border", "zreo"}, "did you mean \"zero\"?"},
      {{"summary", tests::golden("notebook_config.json"), "--input", "32x32"}, "input shape of its own, (28, 28, 1)"},
      {{"summary", tests::golden("notebook_config.json"), "--classes", "5"}, "--classes 5"},
  };
  for (const Usage& usage : all) {
    const Result result = run(usage.arguments);
    EXPECT_EQ(result.code, 2) << testing::PrintToString(usage.arguments) << result.err;
    EXPECT_THAT(result.err, HasSubstr(usage.says)) << testing::PrintToString(usage.arguments);
  }
}

// ---- bad input: exit code 3, files: 4 ------------------------------------------------------------------------------

TEST_F(Command, SizesBelowOne) {
  const std::string data = small_data();
  for (const std::string option : {"--epochs", "--batch-size", "--classes", "--limit", "--canvas", "--learning-rate", "--threads"}) {
    const Result result = run({"train", "--data", data, option, "-1"});
    EXPECT_EQ(result.code, 3) << option << result.err;
    EXPECT_THAT(result.err, HasSubstr("-1")) << option;
  }
  for (const std::string option : {"--epochs", "--batch-size", "--classes", "--learning-rate"})
    EXPECT_EQ(run({"train", "--data", data, option, "0"}).code, 3) << option;
  for (const std::string scale : {"0", "-1", "1/0", "nan", "x", "1/255x", "/", ""})
    EXPECT_EQ(run({"train", "--data", data, "--epochs", "1", "--scale=" + scale}).code, scale.empty() ? 2 : 3) << scale;
  for (const std::string shape : {"28", "0x28", "-1x28", "28x28x1x1", "28x", "axb"})
    EXPECT_EQ(run({"summary", "--input=" + shape}).code, 3) << shape;
}

TEST_F(Command, NumbersThatAreNone) {
  const std::string data = small_data();
  const std::vector<std::vector<std::string>> all = {
      {"train", "--epochs", "many"},
      {"train", "--epochs", "3x"},
      {"train", "--epochs", ""},
      {"train", "--epochs", "1.5"},
      {"train", "--seed", "-1"},
      {"train", "--seed", "1e3"},
      {"train", "--batch-size", "4294967296"},
      {"train", "--threads", "1025"},
      {"train", "--learning-rate", "fast"},
      {"train", "--learning-rate", "nan"},
      {"train", "--validation-split", "1"},
      {"summary", "--classes", "ten"},
      {"summary", "--line-length", "-5"},
      {"predict", "model", "--row", "-1"},
      {"shift", "model", "--radius", "4097"},
      {"demo", "--seed", "x"},
      {"train", "--epochs", "99999999999999999999999"},
  };
  for (const std::vector<std::string>& arguments : all) {
    const Result result = run(arguments);
    EXPECT_EQ(result.code, 3) << testing::PrintToString(arguments) << result.err;
    EXPECT_THAT(result.err, HasSubstr(arguments[arguments.size() - 2])) << "the option";
    if (!arguments.back().empty()) {
      EXPECT_THAT(result.err, testing::AllOf(HasSubstr('"' + arguments.back() + '"'), HasSubstr("is allowed")));
      EXPECT_LT(result.err.size(), 150U);
    }
  }
  const auto events = run({"train", "--data", data, "--epochs", "1", "--seed", "9223372036854775807", "--log", "json"}).events();
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events[0]["seed"], 9223372036854775807);
}

TEST_F(Command, EmptyValues) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{{"train", "--out", ""},
                                                                                         {"train", "--data", ""},
                                                                                         {"train", "--model", ""},
                                                                                         {"train", "--scale", ""},
                                                                                         {"summary", "--input", ""},
                                                                                         {"evaluate", ""}}) {
    const Result result = run(arguments);
    EXPECT_EQ(result.code, 3) << testing::PrintToString(arguments);
    EXPECT_THAT(result.err, HasSubstr("is empty"));
  }
}

TEST_F(Command, OptionsThatWouldChangeNothing) {
  const std::string model = trained();
  const Result classes = run({"train", "--data", path("data.npz"), "--model", model, "--classes", "4"});
  EXPECT_EQ(classes.code, 2) << classes.err;
  EXPECT_THAT(classes.err, HasSubstr("--classes 4"));
  const Result input = run({"summary", model, "--input", "12x12"});
  EXPECT_EQ(input.code, 2) << input.err;
  EXPECT_THAT(input.err, HasSubstr("--input"));
  EXPECT_EQ(run({"train", "--data", path("data.npz"), "--model", model, "--epochs", "1"}).code, 0);
}

TEST_F(Command, FilesThatAreNotThere) {
  EXPECT_EQ(run({"train", "--data", path("none.npz")}).code, 4);
  EXPECT_THAT(run({"train", "--data", path("none.npz")}).err, HasSubstr("none.npz"));
  EXPECT_EQ(run({"evaluate", path("none")}).code, 4);
  EXPECT_EQ(run({"summary", path("none.json")}).code, 4);
  const Result missing = run({"train"}, {{"LINN_DATA", path("none.npz")}});
  EXPECT_EQ(missing.code, 4);
  EXPECT_THAT(missing.err, HasSubstr("--data"));
  EXPECT_EQ(run({"train", "--data", small_data(), "--out", path("data.npz")}).code, 4) << "a file where the directory should be";
}

TEST_F(Command, DataThatMakeNoSense) {
  const Result counts = run({"train", "--data", small_data(64, 63)});
  EXPECT_EQ(counts.code, 3);
  EXPECT_THAT(counts.err, testing::AllOf(HasSubstr("64 images"), HasSubstr("63 labels")));

  const Result label = run({"train", "--data", small_data(64, 64, 10), "--epochs", "1"});
  EXPECT_EQ(label.code, 3);
  EXPECT_THAT(label.err, testing::AllOf(HasSubstr("label 10 of sample 63"), HasSubstr("data.npz: x_train, y_train")))
      << "label 10 of 10 classes, which image has it, and where";

  const std::string good = tests::text_of(small_data());
  const std::vector<std::pair<std::string, std::string>> files = {
      {"empty.npz", ""}, {"short.npz", good.substr(0, good.size() / 2)}, {"text.npz", "not an archive"}};
  for (const auto& [name, text] : files) {
    write(path(name), text);
    const Result result = run({"train", "--data", path(name)});
    EXPECT_EQ(result.code, 3) << name;
    EXPECT_THAT(result.err, HasSubstr(name));
  }
  std::string flipped = good;
  flipped[200] = static_cast<char>(flipped[200] ^ 4);
  write(path("flipped.npz"), flipped);
  EXPECT_EQ(run({"train", "--data", path("flipped.npz")}).code, 3) << "a wrong checksum";
}

TEST_F(Command, ModelsThatDoNotFit) {
  const std::string data = small_data();
  write(path("broken.json"), "{\"class_name\": ");
  const Result broken = run({"summary", path("broken.json")});
  EXPECT_EQ(broken.code, 3);
  EXPECT_THAT(broken.err, HasSubstr("broken.json"));
  const Result sizes = run({"train", "--data", data, "--model", tests::golden("notebook_config.json"), "--epochs", "1"});
  EXPECT_EQ(sizes.code, 3) << "28 x 28 and 12 x 12";
  EXPECT_THAT(sizes.err, HasSubstr("data.npz: x_train, y_train: x has shape"));
  const std::string model = trained();
  const std::string weights = tests::text_of(model + "/model.safetensors");
  write(model + "/model.safetensors", weights.substr(0, weights.size() - 10));
  EXPECT_EQ(run({"evaluate", model, "--data", data}).code, 3);
}

TEST_F(Command, ErrorsAreJsonToo) {
  const auto events = run({"train", "--data", path("none.npz"), "--log", "json"}).events();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["event"], "error");
  EXPECT_EQ(events[0]["kind"], "IoError");
  EXPECT_EQ(events[0]["exit_code"], 4);
}

// Standard output is a pipe whose reader has gone.
TEST_F(Command, ReaderThatLeavesCostsNothing) {
  const std::string data = small_data();
  for (const std::string log : {"text", "json"}) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    ::close(ends[0]);
    const std::string out = path("model-" + log);
    const std::string line =
        fmt::format("{} train --data {} --epochs 2 --log {} --out {} >&{} 2> {}", LINN_COMMAND, data, log, out, ends[1], path("err"));
    const int status = std::system(line.c_str());
    ::close(ends[1]);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 4);
    EXPECT_THAT(tests::text_of(path("err")), HasSubstr("cannot write to standard output"));
    EXPECT_EQ(run({"evaluate", out, "--data", data}).code, 0) << "the model was saved";
  }
}

TEST_F(Command, FullDiskOnStandardOutput) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  const std::string line = std::string(LINN_COMMAND) + " summary > /dev/full 2> " + path("err");
  const int status = std::system(line.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 4);
}

// ---- train, and what follows ---------------------------------------------------------------------------------------

TEST_F(Command, TrainEvaluatePredictShift) {
  const std::string data = small_data();
  const Result train = run(
      {"train", "--data", data, "--epochs", "6", "--batch-size", "8", "--learning-rate", "0.01", "--out", path("model"), "--log", "json"},
      {{"NO_COLOR", "1"}});
  ASSERT_EQ(train.code, 0) << train.err;
  const auto events = train.events();
  ASSERT_EQ(events.size(), 1U + 1 + 6 + 1 + 1);
  EXPECT_EQ(events[0]["event"], "train");
  EXPECT_DOUBLE_EQ(events[0]["input_scale"].get<double>(), 1.0 / 255);
  EXPECT_EQ(events[1]["event"], "memory");
  EXPECT_EQ(events[2]["event"], "epoch");
  EXPECT_EQ(events[2]["steps"], 8);
  EXPECT_GT(events[2]["images_per_second"].get<double>(), 0);
  EXPECT_EQ(events[8]["event"], "evaluate");
  EXPECT_GT(events[8]["accuracy"].get<double>(), 0.9);
  EXPECT_EQ(events[9]["event"], "done");
  EXPECT_EQ(events[9]["saved"], path("model"));
  EXPECT_EQ(Sequential(load_model(path("model"))).layers()[0].class_name(), "Rescaling");
  EXPECT_THAT(Sequential(load_model(path("model"))).metadata().at("input_range"), HasSubstr("\"largest\":249"));

  const auto evaluate = run({"evaluate", path("model"), "--data", data, "--log", "json"}).events();
  ASSERT_EQ(evaluate.size(), 1U);
  EXPECT_EQ(evaluate[0]["accuracy"], events[8]["accuracy"]);
  EXPECT_NEAR(evaluate[0]["loss"].get<double>(), events[8]["loss"].get<double>(), 1e-6);
  EXPECT_EQ(evaluate[0]["input_scale"], 1) << "the factor is a Rescaling of the model's own";

  const auto predict = run({"predict", path("model"), "--data", data, "--row", "2", "--log", "json"}).events();
  ASSERT_EQ(predict.size(), 1U);
  EXPECT_EQ(predict[0]["label"], 2);
  EXPECT_EQ(predict[0]["values"].size(), 10U);
  EXPECT_EQ(run({"predict", path("model"), "--data", data, "--row", "64"}).code, 3);

  const Result shift = run({"shift", path("model"), "--data", data, "--radius", "1", "--picture", path("map.png"), "--log", "json"});
  ASSERT_EQ(shift.code, 0) << shift.err;
  const auto found = shift.events();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0]["map"].size(), 3U);
  EXPECT_DOUBLE_EQ(found[0]["map"][1][1].get<double>(), evaluate[0]["accuracy"].get<double>()) << "no shift";
  EXPECT_EQ(load_image(path("map.png")).shape()[2], 3);
  EXPECT_EQ(run({"shift", path("model"), "--data", data, "--radius", "-1"}).code, 3);
}

TEST_F(Command, LinesWithoutATerminalSayWhatWasDone) {
  const Result result = run({"train", "--data", small_data(), "--epochs", "2", "--batch-size", "8"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("uint8 from 0 to 249; a Rescaling by 1/255 stands in front of the network"));
  EXPECT_THAT(result.out, HasSubstr("Epoch 1/2 - "));
  EXPECT_THAT(result.out, HasSubstr("not saved, because no --out DIR was given"));
  EXPECT_THAT(result.out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(result.out, Not(HasSubstr("\r")));
}

TEST_F(Command, PrecisionIsSaidOnceAndIsNoPartOfTheModel) {
  const std::string data = small_data(), bf16 = "mixed_bfloat16";
  const std::vector<std::string> train = {"train", "--data", data, "--epochs", "2", "--batch-size", "8", "--precision", bf16, "--out", path("model")};
  const Result result = run(train);
  ASSERT_EQ(result.code, 0) << result.err;
  const std::size_t said = result.out.find("precision: mixed_bfloat16, ");
  ASSERT_NE(said, std::string::npos) << result.out;
  EXPECT_EQ(result.out.find("precision: ", said + 1), std::string::npos) << result.out;
  const Result misspelt = run({"evaluate", path("model"), "--data", data}, {{"LINN_ISA", "avx3"}});
  EXPECT_EQ(misspelt.code, 3);
  EXPECT_THAT(misspelt.err, testing::StartsWith("linn: LINN_ISA is \"avx3\"; it may be ")) << "and the file is not blamed";
  const Result without = run(train, {{"LINN_ISA", "avx2"}});
  EXPECT_THAT(without.out, HasSubstr("precision: mixed_bfloat16, operands rounded to bfloat16; no faster than float32"));

  for (const std::vector<std::string>& command : {std::vector<std::string>{"evaluate", path("model")}, {"predict", path("model"), "--row", "2"}, {"shift", path("model"), "--radius", "1"}}) {
    std::vector<std::string> words = command;
    words.insert(words.end(), {"--data", data, "--log", "json"});
    const auto plain = run(words).events();
    words.insert(words.end(), {"--precision", bf16});
    const auto rounded = run(words).events();
    ASSERT_EQ(plain.size(), 1U) << command[0];
    ASSERT_EQ(rounded.size(), 1U) << command[0];
    EXPECT_EQ(plain[0]["precision"], "float32") << command[0];
    EXPECT_EQ(rounded[0]["precision"], bf16) << command[0];
  }
}

TEST_F(Command, ScaleIsLeftToRescaling) {
  Sequential model;
  model.add(Rescaling(1.0 / 255, {.input_shape = {12, 12, 1}}));
  model.add(Flatten());
  model.add(Dense(4, {.activation = "softmax"}));
  write(path("model.json"), model.to_json());
  const auto events = run({"train", "--data", small_data(), "--model", path("model.json"), "--epochs", "1", "--log", "json"}).events();
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events[0]["input_scale"], 1);
  const auto forced =
      run({"train", "--data", small_data(), "--model", path("model.json"), "--epochs", "1", "--scale", "1/2", "--log", "json"}).events();
  ASSERT_FALSE(forced.empty());
  EXPECT_EQ(forced[0]["input_scale"], 0.5);
}

TEST_F(Command, SameSeedSameModelOnAnyNumberOfThreads) {
  const std::string data = small_data();
  for (const std::string threads : {"1", "3"})
    ASSERT_EQ(run({"train", "--data", data, "--epochs", "2", "--seed", "5", "--threads", threads, "--out", path("m" + threads)}).code, 0);
  EXPECT_EQ(tests::text_of(path("m1/model.safetensors")), tests::text_of(path("m3/model.safetensors")));
}

TEST_F(Command, PicturesArePredicted) {
  const std::string model = trained();
  const Archive data = load_npz(path("data.npz"));
  const Tensor image = data["x_train"].rows(2, 3).reshape({12, 12});
  save_png(path("digit.png"), image);
  const auto plain = run({"predict", model, path("digit.png"), "--log", "json"}).events();
  ASSERT_EQ(plain.size(), 1U);
  EXPECT_TRUE(plain[0]["label"].is_null());

  Tensor dark({12, 12, 3}, DType::u8);
  for (std::size_t i = 0; i < 12 * 12 * 3; ++i)
    dark.values<std::uint8_t>()[i] = static_cast<std::uint8_t>(255 - image.values<std::uint8_t>()[i / 3]);
  save_png(path("dark.png"), dark);
  const auto inverted = run({"predict", model, path("dark.png"), "--invert", "--log", "json"}).events();
  ASSERT_EQ(inverted.size(), 1U);
  EXPECT_EQ(inverted[0]["values"], plain[0]["values"]) << "grey from colour, light and dark turned round";
  EXPECT_THAT(run({"predict", model, path("dark.png")}).err, HasSubstr("--invert"));

  save_png(path("large.png"), Tensor({20, 30}, DType::u8));
  const Result large = run({"predict", model, path("large.png")});
  EXPECT_EQ(large.code, 3);
  EXPECT_THAT(large.err, testing::AllOf(HasSubstr("20 x 30"), HasSubstr("12 x 12")));
  write(path("not.png"), "hello");
  EXPECT_EQ(run({"predict", model, path("not.png")}).code, 3);
  EXPECT_EQ(run({"predict", model, path("none.png")}).code, 4);
  EXPECT_EQ(run({"predict", model, path("digit.png"), "--row", "1"}).code, 2);
}

TEST_F(Command, CanvasIsRemembered) {
  const std::string data = small_data();
  ASSERT_EQ(run({"train", "--data", data, "--epochs", "1", "--canvas", "20", "--out", path("model")}).code, 0);
  EXPECT_EQ(run({"evaluate", path("model"), "--data", data}).code, 0);
  EXPECT_EQ(run({"predict", path("model"), "--data", data, "--row", "0"}).code, 0);
  const auto events = run({"shift", path("model"), "--data", data, "--radius", "2", "--log", "json"}).events();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["border"], "canvas");
  EXPECT_EQ(events[0]["within"][2]["uncut"], 1);
}

// ---- shift -------------------------------------------------------------------------------------------------------

TEST_F(Command, ShiftSaysWhatIsWrongAndWhere) {
  const std::string model = trained();
  const Result text = run({"shift", model, "--data", path("data.npz"), "--radius", "2"});
  ASSERT_EQ(text.code, 0) << text.err;
  for (const char* part : {"25 shifts, border zero", "right where they are", "within r pixels, in %", "worst case", "sources of the errors", "S = 4",
                           "--report FILE.html"})
    EXPECT_THAT(text.out, HasSubstr(part));
  EXPECT_LT(std::count(text.out.begin(), text.out.end(), '\n'), 50) << "one screen";
  EXPECT_THAT(run({"shift", model, "--data", path("data.npz"), "--radius", "1", "--no-explanation"}).out, Not(HasSubstr("sources of the errors")));

  const auto events = run({"shift", model, "--data", path("data.npz"), "--radius", "4", "--border", "circular", "--log", "json"}).events();
  ASSERT_EQ(events.size(), 1U);
  const detail::io::Json& event = events[0];
  EXPECT_EQ(event["border"], "circular");
  EXPECT_EQ(event["method"], "phases") << event["method_reason"];
  const auto apart = run({"shift", model, "--data", path("data.npz"), "--radius", "4", "--border", "circular", "--no-phases", "--log", "json"}).events();
  ASSERT_EQ(apart.size(), 1U);
  EXPECT_EQ(apart[0]["method"], "shift by shift");
  for (const char* key : {"within", "map", "change_map", "label_deviation"}) EXPECT_EQ(apart[0][key], event[key]) << key;
  EXPECT_EQ(event["accuracy"], event["within"][0]["mean"]);
  EXPECT_EQ(event["worst_case_accuracy"], event["within"][4]["worst_case"]);
  EXPECT_EQ(event["mean_accuracy"], event["within"][4]["mean"]);
  EXPECT_LE(event["intervals"]["consistency"][0].get<double>(), event["consistency"].get<double>());
  EXPECT_EQ(event["explanation"]["stride"], detail::io::Json::array({4, 4}));
  EXPECT_EQ(event["explanation"]["layers"].size(), 8U) << "the network's seven, and the Rescaling that training put in front";
}

TEST_F(Command, ShiftWritesWhatItIsToldTo) {
  const std::string model = trained();
  const Result result = run({"shift", model, "--data", path("data.npz"), "--radius", "1", "--report", path("r.html"), "--csv", path("s.csv"), "--picture", path("m.png")});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(tests::text_of(path("r.html")), testing::AllOf(HasSubstr("Slide an image"), HasSubstr(model)));
  const std::string csv = tests::text_of(path("s.csv"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 10);
  EXPECT_EQ(load_image(path("m.png")).shape()[2], 3);
  for (const std::string option : {"--report", "--csv", "--picture"}) {
    const Result none = run({"shift", path("no-model"), "--data", path("data.npz"), option, path("none/x")});
    EXPECT_EQ(none.code, 4) << option;
    EXPECT_THAT(none.err, HasSubstr("none/x")) << "before anything is read or computed";
  }
}

TEST_F(Command, ShiftWithoutLabels) {
  const std::string model = trained();
  const Tensor images = load_npz(path("data.npz"))["x_test"];
  save_npy(path("images.npy"), images);
  save_npz(path("alone.npz"), {{"x_test", images}});
  for (const std::string data : {"images.npy", "alone.npz"}) {
    const Result text = run({"shift", model, "--data", path(data), "--radius", "1", "--report", path("r.html")});
    ASSERT_EQ(text.code, 0) << text.err;
    EXPECT_THAT(text.out, testing::AllOf(HasSubstr("no labels came"), HasSubstr("two shifts agree"), Not(HasSubstr("right everywhere")), Not(HasSubstr("worst case"))));
    EXPECT_THAT(tests::text_of(path("r.html")), HasSubstr("\"label\":null"));
    const auto events = run({"shift", model, "--data", path(data), "--radius", "1", "--log", "json"}).events();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0]["labels"], false);
    EXPECT_TRUE(events[0]["accuracy"].is_null());
    EXPECT_TRUE(events[0]["consistency"].is_number());
  }
  EXPECT_EQ(run({"evaluate", model, "--data", path("images.npy")}).code, 3) << "elsewhere labels are needed";
}

TEST_F(Command, ShiftCropsLargerImages) {
  Sequential model;
  model.add(Flatten({.input_shape = {8, 8, 1}}));
  model.add(Dense(4, {.activation = "softmax"}));
  model.save(path("model"));
  const std::string data = small_data();
  const auto events = run({"shift", path("model"), "--data", data, "--radius", "2", "--log", "json"}).events();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["border"], "crop");
  EXPECT_TRUE(events[0]["explanation"]["stride"].is_null());
  const Result far = run({"shift", path("model"), "--data", data});
  EXPECT_EQ(far.code, 3);
  EXPECT_THAT(far.err, HasSubstr("radius 4 came; 0 to 2 is allowed"));
}

TEST_F(Command, ShiftProtocols) {
  const std::string model = trained();
  const auto event = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"shift", model, "--data", path("data.npz"), "--log", "json"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words).events().at(0);
  };
  const detail::io::Json zhang = event({"--protocol", "zhang"});
  EXPECT_EQ(zhang["event"], "shift_protocol");
  EXPECT_EQ(zhang["passes"].size(), 5U);
  EXPECT_EQ(zhang["batch_size"], 8);
  EXPECT_EQ(zhang["frame"], detail::io::Json::array({14, 14}));
  EXPECT_EQ(event({"--protocol", "aps", "--seed", "3", "--passes", "2"})["passes"].size(), 2U);
  EXPECT_THAT(run({"shift", model, "--data", path("data.npz"), "--protocol", "aps"}).out, HasSubstr("Protocol aps: consistency"));
  EXPECT_EQ(run({"shift", model, "--data", path("data.npz"), "--protocol", "aps", "--radius", "2"}).code, 2);
  EXPECT_EQ(run({"shift", model, "--data", path("data.npz"), "--seed", "2"}).code, 2) << "would change nothing";
  const Result unknown = run({"shift", model, "--protocol", "zang"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("did you mean \"zhang\"?"));
}

TEST_F(Command, ShiftRefusesWhatItCannotMeasure) {
  const std::string model = trained();
  const auto refused = [&](const std::string& where, const std::vector<std::string>& more, const std::string& words) {
    std::vector<std::string> all = {"shift", where, "--data", path("data.npz")};
    all.insert(all.end(), more.begin(), more.end());
    const Result result = run(all);
    EXPECT_EQ(result.code, 3) << result.out;
    EXPECT_THAT(result.err, HasSubstr(words));
  };
  refused(model, {"--radius", "12"}, "0 to 11 is allowed");
  refused(model, {"--limit", "0"}, "--limit \"0\": a whole number from 1");
  refused(model, {"--border", "crop"}, "radius 4 came; 0 to 0 is allowed");
  Sequential headless;
  headless.add(Conv2D(2, {3, 3}, {.input_shape = {12, 12, 1}}));
  headless.save(path("headless"));
  refused(path("headless"), {}, "no classifier's output");
  Sequential vectors;
  vectors.add(Dense(2, {.input_shape = {144}}));
  vectors.save(path("vectors"));
  refused(path("vectors"), {}, "images (height, width, channels) are needed");
  Sequential colour;
  colour.add(Flatten({.input_shape = {12, 12, 3}}));
  colour.add(Dense(4));
  colour.save(path("colour"));
  refused(path("colour"), {}, "images with 1 channel came");

  save_npz(path("black.npz"), {{"x_test", Tensor({3, 12, 12}, DType::u8)}, {"y_test", Tensor({3}, DType::u8)}});
  const Result black = run({"shift", model, "--data", path("black.npz"), "--radius", "1", "--report", path("black.html"), "--picture", path("black.png")});
  EXPECT_EQ(black.code, 0) << black.err;
  EXPECT_THAT(black.out, HasSubstr("none of 3 images changes its class"));
}

TEST_F(Command, ShiftSaysWhatIsGuaranteed) {
  const std::string model = trained();
  const Result text = run({"shift", model, "--data", path("data.npz"), "--radius", "1", "--no-explanation", "--certificate", path("c.csv")});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, testing::AllOf(HasSubstr("No guarantee by construction: [Conv2D 'conv2d'] sees the border"), HasSubstr("Radii by construction are 0"),
                                       HasSubstr("written: " + path("c.csv"))));
  const std::string file = tests::text_of(path("c.csv"));
  EXPECT_THAT(file, testing::StartsWith("image,label,class,radius_by_enumeration_zero,radius_by_construction\r\n0,0,"));
  EXPECT_EQ(std::count(file.begin(), file.end(), '\n'), 65);
  const auto events = run({"shift", model, "--data", path("data.npz"), "--radius", "1", "--log", "json"}).events();
  EXPECT_EQ(events[0]["guarantee"]["holds"], false);
  EXPECT_THAT(events[0]["guarantee"]["reason"].get<std::string>(), HasSubstr("padding \"valid\""));

  const std::string steady = saved(Sequential({Conv2D(2, {3, 3}, {.padding = "circular", .input_shape = {12, 12, 1}}), AdaptivePolyphaseSampling2D(), GlobalMaxPooling2D(), Dense(4)}), "steady");
  const Result holds = run({"shift", steady, "--data", path("data.npz"), "--radius", "1", "--certificate", path("c.csv")});
  EXPECT_THAT(holds.out, testing::AllOf(HasSubstr("Guaranteed by construction"), Not(HasSubstr("Radii by construction are 0"))));
  EXPECT_THAT(tests::text_of(path("c.csv")), HasSubstr(",1,1\r\n"));
  EXPECT_EQ(run({"shift", model, "--data", path("data.npz"), "--certificate", path("none/c.csv")}).code, 4);
}

TEST_F(Command, CanvasTakesTheWeightsToLargerImages) {
  const std::string model = trained();
  const std::string steady = saved(Sequential({Conv2D(2, {3, 3}, {.padding = "circular", .input_shape = {12, 12, 1}}), AdaptivePolyphaseSampling2D(),
                                               GlobalMaxPooling2D(), Dense(4, {.activation = "softmax"})}),
                                   "steady");
  const auto events = run({"shift", steady, "--data", path("data.npz"), "--canvas", "20", "--radius", "4", "--no-explanation", "--log", "json"}).events();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["border"], "canvas");
  EXPECT_EQ(events[0]["within"][4]["uncut"], 1.0) << "a margin of four pixels";
  EXPECT_EQ(events[0]["flip_rate"], 0.0);
  EXPECT_EQ(events[0]["max_change"], 0.0);
  const Result evaluated = run({"evaluate", steady, "--data", path("data.npz"), "--canvas", "20x16"});
  EXPECT_EQ(evaluated.code, 0) << evaluated.err;

  const Result tied = run({"shift", model, "--data", path("data.npz"), "--canvas", "20"});
  EXPECT_EQ(tied.code, 3);
  EXPECT_THAT(tied.err, testing::AllOf(HasSubstr("(20, 20, 1)"), HasSubstr("/kernel\" has shape")));
  const Result odd = run({"shift", steady, "--data", path("data.npz"), "--canvas", "21"});
  EXPECT_EQ(odd.code, 3);
  EXPECT_THAT(odd.err, HasSubstr("do not divide"));
  const Result text = run({"evaluate", steady, "--data", path("data.npz"), "--canvas", "wide"});
  EXPECT_EQ(text.code, 3);
  EXPECT_THAT(text.err, HasSubstr("such as 44x44"));
}

// ---- fix -----------------------------------------------------------------------------------------------------------

TEST_F(Command, FixReplacesTrainsAndMeasures) {
  const std::string data = figures();
  ASSERT_EQ(run({"train", "--data", data, "--epochs", "6", "--batch-size", "8", "--out", path("model")}).code, 0);
  const Result fixed = run({"fix", path("model"), "--data", data, "--epochs", "20", "--radius", "1", "--out", path("steady"), "--picture", path("maps.png"), "--log", "json"});
  ASSERT_EQ(fixed.code, 0) << fixed.err;
  const auto events = fixed.events();
  ASSERT_EQ(events.size(), 3U + 20 + 3);
  EXPECT_EQ(events[0]["event"], "replacements");
  EXPECT_EQ(events[0]["replacements"][1]["layer"], "max_pooling2d");
  EXPECT_EQ(events[0]["new_weights"].size(), 0U);
  EXPECT_EQ(events[1]["event"], "before");
  EXPECT_GT(events[1]["accuracy"].get<double>(), events[1]["worst_case_accuracy"].get<double>());
  EXPECT_EQ(events[2]["event"], "train");
  EXPECT_EQ(events[2]["images"], 256);
  EXPECT_GT(events[2]["expected_seconds"].get<double>(), 0);
  EXPECT_EQ(events[3]["event"], "epoch");
  const detail::io::Json& after = events[23];
  EXPECT_EQ(after["event"], "after");
  EXPECT_GT(after["accuracy"].get<double>(), 0.9);
  EXPECT_EQ(after["accuracy"], after["worst_case_accuracy"]) << "no ink leaves the frame";
  EXPECT_EQ(after["consistency"], 1);
  EXPECT_EQ(events[24]["event"], "guarantee");
  EXPECT_EQ(events[24]["holds"], true);
  EXPECT_EQ(events[25]["event"], "done");
  EXPECT_EQ(events[25]["saved"], path("steady"));
  EXPECT_EQ(load_image(path("maps.png")).shape()[2], 3);

  const auto shift = run({"shift", path("steady"), "--data", data, "--radius", "6", "--border", "circular", "--log", "json"}).events();
  EXPECT_EQ(shift[0]["accuracy"], after["accuracy"]);
  EXPECT_EQ(shift[0]["max_change"], 0);
  const Result again = run({"fix", path("steady"), "--data", data});
  EXPECT_EQ(again.code, 3);
  EXPECT_THAT(again.err, HasSubstr("nothing to replace"));
}

TEST_F(Command, FixIsReadable) {
  const Result text =
      run({"fix", trained(), "--data", path("data.npz"), "--with", "blur", "--epochs", "1", "--radius", "1", "--canvas", "16", "--limit", "60"});
  ASSERT_EQ(text.code, 0) << text.err;
  for (const char* part :
       {"64 training images and 60 test images", "MaxPooling2D 2x2, stride 2x2, valid  MaxBlurPooling2D 2x2, filter 3, stride 2x2, circular, border circular", "weights kept: conv2d/kernel",
        "new weights: none", "1 epoch of 64 images, about", "not saved, because no --out DIR was given", "before       after", "15,082", "60 test images; shifts: all 9 within 1 pixels",
        "border zero before, canvas after", "points lower", "No guarantee by construction: [MaxBlurPooling2D 'max_pooling2d'] subsamples with stride 2"})
    EXPECT_THAT(text.out, HasSubstr(part));
}

TEST_F(Command, FixRefusals) {
  const std::string data = figures(), model = saved(Sequential({Conv2D(2, {3, 3}, {.input_shape = {12, 12, 1}}), Flatten(), Dense(4)}));
  const auto refuses = [&](const std::vector<std::string>& words, int code, const std::string& message) {
    std::vector<std::string> all = {"fix"};
    all.insert(all.end(), words.begin(), words.end());
    const Result result = run(all);
    EXPECT_EQ(result.code, code) << message;
    EXPECT_THAT(result.err, HasSubstr(message));
  };
  refuses({model, "--data", data, "--with", "apz"}, 2, "did you mean \"aps\"?");
  refuses({model, "--data", data, "--canvas", "8x20"}, 3, "a canvas of 8x20 came; the model takes (12, 12, 1)");
  refuses({model, "--data", data, "--canvas", "12y12"}, 3, "HEIGHTxWIDTH is allowed, such as 44x44");
  refuses({model, "--data", data, "--radius", "12"}, 3, "radius 12 came; 0 to 11 is allowed");
  refuses({model, "--data", data, "--out", data}, 4, "figures.npz");
  refuses({model, "--data", data, "--picture", path("none/x.png")}, 4, "cannot be written");
  refuses({path("nothing"), "--data", data}, 4, "there is no such file or directory");
  refuses({model, "--data", figures(8, 20)}, 3, "images of 20 x 20 came, the model takes (12, 12, 1)");

  const std::string small = small_data(8, 8, 9);
  refuses({model, "--data", small}, 3, "label 9");
  const Archive arrays = load_npz(small);
  save_npz(path("x.npz"), {{"x_train", arrays["x_train"]}});
  refuses({model, "--data", path("x.npz")}, 3, "y_train");
  save_npz(path("test.npz"), {{"x_test", arrays["x_test"]}, {"y_test", arrays["y_test"]}});
  refuses({model, "--data", path("test.npz")}, 3, "holds test images only");

  const std::string odd_data = figures(8, 27);
  refuses({saved(Sequential({Conv2D(2, {3, 3}, {.input_shape = {27, 27, 1}}), MaxPooling2D({2, 2}), Flatten(), Dense(4)}), "odd"), "--data", odd_data}, 3, "a canvas of 28x28");
  refuses({saved(Sequential({Conv2D(2, {3, 3}, {.strides = 3, .input_shape = {28, 28, 1}}), Flatten(), Dense(4)}), "three"), "--data", odd_data}, 3, "a canvas of 30x30");
  refuses({saved(Sequential({Conv2D(2, {3, 3}, {.input_shape = {28, 28, 1}})}), "maps"), "--data", odd_data}, 3, "one row of class values is needed");
}

TEST_F(Command, FixOnImagesOfOneColour) {
  Tensor x({8, 12, 12}, DType::u8), y({8}, DType::u8);
  std::fill(x.values<std::uint8_t>().begin(), x.values<std::uint8_t>().end(), std::uint8_t{7});
  save_npz(path("grey.npz"), {{"x_train", x}, {"y_train", y}, {"x_test", x}, {"y_test", y}});
  const std::string model = saved(Sequential({Conv2D(2, {3, 3}, {.input_shape = {12, 12, 1}}), Flatten(), Dense(4)}));
  const Result result = run({"fix", model, "--data", path("grey.npz"), "--epochs", "1", "--radius", "2"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Guaranteed by construction"));
}

TEST_F(Command, InterruptedFixSavesWhatWasLearned) {
  const std::string data = figures(), model = saved(Sequential({Conv2D(2, {3, 3}, {.input_shape = {12, 12, 1}}), MaxPooling2D({2, 2}), Flatten(), Dense(4)}));
  Process process({"fix", model, "--data", data, "--epochs", "100000", "--radius", "1", "--out", path("steady"), "--log", "json"}, folder_);
  ASSERT_TRUE(process.wait_for_output("\"epoch\""));
  process.interrupt();
  const Result result = process.wait();
  EXPECT_EQ(result.code, 130) << result.err;
  EXPECT_EQ(result.events().back()["event"], "interrupted");
  EXPECT_EQ(result.events().back()["saved"], path("steady"));
  EXPECT_EQ(run({"evaluate", path("steady"), "--data", data}).code, 0);
}

// ---- profile, accuracy ---------------------------------------------------------------------------------------------

TEST_F(Command, ProfileIsATable) {
  for (const bool training : {false, true}) {
    std::vector<std::string> arguments = {"profile", "--batch-size", "9", "--steps", "2", "--threads", "2"};
    if (training) arguments.push_back("--training");
    const Result result = run(arguments);
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr(training ? "notebook, training: batch 9, float32, accuracy fast"
                                               : "notebook, inference: batch 9, float32, accuracy fast"));
    EXPECT_THAT(result.out, testing::AllOf(HasSubstr("2 threads"), HasSubstr("roofline of a thread while all run"),
                                           HasSubstr("2 steps of 9 images"), HasSubstr("summed over the 2 threads")));
    EXPECT_THAT(result.out, Not(HasSubstr("\x1b")));
    // The table stands between two empty lines: a heading, a rule, the ops, what is between them, a rule, the sum.
    std::istringstream lines(result.out.substr(result.out.find("\n\n") + 2));
    std::vector<std::u32string> table;
    for (std::string line; std::getline(lines, line) && !line.empty();) table.push_back(detail::core::from_utf8(line));
    ASSERT_GE(table.size(), 10U);
    const std::size_t width = table[1].size();
    EXPECT_LE(width, 110U);
    std::size_t rules = 0;
    for (const std::u32string& line : table) {
      EXPECT_LE(line.size(), width);
      rules += line == std::u32string(width, U'─');
    }
    EXPECT_EQ(rules, 2U);
    const std::size_t ms = table[0].find(U"  %") + 2;  // where the numbers of two columns end
    EXPECT_EQ(table.back().substr(ms - 4, 5), U"100.0") << "the sum stands under its heading";
    for (std::size_t i = 2; i + 2 < table.size(); ++i) EXPECT_TRUE(table[i][ms] >= U'0' && table[i][ms] <= U'9') << i;
  }
}

TEST_F(Command, ProfileShortensLongNames) {
  Sequential model;
  model.add(Dense(2, {.name = "a_name_that_does_not_end_" + std::string(200, 'x'), .input_shape = {3}}));
  model.add(Dense(2, {.activation = "softmax", .name = "zwei\u4e8c\x1b[31m"}));
  write(path("model.json"), model.to_json());
  const Result result = run({"profile", path("model.json"), "--steps", "1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, testing::AllOf(HasSubstr("  a_name_that_does_not_end_xxxx"), HasSubstr("x…  "), HasSubstr("zwei\u4e8c\uFFFD[31m"), Not(HasSubstr("\x1b"))));
  std::istringstream lines(result.out.substr(result.out.find("\n\n") + 2));
  for (std::string line; std::getline(lines, line) && !line.empty();) EXPECT_LE(detail::core::from_utf8(line).size(), 110U) << line;
}

TEST_F(Command, ProfileAsJson) {
  const auto events =
      run({"profile", "global-max", "--training", "--batch-size", "16", "--steps", "3", "--threads", "1", "--log", "json"}).events();
  ASSERT_EQ(events.size(), 1U);
  const detail::io::Json& event = events[0];
  EXPECT_EQ(event["event"], "profile");
  EXPECT_EQ(event["model"], "global-max");
  EXPECT_EQ(event["training"], true);
  EXPECT_EQ(event["threads"], 1);
  EXPECT_EQ(event["precision"], "float32");
  EXPECT_EQ(event["accuracy_policy"], "fast");
  EXPECT_EQ(event["batch_size"], 16);
  EXPECT_EQ(event["steps"], 3);
  for (const char* key : {"seconds", "images_per_second", "peak_flops", "cache_bandwidth", "memory_bandwidth"})
    EXPECT_GT(event[key].get<double>(), 0) << key;
  EXPECT_FALSE(event["cpu"].get<std::string>().empty());
  double shares = 0;
  bool convolution = false;
  for (const detail::io::Json& op : event["ops"]) {
    shares += op["share"].get<double>();
    convolution = convolution || (op["op"] == "conv2d_pool" && op["flops"].get<double>() > 0 && op["bound"] == "compute");
    for (const char* key : {"layer", "implementation", "isa"}) EXPECT_TRUE(op[key].is_string()) << key;
    for (const char* key : {"calls", "seconds", "bytes", "memory_bytes", "roofline_seconds"}) EXPECT_TRUE(op[key].is_number()) << key;
  }
  EXPECT_TRUE(convolution);
  EXPECT_NEAR(shares + event["seconds_between_ops"].get<double>() / event["seconds"].get<double>(), 1, 1e-9);
}

TEST_F(Command, ProfileOfModelsAndData) {
  const std::string model = trained();
  const std::vector<std::string> quick = {"--steps", "1", "--batch-size", "8", "--log", "json"};
  const auto with = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "profile");
    arguments.insert(arguments.end(), quick.begin(), quick.end());
    return run(arguments);
  };
  const auto ran = [](const Result& result, const std::string& op) {
    EXPECT_EQ(result.code, 0) << result.err;
    const detail::io::Json event = result.events().at(0);
    return std::any_of(event["ops"].begin(), event["ops"].end(), [&](const detail::io::Json& row) { return row["op"] == op; });
  };
  const std::string weights = tests::text_of(model + "/model.safetensors");
  EXPECT_TRUE(ran(with({model, "--data", path("data.npz")}), "rescale")) << "the layer that training put in front";
  EXPECT_TRUE(ran(with({model}), "rescale")) << "it is the model's, whatever the data";
  EXPECT_FALSE(ran(with({"notebook"}), "rescale"));
  EXPECT_TRUE(ran(with({model, "--training", "--data", path("data.npz")}), "adam_update"));
  EXPECT_EQ(tests::text_of(model + "/model.safetensors"), weights);
  EXPECT_TRUE(ran(with({"notebook", "--data", path("data.npz")}), "conv2d_pool"));
  EXPECT_TRUE(ran(with({"notebook", "--input", "20x24x3", "--classes", "3"}), "conv2d_pool"));
  EXPECT_TRUE(ran(with({tests::golden("notebook_config.json")}), "conv2d_pool"));

  for (const std::string option : {"--batch-size", "--steps", "--classes", "--threads"})
    EXPECT_EQ(run({"profile", option, "-1"}).code, 3) << option;
  EXPECT_EQ(run({"profile", "--batch-size", "0"}).code, 3);
  EXPECT_EQ(run({"profile", "--input", "axb"}).code, 3);
  EXPECT_EQ(run({"profile", "--input", "2x2"}).code, 3) << "too small for the network";
  EXPECT_EQ(run({"profile", path("none.json")}).code, 4);
  EXPECT_EQ(run({"profile", "--data", path("none.npz")}).code, 4);
  EXPECT_EQ(run({"profile", "--log", "jsn"}).code, 2);
  EXPECT_EQ(run({"profile", tests::golden("notebook_config.json"), "--data", path("data.npz")}).code, 3) << "28 x 28 and 12 x 12";
  small_data(64, 64, 10);
  EXPECT_EQ(run({"profile", "--training", "--data", path("data.npz")}).code, 3) << "label 10 of 10 classes";
  const auto failed = run({"profile", "--batch-size", "0", "--log", "json"}).events();
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed[0]["kind"], "ValueError");
}

// The same bits as with Winograd's forms switched off by name.
TEST_F(Command, ExactIsWithoutWinograd) {
  const auto model_of = [&](const std::string& name, std::vector<std::string> more,
                            const std::vector<std::pair<std::string, std::string>>& environment) {
    std::vector<std::string> arguments = {"train", "--data", path("data.npz"), "--epochs", "2", "--batch-size", "16", "--out", path(name)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Result result = run(arguments, environment);
    EXPECT_EQ(result.code, 0) << result.err;
    return tests::text_of(path(name) + "/model.safetensors");
  };
  small_data();
  const std::string exact = model_of("exact", {"--accuracy", "exact"}, {});
  const std::string winograd =
      "conv_pool_forward.winograd4,conv_pool_forward.winograd,conv_pool_forward.winograd_plane,conv_forward.winograd4,conv_forward.winograd";
  EXPECT_EQ(exact, model_of("disabled", {}, {{"LINN_DISABLE", winograd}}));
  if (detail::core::isa() != detail::core::Isa::scalar) {
    EXPECT_NE(exact, model_of("fast", {}, {}));
  }
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"evaluate", path("exact")}, {"predict", path("exact"), "--row", "1"}, {"shift", path("exact"), "--radius", "1"}}) {
    const auto result = [&](const char* accuracy, const std::vector<std::pair<std::string, std::string>>& environment) {
      std::vector<std::string> all = arguments;
      all.insert(all.end(), {"--data", path("data.npz"), "--log", "json", "--accuracy", accuracy});
      detail::io::Json event = run(all, environment).events().at(0);
      event.erase("seconds");
      return event;
    };
    EXPECT_EQ(result("exact", {}), result("fast", {{"LINN_DISABLE", winograd}})) << arguments[0];
  }
}

TEST_F(Command, DemoSaysWhatItComparesFull) {
  const Result result = run({"demo", "--data", small_data(), "--out", path("demo")});
  ASSERT_EQ(result.code, 0) << result.err;
  const detail::io::Json table = detail::io::parse_json(tests::text_of(path("demo/table.json")), "table.json");
  ASSERT_EQ(table["networks"].size(), 5U);
  const std::string helps = table["words"][2];
  EXPECT_THAT(helps,
              testing::AllOf(HasSubstr("How far it helps"), HasSubstr("had 3 epochs, the one without pooling 1"), HasSubstr("--full")));
  for (const std::string file : {"shift-map.png", "worst-case.png", "maps.png"}) EXPECT_TRUE(fs::exists(path("demo/" + file))) << file;
}

// ---- Ctrl-C --------------------------------------------------------------------------------------------------------

// The file, the variables, and 2 MB.
TEST_F(Command, LoadingTakesTheFileAndItsVariables) {
  if (sanitized) GTEST_SKIP() << "a sanitizer keeps memory of its own";
  const Sequential small({Dense(2, {.input_shape = {2}})}), large({Dense(3000, {.input_shape = {3000}})});
  for (const char* kind : {".keras", ".h5", ".safetensors"}) {
    small.save(path(std::string("small") + kind));
    large.save(path(std::string("large") + kind));
    const auto memory = [&](const char* name) { return run({"summary", path(name + std::string(kind))}).peak_bytes; };
    const auto file = static_cast<std::int64_t>(fs::file_size(path(std::string("large") + kind)));
    EXPECT_LE(memory("large") - memory("small"), file + large.count_params() * 4 + (std::int64_t{2} << 20)) << kind;
  }
}

// Each call on files that a save makes fails in turn: the old model stays, or the new one is there; nothing is called saved that is not.
TEST_F(Command, EveryCallOfASaveFailsInTurn) {
  if (sanitized) GTEST_SKIP() << "a sanitizer's own library must be loaded first";
  const Sequential before({Dense(30, {.input_shape = {20}})}, {.seed = 1}), after({Dense(30, {.input_shape = {20}})}, {.seed = 2});
  after.save(path("after"));
  fs::create_directory(path("faults"));
  for (const char* kind : {"m.keras", "m.h5", "m.safetensors", "m.weights.h5"}) {
    const std::string file = path(std::string("faults/") + kind);
    const auto content = [&] {
      Sequential model({Dense(30, {.input_shape = {20}})});
      model.load_weights(file);
      return model.get_weights()[0].values<float>()[0];
    };
    int failed = 0;
    for (int call = 1, error = 0;; ++call, error = (error + 1) % 3) {
      before.save_weights(file);
      const std::string number = std::to_string(std::vector{ENOSPC, EIO, EDQUOT}[static_cast<std::size_t>(error)]);
      const Result result = run({"convert", path("after"), file}, {{"LD_PRELOAD", LINN_FAULTS},
                                                                   {"LINN_FAULT_PATH", "/faults"},
                                                                   {"LINN_FAULT_CALLS", "open,write,fchmod,fsync,close,rename"},
                                                                   {"LINN_FAULT_AT", std::to_string(call)},
                                                                   {"LINN_FAULT_DO", number}});
      const float first = content();
      const bool is_new = first == after.get_weights()[0].values<float>()[0];
      EXPECT_TRUE(is_new || first == before.get_weights()[0].values<float>()[0]) << kind << " " << call;
      if (result.code == 0) {
        EXPECT_TRUE(is_new) << kind << ": call " << call << " was said to have saved";
        break;
      }
      ++failed;
      EXPECT_EQ(result.code, 4) << result.err;
      EXPECT_THAT(result.err, HasSubstr(kind)) << call;
    }
    EXPECT_GE(failed, 5) << kind;
    EXPECT_EQ(std::distance(fs::directory_iterator(path("faults")), {}), 1) << "files are left over";
    fs::remove(file);
  }
}

TEST_F(Command, MemoryThatIsNotThere) {
  if (sanitized) GTEST_SKIP() << "a sanitizer reserves more address space than the limit";
  Sequential model;
  model.add(GlobalMaxPooling2D({.input_shape = {1100, 1100, 1}}));
  model.add(Dense(4, {.activation = "softmax"}));
  model.save(path("model"));
  const Result result =
      Process({"shift", path("model"), "--data", small_data(), "--radius", "1099", "--threads", "1"}, folder_, {}, rlim_t{2} << 30).wait();
  EXPECT_EQ(result.code, 5) << result.err;
  EXPECT_THAT(result.err, testing::AllOf(HasSubstr("64 images at 4835601 shifts need 2951.4 MiB"), HasSubstr("a smaller radius")));
}

TEST_F(Command, DisablingWhatIsNotThere) {
  const std::string data = small_data();
  const Result wrong = run({"train", "--data", data, "--epochs", "1"}, {{"LINN_DISABLE", "conv_fward.no"}});
  EXPECT_EQ(wrong.code, 0);
  EXPECT_EQ(wrong.err, "linn: LINN_DISABLE: \"conv_fward.no\" is no implementation; LINN_VERBOSE=1 prints those that run\n") << "once";
  EXPECT_EQ(run({"train", "--data", data, "--epochs", "1"}).err, "");
}

// From start to exit within 30 ms: the best of twenty, as the machine may be busy.
TEST_F(Command, SummaryIsQuick) {
  if (sanitized) GTEST_SKIP() << "a sanitizer's start alone takes longer";
#ifdef LINN_COVERAGE
  GTEST_SKIP() << "writing the counters at the end takes longer";
#endif
  double best = 1;
  for (int i = 0; i < 20; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(run({"summary"}).code, 0);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  EXPECT_LT(best, 0.030);
}

TEST_F(Command, FullTrainingIsSmall) {
  if (sanitized) GTEST_SKIP() << "a sanitizer's shadow memory is larger";
  const Result result = run({"train", "--data", tests::data_file("mnist.npz"), "--epochs", "1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_LT(result.peak_bytes, 150 << 20);  // the data alone are 55 MB
}

TEST_F(Command, InterruptSavesWhatWasLearned) {
  const std::string data = small_data(2048);
  Process process({"train", "--data", data, "--epochs", "100000", "--batch-size", "8", "--out", path("model"), "--log", "json"}, folder_);
  ASSERT_TRUE(process.wait_for_output("\"epoch\""));
  process.interrupt();
  const Result result = process.wait();
  EXPECT_EQ(result.code, 130) << result.err;
  EXPECT_THAT(result.err, HasSubstr("interrupted"));
  const auto events = result.events();
  EXPECT_EQ(events.back()["event"], "interrupted");
  EXPECT_EQ(events.back()["saved"], path("model"));
  const Sequential model = Sequential(load_model(path("model")));
  EXPECT_EQ(model.output_shape(), Shape({10}));
  EXPECT_EQ(run({"evaluate", path("model"), "--data", data}).code, 0);
}

TEST_F(Command, InterruptWithoutOutSaysSo) {
  Process process({"train", "--data", small_data(2048), "--epochs", "100000", "--batch-size", "8"}, folder_);
  ASSERT_TRUE(process.wait_for_output("Epoch 1/"));
  process.interrupt();
  const Result result = process.wait();
  EXPECT_EQ(result.code, 130);
  EXPECT_THAT(result.out, HasSubstr("interrupted; not saved"));
}

TEST_F(Command, SecondInterruptLeavesAtOnce) {
  // One step is all of the epoch, and a long one, so that the second comes before the first has had its effect.
  Process process({"train", "--data", small_data(60000), "--model", "no-pooling", "--epochs", "100000", "--batch-size", "30000", "--out",
                   path("model")},
                  folder_);
  ASSERT_TRUE(process.wait_for_output("seed 0"));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  process.interrupt();
  ASSERT_TRUE(process.wait_for_output("interrupted"));
  process.interrupt();
  EXPECT_EQ(process.wait().code, 130);
}

}  // namespace
}  // namespace linn::cli
