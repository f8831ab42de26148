// The links of a group: a symbol table (a B-tree of version 1 over a local heap), link messages, or a fractal heap of them.
#include <algorithm>
#include <cstring>
#include <utility>

#include "io/hdf5_parts.h"

namespace linn::detail::io::hdf5 {
namespace {

constexpr std::uint8_t record_of_link = 5;
constexpr int deepest_link_tree = 32;

class LinkReader {
 public:
  explicit LinkReader(const Object& object)
      : object_(object), file_(*object.file), where_(object.where()), budget_(file_.budget()), names_budget_(file_.budget()) {}

  Links read() {
    bool ordered = false;
    if (const Message* table = object_.find(MessageType::symbol_table, "symbol table")) read_table(*table);
    for (const Message& message : object_.messages)
      if (message.type == MessageType::link) read_link(message.data, message.offset);
    if (const Message* info = object_.find(MessageType::link_info, "link info")) ordered = read_info(*info);
    file_.count_part(Part::links, object_.address, budget_.taken(), where_);
    return sorted(ordered);
  }

 private:
  // ---- groups of version 1 ----

  void read_table(const Message& message) {
    Reader reader(message.data, where_, message.offset);
    const std::uint64_t tree = reader.le64();
    const std::uint64_t heap_address = reader.le64();
    Reader heap = file_.at(heap_address, where_);
    expect_signature(heap, "HEAP", "local heap");
    expect_version(heap, 0, 0, "the local heap");
    heap.skip(3);
    const std::uint64_t size = heap.le64();
    heap.skip(8);  // the free list
    names_at_ = heap.le64();
    names_ = file_.take(names_at_, size, where_);
    read_node(tree, -1);
  }

  /// `level` is what the node above demands; -1 at the root.
  void read_node(std::uint64_t address, int level) {
    Reader reader = file_.at(address, where_);
    expect_signature(reader, "TREE", "B-tree node");
    const std::uint8_t type = reader.u8();
    if (type != 0) format_error(where_, "offset {}: a B-tree node of type {}; 0 is that of groups", address, type);
    const int found = reader.u8();
    if (level < 0 ? found > deepest_link_tree : found != level)
      format_error(where_, "offset {}: a B-tree node at level {}; {} was expected", address, found,
                   level < 0 ? "at most " + std::to_string(deepest_link_tree) : std::to_string(level));
    const std::uint16_t count = reader.le16();
    budget_.take(24 + 16 * std::uint64_t{count} + 8, where_, "B-tree");
    reader.skip(8 + 8 + 8);  // siblings and the first key
    for (std::uint16_t i = 0; i < count; ++i) {
      const std::uint64_t child = reader.le64();
      reader.skip(8);
      if (found > 0)
        read_node(child, found - 1);
      else
        read_symbols(child);
    }
  }

  void read_symbols(std::uint64_t address) {
    Reader reader = file_.at(address, where_);
    expect_signature(reader, "SNOD", "symbol table node");
    expect_version(reader, 1, 1, "a symbol table node");
    reader.skip(1);
    const std::uint16_t count = reader.le16();
    budget_.take(8 + 40 * std::uint64_t{count}, where_, "symbol table");
    file_.count_links(count, where_);
    for (std::uint16_t i = 0; i < count; ++i) {
      const std::uint64_t name = reader.le64();
      const std::uint64_t header = reader.le64();
      const std::uint32_t cache = reader.le32();
      reader.skip(4 + 16);
      if (cache > 2) format_error(where_, "offset {}: a symbol of the unknown type {}", address, cache);
      add({name_at(name), cache == 2 ? Link::Kind::soft : Link::Kind::hard, header, 0});
    }
  }

