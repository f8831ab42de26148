// Training that goes on: from a saved model, and from a checkpoint at any step, to the bits of a training that was never interrupted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/worker_pool.h"
#include "io/file.h"
#include "io/test_files.h"
#include "linn/augment.h"
#include "linn/data.h"
#include "linn/dataset.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "linn/losses.h"
#include "linn/metrics.h"
#include "linn/model.h"
#include "linn/optimizers.h"
#include "support/message_of.h"
#include "support/same_bits.h"

namespace linn {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using tests::message_of;
namespace fs = std::filesystem;

constexpr std::int64_t resume_images = 22, resume_epochs = 3;  // of batches of 5: 5 steps an epoch, the last of them short

Tensor resume_x(float first = 0.3F) {
  Tensor images({resume_images, 6, 6, 1});
  float value = first;
  for (float& pixel : images.values<float>()) pixel = value = value * 3.8F * (1 - value);  // chaos
  return images;
}

Tensor resume_y() {
  Tensor labels({resume_images}, DType::i64);
  std::int64_t i = 0;
  for (std::int64_t& label : labels.values<std::int64_t>()) label = i * (i + 1) % 3, ++i;
  return labels;
}

// Everything that has state or draws random numbers.
Sequential resume_model(const Optimizer& optimizer = optimizers::Adam({.learning_rate = 0.01}), std::uint64_t seed = 7, std::int64_t filters = 4) {
  Sequential model({Conv2D(filters, 3, {.activation = "relu", .input_shape = {6, 6, 1}}), BatchNormalization(), MaxPooling2D(2), Dropout(0.3), Flatten(),
                    Dense(3, {.activation = "softmax"})},
                   {.seed = seed});
  model.compile({.optimizer = optimizer, .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  return model;
}

class Resume : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (fs::path(dir_.path()) / name).string(); }

 private:
  test::TempDir dir_;
};

// ---- from a saved model --------------------------------------------------------------------------------------------

TEST_F(Resume, TwoEpochsSaveLoadTwoEpochsAreFour) {
  const Tensor x = resume_x(), y = resume_y();
  for (const Optimizer& optimizer : {Optimizer(optimizers::Adam({.learning_rate = 0.01})), Optimizer(optimizers::SGD({.learning_rate = 0.05, .momentum = 0.9})),
                                     Optimizer(optimizers::AdamW({.learning_rate = 0.01, .use_ema = true, .ema_momentum = 0.9})),
                                     Optimizer(optimizers::RMSprop({.learning_rate = 0.01, .gradient_accumulation_steps = 3}))}) {
    const FitOptions four{.batch_size = 5, .epochs = 4, .verbose = 0}, two{.batch_size = 5, .epochs = 2, .verbose = 0};
    Model straight = resume_model(optimizer);
    // With moving averages the weights become the averages where a fit ends, so both end there.
    straight.fit(x, y, two);
    straight.fit(x, y, two);
    for (const char* name : {"model", "model.safetensors", "model.keras"}) {
      Model first = resume_model(optimizer);
      first.fit(x, y, two);
      first.save(path(name));
      Model second = load_model(path(name));
      second.fit(x, y, two);
      EXPECT_TRUE(tests::same_bits(second.get_weights(), straight.get_weights())) << name << " " << optimizer.class_name();
      EXPECT_EQ(second.steps(), straight.steps()) << name;
    }
  }
  Model whole = resume_model(), halves = resume_model();
  whole.fit(x, y, {.batch_size = 5, .epochs = 4, .verbose = 0});
  halves.fit(x, y, {.batch_size = 5, .epochs = 2, .verbose = 0});
  halves.save(path("halves"));
  halves = load_model(path("halves"));
  halves.fit(x, y, {.batch_size = 5, .epochs = 2, .verbose = 0});
  EXPECT_TRUE(tests::same_bits(whole.get_weights(), halves.get_weights()));
}

TEST_F(Resume, ASavedModelMayLeaveItsOptimizerOut) {
  Model model = resume_model();
  model.fit(resume_x(), resume_y(), {.batch_size = 5, .verbose = 0});
  model.save(path("with"));
  model.save(path("without"), {.include_optimizer = false});
  EXPECT_LT(fs::file_size(path("without/model.safetensors")) + 2 * 4 * 200, fs::file_size(path("with/model.safetensors")));
  EXPECT_EQ(load_model(path("without")).steps(), 0);
  EXPECT_EQ(load_model(path("with")).steps(), 5);
  // Weights are taken from a file with an optimizer as from one without.
  Model other = resume_model(optimizers::SGD{}, 8);
  other.load_weights(path("with"));
  EXPECT_TRUE(tests::same_bits(other.get_weights(), model.get_weights()));
}

TEST_F(Resume, OtherFrozenLayersBeginAnewAndSaySo) {
  Model model = resume_model();
  model.fit(resume_x(), resume_y(), {.batch_size = 5, .verbose = 0});
  model.get_layer("conv2d").set_trainable(false);
  model.save(path("model"));
  testing::internal::CaptureStderr();
  EXPECT_EQ(load_model(path("model")).steps(), 0);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("its optimizer begins anew"));
}

