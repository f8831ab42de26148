// linn train: fit a model to a data set, measure it on the test images, save it.
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "cli/command.h"
#include "cli/compile.h"
#include "cli/interrupt.h"
#include "cli/pixels.h"
#include "data/dataset.h"
#include "linn/error.h"
#include "linn/layers/activation.h"
#include "linn/shift.h"
#include "model/recipes.h"
#include "train/progress.h"

namespace linn::cli {
namespace {

struct TrainArguments {
  Common common;
  DataOptions data;
  std::string model = "notebook";
  std::string out;
  std::string scale;
  std::string accuracy = "fast";
  std::int64_t epochs = 3;
  std::int64_t batch_size = 128;
  double learning_rate = 0.001;
  const CLI::Option* learning_rate_given = nullptr;
  double validation_split = 0;
  std::uint64_t seed = 0;
  std::optional<std::int64_t> classes;
  std::int64_t limit = 0;
  std::int64_t canvas = 0;
  std::string precision = "float32";
  std::string recipe;
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
  explicit Train(const TrainArguments& options) : options_(options), common_(options.common) {}

  int run() {
    apply(common_);
    accuracy_ = parse_accuracy(options_.accuracy);
    const DTypePolicy policy = policy_of(common_, options_.precision, accuracy_);
    recipe_ = recipe_named(options_.recipe);
    load();
    Model model = open();
    model.set_dtype_policy(policy);
    compile(model);
    // All that can be wrong with the labels is found before the first step.
    const Tensor y_train = targets_of(model, data_.y_train, data_.train_where);
    const Tensor y_test = data_.x_test.defined() ? targets_of(model, data_.y_test, data_.test_where) : Tensor();
    if (!options_.out.empty()) prepare_output(options_.out);
    announce(model);
    fit(model, y_train);
    save(model);
    if (!stopped_ && data_.x_test.defined()) measure(model, y_test);
    emit(common_, {{"event", stopped_ || interrupted() ? "interrupted" : "done"},
                   {"saved", options_.out.empty() ? detail::io::Json(nullptr) : detail::io::Json(options_.out)}});
    return stopped_ || interrupted() ? exit_interrupted : exit_ok;
  }

 private:
  std::int64_t images() const { return data_.x_train.shape()[0]; }

  void load() {
    path_ = data_path(options_.data.path);
    data_ = load_data(common_, options_.data, nullptr);
    if (!data_.x_train.defined()) throw DataError(fmt::format("{}: holds test images only; x_train and y_train are needed to train", path_));
    data_.x_train = first_rows(data_.x_train, options_.limit);
    data_.y_train = first_rows(data_.y_train, options_.limit);
    if (options_.canvas == 0) return;
    data_.x_train = shift::on_canvas(data_.x_train, options_.canvas, options_.canvas);
    if (data_.x_test.defined()) data_.x_test = shift::on_canvas(data_.x_test, options_.canvas, options_.canvas);
  }

  Model open() {
    image_ = image_shape(data_.x_train);
    Model model = open_model(
        {.text = options_.model, .image = image_, .classes = options_.classes, .seed = options_.seed, .class_names = data_.class_names});
    set_range(model);
    if (options_.canvas > 0) model.metadata()[canvas_key] = fmt::format("{0}x{0}", options_.canvas);
    if (class_names(model).empty()) remember_images(model, data_, options_.data);
    use_class_numbers(data_, model);
    return model;
  }

  // The images as the model takes them. A network that knows no range yet gets a Rescaling in front, and remembers the range.
  void set_range(Model& model) {
    const bool known = trained_on(model).has_value();
    if (known) {
      Pixels pixels = as_trained(model, data_.x_train, data_.train_where, options_.scale);
      data_.x_train = std::move(pixels.images);
      note_ = std::move(pixels.note);
      scale_ = pixels.scale;
    } else {
      scale_ = training_scale(model, data_.x_train, data_.train_where, options_.scale);
      if (scale_ != 1) model = model.with_first_layer(Rescaling(scale_));
      remember_range(model, data_.x_train, data_.train_where);
      note_ = fmt::format("{}; {} (--scale changes that)", range_note(data_.x_train, data_.train_where),
                          scale_ == 1 ? std::string("not scaled")
                                      : fmt::format("a Rescaling by {} stands in front of the network", scale_text(scale_)));
    }
    if (!data_.x_test.defined()) return;
    Pixels pixels = as_trained(model, data_.x_test, data_.test_where, known ? options_.scale : "");
    data_.x_test = std::move(pixels.images);
    if (pixels.scale != scale_ && pixels.scale != 1) say(common_, "test pixels: {}\n", pixels.note);
  }

