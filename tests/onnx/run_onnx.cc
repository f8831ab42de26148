// For tests/onnx/run_node_tests.py and check_keras_models.py, and for trying files by hand. Each line of the standard input is MODEL.onnx
// INPUTS.npz OUTPUTS.npz; the inputs are arrays x0, x1, ... in the file's own layout, and outputs y0, y1, ... are written in that layout.
// One line is printed for each: "ok" or the error.
#include <filesystem>
#include <iostream>
#include <sstream>

#include "io/file.h"
#include "support/onnx_run.h"

namespace {

using namespace linn;

void run(const std::string& model_path, const std::string& inputs_path, const std::string& outputs_path) {
  const detail::core::Bytes bytes = detail::io::read_file(model_path);
  const detail::formats::OnnxModel model =
      detail::formats::read_onnx(bytes, model_path, std::filesystem::path(model_path).parent_path().string(), 1);
  const std::vector<Tensor> outputs = tests::run_onnx(model, tests::numbered(load_npz(inputs_path), "x"));
  Archive results;
  for (std::size_t i = 0; i < outputs.size(); ++i) results.set(fmt::format("y{}", i), outputs[i]);
  save_npz(outputs_path, results);
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string model, inputs, outputs;
    words >> model >> inputs >> outputs;
    try {
      run(model, inputs, outputs);
      std::cout << "ok" << std::endl;
    } catch (const std::exception& error) {
      std::cout << "error: " << error.what() << std::endl;
    }
  }
}
