// The structures inside an HDF5 file, as the reader takes them apart. Users include io/hdf5.h.
// Each function names the object in its messages by `where`, and offsets are those of the file.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "io/bytes.h"
#include "io/elements.h"
#include "io/hdf5.h"

namespace linn::detail::io::hdf5 {

/// The address of what is not there.
inline constexpr std::uint64_t undefined = ~std::uint64_t{0};

/// The numbers of a header's messages.
enum class MessageType : std::uint16_t {
  nothing = 0x00,
  dataspace = 0x01,
  link_info = 0x02,
  datatype = 0x03,
  old_fill = 0x04,
  fill = 0x05,
  link = 0x06,
  external_files = 0x07,
  layout = 0x08,
  filters = 0x0b,
  attribute = 0x0c,
  shared_messages = 0x0f,
  continuation = 0x10,
  symbol_table = 0x11,
  driver = 0x14,
  attribute_info = 0x15,
  last = 0x18,
};

struct Message {
  MessageType type;
  std::uint64_t offset;  // of `data` in the file
  std::span<const std::byte> data;
  std::uint16_t order;  // of creation, where the header keeps it
};

/// A link of a group.
struct Link {
  enum class Kind { hard, soft, external, user };

  std::string name;
  Kind kind;
  std::uint64_t address;  // of the object's header, for a hard link
  std::uint64_t order;    // of creation, where the group keeps it
};

struct Links {
  std::vector<Link> list;  // as Hdf5Group::names has them
  std::unordered_map<std::string_view, std::size_t> places;
};

/// Bounds the work on one structure that refers to its parts by address: together the parts cannot have more bytes than the file,
/// unless some are read twice. So a cycle ends, and overlapping parts cannot multiply the work.
class Budget {
 public:
  explicit Budget(std::uint64_t bytes) : bytes_(bytes), left_(bytes) {}
  void take(std::uint64_t bytes, const std::string& where, std::string_view what) {
    if (bytes > left_) format_error(where, "its {} refers to itself: its parts have more bytes than the file, which has {}", what, bytes_);
    left_ -= bytes;
  }
  std::uint64_t taken() const { return bytes_ - left_; }

 private:
  std::uint64_t bytes_;
  std::uint64_t left_;
};

/// Objects of a global heap by their index.
using GlobalHeap = std::unordered_map<std::uint16_t, std::span<const std::byte>>;

/// What the bytes of a file are counted as: the first four belong to the object at an address, the last to an address of its own.
enum class Part { header, links, attributes, elements, global_heap };

/// The bytes of a file, and what is remembered of it while it is read.
class FileData {
 public:
  FileData(std::span<const std::byte> bytes, std::string where, const Hdf5Limits& limits);

  const std::string& where() const { return where_; }
  const Hdf5Limits& limits() const { return limits_; }
  std::uint64_t size() const { return bytes_.size(); }
  /// Addresses of the root group's header and of the superblock extension's, which may be `undefined`.
  std::uint64_t root() const { return root_; }
  std::uint64_t extension() const { return extension_; }
  Budget budget() const { return Budget(size()); }

  /// A reader of the whole file that stands at `address`.
  Reader at(std::uint64_t address, const std::string& where) const;
  /// `size` bytes at `address`.
  std::span<const std::byte> take(std::uint64_t address, std::uint64_t size, const std::string& where) const;

  /// Notes that the object at `address` was opened by `path`. Refuses a second path to the same object.
  void note_path(std::uint64_t address, const std::string& path) const;
  /// The links of a group: read by `make` the first time, remembered afterwards.
  std::shared_ptr<const Links> links(std::uint64_t address, const std::function<Links()>& make) const;
  /// Counts links against the limit on all of them.
  void count_links(std::uint64_t count, const std::string& where) const;
  /// The objects of a global heap: taken apart by `make` the first time, remembered afterwards.
  std::shared_ptr<const GlobalHeap> global_heap(std::uint64_t address, const std::function<GlobalHeap()>& make) const;
  /// Counts the bytes of a part of the file, once for each part, however often it is read. All parts together cannot have more bytes
  /// than the file, unless they overlap: a small file could then stand for thousands of large groups or datasets.
  void count_part(Part part, std::uint64_t address, std::uint64_t bytes, const std::string& where) const;

