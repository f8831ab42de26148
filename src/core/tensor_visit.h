// Calls a generic function with a tensor's elements under their real type.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "linn/tensor.h"

namespace linn::detail::core {

/// f is called once, with `std::span<T>` (or `std::span<const T>` for a const tensor).
template <class T, class F>
decltype(auto) visit(T& tensor, F&& f) {
  switch (tensor.dtype()) {
    case DType::u8: return f(tensor.template values<std::uint8_t>());
    case DType::i32: return f(tensor.template values<std::int32_t>());
    case DType::i64: return f(tensor.template values<std::int64_t>());
    case DType::f64: return f(tensor.template values<double>());
    case DType::bf16: return f(tensor.template values<bfloat16>());
    case DType::f32: break;
  }
  return f(tensor.template values<float>());
}

}  // namespace linn::detail::core
