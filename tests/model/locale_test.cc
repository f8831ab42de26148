// Files and texts are the same in every locale of the host program.
#include <gtest/gtest.h>

#include <clocale>
#include <cstdlib>
#include <string>

#include "io/test_files.h"
#include "linn/data.h"
#include "linn/layers.h"
#include "linn/model.h"
#include "support/source_tree.h"

namespace linn {
namespace {

Sequential make() {
  Sequential model({Rescaling(1.0 / 255, {.offset = -0.5, .input_shape = {4, 4, 1}}), Conv2D(2, {2, 2}), Dropout(0.25), Flatten(),
                    Dense(3, {.activation = "softmax"})});
  model.compile({.optimizer = optimizers::Adam({.learning_rate = 0.0015}), .loss = losses::SparseCategoricalCrossentropy({.label_smoothing = 0.1}), .metrics = {"accuracy"}});
  return model;
}

// What a model writes: its configuration, its file, its log, its table.
std::string written(const test::TempDir& dir) {
  Sequential model = make();
  Tensor x({6, 4, 4, 1}), y = Tensor::from(std::vector<std::int32_t>{0, 1, 2, 0, 1, 2}, {6});
  for (std::size_t i = 0; i < 96; ++i) x.values<float>()[i] = static_cast<float>(i * 7 % 31);
  model.fit(x, y, {.epochs = 2, .verbose = 0, .callbacks = {callbacks::CSVLogger(dir / "log.csv")}, .validation_split = 0.34});
  model.metadata()["note"] = "1.5";
  model.save(dir / "model");
  std::string summary;
  model.summary({.print_fn = [&](const std::string& text) { summary += text; }});
  const Sequential back = Sequential(load_model(dir / "model"));
  return model.to_json() + back.to_json() + summary + tests::text_of(dir / "log.csv") + tests::text_of(dir / "model/config.json") +
         tests::text_of(dir / "model/model.safetensors");
}

TEST(Locale, NothingDependsOnIt) {
  const test::TempDir locales, plain, german;
  const std::string expected = written(plain);
  const std::string command = "localedef -i de_DE -f UTF-8 '" + (locales / "de_DE.UTF-8") + "' > /dev/null 2>&1";
  ::setenv("LOCPATH", locales.path().c_str(), 1);
  const bool made = std::system(command.c_str()) == 0 && std::setlocale(LC_ALL, "de_DE.UTF-8") != nullptr;
  if (!made) GTEST_SKIP() << "no German locale: localedef or its sources are missing";
  ASSERT_EQ(std::to_string(0.5), "0,500000") << "the locale is in force";
  const std::string got = written(german);
  EXPECT_EQ(std::to_string(0.5), "0,500000") << "and still is";
  std::setlocale(LC_ALL, "C");
  EXPECT_EQ(got, expected);
}

}  // namespace
}  // namespace linn
