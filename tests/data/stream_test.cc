// Data sets that stream: sources, transforms against a model of plain vectors, positions, threads, images that cannot be read, memory.
#include "linn/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/random.h"
#include "data/image_files.h"
#include "io/test_files.h"
#include "linn/data.h"
#include "linn/error.h"
#include "support/same_bits.h"
#include "support/sanitized.h"

namespace linn {
namespace {

using test::expect_error;
using test::slurp;
using test::spill;
using test::ImageFiles;
using test::TempDir;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Numbers = std::vector<std::int64_t>;

Tensor number(std::int64_t value) { return Tensor::from(Numbers{value}, {}); }

// 0, 1, ..., n - 1 as x, and ten times as much as y.
Dataset counted(std::int64_t n) {
  Numbers x(static_cast<std::size_t>(n)), y(x.size());
  std::iota(x.begin(), x.end(), 0);
  std::transform(x.begin(), x.end(), y.begin(), [](std::int64_t value) { return 10 * value; });
  return Dataset::from_tensors(Tensor::from(x, {n}), Tensor::from(y, {n}));
}

// The same from a function, which can only be read in order.
Dataset generated(std::int64_t n, std::int64_t cardinality = Dataset::unknown) {
  const auto begin = [n](std::int64_t /*epoch*/) -> Dataset::Generator {
    return [n, i = std::int64_t{0}](Batch& element) mutable {
      if (i == n) return false;
      element = {.x = number(i), .y = number(10 * i)};
      ++i;
      return true;
    };
  };
  return Dataset::from_generator(begin, cardinality);
}

Numbers x_of(const Batch& batch) {
  const Tensor& x = batch.x.list().at(0);
  return {x.values<std::int64_t>().begin(), x.values<std::int64_t>().end()};
}

// All numbers of a pass from a position; checks that y comes with its x.
Numbers all_of(const Dataset& data, const DatasetPosition& from = {}) {
  Numbers all;
  Dataset::Iterator iterator = data.iterate(from);
  Batch batch;
  while (iterator.next(batch)) {
    const auto y = batch.y.list().at(0).values<std::int64_t>();
    for (std::size_t i = 0; const std::int64_t x : x_of(batch)) {
      EXPECT_EQ(y[i++], 10 * x);
      all.push_back(x);
    }
  }
  EXPECT_FALSE(iterator.next(batch)) << "the end of a pass lasts";
  return all;
}

std::vector<Numbers> batches_of(const Dataset& data, std::int64_t epoch = 0) {
  std::vector<Numbers> all;
  Dataset::Iterator iterator = data.iterate({.epoch = epoch});
  Batch batch;
  while (iterator.next(batch)) all.push_back(x_of(batch));
  return all;
}

Batch shifted(const Batch& element, std::int64_t by) {
  const std::int64_t value = x_of(element).at(0) + by;
  return {.x = number(value), .y = number(10 * value)};
}

// ---- transforms against plain vectors --------------------------------------------------------------------------------------

// A chain of transforms, applied to a Dataset and to what its passes should be.
struct Step {
  enum Kind { map, placed_map, shuffle, take, skip, repeat, cache, prefetch } kind;
  std::int64_t count;
};

Dataset with_step(const Dataset& data, const Step& step) {
  switch (step.kind) {
    case Step::map: return data.map([by = step.count](Batch element) { return shifted(element, by); });
    case Step::placed_map: return data.map([](Batch element, const DatasetPosition& at) { return shifted(element, 1000 * at.epoch + at.index); });
    case Step::shuffle: return data.shuffle({.buffer_size = 1, .seed = static_cast<std::uint64_t>(step.count)});
    case Step::take: return data.take(step.count);
    case Step::skip: return data.skip(step.count);
    case Step::repeat: return data.repeat(step.count);
    case Step::cache: return data.cache();
    case Step::prefetch: return data.prefetch({.buffer_size = 1 + step.count, .threads = 3});
  }
  return data;
}

// What pass `epoch` of the first `steps` steps gives. A window of one element changes nothing, a whole shuffle is the permutation of
// (seed, epoch), which is defined in core/random.h and tested there.
Numbers expected_pass(std::int64_t n, const std::vector<Step>& all, std::size_t steps, std::int64_t epoch, bool indexed) {
  if (steps == 0) {
    Numbers numbers(static_cast<std::size_t>(n));
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
  }
  const Step& step = all[steps - 1];
  const auto inner = [&](std::int64_t inner_epoch) { return expected_pass(n, all, steps - 1, inner_epoch, indexed); };
  Numbers numbers;
  switch (step.kind) {
    case Step::map:
      numbers = inner(epoch);
      for (std::int64_t& value : numbers) value += step.count;
      return numbers;
    case Step::placed_map:
      numbers = inner(epoch);
      for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] += 1000 * epoch + static_cast<std::int64_t>(i);
      return numbers;
    case Step::shuffle: {
      numbers = inner(epoch);
      if (!indexed) return numbers;
      Numbers mixed;
      const auto stream = detail::core::stream_of("shuffle", static_cast<std::uint64_t>(epoch));
      for (const std::int64_t i : detail::core::permutation(static_cast<std::int64_t>(numbers.size()), static_cast<std::uint64_t>(step.count), stream))
        mixed.push_back(numbers[static_cast<std::size_t>(i)]);
      return mixed;
    }
    case Step::take:
      numbers = inner(epoch);
      numbers.resize(std::min(numbers.size(), static_cast<std::size_t>(step.count)));
      return numbers;
    case Step::skip:
      numbers = inner(epoch);
      numbers.erase(numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(std::min(numbers.size(), static_cast<std::size_t>(step.count))));
      return numbers;
    case Step::repeat:
      for (std::int64_t k = 0; k < step.count; ++k) {
        const Numbers pass = inner(epoch * step.count + k);
        numbers.insert(numbers.end(), pass.begin(), pass.end());
      }
      return numbers;
    case Step::cache: return inner(0);
    case Step::prefetch: return inner(epoch);
  }
  return numbers;
}

RC_GTEST_PROP(StreamAlgebra, ChainsGiveWhatPlainVectorsGive, ()) {
  const std::int64_t n = *rc::gen::inRange<std::int64_t>(1, 30);
  const bool indexed = *rc::gen::arbitrary<bool>();
  std::vector<Step> steps(*rc::gen::inRange<std::size_t>(0, 6));
  for (Step& step : steps) step = {.kind = static_cast<Step::Kind>(*rc::gen::inRange(0, 8)), .count = *rc::gen::inRange<std::int64_t>(0, 5)};
  Dataset data = indexed ? counted(n) : generated(n, n);
  for (const Step& step : steps) data = with_step(data, step);
  RC_ASSERT(data.is_indexed() == indexed);

  const std::int64_t size = *rc::gen::inRange<std::int64_t>(1, 7);
  const bool drop = *rc::gen::arbitrary<bool>();
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    const Numbers expected = expected_pass(n, steps, steps.size(), epoch, indexed);
    const auto count = static_cast<std::int64_t>(expected.size());
    RC_ASSERT(data.cardinality() == count);
    RC_ASSERT(all_of(data, {.epoch = epoch}) == expected);
    // From any place on.
    const std::int64_t place = *rc::gen::inRange<std::int64_t>(0, count + 1);
    RC_ASSERT(all_of(data, {.epoch = epoch, .index = place}) == Numbers(expected.begin() + place, expected.end()));
    // As batches.
    std::vector<Numbers> batches;
    for (std::int64_t first = 0; first < count; first += size) {
      const std::int64_t last = std::min(first + size, count);
      if (last - first == size || !drop) batches.emplace_back(expected.begin() + first, expected.begin() + last);
    }
    const Dataset batched = data.batch(size, drop);
    RC_ASSERT(batched.cardinality() == static_cast<std::int64_t>(batches.size()));
    RC_ASSERT(batches_of(batched, epoch) == batches);
    RC_ASSERT(batches_of(batched.prefetch({.threads = 2}), epoch) == batches);
  }
}

