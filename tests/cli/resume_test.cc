// linn train --resume: runs that were interrupted or killed go on to the same file.
#include <algorithm>
#include <csignal>

#include "run_command.h"

namespace linn::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ResumeCommand : public Command {
 protected:
  std::vector<std::string> train(const std::string& out, const std::vector<std::string>& more = {}) {
    if (data_.empty()) data_ = small_data();
    std::vector<std::string> arguments = {"train", "--data", data_, "--batch-size", "8", "--out", path(out)};
    for (const auto& [name, value] : {std::pair("--epochs", "40"), std::pair("--seed", "3")})
      if (std::ranges::find(more, name) == more.end()) arguments.insert(arguments.end(), {name, value});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  std::string weights(const std::string& out) const { return tests::text_of(path(out + "/model.safetensors")); }
  bool is_there(const std::string& name) const { return fs::exists(path(name)); }

 private:
  std::string data_;
};

TEST_F(ResumeCommand, AnyStopSignalSavesAndGoesOn) {
  ASSERT_EQ(run(train("whole")).code, 0);
  EXPECT_FALSE(is_there("whole/checkpoint.safetensors"));
  EXPECT_FALSE(is_there("whole/training.lock"));
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const std::string out = "stopped" + std::to_string(signal);
    Process process(train(out, {"--checkpoint-every", "1"}), folder_);
    ASSERT_TRUE(process.wait_for_file(path(out + "/checkpoint.previous.safetensors")));
    process.signal(signal);
    const Result result = process.wait();
    if (result.code == 0) continue;  // it was at its end already
    EXPECT_EQ(result.code, 128 + signal);
    EXPECT_THAT(result.err, HasSubstr("interrupted; finishing this step"));
    EXPECT_THAT(result.out, HasSubstr("`linn train --resume " + path(out) + "` goes on from there"));
    EXPECT_TRUE(is_there(out + "/model.safetensors")) << "what was learned so far";
    const Result resumed = run({"train", "--resume", path(out), "--threads", "1"});
    EXPECT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_TRUE(weights(out) == weights("whole"));
    EXPECT_FALSE(is_there(out + "/checkpoint.safetensors"));
  }
}

TEST_F(ResumeCommand, KilledItGoesOn) {
  ASSERT_EQ(run(train("whole")).code, 0);
  kill_when_there(train("killed", {"--checkpoint-every", "2"}), "killed/checkpoint.previous.safetensors");
  const Result resumed = run({"train", "--resume", path("killed")});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(weights("killed") == weights("whole"));
  // Once more: it is complete.
  const Result again = run({"train", "--resume", path("killed")});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("this run is complete"));
}

TEST_F(ResumeCommand, OfAModelInOneFile) {
  ASSERT_EQ(run(train("whole.keras")).code, 0);
  kill_when_there(train("killed.keras", {"--checkpoint-every", "1"}), "killed.keras.checkpoint/checkpoint.previous.safetensors");
  ASSERT_EQ(run({"train", "--resume", path("killed.keras")}).code, 0);
  EXPECT_TRUE(tests::text_of(path("killed.keras")) == tests::text_of(path("whole.keras")));
  EXPECT_FALSE(is_there("killed.keras.checkpoint"));
}

// A run that went on from a model keeps that model's optimizer from its first step on.
TEST_F(ResumeCommand, OfAModelThatIsTrainedFurther) {
  ASSERT_EQ(run(train("first", {"--epochs", "2"})).code, 0);
  ASSERT_EQ(run(train("whole", {"--model", path("first")})).code, 0);
  kill_when_there(train("killed", {"--model", path("first"), "--checkpoint-every", "1"}), "killed/checkpoint.safetensors");
  ASSERT_EQ(run({"train", "--resume", path("killed")}).code, 0);
  EXPECT_TRUE(weights("killed") == weights("whole"));
  ASSERT_EQ(run({"train", "--run", path("whole/run.json"), "--out", path("again")}).code, 0);
  EXPECT_TRUE(weights("again") == weights("whole"));
}

TEST_F(ResumeCommand, ARunOfOtherDataIsRefused) {
  kill_when_there(train("killed", {"--checkpoint-every", "1"}), "killed/checkpoint.previous.safetensors");
  small_data(200);  // at the same place
  const Result refused = run({"train", "--resume", path("killed")});
  EXPECT_NE(refused.code, 0);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("checkpoint of another training"), HasSubstr("data: the checkpoint has"), HasSubstr("--allow-changed"), HasSubstr("(here: data)")));
  EXPECT_EQ(run({"train", "--resume", path("killed"), "--allow-changed", "data"}).code, 0);
}

