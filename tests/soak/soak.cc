// Training, evaluating, saving, loading and resuming in random order for as long as it is told. Every result has the bits that it had the first time,
// and memory, open files and threads do not grow.
//   soak [--seconds 10] [--threads 1] [--seed 1] [--round R]
// A round gives each thread a folder and a course: a training that is interrupted at random, by a pause or an exception, and goes on in another model,
// until it has ended; in between, what people do with models. Threads, models and files are gone at its end, and what is left is counted.
// --round repeats one round alone. HACKING.md says how it runs under the sanitizers.
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "linn/linn.h"
#include "support/same_bits.h"
#include "support/sanitized.h"
#include "support/temp_dir.h"
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();  // GCC has no header for it
#endif

namespace {

using namespace linn;
namespace fs = std::filesystem;

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};
void require(bool holds, std::string_view what) {
  if (!holds) throw Failure(std::string(what));
}

// ---- courses: trainings with their results ---------------------------------------------------------------------------

constexpr std::int64_t images = 40, classes = 4;

Tensor pictures() {
  Tensor x({images, 8, 8, 2});
  float value = 0.3F;
  for (float& pixel : x.values<float>()) pixel = value = value * 3.8F * (1 - value);  // chaos
  return x;
}

Tensor labels() {
  Tensor y({images}, DType::i64);
  std::int64_t i = 0;
  for (std::int64_t& label : y.values<std::int64_t>()) label = i * (i + 1) % classes, ++i;
  return y;
}

Sequential chain() {
  return Sequential({Conv2D(6, 3, {.activation = "relu", .input_shape = {8, 8, 2}}), BatchNormalization(), MaxPooling2D(2), Dropout(0.3), Flatten(), Dense(classes, {.activation = "softmax"})},
                    {.seed = 7});
}

// Two branches, a cure of the lab, a layer that is used twice.
Model branches() {
  const SymbolicTensor input = Input({8, 8, 2});
  const Layer twice = Conv2D(4, 3, {.padding = "circular", .activation = "relu"});
  const SymbolicTensor wide = Conv2D(4, 1)(input);
  const SymbolicTensor deep = twice(twice(wide));
  const SymbolicTensor sampled = AdaptivePolyphaseSampling2D()(Add()({wide, deep}));
  const SymbolicTensor pooled = Concatenate()({GlobalMaxPooling2D()(sampled), GlobalAveragePooling2D()(sampled)});
  return Model(input, Dense(classes, {.activation = "softmax"})(pooled), {.seed = 8});
}

struct Course {
  std::string name;
  Model (*network)();
  Optimizer optimizer;
  void (*options)(FitOptions&);
  bool stream = false;
  // Of the training that was never interrupted.
  std::vector<Tensor> weights = {};
  std::vector<double> loss = {};
  Tensor predictions = {};
  Logs logs = {};
  std::vector<std::uint16_t> shifted = {};

