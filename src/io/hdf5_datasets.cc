// Datasets: their headers, and their elements where these are not in chunks.
#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "core/checked.h"
#include "io/hdf5_parts.h"

namespace linn::detail::io::hdf5 {
namespace {

/// Where the elements lie.
struct Layout {
  bool chunked = false;
  bool compact = false;
  bool written = false;  // not chunked: `elements` are in the file
  std::span<const std::byte> elements;
  ChunkLayout chunks;
};

const Message& required(const Object& object, MessageType type, std::string_view name) {
  const Message* found = object.find(type, name);
  if (found == nullptr) format_error(object.where(), "a dataset without its {} message", name);
  return *found;
}

std::uint64_t product(const std::vector<std::uint64_t>& sizes, std::uint64_t factor, const std::string& where) {
  auto result = std::optional<std::int64_t>(static_cast<std::int64_t>(factor));
  for (const std::uint64_t size : sizes) {
    if (result && size <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      result = core::checked_mul(*result, static_cast<std::int64_t>(size));
    else
      result = std::nullopt;
  }
  if (!result) format_error(where, "its chunks have 2^63 bytes or more (overflow)");
  return static_cast<std::uint64_t>(*result);
}

class LayoutReader {
 public:
  LayoutReader(const Object& object, const DatasetHeader& header)
      : object_(object), header_(header), where_(object.where()), reader_([&] {
          const Message& message = required(object, MessageType::layout, "data layout");
          return Reader(message.data, where_, message.offset);
        }()) {}

  Layout read() {
    const std::uint8_t version = expect_version(reader_, 1, 5, "the data layout");
    if (version < 3) return read_old();
    const std::uint8_t kind = reader_.u8();
    switch (kind) {
      case 0: return compact(reader_.le16());
      case 1: {
        const std::uint64_t address = reader_.le64();
        return contiguous(address, reader_.le64());
      }
      case 2: return version == 3 ? chunked3() : chunked4(version);
      case 3: format_error(where_, "is a virtual dataset, whose elements lie in other datasets; its own elements are allowed");
      default: format_error(where_, "its data layout has the unknown class {}", kind);
    }
  }

 private:
  Layout compact(std::uint64_t size) {
    Layout layout;
    layout.compact = true;
    layout.written = true;
    layout.elements = reader_.take(size);
    check_size(size);
    return layout;
  }

  Layout contiguous(std::uint64_t address, std::uint64_t size) {
    Layout layout;
    check_size(size);
    if (address == undefined) return layout;
    layout.written = true;
    layout.elements = object_.file->take(address, size, where_);
    return layout;
  }

  void check_size(std::uint64_t size) const {
    if (size != header_.bytes)
      format_error(where_, "its data have {} bytes; the shape {} needs {}", size, header_.shape.to_string(), header_.bytes);
  }

  /// Versions 1 and 2 say the sizes for every class, and no number of bytes.
  Layout read_old() {
    const std::uint8_t rank = reader_.u8();
    const std::uint8_t kind = reader_.u8();
    reader_.skip(5);
    if (kind > 2) format_error(where_, "its data layout has the unknown class {}", kind);
    const std::uint64_t address = kind == 0 ? undefined : reader_.le64();
    if (kind == 2) return chunks_of(rank, 4, ChunkLayout::Index::tree1, address);
    reader_.skip(4 * std::uint64_t{rank});
    return kind == 0 ? compact(reader_.le32()) : contiguous(address, header_.bytes);
  }

  Layout chunked3() {
    const std::uint8_t rank = reader_.u8();
    const std::uint64_t address = reader_.le64();
    return chunks_of(rank, 4, ChunkLayout::Index::tree1, address);
  }

  /// Versions 4 and 5.
  Layout chunked4(std::uint8_t version) {
    const std::uint8_t flags = reader_.u8();
    if ((flags & ~2) != 0)
      format_error(where_, "its chunks have the flags {:#04x}: chunks at the edges that are not filtered are not supported", flags);
    const std::uint8_t rank = reader_.u8();
    const std::uint8_t width = reader_.u8();
    if (width < 1 || width > 8) format_error(where_, "sizes of its chunks have {} bytes; 1 to 8 are allowed", width);
    Layout layout = chunks_of(rank, width, ChunkLayout::Index::single, undefined);
    ChunkLayout& chunks = layout.chunks;
    chunks.wide_sizes = version == 5;
    const std::uint8_t index = reader_.u8();
    switch (index) {
      case 1:
        if ((flags & 2) != 0) {
          chunks.single_size = reader_.le64();
          chunks.single_mask = reader_.le32();
        }
        break;
      case 2: chunks.index = ChunkLayout::Index::implicit; break;
      case 3:
        chunks.index = ChunkLayout::Index::fixed_array;
        reader_.skip(1);
        break;
      case 4:
        chunks.index = ChunkLayout::Index::extensible_array;
        reader_.skip(5);
        break;
      case 5:
        chunks.index = ChunkLayout::Index::tree2;
        reader_.skip(6);
        break;
      default: format_error(where_, "its chunks have an index of the unknown type {}; 1 to 5 are known", index);
    }
    chunks.address = reader_.le64();
    return layout;
  }

  /// Sizes of a chunk, the last of which is that of an element.
  Layout chunks_of(std::uint8_t rank, std::size_t width, ChunkLayout::Index index, std::uint64_t address) {
    const std::size_t axes = header_.shape.rank();
    if (axes == 0 || rank != axes + 1)
      format_error(where_, "its chunks have {} sizes; the shape {} needs {}", rank, header_.shape.to_string(), axes + 1);
    Layout layout;
    layout.chunked = true;
    layout.chunks.index = index;
    layout.chunks.address = address;
    for (std::size_t i = 0; i < axes; ++i) {
      layout.chunks.sizes.push_back(number_of(reader_, width));
      if (layout.chunks.sizes.back() == 0) format_error(where_, "its chunks have the size 0 on axis {}", i);
    }
    if (const std::uint64_t element = number_of(reader_, width); element != header_.type.size)
      format_error(where_, "its chunks have elements of {} bytes; the type has {}", element, header_.type.size);
    layout.chunks.bytes = product(layout.chunks.sizes, header_.type.size, where_);
    return layout;
  }

  const Object& object_;
  const DatasetHeader& header_;
  std::string where_;
  Reader reader_;
};

std::vector<Filter> read_filters(const Object& object, const DatasetHeader& header) {
  const Message* message = object.find(MessageType::filters, "filter");
  std::vector<Filter> filters;
  if (message == nullptr) return filters;
  const std::string where = object.where();
  Reader reader(message->data, where, message->offset);
  const std::uint8_t version = expect_version(reader, 1, 2, "the filter message");
  const std::uint8_t count = reader.u8();
  if (version == 1) reader.skip(6);
  for (std::uint8_t i = 0; i < count; ++i) {
    const std::uint16_t id = reader.le16();
    const std::uint16_t name_size = version == 1 || id >= 256 ? reader.le16() : std::uint16_t{0};
    reader.skip(2);  // flags
    const std::uint16_t values = reader.le16();
    const std::string name(text_of(reader.take(name_size)));
    if (id < 1 || id > 3)
      format_error(where, "is compressed by the filter {} {}; deflate (1), shuffle (2) and fletcher32 (3) are allowed", id,
                   quote(name.substr(0, name.find('\0'))));
    const auto filter = static_cast<Filter>(id);
    if (std::find(filters.begin(), filters.end(), filter) != filters.end()) format_error(where, "is filtered twice by the filter {}", id);
    filters.push_back(filter);
    if (version == 1) reader.skip((8 - name_size % 8) % 8);
    Reader client(reader.take(4 * std::uint64_t{values}), where, message->offset + reader.offset());
    if (version == 1 && values % 2 != 0) reader.skip(4);
    if (filter == Filter::shuffle && (values != 1 || client.le32() != header.type.size))
      format_error(where, "its filter shuffle works on elements of another size than {} bytes", header.type.size);
  }
  return filters;
}

/// One element of the fill value; empty for zeros.
std::span<const std::byte> read_fill(const Object& object, const DatasetHeader& header) {
  const std::string where = object.where();
  std::span<const std::byte> value;
  if (const Message* message = object.find(MessageType::fill, "fill value")) {
    Reader reader(message->data, where, message->offset);
    const std::uint8_t version = expect_version(reader, 1, 3, "the fill value");
    bool defined = true;
    if (version == 3) {
      defined = (reader.u8() & 0x20) != 0;
    } else {
      reader.skip(2);  // when memory is taken and filled
      const bool flag = reader.u8() != 0;
      defined = version == 1 || flag;
    }
    if (defined) value = reader.take(reader.le32());
  } else if (const Message* old = object.find(MessageType::old_fill, "old fill value")) {
    Reader reader(old->data, where, old->offset);
    value = reader.take(reader.le32());
  }
  if (!value.empty() && value.size() != header.type.size)
    format_error(where, "its fill value has {} bytes; its elements have {}", value.size(), header.type.size);
  const bool zero = std::all_of(value.begin(), value.end(), [](std::byte b) { return b == std::byte{}; });
  return zero ? std::span<const std::byte>() : value;
}

std::vector<std::byte> zeros(std::uint64_t bytes, const std::string& where) {
  try {
    return std::vector<std::byte>(static_cast<std::size_t>(bytes));
  } catch (const std::bad_alloc&) {
    throw MemoryError(fmt::format("{}: has {} bytes, for which there is not enough memory", where, bytes));
  }
}

/// The elements as the file has them: in the file where they lie in one piece, else in `storage`.
std::span<const std::byte> read_elements_of(const Object& object, const DatasetHeader& header, Layout layout, std::vector<Filter> filters,
                                            std::vector<std::byte>& storage) {
  const std::string where = object.where();
  if (layout.written) return layout.elements;
  if (layout.chunked) {
    const Chunks chunks = find_chunks(object, header, std::move(layout.chunks), std::move(filters));
    storage = zeros(header.bytes, where);
    read_chunks(object, header, chunks, read_fill(object, header), storage);
    return storage;
  }
  if (const std::uint64_t limit = object.file->limits().unwritten_bytes; header.bytes > limit)
    format_error(where, "declares the shape {} of {} bytes, but none of its data are in the file; {} bytes are allowed then",
                 header.shape.to_string(), header.bytes, limit);
  storage = zeros(header.bytes, where);
  if (const auto fill = read_fill(object, header); !fill.empty())
    for (std::size_t i = 0; i < storage.size(); i += fill.size()) std::memcpy(storage.data() + i, fill.data(), fill.size());
  return storage;
}

struct Stored {
  Layout layout;
  std::vector<Filter> filters;
};

Stored read_stored(const Object& object, const DatasetHeader& header) {
  Stored stored{LayoutReader(object, header).read(), read_filters(object, header)};
  if (!stored.layout.chunked && !stored.filters.empty()) format_error(object.where(), "is filtered, but has no chunks");
  // Those of the compact class are in the header, which is counted.
  if (stored.layout.written && !stored.layout.compact)
    object.file->count_part(Part::elements, object.address, stored.layout.elements.size(), object.where());
  return stored;
}

/// A 2-byte opaque type is bfloat16 if the attribute `dtype` says so.
std::optional<FileType> number_of_type(const Object& object, const ElementType& type) {
  if (type.kind == ElementType::Kind::number) return type.number;
  if (type.kind != ElementType::Kind::opaque) return std::nullopt;
  if (type.size == 2)
    for (const AttributeBody& body : list_attributes(object))
      if (body.name == "dtype" && read_attribute(object, body).text() == "bfloat16") return FileType::bf16;
  format_error(object.where(), "its elements are opaque, of {} bytes; 2 bytes with the attribute dtype=\"bfloat16\" are allowed",
               type.size);
}

}  // namespace

DatasetHeader read_dataset_header(const Object& object) {
  const std::string where = object.where();
  if (object.find(MessageType::external_files, "external file") != nullptr)
    format_error(where, "its data lie in other files; data inside this file are allowed");
  DatasetHeader header;
  const Message& space = required(object, MessageType::dataspace, "dataspace");
  header.space = read_space(Reader(space.data, where, space.offset));
  const Message& type = required(object, MessageType::datatype, "datatype");
  Reader reader(type.data, where, type.offset);
  header.type = read_type(reader);
  header.shape = checked_shape(where, header.space.sizes, header.type.size);
  header.bytes = static_cast<std::uint64_t>(header.shape.elements()) * header.type.size;
  header.number = number_of_type(object, header.type);
  return header;
}

Tensor read_dataset(const Object& object, const DatasetHeader& header) {
  const std::string where = object.where();
  Stored stored = read_stored(object, header);
  const bool as_it_is = file_type_of(loaded_as(*header.number)) == *header.number && header.type.order == std::endian::native;
  if (stored.layout.chunked && as_it_is) {
    const Chunks chunks = find_chunks(object, header, std::move(stored.layout.chunks), std::move(stored.filters));
    Tensor tensor(header.shape, loaded_as(*header.number));
    read_chunks(object, header, chunks, read_fill(object, header), {static_cast<std::byte*>(tensor.raw()), tensor.bytes()});
    return tensor;
  }
  std::vector<std::byte> storage;
  MemorySource source(read_elements_of(object, header, std::move(stored.layout), std::move(stored.filters), storage), where);
  return read_elements(source, *header.number, header.shape, header.type.order);
}

std::vector<std::string> read_dataset_texts(const Object& object, const DatasetHeader& header) {
  Stored stored = read_stored(object, header);
  std::vector<std::byte> storage;
  const auto elements = read_elements_of(object, header, std::move(stored.layout), std::move(stored.filters), storage);
  return read_texts(*object.file, header.type, elements, object.where());
}

}  // namespace linn::detail::io::hdf5
