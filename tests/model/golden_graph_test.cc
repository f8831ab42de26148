// Whole networks against Keras: outputs, gradients and steps of the built-in ones, and of small graphs with branches, shared layers, models
// inside models, several inputs and outputs.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <span>

#include "io/checksum.h"
#include "linn/linn.h"
#include "support/closeness.h"
#include "support/golden_graph.h"

namespace linn {
namespace {

using tests::GoldenGraph;
using tests::Values;

const detail::io::Json& cases() {
  static const detail::io::Json json = tests::golden_json("graph.json");
  return json["cases"];
}

// Squared distance and squared norm, summed over tensors: a bound "norm-wise" counts all of a network's variables together.
struct Distance {
  double apart = 0, norm = 0;

  void add(const Values& got, const Values& want) {
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      apart += (got[i] - want[i]) * (got[i] - want[i]);
      norm += want[i] * want[i];
    }
  }
  double relative() const { return std::sqrt(apart / norm); }
};

class GoldenGraphs : public testing::TestWithParam<std::size_t> {
 protected:
  const detail::io::Json& test() const { return cases()[GetParam()]; }
  double bound(const char* key) const { return test()["bounds"][key]; }
  const GoldenGraph golden{test()};
};

TEST_P(GoldenGraphs, VariablesAreKerass) {
  const Model model = golden.model("sgd");
  const auto weights = model.named_weights();
  const detail::io::Json& wanted = test()["weights"];
  ASSERT_EQ(weights.size(), wanted.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    EXPECT_TRUE(weights[i].first.ends_with("/" + wanted[i][0].get<std::string>())) << weights[i].first << ", Keras has " << wanted[i][0];
    EXPECT_EQ(weights[i].second.shape(), Shape(wanted[i][1].get<std::vector<std::int64_t>>())) << weights[i].first;
  }
}

// The weights of each layer are a part of the model's list, in the order of `layers`: so weights that Keras gives go in layer by layer.
TEST_P(GoldenGraphs, LayersTakeTheirWeightsInKerassOrder) {
  const Model whole = golden.model("sgd");
  const std::vector<Tensor> all = whole.get_weights();
  const Model model = Model::from_json(golden.config("sgd"));
  std::size_t first = 0;
  for (Layer layer : model.layers()) {
    const std::size_t count = layer.get_weights().size();
    ASSERT_LE(first + count, all.size());
    layer.set_weights({all.begin() + static_cast<std::ptrdiff_t>(first), all.begin() + static_cast<std::ptrdiff_t>(first + count)});
    first += count;
  }
  EXPECT_EQ(first, all.size());
  const std::vector<Tensor> got = model.get_weights();
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(std::memcmp(got[i].raw(), all[i].raw(), all[i].bytes()), 0) << i;
}

TEST_P(GoldenGraphs, OutputsAgree) {
  const tests::Batch batch = golden.batch(0);
  const std::vector<Tensor> outputs = golden.model("sgd").predict_all(batch.x);
  const std::vector<Tensor> wide = tests::WideModel(golden.config("sgd"), golden.gamma()).outputs(batch);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& want = golden.wanted("output_" + std::to_string(i));
    EXPECT_TRUE(tests::agrees("float64", want.shape(), tests::values_of(wide[i]), tests::values_of(want), {1e-6, 1e-9}));
    EXPECT_TRUE(tests::agrees("float32", want.shape(), tests::values_of(outputs[i]), tests::values_of(want), {0, 1e-5}));
  }
}

// Each probability is as near as the roundings of all layers allow, in any order of their sums, to first order.
class GoldenBounds : public GoldenGraphs {};

TEST_P(GoldenBounds, OutputsLieWithinThem) {
  const Values got = tests::values_of(golden.model("sgd").predict(golden.batch(0).x)), want = tests::values_of(golden.wanted("output_0"));
  const Values allowed = tests::values_of(golden.wanted("bound"));
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_LE(std::abs(std::log(got[i]) - std::log(want[i])), allowed[i] + 1e-7) << i;
}

