// linn train: fit a model to a data set, measure it on the test images, save it.
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/compile.h"
#include "cli/described_text.h"
#include "cli/interrupt.h"
#include "cli/pixels.h"
#include "cli/streamed_data.h"
#include "cli/training_run.h"
#include "core/limits.h"
#include "data/dataset.h"
#include "io/file_lock.h"
#include "linn/augment.h"
#include "linn/error.h"
#include "linn/layers/activation.h"
#include "linn/shift.h"
#include "model/recipes.h"
#include "shift/class_values.h"
#include "train/checkpoint.h"
#include "train/progress.h"

namespace linn::cli {
namespace {

struct TrainArguments {
  Common common;
  TrainingRun run;
  RateOptions rate;
  std::string out;
  std::string recipe;
  std::string resume;
  bool overwrite = false;
  std::vector<std::string> allow_changed;
  std::int64_t memory_limit = 0;  // 0: none
};

// Null without one.
const detail::model::Recipe* recipe_named(const std::string& name) {
  if (name.empty()) return nullptr;
  return named("--recipe: ", [&] { return &detail::model::recipe(name); });
}

detail::io::Json logs_event(const char* event, const Logs& logs) {
  detail::io::Json json = {{"event", event}};
  for (const auto& [name, value] : logs) json[name] = number(value);
  return json;
}

// "fast: 99 % on MNIST ...; invariant: ...".
std::string recipes_text() {
  std::string text;
  for (const detail::model::Recipe& recipe : detail::model::recipes())
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", recipe.name, recipe.about);
  return text;
}

class Train {
 public:
  explicit Train(const TrainArguments& options) : options_(options), common_(options.common), run_(options.run) {}

  int run() {
    apply(common_);
    if (is_complete()) return exit_ok;
    interval_ = parse_interval(run_.checkpoint_every, "--checkpoint-every");
    check_interrupted();
    check_model_name(run_.model);
    accuracy_ = parse_accuracy(run_.accuracy);
    const DTypePolicy policy = policy_of(common_, run_.precision, accuracy_);
    recipe_ = recipe_named(options_.recipe);
    if (run_.patience && run_.validation_split == 0)
      throw UsageError("--patience stops by val_loss, which is measured on images that are kept back: give --validation-split 0.1 too");
    load();
    Model model = open();
    compile(model);
    model.set_dtype_policy(policy);
    // All that can be wrong with the labels is found before the first step.
    const Tensor y_train = targets_of(model, data_.y_train, data_.train_where);
    const Tensor y_test = data_.x_test.defined() ? targets_of(model, data_.y_test, data_.test_where) : Tensor();
    if (!options_.out.empty()) prepare_output(options_.out);
    announce(model);
    fit(model, y_train);
    save(model);
    if (!stopped_ && has_test()) measure(model, y_test);
    if (streamed_) say_skipped();
    emit(common_, {{"event", stopped_ || interrupted() ? "interrupted" : "done"},
                   {"saved", options_.out.empty() ? detail::io::Json(nullptr) : detail::io::Json(options_.out)}});
    return stopped_ || interrupted() ? interrupted_code() : exit_ok;
  }

 private:
  // A run that was asked to go on, and has ended: it left its model, and took its checkpoints away.
  bool is_complete() const {
    if (options_.resume.empty() || detail::train::has_checkpoint(checkpoints()) || !is_model(options_.out)) return false;
    say(common_, "{}: this run is complete; `linn train --model {} --out ANOTHER` trains its model further\n", options_.resume, options_.out);
    emit(common_, {{"event", "done"}, {"saved", options_.out}});
    return true;
  }

