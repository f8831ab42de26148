// ONNX files against what ONNX Runtime computes from them; tests/golden/make_onnx_golden.py wrote both.
#include "formats/onnx/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "io/file.h"
#include "io/test_files.h"
#include "support/onnx_file.h"
#include "support/onnx_run.h"

namespace linn::tests {
namespace {

std::string fixture(const std::string& name) { return source_dir() + "/tests/formats/data/onnx/" + name; }

std::span<const std::byte> model_bytes(const Tensor& tensor) { return {static_cast<const std::byte*>(tensor.raw()), tensor.bytes()}; }

void expect_outputs(const std::string& name, const std::vector<Tensor>& got, const std::vector<Tensor>& expected) {
  ASSERT_EQ(got.size(), expected.size()) << name;
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].shape(), expected[i].shape()) << name << " output " << i;
    EXPECT_TRUE(agrees(fmt::format("{} output {}", name, i), expected[i].shape(), values_of(got[i]), values_of(expected[i]), {0, 1e-5}));
  }
}

// Every model of one operator, and small chains of them. The number of models.
std::size_t expect_what_onnx_runtime_computes(const std::string& file) {
  const Archive archive = load_npz(fixture(file));
  std::size_t count = 0;
  for (const std::string& key : archive.names()) {
    if (!key.ends_with("/model")) continue;
    const std::string name = key.substr(0, key.size() - 6);
    SCOPED_TRACE(name);
    ++count;
    try {
      const detail::formats::OnnxModel model = detail::formats::read_onnx(model_bytes(archive[key]), name, "", 1);
      expect_outputs(name, run_onnx(model, numbered(archive, name + "/x")), numbered(archive, name + "/y"));
    } catch (const Error& error) {
      ADD_FAILURE() << name << ": " << error.what();
    }
  }
  return count;
}

TEST(OnnxImport, OperatorsComputeWhatOnnxRuntimeComputes) { EXPECT_GT(expect_what_onnx_runtime_computes("operators.npz"), 400U); }

TEST(OnnxImport, WindowsOverStepsComputeWhatOnnxRuntimeComputes) { EXPECT_EQ(expect_what_onnx_runtime_computes("steps.npz"), 33U); }

// As a Keras user would write it; only the row that comes in has its axes exchanged.
TEST(OnnxImport, WindowsOverStepsBecomeLayersOverSteps) {
  const Archive archive = load_npz(fixture("steps.npz"));
  const detail::formats::OnnxModel model = detail::formats::read_onnx(model_bytes(archive["network/model"]), "network", "", 1);
  EXPECT_THAT(class_names(model.graph), ::testing::ElementsAre("InputLayer", "Permute", "Conv1D", "BatchNormalization", "Activation", "ZeroPadding1D", "MaxPooling1D", "Flatten", "Dense"));
}

// A network that was imported may be given maps of another size: Keras's "same" has other pads there.
TEST(OnnxImport, PadsStayWhatTheyAreForMapsOfOtherSizes) {
  const Archive archive = load_npz(fixture("operators.npz"));
  for (const char* name : {"conv_strides", "conv_strides_odd"}) {
    const detail::formats::OnnxModel model = detail::formats::read_onnx(model_bytes(archive[fmt::format("{}/model", name)]), name, "", 1);
    ASSERT_EQ(model.graph.members().size(), 3U) << name;
    EXPECT_EQ(model.graph.members()[1].layer->description->config("p")["padding"], detail::io::parse_json("[[1, 1], [1, 1]]", "expected"))
        << name;
    EXPECT_EQ(model.graph.members()[2].layer->description->config("c")["padding"], "valid") << name;
  }
}

// The blur of Zhang 2019 is taken as the layer that it is, so that it counts in measures of translation.
TEST(OnnxImport, BlurredPoolingIsRecognised) {
  const Archive archive = load_npz(fixture("operators.npz"));
  for (const auto& [mode, border] : {std::pair{"reflect", "reflect"}, {"edge", "replicate"}, {"constant", "zero"}}) {
    const detail::formats::OnnxModel model =
        detail::formats::read_onnx(model_bytes(archive[fmt::format("blur_{}/model", mode)]), mode, "", 1);
    ASSERT_EQ(model.graph.members().size(), 2U) << mode;
    const detail::io::Json config = model.graph.members()[1].layer->description->config("b");
    EXPECT_EQ(model.graph.members()[1].class_name(), "BlurPooling2D") << mode;
    EXPECT_EQ(config["border"], border);
    EXPECT_EQ(config["filter_size"], 3);
  }
}