  Model make() const {
    Model model = network();
    model.compile({.optimizer = optimizer, .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
    return model;
  }
  History fit(Model& model, FitOptions how) const {
    if (!stream) return model.fit(pictures(), labels(), how);
    return model.fit(Dataset::from_tensors(pictures(), labels()).shuffle({.seed = 5}).batch(8).prefetch({.threads = 2}), how);
  }
  FitOptions fit_options() const {
    FitOptions how{.batch_size = 8, .epochs = 3, .verbose = Verbose::silent};
    options(how);
    return how;
  }
};

std::vector<Course> courses() {
  using optimizers::Adam, optimizers::AdamW, optimizers::SGD;
  return {{"Adam, dropout, patience", [] { return Model(chain()); }, Adam({.learning_rate = 0.01}),
           [](FitOptions& how) {
             how.validation_split = 0.2;
             how.callbacks = {callbacks::EarlyStopping({.patience = 2, .restore_best_weights = true}), callbacks::ReduceLROnPlateau({.factor = 0.5, .patience = 1})};
           }},
          {"momentum, one cycle, augmentation", [] { return Model(chain()); },
           SGD({.learning_rate = optimizers::schedules::OneCycle({.max_learning_rate = 0.05}), .momentum = 0.9}),
           [](FitOptions& how) { how.augment = Pipeline({RandomTranslation(0.2, 0.2), RandomContrast(0.5, {.value_range = {0, 1}})}); }},
          {"moving averages, accumulated gradients", [] { return Model(chain()); },
           Adam({.learning_rate = 0.01, .use_ema = true, .ema_momentum = 0.8, .gradient_accumulation_steps = 2}), [](FitOptions&) {}},
          {"a stream", [] { return Model(chain()); }, AdamW({.learning_rate = 0.01}), [](FitOptions&) {}, true},
          {"branches", branches, AdamW({.learning_rate = 0.01}), [](FitOptions& how) { how.class_weight = {{0, 2.0}}; }}};
}

shift::SweepOptions sweep_options() { return {.radius = 2, .border = "circular"}; }
EvaluateOptions evaluate_options() { return {.batch_size = 8, .verbose = Verbose::silent}; }

void take_results(Course& course) {
  Model model = course.make();
  course.loss = course.fit(model, course.fit_options())["loss"];
  course.weights = model.get_weights();
  course.predictions = model.predict(pictures());
  course.logs = model.evaluate(pictures(), labels(), evaluate_options());
  course.shifted = shift::sweep(model, pictures(), labels(), sweep_options()).predictions().predicted;
}

// ---- a thread of a round ---------------------------------------------------------------------------------------------

struct Crash {};

// Ends the training behind a step: with a pause, or like a crash, a checkpoint of some steps before.
class Interruption : public Callback {
 public:
  Interruption(std::string directory, std::int64_t steps, bool crashes) : directory_(std::move(directory)), left_(steps), crashes_(crashes) {}
  void on_train_batch_end(Trainer& trainer, const Logs& /*logs*/) override {
    if (crashes_ && left_ % 2 == 0) trainer.save_checkpoint(directory_);
    if (--left_ > 0) return;
    if (crashes_) throw Crash();
    trainer.pause(directory_);
    paused = true;
  }
  bool paused = false;

 private:
  std::string directory_;
  std::int64_t left_;
  bool crashes_;
};

class Walk {
 public:
  Walk(const std::vector<Course>& all, std::uint64_t seed) : random_(seed), course_(all[below(all.size())]) {}

  // Until the training has ended. The name of what is done is in `doing`.
  void run() {
    while (!ended_) {
      const std::size_t choice = below(parts_ < 2 ? 1 : std::size(actions));
      const Action& action = actions[choice];
      doing = fmt::format("{}: {}", course_.name, action.name);
      (this->*action.done)();
      ++actions_done;
    }
    for (const Action& action : actions) {  // and of the trained model each once
      if (action.done == &Walk::train) continue;
      doing = fmt::format("{}: {} behind it", course_.name, action.name);
      (this->*action.done)();
      ++actions_done;
    }
  }
  std::string doing;
  std::int64_t actions_done = 0;

 private:
  struct Action {
    const char* name;
    void (Walk::*done)();
  };
  static const Action actions[8];

  std::size_t below(std::size_t limit) { return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_); }

  void train() {
    model_ = std::make_unique<Model>(course_.make());
    FitOptions how = course_.fit_options();
    const auto stop = std::make_shared<Interruption>(folder_ / "run", 1 + static_cast<std::int64_t>(below(7)), below(2) == 0);
    // Settings of a run name its callbacks, so that the last one is there each time.
    how.callbacks.emplace_back(stop);
    if (fs::exists(folder_ / "run/checkpoint.safetensors")) how.resume = folder_ / "run";
    ++parts_;
    try {
      const History history = course_.fit(*model_, how);
      if (stop->paused) return;
      require(history["loss"] == course_.loss, "the losses of a resumed training are others");
      require(tests::same_bits(model_->get_weights(), course_.weights), "the weights of a resumed training have other bits");
      ended_ = true;
    } catch (const Crash&) {
      model_.reset();
    }
  }

  // The trained model, or one of the course's own initial values.
  Model& model() {
    if (model_ == nullptr) model_ = std::make_unique<Model>(course_.make());
    return *model_;
  }

  void evaluate() {
    const Logs logs = model().evaluate(pictures(), labels(), evaluate_options());
    if (ended_) require(logs == course_.logs, "evaluate gives other numbers");
  }

  void predict() {
    const Tensor result = model().predict(pictures());
    if (ended_) require(tests::same_bits(result, course_.predictions), "predictions have other bits");
  }

  void save_and_load() {
    static constexpr std::string_view names[] = {"m.keras", "m.h5", "m.safetensors", "m"};
    const std::string path = folder_ / std::string(names[below(std::size(names))]);
    model().save(path);
    const Tensor before = model().predict(pictures());
    model_ = std::make_unique<Model>(load_model(path));
    require(tests::same_bits(model_->predict(pictures()), before), "a loaded model predicts other bits");
  }

  void load_what_is_cut() {
    const std::string path = folder_ / "cut.keras";
    model().save(path);
    fs::resize_file(path, below(fs::file_size(path)));
    try {
      load_model(path);
    } catch (const Error&) {
      return;
    }
    throw Failure("a file that is cut was loaded");
  }

  void sweep() {
    const shift::Sweep found = shift::sweep(model(), pictures(), labels(), sweep_options());
    if (ended_) require(found.predictions().predicted == course_.shifted, "a sweep predicts other classes");
  }

  void explode() {
    Model model = course_.make();
    model.compile({.optimizer = optimizers::SGD({.learning_rate = 1e30}), .loss = "sparse_categorical_crossentropy"});
    try {
      model.fit(pictures(), labels(), {.batch_size = 8, .epochs = 2, .verbose = Verbose::silent});
    } catch (const NonFiniteError&) {
      return;
    }
    throw Failure("a training that explodes went on");
  }

  void change_threads() { set_threads(1 + static_cast<int>(below(3))); }

  std::mt19937_64 random_;
  const Course& course_;
  const test::TempDir folder_;
  std::unique_ptr<Model> model_;
  std::int64_t parts_ = 0;
  bool ended_ = false;
};

const Walk::Action Walk::actions[8] = {{"train", &Walk::train},
                                   {"evaluate", &Walk::evaluate},
                                   {"predict", &Walk::predict},
                                   {"save and load", &Walk::save_and_load},
                                   {"load a file that is cut", &Walk::load_what_is_cut},
                                   {"sweep", &Walk::sweep},
                                   {"explode", &Walk::explode},
                                   {"change the number of threads", &Walk::change_threads}};

// ---- rounds, and what is left behind them ----------------------------------------------------------------------------

struct Left {
  std::int64_t bytes = 0, files = 0, threads = 0;
};

std::int64_t entries(const char* folder) { return std::distance(fs::directory_iterator(folder), fs::directory_iterator()); }

Left what_is_left() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  const auto bytes = static_cast<std::int64_t>(__sanitizer_get_current_allocated_bytes());
#else
  const struct mallinfo2 memory = mallinfo2();
  const auto bytes = static_cast<std::int64_t>(memory.uordblks + memory.hblkhd);
#endif
  return {bytes, entries("/proc/self/fd"), entries("/proc/self/task")};
}

