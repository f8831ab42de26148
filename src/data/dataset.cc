#include "data/dataset.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/did_you_mean.h"
#include "core/tensor_visit.h"
#include "data/archive.h"
#include "data/file_tree.h"
#include "data/idx.h"
#include "data/image_folder.h"
#include "data/image_layout.h"
#include "io/bytes.h"
#include "io/file.h"
#include "io/npy.h"
#include "io/text.h"
#include "io/zip.h"
#include "linn/data.h"
#include "linn/error.h"

namespace linn::detail::data {
namespace {

bool is_directory(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

void check_images(const Tensor& images, const std::string& images_where) {
  const Shape& shape = images.shape();
  if (shape.rank() < 2)
    throw DataError(
        fmt::format("{}: images of shape {}; (N, height, width), (N, height, width, channels) or (N, values) are allowed",
                    images_where, shape.to_string()));
  if (shape[0] == 0)
    throw DataError(fmt::format("{}: 0 images (shape {}); at least one is needed", images_where, shape.to_string()));
  for (const std::int64_t size : shape)
    if (size == 0) throw DataError(fmt::format("{}: images of size 0 (shape {})", images_where, shape.to_string()));
}

// Checks a pair and puts it into its two places.
void set_pair(const Tensor& images, const Tensor& labels, const std::string& images_where, const std::string& labels_where,
              Tensor& x, Tensor& y) {
  check_images(images, images_where);
  const Shape& shape = images.shape();
  const Tensor checked = checked_labels(labels, labels_where);
  if (checked.elements() != shape[0])
    throw DataError(fmt::format("{} images in {}, but {} labels in {}; there must be one label for each image", shape[0],
                                images_where, checked.elements(), labels_where));
  x = images;
  y = checked;
}

constexpr std::array<std::string_view, 4> known_arrays = {"x_train", "y_train", "x_test", "y_test"};

// An array that nobody reads, such as X_test, may be meant for one that is missing. Others may lie there.
void check_misspelt(const std::vector<std::string>& names, const std::string& path) {
  const auto has = [&](std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  std::vector<std::string_view> missing;
  std::copy_if(known_arrays.begin(), known_arrays.end(), std::back_inserter(missing), [&](std::string_view name) { return !has(name); });
  for (const std::string& name : names) {
    if (std::find(known_arrays.begin(), known_arrays.end(), name) != known_arrays.end()) continue;
    const std::string guess = core::did_you_mean(name, std::span<const std::string_view>(missing));
    if (!guess.empty())
      throw DataError(fmt::format("{}: has an array {}{}; x_train and y_train, x_test and y_test are read", path, io::quote(name), guess));
  }
}

template <class Text>
std::string listed(const std::vector<Text>& names) {
  std::string list;
  for (const std::string_view name : names) {
    if (list.size() > 500) return list + ", ...";
    list += (list.empty() ? "" : ", ") + io::quote(name);
  }
  return list.empty() ? "(none)" : list;
}

Dataset from_npz(std::span<const std::byte> bytes, const std::string& path, Labels wanted) {
  const NpzContent content = ArchiveReader::read(bytes, path, known_arrays);
  check_misspelt(content.names, path);
  const auto has = [&](std::string_view name) { return std::find(content.names.begin(), content.names.end(), name) != content.names.end(); };
  Dataset data;
  bool any = false;
  const auto take = [&](const char* images, const char* labels, Tensor& x, Tensor& y) {
    if (has(images) && !has(labels) && wanted == Labels::optional) {
      check_images(content.archive[images], path + ": " + images);
      x = content.archive[images];
      any = true;
      return;
    }
    if (has(images) != has(labels))
      throw DataError(fmt::format("{}: has {} but not {}; they come in pairs", path, has(images) ? images : labels,
                                  has(images) ? labels : images));
    if (!has(images)) return;
    any = true;
    set_pair(content.archive[images], content.archive[labels], path + ": " + images, path + ": " + labels, x, y);
  };
  take("x_train", "y_train", data.x_train, data.y_train);
  take("x_test", "y_test", data.x_test, data.y_test);
  data.train_where = path + (data.y_train.defined() ? ": x_train, y_train" : ": x_train");
  data.test_where = path + (data.y_test.defined() ? ": x_test, y_test" : ": x_test");
  if (!any)
    throw DataError(fmt::format("{}: has the arrays {}; x_train and y_train, x_test and y_test, or one of the two pairs are needed", path,
                                listed(content.names)));
  return data;
}

// ---- the files of MNIST, as mirrors name them ---------------------------------------------------------------------------

struct IdxFiles {
  // Paths; empty where there is none.
  std::string train_images, train_labels, test_images, test_labels;

  bool any() const { return !(train_images.empty() && train_labels.empty() && test_images.empty() && test_labels.empty()); }
};

// "train-images.idx3-ubyte.gz" as "train-images-idx3-ubyte".
std::string plain_name(std::string_view file) {
  std::string name = io::lower_case(file);
  for (char& c : name)
    if (c == '.' || c == '_' || c == ' ') c = '-';
  if (name.ends_with("-gz")) name.resize(name.size() - 3);
  return name;
}

// Of two files with one name, such as one that is gzipped and one that is not, the first in the order of names.
IdxFiles find_idx_files(const FileTree& tree) {
  IdxFiles found;
  const auto set = [](std::string& to, const std::string& file) {
    if (to.empty()) to = file;
  };
  for (std::size_t i = 0; i < tree.files().size(); ++i) {
    const std::string_view file = tree.files()[i];
    const std::string name = plain_name(file_name(file));
    // In a folder only where the folder has the file's name, as some archives unpack.
    if (file.find('/') != std::string_view::npos && plain_name(file.substr(0, file.find('/'))) != name) continue;
    if (name.ends_with("train-images-idx3-ubyte")) set(found.train_images, tree.where(i));
    if (name.ends_with("train-labels-idx1-ubyte")) set(found.train_labels, tree.where(i));
    for (const char* test : {"t10k", "test"}) {
      if (name.ends_with(fmt::format("{}-images-idx3-ubyte", test))) set(found.test_images, tree.where(i));
      if (name.ends_with(fmt::format("{}-labels-idx1-ubyte", test))) set(found.test_labels, tree.where(i));
    }
  }
  return found;
}

Dataset from_idx_files(const std::string& path, const IdxFiles& files) {
  Dataset data;
  const auto take = [&](const std::string& images, const std::string& labels, const char* prefix, Tensor& x, Tensor& y, std::string& where) {
    if (images.empty() != labels.empty())
      throw DataError(fmt::format("{}: has {} but not {}-{}-ubyte (plain or .gz); they come in pairs", path,
                                  images.empty() ? labels : images, prefix, images.empty() ? "images-idx3" : "labels-idx1"));
    if (images.empty()) return;
    const Tensor pixels = load_idx(images);
    set_pair(pixels, load_idx(labels), images, labels, x, y);
    where = images + ", " + labels;
  };
  take(files.train_images, files.train_labels, "train", data.x_train, data.y_train, data.train_where);
  take(files.test_images, files.test_labels, "t10k", data.x_test, data.y_test, data.test_where);
  return data;
}

// ---- files ---------------------------------------------------------------------------------------------------------------

enum class Kind : std::uint8_t { npy, idx, zip, unknown };

Kind kind_of(std::span<const std::byte> bytes) {
  const std::string_view text = io::text_of(bytes);
  if (text.starts_with("\x93NUMPY")) return Kind::npy;
  if (text.starts_with(std::string_view("\0\0", 2)) || text.starts_with("\x1f\x8b")) return Kind::idx;
  if (text.starts_with("PK")) return Kind::zip;
  return Kind::unknown;
}

std::string beginning(std::span<const std::byte> bytes) {
  return bytes.empty() ? "nothing (it is empty)" : io::quote(io::text_of(bytes).substr(0, 6));
}

Tensor array_in(std::span<const std::byte> bytes, const std::string& path) {
  switch (kind_of(bytes)) {
    case Kind::npy: return io::read_npy(bytes, path);
    case Kind::idx: return read_idx(bytes, path);
    default: io::format_error(path, "is neither an .npy nor an IDX file: it begins with {}", beginning(bytes));
  }
}

// Whether `word` stands in a file's name, between letters and digits of other words.
bool has_word(std::string_view name, std::string_view word) {
  const auto is_letter = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  for (std::size_t at = name.find(word); at != std::string_view::npos; at = name.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_letter(name[at - 1])) && (end == name.size() || !is_letter(name[end]))) return true;
  }
  return false;
}

Dataset from_pair(const std::string& images, const std::string& labels) {
  Dataset data;
  const std::string_view name = file_name(images);
  const bool test = has_word(name, "t10k") || has_word(name, "test");
  // One behind the other: of two bad files the images are complained about.
  const Tensor x = array_in(io::read_file(images), images);
  const Tensor y = array_in(io::read_file(labels), labels);
  set_pair(x, y, images, labels, test ? data.x_test : data.x_train, test ? data.y_test : data.y_train);
  (test ? data.test_where : data.train_where) = images + ", " + labels;
  return data;
}

Dataset without_labels(std::span<const std::byte> bytes, const std::string& path) {
  Dataset data;
  const bool train = file_name(path).starts_with("train");
  const Tensor images = array_in(bytes, path);
  check_images(images, path);
  (train ? data.x_train : data.x_test) = images;
  (train ? data.train_where : data.test_where) = path;
  return data;
}

Dataset from_images(ImageFolder&& folder, Labels wanted) {
  Dataset data;
  data.x_train = std::move(folder.x_train), data.y_train = std::move(folder.y_train);
  data.x_test = std::move(folder.x_test), data.y_test = std::move(folder.y_test);
  data.train_where = std::move(folder.train_where), data.test_where = std::move(folder.test_where);
  data.class_names = std::move(folder.class_names);
  data.notes = std::move(folder.notes);
  const auto check = [&](const Tensor& x, const Tensor& y, const std::string& where) {
    if (x.defined() && !y.defined() && wanted == Labels::needed)
      throw DataError(fmt::format("{}: the images lie in no class folders, so they have no labels; put those of each class into a folder "
                                  "with its name, train/CLASS/*.png and test/CLASS/*.png",
                                  where));
  };
  check(data.x_train, data.y_train, data.train_where);
  check(data.x_test, data.y_test, data.test_where);
  return data;
}

Dataset from_directory(const std::string& path, Labels labels, const ImageFolderOptions& images) {
  const std::unique_ptr<FileTree> tree = open_directory(path);
  if (const IdxFiles idx = find_idx_files(*tree); idx.any()) return from_idx_files(path, idx);
  const std::vector<std::string_view>& files = tree->files();
  if (std::none_of(files.begin(), files.end(), is_image))
    throw DataError(fmt::format("{}: the directory has {}; images in class folders (train/CLASS/*.png, test/CLASS/*.png, .jpg too) or the files of "
                                "MNIST (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, plain "
                                "or .gz) are needed",
                                path, files.empty() ? "no files" : fmt::format("no such files, but {}", listed(files))));
  return from_images(load_images(*tree, images), labels);
}

// Whether an archive of images, not of arrays.
bool holds_images(std::span<const std::byte> bytes, const std::string& path) {
  if (path.ends_with(".npz")) return false;
  io::ZipLimits limits;
  limits.members = limits.bomb_bytes = io::no_limit;
  const io::ZipReader zip(bytes, path, limits);
  return std::none_of(zip.members().begin(), zip.members().end(), [](const io::ZipMember& member) { return member.name.ends_with(".npy"); });
}

Dataset from_file(const std::string& path, Labels labels, const ImageFolderOptions& images) {
  const core::Bytes bytes = io::read_file(path);
  switch (kind_of(bytes)) {
    case Kind::zip:
      return holds_images(bytes, path) ? from_images(load_image_folder(path, images), labels) : from_npz(bytes, path, labels);
    case Kind::npy:
    case Kind::idx:
      if (labels == Labels::optional) return without_labels(bytes, path);
      throw DataError(fmt::format("{}: holds one array; name images and labels together, \"IMAGES,LABELS\"", path));
    case Kind::unknown: break;
  }
  if (path.ends_with(".npz") || path.ends_with(".zip")) return from_npz(bytes, path, labels);  // says what is wrong with it
  io::format_error(path, "is no data set: it begins with {}; an .npz file, a .zip or a directory of images in class folders, or two .npy or "
                   "IDX files, \"IMAGES,LABELS\", are read",
                   beginning(bytes));
}

// What would fail after the training is found before it.
void check_parts(const Dataset& data) {
  if (!data.x_train.defined() || !data.x_test.defined()) return;
  const Shape train = data.x_train.shape().without_first(), test = data.x_test.shape().without_first();
  if (train != test)
    throw DataError(fmt::format("training images of shape {} in {}, test images of shape {} in {}; both must have one shape",
                                train.to_string(), data.train_where, test.to_string(), data.test_where));
}

}  // namespace

bool holds_image_files(const std::string& path) {
  if (is_directory(path)) {
    const std::unique_ptr<FileTree> tree = open_directory(path);
    return !find_idx_files(*tree).any() && std::any_of(tree->files().begin(), tree->files().end(), is_image);
  }
  return path.ends_with(".zip") && exists(path) && holds_images(io::read_file(path), path);
}

Tensor checked_labels(const Tensor& labels, const std::string& where) {
  const Shape& shape = labels.shape();
  const bool column = shape.rank() == 2 && shape[1] == 1;
  if (shape.rank() != 1 && !column)
    throw DataError(
        fmt::format("{}: labels of shape {}; one integer for each image, (N,) or (N, 1), is allowed", where, shape.to_string()));
  const Tensor flat = column ? labels.reshape(Shape{shape[0]}) : labels;
  bool floating = false;
  core::visit(flat, [&]<class T>(std::span<const T> values) {
    floating = std::is_floating_point_v<T> || std::is_same_v<T, bfloat16>;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if constexpr (std::is_same_v<T, bfloat16> || std::is_floating_point_v<T>) {
        double value = 0;
        if constexpr (std::is_same_v<T, bfloat16>) {
          value = static_cast<double>(to_float(values[i]));
        } else {
          value = static_cast<double>(values[i]);
        }
        // The limit keeps every label exact in a double; NaN and infinity fail as well.
        if (!(value >= 0 && value <= 0x1p53 && std::trunc(value) == value))
          throw DataError(fmt::format("{}: label {} is {}; labels are whole numbers of 0 or more", where, i, value));
      } else if (values[i] < T{0}) {
        throw DataError(fmt::format("{}: label {} is {}; labels are whole numbers of 0 or more", where, i, values[i]));
      }
    }
  });
  return floating ? flat.astype(DType::i64) : flat;
}