RC_GTEST_PROP(StreamAlgebra, AWindowMixesWithinItself, ()) {
  const std::int64_t n = *rc::gen::inRange<std::int64_t>(1, 60);
  const std::int64_t window = *rc::gen::inRange<std::int64_t>(1, 70);
  const ShuffleOptions options{.buffer_size = window, .seed = *rc::gen::arbitrary<std::uint64_t>()};
  const Numbers mixed = all_of(generated(n).shuffle(options));
  // Element i can come once it is in the window: not before place i - window + 1.
  for (std::size_t place = 0; place < mixed.size(); ++place) RC_ASSERT(mixed[place] < static_cast<std::int64_t>(place) + window);
  Numbers sorted = mixed;
  std::sort(sorted.begin(), sorted.end());
  RC_ASSERT(sorted == all_of(generated(n)));
  RC_ASSERT(all_of(generated(n).shuffle(options)) == mixed);
}

TEST(Stream, EachPassHasItsOrderUnlessToldOtherwise) {
  for (const Dataset& data : {counted(50), generated(50)}) {
    const Dataset mixed = data.shuffle({.buffer_size = 50, .seed = 3}), fixed = data.shuffle({.buffer_size = 50, .seed = 3, .reshuffle_each_iteration = false});
    EXPECT_NE(all_of(mixed), all_of(mixed, {.epoch = 1}));
    EXPECT_NE(all_of(mixed), all_of(data.shuffle({.buffer_size = 50, .seed = 4})));
    EXPECT_NE(all_of(mixed), all_of(data));
    EXPECT_EQ(all_of(fixed), all_of(fixed, {.epoch = 1}));
    EXPECT_EQ(all_of(fixed), all_of(mixed));
  }
}

