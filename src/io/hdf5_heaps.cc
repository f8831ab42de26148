// B-trees of version 2, and fractal heaps: where objects with many links or attributes keep them, and one index of chunks.
#include <algorithm>
#include <bit>
#include <utility>

#include "io/checksum.h"
#include "io/hdf5_parts.h"

namespace linn::detail::io::hdf5 {
namespace {

constexpr std::size_t deepest_heap_tree = 32;
constexpr std::uint64_t node_overhead = 10;  // signature, version, type, checksum
constexpr std::uint8_t record_of_huge = 1;

std::uint64_t saturated(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  std::uint64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result) || __builtin_add_overflow(result, c, &result)) return undefined;
  return result;
}

class TreeReader {
 public:
  TreeReader(const FileData& file, Budget& budget, const std::string& where, const std::function<void(Reader&)>& each)
      : file_(file), where_(where), each_(each), budget_(budget) {}

  void read(std::uint64_t address, std::uint8_t type, std::uint64_t record_size) {
    Reader head = file_.at(address, where_);
    expect_signature(head, "BTHD", "B-tree header");
    expect_version(head, 0, 0, "the B-tree header");
    type_ = head.u8();
    if (type_ != type) format_error(where_, "offset {}: a B-tree of type {}; {} was expected", address, type_, type);
    node_size_ = head.le32();
    record_size_ = head.le16();
    const std::uint16_t depth = head.le16();
    head.skip(2);  // when nodes are split and joined
    const std::uint64_t root = head.le64();
    const std::uint16_t root_records = head.le16();
    head.skip(8);  // all records
    expect_checksum(head, address, file_, "the B-tree header");
    if (record_size_ != record_size)
      format_error(where_, "offset {}: records of {} bytes in the B-tree; {} were expected", address, record_size_, record_size);
    if (depth > deepest_heap_tree)
      format_error(where_, "offset {}: a B-tree of {} levels; at most {} are allowed", address, depth, deepest_heap_tree);
    if (root == undefined) return;
    measure(depth, address);
    read_node(root, depth, root_records);
  }

 private:
  /// Sizes of the pointers at each level: they hold the most records that a node, or all nodes below, can have.
  void measure(std::size_t depth, std::uint64_t address) {
    if (node_size_ < node_overhead + record_size_)
      format_error(where_, "offset {}: B-tree nodes of {} bytes cannot hold records of {}", address, node_size_, record_size_);
    std::uint64_t most = (node_size_ - node_overhead) / record_size_;
    std::uint64_t most_below = most;
    count_size_ = bytes_for(most);
    total_sizes_.push_back(0);
    for (std::size_t level = 1; level <= depth; ++level) {
      const std::uint64_t pointer = 8 + count_size_ + total_sizes_.back();
      most = node_size_ < node_overhead + pointer ? 0 : (node_size_ - node_overhead - pointer) / (record_size_ + pointer);
      most_below = saturated(most + 1, most_below, most);
      total_sizes_.push_back(bytes_for(most_below));
    }
  }

  void read_node(std::uint64_t address, std::size_t level, std::uint64_t records) {
    budget_.take(std::max<std::uint64_t>(node_size_, 1), where_, "B-tree");
    Reader reader = file_.at(address, where_);
    expect_signature(reader, level > 0 ? "BTIN" : "BTLF", "B-tree node");
    expect_version(reader, 0, 0, "a B-tree node");
    if (const std::uint8_t type = reader.u8(); type != type_)
      format_error(where_, "offset {}: a B-tree node of type {}; {} was expected", address, type, type_);
    const std::uint64_t record_bytes = records * record_size_;
    const std::size_t pointer = level > 0 ? 8 + count_size_ + total_sizes_[level - 1] : 0;
    const std::uint64_t bytes = record_bytes + (level > 0 ? (records + 1) * pointer : 0);
    if (bytes + node_overhead > node_size_)
      format_error(where_, "offset {}: {} records in a B-tree node of {} bytes, which cannot hold them", address, records, node_size_);
    Reader records_reader(reader.take(record_bytes), where_, address + 6);
    const std::uint64_t pointers_at = reader.offset();
    Reader pointers(reader.take(bytes - record_bytes), where_, pointers_at);
    expect_checksum(reader, address, file_, "a B-tree node");
    for (std::uint64_t i = 0; i <= records; ++i) {
      if (level > 0) {
        const std::uint64_t child = pointers.le64();
        const std::uint64_t child_records = number_of(pointers, count_size_);
        pointers.skip(total_sizes_[level - 1]);
        read_node(child, level - 1, child_records);
      }
      if (i == records) break;
      Reader record(records_reader.take(record_size_), where_, address + 6 + i * record_size_);
      each_(record);
    }
  }

