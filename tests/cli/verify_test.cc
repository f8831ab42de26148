// linn verify: files and directories that are whole, and each way in which they are not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "cli/run_command.h"
#include "linn/layers.h"
#include "linn/model.h"
#include "linn/optimizers.h"

namespace linn::cli {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class Verify : public Command {
 protected:
  static Sequential network() {
    return Sequential({Conv2D(2, 3, {.activation = "relu", .name = "conv", .input_shape = {12, 12, 1}}), Flatten(),
                       Dense(4, {.activation = "softmax", .name = "out"})},
                      {.name = "net"});
  }
  std::string bytes_of(const std::string& file) const { return tests::text_of(file); }
  // The place of a tensor's bytes in a safetensors file: the header says it.
  static std::size_t data_of(const std::string& bytes, const std::string& tensor) {
    std::uint64_t length = 0;
    for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(bytes[i]);
    const detail::io::Json header = detail::io::parse_json(std::string_view(bytes).substr(8, length), "header");
    return 8 + length + header[tensor]["data_offsets"][0].get<std::size_t>();
  }
};

TEST_F(Verify, AModelThatTrainWroteIsWell) {
  const std::string model = trained();
  const Result result = run({"verify", model});
  EXPECT_EQ(result.code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("those of all tensors and of the metadata match"), HasSubstr("all are finite"), HasSubstr("as in model.safetensors"),
                                HasSubstr("the outputs are those that it was saved with"), HasSubstr("run.json"), HasSubstr("all settings are known"),
                                HasSubstr("there, of step "), HasSubstr("8 checks, no problem"), Not(HasSubstr("PROBLEM"))));
}

TEST_F(Verify, EveryKindOfFile) {
  const Sequential model = network();
  for (const char* kind : {"m.keras", "m.h5", "m.onnx", "m.safetensors"}) model.save(path(kind));
  for (const char* kind : {"w.weights.h5", "w.weights.json", "w.h5", "w.safetensors", "w.npz"}) model.save_weights(path(kind));
  write(path("net.json"), model.to_json());
  for (const char* kind : {"m.keras", "m.h5", "m.onnx", "m.safetensors", "net.json"}) {
    SCOPED_TRACE(kind);
    const Result result = run({"verify", path(kind)});
    EXPECT_EQ(result.code, 0) << result.out << result.err;
    EXPECT_THAT(result.out, AllOf(HasSubstr("network"), HasSubstr("824 parameters")));
  }
  for (const char* kind : {"w.weights.h5", "w.weights.json", "w.h5", "w.safetensors", "w.npz"}) {
    SCOPED_TRACE(kind);
    const Result result = run({"verify", path(kind)});
    EXPECT_EQ(result.code, 0) << result.out << result.err;
    EXPECT_THAT(result.out, AllOf(HasSubstr("4 tensors"), HasSubstr("all are finite"), Not(HasSubstr("network"))));
  }
}

TEST_F(Verify, EveryDamagedTensorIsNamed) {
  const std::string file = saved(network()) + "/model.safetensors";
  std::string bytes = bytes_of(file);
  bytes[data_of(bytes, "conv/kernel") + 5] ^= 0x10;
  bytes[data_of(bytes, "out/bias")] ^= 0x01;
  write(file, bytes);
  const Result result = run({"verify", path("model")});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.out, AllOf(HasSubstr("PROBLEM  checksums"), HasSubstr("tensor \"conv/kernel\" has checksum"), HasSubstr("tensor \"out/bias\" has checksum"),
                                HasSubstr("2 problems")));
  EXPECT_THAT(result.err, HasSubstr("the file is damaged"));
}

// Cases 1 and 2: no end of a file and no bit of it brings the command down.
TEST_F(Verify, TruncatedAndTurnedBitsAreFound) {
  const Sequential model = network();
  for (const char* kind : {"m.keras", "m.h5", "m.onnx", "m.safetensors"}) {
    SCOPED_TRACE(kind);
    model.save(path(std::string("whole") + kind));
    const std::string whole = bytes_of(path(std::string("whole") + kind));
    for (const std::size_t part : {0, 1, 7, 50, 99}) {
      write(path(kind), whole.substr(0, whole.size() * part / 100));
      const Result result = run({"verify", path(kind)});
      EXPECT_THAT(result.code, AnyOf(3, 4)) << part << " of 100: " << result.out << result.err;
    }
    for (std::size_t i = 0; i < 12; ++i) {
      std::string turned = whole;
      turned[whole.size() * (2 * i + 1) / 24] ^= static_cast<char>(1 << i % 8);
      write(path(kind), turned);
      const Result result = run({"verify", path(kind)});
      EXPECT_THAT(result.code, AnyOf(0, 3)) << i << result.out << result.err;
      if (std::string(kind) != "m.safetensors") continue;
      EXPECT_EQ(result.code, 3) << i;
    }
  }
}

