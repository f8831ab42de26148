// Networks with branches, several inputs and outputs, shared layers and models inside models.
#include <gmock/gmock.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/random.h"
#include "core/worker_pool.h"
#include "linn/linn.h"
#include "support/message_of.h"
#include "support/same_bits.h"

namespace linn {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tests::message_of;
using tests::same_bits;

Tensor noise(const Shape& shape, std::uint64_t stream = 1) {
  Tensor tensor(shape);
  const detail::core::Random random(7, stream);
  std::uint64_t i = 0;
  for (float& value : tensor.values<float>()) value = static_cast<float>(random.uniform(i++)) - 0.5F;
  return tensor;
}

Tensor labels(std::int64_t n, std::int64_t classes) {
  std::vector<std::int64_t> values;
  for (std::int64_t i = 0; i < n; ++i) values.push_back(i * 7 % classes);
  return Tensor::from(values, {n});
}

// The network of the documentation: a convolution, a normalized branch, their sum.
Model residual(std::uint64_t seed = 3) {
  const auto in = Input({8, 8, 3});
  const auto x = Conv2D(4, 3, {.padding = "same", .use_bias = false})(in);
  const auto y = Activation("relu")(BatchNormalization()(x));
  const auto z = Add()({x, Conv2D(4, 3, {.padding = "same"})(y)});
  return Model(in, Dense(5, {.activation = "softmax"})(GlobalAveragePooling2D()(z)), {.seed = seed});
}

TEST(Functional, NamesAndOrderAreKerass) {
  const Model model = residual();
  EXPECT_EQ(model.name(), "functional");
  EXPECT_THAT(model.layer_names(), ElementsAre("input_layer", "conv2d", "batch_normalization", "activation", "conv2d_1", "add",
                                               "global_average_pooling2d", "dense"));
  EXPECT_EQ(model.input_shape(), Shape({8, 8, 3}));
  EXPECT_EQ(model.output_shape(), Shape({5}));
  EXPECT_EQ(model.count_params(), 3 * 3 * 3 * 4 + 16 + 3 * 3 * 4 * 4 + 4 + 4 * 5 + 5);
}

// The gradient of every variable against differences of the loss. Float32: the loss is large enough for four digits.
TEST(Functional, GradientsAreThoseOfTheLoss) {
  const auto in = Input({6, 6, 2});
  const Conv2D shared(2, 3, {.padding = "same", .activation = "tanh", .name = "shared"});
  const auto x = shared(in);
  const auto y = shared(BatchNormalization()(x));  // called twice, with a normalization between
  Model model(in, Dense(3)(Flatten()(Add()({x, y}))), {.seed = 1});
  model.compile({.optimizer = "sgd", .loss = "mse"});
  const Tensor images = noise({19, 6, 6, 2}), targets = noise({19, 3}, 2);
  const auto gradients = model.gradients(images, targets);
  const auto weights = model.named_weights();
  // train_on_batch gives the loss in training mode of the weights before the step.
  const auto loss_with = [&](const std::string& name, std::int64_t i, float change) {
    Model copy = model.clone();
    auto changed = weights;
    for (auto& [key, value] : changed)
      if (key == name) {
        value = value.clone();
        value.values<float>()[static_cast<std::size_t>(i)] += change;
      }
    copy.set_named_weights(changed);
    return copy.train_on_batch(images, targets).at("loss");
  };
  for (const auto& [name, gradient] : gradients) {
    for (std::int64_t i = 0; i < gradient.elements(); i += 5) {
      const float h = 2e-3F;
      const double slope = (loss_with(name, i, h) - loss_with(name, i, -h)) / (2 * static_cast<double>(h));
      EXPECT_NEAR(gradient.values<float>()[static_cast<std::size_t>(i)], slope, 2e-3 * (1 + std::abs(slope))) << name << " [" << i << "]";
    }
  }
}

TEST(Functional, SameBitsOnAnyNumberOfThreads) {
  const Tensor images = noise({43, 8, 8, 3});
  std::vector<Tensor> first;
  for (const int threads : {1, 2, 3, 8}) {
    set_threads(threads);
    Model model = residual();
    model.compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
    model.fit(images, labels(43, 5), {.batch_size = 16, .epochs = 2, .verbose = 0});
    std::vector<Tensor> now = model.get_weights();
    now.push_back(model.predict(images));
    if (first.empty()) first = now;
    for (std::size_t i = 0; i < now.size(); ++i) EXPECT_TRUE(same_bits(now[i], first[i])) << threads << " threads, tensor " << i;
  }
  set_threads(2);
}

TEST(Functional, SeveralInputsAndOutputs) {
  const auto image = Input({6, 6, 1}, {.name = "image"});
  const auto numbers = Input({3}, {.name = "numbers"});
  const auto x = Concatenate()({Flatten()(Conv2D(2, 3)(image)), numbers});
  const auto kind = Dense(4, {.activation = "softmax", .name = "kind"})(x);
  const auto size = Dense(1, {.name = "size"})(x);
  Model model({image, numbers}, {kind, size}, {.seed = 5});
  EXPECT_THAT(model.input_names(), ElementsAre("image", "numbers"));
  EXPECT_THAT(model.output_names(), ElementsAre("kind", "size"));

  const Tensor x1 = noise({20, 6, 6, 1}), x2 = noise({20, 3}, 2), y2 = noise({20, 1}, 3);
  const Tensor y1 = labels(20, 4);
  model.compile({.optimizer = "sgd",
                 .loss = std::map<std::string, Loss>{{"kind", "sparse_categorical_crossentropy"}, {"size", "mse"}},
                 .loss_weights = {1.0, 0.25},
                 .metrics = std::map<std::string, std::vector<Metric>>{{"kind", {"accuracy"}}}});
  const Logs logs = model.evaluate({x1, x2}, {y1, y2}, {.verbose = 0});
  ASSERT_TRUE(logs.contains("kind_loss") && logs.contains("size_loss") && logs.contains("kind_accuracy"));
  EXPECT_NEAR(logs.at("loss"), logs.at("kind_loss") + 0.25 * logs.at("size_loss"), 1e-6);

  // By name, in any order, it is the same.
  const Logs named = model.evaluate(std::map<std::string, Tensor>{{"numbers", x2}, {"image", x1}}, std::map<std::string, Tensor>{{"size", y2}, {"kind", y1}}, {.verbose = 0});
  EXPECT_EQ(named, logs);

  const std::vector<Tensor> outputs = model.predict_all({x1, x2});
  ASSERT_EQ(outputs.size(), 2U);
  double squares = 0;
  for (std::size_t i = 0; i < 20; ++i) squares += std::pow(static_cast<double>(outputs[1].values<float>()[i]) - static_cast<double>(y2.values<float>()[i]), 2);
  EXPECT_NEAR(logs.at("size_loss"), squares / 20, 1e-6);

  const double before = logs.at("loss");
  model.fit({x1, x2}, {y1, y2}, {.epochs = 20, .verbose = 0});
  EXPECT_LT(model.evaluate({x1, x2}, {y1, y2}, {.verbose = 0}).at("loss"), before);

  EXPECT_THAT(message_of<StateError>([&] { (void)model.predict({x1, x2}); }), AllOf(HasSubstr("2 outputs"), HasSubstr("predict_all")));
  EXPECT_THAT(message_of<ValueError>([&] { (void)model.predict_all(x1); }), AllOf(HasSubstr("1 tensors came"), HasSubstr("image, numbers")));
  EXPECT_THAT(message_of<DataError>([&] { (void)model.predict_all({x1, x2.rows(0, 5)}); }), AllOf(HasSubstr("20"), HasSubstr("5")));
  EXPECT_THAT(message_of<ValueError>([&] { model.compile({.loss = std::map<std::string, Loss>{{"kin", "mse"}}}); }), AllOf(HasSubstr("kin"), HasSubstr("kind, size")));
  EXPECT_THAT(message_of<ValueError>([&] { model.compile({.loss = "mse", .metrics = {"accuracy"}}); }), HasSubstr("2 outputs"));
}

TEST(Functional, AnOutputMayBeGivenTwiceAndBeTheInput) {
  const auto in = Input({4});
  const auto x = Dense(4)(in);
  const Model model(in, {x, in, x});
  const Tensor numbers = noise({5, 4});
  const std::vector<Tensor> outputs = model.predict_all(numbers);
  EXPECT_TRUE(same_bits(outputs[0], outputs[2]));
  EXPECT_TRUE(same_bits(outputs[1], numbers));
}

TEST(Functional, ModelsOfTheSameValuesShareTheirLayers) {
  const auto in = Input({6});
  const auto code = Dense(2, {.activation = "tanh"})(in);
  const Model encoder(in, code, {.seed = 1});
  Model whole(in, Dense(6)(code), {.seed = 2});
  const Tensor x = noise({30, 6});
  const Tensor before = encoder.predict(x);
  whole.compile({.optimizer = "adam", .loss = "mse"});
  whole.fit(x, x, {.epochs = 2, .verbose = 0});
  const Tensor after = encoder.predict(x);
  EXPECT_FALSE(same_bits(before, after)) << "training one must show in the other, also after it has predicted";
  const Model again(whole.input(), whole.get_layer("dense").output());
  EXPECT_TRUE(same_bits(again.predict(x), after));
}

TEST(Functional, AModelIsALayer) {
  const auto piece = Input({6, 6, 2});
  const Model block(piece, Activation("relu")(Conv2D(2, 3, {.padding = "same"})(piece)), {.name = "block", .seed = 4});
  const auto in = Input({6, 6, 2});
  Model model(in, Dense(2)(Flatten()(block(block(in)))), {.seed = 9});
  EXPECT_THAT(model.layer_names(), ElementsAre("input_layer", "block", "flatten", "dense"));
  EXPECT_EQ(model.named_weights()[0].first, "block/conv2d/kernel");
  EXPECT_EQ(model.count_params(), block.count_params() + 72 * 2 + 2) << "called twice, counted once";
  const Tensor x = noise({3, 6, 6, 2});
  Sequential flat({Input({6, 6, 2}), block.as_layer(), Flatten()});
  EXPECT_EQ(flat.output_shape(), Shape({72}));

  model.compile({.optimizer = "sgd", .loss = "mse"});
  const Tensor before = block.predict(x);
  model.train_on_batch(x, noise({3, 2}));
  EXPECT_FALSE(same_bits(block.predict(x), before));
  std::string text;
  model.summary({.print_fn = [&](const std::string& line) { text += line; }, .expand_nested = true});
  EXPECT_THAT(text, AllOf(HasSubstr("block (Functional)"), HasSubstr("└ conv2d")));
}

TEST(Functional, WhatIsFrozenWhenCompiledStaysAsItIs) {
  Model model = residual();
  const Tensor x = noise({24, 8, 8, 3});
  model.get_layer("conv2d").set_trainable(false);
  model.get_layer("batch_normalization").set_trainable(false);
  model.compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy"});
  model.get_layer("conv2d_1").set_trainable(false);  // too late for this compile
  const auto before = model.named_weights();
  model.fit(x, labels(24, 5), {.epochs = 1, .verbose = 0});
  const auto after = model.named_weights();
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::string& name = before[i].first;
    const bool frozen = name.starts_with("conv2d/") || name.starts_with("batch_normalization/");
    EXPECT_EQ(same_bits(before[i].second, after[i].second), frozen) << name;
  }
  model.compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy"});
  model.fit(x, labels(24, 5), {.epochs = 1, .verbose = 0});
  EXPECT_TRUE(same_bits(model.get_layer("conv2d_1").get_weights()[0], after[5].second)) << "it counts from the next compile on";
  model.set_trainable(true);
  EXPECT_EQ(model.count_trainable_params(), model.count_params() - 8);
}