// ---- from a checkpoint ---------------------------------------------------------------------------------------------

struct Killed {};

// Asks for a checkpoint after a step, and ends the training like a power failure: whatever it wrote before stays.
class KillAt : public Callback {
 public:
  KillAt(std::string directory, std::int64_t step) : directory_(std::move(directory)), step_(step) {}
  void on_train_batch_begin(Trainer& trainer) override {
    if (trainer.total_steps() > step_) throw Killed();
  }
  void on_train_batch_end(Trainer& trainer, const Logs& /*logs*/) override {
    if (trainer.total_steps() == step_) trainer.save_checkpoint(directory_);
  }
  void on_train_end(Trainer& /*trainer*/, const Logs& /*logs*/) override {
    throw Killed();  // after the last step
  }

 private:
  std::string directory_;
  std::int64_t step_;
};

using Change = std::function<void(FitOptions&)>;
using Fit = std::function<History(Model&, FitOptions)>;

FitOptions resume_options(const Change& change) {
  FitOptions options{.batch_size = 5, .epochs = resume_epochs, .verbose = 0};
  change(options);
  return options;
}

void expect_same(const History& a, const History& b, const std::string& what) {
  EXPECT_EQ(a.epoch, b.epoch) << what;
  ASSERT_EQ(a.history.size(), b.history.size()) << what;
  for (const auto& [name, values] : a.history) {
    const std::vector<double>& others = b[name];
    ASSERT_EQ(values.size(), others.size()) << what << " " << name;
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_TRUE(values[i] == others[i] || (std::isnan(values[i]) && std::isnan(others[i]))) << what << " " << name << " " << values[i] << " " << others[i];
  }
}

// Interrupts the fit behind each of its steps, goes on in a new model, and compares weights and history.
void expect_exact(const std::function<Model()>& make, const Fit& fit, const Change& change, const std::string& directory, std::int64_t every = 1) {
  Model straight = make();
  const History whole = fit(straight, resume_options(change));
  ASSERT_GT(straight.steps(), 0);
  for (std::int64_t step = 1; step <= straight.steps(); step += every) {
    const std::string what = "killed after step " + std::to_string(step), here = directory + "/" + std::to_string(step);
    Model first = make();
    FitOptions options = resume_options(change);
    options.callbacks.push_back(KillAt(here, step));
    detail::core::set_threads(1 + static_cast<int>(step % 3));
    EXPECT_THROW(fit(first, options), Killed) << what;
    Model second = make();
    FitOptions on = resume_options(change);
    on.resume = here;
    detail::core::set_threads(2 - static_cast<int>(step % 2));
    const History history = fit(second, on);
    EXPECT_TRUE(tests::same_bits(second.get_weights(), straight.get_weights())) << what;
    EXPECT_EQ(second.steps(), straight.steps()) << what;
    expect_same(history, whole, what);
  }
  detail::core::set_threads(2);
}

History on_tensors(Model& model, const FitOptions& options) { return model.fit(resume_x(), resume_y(), options); }
Model make_model() { return resume_model(); }

