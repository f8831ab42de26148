// Attributes: messages of the header, or objects of a fractal heap where there are many.
#include <algorithm>
#include <utility>

#include "io/hdf5_parts.h"

namespace linn::detail::io::hdf5 {
namespace {

constexpr std::uint8_t record_of_attribute = 8;

/// The parts of an attribute, in a message of version 1 to 3.
struct Parts {
  std::string_view name;
  Reader type;
  Reader space;
  Reader data;
};

Parts split(std::span<const std::byte> bytes, std::uint64_t offset, const std::string& where) {
  Reader reader(bytes, where, offset);
  const std::uint8_t version = expect_version(reader, 1, 3, "an attribute");
  const std::uint8_t flags = reader.u8();
  if (version > 1 && flags != 0)
    format_error(where, "offset {}: an attribute shares its type or shape with another object; each must have its own", offset);
  const std::uint16_t name_size = reader.le16();
  const std::uint16_t type_size = reader.le16();
  const std::uint16_t space_size = reader.le16();
  if (version == 3) reader.skip(1);  // character set of the name
  const auto part = [&](std::uint16_t size) {
    const std::uint64_t at = offset + reader.offset();
    const auto taken = reader.take(size);
    if (version == 1) reader.skip((8 - size % 8) % 8);
    return Reader(taken, where, at);
  };
  Reader name_reader = part(name_size);
  const std::string_view name = text_of(name_reader.take(name_size));
  Reader type = part(type_size);
  Reader space = part(space_size);
  const std::uint64_t data_at = offset + reader.offset();
  Reader data(reader.take(reader.left()), where, data_at);
  if (name.empty() || name.find('\0') != name.size() - 1)
    format_error(where, "offset {}: an attribute's name {} does not end with its first NUL byte", offset, quote(name));
  return {name.substr(0, name.size() - 1), std::move(type), std::move(space), std::move(data)};
}

std::string where_of(const Object& object, std::string_view name) { return object.where() + ": attribute " + quote(name); }

void add(std::vector<AttributeBody>& list, const Object& object, std::uint64_t offset, std::span<const std::byte> data,
         std::uint64_t order) {
  const std::uint64_t limit = object.file->limits().attributes;
  if (list.size() >= limit) format_error(object.where(), "more than {} attributes; so many are allowed", limit);
  list.push_back({std::string(split(data, offset, object.where()).name), offset, data, order});
}

/// Attributes in the heap that an attribute info message names.
void add_dense(std::vector<AttributeBody>& list, const Object& object, const Message& message, bool& ordered) {
  const std::string where = object.where();
  Reader reader(message.data, where, message.offset);
  expect_version(reader, 0, 0, "the attribute info message");
  const std::uint8_t flags = reader.u8();
  if ((flags & 1) != 0) {
    ordered = true;
    reader.skip(2);  // the largest order
  }
  const std::uint64_t heap_address = reader.le64();
  const std::uint64_t tree = reader.le64();
  if (heap_address == undefined) return;
  Budget budget = object.file->budget();
  FractalHeap heap(*object.file, budget, heap_address, where);
  each_record(*object.file, budget, tree, record_of_attribute, heap.id_size() + 9, where, [&](Reader& record) {
    const auto found = heap.find(record.take(heap.id_size()));
    if (record.u8() != 0) format_error(where, "an attribute is shared with another object; each object must have its own");
    add(list, object, found.offset, found.data, record.le32());
  });
  object.file->count_part(Part::attributes, object.address, budget.taken(), where);
}

}  // namespace

std::vector<AttributeBody> list_attributes(const Object& object) {
  std::vector<AttributeBody> list;
  bool ordered = object.ordered;
  for (const Message& message : object.messages)
    if (message.type == MessageType::attribute) add(list, object, message.offset, message.data, message.order);
  if (const Message* info = object.find(MessageType::attribute_info, "attribute info")) add_dense(list, object, *info, ordered);
  std::sort(list.begin(), list.end(), [](const AttributeBody& a, const AttributeBody& b) { return a.name < b.name; });
  const auto same =
      std::adjacent_find(list.begin(), list.end(), [](const AttributeBody& a, const AttributeBody& b) { return a.name == b.name; });
  if (same != list.end()) format_error(where_of(object, same->name), "appears twice");
  if (ordered) std::stable_sort(list.begin(), list.end(), [](const AttributeBody& a, const AttributeBody& b) { return a.order < b.order; });
  return list;
}

Hdf5Attribute read_attribute(const Object& object, const AttributeBody& body) {
  const std::string where = where_of(object, body.name);
  Parts parts = split(body.data, body.offset, where);
  const ElementType type = read_type(parts.type);
  const Space space = read_space(parts.space);
  const Shape shape = checked_shape(where, space.sizes, type.size);
  const auto elements = parts.data.take(static_cast<std::uint64_t>(shape.elements()) * type.size);
  if (type.kind == ElementType::Kind::opaque)
    format_error(where, "its elements are opaque; integers, floats, bool and strings are allowed");
  if (type.kind == ElementType::Kind::number) {
    MemorySource source(elements, where);
    return {body.name, where, read_elements(source, type.number, shape, type.order)};
  }
  std::vector<std::string> texts = read_texts(*object.file, type, elements, where);
  if (shape.empty()) return {body.name, where, std::move(texts.front())};
  return {body.name, where, std::move(texts)};
}

}  // namespace linn::detail::io::hdf5
