#include "cli/training_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "cli/compile.h"
#include "cli/described_text.h"
#include "io/file.h"
#include "io/text.h"
#include "linn/augment.h"
#include "io/bytes.h"
#include "optim/described.h"
#include "optim/losses.h"
#include "optim/metrics.h"
#include "optim/optimizers.h"
#include "optim/schedules.h"
#include "schema/visit.h"
#include "shift/class_values.h"
#include "shift/network.h"

namespace linn {
namespace detail::schema {

// What another table reads: a name, or Keras's node.
template <>
struct Type<io::Json> {
  static io::Json read(const io::Json& json, const Place& /*place*/) { return json; }
  static io::Json write(const io::Json& value) { return value; }
  static std::string fault(const io::Json& /*value*/, const Range& /*range*/) { return {}; }
  static std::string text(const io::Json& value) { return io::describe(value); }
  static std::string python(const io::Json& /*value*/) { return "None"; }
};

template <>
struct Schema<cli::TrainingRun> {
  using R = cli::TrainingRun;
  using D = cli::DataOptions;
  static constexpr Info info{"linn", "TrainingRun", {}, "All that decides what linn train learns."};
  static constexpr auto fields =
      all(nested(&R::data, field("data", &D::path, "The data set; empty: LINN_DATA, or data/mnist.npz."),
                 field("resize", &D::resize, at_least(1), "Height and width that images in folders are brought to."),
                 field("color_mode", &D::color_mode, "Of images in folders.")),
          field("stream", &R::stream, "Whether images in folders are read while training."),
          field("cache", &R::cache, "The same, and kept in memory then."),
          field("skip_broken", &R::skip_broken, "The same, and images that cannot be read are left out."),
          field("limit", &R::limit, between(0, cli::largest), "The first so many images; 0: all."),
          field("canvas", &R::canvas, between(0, cli::largest), "Side of the canvas of zeros; 0: none."),
          field("scale", &R::scale, "What every pixel is multiplied by."), field("model", &R::model, "A built-in network, a file or a directory."),
          field("classes", &R::classes, between(2, cli::largest), "Classes of a built-in network."),
          field("seed", &R::seed, "Of first weights, shuffling and random layers."),
          field("epochs", &R::epochs, between(1, cli::largest), "Times through all images."),
          field("batch_size", &R::batch_size, between(1, cli::largest), "Images in a step."),
          field("steps_per_epoch", &R::steps_per_epoch, between(0, cli::largest), "Steps of an epoch; 0: all images."),
          field("validation_split", &R::validation_split, from_to_below(0, 1), "The last share of the images, kept to measure on."),
          field("patience", &R::patience, between(0, cli::largest), "Epochs without a better val_loss before training stops; null: all epochs."),
          field("checkpoint_every", &R::checkpoint_every, "How often a checkpoint is written: \"2m\", \"30s\", a number of steps, or 0."),
          field("augment", &R::augment, "How training images are changed at random: \"translation:0.1,flip\"."),
          field("optimizer", &R::optimizer, "Keras's node, or a name."), field("loss", &R::loss, "Keras's node, or a name."),
          field("metrics", &R::metrics, "A list of nodes or names."), field("accuracy", &R::accuracy, "fast or exact."),
          field("precision", &R::precision, "float32 or mixed_bfloat16."));
};

}  // namespace detail::schema

namespace cli {
namespace {

using detail::io::Json;
namespace optim = detail::optim;

// {"class_name": ..., "config": {...}} of a name or a node.
Json as_node(const Json& described) {
  if (described.is_string()) return {{"class_name", described}, {"config", Json::object()}};
  Json node = described;
  if (!node.contains("config") || !node["config"].is_object()) node["config"] = Json::object();
  return node;
}

// The field of a schedule that holds its rate, which the optimizer's own takes.
std::string rate_field(const Json& schedule) {
  const std::string name = schedule.at("class_name").get<std::string>();
  const auto& row = optim::row_in_file(detail::schema::Kind::schedule, optim::schedule_rows(), name, "--schedule");
  for (const detail::schema::FieldInfo& field : row.fields())
    if (field.key == "initial_learning_rate" || field.key == "max_learning_rate") return field.key;
  return {};
}

// The field that holds its highest rate: of one that warms up, the rate at the end of the rise.
std::string highest_rate_field(const Json& schedule) {
  const Json& config = schedule.at("config");
  return config.contains("warmup_target") && config["warmup_target"].is_number() ? "warmup_target" : rate_field(schedule);
}

void set_rate(Json& schedule, double rate) {
  const std::string field = highest_rate_field(schedule);
  if (field.empty())
    throw UsageError(fmt::format("--learning-rate {}: {} holds rates of its own, which --schedule gives", rate, schedule["class_name"].get<std::string>()));
  schedule["config"][field] = rate;
}

// The schedule at the optimizer's rate. A warm-up without a target rises from 0 to that rate.
Json schedule_of(const Json& described, double rate) {
  Json schedule = as_node(described);
  const std::string field = rate_field(schedule);
  Json& config = schedule["config"];
  if (field.empty() || config.contains(field)) return schedule;
  const bool warms_up = config.contains("warmup_steps") && !config.contains("warmup_target");
  config[field] = warms_up ? 0.0 : rate;
  if (warms_up) config["warmup_target"] = rate;
  return schedule;
}

Json with_rate(const Json& described, const RateOptions& rate) {
  Json optimizer = as_node(described);
  Json& at = optimizer["config"]["learning_rate"];
  if (rate.learning_rate && at.is_object())
    set_rate(at, *rate.learning_rate);
  else if (rate.learning_rate)
    at = *rate.learning_rate;
  if (rate.schedule.is_null()) return optimizer;
  if (at.is_null()) at = optim::optimizer_from_json(described, "--optimizer").description().learning_rate().at(0, 1);
  if (at.is_object()) {
    const std::string field = highest_rate_field(at);
    at = field.empty() ? Json(0.001) : at["config"].value(field, Json(0.001));
  }
  at = schedule_of(rate.schedule, at.get<double>());
  return optimizer;
}

// A loss between probabilities or logits gets what the network ends in, unless it says so itself.
Json for_network(const Json& described, const Model& model) {
  Json loss = as_node(described);
  const std::string name = loss["class_name"].get<std::string>();
  const auto& row = optim::row_in_file(detail::schema::Kind::loss, optim::loss_rows(), name, "--loss");
  for (const detail::schema::FieldInfo& field : row.fields())
    if (field.key == "from_logits" && !loss["config"].contains("from_logits")) loss["config"]["from_logits"] = !shift::gives_probabilities(model);
  return loss;
}

// Of what a model was compiled with; null where it was not.
Json part_of(const Json& compiled, const char* part) { return compiled.is_object() ? compiled.value(part, Json(nullptr)) : Json(nullptr); }

// A loss that is a name alone, with its arguments. Names of metrics stay: "accuracy" is what the shapes ask for, others say what they are.
Json written_out(const Json& loss) {
  if (!loss.is_string()) return loss;
  Json node = as_node(loss);
  node["config"] = optim::loss_from_json(loss, "loss").description().config();
  return node;
}

std::vector<Metric> metrics_of(const Json& list, const std::string& where) {
  std::vector<Metric> metrics;
  for (const Json& metric : list.is_array() ? list : Json::array({list})) metrics.push_back(optim::metric_from_json(metric, where));
  return optim::with_unique_names(std::move(metrics));
}

// The texts of a file that say what --optimizer, --loss and --metrics would: "adamw:weight_decay=0.05".
void read_texts(TrainingRun& run, const std::string& path) {
  const auto read = [](Json& part, const std::string& where) {
    if (part.is_string()) part = described_text(where, part.get<std::string>());
  };
  read(run.optimizer, path + ": optimizer");
  read(run.loss, path + ": loss");
  if (run.metrics.is_string()) run.metrics = described_texts(path + ": metrics", run.metrics.get<std::string>());
  if (run.metrics.is_array())
    for (Json& metric : run.metrics) read(metric, path + ": metrics");
}

}  // namespace

void check_described(const TrainingRun& run, const std::string& where) {
  if (!run.augment.empty()) detail::schema::read_name({where, "augment"}, [&] { return parse_augmentation(run.augment); });
  if (!run.optimizer.is_null()) optim::optimizer_from_json(run.optimizer, where + "optimizer");
  if (!run.loss.is_null()) optim::loss_from_json(run.loss, where + "loss");
  if (!run.metrics.is_null()) metrics_of(run.metrics, where + "metrics");
}

Interval parse_interval(const std::string& text, const std::string& where) {
  const std::size_t digits = text.find_first_not_of("0123456789.");
  const std::string unit = digits == std::string::npos ? "" : text.substr(digits);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + std::min(digits, text.size()), number);
  const bool fits = error == std::errc() && end == text.data() + std::min(digits, text.size()) && (unit.empty() || unit == "s" || unit == "m" || unit == "h");
  const bool is_whole = number == std::floor(number) && number < 9e15;
  if (!fits || (unit.empty() && !is_whole))
    throw UsageError(fmt::format("{}: \"{}\" came; a time such as 2m, 30s or 1h, a whole number of steps, or 0 (never) is allowed", where, text));
  if (unit.empty()) return {.steps = static_cast<std::int64_t>(number)};
  return {.seconds = number * (unit == "s" ? 1 : unit == "m" ? 60 : 3600)};
}

TrainingRun read_run(const std::string& path) {
  const detail::core::Bytes bytes = detail::io::read_file(path, std::uint64_t{64} << 20);
  TrainingRun run = detail::schema::read<TrainingRun>(detail::io::parse_json(detail::io::text_of(bytes), path), path);
  read_texts(run, path);
  check_described(run, path + ": ");
  return run;
}

std::string run_path(const std::string& out) {
  return has_model_ending(out) ? std::filesystem::path(out).replace_extension("run.json").string() : (std::filesystem::path(out) / "run.json").string();
}

void save_run(TrainingRun run, const Model& model, const std::string& out) {
  const auto from_anywhere = [](const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); };
  if (!run.data.path.empty() && run.data.path.find(',') == std::string::npos) run.data.path = from_anywhere(run.data.path);
  if (std::filesystem::exists(run.model)) run.model = from_anywhere(run.model);
  const Json compiled = shift::compile_config(model);
  run.optimizer = part_of(compiled, "optimizer");
  run.loss = written_out(part_of(compiled, "loss"));
  run.metrics = part_of(compiled, "metrics");
  const std::string text = detail::io::dump_json(detail::schema::write(run), 2) + "\n";
  detail::io::write_file_atomically(run_path(out), std::as_bytes(std::span(text.data(), text.size())));
}

