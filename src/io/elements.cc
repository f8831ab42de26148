#include "io/elements.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>

#include "core/checked.h"
#include "linn/error.h"

namespace linn::detail::io {
namespace {

void swap_bytes(std::span<std::byte> bytes, std::size_t element) {
  for (std::size_t i = 0; i + element <= bytes.size(); i += element)
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i), bytes.begin() + static_cast<std::ptrdiff_t>(i + element));
}

template <class From, class To, class Convert>
void widen(Source& source, std::span<To> to, bool swap, Convert&& convert) {
  std::array<std::byte, 16384> piece;
  for (std::size_t done = 0; done < to.size();) {
    const std::size_t count = std::min(piece.size() / sizeof(From), to.size() - done);
    const std::span bytes(piece.data(), count * sizeof(From));
    source.read(bytes);
    if (swap) swap_bytes(bytes, sizeof(From));
    for (std::size_t i = 0; i < count; ++i) {
      From value;
      std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
      to[done + i] = convert(value, done + i);  // NOLINT(bugprone-signed-char-misuse): -1 of int8 is -1
    }
    done += count;
  }
}

// Elements of `from` lie with the first axis fastest; the result has the last axis fastest.
Tensor from_fortran(const Tensor& from) {
  Tensor result(from.shape(), from.dtype());
  const Shape& shape = from.shape();
  const std::size_t rank = shape.rank();
  const std::size_t size = linn::size_of(from.dtype());
  const auto* src = static_cast<const std::byte*>(from.raw());
  auto* dst = static_cast<std::byte*>(result.raw());
  std::array<std::int64_t, Shape::max_rank> pitch{};
  std::array<std::int64_t, Shape::max_rank> index{};
  std::int64_t step = 1;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    pitch[axis] = step;
    step *= shape.begin()[axis];
  }
  std::int64_t at = 0;
  for (std::int64_t i = 0; i < from.elements(); ++i) {
    std::memcpy(dst + static_cast<std::size_t>(i) * size, src + static_cast<std::size_t>(at) * size, size);
    for (std::size_t axis = rank; axis-- > 0;) {
      at += pitch[axis];
      if (++index[axis] < shape.begin()[axis]) break;
      at -= index[axis] * pitch[axis];
      index[axis] = 0;
    }
  }
  return result;
}

}  // namespace

std::string_view name_of(FileType type) {
  switch (type) {
    case FileType::boolean: return "bool";
    case FileType::u8: return "uint8";
    case FileType::u16: return "uint16";
    case FileType::u32: return "uint32";
    case FileType::u64: return "uint64";
    case FileType::i8: return "int8";
    case FileType::i16: return "int16";
    case FileType::i32: return "int32";
    case FileType::i64: return "int64";
    case FileType::f16: return "float16";
    case FileType::bf16: return "bfloat16";
    case FileType::f32: return "float32";
    case FileType::f64: return "float64";
  }
  return "";
}

std::size_t size_of(FileType type) {
  switch (type) {
    case FileType::boolean:
    case FileType::u8:
    case FileType::i8: return 1;
    case FileType::u16:
    case FileType::i16:
    case FileType::f16:
    case FileType::bf16: return 2;
    case FileType::u32:
    case FileType::i32:
    case FileType::f32: return 4;
    case FileType::u64:
    case FileType::i64:
    case FileType::f64: return 8;
  }
  return 0;
}

DType loaded_as(FileType type) {
  switch (type) {
    case FileType::boolean:
    case FileType::u8: return DType::u8;
    case FileType::i8:
    case FileType::i16:
    case FileType::u16:
    case FileType::i32: return DType::i32;
    case FileType::u32:
    case FileType::u64:
    case FileType::i64: return DType::i64;
    case FileType::f16:
    case FileType::f32: return DType::f32;
    case FileType::bf16: return DType::bf16;
    case FileType::f64: return DType::f64;
  }
  return DType::f32;
}