// What was refused leaves the run as it was.
TEST_F(ResumeCommand, ARefusalChangesNothing) {
  ASSERT_EQ(run(train("whole")).code, 0);
  kill_when_there(train("killed", {"--checkpoint-every", "1"}), "killed/checkpoint.previous.safetensors");
  const std::string settings = tests::text_of(path("killed/run.json"));
  for (const std::vector<std::string>& more : {std::vector<std::string>{"--seed", "9"}, {"--optimizer", "sgd"}, {"--model", "invariant"}}) {
    std::vector<std::string> words = {"train", "--resume", path("killed")};
    words.insert(words.end(), more.begin(), more.end());
    const Result refused = run(words);
    EXPECT_EQ(refused.code, 3) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("checkpoint of another training"));
    EXPECT_EQ(tests::text_of(path("killed/run.json")), settings) << more[0];
  }
  EXPECT_THAT(run({"train", "--resume", path("killed"), "--optimizer", "adam:beta_1=0.8"}).err,
              AllOf(HasSubstr("optimizer.config.beta_1: the checkpoint has 0.9; here it is 0.8"), Not(HasSubstr("beta_2"))));
  // One whose newest checkpoint is damaged is looked at too, though no model stands there yet.
  const Result verified = run({"verify", path("killed")});
  EXPECT_EQ(verified.code, 0) << verified.out;
  EXPECT_THAT(verified.out, AllOf(HasSubstr("was interrupted"), HasSubstr("`linn train --resume " + path("killed") + "` goes on"), HasSubstr("checkpoint.previous.safetensors")));
  EXPECT_THAT(run({"evaluate", path("killed")}).err, HasSubstr("goes on with it"));
  const Result resumed = run({"train", "--resume", path("killed")});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.out, HasSubstr("goes on in epoch "));
  EXPECT_TRUE(weights("killed") == weights("whole"));
}

TEST_F(ResumeCommand, WithoutCheckpoints) {
  ASSERT_EQ(run(train("model", {"--checkpoint-every", "0"})).code, 0);
  const Result nothing = run({"train", "--resume", path("nothing")});
  EXPECT_EQ(nothing.code, 4);
  EXPECT_THAT(nothing.err, AllOf(HasSubstr("there is no run to go on with"), HasSubstr("run.json"), HasSubstr("give what --out of that run was")));
  const Result interval = run(train("model", {"--checkpoint-every", "2x"}));
  EXPECT_EQ(interval.code, 2);
  EXPECT_THAT(interval.err, HasSubstr("--checkpoint-every: \"2x\" came; a time such as 2m, 30s or 1h, a whole number of steps, or 0 (never) is allowed"));
  EXPECT_EQ(run(train("model", {"--checkpoint-every", "1.5"})).code, 2);
  EXPECT_EQ(run({"train", "--resume", path("model"), "--out", path("other")}).code, 2);
  EXPECT_THAT(run(train("model", {"--allow-changed", "data"})).err, HasSubstr("--resume"));
  EXPECT_THAT(run({"train", "--resume", path("model")}).out, HasSubstr("complete"));
}

// An interrupted run is neither gone on with nor thrown away unless that is asked for.
TEST_F(ResumeCommand, ANewRunIntoTheDirectoryOfAnInterruptedOne) {
  kill_when_there(train("model", {"--checkpoint-every", "1"}), "model/checkpoint.previous.safetensors");
  const std::string settings = tests::text_of(path("model/run.json"));
  const Result refused = run(train("model", {"--seed", "4"}));
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("an interrupted training is there"), HasSubstr("`linn train --resume " + path("model") + "` goes on"), HasSubstr("--overwrite begins anew")));
  EXPECT_EQ(tests::text_of(path("model/run.json")), settings);
  ASSERT_EQ(run(train("model", {"--seed", "4", "--overwrite"})).code, 0);
  ASSERT_EQ(run(train("other", {"--seed", "4"})).code, 0);
  EXPECT_TRUE(weights("model") == weights("other"));
  EXPECT_FALSE(is_there("model/checkpoint.safetensors"));
}

}  // namespace
}  // namespace linn::cli