// In float64 each gradient alone, in float32 all together.
TEST_P(GoldenGraphs, GradientsAgree) {
  const tests::Batch batch = golden.batch(0);
  Model model = golden.model("sgd");
  tests::WideModel wide(golden.config("sgd"), golden.gamma());
  const auto single = model.gradients(batch.x, batch.y);
  const std::vector<Tensor> both = wide.gradients(batch);
  ASSERT_EQ(single.size(), both.size());
  Distance all;
  for (const Tensor& gradient : both) all.add(tests::sketch(gradient), Values(tests::sketch(gradient).size()));
  std::size_t t = 0;
  Distance distance;
  for (std::size_t i = 0; i < wide.variables().size(); ++i) {
    if (!wide.variables()[i].trainable()) continue;
    const Values want = tests::values_of(golden.wanted("grad/" + std::to_string(i)));
    ASSERT_EQ(single[t].first, wide.variables()[i].name);
    Distance one;
    one.add(tests::sketch(both[t]), want);
    EXPECT_LE(std::sqrt(one.apart), 1e-6 * std::sqrt(one.norm) + 1e-12 * std::sqrt(all.apart)) << single[t].first;
    distance.add(tests::sketch(single[t++].second), want);
  }
  EXPECT_LE(distance.relative(), bound("gradient"));
}

// Logs of the first `most` steps; if those are all, weights after them, and how far they have moved.
template <class Step, class Weights>
void expect_steps(const detail::io::Json& test, const GoldenGraph& golden, const std::string& optimizer, std::size_t most,
                  double logs_bound, double moved_bound, Step step, Weights weights) {
  const std::vector<Tensor> before = weights();
  const detail::io::Json& logs = test["logs"][optimizer];
  for (std::uint32_t k = 0; k < std::min(most, logs.size()); ++k) {
    const Logs got = step(golden.batch(k));
    EXPECT_EQ(got.size(), logs[k].size());
    for (const auto& [key, value] : logs[k].items()) {
      ASSERT_TRUE(got.contains(key)) << key;
      EXPECT_NEAR(got.at(key), value.template get<double>(), logs_bound * std::abs(value.template get<double>()) + 1e-9)
          << key << " of step " << k;
    }
  }
  if (most < logs.size()) return;
  const std::vector<Tensor> after = weights();
  Distance distance, ends;
  for (std::size_t i = 0; i < after.size(); ++i) {
    Values moved = tests::sketch(after[i]);
    const Values from = tests::sketch(before[i]);
    Values end = tests::values_of(golden.wanted(optimizer + "/" + std::to_string(i)));
    for (std::size_t k = 0; k < end.size(); ++k) end[k] += from[k];
    ends.add(moved, end);
    for (std::size_t k = 0; k < end.size(); ++k) {
      moved[k] -= from[k];
      end[k] -= from[k];
    }
    distance.add(moved, end);
  }
  EXPECT_LE(ends.relative(), 1e-4);
  EXPECT_LE(distance.relative(), moved_bound);
}

class GoldenGraphsInFloat64 : public GoldenGraphs {};

TEST_P(GoldenGraphsInFloat64, StepsAgree) {
  for (const auto& [optimizer, config] : test()["optimizers"].items()) {
    SCOPED_TRACE(optimizer);
    tests::WideModel model(golden.config(optimizer), golden.gamma());
    const auto weights = [&] {
      std::vector<Tensor> values;
      for (const detail::graph::GraphVariable& variable : model.variables()) values.push_back(variable.value().clone());
      return values;
    };
    const std::size_t most = golden.name() == "mobilenet_v2" ? 3 : 10;  // float64 has no vectors: a step of it takes half a second
    expect_steps(
        test(), golden, optimizer, most, 1e-6, 1e-5, [&](const tests::Batch& batch) { return model.step(batch); }, weights);
  }
}

