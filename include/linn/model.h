// room: model
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
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
#include "linn/metrics.h"
#include "linn/optimizers.h"
#include "linn/profile.h"
#include "linn/tensor.h"
#include "linn/train.h"
#include "linn/types.h"

namespace linn {

struct ModelOptions {
  /// Empty: "functional" or "sequential".
  std::string name = {};
  /// Initial weights, shuffling and dropout follow from it: the same seed gives the same bits, on any number of threads.
  std::uint64_t seed = 0;
  DTypePolicy dtype_policy = "float32";
};

/// A loss for a model's only output or for all of them, one for each in order, or some by the names of outputs. An output without a loss
/// takes no part in training.
class Losses {
 public:
  Losses() = default;
  Losses(const char* name) : Losses(Loss(name)) {}
  Losses(const std::string& name) : Losses(Loss(name)) {}
  Losses(const Loss& loss) : list_{loss} {}
  template <LossClass F>
  Losses(const F& loss) : Losses(Loss(loss)) {}
  Losses(std::initializer_list<Loss> list) : list_(list), one_each_(true) {}
  Losses(std::vector<Loss> list) : list_(std::move(list)), one_each_(true) {}
  Losses(std::map<std::string, Loss> named) : named_(std::move(named)) {}

  /// In the order of `outputs`. ValueError for another number of losses or an unknown name.
  std::vector<Loss> in_order(const std::vector<std::string>& outputs) const;

 private:
  std::vector<Loss> list_;
  bool one_each_ = false;
  std::map<std::string, Loss> named_;
};

/// The factor of each output's loss in the sum that training makes small: in order or by the outputs' names; 1 where none is given.
class LossWeights {
 public:
  LossWeights() = default;
  LossWeights(std::initializer_list<double> list) : list_(list) {}
  LossWeights(std::vector<double> list) : list_(std::move(list)) {}
  LossWeights(std::map<std::string, double> named) : named_(std::move(named)) {}

  /// In the order of `outputs`. ValueError for another number, an unknown name, or a factor that is not finite.
  std::vector<double> in_order(const std::vector<std::string>& outputs) const;

 private:
  std::vector<double> list_;
  std::map<std::string, double> named_;
};

/// The metrics of a model's only output, or lists of them by the names of outputs, or one list for each output in order.
class Metrics {
 public:
  Metrics() = default;
  Metrics(std::initializer_list<Metric> list) : list_(list) {}
  Metrics(std::vector<Metric> list) : list_(std::move(list)) {}
  Metrics(std::vector<std::vector<Metric>> lists) : lists_(std::move(lists)) {}
  Metrics(std::map<std::string, std::vector<Metric>> named) : named_(std::move(named)) {}

  /// In the order of `outputs`. ValueError for a plain list where there are several outputs, another number of lists, or an unknown name.
  std::vector<std::vector<Metric>> in_order(const std::vector<std::string>& outputs) const;