TEST_F(Resume, BehindEachStep) {
  expect_exact(make_model, on_tensors, [](FitOptions&) {}, path("plain"));
}

TEST_F(Resume, BehindEachStepOfShortEpochs) {
  expect_exact(make_model, on_tensors, [](FitOptions& options) {
    options.steps_per_epoch = 2;
    options.epochs = 6;
    options.initial_epoch = 1;
  }, path("short"));
}

TEST_F(Resume, InTheOrderOfTheData) {
  expect_exact(make_model, on_tensors, [](FitOptions& options) { options.shuffle = false; }, path("ordered"), 4);
}

TEST_F(Resume, WithValidationAugmentationAndAnOneCycle) {
  expect_exact([] { return resume_model(optimizers::SGD({.learning_rate = optimizers::schedules::OneCycle({.max_learning_rate = 0.05}), .momentum = 0.9})); },
               on_tensors,
               [](FitOptions& options) {
                 options.validation_split = 0.25;
                 options.augment = Pipeline({RandomTranslation(0.2, 0.2), RandomContrast(0.5, {.value_range = {0, 1}})});
                 options.class_weight = {{0, 2.0}};
               },
               path("augmented"));
}

TEST_F(Resume, WithMovingAveragesThatAreSwapped) {
  expect_exact([] { return resume_model(optimizers::Adam({.learning_rate = 0.01, .use_ema = true, .ema_momentum = 0.8, .gradient_accumulation_steps = 2})); }, on_tensors,
               [](FitOptions& options) {
                 options.validation_split = 0.25;
                 options.callbacks = {callbacks::SwapEMAWeights({.swap_on_epoch = true})};
               },
               path("averages"));
}

TEST_F(Resume, WithCallbacksThatRememberEpochs) {
  expect_exact(make_model, on_tensors,
               [](FitOptions& options) {
                 options.epochs = 8;
                 options.validation_split = 0.25;
                 options.callbacks = {callbacks::ReduceLROnPlateau({.factor = 0.5, .patience = 1}), callbacks::EarlyStopping({.patience = 3, .restore_best_weights = true})};
               },
               path("callbacks"), 3);
}

TEST_F(Resume, WithARateByEpochAndALogFile) {
  std::string whole;
  const auto change = [&](FitOptions& options) {
    options.callbacks = {callbacks::LearningRateScheduler([](std::int64_t epoch, double rate) { return epoch == 0 ? 0.01 : rate * 0.7; }),
                         callbacks::CSVLogger(path("log.csv"))};
  };
  const Fit fit = [&](Model& model, const FitOptions& options) {
    History history = on_tensors(model, options);
    std::ifstream in(path("log.csv"));
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    if (whole.empty()) whole = text;
    EXPECT_EQ(text, whole);
    return history;
  };
  expect_exact(make_model, fit, change, path("scheduled"), 3);
}

Dataset resume_data(std::int64_t batches = 5) {
  return Dataset::from_tensors(resume_x(), resume_y()).shuffle({.seed = 7}).batch(5).take(batches);
}

TEST_F(Resume, OfADataSet) {
  const Fit fit = [](Model& model, const FitOptions& options) { return model.fit(resume_data().prefetch({.threads = 2}), options); };
  expect_exact(make_model, fit, [](FitOptions& options) { options.augment = RandomTranslation(0.2, 0.2); }, path("set"));
  expect_exact(make_model, fit, [](FitOptions& options) { options.steps_per_epoch = 3; }, path("steps"));
}

TEST_F(Resume, OfAnEndlessDataSet) {
  const Fit fit = [](Model& model, const FitOptions& options) { return model.fit(resume_data().repeat(), options); };
  expect_exact(make_model, fit, [](FitOptions& options) { options.steps_per_epoch = 4; }, path("endless"), 2);
}