// Case 14.
TEST_F(Verify, NaNIsAProblemAndDenormalsAreSaid) {
  Sequential model = network();
  std::vector<Tensor> weights = model.get_weights();
  weights[0].values<float>()[0] = 1e-40F;
  model.set_weights(weights);
  const Result denormal = run({"verify", saved(model)});
  EXPECT_EQ(denormal.code, 0);
  EXPECT_THAT(denormal.out, HasSubstr("all are finite; 1 are denormal, the first in \"conv/kernel\""));
  weights[2].values<float>()[5] = std::numeric_limits<float>::quiet_NaN();
  weights[3].values<float>()[1] = std::numeric_limits<float>::infinity();
  model.set_weights(weights);
  const Result result = run({"verify", saved(model, "nan")});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.out, HasSubstr("tensor \"out/bias\" holds 0 NaN and 1 infinities, and 1 more tensors hold some"));
}

TEST_F(Verify, NaNInAnOptimizersSlots) {
  Sequential model = network();
  model.compile({.optimizer = optimizers::SGD({.learning_rate = 0.01, .momentum = 0.9}), .loss = "sparse_categorical_crossentropy"});
  Tensor x({4, 12, 12, 1}), y({4}, DType::i64);
  model.fit(x, y, {.verbose = 0});
  std::vector<Tensor> weights = model.get_weights();
  x.values<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_ANY_THROW(model.train_on_batch(x, y));
  model.train_on_batch(x, y, {.on_nan = "ignore"});
  model.set_weights(weights);
  const Result result = run({"verify", saved(model)});
  EXPECT_EQ(result.code, 3) << result.out;
  EXPECT_THAT(result.out, AllOf(HasSubstr("all are finite"), HasSubstr("PROBLEM  training state"), HasSubstr("slots of \"conv/kernel\" hold NaN or infinities")));
}

TEST_F(Verify, AModelThatComputesSomethingElse) {
  const Sequential model = network();
  model.save(path("m.onnx"));
  std::string bytes = bytes_of(path("m.onnx"));
  std::vector<Tensor> weights = model.get_weights();  // a format without checksums: the self-test finds what changed
  const std::string value(reinterpret_cast<const char*>(weights[0].values<float>().data()), sizeof(float));
  const std::size_t place = bytes.find(value);
  ASSERT_NE(place, std::string::npos);
  bytes[place + 3] = 0x42;
  write(path("m.onnx"), bytes);
  const Result result = run({"verify", path("m.onnx")});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.out, HasSubstr("PROBLEM  self-test"));
}

TEST_F(Verify, AConfigurationThatDoesNotAgree) {
  const std::string model = saved(network());
  std::string text = bytes_of(model + "/config.json");
  text.replace(text.find("relu"), 4, "tanh");
  write(model + "/config.json", text);
  const Result result = run({"verify", model});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.out, HasSubstr("PROBLEM  configuration  is not the configuration in model.safetensors"));
  write(model + "/config.json", "{");
  EXPECT_EQ(run({"verify", model}).code, 3);
}

TEST_F(Verify, CheckpointsAndRun) {
  const std::string model = trained();
  std::filesystem::copy(model + "/model.safetensors", model + "/checkpoint.safetensors");
  const Result well = run({"verify", model});
  EXPECT_EQ(well.code, 0) << well.out;
  EXPECT_THAT(well.out, AllOf(HasSubstr("checkpoint.safetensors"), HasSubstr("training state")));
  std::string bytes = bytes_of(model + "/model.safetensors");
  write(model + "/checkpoint.previous.safetensors", bytes.substr(0, bytes.size() / 2));
  write(model + "/run.json", R"({"epochs": "many"})");
  const Result result = run({"verify", model});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.out, AllOf(HasSubstr("checkpoint.previous.safetensors"), HasSubstr("truncated"), HasSubstr("PROBLEM  run"), HasSubstr("2 problems")));
}

TEST_F(Verify, SeveralPathsAndOnesThatAreNone) {
  const std::string model = saved(network());
  write(path("note.txt"), "hello\n");
  const Result missing = run({"verify", path("nowhere"), model});
  EXPECT_EQ(missing.code, 4);
  EXPECT_THAT(missing.out, AllOf(HasSubstr("nowhere"), HasSubstr("PROBLEM  file"), HasSubstr("the outputs are those")));
  EXPECT_EQ(run({"verify", path("note.txt")}).code, 3);
  EXPECT_EQ(run({"verify", path("")}).code, 4) << "a directory without a model";
  EXPECT_EQ(run({"verify"}).code, 2);
}

TEST_F(Verify, JsonHasEveryCheck) {
  const Result result = run({"verify", saved(network()), "--log", "json"});
  const std::vector<detail::io::Json> events = result.events();
  ASSERT_EQ(events.size(), 7U);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(events[i]["event"], "check");
    EXPECT_EQ(events[i]["ok"], true);
  }
  EXPECT_EQ(events[0]["check"], "checksums");
  EXPECT_EQ(events[6], (detail::io::Json{{"event", "verify"}, {"checks", 6}, {"problems", 0}}));
}

}  // namespace
}  // namespace linn::cli
