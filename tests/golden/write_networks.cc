// Writes configurations into a folder, for the scripts that let Keras read them: the built-in networks as NAME.json for
// make_graph_golden.py, and those of graph.json and keras2.json, read and written by linn, as graph_NAME.json and keras2_NAME.json for
// check_configs.py.
#include <cstdio>
#include <fstream>
#include <stdexcept>

#include "layers/activations.h"
#include "layers/registry.h"
#include "support/golden.h"
#include "support/golden_networks.h"

namespace {

using linn::Model;

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) throw std::runtime_error(path + " cannot be written");
}

linn::detail::io::Json layers() {
  using linn::detail::io::Json;
  Json list = Json::array();
  const auto add = [&](const std::string& class_name, const Json& config) {
    list.push_back({{"class_name", class_name},
                    {"config", linn::detail::layers::layer_from_config(class_name, config, "example")->config("example")}});
  };
  for (const auto& row : linn::detail::layers::layer_rows())
    for (const auto& example : row.examples) add(std::string(row.info.name), linn::detail::io::parse_json(example.config, "example"));
  for (const auto& row : linn::detail::layers::activation_rows())
    for (const auto& example : row.examples)
      add("Activation",
          {{"name", "a"},
           {"activation", {{"class_name", row.info.name}, {"config", linn::detail::io::parse_json(example.config, "example")}}}});
  return list;
}

void write_all(const std::string& folder) {
  for (const std::string& name : linn::tests::golden_networks())
    write(folder + "/" + name + ".json", linn::tests::golden_network(name).to_json());
  write(folder + "/layers.json", layers().dump());
  for (const std::string file : {"graph", "keras2"}) {
    const linn::detail::io::Json golden = linn::tests::golden_json(file + ".json");
    for (const linn::detail::io::Json& test : golden["cases"])
      if (test.contains("model"))
        write(folder + "/" + file + "_" + test["name"].get<std::string>() + ".json", Model::from_json(test["model"].dump()).to_json());
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: write_networks FOLDER\n");
    return 2;
  }
  try {
    write_all(arguments[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "write_networks: %s\n", error.what());
    return 1;
  }
}
