// Event files: single records against the bytes that TensorFlow writes, and whole runs by a reader of the test's own.
#include "train/event_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include "io/checksum.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "linn/model.h"
#include "support/message_of.h"

namespace linn::detail::train {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

// tf.io.TFRecordWriter and Event.SerializeToString of TensorFlow 2.21.
TEST(EventFile, BytesAreTensorFlows) {
  const std::string event = scalar_event(1.5, 7, "epoch_loss", 0.25F);
  EXPECT_EQ(hex(event), "09000000000000f83f10072a270a250a0a65706f63685f6c6f7373420a080112002a040000803e4a0b0a090a077363616c617273");
  EXPECT_EQ(hex(record_of(std::as_bytes(std::span(event)))),
            "34000000000000005e33175c09000000000000f83f10072a270a250a0a65706f63685f6c6f7373420a080112002a040000803e4a0b0a090a077363616c6172"
            "73c6256e25");
  EXPECT_EQ(hex(version_event(1.5)), "09000000000000f83f1a0d627261696e2e4576656e743a32");
}

TEST(EventFile, ChecksumIsCastagnolis) {
  const std::string digits = "123456789", zeros(32, 0);  // RFC 3720, B.4
  EXPECT_EQ(io::crc32c(std::as_bytes(std::span(digits))), 0xe3069283U);
  EXPECT_EQ(io::crc32c(std::as_bytes(std::span(zeros))), 0x8a9136aaU);
}

// ---- a reader by the description of the format alone ----

std::uint32_t slow_crc32c(std::string_view bytes) {
  std::uint32_t remainder = ~0U;
  for (const char byte : bytes)
    for (int bit = 0; bit < 8; ++bit) {
      const bool set = ((remainder ^ (static_cast<unsigned char>(byte) >> bit)) & 1U) != 0;
      remainder = (remainder >> 1U) ^ (set ? 0x82f63b78U : 0U);
    }
  return ~remainder;
}

template <class T>
T number_at(std::string_view bytes, std::size_t at) {
  T value{};
  std::memcpy(&value, bytes.substr(at).data(), sizeof(T));
  return value;
}

void expect_sum(std::string_view bytes, std::uint32_t masked) {
  const std::uint32_t rotated = masked - 0xa282ead8U;
  EXPECT_EQ((rotated >> 17U) | (rotated << 15U), slow_crc32c(bytes));
}

std::uint64_t varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if (byte < 0x80) return value;
  }
}

// Fields by number: numbers of 64 and 32 bits as their bytes, others as texts.
std::map<std::uint64_t, std::string> fields(std::string_view message) {
  std::map<std::uint64_t, std::string> found;
  while (!message.empty()) {
    const std::uint64_t key = varint(message);
    std::size_t size = key % 8 == 1 ? 8 : 4;
    if (key % 8 == 0) {
      found[key / 8] = std::to_string(varint(message));
      continue;
    }
    if (key % 8 == 2) size = varint(message);
    found[key / 8] = std::string(message.substr(0, size));
    message.remove_prefix(size);
  }
  return found;
}

struct Scalar {
  std::int64_t step;
  float value;
};
using Scalars = std::map<std::string, std::vector<Scalar>>;

Scalars scalars_in(const std::string& folder) {
  Scalars scalars;
  for (const auto& entry : fs::directory_iterator(folder)) {
    EXPECT_TRUE(entry.path().filename().string().starts_with("events.out.tfevents.")) << entry.path();
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    bool is_first = true;
    for (std::string_view rest = all; !rest.empty();) {
      const auto size = number_at<std::uint64_t>(rest, 0);
      expect_sum(rest.substr(0, 8), number_at<std::uint32_t>(rest, 8));
      const std::string_view data = rest.substr(12, size);
      expect_sum(data, number_at<std::uint32_t>(rest, 12 + size));
      rest.remove_prefix(16 + size);
      std::map<std::uint64_t, std::string> event = fields(data);
      EXPECT_GT(number_at<double>(event[1], 0), 1e9);
      if (std::exchange(is_first, false)) {
        EXPECT_EQ(event[3], "brain.Event:2");
        continue;
      }
      std::map<std::uint64_t, std::string> value = fields(fields(event[5])[1]), tensor = fields(value[8]);
      EXPECT_EQ(fields(fields(value[9])[1])[1], "scalars");
      EXPECT_EQ(tensor[1], "1") << "DT_FLOAT";
      EXPECT_EQ(tensor[5].size(), 4U);
      scalars[value[1]].push_back({event.contains(2) ? std::stoll(event[2]) : 0, number_at<float>(tensor[5], 0)});
    }
  }
  return scalars;
}

