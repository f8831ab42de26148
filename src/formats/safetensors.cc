#include "formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>
#include <unordered_set>

#include "core/worker_pool.h"
#include "io/bytes.h"
#include "io/checksum.h"
#include "io/elements.h"
#include "io/file.h"
#include "io/json.h"
#include "io/source.h"
#include "io/text.h"
#include "linn/error.h"

namespace linn {
namespace detail::formats {
namespace {

constexpr std::uint64_t longest_header = 100'000'000;
constexpr std::string_view metadata_key = "__metadata__";

struct TypeName {
  std::string_view name;
  io::FileType type;
};
// In the order of the reference implementation, narrow types first; a file is written from its end.
constexpr std::array type_names = {
    TypeName{"BOOL", io::FileType::boolean}, TypeName{"U8", io::FileType::u8},   TypeName{"I8", io::FileType::i8},
    TypeName{"I16", io::FileType::i16},      TypeName{"U16", io::FileType::u16}, TypeName{"F16", io::FileType::f16},
    TypeName{"BF16", io::FileType::bf16},    TypeName{"I32", io::FileType::i32}, TypeName{"U32", io::FileType::u32},
    TypeName{"F32", io::FileType::f32},      TypeName{"F64", io::FileType::f64}, TypeName{"I64", io::FileType::i64},
    TypeName{"U64", io::FileType::u64},
};

io::FileType type_named(std::string_view name, const std::string& where) {
  std::string list;
  for (const TypeName& known : type_names) {
    if (known.name == name) return known.type;
    list += (list.empty() ? "" : ", ") + std::string(known.name);
  }
  io::format_error(where, "field \"dtype\": {} came, allowed are {}", io::quote(name), list);
}

std::size_t place_of(DType type) {
  const io::FileType wanted = io::file_type_of(type);
  return static_cast<std::size_t>(
      std::find_if(type_names.begin(), type_names.end(), [&](const TypeName& known) { return known.type == wanted; }) -
      type_names.begin());
}

using Entry = SafetensorsHeader::Entry;

Entry entry_of(const std::string& name, const io::Json& value, const std::string& where) {
  static constexpr std::array<std::string_view, 3> keys = {"dtype", "shape", "data_offsets"};
  io::check_keys(value, keys, where);
  Entry entry{name, type_named(io::string_field(value, "dtype", where), where), {}, 0, 0};
  std::vector<std::int64_t> sizes;
  for (const io::Json& size : io::array_field(value, "shape", where)) {
    sizes.push_back(io::as_integer(size, where, "field \"shape\"", 0));
    if (sizes.size() > Shape::max_rank) break;  // refused below
  }
  entry.shape = io::checked_shape(where, sizes, io::size_of(entry.type));
  const io::Json& offsets = io::array_field(value, "data_offsets", where);
  if (offsets.size() != 2)
    io::format_error(where, "field \"data_offsets\": {} came, [begin, end] is allowed", io::describe(offsets));
  entry.begin = static_cast<std::uint64_t>(io::as_integer(offsets[0], where, "field \"data_offsets\"", 0));
  entry.end = static_cast<std::uint64_t>(io::as_integer(offsets[1], where, "field \"data_offsets\"", 0));
  const std::uint64_t need = static_cast<std::uint64_t>(entry.shape.elements()) * io::size_of(entry.type);
  if (entry.end < entry.begin || entry.end - entry.begin != need)
    io::format_error(where, "shape {} of {} needs {} bytes, its offsets are {} and {}", entry.shape.to_string(),
                     io::string_field(value, "dtype", where), need, entry.begin, entry.end);
  return entry;
}

Metadata metadata_of(const io::Json& value, const std::string& where) {
  Metadata metadata;
  if (!value.is_object()) io::format_error(where, "{} came, an object of texts is allowed", io::describe(value));
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) io::format_error(where, "field {}: {} came, a text is allowed", io::quote(key), io::describe(text));
    metadata.emplace(key, text.get<std::string>());
  }
  return metadata;
}

std::string checksum_of(std::span<const std::byte> bytes, std::uint32_t so_far = 0) {
  return fmt::format("{:08x}", io::crc32(bytes, so_far));
}

std::string checksum_of(const Metadata& metadata) {
  std::string all;
  for (const auto& [key, text] : metadata)
    if (key != checksum_key) all.append(key).append(1, '\0').append(text).append(1, '\0');
  return checksum_of(std::as_bytes(std::span(all)));
}

// f(0), ..., f(count - 1), on all threads where they have so much to do that it is worth waking them. Inside a run of the pool it does them itself.
void for_all(std::size_t count, std::size_t bytes, const std::function<void(std::size_t)>& f) {
  constexpr std::size_t worth_waking = std::size_t{1} << 22;
  if (bytes >= worth_waking) return core::worker_pool().run(static_cast<std::int64_t>(count), [&](std::int64_t i, int /*worker*/) { f(static_cast<std::size_t>(i)); });
  for (std::size_t i = 0; i < count; ++i) f(i);
}

std::span<const std::byte> data_of(const Entry& entry, std::span<const std::byte> data) {
  return data.subspan(static_cast<std::size_t>(entry.begin), static_cast<std::size_t>(entry.end - entry.begin));
}

// What differs from the saved checksums; FormatError where these are none.
ChecksumReport compare(const std::vector<Entry>& entries, std::span<const std::byte> data, const Metadata& metadata, const std::string& where) {
  ChecksumReport report;
  const auto text = metadata.find(checksum_key);
  if (text == metadata.end()) return report;
  report.has_checksums = true;
  const std::string place = where + ": " + checksum_key;
  io::Json saved = io::parse_json(text->second, place);
  if (!saved.is_object()) io::format_error(place, "{} came, an object of checksums is allowed", io::describe(saved));
  const auto check = [&](const std::string& name, const std::string& what, const std::string& now) {
    const auto found = saved.find(name);
    if (found == saved.end()) {
      report.faults.push_back(fmt::format("{}: holds no checksum of {}", checksum_key, what));
      return;
    }
    if (*found != now)
      report.faults.push_back(fmt::format("{} has checksum \"{}\", {} was saved with it: the file is damaged", what, now, io::describe(*found)));
    saved.erase(found);
  };
  std::vector<std::string> now(entries.size());
  for_all(entries.size(), data.size(), [&](std::size_t i) { now[i] = checksum_of(data_of(entries[i], data)); });
  for (std::size_t i = 0; i < entries.size(); ++i) check(entries[i].name, "tensor " + io::quote(entries[i].name), now[i]);
  check(std::string(metadata_key), "the metadata", checksum_of(metadata));
  for (const auto& rest : saved.items())
    report.faults.push_back(fmt::format("{}: holds a checksum of tensor {}, which the file lacks", checksum_key, io::quote(rest.key())));
  return report;
}

void verify(const std::vector<Entry>& entries, std::span<const std::byte> data, const Metadata& metadata, const std::string& where) {
  const ChecksumReport report = compare(entries, data, metadata, where);
  if (!report.faults.empty()) throw FormatError(fmt::format("{}: {}", where, report.faults.front()));
}

}  // namespace

