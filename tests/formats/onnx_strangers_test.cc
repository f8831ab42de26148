// ONNX files from strangers: broken, hostile, or beyond what linn knows.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "formats/onnx/import.h"
#include "io/file.h"
#include "support/message_of.h"
#include "support/onnx_file.h"
#include "support/run_graph.h"
#include "support/sanitized.h"

namespace linn::tests {
namespace {

using test::Bytes;
using test::expect_error;
using test::spill;
using test::TempDir;

detail::formats::OnnxModel read(const Bytes& bytes, const std::string& folder = "") {
  return detail::formats::read_onnx(bytes, "m.onnx", folder, 1);
}

void refuses(const OnnxFile& file, std::initializer_list<std::string_view> parts) {
  expect_error<FormatError>([&] { read(file.bytes()); }, parts);
}

OnnxFile with_nodes(std::vector<Message> nodes) {
  return {.nodes = std::move(nodes), .initializers = {}, .inputs = {onnx_value("x", {0, 3, 4, 5})}, .outputs = {onnx_value("y", {0, 0})}};
}

OnnxFile hand_made() {
  OnnxFile file = with_nodes({onnx_node("Conv", {"x", "w", "b"}, {"c"}, "conv"), onnx_node("Relu", {"c"}, {"r"}),
                              onnx_node("Flatten", {"r"}, {"f"}), onnx_node("Gemm", {"f", "m"}, {"y"}, "fc")});
  file.initializers = {onnx_floats("w", {2, 3, 2, 2}, std::vector<float>(24, 0.5F)), onnx_floats("b", {2}, {1, 2}),
                       onnx_floats("m", {24, 2}, std::vector<float>(48, 0.25F))};
  return file;
}

TEST(OnnxStrangers, HandMadeFileLoads) {
  const detail::formats::OnnxModel model = read(hand_made().bytes());
  EXPECT_EQ(model.metadata.at("author"), "a test");
  EXPECT_EQ(model.graph.input_shape(), (Shape{4, 5, 3}));
  EXPECT_EQ(model.graph.output_names(), std::vector<std::string>{"y"});
  EXPECT_EQ(model.graph.variables().at(0).name, "conv/kernel");
}

TEST(OnnxStrangers, AllMissingOperatorsAreListedAtOnce) {
  refuses(
      with_nodes({onnx_node("Conv3D", {"x"}, {"a"}, "first"), onnx_node("Relu", {"a"}, {"b"}), onnx_node("NonMaxSuppression", {"b"}, {"c"}),
                  onnx_node("Attention", {"c"}, {"d"}, "att", "com.microsoft"), onnx_node("If", {"d"}, {"y"}, "branch")}),
      {"m.onnx", "\"Conv3D\" (node 0 \"first\")", "\"NonMaxSuppression\" (node 2)", "\"com.microsoft.Attention\" (node 3 \"att\")",
       "\"If\" (node 4 \"branch\")"});
  // Not those that no output depends on.
  OnnxFile dead = hand_made();
  dead.nodes.push_back(onnx_node("Conv3D", {"x"}, {"unused"}));
  EXPECT_EQ(read(dead.bytes()).graph.output_shape(), Shape{2});
}

TEST(OnnxStrangers, FiftyMissingOperatorsAreListedAndTheRestCounted) {
  for (const int count : {50, 51}) {
    std::vector<Message> nodes;
    for (int i = 0; i < count; ++i) nodes.push_back(onnx_node("Nothing", {i == 0 ? "x" : fmt::format("v{}", i)}, {i + 1 == count ? "y" : fmt::format("v{}", i + 1)}));
    const std::string said = message_of<FormatError>([&] { read(with_nodes(nodes).bytes()); });
    EXPECT_NE(said.find("(node 49)"), std::string::npos) << said;
    EXPECT_EQ(said.find("(node 50)"), std::string::npos) << said;
    EXPECT_EQ(said.find("and 1 more") != std::string::npos, count == 51) << said;
  }
}

TEST(OnnxStrangers, RemaindersOfRealNumbersWantFmod) {
  OnnxFile file = with_nodes({onnx_node("Mod", {"a", "b"}, {"c"}, "rest"), onnx_node("Add", {"x", "c"}, {"y"})});
  file.initializers = {onnx_floats("a", {1}, {5}), onnx_floats("b", {1}, {3})};
  refuses(file, {"node 0 \"rest\" (Mod)", "attribute \"fmod\" is 0"});
  file.nodes[0].message(5, onnx_attribute("fmod", 1));
  EXPECT_EQ(read(file.bytes()).graph.output_shape(), (Shape{4, 5, 3}));
}

TEST(OnnxStrangers, ABandOfTooManyChannelsIsRefused) {
  OnnxFile file = with_nodes({onnx_node("LRN", {"x"}, {"y"}, "norm").message(5, onnx_attribute("size", 5))});
  file.inputs = {onnx_value("x", {0, 1 << 20, 1, 1})};
  refuses(file, {"node 0 \"norm\" (LRN)", "that is the most linn takes"});
}

TEST(OnnxStrangers, ANodeHasSixtyFourAttributes) {
  OnnxFile file = with_nodes({onnx_node("Relu", {"x"}, {"y"})});
  for (int i = 0; i < 64; ++i) file.nodes[0].message(5, onnx_attribute(fmt::format("a{}", i), 1));
  refuses(file, {"attribute \"a0\" is not supported"});
  file.nodes[0].message(5, onnx_attribute("one_more", 1));
  refuses(file, {"more than 64 attributes"});
}

std::vector<std::string> classes_in(const OnnxFile& file) { return class_names(read(file.bytes()).graph); }

TEST(OnnxStrangers, AxesOfSizeOneGrowToThoseOfAConstant) {
  for (const std::int64_t size : {2, 3}) {
    OnnxFile file = with_nodes({onnx_node("Add", {"x", "c"}, {"y"})});
    file.inputs = {onnx_value("x", {0, 3, 1, 5})};
    file.initializers = {onnx_floats("c", {size, 1}, std::vector<float>(static_cast<std::size_t>(size), 1))};
    EXPECT_EQ(read(file.bytes()).graph.output_shape(), (Shape{size, 5, 3}));
  }
}

// Zeros may stand around a map whose values are never negative: Keras has that layer. Around others the pads belong to the window.
TEST(OnnxStrangers, PadsOfAMaximumAreZerosBehindWhatIsNeverNegative) {
  const auto is_padded = [](const Message& node) {
    OnnxFile file = with_nodes({node, onnx_node("MaxPool", {"a"}, {"y"}).message(5, onnx_attribute("kernel_shape", {3, 3})).message(5, onnx_attribute("pads", {1, 1, 0, 0}))});
    file.initializers = {onnx_floats("zero", {}, {0}), onnx_floats("below", {}, {-0.5F})};
    const std::vector<std::string> classes = classes_in(file);
    return std::ranges::find(classes, "ZeroPadding2D") != classes.end();
  };
  for (const char* op : {"Relu", "Sigmoid", "Softplus", "Exp"}) EXPECT_TRUE(is_padded(onnx_node(op, {"x"}, {"a"}))) << op;
  EXPECT_TRUE(is_padded(onnx_node("Clip", {"x", "zero"}, {"a"})));
  EXPECT_FALSE(is_padded(onnx_node("Clip", {"x", "below"}, {"a"})));
  for (const char* op : {"Tanh", "Selu", "HardSwish", "Softsign", "LeakyRelu", "Elu"}) EXPECT_FALSE(is_padded(onnx_node(op, {"x"}, {"a"}))) << op;
}

TEST(OnnxStrangers, ImagesDoNotBecomeMore) {
  OnnxFile file = with_nodes({onnx_node("Reshape", {"x", "s"}, {"y"}, "more")});
  file.initializers = {onnx_integers("s", {2}, {6, 20})};
  refuses(file, {"node 0 \"more\" (Reshape)", "the shape begins with 6; the number of images must stay first"});
}

TEST(OnnxStrangers, GroupsDivideTheChannels) {
  for (const std::int64_t groups : {0, -1, 2}) {
    OnnxFile file = hand_made();
    file.nodes[0].message(5, onnx_attribute("group", groups));
    refuses(file, {"node 0 \"conv\" (Conv)", fmt::format("group {} do not fit a map of 3 channels", groups)});
  }
  OnnxFile file = with_nodes({onnx_node("ConvTranspose", {"x", "w"}, {"y"}, "up").message(5, onnx_attribute("group", std::int64_t{0}))});
  file.initializers = {onnx_floats("w", {3, 2, 2, 2}, std::vector<float>(24, 1))};
  refuses(file, {"node 0 \"up\" (ConvTranspose)", "attribute \"group\" is 0"});
}

// While the file is read; the open size follows from the others.
TEST(OnnxStrangers, ConstantsAreReshaped) {
  OnnxFile file = with_nodes({onnx_node("Reshape", {"c", "s"}, {"r"}), onnx_node("Add", {"x", "r"}, {"y"})});
  file.initializers = {onnx_floats("c", {15}, std::vector<float>(15, 1)), onnx_integers("s", {3}, {3, -1, 5})};
  EXPECT_EQ(read(file.bytes()).graph.output_shape(), (Shape{4, 5, 3}));
  file.initializers[1] = onnx_integers("s", {3}, {-1, -1, 5});
  refuses(file, {"node 0", "two sizes are -1"});
  file.initializers[1] = onnx_integers("s", {2}, {4, -1});
  refuses(file, {"node 0", "15 elements do not fit"});
}

TEST(OnnxStrangers, AResizeToTheSameSizeIsNothing) {
  for (const bool is_same : {true, false}) {
    OnnxFile file = with_nodes({onnx_node("Relu", {"x"}, {"r"}), onnx_node("Resize", {"r", "", "", "s"}, {"a"}),
                                onnx_node("MaxPool", {"a"}, {"y"}).message(5, onnx_attribute("kernel_shape", {3, 3})).message(5, onnx_attribute("pads", {1, 1, 0, 0}))});
    file.initializers = {onnx_integers("s", {4}, {1, 3, is_same ? 4 : 8, is_same ? 5 : 10})};
    file.inputs = {onnx_value("x", {1, 3, 4, 5})};
    std::vector<std::string> expected = {"InputLayer", "Activation", "UpSampling2D", "ZeroPadding2D", "MaxPooling2D"};
    if (is_same) expected.erase(expected.begin() + 2);
    EXPECT_EQ(classes_in(file), expected);
  }
}

TEST(OnnxStrangers, AxesDoNotGrowWithoutBound) {
  for (const std::int64_t size : {std::int64_t{-2}, std::int64_t{0}, (std::int64_t{1} << 20) + 1}) {
    OnnxFile file = with_nodes({onnx_node("Expand", {"x", "s"}, {"y"}, "grow")});
    file.inputs = {onnx_value("x", {0, 3, 1, 5})};
    file.initializers = {onnx_integers("s", {4}, {1, 1, size, 1})};
    refuses(file, {"node 0 \"grow\" (Expand)", "cannot be expanded at axis 2"});
  }
}

TEST(OnnxStrangers, WindowsOfAveragesSeeTheMap) {
  for (const bool counts_pads : {false, true}) {
    OnnxFile file = with_nodes({onnx_node("AveragePool", {"x"}, {"y"}, "mean")
                                    .message(5, onnx_attribute("kernel_shape", {2, 2}))
                                    .message(5, onnx_attribute("pads", {2, 0, 0, 0}))
                                    .message(5, onnx_attribute("count_include_pad", counts_pads ? 1 : 0))});
    if (counts_pads)
      EXPECT_EQ(read(file.bytes()).graph.output_shape(), (Shape{5, 4, 3}));
    else
      refuses(file, {"node 0 \"mean\" (AveragePool)", "a pad of 2 is as large as the window"});
  }
}

// Between two pixels a cubic may fall below both.
TEST(OnnxStrangers, ACubicResizeMayGiveNegativeValues) {
  OnnxFile file = with_nodes({onnx_node("Relu", {"x"}, {"r"}), onnx_node("Resize", {"r", "", "scales"}, {"a"}).message(5, Message().text(1, "mode").integer(20, 3).text(4, "cubic")),
                              onnx_node("MaxPool", {"a"}, {"y"}).message(5, onnx_attribute("kernel_shape", {3, 3})).message(5, onnx_attribute("pads", {1, 1, 0, 0}))});
  file.initializers = {onnx_floats("scales", {4}, {1, 1, 2, 2})};
  const std::vector<std::string> classes = classes_in(file);
  EXPECT_EQ(std::ranges::find(classes, "ZeroPadding2D"), classes.end()) << fmt::format("{}", fmt::join(classes, ", "));
}

// The Add behind a product is its bias where it leaves the number of axes as it is.
TEST(OnnxStrangers, ABiasOfManyAxesBelongsToTheProduct) {
  OnnxFile file = with_nodes({onnx_node("MatMul", {"x", "w"}, {"p"}), onnx_node("Add", {"p", "b"}, {"y"})});
  file.inputs = {onnx_value("x", {0, 4, 5})};
  file.initializers = {onnx_floats("w", {5, 3}, std::vector<float>(15, 0.5F)), onnx_floats("b", {1, 1, 3}, {1, 2, 3})};
  EXPECT_EQ(classes_in(file), (std::vector<std::string>{"InputLayer", "Dense"}));
}

TEST(OnnxStrangers, OperatorSets) {
  for (const std::int64_t opset : {-1, 0, 6, 22, 1000}) {
    OnnxFile file = hand_made();
    file.opset = opset;
    refuses(file, {"m.onnx", "operator set", "7 to 21 are known"});
  }
}

TEST(OnnxStrangers, BrokenGraphs) {
  refuses(with_nodes({onnx_node("Add", {"x", "b"}, {"a"}), onnx_node("Relu", {"a"}, {"b"}), onnx_node("Relu", {"b"}, {"y"})}),
          {"depends on its own output"});
  refuses(with_nodes({onnx_node("Relu", {"y"}, {"y"})}), {"depends on its own output"});
  refuses(with_nodes({onnx_node("Relu", {"nothing"}, {"y"}, "r")}), {"node 0 \"r\"", "\"nothing\"", "no value of the graph"});
  refuses(with_nodes({}), {"output \"y\" is no value"});
  refuses(with_nodes({onnx_node("Relu", {"x"}, {"y"}), onnx_node("Relu", {"x"}, {"y"})}), {"\"y\"", "name of another value"});
  refuses(with_nodes({onnx_node("Relu", {"x"}, {"x"})}), {"\"x\"", "name of another value"});
  OnnxFile twice = hand_made();
  twice.initializers.push_back(onnx_floats("w", {1}, {1}));
  refuses(twice, {"two initializers named \"w\""});
  OnnxFile inputs = hand_made();
  inputs.inputs.push_back(onnx_value("x", {0, 3}));
  refuses(inputs, {"two inputs named \"x\""});
  OnnxFile constant = with_nodes({onnx_node("Identity", {"w"}, {"y"})});
  constant.initializers = {onnx_floats("w", {1}, {1})};
  refuses(constant, {"output \"y\" does not depend on the inputs"});
}

TEST(OnnxStrangers, ReductionsOverTheBatchAreRefused) {
  for (const char* op : {"ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare"})
    refuses(with_nodes({onnx_node(op, {"x"}, {"y"}, "all")}), {"node 0 \"all\"", "over the batch axis is not supported"});
}

// Nodes in any order.
TEST(OnnxStrangers, NodesNeedNotBeSorted) {
  OnnxFile file = hand_made();
  std::reverse(file.nodes.begin(), file.nodes.end());
  EXPECT_EQ(read(file.bytes()).graph.output_shape(), Shape{2});
}

TEST(OnnxStrangers, Inputs) {
  OnnxFile file = hand_made();
  file.inputs = {onnx_value("x", {0, 3, 4, 5}, 7)};
  refuses(file, {"input \"x\"", "int64"});
  file.inputs = {onnx_value("x", {0, 0, 4, 5})};
  refuses(file, {"input \"x\"", "open"});
  file.inputs = {onnx_value("x", {0})};
  refuses(file, {"input \"x\"", "batch axis"});
  file.inputs = {onnx_value("x", {0, 3, std::int64_t{1} << 40, 5})};
  refuses(file, {"input \"x\"", "more than linn takes"});
  file.inputs = {};
  refuses(file, {"\"x\"", "no value of the graph"});
}

TEST(OnnxStrangers, TensorsThatLie) {
  const auto with_weights = [](const Message& w) {
    OnnxFile file = hand_made();
    file.initializers[0] = w;
    return file;
  };
  refuses(with_weights(onnx_floats("w", {2, 3, 2, 3}, std::vector<float>(24, 0.5F))),
          {"initializer \"w\"", "raw_data has 96 bytes", "144"});
  refuses(with_weights(onnx_floats("w", {4194305, 4194305, 211106198978564, 1}, {1})), {"initializer \"w\"", "64 bits"});
  refuses(with_weights(onnx_floats("w", {-1, 3, 2, 2}, {1})), {"initializer \"w\"", "below 0"});
  refuses(with_weights(onnx_floats("w", {0, 3, 2, 2}, {})), {"weights have shape (0, 3, 2, 2)"});
  refuses(with_weights(Message().integer(1, 2).integer(2, 8).text(8, "w").text(6, "text")), {"initializer \"w\"", "texts"});
  refuses(with_weights(Message().integer(1, 2).integer(2, 14).text(8, "w").text(9, "0123456789abcdef")), {"initializer \"w\"", "type 14"});
  refuses(with_weights(onnx_floats("w", {2, 4, 2, 2}, std::vector<float>(32, 0.5F))),
          {"node 0 \"conv\" (Conv)", "do not fit a map of 3 channels"});
  refuses(with_weights(onnx_floats("w", {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1})), {"more than 8 axes"});
}

TEST(OnnxStrangers, ConstantsDoNotGrowBeyondTheLimit) {
  OnnxFile file = with_nodes({onnx_node("ConstantOfShape", {"s"}, {"c"}), onnx_node("Add", {"x", "c"}, {"y"})});
  file.initializers = {onnx_integers("s", {4}, {1, 1 << 20, 1 << 20, 1 << 20})};
  refuses(file, {"node 0", "64 bits"});
  file.initializers = {onnx_integers("s", {3}, {1, 1 << 14, 1 << 14})};
  refuses(file, {"node 0", "that is the most linn takes"});
  file.nodes[0] = onnx_node("Expand", {"one", "s"}, {"c"});
  file.initializers.push_back(onnx_floats("one", {1}, {1}));
  refuses(file, {"node 0", "that is the most linn takes"});
  file.nodes[0] = onnx_node("Tile", {"one", "r"}, {"c"});
  file.initializers.push_back(onnx_integers("r", {1}, {std::int64_t{1} << 57}));
  refuses(file, {"node 0", "that is the most linn takes"});
  file.nodes[0] = onnx_node("Range", {"zero", "end", "step"}, {"c"});
  file.initializers.insert(file.initializers.end(), {onnx_integers("zero", {}, {0}), onnx_integers("end", {}, {std::int64_t{1} << 62}),
                                                     onnx_integers("step", {}, {1})});
  refuses(file, {"node 0", "too long"});
}

TEST(OnnxStrangers, AttributesThatNobodyKnowsAreRefused) {
  OnnxFile file = hand_made();
  file.nodes[1].message(5, onnx_attribute("leak", 3));
  refuses(file, {"node 1 (Relu)", "attribute \"leak\" is not supported"});
}

// ---- external data -----------------------------------------------------------------------------------------------

Message external(const std::vector<std::pair<std::string, std::string>>& entries) {
  Message tensor;
  for (const std::int64_t size : {2, 3, 2, 2}) tensor.integer(1, size);
  tensor.integer(2, 1).text(8, "w").integer(14, 1);
  for (const auto& [key, value] : entries) tensor.message(13, Message().text(1, key).text(2, value));
  return tensor;
}

class OnnxExternalData : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(dir_ / "model/inner");
    const std::vector<float> values(24, 0.5F);
    Bytes content(4);
    const auto* first = reinterpret_cast<const std::byte*>(values.data());
    content.insert(content.end(), first, first + 96);
    for (const char* file : {"secret.bin", "model/weights.bin", "model/inner/weights.bin"}) spill(dir_ / file, content);
  }
  detail::formats::OnnxModel load(const std::vector<std::pair<std::string, std::string>>& entries) {
    OnnxFile file = hand_made();
    file.initializers[0] = external(entries);
    return read(file.bytes(), dir_ / "model");
  }
  void refuses(const std::string& location, std::string_view why) {
    expect_error<Error>([&] { load({{"location", location}, {"offset", "4"}, {"length", "96"}}); }, {why});
  }

