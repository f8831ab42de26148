// linn train: fit a model to a data set, measure it on the test images, save it.
#include <cmath>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "data/dataset.h"
#include "linn/error.h"
#include "linn/shift.h"
#include "model/recipes.h"
#include "train/progress.h"

namespace linn::cli {
namespace {

struct Options {
  Common common;
  DataOptions data;
  std::string model = "notebook";
  std::string out;
  std::string scale;
  std::string accuracy = "fast";
  std::int64_t epochs = 3;
  std::int64_t batch_size = 128;
  double learning_rate = 0.001;
  double validation_split = 0;
  std::uint64_t seed = 0;
  std::optional<std::int64_t> classes;
  std::int64_t limit = 0;
  std::int64_t canvas = 0;
  std::string precision = "float32";
  std::string recipe;
};

// What the command line says to `compile` and `fit`: a recipe, or Adam and its numbers.
struct Training {
  CompileOptions compile;
  FitOptions fit;
};

// Null without one.
const model::Recipe* recipe_named(const std::string& name) {
  if (name.empty()) return nullptr;
  return named("--recipe: ", [&] { return &model::recipe(name); });
}

Training training_of(const Options& options, const model::Recipe* recipe, std::int64_t images) {
  if (recipe != nullptr) return {model::compile_options(*recipe), model::fit_options(*recipe, images)};
  return {{.optimizer = Adam({.learning_rate = options.learning_rate}), .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}},
          {.batch_size = options.batch_size, .epochs = options.epochs, .validation_split = options.validation_split}};
}

io::Json logs_event(const char* event, const Logs& logs) {
  io::Json json = {{"event", event}};
  for (const auto& [name, value] : logs) json[name] = number(value);
  return json;
}

int run(const Options& options) {
  apply(options.common);
  const Accuracy accuracy = parse_accuracy(options.accuracy);
  const Common& common = options.common;
  const DTypePolicy policy = policy_of(common, options.precision, accuracy);
  const model::Recipe* recipe = recipe_named(options.recipe);
  const std::string path = data_path(options.data.path);
  data::Dataset data = load_data(common, options.data, nullptr);
  if (!data.x_train.defined()) throw DataError(fmt::format("{}: holds test images only; x_train and y_train are needed to train", path));
  data.x_train = first_rows(data.x_train, options.limit);
  data.y_train = first_rows(data.y_train, options.limit);
  if (options.canvas > 0) {
    data.x_train = shift::on_canvas(data.x_train, options.canvas, options.canvas);
    if (data.x_test.defined()) data.x_test = shift::on_canvas(data.x_test, options.canvas, options.canvas);
  }

  const Shape image = image_shape(data.x_train);
  Sequential model = open_model({.text = options.model, .image = image, .classes = options.classes, .seed = options.seed, .class_names = data.class_names});
  const double scale = input_scale(model, data.x_train, options.scale);
  model.set_dtype_policy(policy);
  model.metadata()[scale_key] = fmt::format("{}", scale);
  const std::vector<std::string> known = class_names(model);
  if (!known.empty() && !data.class_names.empty()) {
    data.y_train = data::labels_by_name(data.y_train, data.class_names, known, data.train_where);
    if (data.y_test.defined()) data.y_test = data::labels_by_name(data.y_test, data.class_names, known, data.test_where);
  } else {
    remember_images(model, data, options.data);
  }
  if (options.canvas > 0) model.metadata()[canvas_key] = fmt::format("{0}x{0}", options.canvas);
  if (!options.out.empty()) prepare_directory(options.out);

  const std::int64_t images = data.x_train.shape()[0];
  Training training = training_of(options, recipe, images);
  say(common, "{} training images of {} x {} x {} from {}\n", thousands(images), image[0], image[1], image[2], path);
  say(common, "pixels: {}\n", scale_note(data.x_train, scale));
  say(common, "model: {}, {} parameters; {} threads, seed {}\n", options.model, thousands(model.count_params()), threads(), options.seed);
  emit(common, {{"event", "train"},
                {"model", options.model},
                {"data", path},
                {"images", images},
                {"image_shape", {image[0], image[1], image[2]}},
                {"parameters", model.count_params()},
                {"input_scale", scale},
                {"class_names", data.class_names},
                {"recipe", options.recipe.empty() ? io::Json(nullptr) : io::Json(options.recipe)},
                {"epochs", training.fit.epochs},
                {"batch_size", training.fit.batch_size},
                {"learning_rate", options.recipe.empty() ? io::Json(options.learning_rate) : io::Json(nullptr)},
                {"precision", options.precision},
                {"seed", options.seed},
                {"accuracy_policy", accuracy.name()},
                {"threads", threads()}});
  std::fflush(stdout);

  model.compile(training.compile);
  FitOptions& fit = training.fit;
  fit.verbose = common.json() ? Verbose::silent : Verbose::automatic;
  fit.callbacks = {stop_on_interrupt()};
  fit.input_scale = scale;
  fit.accuracy = accuracy;
  if (common.json()) {
    const std::int64_t trained = fit.steps_per_epoch > 0 ? fit.steps_per_epoch * fit.batch_size
                                                         : static_cast<std::int64_t>(std::floor(static_cast<double>(images) * (1 - fit.validation_split)));
    fit.callbacks.push_back(train::json_progress(stdout, trained));
  }
  remember_interrupt();
  about(data.train_where, [&] { return model.fit(data.x_train, data.y_train, fit); });
  const bool stopped = interrupted();

  if (!stopped && data.x_test.defined()) {
    const Logs logs = about(data.test_where, [&] {
      return model.evaluate(data.x_test, data.y_test, {.batch_size = 256, .verbose = Verbose::silent, .input_scale = scale, .accuracy = accuracy});
    });
    say(common, "{} test images{}\n", thousands(data.x_test.shape()[0]), train::logs_text(logs));
    io::Json event = logs_event("evaluate", logs);
    event["part"] = "test";
    event["images"] = data.x_test.shape()[0];
    emit(common, event);
  }
  if (!options.out.empty()) {
    model.save(options.out);
    say(common, "{}saved to {} (model.safetensors, config.json)\n", stopped ? "interrupted; what was learned is " : "", options.out);
  } else {
    say(common, "{}not saved, because no --out DIR was given\n", stopped ? "interrupted; " : "");
  }
  emit(common, {{"event", stopped || interrupted() ? "interrupted" : "done"},
                {"saved", options.out.empty() ? io::Json(nullptr) : io::Json(options.out)}});
  return stopped || interrupted() ? exit_interrupted : exit_ok;
}

}  // namespace

