// linn evaluate: loss and accuracy of a saved model.
#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/compile.h"
#include "cli/pixels.h"
#include "shift/class_values.h"
#include "train/progress.h"

namespace linn::cli {
namespace {

struct EvaluateArguments {
  Common common;
  std::string model;
  DataOptions data;
  std::string scale;
  std::string accuracy = "fast";
  std::int64_t batch_size = 256;
  std::int64_t limit = 0;
  std::string precision = "float32";
  Size2 canvas = {};
  bool confusion = false;
};

// Whether a list of metrics names "accuracy", which chooses its own threshold, at any depth.
bool names_accuracy(const detail::io::Json& metrics) {
  if (metrics.is_array()) return std::any_of(metrics.begin(), metrics.end(), names_accuracy);
  return metrics.is_string() && (metrics == "accuracy" || metrics == "acc");
}

// Whether Keras's "accuracy" was measured of one logit: its threshold is 0.5 then too, although the class changes at 0.
bool compares_logit_with_half(const Model& model) {
  if (!shift::is_binary(model) || !shift::gives_logits(model)) return false;
  const detail::io::Json compiled = shift::compile_config(model);
  return compiled.contains("metrics") && names_accuracy(compiled["metrics"]);
}

// How often each class was taken for each.
void show_confusion(const EvaluateArguments& options, const Model& model, const Images& images, const Accuracy& accuracy, detail::io::Json& event) {
  const shift::ClassValues values(model);
  const Tensor predicted = values.of(model.predict(images.x, {.batch_size = options.batch_size, .accuracy = accuracy}));
  const metrics::ConfusionMatrix matrix = metrics::confusion_matrix(images.y.astype(DType::i64), predicted, values.classes());
  std::vector<std::string> names = class_names(model);
  if (static_cast<std::int64_t>(names.size()) != matrix.classes()) names.clear();
  say(options.common, "\nrows: the class of the label; columns: the class of the prediction\n{}", matrix.to_string(names));
  event["confusion"] = detail::io::Json::array();
  for (std::int64_t label = 0; label < matrix.classes(); ++label) {
    detail::io::Json row = detail::io::Json::array();
    for (std::int64_t prediction = 0; prediction < matrix.classes(); ++prediction) row.push_back(matrix.count(label, prediction));
    event["confusion"].push_back(std::move(row));
  }
}

int run(const EvaluateArguments& options) {
  apply(options.common);
  const Accuracy accuracy = parse_accuracy(options.accuracy);
  const DTypePolicy policy = policy_of(options.common, options.precision, accuracy);
  Model model = with_canvas(load_model(options.model), options.canvas);
  model.set_dtype_policy(policy);
  Images images = load_test_images(options.common, options.data, model, options.limit);
  model = at_size_of(std::move(model), images.x, images.where);
  const Pixels pixels = as_trained(model, images.x, images.where, options.scale);
  images.x = on_model_canvas(model, pixels.images);
  say(options.common, "{} {} images from {}; pixels: {}\n", thousands(images.x.shape()[0]), images.part, data_path(options.data.path),
      pixels.note);
  std::fflush(stdout);
  const bool is_assumed = !model.compiled();
  if (is_assumed) model.compile(default_compile(model));
  const Tensor targets = targets_of(model, images.y, images.where);
  const auto measured = [&] {
    return about(images.where, [&] {
      return model.evaluate(images.x, targets, {.batch_size = options.batch_size, .verbose = Verbose::silent, .accuracy = accuracy});
    });
  };
  const Logs logs = measured();
  detail::io::Json event = {{"event", "evaluate"}};
  say(options.common, "{}{}\n", compile_text(model), is_assumed ? " (assumed: the file names none)" : "");
  for (const auto& [name, value] : logs) {
    say(options.common, "{}: {:.4f}\n", name, value);
    event[name] = number(value);
  }
  if (compares_logit_with_half(model)) {
    model.compile(default_compile(model));
    const double by_sign = measured().at("accuracy");
    say(options.common,
        "accuracy at threshold 0: {:.4f}; the output is a logit, which the accuracy above compares with 0.5, as Keras does\n", by_sign);
    event["accuracy_at_threshold_0"] = number(by_sign);
  }
  if (options.confusion) show_confusion(options, model, images, accuracy, event);
  event["class_names"] = class_names(model);
  event["part"] = images.part;
  event["images"] = images.x.shape()[0];
  event["input_scale"] = pixels.scale;
  event["precision"] = options.precision;
  emit(options.common, event);
  return exit_ok;
}

}  // namespace

Action add_evaluate(CLI::App& app) {
  auto options = std::make_shared<EvaluateArguments>();
  app.description("Measure a saved model on the test images (the training images where there are no others).");
  add_text(app, "model", options->model, "a model: a file or directory of any kind that linn reads (docs/files.md)")->type_name("MODEL")->required();
  add_data(app, options->data);
  add_whole(app, "--batch-size", options->batch_size, 1, largest, "images computed at once")
      ->type_name("N")
      ->default_str(fmt::format("{}", options->batch_size));
  app.add_flag("--confusion", options->confusion, "also show how often each class was taken for each");
  add_whole(app, "--limit", options->limit, 0, largest, "the first N images only")->type_name("N");
  add_text(app, "--scale", options->scale, "what every pixel is multiplied by first [what brings it to the range that the model was trained on]")
      ->type_name("X");
  add_canvas(app, options->canvas, "take the weights to inputs of HxW (or NxN), the images in their middle [the model's own size]");
  add_accuracy(app, options->accuracy);
  add_precision(app, options->precision);
  add_common(app, options->common);
  app.footer("Example:\n  linn evaluate digits\n  linn evaluate digits --confusion");
  return [options] { return run(*options); };
}

}  // namespace linn::cli
