// linn convert: a model from one kind of file into another.
#include <memory>

#include "cli/command.h"

namespace linn::cli {
namespace {

struct Options {
  Common common;
  std::string from, to;
  bool weights = false;
  std::string layout = "keras";
};

int run(const Options& options) {
  apply(options.common);
  const WeightLayout layout = named("--layout: ", [&] { return WeightLayout(options.layout); });
  const Model model = load_model(options.from);
  if (!model.built()) throw StateError(fmt::format("{}: the network does not say the shape of its input, and has no weights yet", options.from));
  const bool weights =
      options.weights || options.to.ends_with(".weights.h5") || options.to.ends_with(".weights.json") || options.to.ends_with(".npz");
  if (weights)
    model.save_weights(options.to, {.layout = layout});
  else
    model.save(options.to);
  say(options.common, "{}: {}, {} parameters\n", core::printable(options.to), weights ? "the weights" : "the model",
      thousands(model.count_params()));
  emit(options.common,
       {{"event", "convert"}, {"from", options.from}, {"to", options.to}, {"weights_only", weights}, {"parameters", model.count_params()}});
  return exit_ok;
}

}  // namespace

Action add_convert(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.description("Write a model as another kind of file: the end of the name decides.");
  add_text(app, "from", options->from, "a model: .keras, .h5, .onnx, .safetensors, or a model's directory")->type_name("FROM")->required();
  add_text(app, "to", options->to,
           "a model: .keras, .h5, .onnx, .safetensors, or a directory; or weights alone: .weights.h5, .weights.json, .npz")
      ->type_name("TO")
      ->required();
  app.add_flag("--weights", options->weights, "write the weights alone, also to .h5 and .safetensors");
  add_text(app, "--layout", options->layout, "names and axes in files of weights: keras, or pytorch (out, in, height, width) [keras]")
      ->type_name("NAME");
  add_common(app, options->common);
  app.footer("Example:\n  linn convert digits digits.keras");
  return [options] { return run(*options); };
}

}  // namespace linn::cli
