// Training as it is shown: Keras's bar on a terminal, one line an epoch elsewhere, or JSON, one object an epoch.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "linn/fit.h"
#include "linn/train.h"

namespace linn::detail::train {

/// How a bar is drawn. `columns` bounds the lines that are drawn over again: one that wraps could not be.
struct BarStyle {
  bool color = false;
  int columns = 80;
};

/// What `to` can show.
BarStyle style_of(std::FILE* to);

/// `done` steps out of `total`. `seconds` is the time left while it runs, and the time taken once `finished`.
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
  ProgressBar(std::FILE* to, BarStyle style, std::int64_t total, std::string_view unit = "step");
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

  std::FILE* to_;
  BarStyle style_;
  std::int64_t total_;
  std::string unit_;
  std::chrono::steady_clock::time_point last_;
  bool open_ = false;
  std::size_t width_ = 0;  // characters on the screen
};

/// What `fit` shows. `bar` draws `Epoch 1/3` (left out when there is one epoch, as in Keras) and the bar; `lines` writes one
/// line when an epoch has ended: `Epoch 1/3 - 4s - 8ms/step - accuracy: 0.9123 - ...`; `automatic` is the bar on a terminal and
/// lines elsewhere; `silent` shows nothing. The time includes the validation, the time of a step does not.
/// `to` must outlive the callback.
CallbackHandle progress(Verbose verbose, std::FILE* to);
/// The same with a style of the caller's.
CallbackHandle progress(Verbose verbose, std::FILE* to, const BarStyle& style);

/// One JSON object a line and epoch:
/// {"event":"epoch","epoch":1,"epochs":3,"steps":469,"seconds":4.1,"images_per_second":14634.1,"learning_rate":0.001,
/// "accuracy":...,...}. `images` are those of one epoch, for the rate, which counts training alone; NaN becomes null.
CallbackHandle json_progress(std::FILE* to, std::int64_t images);

/// What `evaluate` shows: the bar once it has taken half a second, or one line at its end.
class EvaluateProgress {
 public:
  EvaluateProgress(Verbose verbose, std::FILE* to, std::int64_t steps);
  void step(std::int64_t done, const Logs& logs);
  void end(const Logs& logs);

 private:
  double seconds() const;

  Verbose verbose_;
  std::FILE* to_;
  std::int64_t steps_;
  std::chrono::steady_clock::time_point begin_;
  ProgressBar bar_;
};

}  // namespace linn::detail::train