Tensor labels_by_name(const Tensor& labels, const std::vector<std::string>& from, const std::vector<std::string>& to, const std::string& where) {
  if (from == to) return labels;
  std::vector<std::int64_t> number;
  for (const std::string& name : from) {
    const auto found = std::find(to.begin(), to.end(), name);
    if (found == to.end())
      throw DataError(fmt::format("{}: the model was not trained on the class {}{}; its classes are {}", where, io::quote(name),
                                  core::did_you_mean(name, std::span<const std::string>(to)), listed(to)));
    number.push_back(found - to.begin());
  }
  Tensor result = labels.astype(DType::i64);
  for (std::int64_t& label : result.values<std::int64_t>()) label = number.at(static_cast<std::size_t>(label));
  return result;
}

Dataset load_dataset(const std::string& path, Labels labels, const ImageFolderOptions& images) {
  if (path.empty()) throw ValueError("the name of the data is empty: an .npz or .zip file, a directory or \"IMAGES,LABELS\" is expected");
  Dataset data = [&] {
    if (is_directory(path)) return from_directory(path, labels, images);
    const auto comma = path.find(',');
    if (comma == std::string::npos || exists(path)) return from_file(path, labels, images);
    const std::string first = path.substr(0, comma);
    const std::string second = path.substr(comma + 1);
    if (first.empty() || second.empty() || second.find(',') != std::string::npos)
      throw ValueError(fmt::format("the data are named {}; two files, \"IMAGES,LABELS\", are expected", io::quote(path, 200)));
    return from_pair(first, second);
  }();
  check_parts(data);
  return data;
}

}  // namespace linn::detail::data
