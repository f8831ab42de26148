// What is written as ONNX, read back: the same outputs. tests/onnx/check_export.py gives the same files to onnx.checker and ONNX Runtime.
#include "formats/onnx/export.h"

#include <gmock/gmock.h>

#include <set>

#include "formats/onnx/import.h"
#include "io/test_files.h"
#include "linn/layers.h"
#include "support/onnx_file.h"
#include "support/row_graphs.h"
#include "support/run_graph.h"

namespace linn::tests {
namespace {

using ::testing::HasSubstr;

// What import lacks of the operators that these are written with.
bool is_written_only(const RowGraph& row) {
  static const std::set<std::string> activations = {"threshold"};
  // Softmax over several axes; a ReLU with a threshold.
  if (row.class_name == "Softmax" || row.class_name == "ReLU") return true;
  // Products with constant matrices, weights that are made from the map, places of maxima. tests/onnx/check_export.py compares them.
  static const std::set<std::string> made_of_nodes = {"FrequencyLowCutPooling2D", "AdaptiveBlurPooling2D", "TranslationInvariantPolyphaseSampling2D",
                                                      "FractionalMaxPooling2D",   "MaxPoolingWithArgmax2D", "MaxUnpooling2D",
                                                      "SpatialPyramidPooling2D",  "StripPooling2D",         "AttentionPooling2D",
                                                      "SoftPooling2D"};
  if (made_of_nodes.contains(row.class_name)) return true;
  for (const std::string& activation : activations)
    if (row.name.starts_with("Activation_" + activation)) return true;
  return row.name == "Activation_relu_1_rows" || row.name == "Activation_relu_1_map";
}

// What operator set 17 has no operator for, or linn does not write yet.
bool has_no_form(const RowGraph& row) {
  static const std::set<std::string> classes = {"RepeatVector",      "Dot",          "EinsumDense", "RMSNormalization", "UnitNormalization", "CategoryEncoding",
                                                "GroupNormalization", "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "Pipeline"};
  return classes.contains(row.class_name) || row.name.starts_with("Activation_sparsemax") || row.name == "BatchNormalization_5";
}

TEST(OnnxExport, EveryLayerComesBack) {
  std::size_t count = 0;
  for (const RowGraph& row : row_graphs()) {
    SCOPED_TRACE(row.name);
    std::vector<std::byte> bytes;
    try {
      bytes = detail::formats::graph_to_onnx(row.graph, {});
    } catch (const ValueError& error) {
      EXPECT_TRUE(has_no_form(row)) << error.what();
      EXPECT_THAT(error.what(), HasSubstr("\"tested\""));
      continue;
    }
    try {
      const detail::formats::OnnxModel model = detail::formats::read_onnx(bytes, row.name, "", 1);
      EXPECT_EQ(model.graph.input_names(), row.graph.input_names());
      EXPECT_EQ(model.graph.input_shapes(), row.graph.input_shapes());
      EXPECT_EQ(model.graph.output_shapes(), row.graph.output_shapes());
      const std::vector<Tensor> got = run_graph(model.graph, row.inputs), expected = run_graph(row.graph, row.inputs);
      for (std::size_t i = 0; i < expected.size(); ++i)
        EXPECT_TRUE(agrees(row.name, expected[i].shape(), values_of(got.at(i)), values_of(expected[i]), {0, 1e-5}));
      ++count;
    } catch (const FormatError& error) {
      EXPECT_TRUE(is_written_only(row)) << row.name << ": " << error.what();
    } catch (const std::exception& error) {
      ADD_FAILURE() << row.name << ": " << error.what();
    }
  }
  EXPECT_GT(count, 150U);
}

// The nodes of a polyphase sampling are the layer again, with its strides and norm, for maps of any size.
TEST(OnnxExport, PolyphaseSamplingComesBackAsTheLayer) {
  for (const char* order : {"l1", "l2", "linf"})
    for (const Shape& image : {Shape{6, 8, 3}, Shape{Shape::none, Shape::none, 3}}) {
      const SymbolicTensor in = Input(image, {.name = "map"});
      const SymbolicTensor out = AdaptivePolyphaseSampling2D({.strides = {2, 4}, .order = std::string(order), .name = "aps"})(in);
      const detail::graph::Graph graph = detail::graph::Graph::functional("m", {{in}}, {{out}}, 1);
      const detail::formats::OnnxModel model = detail::formats::read_onnx(detail::formats::graph_to_onnx(graph, {}), order, "", 1);
      ASSERT_THAT(class_names(model.graph), ::testing::ElementsAre("InputLayer", "AdaptivePolyphaseSampling2D"));
      const detail::io::Json config = model.graph.members()[1].layer->description->config("aps");
      EXPECT_EQ(config["strides"], detail::io::Json::array({2, 4}));
      EXPECT_EQ(config["order"], order);
      const Tensor input = random_tensor({5, 6, 8, 3}, 4, -1, 1);
      EXPECT_EQ(values_of(run_graph(model.graph, {input})[0]), values_of(run_graph(graph, {input})[0]));
    }
}

TEST(OnnxExport, LearnablePolyphaseSamplingComesBackAsTheLayer) {
  // Of the second map each phase is one column, narrower than the strides are high.
  for (const auto& [image, strides] : {std::pair{Shape{6, 8, 3}, Size2{2, 4}}, {Shape{4, 1, 3}, Size2{2, 1}}, {Shape{1, 4, 3}, Size2{1, 2}}}) {
    const SymbolicTensor in = Input(image, {.name = "map"});
    const SymbolicTensor out = LearnablePolyphaseSampling2D({.strides = strides, .hidden_filters = 5, .name = "lps"})(in);
    const detail::graph::Graph graph = detail::graph::Graph::functional("m", {{in}}, {{out}}, 1);
    const detail::formats::OnnxModel model = detail::formats::read_onnx(detail::formats::graph_to_onnx(graph, {}), "lps", "", 1);
    ASSERT_THAT(class_names(model.graph), ::testing::ElementsAre("InputLayer", "LearnablePolyphaseSampling2D"));
    ASSERT_EQ(model.graph.variables().size(), graph.variables().size());
    for (std::size_t i = 0; i < graph.variables().size(); ++i)
      EXPECT_EQ(values_of(model.graph.variables()[i].value()), values_of(graph.variables()[i].value())) << i;
    const Tensor input = random_tensor(image.with_first(5), 4, -1, 1);
    EXPECT_EQ(values_of(run_graph(model.graph, {input})[0]), values_of(run_graph(graph, {input})[0]));
  }
}

// Two branches of one choice: the order in which nodes are read decides whether one layer takes both maps.
TEST(OnnxExport, PolyphaseSamplingOfSeveralMapsComesBack) {
  for (const bool shortcut_first : {false, true}) {
    const SymbolicTensor in = Input({6, 8, 3}, {.name = "map"});
    const SymbolicTensor main = Conv2D(3, 3, {.padding = "same", .name = "conv"})(in);
    const std::vector<SymbolicTensor> sampled = AdaptivePolyphaseSampling2D({.name = "aps"}).call({main, in});
    const SymbolicTensor deep = Conv2D(3, 1, {.name = "deep"})(sampled[0]);
    const SymbolicTensor out = shortcut_first ? Add()({sampled[1], deep}) : Add()({deep, sampled[1]});
    const detail::graph::Graph graph = detail::graph::Graph::functional("m", {{in}}, {{out}}, 1);
    const detail::formats::OnnxModel model = detail::formats::read_onnx(detail::formats::graph_to_onnx(graph, {}), "two maps", "", 1);
    EXPECT_THAT(class_names(model.graph), ::testing::Contains("AdaptivePolyphaseSampling2D"));
    EXPECT_THAT(class_names(model.graph), ::testing::Not(::testing::Contains("Cropping2D")));
    const Tensor input = random_tensor({5, 6, 8, 3}, 4, -1, 1);
    EXPECT_TRUE(
        agrees("two maps", out.shape(), values_of(run_graph(model.graph, {input})[0]), values_of(run_graph(graph, {input})[0]), {0, 1e-5}));
  }
}

// A norm that goes elsewhere too is not the layer's: the file is refused by the names of its nodes.
TEST(OnnxExport, ChoicesThatAreReadElsewhereAreRefused) {
  for (const char* op : {"ArgMax", "GatherND"}) {
    const OnnxFile file = {.nodes = {onnx_node(op, {"x", "i"}, {"y"}, "pick")},
                           .initializers = {},
                           .inputs = {onnx_value("x", {0, 4}), onnx_value("i", {0, 1})},
                           .outputs = {onnx_value("y", {0, 1})}};
    test::expect_error<FormatError>([&] { detail::formats::read_onnx(file.bytes(), "m.onnx", "", 1); },
                                    {"node 0 \"pick\"", op, "polyphase samplings"});
  }
}

detail::graph::Graph small_network() {
  const SymbolicTensor in = Input({8, 8, 3}, {.name = "pixels"});
  SymbolicTensor x = Conv2D(4, 3, {.strides = 2, .padding = "same", .use_bias = false, .name = "conv"})(in);
  x = BatchNormalization({.name = "norm"})(x);
  x = MaxPooling2D(2, {.name = "pool"})(Activation("relu", {.name = "act"})(x));
  const SymbolicTensor row = Dense(5, {.activation = "softmax", .name = "classes"})(Flatten({.name = "flat"})(x));
  const SymbolicTensor inputs[] = {in}, outputs[] = {row, x};
  return detail::graph::Graph::functional("small", inputs, outputs, 3);
}

TEST(OnnxExport, NamesAndMetadataComeBack) {
  const detail::graph::Graph graph = small_network();
  const detail::formats::OnnxModel model =
      detail::formats::read_onnx(detail::formats::graph_to_onnx(graph, {{"author", "a test"}, {"empty", ""}}), "small.onnx", "", 1);
  EXPECT_EQ(model.metadata, (Metadata{{"author", "a test"}, {"empty", ""}}));
  EXPECT_EQ(model.graph.name(), "small");
  EXPECT_EQ(model.graph.input_names(), std::vector<std::string>{"pixels"});
  EXPECT_EQ(model.graph.output_names(), (std::vector<std::string>{"classes", "pool"}));
  std::set<std::string> names;
  for (const detail::graph::Member& member : model.graph.members()) names.insert(member.name);
  for (const char* name : {"conv", "norm", "act", "pool"}) EXPECT_TRUE(names.contains(name)) << name;
  // The kernel is the same to the bit.
  EXPECT_EQ(values_of(model.graph.variables().at(0).value()), values_of(graph.variables().at(0).value()));
}

// The Transposes at the border are all there are.
TEST(OnnxExport, LayoutChangesAtTheBorderOnly) {
  const std::vector<std::byte> bytes = detail::formats::graph_to_onnx(small_network(), {});
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::size_t count = 0;
  for (std::size_t at = text.find("Transpose"); at != std::string::npos; at = text.find("Transpose", at + 1)) ++count;
  EXPECT_EQ(count, 2U);  // of the input, and of the map that goes out
}

TEST(OnnxExport, AllLayersWithoutAFormAreNamedAtOnce) {
  const SymbolicTensor in = Input({6});
  const SymbolicTensor out = Activation("sparsemax", {.name = "second"})(Dense(4)(Activation("sparsemax", {.name = "first"})(in)));
  const detail::graph::Graph graph = detail::graph::Graph::functional("m", {{in}}, {{out}}, 1);
  test::expect_error<ValueError>([&] { detail::formats::graph_to_onnx(graph, {}); },
                                 {"model \"m\"", "\"first\"", "\"second\"", "sparsemax"});
}

TEST(OnnxExport, OpenSizesStayOpen) {
  const SymbolicTensor in = Input({Shape::none, Shape::none, 2}, {.name = "map"});
  SymbolicTensor x = Conv2D(3, 3, {.padding = "same"})(in);
  x = MaxPooling2D(3, {.strides = 2, .padding = "valid"})(UpSampling2D(2)(x));
  const SymbolicTensor out = Dense(2)(GlobalAveragePooling2D()(x));
  const detail::graph::Graph graph = detail::graph::Graph::functional("open", {{in}}, {{out}}, 1);
  const detail::formats::OnnxModel model = detail::formats::read_onnx(detail::formats::graph_to_onnx(graph, {}), "open.onnx", "", 1);
  EXPECT_EQ(model.graph.input_shape(), (Shape{Shape::none, Shape::none, 2}));
  const Tensor input = random_tensor({2, 5, 7, 2}, 4, -1, 1);
  EXPECT_TRUE(agrees("open", {4}, values_of(run_graph(model.graph, {input})[0]), values_of(run_graph(graph, {input})[0]), {0, 1e-5}));
}

}  // namespace
}  // namespace linn::tests
