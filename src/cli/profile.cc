// linn profile: where the time of a network goes, op by op, against what the machine can do.
#include "linn/profile.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/compile.h"
#include "cli/pixels.h"
#include "cli/streamed_data.h"
#include "core/cpu.h"
#include "core/terminal.h"
#include "core/text_cells.h"
#include "linn/layers/activation.h"

namespace linn::cli {
namespace {

struct ProfileArguments {
  Common common;
  std::string model = "notebook";
  DataOptions data;
  std::string input;
  std::string scale;
  std::string accuracy = "fast";
  std::string precision = "float32";
  std::optional<std::int64_t> classes;
  std::int64_t batch_size = 128;
  std::int64_t steps = 0;
  bool training = false;
  bool stream = false;
};

// ---- the table -----------------------------------------------------------------------------------------------------

constexpr std::size_t columns = 9;
constexpr std::size_t layer_column = 1;
constexpr std::size_t texts = 4;  // the first columns, flush left
constexpr std::int64_t most_cells = 110;
constexpr std::int64_t gap = 2;

using Row = std::array<std::string, columns>;

// Cut to so many cells, the last of them "…".
std::string shortened(const std::string& text, std::int64_t most) {
  if (detail::core::cells_of(text) <= most) return text;
  std::string result;
  std::int64_t used = 1;
  for (const char32_t code : detail::core::from_utf8(text)) {
    used += detail::core::cells_of(code);
    if (used > most) break;
    detail::core::append_utf8(result, code);
  }
  return result + "…";
}

class Table {
 public:
  /// Rows stand in the order in which they are added; an empty one is a rule.
  void add(const Row& row) {
    Row& added = rows_.emplace_back();
    std::transform(row.begin(), row.end(), added.begin(), [](const std::string& text) { return detail::core::printable(text); });
  }
  void rule() { rows_.emplace_back(); }

  /// Layers' names give way where a line would be too long. `loud` is the row that is bold.
  void print(std::size_t loud, bool color) {
    std::array<std::int64_t, columns> widths{};
    for (const Row& row : rows_)
      for (std::size_t c = 0; c < columns; ++c) widths[c] = std::max(widths[c], detail::core::cells_of(row[c]));
    std::int64_t line = gap * (columns - 1);
    for (const std::int64_t width : widths) line += width;
    if (line > most_cells) {
      const std::int64_t layer = std::max<std::int64_t>(widths[layer_column] - (line - most_cells), 8);
      line -= widths[layer_column] - layer;
      widths[layer_column] = layer;
    }
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      const bool bold = color && (r == 0 || r == loud);
      write_to(stdout, "{}{}{}\n", bold ? "\x1b[1m" : "", rows_[r] == Row{} ? rule_of(line) : text_of(rows_[r], widths),
                 bold ? "\x1b[0m" : "");
    }
  }

