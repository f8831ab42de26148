// Files that Keras 3 and tf_keras 2 wrote (tests/golden/make_keras_files.py): what they compute, and how training goes on.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "linn/data.h"
#include "linn/model.h"
#include "support/golden.h"
#include "support/same_bits.h"
#include "support/source_tree.h"

namespace linn {
namespace {

using tests::same_bits;

std::string file(const std::string& name) { return tests::source_dir() + "/tests/formats/data/keras/" + name; }

// The arrays PREFIX0, PREFIX1, ...
std::vector<Tensor> arrays(const Archive& archive, const std::string& prefix) {
  std::vector<Tensor> list;
  for (std::string name = prefix + "0"; archive.contains(name); name = prefix + std::to_string(list.size())) list.push_back(archive[name]);
  return list;
}

void expect_outputs(const Model& model, const Archive& data, const std::string& prefix, double bound) {
  const std::vector<Tensor> outputs = model.predict_all(arrays(data, "x"), {.accuracy = "exact"}), expected = arrays(data, prefix);
  ASSERT_EQ(outputs.size(), expected.size());
  for (std::size_t i = 0; i < outputs.size(); ++i)
    EXPECT_TRUE(tests::agrees(prefix + std::to_string(i), outputs[i].shape(), tests::values_of(outputs[i]), tests::values_of(expected[i]), {.norm = bound}));
}

void train(Model& model, const Archive& data) {
  for (int step = 0; step < 3; ++step) model.train_on_batch(arrays(data, "x"), arrays(data, "t"), {.accuracy = "exact"});
}

struct KerasFile {
  const char* name;
  const char* ending;
  bool random = false;  // in training, so that steps cannot be compared
};

class KerasFileTest : public ::testing::TestWithParam<KerasFile> {
 protected:
  Model model() const { return load_model(file(std::string(GetParam().name) + GetParam().ending)); }
  Archive data() const { return load_npz(file(std::string(GetParam().name) + ".npz")); }
};

TEST_P(KerasFileTest, ComputesWhatKerasComputed) { expect_outputs(model(), data(), "y", 1e-5); }

TEST_P(KerasFileTest, TrainingGoesOnWhereKerasWas) {
  Model tested = model();
  ASSERT_TRUE(tested.compiled());
  const Archive numbers = data();
  const std::vector<Tensor> before = tested.get_weights();
  train(tested, numbers);
  EXPECT_FALSE(same_bits(tested.get_weights(), before));
  if (!GetParam().random) expect_outputs(tested, numbers, "z", 1e-4);
}

TEST_P(KerasFileTest, SavedAgainItHasTheSameBitsAndTrainsAlike) {
  Model first = model();
  const std::string path = ::testing::TempDir() + "/again_" + GetParam().name + (GetParam().ending + 1) + ".keras";
  first.save(path);
  Model again = load_model(path);
  EXPECT_TRUE(same_bits(again.get_weights(), first.get_weights()));
  EXPECT_EQ(again.to_json(), first.to_json());
  const Archive numbers = data();
  train(first, numbers);
  train(again, numbers);
  EXPECT_TRUE(same_bits(again.get_weights(), first.get_weights()));
  std::filesystem::remove(path);
}

INSTANTIATE_TEST_SUITE_P(Files, KerasFileTest,
                         ::testing::Values(KerasFile{"cnn", ".keras", true}, KerasFile{"residual", ".keras"}, KerasFile{"two_outputs", ".keras"}, KerasFile{"two_outputs", ".h5"},
                                           KerasFile{"normalization", ".keras"}, KerasFile{"frozen", ".keras"}, KerasFile{"spectral", ".keras"},
                                           KerasFile{"spectral", ".h5"}, KerasFile{"keras2_residual", ".h5"}),
                         [](const ::testing::TestParamInfo<KerasFile>& info) { return std::string(info.param.name) + "_" + (info.param.ending + 1); });

TEST(KerasFiles, WeightsAlone) {
  Model model = load_model(file("normalization.keras"));
  const std::vector<Tensor> expected = model.get_weights();
  std::vector<Tensor> zeros;
  for (const Tensor& weight : expected) zeros.emplace_back(weight.shape(), weight.dtype());
  model.set_weights(zeros);
  const LoadReport report = model.load_weights(file("normalization.weights.h5"));
  EXPECT_EQ(report.loaded.size(), expected.size());
  EXPECT_TRUE(same_bits(model.get_weights(), expected));
}

}  // namespace
}  // namespace linn
