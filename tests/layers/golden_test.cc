// Every layer against what Keras computes, forward and backward, in both precisions.
#include <gtest/gtest.h>

#include <cctype>
#include <map>

#include "layers/description.h"
#include "support/golden.h"
#include "support/plan_run.h"

namespace linn::detail::layers {
namespace {

using namespace tests;

Shape image_of(const Shape& batch) { return batch.without_first(); }

// Keras rounds scale and offset to float32 even in float64, which shows where the two cancel.
Tolerance tolerance_of(const io::Json& test, const Level& level) {
  return test["class_name"] == "Rescaling" ? Tolerance{1e-6, 1e-6} : level.tolerance;
}

void check_case(const io::Json& test, const GoldenTensors& golden, const Level& level) {
  const Tolerance tolerance = tolerance_of(test, level);
  const auto name = test["name"].get<std::string>();
  SCOPED_TRACE(name + " in " + level.name);
  const DescriptionPtr layer = layer_from_config(test["class_name"].get<std::string>(), test["config"], name);
  const Tensor& input = golden[name + "/input"];
  const Shape image = image_of(input.shape());
  const Tensor& output = golden[name + "/output"];
  EXPECT_EQ(layer->infer_shapes({&image, 1}, name).front(), image_of(output.shape()));

  std::vector<Values> weights;
  const std::vector<VariableSpec> specs = layer->declare_variables({&image, 1});
  for (const VariableSpec& spec : specs) {
    EXPECT_EQ(golden[name + "/" + spec.name].shape(), spec.shape);
    weights.push_back(golden.values(name + "/" + spec.name));
  }
  const bool gradient = test["gradient"].get<bool>();
  LayerRun run(layer, image, input.shape()[0], values_of(input), weights, gradient ? golden.values(name + "/upstream") : Values{}, level.precision);
  run.run();
  EXPECT_EQ(run.output_shape(), image_of(output.shape()));
  EXPECT_TRUE(agrees("output", output.shape(), run.output(), values_of(output), tolerance));
  if (!gradient) return;
  EXPECT_TRUE(agrees("grad/input", input.shape(), run.input_gradient(), golden.values(name + "/grad/input"), tolerance));
  for (std::size_t i = 0; i < specs.size(); ++i)
    EXPECT_TRUE(agrees("grad/" + specs[i].name, specs[i].shape, run.weight_gradient(i), golden.values(name + "/grad/" + specs[i].name), tolerance));
}

/// The cases of one pair of files NAME.json and NAME.safetensors.
struct GoldenFile {
  explicit GoldenFile(const std::string& name) : tensors(name + ".safetensors"), index(golden_json(name + ".json")) {}
  GoldenTensors tensors;
  io::Json index;
};

const GoldenFile& golden_file(const std::string& name) {
  static const std::map<std::string, GoldenFile> files = [] {
    std::map<std::string, GoldenFile> all;
    for (const char* file : {"layers", "activations", "convolutions"}) all.emplace(file, GoldenFile(file));
    return all;
  }();
  return files.at(name);
}

struct Case {
  std::string file;
  std::size_t index;

  const io::Json& json() const { return golden_file(file).index["cases"][index]; }
};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const char* file : {"layers", "activations", "convolutions"})
    for (std::size_t i = 0; i < golden_file(file).index["cases"].size(); ++i) cases.push_back({file, i});
  return cases;
}

std::string name_of_case(const ::testing::TestParamInfo<Case>& info) {
  std::string name = info.param.file + "_" + info.param.json()["name"].get<std::string>();
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  return name;
}

class LayerGolden : public ::testing::TestWithParam<Case> {};

TEST_P(LayerGolden, AsKeras) {
  for (const Level& level : levels) check_case(GetParam().json(), golden_file(GetParam().file).tensors, level);
}

INSTANTIATE_TEST_SUITE_P(Cases, LayerGolden, ::testing::ValuesIn(all_cases()), name_of_case);

// A new case needs no change here; a file that lost its cases would pass every other test.
TEST(LayerGoldenFiles, AreWhole) {
  EXPECT_GE(golden_file("layers").index["cases"].size(), 149U);
  EXPECT_GE(golden_file("activations").index["cases"].size(), 46U);
  EXPECT_GE(golden_file("convolutions").index["cases"].size(), 74U);
}

}  // namespace
}  // namespace linn::detail::layers
