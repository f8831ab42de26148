// Keras's configurations in and out: what is read, what is refused, and how the refusal reads.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "io/json.h"
#include "io/text.h"
#include "layers/registry.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "support/message_of.h"

namespace linn::detail::layers {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using tests::message_of;

io::Json json(const std::string& text) { return io::parse_json(text, "test"); }
DescriptionPtr read(std::string_view class_name, const std::string& config) { return layer_from_config(class_name, json(config), "file: layer 3"); }

std::string bare(std::string name) {
  std::erase(name, '_');
  return io::lower_case(name);
}

// Whether what is written says what was given. A name or a part of a node comes back as a node, a number of a range as its two ends.
bool says(const io::Json& written, const io::Json& given) {
  if (written == given) return true;
  if (written.is_object() && given.is_string()) return bare(written.value("class_name", "")) == bare(given.get<std::string>());
  if (written.is_array() && given.is_number()) return written.size() == 2 && written[1] == given && (written[0] == 0 || written[0] == -given.get<double>());
  if (written.type() != given.type() || written.size() < given.size() || given.is_primitive()) return false;
  if (given.is_object()) return std::ranges::all_of(given.items(), [&](const auto& item) { return written.contains(item.key()) && says(written[item.key()], item.value()); });
  for (std::size_t i = 0; i < given.size(); ++i)
    if (!says(written[i], given[i])) return false;
  return true;
}

TEST(LayerConfig, RoundTripOfEveryExample) {
  for (const LayerRow& row : layer_rows())
    for (const schema::Example& example : row.examples) {
      SCOPED_TRACE(row.info.name);
      const std::string text(example.config);
      const DescriptionPtr layer = read(row.info.name, text);
      EXPECT_EQ(layer->class_name(), row.info.name);
      const io::Json written = layer->config(layer->name());
      const DescriptionPtr again = layer_from_config(row.info.name, written, "again");
      EXPECT_EQ(again->config(again->name()), written);
      // What was given comes back, initializers apart, which come back in full.
      const io::Json given = json(text);
      for (const auto& [key, value] : given.items()) {
        if (key.find("initializer") == std::string::npos) {
          EXPECT_TRUE(says(written[key], value)) << key << ": " << written[key] << " of " << value;
        }
      }
    }
}

TEST(LayerConfig, EmptyConfigsGiveKerasDefaults) {
  EXPECT_EQ(read("MaxPooling2D", "{}")->config("p")["strides"], json("[2, 2]"));
  EXPECT_EQ(read("Conv2D", R"({"filters": 1, "kernel_size": 3})")->config("c")["kernel_size"], json("[3, 3]"));
  EXPECT_EQ(read("Conv2D", R"({"filters": 1, "kernel_size": 3})")->config("c")["kernel_initializer"]["class_name"], "GlorotUniform");
  EXPECT_TRUE(read("Dense", R"({"units": 2})")->trainable());
  const io::Json norm = read("BatchNormalization", "{}")->config("n");
  EXPECT_EQ(norm["axis"], -1);
  EXPECT_EQ(norm["momentum"], 0.99);
  EXPECT_EQ(norm["epsilon"], 1e-3);
  EXPECT_EQ(norm["gamma_initializer"]["class_name"], "Ones");
  EXPECT_EQ(norm["moving_variance_initializer"]["class_name"], "Ones");
}

TEST(LayerConfig, AliasesAreTheSameLayers) {
  EXPECT_EQ(read("MaxPool2D", "{}")->class_name(), "MaxPooling2D");
  EXPECT_EQ(read("AvgPool2D", R"({"pool_size": 2})")->class_name(), "AveragePooling2D");
  EXPECT_EQ(read("Convolution2D", R"({"filters": 1, "kernel_size": 3})")->class_name(), "Conv2D");
  EXPECT_EQ(read("GlobalAvgPool2D", "{}")->class_name(), "GlobalAveragePooling2D");
  EXPECT_EQ(read("GlobalMaxPool2D", "{}")->class_name(), "GlobalMaxPooling2D");
}

TEST(LayerConfig, UnknownClassIsRefusedWithAGuess) {
  EXPECT_THAT(message_of<FormatError>([] { read("MaxPoolin2D", "{}"); }),
              AllOf(HasSubstr("file: layer 3"), HasSubstr("\"MaxPoolin2D\""), HasSubstr("did you mean"), HasSubstr("MaxPooling2D"), HasSubstr("not looked up or executed")));
  EXPECT_THROW(read("os.system", "{}"), FormatError);
  EXPECT_THROW(read("", "{}"), FormatError);
}

TEST(LayerConfig, UnknownFieldIsRefusedByName) {
  EXPECT_THAT(message_of<FormatError>([] { read("Flatten", R"({"colour": "red"})"); }), AllOf(HasSubstr("file: layer 3"), HasSubstr("\"colour\"")));
  // Fields that Keras writes and that say nothing are fine.
  EXPECT_NO_THROW(read("Dense", R"({"units": 2, "quantization_config": null, "kernel_regularizer": null, "dtype": "float32"})"));
  // Their variables are float32.
  for (const std::string policy : {"float32", "mixed_float16", "mixed_bfloat16"})
    EXPECT_NO_THROW(read("Dense", R"({"units": 2, "dtype": {"module": "keras", "class_name": "DTypePolicy", "config": {"name": ")" + policy + R"("}, "registered_name": null}})")) << policy;
}

TEST(LayerConfig, OptionsThatLinnLacksAreRefusedByName) {
  const auto refused = [](std::string_view class_name, const std::string& config, const std::string& field) {
    const std::string message = message_of<FormatError>([&] { read(class_name, config); });
    EXPECT_THAT(message, AllOf(HasSubstr("file: layer 3"), HasSubstr("\"" + field + "\""))) << config;
  };
  refused("Dense", R"({"units": 2, "lora_rank": 4})", "lora_rank");
  refused("Dense", R"({"units": 2, "dtype": "float16"})", "dtype");
  refused("Dense", R"({"units": 2, "dtype": {"class_name": "DTypePolicy", "config": {"name": "bfloat16"}}})", "dtype");
  refused("InputLayer", R"({"batch_shape": [null, 4], "sparse": true})", "sparse");
  refused("BatchNormalization", R"({"renorm": true})", "renorm");
  refused("BatchNormalization", R"({"synchronized": true})", "synchronized");
  EXPECT_NO_THROW(
      read("BatchNormalization", R"({"renorm": false, "renorm_clipping": null, "renorm_momentum": 0.99, "synchronized": false})"));
  EXPECT_NO_THROW(read("MaxPooling2D", R"({"data_format": "channels_first"})"));
  EXPECT_THAT(message_of<FormatError>([] { read("AdaptivePolyphaseSampling2D", R"({"data_format": "channels_first"})"); }),
              HasSubstr("this layer takes \"channels_last\" alone"));
  EXPECT_THAT(message_of<FormatError>([] {
                read("Conv2D", R"({"filters": 2, "kernel_size": 3, "data_format": "channels_first", "activation": "softmax"})");
              }),
              HasSubstr("activation \"softmax\" works along an axis"));
}

TEST(LayerConfig, ActivityRegularizersAreRead) {
  const auto written = [](std::string_view class_name, const std::string& config) {
    return read(class_name, config)->config("name")["activity_regularizer"];
  };
  const io::Json l2 = written("Dense", R"({"units": 2, "activity_regularizer":
      {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 0.5}, "registered_name": null}})");
  EXPECT_EQ(l2["class_name"], "L2");
  EXPECT_EQ(l2["config"]["l2"], 0.5);
  EXPECT_EQ(written("Conv2D", R"({"filters": 2, "kernel_size": 3, "activity_regularizer": "l1"})")["config"]["l1"], 0.01);
  EXPECT_EQ(written("SeparableConv1D", R"({"filters": 2, "kernel_size": 3, "activity_regularizer": null})"), nullptr);
  EXPECT_THAT(message_of<FormatError>([] { read("Dense", R"({"units": 2, "activity_regularizer": {"class_name": "L3", "config": {}}})"); }),
              AllOf(HasSubstr("file: layer 3"), HasSubstr("activity_regularizer"), HasSubstr("L3")));
  // Keras takes it for every layer by name; here it is of the layers that name it.
  EXPECT_THAT(message_of<FormatError>([] { read("MaxPooling2D", R"({"activity_regularizer": {"class_name": "L1", "config": {}}})"); }),
              HasSubstr("activity_regularizer"));
}

