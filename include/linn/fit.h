// room: train
// The options of fit, evaluate and predict: Keras's names and defaults.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "linn/layer.h"
#include "linn/tensor.h"
#include "linn/train.h"
#include "linn/types.h"

namespace linn {

/// One tensor; or several, in the order of a model's inputs or outputs; or several by the names of inputs or outputs.
class Tensors {
 public:
  /// None.
  Tensors() = default;
  Tensors(const Tensor& tensor) : list_{tensor} {}
  Tensors(std::vector<Tensor> list) : list_(std::move(list)) {}
  Tensors(std::initializer_list<Tensor> list) : list_(list) {}
  Tensors(std::map<std::string, Tensor> named) : named_(std::move(named)) {}

  bool defined() const;
  std::size_t size() const { return list_.size() + named_.size(); }
  bool is_named() const { return !named_.empty(); }
  /// In the order of `names`; undefined tensors where there is nothing of that name. ValueError for another number of tensors or a name that
  /// is not among `names`; `what` ("x", "y") begins its message.
  std::vector<Tensor> in_order(const std::vector<std::string>& names, const char* what) const;

 private:
  std::vector<Tensor> list_;
  std::map<std::string, Tensor> named_;
};

/// Inputs, targets and weights of some samples.
struct Batch {
  Tensors x = {};
  Tensors y = {};
  Tensors sample_weight = {};
};

/// Batches from a function, one after the other: data that are made or read while the model trains.
struct BatchSource {
  /// Gives the next batch, or false where the data end. It is called again after that for the next epoch, and begins anew then, or says
  /// false at once, which ends the training.
  std::function<bool(Batch& batch)> next = {};
  /// Batches of one epoch; 0: as many as come.
  std::int64_t steps = 0;
};

/// Inputs and targets to measure on after each epoch; empty by default.
struct ValidationData {
  Tensors x = {};
  Tensors y = {};
  Tensors sample_weight = {};
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

struct FitOptions {
  std::int64_t batch_size = 32;
  std::int64_t epochs = 1;
  Verbose verbose = Verbose::automatic;
  std::vector<CallbackHandle> callbacks = {};
  /// The last share of the samples, taken before shuffling, is kept for validation.
  double validation_split = 0;
  ValidationData validation_data = {};
  /// The same from a function.
  BatchSource validation_batches = {};
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
  /// Changes the images before they reach the model, in training alone and on the workers: RandomFlip(), or a Pipeline of several. It must
  /// keep the images' shape and have no variables, and the model one input. MixUp and CutMix change the targets too, which must not be
  /// labels. What an image becomes depends on the model's seed, the layers, the epoch and the image's number in x (or, in batches from a
  /// function, on its number since the epoch began).
  std::optional<Layer> augment = {};
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
};

}  // namespace linn
