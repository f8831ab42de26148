// For tests/onnx/check_export.py: writes NAME.onnx for every example of the registry and for the built-in networks into the folder that is
// given, with NAME.npz: inputs x0, ... and linn's outputs y0, ....
#include <iostream>

#include "formats/onnx/export.h"
#include "io/file.h"
#include "linn/data.h"
#include "support/row_graphs.h"
#include "support/run_graph.h"

namespace {

using namespace linn;

void write(const std::string& folder, const std::string& name, const detail::graph::Graph& graph, const std::vector<Tensor>& inputs) {
  try {
    const std::vector<std::byte> bytes = detail::formats::graph_to_onnx(graph, {{"source", name}});
    detail::io::write_file_atomically(folder + "/" + name + ".onnx", bytes);
  } catch (const Error& error) {
    std::cout << name << ": " << error.what() << std::endl;
    return;
  }
  Archive arrays;
  for (std::size_t i = 0; i < inputs.size(); ++i) arrays.set(fmt::format("x{}", i), inputs[i]);
  const std::vector<Tensor> outputs = tests::run_graph(graph, inputs);
  for (std::size_t i = 0; i < outputs.size(); ++i) arrays.set(fmt::format("y{}", i), outputs[i]);
  save_npz(folder + "/" + name + ".npz", arrays);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  for (const tests::RowGraph& row : tests::row_graphs()) write(argv[1], row.name, row.graph, row.inputs);
}
