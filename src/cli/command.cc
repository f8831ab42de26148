#include "cli/command.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/progress.h"
#include "core/cpu.h"
#include "core/did_you_mean.h"
#include "formats/file_kind.h"
#include "io/bytes.h"
#include "io/file.h"
#include "io/text.h"
#include "linn/error.h"
#include "linn/shift.h"
#include "model/zoo.h"

namespace linn::cli {
namespace {

bool is_directory(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

// "20x28", or "28" for a square.
Size2 parse_size(const std::string& option, const std::string& text) {
  const std::size_t cross = text.find('x');
  try {
    const auto side = [&](const std::string& part) { return static_cast<std::int64_t>(parse_whole(option, part, 1, largest)); };
    if (cross == std::string::npos) return {side(text)};
    return {side(text.substr(0, cross)), side(text.substr(cross + 1))};
  } catch (const ValueError&) {
    throw ValueError(fmt::format("{} {}: HEIGHTxWIDTH is allowed, such as 44x44, or one number for both", option, detail::io::quote(text)));
  }
}

}  // namespace

CLI::Option* add_value(CLI::App& app, const std::string& names, const std::string& description,
                       std::function<void(const std::string& option, const std::string& text)> take) {
  const std::string option = names.substr(names.rfind(',') + 1);
  return app.add_option(
      names,
      [option, take = std::move(take)](const CLI::results_t& given) {
        if (given.back().empty()) throw ValueError(fmt::format("{}: the value is empty", option));
        take(option, given.back());
        return true;
      },
      description);
}

CLI::Option* add_text(CLI::App& app, const std::string& names, std::string& value, const std::string& description) {
  return add_value(app, names, description, [&value](const std::string& /*option*/, const std::string& text) { value = text; });
}

std::uint64_t parse_whole(const std::string& option, const std::string& text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    throw ValueError(fmt::format("{} {}: a whole number from {} to {} is allowed", option, detail::io::quote(text), least, most));
  return value;
}

namespace {

template <class Value>
CLI::Option* add_number_into(CLI::App& app, const std::string& names, Value& value, bool (*fits)(double), const char* allowed,
                             const std::string& description) {
  return add_value(app, names, description, [&value, fits, allowed](const std::string& option, const std::string& text) {
    const std::optional<double> number = parse_number(text);
    if (!number || !fits(*number)) throw ValueError(fmt::format("{} {}: {} is allowed", option, detail::io::quote(text), allowed));
    value = *number;
  });
}

}  // namespace

CLI::Option* add_number(CLI::App& app, const std::string& names, double& value, bool (*fits)(double), const char* allowed,
                        const std::string& description) {
  return add_number_into(app, names, value, fits, allowed, description);
}
CLI::Option* add_number(CLI::App& app, const std::string& names, std::optional<double>& value, bool (*fits)(double), const char* allowed,
                        const std::string& description) {
  return add_number_into(app, names, value, fits, allowed, description);
}

void add_common(CLI::App& app, Common& common) {
  add_text(app, "--log", common.log, "text, or json: one JSON object a line on standard output (docs/log.md)")
      ->type_name("FORM")
      ->default_str(common.log);
  add_whole(app, "--threads", common.threads, 1, 1024, "threads to compute with [LINN_THREADS, or one for each CPU]")->type_name("N");
}

void apply(const Common& common) {
  static const std::vector<std::string> forms = {"text", "json"};
  if (common.log != "text" && common.log != "json")
    throw UsageError(
        fmt::format("--log {}: text and json are allowed{}", detail::io::quote(common.log), detail::core::did_you_mean(common.log, forms)));
  if (common.threads != 0) set_threads(common.threads);
}

void add_accuracy(CLI::App& app, std::string& accuracy) {
  app.add_option("--accuracy", accuracy, "fast, or exact: no kernel that rounds otherwise than the layers' definitions, such as Winograd's")
      ->type_name("NAME")
      ->capture_default_str();
}

void add_precision(CLI::App& app, std::string& precision) {
  app.add_option("--precision", precision, "float32, or mixed_bfloat16: faster on CPUs that multiply bfloat16, with 8 significant bits in products")
      ->type_name("NAME")
      ->capture_default_str();
}

Accuracy parse_accuracy(const std::string& text) {
  return named(fmt::format("--accuracy {}: ", detail::io::quote(text)), [&] { return Accuracy(text); });
}

DTypePolicy policy_of(const Common& common, const std::string& precision, const Accuracy& accuracy) {
  const DTypePolicy policy = named(fmt::format("--precision {}: ", detail::io::quote(precision)), [&] { return DTypePolicy(precision); });
  if (policy.kind() == DTypePolicy::float32) return policy;
  if (accuracy == "exact") throw UsageError(fmt::format("--precision {} rounds what it multiplies, which --accuracy exact forbids; leave one of them out", precision));
  say(common, "precision: {}, {}\n", precision,
      detail::core::isa() == detail::core::Isa::avx512_bf16 ? "products of bfloat16 by vdpbf16ps"
                                            : "operands rounded to bfloat16; no faster than float32, as this CPU has no vdpbf16ps");
  return policy;
}

void emit(const Common& common, const detail::io::Json& event) {
  if (!common.json()) return;
  write_to(stdout, "{}\n", detail::io::dump_json(event));
  std::fflush(stdout);
}

double parse_scale(const std::string& text, const std::string& where) {
  const std::size_t slash = text.find('/');
  const std::string_view all = text;
  const std::optional<double> above = parse_number(all.substr(0, slash));
  const std::optional<double> below = slash == std::string::npos ? 1.0 : parse_number(all.substr(slash + 1));
  if (!above || !below || !(*above > 0) || !(*below > 0) || !std::isfinite(*above / *below))
    throw ValueError(fmt::format("{} {}: a number above 0 or a fraction such as 1/255 is allowed", where, detail::io::quote(text)));
  return *above / *below;
}

std::optional<Shape> parse_image_shape(const std::string& text) {
  if (text.empty()) return std::nullopt;
  std::vector<std::int64_t> sizes;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    std::int64_t size = 0;
    const auto [next, error] = std::from_chars(at, end, size);
    if (error != std::errc() || size < 1) break;
    sizes.push_back(size);
    if (next == end && (sizes.size() == 2 || sizes.size() == 3)) {
      if (sizes.size() == 2) sizes.push_back(1);
      return Shape(sizes);
    }
    if (next == end || *next != 'x' || sizes.size() == 3) break;
    at = next + 1;
  }
  throw ValueError(fmt::format("--input {}: HEIGHTxWIDTHxCHANNELS is allowed, such as 28x28x1", detail::io::quote(text)));
}

std::string scale_text(double scale) { return scale == 1.0 / 255 ? "1/255" : fmt::format("{}", scale); }

std::string data_path(const std::string& option) {
  if (!option.empty()) return option;
  std::string path = "data/mnist.npz";
  if (const char* from = std::getenv("LINN_DATA"); from != nullptr && *from != '\0') {
    path = from;
    if (is_directory(path) && exists(path + "/mnist.npz")) path += "/mnist.npz";
  }
  if (!exists(path))
    throw IoError(
        fmt::format("{}: there is no such file; name the data with --data FILE or with the environment variable LINN_DATA", path));
  return path;
}

void add_data(CLI::App& app, DataOptions& options, const std::string& more, const std::string& otherwise) {
  add_text(app, "--data", options.path,
           "images in class folders, train/CLASS/*.png and test/CLASS/*.png (.jpg too), as a folder or .zip; an .npz file with x_train, "
           "y_train, x_test, y_test; \"IMAGES,LABELS\" (.npy or IDX files, also gzip); or a folder with MNIST's four files" +
               more + " [" + otherwise + "]")
      ->type_name("PATH");
  add_value(app, "--resize", "resize images in folders to HxW (or NxN) [all must have one size; a trained model knows its own]",
            [&options](const std::string& option, const std::string& text) { options.resize = parse_size(option, text); })
      ->type_name("HxW");
  add_text(app, "--color-mode", options.color_mode, "of images in folders: grayscale, rgb, or auto: grey where all are grey, or as the model wants")
      ->type_name("NAME")
      ->default_str(options.color_mode);
}

ImageFolderOptions image_options(const DataOptions& options, const Model* model) {
  ImageFolderOptions images;
  images.image_size = options.resize;
  images.color_mode = named("--color-mode: ", [&] { return ColorMode(options.color_mode); });
  if (model == nullptr || !model->built() || model->input_shape().rank() != 3) return images;
  const std::int64_t channels = model->input_shape()[2];
  if (images.color_mode == ColorMode("auto") && (channels == 1 || channels == 3)) images.color_mode = channels == 1 ? ColorMode("grayscale") : ColorMode("rgb");
  const auto size = model->metadata().find(image_size_key);
  if (!images.image_size.is_set() && size != model->metadata().end()) images.image_size = parse_size("the model's image_size", size->second);
  return images;
}

detail::data::Dataset load_data(const Common& common, const DataOptions& options, const Model* model, detail::data::Labels labels) {
  ImageFolderOptions images = image_options(options, model);
  std::optional<Progress> progress;
  images.progress = [&](std::int64_t done, std::int64_t all) {
    if (!progress) progress.emplace(common, all, "image");
    progress->update(done);
  };
  const std::string path = data_path(options.path);
  detail::data::Dataset data = detail::data::load_dataset(path, labels, images);
  const double seconds = progress ? progress->finish() : 0;
  if (!data.class_names.empty()) {
    const auto count = [](const Tensor& x) { return x.defined() ? x.shape()[0] : 0; };
    say(common, "{} images of {} classes from {}, read in {:.1f} s\n", thousands(count(data.x_train) + count(data.x_test)),
        data.class_names.size(), path, seconds);
  }
  for (const std::string& note : data.notes) say(common, "{}\n", note);
  return data;
}

std::vector<std::string> class_names(const Model& model) {
  const auto found = model.metadata().find(class_names_key);
  if (found == model.metadata().end()) return {};
  const detail::io::Json json = detail::io::parse_json(found->second, "the model's class_names");
  std::vector<std::string> names;
  for (const detail::io::Json& name : json) names.push_back(name.is_string() ? name.get<std::string>() : name.dump());
  return names;
}

void remember_images(Model& model, const detail::data::Dataset& data, const DataOptions& options) {
  if (data.class_names.empty()) return;
  model.metadata()[class_names_key] = detail::io::dump_json(detail::io::Json(data.class_names));
  if (options.resize.is_set()) model.metadata()[image_size_key] = fmt::format("{}x{}", options.resize.height, options.resize.width);
}

std::string class_text(const std::vector<std::string>& names, std::int64_t index) {
  return index >= 0 && index < static_cast<std::int64_t>(names.size()) ? detail::core::printable(names[static_cast<std::size_t>(index)])
                                                                      : fmt::format("{}", index);
}

Tensor first_rows(const Tensor& tensor, std::int64_t limit) {
  return limit > 0 && limit < tensor.shape()[0] ? tensor.rows(0, limit) : tensor;
}

void use_class_numbers(detail::data::Dataset& data, const Model& model) {
  const std::vector<std::string> known = class_names(model);
  if (known.empty() || data.class_names.empty()) return;
  if (data.y_train.defined()) data.y_train = detail::data::labels_by_name(data.y_train, data.class_names, known, data.train_where);
  if (data.y_test.defined()) data.y_test = detail::data::labels_by_name(data.y_test, data.class_names, known, data.test_where);
}

Images load_test_images(const Common& common, const DataOptions& options, const Model& model, std::int64_t limit,
                        detail::data::Labels labels) {
  detail::data::Dataset data = load_data(common, options, &model, labels);
  use_class_numbers(data, model);
  return test_images(data, limit);
}

Images test_images(const detail::data::Dataset& set, std::int64_t limit) {
  const auto first = [&](const Tensor& tensor) { return tensor.defined() ? first_rows(tensor, limit) : tensor; };
  if (set.x_test.defined()) return {first(set.x_test), first(set.y_test), "test", set.test_where};
  return {first(set.x_train), first(set.y_train), "training", set.train_where};
}

Shape image_shape(const Tensor& images) {
  const Shape& shape = images.shape();
  if (shape.rank() == 3) return {shape[1], shape[2], 1};
  if (shape.rank() == 4) return shape.without_first();
  throw ShapeError(
      fmt::format("the data hold {}; images (n, height, width) or (n, height, width, channels) are needed", shape.to_string()));
}

std::string built_in_models() {
  const auto zoo = detail::model::zoo();
  std::string text;
  for (const detail::model::ZooEntry& entry : zoo)
    text += fmt::format("{}{}", text.empty() ? "" : &entry == &zoo.back() ? " or " : ", ", entry.name);
  return text;
}

namespace {

// A file of the configuration's text, as a network without weights.
Model read_configuration(const std::string& path, const ModelOptions& options) {
  const detail::core::Bytes bytes = detail::io::read_file(path, std::uint64_t{64} << 20);
  try {
    return Model::from_json(std::string(detail::io::text_of(bytes)), options);
  } catch (const FormatError& error) {
    throw FormatError(fmt::format("{}: {}", path, error.what()));
  } catch (const ValueError& error) {
    throw ValueError(fmt::format("{}: {}", path, error.what()));
  } catch (const ShapeError& error) {
    throw ShapeError(fmt::format("{}: {}", path, error.what()));
  }
}

// Whether --model names a built-in network, and no file or directory.
bool is_built_in(const std::string& text) {
  const auto zoo = detail::model::zoo();
  const bool known = std::any_of(zoo.begin(), zoo.end(), [&](const detail::model::ZooEntry& entry) { return entry.name == text; });
  const bool is_file_name = text.ends_with(".json") || has_model_ending(text) || text.find('/') != std::string::npos;
  return !is_directory(text) && (known || (!exists(text) && !is_file_name));
}

detail::model::ZooEntry built_in_entry(const std::string& text) {
  return named(fmt::format("--model {}: a path to a configuration (.json) or to a model directory is allowed too; ", detail::io::quote(text)),
               [&] { return detail::model::zoo_entry(text); });
}

}  // namespace

void check_model_name(const std::string& text) {
  if (is_built_in(text)) built_in_entry(text);
}

Model open_model(const ModelSource& source) {
  const std::string& text = source.text;
  const bool directory = is_directory(text), built_in = is_built_in(text);
  if (!built_in && source.classes)
    throw UsageError(fmt::format("--classes {}: {} has classes of its own; a built-in network takes it", *source.classes, text));
  const ModelOptions options = {.seed = source.seed};
  if (built_in) {
    const detail::model::ZooEntry entry = built_in_entry(text);
    const std::int64_t classes = source.class_names.empty() ? entry.classes : static_cast<std::int64_t>(source.class_names.size());
    const Shape published{entry.size, entry.size, entry.channels};
    return detail::model::make_model(text, source.image.value_or(published), source.classes.value_or(classes), options);
  }
  const bool configuration = exists(text) && !directory && detail::formats::kind_of(text) == detail::formats::FileKind::json;
  Model model = configuration ? read_configuration(text, options) : load_model(text);
  if (has_open_size(model) && source.image) {
    if (source.image_from_option) return model.with_input_shape(*source.image);
    return model;
  }
  if (model.built() && source.image_from_option)
    throw UsageError(fmt::format("--input: {} has an input shape of its own, {}", text, model.input_shape().to_string()));
  if (model.built() || !source.image) return model;
  Sequential chain(std::move(model));  // only a chain can be without an input shape
  chain.build(*source.image);
  return chain;
}

Model load_model(const std::string& path) {
  if (!exists(path)) throw IoError(fmt::format("{}: there is no such file or directory; `linn train --out DIR` makes a model", path));
  if (!is_directory(path) && detail::formats::kind_of(path) == detail::formats::FileKind::json)
    throw FormatError(fmt::format("{}: is a configuration alone, without weights; `linn train --model {}` trains it", path, path));
  return linn::load_model(path);
}

bool has_model_ending(const std::string& path) {
  constexpr std::string_view endings[] = {".keras", ".h5", ".onnx", ".safetensors"};
  return std::ranges::any_of(endings, [&](std::string_view ending) { return path.ends_with(ending); });
}

bool has_open_size(const Model& model) {
  if (!model.built() || model.inputs().size() != 1) return false;
  const Shape input = model.input_shape();
  return input.rank() == 3 && (input[0] == Shape::none || input[1] == Shape::none);
}

Model at_size_of(Model model, const Tensor& images, const std::string& where) {
  if (!has_open_size(model)) return model;
  const Shape image = image_shape(images), input = model.input_shape();
  const auto canvas = model.metadata().find(canvas_key);
  const Size2 wanted = canvas == model.metadata().end() ? Size2(image[0], image[1]) : parse_size("the model's canvas", canvas->second);
  const auto closed = [](std::int64_t open, std::int64_t size) { return open == Shape::none ? size : open; };
  try {
    return model.with_input_shape({closed(input[0], wanted.height), closed(input[1], wanted.width), input[2]});
  } catch (const ShapeError& error) {
    throw ShapeError(fmt::format("{}: images of {} x {} came, which do not fit the model; images in folders are resized with --resize HxW: {}", where,
                                 image[0], image[1], error.what()));
  }
}

Tensor on_model_canvas(const Model& model, const Tensor& images) {
  if (!model.metadata().contains(canvas_key) || (images.shape().rank() != 3 && images.shape().rank() != 4)) return images;
  const Shape input = model.input_shape();
  if (input.rank() != 3 || (images.shape()[1] == input[0] && images.shape()[2] == input[1])) return images;
  return shift::on_canvas(images, input[0], input[1]);
}

void add_canvas(CLI::App& app, Size2& canvas, const std::string& description) {
  add_value(app, "--canvas", description, [&canvas](const std::string& option, const std::string& text) { canvas = parse_size(option, text); })->type_name("HxW");
}

Model with_canvas(Model model, const Size2& canvas) {
  if (!canvas.is_set()) return model;
  const Shape input = model.input_shape();
  if (input.rank() != 3) throw ShapeError(fmt::format("--canvas: the model takes {}; images (height, width, channels) are needed", input.to_string()));
  Model wide = model.with_input_shape({canvas.height, canvas.width, input[2]});
  wide.metadata()[canvas_key] = fmt::format("{}x{}", canvas.height, canvas.width);
  return wide;
}

void prepare_directory(const std::string& out) {
  detail::io::make_directories(out);
  if (!is_directory(out)) throw IoError(fmt::format("{}: is no directory", out));
  if (::access(out.c_str(), W_OK | X_OK) != 0) throw IoError(fmt::format("{}: cannot write into the directory: {}", out, std::strerror(errno)));
}

void prepare_output(const std::string& out) {
  if (!has_model_ending(out)) return prepare_directory(out);
  if (is_directory(out)) throw IoError(fmt::format("{}: is a directory; a file of this name cannot be written", out));
  const std::filesystem::path folder = std::filesystem::path(out).parent_path();
  if (!folder.empty()) prepare_directory(folder.string());
  const detail::io::AtomicFile writable{out};
}

}  // namespace linn::cli