TEST(LayerConfig, SizesBelowOneAndBeyondReason) {
  for (const char* size : {"0", "-1", "[0, 3]", "[3, -2]", "[1, 2, 3]", "[]", "\"3\"", "2.5", "true", "1e300", "99999999999", "[[3], 3]", "{}"}) {
    SCOPED_TRACE(size);
    EXPECT_THROW(read("MaxPooling2D", fmt::format(R"({{"pool_size": {}}})", size)), FormatError);
    EXPECT_THROW(read("MaxPooling2D", fmt::format(R"({{"strides": {}}})", size)), FormatError);
    EXPECT_THROW(read("Conv2D", fmt::format(R"({{"filters": 1, "kernel_size": {}}})", size)), FormatError);
  }
  for (const char* size : {"0", "-1", "\"3\"", "2.5", "true", "1e300", "99999999999", "[3]"}) {
    SCOPED_TRACE(size);
    EXPECT_THROW(read("Dense", fmt::format(R"({{"units": {}}})", size)), Error);
    EXPECT_THROW(read("Conv2D", fmt::format(R"({{"filters": {}, "kernel_size": 3}})", size)), Error);
    EXPECT_THROW(read("Conv2D", fmt::format(R"({{"filters": 2, "kernel_size": 3, "groups": {}}})", size)), Error);
  }
}