  TempDir dir_;
};

TEST_F(OnnxExternalData, IsReadInsideTheFolder) {
  for (const char* location : {"weights.bin", "inner/weights.bin"}) {
    const detail::formats::OnnxModel model = load({{"location", location}, {"offset", "4"}, {"length", "96"}});
    EXPECT_EQ(model.graph.variables().at(0).value().values<float>()[23], 0.5F);
  }
}

TEST_F(OnnxExternalData, NothingElseIsOpened) {
  refuses("../secret.bin", "leaves the model's folder");
  refuses("inner/../../secret.bin", "leaves the model's folder");
  refuses(dir_ / "secret.bin", "no relative path");
  refuses("/dev/zero", "no relative path");
  refuses("..\\secret.bin", "no relative path");
  refuses("", "no relative path");
  refuses("missing.bin", "/model/missing.bin\", which is not there; put that file beside the model");
  refuses("inner", "is a directory");
  std::filesystem::create_symlink(dir_ / "secret.bin", dir_ / "model/link.bin");
  refuses("link.bin", "symbolic link");
  std::filesystem::create_directory_symlink(dir_.path(), dir_ / "model/up");
  refuses("up/secret.bin", "symbolic link");
  std::filesystem::create_hard_link(dir_ / "secret.bin", dir_ / "model/hard.bin");
  refuses("hard.bin", "hard links");
  ASSERT_EQ(::mkfifo((dir_ / "model/fifo").c_str(), 0600), 0);
  refuses("fifo", "regular files");
  OnnxFile file = hand_made();
  file.initializers[0] = external({{"location", "weights.bin"}});
  expect_error<FormatError>([&] { read(file.bytes()); }, {"\"w\"", "the model has no folder"});
}