  // The same command again is no way to go on, and would take the checkpoints away.
  void check_interrupted() const {
    if (!options_.resume.empty() && !std::filesystem::exists(run_path(options_.resume)))
      throw IoError(fmt::format("--resume {}: there is no run to go on with ({} is missing); give what --out of that run was", options_.resume, run_path(options_.resume)));
    if (!options_.resume.empty() || options_.out.empty() || !detail::train::has_checkpoint(checkpoints())) return;
    const detail::io::FileLock alone(detail::train::lock_path(checkpoints()));  // whoever trains there now is named
    if (!options_.overwrite)
      throw UsageError(fmt::format("--out {}: an interrupted training is there; `linn train --resume {}` goes on with it, --overwrite begins anew in its place", options_.out, options_.out));
    if (interval_.is_never()) detail::train::remove_checkpoints(checkpoints());  // those of this run would replace them
  }

  void say_skipped() const {
    const SkippedImages skipped = streamed_->skipped();
    say(common_, "{}", skipped_text(skipped));
    if (skipped.count > 0) emit(common_, {{"event", "skipped"}, {"images", skipped.count}, {"messages", skipped.messages}});
  }

  // Beside the model: in its directory, or in one of its own where it is a file. Empty: there are none.
  std::string checkpoints() const {
    if (options_.out.empty()) return {};
    return has_model_ending(options_.out) ? options_.out + ".checkpoint" : options_.out;
  }
  static bool is_model(const std::string& out) {
    return std::filesystem::exists(has_model_ending(out) ? std::filesystem::path(out) : std::filesystem::path(out) / "model.safetensors");
  }

  std::int64_t images() const { return streamed_ ? images_streamed_ : data_.x_train.shape()[0]; }
  bool has_test() const { return streamed_ ? streamed_->test_images() > 0 : data_.x_test.defined(); }

  void load() {
    path_ = data_path(run_.data.path);
    streamed_ = StreamedData::open(common_, run_);
    run_.stream = streamed_.has_value();  // a run that is repeated elsewhere takes the same way
    if (streamed_) {
      images_streamed_ = streamed_->images();
      streamed_->split(run_.validation_split);
    }
    data_ = streamed_ ? streamed_->sample() : load_data(common_, run_.data, nullptr);
    if (!data_.x_train.defined()) throw DataError(fmt::format("{}: holds test images only; x_train and y_train are needed to train", path_));
    if (!streamed_) {
      data_.x_train = first_rows(data_.x_train, run_.limit);
      data_.y_train = first_rows(data_.y_train, run_.limit);
    }
    if (run_.canvas == 0) return;
    data_.x_train = shift::on_canvas(data_.x_train, run_.canvas, run_.canvas);
    if (data_.x_test.defined()) data_.x_test = shift::on_canvas(data_.x_test, run_.canvas, run_.canvas);
  }

  Model open() {
    image_ = image_shape(data_.x_train);
    Model model = open_model(
        {.text = run_.model, .image = image_, .classes = run_.classes, .seed = run_.seed, .class_names = data_.class_names});
    set_range(model);
    if (run_.canvas > 0) model.metadata()[canvas_key] = fmt::format("{0}x{0}", run_.canvas);
    if (class_names(model).empty()) remember_images(model, data_, run_.data);
    use_class_numbers(data_, model);
    return model;
  }

  // The images as the model takes them. A network that knows no range yet gets a Rescaling in front, and remembers the range.
  void set_range(Model& model) {
    const bool known = trained_on(model).has_value();
    if (known) {
      Pixels pixels = as_trained(model, data_.x_train, data_.train_where, run_.scale);
      data_.x_train = std::move(pixels.images);
      note_ = std::move(pixels.note);
      scale_ = pixels.scale;
      converted_ = {.images = {}, .scale = pixels.scale, .offset = pixels.offset, .note = {}};
    } else {
      scale_ = training_scale(model, data_.x_train, data_.train_where, run_.scale);
      if (scale_ != 1) model = model.with_first_layer(Rescaling(scale_));
      remember_range(model, data_.x_train, data_.train_where);
      note_ = fmt::format("{}; {} (--scale changes that)", range_note(data_.x_train, data_.train_where),
                          scale_ == 1 ? std::string("not scaled")
                                      : fmt::format("a Rescaling by {} stands in front of the network", scale_text(scale_)));
    }
    if (streamed_) streamed_->convert({.images = {}, .scale = known ? converted_.scale : 1, .offset = converted_.offset, .note = note_}, run_.canvas);
    if (!data_.x_test.defined()) return;
    Pixels pixels = as_trained(model, data_.x_test, data_.test_where, known ? run_.scale : "");
    data_.x_test = std::move(pixels.images);
    if (pixels.scale != scale_ && pixels.scale != 1) say(common_, "test pixels: {}\n", pixels.note);
  }