void check_schedule(const Json& schedule) { optim::schedule_from_json(schedule_of(schedule, 0.001), "--schedule"); }

bool compiles(const TrainingRun& run, const RateOptions& rate) {
  return !run.optimizer.is_null() || !run.loss.is_null() || !run.metrics.is_null() || rate.learning_rate || !rate.schedule.is_null();
}

CompileOptions compile_options(const Model& model, const TrainingRun& run, const RateOptions& rate) {
  CompileOptions options = default_compile(model);
  const Json compiled = shift::compile_config(model);
  const auto first = [](const Json& said, const Json& otherwise) { return said.is_null() ? otherwise : said; };
  const Json optimizer = first(first(run.optimizer, part_of(compiled, "optimizer")), "adam");
  options.optimizer = optim::optimizer_from_json(with_rate(optimizer, rate), "--optimizer");
  if (!run.loss.is_null())
    options.loss = optim::loss_from_json(for_network(run.loss, model), "--loss");
  else if (const Json loss = part_of(compiled, "loss"); !loss.is_null())
    options.loss = optim::loss_from_json(loss, "loss");
  const Json metrics = first(run.metrics, part_of(compiled, "metrics"));
  if (!metrics.is_null()) options.metrics = metrics_of(metrics, run.metrics.is_null() ? "metrics" : "--metrics");
  return options;
}

}  // namespace cli
}  // namespace linn
