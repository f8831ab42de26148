// room: model
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "linn/fit.h"
#include "linn/formats.h"
#include "linn/layer.h"
#include "linn/losses.h"
#include "linn/optimizers.h"
#include "linn/profile.h"
#include "linn/tensor.h"
#include "linn/train.h"
#include "linn/types.h"

namespace linn {

struct SequentialOptions {
  std::string name = "sequential";
  /// Initial weights, shuffling and dropout follow from it: the same seed gives the same bits, on any number of threads.
  std::uint64_t seed = 0;
  DTypePolicy dtype_policy = "float32";
};

struct CompileOptions {
  Optimizer optimizer = "rmsprop";
  Loss loss = {};
  std::vector<Metric> metrics = {};
};

struct SummaryOptions {
  /// Characters of a line; 0: Keras's rule, min(88, terminal width - 4), 76 without a terminal.
  std::int64_t line_length = 0;
  bool show_trainable = false;
  /// Called once with the whole text; unset: standard output, with bold and colour on a terminal.
  std::function<void(const std::string&)> print_fn = {};
};

/// A chain of layers, with Keras's names, order, defaults and meaning.
///
/// Inputs are tensors of any dtype with images along the first axis; (n, 28, 28) is taken for (n, 28, 28, 1) where the model
/// wants that. Nothing is scaled: the network sees the numbers it is given.
/// Several threads may call `predict` at once; everything else wants the model to itself.
class Sequential {
 public:
  explicit Sequential(const SequentialOptions& options = {});
  explicit Sequential(const std::vector<Layer>& layers, const SequentialOptions& options = {});
  ~Sequential();
  Sequential(Sequential&&) noexcept;
  Sequential& operator=(Sequential&&) noexcept;

  /// Appends a layer. The model is built as soon as an input shape is known (the first layer's `input_shape`, or an
  /// `Input`). Throws ValueError for a name that is there already or a layer that was added before, ShapeError when it does not fit.
  void add(const Layer& layer);
  /// Removes the last layer. Throws ValueError when there is none.
  void pop();
  /// Fixes the shape of one image (without the batch axis) and creates the variables.
  void build(const Shape& input_shape);
  bool built() const;

  /// How fit, evaluate, predict and all others compute from here on; training goes on where it was. Says nothing about the weights,
  /// which are float32 always, so it is not saved: a loaded model computes in float32 until it is told otherwise.
  void set_dtype_policy(DTypePolicy policy);
  DTypePolicy dtype_policy() const;

  const std::string& name() const;
  std::vector<Layer> layers() const;
  /// The names that the layers have in this model (conv2d, max_pooling2d, conv2d_1, ...).
  std::vector<std::string> layer_names() const;
  /// Without the batch axis. StateError before the model is built.
  Shape input_shape() const;
  Shape output_shape() const;
  /// The shape that leaves each layer.
  std::vector<Shape> output_shapes() const;
  std::int64_t count_params() const;
  std::int64_t count_trainable_params() const;

  void summary(const SummaryOptions& options = {}) const;

  void compile(const CompileOptions& options);
  bool compiled() const;

  /// y: integer labels (n) or (n, 1) for the sparse loss, else the output's shape.
  /// Throws StateError before compile, ShapeError and DataError (naming the sample) for data that do not fit.
  History fit(const Tensor& x, const Tensor& y, const FitOptions& options = {});
  /// The loss and the metrics over all samples.
  Logs evaluate(const Tensor& x, const Tensor& y, const EvaluateOptions& options = {});
  /// float32 of shape (n, output...).
  Tensor predict(const Tensor& x, const PredictOptions& options = {}) const;
  /// One step on one batch; the logs of that batch.
  Logs train_on_batch(const Tensor& x, const Tensor& y, const BatchOptions& options = {});
  Logs test_on_batch(const Tensor& x, const Tensor& y, const BatchOptions& options = {});
  Tensor predict_on_batch(const Tensor& x) const;
  /// What leaves every layer, by layer name, float32 of shape (n, ...).
  std::vector<std::pair<std::string, Tensor>> layer_outputs(const Tensor& x, double input_scale = 1, Accuracy accuracy = "fast") const;

  /// All variables in Keras's order, as copies.
  std::vector<Tensor> get_weights() const;
  /// Throws ValueError or ShapeError, listing every tensor that does not fit, and then changes nothing.
  void set_weights(const std::vector<Tensor>& weights);
  /// The same under their names, such as "conv2d/kernel".
  std::vector<std::pair<std::string, Tensor>> named_weights() const;
  void set_named_weights(const std::vector<std::pair<std::string, Tensor>>& weights);

  /// Writes `directory`/model.safetensors (weights, and the configuration as metadata: the model) and config.json (the
  /// configuration again, for people and tools). The old model stays until the new one is whole.
  void save(const std::string& directory) const;
  static Sequential load(const std::string& directory);
  void save_weights(const std::string& path) const;
  void load_weights(const std::string& path);
  /// Keras's configuration of the model as JSON, and a model (without trained weights) from it.
  std::string to_json(int indent = -1) const;
  static Sequential from_json(const std::string& json, const SequentialOptions& options = {});

  /// The same layers with copies of the same weights, for images of another size, compiled as this one. ShapeError, naming them, where
  /// weights depend on the size, as those of a Dense behind Flatten do, and where the layers do not fit.
  Sequential with_input_shape(const Shape& image) const;

  /// Notes of the user's that are saved with the model, such as the factor its inputs were multiplied by.
  Metadata& metadata();
  const Metadata& metadata() const;

  /// Runs steps under the clock and says what each op did. Trains a copy: the model stays as it was.
  /// Throws StateError before the model is built or, for training, compiled; as `fit` and `predict` for data that do not fit.
  Profile profile(const ProfileOptions& options = {}) const;

  /// What `predict` runs on images of this type, in order; runs nothing. What sees weights alone is left out.
  std::vector<Operation> operations(DType x, const PredictOptions& options = {}) const;

  /// The gradients of the loss on one batch, by variable name, in the model's order; changes nothing.
  std::vector<std::pair<std::string, Tensor>> gradients(const Tensor& x, const Tensor& y, const BatchOptions& options = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The number of threads that all models share; LINN_THREADS or the number of CPUs by default.
void set_threads(int threads);
int threads();

}  // namespace linn