 private:
  std::vector<Metric> list_;
  std::vector<std::vector<Metric>> lists_;
  std::map<std::string, std::vector<Metric>> named_;
};

struct CompileOptions {
  Optimizer optimizer = "rmsprop";
  Losses loss = {};
  LossWeights loss_weights = {};
  Metrics metrics = {};
};

struct SaveOptions {
  /// How far the optimizer has come, so that training goes on from the file as if it had not been interrupted. With Adam it is twice as large as
  /// the weights.
  bool include_optimizer = true;
};

struct SummaryOptions {
  /// Characters of a line; 0: Keras's rule, min(88, terminal width - 4), 76 without a terminal.
  std::int64_t line_length = 0;
  /// Where the columns end, as shares of the line; empty: Keras's.
  std::vector<double> positions = {};
  /// Called once with the whole text; unset: standard output, with bold and colour on a terminal.
  std::function<void(const std::string&)> print_fn = {};
  /// The layers of nested models too.
  bool expand_nested = false;
  bool show_trainable = false;
  /// First and last layer: names, or regular expressions that match the beginning of one.
  std::optional<std::pair<std::string, std::string>> layer_range = {};
};

/// A network of layers from inputs to outputs, with Keras's names, order, defaults and meaning.
///
///     auto in = linn::Input({32, 32, 3});
///     auto x = linn::Conv2D(16, 3, {.padding = "same"})(in);
///     linn::Model model(in, linn::Dense(10, {.activation = "softmax"})(linn::GlobalAveragePooling2D()(x)));
///
/// Inputs are tensors of any dtype with images along the first axis; (n, 28, 28) is taken for (n, 28, 28, 1) where the model
/// wants that. Nothing is scaled: the network sees the numbers it is given.
/// Layers belong to the model: two models made from the same values share weights, as in Keras.
/// Several threads may call `predict` at once; everything else wants the model, and those it shares layers with, to itself.
class Model {
 public:
  /// Throws ValueError when an output needs an Input that is not among `inputs`, for names given twice, and ShapeError when calls of one layer
  /// want different variables. An input may be a value in the middle of a network: what lies before it is left out.
  Model(const SymbolicTensor& input, const SymbolicTensor& output, const ModelOptions& options = {});
  Model(const std::vector<SymbolicTensor>& inputs, const std::vector<SymbolicTensor>& outputs, const ModelOptions& options = {});
  Model(const SymbolicTensor& input, const std::vector<SymbolicTensor>& outputs, const ModelOptions& options = {});
  Model(const std::vector<SymbolicTensor>& inputs, const SymbolicTensor& output, const ModelOptions& options = {});
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  bool built() const;

  /// Uses the model as a layer: its layers and weights are part of the model that is being made.
  SymbolicTensor operator()(const SymbolicTensor& input, CallOptions options = {}) const;
  SymbolicTensor operator()(const std::vector<SymbolicTensor>& inputs, CallOptions options = {}) const;
  std::vector<SymbolicTensor> call(const std::vector<SymbolicTensor>& inputs, CallOptions options = {}) const;
  /// The same as a layer that can be added to a Sequential. StateError before the model is built.
  Layer as_layer() const;

  /// How fit, evaluate, predict and all others compute from here on; training goes on where it was. Says nothing about the weights,
  /// which are float32 always, so it is not saved: a loaded model computes in float32 until it is told otherwise.
  void set_dtype_policy(DTypePolicy policy);
  DTypePolicy dtype_policy() const;

  const std::string& name() const;
  /// In Keras's order; of a Sequential without its Input.
  std::vector<Layer> layers() const;
  /// The names that the layers have in this model (conv2d, max_pooling2d, conv2d_1, ...).
  std::vector<std::string> layer_names() const;
  /// The layer of this name, or the one at this place in `layers()`. ValueError when there is none, with a guess at what was meant.
  Layer get_layer(std::string_view name) const;
  Layer get_layer(std::size_t index) const;
  /// Freezes all layers, or lets all be trained. Counts from the next `compile` on, as Layer::set_trainable.
  void set_trainable(bool trainable);

  /// The values that the model begins and ends with. `input` and `output` throw StateError when there are several.
  std::vector<SymbolicTensor> inputs() const;
  std::vector<SymbolicTensor> outputs() const;
  SymbolicTensor input() const;
  SymbolicTensor output() const;
  /// The names of the layers that give them.
  std::vector<std::string> input_names() const;
  std::vector<std::string> output_names() const;
  /// Without the batch axis; Shape::none where a size is left open. StateError before the model is built, and for several inputs (outputs).
  Shape input_shape() const;
  Shape output_shape() const;
  /// The shape that leaves each layer, at its first call.
  std::vector<Shape> output_shapes() const;
  std::int64_t count_params() const;
  std::int64_t count_trainable_params() const;

  void summary(const SummaryOptions& options = {}) const;

  /// Takes note of which layers are frozen. ValueError for losses, weights or metrics that do not fit the outputs.
  void compile(const CompileOptions& options);
  bool compiled() const;