TEST_F(OnnxExternalData, SizesMustAgree) {
  expect_error<FormatError>(
      [&] {
        load({{"location", "weights.bin"}, {"offset", "8"}});
      },
      {"pass the end of \"weights.bin\"", "100 bytes"});
  expect_error<FormatError>([&] { load({{"location", "weights.bin"}, {"offset", "18446744073709551600"}}); }, {"pass the end"});
  expect_error<FormatError>([&] { load({{"location", "weights.bin"}, {"offset", "-4"}}); }, {"offset is \"-4\""});
  expect_error<FormatError>([&] { load({{"location", "weights.bin"}, {"length", "95"}}); }, {"length is 95", "want 96"});
  expect_error<FormatError>([&] { load({{"offset", "4"}}); }, {"names no location"});
}

// ---- damage ------------------------------------------------------------------------------------------------------

// A linn::Error, or a network; within a second of the processor's time.
void survives(const Bytes& bytes, const std::string& what) {
  const std::clock_t start = std::clock();
  try {
    read(bytes);
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()), "") << what;
  }
  EXPECT_LT(std::clock() - start, (sanitized ? 20 : 1) * CLOCKS_PER_SEC) << what;
}

TEST(OnnxStrangers, EveryTruncationAndBitFlipOfASmallFile) {
  const Bytes whole = hand_made().bytes();
  for (std::size_t size = 0; size < whole.size(); ++size)
    survives(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)), fmt::format("{} bytes", size));
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    Bytes damaged(whole.begin(), whole.end());
    damaged[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    survives(damaged, fmt::format("bit {}", bit));
  }
}

