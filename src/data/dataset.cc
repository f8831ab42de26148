#include "data/dataset.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "core/did_you_mean.h"
#include "core/tensor_visit.h"
#include "data/idx.h"
#include "io/bytes.h"
#include "io/file.h"
#include "io/npy.h"
#include "io/text.h"
#include "linn/data.h"
#include "linn/error.h"

namespace linn::data {
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
void check_misspelt(const Archive& archive, const std::string& path) {
  std::vector<std::string_view> missing;
  std::copy_if(known_arrays.begin(), known_arrays.end(), std::back_inserter(missing),
               [&](std::string_view name) { return !archive.contains(name); });
  for (const std::string& name : archive.names()) {
    if (std::find(known_arrays.begin(), known_arrays.end(), name) != known_arrays.end()) continue;
    const std::string guess = core::did_you_mean(name, std::span<const std::string_view>(missing));
    if (!guess.empty())
      throw DataError(fmt::format("{}: has an array {}{}; x_train and y_train, x_test and y_test are read", path, io::quote(name), guess));
  }
}

Dataset from_npz(const std::string& path, Labels wanted) {
  const Archive archive = load_npz(path);
  check_misspelt(archive, path);
  Dataset data;
  bool any = false;
  const auto take = [&](const char* images, const char* labels, Tensor& x, Tensor& y) {
    const bool has_images = archive.contains(images);
    const bool has_labels = archive.contains(labels);
    if (has_images && !has_labels && wanted == Labels::optional) {
      check_images(archive[images], path + ": " + images);
      x = archive[images];
      any = true;
      return;
    }
    if (has_images != has_labels)
      throw DataError(fmt::format("{}: has {} but not {}; they come in pairs", path, has_images ? images : labels,
                                  has_images ? labels : images));
    if (!has_images) return;
    any = true;
    set_pair(archive[images], archive[labels], path + ": " + images, path + ": " + labels, x, y);
  };
  take("x_train", "y_train", data.x_train, data.y_train);
  take("x_test", "y_test", data.x_test, data.y_test);
  data.train_where = path + (data.y_train.defined() ? ": x_train, y_train" : ": x_train");
  data.test_where = path + (data.y_test.defined() ? ": x_test, y_test" : ": x_test");
  if (!any) {
    std::string list;
    for (const std::string& name : archive.names()) {
      if (list.size() > 500) {
        list += ", ...";
        break;
      }
      list += (list.empty() ? "" : ", ") + io::quote(name);
    }
    throw DataError(
        fmt::format("{}: has the arrays {}; x_train and y_train, x_test and y_test, or one of the two pairs are needed", path,
                    list.empty() ? "(none)" : list));
  }
  return data;
}

Tensor load_array(const std::string& path) {
  const std::vector<std::byte> bytes = io::read_file(path);
  if (io::text_of(bytes).starts_with("\x93NUMPY")) return io::read_npy(bytes, path);
  const bool idx = bytes.size() >= 2 && ((bytes[0] == std::byte{0} && bytes[1] == std::byte{0}) ||
                                         (bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b}));
  if (!idx)
    io::format_error(path, "is neither an .npy nor an IDX file: it begins with {}",
                     bytes.empty() ? "nothing (it is empty)" : io::quote(io::text_of(bytes).substr(0, 6)));
  return read_idx(bytes, path);
}

Dataset from_pair(const std::string& images, const std::string& labels) {
  Dataset data;
  const std::string_view name = file_name(images);
  const bool test = name.starts_with("t10k") || name.starts_with("test");
  // One behind the other: of two bad files the images are complained about.
  const Tensor x = load_array(images);
  const Tensor y = load_array(labels);
  set_pair(x, y, images, labels, test ? data.x_test : data.x_train, test ? data.y_test : data.y_train);
  (test ? data.test_where : data.train_where) = images + ", " + labels;
  return data;
}

Dataset without_labels(const std::string& path) {
  Dataset data;
  const bool train = file_name(path).starts_with("train");
  const Tensor images = load_array(path);
  check_images(images, path);
  (train ? data.x_train : data.x_test) = images;
  (train ? data.train_where : data.test_where) = path;
  return data;
}

Dataset from_directory(const std::string& path) {
  Dataset data;
  bool any = false;
  const auto find = [&](const std::string& name) -> std::optional<std::string> {
    for (const char* ending : {"", ".gz"})
      if (std::string file = fmt::format("{}/{}{}", path, name, ending); exists(file)) return file;
    return std::nullopt;
  };
  const auto take = [&](const std::string& prefix, Tensor& x, Tensor& y, std::string& where) {
    const auto images = find(prefix + "-images-idx3-ubyte");
    const auto labels = find(prefix + "-labels-idx1-ubyte");
    if (images.has_value() != labels.has_value())
      throw DataError(fmt::format("{}: has {} but not {}-{}-ubyte (plain or .gz)", path, images ? *images : *labels, prefix,
                                  images ? "labels-idx1" : "images-idx3"));
    if (!images) return;
    any = true;
    const Tensor pixels = load_idx(*images);
    set_pair(pixels, load_idx(*labels), *images, *labels, x, y);
    where = *images + ", " + *labels;
  };
  take("train", data.x_train, data.y_train, data.train_where);
  take("t10k", data.x_test, data.y_test, data.test_where);
  if (!any)
    throw DataError(
        fmt::format("{}: the directory has none of the files train-images-idx3-ubyte, train-labels-idx1-ubyte, "
                    "t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (plain or .gz)",
                    path));
  return data;
}

}  // namespace

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

Dataset load_dataset(const std::string& path, Labels labels) {
  if (path.empty()) throw ValueError("the name of the data is empty: an .npz file, a directory or \"IMAGES,LABELS\" is expected");
  if (is_directory(path)) return from_directory(path);
  const auto comma = path.find(',');
  if (comma != std::string::npos && !exists(path)) {
    const std::string images = path.substr(0, comma);
    const std::string labels = path.substr(comma + 1);
    if (images.empty() || labels.empty() || labels.find(',') != std::string::npos)
      throw ValueError(fmt::format("the data are named {}; two files, \"IMAGES,LABELS\", are expected", io::quote(path, 200)));
    return from_pair(images, labels);
  }
  const std::string_view name = file_name(path);
  if (name.ends_with(".npy") || name.find("-ubyte") != std::string_view::npos) {
    if (!exists(path)) io::read_file(path);  // says why it cannot be opened
    if (labels == Labels::optional) return without_labels(path);
    throw DataError(fmt::format("{}: holds one array; name images and labels together, \"IMAGES,LABELS\"", path));
  }
  return from_npz(path, labels);
}

}  // namespace linn::data