  void compile(Model& model) {
    if (recipe_ != nullptr) return compile_by_recipe(model);
    if (model.compiled() && !compiles(run_, options_.rate)) return;
    const CompileOptions wanted = compile_options(model, run_, options_.rate);
    if (!model.compiled()) return model.compile(wanted);
    // A model that was compiled with just this keeps its optimizer's state.
    Model anew = model.clone();
    anew.compile(wanted);
    if (shift::compile_config(anew) != shift::compile_config(model)) model = std::move(anew);
  }

  void compile_by_recipe(Model& model) {
    model.compile(for_classes(model, detail::model::compile_options(*recipe_), recipe_->label_smoothing));
    const FitOptions fit = detail::model::fit_options(*recipe_, images());
    run_.batch_size = fit.batch_size;
    run_.epochs = fit.epochs;
    run_.steps_per_epoch = fit.steps_per_epoch;
  }

  FitOptions fit_options() const {
    FitOptions fit{.batch_size = run_.batch_size, .epochs = run_.epochs, .validation_split = run_.validation_split, .steps_per_epoch = run_.steps_per_epoch};
    fit.verbose = common_.json() ? Verbose::silent : Verbose::automatic;
    const bool keeps = !checkpoints().empty() && !interval_.is_never();
    fit.callbacks = {stop_on_interrupt(keeps ? checkpoints() : "")};
    if (keeps) {
      callbacks::BackupAndRestoreOptions backup{.delete_checkpoint = false, .every_seconds = interval_.seconds, .restore = false};
      if (interval_.steps > 0) backup.save_freq = interval_.steps;
      fit.callbacks.push_back(callbacks::BackupAndRestore(checkpoints(), backup));
    }
    if (!options_.resume.empty() && detail::train::has_checkpoint(checkpoints())) fit.resume = checkpoints();
    fit.allow_changed = options_.allow_changed;
    fit.accuracy = accuracy_;
    fit.memory_limit = options_.memory_limit;
    if (!run_.augment.empty()) fit.augment = parse_augmentation(run_.augment, range_of_pixels());
    return fit;
  }

  // What augmentation takes for black and white in these images.
  ValueRange range_of_pixels() const {
    const detail::data::ValueRange values = detail::data::value_range(data_.x_train, data_.train_where);
    if (values.least < 0) return {-1, 1};
    return {0, values.largest > 255 ? 65535.0 : values.largest > 1 ? 255.0 : 1.0};
  }

  // ", learning rate 0.001" or ", learning rate by CosineDecay from 0.001".
  static std::string rate_text(const detail::io::Json& compiled) {
    using Pointer = detail::io::Json::json_pointer;
    const Pointer place("/optimizer/config/learning_rate");
    if (!compiled.contains(place)) return "";
    const detail::io::Json& rate = compiled.at(place);
    if (rate.is_number()) return fmt::format(", learning rate {:.6g}", rate.get<double>());
    const Pointer first("/config/initial_learning_rate");
    return fmt::format(", learning rate by {}{}", detail::core::printable(shift::name_in(rate)),
                       rate.contains(first) && rate.at(first).is_number() ? fmt::format(" from {:.6g}", rate.at(first).get<double>()) : "");
  }

