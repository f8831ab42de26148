// HDF5 files, as Keras, h5py and TensorFlow write them: a bounded reader and a writer.
// Format: "HDF5 File Format Specification Version 3.0", https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
// What is read, what is refused and why this is not libhdf5: docs/decisions/hdf5.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "io/elements.h"
#include "io/file.h"
#include "linn/shape.h"
#include "linn/tensor.h"

namespace linn::detail::io {

/// What is refused. Every limit is checked before memory is allocated.
struct Hdf5Limits {
  std::uint64_t depth = 64;           ///< names on one path
  std::uint64_t links = 1'000'000;    ///< links in all groups that were opened
  std::uint64_t attributes = 65'536;  ///< attributes of one object
  /// Bytes that a dataset may declare although none of its data is in the file. It then reads as its fill value.
  std::uint64_t unwritten_bytes = std::uint64_t{1} << 20;
  /// A chunked dataset may declare `unwritten_bytes`, or this many bytes for each byte of its chunks in the file. A chunk of
  /// zeros comes close to what deflate can do, so a lower ratio would refuse the slots of a fresh optimizer.
  std::uint64_t bomb_ratio = 1032;
};

/// One attribute: a string, a list of strings, or numbers.
struct Hdf5Attribute {
  std::string name;
  std::string where;  ///< file, object and attribute, as messages begin
  std::variant<std::string, std::vector<std::string>, Tensor> value;

  bool is_text() const { return std::holds_alternative<std::string>(value); }
  /// The scalar string. FormatError when it is something else.
  const std::string& text() const;
  /// The strings of an array. An array of no numbers counts as no strings, because h5py writes an empty list so.
  const std::vector<std::string>& texts() const;
  /// The numbers; a scalar has the shape (). FormatError when it is text.
  const Tensor& tensor() const;
};

namespace hdf5 {
class FileData;
struct Object;
struct Links;
}  // namespace hdf5

/// An object of a file: what groups and datasets share. Handles are cheap to copy and keep the Hdf5File's data alive,
/// but not the bytes that it was made from.
class Hdf5Object {
 public:
  /// From the root: "/", "/layers/dense/vars".
  const std::string& path() const;
  /// FILE: "PATH", as messages begin.
  std::string where() const;
  /// In the order of creation if the file keeps it, else by name.
  std::vector<std::string> attribute_names() const;
  /// nullopt when there is none of this name. FormatError when its type is not supported.
  std::optional<Hdf5Attribute> attribute(std::string_view name) const;
  bool has_attribute(std::string_view name) const;

 protected:
  explicit Hdf5Object(std::shared_ptr<const hdf5::Object> object) : object_(std::move(object)) {}

  std::shared_ptr<const hdf5::Object> object_;
};

/// A dataset: its header is read, its elements only when asked for.
class Hdf5Dataset : public Hdf5Object {
 public:
  const Shape& shape() const;
  /// Type of the elements; nullopt for strings. A float16 is FileType::f16; a 2-byte opaque type is FileType::bf16 when the
  /// dataset's attribute `dtype` is "bfloat16", and refused otherwise. h5py's bool, an enumeration, is FileType::boolean.
  std::optional<FileType> type() const;
  bool is_text() const { return !type(); }

  /// The elements, widened as elements.h says. A contiguous dataset is copied once, from the file to the tensor.
  /// FormatError for a dataset of strings and for data that are not there.
  Tensor read() const;
  /// The strings, in row-major order. FormatError for a dataset of numbers.
  std::vector<std::string> texts() const;

 private:
  friend class Hdf5Group;
  using Hdf5Object::Hdf5Object;
};

/// A group. A path is a name or several joined by '/'; a leading '/' is ignored, so that paths start at this group.
/// Only hard links are followed. Other links, and objects with two links (cycles are made of these), are refused with
/// FormatError when they are opened.
class Hdf5Group : public Hdf5Object {
 public:
  /// In the order of creation if the file keeps it, else by name (bytewise).
  std::vector<std::string> names() const;
  std::size_t size() const;
  bool contains(std::string_view path) const;
  bool is_group(std::string_view path) const;
  bool is_dataset(std::string_view path) const;
  /// nullopt when nothing has this path, or when it is a dataset.
  std::optional<Hdf5Group> find_group(std::string_view path) const;
  /// nullopt when nothing has this path, or when it is a group.
  std::optional<Hdf5Dataset> find_dataset(std::string_view path) const;
  /// FormatError that names the path when there is no such group.
  Hdf5Group group(std::string_view path) const;
  /// FormatError that names the path when there is no such dataset.
  Hdf5Dataset dataset(std::string_view path) const;

 private:
  friend class Hdf5File;
  Hdf5Group(std::shared_ptr<const hdf5::Object> object, std::shared_ptr<const hdf5::Links> links)
      : Hdf5Object(std::move(object)), links_(std::move(links)) {}

  std::shared_ptr<hdf5::Object> find(std::string_view path) const;
  static Hdf5Group opened(std::shared_ptr<const hdf5::Object> object);

  std::shared_ptr<const hdf5::Links> links_;
};

/// A file in memory. Opening reads the superblock and the root group; other objects are read when they are opened.
/// Superblock versions 0 to 3; a user block in front of the superblock is refused. Any number of threads may read at once.
class Hdf5File {
 public:
  /// The bytes must outlive the file and all its groups and datasets. `where` names the file in messages.
  /// Throws FormatError with file, object and offset.
  Hdf5File(std::span<const std::byte> bytes, std::string where, const Hdf5Limits& limits = {});

  Hdf5Group root() const;

 private:
  std::shared_ptr<const hdf5::FileData> data_;
};

/// Makes a file as h5py does by default: superblock 0, groups by symbol table, contiguous little-endian datasets, strings as
/// variable-length UTF-8. The same content gives the same bytes: names are sorted, no times are kept.
class Hdf5Writer {
 public:
  /// Strings are variable-length UTF-8. Numbers are scalars of int64 or float64.
  using Value = std::variant<std::string, std::vector<std::string>, std::int64_t, double>;

  Hdf5Writer();
  ~Hdf5Writer();
  Hdf5Writer(Hdf5Writer&&) noexcept;
  Hdf5Writer& operator=(Hdf5Writer&&) noexcept;

  /// Makes a group and those above it; nothing happens if it is there. "" and "/" are the root, which always is.
  /// Here and below, ValueError for an empty name, a NUL, "." and a dataset as parent.
  void group(std::string_view path);
  /// Adds a dataset and the groups above it. The tensor's elements are shared, not copied: do not change them before `write`.
  /// bfloat16 becomes a 2-byte opaque type with the attribute dtype="bfloat16", as Keras writes it. ValueError if the path is taken.
  void dataset(std::string_view path, const Tensor& tensor);
  /// The same from little-endian bytes, which must outlive `write`. ValueError unless they are shape.elements() * size_of(type).
  void dataset(std::string_view path, FileType type, const Shape& shape, std::span<const std::byte> bytes);
  /// Sets an attribute of a group or dataset, which must be there (ValueError). A second value replaces the first.
  void attribute(std::string_view path, std::string_view name, Value value);

  /// The whole file in pieces, in order. The pieces point into this object and the tensors: they live until the next change.
  std::vector<std::span<const std::byte>> parts();
  void write(const Sink& sink);

 private:
  struct Node;
  struct Built;

  Node* find(std::string_view path) const;
  Node& make_group(std::span<const std::string_view> names, std::string_view path);
  Node& make_dataset(std::string_view path);

  std::unique_ptr<Node> root_;
  std::unique_ptr<Built> built_;
};

}  // namespace linn::detail::io
