// linn shift: how a saved model fares when the images move.
#include "linn/shift.h"

#include <chrono>
#include <cmath>
#include <memory>

#include "cli/command.h"
#include "core/terminal.h"
#include "io/png.h"
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
    say(common, "{:>4} {:>8.2f} {:>11.2f} {:>12.2f} {:>20}\n", r, 100 * sweep.mean_accuracy(r), 100 * sweep.worst_case_accuracy(r),
        100 * sweep.uncut_share(r), std::isnan(of_uncut) ? "-" : fmt::format("{:.2f}", 100 * of_uncut));
  }
  say(common, "worst case: right at every shift within r. no ink lost: no pixel other than zero leaves the frame.\n");
  if (sweep.radius() > 10) return;
  say(common, "\naccuracy by shift, in % (rows: pixels down, columns: pixels to the right)\n     ");
  for (std::int64_t dx = -sweep.radius(); dx <= sweep.radius(); ++dx) say(common, "{:>6}", dx);
  for (std::int64_t dy = -sweep.radius(); dy <= sweep.radius(); ++dy) {
    say(common, "\n{:>4} ", dy);
    for (std::int64_t dx = -sweep.radius(); dx <= sweep.radius(); ++dx) say(common, "{:>6.1f}", 100 * sweep.accuracy(dy, dx));
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

int run(const Options& options) {
  apply(options.common);
  const Accuracy accuracy = parse_accuracy(options.accuracy);
  const DTypePolicy policy = policy_of(options.common, options.precision, accuracy);
  at_least("--radius", options.radius, 0);
  at_least("--batch-size", options.batch_size, 1);
  Sequential model = load_model(options.model);
  model.set_dtype_policy(policy);
  const Images images = load_test_images(options.data, options.limit);
  const Shape image = image_shape(images.x);
  const Shape input = model.input_shape();
  shift::Border border = "zero";
  if (!options.border.empty())
    border = shift::Border(options.border);
  else if (input.rank() == 3 && (input[0] > image[0] || input[1] > image[1]))
    border = "canvas";
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
  const shift::Sweep sweep = shift::sweep(model, images.x, images.y,
                                          {.radius = options.radius,
                                           .border = border,
                                           .batch_size = options.batch_size,
                                           .progress =
                                               [&](std::int64_t done, std::int64_t) {
                                                 if (show) bar.update(done, seconds(), {});
                                                 return true;
                                               },
                                           .input_scale = scale,
                                           .accuracy = accuracy});
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
  app.add_option("model", options->model, "directory that `linn train --out` wrote")->type_name("DIR")->required();
  app.add_option("--radius", options->radius, "all shifts of up to N pixels down, up, left and right")
      ->type_name("N")
      ->capture_default_str();
  app.add_option(
         "--border", options->border,
         "zero: images move inside their frame, what leaves is cut off; canvas: they move on a frame as large as the model's input [canvas "
         "where that is larger than the images]")
      ->type_name("NAME");
  app.add_option("--data", options->data, "as for `linn train` [LINN_DATA, or data/mnist.npz]")->type_name("FILE");
  app.add_option("--limit", options->limit, "the first N images only")->type_name("N");
  app.add_option("--batch-size", options->batch_size, "images computed at once")->type_name("N")->capture_default_str();
  app.add_option("--scale", options->scale, "what every pixel is multiplied by [as the model was saved, else 1/255 for uint8 images]")
      ->type_name("X");
  app.add_option("--picture", options->picture, "write the map of accuracy by shift as a PNG")->type_name("FILE");
  add_accuracy(app, options->accuracy);
  add_precision(app, options->precision);
  add_common(app, options->common);
  app.footer("Example:\n  linn shift digits --radius 2 --limit 1000 --picture map.png");
  return [options] { return run(*options); };
}

}  // namespace linn::cli