  void announce(const Model& model) const {
    say(common_, "{} training images of {} x {} x {} from {}\n", thousands(images()), image_[0], image_[1], image_[2], path_);
    say(common_, "pixels: {}\n", note_);
    say(common_, "model: {}, {} parameters; {} threads, seed {}\n", run_.model, thousands(model.count_params()), threads(), run_.seed);
    const detail::io::Json compiled = shift::compile_config(model);
    say(common_, "{}{}{}\n", compile_text(model), rate_text(compiled), run_.augment.empty() ? "" : fmt::format(", images changed at random by {}", run_.augment));
    if (!has_test() && run_.validation_split == 0)
      say(common_, "no test images came: --validation-split 0.1 keeps the last tenth of the training images to measure on\n");
    emit(common_,
         {{"event", "train"},
          {"model", run_.model},
          {"data", path_},
          {"images", images()},
          {"image_shape", {image_[0], image_[1], image_[2]}},
          {"parameters", model.count_params()},
          {"input_scale", scale_},
          {"class_names", data_.class_names},
          {"recipe", options_.recipe.empty() ? detail::io::Json(nullptr) : detail::io::Json(options_.recipe)},
          {"augment", run_.augment.empty() ? detail::io::Json(nullptr) : detail::io::Json(run_.augment)},
          {"epochs", run_.epochs},
          {"batch_size", run_.batch_size},
          {"optimizer", compiled["optimizer"]},
          {"loss", compiled["loss"]},
          {"precision", run_.precision},
          {"seed", run_.seed},
          {"accuracy_policy", accuracy_.name()},
          {"threads", threads()}});
    std::fflush(stdout);
  }

  // Of images that are read while training the first batch decides, which is not there yet.
  void announce_memory(const MemoryPlan& plan) const {
    if (plan.total() == 0) return;
    using detail::core::bytes_text;
    say(common_, "memory: {} of {}: weights {}, optimizer {}, work space {}, data {}\n", bytes_text(plan.total()),
        plan.limit == 0 ? std::string("what there is") : bytes_text(plan.limit), bytes_text(plan.weights), bytes_text(plan.optimizer),
        bytes_text(plan.work_space), bytes_text(plan.data));
    emit(common_, {{"event", "memory"},
                   {"weights", plan.weights},
                   {"optimizer", plan.optimizer},
                   {"work_space", plan.work_space},
                   {"data", plan.data},
                   {"total", plan.total()},
                   {"limit", plan.limit == 0 ? detail::io::Json(nullptr) : detail::io::Json(plan.limit)}});
    std::fflush(stdout);
  }

  void fit(Model& model, const Tensor& y) {
    FitOptions fit = fit_options();
    // Before the first checkpoint, and behind all that may be refused: a run that is not begun leaves the settings of another one alone.
    fit.callbacks.insert(fit.callbacks.begin(), callbacks::LambdaCallback({.on_train_begin = [&](Trainer& trainer) {
                           if (!options_.out.empty()) save_run(run_, model, options_.out);
                           announce_memory(trainer.memory_plan());
                           if (!fit.resume.empty())
                             say(common_, "goes on in epoch {} of {}, behind step {} of {}\n", trainer.epoch() + 1, trainer.epochs(), trainer.step(), trainer.steps_per_epoch());
                         }}));
    if (common_.json()) {
      const std::int64_t trained = fit.steps_per_epoch > 0
                                       ? fit.steps_per_epoch * fit.batch_size
                                       : static_cast<std::int64_t>(std::floor(static_cast<double>(images()) * (1 - fit.validation_split)));
      fit.callbacks.push_back(detail::train::json_progress(stdout, trained));
    }
    const auto early = std::make_shared<callbacks::EarlyStopping>(
        callbacks::EarlyStoppingOptions{.patience = run_.patience.value_or(0), .restore_best_weights = true});
    if (run_.patience) fit.callbacks.push_back(early);
    remember_interrupt();
    about(data_.train_where, [&] {
      if (!streamed_) return model.fit(data_.x_train, y, fit);
      fit.validation_split = 0;
      fit.validation_data.dataset = streamed_->validation_batches(model, run_.batch_size);
      return model.fit(streamed_->training_batches(model, run_.seed, run_.batch_size), fit);
    });
    stopped_ = interrupted();
    if (early->stopped_epoch() >= 0)
      say(common_, "stopped after epoch {}: val_loss was best in epoch {}, whose weights are kept\n", early->stopped_epoch() + 1, early->best_epoch() + 1);
  }