TEST(LayerConfig, WrongTypes) {
  for (const char* config : {R"({"units": null})", R"({"units": 2, "use_bias": 1})", R"({"units": 2, "activation": 3})", R"({"units": 2, "activation": {"a": 1}})",
                             R"({"units": 2, "kernel_initializer": 3})", R"({"units": 2, "kernel_initializer": {"config": {}}})", R"({"units": 2, "name": 4})",
                             R"({"units": 2, "trainable": "yes"})", R"({"units": 2, "batch_input_shape": 3})", R"({"units": 2, "batch_input_shape": []})", "[]", "3",
                             "null", "\"units\""})
    EXPECT_THROW(read("Dense", config), FormatError) << config;
  EXPECT_THROW(read("Dropout", R"({"rate": "half"})"), FormatError);
  EXPECT_THROW(read("Dropout", R"({"rate": 0.5, "seed": -1})"), FormatError);
  EXPECT_THROW(read("InputLayer", R"({"batch_shape": [null, 0]})"), Error);
  EXPECT_EQ(read("InputLayer", R"({"batch_shape": [null, null, null, 3]})")->input_shape(), Shape({Shape::none, Shape::none, 3}));
}

TEST(LayerConfig, RequiredFieldsAreRequired) {
  EXPECT_THAT(message_of<FormatError>([] { read("Dense", "{}"); }), HasSubstr("\"units\""));
  EXPECT_THAT(message_of<FormatError>([] { read("Conv2D", R"({"kernel_size": 3})"); }), HasSubstr("\"filters\""));
  EXPECT_THAT(message_of<FormatError>([] { read("Conv2D", R"({"filters": 3})"); }), HasSubstr("\"kernel_size\""));
  EXPECT_THAT(message_of<FormatError>([] { read("Activation", "{}"); }), HasSubstr("\"activation\""));
  EXPECT_THAT(message_of<FormatError>([] { read("Dropout", "{}"); }), HasSubstr("\"rate\""));
  EXPECT_THAT(message_of<FormatError>([] { read("AveragePooling2D", "{}"); }), HasSubstr("\"pool_size\""));
}

TEST(LayerConfig, UnknownNamesComeWithAGuess) {
  EXPECT_THAT(message_of<FormatError>([] { read("Activation", R"({"activation": "rellu"})"); }), AllOf(HasSubstr("rellu"), HasSubstr("did you mean"), HasSubstr("relu")));
  EXPECT_THAT(message_of<FormatError>([] { read("Dense", R"({"units": 1, "kernel_initializer": "glorot_unifrom"})"); }), HasSubstr("glorot_uniform"));
  EXPECT_THROW(read("MaxPooling2D", R"({"padding": "full"})"), FormatError);
}

TEST(LayerConfig, MisspeltNamesSayWhere) {
  const auto expect_refused = [](const std::string& class_name, const std::string& config, const std::string& name) {
    EXPECT_THAT(message_of<FormatError>([&] { read(class_name, config); }), AllOf(HasSubstr("file: layer 3"), HasSubstr(name)));
  };
  expect_refused("MaxPooling2D", R"({"padding": "smae"})", "smae");
  expect_refused("MaxPooling2D", R"({"data_format": "channels_lsat"})", "channels_lsat");
  expect_refused("Dense", R"({"units": 1, "activation": "rellu"})", "rellu");
}