// As Keras shows and writes it: the model that is a layer is frozen too.
TEST(Functional, AFrozenModelIsAFrozenLayer) {
  const auto make = [](bool before) {
    const auto piece = Input({4});
    Model base(piece, Dense(3)(piece), {.name = "base", .seed = 1});
    if (before) base.set_trainable(false);
    const auto in = Input({4});
    Model model(in, Dense(2)(base(in)), {.seed = 2});
    if (!before) base.set_trainable(false);
    return model;
  };
  for (const bool before : {true, false}) {
    const Model model = make(before);
    EXPECT_FALSE(model.get_layer("base").trainable());
    EXPECT_EQ(model.count_trainable_params(), 3 * 2 + 2);
    const Model read = Model::from_json(model.to_json());
    EXPECT_FALSE(read.get_layer("base").trainable());
    EXPECT_EQ(read.to_json(), model.to_json());
    EXPECT_EQ(read.count_trainable_params(), 3 * 2 + 2);
  }
}

TEST(Functional, ACallMayComputeAsInInference) {
  const auto in = Input({4});
  const BatchNormalization norm({.name = "norm"});
  Model model(in, Dense(2)(norm(in, {.training = false})), {.seed = 1});
  model.compile({.optimizer = "sgd", .loss = "mse"});
  const Tensor x = noise({16, 4});
  const auto moving = norm.get_weights()[2];
  model.train_on_batch(x, noise({16, 2}, 4));
  EXPECT_TRUE(same_bits(norm.get_weights()[2], moving)) << "moving statistics must not move";
  const Model read = Model::from_json(model.to_json());
  EXPECT_THAT(read.to_json(), HasSubstr("\"training\":false"));
}