 private:
  static std::string rule_of(std::int64_t line) {
    std::string text;
    for (std::int64_t i = 0; i < line; ++i) text += "─";
    return text;
  }
  static std::string text_of(const Row& row, const std::array<std::int64_t, columns>& widths) {
    std::string text;
    for (std::size_t c = 0; c < columns; ++c) {
      const std::string word = shortened(row[c], widths[c]);
      const std::string space(static_cast<std::size_t>(widths[c] - detail::core::cells_of(word)), ' ');
      if (c > 0) text.append(gap, ' ');
      text += c < texts ? word + space : space + word;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  }

  std::vector<Row> rows_;
};

std::string rate(double amount, double seconds) { return amount > 0 && seconds > 0 ? fmt::format("{:.1f}", amount / seconds * 1e-9) : ""; }

// Without the kernels, which the op's name tells: "winograd" of "conv_pool_forward.winograd", and of a chain "direct > depthwise" of
// "conv_forward.direct > conv_forward.depthwise".
std::string short_implementation(const std::string& name) {
  constexpr std::string_view behind = " > ";
  std::string text;
  for (std::size_t first = 0; first < name.size();) {
    const std::size_t end = std::min(name.find(behind, first), name.size());
    const std::string one = name.substr(first, end - first);
    text += (text.empty() ? "" : std::string(behind)) + one.substr(one.find('.') + 1);
    first = std::min(end + behind.size(), name.size());
  }
  return text;
}

struct Sums {
  double seconds = 0, flops = 0, bytes = 0, least = 0;
};

Row row(const std::array<std::string, texts>& names, const Sums& sums, const Profile& profile) {
  const double share = sums.seconds / (profile.seconds * profile.threads);
  return {names[0],
          names[1],
          names[2],
          names[3],
          fmt::format("{:.1f}", sums.seconds / static_cast<double>(profile.steps) * 1e6),
          fmt::format("{:.1f}", 100 * share),
          rate(sums.flops, sums.seconds),
          rate(sums.bytes, sums.seconds),
          sums.least > 0 && sums.seconds > 0 ? fmt::format("{:.0f}", 100 * sums.least / sums.seconds) : ""};
}

void print_table(const Profile& profile, bool is_streamed) {
  Table table;
  table.add({"op", "layer", "kernel", "isa", "us", "%", "GFLOP/s", "GB/s", "roof %"});
  table.rule();
  Sums all{.seconds = profile.seconds * profile.threads};
  std::size_t slowest = 0;
  for (std::size_t i = 0; i < profile.ops.size(); ++i) {
    const OpProfile& op = profile.ops[i];
    const Sums sums{op.seconds, op.flops, op.bytes, profile.roofline_seconds(op)};
    table.add(row({op.op, op.layer, short_implementation(op.implementation), op.isa}, sums, profile));
    all.flops += sums.flops, all.bytes += sums.bytes, all.least += sums.least;
    if (op.seconds > profile.ops[slowest].seconds) slowest = i;
  }
  table.add(row({"(between ops)", "", "", ""}, {.seconds = profile.seconds_between_ops()}, profile));
  if (is_streamed) table.add(row({"(waiting for data)", "", "", ""}, {.seconds = profile.seconds_waiting * profile.threads}, profile));
  table.rule();
  table.add(row({"all", "", "", ""}, all, profile));
  table.print(slowest + 2, detail::core::use_color(stdout));
}

void print(const ProfileArguments& options, const Profile& profile) {
  const bool many = profile.threads > 1;
  write_to(stdout, "{}, {}: batch {}, {}, accuracy {}\n", options.model, profile.training ? "training" : "inference", profile.batch_size,
             profile.precision, profile.accuracy.name());
  write_to(stdout, "{}, {}, {} thread{}\n", detail::core::cpu_name(), profile.isa, profile.threads, many ? "s" : "");
  write_to(stdout, "roofline of a thread{}: {:.1f} GFLOP/s; {:.1f} GB/s in its cache, {:.1f} GB/s in memory\n\n",
             many ? " while all run" : "", profile.peak_flops * 1e-9, profile.cache_bandwidth * 1e-9, profile.memory_bandwidth * 1e-9);
  print_table(profile, options.stream);
  write_to(stdout, "\n{} step{} of {} image{} in {:.2f} s: {} images/s\n", thousands(profile.steps), profile.steps == 1 ? "" : "s",
             profile.batch_size, profile.batch_size == 1 ? "" : "s", profile.seconds,
             thousands(static_cast<std::int64_t>(profile.images_per_second())));
  write_to(stdout, "us: a step{}. GFLOP/s: of the direct form. GB/s: each tensor read or written once.\n",
             many ? fmt::format(", summed over the {} threads, of which each is a share", profile.threads) : "");
  write_to(stdout, "roof %: the least time under the roofline, as a share of the time taken. docs/profile.md says more.\n");
}

detail::io::Json event(const ProfileArguments& options, const Profile& profile) {
  detail::io::Json ops = detail::io::Json::array();
  for (const OpProfile& op : profile.ops)
    ops.push_back({{"op", op.op},
                   {"layer", op.layer},
                   {"implementation", op.implementation},
                   {"isa", op.isa},
                   {"calls", op.calls},
                   {"seconds", op.seconds},
                   {"share", op.seconds / (profile.seconds * profile.threads)},
                   {"flops", op.flops},
                   {"bytes", op.bytes},
                   {"memory_bytes", op.memory_bytes},
                   {"roofline_seconds", profile.roofline_seconds(op)},
                   {"bound", profile.bound(op)}});
  return {{"event", "profile"},
          {"model", options.model},
          {"training", profile.training},
          {"cpu", detail::core::cpu_name()},
          {"isa", profile.isa},
          {"threads", profile.threads},
          {"precision", profile.precision},
          {"accuracy_policy", profile.accuracy.name()},
          {"batch_size", profile.batch_size},
          {"steps", profile.steps},
          {"seconds", profile.seconds},
          {"seconds_waiting", profile.seconds_waiting},
          {"images_per_second", number(profile.images_per_second())},
          {"peak_flops", profile.peak_flops},
          {"cache_bandwidth", profile.cache_bandwidth},
          {"memory_bandwidth", profile.memory_bandwidth},
          {"seconds_between_ops", profile.seconds_between_ops()},
          {"ops", ops}};
}

// The model as it takes these images, and how they are changed for it.
Pixels fitted(Model& model, const Tensor& images, const std::string& where, const std::string& scale_option) {
  model = at_size_of(std::move(model), images, where);
  Pixels pixels{.images = images, .note = {}};
  if (trained_on(model)) {
    pixels = as_trained(model, images, where, scale_option);
  } else if (const double scale = training_scale(model, images, where, scale_option); scale != 1) {
    model = model.with_first_layer(Rescaling(scale));
  }
  pixels.images = on_model_canvas(model, pixels.images);
  return pixels;
}

// Images in folders as `linn train` reads them; only a sample of them is in memory.
std::optional<StreamedData> open_stream(const ProfileArguments& options) {
  if (!options.stream) return std::nullopt;
  if (options.data.path.empty()) throw UsageError("--stream is for images in folders or a .zip; name them with --data");
  TrainingRun run;
  run.data = options.data;
  run.stream = true;
  return StreamedData::open(options.common, run);
}

Profile measured(const Model& model, const ProfileOptions& how, StreamedData* streamed, const Pixels& pixels) {
  if (streamed == nullptr) return model.profile(how);
  // A canvas makes larger images of those in the files.
  const bool is_larger = pixels.images.shape() != streamed->sample().x_train.shape();
  streamed->convert(pixels, is_larger ? model.input_shape()[0] : 0);
  ProfileOptions alone = how;
  alone.x = alone.y = {};
  return model.profile(streamed->training_batches(model, 0, how.batch_size), alone);
}

int run(const ProfileArguments& options) {
  apply(options.common);
  const Accuracy accuracy = parse_accuracy(options.accuracy);
  const DTypePolicy policy = policy_of(options.common, options.precision, accuracy);
  ProfileOptions how = {.training = options.training, .batch_size = options.batch_size, .steps = options.steps, .accuracy = accuracy};
  ModelSource source = {.text = options.model, .image = parse_image_shape(options.input), .classes = options.classes};
  source.image_from_option = source.image.has_value();
  std::string where;
  std::optional<StreamedData> streamed = open_stream(options);
  if (streamed) {
    how.x = streamed->sample().x_train, how.y = streamed->sample().y_train;
    source.class_names = streamed->sample().class_names;
    where = streamed->sample().train_where;
    if (!source.image) source.image = image_shape(how.x);
  } else if (!options.data.path.empty()) {
    const detail::data::Dataset data = load_data(options.common, options.data, nullptr);
    Images images = test_images(data, 0);
    source.class_names = data.class_names;
    how.x = std::move(images.x), how.y = std::move(images.y);
    where = images.where;
    if (!source.image) source.image = image_shape(how.x);
  } else if (!options.scale.empty()) {
    throw UsageError("--scale is for images of a file; name one with --data");
  }
  Model model = open_model(source);
  model.set_dtype_policy(policy);
  Pixels pixels;
  if (how.x.defined()) {
    pixels = fitted(model, how.x, where, options.scale);
    how.x = pixels.images;
  }
  if (options.training) {
    if (!model.compiled()) model.compile(default_compile(model));
    if (how.y.defined()) how.y = targets_of(model, how.y, where);
  }
  if (has_open_size(model))
    throw UsageError(fmt::format("{} takes images of any size, {}; give the size to measure with --input HxWxC, or images with --data", options.model,
                                 model.input_shape().to_string()));
  const Profile profile = measured(model, how, streamed ? &*streamed : nullptr, pixels);
  if (!options.common.json()) print(options, profile);
  emit(options.common, event(options, profile));
  return exit_ok;
}

}  // namespace

Action add_profile(CLI::App& app) {
  auto options = std::make_shared<ProfileArguments>();
  app.description(
      "Run a model under the clock and show op by op which kernel ran, how long it took, and how near that is to what the machine can do.");
  add_text(app, "model,--model", options->model,
           built_in_models() + "; a file with Keras's configuration (.json); or a model directory")
      ->type_name("MODEL")
      ->default_str(options->model);
  app.add_flag("--training", options->training,
               "steps of training with Adam and cross-entropy in place of prediction; the model is not changed");
  add_whole(app, "--batch-size", options->batch_size, 1, largest, "images in a step")
      ->type_name("N")
      ->default_str(fmt::format("{}", options->batch_size));
  add_whole(app, "--steps", options->steps, 0, largest, "steps to measure [as many as take about a second]")->type_name("N");
  add_data(app, options->data, "; its test images are computed on", "random numbers");
  app.add_flag("--stream", options->stream, "read the training images of a folder or .zip while measuring, as linn train --stream does: shows how long steps wait for them");
  add_text(app, "--scale", options->scale,
           "what every pixel of the data is multiplied by [as the model was saved, else 1/255 for uint8 images]")
      ->type_name("X");
  add_text(app, "--input", options->input, "the shape of one image, for built-in models and configurations without one [28x28x1]")
      ->type_name("HxWxC");
  add_whole(app, "--classes", options->classes, 2, largest, "classes of a built-in model [10]")->type_name("N");
  add_accuracy(app, options->accuracy);
  add_precision(app, options->precision);
  add_common(app, options->common);
  app.footer(
      "Examples:\n  linn profile\n  linn profile --training --threads 1\n  linn profile digits --data data/mnist.npz --batch-size 1\n"
      "  linn profile --log json | jq -c '.ops[] | [.implementation, .seconds]'");
  return [options] { return run(*options); };
}

}  // namespace linn::cli
