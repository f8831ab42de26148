#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <unordered_set>
#include <utility>

#include "core/did_you_mean.h"
#include "data/archive.h"
#include "io/elements.h"
#include "io/file.h"
#include "io/npy.h"
#include "io/npz.h"
#include "io/text.h"
#include "io/zip.h"
#include "linn/data.h"
#include "linn/error.h"

namespace linn {
namespace {

constexpr std::string_view suffix = ".npy";

// An array compresses up to 1032 times (blank images), so nothing is a bomb by its ratio; what is read must fit into memory instead.
detail::io::ZipLimits npz_limits() {
  detail::io::ZipLimits limits;
  limits.bomb_bytes = detail::io::no_limit;
  return limits;
}

bool is_array(const detail::io::ZipMember& member) { return member.name.ends_with(suffix) && member.name.size() > suffix.size(); }
std::string array_name(const detail::io::ZipMember& member) { return member.name.substr(0, member.name.size() - suffix.size()); }

// Reads what is left, so that the checksum of all is compared.
void drain(detail::io::Source& source) {
  std::array<std::byte, 16384> piece;
  while (source.most_left() > 0)
    source.read(std::span(piece).first(static_cast<std::size_t>(std::min<std::uint64_t>(source.most_left(), piece.size()))));
  source.finish();
}

void check_memory(const detail::io::ZipReader& zip, const std::vector<const detail::io::ZipMember*>& members) {
  const std::uint64_t memory = detail::io::machine_memory();
  std::uint64_t sum = 0;
  for (const detail::io::ZipMember* member : members) {
    if (member->size > memory - sum)
      throw MemoryError(fmt::format("{}: declares {} bytes, with the arrays before it {}; this machine has {} bytes of memory",
                                    zip.where(*member), member->size, static_cast<double>(sum) + static_cast<double>(member->size), memory));
    sum += member->size;
  }
}

void check_defined(const Tensor& tensor, const std::string& path) {
  if (!tensor.defined()) throw ValueError(path + ": an empty tensor, which was never given a shape, cannot be saved");
}

}  // namespace

Archive::Archive(std::initializer_list<Entry> entries) : Archive(std::vector<Entry>(entries)) {}

Archive::Archive(std::vector<Entry> entries) : entries_(std::move(entries)) {
  std::unordered_set<std::string_view> seen;
  for (const Entry& entry : entries_)
    if (!seen.insert(entry.first).second) throw ValueError("an archive cannot hold two arrays named " + detail::io::quote(entry.first));
}

const Tensor* Archive::find(std::string_view name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.first == name; });
  return found == entries_.end() ? nullptr : &found->second;
}

const Tensor& Archive::operator[](std::string_view name) const {
  if (const Tensor* tensor = find(name)) return *tensor;
  for (const auto& [refused, reason] : refused_)
    if (refused == name) throw FormatError(reason);
  const std::vector<std::string> known = names();
  std::string list;
  for (std::size_t i = 0; i < known.size() && i < 20; ++i) list += (i > 0 ? ", " : "") + detail::io::quote(known[i]);
  if (known.size() > 20) list += fmt::format(" and {} more", known.size() - 20);
  throw ValueError(fmt::format("{} has no array {}{}; it has {}", where_, detail::io::quote(name),
                               detail::core::did_you_mean(name, std::span<const std::string>(known)), known.empty() ? "none" : list));
}

bool Archive::contains(std::string_view name) const { return find(name) != nullptr; }

std::vector<std::string> Archive::names() const {
  std::vector<std::string> result;
  for (const Entry& entry : entries_) result.push_back(entry.first);
  return result;
}

void Archive::set(std::string name, Tensor tensor) {
  for (Entry& entry : entries_) {
    if (entry.first == name) {
      entry.second = std::move(tensor);
      return;
    }
  }
  entries_.emplace_back(std::move(name), std::move(tensor));
}

Tensor load_npy(const std::string& path) { return detail::io::read_npy(detail::io::read_file(path), path); }

Archive load_npz(const std::string& path) { return detail::data::ArchiveReader::read(detail::io::read_file(path), path).archive; }

namespace detail::data {

NpzContent ArchiveReader::read(std::span<const std::byte> bytes, const std::string& path, std::span<const std::string_view> wanted) {
  if (io::text_of(bytes).starts_with("\x93NUMPY")) io::format_error(path, "is an .npy file with one array; load it with load_npy");
  const io::ZipReader zip(bytes, path, npz_limits());
  NpzContent content;
  content.archive.where_ = path;
  std::vector<const io::ZipMember*> members;
  for (const io::ZipMember& member : zip.members()) {
    if (!is_array(member)) continue;
    const std::string& name = content.names.emplace_back(array_name(member));
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end()) members.push_back(&member);
  }
  if (content.names.empty() && !zip.members().empty())
    io::format_error(zip.where(zip.members()[0]), "is no array, nor is another member: the members of an .npz file are named NAME.npy");
  check_memory(zip, members);
  for (const io::ZipMember* member : members) {
    const auto source = zip.open(*member);
    try {
      content.archive.entries_.emplace_back(array_name(*member), io::read_npy(*source));
    } catch (const io::UnsupportedElements& error) {
      content.archive.refused_.emplace_back(array_name(*member), error.what());
    } catch (const DataError& error) {  // an integer of 2^63 or more
      content.archive.refused_.emplace_back(array_name(*member), error.what());
    }
    drain(*source);  // damaged bytes look like a strange type as well; the checksum tells
  }
  return content;
}

}  // namespace detail::data

void save_npy(const std::string& path, const Tensor& tensor) {
  check_defined(tensor, path);
  const std::string header = detail::io::npy_header(tensor);
  detail::io::AtomicFile file(path);
  file.write(detail::io::bytes_of(header));
  file.write(detail::io::bytes_of(tensor));
  file.commit();
}

void save_npz(const std::string& path, const Archive& arrays, bool compressed) {
  // What cannot be saved is found before anything is written.
  for (const auto& [name, tensor] : arrays) {
    check_defined(tensor, path + ": array " + detail::io::quote(name));
    detail::io::npy_header(tensor);
  }
  const auto method = compressed ? detail::io::ZipWriter::Method::deflated : detail::io::ZipWriter::Method::stored;
  detail::io::write_file_in_parts(path, [&](const detail::io::Sink& sink) {
    detail::io::ZipWriter zip(sink);
    for (const auto& [name, tensor] : arrays) detail::io::add_array(zip, name, tensor, method);
    zip.finish();
  });
}

}  // namespace linn