 private:
  std::span<const std::byte> bytes_;
  std::string where_;
  Hdf5Limits limits_;
  std::uint64_t root_ = undefined;
  std::uint64_t extension_ = undefined;

  mutable std::mutex mutex_;
  mutable std::unordered_map<std::uint64_t, std::string> paths_;
  mutable std::unordered_map<std::uint64_t, std::shared_ptr<const Links>> links_;
  mutable std::uint64_t link_count_ = 0;
  mutable std::unordered_map<std::uint64_t, std::shared_ptr<const GlobalHeap>> global_heaps_;
  mutable std::set<std::pair<Part, std::uint64_t>> counted_;
  mutable std::uint64_t counted_bytes_ = 0;
};

/// Throws FormatError unless the four bytes at the reader are `signature`.
void expect_signature(Reader& reader, std::string_view signature, std::string_view what);
/// Throws FormatError unless the next byte is one of the versions [first, last]; returns it.
std::uint8_t expect_version(Reader& reader, std::uint8_t first, std::uint8_t last, std::string_view what);
/// Reads the checksum that follows the bytes from `begin` on and compares it.
void expect_checksum(Reader& reader, std::uint64_t begin, const FileData& file, std::string_view what);
/// An unsigned little-endian number of 1 to 8 bytes.
std::uint64_t number_of(Reader& reader, std::size_t bytes);
/// Bytes that hold every number up to `largest`.
std::size_t bytes_for(std::uint64_t largest);

// ---- objects (hdf5_objects.cc) -----------------------------------------------------------------------------------

enum class ObjectKind { group, dataset, other };

struct DatasetHeader;

/// An object's header: its messages, continuation blocks included.
struct Object {
  std::shared_ptr<const FileData> file;
  std::string path;
  std::uint64_t address = undefined;
  bool ordered = false;  // messages keep the order of their creation
  std::vector<Message> messages;
  ObjectKind kind = ObjectKind::other;
  std::shared_ptr<const DatasetHeader> dataset;  // only for datasets, once opened as one

  std::string where() const;
  /// nullptr when there is none; FormatError when there are several.
  const Message* find(MessageType type, std::string_view name) const;
};

Object read_object(std::shared_ptr<const FileData> file, std::uint64_t address, std::string path);

// ---- types and strings (hdf5_types.cc) ---------------------------------------------------------------------------

/// A dataspace: current and largest sizes. Largest ones may be `undefined`, which means any.
struct Space {
  std::vector<std::int64_t> sizes;
  std::vector<std::uint64_t> largest;
};
Space read_space(Reader reader);

struct ElementType {
  enum class Kind { number, opaque, fixed_string, vlen_string };
  enum class Padding { null_terminated, null_padded, space_padded };

  Kind kind = Kind::number;
  std::uint32_t size = 0;  // bytes of one element in the file
  FileType number = FileType::u8;
  std::endian order = std::endian::little;
  Padding padding = Padding::null_terminated;
};
ElementType read_type(Reader& reader);

/// The strings whose elements are `elements`: fixed ones are there, variable-length ones in global heaps.
std::vector<std::string> read_texts(const FileData& file, const ElementType& type, std::span<const std::byte> elements,
                                    const std::string& where);

// ---- attributes (hdf5_attributes.cc) -----------------------------------------------------------------------------

/// An attribute whose name was read and nothing else.
struct AttributeBody {
  std::string name;
  std::uint64_t offset;
  std::span<const std::byte> data;
  std::uint64_t order;
};
std::vector<AttributeBody> list_attributes(const Object& object);
Hdf5Attribute read_attribute(const Object& object, const AttributeBody& body);

// ---- links (hdf5_links.cc) ---------------------------------------------------------------------------------------

Links read_links(const Object& object);

// ---- B-trees of version 2 and fractal heaps (hdf5_heaps.cc) ------------------------------------------------------

/// Calls `each` with every record. `type` is what the records are; `record_size` must be the tree's.
void each_record(const FileData& file, Budget& budget, std::uint64_t address, std::uint8_t type, std::uint64_t record_size,
                 const std::string& where, const std::function<void(Reader& record)>& each);

/// Holds the links or attributes of an object that has many.
class FractalHeap {
 public:
  /// `budget` is what the heap's blocks are taken from; it must outlive the heap.
  FractalHeap(const FileData& file, Budget& budget, std::uint64_t address, std::string where);