Metadata with_checksums(const NamedTensors& tensors, Metadata metadata) {
  std::size_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += tensor.bytes();
  std::vector<std::string> now(tensors.size());
  for_all(tensors.size(), bytes, [&](std::size_t i) { now[i] = checksum_of(io::bytes_of(tensors[i].second)); });
  io::Json checksums = io::Json::object();
  for (std::size_t i = 0; i < tensors.size(); ++i) checksums[tensors[i].first] = std::move(now[i]);
  checksums[std::string(metadata_key)] = checksum_of(metadata);
  metadata.insert_or_assign(checksum_key, io::dump_json(checksums));
  return metadata;
}

namespace {

std::uint64_t header_length(std::uint64_t length, const std::string& where) {
  if (length > longest_header)
    io::format_error(where, "offset 0: the header has {} bytes; at most {} are allowed", length, longest_header);
  return length;
}

// Tensors lie one behind the other and fill the data.
void check_places(std::vector<Entry>& entries, std::uint64_t data_bytes, std::uint64_t file_bytes, const std::string& where) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  std::uint64_t at = 0;
  for (const Entry& entry : entries) {
    const std::string place = where + ": tensor " + io::quote(entry.name);
    if (entry.begin != at)
      io::format_error(place, "its data begin at offset {}, {} ends at {}", entry.begin,
                       at == 0 ? "the header" : "what precedes it", at);
    if (entry.end > data_bytes)
      io::format_error(place, "truncated at offset {}: its data end at offset {}, {} bytes of data are there", file_bytes, entry.end, data_bytes);
    at = entry.end;
  }
  if (at != data_bytes) io::format_error(where, "{} bytes that belong to no tensor follow the last one", data_bytes - at);
}

// `start` holds the header, and the file has `file_bytes`.
SafetensorsHeader parse_header(std::span<const std::byte> start, std::uint64_t file_bytes, const std::string& where) {
  io::Reader reader(start, where);
  const std::string_view text = io::text_of(reader.take(header_length(reader.le64(), where)));
  if (!text.starts_with('{'))
    io::format_error(where, "offset 8: the header must begin with '{{'; {} came",
                     text.empty() ? "nothing" : io::quote(text.substr(0, 1)));
  if (const auto last = text.find_last_not_of(' '); text[last] != '}')
    io::format_error(where, "offset {}: only spaces may follow the header's last '}}'", 8 + last);
  io::JsonLimits limits;
  limits.bytes = longest_header;
  SafetensorsHeader header{.entries = {}, .metadata = {}, .data = reader.offset()};
  const io::Json json = io::parse_json(text, where + ": header", limits);
  for (const auto& [name, value] : json.items()) {
    if (name == metadata_key)
      header.metadata = metadata_of(value, where + ": " + std::string(metadata_key));
    else
      header.entries.push_back(entry_of(name, value, where + ": tensor " + io::quote(name)));
  }
  check_places(header.entries, file_bytes - header.data, file_bytes, where);
  return header;
}

}  // namespace