Action add_train(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.description("Train a model on labelled images with Adam and cross-entropy, measure it on the test images, save it.");
  add_data(app, options->data);
  add_text(
      app, "--model", options->model,
      "no-pooling, notebook, average-pooling or global-max; a file with Keras's configuration (.json); or a model directory to train on")
      ->type_name("MODEL")
      ->default_str(options->model);
  add_text(app, "--out", options->out, "directory for the trained model; Ctrl-C saves what was learned there too")->type_name("DIR");
  add_whole(app, "--epochs", options->epochs, 1, largest, "times through all images")
      ->type_name("N")
      ->default_str(fmt::format("{}", options->epochs));
  add_whole(app, "--batch-size", options->batch_size, 1, largest, "images in a step")
      ->type_name("N")
      ->default_str(fmt::format("{}", options->batch_size));
  add_number(
      app, "--learning-rate", options->learning_rate, [](double rate) { return rate > 0; }, "a number above 0", "of Adam")
      ->type_name("X")
      ->default_str(fmt::format("{}", options->learning_rate));
  add_number(
      app, "--validation-split", options->validation_split, [](double share) { return share >= 0 && share < 1; },
      "a number from 0 to less than 1", "the last share of the images, kept to measure on after each epoch")
      ->type_name("X")
      ->default_str(fmt::format("{}", options->validation_split));
  add_text(app, "--recipe", options->recipe, fmt::format("fast: {}; in place of the four options above", model::recipe("fast").about))
      ->type_name("NAME")
      ->excludes("--epochs", "--batch-size", "--learning-rate", "--validation-split");
  add_whole(app, "--seed", options->seed, 0, largest_seed,
            "of first weights and shuffling: the same seed gives the same bits on any number of threads")
      ->type_name("N")
      ->default_str(fmt::format("{}", options->seed));
  add_text(
      app, "--scale", options->scale,
      "what every pixel is multiplied by, a number or a fraction; saved with the model [1/255 for uint8 images unless the model begins "
      "with Rescaling or Normalization, else 1]")
      ->type_name("X");
  add_whole(app, "--classes", options->classes, 2, largest, "classes of a built-in model [10]; labels go from 0 to N - 1")->type_name("N");
  add_whole(app, "--limit", options->limit, 0, largest, "train on the first N images only")->type_name("N");
  add_whole(app, "--canvas", options->canvas, 0, largest, "lay the images onto the middle of N x N zeros first")->type_name("N");
  add_accuracy(app, options->accuracy);
  add_precision(app, options->precision);
  add_common(app, options->common);
  app.footer(
      "Examples:\n  linn train --out digits\n  linn train --recipe fast --out digits\n  linn train --data photos.zip --resize 64x64 --out photos\n  linn train --model no-pooling --epochs 1 --out flat\n  linn train --log json | jq .loss");
  return [options] { return run(*options); };
}

}  // namespace linn::cli
