// room: data
// Arrays and images from files: numpy's .npy and .npz, the IDX files of MNIST, PNG and JPEG.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "linn/choice.h"
#include "linn/tensor.h"
#include "linn/types.h"

namespace linn {

namespace detail::data {
struct ArchiveReader;
}

/// Arrays by name, in the order of their file: what `numpy.load` returns for an .npz file.
class Archive {
 public:
  using Entry = std::pair<std::string, Tensor>;

  Archive() = default;
  /// Throws ValueError for a name given twice.
  Archive(std::initializer_list<Entry> entries);
  explicit Archive(std::vector<Entry> entries);

  /// Throws ValueError for an unknown name, listing those there are, and FormatError for an array of load_npz that holds no numbers.
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
  std::vector<std::pair<std::string, std::string>> refused_;  // name, reason
  std::string where_ = "the archive";

  friend struct detail::data::ArchiveReader;
};

// Every function below throws IoError when the file cannot be read or written, FormatError (with file, member and offset)
// when its bytes are not what they claim to be, MemoryError when memory is short.
//
// Types without a linn::DType load as the next wider one: bool as uint8 (0 or 1), int8, int16 and uint16 as int32, uint32 and
// uint64 as int64, float16 as float32. Big-endian numbers and Fortran order load as if they were neither.

/// An .npy file. Arrays of Python objects, records, texts and complex numbers are refused.
Tensor load_npy(const std::string& path);
/// All arrays of an .npz file, plain or compressed. An array of Python objects, texts, dates, records or complex numbers is passed over:
/// it is not among `names()`, and asking for it throws. MemoryError, before any array is read, where the declared sizes exceed this
/// machine's memory.
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

struct ColorModeNames {
  enum Kind : std::uint8_t { automatic, grayscale, rgb };
  static constexpr std::string_view option = "color_mode", names[] = {"auto", "grayscale", "rgb"};
  static consteval void check(bool known) {
    if (!known) throw "color_mode must be \"auto\", \"grayscale\" or \"rgb\"";
  }
};
/// The channels of images that are loaded together: "auto" (one where all are grey, else three), "grayscale" or "rgb". Colour becomes grey
/// by Rec. 601 (0.299 red + 0.587 green + 0.114 blue, rounded); grey is repeated in three channels.
/// A misspelt literal does not compile; a std::string is checked when it runs (ValueError).
using ColorMode = Choice<ColorModeNames>;

struct ImageFolderOptions {
  /// Height and width that images are resized to (bilinear with antialiasing, aspect ratio not kept). Not set: all must have one size.
  Size2 image_size = {};
  ColorMode color_mode = "auto";
  /// Called from the calling thread, now and then, with the number of images done and of all.
  std::function<void(std::int64_t done, std::int64_t all)> progress = {};
};

/// Images (n, height, width, channels), uint8, and their classes (n), int64. Parts that are not there are undefined.
struct ImageFolder {
  Tensor x_train, y_train, x_test, y_test;
  /// Class i is class_names[i]: the names of the class folders in the order of their bytes.
  std::vector<std::string> class_names;
  /// Where the parts lie, for messages.
  std::string train_where, test_where;
  /// What was converted or left out: a sentence each.
  std::vector<std::string> notes;
};

/// Images sorted into class folders, in a directory or a ZIP archive: PATH/train/CLASS/*.png and PATH/test/CLASS/*.png; .jpg and .jpeg
/// too, in folders within a class as well. "val", "valid" and "validation" stand for "test" where that is missing. Without these
/// folders PATH/CLASS/*.png are training images. Images in no class folder come without labels.
/// The order is the same each time: classes interleaved in proportion, files of a class by name.
/// Hidden files, Thumbs.db and files of other kinds are left out. Images are decoded on the worker pool.
/// Throws DataError for folders that make no sense and images of different sizes, FormatError or IoError that names the images that
/// cannot be read, MemoryError, before anything is decoded, where the images do not fit into memory.
/// Example: `const ImageFolder cifar = load_image_folder("cifar10.zip"); model.fit(cifar.x_train, cifar.y_train);`
ImageFolder load_image_folder(const std::string& path, const ImageFolderOptions& options = {});

}  // namespace linn
