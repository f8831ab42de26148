#include "train/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "core/terminal.h"
#include "io/json.h"

namespace linn::detail::train {
namespace {

using testing::HasSubstr;
using testing::Not;

// A file in memory that can be read back.
class Memory {
 public:
  Memory() : file_(open_memstream(&text_, &size_)) {}
  ~Memory() {
    std::fclose(file_);
    std::free(text_);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  std::FILE* file() const { return file_; }
  std::string text() const {
    std::fflush(file_);
    return {text_, size_};
  }

 private:
  char* text_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* file_;
};

class FakeTrainer : public Trainer {
 public:
  std::int64_t epoch() const override { return epoch_; }
  std::int64_t epochs() const override { return epochs_; }
  std::int64_t steps_per_epoch() const override { return steps_per_epoch_; }
  std::vector<std::string> log_names() const override { return {"accuracy", "loss"}; }
  std::int64_t step() const override { return step_; }
  std::int64_t total_steps() const override { return step_; }
  double seconds() const override { return seconds_; }
  void stop() override {}
  void save_checkpoint(const std::string& /*directory*/) override {}
  void pause(const std::string& /*directory*/) override {}
  bool paused() const override { return false; }
  void resume(const std::string& /*directory*/) override {}
  void log(const std::string&, double) override {}
  std::optional<bool> larger_is_better(std::string_view) const override { return std::nullopt; }
  double learning_rate() const override { return 0.001; }
  void set_learning_rate(double) override {}
  void save(const std::string&) override {}
  void save_weights(const std::string&) override {}
  void swap_ema_weights() override {}
  void set_ema_weights() override {}
  std::vector<Tensor> weights() const override { return {}; }
  void set_weights(const std::vector<Tensor>&) override {}

