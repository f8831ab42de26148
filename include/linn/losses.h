// room: optim
#pragma once

#include <cstdint>
#include <string>

namespace linn {

/// What training makes small. From Keras's name or a function below; ValueError for an unknown name.
/// The value is the mean over all elements of loss * sample_weight, divided by their number, not by the sum of the weights
/// (Keras's "sum_over_batch_size").
class Loss {
 public:
  enum class Kind : std::uint8_t { none, sparse_categorical_crossentropy, categorical_crossentropy, mean_squared_error };

  /// No loss: the model cannot be trained or evaluated.
  Loss() = default;
  Loss(const char* name) : Loss(std::string(name)) {}
  Loss(const std::string& name);

  Kind kind = Kind::none;
  bool from_logits = false;
  double label_smoothing = 0;

  /// Keras's name: "sparse_categorical_crossentropy".
  std::string name() const;
};

struct CrossentropyOptions {
  bool from_logits = false;
  /// In [0, 1]: the target becomes target * (1 - s) + s / classes. Keras has it for one-hot targets only, linn for labels too.
  double label_smoothing = 0;
};

/// -log of the probability given to the right class; targets are integer labels.
Loss SparseCategoricalCrossentropy(CrossentropyOptions options = {});
/// -sum of target * log(probability); targets are one-hot or any distribution.
Loss CategoricalCrossentropy(CrossentropyOptions options = {});
/// Mean of (prediction - target)^2.
Loss MeanSquaredError();

/// What is reported beside the loss. "accuracy" ("acc") is the sparse, categorical or binary one, as the shapes say.
class Metric {
 public:
  enum class Kind : std::uint8_t { accuracy, sparse_categorical_accuracy, categorical_accuracy, binary_accuracy };

  Metric(const char* name) : Metric(std::string(name)) {}
  Metric(const std::string& name);

  Kind kind = Kind::accuracy;
  /// As given: the key in logs and history.
  std::string name;
};

}  // namespace linn
