// The file as a whole, and the handles of io/hdf5.h.
#include <algorithm>
#include <utility>

#include "io/checksum.h"
#include "io/hdf5.h"
#include "io/hdf5_parts.h"

namespace linn::detail::io {
namespace hdf5 {
namespace {

constexpr std::string_view signature("\x89HDF\r\n\x1a\n", 8);

/// What the superblock says, whatever its version.
struct Superblock {
  std::uint64_t end = 0;
  std::uint64_t root = undefined;
  std::uint64_t extension = undefined;
  std::uint64_t driver = undefined;
};

void expect_wide(std::uint8_t offsets, std::uint8_t lengths, const std::string& where) {
  if (offsets != 8 || lengths != 8)
    format_error(where, "its addresses have {} bytes and its lengths {}; 8 and 8 are allowed, as h5py writes them", offsets, lengths);
}

void expect_no_user_block(std::uint64_t base, const std::string& where) {
  if (base != 0) format_error(where, "its base address is {}; a user block in front of the file is not supported", base);
}

/// Versions 0 and 1: the reader stands behind the version.
Superblock read_old_superblock(Reader& reader, std::uint8_t version) {
  Superblock block;
  reader.skip(4);  // versions of structures that have only one, and a reserved byte
  const std::uint8_t offsets = reader.u8();
  const std::uint8_t lengths = reader.u8();
  expect_wide(offsets, lengths, reader.where());
  reader.skip(1 + 2 + 2 + 4);            // reserved, sizes of tree nodes, flags
  if (version == 1) reader.skip(2 + 2);  // size of chunk tree nodes
  expect_no_user_block(reader.le64(), reader.where());
  reader.skip(8);  // free space
  block.end = reader.le64();
  block.driver = reader.le64();
  reader.skip(8);  // name of the root
  block.root = reader.le64();
  return block;
}

/// Versions 2 and 3, which have a checksum.
Superblock read_new_superblock(Reader& reader, std::span<const std::byte> bytes) {
  Superblock block;
  const std::uint8_t offsets = reader.u8();
  const std::uint8_t lengths = reader.u8();
  expect_wide(offsets, lengths, reader.where());
  reader.skip(1);  // flags
  const std::uint64_t base = reader.le64();
  block.extension = reader.le64();
  block.end = reader.le64();
  block.root = reader.le64();
  const std::uint32_t computed = lookup3(bytes.first(reader.offset()));
  if (const std::uint32_t stored = reader.le32(); stored != computed)
    format_error(reader.where(), "its superblock is damaged: the checksum is {:08x}, {:08x} was stored", computed, stored);
  expect_no_user_block(base, reader.where());
  return block;
}

Superblock read_superblock(std::span<const std::byte> bytes, const std::string& where) {
  Reader reader(bytes, where);
  if (bytes.size() < signature.size())
    format_error(where, "truncated at offset 0: {} bytes; the signature of an HDF5 file alone has {}", bytes.size(), signature.size());
  if (text_of(reader.take(signature.size())) != signature)
    format_error(where, "is no HDF5 file: it begins with {}. A user block in front of the signature is not supported",
                 quote(text_of(bytes.first(signature.size()))));
  const std::uint8_t version = reader.u8();
  if (version > 3) format_error(where, "its superblock has the version {}; 0 to 3 are known", version);
  if (version < 2) return read_old_superblock(reader, version);
  return read_new_superblock(reader, bytes);
}

}  // namespace

FileData::FileData(std::span<const std::byte> bytes, std::string where, const Hdf5Limits& limits)
    : bytes_(bytes), where_(std::move(where)), limits_(limits) {
  const Superblock block = read_superblock(bytes_, where_);
  if (block.driver != undefined) format_error(where_, "its data lie in several files (a driver information block); one is allowed");
  if (block.end > bytes_.size())
    format_error(where_, "truncated at offset {}, need {} bytes: the superblock says so", bytes_.size(), block.end);
  bytes_ = bytes_.first(static_cast<std::size_t>(block.end));
  root_ = block.root;
  extension_ = block.extension;
}

Reader FileData::at(std::uint64_t address, const std::string& where) const {
  Reader reader(bytes_, where);
  reader.seek(address);
  return reader;
}

std::span<const std::byte> FileData::take(std::uint64_t address, std::uint64_t size, const std::string& where) const {
  return at(address, where).take(size);
}

void FileData::note_path(std::uint64_t address, const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto [known, is_new] = paths_.try_emplace(address, path);
  if (is_new || known->second == path) return;
  const bool cycle = path.starts_with(known->second == "/" ? known->second : known->second + "/");
  format_error(where_, "{} and {} are the same object{}; one hard link to each object is allowed", quote(known->second), quote(path),
               cycle ? ", so that it contains itself" : "");
}

std::shared_ptr<const Links> FileData::links(std::uint64_t address, const std::function<Links()>& make) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = links_.find(address); found != links_.end()) return found->second;
  }
  auto made = std::make_shared<const Links>(make());
  const std::lock_guard lock(mutex_);
  return links_.try_emplace(address, std::move(made)).first->second;
}

