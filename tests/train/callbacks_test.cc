// Callbacks, told of epochs by hand as Keras's were, and in trainings of a small network.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/test_files.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "linn/model.h"
#include "support/message_of.h"
#include "support/same_bits.h"
#include "support/source_tree.h"

namespace linn {
namespace {

using namespace callbacks;

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using tests::message_of;
namespace fs = std::filesystem;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// ---- EarlyStopping against traces of Keras 3.15 ------------------------------------------------------------------

// The weights are the number of the epoch.
class Told : public Trainer {
 public:
  std::int64_t epoch() const override { return epoch_; }
  std::int64_t epochs() const override { return 100; }
  std::int64_t steps_per_epoch() const override { return 1; }
  std::vector<std::string> log_names() const override { return {"accuracy", "loss", "val_accuracy", "val_loss"}; }
  std::int64_t step() const override { return 1; }
  std::int64_t total_steps() const override { return epoch_ + 1; }
  double seconds() const override { return 1; }
  void stop() override { stopped_ = true; }
  void save_checkpoint(const std::string& /*directory*/) override {}
  void pause(const std::string& /*directory*/) override {}
  bool paused() const override { return false; }
  void resume(const std::string& /*directory*/) override {}
  void log(const std::string&, double) override {}
  std::optional<bool> larger_is_better(std::string_view name) const override { return name.ends_with("accuracy"); }
  double learning_rate() const override { return rate_; }
  void set_learning_rate(double rate) override { rate_ = rate; }
  void save(const std::string&) override {}
  void save_weights(const std::string&) override {}
  void swap_ema_weights() override {}
  void set_ema_weights() override {}
  std::vector<Tensor> weights() const override { return {Tensor::from(std::vector<double>{static_cast<double>(epoch_)}, {1})}; }
  void set_weights(const std::vector<Tensor>& weights) override { restored_ = static_cast<std::int64_t>(weights[0].values<double>()[0]); }

  std::int64_t epoch_ = 0, restored_ = -1;
  bool stopped_ = false;
  double rate_ = 0.1;
};

struct Trace {
  std::vector<std::optional<double>> values;  // none: an epoch without validation
  EarlyStoppingOptions options;
  std::int64_t stopped, best, restored, last;  // -1: never
};

TEST(EarlyStopping, DoesWhatKerasDoes) {
  const std::optional<double> none;
  // What keras.callbacks.EarlyStopping of Keras 3.15.1 did with these values.
  const std::vector<Trace> traces = {
      {{3, 2, 1}, {}, -1, 2, -1, 2},
      {{3, 2, 2.5, 1}, {}, 2, 1, -1, 2},
      {{3, 2, 2.5, 1}, {.patience = 1}, 2, 1, -1, 2},
      {{3, 2, 2.5, 2.6, 1}, {.patience = 2}, 3, 1, -1, 3},
      {{1, 2, 3}, {.mode = "max"}, -1, 2, -1, 2},
      {{3, 2.95, 2.9, 2.85}, {.min_delta = 0.2, .patience = 2}, 2, 0, -1, 2},
      {{3, 2.95, 2.75, 2.74}, {.min_delta = -0.2, .patience = 2}, -1, 2, -1, 3},
      {{5, 6, 7, 1, 2}, {.start_from_epoch = 3}, 4, 3, -1, 4},
      {{3, 2, 4}, {.restore_best_weights = true}, 2, 1, 1, 2},
      {{3, 2, 1.5, 1.2}, {.patience = 2, .baseline = 1, .restore_best_weights = true}, -1, 3, 3, 3},
      {{3, 2, 0.9, 0.95, 0.8}, {.patience = 3, .baseline = 1, .restore_best_weights = true}, -1, 4, 4, 4},
      {{0.5, 0.9, 0.95}, {.patience = 2, .baseline = 1, .restore_best_weights = true}, 2, 0, 0, 2},
      {{3, 4, 5}, {.patience = 2, .baseline = 1, .restore_best_weights = true}, 1, 0, 0, 1},
      {{3, none, 4, none, 2}, {.patience = 1}, 2, 0, -1, 2},
      {{nan, 1, 0.5}, {.patience = 2, .restore_best_weights = true}, 2, 0, 0, 2},
      {{2, nan, 1}, {.patience = 2}, -1, 2, -1, 2},
      {{1}, {}, -1, 0, -1, 0},
      {{2, 1}, {.restore_best_weights = true}, -1, 1, 1, 1},
      {{1, 1, 1}, {.patience = 1, .restore_best_weights = true}, 1, 0, 0, 1},
  };
  for (std::size_t i = 0; i < traces.size(); ++i) {
    const Trace& trace = traces[i];
    EarlyStopping callback(trace.options);
    Told trainer;
    callback.on_train_begin(trainer);
    for (std::size_t e = 0; e < trace.values.size() && !trainer.stopped_; ++e) {
      trainer.epoch_ = static_cast<std::int64_t>(e);
      Logs logs = {{"loss", 1}};
      if (trace.values[e]) logs["val_loss"] = *trace.values[e];
      callback.on_epoch_end(trainer, logs);
    }
    callback.on_train_end(trainer, {});
    EXPECT_EQ(callback.stopped_epoch(), trace.stopped) << "trace " << i;
    EXPECT_EQ(trainer.stopped_, trace.stopped >= 0) << "trace " << i;
    EXPECT_EQ(callback.best_epoch(), trace.best) << "trace " << i;
    EXPECT_EQ(trainer.restored_, trace.restored) << "trace " << i;
    EXPECT_EQ(trainer.epoch_, trace.last) << "trace " << i;
  }
}

TEST(EarlyStopping, AutoModeFollowsTheMetric) {
  for (const std::string monitor : {"accuracy", "val_accuracy", "loss", "val_loss"}) {
    EarlyStopping callback({.monitor = monitor, .patience = 5});
    Told trainer;
    callback.on_train_begin(trainer);
    callback.on_epoch_end(trainer, {{monitor, 0.5}});
    trainer.epoch_ = 1;
    callback.on_epoch_end(trainer, {{monitor, 0.6}});
    EXPECT_EQ(callback.best_epoch(), monitor.ends_with("accuracy") ? 1 : 0) << monitor;
  }
}

TEST(EarlyStopping, RefusesNonsense) {
  EXPECT_THAT(message_of<ValueError>([] { EarlyStopping({.patience = -1}); }), HasSubstr("patience is -1"));
  EXPECT_THAT(message_of<ValueError>([] { EarlyStopping({.mode = std::string("mxa")}); }),
              AllOf(HasSubstr("\"mxa\""), HasSubstr("did you mean \"max\"?")));
}

// ---- in trainings ------------------------------------------------------------------------------------------------

constexpr int most = 12;

class InFit : public testing::Test {
 protected:
  void SetUp() override {
    model_.add(Dense(1, {.kernel_initializer = "zeros", .input_shape = {1}}));
    model_.compile({.optimizer = optimizers::SGD({.learning_rate = 0.01}), .loss = "mean_squared_error"});
  }

