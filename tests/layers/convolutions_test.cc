// Sizes, variables and messages of the layers that convolve.
#include <gmock/gmock.h>

#include <string>

#include "layers/description.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "support/message_of.h"

namespace linn::detail::layers {
namespace {

using ::testing::HasSubstr;
using tests::message_of;

// What Keras 3.15.1 makes of a map of 5x6.
TEST(Conv2DTransposeLayer, OutputSizesAsKeras) {
  const auto size = [](Size2 kernel, Conv2DTransposeOptions options) {
    return Conv2DTranspose(4, kernel, std::move(options)).compute_output_shape({5, 6, 3});
  };
  EXPECT_EQ(size(3, {.dilation_rate = 2}), Shape({9, 10, 4}));
  EXPECT_EQ(size(3, {.padding = "same", .dilation_rate = 2}), Shape({5, 6, 4}));
  EXPECT_EQ(size(2, {.strides = 2, .padding = "same", .output_padding = 1}), Shape({9, 11, 4}));
  EXPECT_EQ(size(3, {.strides = 3, .padding = "same", .output_padding = 2}), Shape({15, 18, 4}));
  EXPECT_EQ(size(2, {.strides = 3, .output_padding = 0}), Shape({14, 17, 4}));
  EXPECT_EQ(size(2, {.strides = 3}), Shape({15, 18, 4}));
}

TEST(Conv2DTransposeLayer, RefusesWhatHasNoConvolution) {
  EXPECT_THAT(message_of<ValueError>([] { Conv2DTranspose(4, 3, {.strides = 2, .output_padding = 2, .name = "up"}); }),
              ::testing::Eq("[conv2d_transpose 'up'] output_padding is (2, 2); both numbers must be below strides (2, 2)"));
  EXPECT_THAT(message_of<ValueError>([] { Conv2DTranspose(4, 3, {.strides = 2, .dilation_rate = 2}); }), HasSubstr("are both above 1"));
  EXPECT_THAT(message_of<ValueError>([] { Conv2DTranspose(4, 3, {.padding = "circular"}); }),
              HasSubstr("padding is \"circular\"; a transposed convolution has \"valid\" and \"same\""));
  EXPECT_THAT(message_of<ValueError>([] { Conv2DTranspose(0, 3); }), HasSubstr("filters is 0"));
  EXPECT_THAT(message_of<ShapeError>([] {
                Conv2DTranspose(4, 2, {.strides = 2, .padding = "same", .output_padding = 0}).compute_output_shape({5, 6, 3});
              }),
              HasSubstr("use output_padding 1 or more, or leave it unset"));
  EXPECT_THAT(message_of<ShapeError>([] { Conv2DTranspose(4, 2).compute_output_shape({5}); }), HasSubstr("(height, width, channels)"));
}

TEST(DepthwiseLayers, RefuseSizesBelowOne) {
  EXPECT_THAT(message_of<ValueError>([] { DepthwiseConv2D(3, {.depth_multiplier = 0, .name = "d"}); }),
              ::testing::Eq("[depthwise_conv2d 'd'] depth_multiplier is 0; it must be 1 or more"));
  EXPECT_THAT(message_of<ValueError>([] { SeparableConv2D(4, {3, 0}); }), HasSubstr("[separable_conv2d] kernel_size is (3, 0)"));
  EXPECT_THAT(message_of<ShapeError>([] { DepthwiseConv2D(7).compute_output_shape({5, 6, 3}); }), HasSubstr("does not fit input (5, 6)"));
}

// Order, names and shapes of variables, as Keras counts them.
TEST(DepthwiseLayers, VariablesAsKeras) {
  const auto variables_of = [](const char* class_name, const io::Json& config, const Shape& input) {
    std::string text;
    for (const VariableSpec& spec : layer_from_config(class_name, config, class_name)->declare_variables({&input, 1}))
      text += spec.name + " " + spec.shape.to_string() + "; ";
    return text;
  };
  EXPECT_EQ(variables_of("DepthwiseConv2D", {{"kernel_size", 3}, {"depth_multiplier", 2}}, {7, 8, 3}), "kernel (3, 3, 3, 2); bias (6,); ");
  EXPECT_EQ(variables_of("SeparableConv2D", {{"filters", 4}, {"kernel_size", {3, 5}}}, {7, 8, 3}),
            "depthwise_kernel (3, 5, 3, 1); pointwise_kernel (1, 1, 3, 4); bias (4,); ");
  EXPECT_EQ(variables_of("Conv2DTranspose", {{"filters", 4}, {"kernel_size", 3}}, {7, 8, 3}), "kernel (3, 3, 4, 3); bias (4,); ");
}

TEST(ConvolutionLayers, OtherNamesOfKeras) {
  const io::Json config = {{"filters", 4}, {"kernel_size", 3}};
  EXPECT_EQ(layer_from_config("Convolution2DTranspose", config, "file")->class_name(), "Conv2DTranspose");
  EXPECT_EQ(layer_from_config("SeparableConvolution2D", config, "file")->class_name(), "SeparableConv2D");
}

}  // namespace
}  // namespace linn::detail::layers
