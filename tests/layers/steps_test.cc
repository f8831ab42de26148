// Layers over steps: arguments, variables and configurations, beside those of their layers on maps.
#include <gmock/gmock.h>

#include <string>

#include "layers/description.h"
#include "layers/registry.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "support/message_of.h"

namespace linn::detail::layers {
namespace {

using ::testing::Eq;
using ::testing::HasSubstr;
using tests::message_of;

io::Json config_of(const Layer& layer) { return detail::description_of(layer)->config("x"); }

TEST(Steps, OutputShapes) {
  EXPECT_EQ(Conv1D(4, 3).compute_output_shape({7, 2}), Shape({5, 4}));
  EXPECT_EQ(Conv1D(4, 3, {.strides = 2, .padding = "causal"}).compute_output_shape({7, 2}), Shape({4, 4}));
  EXPECT_EQ(Conv1D(4, 3, {.padding = "full"}).compute_output_shape({1, 2}), Shape({3, 4}));
  EXPECT_EQ(Conv1D(4, 3, {.padding = {0, {1, 2}}}).compute_output_shape({7, 2}), Shape({8, 4}));
  EXPECT_EQ(Conv1DTranspose(4, 3, {.strides = 3, .padding = "same"}).compute_output_shape({5, 2}), Shape({15, 4}));
  EXPECT_EQ(MaxPooling1D(2).compute_output_shape({7, 2}), Shape({3, 2}));
  EXPECT_EQ(AveragePooling1D(3, {.strides = 1, .padding = "same"}).compute_output_shape({7, 2}), Shape({7, 2}));
  EXPECT_EQ(GlobalMaxPooling1D().compute_output_shape({7, 2}), Shape({2}));
  EXPECT_EQ(GlobalAveragePooling1D({.keepdims = true}).compute_output_shape({7, 2}), Shape({1, 2}));
  EXPECT_EQ(ZeroPadding1D({1, 2}).compute_output_shape({7, 2}), Shape({10, 2}));
  EXPECT_EQ(Cropping1D().compute_output_shape({7, 2}), Shape({5, 2}));
  EXPECT_EQ(UpSampling1D(3).compute_output_shape({7, 2}), Shape({21, 2}));
  EXPECT_EQ(AdaptiveMaxPooling1D(3).compute_output_shape({7, 2}), Shape({3, 2}));
}

TEST(Steps, ConfigurationsAsKerasWritesThem) {
  const io::Json conv = config_of(Conv1D(4, 3, {.strides = 2, .padding = "same"}));
  EXPECT_EQ(conv["kernel_size"], io::Json::array({3}));
  EXPECT_EQ(conv["strides"], io::Json::array({2}));
  EXPECT_EQ(conv["dilation_rate"], io::Json::array({1}));
  EXPECT_EQ(conv["data_format"], "channels_last");
  EXPECT_EQ(config_of(Conv1D(4, 3, {.padding = "causal"}))["padding"], "causal");
  EXPECT_EQ(config_of(Conv1D(4, 3, {.padding = {0, {1, 2}}}))["padding"], io::Json::array({1, 2}));
  EXPECT_EQ(config_of(MaxPooling1D())["strides"], io::Json::array({2})) << "the pool size";
  EXPECT_EQ(config_of(ZeroPadding1D({1, 2}))["padding"], io::Json::array({1, 2}));
  EXPECT_EQ(config_of(UpSampling1D(3))["size"], 3);
  EXPECT_FALSE(config_of(UpSampling1D(3)).contains("interpolation"));
  EXPECT_FALSE(config_of(Cropping1D(1)).contains("data_format"));
  EXPECT_FALSE(config_of(SpatialDropout1D(0.5)).contains("trainable"));
}

TEST(Steps, VariablesAsKeras) {
  const auto variables_of = [](const Layer& layer) {
    const Shape input = {7, 6};
    std::string text;
    for (const VariableSpec& spec : detail::description_of(layer)->declare_variables({&input, 1})) text += spec.name + " " + spec.shape.to_string() + "; ";
    return text;
  };
  EXPECT_EQ(variables_of(Conv1D(4, 3, {.groups = 2})), "kernel (3, 3, 4); bias (4,); ");
  EXPECT_EQ(variables_of(Conv1DTranspose(4, 3, {.use_bias = false})), "kernel (3, 4, 6); ");
  EXPECT_EQ(variables_of(DepthwiseConv1D(3, {.depth_multiplier = 2})), "kernel (3, 6, 2); bias (12,); ");
  EXPECT_EQ(variables_of(SeparableConv1D(4, 5)), "depthwise_kernel (5, 6, 1); pointwise_kernel (1, 6, 4); bias (4,); ");
  EXPECT_EQ(variables_of(MaxPooling1D()), "");
}

TEST(Steps, OtherNamesOfKeras) {
  const auto class_of = [](const char* name, const io::Json& config) { return std::string(layer_from_config(name, config, "file")->class_name()); };
  const io::Json conv = {{"filters", 4}, {"kernel_size", 3}};
  EXPECT_EQ(class_of("Convolution1D", conv), "Conv1D");
  EXPECT_EQ(class_of("Convolution1DTranspose", conv), "Conv1DTranspose");
  EXPECT_EQ(class_of("SeparableConvolution1D", conv), "SeparableConv1D");
  EXPECT_EQ(class_of("MaxPool1D", io::Json::object()), "MaxPooling1D");
  EXPECT_EQ(class_of("GlobalAvgPool1D", io::Json::object()), "GlobalAveragePooling1D");
}

TEST(Steps, RefusesBadArguments) {
  EXPECT_THAT(message_of<ValueError>([] { Conv1D(0, 3); }), Eq("[conv1d] filters is 0; it must be 1 or more"));
  EXPECT_THAT(message_of<ValueError>([] { Conv1D(4, 0, {.name = "c"}); }), Eq("[conv1d 'c'] kernel_size is 0; it must be 1 or more"));
  EXPECT_THAT(message_of<ValueError>([] { Conv1D(4, 3, {.strides = {2, 3}}); }), HasSubstr("strides is (2, 3); a layer over steps takes one number"));
  EXPECT_THAT(message_of<ValueError>([] { Conv1D(4, 3, {.strides = 2, .dilation_rate = 2}); }), HasSubstr("are both above 1"));
  EXPECT_THAT(message_of<ValueError>([] { Conv1D(4, 3, {.groups = 3}); }), HasSubstr("must divide filters"));
  EXPECT_THAT(message_of<ValueError>([] { Conv1D(4, 3, {.padding = {1, 2}}); }), HasSubstr("pads before and after"));
  EXPECT_THAT(message_of<ValueError>([] { Conv1DTranspose(4, 3, {.strides = 2, .output_padding = 2}); }), HasSubstr("output_padding is"));
  EXPECT_THAT(message_of<ValueError>([] { MaxPooling1D(0); }), HasSubstr("pool_size is 0"));
  EXPECT_THAT(message_of<ValueError>([] { ZeroPadding1D(-1); }), Eq("[zero_padding1d] padding is (-1, -1); both numbers must be 0 or more"));
  EXPECT_THAT(message_of<ValueError>([] { SpatialDropout1D(1.0); }), HasSubstr("rate is 1"));
  EXPECT_THAT(message_of<ValueError>([] { UpSampling1D(2, {.interpolation = "bilinear"}); }),
              HasSubstr("interpolation is \"bilinear\"; UpSampling1D has no such option"));
  EXPECT_THAT(message_of<ValueError>([] { AdaptiveMaxPooling1D(0); }), HasSubstr("output_size is 0"));
  EXPECT_THAT(message_of<ShapeError>([] { Cropping1D(3).compute_output_shape({6, 2}); }), HasSubstr("leaves nothing"));
  EXPECT_THAT(message_of<ShapeError>([] { Conv1D(4, 3).compute_output_shape({7, 7, 2}); }), HasSubstr("needs an input of shape (steps, channels); (7, 7, 2) came"));
  EXPECT_THAT(message_of<ShapeError>([] { Conv1D(4, 9).compute_output_shape({7, 2}); }), HasSubstr("does not fit"));
}

TEST(Steps, CausalIsOfConv1DAlone) {
  EXPECT_THAT(message_of<ValueError>([] { Conv2D(4, 3, {.padding = "causal"}); }), HasSubstr("which Conv1D alone has"));
  EXPECT_THAT(message_of<ValueError>([] { DepthwiseConv1D(3, {.padding = "causal"}); }), HasSubstr("which Conv1D alone has"));
  EXPECT_THAT(message_of<ValueError>([] { SeparableConv2D(4, 3, {.padding = "causal"}); }), HasSubstr("which Conv1D alone has"));
  EXPECT_THAT(message_of<ValueError>([] { MaxPooling1D(2, {.padding = "causal"}); }), HasSubstr("which Conv1D alone has"));
  EXPECT_THAT(message_of<ValueError>([] { Conv1DTranspose(4, 3, {.padding = "causal"}); }), HasSubstr("a transposed convolution has"));
}

TEST(Steps, FilesWithTwoNumbersAreRefused) {
  const auto read = [](const char* name, const std::string& config) { layer_from_config(name, io::parse_json(config, "test"), "test"); };
  EXPECT_THAT(message_of<FormatError>([&] { read("Conv1D", R"({"filters": 4, "kernel_size": [3, 3]})"); }), HasSubstr("one number is allowed"));
  EXPECT_THAT(message_of<FormatError>([&] { read("ZeroPadding1D", R"({"padding": [1, 2, 3]})"); }), HasSubstr("one number or two are allowed"));
  EXPECT_THAT(message_of<FormatError>([&] { read("UpSampling1D", R"({"size": 2, "interpolation": "nearest"})"); }), HasSubstr("interpolation"));
}

}  // namespace
}  // namespace linn::detail::layers
