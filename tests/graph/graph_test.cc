#include "graph/graph.h"

#include <gmock/gmock.h>

#include "linn/error.h"
#include "linn/layers.h"

namespace linn::detail::graph {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> names_of(const Graph& graph) {
  std::vector<std::string> names;
  for (const Member& member : graph.members()) names.push_back(member.name);
  return names;
}

std::vector<std::string> variables_of(const Graph& graph) {
  std::vector<std::string> names;
  for (const GraphVariable& variable : graph.variables()) names.push_back(variable.name);
  return names;
}

// Everything that can be seen of a graph.
std::string picture(const Graph& graph) {
  std::string text = graph.name() + (graph.built() ? " " + graph.input_shape().to_string() : "") + '\n';
  for (const Member& member : graph.members()) {
    text += member.name;
    for (const int variable : member.variables) text += ' ' + std::to_string(variable);
    for (const int call : member.calls) {
      text += " call " + std::to_string(call) + " of";
      for (const Port port : graph.calls()[static_cast<std::size_t>(call)].inputs) text += ' ' + std::to_string(port.call);
      text += " gives " + graph.shape_of({call, 0}).to_string();
    }
    text += '\n';
  }
  for (const GraphVariable& variable : graph.variables()) {
    text += variable.name + ' ' + variable.shape().to_string();
    for (const float value : variable.value().values<float>()) text += ' ' + std::to_string(value);
    text += '\n';
  }
  return text;
}

template <class ErrorType, class Call>
std::string refused(Graph& graph, Call call) {
  const std::string before = picture(graph);
  std::string message;
  try {
    call();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const ErrorType& error) {
    message = error.what();
  }
  EXPECT_EQ(picture(graph), before) << "the error changed the graph";
  return message;
}

void add(Graph& graph, const Layer& layer, std::uint64_t seed = 1) { graph.append(layer.object(), seed); }

// What leaves a layer of a chain.
Shape output_of(const Graph& graph, std::size_t layer) { return graph.shape_of({graph.members()[layer].calls.front(), 0}); }

Graph small() {
  Graph graph("small");
  add(graph, Conv2D(4, 3));
  add(graph, MaxPooling2D());
  add(graph, Conv2D(2, 1));
  add(graph, Flatten());
  add(graph, Dense(5));
  return graph;
}

// Each layer costs the same, however many there are: 2,000 would take 10 seconds if each looked at all before it a few times.
TEST(Graph, ALongChainThatGrowsIsTheSameAsOneBuiltAtOnce) {
  constexpr int layers = 2000;
  Graph grown("long"), whole("long");
  add(grown, Dense(3, {.name = "first"}));
  add(whole, Dense(3, {.name = "first"}));
  grown.build({3}, 1);
  const auto layer = [](int i) -> Layer {
    if (i == 700) return Dense(2, {.name = "dense_500"});
    if (i % 3 == 0) return Dense(2);
    return i % 3 == 1 ? Layer(Activation("relu")) : Layer(Identity());
  };
  for (int i = 1; i < layers; ++i) {
    add(grown, layer(i));
    add(whole, layer(i));
  }
  whole.build({3}, 1);
  EXPECT_EQ(picture(grown), picture(whole));
  EXPECT_EQ(grown.members().size(), static_cast<std::size_t>(layers));
  EXPECT_EQ(grown.parameters(false), whole.parameters(false));
  // What is taken from the end can be added again, under the same name.
  const std::string last = grown.members().back().name, before = picture(grown);
  grown.remove_last();
  add(grown, layer(layers - 1));
  EXPECT_EQ(grown.members().back().name, last);
  EXPECT_EQ(picture(grown), before);
}

TEST(Graph, ANameThatWasTakenAwayIsFree) {
  Graph graph("net");
  add(graph, Dense(2));
  add(graph, Dense(2));
  graph.remove_last();
  add(graph, Dense(2, {.name = "dense_1"}));
  add(graph, Dense(2));
  EXPECT_THAT(names_of(graph), ElementsAre("dense", "dense_1", "dense_2"));
}

TEST(Graph, AnInitializerThatCannotMakeTheVariable) {
  Graph graph = small();
  graph.build({9, 9, 1}, 1);
  const std::string message = refused<ValueError>(graph, [&] { add(graph, Dense(3, {.kernel_initializer = "orthogonal", .bias_initializer = "identity"})); });
  EXPECT_THAT(message, AllOf(HasSubstr("bias has shape (3,)"), HasSubstr("Identity")));
}

TEST(Graph, NamesCountByClass) {
  Graph graph = small();
  add(graph, Dense(5));
  add(graph, Dense(5, {.name = "mine"}));
  add(graph, Dense(5));
  EXPECT_THAT(names_of(graph), ElementsAre("conv2d", "max_pooling2d", "conv2d_1", "flatten", "dense", "dense_1", "mine", "dense_2"));
}

TEST(Graph, NumbersSkipNamesThatAreTaken) {
  Graph graph("g");
  add(graph, Dense(1, {.name = "dense_1"}));
  add(graph, Dense(1));
  add(graph, Dense(1));
  EXPECT_THAT(names_of(graph), ElementsAre("dense_1", "dense", "dense_2"));
}

TEST(Graph, BuildMakesShapesAndVariables) {
  Graph graph = small();
  EXPECT_FALSE(graph.built());
  EXPECT_TRUE(graph.variables().empty());
  graph.build({10, 12, 3}, 7);
  EXPECT_TRUE(graph.built());
  EXPECT_EQ(graph.input_shape(), Shape({10, 12, 3}));
  EXPECT_EQ(output_of(graph, 0), Shape({8, 10, 4}));
  EXPECT_EQ(output_of(graph, 1), Shape({4, 5, 4}));
  EXPECT_EQ(output_of(graph, 3), Shape({40}));
  EXPECT_EQ(graph.output_shape(), Shape({5}));
  EXPECT_THAT(variables_of(graph), ElementsAre("conv2d/kernel", "conv2d/bias", "conv2d_1/kernel", "conv2d_1/bias", "dense/kernel", "dense/bias"));
  EXPECT_EQ(graph.parameters(false), 3 * 3 * 3 * 4 + 4 + 4 * 2 + 2 + 40 * 5 + 5);
  EXPECT_THAT(graph.members()[4].variables, ElementsAre(4, 5));
}

TEST(Graph, BuildingStepByStepIsBuildingAtOnce) {
  Graph at_once = small();
  at_once.build({10, 12, 3}, 1);
  Graph by_steps("small");
  by_steps.build({10, 12, 3}, 1);
  const Graph parts = small();
  for (const Member& member : parts.members()) by_steps.append(member.layer->description, 1);
  EXPECT_EQ(picture(by_steps), picture(at_once));
}

TEST(Graph, SeedsDecideTheValues) {
  Graph a = small(), b = small(), c = small();
  a.build({10, 12, 3}, 1);
  b.build({10, 12, 3}, 1);
  c.build({10, 12, 3}, 2);
  EXPECT_EQ(picture(a), picture(b));
  EXPECT_NE(picture(a), picture(c));
}

TEST(Graph, BuildAgainForAnotherShape) {
  Graph graph = small();
  graph.build({10, 12, 3}, 1);
  graph.build({6, 6, 1}, 1);
  EXPECT_EQ(graph.variables()[0].shape(), Shape({3, 3, 1, 4}));
  EXPECT_EQ(graph.variables().size(), 6U);
  Graph fresh = small();
  fresh.build({6, 6, 1}, 1);
  EXPECT_EQ(picture(graph), picture(fresh));
}

TEST(Graph, RemoveLastTakesItsVariables) {
  Graph graph = small();
  graph.build({10, 12, 3}, 1);
  Graph shorter("small");
  for (std::size_t i = 0; i + 1 < graph.members().size(); ++i) shorter.append(graph.members()[i].layer->description, 1);
  shorter.build({10, 12, 3}, 1);
  graph.remove_last();
  EXPECT_EQ(picture(graph), picture(shorter));
  EXPECT_EQ(graph.output_shape(), Shape({40}));
}

TEST(Graph, FrozenLayersCountApart) {
  Graph graph("g");
  add(graph, Dense(3, {.trainable = false}));
  add(graph, Dense(2));
  graph.build({4}, 0);
  EXPECT_EQ(graph.parameters(false), 4 * 3 + 3 + 3 * 2 + 2);
  EXPECT_EQ(graph.parameters(true), 3 * 2 + 2);
  EXPECT_FALSE(graph.variables()[0].trainable());
  EXPECT_TRUE(graph.variables()[2].trainable());
}

TEST(GraphErrors, DuplicatesAndBadNames) {
  Graph graph = small();
  const Dense twice(3, {.name = "twice"});
  add(graph, twice);
  EXPECT_THAT(refused<ValueError>(graph, [&] { add(graph, twice); }), AllOf(HasSubstr("[dense 'twice']"), HasSubstr("\"small\"")));
  EXPECT_THAT(refused<ValueError>(graph, [&] { add(graph, Dense(3, {.name = "twice"})); }), HasSubstr("\"twice\""));
  EXPECT_THAT(refused<ValueError>(graph, [&] { add(graph, Dense(3, {.name = "a/b"})); }), HasSubstr("'/'"));
}

TEST(GraphErrors, ALayerThatDoesNotFit) {
  Graph graph = small();
  graph.build({10, 12, 3}, 1);
  EXPECT_THAT(refused<ShapeError>(graph, [&] { add(graph, MaxPooling2D()); }), HasSubstr("[max_pooling2d 'max_pooling2d_1']"));
  EXPECT_THAT(refused<ShapeError>(graph, [&] { graph.build({2, 2, 3}, 1); }), HasSubstr("[conv2d 'conv2d'] kernel_size (3, 3) does not fit input (2, 2)"));
  EXPECT_THAT(refused<ShapeError>(graph, [&] { graph.build({}, 1); }), HasSubstr("at least one axis"));
  EXPECT_THAT(refused<ShapeError>(graph, [&] { graph.build({10, 0, 3}, 1); }), HasSubstr("(10, 0, 3)"));
  EXPECT_THAT(refused<ShapeError>(graph, [&] { graph.build({Shape::none, 10, 3}, 1); }), AllOf(HasSubstr("[dense 'dense']"), HasSubstr("left open")));
}

TEST(GraphErrors, UnbuiltStaysUnbuilt) {
  Graph graph = small();
  refused<ShapeError>(graph, [&] { graph.build({1, 1, 1}, 1); });
  EXPECT_FALSE(graph.built());
}

TEST(GraphErrors, TooManyParameters) {
  Graph graph("g");
  graph.build({1000000}, 1);
  EXPECT_THAT(refused<MemoryError>(graph, [&] { add(graph, Dense(1000000)); }), HasSubstr("[dense 'dense']"));
  EXPECT_THAT(refused<Error>(graph, [&] { add(graph, Conv2D(2147483647, {2147483647, 2147483647})); }), HasSubstr("conv2d"));
  // The product of the sizes passes 2^63.
  Graph flat("g");
  add(flat, Flatten());
  add(flat, Dense(2147483647));
  EXPECT_THROW(flat.build({2147483647, 2147483647}, 1), Error);
  EXPECT_FALSE(flat.built());
}

}  // namespace
}  // namespace linn::detail::graph
