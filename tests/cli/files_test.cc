// The command on files of models and of weights: convert and inspect.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "cli/run_command.h"
#include "linn/layers.h"
#include "linn/model.h"

namespace linn::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Files : public Command {
 protected:
  static Sequential network(std::int64_t classes = 4) {
    return Sequential({Conv2D(2, 3, {.activation = "relu", .name = "conv", .input_shape = {12, 12, 1}}), Flatten(),
                       Dense(classes, {.activation = "softmax", .name = "out"})},
                      {.name = "net"});
  }
  // Weights that are not those that a network begins with.
  static Sequential trained_network() {
    Sequential model = network();
    std::vector<Tensor> weights = model.get_weights();
    for (Tensor& weight : weights)
      for (float& value : weight.values<float>()) value += 0.25F;
    model.set_weights(weights);
    return model;
  }
  static bool same_weights(const Model& a, const Model& b) {
    const auto x = a.get_weights(), y = b.get_weights();
    bool same = x.size() == y.size();
    for (std::size_t i = 0; same && i < x.size(); ++i)
      same = x[i].shape() == y[i].shape() &&
             std::equal(x[i].values<float>().begin(), x[i].values<float>().end(), y[i].values<float>().begin());
    return same;
  }
};

TEST_F(Files, ConvertLoadsWeightsIntoAConfiguration) {
  const Sequential model = trained_network();
  write(path("net.json"), model.to_json());
  for (const char* kind : {"w.weights.h5", "w.weights.json", "w.h5", "w.safetensors", "w.npz"}) {
    SCOPED_TRACE(kind);
    model.save_weights(path(kind));
    const Result result = run({"convert", path("net.json"), path("whole.keras"), "--load-weights", path(kind)});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("4 weights loaded"));
    EXPECT_TRUE(same_weights(load_model(path("whole.keras")), model));
  }
  model.save_weights(path("names.h5"));
  EXPECT_EQ(run({"convert", path("net.json"), path("by_name.keras"), "--load-weights", path("names.h5"), "--by-name"}).code, 0);
  EXPECT_TRUE(same_weights(load_model(path("by_name.keras")), model));
}

TEST_F(Files, ConvertListsWhatDoesNotFit) {
  trained_network().save_weights(path("w.weights.h5"));
  write(path("more.json"), network(7).to_json());
  const std::vector<std::string> words = {"convert", path("more.json"), path("m.keras"), "--load-weights", path("w.weights.h5")};
  const Result refused = run(words);
  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("\"out/kernel\""), HasSubstr("\"out/bias\""), HasSubstr("(200, 4); (200, 7) is wanted")));
  EXPECT_FALSE(fs::exists(path("m.keras")));
  std::vector<std::string> skip = words;
  skip.insert(skip.end(), {"--skip-mismatch", "--log", "json"});
  const Result result = run(skip);
  ASSERT_EQ(result.code, 0) << result.err;
  const auto event = result.events().at(0);
  EXPECT_EQ(event["load"]["loaded"], (std::vector<std::string>{"conv/kernel", "conv/bias"}));
  EXPECT_EQ(event["load"]["problems"].size(), 2U);
  skip.resize(skip.size() - 2);
  EXPECT_THAT(run(skip).out, AllOf(HasSubstr("2 weights loaded; 2 do not fit"), HasSubstr("out/kernel")));
}

TEST_F(Files, ConvertRefusesAFileOfWhichNothingFits) {
  Sequential({Dense(5, {.input_shape = {3}})}).save_weights(path("w.npz"));
  write(path("net.json"), network().to_json());
  const Result result = run({"convert", path("net.json"), path("m.keras"), "--load-weights", path("w.npz"), "--skip-mismatch"});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, HasSubstr("none of its weights fits the network"));
  EXPECT_FALSE(fs::exists(path("m.keras")));
}

