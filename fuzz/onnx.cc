// ONNX: a file becomes a network or a linn::Error. It opens no other file, and its weights take no more memory than the file explains.
#include "check.h"
#include "formats/onnx/import.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linn;
  fuzz::accept_errors([&] {
    const detail::formats::OnnxModel model = detail::formats::read_onnx(fuzz::bytes_of(data, size), "fuzz.onnx", "", 1);
    std::size_t total = 0;
    for (const detail::graph::GraphVariable& variable : model.graph.variables()) total += variable.value().bytes();
    fuzz::check(total <= 4 * size + (std::size_t{64} << 20), "the weights are larger than the file explains");
  });
  return 0;
}