std::vector<std::int64_t> steps_of(const std::vector<Scalar>& scalars) {
  std::vector<std::int64_t> steps;
  for (const Scalar& scalar : scalars) steps.push_back(scalar.step);
  return steps;
}

std::vector<std::string> tags_of(const Scalars& scalars) {
  std::vector<std::string> tags;
  for (const auto& entry : scalars) tags.push_back(entry.first);
  return tags;
}

class TensorBoardRun : public ::testing::Test {
 protected:
  TensorBoardRun() : folder_((fs::temp_directory_path() / fmt::format("linn_events_{}", ::getpid())).string()) {
    fs::remove_all(folder_);
    model_.add(Dense(1, {.input_shape = {1}}));
    model_.compile(
        {.optimizer = optimizers::SGD({.learning_rate = 0.125}), .loss = "mean_squared_error", .metrics = {"mean_absolute_error"}});
  }
  ~TensorBoardRun() override { fs::remove_all(folder_); }

  History fit(callbacks::TensorBoardOptions options) {
    const Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}, {8, 1});
    return model_.fit(x, x,
                      {.batch_size = 2,
                       .epochs = 2,
                       .verbose = 0,
                       .callbacks = {callbacks::TensorBoard(folder_, options)},
                       .validation_data = {.x = x, .y = x}});
  }

  std::string folder_;
  Sequential model_;
};

TEST_F(TensorBoardRun, EpochsAsKeras) {
  const History history = fit({});
  const Scalars train = scalars_in(folder_ + "/train"), validation = scalars_in(folder_ + "/validation");
  EXPECT_THAT(tags_of(train), ElementsAre("epoch_learning_rate", "epoch_loss", "epoch_mean_absolute_error"));
  EXPECT_THAT(tags_of(validation), ElementsAre("epoch_loss", "epoch_mean_absolute_error", "evaluation_loss_vs_iterations",
                                               "evaluation_mean_absolute_error_vs_iterations"));
  for (std::size_t e = 0; e < 2; ++e) {
    EXPECT_EQ(train.at("epoch_loss")[e].value, static_cast<float>(history["loss"][e]));
    EXPECT_EQ(validation.at("epoch_mean_absolute_error")[e].value, static_cast<float>(history["val_mean_absolute_error"][e]));
    EXPECT_EQ(train.at("epoch_learning_rate")[e].value, 0.125F);
  }
  EXPECT_THAT(steps_of(train.at("epoch_loss")), ElementsAre(0, 1));
  EXPECT_THAT(steps_of(validation.at("evaluation_loss_vs_iterations")), ElementsAre(4, 8));
}

TEST_F(TensorBoardRun, StepsAsKeras) {
  fit({.write_steps_per_second = true, .update_freq = "batch"});
  Scalars train = scalars_in(folder_ + "/train");
  EXPECT_THAT(steps_of(train["batch_loss"]), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_THAT(steps_of(train["batch_steps_per_second"]), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_GT(train["epoch_steps_per_second"][0].value, 0);
  fs::remove_all(folder_);
  fit({.update_freq = 3});
  train = scalars_in(folder_ + "/train");
  EXPECT_THAT(steps_of(train["batch_mean_absolute_error"]), ElementsAre(3, 6));
  EXPECT_FALSE(train.contains("epoch_steps_per_second"));
}

TEST_F(TensorBoardRun, RefusesWhatItCannotDo) {
  using tests::message_of;
  EXPECT_THAT(message_of<ValueError>([] { callbacks::TensorBoard("logs", {.update_freq = 0}); }), HasSubstr("update_freq is 0"));
  EXPECT_THAT(message_of<ValueError>([] { callbacks::TensorBoard(""); }), HasSubstr("log_dir is empty"));
  std::ofstream(folder_) << "a file";
  EXPECT_THROW(fit({}), IoError);
}

}  // namespace
}  // namespace linn::detail::train
