// Saved models and arrays in which a bit is turned or whose end is missing: refused, or read as they were.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "io/test_files.h"
#include "linn/data.h"
#include "linn/error.h"
#include "linn/formats.h"
#include "linn/layers.h"
#include "linn/model.h"
#include "support/message_of.h"
#include "support/same_bits.h"
#include "support/source_tree.h"

namespace linn {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using tests::message_of;
using tests::same_bits;
namespace fs = std::filesystem;

class Damaged : public testing::Test {
 protected:
  void SetUp() override {
    model_.add(Dense(2, {.activation = "relu", .name = "first", .input_shape = {3}}));
    model_.add(Dense(1, {.name = "second"}));
    model_.metadata()["input_scale"] = "0.5";
    model_.save(folder_);
  }

  std::string path(const std::string& name) const { return folder_ / name; }
  static void write(const std::string& file, const std::string& text) { std::ofstream(file, std::ios::binary) << text; }

  test::TempDir temporary_;
  fs::path folder_ = temporary_.path();
  Sequential model_;
};

TEST_F(Damaged, EveryBitOfTheWeights) {
  const std::string file = path("model.safetensors");
  const std::string good = tests::text_of(file);
  const std::size_t weights = sizeof(float) * static_cast<std::size_t>(model_.count_params());
  for (std::size_t at = good.size() - weights; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    write(file, bad);
    EXPECT_THAT(message_of<FormatError>([&] { Sequential(load_model(folder_)); }),
                AllOf(HasSubstr("model.safetensors: tensor \""), HasSubstr("the file is damaged")))
        << "byte " << at;
  }
}

TEST_F(Damaged, WeightsAloneAndNotes) {
  model_.save_weights(path("w.safetensors"));
  std::string bad = tests::text_of(path("w.safetensors"));
  bad.back() = static_cast<char>(bad.back() ^ 1);
  write(path("w.safetensors"), bad);
  EXPECT_THAT(message_of<FormatError>([&] { model_.load_weights(path("w.safetensors")); }),
              AllOf(HasSubstr("w.safetensors"), HasSubstr("the file is damaged")));

  std::string text = tests::text_of(path("model.safetensors"));
  text.replace(text.find("\"0.5\""), 5, "\"0.7\"");
  write(path("model.safetensors"), text);
  EXPECT_THAT(message_of<FormatError>([&] { Sequential(load_model(folder_)); }), HasSubstr("the metadata"));
}

TEST_F(Damaged, FilesWithoutChecksumsAreRead) {
  Metadata metadata;
  const NamedTensors weights = load_safetensors(path("model.safetensors"), &metadata);
  EXPECT_FALSE(metadata.contains("linn.crc32")) << "it would be wrong for what is saved next";
  save_safetensors(path("model.safetensors"), weights, metadata);
  EXPECT_TRUE(same_bits(Sequential(load_model(folder_)).get_weights()[0], model_.get_weights()[0]));
}

TEST_F(Damaged, ChecksumsOfOtherTensors) {
  Metadata metadata = {{"linn.crc32", "{}"}};
  save_safetensors(path("a.safetensors"), {{"a", Tensor({1})}}, metadata);
  EXPECT_THAT(message_of<FormatError>([&] { load_safetensors(path("a.safetensors")); }), HasSubstr("no checksum of tensor \"a\""));
  metadata["linn.crc32"] = "[1]";
  save_safetensors(path("a.safetensors"), {{"a", Tensor({1})}}, metadata);
  EXPECT_THAT(message_of<FormatError>([&] { load_safetensors(path("a.safetensors")); }), HasSubstr("an object of checksums"));
}

// Every bit turned and every length shorter: `read` says whether what came is what was saved.
void sweep(const std::string& file, const std::function<bool()>& read) {
  const std::string good = tests::text_of(file);
  ASSERT_TRUE(read());
  std::int64_t refused = 0;
  const auto check = [&](const std::string& bytes, const std::string& what) {
    std::ofstream(file, std::ios::binary) << bytes;
    try {
      EXPECT_TRUE(read()) << what;
    } catch (const Error&) {
      ++refused;
    }
  };
  for (std::size_t at = 0; at < good.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      check(bad, "bit " + std::to_string(bit) + " of byte " + std::to_string(at));
    }
  EXPECT_GT(refused, static_cast<std::int64_t>(4 * good.size()));
  refused = 0;
  for (std::size_t length = 0; length < good.size(); ++length) check(good.substr(0, length), "cut to " + std::to_string(length));
  EXPECT_EQ(refused, static_cast<std::int64_t>(good.size()));
}

TEST_F(Damaged, SlowEveryBitAndLengthOfAModel) {
  sweep(path("model.safetensors"), [&] {
    const Sequential loaded = Sequential(load_model(folder_));
    const auto expected = model_.named_weights();
    const auto found = loaded.named_weights();
    bool equal = loaded.to_json() == model_.to_json() && expected.size() == found.size();
    for (std::size_t i = 0; equal && i < found.size(); ++i)
      equal = found[i].first == expected[i].first && same_bits(found[i].second, expected[i].second);
    return equal;
  });
}

TEST_F(Damaged, SlowEveryBitAndLengthOfAnArchive) {
  Tensor x({3, 2}), y({3}, DType::u8);
  for (std::size_t i = 0; i < 6; ++i) x.values<float>()[i] = static_cast<float>(i) / 3;
  y.values<std::uint8_t>()[1] = 7;
  for (const bool compressed : {false, true}) {
    const std::string file = path("data.npz");
    save_npz(file, {{"x", x}, {"y", y}}, compressed);
    sweep(file, [&] {
      const Archive loaded = load_npz(file);
      return loaded.size() == 2 && loaded.contains("x") && loaded.contains("y") && same_bits(loaded["x"], x) && same_bits(loaded["y"], y);
    });
  }
}

}  // namespace
}  // namespace linn
