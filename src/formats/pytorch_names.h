// A model's variables as a PyTorch module of the same layers holds them: other names, and the axes of kernels in another order.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "linn/tensor.h"

namespace linn::detail::formats {

/// Where one variable is in a state_dict.
struct PyTorchVariable {
  graph::GraphVariable variable;
  std::string name;                     // "conv1.weight" for "conv1/kernel"; the layers of a model inside are "model.layer"
  std::vector<std::size_t> order = {};  // our axes in PyTorch's order: 3, 2, 0, 1 for a convolution's kernel; none: the same
  Shape view = {};                      // our shape with an axis for each number in `order`, where the variable has fewer
  Shape shape = {};                     // PyTorch's

  Tensor to_pytorch() const;
  /// `value` has PyTorch's shape.
  Tensor from_pytorch(const Tensor& value) const;
};

/// One for each variable, in the model's order. Layers that PyTorch lacks keep the names and shapes of their variables.
std::vector<PyTorchVariable> pytorch_variables(const graph::Graph& graph);

}  // namespace linn::detail::formats
