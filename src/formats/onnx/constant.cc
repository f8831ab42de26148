#include "formats/onnx/constant.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cstring>
#include <filesystem>

#include "core/checked.h"
#include "io/elements.h"
#include "io/file.h"
#include "io/text.h"

namespace linn::detail::formats::onnx {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_files = 256;

// Elements of type T, widened to type To.
template <class T, class To>
void take(std::span<const std::byte> raw, std::vector<To>& to) {
  to.resize(raw.size() / sizeof(T));
  for (std::size_t i = 0; i < to.size(); ++i) {
    T value;
    std::memcpy(&value, raw.data() + i * sizeof(T), sizeof(T));
    to[i] = static_cast<To>(value);
  }
}

float from_half(std::uint16_t bits) { return io::half_to_float(bits); }
float from_bfloat(std::uint16_t bits) { return to_float(bfloat16{bits}); }

void take_sixteen(std::span<const std::byte> raw, float (*convert)(std::uint16_t), std::vector<float>& to) {
  std::vector<std::uint16_t> bits;
  take<std::uint16_t>(raw, bits);
  for (const std::uint16_t value : bits) to.push_back(convert(value));
}

std::uint64_t bytes_of(DataType type, const std::string& where) {
  switch (type) {
    case DataType::uint8:
    case DataType::int8:
    case DataType::boolean: return 1;
    case DataType::uint16:
    case DataType::int16:
    case DataType::float16:
    case DataType::bfloat16: return 2;
    case DataType::float32:
    case DataType::int32:
    case DataType::uint32: return 4;
    case DataType::int64:
    case DataType::uint64:
    case DataType::float64: return 8;
  }
  io::format_error(where, "elements of {} are not supported; floating-point numbers of 16 to 64 bits, integers and bool are",
                   name_of(type));
}

void decode_raw(std::span<const std::byte> raw, DataType type, Constant& to) {
  switch (type) {
    case DataType::float32: take<float>(raw, to.floats); break;
    case DataType::float64: take<double>(raw, to.floats); break;
    case DataType::float16: take_sixteen(raw, from_half, to.floats); break;
    case DataType::bfloat16: take_sixteen(raw, from_bfloat, to.floats); break;
    case DataType::boolean:
    case DataType::uint8: take<std::uint8_t>(raw, to.integers); break;
    case DataType::int8: take<std::int8_t>(raw, to.integers); break;
    case DataType::uint16: take<std::uint16_t>(raw, to.integers); break;
    case DataType::int16: take<std::int16_t>(raw, to.integers); break;
    case DataType::int32: take<std::int32_t>(raw, to.integers); break;
    case DataType::uint32: take<std::uint32_t>(raw, to.integers); break;
    case DataType::int64:
    case DataType::uint64: take<std::int64_t>(raw, to.integers); break;
  }
}

void decode_typed(const TensorProto& tensor, Constant& to) {
  switch (tensor.type) {
    case DataType::float32: to.floats = tensor.floats; break;
    case DataType::float64: to.floats.assign(tensor.doubles.begin(), tensor.doubles.end()); break;
    case DataType::float16:
    case DataType::bfloat16:
      for (const std::int64_t bits : tensor.integers)
        to.floats.push_back((tensor.type == DataType::float16 ? from_half : from_bfloat)(static_cast<std::uint16_t>(bits)));
      break;
    default: to.integers = tensor.integers;
  }
}

// A number of external_data.
std::uint64_t number_of(const TensorProto& tensor, const char* key, std::uint64_t otherwise, const std::string& where) {
  const auto found = tensor.external.find(key);
  if (found == tensor.external.end()) return otherwise;
  const std::string_view text = found->second;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size())
    io::format_error(where, "external_data: {} is {}; a whole number, 0 or more, is allowed", key, io::quote(text));
  return number;
}

}  // namespace

std::string Constant::shape_text() const { return fmt::format("({})", fmt::join(dims, ", ")); }

Constant make_floats(std::vector<std::int64_t> dims, std::vector<float> values) {
  Constant constant;
  constant.dims = std::move(dims);
  constant.is_float = true;
  constant.floats = std::move(values);
  return constant;
}