  void compile(Model& model) {
    compiled_anew_ = recipe_ != nullptr || !model.compiled() || options_.learning_rate_given->count() > 0;
    if (!compiled_anew_) return;
    model.compile(recipe_ != nullptr ? for_classes(model, detail::model::compile_options(*recipe_), recipe_->label_smoothing)
                                     : default_compile(model, options_.learning_rate));
  }

  FitOptions fit_options() const {
    FitOptions fit = recipe_ != nullptr ? detail::model::fit_options(*recipe_, images())
                                        : FitOptions{.batch_size = options_.batch_size,
                                                     .epochs = options_.epochs,
                                                     .validation_split = options_.validation_split};
    fit.verbose = common_.json() ? Verbose::silent : Verbose::automatic;
    fit.callbacks = {stop_on_interrupt()};
    fit.accuracy = accuracy_;
    return fit;
  }

  void announce(const Model& model) const {
    say(common_, "{} training images of {} x {} x {} from {}\n", thousands(images()), image_[0], image_[1], image_[2], path_);
    say(common_, "pixels: {}\n", note_);
    say(common_, "model: {}, {} parameters; {} threads, seed {}\n", options_.model, thousands(model.count_params()), threads(), options_.seed);
    say(common_, "{}\n", compile_text(model));
    if (!data_.x_test.defined() && options_.validation_split == 0)
      say(common_, "no test images came: --validation-split 0.1 keeps the last tenth of the training images to measure on\n");
    const FitOptions fit = fit_options();
    emit(common_,
         {{"event", "train"},
          {"model", options_.model},
          {"data", path_},
          {"images", images()},
          {"image_shape", {image_[0], image_[1], image_[2]}},
          {"parameters", model.count_params()},
          {"input_scale", scale_},
          {"class_names", data_.class_names},
          {"recipe", options_.recipe.empty() ? detail::io::Json(nullptr) : detail::io::Json(options_.recipe)},
          {"epochs", fit.epochs},
          {"batch_size", fit.batch_size},
          {"learning_rate", compiled_anew_ && recipe_ == nullptr ? detail::io::Json(options_.learning_rate) : detail::io::Json(nullptr)},
          {"precision", options_.precision},
          {"seed", options_.seed},
          {"accuracy_policy", accuracy_.name()},
          {"threads", threads()}});
    std::fflush(stdout);
  }

  void fit(Model& model, const Tensor& y) {
    FitOptions fit = fit_options();
    if (common_.json()) {
      const std::int64_t trained = fit.steps_per_epoch > 0
                                       ? fit.steps_per_epoch * fit.batch_size
                                       : static_cast<std::int64_t>(std::floor(static_cast<double>(images()) * (1 - fit.validation_split)));
      fit.callbacks.push_back(detail::train::json_progress(stdout, trained));
    }
    remember_interrupt();
    about(data_.train_where, [&] { return model.fit(data_.x_train, y, fit); });
    stopped_ = interrupted();
  }

  void save(const Model& model) const {
    if (options_.out.empty()) {
      say(common_, "{}not saved, because no --out DIR was given\n", stopped_ ? "interrupted; " : "");
      return;
    }
    model.save(options_.out);
    say(common_, "{}saved to {}{}\n", stopped_ ? "interrupted; what was learned is " : "", options_.out,
        has_model_ending(options_.out) ? "" : " (model.safetensors, config.json)");
    std::fflush(stdout);
  }

