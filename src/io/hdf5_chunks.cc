// Datasets in chunks: the indexes that say where each chunk lies, the filters, and the chunks put in their places.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include "core/checked.h"
#include "io/checksum.h"
#include "io/hdf5_parts.h"
#include "io/inflate.h"

namespace linn::detail::io::hdf5 {
namespace {

constexpr std::uint8_t record_of_chunk = 10;
constexpr std::uint8_t record_of_filtered_chunk = 11;
constexpr int deepest_chunk_tree = 32;

using Place = std::array<std::uint64_t, Shape::max_rank>;

/// How many chunks there are on each axis.
std::vector<std::uint64_t> grid_of(const std::vector<std::uint64_t>& sizes, const std::vector<std::uint64_t>& chunk) {
  std::vector<std::uint64_t> grid;
  for (std::size_t i = 0; i < sizes.size(); ++i) grid.push_back(sizes[i] / chunk[i] + (sizes[i] % chunk[i] != 0 ? 1 : 0));
  return grid;
}

class ChunkFinder {
 public:
  ChunkFinder(const Object& object, const DatasetHeader& header, Chunks& chunks)
      : object_(object),
        file_(*object.file),
        header_(header),
        where_(object.where()),
        chunks_(chunks),
        layout_(chunks.layout),
        budget_(file_.budget()) {
    const std::vector<std::uint64_t> sizes(header.space.sizes.begin(), header.space.sizes.end());
    grid_ = grid_of(sizes, layout_.sizes);
    most_ = grid_of(header.space.largest, layout_.sizes);
    rank_ = grid_.size();
    for (const std::uint64_t count : grid_) total_ *= count;  // not above the number of elements
  }

  void find() {
    if (layout_.address != undefined) read_index();
    check_places();
    check_bomb();
    file_.count_part(Part::elements, object_.address, stored_ + budget_.taken(), where_);
  }

 private:
  using Index = ChunkLayout::Index;

  bool filtered() const { return !chunks_.filters.empty(); }

  void read_index() {
    switch (layout_.index) {
      case Index::tree1: read_tree1(layout_.address, -1); break;
      case Index::single: read_single(); break;
      case Index::implicit: read_implicit(); break;
      case Index::fixed_array: read_fixed_array(); break;
      case Index::extensible_array: read_extensible_array(); break;
      case Index::tree2: read_tree2(); break;
    }
  }

  // ---- checks ----

  void add(const Place& place, std::uint64_t address, std::uint64_t size, std::uint32_t mask) {
    std::uint64_t linear = 0;
    for (std::size_t i = 0; i < rank_; ++i) {
      if (place[i] >= grid_[i]) format_error(where_, "has a chunk at place {} of axis {}, which has {}", place[i], i, grid_[i]);
      linear = linear * grid_[i] + place[i];
    }
    if (!filtered() && size != layout_.bytes) format_error(where_, "has a chunk of {} bytes; {} are needed", size, layout_.bytes);
    file_.take(address, size, where_);
    if (__builtin_add_overflow(stored_, size, &stored_) || stored_ > file_.size())
      format_error(where_, "its chunks overlap: together they have more bytes than the file, which has {}", file_.size());
    if (chunks_.list.size() >= total_) format_error(where_, "has more than the {} chunks of its shape", total_);
    chunks_.list.push_back({linear, address, size, mask});
  }

  /// One chunk for each place at most. Sorted, so that the file and the tensor are walked in order.
  void check_places() {
    auto& list = chunks_.list;
    std::sort(list.begin(), list.end(), [](const Chunk& a, const Chunk& b) { return a.place < b.place; });
    const auto same = std::adjacent_find(list.begin(), list.end(), [](const Chunk& a, const Chunk& b) { return a.place == b.place; });
    if (same != list.end()) format_error(where_, "has two chunks in place {}", same->place);
  }

  void check_bomb() const {
    const Hdf5Limits& limits = file_.limits();
    if (header_.bytes <= limits.unwritten_bytes) return;
    if (header_.bytes / limits.bomb_ratio > stored_ ||
        (header_.bytes / limits.bomb_ratio == stored_ && header_.bytes % limits.bomb_ratio != 0))
      format_error(where_,
                   "declares the shape {} of {} bytes, but its chunks have {} bytes in the file; {} times as many are allowed, or {}",
                   header_.shape.to_string(), header_.bytes, stored_, limits.bomb_ratio, limits.unwritten_bytes);
  }