  /// y: integer labels (n) or (n, 1) for the sparse loss, else the output's shape. Several inputs or outputs: lists, or maps by name.
  /// Throws StateError before compile, ShapeError and DataError (naming the sample) for data that do not fit.
  History fit(const Tensors& x, const Tensors& y, const FitOptions& options = {});
  /// The same on a data set of batches; every batch is one step. The data set says which samples come when: batch_size and shuffle do not
  /// count. An epoch is a pass; with steps_per_epoch it ends after so many steps, and the next goes on behind it. The pass of number p in the
  /// model's life is the data set's epoch p, so `shuffle({.seed = SEED})` with the model's seed gives the order of `fit` on tensors.
  /// Training ends where the data have fewer batches than they or steps_per_epoch said; an epoch that was cut short does not count.
  /// Throws ValueError for single samples, for data without end and steps_per_epoch, and for validation_split or sample_weight.
  History fit(const Dataset& batches, const FitOptions& options = {});
  /// The loss and the metrics over all samples. With several outputs also each loss, as "OUTPUT_loss", and metrics as "OUTPUT_METRIC".
  Logs evaluate(const Tensors& x, const Tensors& y, const EvaluateOptions& options = {});
  Logs evaluate(const Dataset& batches, const EvaluateOptions& options = {});
  /// The names of what `evaluate` gives, in Keras's order: the loss, with several outputs the loss of each, then the metrics as they were
  /// given to compile. StateError before compile.
  std::vector<std::string> metrics_names() const;
  /// The rate of the next step; and a rate from here on in place of the optimizer's, until the model is compiled anew. StateError before
  /// compile, ValueError for a negative rate.
  double learning_rate() const;
  void set_learning_rate(double rate);
  /// Exchanges the weights with their moving averages; a second call exchanges them back. StateError unless the optimizer has use_ema and a
  /// step was taken.
  void swap_ema_weights();
  /// Steps of training since the model was compiled, or since the training that was loaded began.
  std::int64_t steps() const;
  /// float32 of shape (n, output...). StateError for a model of several outputs: predict_all gives them.
  Tensor predict(const Tensors& x, const PredictOptions& options = {}) const;
  /// Each output.
  std::vector<Tensor> predict_all(const Tensors& x, const PredictOptions& options = {}) const;
  /// The same for the x of every batch of a data set; batch_size does not count. DataError where there is no batch; otherwise as fit.
  Tensor predict(const Dataset& batches, const PredictOptions& options = {}) const;
  std::vector<Tensor> predict_all(const Dataset& batches, const PredictOptions& options = {}) const;
  /// One step on one batch; the logs of that batch.
  Logs train_on_batch(const Tensors& x, const Tensors& y, const BatchOptions& options = {});
  Logs test_on_batch(const Tensors& x, const Tensors& y, const BatchOptions& options = {});
  Tensor predict_on_batch(const Tensors& x) const;
  /// What leaves every layer, by layer name, float32 of shape (n, ...). A layer that is called more than once: after the last call.
  std::vector<std::pair<std::string, Tensor>> layer_outputs(const Tensors& x, Accuracy accuracy = "fast") const;

  /// All variables in Keras's order, as copies.
  std::vector<Tensor> get_weights() const;
  /// Throws ValueError or ShapeError, listing every tensor that does not fit, and then changes nothing.
  void set_weights(const std::vector<Tensor>& weights);
  /// The same under their names, such as "conv2d/kernel".
  std::vector<std::pair<std::string, Tensor>> named_weights() const;
  void set_named_weights(const std::vector<std::pair<std::string, Tensor>>& weights);

  /// Writes the model with its weights, what it was compiled with, how far its optimizer has come (.keras, .h5) and a small input with what
  /// the model gives for it, which load_model repeats. The end of the name decides: "x.keras" for Keras 3, "x.h5" for older ones,
  /// "x.onnx", "x.safetensors", and anything else is a directory of model.safetensors and config.json. The old file stays until the new one is
  /// whole. What each kind holds: docs/files.md. StateError for a model that is not built, unless it is saved into a directory.
  void save(const std::string& path, const SaveOptions& options = {}) const;
  /// The weights alone: "x.weights.h5" and "x.weights.json" (in shards) as Keras 3 writes them, "x.h5" as older ones do, "x.npz", and
  /// safetensors for any other name.
  void save_weights(const std::string& path, const SaveWeightsOptions& options = {}) const;
  /// Takes weights from any of these, from a .keras file, a model's directory, or a safetensors or .npz file with PyTorch's names and
  /// layouts. Throws ValueError or ShapeError listing everything that does not fit, and then changes nothing; with skip_mismatch the report
  /// lists it.
  LoadReport load_weights(const std::string& path, const LoadWeightsOptions& options = {});
  /// Keras's configuration of the model as JSON, and a model (without trained weights) from it: "Sequential" or "Functional", as Keras 3 or
  /// tf.keras 2 wrote it.
  std::string to_json(int indent = -1) const;
  static Model from_json(const std::string& json, const ModelOptions& options = {});

