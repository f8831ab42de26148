// Writes HDF5 files as h5py does by default. First all structures in one piece of memory, then the elements of the datasets, which
// are not copied.
#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <utility>

#include "io/bytes.h"
#include "io/hdf5.h"

namespace linn::detail::io {
namespace {

constexpr std::uint64_t undefined = ~std::uint64_t{0};
constexpr std::size_t deepest = 64;  // what the reader allows by default
// Sizes that the superblock declares: a symbol table node has 2 * 4 entries, a tree node 2 * 16 children.
constexpr std::size_t leaf_entries = 8;
constexpr std::size_t node_children = 32;
constexpr std::size_t leaf_bytes = 8 + leaf_entries * 40;
constexpr std::size_t node_bytes = 24 + node_children * 16 + 8;
// Global heaps: libhdf5's smallest size, a size at which the next one begins, and a bound on the 16-bit index of objects.
constexpr std::size_t smallest_heap = 4096;
constexpr std::size_t full_heap = std::size_t{64} << 10;
constexpr std::size_t most_objects = 60'000;
constexpr std::size_t largest_message = 65'528;  // 16 bits, a multiple of 8

enum Message : std::uint16_t { dataspace = 0x01, datatype = 0x03, fill = 0x05, layout = 0x08, attribute = 0x0c, symbol_table = 0x11 };

/// Where a string lies: heap number until addresses are known, and the object in it.
struct TextPlace {
  std::size_t heap = 0;
  std::uint16_t object = 0;  // 0: the empty string, which lies nowhere
  std::uint32_t size = 0;
};

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> names;
  const std::string_view whole = path;
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.empty()) return names;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    const std::string_view name = path.substr(at, slash - at);
    if (name.empty() || name == "." || name.find('\0') != std::string_view::npos)
      throw ValueError("HDF5: the path " + quote(whole) + " has the name " + quote(name) +
                       "; names are not empty, not \".\", and hold no NUL");
    names.push_back(name);
    at = slash + 1;
  }
  if (names.size() > deepest)
    throw ValueError(fmt::format("HDF5: the path {} has {} names; at most {} are allowed", quote(whole), names.size(), deepest));
  return names;
}

void pad(Writer& to) {
  while (to.size() % 8 != 0) to.u8(0);
}

void integer_type(Writer& to, std::uint32_t size, bool is_signed) {
  to.u8(0x10);
  to.u8(is_signed ? 0x08 : 0x00);
  to.le16(0);
  to.le32(size);
  to.le16(0);
  to.le16(static_cast<std::uint16_t>(size * 8));
}

void float_type(Writer& to, std::uint32_t size, std::uint8_t exponent_bits, std::uint8_t fraction_bits, std::uint32_t bias) {
  to.u8(0x11);
  to.u8(0x20);  // the fraction's leading one is implied
  to.u8(static_cast<std::uint8_t>(size * 8 - 1));
  to.u8(0);
  to.le32(size);
  to.le16(0);
  to.le16(static_cast<std::uint16_t>(size * 8));
  to.u8(fraction_bits);
  to.u8(exponent_bits);
  to.u8(0);
  to.u8(fraction_bits);
  to.le32(bias);
}

/// h5py's bool: an enumeration over int8.
void bool_type(Writer& to) {
  to.le32(0x18 | 2 << 8);
  to.le32(1);
  integer_type(to, 1, true);
  to.text(std::string_view("FALSE\0\0\0", 8));
  to.text(std::string_view("TRUE\0\0\0\0", 8));
  to.u8(0);
  to.u8(1);
}

void number_type(Writer& to, FileType type) {
  switch (type) {
    case FileType::boolean: return bool_type(to);
    case FileType::u8:
    case FileType::u16:
    case FileType::u32:
    case FileType::u64: return integer_type(to, static_cast<std::uint32_t>(size_of(type)), false);
    case FileType::i8:
    case FileType::i16:
    case FileType::i32:
    case FileType::i64: return integer_type(to, static_cast<std::uint32_t>(size_of(type)), true);
    case FileType::f16: return float_type(to, 2, 5, 10, 15);
    case FileType::f32: return float_type(to, 4, 8, 23, 127);
    case FileType::f64: return float_type(to, 8, 11, 52, 1023);
    case FileType::bf16:  // opaque, without a tag
      to.le32(0x15);
      to.le32(2);
  }
}