  // ---- B-tree of version 1 ----

  void read_tree1(std::uint64_t address, int level) {
    Reader reader = file_.at(address, where_);
    expect_signature(reader, "TREE", "B-tree node");
    if (const std::uint8_t type = reader.u8(); type != 1)
      format_error(where_, "offset {}: a B-tree node of type {}; 1 is that of chunks", address, type);
    const int found = reader.u8();
    if (level < 0 ? found > deepest_chunk_tree : found != level)
      format_error(where_, "offset {}: a B-tree node at level {}; {} was expected", address, found,
                   level < 0 ? "at most " + std::to_string(deepest_chunk_tree) : std::to_string(level));
    const std::uint16_t count = reader.le16();
    const std::uint64_t key = 8 + 8 * (rank_ + 1);
    budget_.take(24 + (key + 8) * count + key, where_, "B-tree");
    reader.skip(8 + 8);  // siblings
    for (std::uint16_t i = 0; i < count; ++i) {
      const std::uint32_t size = reader.le32();
      const std::uint32_t mask = reader.le32();
      Place place{};
      for (std::size_t axis = 0; axis < rank_; ++axis) {
        const std::uint64_t begin = reader.le64();
        if (found == 0 && begin % layout_.sizes[axis] != 0)
          format_error(where_, "offset {}: a chunk begins at element {} of axis {}; multiples of {} are allowed", address, begin, axis,
                       layout_.sizes[axis]);
        place[axis] = begin / layout_.sizes[axis];
      }
      reader.skip(8);
      const std::uint64_t child = reader.le64();
      if (found > 0)
        read_tree1(child, found - 1);
      else
        add(place, child, size, mask);
    }
  }

  // ---- indexes of layout version 4 ----

  void read_single() {
    if (total_ != 1) format_error(where_, "has an index of a single chunk for {} chunks", total_);
    add({}, layout_.address, filtered() ? layout_.single_size : layout_.bytes, layout_.single_mask);
  }

  void read_implicit() {
    if (filtered()) format_error(where_, "is filtered, but its chunks have no index");
    for (std::uint64_t i = 0; i < total_; ++i) {
      Place place{};
      for (std::size_t axis = rank_, rest = static_cast<std::size_t>(i); axis-- > 0;) {
        place[axis] = rest % grid_[axis];
        rest /= grid_[axis];
      }
      std::uint64_t at = 0;  // the place among all chunks that the largest shape would have
      for (std::size_t axis = 0; axis < rank_; ++axis)
        if (__builtin_mul_overflow(at, most_[axis], &at) || __builtin_add_overflow(at, place[axis], &at)) outside();
      if (__builtin_mul_overflow(at, layout_.bytes, &at) || __builtin_add_overflow(at, layout_.address, &at)) outside();
      add(place, at, layout_.bytes, 0);
    }
  }

  [[noreturn]] void outside() const { format_error(where_, "has a chunk outside its shape {}", header_.shape.to_string()); }

  /// An element of an array of chunks: address, and size and mask where chunks are filtered.
  void read_element(Reader& reader, std::uint64_t element, std::size_t element_size, std::size_t first_axis) {
    const std::uint64_t address = reader.le64();
    std::uint64_t size = layout_.bytes;
    std::uint32_t mask = 0;
    if (filtered()) {
      size = number_of(reader, element_size - 12);
      mask = reader.le32();
    }
    if (address == undefined) return;
    Place place{};
    // The axis that can grow without end runs slowest; the others keep their order.
    for (std::size_t axis = rank_; axis-- > 0;) {
      if (axis == first_axis) continue;
      place[axis] = element % most_[axis];
      element /= most_[axis];
    }
    place[first_axis] = element;
    add(place, address, size, mask);
  }

