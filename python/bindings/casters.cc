#include "bindings/casters.h"

#include <nanobind/ndarray.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace linn::python {
namespace {

using Array = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;

std::optional<DType> dtype_of_array(nb::dlpack::dtype type) {
  if (type.lanes != 1) return std::nullopt;
  if (type == nb::dtype<std::uint8_t>()) return DType::u8;
  if (type == nb::dtype<std::int32_t>()) return DType::i32;
  if (type == nb::dtype<std::int64_t>()) return DType::i64;
  if (type == nb::dtype<float>()) return DType::f32;
  if (type == nb::dtype<double>()) return DType::f64;
  return std::nullopt;
}

nb::dlpack::dtype array_dtype(DType type) {
  switch (type) {
    case DType::u8: return nb::dtype<std::uint8_t>();
    case DType::i32: return nb::dtype<std::int32_t>();
    case DType::i64: return nb::dtype<std::int64_t>();
    case DType::f64: return nb::dtype<double>();
    case DType::f32:
    case DType::bf16: break;
  }
  return nb::dtype<float>();
}

// Lets go of a Python object from any thread.
struct Release {
  void operator()(Array* array) const {
    const nb::gil_scoped_acquire hold;
    delete array;
  }
};

}  // namespace

bool to_tensor(nb::handle source, Tensor& tensor) noexcept {
  tensor = Tensor();
  if (source.is_none()) return true;
  try {
    Array array;
    if (!nb::try_cast<Array>(source, array, false)) return false;
    const std::optional<DType> type = dtype_of_array(array.dtype());
    if (!type || array.ndim() > Shape::max_rank) return false;
    std::vector<std::int64_t> sizes;
    for (std::size_t axis = 0; axis < array.ndim(); ++axis) sizes.push_back(static_cast<std::int64_t>(array.shape(axis)));
    const Shape shape{std::span<const std::int64_t>(sizes)};
    if (array.size() == 0) {
      tensor = Tensor(shape, *type);
      return true;
    }
    const std::shared_ptr<Array> owner(new Array(std::move(array)), Release());
    tensor = Tensor::over(const_cast<void*>(owner->data()), shape, *type, owner);  // the engine only reads what it is given
    return true;
  } catch (...) {
    PyErr_Clear();
    return false;
  }
}

nb::object to_array(const Tensor& tensor) {
  if (!tensor.defined()) return nb::none();
  const Tensor known = tensor.dtype() == DType::bf16 ? tensor.astype(DType::f32) : tensor;  // numpy has no bfloat16
  auto* held = new Tensor(known);
  const nb::capsule owner(held, [](void* p) noexcept { delete static_cast<Tensor*>(p); });
  std::vector<std::size_t> sizes;
  for (const std::int64_t size : known.shape()) sizes.push_back(static_cast<std::size_t>(size));
  return nb::cast(nb::ndarray<nb::numpy>(held->raw(), sizes.size(), sizes.data(), owner, nullptr, array_dtype(known.dtype())), nb::rv_policy::reference);
}

nb::tuple to_tuple(const Shape& shape) {
  nb::list sizes;
  for (const std::int64_t size : shape) {
    if (size == Shape::none)
      sizes.append(nb::none());
    else
      sizes.append(size);
  }
  return nb::tuple(sizes);
}

bool to_shape(nb::handle sequence, Shape& shape) noexcept {
  try {
    std::vector<std::int64_t> sizes;
    for (const nb::handle size : sequence) sizes.push_back(size.is_none() ? Shape::none : nb::cast<std::int64_t>(size));
    shape = Shape(std::span<const std::int64_t>(sizes));
    return true;
  } catch (...) {
    PyErr_Clear();
    return false;
  }
}

}  // namespace linn::python