TEST_F(Resume, OfBatchesFromAFunction) {
  const Fit fit = [](Model& model, const FitOptions& options) {
    const Dataset source = Dataset::from_generator([](std::int64_t /*epoch*/) -> Dataset::Generator {
      auto next = std::make_shared<std::int64_t>(0);
      return [next](Batch& batch) {
        if (*next >= resume_images) return false;
        batch = {.x = resume_x().rows(*next, std::min<std::int64_t>(*next + 5, resume_images)), .y = resume_y().rows(*next, std::min<std::int64_t>(*next + 5, resume_images))};
        *next += 5;
        return true;
      };
    });
    return model.fit(source, options);
  };
  expect_exact(make_model, fit, [](FitOptions&) {}, path("function"), 2);
}

// Keras's way: a directory, and the same call again.
TEST_F(Resume, BackupAndRestore) {
  Model straight = resume_model();
  const History whole = on_tensors(straight, resume_options([](FitOptions&) {}));
  for (const callbacks::BackupAndRestoreOptions& how : {callbacks::BackupAndRestoreOptions{}, callbacks::BackupAndRestoreOptions{.save_freq = 2},
                                                        callbacks::BackupAndRestoreOptions{.save_freq = 3, .double_checkpoint = true}}) {
    const auto backup = [&] { return callbacks::BackupAndRestore(path("backup"), how); };
    Model first = resume_model();
    EXPECT_THROW(on_tensors(first, resume_options([&](FitOptions& options) { options.callbacks = {backup(), KillAt(path("none"), 8)}; })), Killed);
    EXPECT_TRUE(fs::exists(path("backup/checkpoint.safetensors")));
    Model second = resume_model();
    const History history = on_tensors(second, resume_options([&](FitOptions& options) { options.callbacks = {backup()}; }));
    EXPECT_TRUE(tests::same_bits(second.get_weights(), straight.get_weights()));
    expect_same(history, whole, "backup");
    EXPECT_TRUE(fs::is_empty(path("backup"))) << "a training that has come to its end takes its checkpoints away";
  }
}

TEST_F(Resume, BackupByTheClockAndBadArguments) {
  Model model = resume_model();
  const callbacks::BackupAndRestore often(path("often"), {.delete_checkpoint = false, .every_seconds = 1e-9});
  on_tensors(model, resume_options([&](FitOptions& options) { options.callbacks = {often}; }));
  EXPECT_TRUE(fs::exists(path("often/checkpoint.safetensors")));
  EXPECT_TRUE(fs::exists(path("often/checkpoint.previous.safetensors")));
  EXPECT_THAT(message_of([] { callbacks::BackupAndRestore backup("", {}); }), HasSubstr("backup_dir is empty"));
  EXPECT_THAT(message_of([] { callbacks::BackupAndRestore backup("x", {.save_freq = 0}); }), HasSubstr("save_freq is 0"));
  EXPECT_THAT(message_of([] { callbacks::BackupAndRestore backup("x", {.every_seconds = -1}); }), HasSubstr("every_seconds is -1"));
}

// Another process that trains into the directory.
TEST_F(Resume, OneTrainingADirectory) {
  class Second : public Callback {
   public:
    explicit Second(std::string directory) : directory_(std::move(directory)) {}
    void on_train_batch_end(Trainer& /*trainer*/, const Logs& /*logs*/) override {
      if (message.empty())
        message = message_of([&] {
          Model other = resume_model();
          on_tensors(other, {.verbose = 0, .callbacks = {callbacks::BackupAndRestore(directory_)}});
        });
    }
    std::string message;

   private:
    std::string directory_;
  };
  const auto second = std::make_shared<Second>(path("one"));
  Model model = resume_model();
  on_tensors(model, {.verbose = 0, .callbacks = {callbacks::BackupAndRestore(path("one")), second}});
  EXPECT_THAT(second->message, AllOf(HasSubstr("process " + std::to_string(::getpid())), HasSubstr("is training into this directory")));
}

// A callback of the user's own.
class Counts : public Callback {
 public:
  void on_train_batch_end(Trainer& /*trainer*/, const Logs& /*logs*/) override { ++steps; }
  CallbackState state() const override { return {.numbers = {{"steps", steps}, {"odd", std::nan("")}, {"most", HUGE_VAL}, {"least", -HUGE_VAL}}, .texts = {{"name", "ä\n"}}, .tensors = {{"x/y", resume_y()}}}; }
  void restore(const CallbackState& state) override {
    steps = state.numbers.at("steps");
    restored = state;
  }
  double steps = 0;
  CallbackState restored;
};