  std::size_t read_element_head(Reader& reader, std::string_view what) {
    const std::uint8_t client = reader.u8();
    if (client != (filtered() ? 1 : 0)) format_error(where_, "{} is for {} chunks", what, client == 0 ? "unfiltered" : "filtered");
    const std::size_t size = reader.u8();
    if (filtered() ? size < 13 || size > 20 : size != 8) format_error(where_, "{} has elements of {} bytes", what, size);
    return size;
  }

  /// Signature, version, client and the address of the array's header, with which all blocks of an array begin.
  void expect_block(Reader& reader, std::string_view signature, std::string_view what) {
    const std::size_t at = reader.offset();
    expect_signature(reader, signature, what);
    expect_version(reader, 0, 0, what);
    if (reader.u8() != (filtered() ? 1 : 0) || reader.le64() != layout_.address)
      format_error(where_, "offset {}: {} of another array", at, what);
  }

  /// Reads `count` elements and, behind them, their checksum. `begin` is where the checksum begins to count.
  void read_elements_at(Reader& reader, std::uint64_t begin, std::uint64_t first, std::uint64_t count, std::size_t element_size,
                        std::size_t first_axis, std::string_view what) {
    Reader elements = reader;
    reader.skip(bytes_of_elements(count, element_size));
    expect_checksum(reader, begin, file_, what);
    for (std::uint64_t i = 0; i < count; ++i) read_element(elements, first + i, element_size, first_axis);
  }

  std::uint64_t bytes_of_elements(std::uint64_t count, std::size_t element_size) {
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(count, element_size, &bytes)) bytes = undefined;
    budget_.take(bytes, where_, "index of chunks");
    return bytes;
  }

  static bool bit_of(std::span<const std::byte> bits, std::uint64_t at) {
    return (bits[static_cast<std::size_t>(at / 8)] & std::byte(0x80u >> (at % 8))) != std::byte{};
  }

  void read_fixed_array() {
    Reader head = file_.at(layout_.address, where_);
    expect_signature(head, "FAHD", "fixed array");
    expect_version(head, 0, 0, "the fixed array");
    const std::size_t element_size = read_element_head(head, "the fixed array");
    const std::uint8_t page_bits = head.u8();
    const std::uint64_t count = head.le64();
    const std::uint64_t block = head.le64();
    expect_checksum(head, layout_.address, file_, "the fixed array");
    if (page_bits > 62) format_error(where_, "pages of the fixed array have 2^{} elements", page_bits);
    if (block == undefined) return;
    Reader reader = file_.at(block, where_);
    expect_block(reader, "FADB", "data block of the fixed array");
    const std::uint64_t page = std::uint64_t{1} << page_bits;
    if (count <= page) {
      read_elements_at(reader, block, 0, count, element_size, 0, "a data block of the fixed array");
      return;
    }
    const std::uint64_t pages = count / page + (count % page != 0 ? 1 : 0);
    const auto used = reader.take(pages / 8 + (pages % 8 != 0 ? 1 : 0));
    expect_checksum(reader, block, file_, "a data block of the fixed array");
    const std::uint64_t last = count - (pages - 1) * page;
    for (std::uint64_t i = 0; i < pages; ++i) {
      const std::uint64_t elements = i + 1 < pages ? page : last;
      if (bit_of(used, i))
        read_elements_at(reader, reader.offset(), i * page, elements, element_size, 0, "a page of the fixed array");
      else
        reader.skip(bytes_of_elements(elements, element_size) + 4);
    }
  }

  // Elements of an extensible array lie in its index block, then in data blocks of growing size. The first data blocks are named
  // by the index block, the later ones by secondary blocks. Blocks of the same size make a level.
  struct Array {
    std::size_t element_size = 0;
    std::size_t first_axis = 0;
    std::uint64_t smallest = 0;   // elements of the smallest data blocks
    std::uint64_t page = 0;       // elements of a page; larger data blocks have pages
    std::size_t offset_size = 0;  // bytes of a place in the array
  };

  std::size_t unlimited_axis() const {
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < rank_; ++i) {
      if (header_.space.largest[i] != undefined) continue;
      if (found) format_error(where_, "has two axes without limit; its index allows one");
      found = i;
    }
    if (!found) format_error(where_, "has no axis without limit; its index needs one");
    return *found;
  }

