// What RepeatVector, Dot, EinsumDense, the row normalizations, encodings and dropouts promise besides their rows.
#include <gmock/gmock.h>

#include <cmath>
#include <string>

#include "layers/description.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "support/layer_call.h"
#include "support/message_of.h"

namespace linn::detail::layers {
namespace {

using ::testing::HasSubstr;
using tests::LayerCall;
using tests::message_of;
using tests::Values;

TEST(CoreLayers, RefuseBadArguments) {
  EXPECT_THAT(message_of<ValueError>([] { RepeatVector(0); }), HasSubstr("n is 0; it must be 1 or more"));
  EXPECT_THAT(message_of<ShapeError>([] { RepeatVector(2).compute_output_shape({3, 4}); }), HasSubstr("needs a row (features); (3, 4) came"));
  EXPECT_THAT(message_of<ValueError>([] { Dot(Axes{1, 2, 3}); }), HasSubstr("axes names 3 axes"));
  EXPECT_THAT(message_of<ValueError>([] { RMSNormalization({.epsilon = 0}); }), HasSubstr("epsilon is 0; it must be above 0"));
  EXPECT_THAT(message_of<ValueError>([] { UnitNormalization({.axis = Axes()}); }), HasSubstr("axis names no axis"));
  EXPECT_THAT(message_of<ShapeError>([] { UnitNormalization({.axis = 3}).compute_output_shape({3, 4}); }), HasSubstr("axis is 3"));
  EXPECT_THAT(message_of<ValueError>([] { GaussianDropout(1); }), HasSubstr("rate is 1"));
  EXPECT_THAT(message_of<ValueError>([] { AlphaDropout(-0.5); }), HasSubstr("rate is -0.5"));
  EXPECT_THAT(message_of<ValueError>([] { CategoryEncoding(0); }), HasSubstr("num_tokens is 0"));
  EXPECT_THAT(message_of<ValueError>([] { CategoryEncoding(3, {.output_mode = std::string("binary")}); }), HasSubstr("output_mode is \"binary\""));
  EXPECT_THAT(message_of<ShapeError>([] { Dropout(0.5, {.noise_shape = Sizes{0, 1}}).compute_output_shape({3, 4}); }), HasSubstr("it needs 3 sizes"));
  EXPECT_THAT(message_of<ValueError>([] { Dropout(0.5, {.noise_shape = Sizes{1, 1, 4}}).compute_output_shape({3, 4}); }), HasSubstr("first size is the batch"));
  EXPECT_THAT(message_of<ShapeError>([] { Dropout(0.5, {.noise_shape = Sizes{0, 2, 4}}).compute_output_shape({3, 4}); }), HasSubstr("must be 1, None or that"));
}

TEST(CoreLayers, EquationsThatAreNoMatrixProduct) {
  const auto fault = [](const char* equation, Sizes sizes, std::optional<std::string> bias = {}) {
    return message_of<ValueError>([&] { EinsumDense(equation, sizes, {.bias_axes = bias}); });
  };
  EXPECT_THAT(fault("abc", 4), HasSubstr("must be of the form"));
  EXPECT_THAT(fault("aab,bc->ac", 4), HasSubstr("must be of the form"));
  EXPECT_THAT(fault("ab,bc->bc", 4), HasSubstr("the first letter of input and output is the batch"));
  EXPECT_THAT(fault("abc,bcd->abd", {0, 4}), HasSubstr("letter b is of input, kernel and output"));
  EXPECT_THAT(fault("abc,cd->ad", 4), HasSubstr("letter b of the input is neither"));
  EXPECT_THAT(fault("ab,bcd->ac", 4), HasSubstr("letter d of the kernel is neither"));
  EXPECT_THAT(fault("ab,cb->ac", 4), HasSubstr("the kernel must name the letters that are summed over"));
  EXPECT_THAT(fault("ab,bc->ac", {4, 5}), HasSubstr("names 1 axes of the output"));
  EXPECT_THAT(fault("ab,bc->ac", 0), HasSubstr("the size of axis c, which the kernel adds, must be given"));
  EXPECT_THAT(fault("abc,cd->abd", {0, 4}, "b"), HasSubstr("bias_axes is \"b\""));
  EXPECT_THAT(message_of<ShapeError>([] { EinsumDense("abc,cd->abd", {5, 4}).compute_output_shape({3, 2}); }), HasSubstr("axis b of input (3, 2) has size 3"));
  EXPECT_THAT(message_of<ShapeError>([] { EinsumDense("abc,cd->abd", {0, 4}).compute_output_shape({3}); }), HasSubstr("3 axes, the batch axis included"));
  EXPECT_EQ(EinsumDense("...x,xy->...y", 4).compute_output_shape({2, 3, 5}), Shape({2, 3, 4}));
}

TEST(CoreLayers, DotRefusesSizesThatDiffer) {
  const auto layer = detail::description_of(Layer(Dot(1)));
  const Shape shapes[] = {{3, 4}, {5, 4}};
  EXPECT_THAT(message_of<ShapeError>([&] { layer->infer_shapes(shapes, "here"); }), HasSubstr("axis 1 has size 3 and axis 1 has size 5"));
  EXPECT_THAT(message_of<ShapeError>([&] { layer->infer_shapes({shapes, 1}, "here"); }), HasSubstr("takes two inputs; 1 came"));
}

// A row of zeros has no direction: it stays, and its gradient is that of a division by epsilon.
TEST(CoreLayers, UnitNormalizationOfZeros) {
  LayerCall call(detail::description_of(Layer(UnitNormalization())), 1, {{{2, 3}, {0, 0, 0, 3, 0, 4}}}, {}, {0, 0, 0, 1, 1, 1}, plan::Precision::float32);
  call.run();
  const Values expected = {0, 0, 0, 0.6, 0, 0.8};
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(call.output()[i], expected[i], 1e-6);
  for (const double slope : call.input_gradient(0)) EXPECT_TRUE(std::isfinite(slope));
}

Values trained(const Layer& layer, const Shape& image, std::int64_t images, double value, std::uint64_t seed = 3) {
  const auto count = static_cast<std::size_t>(images * image.elements());
  LayerCall call(detail::description_of(layer), images, {{image, Values(count, value)}}, {}, Values(count, 1), plan::Precision::float32);
  call.run({.seed = seed, .step = 0, .learning_rate = 0});
  return call.output();
}

TEST(CoreLayers, NoiseShapeSharesTheMask) {
  const Values out = trained(Dropout(0.5, {.noise_shape = Sizes{0, 1, 0}}), {6, 16}, 5, 1);
  bool differs = false;
  for (std::size_t n = 0; n < 5; ++n)
    for (std::size_t c = 0; c < 16; ++c) {
      for (std::size_t step = 1; step < 6; ++step) EXPECT_EQ(out[(n * 6 + step) * 16 + c], out[n * 6 * 16 + c]);
      differs = differs || out[n * 6 * 16 + c] != out[0];
    }
  EXPECT_TRUE(differs);
}

struct Moments {
  double mean = 0, deviation = 0;
};
Moments moments_of(const Values& values) {
  Moments m;
  for (const double value : values) m.mean += value / static_cast<double>(values.size());
  for (const double value : values) m.deviation += (value - m.mean) * (value - m.mean) / static_cast<double>(values.size());
  m.deviation = std::sqrt(m.deviation);
  return m;
}

TEST(CoreLayers, GaussianDropoutHasTheMomentsOfDropout) {
  const Moments m = moments_of(trained(GaussianDropout(0.2), {200}, 100, 2));
  EXPECT_NEAR(m.mean, 2, 0.02);
  EXPECT_NEAR(m.deviation, 2 * std::sqrt(0.2 / 0.8), 0.02);
}

// Two values are possible, a * x + b and a * limit + b: of 0 with probability 0.7 and 0.3, mean 0 and variance rate * (1 - rate) * (a * limit)^2.
TEST(CoreLayers, AlphaDropoutMovesToTheLimitOfSelu) {
  constexpr double rate = 0.3, limit = -1.7580993408473766;
  const double a = 1 / std::sqrt((1 - rate) * (1 + rate * limit * limit)), b = -a * limit * rate;
  const Values out = trained(AlphaDropout(rate), {200}, 100, 0);
  std::size_t dropped = 0;
  for (const double value : out) {
    const bool is_dropped = std::abs(value - (a * limit + b)) < 1e-5;
    EXPECT_TRUE(is_dropped || std::abs(value - b) < 1e-5) << value;
    dropped += is_dropped ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(dropped) / static_cast<double>(out.size()), rate, 0.02);
  EXPECT_NEAR(moments_of(out).mean, 0, 0.02);
}

TEST(CoreLayers, EncodingOfWhatIsOutside) {
  LayerCall call(detail::description_of(Layer(CategoryEncoding(3, {.output_mode = "count"}))), 1, {{{5}, {0, 2.9, -1, 3, std::nan("")}}}, {}, {},
                 plan::Precision::float32);
  call.run();
  EXPECT_EQ(call.output(), (Values{1, 0, 1}));
}

TEST(CoreLayers, ChannelsFirstShapes) {
  EXPECT_EQ(Conv2D(4, 3, {.data_format = "channels_first"}).compute_output_shape({2, 7, 6}), Shape({4, 5, 4}));
  EXPECT_EQ(Conv1D(4, 3, {.data_format = "channels_first"}).compute_output_shape({2, 7}), Shape({4, 5}));
  EXPECT_EQ(GlobalMaxPooling2D({.data_format = "channels_first", .keepdims = true}).compute_output_shape({2, 7, 6}), Shape({2, 1, 1}));
  EXPECT_EQ(GlobalMaxPooling2D({.data_format = "channels_first"}).compute_output_shape({2, 7, 6}), Shape({2}));
  EXPECT_THAT(message_of<ShapeError>([] { Conv2D(4, 3, {.data_format = "channels_first", .name = "c"}).compute_output_shape({2, 7}); }),
              HasSubstr("its channels moved to the last axis"));
}

}  // namespace
}  // namespace linn::detail::layers