Constant make_integers(std::vector<std::int64_t> dims, std::vector<std::int64_t> values, std::vector<Mark> marks) {
  Constant constant;
  constant.dims = std::move(dims);
  constant.integers = std::move(values);
  constant.marks = std::move(marks);
  return constant;
}

std::int64_t element_count(std::span<const std::int64_t> dims, const std::string& where) {
  std::optional<std::int64_t> count = 1;
  for (const std::int64_t size : dims) {
    if (size < 0) io::format_error(where, "a size of the shape ({}) is below 0", fmt::join(dims, ", "));
    count = core::checked_mul(*count, size);
    if (!count || *count > (std::int64_t{1} << 58))
      io::format_error(where, "the shape ({}) has more elements than 64 bits can count", fmt::join(dims, ", "));
  }
  return *count;
}

const core::Bytes& ExternalFiles::file(std::string_view location, const std::string& where) {
  const auto found = files_.find(location);
  if (found != files_.end()) return found->second;
  if (folder_.empty()) io::format_error(where, "the numbers lie in another file, {}, and the model has no folder", io::quote(location));
  if (files_.size() >= most_files) io::format_error(where, "more than {} external files; that is the most linn takes", most_files);
  const auto refuse = [&](const char* why) { io::format_error(where, "external_data: location {} {}", io::quote(location), why); };
  const fs::path path(location);
  if (location.empty() || path.is_absolute() || location.find('\0') != std::string_view::npos ||
      location.find('\\') != std::string_view::npos)
    refuse("is no relative path inside the model's folder");
  fs::path full(folder_);
  for (const fs::path& part : path) {
    if (part == ".." || part.empty()) refuse("leaves the model's folder");
    full /= part;
    std::error_code error;
    const fs::file_status status = fs::symlink_status(full, error);
    if (!error && fs::is_symlink(status))
      refuse("is a symbolic link or leads through one; only files that lie in the model's folder are read");
  }
  std::error_code error;
  if (!fs::exists(full, error))
    io::format_error(where, "its numbers lie in the file {}, which is not there; put that file beside the model", io::quote(full.string()));
  if (fs::is_regular_file(full, error) && fs::hard_link_count(full, error) > 1 && !error)
    refuse("is a file with several names (hard links); only files that lie in the model's folder alone are read");
  return files_.emplace(location, io::read_file(full.string())).first->second;
}

std::span<const std::byte> ExternalFiles::bytes_of(const TensorProto& tensor, std::uint64_t wanted, const std::string& where) {
  const auto location = tensor.external.find("location");
  if (location == tensor.external.end()) io::format_error(where, "external_data names no location");
  const core::Bytes& bytes = file(location->second, where);
  const std::uint64_t offset = number_of(tensor, "offset", 0, where), length = number_of(tensor, "length", wanted, where);
  if (length != wanted) io::format_error(where, "external_data: length is {}, the shape and type want {}", length, wanted);
  if (offset > bytes.size() || length > bytes.size() - offset)
    io::format_error(where, "external_data: {} bytes from offset {} pass the end of {}, which has {} bytes", length, offset,
                     io::quote(location->second), bytes.size());
  return std::span(bytes).subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(length));
}

Constant decode(const TensorProto& tensor, ExternalFiles& files, const std::string& where) {
  if (tensor.has_texts) io::format_error(where, "texts and segments of tensors are not supported");
  const std::int64_t count = element_count(tensor.dims, where);
  const std::uint64_t wanted = static_cast<std::uint64_t>(count) * bytes_of(tensor.type, where);
  Constant constant;
  constant.dims = tensor.dims;
  constant.is_float = is_float(tensor.type);
  if (tensor.is_external) {
    decode_raw(files.bytes_of(tensor, wanted, where), tensor.type, constant);
  } else if (tensor.raw) {
    if (tensor.raw->size() != wanted)
      io::format_error(where, "raw_data has {} bytes, shape {} of {} wants {}", tensor.raw->size(), constant.shape_text(),
                       name_of(tensor.type), wanted);
    decode_raw(*tensor.raw, tensor.type, constant);
  } else {
    decode_typed(tensor, constant);
  }
  if (constant.elements() != static_cast<std::uint64_t>(count))
    io::format_error(where, "{} numbers are there, shape {} wants {}", constant.elements(), constant.shape_text(), count);
  return constant;
}

}  // namespace linn::detail::formats::onnx