/// Variable-length UTF-8, over bytes.
void text_type(Writer& to) {
  to.le32(0x00010119);
  to.le32(16);
  integer_type(to, 1, false);
}

/// `largest`: the sizes once more, as largest ones.
void space(Writer& to, const Shape& shape, bool largest) {
  const bool twice = largest && !shape.empty();
  to.u8(1);
  to.u8(static_cast<std::uint8_t>(shape.rank()));
  to.u8(twice ? 1 : 0);
  to.u8(0);
  to.le32(0);
  for (int i = 0; i < (twice ? 2 : 1); ++i)
    for (const std::int64_t size : shape) to.le64(static_cast<std::uint64_t>(size));
}

/// A header of version 1: messages in one block.
class Header {
 public:
  void add(Message type, const Writer& body) {
    const std::size_t size = (body.size() + 7) / 8 * 8;
    messages_.le16(type);
    messages_.le16(static_cast<std::uint16_t>(size));
    messages_.le32(0);
    messages_.bytes(body.view());
    pad(messages_);
    ++count_;
  }
  std::size_t size() const { return messages_.size(); }
  void write(Writer& to) const {
    to.le16(1);
    to.le16(count_);
    to.le32(1);  // references
    to.le32(static_cast<std::uint32_t>(messages_.size()));
    to.le32(0);
    to.bytes(messages_.view());
  }

 private:
  Writer messages_;
  std::uint16_t count_ = 0;
};

/// A global heap in the making.
struct Heap {
  std::vector<std::string_view> texts;
  std::size_t bytes = 16;

  std::size_t whole() const {
    // What is left is one free object, which needs 16 bytes.
    const std::size_t size = std::max(smallest_heap, bytes);
    return size == bytes || size - bytes >= 16 ? size : size + 16;
  }
};

}  // namespace

struct Hdf5Writer::Node {
  struct Attribute {
    Value value;
    std::vector<TextPlace> places;  // of the strings
  };

  std::map<std::string, std::unique_ptr<Node>, std::less<>> children;
  std::map<std::string, Attribute, std::less<>> attributes;
  bool is_dataset = false;
  FileType type = FileType::f32;
  Shape shape;
  std::span<const std::byte> bytes;
  Tensor tensor;  // keeps `bytes` where they are a tensor's
};

struct Hdf5Writer::Built {
  /// Where a node's structures lie.
  struct Place {
    std::uint64_t header = undefined;
    std::uint64_t tree = undefined;
    std::uint64_t heap = undefined;
  };
  /// A dataset's elements: the place of their address in the header, and their offset behind the structures.
  struct Data {
    std::size_t patch;
    std::uint64_t offset;
    std::span<const std::byte> bytes;
  };
  /// A child of a tree node: its address and the heap offset of the last name below it.
  struct Child {
    std::uint64_t address;
    std::uint64_t last;
  };

  explicit Built(Node& root) {
    collect_texts(root);
    to.bytes(std::vector<std::byte>(96));
    write_heaps();
    const Place place = write_node(root);
    pad(to);
    finish(place);
  }

  // ---- strings ----

  void collect_texts(Node& node) {
    for (auto& [name, attribute] : node.attributes) {
      attribute.places.clear();
      if (const auto* text = std::get_if<std::string>(&attribute.value)) attribute.places.push_back(place_of(*text));
      if (const auto* texts = std::get_if<std::vector<std::string>>(&attribute.value))
        for (const std::string& text : *texts) attribute.places.push_back(place_of(text));
    }
    for (auto& [name, child] : node.children) collect_texts(*child);
  }

  TextPlace place_of(std::string_view text) {
    if (text.empty()) return {};
    const std::size_t bytes = 16 + (text.size() + 7) / 8 * 8;
    if (heaps.empty() || heaps.back().bytes + bytes > full_heap || heaps.back().texts.size() == most_objects) heaps.emplace_back();
    Heap& heap = heaps.back();
    heap.texts.push_back(text);
    heap.bytes += bytes;
    return {heaps.size() - 1, static_cast<std::uint16_t>(heap.texts.size()), static_cast<std::uint32_t>(text.size())};
  }

