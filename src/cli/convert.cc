// linn convert: a model from one kind of file into another.
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "io/text.h"

namespace linn::cli {
namespace {

// Weights for a network that is named without any, or in place of its own.
struct LoadFrom {
  std::string file;
  bool by_name = false, skip_mismatch = false;
  std::string input;
  std::optional<std::int64_t> classes;
};

struct ConvertArguments {
  Common common;
  std::string from, to;
  bool weights = false;
  std::string layout = "keras";
  LoadFrom load;
};

bool ends_with_any(const std::string& path, std::initializer_list<std::string_view> endings) {
  return std::ranges::any_of(endings, [&](std::string_view ending) { return path.ends_with(ending); });
}

// Whether the weights alone are written; a name that says neither is refused, before anything is read.
bool writes_weights(const ConvertArguments& options) {
  const std::string& to = options.to;
  const bool named = ends_with_any(to, {".weights.h5", ".weights.json", ".npz", ".weights.safetensors"});
  const bool holds_both = ends_with_any(to, {".h5", ".safetensors"});
  if (options.weights && !named && !holds_both)
    throw UsageError(fmt::format("--weights: {} cannot hold weights alone; .weights.h5, .weights.json, .h5, .safetensors and .npz can",
                                 detail::io::quote(to)));
  const bool weights = named || options.weights;
  if (options.layout != "keras" && !(weights && ends_with_any(to, {".safetensors", ".npz"})))
    throw UsageError(fmt::format("--layout {}: is for weights in .safetensors (with --weights) and .npz; {} was given", options.layout,
                                 detail::io::quote(to)));
  const std::string ending = std::filesystem::path(to).extension().string();
  const bool is_folder = std::filesystem::is_directory(to) || to.ends_with('/');
  if (!weights && !is_folder && !ending.empty() && !has_model_ending(to))
    throw UsageError(
        fmt::format("{}: models are written to .keras, .h5, .onnx and .safetensors files, and to directories, whose names have no ending; "
                    "weights to .weights.h5, .weights.json, .h5, .safetensors and .npz",
                    detail::io::quote(to)));
  return weights;
}

void refuse_same_file(const std::string& from, const std::string& to) {
  std::error_code error;
  if (std::filesystem::equivalent(from, to, error))
    throw UsageError(fmt::format("{} and {} are the same file; give the new one another name", from, to));
}

// The model, and what was loaded into it; no report where it has the weights of its own file.
std::pair<Model, std::optional<LoadReport>> open(const ConvertArguments& options) {
  const LoadFrom& load = options.load;
  if (load.file.empty()) return {load_model(options.from), std::nullopt};
  Model model = open_model(
      {.text = options.from, .image = parse_image_shape(load.input), .image_from_option = !load.input.empty(), .classes = load.classes});
  if (!model.built())
    throw UsageError(fmt::format("{}: the network does not say the shape of its input; give it with --input HxWxC", options.from));
  LoadReport report = model.load_weights(load.file, {.by_name = load.by_name, .skip_mismatch = load.skip_mismatch});
  if (report.loaded.empty())
    throw ValueError(fmt::format("{}: none of its weights fits the network: {}", load.file, fmt::join(report.problems, "; ")));
  return {std::move(model), std::move(report)};
}

void print(const ConvertArguments& options, const LoadReport& report) {
  const std::size_t loaded = report.loaded.size(), left = report.problems.size();
  say(options.common, "{}: {} weights loaded{}\n", detail::core::printable(options.load.file), loaded,
      left > 0 ? fmt::format("; {} do not fit, and what is missing keeps the values of a new network:", left) : "");
  for (const std::string& problem : report.problems) say(options.common, "  {}\n", detail::core::printable(problem));
}

int run(const ConvertArguments& options) {
  apply(options.common);
  const WeightLayout layout = named("--layout: ", [&] { return WeightLayout(options.layout); });
  const bool weights = writes_weights(options);
  refuse_same_file(options.from, options.to);
  refuse_same_file(options.load.file, options.to);
  const auto [model, report] = open(options);
  if (!model.built())
    throw StateError(fmt::format("{}: the network does not say the shape of its input, and has no weights yet", options.from));
  if (weights)
    model.save_weights(options.to, {.layout = layout});
  else
    model.save(options.to);
  if (report) print(options, *report);
  say(options.common, "{}: {}, {} parameters\n", detail::core::printable(options.to), weights ? "the weights" : "the model",
      thousands(model.count_params()));
  detail::io::Json event = {
      {"event", "convert"}, {"from", options.from}, {"to", options.to}, {"weights_only", weights}, {"parameters", model.count_params()}};
  if (report) event["load"] = {{"file", options.load.file}, {"loaded", report->loaded}, {"problems", report->problems}};
  emit(options.common, event);
  return exit_ok;
}

}  // namespace

Action add_convert(CLI::App& app) {
  auto options = std::make_shared<ConvertArguments>();
  app.description("Write a model as another kind of file: the end of the name decides.");
  add_text(app, "from", options->from,
           "a model: .keras, .h5, .onnx, .safetensors, or a model's directory; with --load-weights also a configuration (.json) or a "
           "built-in network")
      ->type_name("FROM")
      ->required();
  add_text(app, "to", options->to,
           "a model: .keras, .h5, .onnx, .safetensors, or a directory; or weights alone: .weights.h5, .weights.json, .npz")
      ->type_name("TO")
      ->required();
  app.add_flag("--weights", options->weights, "write the weights alone, also to .h5 and .safetensors");
  add_text(app, "--layout", options->layout, "names and axes in files of weights: keras, or pytorch (out, in, height, width) [keras]")
      ->type_name("NAME");
  LoadFrom& load = options->load;
  CLI::Option* file =
      add_text(app, "--load-weights", load.file,
               "put the weights of this file into the network first: .weights.h5, .weights.json, .h5, .keras, .safetensors or .npz")
          ->type_name("FILE");
  CLI::Option* by_name = app.add_flag("--by-name", load.by_name, "match the layers of a legacy .h5 file by their names [by their order]");
  CLI::Option* skip =
      app.add_flag("--skip-mismatch", load.skip_mismatch, "leave out weights that do not fit, and list them [refuse the file]");
  CLI::Option* input = add_text(app, "--input", load.input, "the shape of one image, for built-in networks and configurations without one")
                           ->type_name("HxWxC");
  CLI::Option* classes = add_whole(app, "--classes", load.classes, 2, largest, "classes of a built-in network [10]")->type_name("N");
  for (CLI::Option* option : {by_name, skip, input, classes}) option->needs(file);
  add_common(app, options->common);
  app.footer(
      "Examples:\n  linn convert digits digits.keras\n  linn convert digits.keras digits.safetensors --weights --layout pytorch\n"
      "  linn convert resnet20 cifar.keras --load-weights cifar.weights.h5");
  return [options] { return run(*options); };
}

}  // namespace linn::cli
