// Which regularizer of a layer belongs to which of its variables.
#include <gtest/gtest.h>

#include <string>

#include "layers/description.h"
#include "linn/layers.h"

namespace linn::detail::layers {
namespace {

std::string regularizers_of(const char* class_name, const io::Json& config, const Shape& input) {
  std::string text;
  for (const VariableSpec& spec : layer_from_config(class_name, config, class_name)->declare_variables({&input, 1}))
    text += spec.name + " " + std::string(spec.regularizer.class_name()) + "; ";
  return text;
}

io::Json node(const char* class_name) { return {{"class_name", class_name}, {"config", io::Json::object()}}; }

TEST(LayerRegularizers, BelongToTheirVariables) {
  const io::Json l1 = node("L1"), l2 = node("L2"), both = node("L1L2");
  const Shape map = {8, 7, 4};
  EXPECT_EQ(regularizers_of("Conv2D", {{"filters", 2}, {"kernel_size", 3}, {"kernel_regularizer", l2}, {"bias_regularizer", l1}}, map),
            "kernel L2; bias L1; ");
  EXPECT_EQ(regularizers_of("Conv2DTranspose", {{"filters", 2}, {"kernel_size", 3}, {"kernel_regularizer", l1}, {"bias_regularizer", l2}}, map),
            "kernel L1; bias L2; ");
  EXPECT_EQ(regularizers_of("DepthwiseConv2D", {{"kernel_size", 3}, {"depthwise_regularizer", l2}, {"bias_regularizer", both}}, map),
            "kernel L2; bias L1L2; ");
  EXPECT_EQ(regularizers_of("SeparableConv2D",
                            {{"filters", 2},
                             {"kernel_size", 3},
                             {"depthwise_regularizer", l1},
                             {"pointwise_regularizer", l2},
                             {"bias_regularizer", both}},
                            map),
            "depthwise_kernel L1; pointwise_kernel L2; bias L1L2; ");
  EXPECT_EQ(regularizers_of("Dense", {{"units", 2}, {"kernel_regularizer", l2}, {"bias_regularizer", l1}}, {5}), "kernel L2; bias L1; ");
  EXPECT_EQ(regularizers_of("BatchNormalization", {{"beta_regularizer", l1}, {"gamma_regularizer", l2}}, map),
            "gamma L2; beta L1; moving_mean ; moving_variance ; ");
  EXPECT_EQ(regularizers_of("Conv2D", {{"filters", 2}, {"kernel_size", 3}, {"kernel_regularizer", nullptr}}, map), "kernel ; bias ; ");
}

// Written as Keras writes them.
TEST(LayerRegularizers, RoundTrip) {
  const io::Json given = {{"filters", 2}, {"kernel_size", 3}, {"kernel_regularizer", {{"class_name", "L2"}, {"config", {{"l2", 0.25}}}}}};
  const io::Json written = layer_from_config("Conv2D", given, "file")->config("c");
  EXPECT_EQ(written["kernel_regularizer"]["class_name"], "L2");
  EXPECT_EQ(written["kernel_regularizer"]["config"]["l2"], 0.25);
  EXPECT_TRUE(written["bias_regularizer"].is_null());
  EXPECT_EQ(layer_from_config("Conv2D", written, "again")->config("c"), written);
}

}  // namespace
}  // namespace linn::detail::layers