// What tf.keras 2.2 to 2.15 wrote and Keras 3 does not.
TEST(LayerConfig, ConfigurationsOfKeras2) {
  const DescriptionPtr input =
      read("InputLayer", R"({"batch_input_shape": [null, 28, 28, 1], "dtype": "float32", "sparse": false, "ragged": false, "name": "pixels"})");
  EXPECT_EQ(input->input_shape(), Shape({28, 28, 1}));
  EXPECT_EQ(input->name(), "pixels");
  EXPECT_EQ(read("BatchNormalization", R"({"name": "n", "axis": [3]})")->config("n")["axis"], 3);
  EXPECT_EQ(read("Flatten", R"({"name": "f", "batch_input_shape": [null, 5, 4], "dtype": "float32"})")->input_shape(), Shape({5, 4}));
  EXPECT_THAT(message_of<FormatError>([] { read("InputLayer", R"({"batch_input_shape": [null, 4], "ragged": true})"); }), HasSubstr("\"ragged\""));
  EXPECT_THAT(message_of<FormatError>([] { read("BatchNormalization", R"({"axis": [1, 3]})"); }), HasSubstr("\"axis\""));
}

// Data are converted to float32 whatever their type.
TEST(LayerConfig, InputsOfAnyType) {
  EXPECT_EQ(read("InputLayer", R"({"batch_shape": [null, 8], "dtype": "uint8"})")->input_shape(), Shape({8}));
  EXPECT_THROW(read("Rescaling", R"({"scale": 0.5, "dtype": "uint8"})"), FormatError);
}

// The same rule for options in C++ and in a file; only the error's type and its beginning differ.
TEST(LayerConfig, OneRuleForCodeAndFiles) {
  const auto both = [](const std::function<void()>& code, std::string_view class_name, const std::string& config, const std::string& text) {
    EXPECT_THAT(message_of<ValueError>(code), ::testing::EndsWith(text));
    EXPECT_EQ(message_of<FormatError>([&] { read(class_name, config); }), "file: layer 3: " + text);
  };
  both([] { Dropout(1.0); }, "Dropout", R"({"rate": 1.0})", "rate is 1; it must be in [0, 1)");
  both([] { Conv2D(4, 3, {.strides = {1, 0}}); }, "Conv2D", R"({"filters": 4, "kernel_size": 3, "strides": [1, 0]})",
       "strides is (1, 0); both numbers must be 1 or more");
  both([] { Conv2D(4, 3, {.groups = 3}); }, "Conv2D", R"({"filters": 4, "kernel_size": 3, "groups": 3})",
       "groups is 3; it must divide filters (4)");
  both([] { BatchNormalization({.epsilon = -1}); }, "BatchNormalization", R"({"epsilon": -1})", "epsilon is -1; it must be 0 or more");
}

TEST(LayerRows, Signatures) {
  const auto signature_of = [](std::string_view name) { return schema::signature(*schema::find_row(layer_rows(), name)); };
  EXPECT_EQ(signature_of("AvgPool2D"),
            "keras.layers.AveragePooling2D|keras.layers.AvgPool2D ( pool_size, strides=None, padding='valid', dilation_rate=(1, 1), ceil_mode=False, "
            "data_format=None, name=None, trainable=True, input_shape=None )");
  EXPECT_EQ(signature_of("BatchNormalization"),
            "keras.layers.BatchNormalization ( axis=-1, momentum=0.99, epsilon=0.001, center=True, scale=True, beta_initializer='zeros', "
            "gamma_initializer='ones', moving_mean_initializer='zeros', moving_variance_initializer='ones', beta_regularizer=None, "
            "gamma_regularizer=None, beta_constraint=None, gamma_constraint=None, name=None, trainable=True, "
            "input_shape=None )");
}

