// linn predict: what a saved model sees in one image.
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "cli/command.h"
#include "cli/pixels.h"
#include "core/terminal.h"
#include "core/text_cells.h"
#include "data/channels.h"
#include "data/resize.h"
#include "linn/data.h"
#include "linn/error.h"
#include "shift/class_values.h"

namespace linn::cli {
namespace {

constexpr std::size_t most_classes = 10;
constexpr int bar_length = 30;

struct PredictArguments {
  Common common;
  std::string model;
  std::string image;
  DataOptions data;
  std::string scale;
  std::string accuracy = "fast";
  std::optional<std::int64_t> row;
  bool invert = false;
  std::string precision = "float32";
};

// Of one row.
Tensor softmax(const Tensor& logits) {
  Tensor result = logits.clone();
  const auto values = result.values<float>();
  const float largest = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (float& value : values) sum += value = std::exp(value - largest);
  for (float& value : values) value = static_cast<float>(value / sum);
  return result;
}

// Whether the pixels at the edge are light in the mean.
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

// Whether the model's images lie on a light ground.
bool trained_on_light(const Model& model) {
  const std::optional<TrainedOn> known = trained_on(model);
  return known && 2 * known->background[0] > known->values.least + known->values.largest;
}

// The picture in the file as the model takes images, but for the range of its values: (1, height, width, channels).
Tensor load_picture(const PredictArguments& options, const Model& model) {
  const Shape input = model.input_shape();
  if (input.rank() != 3) throw ShapeError(fmt::format("{}: the model takes {}, not an image", options.model, input.to_string()));
  if (input[2] != 1 && input[2] != 3)
    throw ShapeError(fmt::format("{}: the model takes {} channels; images have 1 or 3", options.image, input[2]));
  Tensor image = detail::data::with_channels(load_image(options.image), input[2]);
  const Size2 size = image_options(options.data, &model).image_size;
  if (size.is_set() && (image.shape()[0] != size.height || image.shape()[1] != size.width)) {
    say(options.common, "{}: resized from {} x {} to {} x {} pixels\n", options.image, image.shape()[0], image.shape()[1], size.height, size.width);
    image = detail::data::resized(image, size);
  }
  image = image.reshape({1, image.shape()[0], image.shape()[1], image.shape()[2]});
  if (options.invert) {
    image = image.clone();
    for (std::uint8_t& value : image.values<std::uint8_t>()) value = static_cast<std::uint8_t>(255 - value);
  } else if (input[2] == 1 && light_frame(image) != trained_on_light(model)) {
    const bool light = light_frame(image);
    write_to(stderr, "linn: {}: the background is {}; the model's images have a {} one: --invert turns it round\n", options.image,
             light ? "light" : "dark", light ? "dark" : "light");
  }
  const Shape shape = on_model_canvas(model, image).shape();
  const bool fits = (input[0] == Shape::none || shape[1] == input[0]) && (input[1] == Shape::none || shape[2] == input[1]);
  if (!fits)
    throw ShapeError(
        fmt::format("{}: {} x {} pixels (height x width) came, the model takes {} x {}; crop the picture, or resize it with --resize {}x{}",
                    options.image, shape[1], shape[2], input[0], input[1], input[0], input[1]));
  return image;
}

int run(const PredictArguments& options) {
  apply(options.common);
  const Accuracy accuracy = parse_accuracy(options.accuracy);
  const DTypePolicy policy = policy_of(options.common, options.precision, accuracy);
  if (options.image.empty() && !options.row && options.data.path.empty())
    throw UsageError("predict: a picture, or --row N of the data, is needed; see linn predict --help");
  if (!options.image.empty() && (options.row || !options.data.path.empty()))
    throw UsageError("predict: a picture and --data or --row came; one of the two is allowed");
  Model model = load_model(options.model);
  model.set_dtype_policy(policy);
  const Shape output = model.output_shape();
  if (output.rank() != 1)
    throw ShapeError(fmt::format("{}: the model gives {}; one row of class values is needed", options.model, output.to_string()));

  Tensor x;
  Pixels pixels;
  std::string what = options.image;
  std::string where = options.image;
  std::optional<std::int64_t> label;
  if (options.image.empty()) {
    const Images images = load_test_images(options.common, options.data, model, 0);
    const std::int64_t row = options.row.value_or(0);
    const std::int64_t count = images.x.shape()[0];
    if (row >= count)
      throw ValueError(fmt::format("--row {}: {} {} images are there, 0 to {} are allowed", row, thousands(count), images.part, count - 1));
    model = at_size_of(std::move(model), images.x, images.where);
    pixels = as_trained(model, images.x, images.where, options.scale);
    x = on_model_canvas(model, pixels.images.rows(row, row + 1));
    label = images.y.rows(row, row + 1).astype(DType::i64).values<std::int64_t>()[0];
    where = images.where;
    what = fmt::format("{} image {} of {}", images.part, row, data_path(options.data.path));
  } else {
    const Tensor picture = load_picture(options, model);
    model = at_size_of(std::move(model), picture, options.image);
    pixels = as_trained(model, picture, options.image, options.scale, true);
    x = on_model_canvas(model, pixels.images);
  }
  const Tensor outputs = about(where, [&] { return model.predict(x, {.batch_size = 1, .accuracy = accuracy}); });
  const shift::ClassValues class_values(model);
  const Tensor shown = class_values.logits() ? softmax(class_values.of(outputs)) : class_values.of(outputs);
  const auto values = shown.values<float>();
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });

  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  const bool probabilities = std::abs(sum - 1) < 1e-3 && std::all_of(values.begin(), values.end(), [](float v) { return v >= 0; });
  const std::vector<std::string> names = class_names(model);
  if (label)
    say(options.common, "{}, labelled {}; pixels: {}\n", what, class_text(names, *label), pixels.note);
  else
    say(options.common, "{}; pixels: {}\n", what, pixels.note);
  const bool color = detail::core::use_color(stdout);
  std::size_t width = 5;
  for (const std::string& name : names)
    width = std::max(width, static_cast<std::size_t>(detail::core::cells_of(detail::core::printable(name))));
  for (std::size_t i = 0; i < std::min(order.size(), most_classes); ++i) {
    const double value = values[order[i]];
    const std::string name = class_text(names, static_cast<std::int64_t>(order[i]));
    const std::string title = std::string(width - std::min(width, static_cast<std::size_t>(detail::core::cells_of(name))), ' ') + name;
    if (probabilities) {
      std::string bar;
      for (int k = 0; k < static_cast<int>(std::lround(value * bar_length)); ++k) bar += "━";
      const std::string line = fmt::format("{}  {:>6.2f} %{}{}", title, 100 * value, bar.empty() ? "" : "  ", bar);
      say(options.common, "{}{}{}\n", color && i == 0 ? "\x1b[1m" : "", line, color && i == 0 ? "\x1b[0m" : "");
    } else {
      say(options.common, "{}  {:>12.5g}\n", title, value);
    }
  }
  detail::io::Json event = {{"event", "predict"}, {"source", what}, {"class", order[0]}, {"value", number(values[order[0]])}};
  detail::io::Json all = detail::io::Json::array();
  for (const float value : values) all.push_back(number(value));
  event["values"] = all;
  event["class_name"] = order[0] < names.size() ? detail::io::Json(names[order[0]]) : detail::io::Json(nullptr);
  event["label"] = label ? detail::io::Json(*label) : detail::io::Json(nullptr);
  event["input_scale"] = pixels.scale;
  event["precision"] = options.precision;
  emit(options.common, event);
  return exit_ok;
}

}  // namespace

Action add_predict(CLI::App& app) {
  auto options = std::make_shared<PredictArguments>();
  app.description("Say what a saved model sees in a picture, or in one image of a data file.");
  add_text(app, "model", options->model, "a model: a file or directory of any kind that linn reads (docs/files.md)")->type_name("MODEL")->required();
  add_text(app, "image", options->image, "a PNG or JPEG of the model's size, or one that is resized to it; colour becomes grey where the model wants grey")
      ->type_name("PICTURE");
  add_data(app, options->data);
  add_whole(app, "--row", options->row, 0, largest, "which image of the data, from 0 [0]")->type_name("N");
  app.add_flag("--invert", options->invert, "turn light and dark round: for dark digits on white paper");
  add_text(app, "--scale", options->scale, "what every pixel is multiplied by first [what brings it to the range that the model was trained on]")->type_name("X");
  add_accuracy(app, options->accuracy);
  add_precision(app, options->precision);
  add_common(app, options->common);
  app.footer("Examples:\n  linn predict digits seven.png --invert\n  linn predict digits --row 12");
  return [options] { return run(*options); };
}

}  // namespace linn::cli