  void save(const Model& model) const {
    if (options_.out.empty()) {
      say(common_, "{}not saved, because no --out DIR was given\n", stopped_ ? "interrupted; " : "");
      return;
    }
    const bool has_checkpoint = detail::train::has_checkpoint(checkpoints());
    try {
      model.save(options_.out);
    } catch (const IoError& error) {
      if (!has_checkpoint) throw;
      throw IoError(fmt::format("{}; the last checkpoint is there: make room, and `linn train --resume {}` repeats what it lacks", error.what(), options_.out));
    }
    const bool goes_on = stopped_ && has_checkpoint;
    if (!stopped_) {
      detail::train::remove_checkpoints(checkpoints());
      std::error_code not_empty;
      if (checkpoints() != options_.out) std::filesystem::remove(checkpoints(), not_empty);
    }
    say(common_, "{}saved to {}{}\n", stopped_ ? "interrupted; what was learned is " : "", options_.out,
        has_model_ending(options_.out) ? fmt::format("; {} repeats this run", run_path(options_.out)) : " (model.safetensors, config.json, run.json)");
    if (goes_on) say(common_, "`linn train --resume {}` goes on from there, to the same weights\n", options_.out);
    std::fflush(stdout);
  }

  void measure(Model& model, const Tensor& y) const {
    const EvaluateOptions options{.batch_size = 256, .verbose = Verbose::silent, .accuracy = accuracy_};
    const Logs logs = about(data_.test_where, [&] {
      if (streamed_) return model.evaluate(streamed_->test_batches(model, options.batch_size), options);
      return model.evaluate(data_.x_test, y, options);
    });
    const std::int64_t count = streamed_ ? streamed_->test_images() - streamed_->skipped_test_images() : data_.x_test.shape()[0];
    say(common_, "{} test images{}\n", thousands(count), detail::train::logs_text(logs));
    detail::io::Json event = logs_event("evaluate", logs);
    event["part"] = "test";
    event["images"] = count;
    emit(common_, event);
  }

