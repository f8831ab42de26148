// Object headers, versions 1 and 2, with their continuation blocks.
#include <algorithm>
#include <utility>

#include "io/hdf5_parts.h"

namespace linn::detail::io::hdf5 {
namespace {

constexpr std::size_t most_messages = 65'536;
constexpr std::uint8_t flag_shared = 0x02;

/// A stretch of messages in the file.
struct Block {
  std::uint64_t address;
  std::uint64_t size;
};

class HeaderReader {
 public:
  HeaderReader(Object& object, std::string where)
      : object_(object), file_(*object.file), where_(std::move(where)), budget_(file_.budget()) {}

  void read() {
    Reader reader = file_.at(object_.address, where_);
    if (reader.left() >= 4 && text_of(file_.take(object_.address, 4, where_)) == "OHDR")
      read_version2(reader);
    else
      read_version1(reader);
    file_.count_part(Part::header, object_.address, budget_.taken(), where_);
  }

 private:
  void read_version1(Reader& reader) {
    expect_version(reader, 1, 1, "the object header");
    reader.skip(1);
    const std::uint16_t count = reader.le16();
    reader.skip(4);  // reference count
    const std::uint64_t size = reader.le32();
    reader.skip(4);
    blocks_.push_back({reader.offset(), size});
    std::size_t found = 0;
    // Blocks are appended while they are read.
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      Reader block = block_reader(blocks_[i]);
      while (block.left() >= 8) {
        const std::uint16_t type = block.le16();
        const std::uint16_t bytes = block.le16();
        const std::uint8_t flags = block.u8();
        block.skip(3);
        add(type, flags, block, bytes, 0, blocks_[i].address);
        ++found;
      }
    }
    if (found != count) format_error(where_, "its header says {} messages; {} are there", count, found);
  }

  void read_version2(Reader& reader) {
    reader.skip(4);
    expect_version(reader, 2, 2, "the object header");
    const std::uint8_t flags = reader.u8();
    if ((flags & 0xc0) != 0) format_error(where_, "its header has the flags {:#04x}; 0x00 to 0x3f are known", flags);
    object_.ordered = (flags & 0x04) != 0;
    if ((flags & 0x20) != 0) reader.skip(16);  // times
    if ((flags & 0x10) != 0) reader.skip(4);   // when attributes become dense
    const std::uint64_t size = number_of(reader, std::size_t{1} << (flags & 0x03));
    blocks_.push_back({reader.offset(), size});
    reader.skip(size);
    expect_checksum(reader, object_.address, file_, "the object header");
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      if (i > 0) open_continuation(blocks_[i]);
      Reader block = block_reader(blocks_[i]);
      const std::size_t head = object_.ordered ? 6 : 4;
      while (block.left() >= head) {
        const std::uint8_t type = block.u8();
        const std::uint16_t bytes = block.le16();
        const std::uint8_t message_flags = block.u8();
        const std::uint16_t order = object_.ordered ? block.le16() : std::uint16_t{0};
        add(type, message_flags, block, bytes, order, blocks_[i].address);
      }
    }
  }

  /// Checks signature and checksum of a continuation block of version 2 and leaves what is between them.
  void open_continuation(Block& block) {
    if (block.size < 8)
      format_error(where_, "offset {}: a continuation block of {} bytes; at least 8 are needed", block.address, block.size);
    Reader reader = file_.at(block.address, where_);
    expect_signature(reader, "OCHK", "continuation block");
    reader.skip(block.size - 8);
    expect_checksum(reader, block.address, file_, "a continuation block");
    block = {block.address + 4, block.size - 8};
  }

  Reader block_reader(const Block& block) {
    budget_.take(std::max<std::uint64_t>(block.size, 1), where_, "header");
    return {file_.take(block.address, block.size, where_), where_, block.address};
  }

  void add(std::uint16_t type, std::uint8_t flags, Reader& block, std::uint16_t bytes, std::uint16_t order, std::uint64_t begin) {
    const std::uint64_t offset = begin + block.offset();
    const auto data = block.take(bytes);
    if (type == static_cast<std::uint16_t>(MessageType::nothing)) return;
    if (type > static_cast<std::uint16_t>(MessageType::last))
      format_error(where_, "offset {}: a header message of the unknown type {}", offset, type);
    if ((flags & flag_shared) != 0)
      format_error(where_, "offset {}: the header message of type {} is shared with another object; each object must have its own", offset,
                   type);
    if (object_.messages.size() == most_messages) format_error(where_, "more than {} header messages", most_messages);
    const Message message{static_cast<MessageType>(type), offset, data, order};
    if (message.type == MessageType::continuation) {
      Reader reader(data, where_, offset);
      const std::uint64_t address = reader.le64();
      blocks_.push_back({address, reader.le64()});
      return;
    }
    object_.messages.push_back(message);
  }

  Object& object_;
  const FileData& file_;
  std::string where_;
  Budget budget_;
  std::vector<Block> blocks_;
};

bool has(const Object& object, MessageType type) {
  return std::any_of(object.messages.begin(), object.messages.end(), [&](const Message& message) { return message.type == type; });
}

ObjectKind kind_of(const Object& object) {
  const bool group = has(object, MessageType::symbol_table) || has(object, MessageType::link_info) || has(object, MessageType::link);
  const bool dataset = has(object, MessageType::layout);
  if (group && dataset) format_error(object.where(), "is both a group and a dataset");
  return group ? ObjectKind::group : dataset ? ObjectKind::dataset : ObjectKind::other;
}

}  // namespace

std::string Object::where() const { return file->where() + ": " + quote(path); }

const Message* Object::find(MessageType type, std::string_view name) const {
  const Message* found = nullptr;
  for (const Message& message : messages) {
    if (message.type != type) continue;
    if (found != nullptr) format_error(where(), "offset {}: a second {} message; one is allowed", message.offset, name);
    found = &message;
  }
  return found;
}

Object read_object(std::shared_ptr<const FileData> file, std::uint64_t address, std::string path) {
  Object object;
  object.file = std::move(file);
  object.address = address;
  object.path = std::move(path);
  HeaderReader(object, object.where()).read();
  object.kind = kind_of(object);
  return object;
}

}  // namespace linn::detail::io::hdf5