void FileData::count_links(std::uint64_t count, const std::string& where) const {
  const std::lock_guard lock(mutex_);
  if (count > limits_.links - link_count_) format_error(where, "more than {} links in the file; so many are allowed", limits_.links);
  link_count_ += count;
}

std::shared_ptr<const GlobalHeap> FileData::global_heap(std::uint64_t address, const std::function<GlobalHeap()>& make) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = global_heaps_.find(address); found != global_heaps_.end()) return found->second;
  }
  auto made = std::make_shared<const GlobalHeap>(make());
  const std::lock_guard lock(mutex_);
  return global_heaps_.try_emplace(address, std::move(made)).first->second;
}

void FileData::count_part(Part part, std::uint64_t address, std::uint64_t bytes, const std::string& where) const {
  const std::lock_guard lock(mutex_);
  if (counted_.contains({part, address})) return;
  if (bytes > size() - counted_bytes_)
    format_error(where, "overlaps other objects: together they have more bytes than the file, which has {}", size());
  counted_.emplace(part, address);
  counted_bytes_ += bytes;
}

void expect_signature(Reader& reader, std::string_view signature, std::string_view what) {
  const std::size_t at = reader.offset();
  if (const auto found = text_of(reader.take(signature.size())); found != signature)
    format_error(reader.where(), "offset {}: no {} is there: it begins with {}, not {}", at, what, quote(found), quote(signature));
}

std::uint8_t expect_version(Reader& reader, std::uint8_t first, std::uint8_t last, std::string_view what) {
  const std::uint8_t version = reader.u8();
  if (version < first || version > last)
    format_error(reader.where(), "{} has the version {}; {} to {} are known", what, version, first, last);
  return version;
}

void expect_checksum(Reader& reader, std::uint64_t begin, const FileData& file, std::string_view what) {
  const std::uint32_t computed = lookup3(file.take(begin, reader.offset() - begin, reader.where()));
  if (const std::uint32_t stored = reader.le32(); stored != computed)
    format_error(reader.where(), "offset {}: {} is damaged: its checksum is {:08x}, {:08x} was stored", begin, what, computed, stored);
}

std::uint64_t number_of(Reader& reader, std::size_t bytes) {
  std::uint64_t value = 0;
  const auto part = reader.take(bytes);
  for (std::size_t i = part.size(); i-- > 0;) value = (value << 8) | std::to_integer<std::uint64_t>(part[i]);
  return value;
}

std::size_t bytes_for(std::uint64_t largest) { return largest == 0 ? 1 : (static_cast<std::size_t>(std::bit_width(largest)) + 7) / 8; }

}  // namespace hdf5