  const FileData& file_;
  const std::string& where_;
  const std::function<void(Reader&)>& each_;
  Budget& budget_;
  std::uint8_t type_ = 0;
  std::uint64_t node_size_ = 0;
  std::uint64_t record_size_ = 0;
  std::size_t count_size_ = 0;
  std::vector<std::size_t> total_sizes_;
};

}  // namespace

void each_record(const FileData& file, Budget& budget, std::uint64_t address, std::uint8_t type, std::uint64_t record_size,
                 const std::string& where, const std::function<void(Reader& record)>& each) {
  TreeReader(file, budget, where, each).read(address, type, record_size);
}

// ---- fractal heaps -----------------------------------------------------------------------------------------------
// Objects lie in a space of their own, cut into rows of `width_` blocks: two rows of blocks of `first_block_` bytes, then each row's
// blocks twice as large as those of the row above. Up to `largest_direct_` they are direct blocks, which hold objects; larger ones
// are indirect blocks, which hold addresses of the blocks that fill their part of the space.

FractalHeap::FractalHeap(const FileData& file, Budget& budget, std::uint64_t address, std::string where)
    : file_(file), where_(std::move(where)), budget_(budget), address_(address) {
  Reader head = file_.at(address, where_);
  expect_signature(head, "FRHP", "fractal heap");
  expect_version(head, 0, 0, "the fractal heap");
  id_size_ = head.le16();
  if (head.le16() != 0) format_error(where_, "offset {}: its fractal heap is filtered; an unfiltered one is allowed", address);
  checksums_ = (head.u8() & 2) != 0;
  const std::uint64_t largest_object = head.le32();
  head.skip(8);  // next identifier of a huge object
  huge_tree_ = head.le64();
  head.skip(8 * 10);  // free space, and counts of objects and bytes
  width_ = head.le16();
  first_block_ = head.le64();
  largest_direct_ = head.le64();
  offset_bits_ = head.le16();
  head.skip(2);  // rows at the start
  root_ = head.le64();
  root_rows_ = head.le16();
  expect_checksum(head, address, file_, "the fractal heap");
  if (width_ == 0 || !std::has_single_bit(width_) || !std::has_single_bit(first_block_) || !std::has_single_bit(largest_direct_) ||
      first_block_ > largest_direct_ || largest_direct_ > (std::uint64_t{1} << 32) || offset_bits_ > 62 || root_rows_ > 64)
    format_error(where_, "offset {}: the fractal heap has rows of {} blocks of {} to {} bytes in a space of {} bits, which cannot be",
                 address, width_, first_block_, largest_direct_, offset_bits_);
  offset_size_ = (static_cast<std::size_t>(offset_bits_) + 7) / 8;
  length_size_ = std::min(bytes_for(largest_direct_), bytes_for(largest_object));
}

std::uint64_t FractalHeap::block_size(std::uint64_t row) const { return row < 2 ? first_block_ : first_block_ << (row - 1); }

std::uint64_t FractalHeap::row_offset(std::uint64_t row) const { return row == 0 ? 0 : width_ * block_size(row + 1) / 2; }

std::uint64_t FractalHeap::row_of(std::uint64_t offset) const {
  const std::uint64_t blocks = offset / (width_ * first_block_);
  return static_cast<std::uint64_t>(std::bit_width(blocks));
}

FractalHeap::Found FractalHeap::find(std::span<const std::byte> id) {
  Reader reader(id, where_);
  const std::uint8_t first = reader.u8();
  if ((first & 0xc0) != 0) format_error(where_, "an identifier in the fractal heap at offset {} has an unknown version", address_);
  switch ((first >> 4) & 3) {
    case 0: {
      const std::uint64_t offset = number_of(reader, offset_size_);
      if ((offset >> offset_bits_) != 0)
        format_error(where_, "an object lies at offset {} of the fractal heap at offset {}, which has {} bits", offset, address_,
                     offset_bits_);
      return find_managed(offset, number_of(reader, length_size_));
    }
    case 1: return find_huge(number_of(reader, std::min<std::size_t>(reader.left(), 8)));
    default:
      format_error(where_, "an identifier in the fractal heap at offset {} has the type {}; 0 and 1 are allowed", address_,
                   (first >> 4) & 3);
  }
}

