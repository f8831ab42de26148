// Augmentation layers against Keras, which got linn's random numbers for its own (tests/golden/make_augment_golden.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "layers/description.h"
#include "support/golden.h"
#include "support/plan_run.h"

namespace linn::detail::layers {
namespace {

using namespace tests;

const GoldenTensors& golden() {
  static const GoldenTensors tensors("augment.safetensors");
  return tensors;
}

double largest_difference(const Values& a, const Values& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::isnan(a[i]) ? HUGE_VAL : std::abs(a[i] - b[i]));
  return largest;
}

void check_case(const io::Json& test, const plan::StepInfo& step, Precision precision) {
  const auto name = test["name"].get<std::string>();
  SCOPED_TRACE(name);
  const DescriptionPtr layer = layer_from_config(test["class_name"].get<std::string>(), test["config"], name);
  const Tensor &input = golden()[name + "/input"], &output = golden()[name + "/output"];
  const Shape image = input.shape().without_first();
  PlanRun run(plan::Purpose::training);
  const plan::Value in = run.bind("input", image, plan::Extent::batch, values_of(input));
  const bool mixes = test.value("mixes", false);
  if (mixes) {
    const Tensor& targets = golden()[name + "/targets"];
    run.lowering().targets() = {{run.bind("targets", targets.shape().without_first(), plan::Extent::batch, values_of(targets)), false}};
  }
  const plan::Value out = layer->lower_call(run.lowering(), {&in, 1}, {}).front();
  run.keep(out);
  const plan::Value mixed = mixes ? run.lowering().targets().front().value : plan::Value{};
  run.keep(mixed);
  run.compile(input.shape()[0], precision);
  run.run(input.shape()[0], step);
  ASSERT_EQ(out.shape, output.shape().without_first());
  double most = 0;
  for (const double value : values_of(input)) most = std::max(most, value);
  // A gray level is 1/255 of the range; Keras's float32 is far nearer than that.
  EXPECT_LE(largest_difference(run.get(out), values_of(output)), most / 255 / 8);
  if (mixes) {
    EXPECT_LE(largest_difference(run.get(mixed), values_of(golden()[name + "/mixed"])), 1e-5);
  }
}

TEST(AugmentGolden, EveryCaseAsKeras) {
  const io::Json json = golden_json("augment.json");
  const plan::StepInfo step{.seed = json["seed"].get<std::uint64_t>(), .epoch = json["epoch"], .first_sample = json["first_image"]};
  for (const io::Json& test : json["cases"]) check_case(test, step, Precision::float32);
}

// What Keras writes is read, and written again as Keras has it.
TEST(AugmentGolden, ConfigurationsAsKeras) {
  const io::Json json = golden_json("augment.json");
  for (const io::Json& test : json["cases"]) {
    const auto class_name = test["class_name"].get<std::string>();
    SCOPED_TRACE(test["name"].get<std::string>());
    const io::Json written = layer_from_config(class_name, test["config"], "golden")->config("name");
    for (const auto& [key, value] : test["config"].items()) {
      if (key == "layers") continue;  // nodes
      if (key == "data_format" && !written.contains(key)) continue;  // in the base class of those that have no such argument
      ASSERT_TRUE(written.contains(key)) << key;
      if (class_name == "RandomShear" && value.is_array() && value[0] == -value[1].get<double>()) {
        EXPECT_EQ(written[key], value[1]) << "the number that Keras made (-f, f) of, and does not read";
        continue;
      }
      EXPECT_EQ(written[key], value) << key;
    }
  }
}

}  // namespace
}  // namespace linn::detail::layers
