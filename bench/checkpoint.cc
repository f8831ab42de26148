// What a checkpoint costs a training, as a share of the default interval of two minutes, and how much later a training that goes on from one takes
// its first step than one that begins.
//   checkpoint_bench [FOLDER]     where checkpoints are written [/tmp]; the folder below it is removed
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "linn/linn.h"

namespace {

using namespace linn;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

constexpr double interval = 120;

// Takes the time from the end of a step that asks for a checkpoint to the beginning of the next.
class Saves : public Callback {
 public:
  explicit Saves(std::string directory) : directory_(std::move(directory)) {}
  void on_train_batch_begin(Trainer& /*trainer*/) override {
    if (asked_ > 0) quickest = std::min(quickest, now() - asked_);
  }
  void on_train_batch_end(Trainer& trainer, const Logs& /*logs*/) override {
    trainer.save_checkpoint(directory_);
    asked_ = now();
  }
  double quickest = std::numeric_limits<double>::infinity();

 private:
  std::string directory_;
  double asked_ = 0;
};

struct Begun {};

// Ends the fit where its first step begins.
class FirstStep : public Callback {
 public:
  void on_train_batch_begin(Trainer& /*trainer*/) override { throw Begun(); }
};

struct Subject {
  const char* name;
  std::function<Model()> make;
  Shape image;
  std::int64_t batch;
};

Model notebook() {
  return Sequential({Conv2D(32, 3, {.activation = "relu", .input_shape = {28, 28, 1}}), MaxPooling2D(2), Conv2D(32, 3, {.activation = "relu"}), MaxPooling2D(2), Flatten(),
                     Dense(128, {.activation = "relu"}), Dense(10, {.activation = "softmax"})});
}

// Seconds until the first step begins, the least of several.
double until_first_step(const Subject& subject, const Tensor& x, const Tensor& y, FitOptions fit) {
  double quickest = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 5; ++i) {
    Model model = subject.make();
    model.compile({.optimizer = optimizers::Adam(), .loss = "sparse_categorical_crossentropy"});
    const double start = now();
    try {
      model.fit(x, y, fit);
    } catch (const Begun&) {
      quickest = std::min(quickest, now() - start);
    }
  }
  return quickest;
}

void measure(const Subject& subject, const std::string& folder) {
  constexpr std::int64_t steps = 6;
  const std::int64_t images = steps * subject.batch;
  const Tensor x(subject.image.with_first(images)), y({images}, DType::i64);
  Model model = subject.make();
  model.compile({.optimizer = optimizers::Adam(), .loss = "sparse_categorical_crossentropy"});
  const std::string directory = folder + "/" + subject.name;
  const auto saves = std::make_shared<Saves>(directory);
  const FitOptions fit{.batch_size = subject.batch, .verbose = Verbose::silent, .callbacks = {saves}};
  model.fit(x, y, fit);
  FitOptions begin = fit, go_on = fit;
  begin.callbacks = go_on.callbacks = {FirstStep()};
  go_on.resume = directory;
  go_on.allow_changed = {"callbacks"};
  go_on.epochs = begin.epochs = 2;
  const double fresh = until_first_step(subject, x, y, begin), resumed = until_first_step(subject, x, y, go_on);
  const auto bytes = static_cast<double>(std::filesystem::file_size(directory + "/checkpoint.safetensors"));
  fmt::print("| {} | {} | {:.1f} | {:.1f} | {:.3f} % | {:.1f} |\n", subject.name, model.count_params(), bytes * 1e-6, 1e3 * saves->quickest, 100 * saves->quickest / interval,
             1e3 * (resumed - fresh));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string folder = std::string(argc > 1 ? argv[1] : "/tmp") + "/linn_checkpoint_bench";
  try {
    fmt::print("| network, Adam | parameters | MB | a checkpoint, ms | of two minutes | first step later, ms |\n|---|---|---|---|---|---|\n");
    measure({"notebook", notebook, {28, 28, 1}, 128}, folder);
    measure({"resnet20", [] { return models::resnet20({}); }, {32, 32, 3}, 32}, folder);
    measure({"resnet50", [] { return models::resnet50({}); }, {224, 224, 3}, 2}, folder);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "checkpoint_bench: {}\n", problem.what());
    return 1;
  }
  std::filesystem::remove_all(folder);
  return 0;
}
