// room: data
// Data sets that stream: elements are made when they are asked for, so data need not fit into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "linn/choice.h"
#include "linn/data.h"
#include "linn/tensors.h"
#include "linn/types.h"

namespace linn {

namespace detail::data {
struct Chain;
struct DatasetOf;
}  // namespace detail::data

/// A place in a data set: the pass (epoch), and the elements of that pass that come before it. Small enough to be saved with a model.
struct DatasetPosition {
  std::int64_t epoch = 0;
  std::int64_t index = 0;

  friend bool operator==(const DatasetPosition&, const DatasetPosition&) = default;
};

struct OnErrorNames {
  enum Kind : std::uint8_t { raise, skip };
  static constexpr std::string_view option = "on_error", names[] = {"raise", "skip"};
  static consteval void check(bool known) {
    if (!known) throw "on_error must be \"raise\" or \"skip\"";
  }
};
/// What happens to an image that cannot be read: "raise" throws its error, "skip" leaves it out and counts it (`Dataset::skipped`).
/// A misspelt literal does not compile; a std::string is checked when it runs (ValueError).
using OnError = Choice<OnErrorNames>;

struct DatasetPartNames {
  enum Kind : std::uint8_t { train, test };
  static constexpr std::string_view option = "part", names[] = {"train", "test"};
  static consteval void check(bool known) {
    if (!known) throw "part must be \"train\" or \"test\"";
  }
};
/// Which images of a folder are read: "train" (PATH/train, or PATH itself where there is no such folder) or "test" (PATH/test, or what stands
/// for it: see load_image_folder).
using DatasetPart = Choice<DatasetPartNames>;

struct ImageDatasetOptions {
  /// Height and width that images are resized to (bilinear with antialiasing, aspect ratio not kept). Not set: that of the first image,
  /// which all must have.
  Size2 image_size = {};
  /// "auto" takes the channels of the first image that can be read: grey images become colour where it has colours; where it is grey, an
  /// image with colours is a DataError.
  ColorMode color_mode = "auto";
  DatasetPart part = "train";
  OnError on_error = "raise";
  /// Images of more pixels are refused by their header, before memory is taken for them.
  std::int64_t max_pixels = std::int64_t{64} << 20;
};

struct ShuffleOptions {
  /// Elements among which the next is drawn, where the data can only be read in order. Indexed data are shuffled as a whole, and this number
  /// does not count.
  std::int64_t buffer_size = 0;
  std::uint64_t seed = 0;
  /// Whether each pass has an order of its own.
  bool reshuffle_each_iteration = true;
};

struct PrefetchOptions {
  /// Elements that are ready at most; 0: two more than there are threads.
  std::int64_t buffer_size = 0;
  /// Background threads; 0: LINN_THREADS, or one for each CPU, at most 16. Data that can only be read in order have one.
  int threads = 0;
};

/// Images that were left out because they cannot be read.
struct SkippedImages {
  std::int64_t count = 0;
  /// The error of each of the first hundred: the file and the reason.
  std::vector<std::string> messages = {};
};

/// A chain of a source and transforms that gives elements one after the other: samples before `batch`, batches after it.
///
///     const Dataset train = Dataset::from_directory("cats_and_dogs", {.image_size = 160, .on_error = "skip"})
///                               .cache().shuffle({.seed = 1}).batch(32).prefetch();
///     model.fit(train, {.epochs = 10});
///
/// A Dataset is a description; copies share it. Each DatasetIterator goes through it on its own, from several threads at once if wanted.
/// Elements, their order and their bits follow from the chain and the position alone, never from the number of threads.
/// Sources other than `from_generator` are *indexed*: any element can be made without those before it, so `skip_to` costs nothing, `shuffle`
/// is whole, and `prefetch` uses several threads. Transforms keep that. Names and meanings are those of tf.data.
class Dataset {
 public:
  /// A sample before `batch`: tensors without an axis of samples. A batch after it.
  using Element = Batch;
  /// Gives the next element, or false where the data end.
  using Generator = std::function<bool(Element& element)>;
  using MapFunction = std::function<Element(Element element)>;
  /// The same with the element's position before any later shuffle: what random numbers should follow from.
  using PlacedMapFunction = std::function<Element(Element element, const DatasetPosition& position)>;

  /// What `cardinality` gives where passes do not end, and where the number of elements is not known.
  static constexpr std::int64_t infinite = -1, unknown = -2;

  /// None: `defined()` is false, and everything else throws StateError.
  Dataset() = default;
  bool defined() const { return chain_ != nullptr; }

  // ---- sources