  void read_extensible_array() {
    Reader head = file_.at(layout_.address, where_);
    expect_signature(head, "EAHD", "extensible array");
    expect_version(head, 0, 0, "the extensible array");
    Array array;
    array.first_axis = unlimited_axis();
    array.element_size = read_element_head(head, "the extensible array");
    const std::uint8_t bits = head.u8();
    const std::uint8_t in_index = head.u8();
    array.smallest = head.u8();
    const std::uint64_t pointers = head.u8();
    const std::uint8_t page_bits = head.u8();
    head.skip(8 * 6);  // counts
    const std::uint64_t index = head.le64();
    expect_checksum(head, layout_.address, file_, "the extensible array");
    if (bits > 64 || page_bits > 62 || !std::has_single_bit(array.smallest) || !std::has_single_bit(pointers) ||
        std::countr_zero(array.smallest) > bits || 2 * std::countr_zero(pointers) > levels_of(bits, array.smallest))
      format_error(where_, "offset {}: the extensible array has {} bits, blocks of {} elements and {} pointers, which cannot be",
                   layout_.address, bits, array.smallest, pointers);
    array.page = std::uint64_t{1} << page_bits;
    array.offset_size = (std::size_t{bits} + 7) / 8;
    if (index == undefined) return;
    read_index_block(array, index, bits, in_index, pointers);
  }

  static int levels_of(int bits, std::uint64_t smallest) { return 1 + bits - std::countr_zero(smallest); }

  void read_index_block(const Array& array, std::uint64_t address, int bits, std::uint64_t in_index, std::uint64_t pointers) {
    Reader reader = file_.at(address, where_);
    expect_block(reader, "EAIB", "index block of the extensible array");
    Reader elements = reader;
    reader.skip(bytes_of_elements(in_index, array.element_size));
    const int levels = levels_of(bits, array.smallest);
    const int direct_levels = 2 * std::countr_zero(pointers);
    Reader blocks = reader;
    reader.skip(8 * (2 * (pointers - 1) + static_cast<std::uint64_t>(levels - direct_levels)));
    expect_checksum(reader, address, file_, "the index block of the extensible array");
    for (std::uint64_t i = 0; i < in_index; ++i) read_element(elements, i, array.element_size, array.first_axis);
    std::uint64_t first = in_index;
    for (int level = 0; level < levels; ++level) {
      const std::uint64_t count = std::uint64_t{1} << (level / 2);
      const std::uint64_t size = array.smallest << ((level + 1) / 2);
      if (level < direct_levels) {
        for (std::uint64_t i = 0; i < count; ++i) read_data_block(array, blocks.le64(), first + i * size, size, {}, 0);
      } else {
        read_secondary_block(array, blocks.le64(), first, count, size);
      }
      first += count * size;
    }
  }

  void read_secondary_block(const Array& array, std::uint64_t address, std::uint64_t first, std::uint64_t count, std::uint64_t size) {
    if (address == undefined) return;
    Reader reader = file_.at(address, where_);
    expect_block(reader, "EASB", "secondary block of the extensible array");
    reader.skip(array.offset_size);  // its place in the array
    std::span<const std::byte> used;
    const std::uint64_t pages = size > array.page ? size / array.page : 0;
    if (pages > 0) used = reader.take(bytes_of_elements(count, static_cast<std::size_t>((pages + 7) / 8)));
    Reader blocks = reader;
    reader.skip(bytes_of_elements(count, 8));
    expect_checksum(reader, address, file_, "a secondary block of the extensible array");
    for (std::uint64_t i = 0; i < count; ++i) read_data_block(array, blocks.le64(), first + i * size, size, used, i * pages);
  }