// ---- attributes --------------------------------------------------------------------------------------------------

namespace {

std::string_view kind_of(const Hdf5Attribute& attribute) {
  return attribute.value.index() == 0 ? "a string" : attribute.value.index() == 1 ? "a list of strings" : "numbers";
}

}  // namespace

const std::string& Hdf5Attribute::text() const {
  if (const auto* found = std::get_if<std::string>(&value)) return *found;
  format_error(where, "holds {}; a string is allowed", kind_of(*this));
}

const std::vector<std::string>& Hdf5Attribute::texts() const {
  static const std::vector<std::string> none;
  if (const auto* found = std::get_if<std::vector<std::string>>(&value)) return *found;
  if (const auto* numbers = std::get_if<Tensor>(&value); numbers != nullptr && numbers->elements() == 0) return none;
  format_error(where, "holds {}; a list of strings is allowed", kind_of(*this));
}

const Tensor& Hdf5Attribute::tensor() const {
  if (const auto* found = std::get_if<Tensor>(&value)) return *found;
  format_error(where, "holds {}; numbers are allowed", kind_of(*this));
}

// ---- objects -----------------------------------------------------------------------------------------------------

const std::string& Hdf5Object::path() const { return object_->path; }
std::string Hdf5Object::where() const { return object_->where(); }

std::vector<std::string> Hdf5Object::attribute_names() const {
  std::vector<std::string> names;
  for (hdf5::AttributeBody& body : hdf5::list_attributes(*object_)) names.push_back(std::move(body.name));
  return names;
}

std::optional<Hdf5Attribute> Hdf5Object::attribute(std::string_view name) const {
  for (const hdf5::AttributeBody& body : hdf5::list_attributes(*object_))
    if (body.name == name) return hdf5::read_attribute(*object_, body);
  return std::nullopt;
}

bool Hdf5Object::has_attribute(std::string_view name) const {
  const auto bodies = hdf5::list_attributes(*object_);
  return std::any_of(bodies.begin(), bodies.end(), [&](const hdf5::AttributeBody& body) { return body.name == name; });
}

const Shape& Hdf5Dataset::shape() const { return object_->dataset->shape; }
std::optional<FileType> Hdf5Dataset::type() const { return object_->dataset->number; }

Tensor Hdf5Dataset::read() const {
  if (is_text()) format_error(where(), "holds strings; numbers are allowed");
  return hdf5::read_dataset(*object_, *object_->dataset);
}

std::vector<std::string> Hdf5Dataset::texts() const {
  if (!is_text()) format_error(where(), "holds numbers; strings are allowed");
  return hdf5::read_dataset_texts(*object_, *object_->dataset);
}

// ---- groups ------------------------------------------------------------------------------------------------------

namespace {

/// Opens what a link stands for.
std::shared_ptr<hdf5::Object> open_link(const hdf5::Object& group, const hdf5::Link& link) {
  const std::string path = (group.path == "/" ? "" : group.path) + "/" + link.name;
  const auto refuse = [&](std::string_view kind) {
    format_error(group.file->where() + ": " + quote(path), "is {} link; hard links are allowed", kind);
  };
  switch (link.kind) {
    case hdf5::Link::Kind::hard: break;
    case hdf5::Link::Kind::soft: refuse("a soft"); break;
    case hdf5::Link::Kind::external: refuse("an external"); break;
    case hdf5::Link::Kind::user: refuse("a user-defined"); break;
  }
  const auto depth = static_cast<std::uint64_t>(std::count(path.begin(), path.end(), '/'));
  if (depth > group.file->limits().depth)
    format_error(group.file->where() + ": " + quote(path), "lies {} groups deep; {} are allowed", depth, group.file->limits().depth);
  group.file->note_path(link.address, path);
  return std::make_shared<hdf5::Object>(hdf5::read_object(group.file, link.address, path));
}

std::shared_ptr<const hdf5::Links> links_of(const hdf5::Object& group) {
  return group.file->links(group.address, [&] { return hdf5::read_links(group); });
}

}  // namespace

