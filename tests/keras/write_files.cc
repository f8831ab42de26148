// linn's side of check_files.py: does with models what a file of requests says, and prints one line of JSON for each request.
//
//   write_files REQUESTS.json
//   write_files --examples        the examples of every row of the registries, as JSON
//
// A request: {"name": ..., "model": a file's path, a configuration, or {"network": name}, "data": FILE.npz with x0, x1, ..., y0, y1, ...,
// "out": FILE.npz, "actions": [...]}. Actions, in order:
//   {"do": "perturb"}                      adds small numbers to all weights, so that none are zeros or ones
//   {"do": "weights", "as": "w"}           puts the variables w0, w1, ... into the file "out", in the model's order
//   {"do": "predict", "as": "o"}           puts the outputs o0, o1, ... for x0, x1, ... into it
//   {"do": "train", "steps": 10, "batch": 4}   steps on batches in the order of the data, which begin anew at their end
//   {"do": "evaluate"}                     puts the loss and the metrics into the answer, as "logs"
//   {"do": "save", "path": ...}, {"do": "save_weights", "path": ..., "shard": bytes}, {"do": "load_weights", "path": ...}
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "core/random.h"
#include "io/bytes.h"
#include "io/file.h"
#include "io/json.h"
#include "layers/activations.h"
#include "layers/registry.h"
#include "linn/data.h"
#include "linn/model.h"
#include "optim/initializers.h"
#include "optim/losses.h"
#include "optim/metrics.h"
#include "optim/optimizers.h"
#include "optim/regularizers.h"
#include "support/golden_networks.h"

namespace {

using linn::Archive;
using linn::Model;
using linn::Tensor;
using linn::detail::io::Json;

template <class Rows>
Json examples_of(const Rows& rows) {
  Json list = Json::array();
  for (const auto& row : rows)
    for (const auto& example : row.examples)
      list.push_back({{"class_name", row.info.name},
                      {"module", row.info.module},
                      {"config", linn::detail::io::parse_json(example.config, "example")},
                      {"inputs", example.inputs}});
  return list;
}

Json all_examples() {
  return {{"layers", examples_of(linn::detail::layers::layer_rows())},
          {"activations", examples_of(linn::detail::layers::activation_rows())},
          {"losses", examples_of(linn::detail::optim::loss_rows())},
          {"metrics", examples_of(linn::detail::optim::metric_rows())},
          {"optimizers", examples_of(linn::detail::optim::optimizer_rows())},
          {"initializers", examples_of(linn::detail::optim::initializer_rows())},
          {"regularizers", examples_of(linn::detail::optim::regularizer_rows())}};
}

Model model_of(const Json& json) {
  if (json.is_string()) return linn::load_model(json.get<std::string>());
  if (json.contains("network")) return linn::tests::golden_network(json["network"].get<std::string>());
  return Model::from_json(json.dump());
}

void perturb(Model& model) {
  std::vector<Tensor> weights = model.get_weights();
  std::uint64_t stream = 0;
  for (Tensor& weight : weights) {
    const linn::detail::core::Random random(7, stream++);
    if (weight.shape().empty()) continue;  // a count of samples
    std::uint64_t next = 0;
    for (float& value : weight.values<float>()) value += 0.2F * (random.uniform(next++) - 0.5F);
  }
  model.set_weights(weights);
}

/// The arrays PREFIX0, PREFIX1, ..., of them the rows [first, last), or all.
std::vector<Tensor> arrays(const Archive& data, const std::string& prefix, std::int64_t first = 0, std::int64_t last = -1) {
  std::vector<Tensor> list;
  for (std::string name = prefix + "0"; data.contains(name); name = prefix + std::to_string(list.size()))
    list.push_back(last < 0 ? data[name] : data[name].rows(first, last));
  return list;
}

void train(Model& model, const Archive& data, std::int64_t steps, std::int64_t batch) {
  const std::int64_t count = data["x0"].shape()[0];
  for (std::int64_t step = 0; step < steps; ++step) {
    const std::int64_t first = step * batch % count;
    model.train_on_batch(arrays(data, "x", first, first + batch), arrays(data, "y", first, first + batch), {.accuracy = "exact"});
  }
}

void act(Model& model, const Json& action, const Archive& data, Archive& out) {
  const std::string what = action["do"];
  const auto put = [&](const std::vector<Tensor>& tensors) {
    for (std::size_t i = 0; i < tensors.size(); ++i) out.set(action["as"].get<std::string>() + std::to_string(i), tensors[i]);
  };
  if (what == "perturb") perturb(model);
  else if (what == "weights") put(model.get_weights());
  else if (what == "predict") put(model.predict_all(arrays(data, "x"), {.accuracy = "exact"}));
  else if (what == "train") train(model, data, action["steps"], action["batch"]);
  else if (what == "save") model.save(action["path"]);
  else if (what == "save_weights") model.save_weights(action["path"], {.max_shard_size = action.value("shard", std::uint64_t{5} << 30)});
  else if (what == "load_weights") model.load_weights(action["path"]);
  else throw std::runtime_error("unknown action " + what);
}

Json logs_of(Model& model, const Archive& data) {
  Json logs = Json::object();
  for (const auto& [key, value] : model.evaluate(arrays(data, "x"), arrays(data, "y"), {.batch_size = 4, .verbose = 0, .accuracy = "exact"})) logs[key] = value;
  return logs;
}

Json answer(const Json& request) {
  Json result = {{"name", request["name"]}};
  try {
    Model model = model_of(request["model"]);
    const Archive data = request.contains("data") ? linn::load_npz(request["data"]) : Archive();
    Archive out;
    for (const Json& action : request["actions"]) {
      if (action["do"] == "evaluate") result["logs"] = logs_of(model, data);
      else act(model, action, data, out);
    }
    if (request.contains("out")) linn::save_npz(request["out"], out);
    result["compiled"] = model.compiled();
    result["config"] = Json::parse(model.to_json());
  } catch (const std::exception& error) {
    result["error"] = error.what();
  }
  return result;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: write_files REQUESTS.json | --examples\n");
    return 2;
  }
  const std::string file = arguments[1];
  if (file == "--examples") {
    std::puts(all_examples().dump().c_str());
    return 0;
  }
  linn::set_threads(1);
  try {
    for (const Json& request : Json::parse(linn::detail::io::text_of(linn::detail::io::read_file(file)))) {
      std::fprintf(stderr, "# %s\n", request["name"].get<std::string>().c_str());
      std::puts(answer(request).dump().c_str());
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "write_files: %s\n", error.what());
    return 1;
  }
}
