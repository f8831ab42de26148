#include "io/zip.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include "io/checksum.h"
#include "io/inflate.h"
#include "io/text.h"
#include "linn/error.h"

namespace linn::detail::io {
namespace {

constexpr std::uint32_t local_signature = 0x04034b50;
constexpr std::uint32_t directory_signature = 0x02014b50;
constexpr std::uint32_t end_signature = 0x06054b50;
constexpr std::uint32_t end64_signature = 0x06064b50;
constexpr std::uint32_t locator_signature = 0x07064b50;
constexpr std::uint32_t descriptor_signature = 0x08074b50;
constexpr std::size_t end_size = 22;
constexpr std::size_t locator_size = 20;
constexpr std::size_t end64_size = 56;
constexpr std::size_t directory_size = 46;

constexpr std::uint32_t full32 = 0xffffffff;
constexpr std::uint16_t full16 = 0xffff;
constexpr std::uint16_t zip64_tag = 0x0001;
constexpr std::uint16_t flag_descriptor = 0x0008;
constexpr std::uint16_t flag_utf8 = 0x0800;
// The two bits in which deflate notes its level, the descriptor, and UTF-8 names. All others mean encryption or patches.
constexpr std::uint16_t flags_known = 0x0006 | flag_descriptor | flag_utf8;
constexpr std::uint16_t method_stored = 0;
constexpr std::uint16_t method_deflated = 8;
constexpr std::uint16_t date_1980 = 0x0021;

std::uint32_t le32_at(std::span<const std::byte> bytes, std::size_t at) {
  std::uint32_t value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::uint16_t le16_at(std::span<const std::byte> bytes, std::size_t at) {
  std::uint16_t value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// Why a name is refused, or empty.
std::string_view fault_of_name(std::string_view name) {
  if (name.empty()) return "is empty";
  for (const char c : name) {
    if (c == '\0') return "holds a NUL byte";
    if (c == '\\') return "holds a backslash";
    if (static_cast<unsigned char>(c) < 0x20) return "holds a control character";
  }
  if (name.front() == '/') return "is an absolute path";
  if (name.size() > 1 && name[1] == ':') return "names a drive";
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t slash = std::min(name.find('/', at), name.size());
    const std::string_view part = name.substr(at, slash - at);
    if (part == "..") return "leaves its folder with \"..\"";
    if (part == ".") return "holds the folder \".\"";
    if (part.empty() && slash != name.size()) return "holds an empty folder name";
    at = slash + 1;
  }
  return "";
}

bool is_bomb(std::uint64_t size, std::uint64_t compressed, const ZipLimits& limits) {
  if (size <= limits.bomb_bytes) return false;
  const std::uint64_t base = std::max<std::uint64_t>(compressed, 1);
  return size / base > limits.bomb_ratio || (size / base == limits.bomb_ratio && size % base > 0);
}

struct End {
  std::uint64_t members = 0;
  std::uint64_t directory = 0;      // offset of the directory
  std::uint64_t directory_end = 0;  // offset behind it
};

End find_end(std::span<const std::byte> archive, const std::string& where) {
  if (archive.size() < end_size)
    format_error(where, "truncated: {} bytes; the end record of a ZIP archive alone has {}", archive.size(), end_size);
  // The record ends with a comment of up to 65,535 bytes; only one that ends with the file counts.
  const std::size_t last = archive.size() - end_size;
  const std::size_t first = last - std::min<std::size_t>(last, full16);
  std::optional<std::size_t> at;
  for (std::size_t i = last + 1; i-- > first;) {
    if (le32_at(archive, i) == end_signature && i + end_size + le16_at(archive, i + 20) == archive.size()) {
      at = i;
      break;
    }
  }
  if (!at) {
    if (le32_at(archive, 0) == local_signature)
      format_error(where, "truncated: a ZIP archive begins, but no end record ends it; {} bytes came", archive.size());
    format_error(where, "is no ZIP archive: it begins with {} and has no end record", quote(text_of(archive.first(4))));
  }

  Reader record(archive.subspan(*at), where, *at);
  record.skip(4);
  const std::uint16_t disk = record.le16();
  const std::uint16_t directory_disk = record.le16();
  const std::uint16_t members_here = record.le16();
  const std::uint16_t members = record.le16();
  const std::uint32_t size = record.le32();
  const std::uint32_t offset = record.le32();
  End end{members, offset, *at};
  std::uint64_t directory_bytes = size;

  const bool full = disk == full16 || directory_disk == full16 || members_here == full16 || members == full16 || size == full32 ||
                    offset == full32;
  const bool has_locator = *at >= locator_size && le32_at(archive, *at - locator_size) == locator_signature;
  if (has_locator) {
    const std::size_t locator_at = *at - locator_size;
    Reader locator(archive.subspan(locator_at, locator_size), where, locator_at);
    locator.skip(4);
    const std::uint32_t end64_disk = locator.le32();
    const std::uint64_t end64_at = locator.le64();
    const std::uint32_t disks = locator.le32();
    if (end64_disk != 0 || disks > 1) format_error(where, "offset {}: the archive spans several disks", locator_at);
    if (end64_at > locator_at || locator_at - end64_at < end64_size ||
        le32_at(archive, static_cast<std::size_t>(end64_at)) != end64_signature)
      format_error(where, "offset {}: no zip64 end record at offset {}", locator_at, end64_at);
    Reader record64(archive.subspan(static_cast<std::size_t>(end64_at), locator_at - static_cast<std::size_t>(end64_at)), where,
                    end64_at);
    record64.skip(4);
    const std::uint64_t record64_size = record64.le64();
    if (record64_size != record64.left())
      format_error(where, "offset {}: the zip64 end record says {} bytes, {} are there", end64_at, record64_size,
                   record64.left());
    record64.skip(4);  // versions
    const std::uint32_t disk64 = record64.le32();
    const std::uint32_t directory_disk64 = record64.le32();
    const std::uint64_t members_here64 = record64.le64();
    const std::uint64_t members64 = record64.le64();
    const std::uint64_t size64 = record64.le64();
    const std::uint64_t offset64 = record64.le64();
    if (disk64 != 0 || directory_disk64 != 0 || members_here64 != members64)
      format_error(where, "offset {}: the archive spans several disks", end64_at);
    const auto agrees = [](std::uint64_t small, std::uint64_t all_ones, std::uint64_t big) {
      return small == all_ones || small == big;
    };
    if (!agrees(members, full16, members64) || !agrees(members_here, full16, members64) || !agrees(size, full32, size64) ||
        !agrees(offset, full32, offset64) || !agrees(disk, full16, 0) || !agrees(directory_disk, full16, 0))
      format_error(where, "offset {}: the end record and the zip64 end record disagree", *at);
    end = {members64, offset64, end64_at};
    directory_bytes = size64;
  } else if (full) {
    format_error(where, "offset {}: the end record refers to a zip64 record, which is missing", *at);
  } else if (disk != 0 || directory_disk != 0 || members_here != members) {
    format_error(where, "offset {}: the archive spans several disks", *at);
  }
  if (end.directory > end.directory_end || end.directory_end - end.directory != directory_bytes)
    format_error(where, "offset {}: the directory is said to have {} bytes at offset {}; it has to end at {}", *at,
                 directory_bytes, end.directory, end.directory_end);
  if (end.members > directory_bytes / directory_size)
    format_error(where, "offset {}: {} members do not fit a directory of {} bytes", *at, end.members, directory_bytes);
  return end;
}

/// The 64-bit fields among the extra fields of a header: those of `fields` that are not null, in order.
/// Returns whether there were any. Extra fields of other kinds are walked over.
bool read_zip64(std::span<const std::byte> extra, std::span<std::uint64_t* const> fields, const std::string& where,
                std::uint64_t base) {
  Reader reader(extra, where, base);
  bool found = false;
  while (reader.left() > 0) {
    const std::uint64_t at = base + reader.offset();
    const std::uint16_t tag = reader.le16();
    const std::uint16_t size = reader.le16();
    Reader field(reader.take(size), where, at + 4);
    if (tag != zip64_tag) continue;
    if (std::exchange(found, true)) format_error(where, "offset {}: a second zip64 field", at);
    for (std::uint64_t* value : fields)
      if (value != nullptr) *value = field.le64();
  }
  return found;
}

struct Entry {
  ZipMember member;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::uint16_t time = 0;
  std::uint16_t date = 0;
  std::uint64_t header = 0;  // offset of the local header
};

Entry read_entry(Reader& directory, const std::string& file) {
  const std::uint64_t at = directory.offset();
  Entry entry;
  if (directory.le32() != directory_signature) format_error(file, "directory offset {}: a member's record was expected", at);
  directory.skip(4);  // versions
  entry.flags = directory.le16();
  entry.method = directory.le16();
  entry.time = directory.le16();
  entry.date = directory.le16();
  entry.member.crc = directory.le32();
  const std::uint32_t compressed = directory.le32();
  const std::uint32_t size = directory.le32();
  const std::uint16_t name_size = directory.le16();
  const std::uint16_t extra_size = directory.le16();
  const std::uint16_t comment_size = directory.le16();
  const std::uint16_t disk = directory.le16();
  directory.skip(6);  // attributes
  const std::uint32_t header = directory.le32();
  entry.member.name = text_of(directory.take(name_size));
  const std::string where = file + ": member " + quote(entry.member.name);
  if (const auto fault = fault_of_name(entry.member.name); !fault.empty())
    format_error(where, "its name {}; plain relative names are allowed", fault);

  entry.member.compressed = compressed;
  entry.member.size = size;
  entry.header = header;
  const std::array<std::uint64_t*, 3> wide = {size == full32 ? &entry.member.size : nullptr,
                                              compressed == full32 ? &entry.member.compressed : nullptr,
                                              header == full32 ? &entry.header : nullptr};
  const std::uint64_t extra_at = directory.offset();
  const bool found = read_zip64(directory.take(extra_size), wide, where, extra_at);
  if (!found && (size == full32 || compressed == full32 || header == full32))
    format_error(where, "directory offset {}: it refers to a zip64 field, which is missing", at);
  directory.skip(comment_size);

  if (disk != 0) format_error(where, "lies on disk {}; archives of one part are allowed", disk);
  if ((entry.flags & ~flags_known) != 0)
    format_error(where, "has the flags {:#06x}: encrypted or patched members are not allowed", entry.flags);
  if (entry.method != method_stored && entry.method != method_deflated)
    format_error(where, "is compressed by method {}; stored (0) and deflate (8) are allowed", entry.method);
  entry.member.deflated = entry.method == method_deflated;
  return entry;
}

void check_sizes(const Entry& entry, const std::string& where, const ZipLimits& limits) {
  const ZipMember& member = entry.member;
  if (member.size > limits.member_bytes)
    format_error(where, "has {} bytes inflated; at most {} are allowed", member.size, limits.member_bytes);
  if (!member.deflated && member.size != member.compressed)
    format_error(where, "is stored, but has the two sizes {} and {}", member.compressed, member.size);
  if (is_bomb(member.size, member.compressed, limits))
    format_error(where, "is refused as a ZIP bomb: {} bytes inflate to {}; above {} bytes, {} times is the limit",
                 member.compressed, member.size, limits.bomb_bytes, limits.bomb_ratio);
  if (member.deflated && member.size / deflate_ratio > member.compressed)
    format_error(where, "says that {} bytes inflate to {}; deflate cannot do that", member.compressed, member.size);
  if (member.directory() && member.size != 0) format_error(where, "is a directory, but has {} bytes", member.size);
}

/// Compares the local header with the directory and finds where the member's data begin and end, with the descriptor that may
/// follow them. `limit` is where the next member or the directory begins.
void check_local(std::span<const std::byte> archive, Entry& entry, std::uint64_t limit, const std::string& where) {
  ZipMember& member = entry.member;
  Reader local(archive.first(static_cast<std::size_t>(limit)), where);
  local.seek(entry.header);
  if (local.left() < 4 || local.le32() != local_signature)
    format_error(where, "offset {}: no local header is there", entry.header);
  local.skip(2);  // version
  const std::uint16_t flags = local.le16();
  const std::uint16_t method = local.le16();
  const std::uint16_t time = local.le16();
  const std::uint16_t date = local.le16();
  const std::uint32_t crc = local.le32();
  const std::uint32_t compressed32 = local.le32();
  const std::uint32_t size32 = local.le32();
  const std::uint16_t name_size = local.le16();
  const std::uint16_t extra_size = local.le16();
  if (text_of(local.take(name_size)) != member.name)
    format_error(where, "offset {}: the local header names another member", entry.header);
  // A local zip64 field always has both sizes.
  std::uint64_t compressed = compressed32;
  std::uint64_t size = size32;
  const bool wide = compressed32 == full32 || size32 == full32;
  std::uint64_t wide_compressed = 0;
  std::uint64_t wide_size = 0;
  const std::array<std::uint64_t*, 2> fields = {wide ? &wide_size : nullptr, wide ? &wide_compressed : nullptr};
  const std::uint64_t extra_at = local.offset();
  const bool has_zip64 = read_zip64(local.take(extra_size), fields, where, extra_at);
  if (wide && !has_zip64)
    format_error(where, "offset {}: the local header refers to a zip64 field, which is missing", entry.header);
  if (compressed32 == full32) compressed = wide_compressed;
  if (size32 == full32) size = wide_size;
  member.data = local.offset();

  const auto disagree = [&](std::string_view what) {
    format_error(where, "offset {}: local header and directory disagree about the {}", entry.header, what);
  };
  const bool later = (flags & flag_descriptor) != 0;  // the true numbers follow the data
  if (flags != entry.flags) disagree("flags");
  if (method != entry.method) disagree("method");
  if (time != entry.time || date != entry.date) disagree("time");
  if (crc != member.crc && !(later && crc == 0)) disagree("checksum");
  if (compressed != member.compressed && !(later && compressed == 0)) disagree("compressed size");
  if (size != member.size && !(later && size == 0)) disagree("size");

  const std::uint64_t room = limit - member.data;
  if (member.compressed > room)
    format_error(where, "offset {}: {} compressed bytes overlap what begins at offset {}", member.data, member.compressed, limit);
  const std::uint64_t data_end = member.data + member.compressed;
  const std::uint64_t rest = limit - data_end;
  if (!later) {
    if (rest != 0) format_error(where, "offset {}: {} bytes that belong to no member follow it", data_end, rest);
    return;
  }
  // The signature is optional and the sizes have four or eight bytes: the room left tells which.
  Reader descriptor(archive.subspan(static_cast<std::size_t>(data_end), static_cast<std::size_t>(rest)), where, data_end);
  if (rest != 12 && rest != 16 && rest != 20 && rest != 24)
    format_error(where, "offset {}: {} bytes follow where a data descriptor of 12 to 24 must be", data_end, rest);
  if ((rest == 16 || rest == 24) && descriptor.le32() != descriptor_signature)
    format_error(where, "offset {}: a data descriptor was expected", data_end);
  if (descriptor.le32() != member.crc)
    format_error(where, "offset {}: descriptor and directory disagree about the checksum", data_end);
  const bool eight = rest >= 20;
  const std::uint64_t later_compressed = eight ? descriptor.le64() : descriptor.le32();
  const std::uint64_t later_size = eight ? descriptor.le64() : descriptor.le32();
  if (later_compressed != member.compressed || later_size != member.size)
    format_error(where, "offset {}: descriptor and directory disagree about the sizes", data_end);
}

class MemberSource final : public Source {
 public:
  MemberSource(std::span<const std::byte> data, const ZipMember& member, std::string where)
      : Source(where), data_(data), size_(member.size), crc_expected_(member.crc) {
    if (member.deflated) inflater_ = std::make_unique<Inflater>(data, Inflater::Container::raw, std::move(where));
  }

  std::uint64_t most_left() const override { return size_ - offset(); }
  void finish() override {
    if (most_left() > 0) format_error(where(), "{} bytes too many: the data end at offset {}", most_left(), offset());
    if (inflater_ != nullptr) {
      std::byte extra{};
      if (!inflater_->ended() && inflater_->read({&extra, 1}) != 0)
        format_error(where(), "inflates to more than the {} bytes it declares", size_);
      if (inflater_->used() != data_.size())
        format_error(where(), "{} compressed bytes follow the end of the stream", data_.size() - inflater_->used());
    }
    if (crc_ != crc_expected_)
      format_error(where(), "is damaged: its checksum (CRC-32) is {:08x}, {:08x} was declared", crc_, crc_expected_);
  }

 protected:
  void fill(std::span<std::byte> to) override {
    if (inflater_ != nullptr) {
      const std::size_t got = inflater_->read(to);
      if (got < to.size()) format_error(where(), "inflates to {} bytes; {} were declared", offset() + got, size_);
    } else if (!to.empty()) {
      std::memcpy(to.data(), data_.data() + offset(), to.size());
    }
    crc_ = crc32(to, crc_);
  }

 private:
  std::span<const std::byte> data_;
  std::uint64_t size_;
  std::uint32_t crc_ = 0;
  std::uint32_t crc_expected_;
  std::unique_ptr<Inflater> inflater_;
};

}  // namespace

ZipReader::ZipReader(std::span<const std::byte> archive, std::string where, const ZipLimits& limits)
    : archive_(archive), where_(std::move(where)) {
  const End end = find_end(archive_, where_);
  if (end.members > limits.members) format_error(where_, "has {} members; at most {} are allowed", end.members, limits.members);
  Reader directory(archive_.first(static_cast<std::size_t>(end.directory_end)), where_ + ": directory");
  directory.seek(end.directory);
  std::vector<Entry> entries;
  entries.reserve(static_cast<std::size_t>(end.members));
  std::unordered_set<std::string_view> names;
  std::uint64_t total = 0;
  for (std::uint64_t i = 0; i < end.members; ++i) {
    Entry& entry = entries.emplace_back(read_entry(directory, where_));
    if (!names.insert(entry.member.name).second) format_error(this->where(entry.member), "appears twice");
    check_sizes(entry, this->where(entry.member), limits);
    if (__builtin_add_overflow(total, entry.member.size, &total)) total = no_limit;
  }
  if (directory.left() != 0)
    format_error(where_, "directory offset {}: {} bytes that belong to no member", directory.offset(), directory.left());
  if (is_bomb(total, archive_.size(), limits))
    format_error(where_, "is refused as a ZIP bomb: {} bytes inflate to {}; above {} bytes, {} times is the limit",
                 archive_.size(), total, limits.bomb_bytes, limits.bomb_ratio);

  // In the order of their headers each member must end where the next begins.
  std::vector<Entry*> order;
  order.reserve(entries.size());
  for (Entry& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) { return a->header < b->header; });
  const std::uint64_t begin = order.empty() ? end.directory : order.front()->header;
  if (begin != 0) format_error(where_, "{} bytes that belong to no member precede the first", begin);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::string place = this->where(order[i]->member);
    const std::uint64_t limit = i + 1 < order.size() ? order[i + 1]->header : end.directory;
    if (limit <= order[i]->header || limit > end.directory)
      format_error(place, "offset {}: it overlaps what begins at offset {}", order[i]->header, limit);
    check_local(archive_, *order[i], limit, place);
  }
  for (Entry& entry : entries) members_.push_back(std::move(entry.member));
}