// One number, one for each axis, or one for each side, as Keras takes them; written as Keras writes them.
TEST(LayerConfig, PaddingOfZeroPadding) {
  const auto written = [](const std::string& padding) {
    return read("ZeroPadding2D", fmt::format(R"({{"padding": {}}})", padding))->config("z")["padding"];
  };
  EXPECT_EQ(read("ZeroPadding2D", "{}")->config("z")["padding"], json("[[1, 1], [1, 1]]"));
  EXPECT_EQ(written("2"), json("[[2, 2], [2, 2]]"));
  EXPECT_EQ(written("[1, 2]"), json("[[1, 1], [2, 2]]"));
  EXPECT_EQ(written("[[1, 2], [3, 0]]"), json("[[1, 2], [3, 0]]"));
  EXPECT_EQ(written("[4, [3, 0]]"), json("[[4, 4], [3, 0]]"));
  for (const char* wrong : {"-1", "[1, -2]", "[[1, 2], [3, -4]]", "[1]", "[1, 2, 3]", "[]", "[[1], 2]", "[[1, 2, 3], 4]",
                            "[[[1, 1], 1], 1]", "\"1\"", "1.5", "true", "{}", "99999999999"})
    EXPECT_THROW(written(wrong), FormatError) << wrong;
  EXPECT_EQ(linn::detail::description_of(ZeroPadding2D())->config("z"), read("ZeroPadding2D", "{}")->config("z"));
  EXPECT_EQ(linn::detail::description_of(ZeroPadding2D({1, 2}))->config("z")["padding"], json("[[1, 1], [2, 2]]"));
  EXPECT_EQ(linn::detail::description_of(ZeroPadding2D({{1, 2}, {3, 0}}))->config("z")["padding"], json("[[1, 2], [3, 0]]"));
}

// Two paddings that Keras does not have come back under their names.
TEST(LayerConfig, CircularAndFullPadding) {
  for (const char* padding : {"valid", "same", "circular", "full"}) {
    const DescriptionPtr conv = read("Conv2D", fmt::format(R"({{"filters": 1, "kernel_size": 3, "padding": "{}"}})", padding));
    EXPECT_EQ(conv->config("c")["padding"], padding);
    EXPECT_EQ(Padding(std::string(padding)).name(), padding);
  }
  for (const char* pool : {"MaxPooling2D", "AveragePooling2D"}) {
    EXPECT_EQ(read(pool, R"({"pool_size": 2, "padding": "circular"})")->config("p")["padding"], "circular");
    EXPECT_THAT(message_of<FormatError>([&] { read(pool, R"({"pool_size": 2, "padding": "full"})"); }),
                AllOf(HasSubstr("padding is \"full\""), HasSubstr("\"circular\"")));
  }
  EXPECT_THAT(message_of<FormatError>([] { read("Conv2D", R"({"filters": 1, "kernel_size": 3, "padding": "circluar"})"); }),
              AllOf(HasSubstr("did you mean \"circular\""), HasSubstr("\"valid\", \"same\", \"circular\", \"full\", \"reflect\", \"replicate\" or \"causal\"")));
}

TEST(LayerConfig, DefaultsOfTheBlurs) {
  const io::Json blur = read("BlurPooling2D", "{}")->config("b"), max = read("MaxBlurPooling2D", R"({"pool_size": [3, 2]})")->config("m");
  for (const io::Json& config : {blur, max}) {
    EXPECT_EQ(config["filter_size"], 4);
    EXPECT_EQ(config["border"], "reflect");
    EXPECT_EQ(config["pads"], "zhang");
  }
  EXPECT_EQ(blur["strides"], json("[2, 2]"));
  EXPECT_EQ(max["strides"], json("[3, 2]")) << "unset: the pool size";
  EXPECT_EQ(max["padding"], "valid");
  EXPECT_EQ(linn::detail::description_of(BlurPooling2D())->config("b"), blur);
  EXPECT_EQ(linn::detail::description_of(MaxBlurPooling2D({3, 2}))->config("m"), max);
}

TEST(LayerConfig, NamesOfTheBlurs) {
  for (const char* border : {"reflect", "replicate", "zero", "circular"}) EXPECT_EQ(BlurBorder(std::string(border)).name(), border);
  for (const char* pads : {"zhang", "timm", "kornia"}) EXPECT_EQ(BlurPads(std::string(pads)).name(), pads);
  EXPECT_THAT(message_of<FormatError>([] { read("BlurPooling2D", R"({"border": "reflct"})"); }),
              AllOf(HasSubstr("file: layer 3"), HasSubstr("border is \"reflct\" (did you mean \"reflect\"?)"), HasSubstr("\"circular\"")));
  EXPECT_THAT(message_of<FormatError>([] { read("BlurPooling2D", R"({"pads": "korna"})"); }),
              AllOf(HasSubstr("file: layer 3"), HasSubstr("pads is \"korna\" (did you mean \"kornia\"?)"), HasSubstr("\"zhang\"")));
  EXPECT_THROW(read("MaxBlurPooling2D", R"({"padding": "full"})"), FormatError);
  for (const char* size : {"0", "-1", "[3, 3]", "\"3\"", "2.5"})
    EXPECT_THROW(read("BlurPooling2D", fmt::format(R"({{"filter_size": {}}})", size)), FormatError) << size;
}

