// linn's side of bench/peers, by the public interface alone: the networks on uint8 images, as a program would use them.
//   peers_linn KEY=VALUE...                measures, as bench/rivals/child.h says
//   peers_linn files NETWORK FOLDER        writes a built-in network for the rivals: FOLDER/NETWORK.json, its configuration in Keras's form,
//                                          and FOLDER/NETWORK.npz, weights; reads FOLDER/noise_SIDE.npz, images of the network's size
#include <cstdint>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "linn/linn.h"
#include "rivals/child.h"

namespace {

constexpr double scale = 1.0 / 255;

linn::Sequential notebook() {
  linn::Sequential model;
  model.add(linn::Rescaling(scale, {.input_shape = {28, 28, 1}}));
  model.add(linn::Conv2D(32, {3, 3}, {.activation = "relu"}));
  model.add(linn::MaxPooling2D({2, 2}, {.strides = 2}));
  model.add(linn::Conv2D(32, {3, 3}, {.activation = "relu"}));
  model.add(linn::MaxPooling2D({2, 2}, {.strides = 2}));
  model.add(linn::Flatten());
  model.add(linn::Dense(128, {.activation = "relu"}));
  model.add(linn::Dense(10, {.activation = "softmax"}));
  return model;
}

// bench/rivals/network.py says what it is.
linn::Sequential vgg(bool pool_first) {
  linn::Sequential model;
  model.add(linn::Rescaling(scale, {.input_shape = {32, 32, 3}}));
  for (const std::int64_t filters : {64, 128, 256})
    for (const bool pools : {false, true}) {
      model.add(linn::Conv2D(filters, {3, 3}, {.padding = "same", .use_bias = false}));
      if (pools && pool_first) model.add(linn::MaxPooling2D({2, 2}));
      model.add(linn::BatchNormalization());
      model.add(linn::Activation("relu"));
      if (pools && !pool_first) model.add(linn::MaxPooling2D({2, 2}));
    }
  model.add(linn::GlobalAveragePooling2D());
  model.add(linn::Dense(10, {.activation = "softmax"}));
  return model;
}

linn::Model built_in(const std::string& name) {
  if (name == "resnet20") return linn::models::resnet20({.seed = 1});
  if (name == "vgg_small") return linn::models::vgg_small({.seed = 1});
  if (name == "resnet50") return linn::models::resnet50({.seed = 1});
  if (name == "mobilenet_v2") return linn::models::mobilenet_v2({.seed = 1});
  if (name == "mobilenet_v2_96") return linn::models::mobilenet_v2({.input_shape = {96, 96, 3}, .seed = 1});
  throw std::invalid_argument("network " + name +
                              ": notebook, vgg, vgg_pool_first, resnet20, vgg_small, resnet50, mobilenet_v2, mobilenet_v2_96 are allowed");
}

// As in bench/rivals/network.py.
double learning_rate(const std::string& name) { return name == "vgg_small" ? 0.0005 : name == "mobilenet_v2_96" ? 0.0001 : 0.01; }

linn::Model network(const std::string& name) {
  if (name == "notebook") return notebook();
  if (name == "vgg" || name == "vgg_pool_first") return vgg(name == "vgg_pool_first");
  return built_in(name).with_first_layer(linn::Rescaling(scale));
}

// What first weights lack for a comparison of results.
struct FirstWeights {
  std::int64_t side;    // of the images
  float last;           // factor of the last layer's kernel: no probability is as good as 1, and all differ by more than rounding
  float momentum_left;  // 1 - momentum of the normalizations. 0: moving statistics stay 0 and 1
};

FirstWeights first_weights(const std::string& name) {
  if (name == "resnet50") return {.side = 224, .last = 2, .momentum_left = 0.01F};
  if (name == "mobilenet_v2") return {.side = 224, .last = 4, .momentum_left = 0.001F};
  if (name == "mobilenet_v2_96") return {.side = 96, .last = 0.1F, .momentum_left = 0.001F};
  return {.side = 32, .last = 0.1F, .momentum_left = 0};
}

// Moving statistics become those of one batch, since with 0 and 1 a deep network's maps vanish or grow from layer to layer. A training step
// of a copy moves them by 1 - momentum towards the batch's; what is left of 0 and 1 is taken out again.
void set_moving_statistics(linn::Model& model, const linn::Archive& noise, float momentum_left) {
  constexpr std::int64_t images = 16;
  linn::Model scaled = model.with_first_layer(linn::Rescaling(scale));
  scaled.compile({.optimizer = linn::optimizers::SGD(), .loss = "sparse_categorical_crossentropy"});
  scaled.fit(noise["x_train"].rows(0, images), noise["y_train"].rows(0, images), {.batch_size = images, .verbose = linn::Verbose::silent});
  const linn::NamedTensors moved = scaled.named_weights();
  std::vector<linn::Tensor> weights;
  for (const auto& [name, tensor] : model.named_weights()) {
    linn::Tensor weight = tensor;
    const float first = name.ends_with("moving_variance") ? 1 : 0;
    if (first == 1 || name.ends_with("moving_mean")) {
      weight = moved[weights.size()].second;
      for (float& value : weight.values<float>()) value = first + (value - first) / momentum_left;
    }
    weights.push_back(weight);
  }
  model.set_weights(weights);
}

// Weights as they are before training, but for what FirstWeights says.
void write_files(const std::string& name, const std::string& folder) {
  linn::Model model = built_in(name);
  std::ofstream(folder + "/" + name + ".json") << model.to_json();
  const FirstWeights first = first_weights(name);
  if (first.momentum_left > 0)
    set_moving_statistics(model, linn::load_npz(folder + "/noise_" + std::to_string(first.side) + ".npz"), first.momentum_left);
  linn::NamedTensors weights = model.named_weights();
  for (float& value : weights[weights.size() - 2].second.values<float>()) value *= first.last;
  linn::save_npz(folder + "/" + name + ".npz", linn::Archive(std::move(weights)));
}

// A template, so that it compiles whether or not this linn knows precision policies.
template <class Model>
void set_precision(Model& model, const std::string& precision) {
  if (precision == "f32") return;
  if constexpr (requires { model.set_dtype_policy("mixed_bfloat16"); }) {
    model.set_dtype_policy("mixed_bfloat16");
  } else {
    throw std::runtime_error("this linn has no mixed_bfloat16");
  }
}

std::shared_ptr<linn::Model> prepared(const rivals::Task& task) {
  auto model = std::make_shared<linn::Model>(network(task.network));
  set_precision(*model, task.precision);
  std::vector<linn::Tensor> weights;
  for (const auto& [name, tensor] : linn::load_npz(task.weights)) weights.push_back(tensor);
  model->set_weights(weights);
  return model;
}

std::shared_ptr<linn::Model> compiled(const rivals::Task& task) {
  auto model = prepared(task);
  linn::CompileOptions options = {.optimizer = linn::optimizers::Adam(), .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}};
  if (task.network != "notebook") options.optimizer = linn::optimizers::SGD({.learning_rate = learning_rate(task.network), .momentum = 0.9});
  model->compile(options);
  return model;
}

