// What a Dataset is made of: a chain of nodes, each over the one before it.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "linn/dataset.h"

namespace linn::detail::data {

using Element = linn::Dataset::Element;

/// Elements of a pass without end.
inline constexpr std::int64_t endless = std::numeric_limits<std::int64_t>::max();

/// One pass through indexed data. Refers to its node.
class Pass {
 public:
  virtual ~Pass() = default;
  /// Makes element i; false where it is left out. Thread-safe. The same bits each time.
  virtual bool at(std::int64_t i, Element& to) const = 0;
};

/// Data of which any element can be made without those before it.
class IndexedNode {
 public:
  virtual ~IndexedNode() = default;
  /// Elements of a pass, those that are left out counted too; `endless`.
  virtual std::int64_t count() const = 0;
  virtual std::unique_ptr<const Pass> pass(std::uint64_t epoch) const = 0;
};

/// One pass through data that can only be read in order. Refers to its node. Used by one thread at a time.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual bool next(Element& to) = 0;
};

class StreamNode {
 public:
  virtual ~StreamNode() = default;
  /// Elements of a pass; Dataset::infinite, Dataset::unknown.
  virtual std::int64_t cardinality() const = 0;
  virtual std::unique_ptr<Stream> stream(std::uint64_t epoch) const = 0;
};

using IndexedPtr = std::shared_ptr<const IndexedNode>;
using StreamPtr = std::shared_ptr<const StreamNode>;

class SkippedLog;

/// What a source of images says about itself.
struct ImageNotes {
  std::vector<std::string> class_names = {};
  std::vector<std::string> notes = {};
  std::shared_ptr<const SkippedLog> skipped = {};
};

struct Chain {
  IndexedPtr indexed = {};  // this or the next is set
  StreamPtr stream = {};
  std::shared_ptr<const ImageNotes> notes = {};  // null for sources other than images
  bool is_unbatched = false;                     // elements are known to be single samples
  bool is_prefetched = false;
  PrefetchOptions prefetch = {};
};

/// The number of the inner pass for repetition `k` of pass `epoch`: passes of all repetitions differ.
inline std::uint64_t inner_epoch(std::uint64_t epoch, std::uint64_t k, std::int64_t repetitions) {
  return repetitions == linn::Dataset::infinite ? (epoch << 32) + k : epoch * static_cast<std::uint64_t>(repetitions) + k;
}

// The nodes, by their files: tensors.cc, generator.cc, images.cc, map.cc, shuffle.cc, batch.cc, range.cc, cache.cc.
IndexedPtr tensors_node(const Tensors& x, const Tensors& y, const Tensors& sample_weight);
StreamPtr generator_node(std::function<linn::Dataset::Generator(std::int64_t epoch)> begin, std::int64_t cardinality);
Chain images_from_directory(const std::string& path, const ImageDatasetOptions& options);
Chain images_from_zip(const std::string& path, const ImageDatasetOptions& options);

IndexedPtr map_node(IndexedPtr inner, linn::Dataset::PlacedMapFunction function);
StreamPtr map_node(StreamPtr inner, linn::Dataset::PlacedMapFunction function);
IndexedPtr shuffle_node(IndexedPtr inner, const ShuffleOptions& options);
StreamPtr shuffle_node(StreamPtr inner, const ShuffleOptions& options);
IndexedPtr batch_node(IndexedPtr inner, std::int64_t size, bool drop_remainder);
StreamPtr batch_node(StreamPtr inner, std::int64_t size, bool drop_remainder);
IndexedPtr repeat_node(IndexedPtr inner, std::int64_t times);
StreamPtr repeat_node(StreamPtr inner, std::int64_t times);
/// Elements [first, first + most) of each pass.
IndexedPtr range_node(IndexedPtr inner, std::int64_t first, std::int64_t most);
StreamPtr range_node(StreamPtr inner, std::int64_t first, std::int64_t most);
IndexedPtr cache_node(IndexedPtr inner);
StreamPtr cache_node(StreamPtr inner);

}  // namespace linn::detail::data
