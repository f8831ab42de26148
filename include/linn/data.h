// room: data
// Arrays and images from files: numpy's .npy and .npz, the IDX files of MNIST, PNG and JPEG.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "linn/tensor.h"

namespace linn {

/// Arrays by name, in the order of their file: what `numpy.load` returns for an .npz file.
class Archive {
 public:
  using Entry = std::pair<std::string, Tensor>;

  Archive() = default;
  /// Throws ValueError for a name given twice.
  Archive(std::initializer_list<Entry> entries);
  explicit Archive(std::vector<Entry> entries);

  /// Throws ValueError for an unknown name, listing those there are.
  const Tensor& operator[](std::string_view name) const;
  bool contains(std::string_view name) const;
  std::vector<std::string> names() const;
  /// Adds an array, or replaces the one of that name.
  void set(std::string name, Tensor tensor);

  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  std::vector<Entry>::const_iterator begin() const { return entries_.begin(); }
  std::vector<Entry>::const_iterator end() const { return entries_.end(); }

 private:
  const Tensor* find(std::string_view name) const;

  std::vector<Entry> entries_;
  std::string where_ = "the archive";

  friend Archive load_npz(const std::string& path);
};

// Every function below throws IoError when the file cannot be read or written, FormatError (with file, member and offset)
// when its bytes are not what they claim to be, MemoryError when memory is short.
//
// Types without a linn::DType load as the next wider one: bool as uint8 (0 or 1), int8, int16 and uint16 as int32, uint32 and
// uint64 as int64, float16 as float32. Big-endian numbers and Fortran order load as if they were neither.

/// An .npy file. Arrays of Python objects, records, texts and complex numbers are refused.
Tensor load_npy(const std::string& path);
/// All arrays of an .npz file, plain or compressed. A member that inflates to more than 256 MiB and more than a hundred times its
/// compressed size is refused as a bomb.
Archive load_npz(const std::string& path);
/// An IDX file (http://yann.lecun.com/exdb/mnist/), plain or gzip.
Tensor load_idx(const std::string& path);
/// A PNG or JPEG image, told apart by their first bytes, as uint8 of shape (height, width, channels): one channel for grey,
/// three for colour. Transparency is laid over white, 16 bits become 8, an EXIF orientation is applied. At most 64 Mi pixels.
Tensor load_image(const std::string& path);

/// Writes as numpy does; the file is the old one or the new one at every instant. bfloat16, which numpy lacks, is a ValueError.
void save_npy(const std::string& path, const Tensor& tensor);
/// An .npz file as `numpy.savez` makes it, or as `numpy.savez_compressed` does.
void save_npz(const std::string& path, const Archive& arrays, bool compressed = false);
/// A PNG of a uint8 tensor (height, width), (height, width, 1) or (height, width, 3).
void save_png(const std::string& path, const Tensor& image);

}  // namespace linn