TEST_P(GoldenGraphs, StepsAgree) {
  for (const auto& [optimizer, config] : test()["optimizers"].items()) {
    SCOPED_TRACE(optimizer);
    Model model = golden.model(optimizer);
    expect_steps(
        test(), golden, optimizer, 10, bound("loss"), bound("moved"),
        [&](const tests::Batch& batch) { return model.train_on_batch(batch.x, batch.y); }, [&] { return model.get_weights(); });
  }
}

// Weights and outputs after two steps of 19 images: three shards, one of them not full.
class GoldenGraphsOnThreads : public GoldenGraphs {};

TEST_P(GoldenGraphsOnThreads, GiveTheSameBits) {
  std::vector<Tensor> first;
  for (const int count : {1, 2, 3, 8}) {
    set_threads(count);
    Model model = golden.model(test()["optimizers"].begin().key());
    for (std::uint32_t step = 0; step < 2; ++step) {
      const tests::Batch batch = golden.batch(step, 19);
      model.train_on_batch(batch.x, batch.y);
    }
    std::vector<Tensor> now = model.get_weights();
    for (Tensor& output : model.predict_all(golden.batch(2, 19).x)) now.push_back(output);
    if (first.empty()) first = now;
    for (std::size_t i = 0; i < now.size(); ++i)
      EXPECT_EQ(std::memcmp(now[i].raw(), first[i].raw(), now[i].bytes()), 0) << "tensor " << i << " on " << count << " threads";
  }
  set_threads(2);
}

// Keras read this very text. After a change of a built-in network, make_graph_golden.py must be run again.
TEST(GoldenNetworks, ConfigurationsAreThoseThatKerasRead) {
  for (const detail::io::Json& test : cases()) {
    if (test.contains("model")) continue;
    const auto name = test["name"].get<std::string>();
    const std::string text = tests::golden_network(name).to_json();
    EXPECT_EQ(detail::io::crc32(std::as_bytes(std::span(text))), test["checksum"].get<std::uint32_t>()) << name;
  }
}

// Cases with a configuration of their own are small; of the built-in networks some are too slow for the fast set.
std::vector<std::size_t> cases_that(bool (*belong)(const detail::io::Json& test)) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < cases().size(); ++i)
    if (belong(cases()[i])) indices.push_back(i);
  return indices;
}
bool has_bound(const detail::io::Json& test) { return GoldenGraph(test).has("bound"); }
bool is_small(const detail::io::Json& test) { return test.contains("model"); }
bool is_large(const detail::io::Json& test) { return !is_small(test); }
bool is_fast(const detail::io::Json& test) { return is_small(test) || test["name"] == "resnet20" || test["name"] == "lenet5"; }
bool is_slow(const detail::io::Json& test) { return !is_fast(test); }
std::string name_of(const testing::TestParamInfo<std::size_t>& info) { return cases()[info.param]["name"].get<std::string>(); }

INSTANTIATE_TEST_SUITE_P(Networks, GoldenGraphs, testing::ValuesIn(cases_that(is_fast)), name_of);
INSTANTIATE_TEST_SUITE_P(FullNetworks, GoldenGraphs, testing::ValuesIn(cases_that(is_slow)), name_of);
INSTANTIATE_TEST_SUITE_P(Networks, GoldenBounds, testing::ValuesIn(cases_that(has_bound)), name_of);
INSTANTIATE_TEST_SUITE_P(Networks, GoldenGraphsOnThreads, testing::ValuesIn(cases_that(is_small)), name_of);
INSTANTIATE_TEST_SUITE_P(FullNetworks, GoldenGraphsOnThreads, testing::ValuesIn(cases_that(is_large)), name_of);
INSTANTIATE_TEST_SUITE_P(Networks, GoldenGraphsInFloat64, testing::ValuesIn(cases_that(is_small)), name_of);
INSTANTIATE_TEST_SUITE_P(FullNetworks, GoldenGraphsInFloat64, testing::ValuesIn(cases_that(is_large)), name_of);

}  // namespace
}  // namespace linn