std::string ZipReader::where(const ZipMember& member) const { return where_ + ": member " + quote(member.name); }

const ZipMember* ZipReader::find(std::string_view name) const {
  const auto found = std::find_if(members_.begin(), members_.end(), [&](const ZipMember& member) { return member.name == name; });
  return found == members_.end() ? nullptr : &*found;
}

std::unique_ptr<Source> ZipReader::open(const ZipMember& member) const {
  return std::make_unique<MemberSource>(
      archive_.subspan(static_cast<std::size_t>(member.data), static_cast<std::size_t>(member.compressed)), member,
      where(member));
}

core::Bytes ZipReader::read(const ZipMember& member) const {
  const auto source = open(member);
  core::Bytes bytes;
  try {
    bytes.resize(static_cast<std::size_t>(member.size));
  } catch (const std::bad_alloc&) {
    throw MemoryError(where(member) + ": has " + std::to_string(member.size) + " bytes, for which there is not enough memory");
  }
  source->read(bytes);
  source->finish();
  return bytes;
}

std::span<const std::byte> ZipReader::stored(const ZipMember& member) const {
  if (member.deflated) throw ValueError(where(member) + ": is compressed");
  const auto bytes = archive_.subspan(static_cast<std::size_t>(member.data), static_cast<std::size_t>(member.size));
  if (crc32(bytes) != member.crc) format_error(where(member), "the checksum does not hold: the bytes were changed");
  return bytes;
}