  void write_heaps() {
    for (const Heap& heap : heaps) {
      heap_addresses.push_back(to.size());
      to.text("GCOL");
      to.le32(1);
      to.le64(heap.whole());
      std::uint16_t object = 0;
      for (const std::string_view text : heap.texts) {
        to.le32(++object);
        to.le32(0);
        to.le64(text.size());
        to.text(text);
        pad(to);
      }
      if (const std::size_t rest = heap.whole() - heap.bytes; rest > 0) {
        to.le64(0);
        to.le64(rest);
        to.bytes(std::vector<std::byte>(rest - 16));
      }
    }
  }

  // ---- headers ----

  Place write_node(const Node& node) { return node.is_dataset ? write_dataset(node) : write_group(node); }

  Place write_dataset(const Node& node) {
    Header header;
    Writer body;
    space(body, node.shape, true);
    header.add(dataspace, body);
    body = Writer();
    number_type(body, node.type);
    header.add(datatype, body);
    body = Writer();
    body.le32(0x01020202);  // version 2; memory is taken late and filled if a value is set; the value is defined, by default
    body.le32(0);
    header.add(fill, body);
    body = Writer();
    body.u8(3);
    body.u8(1);
    const std::size_t patch = 16 + header.size() + 8 + body.size();  // from the header's beginning
    body.le64(undefined);
    body.le64(node.bytes.size());
    header.add(layout, body);
    add_attributes(header, node);
    Place place;
    place.header = to.size();
    if (!node.bytes.empty()) {
      data.push_back({to.size() + patch, data_bytes, node.bytes});
      data_bytes += (node.bytes.size() + 7) / 8 * 8;
    }
    header.write(to);
    return place;
  }

  Place write_group(const Node& node) {
    std::vector<Place> places;
    for (const auto& [name, child] : node.children) places.push_back(write_node(*child));
    Place place;
    std::vector<std::uint64_t> names;
    place.heap = write_names(node, names);
    place.tree = write_tree(names, places);
    Header header;
    Writer body;
    body.le64(place.tree);
    body.le64(place.heap);
    header.add(symbol_table, body);
    add_attributes(header, node);
    place.header = to.size();
    header.write(to);
    return place;
  }

  void add_attributes(Header& header, const Node& node) {
    for (const auto& [name, attribute] : node.attributes) {
      Writer body;
      Writer type;
      Writer shape;
      Writer value;
      space(shape, shape_of(attribute.value), true);
      if (const auto* whole = std::get_if<std::int64_t>(&attribute.value)) {
        integer_type(type, 8, true);
        value.le64(static_cast<std::uint64_t>(*whole));
      } else if (const auto* real = std::get_if<double>(&attribute.value)) {
        float_type(type, 8, 11, 52, 1023);
        value.le64(std::bit_cast<std::uint64_t>(*real));
      } else {
        text_type(type);
        for (const TextPlace& place : attribute.places) {
          value.le32(place.size);
          value.le64(place.object == 0 ? 0 : heap_addresses[place.heap]);
          value.le32(place.object);
        }
      }
      body.u8(1);
      body.u8(0);
      body.le16(static_cast<std::uint16_t>(name.size() + 1));
      body.le16(static_cast<std::uint16_t>(type.size()));
      body.le16(static_cast<std::uint16_t>(shape.size()));
      body.text(name);
      body.u8(0);
      for (const Writer* part : {&type, &shape, &value}) {
        pad(body);
        body.bytes(part->view());
      }
      header.add(Message::attribute, body);
    }
  }

