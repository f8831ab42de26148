// Dataspaces, datatypes, and strings with the global heaps in which variable-length ones lie.
#include <algorithm>
#include <array>
#include <utility>

#include "io/hdf5_parts.h"

namespace linn::detail::io::hdf5 {
namespace {

constexpr std::uint64_t few_texts = 65'536;  // allowed in a file of any size

constexpr std::array<std::string_view, 12> class_names = {"integer",  "float",     "time",        "string",          "bitfield", "opaque",
                                                          "compound", "reference", "enumeration", "variable-length", "array",    "complex"};

/// The first eight bytes of every datatype.
struct TypeHead {
  std::uint8_t version;
  std::uint8_t type_class;
  std::uint32_t bits;
  std::uint32_t size;
};

TypeHead read_head(Reader& reader) {
  const std::uint8_t first = reader.u8();
  TypeHead head{};
  head.version = first >> 4;
  head.type_class = first & 0x0f;
  head.bits = static_cast<std::uint32_t>(number_of(reader, 3));
  head.size = reader.le32();
  if (head.version < 1 || head.version > 5) format_error(reader.where(), "its datatype has the version {}; 1 to 5 are known", head.version);
  if (head.size == 0) format_error(reader.where(), "its datatype has elements of 0 bytes");
  return head;
}

ElementType number_type(FileType number, const TypeHead& head) {
  ElementType type;
  type.size = head.size;
  type.number = number;
  type.order = (head.bits & 1) != 0 ? std::endian::big : std::endian::little;
  return type;
}

ElementType read_integer(Reader& reader, const TypeHead& head) {
  const std::uint16_t offset = reader.le16();
  const std::uint16_t precision = reader.le16();
  if (offset != 0 || precision != head.size * 8)
    format_error(reader.where(), "its elements are integers of {} bits at bit {} of {} bytes; whole bytes are allowed", precision, offset,
                 head.size);
  const bool is_signed = (head.bits & 0x08) != 0;
  switch (head.size) {
    case 1: return number_type(is_signed ? FileType::i8 : FileType::u8, head);
    case 2: return number_type(is_signed ? FileType::i16 : FileType::u16, head);
    case 4: return number_type(is_signed ? FileType::i32 : FileType::u32, head);
    case 8: return number_type(is_signed ? FileType::i64 : FileType::u64, head);
    default: format_error(reader.where(), "its elements are integers of {} bytes; 1, 2, 4 and 8 are allowed", head.size);
  }
}

/// Where sign, exponent and fraction of a float lie.
struct FloatLayout {
  std::uint32_t size, sign, exponent_at, exponent_bits, fraction_bits, bias;
  FileType number;
};
constexpr std::array<FloatLayout, 4> float_layouts = {{{2, 15, 10, 5, 10, 15, FileType::f16},
                                                       {2, 15, 7, 8, 7, 127, FileType::bf16},
                                                       {4, 31, 23, 8, 23, 127, FileType::f32},
                                                       {8, 63, 52, 11, 52, 1023, FileType::f64}}};

ElementType read_float(Reader& reader, const TypeHead& head) {
  const std::uint16_t offset = reader.le16();
  const std::uint16_t precision = reader.le16();
  const std::uint8_t exponent_at = reader.u8();
  const std::uint8_t exponent_bits = reader.u8();
  const std::uint8_t fraction_at = reader.u8();
  const std::uint8_t fraction_bits = reader.u8();
  const std::uint32_t bias = reader.le32();
  const std::uint32_t sign = (head.bits >> 8) & 0xff;
  const bool vax = (head.bits & 0x40) != 0;
  const bool implied_bit = ((head.bits >> 4) & 3) == 2;
  if (!vax && implied_bit && offset == 0 && precision == head.size * 8 && fraction_at == 0)
    for (const FloatLayout& layout : float_layouts)
      if (layout.size == head.size && layout.sign == sign && layout.exponent_at == exponent_at && layout.exponent_bits == exponent_bits &&
          layout.fraction_bits == fraction_bits && layout.bias == bias)
        return number_type(layout.number, head);
  format_error(
      reader.where(),
      "its elements are floats of {} bits in {} bytes with {} bits of exponent; IEEE's of 16, 32 and 64 bits and bfloat16 are allowed",
      precision, head.size, exponent_bits);
}

ElementType::Padding padding_of(std::uint32_t value, const Reader& reader) {
  if (value > 2) format_error(reader.where(), "its strings are padded in the unknown way {}", value);
  return static_cast<ElementType::Padding>(value);
}

ElementType read_fixed_string(const Reader& reader, const TypeHead& head) {
  ElementType type;
  type.kind = ElementType::Kind::fixed_string;
  type.size = head.size;
  type.padding = padding_of(head.bits & 0x0f, reader);
  return type;
}

ElementType read_vlen(const Reader& reader, const TypeHead& head) {
  if ((head.bits & 0x0f) != 1) format_error(reader.where(), "its elements are sequences of variable length; of these, strings are allowed");
  if (head.size != 16) format_error(reader.where(), "its strings of variable length have {} bytes in the file; 16 are allowed", head.size);
  ElementType type;
  type.kind = ElementType::Kind::vlen_string;
  type.size = head.size;
  return type;
}

/// h5py's bool: an enumeration over int8 with FALSE = 0 and TRUE = 1.
ElementType read_bool(Reader& reader, const TypeHead& head) {
  const auto refuse = [&] { format_error(reader.where(), "its elements are an enumeration; of these, h5py's bool is allowed"); };
  const TypeHead base = read_head(reader);
  if (base.type_class != 0 || base.size != 1 || head.size != 1 || (head.bits & 0xffff) != 2) refuse();
  reader.skip(4);  // offset and precision
  for (const std::string_view name : {"FALSE", "TRUE"}) {
    if (text_of(reader.take(name.size())) != name || reader.u8() != 0) refuse();
    if (head.version < 3) reader.skip(7 - name.size());  // padded to 8 bytes
  }
  if (reader.u8() != 0 || reader.u8() != 1) refuse();
  ElementType type;
  type.size = 1;
  type.number = FileType::boolean;
  return type;
}

GlobalHeap read_global_heap(const FileData& file, std::uint64_t address, const std::string& where) {
  Reader head = file.at(address, where);
  expect_signature(head, "GCOL", "global heap");
  expect_version(head, 1, 1, "the global heap");
  head.skip(3);
  const std::uint64_t size = head.le64();
  Reader reader(file.take(address, size, where), where, address);
  file.count_part(Part::global_heap, address, size, where);
  reader.skip(16);
  GlobalHeap heap;
  while (reader.left() >= 16) {
    const std::uint16_t index = reader.le16();
    reader.skip(6);
    const std::uint64_t bytes = reader.le64();
    if (index == 0) break;  // the free space, which is last
    if (!heap.try_emplace(index, reader.take(bytes)).second)
      format_error(where, "the global heap at offset {} has two objects {}", address, index);
    reader.skip(std::min<std::uint64_t>((8 - bytes % 8) % 8, reader.left()));
  }
  return heap;
}

std::span<const std::byte> find_in_heap(const FileData& file, std::uint64_t address, std::uint32_t index, const std::string& where) {
  const auto heap = file.global_heap(address, [&] { return read_global_heap(file, address, where); });
  const auto found = heap->find(static_cast<std::uint16_t>(index));
  if (index > 0xffff || found == heap->end())
    format_error(where, "a string lies in object {} of the global heap at offset {}, which does not have it", index, address);
  return found->second;
}

std::string_view unpadded(std::string_view text, ElementType::Padding padding) {
  if (padding == ElementType::Padding::null_terminated) return text.substr(0, text.find('\0'));
  const char pad = padding == ElementType::Padding::space_padded ? ' ' : '\0';
  return text.substr(0, text.find_last_not_of(pad) + 1);
}

}  // namespace

Space read_space(Reader reader) {
  Space space;
  const std::uint8_t version = expect_version(reader, 1, 2, "the dataspace");
  const std::uint8_t rank = reader.u8();
  const std::uint8_t flags = reader.u8();
  if (version == 1) {
    reader.skip(5);
  } else if (const std::uint8_t kind = reader.u8(); kind == 2) {
    format_error(reader.where(), "has no elements and no shape (a null dataspace); arrays and scalars are allowed");
  } else if (kind > 2 || (kind == 0) != (rank == 0)) {
    format_error(reader.where(), "its dataspace has the type {} and {} axes", kind, rank);
  }
  if (rank > Shape::max_rank) format_error(reader.where(), "has {} axes; at most {} are allowed", rank, Shape::max_rank);
  for (std::uint8_t i = 0; i < rank; ++i) {
    const std::uint64_t size = reader.le64();
    if (size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      format_error(reader.where(), "axis {} has the size {}; sizes below 2^63 are allowed (overflow)", i, size);
    space.sizes.push_back(static_cast<std::int64_t>(size));
  }
  for (std::uint8_t i = 0; i < rank; ++i) {
    const auto size = static_cast<std::uint64_t>(space.sizes[i]);
    const std::uint64_t largest = (flags & 1) != 0 ? reader.le64() : size;
    if (largest < size) format_error(reader.where(), "axis {} has the size {}, more than its largest, {}", i, size, largest);
    space.largest.push_back(largest);
  }
  return space;
}

ElementType read_type(Reader& reader) {
  const TypeHead head = read_head(reader);
  switch (head.type_class) {
    case 0: return read_integer(reader, head);
    case 1: return read_float(reader, head);
    case 3: return read_fixed_string(reader, head);
    case 5: {
      ElementType type;
      type.kind = ElementType::Kind::opaque;
      type.size = head.size;
      return type;
    }
    case 8: return read_bool(reader, head);
    case 9: return read_vlen(reader, head);
    default: break;
  }
  if (head.type_class < class_names.size())
    format_error(reader.where(), "its elements have the type {}; integers, floats, bool and strings are allowed",
                 class_names[head.type_class]);
  format_error(reader.where(), "its elements have the unknown type {}; integers, floats, bool and strings are allowed", head.type_class);
}

std::vector<std::string> read_texts(const FileData& file, const ElementType& type, std::span<const std::byte> elements,
                                    const std::string& where) {
  // Elements that were compressed or never written can be many in a small file, and each takes more memory as a std::string.
  const std::uint64_t count = elements.size() / type.size;
  if (const std::uint64_t most = std::max(file.size(), few_texts); count > most)
    format_error(where, "has {} strings; {} are allowed in a file of {} bytes", count, most, file.size());
  std::vector<std::string> texts;
  texts.reserve(static_cast<std::size_t>(count));
  Budget budget = file.budget();
  Reader reader(elements, where);
  while (reader.left() >= type.size) {
    if (type.kind == ElementType::Kind::fixed_string) {
      texts.emplace_back(unpadded(text_of(reader.take(type.size)), type.padding));
      continue;
    }
    const std::uint32_t length = reader.le32();
    const std::uint64_t heap = reader.le64();
    const std::uint32_t index = reader.le32();
    if (length == 0) {
      texts.emplace_back();
      continue;
    }
    const auto bytes = find_in_heap(file, heap, index, where);
    if (length > bytes.size())
      format_error(where, "a string of {} bytes lies in object {} of the global heap at offset {}, which has {}", length, index, heap,
                   bytes.size());
    budget.take(length, where, "list of strings");
    texts.emplace_back(unpadded(text_of(bytes.first(length)), ElementType::Padding::null_terminated));
  }
  return texts;
}

}  // namespace linn::detail::io::hdf5
