// room: core
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "linn/shape.h"

namespace linn {

/// A brain-float: the upper half of a float32.
struct bfloat16 {
  std::uint16_t bits = 0;
};

enum class DType : std::uint8_t { u8, i32, i64, f32, f64, bf16 };

/// Bytes of one element.
std::size_t size_of(DType type);
/// numpy's name: "uint8", "int32", "int64", "float32", "float64", "bfloat16".
std::string_view name_of(DType type);

template <class T>
struct dtype_of;
template <> struct dtype_of<std::uint8_t> { static constexpr DType value = DType::u8; };
template <> struct dtype_of<std::int32_t> { static constexpr DType value = DType::i32; };
template <> struct dtype_of<std::int64_t> { static constexpr DType value = DType::i64; };
template <> struct dtype_of<float> { static constexpr DType value = DType::f32; };
template <> struct dtype_of<double> { static constexpr DType value = DType::f64; };
template <> struct dtype_of<bfloat16> { static constexpr DType value = DType::bf16; };

/// A dense, row-major array of rank 0 to 8, aligned to 64 bytes (unless made with `over`). Images are NHWC.
/// Copies share their elements, as numpy's views do; `clone` makes an independent one.
class Tensor {
 public:
  /// No tensor: `defined()` is false.
  Tensor() = default;
  /// Zeros. Throws ShapeError for a shape with none in it, MemoryError when memory is short.
  explicit Tensor(Shape shape, DType type = DType::f32);
  /// A copy of `values`; throws ShapeError unless there are shape.elements() of them.
  template <class T>
  static Tensor from(std::span<const T> values, Shape shape) {
    return copy_of(values.data(), values.size(), shape, dtype_of<T>::value);
  }
  template <class T>
  static Tensor from(const std::vector<T>& values, Shape shape) {
    return from(std::span<const T>(values), shape);
  }

  /// A tensor of numbers that lie at `data` already, row-major; nothing is copied. Holds `owner`, whose they are, for as long as it or a copy of
  /// it lives. Any alignment that the type allows will do. Throws ShapeError for a shape with none in it, ValueError for null.
  static Tensor over(void* data, Shape shape, DType type, std::shared_ptr<void> owner);

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return type_; }
  std::int64_t elements() const { return elements_; }
  std::size_t bytes() const { return static_cast<std::size_t>(elements_) * size_of(type_); }

  void* raw() { return data_; }
  const void* raw() const { return data_; }
  /// The elements. Throws ValueError when T is not the tensor's dtype.
  template <class T>
  std::span<T> values() {
    require(dtype_of<T>::value);
    return {static_cast<T*>(data_), static_cast<std::size_t>(elements_)};
  }
  template <class T>
  std::span<const T> values() const {
    require(dtype_of<T>::value);
    return {static_cast<const T*>(data_), static_cast<std::size_t>(elements_)};
  }

  /// A view of rows [first, last) of the first axis. Throws ShapeError outside it.
  Tensor rows(std::int64_t first, std::int64_t last) const;
  /// A view with other sizes and the same number of elements. Throws ShapeError otherwise.
  Tensor reshape(Shape shape) const;
  /// An independent copy, converted. Float to integer truncates towards zero and throws ValueError for what does not fit.
  Tensor astype(DType type) const;
  /// An independent copy.
  Tensor clone() const;

 private:
  static Tensor copy_of(const void* values, std::size_t count, const Shape& shape, DType type);
  void require(DType type) const;

  std::shared_ptr<std::byte> storage_;
  void* data_ = nullptr;
  Shape shape_;
  std::int64_t elements_ = 0;
  DType type_ = DType::f32;
};

/// float32 <-> bfloat16, round to nearest even; NaN stays NaN.
bfloat16 to_bfloat16(float value);
float to_float(bfloat16 value);

}  // namespace linn