  std::int64_t epoch_ = 0;
  std::int64_t epochs_ = 3;
  std::int64_t steps_per_epoch_ = 469;
  std::int64_t step_ = 0;
  double seconds_ = 0;
};

const Logs logs = {{"loss", 0.28114}, {"accuracy", 0.91234}};

void one_epoch(Callback& callback, FakeTrainer& trainer) {
  callback.on_train_begin(trainer);
  callback.on_epoch_begin(trainer);
  trainer.step_ = 469;
  trainer.seconds_ = 3.752;
  callback.on_batch_end(trainer, logs);
  trainer.seconds_ = 4.1;
  callback.on_epoch_end(trainer, logs);
  callback.on_train_end(trainer, logs);
}

TEST(BarLine, IsKerass) {
  EXPECT_EQ(bar_line({469, 469, 4.1, 0.008, true}, logs, {.color = false, .columns = 80}),
            "469/469 ━━━━━━━━━━━━━━━━━━━━ 4s 8ms/step - accuracy: 0.9123 - loss: 0.2811");
  EXPECT_EQ(bar_line({469, 469, 4.1, 0.008, true}, logs, {.color = true, .columns = 80}),
            "\x1b[1m469/469\x1b[0m \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m \x1b[1m4s\x1b[0m 8ms/step - accuracy: 0.9123 - loss: 0.2811");
}

TEST(BarLine, FillsAsStepsGo) {
  EXPECT_EQ(bar_line({0, 10, 5, 0.5, false}, {}, {}), " 0/10 ──────────────────── 5s 500ms/step");
  EXPECT_EQ(bar_line({5, 10, 5, 0.5, false}, {}, {}), " 5/10 ━━━━━━━━━━────────── 5s 500ms/step");
  EXPECT_EQ(bar_line({5, 10, 5, 0.5, false}, {}, {.color = true}),
            "\x1b[1m 5/10\x1b[0m \x1b[32m━━━━━━━━━━\x1b[0m\x1b[37m━━━━━━━━━━\x1b[0m \x1b[1m5s\x1b[0m 500ms/step");
}

TEST(BarLine, TimeLeftHasMinutesAndHours) {
  EXPECT_THAT(bar_line({1, 2, 61.5, 1, false}, {}, {}), HasSubstr(" 1:01 1s/step"));
  EXPECT_THAT(bar_line({1, 2, 3723, 1, false}, {}, {}), HasSubstr(" 1:02:03 1s/step"));
  EXPECT_THAT(bar_line({1, 2, std::numeric_limits<double>::infinity(), 1, false}, {}, {}), HasSubstr(" ? "));
}

TEST(BarLine, NeverWrapsWhileItRuns) {
  // 7 + 1 + 20 + 1 + 2 + 1 + 8 = 40 characters, 19 for accuracy, 15 for loss.
  EXPECT_THAT(bar_line({400, 469, 4, 0.008, false}, logs, {.color = false, .columns = 75}), HasSubstr("loss"));
  EXPECT_THAT(bar_line({400, 469, 4, 0.008, false}, logs, {.color = false, .columns = 74}), Not(HasSubstr("loss")));
  EXPECT_THAT(bar_line({400, 469, 4, 0.008, false}, logs, {.color = true, .columns = 74}), HasSubstr("accuracy"));
  EXPECT_THAT(bar_line({400, 469, 4, 0.008, false}, logs, {.color = false, .columns = 40}), Not(HasSubstr("accuracy")));
  EXPECT_THAT(bar_line({469, 469, 4, 0.008, true}, logs, {.color = false, .columns = 40}), HasSubstr("loss")) << "the last state is whole";
}

TEST(LogsText, SmallNumbersInScientificForm) {
  EXPECT_EQ(logs_text({{"a", 0.0005}, {"b", 0.001}, {"c", 0.00101}, {"d", 0}, {"e", -2.5}}),
            " - a: 5.0000e-04 - b: 1.0000e-03 - c: 0.0010 - d: 0.0000e+00 - e: -2.5000");
  EXPECT_EQ(logs_text({{"loss", std::numeric_limits<double>::quiet_NaN()}}), " - loss: nan");
}

TEST(TimePer, ChoosesItsUnit) {
  EXPECT_EQ(time_per(2.4, "step"), "2s/step");
  EXPECT_EQ(time_per(0.0083, "step"), "8ms/step");
  EXPECT_EQ(time_per(0.000123, "shift"), "123us/shift");
  EXPECT_EQ(time_per(0, "step"), "0s/step");
}

TEST(Progress, BarHasAnEpochLineAndEndsItsLine) {
  Memory memory;
  FakeTrainer trainer;
  CallbackHandle bar = progress(Verbose::bar, {memory.file(), {.color = false, .columns = 100}});
  one_epoch(*bar, trainer);
  EXPECT_THAT(memory.text(), testing::StartsWith("Epoch 1/3\n\r469/469 "));
  EXPECT_THAT(memory.text(), testing::EndsWith("\r469/469 ━━━━━━━━━━━━━━━━━━━━ 4s 8ms/step - accuracy: 0.9123 - loss: 0.2811\n"));
}

TEST(Progress, OneEpochHasNoEpochLine) {
  Memory memory;
  FakeTrainer trainer;
  trainer.epochs_ = 1;
  one_epoch(*progress(Verbose::bar, {memory.file(), {}}), trainer);
  EXPECT_THAT(memory.text(), Not(HasSubstr("Epoch")));
}

TEST(Progress, RedrawsAtMostEveryFiftyMilliseconds) {
  Memory memory;
  FakeTrainer trainer;
  CallbackHandle bar = progress(Verbose::bar, {memory.file(), {}});
  bar->on_epoch_begin(trainer);
  for (trainer.step_ = 1; trainer.step_ <= 400; ++trainer.step_) bar->on_batch_end(trainer, logs);
  const std::string text = memory.text();
  EXPECT_LE(std::count(text.begin(), text.end(), '\r'), 20) << "400 steps in no time";
}

TEST(Progress, InterruptedEpochLeavesAFreshLine) {
  Memory memory;
  FakeTrainer trainer;
  CallbackHandle bar = progress(Verbose::bar, {memory.file(), {}});
  bar->on_epoch_begin(trainer);
  trainer.step_ = 3;
  bar->on_batch_end(trainer, logs);
  bar->on_train_end(trainer, logs);
  EXPECT_THAT(memory.text(), testing::EndsWith("\n"));
}

TEST(Progress, ShorterLineCoversTheLongerOne) {
  Memory memory;
  {
    ProgressBar bar({memory.file(), {.color = false, .columns = 200}}, 10);
    bar.update(1, 1, {{"a_long_name", 1}});
    bar.finish(10, 1, 1, {});
  }
  EXPECT_THAT(memory.text(), testing::ContainsRegex(" {19}\n$"));
}

TEST(Progress, LinesAreOneAnEpoch) {
  Memory memory;
  FakeTrainer trainer;
  one_epoch(*progress(Verbose::lines, memory.file()), trainer);
  EXPECT_EQ(memory.text(), "Epoch 1/3 - 4s - 8ms/step - accuracy: 0.9123 - loss: 0.2811\n");
}

TEST(Progress, AutomaticIsLinesWithoutATerminalAndSilentIsSilent) {
  FakeTrainer trainer;
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  one_epoch(*progress(Verbose::silent, file), trainer);
  EXPECT_EQ(std::ftell(file), 0);
  one_epoch(*progress(Verbose::automatic, file), trainer);
  std::rewind(file);
  char line[200];
  ASSERT_NE(std::fgets(line, sizeof line, file), nullptr);
  EXPECT_THAT(line, HasSubstr("Epoch 1/3 - 4s"));
  EXPECT_FALSE(core::is_terminal(file));
  EXPECT_FALSE(core::use_color(file));
  std::fclose(file);
}

TEST(Progress, JsonHasItsKeysAndNoNaN) {
  Memory memory;
  FakeTrainer trainer;
  CallbackHandle json = json_progress(memory.file(), 60000);
  json->on_epoch_begin(trainer);
  trainer.step_ = 469;
  trainer.seconds_ = 4;
  json->on_batch_end(trainer, logs);
  trainer.seconds_ = 5;
  json->on_epoch_end(trainer, {{"accuracy", 0.5}, {"loss", std::numeric_limits<double>::quiet_NaN()}});
  const io::Json line = io::parse_json(memory.text(), "progress");
  EXPECT_EQ(line["event"], "epoch");
  EXPECT_EQ(line["epoch"], 1);
  EXPECT_EQ(line["epochs"], 3);
  EXPECT_EQ(line["steps"], 469);
  EXPECT_EQ(line["seconds"], 5);
  EXPECT_EQ(line["images_per_second"], 15000);
  EXPECT_EQ(line["accuracy"], 0.5);
  EXPECT_TRUE(line["loss"].is_null());
}

TEST(Terminal, ColumnsFollowTheEnvironment) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  ::setenv("COLUMNS", "123", 1);
  EXPECT_EQ(core::terminal_columns(file), 123);
  for (const char* bad : {"", "0", "-5", "12x", "99999999999"}) {
    ::setenv("COLUMNS", bad, 1);
    EXPECT_EQ(core::terminal_columns(file), 80) << bad;
  }
  ::unsetenv("COLUMNS");
  EXPECT_EQ(core::terminal_columns(file), 80);
  std::fclose(file);
}

}  // namespace
}  // namespace linn::detail::train