  const TrainArguments& options_;
  const Common& common_;
  TrainingRun run_;
  const detail::model::Recipe* recipe_ = nullptr;
  Accuracy accuracy_ = "fast";
  std::string path_;
  detail::data::Dataset data_;
  Shape image_;
  std::optional<StreamedData> streamed_;  // data_ is a sample of them
  std::int64_t images_streamed_ = 0;
  Pixels converted_;     // how, for a model that knows its range
  double scale_ = 1;     // of the Rescaling in front
  std::string note_;     // what the pixels are
  bool stopped_ = false;
  Interval interval_;
};

// What is wrong in a file is a FormatError; on the command line it is a UsageError.
template <class Check>
void as_usage(const Check& check) {
  try {
    check();
  } catch (const FormatError& error) {
    throw UsageError(error.what());
  }
}

// Takes a name with arguments, or several, into the run, and looks them up at once.
CLI::Option* add_described(CLI::App& app, const std::string& name, detail::io::Json TrainingRun::* member, TrainingRun& run,
                           detail::io::Json (*parse)(const std::string&, const std::string&), const std::string& description) {
  return add_value(app, name, description, [&run, member, parse](const std::string& option, const std::string& text) {
    TrainingRun alone;
    as_usage([&] {
      alone.*member = parse(option, text);
      check_described(alone, "--");
    });
    run.*member = alone.*member;
  });
}

void add_data_options(CLI::App& app, TrainingRun& run) {
  add_data(app, run.data);
  add_text(
      app, "--scale", run.scale,
      "what every pixel is multiplied by, a number or a fraction: a Rescaling in front of the network [what brings bytes to 0..1, unless the "
      "model begins with Rescaling or Normalization]")
      ->type_name("X");
  add_whole(app, "--limit", run.limit, 0, largest, "train on the first N images only")->type_name("N");
  add_whole(app, "--canvas", run.canvas, 0, largest, "lay the images onto the middle of N x N zeros first")->type_name("N");
}

void add_streaming(CLI::App& app, TrainingRun& run) {
  app.add_flag("--stream", run.stream, "read images in folders while training, so that they need not fit into memory [where they take more than half of it]");
  app.add_flag("--cache", run.cache, "the same, and keep the images in memory once they are decoded");
  app.add_flag("--skip-broken", run.skip_broken, "the same, and leave out images that cannot be read; they are counted and named [an error]");
}

void add_fit_options(CLI::App& app, TrainingRun& run) {
  add_whole(app, "--epochs", run.epochs, 1, largest, "times through all images")->type_name("N")->default_str(fmt::format("{}", run.epochs));
  add_whole(app, "--batch-size", run.batch_size, 1, largest, "images in a step")->type_name("N")->default_str(fmt::format("{}", run.batch_size));
  add_number(
      app, "--validation-split", run.validation_split, [](double share) { return share >= 0 && share < 1; }, "a number from 0 to less than 1",
      "the last share of the images, kept to measure on after each epoch")
      ->type_name("X")
      ->default_str(fmt::format("{}", run.validation_split));
  add_value(app, "--augment", "change training images at random, anew in every epoch: names with their arguments, such as translation:0.1,rotation:0.05,flip (docs/augmentation.md)",
            [&run](const std::string& option, const std::string& text) {
              named(option + ": ", [&] { return parse_augmentation(text); });
              run.augment = text;
            })
      ->type_name("NAMES");
  add_whole(app, "--patience", run.patience, 0, largest,
            "stop when val_loss has not been better for N epochs, and keep the best weights; takes --validation-split [all epochs]")
      ->type_name("N");
  add_whole(app, "--seed", run.seed, 0, largest_seed,
            "of first weights, shuffling and random layers: the same seed gives the same bits on any number of threads")
      ->type_name("N")
      ->default_str(fmt::format("{}", run.seed));
}

void add_resume(CLI::App& app, TrainArguments& options) {
  TrainingRun& run = options.run;
  add_value(app, "--checkpoint-every",
            "how often all that training needs to go on is written beside the model: 2m, 30s, 1h, a number of steps, or 0 for never [2m]",
            [&run](const std::string& option, const std::string& text) {
              parse_interval(text, option);
              run.checkpoint_every = text;
            })
      ->type_name("INTERVAL");
  add_value(app, "--resume",
            "go on with a run that was interrupted or killed, from its last checkpoint: what --out of that run was; the weights at the end are those of a run that "
            "never stopped, bit for bit",
            [&options](const std::string& /*option*/, const std::string& text) {
              if (std::filesystem::exists(run_path(text))) options.run = read_run(run_path(text));
              options.resume = options.out = text;
            })
      ->type_name("PATH")
      ->trigger_on_parse()
      ->excludes("--run", "--out");
  app.add_flag("--overwrite", options.overwrite, "begin anew where an interrupted training stands at --out, which is lost [refused]")->excludes("--resume");
  add_value(app, "--allow-changed",
            "with --resume: differences to the run that wrote the checkpoint that are accepted, of data, seed, compile, settings, augment, precision, callbacks, cpu; the "
            "weights at the end are others then",
            [&options](const std::string& /*option*/, const std::string& text) {
              const std::vector<std::string_view> names = parts_of(text);
              options.allow_changed.assign(names.begin(), names.end());
              if (options.allow_changed.back().empty()) options.allow_changed.pop_back();  // "data," is "data"
            })
      ->type_name("NAMES")
      ->needs("--resume");
}

void add_compile_options(CLI::App& app, TrainingRun& run, RateOptions& rate) {
  const char* const otherwise = " [what the model was compiled with, else ";
  add_described(app, "--optimizer", &TrainingRun::optimizer, run, described_text,
                fmt::format("NAME or NAME:ARGUMENT=VALUE,..., such as adamw:weight_decay=0.05{}adam]", otherwise))
      ->type_name("NAME");
  add_number(
      app, "--learning-rate", rate.learning_rate, [](double x) { return x > 0; }, "a number above 0",
      "of the optimizer, with a schedule the rate that it changes [the optimizer's own]")
      ->type_name("X");
  add_value(app, "--schedule",
            "how the learning rate changes over the steps: cosine, cosine:warmup_steps=500, one_cycle and others (`linn layers` lists them) [not at all]",
            [&rate](const std::string& option, const std::string& text) {
              as_usage([&] {
                rate.schedule = described_text(option, text);
                check_schedule(rate.schedule);
              });
            })
      ->type_name("NAME");
  add_described(app, "--loss", &TrainingRun::loss, run, described_text,
                fmt::format("NAME or NAME:ARGUMENT=VALUE,...; from_logits follows from the network{}cross-entropy]", otherwise))
      ->type_name("NAME");
  add_described(app, "--metrics", &TrainingRun::metrics, run, described_texts,
                fmt::format("one or several, such as accuracy,top_k_categorical_accuracy:k=3{}accuracy]", otherwise))
      ->type_name("NAMES");
}

}  // namespace

Action add_train(CLI::App& app) {
  auto options = std::make_shared<TrainArguments>();
  TrainingRun& run = options->run;
  app.description("Train a model on labelled images, measure it on the test images, save it with all settings of the run.");
  add_value(app, "--run", "a run.json, which stands beside every model that this command saved: all settings of that run; options given with it change them",
            [&run](const std::string& /*option*/, const std::string& text) { run = read_run(text); })
      ->type_name("FILE")
      ->trigger_on_parse();
  add_text(app, "--model", run.model, built_in_models() + "; a file with Keras's configuration (.json); or a model to train on, as it was compiled")
      ->type_name("MODEL")
      ->default_str(run.model);
  add_text(app, "--out", options->out,
           "where the trained model goes: a directory, or a file (.keras, .h5, .onnx, .safetensors); Ctrl-C saves what was learned there too")
      ->type_name("PATH");
  add_resume(app, *options);
  add_data_options(app, run);
  add_streaming(app, run);
  add_fit_options(app, run);
  add_compile_options(app, run, options->rate);
  add_text(app, "--recipe", options->recipe, recipes_text() + "; in place of --epochs, --batch-size and what the model is compiled with")
      ->type_name("NAME")
      ->excludes("--epochs", "--batch-size", "--learning-rate", "--validation-split", "--patience", "--optimizer", "--schedule", "--loss", "--metrics", "--run", "--resume");
  add_value(app, "--memory-limit", "refuse a training that needs more memory, such as 2GB or 512MiB [what this process may have]",
            [options](const std::string& option, const std::string& text) { options->memory_limit = parse_bytes(option, text); })
      ->type_name("BYTES");
  add_whole(app, "--classes", run.classes, 2, largest, "classes of a built-in model [10]; labels go from 0 to N - 1")->type_name("N");
  add_accuracy(app, run.accuracy);
  add_precision(app, run.precision);
  add_common(app, options->common);
  app.footer(
      "Examples:\n  linn train --out digits\n  linn train --recipe fast --out digits\n  linn train --data photos.zip --resize 64x64 --out photos\n  linn train --model resnet20 --optimizer adamw:weight_decay=0.05 --schedule cosine --augment translation:0.1,flip --validation-split 0.1 --patience 5 --out cifar\n  linn train --run cifar/run.json --seed 1 --out again\n  linn train --resume cifar\n  linn train --log json | jq .loss");
  return [options] { return Train(*options).run(); };
}

}  // namespace linn::cli
