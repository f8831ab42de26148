// room: train
// The options of fit, evaluate and predict: Keras's names and defaults.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "linn/tensor.h"
#include "linn/train.h"
#include "linn/types.h"

namespace linn {

/// Inputs and targets to measure on after each epoch; empty by default.
struct ValidationData {
  Tensor x = {};
  Tensor y = {};
  Tensor sample_weight = {};
};

/// What `fit` shows: `automatic` is a bar on a terminal and a line an epoch elsewhere.
enum class Verbose : std::uint8_t { silent, bar, lines, automatic };

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
  /// One number a sample.
  Tensor sample_weight = {};
  std::int64_t initial_epoch = 0;
  /// 0: all of the data. Otherwise an epoch ends after so many steps, or with the data.
  std::int64_t steps_per_epoch = 0;
  std::int64_t validation_steps = 0;
  std::int64_t validation_batch_size = 0;  // 0: batch_size
  std::int64_t validation_freq = 1;
  /// Every number of x is multiplied by it on its way into the network, in the op that converts the batch.
  double input_scale = 1;
  /// Which kernels may run; training and validation alike.
  Accuracy accuracy = "fast";
};

struct EvaluateOptions {
  std::int64_t batch_size = 32;
  Verbose verbose = Verbose::automatic;
  Tensor sample_weight = {};
  std::int64_t steps = 0;
  double input_scale = 1;
  Accuracy accuracy = "fast";
};

struct PredictOptions {
  /// Images computed at once; changes memory and speed, never a result.
  std::int64_t batch_size = 256;
  double input_scale = 1;
  Accuracy accuracy = "fast";
};

struct BatchOptions {
  Tensor sample_weight = {};
  std::map<std::int64_t, double> class_weight = {};
  double input_scale = 1;
  Accuracy accuracy = "fast";
};

}  // namespace linn