std::vector<float> first_losses(const rivals::Task& task, const linn::Tensor& x, const linn::Tensor& y) {
  const linn::FitOptions options = {
      .batch_size = task.batch, .epochs = rivals::checked_steps, .verbose = linn::Verbose::silent, .shuffle = false};
  const std::vector<double> losses = compiled(task)->fit(x.rows(0, task.batch), y.rows(0, task.batch), options)["loss"];
  return {losses.begin(), losses.end()};
}

// `fit`, one epoch over as many images as asked for: shuffled, with loss and accuracy, batches converted from uint8 on their way in.
rivals::Setting training(const rivals::Task& task, const linn::Tensor& x, const linn::Tensor& y) {
  auto model = compiled(task);
  rivals::Setting setting = {.run = [=, batch = task.batch](int batches) {
    const linn::FitOptions options = {.batch_size = batch, .verbose = linn::Verbose::silent};
    const std::int64_t images = std::int64_t{batches} * batch;
    return model->fit(x.rows(0, images), y.rows(0, images), options)["loss"].back();
  }};
  if (task.network != "notebook") setting.outputs = [=] { return first_losses(task, x, y); };
  return setting;
}

// A call of `predict` for each batch, as the rivals have it; or one call for all, which shows what a call costs.
rivals::Setting inference(const rivals::Task& task, const linn::Tensor& x, bool call_for_each) {
  auto model = prepared(task);
  const linn::PredictOptions options = {.batch_size = task.batch};
  std::vector<linn::Tensor> inputs;
  for (int i = 0; i < rivals::most_inference_batches && std::int64_t{i + 1} * task.batch <= x.shape()[0]; ++i)
    inputs.push_back(x.rows(std::int64_t{i} * task.batch, std::int64_t{i + 1} * task.batch));
  const linn::Tensor all = x.rows(0, static_cast<std::int64_t>(inputs.size()) * task.batch);
  return {.run =
              [=](int batches) {
                if (call_for_each)
                  for (int i = 0; i < batches; ++i) model->predict(inputs[static_cast<std::size_t>(i) % inputs.size()], options);
                else
                  for (int left = batches; left > 0; left -= static_cast<int>(inputs.size()))
                    model->predict(all.rows(0, std::min<std::int64_t>(left, static_cast<std::int64_t>(inputs.size())) * task.batch),
                                   options);
                return 0.0;
              },
          .outputs =
              [=] {
                const linn::Tensor outputs = model->predict(x.rows(0, rivals::checked_images), options);
                return std::vector<float>(outputs.values<float>().begin(), outputs.values<float>().end());
              }};
}

rivals::Rival prepare(const rivals::Task& task) {
  linn::set_threads(task.threads);
  const linn::Archive data = linn::load_npz(task.data);
  const linn::Tensor x = data["x_train"];
  const linn::Tensor y = data["y_train"];
  rivals::Rival rival = {.versions = "{}", .settings = {}, .most_batches = 0, .fixed = true};
  if (task.trains()) {
    rival.most_batches = static_cast<int>(x.shape()[0] / task.batch);
    rival.settings.emplace_back("fit", [=] { return training(task, x, y); });
  } else {
    rival.settings.emplace_back("predict, a call for each batch", [=] { return inference(task, x, true); });
    rival.settings.emplace_back("predict, one call for all batches", [=] { return inference(task, x, false); });
  }
  return rival;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 || std::string(argv[1]) != "files") return rivals::run_child(argc, argv, prepare);
  write_files(argv[2], argv[3]);
  return 0;
}