void ZipWriter::put(std::span<const std::byte> bytes) {
  sink_(bytes);
  offset_ += bytes.size();
}

void ZipWriter::add_parts(const std::string& name, std::span<const std::span<const std::byte>> parts, Method method) {
  if (const auto fault = fault_of_name(name); !fault.empty())
    throw ValueError("a ZIP member cannot be named " + quote(name) + ": the name " + std::string(fault));
  if (name.size() > full16)
    throw ValueError("a ZIP member's name has at most 65535 bytes; one with " + std::to_string(name.size()) + " came");
  if (!names_.insert(name).second) throw ValueError("a ZIP archive cannot hold two members named " + quote(name));
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
  for (const auto part : parts) {
    size += part.size();
    crc = io::crc32(part, crc);
  }
  std::vector<std::byte> compressed_bytes;
  if (method == Method::deflated) compressed_bytes = deflate(parts);
  const std::uint64_t compressed = method == Method::deflated ? compressed_bytes.size() : size;
  const bool ascii = std::all_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  const bool wide = always_zip64_ || size >= full32 || compressed >= full32;
  const bool wide_offset = always_zip64_ || offset_ >= full32;
  const std::uint16_t version = wide || wide_offset ? 45 : 20;
  const std::uint64_t header = offset_;

  const auto common = [&](Writer& to) {
    to.le16(version);
    to.le16(ascii ? 0 : flag_utf8);
    to.le16(method == Method::deflated ? method_deflated : method_stored);
    to.le16(0);
    to.le16(date_1980);
    to.le32(crc);
    to.le32(wide ? full32 : static_cast<std::uint32_t>(compressed));
    to.le32(wide ? full32 : static_cast<std::uint32_t>(size));
    to.le16(static_cast<std::uint16_t>(name.size()));
  };
  Writer local;
  local.le32(local_signature);
  common(local);
  local.le16(wide ? 20 : 0);
  local.text(name);
  if (wide) {
    local.le16(zip64_tag);
    local.le16(16);
    local.le64(size);
    local.le64(compressed);
  }
  put(local.view());
  if (method == Method::deflated) {
    put(compressed_bytes);
  } else {
    for (const auto part : parts) put(part);
  }

  const std::uint16_t extra = static_cast<std::uint16_t>((wide ? 16 : 0) + (wide_offset ? 8 : 0));
  directory_.le32(directory_signature);
  directory_.le16(static_cast<std::uint16_t>((3 << 8) | version));  // made on a Unix
  common(directory_);
  directory_.le16(extra > 0 ? static_cast<std::uint16_t>(extra + 4) : 0);
  directory_.le16(0);  // no comment
  directory_.le16(0);  // disk
  directory_.le16(0);
  directory_.le32(0100644u << 16);  // a file, readable by all
  directory_.le32(wide_offset ? full32 : static_cast<std::uint32_t>(header));
  directory_.text(name);
  if (extra > 0) {
    directory_.le16(zip64_tag);
    directory_.le16(extra);
    if (wide) {
      directory_.le64(size);
      directory_.le64(compressed);
    }
    if (wide_offset) directory_.le64(header);
  }
  ++count_;
}

void ZipWriter::finish() {
  const std::uint64_t directory = offset_;
  const std::uint64_t bytes = directory_.size();
  put(directory_.view());
  const bool wide = always_zip64_ || count_ >= full16 || directory >= full32 || bytes >= full32;
  Writer end;
  if (wide) {
    const std::uint64_t end64 = offset_;
    end.le32(end64_signature);
    end.le64(end64_size - 12);
    end.le16((3 << 8) | 45);
    end.le16(45);
    end.le32(0);
    end.le32(0);
    end.le64(count_);
    end.le64(count_);
    end.le64(bytes);
    end.le64(directory);
    end.le32(locator_signature);
    end.le32(0);
    end.le64(end64);
    end.le32(1);
  }
  end.le32(end_signature);
  end.le16(0);
  end.le16(0);
  end.le16(wide ? full16 : static_cast<std::uint16_t>(count_));
  end.le16(wide ? full16 : static_cast<std::uint16_t>(count_));
  end.le32(wide ? full32 : static_cast<std::uint32_t>(bytes));
  end.le32(wide ? full32 : static_cast<std::uint32_t>(directory));
  end.le16(0);
  put(end.view());
}

}  // namespace linn::detail::io