TEST(Stream, RepeatsWithoutEnd) {
  for (const Dataset& data : {counted(3), generated(3)}) {
    const Dataset endless = data.repeat();
    EXPECT_EQ(endless.cardinality(), Dataset::infinite);
    EXPECT_EQ(endless.batch(2).cardinality(), Dataset::infinite);
    EXPECT_THAT(all_of(endless.take(7)), ElementsAre(0, 1, 2, 0, 1, 2, 0));
    EXPECT_EQ(endless.take(7).cardinality(), 7);
    EXPECT_THAT(all_of(endless.skip(4).take(3)), ElementsAre(1, 2, 0));
    EXPECT_THAT(all_of(data.repeat(0)), IsEmpty());
    EXPECT_THAT(all_of(endless.prefetch({.threads = 4}).take(4)), ElementsAre(0, 1, 2, 0));
  }
  const Dataset mixed = counted(20).shuffle({.seed = 1}).repeat().take(60);
  const Numbers all = all_of(mixed), other = all_of(mixed, {.epoch = 1});
  const auto round = [](const Numbers& numbers, std::ptrdiff_t k) { return Numbers(numbers.begin() + 20 * k, numbers.begin() + 20 * (k + 1)); };
  EXPECT_NE(round(all, 0), round(all, 1));
  EXPECT_NE(round(all, 1), round(other, 0)) << "no two passes have one order";
}

TEST(Stream, AnEmptyPassIsNotRepeatedForEver) {
  EXPECT_THAT(all_of(generated(0).repeat()), IsEmpty());
  EXPECT_THAT(all_of(counted(3).take(0).repeat()), IsEmpty());
}

TEST(Stream, StacksNamesListsAndWeights) {
  const auto begin = [](std::int64_t) -> Dataset::Generator {
    return [i = 0](Batch& element) mutable {
      const auto value = static_cast<float>(i);
      element = {.x = {Tensor::from(std::vector<float>{value, value + 1}, {2}), number(i)},
                 .y = std::map<std::string, Tensor>{{"a", number(7 * i)}, {"b", Tensor({1, 2}, DType::u8)}},
                 .sample_weight = Tensor::from(std::vector<float>{value / 2}, {})};
      return ++i <= 5;
    };
  };
  Batch batch;
  Dataset::Iterator iterator = Dataset::from_generator(begin).batch(3).iterate();
  ASSERT_TRUE(iterator.next(batch));
  EXPECT_EQ(batch.x.list()[0].shape(), (Shape{3, 2}));
  EXPECT_EQ(test::numbers(batch.x.list()[0]), (std::vector<double>{0, 1, 1, 2, 2, 3}));
  EXPECT_EQ(batch.x.list()[1].shape(), (Shape{3}));
  EXPECT_EQ(test::numbers(batch.y.named().at("a")), (std::vector<double>{0, 7, 14}));
  EXPECT_EQ(batch.y.named().at("b").shape(), (Shape{3, 1, 2}));
  EXPECT_EQ(batch.y.named().at("b").dtype(), DType::u8);
  EXPECT_EQ(test::numbers(batch.sample_weight.list()[0]), (std::vector<double>{0, 0.5, 1}));
  ASSERT_TRUE(iterator.next(batch));
  EXPECT_EQ(batch.x.list()[0].shape(), (Shape{2, 2}));
  EXPECT_FALSE(iterator.next(batch));
}

TEST(Stream, ASourceThatGoesOnIsAskedForNoMoreThanItSaid) {
  int asked = 0;
  const auto next = [&](Batch& element) {
    element = {.x = number(asked), .y = number(10 * asked)};
    ++asked;
    return true;
  };
  const Dataset data = Dataset::from_generator(next, 3);
  EXPECT_THAT(all_of(data), ElementsAre(0, 1, 2));
  EXPECT_THAT(all_of(data), ElementsAre(3, 4, 5)) << "one function for all passes";
  EXPECT_EQ(asked, 6);
}

TEST(Stream, ForLoop) {
  Numbers all;
  for (const Batch& batch : counted(5).batch(2))
    for (const std::int64_t x : x_of(batch)) all.push_back(x);
  EXPECT_THAT(all, ElementsAre(0, 1, 2, 3, 4));
}

