// What the subcommands share: options, exit codes, where data and models come from, how results are written.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/text_cells.h"
#include "data/dataset.h"
#include "io/json.h"
#include "linn/data.h"
#include "linn/error.h"
#include "linn/model.h"
#include "linn/tensor.h"
#include "linn/types.h"

namespace linn::cli {

inline constexpr int exit_ok = 0;
inline constexpr int exit_usage = 2;
inline constexpr int exit_bad_input = 3;
inline constexpr int exit_io = 4;
inline constexpr int exit_memory = 5;
inline constexpr int exit_nonfinite = 6;
inline constexpr int exit_bug = 70;
inline constexpr int signal_exit_code = 128;  // and the number of the signal: 130 for Ctrl-C

/// An unknown option or name on the command line.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A subcommand: adds itself to the command line, and what it returns runs it and gives the exit code.
using Action = std::function<int()>;
Action add_summary(CLI::App& app);
Action add_train(CLI::App& app);
Action add_evaluate(CLI::App& app);
Action add_predict(CLI::App& app);
Action add_shift(CLI::App& app);
Action add_fix(CLI::App& app);
Action add_profile(CLI::App& app);
Action add_convert(CLI::App& app);
Action add_inspect(CLI::App& app);
Action add_verify(CLI::App& app);
Action add_layers(CLI::App& app);
Action add_demo(CLI::App& app);

// ---- options: what is no allowed value is a ValueError, "OPTION VALUE: what is allowed" ----------------------------

/// Calls `take(OPTION, VALUE)` with the text that was given; an empty one is refused.
CLI::Option* add_value(CLI::App& app, const std::string& names, const std::string& description,
                       std::function<void(const std::string& option, const std::string& text)> take);
CLI::Option* add_text(CLI::App& app, const std::string& names, std::string& value, const std::string& description);

/// No count or size on the command line is above this.
inline constexpr std::uint64_t largest = 2'147'483'647;
inline constexpr std::uint64_t largest_seed = std::numeric_limits<std::int64_t>::max();  // what --log json can be read back with
std::uint64_t parse_whole(const std::string& option, const std::string& text, std::uint64_t least, std::uint64_t most);
template <std::integral T>
CLI::Option* add_whole(CLI::App& app, const std::string& names, T& value, std::uint64_t least, std::uint64_t most,
                       const std::string& description) {
  return add_value(app, names, description, [&value, least, most](const std::string& option, const std::string& text) {
    value = static_cast<T>(parse_whole(option, text, least, most));
  });
}
/// The same for an option that changes something only when it is given.
template <std::integral T>
CLI::Option* add_whole(CLI::App& app, const std::string& names, std::optional<T>& value, std::uint64_t least, std::uint64_t most,
                       const std::string& description) {
  return add_value(app, names, description, [&value, least, most](const std::string& option, const std::string& text) {
    value = static_cast<T>(parse_whole(option, text, least, most));
  });
}
/// A number; `allowed` says in words what `fits` checks.
CLI::Option* add_number(CLI::App& app, const std::string& names, double& value, bool (*fits)(double), const char* allowed,
                        const std::string& description);

/// The same for one that changes something only when it is given.
CLI::Option* add_number(CLI::App& app, const std::string& names, std::optional<double>& value, bool (*fits)(double), const char* allowed,
                        const std::string& description);

/// --log and --threads, which every subcommand has.
struct Common {
  std::string log = "text";
  int threads = 0;  // 0: LINN_THREADS or all CPUs

