// All that decides what `linn train` learns, as one value: from the command line, from a file, and into the file beside the trained model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/command.h"
#include "io/json.h"
#include "linn/model.h"

namespace linn::cli {

/// The members carry the names of the command's options. The same run on the same data gives the same bits on any number of threads.
struct TrainingRun {
  DataOptions data;
  /// Images in folders are read while training; kept in memory then; those that cannot be read are left out.
  bool stream = false, cache = false, skip_broken = false;
  std::int64_t limit = 0;
  std::int64_t canvas = 0;
  std::string scale;
  std::string model = "notebook";
  std::optional<std::int64_t> classes;
  std::uint64_t seed = 0;
  std::int64_t epochs = 3;
  std::int64_t batch_size = 128;
  std::int64_t steps_per_epoch = 0;
  double validation_split = 0;
  std::optional<std::int64_t> patience;
  /// How often a checkpoint is written, as parse_interval reads it.
  std::string checkpoint_every = "2m";
  /// As linn::parse_augmentation reads it; empty: none.
  std::string augment;
  /// As Keras's configurations name them: a name, or {"class_name": ..., "config": {...}}; null: what the model was compiled with, else Adam,
  /// cross-entropy and accuracy.
  detail::io::Json optimizer, loss, metrics;
  std::string accuracy = "fast";
  std::string precision = "float32";
};

/// FormatError, beginning with `where`, for an optimizer, a loss or a metric that linn does not have, and for an argument that is not theirs.
void check_described(const TrainingRun& run, const std::string& where);

/// "2m", "30s" and "1h" are times, a number alone counts steps, and 0 says never.
struct Interval {
  double seconds = 0;
  std::int64_t steps = 0;

  bool is_never() const { return seconds == 0 && steps == 0; }
};
/// UsageError, beginning with `where`, for another text.
Interval parse_interval(const std::string& text, const std::string& where);

/// The run in a file: JSON with the members' names. FormatError for what is wrong in it, IoError where it cannot be read.
TrainingRun read_run(const std::string& path);

/// Where the run of a model saved at `out` stands: DIR/run.json, or FILE.run.json beside FILE.keras.
std::string run_path(const std::string& out);

/// Writes it with every default, and with what the model was compiled with.
void save_run(TrainingRun run, const Model& model, const std::string& out);

/// What --learning-rate and --schedule change of the optimizer.
struct RateOptions {
  std::optional<double> learning_rate;
  detail::io::Json schedule;  // null: none
};

/// FormatError for a schedule that linn does not have, and for an argument that is not its own.
void check_schedule(const detail::io::Json& schedule);

/// Whether the run or the rate say anything in place of what the model was compiled with.
bool compiles(const TrainingRun& run, const RateOptions& rate);
/// What the run says, else what the model was compiled with, else Adam, cross-entropy and accuracy. A loss that has from_logits and does not give
/// it gets what the end of the network says. UsageError for a name or an argument that linn does not have.
CompileOptions compile_options(const Model& model, const TrainingRun& run, const RateOptions& rate);

}  // namespace linn::cli
