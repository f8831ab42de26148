// room: train
// The options of fit, evaluate and predict: Keras's names and defaults.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "linn/choice.h"
#include "linn/dataset.h"
#include "linn/layer.h"
#include "linn/tensors.h"
#include "linn/train.h"
#include "linn/types.h"

namespace linn {

/// What to measure on after each epoch: inputs and targets, or a data set of batches; nothing by default.
struct ValidationData {
  Tensors x = {};
  Tensors y = {};
  Tensors sample_weight = {};
  Dataset dataset = {};
};

/// What `fit` shows, by a name of ours or Keras's number: nothing (0), a bar (1), a line an epoch (2), or, `automatic` ("auto"), a
/// bar on a terminal and lines elsewhere. A misspelt literal does not compile; other numbers are a ValueError.
class Verbose {
 public:
  enum Kind : std::uint8_t { silent, bar, lines, automatic };

  constexpr Verbose(Kind kind) : kind_(kind) {}
  template <std::integral T>
  Verbose(T level) : kind_(numbered(static_cast<std::int64_t>(level))) {}
  consteval Verbose(const char* name) : kind_(automatic) {
    if (std::string_view(name) != "auto") throw "verbose must be 0, 1, 2 or \"auto\"";
  }
  constexpr Kind kind() const { return kind_; }
  friend constexpr bool operator==(const Verbose&, const Verbose&) = default;

 private:
  static Kind numbered(std::int64_t level);
  Kind kind_;
};

struct OnNaNNames {
  enum Kind : std::uint8_t { raise, ignore };
  static constexpr std::string_view option = "on_nan", names[] = {"raise", "ignore"};
  static consteval void check(bool known) {
    if (!known) throw "on_nan must be \"raise\" or \"ignore\"";
  }
};
/// What a training step does when its loss, a gradient or a weight is NaN or infinite. "raise": the step ends with a NonFiniteError before
/// anything is written, so that weights, moving statistics and the optimizer's slots are those of before the step; it says where the first such
/// number arose. Only a weight that the update itself makes NaN or infinite, out of gradients that are finite, is found after it is written: by the next step,
/// at the end of the epoch, or before it is saved.
/// "ignore": training goes on, as Keras does. A misspelt literal does not compile; a std::string is checked when it runs (ValueError).
using OnNaN = Choice<OnNaNNames>;

struct FitOptions {
  std::int64_t batch_size = 32;
  std::int64_t epochs = 1;
  Verbose verbose = Verbose::automatic;
  std::vector<CallbackHandle> callbacks = {};
  /// The last share of the samples, taken before shuffling, is kept for validation.
  double validation_split = 0;
  ValidationData validation_data = {};
  bool shuffle = true;
  /// Weight of each class that is named; others count 1.
  std::map<std::int64_t, double> class_weight = {};
  /// One number a sample; for a model of several outputs one tensor for all of them, or one each.
  Tensors sample_weight = {};
  std::int64_t initial_epoch = 0;
  /// 0: all of the data. Otherwise an epoch ends after so many steps, and the next goes on behind it; with the data it ends
  /// early, and the next begins them anew.
  std::int64_t steps_per_epoch = 0;
  std::int64_t validation_steps = 0;
  std::int64_t validation_batch_size = 0;  // 0: batch_size
  std::int64_t validation_freq = 1;
  /// Which kernels may run; training and validation alike.
  Accuracy accuracy = "fast";
  /// NaN and infinities end the training; inputs and targets that hold some are a DataError before the first step. With a
  /// callbacks::TerminateOnNaN, which has its own way of ending, as "ignore".
  OnNaN on_nan = "raise";
  /// Bytes that weights, slots, work space and data may take together; 0: as many as the process may have (Trainer::memory_plan). MemoryError
  /// before the first step where they do not fit.
  std::int64_t memory_limit = 0;
  /// Changes the images before they reach the model, in training alone and on the workers: RandomFlip(), or a Pipeline of several. It must
  /// keep the images' shape and have no variables, and the model one input. MixUp and CutMix change the targets too, which must not be
  /// labels. What an image becomes depends on the model's seed, the layers, the epoch and the image's number in x (or, of a data set,
  /// on its number since the pass began).
  std::optional<Layer> augment = {};
  /// A directory with a checkpoint (Trainer::save_checkpoint, callbacks::BackupAndRestore, `linn train`), or a checkpoint: the fit goes on from there
  /// with its weights, optimizer, data, history and callbacks, and ends with the weights of a fit that was never interrupted, bit for bit. A
  /// damaged checkpoint is left for the one before it, which is said on standard error. IoError where there is none, FormatError where none is
  /// whole, StateError, with all differences, for one of another training.
  std::string resume = {};
  /// Differences to the training that wrote the checkpoint that are accepted: "data", "seed", "compile", "settings" (of this struct), "augment",
  /// "precision", "callbacks", "cpu" (instruction set and caches, which decide about kernels). ValueError for another name.
  std::vector<std::string> allow_changed = {};
  /// Called with each piece of text that `verbose` shows, from the thread that called fit; unset: standard output.
  std::function<void(const std::string&)> print_fn = {};
};

struct EvaluateOptions {
  std::int64_t batch_size = 32;
  Verbose verbose = Verbose::automatic;
  Tensors sample_weight = {};
  std::int64_t steps = 0;
  std::vector<CallbackHandle> callbacks = {};
  Accuracy accuracy = "fast";
  std::function<void(const std::string&)> print_fn = {};  // as of FitOptions
};

struct PredictOptions {
  /// Images computed at once; changes memory and speed, never a result.
  std::int64_t batch_size = 32;
  std::vector<CallbackHandle> callbacks = {};
  Accuracy accuracy = "fast";
  /// Whether an output's bits may depend on nothing that its windows do not see, as `shift::sweep` wants it: leaves out Winograd's tiles of
  /// 4x4, which save inference of networks with convolutions of 3x3 about a tenth of its time.
  bool local = false;
};

struct BatchOptions {
  Tensors sample_weight = {};
  std::map<std::int64_t, double> class_weight = {};
  Accuracy accuracy = "fast";
  OnNaN on_nan = "raise";
};

}  // namespace linn
