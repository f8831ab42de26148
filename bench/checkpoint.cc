// What a checkpoint costs a training, as a share of the default interval of two minutes, and how much later a training that goes on from one takes
// its first step than one that begins.
//   checkpoint_bench [FOLDER]     where checkpoints are written [/tmp]; the folder below it is removed
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>

#include "linn/linn.h"
#include "model/zoo.h"

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

// A built-in network, compiled with Adam.
Model network(const detail::model::ZooEntry& entry) {
  Model model = detail::model::make_model(entry.name, {entry.size, entry.size, entry.channels}, entry.classes);
  model.compile({.optimizer = optimizers::Adam(), .loss = "sparse_categorical_crossentropy"});
  return model;
}

// Seconds until the first step begins, the least of several.
double until_first_step(const detail::model::ZooEntry& entry, const Tensor& x, const Tensor& y, FitOptions fit) {
  double quickest = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 5; ++i) {
    Model model = network(entry);
    const double start = now();
    try {
      model.fit(x, y, fit);
    } catch (const Begun&) {
      quickest = std::min(quickest, now() - start);
    }
  }
  return quickest;
}

void measure(const char* name, std::int64_t batch, const std::string& folder) {
  const detail::model::ZooEntry entry = detail::model::zoo_entry(name);
  constexpr std::int64_t steps = 6;
  const std::int64_t images = steps * batch;
  const Tensor x({images, entry.size, entry.size, entry.channels}), y({images}, DType::i64);
  Model model = network(entry);
  const std::string directory = folder + "/" + name;
  const auto saves = std::make_shared<Saves>(directory);
  const FitOptions fit{.batch_size = batch, .verbose = Verbose::silent, .callbacks = {saves}};
  model.fit(x, y, fit);
  FitOptions begin = fit, go_on = fit;
  begin.callbacks = go_on.callbacks = {FirstStep()};
  go_on.resume = directory;
  go_on.allow_changed = {"callbacks"};
  go_on.epochs = begin.epochs = 2;
  const double fresh = until_first_step(entry, x, y, begin), resumed = until_first_step(entry, x, y, go_on);
  const auto bytes = static_cast<double>(std::filesystem::file_size(directory + "/checkpoint.safetensors"));
  fmt::print("| {} | {} | {:.1f} | {:.1f} | {:.3f} % | {:.1f} |\n", name, model.count_params(), bytes * 1e-6, 1e3 * saves->quickest, 100 * saves->quickest / interval,
             1e3 * (resumed - fresh));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string folder = std::string(argc > 1 ? argv[1] : "/tmp") + "/linn_checkpoint_bench";
  try {
    fmt::print("| network, Adam | parameters | MB | a checkpoint, ms | of two minutes | first step later, ms |\n|---|---|---|---|---|---|\n");
    measure("notebook", 128, folder);
    measure("resnet20", 32, folder);
    measure("resnet50", 2, folder);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "checkpoint_bench: {}\n", problem.what());
    return 1;
  }
  std::filesystem::remove_all(folder);
  return 0;
}