  bool json() const { return log == "json"; }
};
void add_common(CLI::App& app, Common& common);
/// Takes effect: the number of threads; refuses an unknown --log.
void apply(const Common& common);

/// What `make` returns; a ValueError becomes a UsageError that begins with `prefix`: an unknown name on the command line.
template <class Make>
auto named(const std::string& prefix, const Make& make) {
  try {
    return make();
  } catch (const ValueError& error) {
    throw UsageError(prefix + error.what());
  }
}

/// --accuracy, which every subcommand that computes has, and what it means. UsageError for an unknown name.
void add_accuracy(CLI::App& app, std::string& accuracy);
Accuracy parse_accuracy(const std::string& text);

/// --precision, which every subcommand that computes has.
void add_precision(CLI::App& app, std::string& precision);
/// What was asked for; refuses an unknown name and what --accuracy forbids, and says how this CPU computes it where that is not float32.
DTypePolicy policy_of(const Common& common, const std::string& precision, const Accuracy& accuracy);

/// Unlike fmt::print it never throws: a reader that has gone must not cost what was computed. `main` looks at the stream's
/// error flag in the end.
template <class... Args>
void write_to(std::FILE* to, fmt::format_string<Args...> text, Args&&... args) {
  const std::string all = fmt::format(text, std::forward<Args>(args)...);
  std::fwrite(all.data(), 1, all.size(), to);
}
/// Text for people: nothing with --log json.
template <class... Args>
void say(const Common& common, fmt::format_string<Args...> text, Args&&... args) {
  if (!common.json()) write_to(stdout, text, std::forward<Args>(args)...);
}
/// One JSON object on a line of its own: nothing without --log json. NaN and infinities become null.
void emit(const Common& common, const detail::io::Json& event);
using detail::io::number;

/// "2GB", "512MiB" or a number of bytes, 1 or more. ValueError for anything else.
std::int64_t parse_bytes(const std::string& option, const std::string& text);
/// A positive number or a fraction such as 1/255. ValueError for anything else.
double parse_scale(const std::string& text, const std::string& where);
/// --input: "28x28x1", or "28x28" for one channel; nothing for no text. ValueError for anything else.
std::optional<Shape> parse_image_shape(const std::string& text);
/// 0.00392156862745098 as "1/255", others as they are.
std::string scale_text(double scale);
using detail::core::thousands;

/// --data, and how images in class folders are read.
struct DataOptions {
  std::string path;
  Size2 resize = {};
  std::string color_mode = "auto";
};
/// --data, --resize and --color-mode. `more` says what else --data takes, `otherwise` what is
/// taken without it.
void add_data(CLI::App& app, DataOptions& options, const std::string& more = "", const std::string& otherwise = "LINN_DATA, or data/mnist.npz");
/// Loads it, with a bar where that takes a while, and says what was converted or left out. A model that is given decides what the options
/// leave open: its channels, and the size that its training images were resized to.
detail::data::Dataset load_data(const Common& common, const DataOptions& options, const Model* model,
                                detail::data::Labels labels = detail::data::Labels::needed);
/// How the options and the model want images.
ImageFolderOptions image_options(const DataOptions& options, const Model* model);

/// Images with their labels out of a data set, the name that people know them by, and where they come from.
struct Images {
  Tensor x, y;
  std::string part;   // "training" or "test"
  std::string where;  // "FILE: x_test, y_test"
};
/// Runs `work`; what it says about data is preceded by where they come from.
template <class Work>
auto about(const std::string& where, Work&& work) {
  try {
    return work();
  } catch (const DataError& error) {
    throw DataError(where + ": " + error.what());
  } catch (const ShapeError& error) {
    throw ShapeError(where + ": " + error.what());
  }
}
/// --data, else LINN_DATA (a file, or a folder with mnist.npz), else data/mnist.npz.
std::string data_path(const std::string& option);
/// Labels of named classes become the model's numbers of these classes.
void use_class_numbers(detail::data::Dataset& data, const Model& model);
/// The test images, or the training images where there are no others, as load_data and use_class_numbers leave them; the first `limit` of them
/// unless it is 0. Where labels are optional and there are none, y is undefined.
Images load_test_images(const Common& common, const DataOptions& options, const Model& model, std::int64_t limit,
                        detail::data::Labels labels = detail::data::Labels::needed);
/// The same of a data set that is loaded.
Images test_images(const detail::data::Dataset& set, std::int64_t limit);
Tensor first_rows(const Tensor& tensor, std::int64_t limit);
/// (height, width, channels) of images (n, height, width) or (n, height, width, channels). ShapeError for others.
Shape image_shape(const Tensor& images);

/// The names of the built-in networks, for help: "no-pooling, notebook, ... or invariant".
std::string built_in_models();

/// A directory that `save` wrote, a file with Keras's configuration, or the name of a built-in network.
/// `image` and `classes` (else those that the data name, else 10) shape a built-in one, and `image` builds a configuration without an input shape.
struct ModelSource {
  std::string text;
  std::optional<Shape> image;
  bool image_from_option = false;  // UsageError where it would change nothing; the data's own shape is checked by the model
  std::optional<std::int64_t> classes;
  std::uint64_t seed = 0;
  std::vector<std::string> class_names = {};  // of the data: so many classes has a built-in network where `classes` says nothing
};
/// UsageError for classes that would change nothing.
Model open_model(const ModelSource& source);
/// What open_model says of a name that is neither a file's nor a built-in network's, before anything else is read.
void check_model_name(const std::string& text);
/// A model in a file or directory of any kind that linn reads.
Model load_model(const std::string& path);

/// Makes the directory that a model will be saved to and refuses one that cannot be written to: before the work, not after it, which
/// would lose what was learned.
void prepare_directory(const std::string& out);
/// Whether a path ends as a file of a whole model does: .keras, .h5, .onnx, .safetensors.
bool has_model_ending(const std::string& path);
/// The same for where a model goes: a directory, or a file.
void prepare_output(const std::string& out);

/// --canvas: a height and width, or one number for both.
void add_canvas(CLI::App& app, Size2& canvas, const std::string& description);
/// The model with its weights for inputs of that size, where one was given; images belong in their middle. ShapeError where weights depend on
/// the size.
Model with_canvas(Model model, const Size2& canvas);

/// Whether a model takes images of any height or width (fully convolutional: Input({none, none, channels})).
bool has_open_size(const Model& model);
/// Such a model with its weights for images of these sizes, or for the canvas that it was trained on; any other as it came. ShapeError where its layers do not fit the sizes.
Model at_size_of(Model model, const Tensor& images, const std::string& where);

/// Images as the model wants them: on a canvas where the model was trained on one.
Tensor on_model_canvas(const Model& model, const Tensor& images);

/// The names of the classes that a model was trained on; empty where they had none.
std::vector<std::string> class_names(const Model& model);
/// Remembers what the model must know of its training images: their classes' names, and the size that they were resized to.
void remember_images(Model& model, const detail::data::Dataset& data, const DataOptions& options);
/// The name of a class, or its number.
std::string class_text(const std::vector<std::string>& names, std::int64_t index);

/// Metadata keys of saved models.
inline constexpr const char* class_names_key = "class_names";  // a JSON array
inline constexpr const char* image_size_key = "image_size";    // "64x64": images of other sizes are resized to it
inline constexpr const char* canvas_key = "canvas";

}  // namespace linn::cli
