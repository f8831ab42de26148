// linn convert: a model from one kind of file into another.
#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <system_error>

#include "cli/command.h"
#include "io/text.h"

namespace linn::cli {
namespace {

struct Options {
  Common common;
  std::string from, to;
  bool weights = false;
  std::string layout = "keras";
};

bool ends_with_any(const std::string& path, std::initializer_list<std::string_view> endings) {
  return std::ranges::any_of(endings, [&](std::string_view ending) { return path.ends_with(ending); });
}

// Whether the weights alone are written; a name that says neither is refused, before anything is read.
bool writes_weights(const Options& options) {
  const std::string& to = options.to;
  const bool named = ends_with_any(to, {".weights.h5", ".weights.json", ".npz", ".weights.safetensors"});
  const bool holds_both = ends_with_any(to, {".h5", ".safetensors"});
  if (options.weights && !named && !holds_both)
    throw UsageError(
        fmt::format("--weights: {} cannot hold weights alone; .weights.h5, .weights.json, .h5, .safetensors and .npz can", io::quote(to)));
  const bool weights = named || options.weights;
  if (options.layout != "keras" && !(weights && ends_with_any(to, {".safetensors", ".npz"})))
    throw UsageError(
        fmt::format("--layout {}: is for weights in .safetensors (with --weights) and .npz; {} was given", options.layout, io::quote(to)));
  const std::string ending = std::filesystem::path(to).extension().string();
  const bool is_folder = std::filesystem::is_directory(to) || to.ends_with('/');
  if (!weights && !is_folder && !ending.empty() && !has_model_ending(to))
    throw UsageError(
        fmt::format("{}: models are written to .keras, .h5, .onnx and .safetensors files, and to directories, whose names have no ending; "
                    "weights to .weights.h5, .weights.json, .h5, .safetensors and .npz",
                    io::quote(to)));
  return weights;
}

int run(const Options& options) {
  apply(options.common);
  const WeightLayout layout = named("--layout: ", [&] { return WeightLayout(options.layout); });
  const bool weights = writes_weights(options);
  std::error_code error;
  if (std::filesystem::equivalent(options.from, options.to, error))
    throw UsageError(fmt::format("{} and {} are the same file; give the new one another name", options.from, options.to));
  const Model model = load_model(options.from);
  if (!model.built())
    throw StateError(fmt::format("{}: the network does not say the shape of its input, and has no weights yet", options.from));
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
  app.footer("Examples:\n  linn convert digits digits.keras\n  linn convert digits.keras digits.safetensors --weights --layout pytorch");
  return [options] { return run(*options); };
}

}  // namespace linn::cli