TEST(LayerMessages, StridesOfAPoolingBelowOne) {
  for (const Size2 strides : {Size2(-1), Size2(0), Size2(-1, -1), Size2(0, 0), Size2(1, -1)})
    EXPECT_THAT(message_of<ValueError>([&] { MaxPooling2D({2, 2}, {.strides = strides}); }), HasSubstr("strides is ("));
  EXPECT_EQ(MaxPooling2D({3, 2}).compute_output_shape({9, 8, 1}), Shape({3, 4, 1})) << "unset: the pool size";
  EXPECT_FALSE(Size2().is_set());
  EXPECT_NE(Size2(), Size2(0));
}

TEST(LayerMessages, NameTheLayer) {
  EXPECT_THAT(message_of<ValueError>([] { Conv2D(0, 3, {.name = "first"}); }), AllOf(HasSubstr("[conv2d 'first']"), HasSubstr("filters is 0")));
  EXPECT_THAT(message_of<ValueError>([] { Conv2D(4, 3, {.strides = 2, .dilation_rate = 2, .name = "first"}); }), HasSubstr("[conv2d 'first']"));
  EXPECT_THAT(message_of<ValueError>([] { MaxPooling2D({0, 2}, {.name = "p"}); }), AllOf(HasSubstr("[max_pooling2d 'p']"), HasSubstr("pool_size is (0, 2)")));
  EXPECT_THAT(message_of<ValueError>([] { Dropout(1.0, {.name = "d"}); }), HasSubstr("[dropout 'd'] rate is 1"));
  EXPECT_THAT(message_of<ShapeError>([] { MaxPooling2D({3, 3}, {.name = "pool_1"}).compute_output_shape({2, 2, 1}); }),
              ::testing::Eq("[max_pooling2d 'pool_1'] pool_size (3, 3) does not fit input (2, 2); use padding=\"same\" or a smaller window"));
  EXPECT_THAT(message_of<ShapeError>([] { GlobalMaxPooling2D({.name = "g"}).compute_output_shape({4}); }), HasSubstr("[global_max_pooling2d 'g']"));
  EXPECT_THAT(message_of<ShapeError>([] { Conv2D(4, 3, {.groups = 2}).compute_output_shape({8, 8, 3}); }), HasSubstr("groups is 2"));
  EXPECT_THAT(message_of<ShapeError>([] { Dense(4).compute_output_shape({}); }), HasSubstr("[dense]"));
  EXPECT_THAT(message_of<ValueError>([] {
                ZeroPadding2D({{1, -2}, {3, 4}}, {.name = "z"});
              }),
              ::testing::Eq("[zero_padding2d 'z'] padding is ((1, -2), (3, 4)); each of the four numbers must be 0 or more"));
  EXPECT_THROW(ZeroPadding2D(INT64_MAX), ValueError);
  for (const std::int64_t filter_size : {-1, 0, 1, 8})
    EXPECT_THAT(message_of<ValueError>([&] { BlurPooling2D(filter_size, {.name = "b"}); }),
                ::testing::Eq(fmt::format("[blur_pooling2d 'b'] filter_size is {}; it must be 2 to 7", filter_size)));
  EXPECT_THAT(message_of<ValueError>([] { BlurPooling2D(3, {.strides = {1, 0}}); }), HasSubstr("strides is (1, 0)"));
  EXPECT_THAT(message_of<ValueError>([] { MaxBlurPooling2D(2, {.filter_size = 9, .name = "m"}); }),
              HasSubstr("[max_blur_pooling2d 'm'] filter_size is 9"));
  EXPECT_THAT(message_of<ValueError>([] { MaxBlurPooling2D({0, 2}); }), HasSubstr("pool_size is (0, 2)"));
  EXPECT_THAT(message_of<ShapeError>([] { ZeroPadding2D().compute_output_shape({4}); }), HasSubstr("[zero_padding2d]"));
}