  std::size_t id_size() const { return id_size_; }
  struct Found {
    std::uint64_t offset;
    std::span<const std::byte> data;
  };
  /// The bytes of the object that an identifier stands for.
  Found find(std::span<const std::byte> id);

 private:
  Found find_managed(std::uint64_t offset, std::uint64_t size);
  Found find_huge(std::uint64_t key);
  std::uint64_t row_of(std::uint64_t offset) const;
  std::uint64_t block_size(std::uint64_t row) const;
  std::uint64_t row_offset(std::uint64_t row) const;
  std::uint64_t child_of(std::uint64_t address, std::uint64_t rows, std::uint64_t block_offset, std::uint64_t entry);
  void check_direct(std::uint64_t address, std::uint64_t size, std::uint64_t block_offset);
  void check_indirect(std::uint64_t address, std::uint64_t entries, std::uint64_t block_offset);
  /// Notes a block that is used. Returns whether it is new; refuses it where it was used as another block.
  bool note_block(std::uint64_t address, std::string_view signature, std::uint64_t block_offset);

  const FileData& file_;
  std::string where_;
  Budget& budget_;
  std::uint64_t address_;
  std::size_t id_size_ = 0;
  bool checksums_ = false;
  std::uint64_t huge_tree_ = undefined;
  std::optional<std::unordered_map<std::uint64_t, Found>> huge_;  // read when the first one is asked for
  std::uint64_t width_ = 0;
  std::uint64_t first_block_ = 0;
  std::uint64_t largest_direct_ = 0;
  std::uint64_t offset_bits_ = 0;
  std::size_t offset_size_ = 0;
  std::size_t length_size_ = 0;
  std::uint64_t root_ = undefined;
  std::uint64_t root_rows_ = 0;
  struct Block {
    std::string_view signature;
    std::uint64_t offset;  // in the heap's space
  };
  std::unordered_map<std::uint64_t, Block> blocks_;  // whose checksum was compared
};

// ---- datasets (hdf5_datasets.cc, hdf5_chunks.cc) -----------------------------------------------------------------

struct DatasetHeader {
  Space space;
  Shape shape;
  ElementType type;
  std::optional<FileType> number;  // none: strings
  std::uint64_t bytes = 0;         // of all elements in the file
};
DatasetHeader read_dataset_header(const Object& object);
Tensor read_dataset(const Object& object, const DatasetHeader& header);
std::vector<std::string> read_dataset_texts(const Object& object, const DatasetHeader& header);

/// How a chunked dataset is stored.
struct ChunkLayout {
  enum class Index { tree1, single, implicit, fixed_array, extensible_array, tree2 };

  Index index = Index::tree1;
  std::uint64_t address = undefined;
  std::vector<std::uint64_t> sizes;  // of a chunk
  std::uint64_t bytes = 0;           // of a chunk, unfiltered
  bool wide_sizes = false;           // Index::tree2 keeps sizes of filtered chunks in 8 bytes, as HDF5 2.0 does
  // The only chunk of Index::single, where it is filtered.
  std::uint64_t single_size = 0;
  std::uint32_t single_mask = 0;
};

enum class Filter : std::uint16_t { deflate = 1, shuffle = 2, fletcher32 = 3 };

/// Fills `to`, all elements in row-major order, from the chunks. `fill` is one element, for chunks that are not there;
/// empty stands for zeros, which `to` holds already.
/// The two steps are apart because memory is allocated between them, once the chunks are known to be there.
struct Chunk {
  std::uint64_t place;  // among all chunks of the dataset, in row-major order
  std::uint64_t address;
  std::uint64_t size;  // bytes in the file
  std::uint32_t mask;  // bit i: filter i was not applied
};
struct Chunks {
  ChunkLayout layout;
  std::vector<Filter> filters;
  std::vector<Chunk> list;
};
Chunks find_chunks(const Object& object, const DatasetHeader& header, ChunkLayout layout, std::vector<Filter> filters);
void read_chunks(const Object& object, const DatasetHeader& header, const Chunks& chunks, std::span<const std::byte> fill,
                 std::span<std::byte> to);

}  // namespace linn::detail::io::hdf5
