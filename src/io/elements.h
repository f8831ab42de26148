// Numbers as files hold them, read into tensors: types that a Tensor lacks are widened, big-endian is turned round.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

#include "io/source.h"
#include "linn/tensor.h"

namespace linn::detail::io {

/// Element types in files. Those without a DType of their own load as the next wider one: bool as u8 (0 or 1), i8 and i16
/// and u16 as i32, u32 and u64 as i64 (a value of 2^63 or more is a DataError that names its index), f16 as f32.
enum class FileType : std::uint8_t { boolean, u8, u16, u32, u64, i8, i16, i32, i64, f16, bf16, f32, f64 };

/// "float32", "bfloat16", "bool": as numpy calls it.
std::string_view name_of(FileType type);
/// Bytes of one element in the file.
std::size_t size_of(FileType type);
DType loaded_as(FileType type);
/// The type that holds a tensor as it is.
FileType file_type_of(DType type);

/// Sizes from a file as a shape. Throws FormatError, beginning with `where`, for more than eight, a negative one,
/// or a product with `element_bytes` of 2^63 or more.
Shape checked_shape(std::string_view where, const std::vector<std::int64_t>& sizes, std::size_t element_bytes);

/// Reads shape.elements() elements. What is declared is compared with source.most_left() before anything is allocated.
/// `order` is the byte order in the file. `fortran`: the first axis runs fastest in the file.
Tensor read_elements(Source& source, FileType type, const Shape& shape, std::endian order = std::endian::little,
                     bool fortran = false);

inline std::span<const std::byte> bytes_of(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.raw()), tensor.bytes()};
}

float half_to_float(std::uint16_t bits);

}  // namespace linn::detail::io
