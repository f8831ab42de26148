// Writes configurations into a folder, for the scripts that let Keras read them: the built-in networks as NAME.json for
// make_graph_golden.py, and those of graph.json and keras2.json, read and written by linn, as graph_NAME.json and keras2_NAME.json for
// check_configs.py.
#include <cstdio>
#include <fstream>
#include <stdexcept>

#include "support/golden.h"
#include "support/golden_networks.h"

namespace {

using linn::Model;

void write(const std::string& path, const Model& model) {
  std::ofstream file(path);
  file << model.to_json();
  if (!file.flush()) throw std::runtime_error(path + " cannot be written");
}

void write_all(const std::string& folder) {
  for (const std::string& name : linn::tests::golden_networks()) write(folder + "/" + name + ".json", linn::tests::golden_network(name));
  for (const std::string file : {"graph", "keras2"}) {
    const linn::io::Json golden = linn::tests::golden_json(file + ".json");
    for (const linn::io::Json& test : golden["cases"])
      if (test.contains("model"))
        write(folder + "/" + file + "_" + test["name"].get<std::string>() + ".json", Model::from_json(test["model"].dump()));
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
