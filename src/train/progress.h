// Training as it is shown: Keras's bar on a terminal, one line an epoch elsewhere, or JSON, one object an epoch.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "linn/fit.h"
#include "linn/train.h"

namespace linn::detail::train {

/// How a bar is drawn. `columns` bounds the lines that are drawn over again: one that wraps could not be.
struct BarStyle {
  bool color = false;
  int columns = 80;
};

/// Where text goes, and what can be shown there.
struct Output {
  std::function<void(const std::string&)> write;
  BarStyle style = {};
  bool is_terminal = false;

  /// A stream, which must outlive this.
  Output(std::FILE* to);
  Output(std::FILE* to, const BarStyle& style);
  /// A function of the caller's: no colour, and no terminal.
  Output(std::function<void(const std::string&)> print_fn) : write(std::move(print_fn)) {}
};
/// `print_fn`, or standard output where there is none.
Output output_of(const std::function<void(const std::string&)>& print_fn);

/// `done` steps out of `total`; 0: nobody knows of how many. `seconds` is the time left while it runs, and the time taken once `finished`.
struct BarState {
  std::int64_t done = 0;
  std::int64_t total = 0;
  double seconds = 0;
  double seconds_per_step = 0;
  bool finished = false;
  std::string_view unit = "step";
};

/// One state of the bar without "\r" and line end, as Keras writes it:
/// `469/469 ━━━━━━━━━━━━━━━━━━━━ 4s 8ms/step - accuracy: 0.9123 - loss: 0.2811`.
/// While not finished, what does not fit into `columns` - 1 is left off, whole numbers at a time.
std::string bar_line(const BarState& state, const Logs& logs, const BarStyle& style);

/// ` - accuracy: 0.9123 - loss: 2.1e-04`: %.4f, or %.4e at 1e-3 and below, in the order of the names.
std::string logs_text(const Logs& logs);
/// `8ms/step`: seconds, milliseconds or microseconds without decimals.
std::string time_per(double seconds, std::string_view unit);

/// A line that is drawn over and over, at most every 50 ms.
class ProgressBar {
 public:
  ProgressBar(Output to, std::int64_t total, std::string_view unit = "step");
  /// Ends the line if it is open.
  ~ProgressBar() { close(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// `done` steps in `seconds`.
  void update(std::int64_t done, double seconds, const Logs& logs);
  /// The last state, with the time it took; ends the line. `step_seconds` is the part of `seconds` that the steps took.
  void finish(std::int64_t done, double seconds, double step_seconds, const Logs& logs);
  void close();

 private:
  void draw(const BarState& state, const Logs& logs);

  Output to_;
  std::int64_t total_;
  std::string unit_;
  std::chrono::steady_clock::time_point last_;
  bool open_ = false;
  std::size_t width_ = 0;  // characters on the screen
};

/// What `fit` shows. `bar` draws `Epoch 1/3` (left out when there is one epoch, as in Keras) and the bar; `lines` writes one
/// line when an epoch has ended: `Epoch 1/3 - 4s - 8ms/step - accuracy: 0.9123 - ...`; `automatic` is the bar on a terminal and
/// lines elsewhere; `silent` shows nothing. The time includes the validation, the time of a step does not.
CallbackHandle progress(Verbose verbose, const Output& to);

/// One JSON object a line and epoch:
/// {"event":"epoch","epoch":1,"epochs":3,"steps":469,"seconds":4.1,"images_per_second":14634.1,"learning_rate":0.001,
/// "accuracy":...,...}. `images` are those of one epoch, for the rate, which counts training alone; NaN becomes null.
CallbackHandle json_progress(std::FILE* to, std::int64_t images);

/// What `evaluate` shows: the bar once it has taken half a second, or one line at its end.
class EvaluateProgress {
 public:
  EvaluateProgress(Verbose verbose, const Output& to, std::int64_t steps);
  void step(std::int64_t done, const Logs& logs);
  /// After `done` steps.
  void end(std::int64_t done, const Logs& logs);

 private:
  double seconds() const;

  Verbose verbose_;
  Output to_;
  std::chrono::steady_clock::time_point begin_;
  ProgressBar bar_;
};

}  // namespace linn::detail::train