std::int64_t run_round(const std::vector<Course>& all, std::uint64_t seed, std::int64_t round, int threads) {
  std::mutex lock;
  std::string failed;
  std::int64_t actions = 0;
  const auto body = [&](int thread) {
    std::seed_seq mixed{seed, static_cast<std::uint64_t>(round), static_cast<std::uint64_t>(thread)};
    std::uint32_t drawn[2];
    mixed.generate(std::begin(drawn), std::end(drawn));
    Walk walk(all, std::uint64_t{drawn[0]} << 32 | drawn[1]);
    std::string said;
    try {
      walk.run();
    } catch (const std::exception& problem) {
      said = fmt::format("{}: {}", walk.doing, problem.what());
    }
    const std::lock_guard hold(lock);
    actions += walk.actions_done;
    if (!said.empty()) failed = said;
  };
  std::vector<std::thread> walkers;
  for (int thread = 0; thread < threads; ++thread) walkers.emplace_back(body, thread);
  for (std::thread& walker : walkers) walker.join();
  if (!failed.empty()) throw Failure(fmt::format("round {}: {}", round, failed));
  set_threads(2);
  return actions;
}

struct Options {
  double seconds = 10;
  int threads = 1;
  std::uint64_t seed = 1;
  std::int64_t round = -1;
};

// The first quarter of the time shows what stays for good, such as tables made at first use; behind it nothing may grow.
void soak(const Options& options) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  std::vector<Course> all = courses();
  for (Course& course : all) take_results(course);
  if (options.round >= 0) {
    run_round(all, options.seed, options.round, options.threads);
    return;
  }
  constexpr std::int64_t least_rounds = 8;
  Left most, last;
  std::int64_t actions = 0, round = 0;
  double next_line = 0;
  const auto line = [&] {
    fmt::print("{:6.0f} s  {:6} rounds  {:8} actions  {:10} bytes  {} files  {} threads\n", seconds(), round, actions, last.bytes, last.files, last.threads);
    std::fflush(stdout);
  };
  for (; round < 2 * least_rounds || seconds() < options.seconds; ++round) {
    actions += run_round(all, options.seed, round, options.threads);
    last = what_is_left();
    if (round < least_rounds || seconds() < options.seconds / 4)
      most = {std::max(most.bytes, last.bytes), std::max(most.files, last.files), std::max(most.threads, last.threads)};
    // The system shows a thread for a moment after it was joined.
    for (int i = 0; i < 100 && last.threads > most.threads; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      last.threads = what_is_left().threads;
    }
    require(last.files <= most.files, fmt::format("round {}: {} open files are left, {} before", round, last.files, most.files));
    require(last.threads <= most.threads, fmt::format("round {}: {} threads are left, {} before", round, last.threads, most.threads));
    if (seconds() >= next_line) line(), next_line = seconds() + 60;
  }
  line();
  // glibc counts pieces that its threads keep for later as taken; sanitizers count to the byte.
  const std::int64_t allowed = tests::sanitized ? 64 << 10 : 4 << 20;
  require(last.bytes <= most.bytes + allowed, fmt::format("{} bytes are left, {} in the first quarter", last.bytes, most.bytes));
}

Options parsed(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--seconds") options.seconds = std::atof(value);
    else if (name == "--threads") options.threads = std::atoi(value);
    else if (name == "--seed") options.seed = std::strtoull(value, nullptr, 10);
    else if (name == "--round") options.round = std::atoll(value);
    else throw Failure(fmt::format("unknown option {}", name));
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    soak(parsed(argc, argv));
  } catch (const std::exception& problem) {
    fmt::print(stderr, "soak: {}\n", problem.what());
    return 1;
  }
  return 0;
}
