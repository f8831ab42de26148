// What layers say of themselves (layers/traits.h) against what they do, for every class of the registry.
#include "layers/registry.h"
#include "layers/traits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "layers/description.h"
#include "support/golden.h"
#include "support/plan_run.h"
#include "support/shapes_in.h"

namespace linn::detail::layers {
namespace {

using tests::PlanRun;
using tests::Values;

struct Example {
  std::string class_name;
  io::Json config;
  std::vector<Shape> inputs;  // of one image
};

// linn's own layers and borders, which Keras has no numbers for.
std::vector<Example> own_examples() {
  const std::vector<Shape> even = {{12, 8, 3}}, odd = {{9, 7, 2}};
  std::vector<Example> all = {
      {"InputLayer", {{"batch_shape", {nullptr, 12, 8, 3}}}, even},
      {"BatchNormalization", io::Json::object(), even},
      {"BatchNormalization", {{"scale", false}}, odd},
      {"ZeroPadding2D", {{"padding", {{1, 2}, {0, 3}}}}, even},
      {"AdaptivePolyphaseSampling2D", {{"strides", {2, 2}}}, even},
      {"AdaptivePolyphaseSampling2D", {{"strides", {3, 1}}, {"order", "l1"}}, even},
      {"LearnablePolyphaseSampling2D", {{"strides", {2, 4}}, {"hidden_filters", 3}}, even},
      {"Dense", {{"units", 4}, {"activation", "softmax"}}, even},
      {"Dense", {{"units", 4}}, {Shape{6}}},
      {"Flatten", io::Json::object(), even},
      {"Flatten", io::Json::object(), {Shape{6}}},
      {"Activation", {{"activation", "softmax"}}, even},
      {"Activation", {{"activation", "log_softmax"}}, odd},
      {"Activation", {{"activation", "linear"}}, odd},
      {"Conv2D", {{"filters", 4}, {"kernel_size", {2, 3}}, {"activation", "softmax"}}, even},
      {"GlobalMaxPooling2D", {{"keepdims", true}}, even},
  };
  for (const char* padding : {"circular", "full", "same", "valid"})
    for (const int stride : {1, 2, 3})
      for (const int size : {1, 2, 5})
        for (const std::vector<Shape>& inputs : {even, odd}) {
          all.push_back({"Conv2D", {{"filters", 4}, {"kernel_size", {size, 3}}, {"strides", {stride, 2}}, {"padding", padding}}, inputs});
          if (padding == std::string("full")) continue;
          const io::Json pool = {{"pool_size", {size, 2}}, {"strides", {stride, 1}}, {"padding", padding}};
          all.push_back({"MaxPooling2D", pool, inputs});
          if (size == 2) {
            io::Json dilated = pool;
            dilated["dilation_rate"] = {3, 2};
            for (const char* class_name : {"MaxPooling2D", "AveragePooling2D"}) all.push_back({class_name, dilated, inputs});
          }
          io::Json blurred = pool;
          blurred["filter_size"] = 3;
          all.push_back({"MaxBlurPooling2D", blurred, inputs});
          blurred["border"] = "circular";
          all.push_back({"MaxBlurPooling2D", blurred, inputs});
        }
  for (const Size2 strides : {Size2(2, 2), Size2(3, 1), Size2(1, 1)}) {
    const io::Json config = {{"strides", {strides.height, strides.width}}};
    for (const std::vector<Shape>& inputs : {even, odd}) {
      all.push_back({"FrequencyLowCutPooling2D", config, inputs});
      for (const char* border : {"reflect", "zero", "circular"}) {
        io::Json adaptive = config;
        adaptive["groups"] = 1;
        adaptive["border"] = border;
        all.push_back({"AdaptiveBlurPooling2D", adaptive, inputs});
      }
    }
    const std::vector<Shape> multiple = {Shape{6, 8, 3}};
    for (const char* regions : {"phases", "quadrants"}) {
      io::Json mixed = config;
      mixed["regions"] = regions;
      all.push_back({"TranslationInvariantPolyphaseSampling2D", mixed, multiple});
    }
  }
  for (const std::vector<Shape>& inputs : {even, odd}) {
    all.push_back({"FractionalMaxPooling2D", io::Json::object(), inputs});
    all.push_back({"MaxPoolingWithArgmax2D", io::Json::object(), inputs});
    all.push_back({"MaxUnpooling2D", io::Json::object(), {inputs[0], inputs[0]}});
    all.push_back({"SpatialPyramidPooling2D", io::Json::object(), inputs});
    all.push_back({"SpatialPyramidPooling2D", {{"levels", {1}}}, inputs});
    all.push_back({"StripPooling2D", io::Json::object(), inputs});
    all.push_back({"AttentionPooling2D", {{"units", 4}}, inputs});
    all.push_back({"AttentionPooling2D", {{"units", 4}, {"gated", true}, {"keepdims", true}}, inputs});
  }
  for (const char* border : {"reflect", "replicate", "zero", "circular"})
    for (const char* pads : {"zhang", "timm", "kornia"})
      for (const int filter : {2, 3, 4, 5})
        all.push_back({"BlurPooling2D", {{"filter_size", filter}, {"strides", {2, 1}}, {"border", border}, {"pads", pads}}, even});
  return all;
}

std::vector<Example> examples() {
  std::vector<Example> all = own_examples();
  for (const char* file : {"layers.json", "convolutions.json"}) {
    const io::Json index = tests::golden_json(file);
    for (const io::Json& test : index["cases"]) {
      if (!test.contains("input_shape")) continue;
      std::vector<std::int64_t> sizes = test["input_shape"];
      sizes.erase(sizes.begin());
      all.push_back({test["class_name"], test["config"], {Shape(std::span<const std::int64_t>(sizes))}});
    }
  }
  const io::Json pooling_index = tests::golden_json("pooling.json");
  for (const io::Json& test : pooling_index["cases"]) {
    const std::vector<std::int64_t> sizes = test["image"];
    all.push_back({test["class_name"], test["config"], {Shape(std::span<const std::int64_t>(sizes))}});
  }
  for (const char* file : {"graph_layers.json", "steps.json", "core_layers.json"}) {
    const io::Json index = tests::golden_json(file);
    for (const io::Json& test : index["cases"]) {
      Example example{test["class_name"], test["config"], {}};
      for (const io::Json& shape : test["input_shapes"]) {
        const std::vector<std::int64_t> sizes = shape;
        example.inputs.emplace_back(std::span<const std::int64_t>(sizes));
      }
      all.push_back(std::move(example));
    }
  }
  // Of the others the examples of their rows.
  std::set<std::string> seen;
  for (const Example& example : all) seen.insert(example.class_name);
  for (const LayerRow& row : layer_rows())
    for (const schema::Example& example : row.examples)
      if (!seen.contains(std::string(row.info.name)))
        all.push_back({std::string(row.info.name), io::parse_json(example.config, "example"), tests::shapes_in(std::string(example.inputs))});
  // Traits of layers with the channels first do not count.
  std::erase_if(all, [](const Example& example) { return layer_from_config(example.class_name, example.config, example.class_name)->channels_first(); });
  return all;
}

Values random(std::int64_t count, std::uint32_t seed) {
  std::mt19937 engine(seed);
  Values values(static_cast<std::size_t>(count));
  for (double& value : values) value = static_cast<double>(engine()) / 4294967296.0 * 2 - 1;
  return values;
}

// A layer in float64 inference: numbers go in, numbers come out.
class LayerAlone {
 public:
  explicit LayerAlone(const Example& example) : example_(example) {
    layer_ = layer_from_config(example.class_name, example.config, example.class_name);
    output_ = layer_->infer_shapes(example.inputs, example.class_name).front();
    on_ = layer_->on_map(example.inputs);
  }