TEST(Stream, CacheAsksTheSourceOnce) {
  std::atomic<int> made{0};
  const auto count = [&](Batch element) {
    ++made;
    return element;
  };
  for (const Dataset& data : {counted(6), generated(6)}) {
    made = 0;
    const Dataset cached = data.map(count).cache();
    EXPECT_EQ(all_of(cached), all_of(data));
    EXPECT_EQ(all_of(cached, {.epoch = 5}), all_of(data));
    EXPECT_EQ(made, 6);
    EXPECT_EQ(batches_of(cached.batch(4)).size(), 2U);
    EXPECT_EQ(made, 6);
  }
}

TEST(Stream, CacheKeepsElementsOfDifferentShapes) {
  const Dataset data = counted(4).map([](Batch element, const DatasetPosition& at) {
    element.x = Tensor({at.index + 1}, at.index == 2 ? DType::u8 : DType::i32);
    return element;
  }).cache();
  for (int pass = 0; pass < 2; ++pass) {
    std::int64_t i = 0;
    for (const Batch& element : data) {
      EXPECT_EQ(element.x.list()[0].shape(), Shape{i + 1});
      EXPECT_EQ(element.x.list()[0].dtype(), i == 2 ? DType::u8 : DType::i32);
      ++i;
    }
    EXPECT_EQ(i, 4);
  }
}

TEST(Stream, CacheOfTooMuchSaysHowMuch) {
  const Dataset huge = counted(3).repeat(std::int64_t{1} << 40).map([](Batch element) {
    element.x = Tensor({1 << 20});
    return element;
  });
  expect_error<MemoryError>([&] { all_of(huge.take(1 << 20).cache().take(1)); }, {"cache: 1048576 elements of 4194312 bytes need", "GiB in memory"});
}

TEST(Stream, APassThatWasLeftEarlyKeepsNothing) {
  const Dataset data = generated(6).cache();
  EXPECT_EQ(all_of(data.take(2)), (Numbers{0, 1}));
  EXPECT_EQ(all_of(data), all_of(generated(6)));
}

TEST(Stream, PositionsCanBeKept) {
  for (const Dataset& data : {counted(23).shuffle({.seed = 9}).batch(4), generated(23).shuffle({.buffer_size = 5, .seed = 9}).batch(4)})
    for (const bool ahead : {false, true}) {
      const Dataset source = ahead ? data.prefetch({.threads = 3}) : data;
      Dataset::Iterator iterator = source.iterate({.epoch = 2});
      Batch batch;
      for (std::int64_t done = 0; done < 6; ++done) {
        EXPECT_EQ(iterator.position(), (DatasetPosition{.epoch = 2, .index = done}));
        ASSERT_TRUE(iterator.next(batch));
        Dataset::Iterator other = source.iterate(iterator.position());
        std::vector<Numbers> rest;
        while (other.next(batch)) rest.push_back(x_of(batch));
        const std::vector<Numbers> all = batches_of(data, 2);
        EXPECT_EQ(rest, std::vector<Numbers>(all.begin() + done + 1, all.end()));
      }
      EXPECT_FALSE(iterator.next(batch));
      EXPECT_EQ(iterator.position(), (DatasetPosition{.epoch = 2, .index = 6}));
      iterator.skip_to({.epoch = 3});
      ASSERT_TRUE(iterator.next(batch));
      EXPECT_EQ(x_of(batch), batches_of(data, 3)[0]);
    }
}

TEST(Stream, SkipToMakesNothingThatLiesBefore) {
  std::atomic<int> made{0};
  const Dataset data = counted(1000).map([&](Batch element) {
    ++made;
    return element;
  }).shuffle({.seed = 1}).batch(10);
  Batch batch;
  Dataset::Iterator iterator = data.iterate({.epoch = 4, .index = 99});
  ASSERT_TRUE(iterator.next(batch));
  EXPECT_EQ(x_of(batch), batches_of(data, 4).back());
  EXPECT_EQ(made, 10 + 1000);
}

// ---- threads ---------------------------------------------------------------------------------------------------------------

TEST(Stream, OrderAndBitsDoNotDependOnThreads) {
  // Times that mix up who is ready first.
  const Dataset data = counted(200).map([](Batch element, const DatasetPosition& at) {
    std::this_thread::sleep_for(std::chrono::microseconds((at.index * 7919) % 300));
    return shifted(element, at.index);
  }).shuffle({.seed = 5}).batch(7);
  const std::vector<Numbers> expected = batches_of(data, 1);
  for (const int threads : {1, 2, 8})
    for (const std::int64_t buffer : {1, 2, 20}) EXPECT_EQ(batches_of(data.prefetch({.buffer_size = buffer, .threads = threads}), 1), expected) << threads;
}