  std::string path(const std::string& name) const { return folder_ / name; }
  std::string text(const std::string& name) const { return tests::text_of(path(name)); }

  static Tensor numbers(std::int64_t count = most) {
    Tensor tensor({count, 1});
    for (std::int64_t i = 0; i < count; ++i)
      tensor.values<float>()[static_cast<std::size_t>(i)] = static_cast<float>(i) / static_cast<float>(count);
    return tensor;
  }
  History fit(std::vector<CallbackHandle> callbacks, FitOptions options = {}) {
    options.verbose = 0;
    options.callbacks = std::move(callbacks);
    return model_.fit(numbers(), numbers(), options);
  }
  static FitOptions validated(std::int64_t epochs, std::int64_t frequency = 1) {
    return {.batch_size = 4, .epochs = epochs, .validation_data = {numbers(), numbers()}, .validation_freq = frequency};
  }
  std::vector<float> weights() const {
    const Tensor kernel = model_.get_weights()[0];
    return {kernel.values<float>().begin(), kernel.values<float>().end()};
  }

  test::TempDir temporary_;
  fs::path folder_ = temporary_.path();
  Sequential model_;
};

TEST_F(InFit, EpochsWithoutValidationAreSkipped) {
  const auto early = std::make_shared<EarlyStopping>(EarlyStoppingOptions{.patience = 2});
  const History history = fit({early, ModelCheckpoint(path("best-{epoch}"), {.save_best_only = true})}, validated(3, 2));
  EXPECT_THAT(history.epoch, ElementsAre(0, 1, 2));
  EXPECT_EQ(early->best_epoch(), 1);
  EXPECT_FALSE(fs::exists(path("best-1")));
  EXPECT_TRUE(fs::exists(path("best-2")));
  EXPECT_FALSE(fs::exists(path("best-3")));
}

TEST_F(InFit, UnknownMonitorsAreRefusedBeforeTheFirstStep) {
  const std::vector<float> before = weights();
  EXPECT_THAT(message_of<ValueError>([&] { fit({EarlyStopping({.monitor = "val_los"})}, validated(1)); }),
              AllOf(HasSubstr("EarlyStopping"), HasSubstr("did you mean \"val_loss\"?")));
  EXPECT_THAT(message_of<ValueError>([&] { fit({EarlyStopping()}); }), AllOf(HasSubstr("\"val_loss\""), HasSubstr("validation_data")));
  EXPECT_THAT(message_of<ValueError>([&] { fit({ModelCheckpoint(path("m"), {.save_best_only = true})}); }), HasSubstr("ModelCheckpoint"));
  EXPECT_THAT(message_of<ValueError>([&] { fit({ModelCheckpoint(path("{val_loss}"))}); }), HasSubstr("cannot be filled in"));
  EXPECT_THAT(message_of<ValueError>([&] { fit({ModelCheckpoint(path("{batch}"))}); }), HasSubstr("cannot be filled in"));
  EXPECT_EQ(weights(), before);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(InFit, BestWeightsComeBack) {
  // A rate far too large: the first epoch is the best.
  model_.compile({.optimizer = optimizers::SGD({.learning_rate = 3}), .loss = "mean_squared_error"});
  std::vector<float> first;
  struct Note : Callback {
    explicit Note(std::function<void(Trainer&)> call) : call(std::move(call)) {}
    void on_epoch_end(Trainer& trainer, const Logs&) override { call(trainer); }
    std::function<void(Trainer&)> call;
  };
  Note note([&](Trainer& trainer) {
    if (trainer.epoch() == 0) first = weights();
  });
  const auto early = std::make_shared<EarlyStopping>(EarlyStoppingOptions{.monitor = "loss", .patience = 2, .restore_best_weights = true});
  const History history = fit({note, early}, {.batch_size = 4, .epochs = 20});
  EXPECT_TRUE(history.stopped);
  EXPECT_EQ(history.epoch.size(), 3U);
  EXPECT_EQ(early->stopped_epoch(), 2);
  EXPECT_EQ(weights(), first);
}

TEST_F(InFit, CheckpointsFillInTheirNames) {
  const History history = fit({ModelCheckpoint(path("{epoch:02d}-{val_loss:.3f}"))}, validated(2));
  for (int epoch = 0; epoch < 2; ++epoch) {
    const std::string name = fmt::format("{:02d}-{:.3f}", epoch + 1, history["val_loss"][static_cast<std::size_t>(epoch)]);
    EXPECT_TRUE(fs::exists(path(name + "/model.safetensors"))) << name;
  }
  EXPECT_NO_THROW(load_model(path("02-" + fmt::format("{:.3f}", history["val_loss"][1]))));
}

TEST_F(InFit, CheckpointsWithoutTheNumberAreStillSaved) {
  fit({ModelCheckpoint(path("{epoch}-{val_loss:.3f}"))}, validated(1, 2));
  EXPECT_TRUE(fs::exists(path("1-nan")));
}

TEST_F(InFit, CheckpointsOfWeightsMakeTheirFolder) {
  fit({ModelCheckpoint(path("deep/er/w{epoch}.safetensors"), {.save_weights_only = true})}, {.epochs = 2});
  const std::vector<float> trained = weights();
  model_.set_weights({Tensor({1, 1}), Tensor({1})});
  model_.load_weights(path("deep/er/w2.safetensors"));
  EXPECT_EQ(weights(), trained);
}

TEST_F(InFit, CheckpointsAfterSteps) {
  // Three steps an epoch; the count goes on over epochs.
  fit({ModelCheckpoint(path("{epoch}-{batch}"), {.save_freq = 2})}, {.batch_size = 4, .epochs = 2});
  for (const std::string name : {"1-2", "2-1", "2-3"}) EXPECT_TRUE(fs::exists(path(name))) << name;
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 3);
  EXPECT_THAT(message_of<ValueError>([] { ModelCheckpoint("m", {.save_freq = 0}); }), HasSubstr("save_freq is 0"));
  EXPECT_THAT(message_of<ValueError>([] { ModelCheckpoint("m", {.save_best_only = true, .save_freq = 5}); }), HasSubstr("val_loss"));
}

TEST_F(InFit, OnlyBetterOnesThanTheThresholdAndAllBefore) {
  const auto strict = std::make_shared<ModelCheckpoint>(
      path("strict-{epoch}"), ModelCheckpointOptions{.monitor = "loss", .save_best_only = true, .initial_value_threshold = 0.0});
  const auto best = std::make_shared<ModelCheckpoint>(path("best-{epoch}"),
                                                      ModelCheckpointOptions{.monitor = "loss", .save_best_only = true, .mode = "min"});
  const auto worst = std::make_shared<ModelCheckpoint>(path("worst-{epoch}"),
                                                       ModelCheckpointOptions{.monitor = "loss", .save_best_only = true, .mode = "max"});
  fit({strict, best, worst}, {.epochs = 3});
  EXPECT_FALSE(fs::exists(path("strict-1")));
  for (const std::string name : {"best-1", "best-2", "best-3", "worst-1"}) EXPECT_TRUE(fs::exists(path(name))) << name;
  EXPECT_FALSE(fs::exists(path("worst-2")));
}

TEST_F(InFit, LogAsTable) {
  const History history = fit({CSVLogger(path("a.csv"), {.separator = ";"})}, validated(3, 2));
  EXPECT_EQ(text("a.csv"), fmt::format("epoch;loss;val_loss\n0;{};NA\n1;{};{}\n2;{};NA\n", history["loss"][0], history["loss"][1],
                                       history["val_loss"][0], history["loss"][2]));
  fit({CSVLogger(path("a.csv"))}, {.epochs = 1});
  EXPECT_THAT(text("a.csv"), testing::MatchesRegex("epoch,loss,val_loss\n0,[0-9.e-]+,NA\n"))
      << "Keras has these columns without validation too";
}

TEST_F(InFit, LogGoesOnWhereItWas) {
  fit({CSVLogger(path("a.csv"), {.append = true})}, {.epochs = 1});
  fit({CSVLogger(path("a.csv"), {.append = true})}, {.epochs = 2, .initial_epoch = 1});
  EXPECT_THAT(text("a.csv"), testing::MatchesRegex("epoch,loss,val_loss\n0,[^\n]*\n1,[^\n]*\n"));
  std::ofstream(path("empty.csv")).close();
  fit({CSVLogger(path("empty.csv"), {.append = true})}, {.epochs = 1});
  EXPECT_THAT(text("empty.csv"), testing::StartsWith("epoch,"));
}

TEST_F(InFit, LogThatCannotBeWrittenIsRefusedBeforeTheFirstStep) {
  const std::vector<float> before = weights();
  EXPECT_THROW(fit({CSVLogger(path("none/a.csv"))}), IoError);
  fs::create_directory(path("folder"));
  EXPECT_THROW(fit({CSVLogger(path("folder"), {.append = true})}), IoError) << "what cannot be read is not replaced";
  EXPECT_EQ(weights(), before);
}

// ---- which batches, which calls ----------------------------------------------------------------------------------

// With rate 0 the loss of a batch of one says which sample it was: (0 - y)^2.
std::vector<std::int64_t> samples_of(Sequential& model, FitOptions options) {
  struct Note : Callback {
    void on_train_batch_end(Trainer& trainer, const Logs& logs) override {
      const auto steps = static_cast<double>(trainer.step());
      if (trainer.step() == 1) sum = 0;
      const double now = logs.at("loss") * steps;
      seen.push_back(std::lround(std::sqrt(now - sum)));
      sum = now;
    }
    std::vector<std::int64_t> seen;
    double sum = 0;
  };
  const auto note = std::make_shared<Note>();
  options.batch_size = 1;
  options.verbose = 0;
  options.callbacks = {note};
  Tensor x({10, 1}), y({10, 1});
  for (std::size_t i = 0; i < 10; ++i) y.values<float>()[i] = static_cast<float>(i);
  model.fit(x, y, options);
  return note->seen;
}

Sequential still_model() {
  Sequential model;
  model.add(Dense(1, {.input_shape = {1}}));
  model.compile({.optimizer = optimizers::SGD({.learning_rate = 1e-30}), .loss = "mean_squared_error"});
  return model;
}

TEST(StepsPerEpoch, GoOnThroughTheData) {
  Sequential model = still_model();
  // Keras 3.15: epochs of 4, 4 and 2 steps over ten samples, then from the beginning.
  EXPECT_THAT(samples_of(model, {.epochs = 4, .shuffle = false, .steps_per_epoch = 4}),
              ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3));
  EXPECT_THAT(samples_of(model, {.epochs = 3, .shuffle = false, .steps_per_epoch = 5}),
              ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4));
  EXPECT_EQ(samples_of(model, {.epochs = 2, .shuffle = false, .steps_per_epoch = 20}).size(), 20U) << "no more than the data";
}

