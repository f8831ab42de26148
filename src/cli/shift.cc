// linn shift: the predictions of a saved model at every shift of the images.
#include "linn/shift.h"

#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "cli/command.h"
#include "cli/pixels.h"
#include "cli/progress.h"
#include "data/dataset.h"
#include "io/file.h"
#include "io/png.h"
#include "linn/certificate.h"
#include "shift/charts.h"
#include "shift/tables.h"
#include "shift/text.h"

namespace linn::cli {
namespace {

struct ShiftArguments {
  Common common;
  std::string model;
  DataOptions data;
  std::string scale;
  std::string border;
  std::string picture;
  std::string csv;
  std::string report;
  std::string certificate;
  std::string protocol;
  std::string accuracy = "fast";
  std::int64_t radius = 4;
  std::int64_t batch_size = 256;
  std::int64_t limit = 0;
  std::uint64_t seed = 0;
  std::int64_t passes = 0;
  bool no_explanation = false;
  bool no_phases = false;
  std::string precision = "float32";
  Size2 canvas = {};
  std::optional<double> fill;
};

// The model and the images of a sweep or a protocol.
struct Input {
  Model model;
  Images images;
  Accuracy accuracy;
  shift::Fill fill;  // what comes in at the border
  double scale = 1;
};

Input open(const ShiftArguments& options) {
  apply(options.common);
  const Accuracy accuracy = parse_accuracy(options.accuracy);
  const DTypePolicy policy = policy_of(options.common, options.precision, accuracy);
  Model model = with_canvas(load_model(options.model), options.canvas);
  model.set_dtype_policy(policy);
  Images images = load_test_images(options.common, options.data, model, options.limit, detail::data::Labels::optional);
  model = at_size_of(std::move(model), images.x, images.where);
  const Pixels pixels = as_trained(model, images.x, images.where, options.scale);
  images.x = pixels.images;
  const Shape image = image_shape(images.x);
  say(options.common, "{} {} images of {} x {} from {}; pixels: {}\n", thousands(images.x.shape()[0]), images.part, image[0], image[1],
      data_path(options.data.path), pixels.note);
  if (!images.y.defined()) say(options.common, "no labels came with them: consistency and changes are measured, accuracy is not\n");
  shift::Fill fill = fill_around(model, images.x, pixels, options.fill);
  return {std::move(model), std::move(images), accuracy, std::move(fill), pixels.scale};
}

// IoError where a file cannot be written, before anything is computed.
void check_writable(const std::string& path) {
  if (!path.empty()) const detail::io::AtomicFile file{path};
}

// A name on the command line.
std::optional<shift::Border> border_named(const std::string& name) {
  if (name.empty()) return std::nullopt;
  return named("--", [&] { return shift::Border(name); });
}

// The border for these sizes of images and input.
shift::Border border_for(const Input& input) {
  const Shape image = image_shape(input.images.x);
  const Shape wanted = input.model.input_shape();
  if (wanted.rank() != 3) return "zero";
  if (image[0] > wanted[0] || image[1] > wanted[1]) return "crop";
  return wanted[0] > image[0] || wanted[1] > image[1] ? shift::Border("canvas") : shift::Border("zero");
}

std::string border_note(const shift::Border& border, const Shape& input) {
  const std::string size = input.rank() == 3 ? fmt::format("{} x {}", input[0], input[1]) : input.to_string();
  switch (border.kind()) {
    case shift::Border::canvas: return "they move on a canvas of " + size;
    case shift::Border::circular: return "what leaves the frame of " + size + " at one edge comes in at the other";
    case shift::Border::crop: return "a window of " + size + " moves over them";
    case shift::Border::zero: break;
  }
  return "they move inside their frame, what leaves it is cut off";
}

void print(const Common& common, const shift::Sweep& sweep, const std::optional<std::string>& why_not, const shift::ErrorSources* sources) {
  if (common.json()) return;
  say(common, "\n{}{}\n{}\n{}", shift::wrapped(shift::verdict(sweep), 110), shift::wrapped(shift::guarantee_text(why_not), 110),
      shift::table_by_radius(sweep), shift::table_of_measures(sweep));
  if (sources == nullptr) return;
  say(common, "\nsources of the errors\n");
  for (const std::string& text : sources->text) say(common, "{}", shift::wrapped(text, 110, "   "));
}

void write_certificates(const ShiftArguments& options, const Input& input, const shift::Sweep& sweep, shift::Border border) {
  const shift::Certificates both = shift::certify(input.model, input.images.x, sweep, border);
  shift::write_certificates(options.certificate, sweep, border, both);
  if (both.why_not) say(options.common, "\n{}", shift::wrapped("Radii by construction are 0: " + *both.why_not + ".", 110));
}

int run_sweep(const ShiftArguments& options) {
  const std::optional<shift::Border> wanted = border_named(options.border);
  const std::array<std::string, 4> files = {options.picture, options.csv, options.report, options.certificate};
  for (const std::string& path : files) check_writable(path);
  const Input input = open(options);
  const shift::Border border = wanted ? *wanted : border_for(input);
  const std::int64_t shifts = (2 * options.radius + 1) * (2 * options.radius + 1);
  say(options.common, "{} shifts, border {}: {}\n", thousands(shifts), border.name(), border_note(border, input.model.input_shape()));
  std::fflush(stdout);

  Progress progress(options.common, shifts, "shift");
  const shift::Sweep sweep = about(input.images.where, [&] {
    return shift::sweep(input.model, input.images.x, input.images.y,
                        {.radius = options.radius,
                         .border = border,
                         .batch_size = options.batch_size,
                         .progress = [&](std::int64_t done, std::int64_t) { return progress.update(done); },
                         .accuracy = input.accuracy,
                         .fill = input.fill.values,
                         .fill_origin = input.fill.origin,
                         .phases = !options.no_phases});
  });
  const double seconds = progress.finish();
  if (border.kind() == shift::Border::zero || border.kind() == shift::Border::canvas)
    say(options.common, "{}", shift::wrapped(shift::fill_text(sweep), 110));
  say(options.common, "{}", shift::wrapped(shift::method_text(sweep), 110));
  std::optional<shift::ErrorSources> sources;
  if (!options.no_explanation)
    sources = shift::find_error_sources(input.model, input.images.x, sweep, {.border = border, .accuracy = input.accuracy});
  const std::optional<std::string> why_not = shift::why_not_invariant(input.model);
  print(options.common, sweep, why_not, sources ? &*sources : nullptr);

  if (!options.picture.empty()) detail::io::write_png(options.picture, shift::heat_maps(options.model, shift::maps_of(sweep)).image());
  if (!options.csv.empty()) shift::write_csv(options.csv, sweep);
  if (!options.report.empty())
    shift::write_report(options.report, sweep, sources ? &*sources : nullptr, input.model, input.images.x,
                        {.model = options.model, .data = data_path(options.data.path), .border = border});
  if (!options.certificate.empty()) write_certificates(options, input, sweep, border);
  std::string written;
  for (const std::string& path : files)
    if (!path.empty()) written += (written.empty() ? "" : ", ") + path;
  say(options.common, "\n{}\n",
      written.empty() ? "--report FILE.html writes a page with maps, every measure and digits to slide." : "written: " + written);
  if (why_not) say(options.common, "`linn fix {} --out DIR` replaces the layers that break translation equivariance.\n", options.model);

  detail::io::Json result = {{"event", "shift"}};
  result.update(shift::to_json(sweep));
  result["explanation"] = sources ? shift::to_json(*sources) : detail::io::Json(nullptr);
  result["guarantee"] = {{"holds", !why_not}, {"reason", why_not ? detail::io::Json(*why_not) : detail::io::Json(nullptr)}};
  result["border"] = border.name();
  result["input_scale"] = input.scale;
  result["precision"] = options.precision;
  result["seconds"] = seconds;
  emit(options.common, result);
  return exit_ok;
}

int run_protocol(const ShiftArguments& options) {
  const shift::Protocol protocol = named("--", [&] { return shift::Protocol(options.protocol); });
  const Input input = open(options);
  Progress progress(options.common, options.passes > 0 ? options.passes : protocol.kind() == shift::Protocol::zhang ? 5 : 1, "pass");
  const shift::ProtocolResult result = about(input.images.where, [&] {
    return shift::protocol(input.model, input.images.x, protocol,
                           {.seed = options.seed,
                            .passes = options.passes,
                            .accuracy = input.accuracy,
                            .progress = [&](std::int64_t done, std::int64_t) { return progress.update(done); }});
  });
  const double seconds = progress.finish();
  if (!options.common.json()) say(options.common, "\n{}", shift::wrapped(shift::protocol_text(result, protocol), 110));
  detail::io::Json event = {
      {"event", "shift_protocol"}, {"protocol", protocol.name()}, {"images", input.images.x.shape()[0]}, {"seed", options.seed}};
  event.update(shift::to_json(result));
  event["input_scale"] = input.scale;
  event["precision"] = options.precision;
  event["seconds"] = seconds;
  emit(options.common, event);
  return exit_ok;
}

}  // namespace

Action add_shift(CLI::App& app) {
  auto options = std::make_shared<ShiftArguments>();
  app.description(
      "Predict every test image at every shift within a radius: accuracy, consistency, and the sources of the errors.");
  add_text(app, "model", options->model, "a model: a file or directory of any kind that linn reads (docs/files.md)")->type_name("MODEL")->required();
  CLI::Option* radius = add_whole(app, "--radius", options->radius, 0, 4096, "all shifts of up to N pixels down, up, left and right")
                            ->type_name("N")
                            ->default_str(fmt::format("{}", options->radius));
  CLI::Option* border =
      add_text(app, "--border", options->border,
               "zero: images move inside their frame, what leaves is cut off; canvas: they move on a frame as large as the model's input; "
               "circular: "
               "what leaves at one edge comes in at the other; crop: a window of the input's size moves over larger images [what fits]")
          ->type_name("NAME");
  add_data(app, options->data, "; labels may be missing: one .npy or IDX file of images is enough");
  add_whole(app, "--limit", options->limit, 1, largest, "the first N images only")->type_name("N");
  CLI::Option* fill = app.add_option("--fill", options->fill, "value that comes in with the borders zero and canvas [the background that the model was trained on]")
                          ->type_name("X");
  CLI::Option* batch = add_whole(app, "--batch-size", options->batch_size, 1, largest, "images computed at once")
                           ->type_name("N")
                           ->default_str(fmt::format("{}", options->batch_size));
  add_text(app, "--scale", options->scale, "what every pixel is multiplied by first [what brings it to the range that the model was trained on]")
      ->type_name("X");
  CLI::Option* report =
      add_text(app, "--report", options->report, "write an HTML page: maps, every measure, digits that slide until their class changes")
          ->type_name("FILE");
  CLI::Option* picture = add_text(app, "--picture", options->picture, "write maps by shift as a PNG")->type_name("FILE");
  CLI::Option* csv = add_text(app, "--csv", options->csv, "write the numbers by shift")->type_name("FILE");
  CLI::Option* certificate = add_text(app, "--certificate", options->certificate,
                                      "write how far each image can move with the same class, by enumeration and by construction, as CSV")
                                 ->type_name("FILE");
  CLI::Option* silent = app.add_flag("--no-explanation", options->no_explanation, "leave out the sources of the errors");
  CLI::Option* apart = app.add_flag("--no-phases", options->no_phases,
                                    "compute every shift by itself, also where shifts can share work with the same bits");
  CLI::Option* protocol =
      add_text(
          app, "--protocol", options->protocol,
          "instead of all shifts, the draws of a publication: zhang (two crops a batch of 8, 5 passes) or aps (two circular shifts a batch of 256); "
          "docs/shift.md describes the changes for small images")
          ->type_name("NAME");
  CLI::Option* seed = add_whole(app, "--seed", options->seed, 0, largest_seed, "of the protocol's draws")->type_name("N")->default_str("0");
  CLI::Option* passes = add_whole(app, "--passes", options->passes, 1, largest, "of the protocol [as published]")->type_name("N");
  for (CLI::Option* option : {radius, border, fill, batch, report, picture, csv, certificate, silent, apart}) protocol->excludes(option);
  for (CLI::Option* option : {seed, passes}) option->needs(protocol);
  add_canvas(app, options->canvas, "take the weights to inputs of HxW (or NxN), the images in their middle [the model's own size]");
  add_accuracy(app, options->accuracy);
  add_precision(app, options->precision);
  add_common(app, options->common);
  app.footer(
      "Examples:\n  linn shift digits --radius 2 --limit 1000 --report shift.html\n  linn shift digits --border circular --log json | jq "
      ".worst_case_accuracy");
  return [options] { return options->protocol.empty() ? run_sweep(*options) : run_protocol(*options); };
}

}  // namespace linn::cli
