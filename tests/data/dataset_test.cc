#include "data/dataset.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <limits>

#include "io/test_files.h"
#include "io/zip.h"
#include "linn/data.h"

namespace linn::detail::data {
namespace {

using test::bytes;
using test::expect_error;
using test::kept;
using test::numbers;
using test::TempDir;

Tensor images(std::int64_t count) { return Tensor(Shape{count, 4, 4}, DType::u8); }
Tensor labels(std::vector<std::int32_t> values) {
  const auto count = static_cast<std::int64_t>(values.size());
  return Tensor::from(values, Shape{count});
}

TEST(Dataset, NpzWithBothPairs) {
  const Dataset data = load_dataset(kept("data", "compressed.npz"));
  EXPECT_EQ(data.x_train.shape(), (Shape{3, 2, 2}));
  EXPECT_EQ(numbers(data.y_train), (std::vector<double>{3, 1, 2}));
  EXPECT_EQ(data.x_test.shape(), (Shape{1, 2, 2}));
  EXPECT_EQ(data.y_test.shape(), Shape{1});
}

TEST(Dataset, NpzWithOnePair) {
  const Dataset data = load_dataset(kept("data", "plain.npz"));
  EXPECT_TRUE(data.x_train.defined());
  EXPECT_FALSE(data.x_test.defined());
  EXPECT_FALSE(data.y_test.defined());
  const TempDir dir;
  save_npz(dir / "test.npz", {{"x_test", images(2)}, {"y_test", labels({1, 2})}, {"other", labels({1})}});
  EXPECT_FALSE(load_dataset(dir / "test.npz").x_train.defined());
  EXPECT_TRUE(load_dataset(dir / "test.npz").x_test.defined());
}

TEST(Dataset, LabelsMayBeOptional) {
  const TempDir dir;
  save_npz(dir / "alone.npz", {{"x_train", images(2)}, {"y_train", labels({1, 2})}, {"x_test", images(3)}});
  const Dataset both = load_dataset(dir / "alone.npz", Labels::optional);
  EXPECT_EQ(both.x_test.shape(), (Shape{3, 4, 4}));
  EXPECT_FALSE(both.y_test.defined());
  EXPECT_TRUE(both.y_train.defined());
  EXPECT_EQ(both.test_where, dir / "alone.npz" + ": x_test");
  expect_error<DataError>([&] { load_dataset(dir / "alone.npz"); }, {"has x_test but not y_test"});
  save_npz(dir / "labels.npz", {{"y_test", labels({1})}});
  expect_error<DataError>([&] { load_dataset(dir / "labels.npz", Labels::optional); }, {"has y_test but not x_test"});

  save_npy(dir / "digits.npy", images(2));
  save_npy(dir / "train.npy", images(2));
  const Dataset test = load_dataset(dir / "digits.npy", Labels::optional);
  EXPECT_TRUE(test.x_test.defined());
  EXPECT_FALSE(test.x_train.defined() || test.y_test.defined());
  EXPECT_EQ(test.test_where, dir / "digits.npy");
  EXPECT_TRUE(load_dataset(dir / "train.npy", Labels::optional).x_train.defined());
  EXPECT_TRUE(load_dataset(kept("data", "mnist/train-images-idx3-ubyte"), Labels::optional).x_train.defined());
  expect_error<DataError>([&] { load_dataset(dir / "digits.npy"); }, {"holds one array"});
  save_npy(dir / "none.npy", images(0));
  expect_error<DataError>([&] { load_dataset(dir / "none.npy", Labels::optional); }, {"0 images"});
  save_npy(dir / "row.npy", labels({1, 2}));
  expect_error<DataError>([&] { load_dataset(dir / "row.npy", Labels::optional); }, {"images of shape (2,)"});
}

TEST(Dataset, MisspeltArrays) {
  const TempDir dir;
  save_npz(dir / "a.npz", {{"x_train", images(2)}, {"y_train", labels({1, 2})}, {"X_test", images(2)}, {"y_test", labels({1, 2})}});
  expect_error<DataError>([&] { load_dataset(dir / "a.npz"); }, {"a.npz", "\"X_test\"", "did you mean \"x_test\"?"});
  save_npz(dir / "b.npz", {{"x_tran", images(2)}, {"y_train", labels({1, 2})}});
  expect_error<DataError>([&] { load_dataset(dir / "b.npz"); }, {"did you mean \"x_train\"?"});
  save_npz(dir / "c.npz", {{"x_train", images(2)}, {"y_train", labels({1, 2})}, {"x_train2", images(1)}, {"names", labels({0})}});
  EXPECT_NO_THROW(load_dataset(dir / "c.npz")) << "nothing that they could be meant for is missing";
}

TEST(Dataset, SaysWhereItComesFrom) {
  EXPECT_EQ(load_dataset(kept("data", "plain.npz")).train_where, kept("data", "plain.npz") + ": x_train, y_train");
  const std::string images = kept("data", "mnist/train-images-idx3-ubyte");
  EXPECT_THAT(load_dataset(kept("data", "mnist")).train_where, testing::AllOf(testing::HasSubstr(images), testing::HasSubstr(", ")));
}

TEST(Dataset, DirectoryOfIdxFiles) {
  const Dataset data = load_dataset(kept("data", "mnist"));
  EXPECT_EQ(data.x_train.shape(), (Shape{3, 4, 4}));
  EXPECT_EQ(numbers(data.y_train), (std::vector<double>{7, 0, 9}));
  EXPECT_EQ(numbers(data.x_test), numbers(data.x_train));
  EXPECT_EQ(numbers(data.y_test), (std::vector<double>{7, 0, 9}));
  const TempDir dir;
  expect_error<DataError>([&] { load_dataset(dir.path()); }, {dir.path(), "train-images-idx3-ubyte"});
  std::filesystem::copy_file(kept("data", "mnist/train-images-idx3-ubyte"), dir / "train-images-idx3-ubyte");
  expect_error<DataError>([&] { load_dataset(dir.path()); }, {"train-labels-idx1-ubyte"});
}

TEST(Dataset, PairsOfFiles) {
  const TempDir dir;
  save_npy(dir / "images.npy", images(3));
  save_npy(dir / "labels.npy", labels({0, 1, 2}));
  const Dataset npy = load_dataset(dir / "images.npy" + "," + (dir / "labels.npy"));
  EXPECT_EQ(npy.x_train.shape(), (Shape{3, 4, 4}));
  EXPECT_EQ(numbers(npy.y_train), (std::vector<double>{0, 1, 2}));
  EXPECT_FALSE(npy.x_test.defined());
  const Dataset idx =
      load_dataset(kept("data", "mnist/t10k-images-idx3-ubyte.gz") + "," + kept("data", "mnist/train-labels-idx1-ubyte"));
  EXPECT_EQ(idx.x_test.shape(), (Shape{3, 4, 4}));
  EXPECT_FALSE(idx.x_train.defined());
  // A name with a comma in it is one file when there is such a file.
  save_npz(dir / "a,b.npz", {{"x_train", images(1)}, {"y_train", labels({1})}});
  EXPECT_TRUE(load_dataset(dir / "a,b.npz").x_train.defined());

  expect_error<ValueError>([] { load_dataset("a.npy,b.npy,c.npy"); }, {"IMAGES,LABELS"});
  expect_error<ValueError>([] { load_dataset("a.npy,"); }, {"IMAGES,LABELS"});
  expect_error<ValueError>([] { load_dataset(""); }, {"empty"});
  expect_error<IoError>([] { load_dataset("no_images.npy,no_labels.npy"); }, {"no_images.npy", "No such file"});
  expect_error<DataError>([&] { load_dataset(dir / "images.npy"); }, {"images.npy", "IMAGES,LABELS"});
  expect_error<IoError>([&] { load_dataset(dir / "none.npy"); }, {"none.npy", "No such file"});
  test::spill(dir / "text.txt", bytes("hello"));
  expect_error<FormatError>([&] { load_dataset(dir / "text.txt" + "," + (dir / "labels.npy")); },
                            {"text.txt", "neither an .npy nor an IDX"});
}

TEST(Dataset, NpzThatMakesNoSense) {
  const TempDir dir;
  const auto with = [&](const Archive& archive) {
    save_npz(dir / "a.npz", archive);
    return [&dir] { load_dataset(dir / "a.npz"); };
  };
  expect_error<DataError>(with({{"x_train", images(3)}, {"y_train", labels({1, 2})}}),
                          {"3 images", "2 labels", "x_train", "y_train", "a.npz"});
  expect_error<DataError>(with({{"x_train", images(0)}, {"y_train", labels({})}}), {"0 images", "x_train"});
  expect_error<DataError>(with({{"x_train", Tensor(Shape{1, 0, 4})}, {"y_train", labels({1})}}), {"size 0", "(1, 0, 4)"});
  expect_error<DataError>(with({{"x_train", labels({1})}, {"y_train", labels({1})}}), {"(1,)"});
  expect_error<DataError>(with({{"x_train", images(1)}}), {"x_train but not y_train"});
  expect_error<DataError>(with({{"y_test", labels({1})}}), {"y_test but not x_test"});
  expect_error<DataError>(with({{"images", images(1)}, {"labels", labels({1})}}), {"\"images\", \"labels\"", "x_train"});
  expect_error<DataError>(with({}), {"(none)"});
  expect_error<DataError>(with({{"x_train", images(3)}, {"y_train", labels({1, 2, -3})}}), {"label 2 is -3"});
}

// Mirrors of MNIST name its files in several ways.
TEST(Dataset, NamesOfIdxFiles) {
  const auto copy = [](const std::string& from, const std::string& to) { std::filesystem::copy_file(kept("data", "mnist/" + from), to); };
  const TempDir dots;
  copy("train-images-idx3-ubyte", dots / "train-images.idx3-ubyte");
  copy("train-labels-idx1-ubyte", dots / "train-labels.idx1-ubyte");
  copy("t10k-images-idx3-ubyte.gz", dots / "emnist-digits-test-images-idx3-ubyte.gz");
  copy("train-labels-idx1-ubyte", dots / "emnist-digits-test-labels-idx1-ubyte");
  const Dataset data = load_dataset(dots.path());
  EXPECT_EQ(numbers(data.y_train), (std::vector<double>{7, 0, 9}));
  EXPECT_EQ(data.x_test.shape(), (Shape{3, 4, 4}));
  EXPECT_EQ(data.train_where, dots / "train-images.idx3-ubyte" + ", " + (dots / "train-labels.idx1-ubyte"));

  const TempDir folders;  // as some archives unpack
  for (const char* name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"}) {
    std::filesystem::create_directory(folders / name);
    copy(name, folders / name + "/" + name);
  }
  EXPECT_EQ(load_dataset(folders.path()).x_train.shape(), (Shape{3, 4, 4}));
  const Dataset pair = load_dataset(dots / "emnist-digits-test-images-idx3-ubyte.gz" + "," + (dots / "train-labels.idx1-ubyte"));
  EXPECT_TRUE(pair.x_test.defined());
}

TEST(Dataset, FilesAreToldApartByTheirBytes) {
  const TempDir dir;
  save_npz(dir / "data.zip", {{"x_train", images(1)}, {"y_train", labels({1})}});
  EXPECT_TRUE(load_dataset(dir / "data.zip").x_train.defined());
  save_npy(dir / "digits", images(2));
  EXPECT_TRUE(load_dataset(dir / "digits", Labels::optional).x_test.defined());
  test::spill(dir / "data.csv", bytes("1,2,3"));
  expect_error<FormatError>([&] { load_dataset(dir / "data.csv"); }, {"data.csv", "begins with \"1,2,3\"", ".npz", ".zip", "IMAGES,LABELS"});
}

// An array that nobody asks for may be anything.
TEST(Dataset, OtherMembersDoNotMatter) {
  const TempDir dir;
  test::Bytes file;
  io::ZipWriter zip([&](std::span<const std::byte> part) { file.insert(file.end(), part.begin(), part.end()); });
  save_npy(dir / "x.npy", images(2));
  save_npy(dir / "y.npy", labels({0, 1}));
  zip.add("x_train.npy", test::slurp(dir / "x.npy"));
  zip.add("y_train.npy", test::slurp(dir / "y.npy"));
  for (const char* name : {"object", "text", "complex", "date", "record"}) zip.add(std::string(name) + ".npy", test::slurp(kept("io", std::string(name) + ".npy")));
  zip.add("broken.npy", bytes("\x93NUMPY and no more"));
  zip.add("README.txt", bytes("hello"));
  zip.finish();
  test::spill(dir / "a.npz", file);
  EXPECT_EQ(numbers(load_dataset(dir / "a.npz").y_train), (std::vector<double>{0, 1}));

  test::Bytes wrong;
  io::ZipWriter other([&](std::span<const std::byte> part) { wrong.insert(wrong.end(), part.begin(), part.end()); });
  other.add("x_train.npy", test::slurp(kept("io", "object.npy")));
  other.add("y_train.npy", test::slurp(dir / "y.npy"));
  other.finish();
  test::spill(dir / "b.npz", wrong);
  expect_error<FormatError>([&] { load_dataset(dir / "b.npz"); }, {"b.npz: member \"x_train.npy\"", "Python objects"});
}

TEST(Dataset, TestImagesOfAnotherSizeAreFoundAtOnce) {
  const TempDir dir;
  save_npz(dir / "a.npz", {{"x_train", images(2)}, {"y_train", labels({0, 1})}, {"x_test", Tensor(Shape{1, 5, 4}, DType::u8)}, {"y_test", labels({0})}});
  expect_error<DataError>([&] { load_dataset(dir / "a.npz"); }, {"training images of shape (4, 4)", "x_train, y_train", "test images of shape (5, 4)"});
}

TEST(Dataset, LabelsFollowTheNamesOfClasses) {
  const std::vector<std::string> model = {"ant", "bee", "cat"};
  EXPECT_EQ(numbers(labels_by_name(labels({0, 1, 1}), {"bee", "cat"}, model, "here")), (std::vector<double>{1, 2, 2}));
  EXPECT_EQ(numbers(labels_by_name(labels({0, 2}), model, model, "here")), (std::vector<double>{0, 2}));
  expect_error<DataError>([&] { labels_by_name(labels({0}), {"catt"}, model, "here"); }, {"here: the model was not trained on the class \"catt\" (did you mean \"cat\"?)", "\"ant\""});
}

TEST(Labels, WholeNumbersOfZeroOrMore) {
  const auto f32 = [](std::vector<float> values) {
    const auto count = static_cast<std::int64_t>(values.size());
    return Tensor::from(values, Shape{count});
  };
  EXPECT_EQ(checked_labels(f32({0, 2, 5}), "y").dtype(), DType::i64);
  EXPECT_EQ(numbers(checked_labels(f32({0, 2, 5}), "y")), (std::vector<double>{0, 2, 5}));
  EXPECT_EQ(checked_labels(labels({0, 1}), "y").dtype(), DType::i32);
  EXPECT_EQ(checked_labels(labels({0, 1}).astype(DType::bf16), "y").dtype(), DType::i64);
  EXPECT_EQ(checked_labels(labels({4, 1}).reshape(Shape{2, 1}), "y").shape(), Shape{2});
  expect_error<DataError>([&] { checked_labels(f32({0, 1.5f}), "y"); }, {"y: label 1 is 1.5"});
  expect_error<DataError>([&] { checked_labels(f32({-1}), "y"); }, {"label 0 is -1"});
  expect_error<DataError>([&] { checked_labels(f32({0, 0, std::numeric_limits<float>::quiet_NaN()}), "y"); }, {"label 2 is nan"});
  expect_error<DataError>([&] { checked_labels(f32({std::numeric_limits<float>::infinity()}), "y"); }, {"label 0 is inf"});
  expect_error<DataError>([&] { checked_labels(f32({1e30f}), "y"); }, {"label 0 is 1"});
  expect_error<DataError>([&] { checked_labels(labels({0, -7}), "y"); }, {"label 1 is -7"});
  expect_error<DataError>([&] { checked_labels(Tensor(Shape{3, 10}), "y"); }, {"(3, 10)"});
  expect_error<DataError>([&] { checked_labels(Tensor(Shape{}), "y"); }, {"()"});
}

}  // namespace
}  // namespace linn::detail::data
