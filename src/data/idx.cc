#include "data/idx.h"

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

#include "io/elements.h"
#include "io/file.h"
#include "io/inflate.h"
#include "io/source.h"
#include "io/text.h"
#include "linn/data.h"

namespace linn {
namespace detail::data {
namespace {

std::optional<io::FileType> type_of(int code) {
  switch (code) {
    case 0x08: return io::FileType::u8;
    case 0x09: return io::FileType::i8;
    case 0x0b: return io::FileType::i16;
    case 0x0c: return io::FileType::i32;
    case 0x0d: return io::FileType::f32;
    case 0x0e: return io::FileType::f64;
    default: return std::nullopt;
  }
}

Tensor read(io::Source& source) {
  const std::string& where = source.where();
  std::array<std::byte, 4> magic;
  source.read(magic);
  const int code = std::to_integer<int>(magic[2]);
  const int rank = std::to_integer<int>(magic[3]);
  const auto type = type_of(code);
  if (magic[0] != std::byte{0} || magic[1] != std::byte{0} || !type)
    io::format_error(where,
                     "is no IDX file: it begins with {}; two zero bytes and a type (08, 09, 0b, 0c, 0d or 0e) are expected",
                     io::quote(io::text_of(magic)));
  if (rank < 1 || rank > static_cast<int>(Shape::max_rank))
    io::format_error(where, "offset 3: {} axes; 1 to {} are allowed", rank, Shape::max_rank);
  std::vector<std::byte> sizes_bytes(4 * static_cast<std::size_t>(rank));
  source.read(sizes_bytes);
  io::Reader reader(sizes_bytes, where, 4);
  std::vector<std::int64_t> sizes;
  sizes.reserve(static_cast<std::size_t>(rank));
  for (int axis = 0; axis < rank; ++axis) sizes.push_back(reader.be32());
  const Shape shape = io::checked_shape(where, sizes, io::size_of(*type));
  Tensor tensor = io::read_elements(source, *type, shape, std::endian::big);
  source.finish();
  return tensor;
}

}  // namespace

Tensor read_idx(std::span<const std::byte> bytes, const std::string& where) {
  if (bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b}) {
    io::GzipSource source(bytes, where);
    return read(source);
  }
  io::MemorySource source(bytes, where);
  return read(source);
}

}  // namespace detail::data

Tensor load_idx(const std::string& path) { return detail::data::read_idx(detail::io::read_file(path), path); }

}  // namespace linn