SafetensorsHeader read_safetensors_header(const std::string& path) {
  const std::vector<std::byte> first = io::read_beginning(path, sizeof(std::uint64_t));
  const std::uint64_t length = header_length(io::Reader(first, path).le64(), path);
  return parse_header(io::read_beginning(path, sizeof(std::uint64_t) + length), std::filesystem::file_size(path), path);
}

ChecksumReport compare_checksums(std::span<const std::byte> bytes, const std::string& where) {
  const SafetensorsHeader header = parse_header(bytes, bytes.size(), where);
  return compare(header.entries, bytes.subspan(static_cast<std::size_t>(header.data)), header.metadata, where);
}

NamedTensors read_safetensors(std::span<const std::byte> bytes, const std::string& where, Metadata* metadata) {
  SafetensorsHeader header = parse_header(bytes, bytes.size(), where);
  const std::vector<Entry>& entries = header.entries;
  Metadata& found = header.metadata;
  const std::span<const std::byte> data = bytes.subspan(static_cast<std::size_t>(header.data));
  verify(entries, data, found, where);
  found.erase(checksum_key);

  // All is known to fit before the first tensor is made.
  NamedTensors tensors(entries.size());
  for_all(entries.size(), data.size(), [&](std::size_t i) {
    const Entry& entry = entries[i];
    io::MemorySource source(data_of(entry, data), where + ": tensor " + io::quote(entry.name));
    tensors[i] = {entry.name, io::read_elements(source, entry.type, entry.shape)};
    source.finish();
  });
  if (metadata != nullptr) *metadata = std::move(found);
  return tensors;
}

}  // namespace detail::formats

NamedTensors load_safetensors(const std::string& path, Metadata* metadata) {
  return detail::formats::read_safetensors(detail::io::read_file(path), path, metadata);
}

void save_safetensors(const std::string& path, const NamedTensors& tensors, const Metadata& metadata) {
  std::vector<const std::pair<std::string, Tensor>*> order;
  std::unordered_set<std::string_view> names;
  for (const auto& named : tensors) {
    if (!named.second.defined())
      throw ValueError(fmt::format("{}: tensor {} is empty: it was never given a shape", path, detail::io::quote(named.first)));
    if (named.first == detail::formats::metadata_key) throw ValueError(fmt::format("{}: a tensor cannot be named {}", path, named.first));
    if (!names.insert(named.first).second)
      throw ValueError(fmt::format("{}: two tensors are named {}", path, detail::io::quote(named.first)));
    order.push_back(&named);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    const std::size_t place_a = detail::formats::place_of(a->second.dtype());
    const std::size_t place_b = detail::formats::place_of(b->second.dtype());
    return place_a != place_b ? place_a > place_b : a->first < b->first;
  });

  detail::io::Json header = detail::io::Json::object();
  if (!metadata.empty()) header[std::string(detail::formats::metadata_key)] = metadata;
  // Straight into the vector below: ordered_map's own insertion searches all keys.
  auto& fields = header.get_ref<detail::io::Json::object_t&>();
  std::uint64_t at = 0;
  for (const auto* named : order) {
    const Tensor& tensor = named->second;
    detail::io::Json entry = detail::io::Json::object();
    entry["dtype"] = detail::formats::type_names[detail::formats::place_of(tensor.dtype())].name;
    entry["shape"] = std::vector<std::int64_t>(tensor.shape().begin(), tensor.shape().end());
    entry["data_offsets"] = {at, at + tensor.bytes()};
    fields.detail::io::Json::object_t::Container::emplace_back(named->first, std::move(entry));
    at += tensor.bytes();
  }
  std::string text = detail::io::dump_json(header);
  text.append((8 - text.size() % 8) % 8, ' ');
  if (text.size() > detail::formats::longest_header)
    throw ValueError(
        fmt::format("{}: names and metadata take {} bytes; at most {} are allowed", path, text.size(), detail::formats::longest_header));
  detail::io::Writer start;
  start.le64(text.size());
  start.text(text);
  detail::io::AtomicFile file(path);
  file.write(start.view());
  for (const auto* named : order) file.write(detail::io::bytes_of(named->second));
  file.commit();
}

}  // namespace linn
