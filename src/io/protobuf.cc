#include "io/protobuf.h"

#include <cstring>
#include <protozero/exception.hpp>

#include "io/bytes.h"

namespace linn::detail::io {
namespace {

using protozero::pbf_wire_type;

// Runs `read`; what protozero finds wrong becomes a FormatError.
template <class Read>
auto checked(const std::string& where, std::uint64_t offset, std::uint32_t field, Read read) {
  try {
    return read();
  } catch (const protozero::end_of_buffer_exception&) {
    format_error(where, "truncated: field {} at offset {} passes the end of its message", field, offset);
  } catch (const protozero::varint_too_long_exception&) {
    format_error(where, "field {} at offset {} holds an integer of more than 10 bytes", field, offset);
  } catch (const protozero::exception&) {
    format_error(where, "the bytes at offset {} are no field of a protobuf message", offset);
  }
}

}  // namespace

ProtobufReader::ProtobufReader(std::span<const std::byte> bytes, const std::string& where, const std::byte* base)
    : reader_(reinterpret_cast<const char*>(bytes.data()), bytes.size()), where_(&where), base_(base) {}

std::uint64_t ProtobufReader::place() const {
  return static_cast<std::uint64_t>(reinterpret_cast<const std::byte*>(reader_.data().data()) - base_);
}

bool ProtobufReader::next() {
  offset_ = place();
  return checked(*where_, offset_, 0, [&] { return reader_.next(); });
}

void ProtobufReader::expect(pbf_wire_type type) const {
  if (reader_.wire_type() != type)
    format_error(*where_, "field {} at offset {} has wire type {}, {} is allowed", field(), offset_, static_cast<int>(reader_.wire_type()),
                 static_cast<int>(type));
}

std::int64_t ProtobufReader::integer() {
  expect(pbf_wire_type::varint);
  return checked(*where_, offset_, field(), [&] { return reader_.get_int64(); });
}

float ProtobufReader::number() {
  expect(pbf_wire_type::fixed32);
  return checked(*where_, offset_, field(), [&] { return reader_.get_float(); });
}

std::span<const std::byte> ProtobufReader::bytes() {
  expect(pbf_wire_type::length_delimited);
  const protozero::data_view view = checked(*where_, offset_, field(), [&] { return reader_.get_view(); });
  return {reinterpret_cast<const std::byte*>(view.data()), view.size()};
}

std::string_view ProtobufReader::text() { return text_of(bytes()); }

void ProtobufReader::skip() {
  checked(*where_, offset_, field(), [&] { reader_.skip(); });
}

void ProtobufReader::integers(std::vector<std::int64_t>& to) {
  if (!is_packed()) return to.push_back(integer());
  checked(*where_, offset_, field(), [&] {
    for (const std::int64_t value : reader_.get_packed_int64()) to.push_back(value);
  });
}

template <class T>
void ProtobufReader::fixed(std::vector<T>& to, pbf_wire_type type) {
  if (is_packed()) {
    const std::span<const std::byte> part = bytes();
    if (part.size() % sizeof(T) != 0)
      format_error(*where_, "field {} at offset {} has {} bytes, no multiple of {}", field(), offset_, part.size(), sizeof(T));
    const std::size_t before = to.size();
    to.resize(before + part.size() / sizeof(T));
    if (!part.empty()) std::memcpy(to.data() + before, part.data(), part.size());
    return;
  }
  expect(type);
  if constexpr (sizeof(T) == sizeof(float))
    to.push_back(checked(*where_, offset_, field(), [&] { return reader_.get_float(); }));
  else
    to.push_back(checked(*where_, offset_, field(), [&] { return reader_.get_double(); }));
}

void ProtobufReader::floats(std::vector<float>& to) { fixed(to, pbf_wire_type::fixed32); }
void ProtobufReader::doubles(std::vector<double>& to) { fixed(to, pbf_wire_type::fixed64); }

}  // namespace linn::detail::io