  /// The same layers with copies of the same weights, compiled as this one.
  Model clone() const;
  /// As `clone`, for images of another size. ShapeError, naming them, where weights depend on the size, as those of a Dense behind Flatten do,
  /// and where the layers do not fit. StateError for a model of several inputs.
  Model with_input_shape(const Shape& image) const;
  /// As `clone`, with `layer` between the input and the first layers: `model.with_first_layer(linn::Rescaling(1.0 / 255))`. ShapeError where they
  /// do not fit. StateError for a model that is not built or has several inputs.
  Model with_first_layer(const Layer& layer) const;

  /// Notes of the user's that are saved with the model, such as the factor its inputs were multiplied by.
  Metadata& metadata();
  const Metadata& metadata() const;

  /// Runs steps under the clock and says what each op did. Trains a copy: the model stays as it was.
  /// Throws StateError before the model is built or, for training, compiled; as `fit` and `predict` for data that do not fit.
  Profile profile(const ProfileOptions& options = {}) const;
  /// The same on the batches of a data set, whose size is that of the first one; smaller ones are left out. Profile::seconds_waiting is the time in
  /// which they were not there yet. ValueError for options with .x or .y, DataError for a data set without batches.
  Profile profile(const Dataset& batches, const ProfileOptions& options = {}) const;

  /// What `predict` runs on images of this type, in order; runs nothing. What sees weights alone is left out.
  std::vector<Operation> operations(DType x, const PredictOptions& options = {}) const;

  /// The gradients of the loss on one batch, by variable name, in the model's order; changes nothing.
  std::vector<std::pair<std::string, Tensor>> gradients(const Tensors& x, const Tensors& y, const BatchOptions& options = {});

 protected:
  friend Model load_model(const std::string& path);
  struct State;
  explicit Model(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// A chain of layers: a model that can grow at its end. The first thing added may be an Input.
class Sequential : public Model {
 public:
  explicit Sequential(const ModelOptions& options = {});
  explicit Sequential(const std::vector<Layer>& layers, const ModelOptions& options = {});
  /// A chain that was loaded, or made otherwise, as one that can grow. ValueError for a model with branches.
  explicit Sequential(Model&& model);

  /// Appends a layer. The model is built as soon as an input shape is known (the first layer's `input_shape`, or an
  /// `Input`). Throws ValueError for a name that is there already or a layer that was added before, ShapeError when it does not fit.
  void add(const Layer& layer);
  /// Removes the last layer. Throws ValueError when there is none.
  void pop();
  /// Fixes the shape of one image (without the batch axis) and creates the variables, anew if there were some.
  void build(const Shape& input_shape);

  static Sequential from_json(const std::string& json, const ModelOptions& options = {}) { return Sequential(Model::from_json(json, options)); }
  Sequential with_input_shape(const Shape& image) const { return Sequential(Model::with_input_shape(image)); }
  Sequential with_first_layer(const Layer& layer) const { return Sequential(Model::with_first_layer(layer)); }
};

/// The model in a file that Keras, another program's ONNX exporter or Model::save wrote: .keras, .h5, .onnx, .safetensors, a model's directory,
/// or a configuration (.json), whose weights are new. A file runs no code, opens no other file and takes no more memory than it holds.
/// What the model gives for the input that it was saved with is compared; a difference is said on stderr. Compile information that linn
/// has no word for is left out, which is said too. Throws IoError, FormatError (what the file is, where it is wrong), ValueError and
/// ShapeError (weights that do not fit the network).
Model load_model(const std::string& path);

/// The number of threads that all models share; LINN_THREADS or the number of CPUs by default. `set_threads` may be called at any time,
/// from any thread: what is being computed ends on the old threads, and no result depends on their number.
void set_threads(int threads);
int threads();

}  // namespace linn