  /// `used` has a bit for each page, those of this block from `first_bit` on; it is empty where the block has no pages.
  void read_data_block(const Array& array, std::uint64_t address, std::uint64_t first, std::uint64_t size, std::span<const std::byte> used,
                       std::uint64_t first_bit) {
    if (address == undefined) return;
    Reader reader = file_.at(address, where_);
    expect_block(reader, "EADB", "data block of the extensible array");
    reader.skip(array.offset_size);
    constexpr std::string_view what = "a data block of the extensible array";
    if (size <= array.page) {
      read_elements_at(reader, address, first, size, array.element_size, array.first_axis, what);
      return;
    }
    if (used.empty()) format_error(where_, "offset {}: a data block with pages that no secondary block names", address);
    expect_checksum(reader, address, file_, what);
    for (std::uint64_t i = 0; i < size / array.page; ++i) {
      if (bit_of(used, first_bit + i))
        read_elements_at(reader, reader.offset(), first + i * array.page, array.page, array.element_size, array.first_axis, what);
      else
        reader.skip(bytes_of_elements(array.page, array.element_size) + 4);
    }
  }

  void read_tree2() {
    const std::uint8_t type = filtered() ? record_of_filtered_chunk : record_of_chunk;
    const std::size_t narrow = 1 + (static_cast<std::size_t>(std::bit_width(layout_.bytes)) + 7) / 8;
    const std::size_t size_bytes = layout_.wide_sizes ? 8 : std::min<std::size_t>(8, narrow);
    const std::uint64_t record_size = 8 + 8 * rank_ + (filtered() ? size_bytes + 4 : 0);
    each_record(file_, budget_, layout_.address, type, record_size, where_, [&](Reader& record) {
      const std::uint64_t address = record.le64();
      const std::uint64_t size = filtered() ? number_of(record, size_bytes) : layout_.bytes;
      const std::uint32_t mask = filtered() ? record.le32() : 0;
      Place place{};
      for (std::size_t axis = 0; axis < rank_; ++axis) place[axis] = record.le64();
      add(place, address, size, mask);
    });
  }

  const Object& object_;
  const FileData& file_;
  const DatasetHeader& header_;
  std::string where_;
  Chunks& chunks_;
  const ChunkLayout& layout_;
  Budget budget_;
  std::size_t rank_ = 0;
  std::vector<std::uint64_t> grid_;  // chunks on each axis
  std::vector<std::uint64_t> most_;  // chunks on each axis of the largest shape
  std::uint64_t total_ = 1;
  std::uint64_t stored_ = 0;
};

/// Undoes the filters of one chunk after the other, in memory that it keeps.
class Unfilter {
 public:
  Unfilter(const Chunks& chunks, std::size_t element, const Hdf5Limits& limits, const std::string& where)
      : chunks_(chunks), element_(element), limits_(limits), where_(where) {}

  std::span<const std::byte> run(const Chunk& chunk, std::span<const std::byte> data) {
    const auto applied = [&](std::size_t i) { return (chunk.mask >> i & 1) == 0; };
    for (std::size_t i = chunks_.filters.size(); i-- > 0;) {
      if (!applied(i)) continue;
      switch (chunks_.filters[i]) {
        case Filter::fletcher32: data = check_fletcher(data); break;
        case Filter::shuffle: data = unshuffle(data); break;
        case Filter::deflate: {
          std::uint64_t size = chunks_.layout.bytes;
          for (std::size_t before = 0; before < i; ++before)
            if (chunks_.filters[before] == Filter::fletcher32 && applied(before)) size += 4;
          data = inflate(data, size);
        }
      }
    }
    if (data.size() != chunks_.layout.bytes)
      format_error(where_, "the chunk in place {} has {} bytes; {} are needed", chunk.place, data.size(), chunks_.layout.bytes);
    return data;
  }

 private:
  std::span<const std::byte> check_fletcher(std::span<const std::byte> data) const {
    if (data.size() < 4) format_error(where_, "a chunk of {} bytes has no room for its checksum", data.size());
    const auto content = data.first(data.size() - 4);
    Reader reader(data.last(4), where_);
    if (const std::uint32_t computed = fletcher32(content), stored = reader.le32(); computed != stored)
      format_error(where_, "a chunk is damaged: its Fletcher checksum is {:08x}, {:08x} was stored", computed, stored);
    return content;
  }

  std::span<const std::byte> unshuffle(std::span<const std::byte> data) {
    if (element_ <= 1) return data;
    const std::size_t count = data.size() / element_;
    shuffled_.resize(data.size());
    for (std::size_t byte = 0; byte < element_; ++byte)
      for (std::size_t i = 0; i < count; ++i) shuffled_[i * element_ + byte] = data[byte * count + i];
    std::copy(data.begin() + static_cast<std::ptrdiff_t>(count * element_), data.end(),
              shuffled_.begin() + static_cast<std::ptrdiff_t>(count * element_));
    return shuffled_;
  }