TEST(Functional, ConfigurationsAndFilesGiveTheSameModel) {
  const auto a = Input({6, 6, 2}, {.name = "a"});
  const auto b = Input({6, 6, 2}, {.name = "b"});
  const Conv2D shared(3, 3, {.padding = "same", .name = "shared"});
  const auto piece = Input({6, 6, 3});
  const Model inner(piece, MaxPooling2D()(piece), {.name = "inner"});
  const auto joined = Add()({shared(a), shared(b)});
  Model model({a, b}, {Dense(3, {.name = "p"})(Flatten()(inner(joined))), joined}, {.name = "two", .seed = 8});
  model.compile({.optimizer = "adam", .loss = {"mse", Loss()}});
  const std::string text = model.to_json();
  const Model read = Model::from_json(text, {.seed = 8});
  EXPECT_EQ(read.to_json(), text);
  EXPECT_TRUE(read.compiled());
  const Tensor x1 = noise({4, 6, 6, 2}), x2 = noise({4, 6, 6, 2}, 2);
  const std::string folder = testing::TempDir() + "/linn_functional";
  model.save(folder);
  const Model loaded = load_model(folder);
  const auto expected = model.predict_all({x1, x2}), found = loaded.predict_all({x1, x2});
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(same_bits(expected[i], found[i]));
  EXPECT_THAT(message_of<ValueError>([&] { (void)Sequential(load_model(folder)); }), HasSubstr("linn::Model"));
}