  static Shape shape_of(const Value& value) {
    if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) return {static_cast<std::int64_t>(texts->size())};
    return {};
  }

  // ---- the symbol table of a group ----

  /// A local heap of the children's names. The empty name lies at its offset 0.
  std::uint64_t write_names(const Node& node, std::vector<std::uint64_t>& offsets) {
    Writer names;
    names.le64(0);
    for (const auto& [name, child] : node.children) {
      offsets.push_back(names.size());
      names.text(name);
      names.u8(0);
      pad(names);
    }
    const std::uint64_t address = to.size();
    to.text("HEAP");
    to.le32(0);
    to.le64(names.size());
    to.le64(1);  // no free space
    to.le64(address + 32);
    to.bytes(names.view());
    return address;
  }

  std::uint64_t write_tree(const std::vector<std::uint64_t>& names, const std::vector<Place>& places) {
    std::vector<Child> below;
    for (std::size_t first = 0; first < names.size(); first += leaf_entries) {
      const std::size_t last = std::min(first + leaf_entries, names.size());
      below.push_back({to.size(), names[last - 1]});
      Writer leaf;
      leaf.text("SNOD");
      leaf.le16(1);
      leaf.le16(static_cast<std::uint16_t>(last - first));
      for (std::size_t i = first; i < last; ++i) write_symbol(leaf, names[i], places[i]);
      leaf.bytes(std::vector<std::byte>(leaf_bytes - leaf.size()));
      to.bytes(leaf.view());
    }
    for (std::uint8_t level = 0;; ++level) {
      below = write_level(below, level);
      if (below.size() == 1) return below.front().address;
    }
  }

  static void write_symbol(Writer& to, std::uint64_t name, const Place& place) {
    const bool group = place.tree != undefined;
    to.le64(name);
    to.le64(place.header);
    to.le64(group ? 1 : 0);  // whether tree and heap follow
    to.le64(group ? place.tree : 0);
    to.le64(group ? place.heap : 0);
  }

  /// The nodes of one level of the tree over those below; one at least.
  std::vector<Child> write_level(const std::vector<Child>& below, std::uint8_t level) {
    const std::size_t nodes = std::max<std::size_t>(1, (below.size() + node_children - 1) / node_children);
    std::vector<Child> level_nodes;
    std::uint64_t before = 0;  // the last name in front of the node
    for (std::size_t i = 0; i < nodes; ++i) {
      const std::size_t first = i * node_children;
      const std::size_t last = std::min(first + node_children, below.size());
      const std::uint64_t address = to.size();
      Writer node;
      node.text("TREE");
      node.u8(0);
      node.u8(level);
      node.le16(static_cast<std::uint16_t>(last - first));
      node.le64(i == 0 ? undefined : address - node_bytes);
      node.le64(i + 1 == nodes ? undefined : address + node_bytes);
      node.le64(before);
      for (std::size_t c = first; c < last; ++c) {
        node.le64(below[c].address);
        node.le64(below[c].last);
        before = below[c].last;
      }
      node.bytes(std::vector<std::byte>(node_bytes - node.size()));
      to.bytes(node.view());
      level_nodes.push_back({address, before});
    }
    return level_nodes;
  }

  // ---- the whole ----

  void finish(const Place& root) {
    const std::uint64_t begin = to.size();
    structures = to.take();
    const auto put = [&](std::size_t at, std::span<const std::byte> bytes) {
      std::copy(bytes.begin(), bytes.end(), structures.begin() + static_cast<std::ptrdiff_t>(at));
    };
    put(0, superblock(root, begin + data_bytes).view());
    for (const Data& piece : data) {
      Writer address;
      address.le64(begin + piece.offset);
      put(piece.patch, address.view());
    }
    parts.push_back(structures);
    static constexpr std::array<std::byte, 8> zeros{};
    for (const Data& piece : data) {
      parts.push_back(piece.bytes);
      if (const std::size_t rest = piece.bytes.size() % 8; rest != 0) parts.push_back(std::span(zeros).first(8 - rest));
    }
  }

  static Writer superblock(const Place& root, std::uint64_t end) {
    Writer block;
    block.text("\x89HDF\r\n\x1a\n");
    block.le32(0);           // versions of superblock, free space and root
    block.le32(0x00080800);  // version of shared messages, bytes of addresses and of lengths
    block.le16(leaf_entries / 2);
    block.le16(node_children / 2);
    block.le32(0);
    block.le64(0);          // base address
    block.le64(undefined);  // free space
    block.le64(end);
    block.le64(undefined);  // driver
    write_symbol(block, 0, root);
    return block;
  }

  Writer to;
  std::vector<Heap> heaps;
  std::vector<std::uint64_t> heap_addresses;
  std::vector<Data> data;
  std::uint64_t data_bytes = 0;
  std::vector<std::byte> structures;
  std::vector<std::span<const std::byte>> parts;
};

Hdf5Writer::Hdf5Writer() : root_(std::make_unique<Node>()) {}
Hdf5Writer::~Hdf5Writer() = default;
Hdf5Writer::Hdf5Writer(Hdf5Writer&&) noexcept = default;
Hdf5Writer& Hdf5Writer::operator=(Hdf5Writer&&) noexcept = default;

