#include "graph/summary.h"

#include <gmock/gmock.h>

#include "formats/model_json.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "optim/optimizers.h"
#include "support/golden.h"

namespace linn::detail::graph {
namespace {

using tests::golden_json;
using tests::golden;
using tests::text_of;

// The model of a case among `cases`, which may be that of another one.
io::Json model_of(const io::Json& test, const io::Json& cases) {
  if (test.contains("model_file")) return golden_json(test["model_file"]);
  if (!test.contains("model_of")) return test["model"];
  for (const io::Json& other : cases)
    if (other["name"] == test["model_of"]) return other["model"];
  throw std::runtime_error("no case " + test["model_of"].get<std::string>());
}

// The model of one of the cases of summary/index.json.
Graph graph_of(const std::string& name) {
  const io::Json index = golden_json("summary/index.json");
  for (const io::Json& test : index["cases"])
    if (test["name"] == name) return formats::model_from_json(model_of(test, index["cases"]), name, 0).graph;
  throw std::runtime_error("no case " + name);
}

SummaryStyle style_of(const io::Json& test, const Graph& graph) {
  SummaryStyle style{.columns = test["columns"].get<std::int64_t>()};
  const io::Json& arguments = test["arguments"];
  for (const auto& [key, value] : arguments.items()) {
    if (key == "line_length")
      style.line_length = value;
    else if (key == "show_trainable")
      style.show_trainable = value;
    else if (key == "expand_nested")
      style.expand_nested = value;
    else if (key == "positions")
      style.positions = value.get<std::vector<double>>();
    else if (key == "layer_range")
      style.layer_range = {value[0].get<std::string>(), value[1].get<std::string>()};
    else
      ADD_FAILURE() << "argument " << key << " is not read";
  }
  if (!test["fitted_with"].is_null())
    style.optimizer = optimizer_numbers(graph, optim::optimizer_from_json(test["fitted_with"], "test").description());
  return style;
}

TEST(Summary, AsKerasPrintsIt) {
  int compared = 0;
  const io::Json index = golden_json("summary/index.json");
  for (const io::Json& test : index["cases"]) {
    const auto name = test["name"].get<std::string>();
    // linn has no fixed batch size: its shapes begin with None where Keras says 32.
    if (name == "fixed_batch") continue;
    const Graph graph = formats::model_from_json(model_of(test, index["cases"]), name, 0).graph;
    EXPECT_EQ(summary(graph, style_of(test, graph)), text_of(golden("summary/" + test["file"].get<std::string>()))) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 45);
}

// Branches ("Connected to"), models inside models, frozen layers, several inputs and outputs.
TEST(Summary, OfGraphsAsKerasPrintsIt) {
  const io::Json index = golden_json("summary_graph/index.json");
  EXPECT_GE(index["cases"].size(), 38U);
  for (const io::Json& test : index["cases"]) {
    const auto name = test["name"].get<std::string>();
    const Graph graph = formats::model_from_json(model_of(test, index["cases"]), name, 0).graph;
    EXPECT_EQ(summary(graph, style_of(test, graph)), text_of(golden("summary_graph/" + test["file"].get<std::string>()))) << name;
  }
}

TEST(Summary, MovingStatisticsAreNotTrainable) {
  const Graph graph = formats::model_from_json(golden_json("norm.json")["model"], "norm", 0).graph;
  EXPECT_EQ(summary(graph, {}), text_of(golden("norm_summary.txt")));
  EXPECT_EQ(summary(graph, {.show_trainable = true}), text_of(golden("norm_summary_trainable.txt")));
}

TEST(Summary, FixedBatchIsShownAsAnyBatch) {
  EXPECT_THAT(summary(graph_of("fixed_batch"), {}), ::testing::HasSubstr("(None, 6, 6, 4)"));
}

TEST(Summary, ColoursAsKerasOnATerminal) {
  const auto expect = [](const std::string& file, const Graph& graph, SummaryStyle style) {
    style.color = true;
    EXPECT_EQ(summary(graph, style), text_of(golden("summary_color/" + file + ".txt"))) << file;
  };
  const Graph notebook = graph_of("notebook_80");
  const auto adam = optimizer_numbers(notebook, Optimizer("adam").description());
  expect("notebook", notebook, {});
  expect("notebook_adam", notebook, {.optimizer = adam});
  expect("notebook_line_44", notebook, {.line_length = 44, .columns = 200, .optimizer = adam});
  expect("notebook_cropped", notebook, {.line_length = 76, .columns = 50, .optimizer = adam});
  expect("notebook_trainable", notebook, {.columns = 120, .show_trainable = true, .optimizer = adam});
  expect("short_positions", notebook, {.line_length = 80, .columns = 200, .optimizer = adam, .positions = {0.3, 0.5, 0.7}});
  expect("narrow_trainable", notebook, {.columns = 48, .show_trainable = true, .optimizer = adam});
  expect("frozen_trainable", graph_of("frozen"), {.show_trainable = true});
  const Graph unbuilt = graph_of("unbuilt");
  expect("unbuilt", unbuilt, {});
  Graph renamed("a_long_name_that_wraps of several words");
  for (const Member& member : unbuilt.members()) renamed.append(member.layer->description, 0);
  expect("narrow", renamed, {.columns = 34});
}

TEST(Summary, RangeWorksBothWaysAndByBeginning) {
  const Graph graph = graph_of("notebook_80");
  const std::string forward = summary(graph, {.layer_range = {{"conv2d_1", "flatten"}}});
  EXPECT_EQ(summary(graph, {.layer_range = {{"flatten", "conv2d_1"}}}), forward);
  EXPECT_EQ(summary(graph, {.layer_range = {{"conv2d_.", "fla"}}}), forward);
  EXPECT_THROW(summary(graph, {.layer_range = {{"conv3d", "flatten"}}}), ValueError);
  EXPECT_THROW(summary(graph, {.layer_range = {{"conv2d", "("}}}), ValueError);
}

TEST(Summary, RefusesWhatDoesNotFit) {
  const Graph graph = graph_of("notebook_80");
  EXPECT_THROW(summary(graph, {.columns = 16}), ValueError);
  EXPECT_THROW(summary(graph, {.columns = 0}), ValueError);
  EXPECT_THROW(summary(graph, {.line_length = -1}), ValueError);
  EXPECT_THROW(summary(graph, {.line_length = std::int64_t{1} << 60}), ValueError);
  EXPECT_THROW(summary(graph, {.positions = {0.5, 1}}), ValueError);
  EXPECT_THROW(summary(graph, {.positions = {0.5, 0.4, 1}}), ValueError);
  EXPECT_THROW(summary(graph, {.positions = {NAN, 0.4, 1}}), ValueError);
  for (std::int64_t columns = 24; columns < 200; ++columns) {
    const std::string text = summary(graph, {.columns = columns, .show_trainable = columns > 44});
    EXPECT_THAT(text, ::testing::HasSubstr("params"));
  }
}

TEST(Summary, ShowsNoControlCharacters) {
  Graph graph("evil\x1b]0;title\x07\nname\xff");
  graph.append(linn::detail::description_of(Flatten({.name = "a\x1b[31mb"})), 0);
  const std::string text = summary(graph, {});
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\x07'), std::string::npos);
  EXPECT_THAT(text, ::testing::HasSubstr("evil\xEF\xBF\xBD]0;title"));
  EXPECT_THAT(text, ::testing::HasSubstr("a\xEF\xBF\xBD[31mb (Flatten)"));
}

TEST(Summary, Sizes) {
  EXPECT_EQ(readable_size(0), "0.00 B");
  EXPECT_EQ(readable_size(1023), "1023.00 B");
  EXPECT_EQ(readable_size(1024), "1.00 KB");
  EXPECT_EQ(readable_size(453544), "442.91 KB");
  EXPECT_EQ(readable_size(std::int64_t{1} << 40), "1.00 TB");
  EXPECT_EQ(readable_size(std::int64_t{1} << 62), "4096.00 PB");
}

}  // namespace
}  // namespace linn::detail::graph
