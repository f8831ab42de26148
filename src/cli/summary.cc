// linn summary: the table that Keras's model.summary() prints.
#include <algorithm>
#include <memory>

#include "cli/command.h"

namespace linn::cli {
namespace {

struct SummaryArguments {
  Common common;
  std::string model = "notebook";
  std::string input;
  std::optional<std::int64_t> classes;
  std::int64_t line_length = 0;
  bool show_trainable = false;
};

int run(const SummaryArguments& options) {
  apply(options.common);
  const std::optional<Shape> image = parse_image_shape(options.input);
  const Model model =
      open_model({.text = options.model, .image = image, .image_from_option = image.has_value(), .classes = options.classes});
  if (!options.common.json()) {
    model.summary({.line_length = options.line_length, .show_trainable = options.show_trainable});
    return exit_ok;
  }
  const auto sizes = [](const Shape& shape) { return detail::io::Json(std::vector<std::int64_t>(shape.begin(), shape.end())); };
  detail::io::Json event = {{"event", "summary"}, {"name", model.name()}, {"built", model.built()}};
  detail::io::Json layers = detail::io::Json::array();
  const auto names = model.layer_names();
  const auto described = model.layers();
  const auto weights = model.built() ? model.named_weights() : std::vector<std::pair<std::string, Tensor>>();
  const auto shapes = model.built() ? model.output_shapes() : std::vector<Shape>();
  // Names and shapes may leave out input layers that `layers` lists; the last ones belong together.
  const std::size_t count = std::min(names.size(), described.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::string& name = names[names.size() - count + i];
    std::int64_t parameters = 0;
    for (const auto& [variable, values] : weights)
      if (variable.starts_with(name + "/")) parameters += values.elements();
    detail::io::Json layer = {{"name", name}, {"class", described[described.size() - count + i].class_name()}};
    layer["output_shape"] = shapes.size() >= count ? sizes(shapes[shapes.size() - count + i]) : detail::io::Json(nullptr);
    layer["parameters"] = parameters;
    layers.push_back(layer);
  }
  event["layers"] = layers;
  if (model.built()) {
    event["input_shape"] = sizes(model.input_shape());
    event["parameters"] = model.count_params();
    event["trainable_parameters"] = model.count_trainable_params();
  }
  emit(options.common, event);
  return exit_ok;
}

}  // namespace

Action add_summary(CLI::App& app) {
  auto options = std::make_shared<SummaryArguments>();
  app.description("Print a model's layers, shapes and numbers of parameters, as Keras does.");
  add_text(app, "model,--model", options->model,
           built_in_models() + "; a file with Keras's configuration (.json); or a model directory")
      ->type_name("MODEL")
      ->default_str(options->model);
  add_text(app, "--input", options->input, "the shape of one image, for built-in models and configurations without one [28x28x1]")
      ->type_name("HxWxC");
  add_whole(app, "--classes", options->classes, 1, largest, "classes of a built-in model [10]")->type_name("N");
  add_whole(app, "--line-length", options->line_length, 0, largest, "characters in a line [as wide as the terminal, 88 at most]")
      ->type_name("N");
  app.add_flag("--show-trainable", options->show_trainable, "one more column: Y or N for each layer");
  add_common(app, options->common);
  app.footer("Example:\n  linn summary --model global-max");
  return [options] { return run(*options); };
}

}  // namespace linn::cli
