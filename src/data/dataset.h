// The data set that the command's --data names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "linn/data.h"
#include "linn/tensor.h"

namespace linn::detail::data {

/// Images (N, ...) and their labels (N), one integer of 0 or more each. A pair that the files lack is undefined in both.
struct Dataset {
  Tensor x_train, y_train, x_test, y_test;
  /// Where they come from, for messages: "FILE: x_train, y_train" or "FILE, FILE".
  std::string train_where, test_where;
  /// Class i is class_names[i]; empty where the files name no classes.
  std::vector<std::string> class_names;
  /// What was converted or left out: a sentence each.
  std::vector<std::string> notes;
};

/// Whether images without labels are taken.
enum class Labels : std::uint8_t { needed, optional };

/// Takes
/// - a directory or ZIP archive of images in class folders, see load_image_folder; `images` is for these alone;
/// - an .npz file with x_train and y_train, x_test and y_test (Keras's names), or one of the two pairs; other arrays are not read;
/// - "IMAGES,LABELS", two files that are .npy or IDX (plain or gzip) each; they are the training pair, unless the name
///   of the images' file holds the word "t10k" or "test";
/// - a directory with the files of MNIST: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte,
///   t10k-labels-idx1-ubyte, or one of the two pairs. Each may be gzipped, have dots or underscores in place of dashes
///   (train-images.idx3-ubyte), another name in front, "test" in place of "t10k", and may lie in a folder of the same name.
/// Files are told apart by their first bytes. Where labels are optional, also an .npz file with x_train or x_test alone, and a single
/// .npy or IDX file, which are test images unless its name begins with "train"; the labels are undefined then.
/// Labels of shape (N, 1) become (N); floating-point labels that are whole numbers become int64.
/// Throws DataError, with index and value, for different counts, no images, labels that are no whole numbers or negative, training and
/// test images of different sizes; beyond that what the readers throw.
Dataset load_dataset(const std::string& path, Labels labels = Labels::needed, const ImageFolderOptions& images = {});

/// Whether load_dataset would read images in folders: a directory, or a ZIP archive without arrays. Opens no image.
bool holds_image_files(const std::string& path);

/// Labels checked and brought to (N) as above. `where` begins the message.
Tensor checked_labels(const Tensor& labels, const std::string& where);

/// Labels of the classes named `from`, as labels of the same classes among `to`. DataError for a class that `to` lacks.
Tensor labels_by_name(const Tensor& labels, const std::vector<std::string>& from, const std::vector<std::string>& to, const std::string& where);

}  // namespace linn::detail::data
