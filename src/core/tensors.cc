#include "linn/tensors.h"

#include <fmt/format.h>

#include <algorithm>

#include "linn/error.h"

namespace linn {

bool Tensors::defined() const {
  return std::any_of(list_.begin(), list_.end(), [](const Tensor& tensor) { return tensor.defined(); }) || !named_.empty();
}

std::vector<Tensor> Tensors::in_order(const std::vector<std::string>& names, const char* what) const {
  if (named_.empty()) {
    if (list_.size() != names.size())
      throw ValueError(fmt::format("{}: {} tensors came; the model wants {} ({})", what, list_.size(), names.size(), fmt::join(names, ", ")));
    return list_;
  }
  std::vector<Tensor> ordered(names.size());
  for (const auto& [name, tensor] : named_) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
      throw ValueError(fmt::format("{}: \"{}\" is not among the model's names: {}", what, name, fmt::join(names, ", ")));
    ordered[static_cast<std::size_t>(found - names.begin())] = tensor;
  }
  return ordered;
}

}  // namespace linn