  void measure(Model& model, const Tensor& y) const {
    const Logs logs = about(data_.test_where, [&] {
      return model.evaluate(data_.x_test, y, {.batch_size = 256, .verbose = Verbose::silent, .accuracy = accuracy_});
    });
    say(common_, "{} test images{}\n", thousands(data_.x_test.shape()[0]), detail::train::logs_text(logs));
    detail::io::Json event = logs_event("evaluate", logs);
    event["part"] = "test";
    event["images"] = data_.x_test.shape()[0];
    emit(common_, event);
  }

  const TrainArguments& options_;
  const Common& common_;
  const detail::model::Recipe* recipe_ = nullptr;
  Accuracy accuracy_ = "fast";
  std::string path_;
  detail::data::Dataset data_;
  Shape image_;
  double scale_ = 1;     // of the Rescaling in front
  std::string note_;     // what the pixels are
  bool compiled_anew_ = false;  // by a recipe or the command line, in place of what the model was compiled with
  bool stopped_ = false;
};

}  // namespace

Action add_train(CLI::App& app) {
  auto options = std::make_shared<TrainArguments>();
  app.description("Train a model on labelled images with Adam and cross-entropy, measure it on the test images, save it.");
  add_data(app, options->data);
  add_text(app, "--model", options->model,
           built_in_models() + "; a file with Keras's configuration (.json); or a model directory to train on, as it was compiled")
      ->type_name("MODEL")
      ->default_str(options->model);
  add_text(app, "--out", options->out, "where the trained model goes: a directory, or a file (.keras, .h5, .onnx, .safetensors); Ctrl-C saves what was learned there too")->type_name("PATH");
  add_whole(app, "--epochs", options->epochs, 1, largest, "times through all images")
      ->type_name("N")
      ->default_str(fmt::format("{}", options->epochs));
  add_whole(app, "--batch-size", options->batch_size, 1, largest, "images in a step")
      ->type_name("N")
      ->default_str(fmt::format("{}", options->batch_size));
  options->learning_rate_given =
      add_number(
          app, "--learning-rate", options->learning_rate, [](double rate) { return rate > 0; }, "a number above 0",
          "of Adam, in place of the optimizer that a model directory was compiled with")
          ->type_name("X")
      ->default_str(fmt::format("{}", options->learning_rate));
  add_number(
      app, "--validation-split", options->validation_split, [](double share) { return share >= 0 && share < 1; },
      "a number from 0 to less than 1", "the last share of the images, kept to measure on after each epoch")
      ->type_name("X")
      ->default_str(fmt::format("{}", options->validation_split));
  add_text(app, "--recipe", options->recipe, recipes_text() + "; in place of the four options above")
      ->type_name("NAME")
      ->excludes("--epochs", "--batch-size", "--learning-rate", "--validation-split");
  add_whole(app, "--seed", options->seed, 0, largest_seed,
            "of first weights and shuffling: the same seed gives the same bits on any number of threads")
      ->type_name("N")
      ->default_str(fmt::format("{}", options->seed));
  add_text(
      app, "--scale", options->scale,
      "what every pixel is multiplied by, a number or a fraction: a Rescaling in front of the network [what brings bytes to 0..1, unless the "
      "model begins with Rescaling or Normalization]")
      ->type_name("X");
  add_whole(app, "--classes", options->classes, 2, largest, "classes of a built-in model [10]; labels go from 0 to N - 1")->type_name("N");
  add_whole(app, "--limit", options->limit, 0, largest, "train on the first N images only")->type_name("N");
  add_whole(app, "--canvas", options->canvas, 0, largest, "lay the images onto the middle of N x N zeros first")->type_name("N");
  add_accuracy(app, options->accuracy);
  add_precision(app, options->precision);
  add_common(app, options->common);
  app.footer(
      "Examples:\n  linn train --out digits\n  linn train --recipe fast --out digits\n  linn train --data photos.zip --resize 64x64 --out photos\n  linn train --model no-pooling --epochs 1 --out flat\n  linn train --log json | jq .loss");
  return [options] { return Train(*options).run(); };
}

}  // namespace linn::cli