// While the file is read: each number of the constant comes where ONNX says.
TEST(OnnxImport, ConstantsAreExpandedAlongTheirAxesOfSizeOne) {
  OnnxFile file{.nodes = {onnx_node("Expand", {"c", "s"}, {"e"}), onnx_node("Add", {"x", "e"}, {"y"})},
                .initializers = {onnx_floats("c", {2, 1}, {10, 20}), onnx_integers("s", {3}, {2, 2, 3})},
                .inputs = {onnx_value("x", {0, 2, 2, 3})},
                .outputs = {onnx_value("y", {0, 2, 2, 3})}};
  const detail::formats::OnnxModel model = detail::formats::read_onnx(file.bytes(), "expand", "", 1);
  const Tensor y = run_onnx(model, {Tensor({1, 2, 2, 3})})[0];
  const std::vector<double> row = {10, 10, 10, 20, 20, 20};
  std::vector<double> expected = row;
  expected.insert(expected.end(), row.begin(), row.end());
  EXPECT_EQ(values_of(y), expected);
}

TEST(OnnxImport, TheNodesOfALayerNormalizationAreTheLayer) {
  const Archive archive = load_npz(fixture("operators.npz"));
  const detail::formats::OnnxModel model = detail::formats::read_onnx(model_bytes(archive["layer_norm_parts/model"]), "layer_norm_parts", "", 1);
  EXPECT_THAT(class_names(model.graph), ::testing::Contains("LayerNormalization"));
}

// Layers that Keras has too, and no exchange of axes where the constant's axes lie last in linn.
TEST(OnnxImport, ConstantsBecomeFrozenNormalizations) {
  const Archive archive = load_npz(fixture("operators.npz"));
  const auto classes = [&](const char* name) {
    return class_names(detail::formats::read_onnx(model_bytes(archive[fmt::format("{}/model", name)]), name, "", 1).graph);
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(classes("mul_channels_second"), ElementsAre("InputLayer", "BatchNormalization"));
  EXPECT_THAT(classes("mul_map_second"), ElementsAre("InputLayer", "Flatten", "BatchNormalization", "Reshape"));
  EXPECT_THAT(classes("mul_columns_second"), ElementsAre("InputLayer", "Reshape", "BatchNormalization", "Reshape"));
  EXPECT_THAT(classes("channels_last_mul_map"), ElementsAre("InputLayer", "Flatten", "BatchNormalization", "Reshape", "Activation"));
}

// Pads of -infinity before a maximum belong to its windows.
TEST(OnnxImport, PadsOfLeastNumbersBelongToTheWindow) {
  const Archive archive = load_npz(fixture("operators.npz"));
  const detail::formats::OnnxModel model = detail::formats::read_onnx(model_bytes(archive["max_pool_padded/model"]), "padded", "", 1);
  ASSERT_EQ(model.graph.members().size(), 2U);
  EXPECT_EQ(model.graph.members()[1].layer->description->config("p")["padding"], detail::io::parse_json("[[0, 1], [0, 1]]", "expected"));
}

TEST(OnnxImport, NetworksOfTorchComputeWhatOnnxRuntimeComputes) {
  for (const std::string network : {"vgg", "resnet", "densenet", "mobilenet_v3"})
    for (const std::string exporter : {"", "_dynamo"}) {
      const std::string name = network + exporter;
      SCOPED_TRACE(name);
      const detail::core::Bytes bytes = detail::io::read_file(fixture(name + ".onnx"));
      const detail::formats::OnnxModel model = detail::formats::read_onnx(bytes, name, "", 1);
      const Archive archive = load_npz(fixture(name + ".npz"));
      expect_outputs(name, run_onnx(model, numbered(archive, "x")), numbered(archive, "y"));
      EXPECT_EQ(model.graph.input_names(), std::vector<std::string>{"input"});
      EXPECT_EQ(model.graph.output_names(), std::vector<std::string>{"output"});
      // Layout changes are folded away, and matrix products behind a Flatten take their rows in linn's order.
      for (const detail::graph::Member& member : model.graph.members()) EXPECT_NE(member.class_name(), "Permute") << member.name;
    }
}

}  // namespace
}  // namespace linn::tests
