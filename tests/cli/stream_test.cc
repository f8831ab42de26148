// linn train on image folders that it reads while it trains.
#include "run_command.h"

namespace linn::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class StreamCommand : public Command {
 protected:
  std::vector<std::string> train(const std::string& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"train", "--data", path("pictures"), "--batch-size", "5", "--epochs", "2", "--seed", "3", "--out", path(out)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  std::string weights(const std::string& out) const { return tests::text_of(path(out + "/model.safetensors")); }
};

TEST_F(StreamCommand, TheBitsAreThoseOfMemory) {
  picture_folder(false);
  for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{{},
                                                                                    {"--validation-split", "0.25", "--loss", "categorical_crossentropy"},
                                                                                    {"--canvas", "16", "--metrics", "accuracy,sparse_top_k_categorical_accuracy:k=2"},
                                                                                    {"--limit", "13"}}) {
    const auto with = [&](const std::string& option, const std::string& out) {
      std::vector<std::string> all = more;
      if (!option.empty()) all.push_back(option);
      return run(train(out, all));
    };
    const Result memory = with("", "memory"), stream = with("--stream", "stream"), cache = with("--cache", "cache");
    ASSERT_EQ(memory.code, 0) << memory.err;
    ASSERT_EQ(stream.code, 0) << stream.err;
    EXPECT_THAT(stream.out, HasSubstr("read while training"));
    EXPECT_THAT(memory.out, Not(HasSubstr("read while training")));
    EXPECT_TRUE(weights("stream") == weights("memory"));
    EXPECT_TRUE(weights("cache") == weights("memory"));
    // What is measured on the test images.
    EXPECT_EQ(stream.out.substr(stream.out.rfind("test images")), memory.out.substr(memory.out.rfind("test images")));
  }
}

// What an image becomes follows from its number: in x, or in the pass.
TEST_F(StreamCommand, AugmentationIsTheSameInEachWayOfReading) {
  picture_folder(false);
  const std::vector<std::string> augment = {"--augment", "translation:0.1,flip", "--stream"};
  ASSERT_EQ(run(train("stream", augment)).code, 0);
  std::vector<std::string> cached = augment;
  cached.insert(cached.end(), {"--cache", "--threads", "1"});
  ASSERT_EQ(run(train("cache", cached)).code, 0);
  EXPECT_TRUE(weights("stream") == weights("cache"));
}

TEST_F(StreamCommand, AProfileSaysHowLongStepsWait) {
  picture_folder(false);
  const Result table = run({"profile", "--training", "--data", path("pictures"), "--stream", "--batch-size", "4", "--steps", "6"});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out, AllOf(HasSubstr("(waiting for data)"), HasSubstr("6 steps of 4 images"), HasSubstr("read while training")));
  const Result json = run({"profile", "--training", "--data", path("pictures"), "--stream", "--batch-size", "4", "--steps", "6", "--log", "json"});
  EXPECT_EQ(json.code, 0) << json.err;
  EXPECT_THAT(json.out, HasSubstr("\"seconds_waiting\":"));
  EXPECT_THAT(run({"profile", "--stream"}).err, HasSubstr("name them with --data"));
  EXPECT_THAT(run({"profile", "--data", path("pictures")}).out, Not(HasSubstr("waiting for data")));
}

TEST_F(StreamCommand, AnArchive) {
  picture_folder(false);
  ASSERT_EQ(run(train("folder", {"--stream"})).code, 0);
  const std::string command = "cd '" + path("pictures") + "' && python3 -m zipfile -c ../pictures.zip train test";
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::vector<std::string> of_zip = train("zip", {"--stream"});
  of_zip[2] = path("pictures.zip");
  ASSERT_EQ(run(of_zip).code, 0);
  EXPECT_TRUE(weights("zip") == weights("folder"));
}

TEST_F(StreamCommand, BrokenImagesAreNamedOrLeftOut) {
  picture_folder(false);
  write(path("pictures/train/bar/1.png"), "no image");
  write(path("pictures/test/bar/25.png"), "neither");
  const Result refused = run(train("model", {"--stream"}));
  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("pictures/train/bar/1.png"), HasSubstr("is no PNG and no JPEG image")));
  const Result skipped = run(train("model", {"--skip-broken"}));
  EXPECT_EQ(skipped.code, 0) << skipped.err;
  EXPECT_THAT(skipped.out, AllOf(HasSubstr("7 test images"), HasSubstr("2 images could not be read and were left out"), HasSubstr("pictures/test/bar/25.png"), Not(HasSubstr("0 bytes"))));
  EXPECT_THAT(run(train("json", {"--skip-broken", "--log", "json"})).out, AllOf(HasSubstr(R"({"event":"skipped","images":2,"messages":[)"), Not(HasSubstr(R"("event":"memory")"))));
}

TEST_F(StreamCommand, OtherDataAndSizesAreRefused) {
  const Result arrays = run({"train", "--data", small_data(), "--stream"});
  EXPECT_EQ(arrays.code, 2);
  EXPECT_THAT(arrays.err, HasSubstr("are for images in folders or a .zip"));
  picture_folder(true);
  const Result sizes = run(train("model", {"--stream"}));
  EXPECT_EQ(sizes.code, 3);
  EXPECT_THAT(sizes.err, AllOf(HasSubstr("24 x 18"), HasSubstr("12 x 12"), HasSubstr("--resize")));
  EXPECT_EQ(run(train("model", {"--stream", "--resize", "12"})).code, 0);
}

TEST_F(StreamCommand, ItIsResumedInTheMiddleOfAnEpoch) {
  picture_folder(false);
  const std::vector<std::string> more = {"--stream", "--checkpoint-every", "1"};
  std::vector<std::string> whole = train("whole", more), killed = train("killed", more);
  whole[6] = killed[6] = "200";
  ASSERT_EQ(run(whole).code, 0);
  kill_when_there(killed, "killed/checkpoint.previous.safetensors");
  const Result resumed = run({"train", "--resume", path("killed")});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(weights("killed") == weights("whole"));
}

}  // namespace
}  // namespace linn::cli
