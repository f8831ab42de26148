// The networks of tests/golden/network_steps.py: outputs, losses, gradients and steps as Keras computed them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "linn/model.h"
#include "support/golden.h"

namespace linn::tests {

class NetworkSteps {
 public:
  /// FILE.json and FILE.safetensors of tests/golden.
  explicit NetworkSteps(const std::string& file) : json_(golden_json(file + ".json")), tensors_(file + ".safetensors") {}

  const detail::io::Json& cases() const { return json_["cases"]; }

  /// With the weights that the case begins with, compiled with its optimizer.
  Model model(const detail::io::Json& test) const {
    Model model = Model::from_json(test["model"].dump());
    std::vector<Tensor> start;
    for (std::size_t i = 0; i < test["weights"].size(); ++i) start.push_back(tensor(test, "start/" + std::to_string(i)));
    model.set_weights(start);
    model.compile({.optimizer = optimizers::SGD({.learning_rate = 0.1, .momentum = 0.9}), .loss = "mse"});
    return model;
  }
  const Tensor& tensor(const detail::io::Json& test, const std::string& key) const {
    return tensors_[test["name"].get<std::string>() + "/" + key];
  }

  void expect_as_keras(const detail::io::Json& test) const {
    SCOPED_TRACE(test["name"].get<std::string>());
    Model model = this->model(test);
    EXPECT_EQ(Model::from_json(model.to_json()).to_json(), model.to_json());
    const Tensor &x = tensor(test, "x"), &y = tensor(test, "y");
    expect_tensor("output", model.predict(x), tensor(test, "output"), 1e-5);
    const Values evaluated = values_of(tensor(test, "evaluate")), losses = values_of(tensor(test, "losses"));
    const std::int64_t batches[] = {x.shape()[0], test["batch"].get<std::int64_t>()};
    for (std::size_t i = 0; i < 2; ++i)
      EXPECT_NEAR(model.evaluate(x, y, {.batch_size = batches[i], .verbose = 0}).at("loss"), evaluated[i], 1e-5 * evaluated[i])
          << batches[i] << " a batch";
    if (test["gradient"].get<bool>()) {
      const auto gradients = model.gradients(x, y);
      for (std::size_t i = 0; i < gradients.size(); ++i)
        expect_tensor("d " + gradients[i].first, gradients[i].second, tensor(test, "grad/" + std::to_string(i)), 1e-5);
    }
    for (std::size_t step = 0; step < losses.size(); ++step)
      EXPECT_NEAR(model.train_on_batch(x, y).at("loss"), losses[step], 1e-5 * losses[step]) << "step " << step;
    const std::vector<Tensor> end = model.get_weights();
    for (std::size_t i = 0; i < end.size(); ++i) expect_tensor(test["weights"][i], end[i], tensor(test, "end/" + std::to_string(i)), 1e-4);
  }

 private:
  static void expect_tensor(const std::string& what, const Tensor& got, const Tensor& want, double tolerance) {
    EXPECT_EQ(got.shape(), want.shape()) << what;
    EXPECT_TRUE(agrees(what, want.shape(), values_of(got), values_of(want), {0, tolerance}));
  }

  detail::io::Json json_;
  GoldenTensors tensors_;
};

}  // namespace linn::tests