TEST_F(Files, ConvertLoadsWeightsIntoABuiltInNetwork) {
  write(path("none.json"), Sequential({Flatten(), Dense(3)}).to_json());
  ASSERT_EQ(run({"summary", "lenet5"}).code, 0);
  ASSERT_EQ(run({"train", "--data", small_data(), "--model", "no-pooling", "--epochs", "1", "--out", path("m.keras")}).code, 0);
  ASSERT_EQ(run({"convert", path("m.keras"), path("w.npz")}).code, 0);
  const Result result =
      run({"convert", "no-pooling", path("again.keras"), "--load-weights", path("w.npz"), "--input", "12x12x1", "--classes", "10"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(same_weights(load_model(path("m.keras")), load_model(path("again.keras"))));
  EXPECT_THAT(run({"convert", path("none.json"), path("n.keras"), "--load-weights", path("w.npz")}).err, HasSubstr("--input HxWxC"));
}

TEST_F(Files, OptionsOfLoadingNeedIt) {
  network().save(path("m.keras"));
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--by-name"}, {"--skip-mismatch"}, {"--input", "12x12x1"}, {"--classes", "3"}}) {
    std::vector<std::string> all = {"convert", path("m.keras"), path("n.keras")};
    all.insert(all.end(), words.begin(), words.end());
    const Result result = run(all);
    EXPECT_EQ(result.code, 2) << words[0];
    EXPECT_THAT(result.err, HasSubstr("--load-weights")) << words[0];
  }
  network().save_weights(path("w.npz"));
  EXPECT_THAT(run({"convert", path("m.keras"), path("w.npz"), "--load-weights", path("w.npz")}).err, HasSubstr("are the same file"));
}

TEST_F(Files, InspectReadsAnUnpackedArchive) {
  const Sequential model = trained_network();
  fs::create_directories(path("unpacked"));
  write(path("unpacked/config.json"), model.to_json());
  model.save_weights(path("unpacked/model.weights.h5"));
  const Result result = run({"inspect", path("unpacked"), "--values"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("a Keras model, unpacked"), HasSubstr("layers/dense/vars/0"), HasSubstr("4 tensors")));
}

TEST_F(Files, InspectCountsAndBoundsValues) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  save_safetensors(path("t.safetensors"), {{"odd", Tensor::from(std::vector<float>{1, 7, -2.5F, nan, inf, -inf, nan}, {7})}, {"one", Tensor::from(std::vector<float>{-4}, {1})}});
  const auto event = run({"inspect", path("t.safetensors"), "--values", "--log", "json"}).events().at(0);
  ASSERT_EQ(event["tensors"].size(), 2U);
  const auto& odd = event["tensors"][event["tensors"][0]["name"] == "odd" ? 0 : 1];
  EXPECT_EQ(odd["nan"], 2);
  EXPECT_EQ(odd["inf"], 2);
  EXPECT_EQ(odd["least"], -2.5);
  EXPECT_EQ(odd["most"], 7);
  const auto& one = event["tensors"][event["tensors"][0]["name"] == "odd" ? 1 : 0];
  EXPECT_EQ(one["least"], -4);
  EXPECT_EQ(one["most"], -4);
}

TEST_F(Files, InspectListsShards) {
  const Sequential model = trained_network();
  model.save_weights(path("w.weights.json"), {.max_shard_size = 3250});
  const Result result = run({"inspect", path("w.weights.json")});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("a map of Keras weights in shards"), HasSubstr("shard w_00000.weights.h5"),
                                HasSubstr("shard w_00001.weights.h5"), HasSubstr("bytes, "), HasSubstr("layers/dense/vars/0"),
                                HasSubstr("4 tensors, 824 values"), Not(HasSubstr("NaN"))));
  EXPECT_THAT(run({"inspect", path("w.weights.json"), "--values"}).out, HasSubstr("NaN"));
  const auto event = run({"inspect", path("w.weights.json"), "--values", "--log", "json"}).events().at(0);
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder_))
    if (entry.path().filename().string().starts_with("w")) bytes += entry.file_size();
  EXPECT_EQ(event["bytes"], bytes);
  EXPECT_EQ(event["tensors"][0]["nan"], 0);
  fs::remove(path("w_00001.weights.h5"));
  EXPECT_THAT(run({"inspect", path("w.weights.json")}).err, HasSubstr("w_00001.weights.h5"));
}

// Outputs that are no numbers are not a surprise later on: the file says so when it is opened.
TEST_F(Files, WeightsThatAreNoNumbersAreSaidOnce) {
  Sequential model = network();
  std::vector<Tensor> weights = model.get_weights();
  for (Tensor& weight : weights) weight.values<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  model.set_weights(weights);
  model.save_weights(path("w.npz"));
  model.save(path("m.keras"));
  const Result result = run({"predict", path("m.keras"), "--data", small_data()});
  EXPECT_THAT(result.err, AllOf(HasSubstr("\"conv/kernel\" holds 1 values that are NaN or infinite, and 3 more weights hold some"),
                                HasSubstr("linn inspect --values")));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  write(path("net.json"), network().to_json());
  EXPECT_THAT(run({"convert", path("net.json"), path("n.keras"), "--load-weights", path("w.npz")}).err,
              HasSubstr("the model gives values that are NaN or infinite"));
}

}  // namespace
}  // namespace linn::cli