FractalHeap::Found FractalHeap::find_managed(std::uint64_t offset, std::uint64_t size) {
  std::uint64_t block = root_;
  std::uint64_t rows = root_rows_;
  std::uint64_t begin = 0;  // of the block in the heap's space
  std::uint64_t bytes = first_block_;
  // Each round goes down to a smaller block. A root without rows is a direct block.
  while (rows > 0) {
    const std::uint64_t row = row_of(offset - begin);
    if (row >= rows) format_error(where_, "an object lies at offset {} of the fractal heap at offset {}, outside it", offset, address_);
    const std::uint64_t column = (offset - begin - row_offset(row)) / block_size(row);
    const std::uint64_t above = block;
    block = child_of(above, rows, begin, row * width_ + column);
    begin += row_offset(row) + column * block_size(row);
    bytes = block_size(row);
    // An indirect block has as many rows as fill its part of the space.
    rows = bytes <= largest_direct_ ? 0 : row_of(bytes - 1) + 1;
    if (bytes > largest_direct_ && row_offset(rows) != bytes)
      format_error(where_, "the blocks of the fractal heap at offset {} do not fill its space", address_);
  }
  check_direct(block, bytes, begin);
  const std::uint64_t at = offset - begin;
  if (at >= bytes || size > bytes - at)
    format_error(where_, "an object of {} bytes lies at offset {} of a block of the fractal heap, which has {}", size, at, bytes);
  return {block + at, file_.take(block + at, size, where_)};
}

bool FractalHeap::note_block(std::uint64_t address, std::string_view signature, std::uint64_t block_offset) {
  const auto [known, is_new] = blocks_.try_emplace(address, Block{signature, block_offset});
  if (!is_new && (known->second.signature != signature || known->second.offset != block_offset))
    format_error(where_, "offset {}: a block of the fractal heap has two places", address);
  return is_new;
}

std::uint64_t FractalHeap::child_of(std::uint64_t address, std::uint64_t rows, std::uint64_t block_offset, std::uint64_t entry) {
  if (note_block(address, "FHIB", block_offset)) check_indirect(address, rows * width_, block_offset);
  Reader reader = file_.at(address, where_);
  reader.skip(5 + 8 + offset_size_ + entry * 8);
  const std::uint64_t child = reader.le64();
  if (child == undefined) format_error(where_, "an object lies in a block of the fractal heap at offset {} that is not there", address_);
  return child;
}

void FractalHeap::check_indirect(std::uint64_t address, std::uint64_t entries, std::uint64_t block_offset) {
  budget_.take(entries * 8, where_, "fractal heap");
  Reader reader = file_.at(address, where_);
  expect_signature(reader, "FHIB", "indirect block");
  expect_version(reader, 0, 0, "an indirect block");
  if (reader.le64() != address_ || number_of(reader, offset_size_) != block_offset)
    format_error(where_, "offset {}: an indirect block of another place or another fractal heap", address);
  reader.skip(entries * 8);
  expect_checksum(reader, address, file_, "an indirect block");
}

void FractalHeap::check_direct(std::uint64_t address, std::uint64_t size, std::uint64_t block_offset) {
  if (!note_block(address, "FHDB", block_offset)) return;
  budget_.take(size, where_, "fractal heap");
  Reader reader = file_.at(address, where_);
  expect_signature(reader, "FHDB", "direct block");
  expect_version(reader, 0, 0, "a direct block");
  if (reader.le64() != address_ || number_of(reader, offset_size_) != block_offset)
    format_error(where_, "offset {}: a direct block of another place or another fractal heap", address);
  if (!checksums_) return;
  const std::size_t at = reader.offset() - static_cast<std::size_t>(address);
  const std::uint32_t stored = reader.le32();
  // The checksum is taken with zeros in its own place.
  const auto block = file_.take(address, size, where_);
  std::vector<std::byte> copy(block.begin(), block.end());
  std::fill_n(copy.begin() + static_cast<std::ptrdiff_t>(at), 4, std::byte{});
  if (const std::uint32_t computed = lookup3(copy); computed != stored)
    format_error(where_, "offset {}: a direct block is damaged: its checksum is {:08x}, {:08x} was stored", address, computed, stored);
}

FractalHeap::Found FractalHeap::find_huge(std::uint64_t key) {
  if (huge_tree_ == undefined) format_error(where_, "the fractal heap at offset {} has no huge objects, but refers to one", address_);
  if (!huge_) {
    huge_.emplace();
    each_record(file_, budget_, huge_tree_, record_of_huge, 24, where_, [&](Reader& record) {
      const std::uint64_t address = record.le64();
      const std::uint64_t size = record.le64();
      huge_->try_emplace(record.le64(), Found{address, file_.take(address, size, where_)});
    });
  }
  const auto found = huge_->find(key);
  if (found == huge_->end()) format_error(where_, "the fractal heap at offset {} has no huge object {}", address_, key);
  return found->second;
}

}  // namespace linn::detail::io::hdf5