  /// Samples along the first axis of tensors, which are not copied (tf.data's `from_tensor_slices`). Throws DataError for tensors of
  /// different lengths, without samples, or of rank 0.
  static Dataset from_tensors(const Tensors& x, const Tensors& y = {}, const Tensors& sample_weight = {});
  /// Images in class folders, laid out and ordered as load_image_folder has them: x uint8 (height, width, channels), y int64 (), the class;
  /// no y where images lie in no class folders. Lists the names and reads the header of the first image; others are opened when their
  /// turn comes. Takes about 40 bytes of memory and its path for each image.
  /// Throws as load_image_folder, DataError where the part is not there, and, while elements are made, FormatError or IoError for an
  /// image that cannot be read (on_error) and DataError for one of another size or with colours (image_size, color_mode).
  static Dataset from_directory(const std::string& path, const ImageDatasetOptions& options = {});
  /// The same from a ZIP archive, whose bytes are held in memory as they are in the file; images are inflated and decoded one by one.
  static Dataset from_zip(const std::string& path, const ImageDatasetOptions& options = {});
  /// Elements from a function. It is called again after it said false, for the next pass, and begins anew then, or says false at once.
  /// `cardinality`: elements of a pass; the function is not asked for more. Never called from two threads at a time.
  /// Throws ValueError for no function, or a cardinality below 1 other than `unknown`.
  static Dataset from_generator(Generator next, std::int64_t cardinality = unknown);
  /// The same with a function that begins each pass: it is given the number of the pass (epoch).
  static Dataset from_generator(std::function<Generator(std::int64_t epoch)> begin, std::int64_t cardinality = unknown);

  // ---- transforms: each gives a new Dataset and throws ValueError for an argument that is not allowed

  /// Elements as the function makes them. It may be called from several threads at once (`prefetch`), and must make new tensors: those
  /// that it is given may belong to the source or to a cache.
  Dataset map(MapFunction function) const;
  Dataset map(PlacedMapFunction function) const;
  /// Elements in an order that follows from (seed, epoch): a permutation of all for indexed data, else each drawn from a window of
  /// `buffer_size`. ValueError for indexed data without end.
  Dataset shuffle(const ShuffleOptions& options = {}) const;
  /// `batch_size` elements as one, stacked along a new first axis; the last may have fewer, or is dropped. Images that were skipped are
  /// missing in their batch, which is not filled up; a batch in which all are missing is left out. DataError, while elements are made, for
  /// elements of different shapes, types or structure.
  Dataset batch(std::int64_t batch_size, bool drop_remainder = false) const;
  /// The same `count` times in one pass, each time shuffled anew; -1: without end.
  Dataset repeat(std::int64_t count = -1) const;
  /// The first `count` elements of each pass; -1: all.
  Dataset take(std::int64_t count) const;
  /// Without the first `count` elements of each pass; -1: without all of them.
  Dataset skip(std::int64_t count) const;
  /// Keeps the elements of the first pass in memory and gives them again. Elements of one shape take the bytes of their numbers.
  /// MemoryError where this machine has less memory. Of data that can only be read in order, a pass that was left early keeps nothing.
  Dataset cache() const;
  /// Makes elements ahead on background threads, at most `buffer_size` of them. Where it stands in the chain does not matter: the chain as
  /// a whole runs there. An error is thrown once, when its element's turn comes.
  Dataset prefetch(const PrefetchOptions& options = {}) const;

  // ---- questions

  /// Elements of a pass, skipped ones counted too; or `infinite`, or `unknown`.
  std::int64_t cardinality() const;
  /// Whether any element can be made without those before it.
  bool is_indexed() const;
  /// Whether elements are known to be single samples, because no `batch` stands behind the source.
  bool is_unbatched() const;
  /// Class i of an image folder is class_names()[i]; empty for other sources.
  const std::vector<std::string>& class_names() const;
  /// What the source left out by its name or folder: a sentence each.
  const std::vector<std::string>& notes() const;
  /// Images skipped so far by all iterators of this source; each counts once, however often it came up.
  SkippedImages skipped() const;

  class Iterator;
  /// Goes through the data from a position. Of indexed data, what comes before it is not made.
  Iterator iterate(const DatasetPosition& from = {}) const;
  class PassIterator;
  /// One pass, that of epoch 0: `for (const Batch& batch : dataset)`.
  PassIterator begin() const;
  std::default_sentinel_t end() const { return {}; }

 private:
  explicit Dataset(std::shared_ptr<const detail::data::Chain> chain) : chain_(std::move(chain)) {}
  const detail::data::Chain& chain() const;
  friend struct detail::data::DatasetOf;

  std::shared_ptr<const detail::data::Chain> chain_;
};

/// Goes through one pass of a Dataset. Threads of a prefetch live here; the destructor ends them.
class Dataset::Iterator {
 public:
  Iterator(Iterator&&) noexcept;
  Iterator& operator=(Iterator&&) noexcept;
  ~Iterator();

  /// The next element of the pass; false at its end, or after an error, until `skip_to`. Throws what the source and the functions throw.
  bool next(Element& element);
  /// Behind the element that came last. `skip_to(position())`, in this process or another, gives the same elements from here on.
  DatasetPosition position() const;
  /// Goes to another place, such as the beginning of the next pass ({.epoch = 1}). Of indexed data nothing is made that lies between.
  /// ValueError for a negative number or an index behind the last element.
  void skip_to(const DatasetPosition& position);

 private:
  friend class Dataset;
  struct State;
  explicit Iterator(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// What a `for` over a Dataset uses.
class Dataset::PassIterator {
 public:
  using value_type = Element;
  using difference_type = std::ptrdiff_t;

  const Element& operator*() const { return element_; }
  PassIterator& operator++();
  void operator++(int) { ++*this; }
  friend bool operator==(const PassIterator& iterator, std::default_sentinel_t) { return !iterator.more_; }

 private:
  friend class Dataset;
  explicit PassIterator(Iterator iterator);
  Iterator iterator_;
  Element element_;
  bool more_ = true;
};

}  // namespace linn