  Values of(const std::vector<Values>& inputs) const {
    PlanRun run(plan::Purpose::inference);
    plan::Lowering& to = run.lowering();
    std::vector<plan::Value> values, variables;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      values.push_back(run.bind("input" + std::to_string(i), example_.inputs[i], plan::Extent::batch, inputs[i]));
    std::uint32_t seed = 99;
    for (const VariableSpec& spec : layer_->declare_variables(example_.inputs)) {
      Values numbers = random(spec.shape.elements(), ++seed);
      if (spec.name.ends_with("variance"))
        for (double& number : numbers) number = 1.5 + number;
      variables.push_back(run.bind(spec.name, spec.shape, plan::Extent::fixed, numbers));
    }
    to.set_layer("layer", layer_->trainable());
    const plan::Value out = layer_->lower_call(to, values, variables).front();
    // A layer that gives its input back has made no value to keep.
    for (std::size_t i = 0; i < values.size(); ++i)
      if (values[i].id == out.id) return inputs[i];
    run.keep(out);
    run.build(1, plan::Precision::float64);
    run.run(1);
    return run.get(out);
  }

  Values of(const std::function<Values(const Values&, const Shape&)>& change) const {
    std::vector<Values> inputs;
    for (std::size_t i = 0; i < example_.inputs.size(); ++i)
      inputs.push_back(change(random(example_.inputs[i].elements(), static_cast<std::uint32_t>(i)), example_.inputs[i]));
    return of(inputs);
  }

