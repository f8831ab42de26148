// An imported ONNX model on inputs in the file's own layout.
#pragma once

#include <fmt/format.h>

#include <vector>

#include "formats/onnx/import.h"
#include "formats/onnx/weights.h"
#include "linn/data.h"
#include "support/run_graph.h"

namespace linn::tests {

/// (N, C, H, W) -> (N, H, W, C), or back.
inline Tensor moved(const Tensor& tensor, bool to_channels_last) {
  const std::vector<std::size_t> axes = to_channels_last ? std::vector<std::size_t>{0, 2, 3, 1} : std::vector<std::size_t>{0, 3, 1, 2};
  const Tensor floats = tensor.astype(DType::f32);
  return detail::formats::onnx::transposed_tensor(floats.values<float>(), {floats.shape().begin(), floats.shape().rank()}, axes);
}

inline std::vector<Tensor> run_onnx(const detail::formats::OnnxModel& model, const std::vector<Tensor>& inputs,
                                    Precision precision = Precision::float32) {
  std::vector<Tensor> own;
  for (std::size_t i = 0; i < model.inputs_moved.size(); ++i)
    own.push_back(model.inputs_moved[i] ? moved(inputs.at(i), true) : inputs.at(i));
  std::vector<Tensor> outputs = run_graph(model.graph, own, precision);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (model.outputs_moved[i]) outputs[i] = moved(outputs[i], false);
  return outputs;
}

/// Arrays NAME0, NAME1, ... of an archive.
inline std::vector<Tensor> numbered(const Archive& archive, const std::string& name) {
  std::vector<Tensor> arrays;
  for (std::string key = name + '0'; archive.contains(key); key = fmt::format("{}{}", name, arrays.size()))
    arrays.push_back(archive[key].astype(DType::f32));
  return arrays;
}

}  // namespace linn::tests
