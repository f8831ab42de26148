#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <unordered_set>

#include "core/did_you_mean.h"
#include "io/elements.h"
#include "io/file.h"
#include "io/npy.h"
#include "io/text.h"
#include "io/zip.h"
#include "linn/data.h"
#include "linn/error.h"

namespace linn {
namespace {

constexpr std::string_view suffix = ".npy";

void check_defined(const Tensor& tensor, const std::string& path) {
  if (!tensor.defined()) throw ValueError(path + ": an empty tensor, which was never given a shape, cannot be saved");
}

}  // namespace

Archive::Archive(std::initializer_list<Entry> entries) : Archive(std::vector<Entry>(entries)) {}

Archive::Archive(std::vector<Entry> entries) : entries_(std::move(entries)) {
  std::unordered_set<std::string_view> seen;
  for (const Entry& entry : entries_)
    if (!seen.insert(entry.first).second) throw ValueError("an archive cannot hold two arrays named " + io::quote(entry.first));
}

const Tensor* Archive::find(std::string_view name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.first == name; });
  return found == entries_.end() ? nullptr : &found->second;
}

const Tensor& Archive::operator[](std::string_view name) const {
  if (const Tensor* tensor = find(name)) return *tensor;
  const std::vector<std::string> known = names();
  std::string list;
  for (std::size_t i = 0; i < known.size() && i < 20; ++i) list += (i > 0 ? ", " : "") + io::quote(known[i]);
  if (known.size() > 20) list += fmt::format(" and {} more", known.size() - 20);
  throw ValueError(fmt::format("{} has no array {}{}; it has {}", where_, io::quote(name),
                               core::did_you_mean(name, std::span<const std::string>(known)), known.empty() ? "none" : list));
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

Tensor load_npy(const std::string& path) { return io::read_npy(io::read_file(path), path); }

Archive load_npz(const std::string& path) {
  const std::vector<std::byte> bytes = io::read_file(path);
  if (io::text_of(bytes).starts_with("\x93NUMPY"))
    io::format_error(path, "is an .npy file with one array; load it with load_npy");
  const io::ZipReader zip(bytes, path);
  std::vector<Archive::Entry> entries;
  for (const io::ZipMember& member : zip.members()) {
    if (!member.name.ends_with(suffix) || member.name.size() == suffix.size())
      io::format_error(zip.where(member), "is no array: the members of an .npz file are named NAME.npy");
    entries.emplace_back(member.name.substr(0, member.name.size() - suffix.size()), io::read_npy(*zip.open(member)));
  }
  Archive archive(std::move(entries));
  archive.where_ = path;
  return archive;
}

void save_npy(const std::string& path, const Tensor& tensor) {
  check_defined(tensor, path);
  const std::string header = io::npy_header(tensor);
  io::AtomicFile file(path);
  file.write(io::bytes_of(header));
  file.write(io::bytes_of(tensor));
  file.commit();
}

void save_npz(const std::string& path, const Archive& arrays, bool compressed) {
  // What cannot be saved is found before anything is written.
  std::vector<std::string> headers;
  for (const auto& [name, tensor] : arrays) {
    check_defined(tensor, path + ": array " + io::quote(name));
    headers.push_back(io::npy_header(tensor));
  }
  io::AtomicFile file(path);
  io::ZipWriter zip([&](std::span<const std::byte> bytes) { file.write(bytes); });
  std::size_t i = 0;
  for (const auto& [name, tensor] : arrays) {
    const std::array<std::span<const std::byte>, 2> parts = {io::bytes_of(headers[i++]), io::bytes_of(tensor)};
    zip.add_parts(name + std::string(suffix), parts,
                  compressed ? io::ZipWriter::Method::deflated : io::ZipWriter::Method::stored);
  }
  zip.finish();
  file.commit();
}

}  // namespace linn
