// The callback TensorBoard: which numbers go into which event file, under Keras's names.
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "linn/error.h"
#include "linn/train.h"
#include "train/event_file.h"

namespace linn::callbacks {

struct TensorBoard::Writers {
  using Clock = std::chrono::steady_clock;

  std::string log_dir;
  TensorBoardOptions options;
  std::optional<detail::train::EventFile> training = {}, validation = {};  // made by the first number
  std::int64_t train_batches = 0;                                          // of this fit
  std::int64_t iterations = 0;                                             // steps of the model's life when a batch ended last
  std::int64_t epoch_iterations = 0;
  Clock::time_point epoch_begin = {}, batch_begin = {};

  detail::train::EventFile& file(bool of_training) {
    std::optional<detail::train::EventFile>& writer = of_training ? training : validation;
    if (!writer) writer.emplace(log_dir + (of_training ? "/train" : "/validation"));
    return *writer;
  }
  static double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }
};

TensorBoard::TensorBoard(std::string log_dir, TensorBoardOptions options)
    : writers_(std::make_unique<Writers>(Writers{.log_dir = std::move(log_dir), .options = options})) {
  if (writers_->log_dir.empty()) throw ValueError("TensorBoard: log_dir is empty; it must name a directory");
  if (options.update_freq.is_number() && options.update_freq.steps() < 1)
    throw ValueError(
        fmt::format("TensorBoard: update_freq is {}; it must be \"epoch\", \"batch\" or 1 or more steps", options.update_freq.steps()));
}
TensorBoard::~TensorBoard() = default;
TensorBoard::TensorBoard(TensorBoard&&) noexcept = default;
TensorBoard& TensorBoard::operator=(TensorBoard&&) noexcept = default;

void TensorBoard::on_train_begin(Trainer& trainer) {
  writers_->train_batches = 0;
  writers_->iterations = trainer.total_steps();
  writers_->file(true);  // so that TensorBoard shows the run from its beginning
}

void TensorBoard::on_train_end(Trainer& /*trainer*/, const Logs& /*logs*/) {
  writers_->training.reset();
  writers_->validation.reset();
}

void TensorBoard::on_epoch_begin(Trainer& trainer) {
  writers_->epoch_begin = Writers::Clock::now();
  writers_->epoch_iterations = trainer.total_steps();
}

void TensorBoard::on_train_batch_begin(Trainer& /*trainer*/) {
  ++writers_->train_batches;
  writers_->batch_begin = Writers::Clock::now();
}

void TensorBoard::on_train_batch_end(Trainer& trainer, const Logs& logs) {
  writers_->iterations = trainer.total_steps();
  const std::int64_t every = writers_->options.update_freq.steps(), batch = writers_->train_batches;
  if (every == 0 || batch % every != 0) return;
  if (writers_->options.write_steps_per_second)
    writers_->file(true).scalar(batch, "batch_steps_per_second", 1 / Writers::seconds_since(writers_->batch_begin));
  for (const auto& [name, value] : logs) writers_->file(true).scalar(batch, "batch_" + name, value);
}

CallbackState TensorBoard::state() const { return {.numbers = {{"train_batches", static_cast<double>(writers_->train_batches)}}}; }

// In an event file of its own, which TensorBoard shows as one curve with those before.
void TensorBoard::restore(const CallbackState& state) {
  if (const auto found = state.numbers.find("train_batches"); found != state.numbers.end()) writers_->train_batches = static_cast<std::int64_t>(found->second);
  writers_->epoch_begin = Writers::Clock::now();
  writers_->epoch_iterations = writers_->iterations;
}

void TensorBoard::on_epoch_end(Trainer& trainer, const Logs& logs) {
  constexpr std::string_view of_validation = "val_";
  const std::int64_t epoch = trainer.epoch();
  for (const auto& [name, value] : logs) {
    if (name == "learning_rate") continue;
    const bool validation = name.starts_with(of_validation);
    writers_->file(!validation).scalar(epoch, "epoch_" + name.substr(validation ? of_validation.size() : 0), value);
  }
  writers_->file(true).scalar(epoch, "epoch_learning_rate", trainer.learning_rate());
  if (!writers_->options.write_steps_per_second) return;
  const auto steps = static_cast<double>(trainer.total_steps() - writers_->epoch_iterations);
  writers_->file(true).scalar(epoch, "epoch_steps_per_second", steps / Writers::seconds_since(writers_->epoch_begin));
}

void TensorBoard::on_test_end(const Logs& logs) {
  for (const auto& [name, value] : logs)
    writers_->file(false).scalar(writers_->iterations, fmt::format("evaluation_{}_vs_iterations", name), value);
}

}  // namespace linn::callbacks