TEST_F(Resume, AnOwnCallbackGetsItsState) {
  Model first = resume_model();
  EXPECT_THROW(on_tensors(first, resume_options([&](FitOptions& options) { options.callbacks = {Counts(), KillAt(path("own"), 7)}; })), Killed);
  const auto counts = std::make_shared<Counts>();
  Model second = resume_model();
  FitOptions on = resume_options([&](FitOptions& options) { options.callbacks = {counts}; });
  on.resume = path("own");
  on_tensors(second, on);
  EXPECT_EQ(counts->steps, 15);
  EXPECT_TRUE(std::isnan(counts->restored.numbers.at("odd")));
  EXPECT_EQ(counts->restored.numbers.at("most"), HUGE_VAL);
  EXPECT_EQ(counts->restored.numbers.at("least"), -HUGE_VAL);
  EXPECT_EQ(counts->restored.texts.at("name"), "ä\n");
  EXPECT_TRUE(tests::same_bits(counts->restored.tensors.at("x/y"), resume_y()));
}

TEST_F(Resume, APausedFitGoesOn) {
  class Pause : public Callback {
   public:
    explicit Pause(std::string directory) : directory_(std::move(directory)) {}
    void on_train_batch_end(Trainer& trainer, const Logs& /*logs*/) override {
      if (trainer.total_steps() == 5) trainer.pause(directory_);  // the last of the epoch
    }

   private:
    std::string directory_;
  };
  Model straight = resume_model(), first = resume_model(), second = resume_model();
  const History whole = on_tensors(straight, resume_options([](FitOptions&) {}));
  const History part = on_tensors(first, resume_options([&](FitOptions& options) { options.callbacks = {Pause(path("paused"))}; }));
  EXPECT_TRUE(part.stopped);
  EXPECT_EQ(first.steps(), 5);
  FitOptions on = resume_options([](FitOptions&) {});
  on.resume = path("paused/checkpoint.safetensors");  // a file does as well
  expect_same(on_tensors(second, on), whole, "paused");
  EXPECT_TRUE(tests::same_bits(second.get_weights(), straight.get_weights()));
}

TEST_F(Resume, AFitThatWasOverIsOver) {
  Model first = resume_model(), second = resume_model();
  FitOptions options = resume_options([&](FitOptions& o) { o.callbacks = {callbacks::BackupAndRestore(path("over"), {.delete_checkpoint = false})}; });
  on_tensors(first, options);
  options.resume = path("over");
  options.callbacks.clear();
  EXPECT_EQ(on_tensors(second, options).epoch.size(), 3U);
  EXPECT_EQ(second.steps(), first.steps());
  EXPECT_TRUE(tests::same_bits(second.get_weights(), first.get_weights()));
  // With more epochs it goes on.
  Model longer = resume_model(), straight = resume_model();
  options.epochs = 5;
  on_tensors(longer, options);
  on_tensors(straight, {.batch_size = 5, .epochs = 5, .verbose = 0});
  EXPECT_TRUE(tests::same_bits(longer.get_weights(), straight.get_weights()));
}

// ---- what is wrong with a checkpoint ----------------------------------------------------------------------------------

class DamagedCheckpoint : public Resume {
 protected:
  // Checkpoints of steps 10 and 5, and what a fit that was never interrupted gives.
  void SetUp() override {
    Model model = resume_model();
    EXPECT_THROW(on_tensors(model, resume_options([&](FitOptions& options) { options.callbacks = {callbacks::BackupAndRestore(path("dir")), KillAt(path("none"), 11)}; })),
                 Killed);
    on_tensors(straight_, resume_options([](FitOptions&) {}));
  }
  // What it says on standard error.
  std::string goes_on() {
    Model model = resume_model();
    FitOptions options = resume_options([](FitOptions&) {});
    options.resume = path("dir");
    testing::internal::CaptureStderr();
    on_tensors(model, options);
    EXPECT_TRUE(tests::same_bits(model.get_weights(), straight_.get_weights()));
    return testing::internal::GetCapturedStderr();
  }
  std::string last() const { return path("dir/checkpoint.safetensors"); }
  std::string previous() const { return path("dir/checkpoint.previous.safetensors"); }

