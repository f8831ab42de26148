// A loss of the user's own trains and evaluates as linn's; a file keeps its name.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "linn/error.h"
#include "linn/layers.h"
#include "linn/model.h"
#include "support/message_of.h"

namespace own {

// (p - t)^2, in double alone.
struct Squares {
  double value(double t, double p) const { return (p - t) * (p - t); }
  double slope(double t, double p) const { return 2 * (p - t); }
};

struct SquaresOfRow {
  template <class T>
  T row(std::span<const T> t, std::span<const T> p, T* slopes) const {
    T sum = 0;
    const auto n = static_cast<T>(p.size());
    for (std::size_t c = 0; c < p.size(); ++c) sum += (p[c] - t[c]) * (p[c] - t[c]);
    for (std::size_t c = 0; slopes != nullptr && c < p.size(); ++c) slopes[c] = 2 * (p[c] - t[c]) / n;
    return sum / n;
  }
};

// 1 - the number at the label.
struct Missing {
  template <class T>
  T row(std::int64_t label, std::span<const T> p, T* slopes) const {
    for (std::size_t c = 0; slopes != nullptr && c < p.size(); ++c) slopes[c] = static_cast<std::int64_t>(c) == label ? T{-1} : T{0};
    return 1 - p[static_cast<std::size_t>(label)];
  }
};

}  // namespace own

namespace linn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using tests::message_of;

Model model_of(const Loss& loss, std::int64_t width = 2) {
  const SymbolicTensor in = Input({3});
  Model model(in, Dense(width)(in), {.seed = 5});
  model.compile({.optimizer = "sgd", .loss = loss});
  return model;
}

Tensor sample(std::int64_t width) {
  Tensor tensor({6, width});
  const auto values = tensor.values<float>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(3 * i + 1));
  return tensor;
}

TEST(OwnLoss, TrainsAsTheOneOfLinn) {
  const Tensor x = sample(3), y = sample(2);
  Model reference = model_of("mse");
  const History wanted = reference.fit(x, y, {.batch_size = 4, .epochs = 3, .verbose = 0});
  for (const Loss& loss : {Loss(own::Squares{}), Loss(own::SquaresOfRow{})}) {
    Model model = model_of(loss);
    const History history = model.fit(x, y, {.batch_size = 4, .epochs = 3, .verbose = 0});
    for (std::size_t e = 0; e < 3; ++e) EXPECT_NEAR(history["loss"][e], wanted["loss"][e], 1e-6);
    const std::vector<Tensor> got = model.get_weights(), expected = reference.get_weights();
    for (std::size_t w = 0; w < got.size(); ++w)
      for (std::int64_t i = 0; i < got[w].elements(); ++i)
        EXPECT_NEAR(got[w].values<float>()[static_cast<std::size_t>(i)], expected[w].values<float>()[static_cast<std::size_t>(i)], 1e-6);
    EXPECT_NEAR(model.evaluate(x, y, {.verbose = 0}).at("loss"), reference.evaluate(x, y, {.verbose = 0}).at("loss"), 1e-6);
  }
}

TEST(OwnLoss, OfLabelsAndWithAReduction) {
  const Tensor x = sample(3), y = Tensor::from(std::vector<std::int64_t>{0, 1, 0, 1, 1, 0}, {6});
  Model mean = model_of(own::Missing{}), sum = model_of(losses::Custom(own::Missing{}, {.name = "missing", .reduction = "sum"}));
  const double of_mean = mean.evaluate(x, y, {.verbose = 0}).at("loss");
  EXPECT_NEAR(sum.evaluate(x, y, {.verbose = 0}).at("loss"), 6 * of_mean, 1e-5);
  const Tensor p = mean.predict(x);
  double by_hand = 0;
  for (std::int64_t i = 0; i < 6; ++i)
    by_hand +=
        1 - static_cast<double>(p.values<float>()[static_cast<std::size_t>(2 * i + y.values<std::int64_t>()[static_cast<std::size_t>(i)])]);
  EXPECT_NEAR(of_mean, by_hand / 6, 1e-6);
  EXPECT_THAT(message_of<DataError>([&] {
                mean.evaluate(x, Tensor::from(std::vector<std::int64_t>{0, 1, 2, 1, 1, 0}, {6}), {.verbose = 0});
              }),
              HasSubstr("label 2 of sample 2"));
}

TEST(OwnLoss, AFileKeepsTheNameAlone) {
  for (const char* ending : {".keras", ".h5", ".safetensors", ""}) {
    SCOPED_TRACE(ending);
    const std::string path = (std::filesystem::temp_directory_path() / fmt::format("linn_own_loss_{}{}", ::getpid(), ending)).string();
    Model model = model_of(losses::Custom(own::Squares{}, {.name = "own_squares"}));
    model.fit(sample(3), sample(2), {.verbose = 0});
    model.save(path);
    EXPECT_THAT(model.to_json(), AllOf(HasSubstr("own_squares"), HasSubstr("linn.custom_losses")));
    ::testing::internal::CaptureStderr();
    Model again = load_model(path);
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), AllOf(HasSubstr("own_squares"), HasSubstr("call compile to train")));
    std::filesystem::remove_all(path);
    EXPECT_FALSE(again.compiled());
    EXPECT_EQ(again.get_weights()[0].values<float>()[0], model.get_weights()[0].values<float>()[0]);
  }
}

TEST(OwnLoss, NamesThatMeanSomethingElseAreRefused) {
  EXPECT_THAT(message_of<ValueError>([] { Loss(losses::Custom(own::Squares{}, {.name = "huber"})); }),
              HasSubstr("which is a loss of linn's"));
  EXPECT_THAT(message_of<ValueError>([] { Loss(losses::Custom(own::Squares{}, {.name = ""})); }), HasSubstr("name is empty"));
}

}  // namespace
}  // namespace linn
