// linn shift: how a saved model fares when the images move.
#include "linn/shift.h"

#include <chrono>
#include <cmath>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "core/terminal.h"
#include "io/png.h"
#include "linn/error.h"
#include "shift/charts.h"
#include "train/progress.h"

namespace linn::cli {
namespace {

struct Options {
  Common common;
  std::string model;
  std::string data;
  std::string scale;
  std::string border;
  std::string picture;
  std::string accuracy = "fast";
  std::int64_t radius = 4;
  std::int64_t batch_size = 256;
  std::int64_t limit = 0;
  std::string precision = "float32";
};

void print(const Common& common, const shift::Sweep& sweep) {
  say(common, "\nwithin r pixels, in %\n   r     mean  worst case  no ink lost  worst case of those\n");
  for (std::int64_t r = 0; r <= sweep.radius(); ++r) {
    const double of_uncut = sweep.worst_case_accuracy_of_uncut(r);
    say(common, "{:>4} {:>8} {:>11} {:>12} {:>20}\n", r, shift::percent(sweep.mean_accuracy(r), 2),
        shift::percent(sweep.worst_case_accuracy(r), 2), shift::percent(sweep.uncut_share(r), 2),
        std::isnan(of_uncut) ? "-" : shift::percent(of_uncut, 2));
  }
  say(common, "worst case: right at every shift within r. no ink lost: no pixel other than zero leaves the frame.\n");
  if (sweep.radius() > 10) return;
  say(common, "\naccuracy by shift, in % (rows: pixels down, columns: pixels to the right)\n     ");
  for (std::int64_t dx = -sweep.radius(); dx <= sweep.radius(); ++dx) say(common, "{:>6}", dx);
  for (std::int64_t dy = -sweep.radius(); dy <= sweep.radius(); ++dy) {
    say(common, "\n{:>4} ", dy);
    for (std::int64_t dx = -sweep.radius(); dx <= sweep.radius(); ++dx) say(common, "{:>6}", shift::percent(sweep.accuracy(dy, dx)));
  }
  say(common, "\n");
}

io::Json event(const shift::Sweep& sweep) {
  io::Json by_radius = io::Json::array();
  for (std::int64_t r = 0; r <= sweep.radius(); ++r)
    by_radius.push_back({{"r", r},
                         {"mean", sweep.mean_accuracy(r)},
                         {"worst_case", sweep.worst_case_accuracy(r)},
                         {"uncut", sweep.uncut_share(r)},
                         {"worst_case_of_uncut", number(sweep.worst_case_accuracy_of_uncut(r))}});
  io::Json map = io::Json::array();
  for (std::int64_t dy = -sweep.radius(); dy <= sweep.radius(); ++dy) {
    io::Json row = io::Json::array();
    for (std::int64_t dx = -sweep.radius(); dx <= sweep.radius(); ++dx) row.push_back(sweep.accuracy(dy, dx));
    map.push_back(row);
  }
  return {{"event", "shift"}, {"images", sweep.images()}, {"radius", sweep.radius()}, {"within", by_radius}, {"map", map}};
}

// A name on the command line.
std::optional<shift::Border> border_named(const std::string& name) {
  if (name.empty()) return std::nullopt;
  return named("--", [&] { return shift::Border(name); });
}

int run(const Options& options) {
  apply(options.common);
  const Accuracy accuracy = parse_accuracy(options.accuracy);
  const DTypePolicy policy = policy_of(options.common, options.precision, accuracy);
  const std::optional<shift::Border> wanted = border_named(options.border);
  Sequential model = load_model(options.model);
  model.set_dtype_policy(policy);
  const Images images = load_test_images(options.data, options.limit);
  const Shape image = image_shape(images.x);
  const Shape input = model.input_shape();
  const bool room = input.rank() == 3 && (input[0] > image[0] || input[1] > image[1]);
  const shift::Border border = wanted ? *wanted : room ? shift::Border("canvas") : shift::Border("zero");
  const double scale = input_scale(model, images.x, options.scale);
  const std::int64_t side = 2 * options.radius + 1;
  say(options.common, "{} {} images of {} x {} from {}; pixels: {}\n", thousands(images.x.shape()[0]), images.part, image[0], image[1],
      data_path(options.data), scale_note(images.x, scale));
  say(options.common, "{} shifts, border {}: the digits move {}\n", thousands(side * side), border.name(),
      border.kind() == shift::Border::zero ? "inside their frame, what leaves it is cut off"
                                           : fmt::format("on a canvas of {} x {}", input[0], input[1]));
  std::fflush(stdout);

  const auto begin = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  train::ProgressBar bar(stdout, train::style_of(stdout), side * side, "shift");
  const bool show = !options.common.json() && core::is_terminal(stdout);
  const auto progress = [&](std::int64_t done, std::int64_t) {
    if (show) bar.update(done, seconds(), {});
    return true;
  };
  const shift::Sweep sweep = about(images.where, [&] {
    return shift::sweep(
        model, images.x, images.y,
        {.radius = options.radius, .border = border, .batch_size = options.batch_size, .progress = progress, .input_scale = scale, .accuracy = accuracy});
  });
  if (show) bar.finish(side * side, seconds(), seconds(), {});
  print(options.common, sweep);
  if (!options.picture.empty()) {
    io::write_png(options.picture, shift::shift_maps({{options.model, &sweep}}).image());
    say(options.common, "\nthe map as a picture: {}\n", options.picture);
  }
  io::Json result = event(sweep);
  result["border"] = border.name();
  result["input_scale"] = scale;
  result["precision"] = options.precision;
  result["seconds"] = seconds();
  emit(options.common, result);
  return exit_ok;
}

}  // namespace

Action add_shift(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.description("Move every test image to every place within a radius and count what a saved model still gets right.");
  add_text(app, "model", options->model, "directory that `linn train --out` wrote")->type_name("DIR")->required();
  add_whole(app, "--radius", options->radius, 0, 4096, "all shifts of up to N pixels down, up, left and right")
      ->type_name("N")
      ->default_str(fmt::format("{}", options->radius));
  add_text(
      app, "--border", options->border,
      "zero: images move inside their frame, what leaves is cut off; canvas: they move on a frame as large as the model's input [canvas "
      "where that is larger than the images]")
      ->type_name("NAME");
  add_text(app, "--data", options->data, "as for `linn train` [LINN_DATA, or data/mnist.npz]")->type_name("FILE");
  add_whole(app, "--limit", options->limit, 0, largest, "the first N images only")->type_name("N");
  add_whole(app, "--batch-size", options->batch_size, 1, largest, "images computed at once")
      ->type_name("N")
      ->default_str(fmt::format("{}", options->batch_size));
  add_text(app, "--scale", options->scale, "what every pixel is multiplied by [as the model was saved, else 1/255 for uint8 images]")
      ->type_name("X");
  add_text(app, "--picture", options->picture, "write the map of accuracy by shift as a PNG")->type_name("FILE");
  add_accuracy(app, options->accuracy);
  add_precision(app, options->precision);
  add_common(app, options->common);
  app.footer("Example:\n  linn shift digits --radius 2 --limit 1000 --picture map.png");
  return [options] { return run(*options); };
}

}  // namespace linn::cli