TEST(StepsPerEpoch, ShuffleOncePerPass) {
  Sequential model = still_model();
  std::vector<std::int64_t> seen = samples_of(model, {.epochs = 6, .steps_per_epoch = 4});
  ASSERT_EQ(seen.size(), 20U);
  const std::vector<std::int64_t> first(seen.begin(), seen.begin() + 10), second(seen.begin() + 10, seen.end());
  EXPECT_THAT(first, testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_THAT(second, testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_NE(first, second);
}

TEST(StepsPerEpoch, OneCycleCountsTheShortEpochs) {
  struct Rates : Callback {
    void on_train_batch_begin(Trainer& trainer) override { rates.push_back(trainer.learning_rate()); }
    std::vector<double> rates;
  };
  const auto rates_with = [](std::int64_t epochs, std::int64_t steps) {
    Sequential model;
    model.add(Dense(1, {.input_shape = {1}}));
    model.compile({.optimizer = optimizers::SGD({.learning_rate = optimizers::schedules::OneCycle()}), .loss = "mean_squared_error"});
    const auto rates = std::make_shared<Rates>();
    model.fit(Tensor({10, 1}), Tensor({10, 1}),
              {.batch_size = 1, .epochs = epochs, .verbose = 0, .callbacks = {rates}, .steps_per_epoch = steps});
    return rates->rates;
  };
  EXPECT_EQ(rates_with(3, 4), rates_with(1, 0)) << "4 + 4 + 2 steps are one pass";
}

class Recorder : public Callback {
 public:
  void on_train_begin(Trainer&) override { calls += "train("; }
  void on_train_end(Trainer&, const Logs&) override { calls += ")"; }
  void on_epoch_begin(Trainer& trainer) override { calls += fmt::format("epoch{}(", trainer.epoch()); }
  void on_epoch_end(Trainer&, const Logs& logs) override { calls += logs.contains("val_loss") ? "val)" : ")"; }
  void on_train_batch_begin(Trainer& trainer) override {
    calls += fmt::format("b{}(", trainer.step());
    Callback::on_train_batch_begin(trainer);
  }
  void on_train_batch_end(Trainer& trainer, const Logs& logs) override {
    Callback::on_train_batch_end(trainer, logs);
    calls += ")";
  }
  void on_batch_begin(Trainer&) override { calls += "["; }
  void on_batch_end(Trainer&, const Logs&) override { calls += "]"; }
  void on_test_begin() override { calls += "test("; }
  void on_test_end(const Logs& logs) override { calls += logs.contains("loss") ? "loss)" : ")"; }
  void on_test_batch_begin(std::int64_t batch) override { calls += fmt::format("t{}(", batch); }
  void on_test_batch_end(std::int64_t, const Logs& logs) override { calls += logs.contains("loss") ? ")" : "?"; }
  void on_predict_begin() override { calls += "predict("; }
  void on_predict_end() override { calls += ")"; }
  void on_predict_batch_begin(std::int64_t batch) override { calls += fmt::format("p{}(", batch); }
  void on_predict_batch_end(std::int64_t) override { calls += ")"; }

  std::string calls;
};

TEST_F(InFit, CallsComeInKerassOrder) {
  const auto recorder = std::make_shared<Recorder>();
  FitOptions options = validated(2, 2);
  options.batch_size = 6;
  fit({recorder}, options);
  EXPECT_EQ(recorder->calls, "train(epoch0(b0([])b1([]))epoch1(b0([])b1([])test(t0()t1()loss)val))");
  recorder->calls.clear();
  model_.evaluate(numbers(), numbers(), {.batch_size = 6, .verbose = 0, .callbacks = {recorder}});
  EXPECT_EQ(recorder->calls, "test(t0()t1()loss)");
  recorder->calls.clear();
  model_.predict(numbers(), {.batch_size = 5, .callbacks = {recorder}});
  EXPECT_EQ(recorder->calls, "predict(p0()p1()p2())");
  recorder->calls.clear();
  model_.predict(numbers(), {.callbacks = {recorder}});
  EXPECT_EQ(recorder->calls, "predict(p0())");
  model_.predict(numbers(33), {.callbacks = {recorder}});
  EXPECT_THAT(recorder->calls, testing::EndsWith("predict(p0()p1())")) << "32 at once, as in Keras";
}

TEST_F(InFit, ValidationStepsAreTheFirstBatchesEachTime) {
  const auto recorder = std::make_shared<Recorder>();
  model_.compile({.optimizer = optimizers::SGD({.learning_rate = 1e-30}), .loss = "mean_squared_error"});
  FitOptions options = validated(2);
  options.validation_steps = 2;
  const History history = fit({recorder}, options);
  EXPECT_THAT(recorder->calls, HasSubstr("test(t0()t1()loss)val"));
  EXPECT_EQ(history["val_loss"][0], history["val_loss"][1]);
  const double first_two = model_.evaluate(numbers().rows(0, 8), numbers().rows(0, 8), {.verbose = 0})["loss"];
  EXPECT_NEAR(history["val_loss"][0], first_two, 1e-6);
}

TEST_F(InFit, TrainersDoWhatTheyAreTold) {
  struct Teller : Callback {
    explicit Teller(std::string folder) : folder(std::move(folder)) {}
    void on_train_batch_end(Trainer& trainer, const Logs&) override {
      if (trainer.total_steps() == 1) trainer.set_learning_rate(0.5);
      if (trainer.total_steps() == 2) {
        rate = trainer.learning_rate();
        EXPECT_THROW(trainer.set_learning_rate(-1), ValueError);
        EXPECT_THROW(trainer.set_weights({}), ValueError);
        std::vector<Tensor> other = trainer.weights();
        other[0] = Tensor({7});
        EXPECT_THROW(trainer.set_weights(other), ShapeError);
        trainer.save(folder + "/model");
        trainer.save_weights(folder + "/w.safetensors");
        trainer.stop();
      }
    }
    std::string folder;
    double rate = 0;
  };
  const auto teller = std::make_shared<Teller>(folder_);
  const History history = fit({teller}, {.batch_size = 4, .epochs = 5});
  EXPECT_EQ(teller->rate, 0.5);
  EXPECT_TRUE(history.stopped);
  EXPECT_TRUE(history.epoch.empty()) << "an epoch that was not finished";
  EXPECT_EQ(Sequential(load_model(path("model"))).get_weights()[0].values<float>()[0], weights()[0]);
  Sequential other;
  other.add(Dense(1, {.name = "dense", .input_shape = {1}}));
  other.load_weights(path("w.safetensors"));
  EXPECT_EQ(other.get_weights()[0].values<float>()[0], weights()[0]);
}

// ---- ReduceLROnPlateau against traces of Keras 3.15 --------------------------------------------------------------

TEST(ReduceLROnPlateau, DoesWhatKerasDoes) {
  struct Case {
    std::vector<std::optional<double>> values;  // none: an epoch without validation
    ReduceLROnPlateauOptions options;
    std::vector<double> rates;  // after each epoch
  };
  const std::optional<double> none;
  const std::vector<Case> cases = {
      {{3, 2, 2, 2, 2, 2, 2}, {.patience = 2}, {.1, .1, .1, .01, .01, .001, .001}},
      {{3, 2, 2, 2, 2, 2, 2, 2}, {.patience = 2, .cooldown = 2}, {.1, .1, .1, .01, .01, .01, .001, .001}},
      {{3, 2.95, 2.9, 2.5, 2.45, 2.4}, {.patience = 1, .min_delta = 0.2}, {.1, .01, .001, .001, .0001, .00001}},
      {{1, 2, 3, 3, 3}, {.factor = 0.5, .patience = 1, .mode = "max"}, {.1, .1, .1, .05, .025}},
      {{2, 2, 2, 2}, {.factor = 0.5, .patience = 1, .min_lr = 0.03}, {.1, .05, .03, .03}},
      {{none, 2, none, 2, 2}, {.patience = 1}, {.1, .1, .1, .01, .001}},
      {{nan, 1, 1, nan, .5, .5}, {.patience = 1}, {.1, .01, .001, .0001, .00001, .000001}},
      {{1, 1, 1, 1}, {.patience = 0}, {.1, .01, .001, .0001}},
      {{2, 2, 1, 1, 1, 1, 1}, {.factor = 0.3, .patience = 2, .cooldown = 3}, {.1, .1, .1, .1, .03, .03, .03}},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    ReduceLROnPlateau callback(cases[i].options);
    Told trainer;
    callback.on_train_begin(trainer);
    for (std::size_t e = 0; e < cases[i].values.size(); ++e) {
      trainer.epoch_ = static_cast<std::int64_t>(e);
      Logs logs = {{"loss", 1}};
      if (cases[i].values[e]) logs["val_loss"] = *cases[i].values[e];
      callback.on_epoch_end(trainer, logs);
      EXPECT_NEAR(trainer.rate_, cases[i].rates[e], 1e-6 * cases[i].rates[e]) << "case " << i << ", epoch " << e;
    }
  }
  EXPECT_THAT(message_of<ValueError>([] { ReduceLROnPlateau({.factor = 1}); }), HasSubstr("factor is 1; it must be in (0, 1)"));
  EXPECT_THAT(message_of<ValueError>([] { ReduceLROnPlateau({.patience = -1}); }), HasSubstr("patience is -1"));
  EXPECT_THAT(message_of<ValueError>([] { ReduceLROnPlateau({.min_lr = -1}); }), HasSubstr("min_lr is -1"));
  Told trainer;
  EXPECT_THAT(message_of<ValueError>([&] { ReduceLROnPlateau({.monitor = "val_los"}).on_train_begin(trainer); }), HasSubstr("did you mean \"val_loss\"?"));
}

TEST_F(InFit, RatesOfASchedulerAreLogged) {
  const History history = fit({LearningRateScheduler([](std::int64_t epoch, double rate) { return epoch == 0 ? rate : rate / 2; }),
                               LambdaCallback({.on_epoch_end = [](Trainer& trainer, const Logs& logs) {
                                 EXPECT_EQ(logs.at("learning_rate"), trainer.learning_rate()) << "callbacks behind it see it";
                               }})},
                              {.batch_size = 4, .epochs = 3});
  const std::vector<double>& rates = history["learning_rate"];
  ASSERT_EQ(rates.size(), 3U);
  EXPECT_EQ(rates[1], rates[0] / 2);
  EXPECT_EQ(rates[2], rates[0] / 4);
  const History second = fit({LearningRateScheduler([](std::int64_t epoch) { return epoch == 0 ? 0.0 : 0.5; })}, {.batch_size = 4, .epochs = 2});
  EXPECT_EQ(second["learning_rate"], (std::vector<double>{0, 0.5}));
  EXPECT_THAT(message_of<ValueError>([&] { fit({LearningRateScheduler([](std::int64_t) { return -1.0; })}, {.epochs = 1}); }),
              HasSubstr("the schedule gave -1 for epoch 0"));
}

TEST_F(InFit, NanEndsTheTraining) {
  Tensor broken = numbers().clone().astype(DType::f32);
  broken.values<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  const auto run = [&](TerminateOnNaNOptions options) {
    return model_.fit(broken, broken, {.batch_size = 4, .epochs = 3, .verbose = 0, .callbacks = {TerminateOnNaN(options)}, .shuffle = false});
  };
  const History history = run({});
  EXPECT_TRUE(history.stopped);
  EXPECT_TRUE(history.epoch.empty());
  EXPECT_THAT(message_of<StateError>([&] { run({.raise_error = true}); }), HasSubstr("the loss is nan after batch 0 of epoch 1"));
}

TEST_F(InFit, LambdasAreCalledInOrder) {
  std::string calls;
  const auto note = [&](const char* text) { return [&calls, text](Trainer&) { calls += text; }; };
  const auto note_logs = [&](const char* text) { return [&calls, text](Trainer&, const Logs&) { calls += text; }; };
  fit({LambdaCallback({.on_epoch_begin = note("e("),
                       .on_epoch_end = note_logs(")"),
                       .on_train_begin = note("t("),
                       .on_train_end = note_logs(")"),
                       .on_train_batch_begin = note("b("),
                       .on_train_batch_end = note_logs(")")}),
       LambdaCallback({})},
      {.batch_size = 6, .epochs = 1});
  EXPECT_EQ(calls, "t(e(b()b()))");
}

// By what the metric measures: Keras takes the direction from the metric, too.
TEST_F(InFit, AutomaticModeGoesByTheMetric) {
  struct Ask : Callback {
    void on_train_begin(Trainer& trainer) override {
      EXPECT_EQ(trainer.larger_is_better("val_loss"), false);
      EXPECT_EQ(trainer.larger_is_better("mean_absolute_error"), false);
      EXPECT_EQ(trainer.larger_is_better("val_r2_score"), true);
      EXPECT_EQ(trainer.larger_is_better("r2_score[0]"), true);
      EXPECT_EQ(trainer.larger_is_better("learning_rate"), std::nullopt);
    }
  };
  model_.compile({.optimizer = "sgd", .loss = "mean_squared_error", .metrics = {"mean_absolute_error", metrics::R2Score{.class_aggregation = "none"}}});
  const History history = fit({Ask()}, {.batch_size = 4, .epochs = 1});
  EXPECT_EQ(history["r2_score"], history["r2_score[0]"]) << "the mean of one";
  EXPECT_EQ(model_.metrics_names(), (std::vector<std::string>{"loss", "mean_absolute_error", "r2_score"}));
}

TEST_F(InFit, MetricsAreThoseOfAllRowsForEveryBatchSizeAndThreads) {
  model_.compile({.optimizer = "sgd",
                  .loss = "mean_squared_error",
                  .metrics = {metrics::R2Score{}, metrics::AUC{}, "mean_absolute_error", metrics::RootMeanSquaredError{}, metrics::Precision{.thresholds = {0.1, 0.5}}}});
  const Tensor x = numbers(33);
  std::optional<Logs> first;
  for (const int count : {1, 3})
    for (const std::int64_t batch : {1, 4, 7, 33}) {
      const int before = threads();
      set_threads(count);
      Logs logs = model_.evaluate(x, x, {.batch_size = batch, .verbose = 0});
      set_threads(before);
      logs.erase("loss");
      if (!first) first = logs;
      EXPECT_EQ(logs, *first) << "batches of " << batch << " on " << count << " threads";
    }
}

TEST_F(InFit, RateThatWasSetIsUsed) {
  struct Rate : Callback {
    void on_train_begin(Trainer& trainer) override { trainer.set_learning_rate(0.25); }
  };
  fit({Rate()}, {.batch_size = 12});
  Sequential other;
  other.add(Dense(1, {.kernel_initializer = "zeros", .input_shape = {1}}));
  other.compile({.optimizer = optimizers::SGD({.learning_rate = 0.25}), .loss = "mean_squared_error"});
  other.fit(numbers(), numbers(), {.batch_size = 12, .verbose = 0});
  EXPECT_EQ(weights()[0], other.get_weights()[0].values<float>()[0]);
}

// As Keras's optimizer does: a rate that was set in one fit counts in the next, and in train_on_batch, until the model is compiled again.
TEST_F(InFit, RateThatWasSetStays) {
  struct Rate : Callback {
    void on_train_begin(Trainer& trainer) override { trainer.set_learning_rate(0.25); }
  };
  struct Read : Callback {
    void on_epoch_begin(Trainer& trainer) override { *rate = trainer.learning_rate(); }
    std::shared_ptr<double> rate = std::make_shared<double>(0);
  };
  const Read read;
  fit({Rate()});
  fit({read});
  EXPECT_EQ(*read.rate, 0.25);
  const float before = weights()[0];
  model_.train_on_batch(numbers(), numbers());
  const float by_batch = weights()[0] - before;
  model_.compile({.optimizer = optimizers::SGD({.learning_rate = 0.01}), .loss = "mean_squared_error"});
  fit({read});
  EXPECT_EQ(*read.rate, 0.01);
  EXPECT_NE(by_batch, 0);
}

// A cycle with steps of its own counts those of the model's life, in fit as in train_on_batch; one without them spans each fit.
TEST_F(InFit, CyclesGoOnOrSpanTheFit) {
  struct Rates : Callback {
    void on_train_batch_begin(Trainer& trainer) override { rates->push_back(trainer.learning_rate()); }
    std::shared_ptr<std::vector<double>> rates = std::make_shared<std::vector<double>>();
  };
  using optimizers::schedules::OneCycle;
  const auto rates_of = [&](const OneCycle& cycle, int fits) {
    model_.compile({.optimizer = optimizers::SGD({.learning_rate = cycle}), .loss = "mean_squared_error"});
    const Rates rates;
    for (int i = 0; i < fits; ++i) fit({rates}, {.batch_size = 4});
    return *rates.rates;
  };
  const OneCycle own{.max_learning_rate = 1e-3, .total_steps = 6, .warmup = 0.4}, open{.max_learning_rate = 1e-3, .warmup = 0.4};
  const std::vector<double> on = rates_of(own, 2), anew = rates_of(open, 2);
  ASSERT_EQ(on.size(), 6U);
  for (std::int64_t step = 0; step < 6; ++step) {
    EXPECT_EQ(on[static_cast<std::size_t>(step)], LearningRate(own).at(step, 3));
    EXPECT_EQ(anew[static_cast<std::size_t>(step)], LearningRate(open).at(step % 3, 3));
  }
}

TEST_F(InFit, TargetsWithoutImagesAreRefused) {
  EXPECT_THAT(message_of<ValueError>([&] { fit({}, {.validation_data = {{}, numbers()}}); }), HasSubstr("validation_data has y, but no x"));
}

TEST(Verbose, TakesKerassNumbers) {
  EXPECT_EQ(Verbose(0), Verbose::silent);
  EXPECT_EQ(Verbose(1), Verbose::bar);
  EXPECT_EQ(Verbose(2), Verbose::lines);
  EXPECT_EQ(Verbose("auto"), Verbose::automatic);
  EXPECT_THAT(message_of<ValueError>([] { Verbose(3); }), HasSubstr("verbose is 3"));
  EXPECT_THROW(Verbose(-1), ValueError);
}

TEST(OneCycleByHand, NeedsItsSteps) {
  Sequential model;
  model.add(Dense(1, {.input_shape = {1}}));
  model.compile({.optimizer = optimizers::SGD({.learning_rate = optimizers::schedules::OneCycle()}), .loss = "mean_squared_error"});
  EXPECT_THAT(message_of<StateError>([&] { model.train_on_batch(Tensor({2, 1}), Tensor({2, 1})); }), HasSubstr("OneCycle over all steps of a fit"));
  model.compile({.optimizer = optimizers::SGD({.learning_rate = optimizers::schedules::OneCycle({.total_steps = 10})}), .loss = "mean_squared_error"});
  EXPECT_NO_THROW(model.train_on_batch(Tensor({2, 1}), Tensor({2, 1})));
}

TEST_F(InFit, LossThatIsNoNumberHasNoSign) {
  Tensor x = numbers();
  x.values<float>()[0] = -std::numeric_limits<float>::quiet_NaN();
  const double loss = model_.evaluate(x, numbers(), {.verbose = 0})["loss"];
  EXPECT_TRUE(std::isnan(loss));
  EXPECT_EQ(fmt::format("{}", loss), "nan");
}

// What a checkpoint holds of each callback is all that it remembers: given to a new one, it is that of the new one.
TEST(CallbackStates, AreTakenBackWhole) {
  const test::TempDir folder;
  const auto expect_back = [](Callback& callback, bool is_flag = false) {
    CallbackState state = callback.state();
    EXPECT_FALSE(state.numbers.empty());
    double next = is_flag ? 1 : 2;
    for (auto& [name, number] : state.numbers) number = next++;
    callback.restore(state);
    EXPECT_EQ(callback.state().numbers, state.numbers);
  };
  EarlyStopping early;
  expect_back(early);
  ModelCheckpoint checkpoint(folder / "best.keras", {.save_best_only = true});
  expect_back(checkpoint);
  ReduceLROnPlateau plateau;
  expect_back(plateau);
  SwapEMAWeights averages;
  expect_back(averages, true);
  TensorBoard board(folder / "logs");
  expect_back(board);
  CSVLogger logger(folder / "log.csv");
  logger.restore({});
  EXPECT_EQ(logger.state().texts.at("text"), "");
  logger.restore({.texts = {{"text", "epoch,loss\n0,1.5\n"}}});
  EXPECT_EQ(logger.state().texts.at("text"), "epoch,loss\n0,1.5\n");
  const Tensor weights = Tensor::from(std::vector<float>(6, 0.5F), {2, 3});
  early.restore({.tensors = {{"0", weights}}});
  EXPECT_TRUE(tests::same_bits(early.state().tensors.at("0"), weights));
}

// A network that was resumed does not take a worse epoch for its best.
TEST_F(InFit, AResumedCheckpointOfTheBestStaysTheBest) {
  ModelCheckpoint checkpoint(path("best.safetensors"), {.monitor = "loss", .save_best_only = true});
  CallbackState state = checkpoint.state();
  state.numbers["best"] = -1;
  checkpoint.restore(state);
  model_.fit(numbers(), numbers(), {.epochs = 2, .verbose = 0, .callbacks = {checkpoint}});
  EXPECT_FALSE(fs::exists(path("best.safetensors"))) << "no loss is below -1";
}

}  // namespace
}  // namespace linn