// Shuffling and dropout follow from the seed, so a model that was loaded goes on as the one that was saved.
TEST(Functional, AFileKeepsTheSeed) {
  const auto trained = [](Model model) {
    const Tensor x = noise({40, 6});
    model.compile({.optimizer = "sgd", .loss = "mse"});
    model.fit(x, x, {.batch_size = 8, .epochs = 2, .verbose = 0});
    return model.get_weights();
  };
  const auto make = [] {
    const auto in = Input({6});
    return Model(in, Dense(6)(Dropout(0.4)(in)), {.seed = 77});
  };
  const std::string folder = testing::TempDir() + "/linn_seed";
  make().save(folder);
  const std::vector<Tensor> expected = trained(make()), found = trained(load_model(folder));
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(same_bits(expected[i], found[i]));
}

TEST(Functional, HeightAndWidthMayBeLeftOpen) {
  const auto in = Input({Shape::none, Shape::none, 3});
  const auto x = MaxPooling2D()(Conv2D(4, 3, {.padding = "same", .activation = "relu"})(in));
  EXPECT_EQ(x.shape(), Shape({Shape::none, Shape::none, 4}));
  Model model(in, Dense(2)(GlobalAveragePooling2D()(x)), {.seed = 1});
  EXPECT_EQ(model.output_shape(), Shape({2}));
  const Tensor small = noise({3, 8, 10, 3}), large = noise({3, 15, 12, 3});
  EXPECT_TRUE(same_bits(model.predict(small), model.with_input_shape({8, 10, 3}).predict(small)));
  EXPECT_TRUE(same_bits(model.predict(large), model.with_input_shape({15, 12, 3}).predict(large)));
  const Model maps(in, x);
  EXPECT_EQ(maps.predict(small).shape(), Shape({3, 4, 5, 4}));
  model.compile({.optimizer = "sgd", .loss = "mse"});
  model.fit(small, noise({3, 2}), {.verbose = 0});
  model.fit(large, noise({3, 2}), {.verbose = 0});
  EXPECT_EQ(Model::from_json(model.to_json()).input_shape(), Shape({Shape::none, Shape::none, 3}));
  EXPECT_THAT(message_of<ShapeError>([&] { (void)model.predict(noise({3, 8, 8, 4})); }), HasSubstr("(None, None, None, 3)"));
  EXPECT_THAT(message_of<ShapeError>([&] { Model(in, Dense(2)(Flatten()(x))); }), AllOf(HasSubstr("[dense"), HasSubstr("left open")));
}

