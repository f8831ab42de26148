// What linn train refuses, or stops, before it costs the model that stood there: NaN, and more memory than there is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "cli/run_command.h"
#include "linn/model.h"

namespace linn::cli {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class Guards : public Command {
 protected:
  // The small data as floats from 0 to 1, with one value changed.
  std::string float_data(std::size_t at, float value) const {
    const Archive data = load_npz(small_data());
    Tensor x = data["x_train"].astype(DType::f32);
    for (float& pixel : x.values<float>()) pixel /= 255;
    x.values<float>()[at] = value;
    save_npz(path("float.npz"), {{"x_train", x}, {"y_train", data["y_train"]}});
    return path("float.npz");
  }
};

// OWN6 of the reports: weights became NaN, were saved, exit 0.
TEST_F(Guards, ImagesWithNaNAreNamedAndTheModelThatStoodThereStays) {
  const std::string model = trained();
  const std::string before = tests::text_of(model + "/model.safetensors");
  const std::string data = float_data(7 * 144 + 3, std::numeric_limits<float>::quiet_NaN());
  const Result result = run({"train", "--data", data, "--epochs", "1", "--out", model});
  EXPECT_EQ(result.code, 3) << result.out;
  EXPECT_THAT(result.err, AllOf(HasSubstr("image 7 holds a value that is not a number (NaN)"), HasSubstr("float.npz")));
  EXPECT_EQ(tests::text_of(model + "/model.safetensors"), before);
}

// Case 22.
TEST_F(Guards, ATrainingThatDivergesIsStoppedAndSavesNothing) {
  const std::string model = trained();
  const std::string before = tests::text_of(model + "/model.safetensors");
  const Result result = run({"train", "--data", small_data(), "--optimizer", "sgd", "--learning-rate", "1e30", "--loss", "mean_squared_error", "--model", "no-pooling",
                             "--epochs", "50", "--batch-size", "8", "--out", model});
  EXPECT_EQ(result.code, 6) << result.out << result.err;
  EXPECT_THAT(result.err, AllOf(ContainsRegex("epoch [0-9]+, step [0-9]+ \\(learning rate 1e\\+30\\)"), HasSubstr("clipnorm"), HasSubstr("before this step")));
  EXPECT_EQ(tests::text_of(model + "/model.safetensors"), before);
  EXPECT_THAT(run({"train", "--help"}).out, HasSubstr("--memory-limit"));
}

TEST_F(Guards, TheErrorIsAnEventToo) {
  const Result result =
      run({"train", "--data", small_data(), "--optimizer", "sgd", "--learning-rate", "1e30", "--epochs", "50", "--batch-size", "8", "--log", "json"});
  ASSERT_EQ(result.code, 6) << result.err;
  const detail::io::Json last = result.events().back();
  EXPECT_EQ(last["kind"], "NonFiniteError");
  EXPECT_EQ(last["exit_code"], 6);
}

TEST_F(Guards, TheMemoryOfATrainingIsSaidBeforeTheFirstStep) {
  const Result result = run({"train", "--data", small_data(), "--epochs", "1", "--batch-size", "8"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, ContainsRegex("memory: [0-9.]+ MiB of [0-9.]+ [MG]iB: weights [0-9.]+ [KM]iB, optimizer [0-9.]+ [KM]iB, work space [0-9.]+ [KM]iB, data [0-9.]+ KiB"));
  const std::vector<detail::io::Json> events = run({"train", "--data", small_data(), "--epochs", "1", "--batch-size", "8", "--log", "json"}).events();
  const auto found = std::ranges::find_if(events, [](const detail::io::Json& event) { return event["event"] == "memory"; });
  ASSERT_NE(found, events.end());
  EXPECT_EQ((*found)["total"], (*found)["weights"].get<std::int64_t>() + (*found)["optimizer"].get<std::int64_t>() + (*found)["work_space"].get<std::int64_t>() +
                                   (*found)["data"].get<std::int64_t>());
  EXPECT_EQ((*found)["data"], 64 * 144 + 64);
}

// Case 28.
TEST_F(Guards, AMemoryLimitNamesTheBatchThatFits) {
  const std::string data = small_data(512);
  const auto event = run({"train", "--data", data, "--epochs", "1", "--batch-size", "64", "--log", "json"}).events();
  std::int64_t total = 0;
  for (const detail::io::Json& each : event)
    if (each["event"] == "memory") total = each["total"].get<std::int64_t>();
  ASSERT_GT(total, 0);
  const std::vector<std::string> train = {"train", "--data", data, "--epochs", "1", "--memory-limit", std::to_string(total)};
  const auto with_batch = [&](const char* batch) {
    std::vector<std::string> words = train;
    words.insert(words.end(), {"--batch-size", batch, "--out", path("out")});
    return run(words);
  };
  const Result refused = with_batch("500");
  EXPECT_EQ(refused.code, 5) << refused.out;
  EXPECT_THAT(refused.err, AllOf(HasSubstr("fit needs"), HasSubstr("may be used (memory_limit, `--memory-limit`)"), HasSubstr("for batches of 500"), ContainsRegex("--batch-size (64|128)\\)")));
  EXPECT_FALSE(fs::exists(path("out") + "/model.safetensors"));
  EXPECT_EQ(with_batch("64").code, 0);
  const Result nothing = run({"train", "--data", data, "--epochs", "1", "--memory-limit", "1KB"});
  EXPECT_EQ(nothing.code, 5);
  EXPECT_THAT(nothing.err, HasSubstr("no batch size is small enough"));
}

TEST_F(Guards, AnAddressSpaceThatIsTooSmallIsSeenBeforeTheFirstStep) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the sanitizer needs terabytes of address space";
#endif
  const std::string data = figures(2048, 40);
  const Result result = Process({"train", "--data", data, "--model", "resnet20", "--epochs", "1", "--batch-size", "2048", "--threads", "1"}, folder_, {}, rlim_t{400} << 20).wait();
  EXPECT_EQ(result.code, 5) << result.out << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("fit needs"), HasSubstr("RLIMIT_AS"), HasSubstr("--batch-size")));
}

TEST_F(Guards, WhatMemoryLimitTakes) {
  for (const std::string bad : {"", "0", "-1", "2XB", "GB", "nan", "1e30", "1 GB GB"}) EXPECT_EQ(run({"train", "--memory-limit", bad}).code, 3) << bad;
  EXPECT_EQ(run({"train", "--data", small_data(), "--epochs", "1", "--memory-limit", "1.5GiB"}).code, 0);
}

}  // namespace
}  // namespace linn::cli
