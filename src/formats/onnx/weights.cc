#include "formats/onnx/weights.h"

namespace linn::detail::formats::onnx {

Tensor transposed_tensor(std::span<const float> values, std::span<const std::int64_t> sizes, std::span<const std::size_t> axes) {
  const std::size_t rank = axes.size();
  std::vector<std::size_t> steps(sizes.size(), 1), moved;
  for (std::size_t i = sizes.size(); i-- > 1;) steps[i - 1] = steps[i] * static_cast<std::size_t>(sizes[i]);
  std::vector<std::int64_t> dims;
  for (const std::size_t axis : axes) dims.push_back(sizes[axis]), moved.push_back(steps[axis]);
  Tensor result{Shape(std::span<const std::int64_t>(dims))};
  std::vector<std::int64_t> at(rank, 0);
  std::size_t place = 0;
  for (float& target : result.values<float>()) {
    target = values[place];
    for (std::size_t axis = rank; axis-- > 0;) {
      place += moved[axis];
      if (++at[axis] < dims[axis]) break;
      place -= moved[axis] * static_cast<std::size_t>(dims[axis]);
      at[axis] = 0;
    }
  }
  return result;
}

Tensor vector_tensor(std::span<const float> values) { return Tensor::from(values, {static_cast<std::int64_t>(values.size())}); }

std::vector<float> in_row_order(std::vector<float> values, const std::optional<Activation::Row>& row) {
  if (!row) return values;
  std::vector<float> result;
  for (const std::size_t place : onnx_places(*row)) result.push_back(values[place]);
  return result;
}

}  // namespace linn::detail::formats::onnx