Hdf5Group Hdf5Group::opened(std::shared_ptr<const hdf5::Object> object) {
  auto links = links_of(*object);
  return {std::move(object), std::move(links)};
}

std::shared_ptr<hdf5::Object> Hdf5Group::find(std::string_view path) const {
  std::shared_ptr<hdf5::Object> found;
  std::shared_ptr<const hdf5::Links> links = links_;
  if (path.starts_with('/')) path.remove_prefix(1);
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    if (links == nullptr) return nullptr;  // the name before this one is no group's
    const auto place = links->places.find(path.substr(at, slash - at));
    if (place == links->places.end()) return nullptr;
    found = open_link(found == nullptr ? *object_ : *found, links->list[place->second]);
    links = nullptr;
    at = slash + 1;
    if (at <= path.size() && found->kind == hdf5::ObjectKind::group) links = links_of(*found);
  }
  return found;
}

std::vector<std::string> Hdf5Group::names() const {
  std::vector<std::string> names;
  names.reserve(links_->list.size());
  for (const hdf5::Link& link : links_->list) names.push_back(link.name);
  return names;
}

std::size_t Hdf5Group::size() const { return links_->list.size(); }

bool Hdf5Group::contains(std::string_view path) const { return find(path) != nullptr; }

bool Hdf5Group::is_group(std::string_view path) const {
  const auto object = find(path);
  return object != nullptr && object->kind == hdf5::ObjectKind::group;
}

bool Hdf5Group::is_dataset(std::string_view path) const {
  const auto object = find(path);
  return object != nullptr && object->kind == hdf5::ObjectKind::dataset;
}

std::optional<Hdf5Group> Hdf5Group::find_group(std::string_view path) const {
  auto object = find(path);
  if (object == nullptr || object->kind != hdf5::ObjectKind::group) return std::nullopt;
  return opened(std::move(object));
}

std::optional<Hdf5Dataset> Hdf5Group::find_dataset(std::string_view path) const {
  auto object = find(path);
  if (object == nullptr || object->kind != hdf5::ObjectKind::dataset) return std::nullopt;
  object->dataset = std::make_shared<const hdf5::DatasetHeader>(hdf5::read_dataset_header(*object));
  return Hdf5Dataset(std::move(object));
}

Hdf5Group Hdf5Group::group(std::string_view path) const {
  if (auto found = find_group(path)) return *std::move(found);
  format_error(where(), "has no group {}", quote(path));
}

Hdf5Dataset Hdf5Group::dataset(std::string_view path) const {
  if (auto found = find_dataset(path)) return *std::move(found);
  format_error(where(), "has no dataset {}", quote(path));
}

// ---- the file ----------------------------------------------------------------------------------------------------

Hdf5File::Hdf5File(std::span<const std::byte> bytes, std::string where, const Hdf5Limits& limits)
    : data_(std::make_shared<const hdf5::FileData>(bytes, std::move(where), limits)) {
  if (data_->extension() != hdf5::undefined) {
    const hdf5::Object extension = hdf5::read_object(data_, data_->extension(), "superblock extension");
    if (extension.find(hdf5::MessageType::shared_messages, "shared message table") != nullptr ||
        extension.find(hdf5::MessageType::driver, "driver information") != nullptr)
      format_error(extension.where(), "shares messages between objects or names a driver; neither is supported");
  }
  data_->note_path(data_->root(), "/");
  root();
}

Hdf5Group Hdf5File::root() const {
  auto object = std::make_shared<const hdf5::Object>(hdf5::read_object(data_, data_->root(), "/"));
  if (object->kind != hdf5::ObjectKind::group) format_error(object->where(), "is no group");
  return Hdf5Group::opened(std::move(object));
}

}  // namespace linn::detail::io
