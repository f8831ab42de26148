// Messages of Protocol Buffers, read without trust. protozero decodes; this adds what a file from a stranger needs: every wire type is
// checked before a value is taken, and every error is a FormatError with the file, the field and its offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <protozero/pbf_reader.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace linn::detail::io {

/// The fields of one message, in the order of the file:
///     while (message.next())
///       switch (message.field()) {
///         case 1: size = message.integer(); break;
///         default: message.skip();
///       }
/// What it hands out points into the bytes of the file.
class ProtobufReader {
 public:
  /// `where` names the file; it must outlive the reader.
  ProtobufReader(std::span<const std::byte> bytes, const std::string& where) : ProtobufReader(bytes, where, bytes.data()) {}

  bool next();
  std::uint32_t field() const { return static_cast<std::uint32_t>(reader_.tag()); }
  /// Where the field begins, in the file.
  std::uint64_t offset() const { return offset_; }
  const std::string& where() const { return *where_; }

  std::int64_t integer();
  float number();
  std::span<const std::byte> bytes();
  std::string_view text();
  ProtobufReader message() { return {bytes(), *where_, base_}; }
  void skip();

  // Of repeated fields, which a file may hold one by one or packed: what this field holds is appended.
  void integers(std::vector<std::int64_t>& to);
  void floats(std::vector<float>& to);
  void doubles(std::vector<double>& to);

 private:
  ProtobufReader(std::span<const std::byte> bytes, const std::string& where, const std::byte* base);

  bool is_packed() const { return reader_.wire_type() == protozero::pbf_wire_type::length_delimited; }
  void expect(protozero::pbf_wire_type type) const;
  template <class T>
  void fixed(std::vector<T>& to, protozero::pbf_wire_type type);
  std::uint64_t place() const;

  protozero::pbf_reader reader_;
  const std::string* where_;
  const std::byte* base_;  // of the file
  std::uint64_t offset_ = 0;
};

}  // namespace linn::detail::io
