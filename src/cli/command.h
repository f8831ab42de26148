// What the subcommands share: options, exit codes, where data and models come from, how results are written.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "io/json.h"
#include "linn/model.h"
#include "linn/tensor.h"
#include "linn/types.h"

namespace linn::cli {

inline constexpr int exit_ok = 0;
inline constexpr int exit_usage = 2;
inline constexpr int exit_bad_input = 3;
inline constexpr int exit_io = 4;
inline constexpr int exit_memory = 5;
inline constexpr int exit_bug = 70;
inline constexpr int exit_interrupted = 130;

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
Action add_profile(CLI::App& app);
Action add_demo(CLI::App& app);

/// --log and --threads, which every subcommand has.
struct Common {
  std::string log = "text";
  int threads = 0;  // 0: LINN_THREADS or all CPUs

  bool json() const { return log == "json"; }
};
void add_common(CLI::App& app, Common& common);
/// Takes effect: the number of threads; refuses an unknown --log.
void apply(const Common& common);

/// --accuracy, which every subcommand that computes has, and what it means. UsageError for an unknown name.
void add_accuracy(CLI::App& app, std::string& accuracy);
Accuracy parse_accuracy(const std::string& text);

/// --precision, which every subcommand that computes has.
void add_precision(CLI::App& app, std::string& precision);
/// What was asked for; refuses an unknown name and what --accuracy forbids, and says how this CPU computes it where that is not float32.
DTypePolicy policy_of(const Common& common, const std::string& precision, const Accuracy& accuracy);

/// Text for people: nothing with --log json.
template <class... Args>
void say(const Common& common, fmt::format_string<Args...> text, Args&&... args) {
  if (!common.json()) fmt::print(stdout, text, std::forward<Args>(args)...);
}
/// One JSON object on a line of its own: nothing without --log json. NaN and infinities become null.
void emit(const Common& common, const io::Json& event);
/// A number as JSON; null for NaN and infinities.
io::Json number(double value);

/// Throws ValueError "OPTION VALUE: LEAST or more is allowed".
void at_least(const char* option, std::int64_t value, std::int64_t least);
/// A positive number or a fraction such as 1/255. ValueError for anything else.
double parse_scale(const std::string& text, const std::string& where);
/// --input: "28x28x1", or "28x28" for one channel; nothing for no text. ValueError for anything else.
std::optional<Shape> parse_image_shape(const std::string& text);
/// 0.00392156862745098 as "1/255", others as they are.
std::string scale_text(double scale);
/// 60000 as "60,000".
std::string thousands(std::int64_t value);

/// Images with their labels out of a data set, and the name that people know them by.
struct Images {
  Tensor x, y;
  std::string part;  // "training" or "test"
};
/// --data, else LINN_DATA (a file, or a folder with mnist.npz), else data/mnist.npz.
std::string data_path(const std::string& option);
/// The test images, or the training images where there are no others; the first `limit` of them unless it is 0.
Images load_test_images(const std::string& option, std::int64_t limit);
Tensor first_rows(const Tensor& tensor, std::int64_t limit);
/// (height, width, channels) of images (n, height, width) or (n, height, width, channels). ShapeError for others.
Shape image_shape(const Tensor& images);

/// A directory that `save` wrote, a file with Keras's configuration, or the name of a built-in network.
/// `image` and `classes` shape a built-in one and build a configuration without an input shape.
struct ModelSource {
  std::string text;
  std::optional<Shape> image;
  std::int64_t classes = 10;
  std::uint64_t seed = 0;
};
Sequential open_model(const ModelSource& source);
/// A directory that `save` wrote.
Sequential load_model(const std::string& directory);

/// The factor for the inputs: --scale, else what the model was saved with, else 1/255 for uint8 images unless the model begins
/// with Rescaling or Normalization, else 1.
double input_scale(const Sequential& model, const Tensor& images, const std::string& option);
/// The words that say so.
std::string scale_note(const Tensor& images, double scale);

/// Images as the model wants them: on a canvas where the model was trained on one.
Tensor on_model_canvas(const Sequential& model, const Tensor& images);

/// Metadata keys of saved models.
inline constexpr const char* scale_key = "input_scale";
inline constexpr const char* canvas_key = "canvas";

}  // namespace linn::cli
