// linn predict: what a saved model sees in one image.
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "cli/command.h"
#include "core/terminal.h"
#include "linn/data.h"
#include "linn/error.h"

namespace linn::cli {
namespace {

constexpr std::size_t most_classes = 10;
constexpr int bar_length = 30;

struct Options {
  Common common;
  std::string model;
  std::string image;
  std::string data;
  std::string scale;
  std::string accuracy = "fast";
  std::optional<std::int64_t> row;
  bool invert = false;
  std::string precision = "float32";
};

// The image as (1, height, width, channels) with the model's channels: colour becomes grey by Rec. 601, grey is repeated.
Tensor with_channels(const Tensor& image, std::int64_t channels, const std::string& path) {
  const std::int64_t height = image.shape()[0];
  const std::int64_t width = image.shape()[1];
  const std::int64_t has = image.shape()[2];
  if (has == channels) return image.reshape({1, height, width, channels});
  if (channels != 1 && channels != 3) throw ShapeError(fmt::format("{}: the model takes {} channels; images have 1 or 3", path, channels));
  Tensor other({1, height, width, channels}, DType::u8);
  const std::uint8_t* from = image.values<std::uint8_t>().data();
  std::uint8_t* to = other.values<std::uint8_t>().data();
  for (std::int64_t i = 0; i < height * width; ++i, from += has)
    if (channels == 1)
      *to++ = static_cast<std::uint8_t>((299 * from[0] + 587 * from[1] + 114 * from[2] + 500) / 1000);
    else
      to = std::fill_n(to, 3, from[0]);
  return other;
}

// MNIST is light on dark. A light frame says that the picture is the other way round.
bool light_frame(const Tensor& image) {
  const Shape& shape = image.shape();
  const std::uint8_t* pixel = image.values<std::uint8_t>().data();
  std::int64_t sum = 0;
  std::int64_t count = 0;
  for (std::int64_t y = 0; y < shape[1]; ++y)
    for (std::int64_t x = 0; x < shape[2]; ++x)
      for (std::int64_t c = 0; c < shape[3]; ++c, ++pixel)
        if (y == 0 || x == 0 || y == shape[1] - 1 || x == shape[2] - 1) {
          sum += *pixel;
          ++count;
        }
  return sum > 127 * count;
}

Tensor load_picture(const Options& options, const Sequential& model) {
  const Shape input = model.input_shape();
  if (input.rank() != 3) throw ShapeError(fmt::format("{}: the model takes {}, not an image", options.model, input.to_string()));
  Tensor image = with_channels(load_image(options.image), input[2], options.image);
  if (options.invert) {
    image = image.clone();
    for (std::uint8_t& value : image.values<std::uint8_t>()) value = static_cast<std::uint8_t>(255 - value);
  } else if (light_frame(image)) {
    write_to(stderr, "linn: {}: the background is light; MNIST's digits are light on dark: --invert turns it round\n", options.image);
  }
  image = on_model_canvas(model, image);
  const Shape& shape = image.shape();
  if (shape[1] != input[0] || shape[2] != input[1])
    throw ShapeError(
        fmt::format("{}: {} x {} pixels (height x width) came, the model takes {} x {}; crop and resize the picture first, such as with\n"
                    "  convert {} -resize {}x{}! resized.png",
                    options.image, shape[1], shape[2], input[0], input[1], options.image, input[1], input[0]));
  return image;
}

int run(const Options& options) {
  apply(options.common);
  const Accuracy accuracy = parse_accuracy(options.accuracy);
  const DTypePolicy policy = policy_of(options.common, options.precision, accuracy);
  if (options.image.empty() && !options.row && options.data.empty())
    throw UsageError("predict: a picture, or --row N of the data, is needed; see linn predict --help");
  if (!options.image.empty() && (options.row || !options.data.empty()))
    throw UsageError("predict: a picture and --data or --row came; one of the two is allowed");
  Sequential model = load_model(options.model);
  model.set_dtype_policy(policy);
  const Shape output = model.output_shape();
  if (output.rank() != 1)
    throw ShapeError(fmt::format("{}: the model gives {}; one row of class values is needed", options.model, output.to_string()));

  Tensor x;
  std::string what = options.image;
  std::string where = options.image;
  std::optional<std::int64_t> label;
  if (options.image.empty()) {
    const Images images = load_test_images(options.data, 0);
    const std::int64_t row = options.row.value_or(0);
    const std::int64_t count = images.x.shape()[0];
    if (row >= count)
      throw ValueError(fmt::format("--row {}: {} {} images are there, 0 to {} are allowed", row, thousands(count), images.part, count - 1));
    x = on_model_canvas(model, images.x.rows(row, row + 1));
    label = images.y.rows(row, row + 1).astype(DType::i64).values<std::int64_t>()[0];
    where = images.where;
    what = fmt::format("{} image {} of {}", images.part, row, data_path(options.data));
  } else {
    x = load_picture(options, model);
  }
  const double scale = input_scale(model, x, options.scale);
  const Tensor scores = about(where, [&] { return model.predict(x, {.batch_size = 1, .input_scale = scale, .accuracy = accuracy}); });
  const auto values = scores.values<float>();
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });

  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  const bool probabilities = std::abs(sum - 1) < 1e-3 && std::all_of(values.begin(), values.end(), [](float v) { return v >= 0; });
  if (label)
    say(options.common, "{}, labelled {}; pixels: {}\n", what, *label, scale_note(x, scale));
  else
    say(options.common, "{}; pixels: {}\n", what, scale_note(x, scale));
  const bool color = core::use_color(stdout);
  for (std::size_t i = 0; i < std::min(order.size(), most_classes); ++i) {
    const double value = values[order[i]];
    if (probabilities) {
      std::string bar;
      for (int k = 0; k < static_cast<int>(std::lround(value * bar_length)); ++k) bar += "━";
      const std::string line = fmt::format("{:>5}  {:>6.2f} %{}{}", order[i], 100 * value, bar.empty() ? "" : "  ", bar);
      say(options.common, "{}{}{}\n", color && i == 0 ? "\x1b[1m" : "", line, color && i == 0 ? "\x1b[0m" : "");
    } else {
      say(options.common, "{:>5}  {:>12.5g}\n", order[i], value);
    }
  }
  io::Json event = {{"event", "predict"}, {"source", what}, {"class", order[0]}, {"value", number(values[order[0]])}};
  io::Json all = io::Json::array();
  for (const float value : values) all.push_back(number(value));
  event["values"] = all;
  event["label"] = label ? io::Json(*label) : io::Json(nullptr);
  event["input_scale"] = scale;
  event["precision"] = options.precision;
  emit(options.common, event);
  return exit_ok;
}

}  // namespace

Action add_predict(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.description("Say what a saved model sees in a picture, or in one image of a data file.");
  add_text(app, "model", options->model, "directory that `linn train --out` wrote")->type_name("DIR")->required();
  add_text(app, "image", options->image, "a PNG or JPEG of the model's size; colour becomes grey where the model wants grey")
      ->type_name("PICTURE");
  add_text(app, "--data", options->data, "as for `linn train` [LINN_DATA, or data/mnist.npz]")->type_name("FILE");
  add_whole(app, "--row", options->row, 0, largest, "which image of the data, from 0 [0]")->type_name("N");
  app.add_flag("--invert", options->invert, "turn light and dark round: for dark digits on white paper");
  add_text(app, "--scale", options->scale, "what every pixel is multiplied by [as the model was saved, else 1/255]")->type_name("X");
  add_accuracy(app, options->accuracy);
  add_precision(app, options->precision);
  add_common(app, options->common);
  app.footer("Examples:\n  linn predict digits seven.png --invert\n  linn predict digits --row 12");
  return [options] { return run(*options); };
}

}  // namespace linn::cli