  Model straight_ = resume_model();
};

TEST_F(DamagedCheckpoint, WholeNothingIsSaid) { EXPECT_EQ(goes_on(), ""); }

TEST_F(DamagedCheckpoint, TruncatedTheOneBeforeIsUsed) {
  for (const double share : {0.0, 0.001, 0.5, 0.999}) {
    fs::resize_file(last(), static_cast<std::uintmax_t>(static_cast<double>(fs::file_size(last())) * share));
    EXPECT_THAT(goes_on(), AllOf(HasSubstr("checkpoint.safetensors: is damaged"), HasSubstr("the checkpoint before it is used")));
  }
}

TEST_F(DamagedCheckpoint, ABitFlippedTheOneBeforeIsUsed) {
  const auto size = static_cast<std::int64_t>(fs::file_size(last()));
  for (std::int64_t at = 0; at < size; at += 97 + size / 40) {
    std::fstream file(last(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const auto byte = static_cast<char>(file.get() ^ 4);
    file.seekp(at);
    file.put(byte);
    file.close();
    EXPECT_THAT(goes_on(), HasSubstr("the checkpoint before it is used")) << "byte " << at;
    std::fstream back(last(), std::ios::in | std::ios::out | std::ios::binary);
    back.seekp(at);
    back.put(static_cast<char>(byte ^ 4));
  }
  EXPECT_EQ(goes_on(), "");
}

TEST_F(DamagedCheckpoint, MissingBecauseASaveWasInterrupted) {
  fs::remove(last());
  EXPECT_THAT(goes_on(), HasSubstr("is missing, as after an interrupted save"));
}

TEST_F(DamagedCheckpoint, BothDamagedIsAnError) {
  for (const std::string& file : {last(), previous()}) fs::resize_file(file, 100);
  Model model = resume_model();
  const std::vector<Tensor> before = model.get_weights();
  testing::internal::CaptureStderr();
  EXPECT_THAT(message_of([&] { on_tensors(model, {.verbose = 0, .resume = path("dir")}); }), HasSubstr("checkpoint.previous.safetensors"));
  testing::internal::GetCapturedStderr();
  EXPECT_TRUE(tests::same_bits(model.get_weights(), before));
}

TEST_F(DamagedCheckpoint, NoneIsAnError) {
  Model model = resume_model();
  EXPECT_THAT(message_of([&] { on_tensors(model, {.verbose = 0, .resume = path("empty")}); }), HasSubstr("empty"));
  fs::create_directory(path("empty"));
  EXPECT_THAT(message_of([&] { on_tensors(model, {.verbose = 0, .resume = path("empty")}); }), HasSubstr("there is no checkpoint"));
  model.save(path("model"));
  EXPECT_THAT(message_of([&] { on_tensors(model, {.verbose = 0, .resume = path("model/model.safetensors")}); }), HasSubstr("not the place of a fit"));
}

// A checkpoint is a model, too: training goes on from its weights and optimizer, in a fit of its own.
TEST_F(DamagedCheckpoint, ItLoadsAsAModel) {
  Model model = load_model(last());
  EXPECT_EQ(model.steps(), 10);
  on_tensors(model, {.batch_size = 5, .epochs = 1, .verbose = 0});
  EXPECT_TRUE(tests::same_bits(model.get_weights(), straight_.get_weights()));
}

// Each difference is named, and allowed by its name alone.
TEST_F(DamagedCheckpoint, OfAnotherTraining) {
  const FitOptions same = resume_options([](FitOptions&) {});
  struct Case {
    std::string name;
    std::function<void(FitOptions)> fit;
  };
  const std::vector<Case> cases = {
      {"data", [](const FitOptions& o) { Model m = resume_model(); m.fit(resume_x(0.4F), resume_y(), o); }},
      {"seed", [](const FitOptions& o) { Model m = resume_model(optimizers::Adam({.learning_rate = 0.01}), 8); on_tensors(m, o); }},
      {"compile", [](const FitOptions& o) { Model m = resume_model(optimizers::SGD({.learning_rate = 0.1})); on_tensors(m, o); }},
      {"settings", [](FitOptions o) { Model m = resume_model(); o.batch_size = 4; on_tensors(m, o); }},
      {"augment", [](FitOptions o) { Model m = resume_model(); o.augment = RandomFlip(); on_tensors(m, o); }},
      {"precision", [](FitOptions o) { Model m = resume_model(); o.accuracy = "exact"; on_tensors(m, o); }},
      {"callbacks", [](FitOptions o) { Model m = resume_model(); o.callbacks = {callbacks::EarlyStopping({.monitor = "loss"})}; on_tensors(m, o); }},
  };
  for (const Case& one : cases) {
    FitOptions options = same;
    options.resume = path("dir");
    const std::string said = message_of([&] { one.fit(options); });
    const std::string place = one.name == "compile" ? "optimizer.class_name: " : "";
    EXPECT_THAT(said, HasSubstr(one.name == "callbacks" ? "was made with the callbacks" : "\n  " + one.name + ": " + place + "the checkpoint has")) << one.name;
    if (one.name == "compile") {
      EXPECT_THAT(said, HasSubstr("more\ngive what the checkpoint has")) << "not all that follows from another optimizer";
    }
    EXPECT_THAT(said, HasSubstr("(here: " + one.name + ")"));
    options.allow_changed = {one.name};
    EXPECT_NO_THROW(one.fit(options)) << one.name;
  }
  Model wider = resume_model(optimizers::Adam({.learning_rate = 0.01}), 7, 5);
  FitOptions options = same;
  options.resume = path("dir");
  options.allow_changed = {"data", "seed", "compile", "settings", "augment", "precision", "callbacks", "cpu"};
  EXPECT_THAT(message_of([&] { on_tensors(wider, options); }), AllOf(HasSubstr("network: the checkpoint has one of 6 layers and"), HasSubstr("another network cannot go on from it"), Not(HasSubstr("allow_changed"))));
  options.allow_changed = {"dta"};
  EXPECT_THAT(message_of([&] { on_tensors(wider, options); }), HasSubstr("there is no \"dta\" (did you mean \"data\"?)"));
}

TEST_F(Resume, CheckpointsAreMadeBetweenStepsOnly) {
  class Early : public Callback {
   public:
    void on_train_batch_begin(Trainer& trainer) override {
      said = message_of([&] { trainer.save_checkpoint("x"); });
      resumes = message_of([&] { trainer.resume("x"); });
    }
    std::string said, resumes;
  };
  const auto early = std::make_shared<Early>();
  Model model = resume_model();
  on_tensors(model, {.verbose = 0, .callbacks = {early}});
  EXPECT_THAT(early->said, HasSubstr("a checkpoint is made between steps"));
  EXPECT_THAT(early->resumes, HasSubstr("when it begins"));
}

// A disk that is full for a while costs a checkpoint, not the training.
TEST_F(Resume, ACheckpointThatCannotBeWrittenIsSaid) {
  std::ofstream(path("file")) << "no directory";
  class Save : public Callback {
   public:
    explicit Save(std::string directory) : directory_(std::move(directory)) {}
    void on_epoch_end(Trainer& trainer, const Logs& /*logs*/) override { trainer.save_checkpoint(directory_); }

   private:
    std::string directory_;
  };
  Model model = resume_model();
  testing::internal::CaptureStderr();
  on_tensors(model, resume_options([&](FitOptions& options) { options.callbacks = {Save(path("file"))}; }));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), AllOf(HasSubstr("the checkpoint of step 5 was not saved"), HasSubstr("the checkpoint of step 15 was not saved")));
  EXPECT_EQ(model.steps(), 15);
}

}  // namespace
}  // namespace linn