// An adaptive polyphase sampling of two phases, as linn writes it, whose choice `gathers` nodes read.
OnnxFile polyphase(std::size_t gathers) {
  OnnxFile file = {.nodes = {}, .initializers = {}, .inputs = {onnx_value("x", {0, 3, 4, 6})}, .outputs = {onnx_value("y", {0, 0})}};
  const auto constant = [&](const std::string& name, const std::vector<std::int64_t>& values) {
    file.initializers.push_back(onnx_integers(name, {static_cast<std::int64_t>(values.size())}, values));
  };
  const auto add = [&](Message node, const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& lists,
                       const std::vector<std::string>& ones) {
    for (const auto& [name, values] : lists) node.message(5, onnx_attribute(name, values));
    for (const std::string& name : ones) node.message(5, onnx_attribute(name, 1));
    file.nodes.push_back(std::move(node));
  };
  constant("to", {std::int64_t{1} << 40, std::int64_t{1} << 40}), constant("axes", {2, 3}), constant("steps", {1, 2}), constant("one", {1});
  for (const std::string k : {"0", "1"}) {
    constant("from" + k, {0, k == "1" ? 1 : 0});
    add(onnx_node("Slice", {"x", "from" + k, "to", "axes", "steps"}, {"phase" + k}), {}, {});
    add(onnx_node("Flatten", {"phase" + k}, {"row" + k}), {}, {});
    add(onnx_node("ReduceSumSquare", {"row" + k}, {"norm" + k}), {{"axes", {1}}}, {"keepdims"});
    add(onnx_node("Unsqueeze", {"phase" + k, "one"}, {"layer" + k}), {}, {});
  }
  add(onnx_node("Concat", {"norm0", "norm1"}, {"norms"}), {}, {"axis"});
  add(onnx_node("ArgMax", {"norms"}, {"choice"}), {}, {"axis", "keepdims"});
  add(onnx_node("Concat", {"layer0", "layer1"}, {"stack"}), {}, {"axis"});
  for (std::size_t i = 0; i < gathers; ++i)
    add(onnx_node("GatherND", {"stack", "choice"}, {i == 0 ? "y" : fmt::format("y{}", i)}), {}, {"batch_dims"});
  return file;
}