Hdf5Writer::Node& Hdf5Writer::make_group(std::span<const std::string_view> names, std::string_view path) {
  built_.reset();
  Node* node = root_.get();
  for (const std::string_view name : names) {
    auto& child = node->children.try_emplace(std::string(name)).first->second;
    if (child == nullptr) child = std::make_unique<Node>();
    if (child->is_dataset) throw ValueError("HDF5: " + quote(name) + " in the path " + quote(path) + " is a dataset, not a group");
    node = child.get();
  }
  return *node;
}

Hdf5Writer::Node& Hdf5Writer::make_dataset(std::string_view path) {
  const auto names = split(path);
  if (names.empty()) throw ValueError("HDF5: a dataset needs a name; " + quote(path) + " came");
  Node& group = make_group(std::span(names).first(names.size() - 1), path);
  const auto [place, is_new] = group.children.try_emplace(std::string(names.back()));
  if (!is_new) throw ValueError("HDF5: the path " + quote(path) + " is taken");
  place->second = std::make_unique<Node>();
  place->second->is_dataset = true;
  return *place->second;
}

void Hdf5Writer::group(std::string_view path) { make_group(split(path), path); }

void Hdf5Writer::dataset(std::string_view path, const Tensor& tensor) {
  dataset(path, file_type_of(tensor.dtype()), tensor.shape(), bytes_of(tensor));
  find(path)->tensor = tensor;
}

void Hdf5Writer::dataset(std::string_view path, FileType type, const Shape& shape, std::span<const std::byte> bytes) {
  const auto needed = static_cast<std::uint64_t>(shape.elements()) * size_of(type);
  if (bytes.size() != needed)
    throw ValueError(fmt::format("HDF5: {} bytes came for the dataset {} of the shape {}, which needs {}", bytes.size(), quote(path),
                                 shape.to_string(), needed));
  Node& node = make_dataset(path);
  node.type = type;
  node.shape = shape;
  node.bytes = bytes;
  if (type == FileType::bf16) attribute(path, "dtype", "bfloat16");
}

Hdf5Writer::Node* Hdf5Writer::find(std::string_view path) const {
  Node* node = root_.get();
  for (const std::string_view name : split(path)) {
    const auto child = node->children.find(name);
    if (child == node->children.end()) return nullptr;
    node = child->second.get();
  }
  return node;
}

void Hdf5Writer::attribute(std::string_view path, std::string_view name, Value value) {
  Node* node = find(path);
  if (node == nullptr) throw ValueError("HDF5: there is no group and no dataset " + quote(path) + " for the attribute " + quote(name));
  const auto fault = [&](const std::string& what) {
    throw ValueError("HDF5: the attribute " + quote(name) + " of " + quote(path) + " " + what);
  };
  if (name.empty() || name.size() > 1024 || name.find('\0') != std::string_view::npos)
    fault("has no good name: 1 to 1024 bytes without NUL are allowed");
  const auto check = [&](const std::string& text) {
    if (text.find('\0') != std::string::npos) fault("holds a NUL byte, with which HDF5 ends a string");
    if (text.size() > std::numeric_limits<std::uint32_t>::max()) fault(fmt::format("has {} bytes; 4 GiB are allowed", text.size()));
  };
  if (const auto* text = std::get_if<std::string>(&value)) check(*text);
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    // Name and description take less than 2048 bytes, each string takes 16 besides its text.
    if (constexpr std::size_t most = (largest_message - 2048) / 16; texts->size() > most)
      fault(
          fmt::format("has {} strings; at most {} are allowed, because HDF5 keeps an attribute in 64 KiB. Keras splits such lists into "
                      "{}0, {}1, ...",
                      texts->size(), most, name, name));
    for (const std::string& text : *texts) check(text);
  }
  built_.reset();
  node->attributes.insert_or_assign(std::string(name), Node::Attribute{std::move(value), {}});
  if (node->attributes.size() > 10'000) fault("is one of more than 10000 attributes of this object");
}

std::vector<std::span<const std::byte>> Hdf5Writer::parts() {
  if (built_ == nullptr) built_ = std::make_unique<Built>(*root_);
  return built_->parts;
}

void Hdf5Writer::write(const Sink& sink) {
  for (const auto part : parts()) sink(part);
}

}  // namespace linn::detail::io