TEST(FunctionalErrors, AreSaidWhenTheNetworkIsMade) {
  const auto a = Input({4, 4, 2}, {.name = "a"});
  const auto b = Input({4, 5, 2}, {.name = "b"});
  EXPECT_THAT(message_of<ShapeError>([&] { (void)Add({.name = "sum"})({a, b}); }), HasSubstr("[add 'sum']"));
  EXPECT_THAT(message_of<ShapeError>([&] { (void)Dense(2, {.name = "d"})({a, b}); }), AllOf(HasSubstr("[dense 'd']"), HasSubstr("takes one input; 2 came")));
  EXPECT_THAT(message_of<ValueError>([&] { Model(a, Flatten()(b)); }), AllOf(HasSubstr("[input_layer 'b']"), HasSubstr("not among the model's inputs")));
  EXPECT_THAT(message_of<ValueError>([&] { Model({a, a}, Flatten()(a)); }), HasSubstr("twice"));
  const auto x = Flatten({.name = "same"})(a), y = Flatten({.name = "same"})(b);
  EXPECT_THAT(message_of<ValueError>([&] { Model({a, b}, {x, y}); }), HasSubstr("\"same\""));
  const Dense shared(3, {.name = "shared"});
  EXPECT_THAT(message_of<ShapeError>([&] { Model({a, b}, {shared(Flatten()(a)), shared(Flatten()(b))}); }), AllOf(HasSubstr("[dense 'shared']"), HasSubstr("(32, 3)"), HasSubstr("(40, 3)")));
  EXPECT_THAT(message_of<StateError>([&] { (void)shared.output(); }), HasSubstr("called"));
  EXPECT_THAT(message_of<StateError>([&] { (void)Dense(3).get_weights(); }), HasSubstr("no variables yet"));
  EXPECT_THAT(message_of<ValueError>([&] { (void)residual().get_layer("conv2d_9"); }), HasSubstr("did you mean"));
  EXPECT_THAT(message_of<ValueError>([&] { Sequential().add(Layer(Flatten()(a))); }), HasSubstr("only an Input"));
}

TEST(FunctionalErrors, OfFilesAreSaidWithTheLayer) {
  const std::string good = residual().to_json();
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return message_of<Error>([&] { (void)Model::from_json(text); });
  };
  EXPECT_THAT(with(R"("keras_history":["batch_normalization",0,0])", R"("keras_history":["nobody",0,0])"), HasSubstr("no layer named \"nobody\""));
  EXPECT_THAT(with(R"("keras_history":["batch_normalization",0,0])", R"("keras_history":["add",0,0])"), HasSubstr("cycle"));
  EXPECT_THAT(with(R"("keras_history":["batch_normalization",0,0])", R"("keras_history":["batch_normalization",1,0])"), HasSubstr("which is called 1 times"));
  EXPECT_THAT(with(R"("keras_history":["batch_normalization",0,0])", R"("keras_history":["batch_normalization",0,4])"), HasSubstr("output 4"));
  EXPECT_THAT(with(R"("output_layers":["dense",0,0])", R"("output_layers":"dense")"), HasSubstr("output_layers"));
  EXPECT_THAT(with(R"("class_name":"Functional")", R"("class_name":"MyModel")"), HasSubstr("\"Sequential\" and \"Functional\""));
}

}  // namespace
}  // namespace linn