  std::string name_at(std::uint64_t offset) {
    if (offset >= names_.size())
      format_error(where_, "a name lies at offset {} of the local heap, which has {} bytes", offset, names_.size());
    const std::string_view rest = text_of(names_.subspan(static_cast<std::size_t>(offset)));
    const std::size_t end = rest.find('\0');
    if (end == std::string_view::npos) format_error(where_, "offset {}: a name in the local heap does not end", names_at_ + offset);
    names_budget_.take(end, where_, "local heap");
    return std::string(rest.substr(0, end));
  }

  // ---- groups of version 2 ----

  /// Returns whether the order of creation is kept.
  bool read_info(const Message& message) {
    Reader reader(message.data, where_, message.offset);
    expect_version(reader, 0, 0, "the link info message");
    const std::uint8_t flags = reader.u8();
    const bool ordered = (flags & 1) != 0;
    if (ordered) reader.skip(8);  // the largest order
    const std::uint64_t heap_address = reader.le64();
    const std::uint64_t tree = reader.le64();
    if (heap_address == undefined) return ordered;
    FractalHeap heap(file_, budget_, heap_address, where_);
    each_record(file_, budget_, tree, record_of_link, heap.id_size() + 4, where_, [&](Reader& record) {
      record.skip(4);  // hash of the name
      const auto found = heap.find(record.take(heap.id_size()));
      read_link(found.data, found.offset);
    });
    return ordered;
  }

  void read_link(std::span<const std::byte> data, std::uint64_t offset) {
    Reader reader(data, where_, offset);
    expect_version(reader, 1, 1, "a link");
    const std::uint8_t flags = reader.u8();
    if ((flags & 0xe0) != 0) format_error(where_, "offset {}: a link has the flags {:#04x}; 0x00 to 0x1f are known", offset, flags);
    const std::uint8_t kind = (flags & 0x08) != 0 ? reader.u8() : std::uint8_t{0};
    const std::uint64_t order = (flags & 0x04) != 0 ? reader.le64() : 0;
    if ((flags & 0x10) != 0) reader.skip(1);  // character set
    const std::uint64_t size = number_of(reader, std::size_t{1} << (flags & 0x03));
    const auto name = text_of(reader.take(size));
    file_.count_links(1, where_);
    names_budget_.take(size, where_, "list of links");
    Link link{std::string(name), Link::Kind::user, undefined, order};
    if (kind == 0) {
      link.kind = Link::Kind::hard;
      link.address = reader.le64();
    } else if (kind == 1) {
      link.kind = Link::Kind::soft;
    } else if (kind == 64) {
      link.kind = Link::Kind::external;
    }
    add(std::move(link));
  }

  // ---- both ----

  void add(Link link) {
    if (link.name.empty() || link.name == "." || link.name.find_first_of(std::string_view("/\0", 2)) != std::string::npos)
      format_error(where_, "has a link named {}; names are not empty, not \".\", and hold no '/' and no NUL", quote(link.name));
    links_.list.push_back(std::move(link));
  }

  Links sorted(bool ordered) {
    auto& list = links_.list;
    std::sort(list.begin(), list.end(), [](const Link& a, const Link& b) { return a.name < b.name; });
    const auto same = std::adjacent_find(list.begin(), list.end(), [](const Link& a, const Link& b) { return a.name == b.name; });
    if (same != list.end()) format_error(where_, "has two links named {}", quote(same->name));
    if (ordered) std::stable_sort(list.begin(), list.end(), [](const Link& a, const Link& b) { return a.order < b.order; });
    for (std::size_t i = 0; i < list.size(); ++i) links_.places.emplace(list[i].name, i);
    return std::move(links_);
  }

  const Object& object_;
  const FileData& file_;
  std::string where_;
  Budget budget_;        // of trees and heaps
  Budget names_budget_;  // names are parts of these
  std::uint64_t names_at_ = 0;
  std::span<const std::byte> names_;
  Links links_;
};

}  // namespace

Links read_links(const Object& object) { return LinkReader(object).read(); }

}  // namespace linn::detail::io::hdf5
