#include "train/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "core/terminal.h"
#include "io/json.h"
#include "linn/error.h"

namespace linn::detail::train {
namespace {

constexpr std::int64_t bar_width = 20;
constexpr auto redraw_every = std::chrono::milliseconds(50);
constexpr double shown_after = 0.5;  // seconds, for the bar of evaluate

std::string repeat(std::string_view text, std::int64_t times) {
  std::string all;
  for (std::int64_t i = 0; i < times; ++i) all += text;
  return all;
}

std::string time_left(double seconds) {
  if (!std::isfinite(seconds) || seconds > 1e9) return "?";
  const auto whole = static_cast<std::int64_t>(seconds);
  if (seconds > 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole % 3600 / 60, whole % 60);
  if (seconds > 60) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}s", whole);
}

std::string one_log(const std::string& name, double value) {
  return std::abs(value) > 1e-3 || std::isnan(value) ? fmt::format(" - {}: {:.4f}", name, value)
                                                     : fmt::format(" - {}: {:.4e}", name, value);
}

// Characters on the screen: escape sequences take none, a UTF-8 sequence takes one.
std::size_t screen_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      while (i < text.size() && text[i] != 'm') ++i;
    } else if ((static_cast<unsigned char>(text[i]) & 0xc0U) != 0x80U) {
      ++width;
    }
  }
  return width;
}

void put(std::FILE* to, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), to);
  std::fflush(to);
}

BarStyle style_of(std::FILE* to) { return {.color = core::use_color(to), .columns = core::terminal_columns(to)}; }

class Silent : public Callback {};

class Bar : public Callback {
 public:
  explicit Bar(Output to) : to_(std::move(to)) {}

  void on_epoch_begin(Trainer& trainer) override {
    if (trainer.epochs() > 1) to_.write(fmt::format("Epoch {}/{}\n", trainer.epoch() + 1, trainer.epochs()));
    bar_ = std::make_unique<ProgressBar>(to_, trainer.steps_per_epoch());
    step_seconds_ = 0;
  }
  void on_batch_end(Trainer& trainer, const Logs& logs) override {
    step_seconds_ = trainer.seconds();
    if (bar_) bar_->update(trainer.step(), step_seconds_, logs);
  }
  void on_epoch_end(Trainer& trainer, const Logs& logs) override {
    if (bar_) bar_->finish(trainer.step(), trainer.seconds(), step_seconds_, logs);
    bar_.reset();
  }
  void on_train_end(Trainer& /*trainer*/, const Logs& /*logs*/) override { bar_.reset(); }

 private:
  Output to_;
  std::unique_ptr<ProgressBar> bar_;
  double step_seconds_ = 0;
};

class Lines : public Callback {
 public:
  explicit Lines(Output to) : to_(std::move(to)) {}

  void on_epoch_begin(Trainer& /*trainer*/) override { step_seconds_ = 0; }
  void on_batch_end(Trainer& trainer, const Logs& /*logs*/) override { step_seconds_ = trainer.seconds(); }
  void on_epoch_end(Trainer& trainer, const Logs& logs) override {
    const auto steps = static_cast<double>(std::max<std::int64_t>(1, trainer.step()));
    to_.write(fmt::format("Epoch {}/{} - {:.0f}s - {}{}\n", trainer.epoch() + 1, trainer.epochs(), trainer.seconds(),
                          time_per(step_seconds_ / steps, "step"), logs_text(logs)));
  }

 private:
  Output to_;
  double step_seconds_ = 0;
};

class JsonLines : public Callback {
 public:
  JsonLines(std::FILE* to, std::int64_t images) : to_(to), images_(images) {}

  void on_epoch_begin(Trainer& /*trainer*/) override { step_seconds_ = 0; }
  void on_batch_end(Trainer& trainer, const Logs& /*logs*/) override { step_seconds_ = trainer.seconds(); }
  void on_epoch_end(Trainer& trainer, const Logs& logs) override {
    io::Json line = {{"event", "epoch"}, {"epoch", trainer.epoch() + 1}, {"epochs", trainer.epochs()}, {"steps", trainer.step()}};
    const auto number = [&](const std::string& name, double value) {
      line[name] = std::isfinite(value) ? io::Json(value) : io::Json(nullptr);
    };
    number("seconds", trainer.seconds());
    number("images_per_second", static_cast<double>(images_) / step_seconds_);
    number("learning_rate", trainer.learning_rate());
    for (const auto& [name, value] : logs) number(name, value);
    put(to_, io::dump_json(line) + "\n");
  }

 private:
  std::FILE* to_;
  std::int64_t images_;
  double step_seconds_ = 0;
};

}  // namespace

Output::Output(std::FILE* to) : Output(to, style_of(to)) {}

Output::Output(std::FILE* to, const BarStyle& how) : write([to](const std::string& text) { put(to, text); }), style(how), is_terminal(core::is_terminal(to)) {}

Output output_of(const std::function<void(const std::string&)>& print_fn) { return print_fn ? Output(print_fn) : Output(stdout); }

std::string time_per(double seconds, std::string_view unit) {
  if (seconds >= 1 || seconds == 0) return fmt::format("{:.0f}s/{}", seconds, unit);
  if (seconds >= 1e-3) return fmt::format("{:.0f}ms/{}", seconds * 1e3, unit);
  return fmt::format("{:.0f}us/{}", seconds * 1e6, unit);
}