FileType file_type_of(DType type) {
  switch (type) {
    case DType::u8: return FileType::u8;
    case DType::i32: return FileType::i32;
    case DType::i64: return FileType::i64;
    case DType::f32: return FileType::f32;
    case DType::f64: return FileType::f64;
    case DType::bf16: return FileType::bf16;
  }
  return FileType::f32;
}

float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1f;
  const std::uint32_t fraction = bits & 0x3ff;
  if (exponent == 0) {  // zero or denormal: the fraction counts units of 2^-24, exact in a float
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

Shape checked_shape(std::string_view where, const std::vector<std::int64_t>& sizes, std::size_t element_bytes) {
  const auto listed = [&] {
    std::string text = "(";
    for (std::size_t i = 0; i < sizes.size() && i < 16; ++i) text += (i > 0 ? ", " : "") + std::to_string(sizes[i]);
    return text + (sizes.size() > 16 ? ", ...)" : ")");
  };
  if (sizes.size() > Shape::max_rank)
    format_error(where, "shape {} has {} axes; at most {} are allowed", listed(), sizes.size(), Shape::max_rank);
  auto bytes = std::optional<std::int64_t>(static_cast<std::int64_t>(element_bytes));
  for (const std::int64_t size : sizes) {
    if (size < 0) format_error(where, "shape {} has the size {}; sizes are 0 or more", listed(), size);
    if (bytes) bytes = core::checked_mul(*bytes, size);
  }
  if (!bytes) format_error(where, "shape {} with {} bytes an element has 2^63 bytes or more (overflow)", listed(), element_bytes);
  return Shape(std::span<const std::int64_t>(sizes));
}

Tensor read_elements(Source& source, FileType type, const Shape& shape, std::endian order, bool fortran) {
  const std::vector<std::int64_t> sizes(shape.begin(), shape.end());
  checked_shape(source.where(), sizes, std::max(size_of(type), linn::size_of(loaded_as(type))));
  const std::uint64_t bytes = static_cast<std::uint64_t>(shape.elements()) * size_of(type);
  if (bytes > source.most_left())
    format_error(source.where(), "truncated at offset {}: shape {} needs {} bytes, at most {} are left", source.offset(),
                 shape.to_string(), bytes, source.most_left());
  Tensor tensor(shape, loaded_as(type));
  const bool swap = order != std::endian::native;
  const auto same = [](auto value, std::size_t) { return value; };
  switch (type) {
    case FileType::boolean:
      widen<std::uint8_t>(source, tensor.values<std::uint8_t>(), false,
                          [](std::uint8_t value, std::size_t) { return static_cast<std::uint8_t>(value != 0); });
      break;
    case FileType::i8: widen<std::int8_t>(source, tensor.values<std::int32_t>(), false, same); break;
    case FileType::i16: widen<std::int16_t>(source, tensor.values<std::int32_t>(), swap, same); break;
    case FileType::u16: widen<std::uint16_t>(source, tensor.values<std::int32_t>(), swap, same); break;
    case FileType::u32: widen<std::uint32_t>(source, tensor.values<std::int64_t>(), swap, same); break;
    case FileType::u64:
      widen<std::uint64_t>(source, tensor.values<std::int64_t>(), swap, [&](std::uint64_t value, std::size_t index) {
        if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
          throw DataError(
              fmt::format("{}: element {} is {}; unsigned 64-bit numbers below 2^63 are allowed", source.where(), index, value));
        return static_cast<std::int64_t>(value);
      });
      break;
    case FileType::f16:
      widen<std::uint16_t>(source, tensor.values<float>(), swap,
                           [](std::uint16_t value, std::size_t) { return half_to_float(value); });
      break;
    default: {
      const std::span data(static_cast<std::byte*>(tensor.raw()), tensor.bytes());
      source.read(data);
      if (swap) swap_bytes(data, size_of(type));
    }
  }
  return fortran && shape.rank() > 1 ? from_fortran(tensor) : tensor;
}

}  // namespace linn::detail::io