  std::span<const std::byte> inflate(std::span<const std::byte> data, std::uint64_t size) {
    if (size > limits_.unwritten_bytes && size / deflate_ratio > data.size())
      format_error(where_, "says that a chunk of {} bytes inflates to {}; deflate cannot do that", data.size(), size);
    try {
      inflated_.resize(static_cast<std::size_t>(size));
    } catch (const std::bad_alloc&) {
      throw MemoryError(fmt::format("{}: a chunk inflates to {} bytes, for which there is not enough memory", where_, size));
    }
    Inflater inflater(data, Inflater::Container::zlib, where_);
    const std::size_t got = inflater.read(inflated_);
    std::byte extra{};
    if (got < size || (!inflater.ended() && inflater.read({&extra, 1}) != 0))
      format_error(where_, "a chunk inflates to {} bytes; {} are needed", got < size ? std::to_string(got) : "more", size);
    return inflated_;
  }

  const Chunks& chunks_;
  std::size_t element_;
  const Hdf5Limits& limits_;
  const std::string& where_;
  std::vector<std::byte> inflated_;
  std::vector<std::byte> shuffled_;
};

/// Copies chunks into the whole, row by row, without what reaches over the edge.
class Scatter {
 public:
  Scatter(const DatasetHeader& header, const ChunkLayout& layout, std::span<std::byte> to)
      : chunk_(layout.sizes), size_(header.space.sizes.begin(), header.space.sizes.end()), element_(header.type.size), to_(to) {
    grid_ = grid_of(size_, chunk_);
  }

  void put(std::uint64_t place, std::span<const std::byte> from) {
    const std::size_t rank = size_.size();
    Place begin{};
    Place count{};
    for (std::size_t axis = rank; axis-- > 0;) {
      begin[axis] = place % grid_[axis] * chunk_[axis];
      count[axis] = std::min(chunk_[axis], size_[axis] - begin[axis]);
      place /= grid_[axis];
    }
    Place index{};
    const std::size_t row_bytes = static_cast<std::size_t>(count[rank - 1]) * element_;
    for (bool more = true; more;) {
      std::uint64_t source = 0;
      std::uint64_t target = 0;
      for (std::size_t axis = 0; axis < rank; ++axis) {
        source = source * chunk_[axis] + index[axis];
        target = target * size_[axis] + begin[axis] + index[axis];
      }
      std::memcpy(to_.data() + target * element_, from.data() + source * element_, row_bytes);
      more = false;
      for (std::size_t axis = rank - 1; axis-- > 0;) {
        if (++index[axis] < count[axis]) {
          more = true;
          break;
        }
        index[axis] = 0;
      }
    }
  }

 private:
  std::vector<std::uint64_t> chunk_;
  std::vector<std::uint64_t> size_;
  std::vector<std::uint64_t> grid_;
  std::size_t element_;
  std::span<std::byte> to_;
};

}  // namespace

Chunks find_chunks(const Object& object, const DatasetHeader& header, ChunkLayout layout, std::vector<Filter> filters) {
  Chunks chunks{std::move(layout), std::move(filters), {}};
  if (header.bytes > 0) ChunkFinder(object, header, chunks).find();
  return chunks;
}

void read_chunks(const Object& object, const DatasetHeader& header, const Chunks& chunks, std::span<const std::byte> fill,
                 std::span<std::byte> to) {
  if (!fill.empty())
    for (std::size_t i = 0; i < to.size(); i += fill.size()) std::memcpy(to.data() + i, fill.data(), fill.size());
  const std::string where = object.where();
  Unfilter unfilter(chunks, header.type.size, object.file->limits(), where);
  Scatter scatter(header, chunks.layout, to);
  for (const Chunk& chunk : chunks.list) scatter.put(chunk.place, unfilter.run(chunk, object.file->take(chunk.address, chunk.size, where)));
}

}  // namespace linn::detail::io::hdf5