// A number of a metric whose result is a list: its mean is shown.
bool is_part(const std::string& name) { return name.ends_with(']'); }

std::string logs_text(const Logs& logs) {
  std::string text;
  for (const auto& [name, value] : logs)
    if (!is_part(name)) text += one_log(name, value);
  return text;
}

std::string bar_line(const BarState& state, const Logs& logs, const BarStyle& style) {
  const auto styled = [&](const char* code, std::string_view text) {
    return style.color && !text.empty() ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
  };
  const std::string total = state.total > 0 ? fmt::format("{}", state.total) : "Unknown";
  const std::int64_t filled = state.total > 0 ? std::clamp<std::int64_t>(bar_width * state.done / state.total, 0, bar_width) : bar_width;
  // Without colour both halves would look alike; a lighter line stands for what is left.
  const char* rest = style.color ? "━" : "─";
  const std::size_t digits = state.total > 0 ? total.size() : 0;
  std::string line = styled("1", fmt::format("{:>{}}/{}", state.done, digits, total)) + " " + styled("32", repeat("━", filled)) +
                     styled("37", repeat(rest, bar_width - filled)) + " " +
                     styled("1", state.finished || state.total == 0 ? fmt::format("{:.0f}s", state.seconds) : time_left(state.seconds)) + " " +
                     time_per(state.seconds_per_step, state.unit);
  std::size_t width = screen_width(line);
  for (const auto& [name, value] : logs) {
    if (is_part(name)) continue;
    const std::string log = one_log(name, value);
    if (!state.finished && width + log.size() + 1 > static_cast<std::size_t>(std::max(1, style.columns))) break;
    line += log;
    width += log.size();
  }
  return line;
}

ProgressBar::ProgressBar(Output to, std::int64_t total, std::string_view unit) : to_(std::move(to)), total_(total), unit_(unit) {}

void ProgressBar::draw(const BarState& state, const Logs& logs) {
  const std::string line = bar_line(state, logs, to_.style);
  const std::size_t width = screen_width(line);
  // What a longer line left on the screen is written over.
  to_.write("\r" + line + std::string(width_ > width ? width_ - width : 0, ' ') + (state.finished ? "\n" : ""));
  width_ = state.finished ? 0 : width;
  open_ = !state.finished;
}

void ProgressBar::update(std::int64_t done, double seconds, const Logs& logs) {
  const auto now = std::chrono::steady_clock::now();
  if (open_ && now - last_ < redraw_every) return;
  last_ = now;
  const double each = seconds / static_cast<double>(std::max<std::int64_t>(1, done));
  const double left = each * static_cast<double>(std::max<std::int64_t>(0, total_ - done));
  draw({done, total_, total_ > 0 ? left : seconds, each, false, unit_}, logs);
}

void ProgressBar::finish(std::int64_t done, double seconds, double step_seconds, const Logs& logs) {
  const auto steps = static_cast<double>(std::max<std::int64_t>(1, done));
  draw({done, total_ > 0 ? total_ : done, seconds, step_seconds / steps, true, unit_}, logs);
}

void ProgressBar::close() {
  if (open_) to_.write("\n");
  open_ = false;
}

CallbackHandle progress(Verbose verbose, const Output& to) {
  if (verbose == Verbose::automatic) verbose = to.is_terminal ? Verbose::bar : Verbose::lines;
  if (verbose == Verbose::bar) return std::make_shared<Bar>(to);
  if (verbose == Verbose::lines) return std::make_shared<Lines>(to);
  return std::make_shared<Silent>();
}

CallbackHandle json_progress(std::FILE* to, std::int64_t images) { return std::make_shared<JsonLines>(to, images); }

EvaluateProgress::EvaluateProgress(Verbose verbose, const Output& to, std::int64_t steps)
    : verbose_(verbose), to_(to), begin_(std::chrono::steady_clock::now()), bar_(to, steps) {
  if (verbose_ == Verbose::automatic) verbose_ = to.is_terminal ? Verbose::bar : Verbose::lines;
}

double EvaluateProgress::seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

void EvaluateProgress::step(std::int64_t done, const Logs& logs) {
  if (verbose_ != Verbose::bar) return;
  const double now = seconds();
  if (now >= shown_after) bar_.update(done, now, logs);
}

void EvaluateProgress::end(std::int64_t done, const Logs& logs) {
  const double now = seconds();
  const double each = now / static_cast<double>(std::max<std::int64_t>(1, done));
  if (verbose_ == Verbose::bar) {
    bar_.finish(done, now, now, logs);
  } else if (verbose_ == Verbose::lines) {
    to_.write(fmt::format("{}/{} - {:.0f}s - {}{}\n", done, done, now, time_per(each, "step"), logs_text(logs)));
  }
}

}  // namespace linn::detail::train

namespace linn {

Verbose::Kind Verbose::numbered(std::int64_t level) {
  if (level < 0 || level > 2)
    throw ValueError(fmt::format("verbose is {}; it may be 0 (nothing), 1 (a bar), 2 (a line an epoch) or \"auto\"", level));
  return static_cast<Kind>(level);
}

}  // namespace linn
