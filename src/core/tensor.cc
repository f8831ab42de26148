#include "linn/tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/checked.h"
#include "core/memory.h"
#include "core/tensor_visit.h"
#include "linn/error.h"

namespace linn {
namespace {

std::shared_ptr<std::byte> allocate(std::size_t bytes, const Shape& shape, DType type) {
  void* memory = detail::core::allocate(bytes);
  if (memory == nullptr)
    throw MemoryError(fmt::format("a {} tensor of shape {} needs {:.1f} MiB, which could not be allocated", name_of(type),
                                  shape.to_string(), static_cast<double>(bytes) / (1 << 20)));
  return {static_cast<std::byte*>(memory), [](std::byte* p) { std::free(p); }};
}

template <class To, class From>
To convert_one(From from) {
  if constexpr (std::is_same_v<From, bfloat16>) {
    return convert_one<To>(to_float(from));
  } else if constexpr (std::is_same_v<To, bfloat16>) {
    return to_bfloat16(static_cast<float>(from));
  } else if constexpr (std::is_integral_v<To>) {
    // Compare in double, where every limit but that of int64 is exact; 2^63 itself is refused by the strict bound.
    const auto value = std::trunc(static_cast<double>(from));
    constexpr double low = static_cast<double>(std::numeric_limits<To>::min());
    constexpr double high = static_cast<double>(std::numeric_limits<To>::max());
    const bool fits = value >= low && (sizeof(To) == 8 && !std::is_same_v<From, To> ? value < high : value <= high);
    if (!fits) throw ValueError(fmt::format("{} does not fit into {}", static_cast<double>(from), name_of(dtype_of<To>::value)));
    return static_cast<To>(from);
  } else {
    return static_cast<To>(from);
  }
}

}  // namespace

std::size_t size_of(DType type) {
  switch (type) {
    case DType::u8: return 1;
    case DType::bf16: return 2;
    case DType::i32:
    case DType::f32: return 4;
    case DType::i64:
    case DType::f64: return 8;
  }
  return 0;
}

std::string_view name_of(DType type) {
  switch (type) {
    case DType::u8: return "uint8";
    case DType::i32: return "int32";
    case DType::i64: return "int64";
    case DType::f32: return "float32";
    case DType::f64: return "float64";
    case DType::bf16: return "bfloat16";
  }
  return "";
}

bfloat16 to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return {static_cast<std::uint16_t>((bits >> 16) | 0x40)};
  return {static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}

float to_float(bfloat16 value) { return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16); }

Tensor::Tensor(Shape shape, DType type) : shape_(shape), elements_(shape.elements()), type_(type) {
  const auto total = detail::core::checked_mul(elements_, static_cast<std::int64_t>(size_of(type)));
  if (!total)
    throw MemoryError(fmt::format("a {} tensor of shape {} passes 2^63 bytes", name_of(type), shape.to_string()));
  storage_ = allocate(static_cast<std::size_t>(*total), shape_, type_);
  data_ = storage_.get();
  std::memset(data_, 0, static_cast<std::size_t>(*total));
}

Tensor Tensor::copy_of(const void* values, std::size_t count, const Shape& shape, DType type) {
  if (static_cast<std::int64_t>(count) != shape.elements())
    throw ShapeError(fmt::format("{} values were given for shape {}, which holds {}", count, shape.to_string(), shape.elements()));
  Tensor tensor(shape, type);
  if (count > 0) std::memcpy(tensor.data_, values, tensor.bytes());
  return tensor;
}

Tensor Tensor::over(void* data, Shape shape, DType type, std::shared_ptr<void> owner) {
  if (data == nullptr || owner == nullptr) throw ValueError("Tensor::over: data and owner must not be null");
  Tensor tensor;
  tensor.elements_ = shape.elements();
  if (!detail::core::checked_mul(tensor.elements_, static_cast<std::int64_t>(size_of(type))))
    throw MemoryError(fmt::format("a {} tensor of shape {} passes 2^63 bytes", name_of(type), shape.to_string()));
  tensor.storage_ = {std::move(owner), static_cast<std::byte*>(data)};
  tensor.data_ = data;
  tensor.shape_ = shape;
  tensor.type_ = type;
  return tensor;
}

void Tensor::require(DType type) const {
  if (!defined()) throw ValueError("the tensor is empty: it was never given a shape or values");
  if (type != type_) throw ValueError(fmt::format("the tensor holds {}, but {} was asked for", name_of(type_), name_of(type)));
}

Tensor Tensor::rows(std::int64_t first, std::int64_t last) const {
  const std::int64_t size = shape_[0];
  if (first < 0 || last < first || last > size)
    throw ShapeError(fmt::format("rows {} to {} of a tensor of shape {}", first, last, shape_.to_string()));
  Tensor view = *this;
  view.shape_ = shape_.without_first().with_first(last - first);
  view.elements_ = view.shape_.elements();
  const auto row_bytes = static_cast<std::size_t>(shape_.without_first().elements()) * size_of(type_);
  view.data_ = static_cast<std::byte*>(data_) + static_cast<std::size_t>(first) * row_bytes;
  return view;
}

Tensor Tensor::reshape(Shape shape) const {
  if (shape.elements() != elements_)
    throw ShapeError(fmt::format("shape {} cannot become {}: {} and {} elements", shape_.to_string(), shape.to_string(), elements_,
                                 shape.elements()));
  Tensor view = *this;
  view.shape_ = shape;
  return view;
}

Tensor Tensor::astype(DType type) const {
  if (type == type_) return clone();
  Tensor result(shape_, type);
  detail::core::visit(*this, [&]<class From>(std::span<const From> from) {
    detail::core::visit(result, [&]<class To>(std::span<To> to) {
      for (std::size_t i = 0; i < from.size(); ++i) to[i] = convert_one<To>(from[i]);
    });
  });
  return result;
}

Tensor Tensor::clone() const {
  if (!defined()) return {};
  return copy_of(data_, static_cast<std::size_t>(elements_), shape_, type_);
}

}  // namespace linn
