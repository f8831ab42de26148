// Image folders and archives that `linn train` reads while it trains, because they do not fit into memory or because that was asked for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/pixels.h"
#include "cli/training_run.h"
#include "linn/dataset.h"
#include "linn/model.h"

namespace linn::cli {

/// A folder or archive as data sets that stream.
class StreamedData {
 public:
  /// Nothing where the data are no images in folders, or fit into half of the memory and nobody asked for streaming. UsageError where somebody
  /// did and they are none.
  static std::optional<StreamedData> open(const Common& common, const TrainingRun& run);

  /// The first training images and their labels, at most a thousand: what decides about shapes, range and background. They name the classes.
  const detail::data::Dataset& sample() const { return sample_; }
  std::int64_t images() const { return train_.cardinality(); }
  std::int64_t test_images() const { return test_.defined() ? test_.cardinality() : 0; }

  /// Images as the model takes them from here on: multiplied, and on a canvas.
  void convert(const Pixels& as_sample, std::int64_t canvas);
  /// Keeps the last share of the images to measure on.
  void split(double validation_split);
  /// Batches of training images in the order of the seed; of those that were kept back; of the test images. Undefined where there are none.
  Dataset training_batches(const Model& model, std::uint64_t seed, std::int64_t batch_size) const;
  Dataset validation_batches(const Model& model, std::int64_t batch_size) const;
  Dataset test_batches(const Model& model, std::int64_t batch_size) const;

  /// Test images that could not be read so far.
  std::int64_t skipped_test_images() const { return test_.defined() ? test_.skipped().count : 0; }
  /// Images that could not be read so far, of all parts.
  SkippedImages skipped() const;

 private:
  StreamedData() = default;
  Dataset batches(const Dataset& samples, const Model& model, std::int64_t batch_size) const;

  Dataset train_, validation_, test_;
  detail::data::Dataset sample_;
  Pixels pixels_;
  std::int64_t canvas_ = 0;
};

/// "3 images could not be read and were left out", with the first reasons; empty where there are none.
std::string skipped_text(const SkippedImages& skipped);

}  // namespace linn::cli