TEST(BatchNormalizationLayer, TakesAnyAxisOfAnImage) {
  for (const std::int64_t axis : {-1, -2, -3, 1, 2, 3}) EXPECT_EQ(BatchNormalization({.axis = axis}).compute_output_shape({5, 4, 3}), Shape({5, 4, 3}));
  EXPECT_EQ(BatchNormalization({.axis = 1}).compute_output_shape({7}), Shape({7}));
  for (const std::int64_t axis : {0, -4})
    EXPECT_THROW(BatchNormalization({.axis = axis}).compute_output_shape({5, 4, 3}), ValueError) << axis;
  for (const std::int64_t axis : {4, -5})
    EXPECT_THAT(message_of<ShapeError>([&] { BatchNormalization({.axis = axis, .name = "n"}).compute_output_shape({5, 4, 3}); }),
                AllOf(HasSubstr("[batch_normalization 'n'] axis is "), HasSubstr(std::to_string(axis))));
  EXPECT_THAT(message_of<ShapeError>([] { BatchNormalization().compute_output_shape({}); }), HasSubstr("[batch_normalization]"));
  for (const char* axis : {"8", "-9", "1.5", "[3, 1]", "\"last\""})
    EXPECT_THROW(read("BatchNormalization", fmt::format(R"({{"axis": {}}})", axis)), FormatError) << axis;
}

TEST(BatchNormalizationLayer, MomentumAndEpsilonInTheirRange) {
  for (const double momentum : {-0.1, 1.1, std::nan("")}) EXPECT_THROW(BatchNormalization({.momentum = momentum}), ValueError) << momentum;
  for (const double epsilon : {-1e-9, static_cast<double>(INFINITY), std::nan("")})
    EXPECT_THROW(BatchNormalization({.epsilon = epsilon}), ValueError) << epsilon;
  EXPECT_THAT(message_of<ValueError>([] { BatchNormalization({.momentum = 2, .name = "n"}); }),
              HasSubstr("[batch_normalization 'n'] momentum is 2"));
  EXPECT_NO_THROW(BatchNormalization({.momentum = 0, .epsilon = 0}));
  EXPECT_NO_THROW(BatchNormalization({.momentum = 1}));
}

TEST(BatchNormalizationLayer, VariablesInKerasOrder) {
  const auto names = [](const BatchNormalizationOptions& options) {
    std::string all;
    for (const VariableSpec& spec : linn::detail::description_of(BatchNormalization(options))->declare_variables(std::vector<Shape>{{4, 4, 6}})) {
      EXPECT_EQ(spec.shape, Shape({6}));
      all += spec.name + (spec.trainable ? " " : "(fixed) ");
    }
    return all;
  };
  EXPECT_EQ(names({}), "gamma beta moving_mean(fixed) moving_variance(fixed) ");
  EXPECT_EQ(names({.center = false}), "gamma moving_mean(fixed) moving_variance(fixed) ");
  EXPECT_EQ(names({.scale = false}), "beta moving_mean(fixed) moving_variance(fixed) ");
}

TEST(LayerNames, SnakeCaseAsKeras) {
  const std::pair<const char*, const char*> names[] = {{"Conv2D", "conv2d"},
                                                       {"MaxPooling2D", "max_pooling2d"},
                                                       {"PReLU", "p_re_lu"},
                                                       {"LeakyReLU", "leaky_re_lu"},
                                                       {"GlobalMaxPooling1D", "global_max_pooling1d"},
                                                       {"UpSampling2D", "up_sampling2d"},
                                                       {"BlurPool2D", "blur_pool2d"},
                                                       {"LPPooling2D", "lp_pooling2d"},
                                                       {"ReLU", "re_lu"},
                                                       {"ELU", "elu"},
                                                       {"LSTM", "lstm"},
                                                       {"ConvLSTM2D", "conv_lstm2d"},
                                                       {"DepthwiseConv2D", "depthwise_conv2d"},
                                                       {"SeparableConv2D", "separable_conv2d"},
                                                       {"BatchNormalization", "batch_normalization"},
                                                       {"Dense", "dense"},
                                                       {"InputLayer", "input_layer"},
                                                       {"ZeroPadding2D", "zero_padding2d"},
                                                       {"RMSNormalization", "rms_normalization"}};
  for (const auto& [class_name, name] : names) EXPECT_EQ(snake_case(class_name), name);
  EXPECT_EQ(place_of("conv2d", ""), "[conv2d]");
  EXPECT_EQ(place_of("conv2d", "x"), "[conv2d 'x']");
}

}  // namespace
}  // namespace linn::detail::layers
