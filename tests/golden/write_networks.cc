// Writes the configurations of the built-in networks into a folder, NAME.json each, for make_graph_golden.py.
#include <cstdio>
#include <fstream>

#include "support/golden_networks.h"

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: write_networks FOLDER\n");
    return 2;
  }
  for (const std::string& name : linn::tests::golden_networks()) {
    std::ofstream file(std::string(arguments[1]) + "/" + name + ".json");
    file << linn::tests::golden_network(name).to_json();
    if (!file.flush()) {
      std::fprintf(stderr, "write_networks: %s/%s.json cannot be written\n", arguments[1], name.c_str());
      return 1;
    }
  }
}