  const Shape& input() const { return example_.inputs[0]; }
  const Shape& output() const { return output_; }
  const OnMap& on() const { return on_; }
  const LayerDescription& layer() const { return *layer_; }

 private:
  const Example& example_;
  DescriptionPtr layer_;
  Shape output_;
  OnMap on_;
};

Values same(const Values& values, const Shape&) { return values; }

Values rolled(const Values& values, const Shape& shape, std::int64_t down, std::int64_t right) {
  Values moved(values.size());
  const std::int64_t h = shape[0], w = shape[1], c = shape[2];
  for (std::int64_t y = 0; y < h; ++y)
    for (std::int64_t x = 0; x < w; ++x)
      for (std::int64_t k = 0; k < c; ++k) {
        const std::int64_t to = (((y + down) % h + h) % h * w + ((x + right) % w + w) % w) * c + k;
        moved[static_cast<std::size_t>(to)] = values[static_cast<std::size_t>((y * w + x) * c + k)];
      }
  return moved;
}

Values with_channels_reversed(const Values& values, const Shape& shape) {
  Values turned = values;
  for (auto at = turned.begin(); at != turned.end(); at += shape[-1]) std::reverse(at, at + shape[-1]);
  return turned;
}

double largest_difference(const Values& a, const Values& b) {
  if (a.size() != b.size()) return INFINITY;
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

constexpr double rounding = 1e-12;

// ---- what each kind promises -----------------------------------------------------------------------------------------

void check_cells(const LayerAlone& layer) {
  if (layer.on().kind == OnMap::elementwise) {
    const Values turned = layer.of(with_channels_reversed);
    EXPECT_LT(largest_difference(turned, with_channels_reversed(layer.of(same), layer.output())), rounding);
  }
  if (layer.input().rank() != 3) return;
  ASSERT_EQ(layer.output().rank(), 3U);
  const Values in_place = layer.of(same);
  for (const auto& [down, right] : {std::pair{1, 0}, {0, 1}, {3, 2}}) {
    const Values moved = layer.of([&](const Values& values, const Shape& shape) { return rolled(values, shape, down, right); });
    EXPECT_LT(largest_difference(moved, rolled(in_place, layer.output(), down, right)), rounding);
  }
}

// Cells along an axis whose windows see neither pads nor, after a shift down by `stride`, what came round.
struct Axis {
  std::int64_t input, output, size, stride, dilation;
  Pads1 pads;

  std::int64_t extent() const { return (size - 1) * dilation + 1; }
  std::int64_t expected_output() const { return (pads.before + input + pads.after - extent()) / stride + 1; }
  bool inside(std::int64_t cell) const {
    const std::int64_t first = cell * stride - pads.before, last = first + extent() - 1;
    return first >= 0 && last < input;
  }
  // The window of the moved map; that of the map in place lies a stride before it.
  bool comparable(std::int64_t cell) const { return cell >= 1 && inside(cell) && inside(cell - 1); }
};

void check_window(const LayerAlone& layer) {
  const OnMap& on = layer.on();
  const Shape &in = layer.input(), &out = layer.output();
  const Axis y{in[0], out[0], on.size.height, on.strides.height, on.dilation.height, on.pads.height};
  const Axis x{in[1], out[1], on.size.width, on.strides.width, on.dilation.width, on.pads.width};
  EXPECT_EQ(y.expected_output(), out[0]) << "size, strides, dilation and pads give another height";
  EXPECT_EQ(x.expected_output(), out[1]) << "size, strides, dilation and pads give another width";
  const Values in_place = layer.of(same);
  const Values moved =
      layer.of([&](const Values& values, const Shape& shape) { return rolled(values, shape, on.strides.height, on.strides.width); });
  // A ring without a seam moves everywhere.
  const bool ring = on.fill == OnMap::circular && out[0] * on.strides.height == in[0] && out[1] * on.strides.width == in[1];
  const Values wanted = rolled(in_place, out, 1, 1);
  for (std::int64_t row = 0; row < out[0]; ++row)
    for (std::int64_t column = 0; column < out[1]; ++column)
      for (std::int64_t c = 0; c < out[2]; ++c)
        if (ring || (y.comparable(row) && x.comparable(column))) {
          const auto at = static_cast<std::size_t>((row * out[1] + column) * out[2] + c);
          EXPECT_NEAR(moved[at], wanted[at], rounding) << row << ", " << column;
        }
}

void check_pad(const LayerAlone& layer) {
  const OnMap& on = layer.on();
  const Shape &in = layer.input(), &out = layer.output();
  ASSERT_EQ(out[0], in[0] + on.pads.height.before + on.pads.height.after);
  ASSERT_EQ(out[1], in[1] + on.pads.width.before + on.pads.width.after);
  const Values before = layer.of([](const Values& values, const Shape&) { return values; }), source = random(in.elements(), 0);
  for (std::int64_t y = 0; y < out[0]; ++y)
    for (std::int64_t x = 0; x < out[1]; ++x)
      for (std::int64_t c = 0; c < out[2]; ++c) {
        const std::int64_t from_y = y - on.pads.height.before, from_x = x - on.pads.width.before;
        if (from_y < 0 || from_y >= in[0] || from_x < 0 || from_x >= in[1]) continue;
        EXPECT_EQ(before[static_cast<std::size_t>((y * out[1] + x) * out[2] + c)],
                  source[static_cast<std::size_t>((from_y * in[1] + from_x) * in[2] + c)]);
      }
}

void check_global(const LayerAlone& layer) {
  EXPECT_EQ(layer.output().elements(), layer.output()[-1]);
  const Values in_place = layer.of(same);
  const Values moved = layer.of([](const Values& values, const Shape& shape) { return rolled(values, shape, 2, 5); });
  EXPECT_LT(largest_difference(moved, in_place), rounding);
  if (layer.on().reduction != OnMap::maximum) return;
  const Values source = random(layer.input().elements(), 0);
  EXPECT_EQ(*std::max_element(in_place.begin(), in_place.end()), *std::max_element(source.begin(), source.end()));
}

void check_polyphase(const LayerAlone& layer) {
  const OnMap& on = layer.on();
  const Shape &in = layer.input(), &out = layer.output();
  ASSERT_EQ(out[0] * on.strides.height, in[0]);
  ASSERT_EQ(out[1] * on.strides.width, in[1]);
  const Values in_place = layer.of(same);
  for (std::int64_t down = 0; down < in[0]; ++down)
    for (std::int64_t right = 0; right < in[1]; ++right) {
      const Values moved = layer.of([&](const Values& values, const Shape& shape) { return rolled(values, shape, down, right); });
      bool found = false;
      for (std::int64_t y = 0; y < out[0]; ++y)
        for (std::int64_t x = 0; x < out[1]; ++x) found = found || moved == rolled(in_place, out, y, x);
      EXPECT_TRUE(found) << "no shift of the output in place: " << down << ", " << right;
    }
}

void check_on_map(const LayerAlone& layer) {
  switch (layer.on().kind) {
    case OnMap::elementwise:
    case OnMap::pointwise: return check_cells(layer);
    case OnMap::window: return check_window(layer);
    case OnMap::pad: return check_pad(layer);
    case OnMap::global: return check_global(layer);
    case OnMap::polyphase: return check_polyphase(layer);
    case OnMap::flatten:
      EXPECT_EQ(layer.of(same), random(layer.input().elements(), 0));
      EXPECT_EQ(layer.output().rank(), 1U);
      return;
    case OnMap::resize: EXPECT_EQ(layer.output().rank(), 3U); return;
    case OnMap::opaque: return;
  }
}

// ---- kinds of values -------------------------------------------------------------------------------------------------

void check_rows(const Values& values, const Shape& shape, const std::function<double(double)>& probability) {
  for (std::size_t at = 0; at < values.size(); at += static_cast<std::size_t>(shape[-1])) {
    double sum = 0;
    for (std::int64_t c = 0; c < shape[-1]; ++c) sum += probability(values[at + static_cast<std::size_t>(c)]);
    EXPECT_NEAR(sum, 1, 1e-9);
  }
}

void check_activation(const LayerAlone& layer) {
  const Values values = layer.of(same);
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  switch (layer.layer().activation()) {
    case ActivationKind::softmax: return check_rows(values, layer.output(), [](double value) { return value; });
    case ActivationKind::log_softmax: return check_rows(values, layer.output(), [](double value) { return std::exp(value); });
    case ActivationKind::sigmoid: EXPECT_TRUE(*least > 0 && *most < 1); return;
    case ActivationKind::log_sigmoid: EXPECT_LT(*most, 0); return;
    case ActivationKind::relu: EXPECT_GE(*least, 0); return;
    case ActivationKind::linear: {  // f(2x) - f(x) = f(x) - f(0)
      const auto scaled = [&](double by) {
        return layer.of([&](Values numbers, const Shape&) {
          for (double& number : numbers) number *= by;
          return numbers;
        });
      };
      const Values zero = scaled(0), twice = scaled(2);
      // Maxima of a blur are no linear function; of a factor they are.
      for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(twice[i] - values[i], values[i] - zero[i], 1e-9);
      return;
    }
    case ActivationKind::unchanged: {  // nothing that the input's range does not hold
      const Values source = random(layer.input().elements(), 0);
      EXPECT_GE(*least, *std::min_element(source.begin(), source.end()));
      EXPECT_LE(*most, *std::max_element(source.begin(), source.end()));
      return;
    }
    case ActivationKind::other: return;
  }
}

TEST(LayerTraits, AreTrueOfWhatEachLayerDoes) {
  for (const Example& example : examples()) {
    SCOPED_TRACE(example.class_name + " " + example.config.dump() + " of " + example.inputs[0].to_string());
    try {
      const LayerAlone layer(example);
      check_on_map(layer);
      check_activation(layer);
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();  // with the example, which an exception would not name
    }
  }
}

TEST(LayerTraits, EveryRegisteredLayerHasAnExample) {
  std::map<std::string, int> count;
  for (const Example& example : examples()) ++count[example.class_name];
  for (const std::string_view name : schema::names_of(layer_rows()))
    EXPECT_GT(count[std::string(name)], 0) << name << " has no golden case in layers.json or graph_layers.json; add one to own_examples() in tests/shift/traits_test.cc";
}

// A Dense on a flattened map is a convolution with a window of the map's size: the same numbers in the same order.
TEST(LayerTraits, DenseAsAWindowGivesTheSameNumbers) {
  const Shape map = {3, 4, 2};
  const Example dense{"Dense", {{"units", 5}, {"activation", "tanh"}}, {Shape{24}}};
  const io::Json window = LayerAlone(dense).layer().as_window({3, 4}, "dense");
  const Example convolution{window["class_name"], window["config"], {map}};
  EXPECT_LT(largest_difference(LayerAlone(dense).of(same), LayerAlone(convolution).of(same)), rounding);
}

}  // namespace
}  // namespace linn::detail::layers
