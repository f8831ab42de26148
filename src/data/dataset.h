// The data set that the command's --data names.
#pragma once

#include <cstdint>
#include <string>

#include "linn/tensor.h"

namespace linn::data {

/// Images (N, ...) and their labels (N), one integer of 0 or more each. A pair that the files lack is undefined in both.
struct Dataset {
  Tensor x_train, y_train, x_test, y_test;
  /// Where they come from, for messages: "FILE: x_train, y_train" or "FILE, FILE".
  std::string train_where, test_where;
};

/// Whether images without labels are taken.
enum class Labels : std::uint8_t { needed, optional };

/// Takes
/// - an .npz file with x_train and y_train, x_test and y_test (Keras's names), or one of the two pairs;
/// - "IMAGES,LABELS", two files that are .npy or IDX (plain or gzip) each; they are the training pair, unless the name
///   of the images' file begins with "t10k" or "test";
/// - a directory with the files of MNIST: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte,
///   t10k-labels-idx1-ubyte, each plain or with .gz, or one of the two pairs.
/// Where labels are optional, also an .npz file with x_train or x_test alone, and a single .npy or IDX file, which are test images unless
/// its name begins with "train"; the labels are undefined then.
/// Labels of shape (N, 1) become (N); floating-point labels that are whole numbers become int64.
/// Throws DataError, with index and value, for different counts, no images, labels that are no whole numbers or negative;
/// beyond that what the readers throw.
Dataset load_dataset(const std::string& path, Labels labels = Labels::needed);

/// Labels checked and brought to (N) as above. `where` begins the message.
Tensor checked_labels(const Tensor& labels, const std::string& where);

}  // namespace linn::data