TEST(OnnxStrangers, ManyReadersOfOneChoice) {
  EXPECT_EQ(read(polyphase(1).bytes()).graph.output_shape(), (Shape{4, 3, 3}));
  EXPECT_EQ(read(polyphase(5).bytes()).graph.output_shape(), (Shape{4, 3, 3}));
  for (const std::size_t gathers : {std::size_t{200}, std::size_t{5'000}})
    survives(polyphase(gathers).bytes(), fmt::format("{} readers", gathers));
}

TEST(OnnxStrangers, EveryTruncationAndBitFlipOfAPolyphaseSampling) {
  const Bytes whole = polyphase(1).bytes();
  for (std::size_t size = 0; size < whole.size(); ++size)
    survives(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)), fmt::format("{} bytes", size));
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    Bytes damaged = whole;
    damaged[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    survives(damaged, fmt::format("bit {}", bit));
  }
}

TEST(OnnxStrangers, EveryBitOfTorchsNetworkSlow) {
  const detail::core::Bytes whole = detail::io::read_file(source_dir() + "/tests/formats/data/onnx/mobilenet_v3.onnx");
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    Bytes damaged(whole.begin(), whole.end());
    damaged[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    survives(damaged, fmt::format("bit {}", bit));
  }
}

}  // namespace
}  // namespace linn::tests