TEST(Stream, NoMoreIsMadeAheadThanTheBufferHolds) {
  std::atomic<std::int64_t> made{0};
  const Dataset data = counted(100).map([&](Batch element) {
    ++made;
    return element;
  }).prefetch({.buffer_size = 5, .threads = 4});
  Dataset::Iterator iterator = data.iterate();
  Batch element;
  for (std::int64_t taken = 1; taken <= 50; ++taken) {
    ASSERT_TRUE(iterator.next(element));
    if (taken % 10 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_LE(made, taken + 5);
  }
}

TEST(Stream, AnErrorInTheBackgroundSurfacesOnceInItsPlace) {
  for (const Dataset& source : {counted(40), generated(40)})
    for (const int threads : {1, 2, 8}) {
      const Dataset data = source.map([](Batch element, const DatasetPosition& at) {
        if (at.index >= 17) throw std::out_of_range("element " + std::to_string(at.index));
        return element;
      }).prefetch({.threads = threads});
      Dataset::Iterator iterator = data.iterate();
      Batch element;
      for (int i = 0; i < 17; ++i) ASSERT_TRUE(iterator.next(element));
      try {
        iterator.next(element);
        ADD_FAILURE() << "nothing was thrown";
      } catch (const std::out_of_range& error) {
        EXPECT_STREQ(error.what(), "element 17");
      }
      EXPECT_FALSE(iterator.next(element)) << "once";
      iterator.skip_to({.epoch = 1, .index = 3});
      ASSERT_TRUE(iterator.next(element));
      EXPECT_THAT(x_of(element), ElementsAre(3));
    }
}

TEST(Stream, DestructionDoesNotWaitForTheData) {
  for (int round = 0; round < 20; ++round) {
    Batch element;
    Dataset::Iterator endless = counted(5).repeat().prefetch({.buffer_size = 3, .threads = 8}).iterate();
    Dataset::Iterator untouched = counted(5).prefetch().iterate();
    Dataset::Iterator generator = generated(1000000).prefetch().iterate();
    for (int i = 0; i < round; ++i) ASSERT_TRUE(endless.next(element));
    ASSERT_TRUE(generator.next(element));
    Dataset::Iterator moved = std::move(endless);
    ASSERT_TRUE(moved.next(element));
  }
}

TEST(Stream, SeveralIteratorsShareACache) {
  std::atomic<int> made{0};
  const Dataset data = counted(300).map([&](Batch element) {
    ++made;
    return shifted(element, 1);
  }).cache().batch(7).prefetch({.threads = 2});
  const Numbers expected = all_of(counted(300).map([](Batch element) { return shifted(element, 1); }));
  std::vector<std::thread> threads;
  std::vector<Numbers> found(4);
  for (Numbers& numbers : found) threads.emplace_back([&] { numbers = all_of(data); });
  for (std::thread& thread : threads) thread.join();
  for (const Numbers& numbers : found) EXPECT_EQ(numbers, expected);
  made = 0;
  EXPECT_EQ(all_of(data), expected);
  EXPECT_EQ(made, 0);
}

// ---- images ----------------------------------------------------------------------------------------------------------------

Tensor picture(std::uint8_t value, std::int64_t height = 4, std::int64_t width = 5, std::int64_t channels = 1) {
  Tensor image({height, width, channels}, DType::u8);
  std::uint8_t next = value;
  for (std::uint8_t& v : image.values<std::uint8_t>()) v = next, next = static_cast<std::uint8_t>(next + 3);
  return image;
}

// Nine images of two classes for training, two for testing, of different sizes and colours.
void put_animals_of_sizes(const ImageFiles& folder) {
  for (int i = 0; i < 6; ++i) folder.put("train/dog/" + std::to_string(i) + ".png", picture(static_cast<std::uint8_t>(i), 4 + i, 5, i % 2 == 0 ? 3 : 1));
  for (int i = 0; i < 3; ++i) folder.put("train/cat/" + std::to_string(i) + ".png", picture(static_cast<std::uint8_t>(100 + i), 9, 7 - i));
  folder.put("test/dog/a.png", picture(50));
  folder.put("test/cat/b.png", picture(60));
  folder.put("train/readme.txt", test::bytes("text"));
}

// All of a pass as one batch.
Batch as_one_batch(const Dataset& data) {
  Batch batch;
  EXPECT_TRUE(data.batch(1000).iterate().next(batch));
  return batch;
}

TEST(StreamImages, AreThoseOfLoadImageFolderInItsOrder) {
  const ImageFiles folder;
  put_animals_of_sizes(folder);
  const ImageFolder expected = load_image_folder(folder.path(), {.image_size = {6, 6}, .color_mode = "rgb"});
  const ImageDatasetOptions options{.image_size = {6, 6}, .color_mode = "rgb"};
  for (const Dataset& data : {Dataset::from_directory(folder.path(), options), Dataset::from_zip(folder.zipped("", detail::io::ZipWriter::Method::stored), options)}) {
    EXPECT_THAT(data.class_names(), ElementsAre("cat", "dog"));
    EXPECT_EQ(data.cardinality(), 9);
    EXPECT_THAT(data.notes(), ElementsAre(HasSubstr("readme.txt")));
    const Batch all = as_one_batch(data);
    EXPECT_TRUE(tests::same_bits(all.x.list()[0], expected.x_train));
    EXPECT_TRUE(tests::same_bits(all.y.list()[0], expected.y_train));
    EXPECT_THAT(data.map([](Batch element) { return element; }).shuffle({.seed = 1}).batch(2).class_names(), ElementsAre("cat", "dog"));
  }
  const Batch test = as_one_batch(Dataset::from_directory(folder.path(), {.image_size = {6, 6}, .color_mode = "rgb", .part = "test"}));
  EXPECT_TRUE(tests::same_bits(test.x.list()[0], expected.x_test));
  EXPECT_TRUE(tests::same_bits(test.y.list()[0], expected.y_test));
}

TEST(StreamImages, WithoutClassFoldersHaveNoLabels) {
  const ImageFiles folder;
  folder.put("b.png", picture(2));
  folder.put("a.png", picture(1));
  const Batch all = as_one_batch(Dataset::from_directory(folder.path()));
  EXPECT_EQ(all.x.list()[0].shape(), (Shape{2, 4, 5, 1}));
  EXPECT_FALSE(all.y.defined());
  expect_error<DataError>([&] { Dataset::from_directory(folder.path(), {.part = "test"}); }, {"has no folder \"test\"", "all images are for training"});
  folder.put("test/1.png", picture(1));
  expect_error<DataError>([&] { Dataset::from_directory(folder.path()); }, {"has no folder \"train\"; there is", "/test"});
}

TEST(StreamImages, OfAnotherSizeOrColourAreNamed) {
  const ImageFiles folder;
  folder.put("a/1.png", picture(1));
  folder.put("a/2.png", picture(1, 4, 6));
  expect_error<DataError>([&] { as_one_batch(Dataset::from_directory(folder.path())); },
                          {"a/2.png: has 4 x 6 pixels, but the first image", "a/1.png, has 4 x 5; give image_size"});
  folder.put("a/2.png", picture(1, 4, 5, 3));
  expect_error<DataError>([&] { as_one_batch(Dataset::from_directory(folder.path(), {.on_error = "skip"})); },
                          {"a/2.png: has colours, but the first image", "a/1.png, is grey", "give \"rgb\" or \"grayscale\""});
  EXPECT_EQ(as_one_batch(Dataset::from_directory(folder.path(), {.color_mode = "grayscale"})).x.list()[0].shape(), (Shape{2, 4, 5, 1}));
  EXPECT_EQ(as_one_batch(Dataset::from_directory(folder.path(), {.color_mode = "rgb"})).x.list()[0].shape(), (Shape{2, 4, 5, 3}));
  folder.put("a/1.png", picture(1, 4, 5, 3));
  folder.put("a/2.png", picture(1));
  EXPECT_EQ(as_one_batch(Dataset::from_directory(folder.path())).x.list()[0].shape(), (Shape{2, 4, 5, 3})) << "grey becomes colour";
}

// Twelve images, of which 2 (cut off), 5 (no image) and 8 (too large) cannot be read.
void put_damaged(const ImageFiles& folder) {
  for (int i = 0; i < 12; ++i) folder.put("a/" + std::to_string(100 + i) + ".png", picture(static_cast<std::uint8_t>(i)));
  const std::string good(reinterpret_cast<const char*>(slurp(folder.path() + "/a/102.png").data()), 40);
  folder.put("a/102.png", test::bytes(good));
  folder.put("a/105.png", test::bytes("no image"));
  folder.put("a/108.png", picture(8, 30, 30));
}

std::vector<int> firsts(const Batch& batch) {
  const Tensor& x = batch.x.list().at(0);
  std::vector<int> values;
  for (std::int64_t i = 0; i < x.shape()[0]; ++i) values.push_back(x.rows(i, i + 1).values<std::uint8_t>()[0]);
  return values;
}

TEST(StreamImages, ThoseThatCannotBeReadAreNamedOrSkippedAndCounted) {
  const ImageFiles folder;
  put_damaged(folder);
  for (const bool ahead : {false, true}) {
    Dataset strict = Dataset::from_directory(folder.path(), {.max_pixels = 100}).batch(3);
    if (ahead) strict = strict.prefetch({.threads = 2});
    expect_error<FormatError>([&] { batches_of(strict.take(1)); }, {"a/102.png", "PNG"});

    const Dataset source = Dataset::from_directory(folder.path(), {.on_error = "skip", .max_pixels = 100});
    Dataset data = source.batch(3);
    if (ahead) data = data.prefetch({.threads = 8});
    EXPECT_EQ(data.cardinality(), 4);
    std::vector<std::vector<int>> batches;
    for (int pass = 0; pass < 2; ++pass)
      for (const Batch& batch : data) batches.push_back(firsts(batch));
    // Batches are not filled up: which images meet does not depend on which are damaged.
    EXPECT_THAT(batches, ElementsAre(ElementsAre(0, 1), ElementsAre(3, 4), ElementsAre(6, 7), ElementsAre(9, 10, 11), ElementsAre(0, 1), ElementsAre(3, 4),
                                     ElementsAre(6, 7), ElementsAre(9, 10, 11)));
    const SkippedImages skipped = source.skipped();
    EXPECT_EQ(skipped.count, 3) << "each once, however often it came up";
    EXPECT_EQ(data.skipped().count, 3);
    std::string messages;
    for (const std::string& message : skipped.messages) messages += message + "\n";
    EXPECT_THAT(messages, testing::AllOf(HasSubstr("a/102.png"), HasSubstr("a/105.png: is no PNG and no JPEG"), HasSubstr("a/108.png"), HasSubstr("30 x 30 pixels; at most 100")));
  }
}

TEST(StreamImages, ABatchWithoutImagesIsLeftOutAndKeepsItsPlace) {
  const ImageFiles folder;
  put_damaged(folder);
  const Dataset data = Dataset::from_directory(folder.path(), {.on_error = "skip", .max_pixels = 100}).batch(1);
  Dataset::Iterator iterator = data.iterate({.epoch = 0, .index = 1});
  Batch batch;
  ASSERT_TRUE(iterator.next(batch));
  EXPECT_THAT(firsts(batch), ElementsAre(1));
  ASSERT_TRUE(iterator.next(batch));
  EXPECT_THAT(firsts(batch), ElementsAre(3));
  EXPECT_EQ(iterator.position().index, 4);
  const Dataset cached = Dataset::from_directory(folder.path(), {.on_error = "skip", .max_pixels = 100}).cache().batch(1);
  for (int pass = 0; pass < 2; ++pass) {
    std::vector<int> values;
    for (const Batch& one : cached) values.push_back(firsts(one)[0]);
    EXPECT_THAT(values, ElementsAre(0, 1, 3, 4, 6, 7, 9, 10, 11));
  }
}

TEST(StreamImages, AFolderOfDamagedImagesIsRefused) {
  const ImageFiles folder;
  folder.put("a/1.png", test::bytes("no"));
  folder.put("a/2.png", test::Bytes());
  expect_error<DataError>([&] { Dataset::from_directory(folder.path(), {.on_error = "skip"}); }, {"none of 2 images can be read", "a/1.png"});
  expect_error<FormatError>([&] { Dataset::from_directory(folder.path()); }, {"a/1.png"});
}

TEST(StreamImages, AFileThatGoesMeanwhileIsAnError) {
  const ImageFiles folder;
  put_damaged(folder);
  const Dataset data = Dataset::from_directory(folder.path());
  std::filesystem::remove(folder.path() + "/a/101.png");
  Dataset::Iterator iterator = data.iterate();
  Batch element;
  ASSERT_TRUE(iterator.next(element));
  expect_error<IoError>([&] { iterator.next(element); }, {"a/101.png", "cannot be opened"});
}

// ---- memory ----------------------------------------------------------------------------------------------------------------

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

// bench/stream.cc does the same with a million.
TEST(StreamImages, FullMemoryIsFlatInTheNumberOfImages) {
  if (tests::sanitized) GTEST_SKIP() << "a sanitizer keeps freed memory";
  constexpr std::int64_t images = 50000;
  const ImageFiles folder;
  folder.put("c000/first.png", picture(0, 8, 8));
  const test::Bytes png = slurp(folder.path() + "/c000/first.png");
  for (std::int64_t i = 1; i < images; ++i) {
    const std::string path = folder.path() + "/c" + std::to_string(100 + i % 50);
    if (i <= 50) std::filesystem::create_directories(path);
    spill(path + "/image_" + std::to_string(1000000 + i) + ".png", png);
  }
  const std::int64_t before = resident_bytes();
  const Dataset data = Dataset::from_directory(folder.path()).shuffle({.seed = 1}).batch(32).prefetch({.threads = 2});
  EXPECT_EQ(data.cardinality(), (images + 31) / 32);
  EXPECT_LT(resident_bytes() - before, images * 100) << "names of 27 characters, their list, classes";
  std::int64_t seen = 0;
  for (const Batch& batch : data) seen += batch.x.list()[0].shape()[0];
  EXPECT_EQ(seen, images);
  EXPECT_LT(resident_bytes() - before, images * 100 + (std::int64_t{8} << 20)) << "and what threads and a few batches take";
}

// ---- what is not allowed ---------------------------------------------------------------------------------------------------

TEST(Stream, ArgumentsAreChecked) {
  const Dataset data = counted(3);
  expect_error<StateError>([] { Dataset().batch(2); }, {"was never given a source"});
  expect_error<ValueError>([&] { data.batch(0); }, {"batch_size is 0"});
  expect_error<ValueError>([&] { data.take(-2); }, {"take: count is -2"});
  expect_error<ValueError>([&] { data.skip(-2); }, {"skip: count is -2"});
  expect_error<ValueError>([&] { data.repeat(-2); }, {"repeat: count is -2"});
  EXPECT_EQ(data.take(-1).cardinality(), 3);
  EXPECT_EQ(data.skip(-1).cardinality(), 0) << "all of them, as tf.data";
  EXPECT_THAT(all_of(data.skip(-1)), IsEmpty());
  EXPECT_THAT(all_of(data.repeat().skip(-1)), IsEmpty());
  expect_error<ValueError>([&] { data.repeat().shuffle(); }, {"shuffle", "no end", "before repeat"});
  expect_error<ValueError>([&] { data.repeat().cache(); }, {"cache", "no end"});
  expect_error<ValueError>([&] { generated(3).shuffle(); }, {"give buffer_size"});
  expect_error<ValueError>([&] { data.shuffle({.buffer_size = -1}); }, {"buffer_size is -1"});
  expect_error<ValueError>([&] { data.prefetch({.buffer_size = -1}); }, {"buffer_size is -1"});
  expect_error<ValueError>([&] { data.prefetch({.threads = 5000}); }, {"prefetch: threads"});
  expect_error<ValueError>([&] { data.map(Dataset::MapFunction()); }, {"map: no function"});
  expect_error<ValueError>([&] { Dataset::from_generator(Dataset::Generator()); }, {"no function"});
  expect_error<ValueError>([&] { generated(3, 0); }, {"cardinality is 0"});
  expect_error<ValueError>([&] { data.iterate({.epoch = -1}); }, {"epoch -1"});
  expect_error<ValueError>([&] { data.iterate({.index = 4}); }, {"index 4; a pass has 3"});
  expect_error<ValueError>([&] { all_of(generated(3), {.index = 4}); }, {"index 4", "ended after 3"});
  EXPECT_THAT(all_of(data, {.index = 3}), IsEmpty());
  expect_error<ValueError>([] { Dataset::from_directory(".", {.max_pixels = 0}); }, {"max_pixels is 0"});
  expect_error<ValueError>([] { Dataset::from_directory(".", {.image_size = {0, 4}}); }, {"image_size is 0 x 4"});
  expect_error<IoError>([] { Dataset::from_directory("/no/such/folder"); }, {"/no/such/folder"});
  expect_error<IoError>([] { Dataset::from_zip("/no/such/file.zip"); }, {"/no/such/file.zip"});
  expect_error<ValueError>([] { OnError(std::string("ignore")); }, {"on_error is \"ignore\"", "\"raise\""});
}

TEST(Stream, TensorsAreChecked) {
  expect_error<DataError>([] { Dataset::from_tensors({}); }, {"x is empty"});
  expect_error<DataError>([] { Dataset::from_tensors(Tensor({3}), Tensor({2})); }, {"x holds 3 samples, but y holds 2"});
  expect_error<DataError>([] { Dataset::from_tensors(number(1)); }, {"x is a single number"});
  expect_error<DataError>([] { Dataset::from_tensors(Tensor({0, 2})); }, {"x holds no samples", "(0, 2)"});
}

TEST(Stream, ElementsThatDoNotStackAreNamed) {
  const auto with = [](const Tensor& odd) {
    return counted(4).map([odd](Batch element, const DatasetPosition& at) {
      element.x = at.index == 2 ? odd : Tensor({4}, DType::u8);
      return element;
    });
  };
  expect_error<DataError>([&] { batches_of(with(Tensor({5}, DType::u8)).batch(4)); }, {"x of element 2 is uint8 (5,)", "element 0", "uint8 (4,)"});
  expect_error<DataError>([&] { batches_of(with(Tensor({4})).batch(4)); }, {"x of element 2 is float32 (4,)"});
  expect_error<DataError>([&] { batches_of(with(Tensor()).batch(4)); }, {"x is empty in one of the elements 0 and 2"});
  const Dataset odd = counted(4).map([](Batch element, const DatasetPosition& at) {
    if (at.index == 3) element.y = {};
    return element;
  });
  expect_error<DataError>([&] { batches_of(odd.batch(2)); }, {"element 3 has x, but element 2 of its batch has x, y"});
}

}  // namespace
}  // namespace linn
